"""What there is to report on: the journal's results, and what graders entered by hand into the gradebook."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnkit.check.notebook import cells as notebook_cells
from nnkit_grader.course.assignment import Assignment, load
from nnkit_grader.course.paths import Rooms
from nnkit_grader.intake.match_cells import plain
from nnkit_grader.record.journal import JOURNAL_FOLDER, Journal
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.report.manual_grades import ByHand, by_hand
from nnkit_grader.run import open_course

STATES = ("full", "part", "none", "blank", "waiting", "not run")
"""Of a student's exercise: all its points; some; none; none, for nothing was handed in; points that somebody has yet to
give; a submission that was refused."""
WORTH = re.compile(r"\s*\([^()]*\bpoints?\b[^()]*\)\s*$")
"""How headings end: (4 points, in two halves)."""
NUMBER = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True)
class Exercise:
    """A graded cell, with the cells that learners fill in for it."""

    id: str
    """nbgrader's, of the graded cell."""
    number: str
    """"2.3" as in the heading; the id where the heading has no number."""
    title: str
    """The heading without its points."""
    points: float
    by_hand: bool
    answers: tuple[str, ...]
    """Cell ids."""


@dataclass(frozen=True)
class Row:
    """One student's submission."""

    student: str
    result: Result
    scores: Mapping[str, float | None]
    """Exercise → points, by tests or by hand; None while somebody has yet to give them."""
    penalty: float
    """Points taken off, since it was late."""
    notebook: Path | None
    """The graded one; None where there is none."""
    feedback: Path | None

    @property
    def total(self) -> float:
        """Points so far."""
        return max(0.0, sum(score or 0.0 for score in self.scores.values()) - self.penalty)

    @property
    def ran(self) -> bool:
        return not self.result.refused

    def cell(self, id: str) -> CellResult | None:
        """By its own id or nbgrader's."""
        return next((cell for cell in self.result.cells if id in (cell.id, cell.grade_id)), None)


@dataclass(frozen=True)
class Gathered:
    """A class."""

    assignment: Assignment
    exercises: tuple[Exercise, ...]
    """In the notebook's order."""
    rows: tuple[Row, ...]
    """By student, student2 before student10."""
    ungraded: tuple[str, ...] = ()
    """Students who handed in and have no result."""
    stale: tuple[str, ...] = ()
    """Students whose result is of other tests than those of today."""

    @property
    def ran(self) -> list[Row]:
        """The submissions that were run."""
        return [row for row in self.rows if row.ran]

    @property
    def scored(self) -> list[Exercise]:
        """The exercises that have been graded; of answers in words, those of which a grader has seen one."""
        return [exercise for exercise in self.exercises if not exercise.by_hand or self._seen(exercise)]

    def _seen(self, exercise: Exercise) -> bool:
        return any(self.state(row, exercise) in ("full", "part", "none") for row in self.rows)

    @property
    def most(self) -> float:
        """The most that anybody can have so far."""
        return sum(exercise.points for exercise in self.scored)

    def waiting(self, row: Row) -> bool:
        """Whether somebody has yet to give points."""
        return row.ran and None in row.scores.values()

    def has_all(self, row: Row) -> bool:
        """Whether nothing is missing, but what somebody has yet to give."""
        return {self.state(row, exercise) for exercise in self.exercises} <= {"full", "waiting"} and not row.penalty

    def is_blank(self, row: Row, exercise: Exercise) -> bool:
        """Whether nothing was handed in for it: each of its cells is empty or as it was released."""
        return bool(exercise.answers) and not any(self.own_answer(row, id) for id in exercise.answers)

    def own_answer(self, row: Row, id: str) -> str:
        """What a learner wrote into a cell; "" where it is as it was released."""
        cell = row.cell(id)
        source = plain(cell.source) if cell else ""
        return "" if source == plain(self.assignment.cell(id).released) else source

    def state(self, row: Row, exercise: Exercise) -> str:
        """One of STATES."""
        score = row.scores.get(exercise.id)
        if not row.ran:
            return "not run"
        if score is None:
            return "waiting"
        if score >= exercise.points:
            return "full"
        return "part" if score > 0 else "blank" if self.is_blank(row, exercise) else "none"


def gather(course: Path, name: str, url: str = "") -> Gathered:
    """All of a class. Raises FileNotFoundError or ValueError with a sentence where there is nothing to report on."""
    assignment = load(course, name)
    coursedir = open_course(course, url).coursedir
    rooms = Rooms(coursedir, name)
    entries = sorted(Journal(rooms.root, name).read_entries(), key=lambda entry: natural(entry.student))
    if not entries:
        raise FileNotFoundError(
            f"Nothing of {name} has been graded: there are no results in {rooms.root / JOURNAL_FOLDER / name}. "
            f"Run `nnkit autograde {name}` first."
        )
    marks = by_hand(coursedir, assignment)
    exercises = tuple(exercises_of(assignment))
    rows = tuple(_row(entry.student, entry.result, exercises, marks, rooms, assignment) for entry in entries)
    graded = {row.student for row in rows}
    return Gathered(
        assignment,
        exercises,
        rows,
        tuple(student for student in _handed_in(rooms) if student not in graded),
        tuple(row.student for row in rows if row.result.tests != assignment.digest),
    )


def exercises_of(assignment: Assignment) -> Iterator[Exercise]:
    """The exercises, each named after the last heading above it."""
    cells = [notebook_cells.Cell(cell.cell_type, cell.released, cell.metadata) for cell in assignment.cells]
    found = notebook_cells.exercises(cells)
    headings = Counter(exercise.title for exercise in found)
    for exercise in found:
        graded = assignment.cells[exercise.cell]
        title = WORTH.sub("", exercise.title)
        alone = headings[exercise.title] == 1
        number = NUMBER.match(title) if alone else None
        answers = [assignment.cells[index].id for index in exercise.answers]
        yield Exercise(
            graded.grade_id,
            number[0] if number else exercise.id,
            title if alone else f"{title}: {exercise.id}",
            exercise.points,
            graded.kind != "test",
            (*answers, *([graded.id] if graded.kind == "written" else [])),
        )


def _row(
    student: str,
    result: Result,
    exercises: Sequence[Exercise],
    marks: ByHand,
    rooms: Rooms,
    assignment: Assignment,
) -> Row:
    tested, entered = result.scores(), marks.scores.get(student, {})
    return Row(
        student,
        result,
        {exercise.id: entered.get(exercise.id, tested.get(exercise.id)) for exercise in exercises},
        marks.penalties.get(student, 0.0),
        _there(rooms.autograded(student) / f"{assignment.notebook}.ipynb"),
        _there(_feedback(rooms, student) / f"{assignment.notebook}.html"),
    )


def _feedback(rooms: Rooms, student: str) -> Path:
    coursedir = rooms.coursedir
    return Path(coursedir.format_path(coursedir.feedback_directory, student, rooms.assignment))


def _there(path: Path) -> Path | None:
    return path.resolve() if path.is_file() else None


def _handed_in(rooms: Rooms) -> list[str]:
    try:
        return sorted(rooms.students(), key=natural)
    except FileNotFoundError:
        return []


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that puts student2 before student10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), "") if part[0] in "0123456789" else (1, 0, part.casefold()) for part in parts)
