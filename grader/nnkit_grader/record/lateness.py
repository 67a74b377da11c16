"""Lateness of submissions, by nbgrader's gradebook."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session


def read_lateness(session: Session, assignment: str, students: Collection[str] | None = None) -> dict[str, float]:
    """Return student → seconds after the due date, extensions included; none for those in time, or without a time.

    `students` are those that are looked up; by default all.
    """
    from nbgrader.api import Assignment, SubmittedAssignment

    wanted = [] if students is None else [SubmittedAssignment.student_id.in_(students)]
    rows = session.execute(
        select(
            SubmittedAssignment.student_id,
            SubmittedAssignment.timestamp,
            SubmittedAssignment.extension,
            Assignment.duedate,
        )
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .where(Assignment.name == assignment, *wanted)
    )
    seconds = {
        student: (time - due - (extension or timedelta())).total_seconds()
        for student, time, extension, due in rows
        if time and due
    }
    return {student: late for student, late in seconds.items() if late > 0}
