"""The results of a class: those in the journal, and the points that graders entered into the gradebook."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnkit.check.notebook.cells import NotebookCell
from nnkit.language import say
from nnkit_grader.course.assignment import Assignment, load_assignment, normalise_source
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.course.paths import CoursePaths
from nnkit_grader.record.journal import Journal
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.report.exercise_titles import name_exercises
from nnkit_grader.report.manual_grades import ManualGrades, read_manual_grades
from nnkit_grader.report.roster import UNKNOWN, Member, read_roster

STATES = ("full", "part", "none", "blank", "waiting", "not run")
"""States of a student's exercise: all points; some; none; not attempted; waits for points by hand; the submission was
refused."""


@dataclass(frozen=True)
class Exercise:
    """A graded cell, with the cells that learners fill in for it."""

    id: str
    """nbgrader's id of the graded cell."""
    number: str
    """"2.3" as in the heading; the id if the heading has no number."""
    title: str
    """The heading without its points."""
    points: float
    by_hand: bool
    answers: tuple[str, ...]
    """Ids of the cells that learners fill in."""


@dataclass(frozen=True)
class SubmissionResults:
    """One student's submission."""

    student: str
    result: Result
    scores: Mapping[str, float | None]
    """Exercise → points, by tests or by hand; None until a grader has given them."""
    penalty: float
    """Points deducted for a late submission."""
    notebook: Path | None
    """The graded notebook; None if there is none."""
    feedback: Path | None
    """The feedback page; None if there is none."""
    member: Member = UNKNOWN
    """Name and section."""
    seconds_late: float = 0.0

    @property
    def total(self) -> float:
        """Points so far, never below 0."""
        return max(0.0, sum(score or 0.0 for score in self.scores.values()) - self.penalty)

    @property
    def ran(self) -> bool:
        """True if the submission was run, not refused."""
        return not self.result.refused

    def find_cell(self, id: str) -> CellResult | None:
        """Return the result of the cell with this id or nbgrader id, or None."""
        return next((cell for cell in self.result.cells if id in (cell.id, cell.grade_id)), None)


@dataclass(frozen=True)
class ClassResults:
    """The results of a class on one assignment."""

    assignment: Assignment
    exercises: tuple[Exercise, ...]
    """The exercises, in the notebook's order."""
    rows: tuple[SubmissionResults, ...]
    """One row per student, student2 before student10."""
    ungraded: tuple[str, ...] = ()
    """Students who handed in but have no result."""
    stale: tuple[str, ...] = ()
    """Students whose result comes from an older version of the tests."""
    absent: Mapping[str, Member] = field(default_factory=dict)
    """The students of the course who have handed in nothing, by id."""

    @property
    def ran(self) -> list[SubmissionResults]:
        """The submissions that were run."""
        return [row for row in self.rows if row.ran]

    @property
    def scored(self) -> list[Exercise]:
        """The exercises that have been graded; those graded by hand only if a grader has given points for one."""
        return [exercise for exercise in self.exercises if not exercise.by_hand or self._is_seen(exercise)]

    def _is_seen(self, exercise: Exercise) -> bool:
        return any(self.find_state(row, exercise) in ("full", "part", "none") for row in self.rows)

    @property
    def max_points(self) -> float:
        """The largest possible total so far."""
        return sum(exercise.points for exercise in self.scored)

    def is_waiting(self, row: SubmissionResults) -> bool:
        """Return True if a grader has yet to give points."""
        return row.ran and None in row.scores.values()

    def has_all_points(self, row: SubmissionResults) -> bool:
        """Return True if no point is missing, except those that a grader has yet to give."""
        return {self.find_state(row, exercise) for exercise in self.exercises} <= {
            "full",
            "waiting",
        } and not row.penalty

    def is_blank(self, row: SubmissionResults, exercise: Exercise) -> bool:
        """Return True if the exercise was not attempted: each of its cells is empty or as released."""
        return bool(exercise.answers) and not any(self.find_answer(row, id) for id in exercise.answers)

    def find_answer(self, row: SubmissionResults, id: str) -> str:
        """Return what a learner wrote into a cell; "" if it is as released."""
        cell = row.find_cell(id)
        source = normalise_source(cell.source) if cell else ""
        return "" if source == normalise_source(self.assignment.find_cell(id).released) else source

    def find_state(self, row: SubmissionResults, exercise: Exercise) -> str:
        """Return the state of an exercise, one of STATES."""
        score = row.scores.get(exercise.id)
        if not row.ran:
            return "not run"
        if score is None:
            return "waiting"
        if score >= exercise.points:
            return "full"
        if score > 0:
            return "part"
        if self.is_blank(row, exercise):
            return "waiting" if exercise.id in row.result.doubts else "blank"
        return "none"


