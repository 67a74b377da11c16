"""What learners' cells show, on its way through the sandbox to a page: pictures arrive, large outputs cost nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from nnkit.text import drop_scripts
from nnkit_grader.rpc.connection import Connection
from nnkit_grader.rpc.fit_outputs import MAX_CELL_CHARACTERS, fit_outputs
from nnkit_grader.sandbox import choose_sandbox
from nnkit_grader.sanitize.outputs import bound_outputs

pytestmark = pytest.mark.escape

GRAPH = """
from nnkit.graph import Graph
graph = Graph()
x, y = graph.inputs(x=-2.0, y=5.0)
f = (x * y).named("f")
"""
SHOWS = {
    "a graph": GRAPH + "graph",
    "graph": "from nnkit.view import graph_explorer; graph_explorer(graph)",
    "activation": "from nnkit.gates import Sigmoid\nfrom nnkit.view.explorers import activation_explorer\n"
    "activation_explorer(Sigmoid())",
    "jacobian": "from nnkit.view.explorers import jacobian_explorer; jacobian_explorer()",
    "descent": "from nnkit.view.explorers import descent_explorer; descent_explorer()",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with choose_sandbox(preload=("matplotlib.pyplot",)) as sandbox:
        child = sandbox.start()
        yield Connection(child.channel)
        child.kill()


@pytest.mark.parametrize("name", list(SHOWS))
def test_a_page_shows_the_still_form_as_a_picture(connection: Connection, name: str) -> None:
    (shown,) = bound_outputs(connection.run_cell(1, SHOWS[name]))
    pictures = re.findall(
        r'<img alt="[^"]{20,}"[^>]* src="data:image/[a-z+]+;base64,([^"]{500,})"', shown["data"]["text/html"]
    )
    assert len(pictures) == 1
    assert base64.b64decode(pictures[0]).startswith((b"<svg", b"\x89PNG"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from IPython.display import HTML, display; display(HTML('x' * 10**6))", "text/html is left out: it is too"),
        ("'x' * 10**6", "xxx"),
        ("from IPython.display import Image, display; display(Image(b'\\x89PNG' + bytes(10**6)))", "image/png is left"),
        ("raise ValueError('x' * 10**6)", "ValueError"),
        (
            "from IPython.display import *\nfor _ in range(99): display(HTML('x' * 200_000))",
            "too much output",
        ),
        (
            "class T(str): pass\ndisplay({'text/plain': T('of a class')}, raw=True)",
            "of",
        ),
    ],
)
def test_an_output_of_any_size_leaves_the_process_alive(connection: Connection, code: str, said: str) -> None:
    connection.run_cell(1, "kept = 7")
    assert said in str(connection.run_cell(2, code))
    assert connection.run_cell(3, "print(kept)") == [{"output_type": "stream", "name": "stdout", "text": "7\n"}]


def test_the_outputs_of_a_cell_have_a_bound() -> None:
    many: list[dict[str, Any]] = [{"output_type": "display_data", "data": {"text/plain": "x" * 200_000}}] * 100
    fitted = fit_outputs(many)
    assert len(fitted) == MAX_CELL_CHARACTERS // 200_000 + 1
    assert "too much output" in fitted[-1]["text"]


def test_an_error_after_too_much_output_is_kept() -> None:
    shown: dict[str, Any] = {"output_type": "display_data", "data": {"text/plain": "x" * 200_000}}
    error = {
        "output_type": "error",
        "ename": "KeyError",
        "evalue": "'a'",
        "traceback": ["y" * 10**6] * 200 + ["KeyError"],
    }
    *_, note, last = fit_outputs([*[shown] * 30, error])
    assert "too much output" in note["text"]
    assert last["traceback"][-1] == "KeyError"
    assert sum(map(len, last["traceback"])) < MAX_CELL_CHARACTERS


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("a<script>b</script>c", "ac"),
        ("a<SCRIPT type='module'>b<script>c</script >d", "ad"),
        ("a<script>b", "a"),
        ("a</script>b", "ab"),
        ("<scripture>a", "<scripture>a"),
        ("plain", "plain"),
    ],
)
def test_scripts_are_dropped(html: str, left: str) -> None:
    assert drop_scripts(html) == left
