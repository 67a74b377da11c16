"""`%%check` in a real IPython shell: right and wrong cells, and one sentence for whatever is amiss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from nnkit.check.verdict import Verdict


@pytest.fixture(scope="module")
def only_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from traitlets.config import Config

    config = Config({"HistoryManager": {"enabled": False}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.displayhook", None)
        patch.setattr("sys.excepthook", None)
        shell = InteractiveShell(ipython_dir=str(tmp_path_factory.mktemp("ipython")), config=config)
        assert shell.run_cell("%load_ext nnkit").success
        yield shell


@pytest.fixture
def shell(only_shell: Any) -> Iterator[Any]:
    # Not reset(): it collects garbage, and that takes a second in a process with thousands of tests.
    before = dict(only_shell.user_ns)
    only_shell.user_ns.update(np=np, rng=np.random.default_rng(0))
    yield only_shell
    only_shell.user_ns.clear()
    only_shell.user_ns.update(before)


def run(shell: Any, cell: str) -> Verdict:
    result = shell.run_cell(cell)
    result.raise_error()
    assert isinstance(result.result, Verdict), result.result
    return result.result


RIGHT = {
    "a scalar": "%%check x=2.0, y=-4.0\nvalue = x * y + x**2\ndx = y + 2 * x\ndy = x",
    "integers on the line are numbers": "%%check x=2\nvalue = x**2\ndx = 2 * x",
    "a vector in, a scalar out": "%%check x=rng.normal(size=4)\nvalue = (x**2).sum()\ndx = 2 * x",
    "a list on the line is an array": "%%check x=[1.0, 2.0]\nvalue = x @ x\ndx = 2 * x",
    "arrays, with the upstream": (
        "%%check x=rng.normal(size=(4, 3)), w=rng.normal(size=(3, 2))\n"
        "value = x @ w\ndx = upstream @ w.T\ndw = x.T @ upstream"
    ),
    "broadcasting": "%%check x=2.0, y=rng.normal(size=(3, 2))\n"
    "value = x * y\ndx = (upstream * y).sum()\ndy = upstream * x",
    "a scalar with an upstream": "%%check x=2.0\nvalue = x**2\ndx = upstream * 2 * x",
    "stages, a branch, a loop": (
        "%%check x=2.0, y=3.0\nvalue = 0\nfor k in range(3):\n    value = value + x * y\n"
        "dx, dy = 0.0, 0.0\nfor k in range(3):\n    dx += y\n    dy += x"
    ),
    "a helper that is defined in the cell": (
        "%%check z=0.5\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\nvalue = sigmoid(z)\ndz = value * (1 - value)"
    ),
    "a magic in the cell": "%%check x=2.0\n%env NNKIT_TEST=1\nvalue = x**2\ndx = 2 * x",
    "another name for the value": "%%check f(x=2.0, y=3.0)\nq = x + y\nf = q * y\ndx = y\ndy = q + y",
    "labels are held fixed": (
        "%%check s=rng.normal(size=(4, 3)), labels=np.array([0, 2, 1, 1])\n"
        "value = s[np.arange(4), labels].sum()\nds = np.zeros_like(s)\nds[np.arange(4), labels] = 1"
    ),
    "a class": (
        "%%check x=2.0, y=rng.normal()\nclass Multiply:\n    def forward(self, x, y):\n        return x * y, (x, y)\n"
        "    def backward(self, upstream, cache):\n        x, y = cache\n        return upstream * y, upstream * x"
    ),
    "a function": "%%check y=3.0, x=2.0\ndef f(x, y):\n    return x * y**2, (y**2, 2 * x * y)",
    "the last of two functions": "%%check x=2.0\ndef g(x):\n    return x\ndef f(x):\n    return x**2, 2 * g(x)",
}


@pytest.mark.parametrize("cell", RIGHT.values(), ids=list(RIGHT))
def test_right_cells_pass(shell: Any, cell: str) -> None:
    verdict = run(shell, cell)
    assert verdict.passed, verdict


WRONG = {
    "a sign": ("%%check x=2.0\nvalue = x**3\ndx = -3 * x**2", "dx is wrong"),
    "a forgotten branch": ("%%check x=2.0, y=3.0\nvalue = x * y + x**2\ndx = y\ndy = x", "dx is wrong"),
    "no upstream": ("%%check x=rng.normal(size=3)\nvalue = x**2\ndx = 2 * x", "upstream"),
    "a wrong shape": ("%%check x=2.0, y=np.ones(3)\nvalue = x * y\ndx = upstream * y\ndy = upstream * x", "(3,)"),
    "the class": (
        "%%check x=2.0\nclass Square:\n    def forward(self, x):\n        return x**2, x\n"
        "    def backward(self, upstream, cache):\n        return upstream * cache",
        "dx is wrong",
    ),
    "an input changed in place": ("%%check x=np.ones(3)\nvalue = (x**2).sum()\nx *= 2\ndx = x", "in place"),
}


@pytest.mark.parametrize(("cell", "sentence"), WRONG.values(), ids=list(WRONG))
def test_wrong_cells_are_described(shell: Any, cell: str, sentence: str) -> None:
    verdict = run(shell, cell)
    assert verdict.status == "wrong"
    assert sentence in str(verdict)


AMISS = {
    "no value": ("%%check x=2.0\nf = x**2\ndx = 2 * x", "must assign `value`"),
    "no gradient": ("%%check x=2.0, y=3.0\nvalue = x * y\ndx = y", "does not compute dy"),
    "upstream too early": ("%%check x=np.ones(3)\ndx = upstream * 2\nvalue = 2 * x", "only below the line"),
    "an exception": ("%%check x=2.0\nvalue = x**2\ndx = 2 * z", "line 3 stopped with NameError: name 'z'"),
    "not Python": ("%%check x=2.0\nvalue = x +* 2", "line 2 is not Python"),
    "await": ("%%check x=2.0\nvalue = await x", "'await' outside"),
    "no line is reached": ("%%check x=2.0\nif x > 9:\n    value = x\ndx = 1.0", "did not come to a line"),
    "a class that needs settings": (
        "%%check x=2.0\nclass P:\n    def __init__(self, n): ...",
        "P() stopped with TypeError",
    ),
}


@pytest.mark.parametrize(("cell", "sentence"), AMISS.values(), ids=list(AMISS))
def test_what_is_wrong_with_the_cell_is_said_in_one_sentence(shell: Any, cell: str, sentence: str) -> None:
    verdict = run(shell, cell)
    assert verdict.status == "error"
    assert sentence in verdict.headline
    assert "\n" not in verdict.headline


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "needs a name and a value"),
        ("2.0", "needs a name and a value"),
        ("**{}", "needs a name and a value"),
        ("x=", "is not Python"),
        ("x=1.0, x=2.0", "is there twice"),
        ("x='two'", "x must be a number or an array of numbers, not a str"),
        ("x=nowhere", "x=nowhere cannot be computed: NameError"),
    ],
)
def test_a_faulty_line_is_a_usage_error_with_an_example(shell: Any, line: str, sentence: str) -> None:
    result = shell.run_cell(f"%%check {line}\nvalue = 1")
    assert isinstance(result.error_in_exec, UsageError)
    assert sentence in str(result.error_in_exec)


def test_not_attempted_is_a_status_of_its_own(shell: Any) -> None:
    assert run(shell, "%%check x=2.0\nvalue = x**2\nraise NotImplementedError\ndx = 0").status == "not attempted"


def test_names_stay_in_the_notebook_as_of_one_run(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("calls = 0\ntotal = 1.0")
    run(shell, "%%check x=2.0\ncalls += 1\nprint('once')\ntotal += x\nvalue = total**2\ndx = 2 * total\nextra = 7")
    names = shell.user_ns
    assert (names["x"], names["value"], names["dx"], names["extra"]) == (2.0, 9.0, 6.0, 7)
    assert (names["calls"], names["total"]) == (1, 3.0)
    assert capsys.readouterr().out.count("once\n") == 1


def test_a_function_of_an_earlier_cell_sees_the_inputs(shell: Any) -> None:
    shell.run_cell("def squared():\n    return x**2")
    assert run(shell, "%%check x=3.0\nvalue = squared()\ndx = 2 * x").passed


def test_a_gradient_of_an_earlier_cell_does_not_count(shell: Any) -> None:
    shell.run_cell("dx = 4.0")
    assert "dx" in run(shell, "%%check x=2.0\nvalue = x**2\ndx += 2 * x").headline
    assert "does not compute dx" in run(shell, "%%check x=2.0\nvalue = x**2").headline


def test_the_line_magic_checks_what_an_earlier_cell_defined(shell: Any) -> None:
    shell.run_cell("def f(x, y):\n    return x * y, (y, x)")
    assert run(shell, "%check f(y=2.0, x=3.0)").passed
    assert "there is no `g`" in run(shell, "%check g(x=3.0)").headline


def test_the_verdict_is_displayed(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%check x=2.0\nvalue = x**2\ndx = 2 * x")
    assert "✓ value: dx agrees" in capsys.readouterr().out
