"""Reliable access to nbgrader's gradebook: SQLite that other programs use too, PostgreSQL that may restart.

`CourseGradebook` opens the tables of nbgrader's own `Gradebook`. It tests connections before use, and repeats a
transaction that failed through no fault of its own.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TypeVar

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader.api import Base, Gradebook
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

T = TypeVar("T")
MAX_WAIT_SECONDS = 60.0
"""Longest wait for a gradebook that is locked, or for a server that is down."""
RETRY_SECONDS = 0.5
PERMANENT_FAULTS = ("disk is full", "readonly", "unable to open", "not a database", "authentication", "does not exist")
"""Parts of a database's error messages which say that waiting will not help."""
LOCK_STATEMENTS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(hashtext('nbgrader'))"}
"""Statements that make other graders wait until a transaction that creates tables has ended."""


class GradebookUnavailable(RuntimeError):
    """The gradebook cannot be read or written; the message says why."""


class CourseGradebook:
    """A gradebook, read and written in transactions. Raises GradebookUnavailable, or ValueError for a bad URL."""

    def __init__(self, url: str, course_id: str, notify: Callable[[str], None] = lambda sentence: None):
        warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy warns about nbgrader's own queries
        self.url, self.course_id, self.notify = _add_driver(url), course_id, notify
        self.display_url = make_url(self.url).render_as_string(hide_password=True)
        is_file = self.url.startswith("sqlite")
        # Waiting for a lock is done below, where the user is notified of it.
        self.engine = create_engine(self.url, pool_pre_ping=True, connect_args={"timeout": 1} if is_file else {})
        self.sessions = sessionmaker(self.engine)
        self._retry(self._create)

    def __enter__(self) -> CourseGradebook:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    def run_transaction(self, work: Callable[[Session], T]) -> T:
        """Return the result of `work`, committed as a whole. `work` may be called more than once."""

        def attempt() -> T:
            with self.sessions.begin() as session:
                return work(session)

        return self._retry(attempt)

    def _create(self) -> None:
        """Create the tables and the course if they do not exist yet."""
        if not inspect(self.engine).get_table_names():
            self._create_tables()
        Gradebook(self.url, self.course_id).close()

    def _create_tables(self) -> None:
        """Create nbgrader's tables, with the version that `nbgrader db upgrade` reads.

        nbgrader itself runs another program to find the version, which takes seconds, and leaves tables without one if
        it is killed in between.
        """
        with self.engine.begin() as connection:
            if lock := LOCK_STATEMENTS.get(connection.dialect.name):
                connection.exec_driver_sql(lock)
            Base.metadata.create_all(connection)  # only those that no other grader has created by now
            MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")

    def _retry(self, attempt: Callable[[], T]) -> T:
        """Return the result of `attempt`, repeated for up to `MAX_WAIT_SECONDS` while the fault is temporary."""
        ends: float | None = None
        while True:
            try:
                return attempt()
            except (OperationalError, InterfaceError, DBAPIError) as fault:
                message = str(fault.orig or fault).strip().splitlines()[0]
                if not _is_temporary(fault, message):
                    raise GradebookUnavailable(
                        f"The gradebook {self.display_url} cannot be used: {message.rstrip('.')}."
                    ) from None
                now = time.monotonic()
                if ends is None:
                    ends = now + MAX_WAIT_SECONDS
                    self.notify(f"waiting for the gradebook for up to {MAX_WAIT_SECONDS:g} s: {message}")
                elif now > ends:
                    raise GradebookUnavailable(
                        f"The gradebook {self.display_url} was not available for {MAX_WAIT_SECONDS:g} seconds: "
                        f"{message.rstrip('.')}."
                    ) from None
                time.sleep(RETRY_SECONDS)


def _is_temporary(fault: DBAPIError, message: str) -> bool:
    """Return whether the fault may be gone in a moment: a lock, or a server that restarts."""
    if any(words in message for words in PERMANENT_FAULTS):
        return False
    return isinstance(fault, OperationalError | InterfaceError) or fault.connection_invalidated


def _add_driver(url: str) -> str:
    """Return the URL with the driver that is installed, if it names none. Raises ValueError for an unknown URL."""
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError):
        raise ValueError(f"{url!r} is not a database URL: use sqlite:///FILE or postgresql://USER@HOST/NAME.") from None
    return parsed.render_as_string(hide_password=False)
