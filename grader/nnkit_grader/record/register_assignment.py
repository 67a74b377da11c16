"""Registering an assignment: the gradebook's copy of its cells, points and tests is brought in step with solutions/.

nbgrader registers an assignment when it is released. A grader who did not release it here, or whose tests have changed
since, would grade against cells that are missing or out of date. So each assignment is registered before a class is
graded, by nbgrader's own release into a temporary folder.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment as NbgraderAssignment
from nbgrader.api import BaseCell, GradeCell, Notebook, SourceCell, TaskCell
from nbgrader.utils import temp_attrs
from sqlalchemy import select
from sqlalchemy.orm import Session

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.nbgrader_context import NbgraderContext
from nnkit_grader.course.release import generate_into
from nnkit_grader.record.gradebook import CourseGradebook
from nnkit_grader.record.match_gradebook import list_expected_cells, match_gradebook


def register_assignment(coursedir: Any, parent: Any, gradebook: CourseGradebook, assignment: Assignment) -> bool:
    """Bring the gradebook in step with an assignment, and return whether that was necessary.

    `parent` carries nbgrader's configuration. Raises ValueError if nbgrader refuses, or if a cell with a grader's
    points is gone.
    """
    registered = partial(gradebook.run_transaction, lambda session: is_registered(session, assignment))
    if registered():
        return False
    gradebook.run_transaction(lambda session: match_gradebook(session, assignment))
    # A failure may be the end of a connection: `registered` waits for a gradebook whose server restarts.
    fault = _release(coursedir, parent, gradebook, assignment)
    if fault and not registered() and (fault := _release(coursedir, parent, gradebook, assignment)):
        raise ValueError(f"{assignment.name} cannot be entered into the gradebook: {fault}")
    return True


def _release(coursedir: Any, parent: Any, gradebook: CourseGradebook, assignment: Assignment) -> str:
    """Release the assignment into a temporary folder; return why that failed, or ""."""
    with tempfile.TemporaryDirectory() as scratch, temp_attrs(coursedir, db_url=gradebook.url):
        try:
            generate_into(Path(scratch), NbgraderContext(coursedir, parent), assignment.name)
        except RuntimeError as fault:
            return str(fault)
    return ""


def is_registered(session: Session, assignment: Assignment) -> bool:
    """Return whether the gradebook has exactly these cells, with these points and tests."""
    notebook = session.scalar(
        select(Notebook.id)
        .join(NbgraderAssignment, NbgraderAssignment.id == Notebook.assignment_id)
        .where(NbgraderAssignment.name == assignment.name, Notebook.name == assignment.notebook)
    )
    names = session.execute(select(BaseCell.name, BaseCell.type).where(BaseCell.notebook_id == notebook))
    points = {
        name: most
        for kind in (GradeCell, TaskCell)
        for name, most in session.execute(select(kind.name, kind.max_score).where(kind.notebook_id == notebook))
    }
    sources = session.execute(select(SourceCell.name, SourceCell.source).where(SourceCell.notebook_id == notebook))
    return (
        notebook is not None
        and {(name, kind) for name, kind in names} == set(list_expected_cells(assignment))
        and points == {cell.grade_id: cell.points for cell in assignment.cells if _has_flag(cell, "grade", "task")}
        and _test_sources(assignment).items() <= {name: (source or "").strip() for name, source in sources}.items()
    )


def _has_flag(cell: Any, *flags: str) -> bool:
    return any(cell.metadata.get(flag) for flag in flags)


def _test_sources(assignment: Assignment) -> dict[str, str]:
    return {cell.grade_id: cell.source.strip() for cell in assignment.cells if cell.kind == "test"}
