"""The gradebook's own copy of an assignment kept in step with solutions/: cells, points, tests.

nbgrader enters an assignment when it releases it. Graders who did not release it themselves, or whose tests have
changed since, would grade against what is not there or out of date; so it is entered before a class is graded, by
nbgrader's own release into a scratch folder.
"""

from __future__ import annotations

import tempfile
from typing import Any

from nbgrader.api import Assignment as BookAssignment
from nbgrader.api import BaseCell, GradeCell, Notebook, SourceCell, TaskCell
from nbgrader.utils import capture_log, temp_attrs
from sqlalchemy import select
from sqlalchemy.orm import Session

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.record.gradebook import Book


def enter(coursedir: Any, parent: Any, book: Book, assignment: Assignment) -> bool:
    """Bring the gradebook in step with an assignment; whether it was not. `parent` has nbgrader's configuration.

    Raises ValueError where it cannot be, as where cells came or went after the first submission was graded.
    """
    if book.transaction(lambda session: in_step(session, assignment)):
        return False
    from nbgrader.converters import GenerateAssignment

    with (
        tempfile.TemporaryDirectory() as scratch,
        temp_attrs(
            coursedir, release_directory=scratch, db_url=book.url, notebook_id="*", assignment_id=assignment.name
        ),
    ):
        release = GenerateAssignment(coursedir=coursedir, parent=parent)
        release.force = release.create_assignment = True
        result = capture_log(release)
    if not result["success"]:
        raise ValueError(f"{assignment.name} cannot be entered into the gradebook: {_reason(result)}")
    return True


def in_step(session: Session, assignment: Assignment) -> bool:
    """Whether the gradebook has these cells with these points and tests, and no others."""
    notebook = session.scalar(
        select(Notebook.id)
        .join(BookAssignment, BookAssignment.id == Notebook.assignment_id)
        .where(BookAssignment.name == assignment.name, Notebook.name == assignment.notebook)
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
        and {(name, kind) for name, kind in names} == _names(assignment)
        and points == {cell.grade_id: cell.points for cell in assignment.cells if _is(cell, "grade", "task")}
        and _tests(assignment).items() <= {name: (source or "").strip() for name, source in sources}.items()
    )


def _names(assignment: Assignment) -> set[tuple[str, str]]:
    kinds = {"grade": "GradeCell", "solution": "SolutionCell", "task": "TaskCell"}
    return {
        (cell.grade_id, name)
        for cell in assignment.cells
        for flag, name in kinds.items()
        if _is(cell, flag) and cell.grade_id
    }


def _is(cell: Any, *flags: str) -> bool:
    return any(cell.metadata.get(flag) for flag in flags)


def _tests(assignment: Assignment) -> dict[str, str]:
    return {cell.grade_id: cell.source.strip() for cell in assignment.cells if cell.kind == "test"}


def _reason(result: dict[str, Any]) -> str:
    text = str(result.get("error") or result.get("log") or "nbgrader gave no reason").strip()
    return text.splitlines()[-1]
