"""Grades in nbgrader's gradebook: the rows of nbgrader's autograder, for many submissions in one transaction.

Entries that graders made by hand (scores, comments, extra credit, extensions) are kept. As in nbgrader, a grade entered
by hand is marked for review when its submission is graded again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nbgrader.api import Assignment as NbgraderAssignment
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

from nnkit_grader.course.assignment import Assignment, CourseCell, normalise_source
from nnkit_grader.record.journal import JournalEntry
from nnkit_grader.record.lateness import read_lateness
from nnkit_grader.record.score_changes import PenaltyChange

Penalty = Callable[[str, float, float], float | None]
"""Function of student, score and seconds late that returns the points to take off; None for no penalty."""
NO_RESPONSE = "No response."
"""nbgrader's comment on an answer that was left as it was released."""

Rows = list[dict[str, Any]]


class AssignmentGrades:
    """One assignment's rows of a gradebook, for one transaction.

    Raises LookupError if the gradebook does not know the assignment.
    """

    def __init__(self, session: Session, assignment: Assignment):
        self.session, self.assignment = session, assignment
        found = session.execute(
            select(NbgraderAssignment.id, Notebook.id)
            .join(Notebook, Notebook.assignment_id == NbgraderAssignment.id)
            .where(NbgraderAssignment.name == assignment.name, Notebook.name == assignment.notebook)
        ).one_or_none()
        if found is None:
            raise LookupError(f"The gradebook has no assignment {assignment.name}.")
        self.id, self.notebook_id = found
        cells = session.execute(
            select(BaseCell.id, BaseCell.name, BaseCell.type).where(BaseCell.notebook_id == self.notebook_id)
        ).all()
        self.graded = {name: id for id, name, kind in cells if kind in ("GradeCell", "TaskCell")}
        self.commented = {name: id for id, name, kind in cells if kind in ("SolutionCell", "TaskCell")}

    def read_scores(self) -> dict[str, dict[str, float | None]]:
        """Return the autograded scores of all submissions, by student and cell."""
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

    def save(self, entries: Sequence[JournalEntry], penalty: Penalty | None = None) -> None:
        """Write the results of these students; each student may appear once."""
        self._add_students(entry.student for entry in entries)
        submitted = self._add_submissions({entry.student: entry.timestamp for entry in entries})
        notebooks = self._add_notebooks(submitted.values())
        by_notebook = {notebooks[submitted[entry.student]]: entry for entry in entries}
        self._save_grades(by_notebook)
        self._save_comments(by_notebook)
        self.session.flush()
        self._save_penalties(submitted, notebooks, penalty)

    def update_times(self, times: Mapping[str, str | None], penalty: Penalty | None = None) -> list[PenaltyChange]:
        """Write the times of submissions that are recorded already, by student, and compute their penalties anew: a due
        date, an extension, a time or the plug-in may have changed. Return the penalties that did.
        """
        submitted = self._add_submissions(times)
        notebooks = self._add_notebooks(submitted.values())
        self.session.flush()
        before = self._read_penalties(notebooks.values())
        self._save_penalties(submitted, notebooks, penalty)
        after = self._read_penalties(notebooks.values())
        late = read_lateness(self.session, self.assignment.name, submitted)
        ids = {student: notebooks[submission] for student, submission in submitted.items()}
        return [
            PenaltyChange(student, before[id], after[id], late.get(student, 0.0))
            for student, id in sorted(ids.items())
            if before[id] != after[id]
        ]

    def _read_penalties(self, notebooks: Iterable[str]) -> dict[str, float]:
        columns = SubmittedNotebook.id, SubmittedNotebook.late_submission_penalty
        found = self.session.execute(select(*columns).where(SubmittedNotebook.id.in_(set(notebooks))))
        return {id: off or 0.0 for id, off in found}

    def _add_students(self, students: Iterable[str]) -> None:
        wanted = set(students)
        known = set(self.session.scalars(select(Student.id).where(Student.id.in_(wanted))))
        self._insert(Student, [{"id": student} for student in sorted(wanted - known)])

    def _add_submissions(self, times: Mapping[str, str | None]) -> dict[str, str]:
        """Add the submissions that are missing, update the timestamps, and return the ids by student."""
        known = self.session.execute(
            select(SubmittedAssignment.student_id, SubmittedAssignment.id).where(
                SubmittedAssignment.assignment_id == self.id, SubmittedAssignment.student_id.in_(set(times))
            )
        )
        ids: dict[str, str] = {student: id for student, id in known}
        new: Rows = []
        changed: Rows = []
        for student, time in times.items():
            timestamp = _parse_time(time)
            if student not in ids:
                ids[student] = new_uuid()
                row = {"id": ids[student], "assignment_id": self.id, "student_id": student}
                new.append({**row, "timestamp": timestamp})
            elif timestamp is not None:
                changed.append({"id": ids[student], "timestamp": timestamp})
        self._insert(SubmittedAssignment, new)
        self._update(SubmittedAssignment, changed)
        return ids

    def _add_notebooks(self, submissions: Iterable[str]) -> dict[str, str]:
        """Add the notebooks that are missing, and return the ids by submission."""
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

    def _save_grades(self, by_notebook: dict[str, JournalEntry]) -> None:
        rows = self.session.execute(
            select(Grade.id, Grade.notebook_id, Grade.cell_id, Grade.manual_score).where(
                Grade.notebook_id.in_(by_notebook)
            )
        )
        known = {(notebook, cell): (id, manual) for id, notebook, cell, manual in rows}
        new: Rows = []
        changed: Rows = []
        for notebook, entry in by_notebook.items():
            scores, doubts = collect_scores(entry, self.assignment), entry.result.doubts
            for name, cell in self.graded.items():
                id, manual = known.get((notebook, cell), (None, None))
                if id is None:
                    row = {"id": new_uuid(), "notebook_id": notebook, "cell_id": cell}
                    new.append({**row, **_grade_row(scores.get(name), None, name in doubts)})
                elif name in scores:
                    changed.append({"id": id, **_grade_row(scores[name], manual, name in doubts)})
        self._insert(Grade, new)
        self._update(Grade, changed)

    def _save_comments(self, by_notebook: dict[str, JournalEntry]) -> None:
        rows = self.session.execute(
            select(Comment.id, Comment.notebook_id, Comment.cell_id).where(Comment.notebook_id.in_(by_notebook))
        )
        known = {(notebook, cell): id for id, notebook, cell in rows}
        new: Rows = []
        changed: Rows = []
        for notebook, entry in by_notebook.items():
            blank = find_unanswered(entry, self.assignment)
            for name, cell in self.commented.items():
                row = {"auto_comment": NO_RESPONSE if name in blank else None}
                if (notebook, cell) in known:
                    changed.append({"id": known[notebook, cell], **row})
                else:
                    new.append({"id": new_uuid(), "notebook_id": notebook, "cell_id": cell, **row})
        self._insert(Comment, new)
        self._update(Comment, changed)

    def _save_penalties(self, submitted: dict[str, str], notebooks: dict[str, str], penalty: Penalty | None) -> None:
        """Write the late penalties of nbgrader's plug-in; submissions in time have none."""
        late = read_lateness(self.session, self.assignment.name, submitted)
        rows: Rows = []
        for student, submission in submitted.items():
            notebook, off = notebooks[submission], None
            if student in late and penalty:
                score = self.session.scalar(select(SubmittedNotebook.score).where(SubmittedNotebook.id == notebook))
                off = penalty(student, score or 0.0, late[student])
                off = None if off is None else min(max(off, 0.0), score or 0.0)
            rows.append({"id": notebook, "late_submission_penalty": off})
        self._update(SubmittedNotebook, rows)

    def _insert(self, model: Any, rows: Rows) -> None:
        if rows:
            self.session.execute(insert(model), rows)

    def _update(self, model: Any, rows: Rows) -> None:
        if rows:
            self.session.execute(update(model), rows)


