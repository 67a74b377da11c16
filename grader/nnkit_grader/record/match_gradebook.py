"""The gradebook's cells brought in step with an assignment that changed after it was graded.

nbgrader refuses to add or remove a cell once there is a submission. Here a new cell is added, and every submission is
graded again; a cell that is gone is removed, with its automatic scores. Only points and comments that a grader has
given by hand are never thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbgrader.api import Assignment as NbgraderAssignment
from nbgrader.api import (
    BaseCell,
    Comment,
    Grade,
    GradeCell,
    Notebook,
    SolutionCell,
    SourceCell,
    SubmittedAssignment,
    TaskCell,
)
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from nnkit_grader.course.assignment import Assignment, CourseCell

MODELS = {"GradeCell": GradeCell, "SolutionCell": SolutionCell, "TaskCell": TaskCell}
FLAGS = {"grade": "GradeCell", "solution": "SolutionCell", "task": "TaskCell"}


def list_expected_cells(assignment: Assignment) -> dict[tuple[str, str], CourseCell]:
    """Return the assignment's cells by nbgrader's id and the kind of its row in the gradebook."""
    return dict(_list_cells(assignment))


def _list_cells(assignment: Assignment) -> Iterator[tuple[tuple[str, str], CourseCell]]:
    for cell in assignment.cells:
        for flag, kind in FLAGS.items():
            if cell.grade_id and cell.metadata.get(flag):
                yield (cell.grade_id, kind), cell


def match_gradebook(session: Session, assignment: Assignment) -> None:
    """Add and remove the cells of an assignment with submissions, as nbgrader's release would have them.

    Raises ValueError, in words, if a grader's work would be lost.
    """
    found = session.scalar(select(NbgraderAssignment).where(NbgraderAssignment.name == assignment.name))
    submitted = select(SubmittedAssignment.id).where(SubmittedAssignment.assignment_id == (found and found.id))
    if found is None or session.scalar(submitted.limit(1)) is None:
        return
    notebook = session.scalar(
        select(Notebook).where(Notebook.assignment_id == found.id, Notebook.name == assignment.notebook)
    )
    if notebook is None:
        notebook = Notebook(name=assignment.notebook, assignment_id=found.id)
        session.add(notebook)
        session.flush()
    rows = session.execute(
        select(BaseCell.name, BaseCell.type, BaseCell.id).where(BaseCell.notebook_id == notebook.id)
    ).all()
    known = {(name, kind): id for name, kind, id in rows}
    expected = list_expected_cells(assignment)
    gone = {key: id for key, id in known.items() if key not in expected}
    _remove_cells(session, assignment, gone)
    sources = set(session.scalars(select(SourceCell.name).where(SourceCell.notebook_id == notebook.id)))
    wanted = {cell.grade_id: cell for cell in assignment.cells if _has_source(cell)}
    session.execute(
        delete(SourceCell).where(SourceCell.notebook_id == notebook.id, SourceCell.name.in_(sources - set(wanted)))
    )
    session.add_all(_make_row(*key, notebook.id, cell) for key, cell in expected.items() if key not in known)
    session.add_all(
        SourceCell(name=name, notebook_id=notebook.id, cell_type=cell.cell_type, source=cell.source, locked=cell.locked)
        for name, cell in wanted.items()
        if name not in sources
    )


def _has_source(cell: CourseCell) -> bool:
    return bool(cell.grade_id) and (cell.locked or any(cell.metadata.get(flag) for flag in FLAGS))


def _make_row(name: str, kind: str, notebook: str, cell: CourseCell) -> Any:
    points = {} if kind == "SolutionCell" else {"max_score": cell.points, "cell_type": cell.cell_type}
    return MODELS[kind](name=name, notebook_id=notebook, **points)


def _remove_cells(session: Session, assignment: Assignment, gone: dict[tuple[str, str], str]) -> None:
    """Remove cells with their automatic scores. Raises ValueError if a grader has given points or a comment."""
    ids = list(gone.values())
    graded = select(Grade.cell_id).where(
        Grade.cell_id.in_(ids), or_(Grade.manual_score.is_not(None), Grade.extra_credit.is_not(None))
    )
    written = select(Comment.cell_id).where(Comment.cell_id.in_(ids), Comment.manual_comment.is_not(None))
    kept = {*session.scalars(graded), *session.scalars(written)}
    if kept:
        names = ", ".join(sorted({repr(name) for (name, _), id in gone.items() if id in kept}))
        raise ValueError(
            f"{assignment.notebook}.ipynb no longer has {names}, for which a grader gave points or wrote a comment. "
            "Put it back, if need be with 0 points, or delete these points and comments in Formgrader."
        )
    for model in (Grade, Comment):
        session.execute(delete(model).where(model.cell_id.in_(ids)))
    for (_, kind), id in gone.items():
        session.delete(session.get(MODELS[kind], id))
