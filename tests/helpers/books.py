"""Assertions on a new gradebook, for every kind of database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from nbgrader.api import Gradebook, get_alembic_version
from sqlalchemy import text

from nnkit_grader.record.gradebook import CourseGradebook

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""A PATH on which nbgrader finds `alembic`."""


def assert_of_nbgraders_version(address: str, folder: Path) -> None:
    """Assert that a new gradebook has nbgrader's version, and that `nbgrader db upgrade` finds nothing to do.

    `folder` is empty.
    """
    with CourseGradebook(address, "nnkit") as gradebook, mock.patch.dict(os.environ, PATH=PATH):
        version = [get_alembic_version()]
        assert versions(gradebook) == version
        command = [sys.executable, "-m", "nbgrader", "db", "upgrade", f"--CourseDirectory.db_url={gradebook.url}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert "Running upgrade" not in done.stderr
        assert versions(gradebook) == version
        Gradebook(gradebook.url, "nnkit").close()


def read_auto_scores(path: Path) -> dict[str, dict[str, float | None]]:
    """Return student → cell → automatic score; None for a cell that a grader must score."""
    found: dict[str, dict[str, float | None]] = {}
    with Gradebook(f"sqlite:///{path}") as book:
        for student, cell, score, by_hand in book.db.execute(text(AUTO_SCORES)):
            found.setdefault(student, {})[cell] = None if by_hand else score
    return found


AUTO_SCORES = """
SELECT submitted_assignment.student_id, base_cell.name, grade.auto_score, grade.needs_manual_grade FROM grade
JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id
JOIN base_cell ON grade.cell_id = base_cell.id
"""


def versions(gradebook: CourseGradebook) -> list[str]:
    return gradebook.run_transaction(
        lambda session: list(session.scalars(text("SELECT version_num FROM alembic_version")))
    )


KILLED = """
import os, sys
from alembic.runtime.migration import MigrationContext
from nnkit_grader.record.gradebook import CourseGradebook
MigrationContext.stamp = lambda *_: os._exit(9)
CourseGradebook(sys.argv[1], "nnkit")
"""


def assert_whole_or_not_at_all(address: str) -> None:
    """Assert that a grader that is killed while it creates the tables leaves none."""
    assert subprocess.run([sys.executable, "-c", KILLED, address], timeout=300, check=False).returncode == 9
    with CourseGradebook(address, "nnkit") as gradebook:
        assert len(versions(gradebook)) == 1
