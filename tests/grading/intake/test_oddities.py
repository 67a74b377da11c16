"""Odd but honest submissions: each exercise has the points that are due, or waits for a grader with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.oddities import make_oddities
from corpus.oddities_base import FULL, Oddity, solve
from helpers.made import cell, made
from nnkit_grader.course.assignment import Assignment, load_assignment
from nnkit_grader.examiner.examiner import TimeLimits, examine_submission, refuse_submission
from nnkit_grader.intake.open_submission import open_submission
from nnkit_grader.intake.submission import RefusedSubmission
from nnkit_grader.record.journal import JournalEntry
from nnkit_grader.record.results import Result
from nnkit_grader.record.save_grades import collect_scores, find_unanswered
from nnkit_grader.sandbox import Sandbox, choose_sandbox

SETUP = "import math\n\nfrom nnkit.text import join_words\n\nroot = math.sqrt(9)\n"
GATE = '''class Double:
    def forward(self, x):
        """Return the output and a cache."""
        ### BEGIN SOLUTION
        out = 2 * x
        return out, x
        ### END SOLUTION

    def backward(self, upstream, cache):
        """Return the gradient of x."""
        ### BEGIN SOLUTION
        return 2 * upstream
        ### END SOLUTION
'''
TEST_DOUBLE = "gate = Double()\nassert gate.forward(2)[0] == 4\nassert gate.backward(5, None) == 10"
TRIPLE = 'def triple(x):\n    """Return 3 x."""\n    ### BEGIN SOLUTION\n    return root * x\n    ### END SOLUTION\n'
BOTH = "def both(x):\n    ### BEGIN SOLUTION\n    return triple(x), Double().forward(x)[0]\n    ### END SOLUTION\n"
TEST_BOTH = """from math import prod

FACTOR = 3


def as_list(values):
    return Listed(values).values


class Listed:
    def __init__(self, values):
        self.values = list(values)


