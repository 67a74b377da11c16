"""Results in nbgrader's gradebook: what its autograder would have written, for many submissions in one transaction.

What graders entered by hand (scores, comments, extra credit, extensions) is kept. As in nbgrader, a grade that somebody
entered by hand is marked to be looked at again once its submission is graded anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nbgrader.api import Assignment as BookAssignment
from nbgrader.api import (
    BaseCell,
    Comment,
    Grade,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from nbgrader.utils import parse_utc
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.record.journal import Entry

Penalty = Callable[[str, float, float], float | None]
"""Student, score and seconds late → points that are taken off; None for no penalty."""
NO_RESPONSE = "No response."
"""nbgrader's comment on an answer that is as it was released."""

Rows = list[dict[str, Any]]


class Record:
    """One assignment's part of a gradebook, as rows; made for one transaction. Raises LookupError where the gradebook
    does not know the assignment."""

    def __init__(self, session: Session, assignment: Assignment):
        self.session, self.assignment = session, assignment
        found = session.execute(
            select(BookAssignment.id, BookAssignment.duedate, Notebook.id)
            .join(Notebook, Notebook.assignment_id == BookAssignment.id)
            .where(BookAssignment.name == assignment.name, Notebook.name == assignment.notebook)
        ).one_or_none()
        if found is None:
            raise LookupError(f"The gradebook has no assignment {assignment.name}.")
        self.id, self.duedate, self.notebook_id = found
        cells = session.execute(
            select(BaseCell.id, BaseCell.name, BaseCell.type).where(BaseCell.notebook_id == self.notebook_id)
        ).all()
        self.graded = {name: id for id, name, kind in cells if kind in ("GradeCell", "TaskCell")}
        self.commented = {name: id for id, name, kind in cells if kind in ("SolutionCell", "TaskCell")}

    def scores(self) -> dict[str, dict[str, float | None]]:
        """Student → cell → autograded score, for all submissions."""
        found: dict[str, dict[str, float | None]] = {}
        rows = self.session.execute(
            select(SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .join(BaseCell, BaseCell.id == Grade.cell_id)
            .where(SubmittedAssignment.assignment_id == self.id)
        )
        for student, cell, score in rows:
            found.setdefault(student, {})[cell] = score
        return found

    def save(self, entries: Sequence[Entry], penalty: Penalty | None = None) -> None:
        """Write the results of these students, each of them once."""
        self._add_students(entry.student for entry in entries)
        submitted = self._submissions(entries)
        notebooks = self._notebooks(submitted.values())
        by_notebook = {notebooks[submitted[entry.student]]: entry for entry in entries}
        self._save_grades(by_notebook)
        self._save_comments(by_notebook)
        self.session.flush()
        self._penalize(submitted, notebooks, penalty)

    def _add_students(self, students: Iterable[str]) -> None:
        wanted = set(students)
        known = set(self.session.scalars(select(Student.id).where(Student.id.in_(wanted))))
        self._insert(Student, [{"id": student} for student in sorted(wanted - known)])

    def _submissions(self, entries: Sequence[Entry]) -> dict[str, str]:
        """Student → id of the submission, which is there now, with its time."""
        students = [entry.student for entry in entries]
        known = self.session.execute(
            select(SubmittedAssignment.student_id, SubmittedAssignment.id).where(
                SubmittedAssignment.assignment_id == self.id, SubmittedAssignment.student_id.in_(students)
            )
        )
        ids: dict[str, str] = {student: id for student, id in known}
        new: Rows = []
        changed: Rows = []
        for entry in entries:
            timestamp = _time(entry.timestamp)
            if entry.student not in ids:
                ids[entry.student] = new_uuid()
                row = {"id": ids[entry.student], "assignment_id": self.id, "student_id": entry.student}
                new.append({**row, "timestamp": timestamp})
            elif timestamp is not None:
                changed.append({"id": ids[entry.student], "timestamp": timestamp})
        self._insert(SubmittedAssignment, new)
        self._update(SubmittedAssignment, changed)
        return ids

    def _notebooks(self, submissions: Iterable[str]) -> dict[str, str]:
        """Submission → id of its notebook, which is there now."""
        wanted = set(submissions)
        known = self.session.execute(
            select(SubmittedNotebook.assignment_id, SubmittedNotebook.id).where(
                SubmittedNotebook.notebook_id == self.notebook_id, SubmittedNotebook.assignment_id.in_(wanted)
            )
        )
        ids: dict[str, str] = {submission: id for submission, id in known}
        new = [
            {"id": new_uuid(), "assignment_id": submission, "notebook_id": self.notebook_id}
            for submission in sorted(wanted - set(ids))
        ]
        self._insert(SubmittedNotebook, new)
        return ids | {row["assignment_id"]: row["id"] for row in new}

    def _save_grades(self, by_notebook: dict[str, Entry]) -> None:
        rows = self.session.execute(
            select(Grade.id, Grade.notebook_id, Grade.cell_id, Grade.manual_score).where(
                Grade.notebook_id.in_(by_notebook)
            )
        )
        known = {(notebook, cell): (id, manual) for id, notebook, cell, manual in rows}
        new: Rows = []
        changed: Rows = []
        for notebook, entry in by_notebook.items():
            scores = auto_scores(entry, self.assignment)
            for name, cell in self.graded.items():
                id, manual = known.get((notebook, cell), (None, None))
                if id is None:
                    row = {"id": new_uuid(), "notebook_id": notebook, "cell_id": cell}
                    new.append({**row, **_grade(scores.get(name), None)})
                elif name in scores:
                    changed.append({"id": id, **_grade(scores[name], manual)})
        self._insert(Grade, new)
        self._update(Grade, changed)

    def _save_comments(self, by_notebook: dict[str, Entry]) -> None:
        rows = self.session.execute(
            select(Comment.id, Comment.notebook_id, Comment.cell_id).where(Comment.notebook_id.in_(by_notebook))
        )
        known = {(notebook, cell): id for id, notebook, cell in rows}
        new: Rows = []
        changed: Rows = []
        for notebook, entry in by_notebook.items():
            blank = unanswered(entry, self.assignment)
            for name, cell in self.commented.items():
                row = {"auto_comment": NO_RESPONSE if name in blank else None}
                if (notebook, cell) in known:
                    changed.append({"id": known[notebook, cell], **row})
                else:
                    new.append({"id": new_uuid(), "notebook_id": notebook, "cell_id": cell, **row})
        self._insert(Comment, new)
        self._update(Comment, changed)

    def _penalize(self, submitted: dict[str, str], notebooks: dict[str, str], penalty: Penalty | None) -> None:
        """What nbgrader's plug-in for late submissions takes off; from those in time, nothing."""
        late = self._seconds_late(submitted) if self.duedate else {}
        rows: Rows = []
        for student, submission in submitted.items():
            notebook, off = notebooks[submission], None
            if late.get(student, 0) > 0 and penalty:
                score = self.session.scalar(select(SubmittedNotebook.score).where(SubmittedNotebook.id == notebook))
                off = penalty(student, score or 0.0, late[student])
                off = None if off is None else min(max(off, 0.0), score or 0.0)
            rows.append({"id": notebook, "late_submission_penalty": off})
        self._update(SubmittedNotebook, rows)

    def _seconds_late(self, submitted: dict[str, str]) -> dict[str, float]:
        rows = self.session.execute(
            select(SubmittedAssignment.student_id, SubmittedAssignment.timestamp, SubmittedAssignment.extension).where(
                SubmittedAssignment.id.in_(submitted.values()), SubmittedAssignment.timestamp.is_not(None)
            )
        )
        late: dict[str, float] = defaultdict(float)
        for student, timestamp, extension in rows:
            due = self.duedate + extension if extension else self.duedate
            late[student] = (timestamp - due).total_seconds()
        return late

    def _insert(self, model: Any, rows: Rows) -> None:
        if rows:
            self.session.execute(insert(model), rows)

    def _update(self, model: Any, rows: Rows) -> None:
        if rows:
            self.session.execute(update(model), rows)


def _time(text: str | None) -> Any:
    """As nbgrader keeps it; None for what is no time."""
    try:
        return parse_utc(text) if text else None
    except (ValueError, OverflowError):
        return None


def _grade(score: float | None, manual: float | None) -> dict[str, Any]:
    return {"auto_score": score, "needs_manual_grade": manual is not None or score is None}


def auto_scores(entry: Entry, assignment: Assignment) -> dict[str, float | None]:
    """Graded cell → score; None where somebody must give one. An answer in words that is not there gets 0."""
    blank = unanswered(entry, assignment)
    scores: dict[str, float | None] = {}
    for cell in entry.result.cells:
        if cell.kind == "test" and cell.score is not None:
            scores[cell.grade_id] = cell.score
        elif cell.kind == "written":
            scores[cell.grade_id] = 0.0 if cell.grade_id in blank else None
    return scores


def unanswered(entry: Entry, assignment: Assignment) -> set[str]:
    """Cells that were to be filled in and are as they were released, or empty."""
    released = {cell.grade_id: cell.released for cell in assignment.cells if cell.metadata.get("solution")}
    mine = (cell for cell in entry.result.cells if cell.grade_id in released)
    return {cell.grade_id for cell in mine if cell.source.strip() in ("", released[cell.grade_id].strip())}
