"""A synthetic class: submissions made from the released notebook and from answers, right and wrong.

A manifest records the faults of each student and the expected score, so that a grader can be checked against it.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nnkit.check.notebook.cells import load_notebook
from nnkit_grader.course.assignment import require_assignment
from nnkit_grader.course.layout import CourseLayout
from nnkit_grader.course.planted_answers import PlantedAnswer, list_wrong_names, read_answers

OTHER_KINDS = ("perfect", "partial", "blank", "crashing", "looping")
"""Kinds of the students who make none of the planted mistakes, in turn."""

USUAL_COUNT = 30
"""Number of students in a class, unless it takes more to make every planted mistake once."""

EXERCISES_LEFT_OUT = 3
"""Number of exercises that a partial submission leaves out."""


@dataclass
class DemoStudent:
    id: str
    kind: str
    planted: list[dict[str, Any]] = field(default_factory=list)
    """The planted faults: answer cell, label (a mistake's id), and the points that each test cell loses by it."""
    score: float = 0.0
    """The expected autograded score."""


def make_class(
    course: Path,
    assignment: str,
    count: int | None = None,
    seed: int = 0,
    others: Sequence[str] = OTHER_KINDS,
    mistaken: bool = True,
) -> list[DemoStudent]:
    """Write `count` submissions of `assignment` below `course`/submitted, and a manifest beside them.

    Without a count there are 30, or enough to make every planted mistake once. `others` are the kinds of those who make
    none of the planted mistakes; unless `mistaken` is set, there are no other students.
    Raises FileNotFoundError with what to do if the assignment, its release or the answers are missing, and ValueError
    if the answers do not fit the assignment.
    """
    layout, file = CourseLayout.from_course(course), f"{assignment}.ipynb"
    require_assignment(course, layout, assignment)
    solved = _read_notebook(layout.source_folder(assignment) / file, "a class hands in this one notebook")
    released = _read_notebook(layout.release_folder(assignment) / file, "run `nnkit release` first")
    answers = locate_answers(layout, assignment)
    if not answers.exists():
        raise FileNotFoundError(f"There is no {answers}: a class needs answers to hand in (see docs/author.md).")
    maker = _SubmissionMaker(released, _read_solutions(solved), read_answers(answers), random.Random(seed))
    for wrong in list_wrong_names(maker.answers, maker.solutions, maker.points, answers):
        raise ValueError(f"{wrong}.")
    manifest_file = course / f"demo_class_{assignment}.json"
    _delete_earlier_class(course, assignment, manifest_file)
    mistakes = itertools.cycle(maker.mistakes)
    students = []
    if count is None:
        count = max(USUAL_COUNT, len(maker.mistakes) + len(others))
    for number, kind in enumerate(_deal_kinds(count, len(maker.mistakes) if mistaken else None, others, maker.rng)):
        student = DemoStudent(f"student{number + 1:02}", kind)
        dealt = [next(mistakes)] if student.kind == "mistaken" else []
        notebook = maker.make_submission(student, dealt)
        folder = course / "submitted" / student.id / assignment
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{assignment}.ipynb").write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        students.append(student)
    manifest = [asdict(student) for student in students]
    manifest_file.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return students


def locate_answers(layout: CourseLayout, assignment: str) -> Path:
    """Return the path of the answers that a class hands in."""
    return layout.source_root / f"{assignment}_answers.py"


def _deal_kinds(count: int, mistakes: int | None, others: Sequence[str], rng: random.Random) -> list[str]:
    """Return the kind of each student; the first is perfect.

    At least half make a mistake, and enough of them to make every mistake once, if the class is large enough to
    have one student of each other kind too. With None in place of the number of mistakes, no one makes one.
    """
    mistaken = 0 if mistakes is None else min(max(count // 2, mistakes), max(count - len(others), count // 2))
    dealt = list(itertools.islice(itertools.cycle(others), count - mistaken))
    rest = [*dealt[1:], *["mistaken"] * mistaken]
    rng.shuffle(rest)
    return [*dealt[:1], *rest]


def _delete_earlier_class(course: Path, assignment: str, manifest: Path) -> None:
    """Delete the students of an earlier class, who would be graded too. Only those in its manifest are deleted."""
    if manifest.exists():
        for student in json.loads(manifest.read_text(encoding="utf-8")):
            shutil.rmtree(course / "submitted" / student["id"] / assignment, ignore_errors=True)


class _SubmissionMaker:
    def __init__(self, released: Any, solutions: dict[str, str], answers: Sequence[PlantedAnswer], rng: random.Random):
        self.released = json.dumps(released)
        self.solutions = solutions
        self.answers = answers
        self.rng = rng
        cells = (cell for cell in released["cells"] if "nbgrader" in cell["metadata"])
        marks = [cell["metadata"]["nbgrader"] for cell in cells]
        self.points = {m["grade_id"]: float(m["points"]) for m in marks if m["grade"] and not m["solution"]}
        self.mistakes = [answer for answer in answers if answer.kind == "mistake"]
        self.may_be_left_out = self._find_tested_alone()

    def _find_tested_alone(self) -> dict[str, str]:
        """Return answer cell → test cell, for answers on which exactly one test cell depends: they cost its points."""
        tests: dict[str, set[str]] = {}
        for answer in self.mistakes:
            tests.setdefault(answer.cell, set()).update(answer.loses)
        return {cell: next(iter(losing)) for cell, losing in tests.items() if len(losing) == 1}

    def make_submission(self, student: DemoStudent, dealt: list[PlantedAnswer]) -> dict[str, Any]:
        """Return the student's notebook; record what was planted and the expected score in `student`."""
        sources = {cell: self._choose_right_answer(cell) for cell in self.solutions}
        earned = dict(self.points)
        if student.kind == "blank":
            sources, earned = {}, dict.fromkeys(earned, 0.0)
        elif student.kind == "partial":
            for cell in self.rng.sample(list(self.may_be_left_out), min(EXERCISES_LEFT_OUT, len(self.may_be_left_out))):
                del sources[cell]
                dealt.append(PlantedAnswer(cell, "mistake", "left out", "", {self.may_be_left_out[cell]: None}))
        elif student.kind in ("crashing", "looping"):
            wanted = "crash" if student.kind == "crashing" else "loop"
            dealt = [self.rng.choice([a for a in self.answers if a.kind == wanted])]
        for answer in dealt:
            if answer.source:
                sources[answer.cell] = answer.source
            lost = {test: self.points[test] if p is None else p for test, p in answer.loses.items()}
            student.planted.append({"cell": answer.cell, "label": answer.label, "loses": lost})
            for test, points in lost.items():
                earned[test] -= points
        student.score = sum(earned.values())
        notebook: dict[str, Any] = json.loads(self.released)
        for cell in notebook["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if grade_id in sources:
                cell["source"] = sources[grade_id]
        return notebook

    def _choose_right_answer(self, cell: str) -> str:
        styles = [a.source for a in self.answers if a.cell == cell and a.kind == "style"]
        return self.rng.choice([self.solutions[cell], *styles])


def _read_solutions(notebook: Any) -> dict[str, str]:
    """Return the answer cells of the instructors' notebook: id → source."""
    found = {}
    for cell in notebook["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if mark.get("solution"):
            found[mark["grade_id"]] = "".join(cell["source"])
    return found


def _read_notebook(path: Path, advice: str) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}: {advice}.")
    return load_notebook(path)
