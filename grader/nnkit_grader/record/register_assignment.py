"""Registering an assignment: the gradebook's copy of its cells, points and tests is brought in step with solutions/.

nbgrader registers an assignment when it is released. A grader who did not release it here, or whose tests have changed
since, would grade against cells that are missing or out of date. So each assignment is registered before a class is
graded, by nbgrader's own release into a temporary folder.
"""

from __future__ import annotations

import tempfile
from functools import partial
from typing import Any

from nbgrader.api import Assignment as NbgraderAssignment
from nbgrader.api import BaseCell, GradeCell, Notebook, SourceCell, TaskCell
from nbgrader.utils import capture_log, temp_attrs
from sqlalchemy import select
from sqlalchemy.orm import Session

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.record.gradebook import CourseGradebook


def register_assignment(coursedir: Any, parent: Any, gradebook: CourseGradebook, assignment: Assignment) -> bool:
    """Bring the gradebook in step with an assignment, and return whether that was necessary.

    `parent` carries nbgrader's configuration. Raises ValueError if nbgrader refuses, for instance because cells were
    added or removed after the first submission was graded.
    """
    registered = partial(gradebook.run_transaction, lambda session: is_registered(session, assignment))
    if registered():
        return False
    # A failure may be the end of a connection: `registered` waits for a gradebook whose server restarts.
    result = _release(coursedir, parent, gradebook, assignment)
    if not result["success"] and not registered():
        result = _release(coursedir, parent, gradebook, assignment)
        if not result["success"]:
            raise ValueError(f"{assignment.name} cannot be entered into the gradebook: {_describe_failure(result)}")
    return True


def _release(coursedir: Any, parent: Any, gradebook: CourseGradebook, assignment: Assignment) -> dict[str, Any]:
    """Release the assignment into a temporary folder; return nbgrader's result, with "success" and "log"."""
    from nbgrader.converters import GenerateAssignment

    with (
        tempfile.TemporaryDirectory() as scratch,
        temp_attrs(
            coursedir,
            release_directory=scratch,
            db_url=gradebook.url,
            notebook_id="*",
            assignment_id=assignment.name,
        ),
    ):
        release = GenerateAssignment(coursedir=coursedir, parent=parent)
        release.force = release.create_assignment = True
        result: dict[str, Any] = capture_log(release)
    return result


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
        and {(name, kind) for name, kind in names} == _expected_cells(assignment)
        and points == {cell.grade_id: cell.points for cell in assignment.cells if _has_flag(cell, "grade", "task")}
        and _test_sources(assignment).items() <= {name: (source or "").strip() for name, source in sources}.items()
    )


def _expected_cells(assignment: Assignment) -> set[tuple[str, str]]:
    kinds = {"grade": "GradeCell", "solution": "SolutionCell", "task": "TaskCell"}
    return {
        (cell.grade_id, name)
        for cell in assignment.cells
        for flag, name in kinds.items()
        if _has_flag(cell, flag) and cell.grade_id
    }


def _has_flag(cell: Any, *flags: str) -> bool:
    return any(cell.metadata.get(flag) for flag in flags)


def _test_sources(assignment: Assignment) -> dict[str, str]:
    return {cell.grade_id: cell.source.strip() for cell in assignment.cells if cell.kind == "test"}


def _describe_failure(result: dict[str, Any]) -> str:
    text = str(result.get("error") or result.get("log") or "nbgrader gave no reason").strip()
    return text.splitlines()[-1]
