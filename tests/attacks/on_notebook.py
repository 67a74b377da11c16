"""Attacks by the file itself: forged metadata, moved tests, files that are not notebooks, active content."""

import copy
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hostile import Attack, Notebook, cell_of, code_cell

EVIL = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
TESTS = ("test-square", "test-subtract", "test-exp")


def each_mark(change: Callable[[dict[str, Any]], None]) -> Callable[[Notebook], None]:
    """Change nbgrader's metadata of every cell that has some."""

    def edit(notebook: Notebook) -> None:
        for cell in notebook["cells"]:
            if "nbgrader" in cell["metadata"]:
                change(cell["metadata"]["nbgrader"])

    return edit


def softened(notebook: Notebook) -> None:
    for name in TESTS:
        cell_of(notebook, name)["source"] = "True"


def deleted(notebook: Notebook) -> None:
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].startswith("test-")]


def copied(notebook: Notebook) -> None:
    for name in TESTS:
        again = copy.deepcopy(cell_of(notebook, name))
        again["source"] = "100"
        notebook["cells"] += [again, {**again, "id": name + "-2"}]
        notebook["cells"].insert(0, copy.deepcopy(again))


def impersonating(notebook: Notebook) -> None:
    """Move a test's metadata to a cell of the learner's own."""
    own = code_cell("38.0", "mine")
    own["metadata"] = cell_of(notebook, "test-square")["metadata"]
    cell_of(notebook, "test-square")["metadata"] = {}
    notebook["cells"].append(own)


def swapped(notebook: Notebook) -> None:
    """Swap the ids of answers and tests, and those of a test of few points and one of many."""
    for one, other in (("square", "test-square"), ("test-update", "test-neuron")):
        first, second = cell_of(notebook, one), cell_of(notebook, other)
        first["metadata"], second["metadata"] = second["metadata"], first["metadata"]


def reordered(notebook: Notebook) -> None:
    notebook["cells"].reverse()


def retyped(notebook: Notebook) -> None:
    for name in TESTS:
        cell = cell_of(notebook, name)
        cell["cell_type"] = "markdown"
        del cell["outputs"], cell["execution_count"]


def future(notebook: Notebook) -> None:
    notebook["nbformat"], notebook["nbformat_minor"] = 99, 99


def with_metadata(notebook: Notebook) -> None:
    notebook["metadata"] = {
        "nnkit": {"files": ["../../gradebook.db", "/etc/passwd", "numpy.py"]},
        "kernelspec": {"name": "../../evil", "display_name": EVIL, "argv": ["touch", "/tmp/nnkit_attack_kernel"]},
        "title": EVIL,
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"x": EVIL}}},
    }


def with_outputs(notebook: Notebook) -> None:
    """Add outputs that were never computed, with scores and scripts in them."""
    for name in TESTS:
        cell_of(notebook, name)["outputs"] = [
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {"text/plain": "2.0", "text/html": EVIL},
            },
        ]


def with_markdown(notebook: Notebook) -> None:
    cell = cell_of(notebook, "written")
    cell["source"] = f"{EVIL} [x](javascript:alert(1)) $\\href{{javascript:alert(1)}}{{x}}$"
    cell["attachments"] = {"x.svg": {"image/svg+xml": EVIL}, "../x.html": {"text/html": EVIL}}
    cell["metadata"]["tags"] = [EVIL, "hide-cell"]


def replaced_by(make: Callable[[Path, Path], None]) -> Callable[[Path, Mapping[str, Any]], None]:
    """Return an attack whose notebook is not a file: `make(path, secret file)` makes it."""

    def change(folder: Path, places: Mapping[str, Any]) -> None:
        (folder / "ps1.ipynb").unlink()
        make(folder / "ps1.ipynb", Path(places["SOLUTION"]))

    return change


def not_a_file(name: str, tries: str, make: Callable[[Path, Path], None]) -> Attack:
    return Attack(name, tries, folder=replaced_by(make), score=0.0, refused=True)


def not_a_notebook(name: str, tries: str, raw: Callable[[Notebook], bytes]) -> Attack:
    return Attack(name, tries, raw=raw, score=0.0, refused=True)


def linked_beside(folder: Path, places: Mapping[str, Any]) -> None:
    for name, target in (("data.csv", "GRADEBOOK"), ("timestamp.txt", "SOLUTION"), ("submission_secret.txt", "OTHER")):
        (folder / name).symlink_to(places[target])


SCRIPTS = """
from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display
for kind in (HTML, Markdown, Latex):
    display(kind("<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"))
script = "<script>window.pwned = 1</script>"
display(SVG(f"<svg xmlns='http://www.w3.org/2000/svg' onload='window.pwned = 1'>{script}</svg>"))
display(Javascript("window.pwned = 1"))
print("<script>window.pwned = 1</script>")
class Evil(Exception): pass
Evil.__name__ = Evil.__qualname__ = "<script>window.pwned = 1</script>"
raise Evil("<img src=x onerror='window.pwned = 1'>")
"""

