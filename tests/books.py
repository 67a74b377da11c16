"""What holds for a gradebook that was not there before, whatever database it is in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from nbgrader.api import Gradebook, get_alembic_version
from sqlalchemy import text

from nnkit.grading.book import Book

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""nbgrader runs `alembic` by name."""


def assert_of_nbgraders_version(address: str, folder: Path) -> None:
    """Of its own, before and after `nbgrader db upgrade`, which finds nothing to do; `folder` is empty."""
    with Book(address, "nnkit") as book, mock.patch.dict(os.environ, PATH=PATH):
        version = [get_alembic_version()]
        assert versions(book) == version
        command = [sys.executable, "-m", "nbgrader", "db", "upgrade", f"--CourseDirectory.db_url={book.url}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert "Running upgrade" not in done.stderr
        assert versions(book) == version
        Gradebook(book.url, "nnkit").close()


def versions(book: Book) -> list[str]:
    return book.transaction(lambda session: list(session.scalars(text("SELECT version_num FROM alembic_version"))))


KILLED = """
import os, sys
from alembic.runtime.migration import MigrationContext
from nnkit.grading.book import Book
MigrationContext.stamp = lambda *_: os._exit(9)
Book(sys.argv[1], "nnkit")
"""


def assert_whole_or_not_at_all(address: str) -> None:
    """A grader that is killed while it creates the tables leaves none."""
    assert subprocess.run([sys.executable, "-c", KILLED, address], timeout=300, check=False).returncode == 9
    with Book(address, "nnkit") as book:
        assert len(versions(book)) == 1
