"""A synthetic class: submissions made from the released notebook and from answers, right and wrong.

What each student did, and the score that follows from it, is written down in a manifest, so that a grader
can be held to it.
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

from nnkit_grader.course.planted_answers import Answer, read_answers

OTHERS = ("perfect", "partial", "blank", "crashing", "looping")
"""What students are who do not make one of the planted mistakes, in turn."""

LEFT_OUT = 3
"""How many exercises a partial submission leaves out."""


@dataclass
class Student:
    id: str
    kind: str
    planted: list[dict[str, Any]] = field(default_factory=list)
    """What was planted: answer cell, label (a mistake's id), and the points that each test cell loses by it."""
    score: float = 0.0
    """The autograded score that follows."""


def make_class(course: Path, assignment: str, count: int = 30, seed: int = 0) -> list[Student]:
    """Write `count` submissions of `assignment` below `course`/submitted, and a manifest beside them.

    Raises FileNotFoundError, saying what to run first, where the release or the answers are missing.
    """
    released = _notebook(course / "assignments" / assignment / f"{assignment}.ipynb", "run `nnkit release` first")
    solved = _notebook(course / "solutions" / assignment / f"{assignment}.ipynb", "is the assignment's name right?")
    answers = answers_file(course, assignment)
    if not answers.exists():
        raise FileNotFoundError(f"There is no {answers}: a class needs answers to hand in (see docs/author.md).")
    maker = _Maker(released, _solutions(solved), read_answers(answers), random.Random(seed))
    manifest_file = course / f"demo_class_{assignment}.json"
    _delete_earlier_class(course, assignment, manifest_file)
    mistakes = itertools.cycle(maker.mistakes)
    students = []
    for number, kind in enumerate(_kinds(count, len(maker.mistakes), maker.rng)):
        student = Student(f"student{number + 1:02}", kind)
        dealt = [next(mistakes)] if student.kind == "mistaken" else []
        notebook = maker.submission(student, dealt)
        folder = course / "submitted" / student.id / assignment
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{assignment}.ipynb").write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        students.append(student)
    manifest = [asdict(student) for student in students]
    manifest_file.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return students


def answers_file(course: Path, assignment: str) -> Path:
    """Where the answers are that a class hands in."""
    return course / "solutions" / f"{assignment}_answers.py"


def _kinds(count: int, mistakes: int, rng: random.Random) -> list[str]:
    """What each student is: at least half make a mistake, and as many as it takes to make each of them, if
    the class is large enough to have one of the others too. The first student is perfect."""
    mistaken = min(max(count // 2, mistakes), max(count - len(OTHERS), count // 2))
    others = list(itertools.islice(itertools.cycle(OTHERS), count - mistaken))
    rest = [*others[1:], *["mistaken"] * mistaken]
    rng.shuffle(rest)
    return [*others[:1], *rest]


def _delete_earlier_class(course: Path, assignment: str, manifest: Path) -> None:
    """Students of a larger class would be graded along with this one's; only those of a manifest are touched."""
    if manifest.exists():
        for student in json.loads(manifest.read_text(encoding="utf-8")):
            shutil.rmtree(course / "submitted" / student["id"] / assignment, ignore_errors=True)


class _Maker:
    def __init__(self, released: Any, solutions: dict[str, str], answers: Sequence[Answer], rng: random.Random):
        self.released = json.dumps(released)
        self.solutions = solutions
        self.answers = answers
        self.rng = rng
        cells = (cell for cell in released["cells"] if "nbgrader" in cell["metadata"])
        marks = [cell["metadata"]["nbgrader"] for cell in cells]
        self.points = {m["grade_id"]: float(m["points"]) for m in marks if m["grade"] and not m["solution"]}
        self.mistakes = [answer for answer in answers if answer.kind == "mistake"]
        self.may_be_left_out = self._tested_alone()

    def _tested_alone(self) -> dict[str, str]:
        """Answer cell → test cell, for answers that one test cell looks at and no other: it tells what they cost."""
        tests: dict[str, set[str]] = {}
        for answer in self.mistakes:
            tests.setdefault(answer.cell, set()).update(answer.loses)
        return {cell: next(iter(losing)) for cell, losing in tests.items() if len(losing) == 1}

    def submission(self, student: Student, dealt: list[Answer]) -> dict[str, Any]:
        """The student's notebook; fills in what was planted and the score."""
        sources = {cell: self._right(cell) for cell in self.solutions}
        earned = dict(self.points)
        if student.kind == "blank":
            sources, earned = {}, dict.fromkeys(earned, 0.0)
        elif student.kind == "partial":
            for cell in self.rng.sample(list(self.may_be_left_out), min(LEFT_OUT, len(self.may_be_left_out))):
                del sources[cell]
                dealt.append(Answer(cell, "mistake", "left out", "", {self.may_be_left_out[cell]: None}))
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

    def _right(self, cell: str) -> str:
        styles = [a.source for a in self.answers if a.cell == cell and a.kind == "style"]
        return self.rng.choice([self.solutions[cell], *styles])


def _solutions(notebook: Any) -> dict[str, str]:
    """The answer cells of the instructors' notebook: id → source."""
    found = {}
    for cell in notebook["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if mark.get("solution"):
            found[mark["grade_id"]] = "".join(cell["source"])
    return found


def _notebook(path: Path, advice: str) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}: {advice}.")
    return json.loads(path.read_text(encoding="utf-8"))