NOTEBOOK_ATTACKS = [
    Attack("softened tests", "Replaces tests by cells that pass.", edit=softened, gains="points"),
    Attack("forged points", "Raises every test's points.", edit=each_mark(lambda mark: mark.update(points=1000))),
    Attack(
        "negative and infinite points",
        "Gives tests points that no sum survives.",
        edit=each_mark(lambda mark: mark.update(points=float("inf"))),
    ),
    Attack(
        "unlocked",
        "Says of every cell that it is an answer and not locked.",
        edit=each_mark(lambda mark: mark.update(locked=False, solution=True, grade=False)),
    ),
    Attack(
        "every cell graded",
        "Says of every cell that it is a test with points.",
        edit=each_mark(lambda mark: mark.update(grade=True, points=40, task=True)),
    ),
    Attack("forged ids", "Gives all cells the same id.", edit=each_mark(lambda mark: mark.update(grade_id="multiply"))),
    Attack(
        "ids of a hostile form",
        "Gives cells ids that are paths and HTML.",
        edit=each_mark(lambda mark: mark.update(grade_id="../../" + EVIL)),
    ),
    Attack(
        "future version",
        "Says that nbgrader's metadata is of version 99.",
        edit=each_mark(lambda mark: mark.update(schema_version=99)),
    ),
    Attack(
        "marks of the wrong kind",
        "Puts lists and numbers where nbgrader's metadata has texts.",
        edit=each_mark(lambda mark: mark.update(grade_id=[1], points={"a": []}, grade="yes", cell_type=3)),
    ),
    Attack("future notebook", "Says that the notebook is of format 99.", edit=future),
    Attack("deleted tests", "Deletes all tests.", edit=deleted),
    Attack("copied tests", "Copies tests, with another source, before and behind the real ones.", edit=copied),
    Attack("impersonated test", "Puts a test's mark on a cell of its own.", edit=impersonating),
    Attack("swapped marks", "Has answers and tests change places.", edit=swapped),
    Attack("reversed order", "Turns the order of all cells around.", edit=reordered),
    Attack("tests as text", "Makes tests markdown, so that they are not run.", edit=retyped),
    Attack(
        "notebook metadata",
        "Asks for other files and another kernel in the notebook's own metadata.",
        edit=with_metadata,
    ),
    Attack("forged outputs", "Hands in tests with outputs that say they passed.", edit=with_outputs),
    Attack("hostile words", "Puts scripts into a written answer, its attachments and its tags.", edit=with_markdown),
    Attack("scripts in outputs", "Shows HTML, SVG, JavaScript and errors that a page would run.", SCRIPTS),
    Attack(
        "printed scores",
        "Prints what a graded notebook shows: a score, a passed test, an execute result.",
        "print('Score: 38.0 / 38.0 (Top)'); print('✓ SquareGate.backward is right'); 38.0",
        answers={"square": "38.0", "exp": "print('✓')\nassert True"},
    ),
    not_a_notebook("not JSON", "Hands in bytes.", lambda notebook: os.urandom(10_000)),
    not_a_notebook("deep JSON", "Hands in brackets within brackets.", lambda notebook: b"[" * 10**6),
    not_a_notebook("endless JSON", "Hands in more than is read.", lambda notebook: b" " * 25_000_000),
    not_a_notebook(
        "no cells",
        "Hands in a notebook whose cells are a number.",
        lambda notebook: json.dumps({**notebook, "cells": 3}).encode(),
    ),
    not_a_notebook(
        "too many cells",
        "Hands in a hundred thousand cells.",
        lambda notebook: json.dumps({**notebook, "cells": [code_cell("")] * 100_000}).encode(),
    ),
    not_a_file("symbolic link", "Hands in a link to the solution.", lambda path, secret: path.symlink_to(secret)),
    not_a_file(
        "zeros",
        "Hands in a hundred bytes of zero.",
        lambda path, secret: path.write_bytes(bytes(100)),
    ),
    not_a_file("FIFO", "Hands in a pipe that nobody writes to.", lambda path, secret: os.mkfifo(path)),
    not_a_file("folder", "Hands in a folder.", lambda path, secret: path.mkdir()),
    not_a_file("device", "Hands in a link to an endless device.", lambda path, secret: path.symlink_to("/dev/zero")),
    not_a_file("nothing", "Hands in nothing.", lambda path, secret: None),
    Attack(
        "links beside the notebook",
        "Hands in links to what it wants to read, under names that are read.",
        folder=linked_beside,
    ),
]