def collect_results(course: Path, name: str, url: str = "") -> ClassResults:
    """Collect the results of a class on an assignment, or on one of its notebooks ("ps1/problem2").

    Raises FileNotFoundError or ValueError with a sentence if there are none.
    """
    assignment = load_assignment(course, name)
    coursedir = open_course(course, url).coursedir
    rooms = CoursePaths(coursedir, assignment.name)
    journal = Journal(rooms.root, assignment.label)
    entries = sorted(journal.read_entries(), key=lambda entry: make_natural_key(entry.student))
    if not entries:
        raise FileNotFoundError(
            say(
                "Nothing in {name} has been graded: there are no results in {folder}. Run `nnkit autograde "
                "{assignment}` first.",
                name=name,
                folder=journal.folder,
                assignment=assignment.name,
            )
        )
    marks = read_manual_grades(coursedir, assignment)
    exercises = tuple(list_exercises(assignment))
    roster = read_roster(rooms.root, marks.names)
    rows = tuple(
        _make_row(entry.student, entry.result, exercises, marks, rooms, assignment, roster.get(entry.student, UNKNOWN))
        for entry in entries
    )
    graded, handed_in = {row.student for row in rows}, _list_students(rooms)
    return ClassResults(
        assignment,
        exercises,
        rows,
        tuple(student for student in handed_in if student not in graded),
        tuple(row.student for row in rows if row.result.tests != assignment.digest),
        {
            student: roster[student]
            for student in sorted(roster, key=make_natural_key)
            if student not in graded and student not in handed_in
        },
    )


def list_exercises(assignment: Assignment) -> Iterator[Exercise]:
    """Yield the exercises, each named after the last heading above it."""
    cells = [NotebookCell(cell.cell_type, cell.released, cell.metadata) for cell in assignment.cells]
    for named in name_exercises(cells):
        graded = assignment.cells[named.exercise.cell]
        answers = [assignment.cells[index].id for index in named.exercise.answers]
        yield Exercise(
            graded.grade_id,
            named.number,
            named.title,
            named.exercise.points,
            graded.kind != "test",
            (*answers, *([graded.id] if graded.kind == "written" else [])),
        )


def _make_row(
    student: str,
    result: Result,
    exercises: Sequence[Exercise],
    marks: ManualGrades,
    rooms: CoursePaths,
    assignment: Assignment,
    member: Member,
) -> SubmissionResults:
    tested, entered = result.scores(), marks.scores.get(student, {})
    return SubmissionResults(
        student,
        result,
        {exercise.id: entered.get(exercise.id, tested.get(exercise.id)) for exercise in exercises},
        marks.penalties.get(student, 0.0),
        _find_file(rooms.autograded_folder(student) / f"{assignment.notebook}.ipynb"),
        _find_file(_find_feedback_folder(rooms, student) / f"{assignment.notebook}.html"),
        member,
        marks.late.get(student, 0.0),
    )


def _find_feedback_folder(rooms: CoursePaths, student: str) -> Path:
    coursedir = rooms.coursedir
    return Path(coursedir.format_path(coursedir.feedback_directory, student, rooms.assignment))


def _find_file(path: Path) -> Path | None:
    return path.resolve() if path.is_file() else None


def _list_students(rooms: CoursePaths) -> list[str]:
    try:
        return sorted(rooms.find_students(), key=make_natural_key)
    except FileNotFoundError:
        return []


def make_natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts student2 before student10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), "") if part[0] in "0123456789" else (1, 0, part.casefold()) for part in parts)
