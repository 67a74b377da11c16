"""Names of a test in the learner's process: those that cost a right answer nothing, and no others."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from functools import partial

import pytest

from helpers.sandboxes import FOR_EVER
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.examiner.borrowed_names import BorrowedNames, find_borrowed
from nnkit_grader.examiner.examiner import TimeLimits, examine_submission
from nnkit_grader.intake.submission import Submission
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.sandbox import Limits, Sandbox, choose_sandbox

SOLUTION = ("answer", "def f(v):\n    return v")
SECONDS = TimeLimits(cell=5.0, whole=60.0)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with choose_sandbox() as made:
        yield made


def make_course(*cells: tuple[str, str]) -> Assignment:
    """Return a course of cells (kind, source); they are named after their kind and place: "answer0", "test1"."""
    made = [
        CourseCell(f"{kind}{i}", f"{kind}{i}", kind, text, text, 1.0 if kind == "test" else 0.0)  # type: ignore[arg-type]
        for i, (kind, text) in enumerate((kind, textwrap.dedent(source)) for kind, source in cells)
    ]
    return Assignment("ps", "ps", tuple(made), {}, frozenset({"f"}))


def hand_in(course: Assignment, answer: str, *added: str) -> Submission:
    """Return a submission with another first answer; what is added stands at the top."""
    sources = {cell.id: cell.source for cell in course.cells} | {"answer0": answer}
    cells = [SubmittedCell(cell.id, cell.kind, "code", sources[cell.id]) for cell in course.cells]
    return Submission((*(SubmittedCell(f"added{i}", "added", "code", text) for i, text in enumerate(added)), *cells))


def grade(sandbox: Sandbox, course: Assignment, submission: Submission) -> dict[str, float | None]:
    start = partial(sandbox.start, Limits(turn=FOR_EVER))
    return dict(examine_submission(course, submission, start, 1, SECONDS).scores())


def find_lent(answer: str, test: str, *added: str) -> BorrowedNames | None:
    course = make_course(SOLUTION, ("test", test))
    return find_borrowed(course, hand_in(course, answer, *added)).get("test1")


@pytest.mark.parametrize(
    "statement",
    [
        "size = 3",
        "size = (-1, 2.5 / 3, [None], {'a': {1}})",
        "size: float = 3.0",
        "size = other = 3",
        "size = lambda v: v + 1",
        "size = np.array([[1.0, 2.0]], dtype=np.float32)",
        "size = np.arange(6.0).reshape(2, 3).astype(int).T",
        "from math import tau as size",
        "import math as size",
        "def size(v: float = 2, *, w=np.pi) -> float:\n    return f(v)",
        "async def size(v):\n    return v",
        "@dataclass(frozen=True)\nclass size:\n    '''A pair.'''\n    left: int\n    right: int = 3",
        "class size(Exception):\n\n    def get(self):\n        return f(1)",
    ],
)
def test_what_only_binds_a_name_is_there_before_the_test(statement: str) -> None:
    lent = find_lent("def f(v):\n    return size", f"{statement}\nassert f(1)")
    assert lent is not None
    assert [loan.source for loan in lent.before] == [ast.unparse(ast.parse(statement))]
    assert lent.after == ()


@pytest.mark.parametrize(
    "statement",
    [
        "size = f(3)",
        "size = [f(3)]",
        "size = [v for v in (1, 2)]",
        "size = np.random.normal(size=3)",
        "size = rng.normal(size=3)",
        "size = np.random.default_rng(0)",
        "size = np.array([f(1)])",
        "size = np.load('size.npy')",
        "size = (f.size) = 3",
        "size: f(1) = 3",
        "for size in (1, 2):\n    f(size)",
        "with f(1) as size:\n    pass",
        "if f(1):\n    size = 3",
        "size = 3\nsize += f(1)",
        "size = 3\nsize = f(1)",
        "size = 3\nfor size in (1, 2):\n    pass",
        "size, tau = 3, 4",
        "@f\ndef size(v):\n    return v",
        "def size(v=f(1)):\n    return v",
        "def size(v: f(1)):\n    return v",
        "class size(f):\n    pass",
        "class size(metaclass=f):\n    pass",
        "class size:\n    f(1)",
        "class size:\n    v = f(1)",
    ],
)
def test_what_may_change_the_learners_process_is_not_lent(statement: str) -> None:
    lent = find_lent("tau = 6\n\ndef f(v):\n    return size", f"{statement}\nassert f(1)")
    assert lent is not None
    assert (lent.before, lent.after, lent.whole) == ((), (), False)


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        ("def f(v):\n    return max(v)", "max = 3"),
        ("def f(v):\n    return v", "v = 3"),
        ("def f(v):\n    w = v\n    return w", "w = 3"),
        ("def f(v):\n    return [w for w in v]", "w = 3"),
        ("import numpy as np\n\ndef f(v):\n    return np.exp(v)", "np = 3"),
        ("def f(v):\n    return later(v)", "def later(v):\n    return 0"),
        ("def f(v):\n    return f(v - 1)", "f = 3"),
        ("def f(v):\n    return v", "unused = 3"),
    ],
)
def test_a_name_that_the_learner_has_or_does_not_use_is_not_lent(answer: str, test: str) -> None:
    course = make_course(SOLUTION, ("test", f"{test}\nassert f(1)"), ("answer", "def later(v):\n    return v"))
    assert find_borrowed(course, hand_in(course, answer)) == {}


def test_what_a_lent_function_needs_is_lent_unless_the_learner_has_it() -> None:
    test = """
        from math import exp, log, tau
        import numpy as np
        base, size = 2, 3
        scale = 4
        def helper(v):
            return scale * exp(base * log(v)) + np.pi + abs(v)
    """
    lent = find_lent("import numpy as np\nscale = 5\n\ndef f(v):\n    return helper(v)", test, "from math import log")
    assert lent is not None
    assert [loan.names for loan in lent.before] == [{"exp"}, {"base", "size"}, {"helper"}]


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        ("def f(v):\n    return max(v)", "max = f([3, 1, 2])\nassert max == 3"),
        ("from math import *\n\ndef f(v):\n    return pi > 3", "pi = 3\nassert f(0)"),
        (
            "def begin():\n    global n\n    n = 5\n\nbegin()\n\ndef f(v):\n    return n",
            "n = 1\nassert f(0) == 5",
        ),
        ("exec('n = 5')\n\ndef f(v):\n    return n", "n = 1\nassert f(0) == 5"),
        (
            "count = [0]\n\ndef f(v):\n    count[0] += 1\n    return count[0]\n\ndef show():\n    print(out)",
            "out = f(0)\nassert out == 1",
        ),
        (
            "import random\n\nrandom.seed(1)\nfirst, second = random.random(), random.random()\nrandom.seed(1)\n\n"
            "def f(v):\n    return random.random() == (first if v else second)\n\ndef show():\n    print(out)",
            "import random\nout = random.random()\nassert f(1)",
        ),
    ],
)
def test_a_right_answer_keeps_its_points(sandbox: Sandbox, answer: str, test: str) -> None:
    again = "assert f(0) == 2" if "count[0]" in answer else "assert f(0)" if "random()" in answer else "assert True"
    course = make_course(SOLUTION, ("test", test), ("test", again))
    assert grade(sandbox, course, hand_in(course, answer)) == {"test1": 1.0, "test2": 1.0}


def test_a_name_that_a_test_binds_twice_is_lent_when_the_test_has_run() -> None:
    lent = find_lent("def f(v):\n    return size", "size = 3\nassert f(1)\nsize, other = 4, 5\nassert f(1)")
    assert lent is not None
    assert lent.before == ()
    assert [loan.source for loan in lent.after] == ["size = 3", "size, other = (4, 5)"]


def test_a_later_test_meets_the_last_value_of_an_earlier_one(sandbox: Sandbox) -> None:
    twice = "size = 2\nassert f(size) == 2\nsize = 3\nassert f(size) == 3"
    course = make_course(SOLUTION, ("test", twice), ("test", "assert f(0) == 3"))
    submission = hand_in(course, "def f(v):\n    return v or size")
    assert grade(sandbox, course, submission) == {"test1": 1.0, "test2": 1.0}


def test_each_test_lends_its_own_value(sandbox: Sandbox) -> None:
    answer = "def f(v):\n    return size * v"
    course = make_course(
        SOLUTION, ("test", "size = 2\nassert f(1) == 2"),
        ("test", "size = 3\nassert f(1) == 3"), ("test", "broken = 1 / 0\nassert f(1) == 3"),
    )  # fmt: skip
    submission = hand_in(course, answer, "def show():\n    print(broken)")
    assert grade(sandbox, course, submission) == {"test1": 1.0, "test2": 1.0, "test3": 0.0}


def test_a_list_that_the_learner_fills_stays_filled(sandbox: Sandbox) -> None:
    answer = "def f(v):\n    calls.append(v)\n    return len(calls)"
    course = make_course(SOLUTION, ("test", "calls = []\nassert f(1) == 1"), ("test", "assert f(1) == 2"))
    assert grade(sandbox, course, hand_in(course, answer)) == {"test1": 1.0, "test2": 1.0}


def test_the_courses_own_cells_get_all_that_they_need_of_a_test(sandbox: Sandbox) -> None:
    answer = "def f(v):\n    return 2 * v"
    course = make_course(
        SOLUTION, ("test", "outs = [f(v) for v in (1, 2)]\nassert outs == [2, 4]"),
        ("given", "best = max(outs)"), ("answer", "def g():\n    return best"), ("test", "assert g() == 4"),
    )  # fmt: skip
    assert grade(sandbox, course, hand_in(course, answer)) == {"test1": 1.0, "test4": 1.0}
