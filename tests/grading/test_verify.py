"""`nnkit verify`: the faults of an assignment are found before learners get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.made import cell, made
from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.course.source_warnings import find_drawn_names, find_warnings
from nnkit_grader.verify import verify


def exercise(name: str, solution: str, test: str) -> list[dict[str, Any]]:
    answer = f"### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
    return [cell(answer, name, solution=True), cell(test, f"test-{name}", grade=True, locked=True, points=2)]


RIGHT = exercise("double", "def double(x):\n    return 2 * x", "assert double(3) == 6")
PURSE = "class Purse:\n    def open(self):\n        return 2"
STAYS = exercise("purse", PURSE, "class Big(Purse):\n    pass\nassert Big().open() == 2")
INSIDE = exercise("purse", PURSE, "# nnkit: inside\n" + STAYS[1]["source"])
FREE = exercise("free", "free = 3", "assert True")
WRONG = (
    "class Wrong:\n    def forward(self, x):\n        return x**2, x\n"
    "    def backward(self, upstream, x):\n        return 3 * x"
)
TYPED = exercise(
    "mean",
    "def mean(x):\n    return x.mean()",
    "import numpy as np\nx = np.random.default_rng(0).normal(size=3)\nassert abs(mean(x) - 0.2113493) < 1e-6",
)


@pytest.mark.slow
def test_each_fault_of_an_assignment_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path, *RIGHT, *STAYS, *FREE, *TYPED, name="faulty")
    made(tmp_path, *RIGHT, *INSIDE, name="right")
    made(
        tmp_path,
        *exercise("wrong", WRONG, "from nnkit.check import check_backward\nassert check_backward(Wrong(), 3.0)"),
        name="wrong",
    )
    answers = "# %% double mistake=triple loses=test-double\ndef double(x):\n    return 3 * x\n"
    style = "# %% double style=sum\ndef double(x): return x + x\n"
    (tmp_path / "solutions/right_answers.py").write_text(answers + style)
    other = "# %% mean mistake=sum loses=test-mean\ndef mean(x):\n    return x.sum()\n"  # tried together with the first
    (tmp_path / "solutions/faulty_answers.py").write_text(answers.replace("3 * x", "2 * x") + other)
    broken = [RIGHT[0], cell("assert double(3", "test-double", grade=True, points=2)]
    for name in ("broken", "zz-broken"):
        made(tmp_path, *broken, name=name)
    (tmp_path / "solutions/rigth_answers.py").touch()
    (tmp_path / "solutions/wrong_answers.py").write_text("# %% wron style=other\npass\n")
    assert verify(tmp_path) == 1
    told = capsys.readouterr().out
    for line in (
        "broken: not tried: 1 problem.\n  PROBLEM: ",
        "zz-broken.ipynb, cell test-double: it is not Python (line 1: '(' was never closed).\n",
        "PROBLEM: wrong_answers.py, line 1: there is no answer cell 'wron' (did you mean 'wrong'?).\n",
        "PROBLEM: the solution gets 0 points in test-wrong and should get 2 (Wrong.backward: dx is wrong: ",
        "PROBLEM: the solution gets 0 points in test-mean and should get 2 (AssertionError).",
        "solutions: 1 problem.\n  PROBLEM: rigth_answers.py: there is no assignment 'rigth' (did you mean 'right'?).\n",
        "PROBLEM: the solution gets 0 points in test-purse and should get 2",
        "PROBLEM: the solution gets 0 points in test-mean and should get 2",
        "PROBLEM: the release gets 2 points in test-free and should get 0",
        "PROBLEM: triple in double gets 2 points in test-double and should get 0",
        "PROBLEM: test-purse derives a class from the learner's Purse. Change the test, or mark it with the comment",
        "PROBLEM: test-purse gives the solution its points only in the learner's process",
        "PROBLEM: test-mean gives the solution its points only in the learner's process",
        "right: 4 points by tests; tried the solution, the release and 2 planted answers: all scores as they should be",
        "warning: test-purse will run beside the learner's code: the score is only as safe as nbgrader's.",
    ):
        assert line in told
    assert told.count("PROBLEM") == 12  # the planted answer is tried on its own test only


@pytest.mark.parametrize(
    ("source", "drawn"),
    [
        ("x = np.random.normal(size=3)", "x"),
        ("rng = np.random.default_rng(0)\nx, y = rng.normal(size=2)", "x y"),
        ("x = np.random.default_rng(0).normal(size=3)\nn = 2", "x"),
        ("import random\nfor k in range(3):\n    n = random.randint(1, 6)", "k n"),
        ("r = random.Random(0)\nr.shuffle(cards)", "r cards"),
        ("rng = np.random.default_rng(0)", ""),
        ("np.random.seed(0)\nrandom.seed(0)", ""),
        ("def draw(rng):\n    return np.random.normal()", ""),
        ("x = np.linspace(0, 1)", ""),
    ],
)
def test_names_of_random_numbers_are_found(source: str, drawn: str) -> None:
    assert find_drawn_names(source) == set(drawn.split())


def test_warnings_name_the_cells_concerned(tmp_path: Path) -> None:
    data = cell("import numpy as np\nx = np.random.normal(size=3)", "data")
    unused = cell("y = np.random.normal(size=3)", "unused")
    checks = "assert check_value(double(x), 6)\nassert check_value(lambda: double(x), 6)"
    tests = exercise("double", "def double(a=x):\n    return 2 * a", checks)
    passed = exercise("triple", "def triple(x):\n    return 3 * x", "assert check_value(lambda: triple(2), 6)")
    told = list(find_warnings(load_assignment(made(tmp_path, data, unused, *tests, *passed), "hw")))
    assert [line.split(" draws")[0].split(" call")[0] for line in told] == ["the given cell data", "test-double"]


def test_what_is_no_course_or_no_assignment_is_refused_before_anything_is_tried(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a course folder"):
        verify(tmp_path)
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()")
    with pytest.raises(FileNotFoundError, match="There is no assignment to verify: no folder in"):
        verify(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"ps9: is the assignment's name right\? The assignments here are: hw\."
    ):
        verify(made(tmp_path / "other", *RIGHT), ["hw", "ps9"])


def test_a_given_cell_that_is_not_python_gets_a_warning(tmp_path: Path) -> None:
    cells = [cell("import math\nx = (1", "data"), cell("%%bash\nls |", "shell"), cell("%pwd\nawait f()", "magic")]
    told = list(find_warnings(load_assignment(made(tmp_path, *cells, *RIGHT), "hw")))
    assert told == [
        "the given cell data is not Python (line 2: '(' was never closed): nothing of it is there for tests and answers"
    ]
