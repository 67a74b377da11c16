"""Points that graders entered into nbgrader's gradebook, and its students, late submissions and their penalties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.record.gradebook import CourseGradebook
from nnkit_grader.record.lateness import read_lateness
from nnkit_grader.report.roster import format_name


@dataclass
class ManualGrades:
    """The manual points and the penalties of a class."""

    scores: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Student → graded cell → points, for cells scored by hand and for written answers; None if not scored yet."""
    penalties: dict[str, float] = field(default_factory=dict)
    """Student → points deducted for a late submission."""
    late: dict[str, float] = field(default_factory=dict)
    """Student → seconds after the due date, extensions included."""
    names: dict[str, str] = field(default_factory=dict)
    """Student → name, "" if the gradebook has none; everyone in the course."""


def read_manual_grades(coursedir: Any, assignment: Assignment) -> ManualGrades:
    """Read the grades of an assignment; none if there is no gradebook, and none is created.

    Raises GradebookUnavailable.
    """
    if _is_missing(coursedir.db_url):
        return ManualGrades()
    with CourseGradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        return gradebook.run_transaction(lambda session: _read_grades(session, assignment))


def _is_missing(url: str) -> bool:
    """Return True for the URL of an SQLite file that does not exist."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return False  # CourseGradebook says what is wrong with it
    return parsed.drivername.startswith("sqlite") and not Path(parsed.database or "").is_file()


def _read_grades(session: Session, assignment: Assignment) -> ManualGrades:
    found = ManualGrades()
    by_tests = {cell.grade_id for cell in assignment.cells if cell.kind == "test"}
    for student, cell, auto, manual, extra in _select_grades(session, assignment):
        if cell not in by_tests or manual is not None or extra:
            base = auto if manual is None else manual
            points = None if base is None and not extra else (base or 0.0) + (extra or 0.0)
            found.scores.setdefault(student, {})[cell] = points
    found.penalties = {student: off for student, off in _select_penalties(session, assignment) if off}
    found.names = {student: format_name(first, last) for student, first, last in _select_students(session)}
    found.late = read_lateness(session, assignment.name)
    return found


def _select_students(session: Session) -> Iterator[Any]:
    from nbgrader.api import Student

    yield from session.execute(select(Student.id, Student.first_name, Student.last_name))


def _select_grades(session: Session, assignment: Assignment) -> Iterator[Any]:
    from nbgrader.api import Assignment as BookAssignment
    from nbgrader.api import BaseCell, Grade, Notebook, SubmittedAssignment, SubmittedNotebook

    yield from session.execute(
        select(SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score, Grade.manual_score, Grade.extra_credit)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .join(BaseCell, BaseCell.id == Grade.cell_id)
        .join(BookAssignment, BookAssignment.id == SubmittedAssignment.assignment_id)
        .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
        .where(BookAssignment.name == assignment.name, Notebook.name == assignment.notebook)
    )


def _select_penalties(session: Session, assignment: Assignment) -> Iterator[Any]:
    from nbgrader.api import Assignment as BookAssignment
    from nbgrader.api import Notebook, SubmittedAssignment, SubmittedNotebook

    yield from session.execute(
        select(SubmittedAssignment.student_id, SubmittedNotebook.late_submission_penalty)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(BookAssignment, BookAssignment.id == SubmittedAssignment.assignment_id)
        .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
        .where(BookAssignment.name == assignment.name, Notebook.name == assignment.notebook)
    )