assert as_list(both(2)) == [6, 4]
"""
COURSE = (
    *(cell("# Problems", "title", "markdown"), cell(SETUP, "setup")),
    *(cell("## 1 Double", "double-text", "markdown"), cell(GATE, "double", solution=True)),
    cell(TEST_DOUBLE, "test-double", grade=True, points=3),
    *(cell("## 2 Triple", "triple-text", "markdown"), cell(TRIPLE, "triple", solution=True)),
    cell("assert triple(2) == 6", "test-triple", grade=True, points=2),
    *(cell("## 3 Both", "both-text", "markdown"), cell(BOTH, "both", solution=True)),
    cell(TEST_BOTH, "test-both", grade=True, points=1),
    cell("## 4 Why?", "why-text", "markdown"),
    cell("Because of the chain rule.", "why", "markdown", grade=True, solution=True, points=2),
    cell("## The end", "end", "markdown"),
)
FULL_SCORES = {"test-double": 3.0, "test-triple": 2.0, "test-both": 1.0, "why": None}


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return load_assignment(made(tmp_path_factory.mktemp("course"), *COURSE), "hw")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with choose_sandbox() as chosen:
        yield chosen


def grade(odd: Oddity, folder: Path, assignment: Assignment, sandbox: Sandbox) -> Result:
    place = folder / odd.name / "hw"
    (place if not any(name.startswith("../") for name in odd.files) else place.parent).mkdir(parents=True)
    for name, content in odd.files.items():
        if name.startswith("../") or place.exists():
            (place / name).parent.resolve().mkdir(parents=True, exist_ok=True)
            Path(f"{place}/{name}" if place.exists() else place.parent / name[3:]).write_bytes(content)
    opened = open_submission(place, assignment)
    if isinstance(opened, RefusedSubmission):
        return refuse_submission(assignment, opened, 1)
    return examine_submission(assignment, opened, sandbox.start, 1, TimeLimits(cell=10.0, whole=60.0))


def find_unfair(odd: Oddity, result: Result, assignment: Assignment) -> list[str]:
    """Return what is unfair about a result."""
    entry = JournalEntry(odd.name, result)
    scores, unfair = collect_scores(entry, assignment), []
    for name, points in FULL_SCORES.items():
        if scores[name] != points and (odd.due == FULL or name not in result.doubts):
            unfair.append(f"{name} has {scores[name]} of {points}")
    if odd.due == FULL and (doubted := set(result.doubts) - {"why"}):
        unfair.append(f"doubted: {sorted(doubted)}")
    if find_unanswered(entry, assignment):
        unfair.append("says that there is no response")
    sentences = (result.refused, *result.repairs, *result.needs_review, *result.doubts.values())
    return unfair + [said for said in sentences if "nothing was handed in" in said or "claim points" in said]


def test_each_odd_submission_is_treated_fairly(tmp_path: Path, assignment: Assignment, sandbox: Sandbox) -> None:
    odds = list(make_oddities(assignment))
    assert len(odds) > 150
    assert len({odd.name for odd in odds}) == len(odds)
    unfair = {}
    for odd in odds:
        result = grade(odd, tmp_path, assignment, sandbox)
        if found := find_unfair(odd, result, assignment):
            troubles = [cell.trouble for cell in result.cells if cell.trouble]
            unfair[odd.name] = [*found, result.refused, *result.repairs[:3], *troubles[:2]]
    assert not unfair, "\n".join(f"{name}: {found}" for name, found in unfair.items())


BLANK = {"test-double": 0.0, "test-triple": 0.0, "test-both": 0.0, "why": 0.0}


@pytest.mark.parametrize(
    ("left", "scores"),
    [
        (["double", "triple", "both", "why"], BLANK),
        (["triple"], {**FULL_SCORES, "test-triple": 0.0}),
        (["why"], {**FULL_SCORES, "why": 0.0}),
        ([], FULL_SCORES),
    ],
)
def test_what_is_blank_is_blank(
    left: list[str], scores: dict[str, float], tmp_path: Path, assignment: Assignment, sandbox: Sandbox
) -> None:
    """No exercise that was left out waits for a grader, and it alone says that there is no response."""
    notebook = solve(assignment)
    both = next(c for c in notebook.cells if c["id"] == "both")
    both["source"] = both["source"].replace("triple(x)", "3 * x").replace("Double().forward(x)[0]", "2 * x")
    for one in notebook.cells:
        if one["id"] in left:
            one["source"] = notebook.blank(one)
    result = grade(Oddity("blank", FULL, {"hw.ipynb": notebook.to_bytes()}), tmp_path, assignment, sandbox)
    entry = JournalEntry("blank", result)
    assert collect_scores(entry, assignment) == scores
    assert (find_unanswered(entry, assignment), result.doubts) == (set(left), {})


def test_code_without_prose_is_no_answer_in_words(tmp_path: Path, assignment: Assignment, sandbox: Sandbox) -> None:
    """Short remarks, code that was commented out and the words of the release are in every notebook."""
    notebook = solve(assignment)
    for one in notebook.list("written"):
        one["source"] = notebook.blank(one)
    remarks = "# my try\n# x = upstream * cache\n# assert triple(x) == root * x\nprint('calls so far', 3)\n"
    for one in notebook.list("given", "answer", "test"):
        one["source"] = remarks + one["source"]
    notebook.list("answer")[1]["source"] += '\n"""Return the output and a cache."""\n'
    result = grade(Oddity("short", FULL, {"hw.ipynb": notebook.to_bytes()}), tmp_path, assignment, sandbox)
    assert find_unanswered(JournalEntry("short", result), assignment) == {"why"}
    assert not result.doubts


def test_a_notebook_under_another_name_is_not_said_to_be_unused(
    tmp_path: Path, assignment: Assignment, sandbox: Sandbox
) -> None:
    odd = Oddity("renamed", FULL, {"hw.ipynb.txt": solve(assignment).to_bytes()})
    repairs = grade(odd, tmp_path, assignment, sandbox).repairs
    assert repairs == ("The notebook is called 'hw.ipynb.txt'; it was read as hw.ipynb.",)


def test_an_answer_that_is_no_python_is_named_where_its_points_are_lost(
    tmp_path: Path, assignment: Assignment, sandbox: Sandbox
) -> None:
    """It is wrong, so no grader need look at it; but "triple is not defined" would not say why."""
    notebook = solve(assignment)
    notebook.list("answer")[1]["source"] = "def triple(x):\n\u00a0\u00a0return 3 * x\n"
    result = grade(Oddity("blanks", FULL, {"hw.ipynb": notebook.to_bytes()}), tmp_path, assignment, sandbox)
    test = next(one for one in result.cells if one.id == "test-triple")
    assert test.outputs[-1]["text"] == "The cell 'triple' ended with 'SyntaxError'.\n"
    assert "test-triple" not in result.doubts


@pytest.mark.parametrize(
    "wrong", ["return 5 * x", "return undefined_name", "return NotImplemented", "raise ValueError"]
)
def test_what_is_wrong_is_wrong(wrong: str, tmp_path: Path, assignment: Assignment, sandbox: Sandbox) -> None:
    """And a note or scratch work beside it casts no doubt on that."""
    notebook = solve(assignment)
    answer = next(c for c in notebook.cells if c["id"] == "triple")
    answer["source"] = f"def triple(x):\n    {wrong}\n"
    notebook.insert(answer, "print(3)")
    notebook.insert(answer, "A remark on the problem, in a few words.", "markdown")
    result = grade(Oddity("wrong", FULL, {"hw.ipynb": notebook.to_bytes()}), tmp_path, assignment, sandbox)
    assert result.scores()["test-triple"] == 0.0
    assert "test-triple" not in result.doubts