def _parse_time(text: str | None) -> Any:
    """Return a timestamp in nbgrader's form; None for a text that is not a time."""
    try:
        return parse_utc(text) if text else None
    except (ValueError, OverflowError):
        return None


def _grade_row(score: float | None, manual: float | None, doubted: bool = False) -> dict[str, Any]:
    return {"auto_score": score, "needs_manual_grade": manual is not None or score is None or doubted}


def collect_scores(entry: JournalEntry, assignment: Assignment) -> dict[str, float | None]:
    """Return the scores by graded cell; None if a grader must give one.

    A written answer scores 0 by itself only if its cell is as it was released, and no text stands near it.
    """
    blank = find_unanswered(entry, assignment)
    scores: dict[str, float | None] = {}
    for cell in entry.result.cells:
        if cell.kind == "test" and cell.score is not None:
            scores[cell.grade_id] = cell.score
        elif cell.kind == "written":
            scores[cell.grade_id] = 0.0 if cell.grade_id in blank else None
    return scores


def find_unanswered(entry: JournalEntry, assignment: Assignment) -> set[str]:
    """Return the answer cells that are as they were released, of exercises without points or doubts."""
    result = entry.result
    hopeless = {cell.grade_id for cell in result.cells if not cell.score} - set(result.doubts)
    sources = {cell.grade_id: normalise_source(cell.source) for cell in result.cells}
    return {
        cell.grade_id
        for cell, graded in assignment.pair_answers()
        if graded.grade_id in hopeless and sources.get(cell.grade_id) in _blank_sources(cell)
    }


def _blank_sources(cell: CourseCell) -> set[str]:
    """Return the sources of a cell without an answer. A written answer that was deleted is for a grader to see."""
    return {normalise_source(cell.released)} | ({""} if cell.kind == "answer" else set())
