"""nbgrader's gradebook, opened so that it can be relied on: SQLite that others use too, PostgreSQL that restarts.

`Book` is nbgrader's own `Gradebook` with connections that are tried before they are used, and a transaction that is
tried again where it was not the transaction's fault.
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
WAITING = 60.0
"""Seconds for which a gradebook that is locked, or a server that is away, is waited for."""
PAUSE = 0.5
HOPELESS = ("disk is full", "readonly", "unable to open", "not a database", "authentication", "does not exist")
"""In what a database says when waiting does not help."""
ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(hashtext('nbgrader'))"}
"""What has another grader wait until the end of a transaction that creates tables."""


class BookUnavailable(RuntimeError):
    """The gradebook cannot be read or written; says why."""


class Book:
    """A gradebook for reading and writing, in transactions. Raises BookUnavailable, or ValueError for a bad URL."""

    def __init__(self, url: str, course_id: str, tell: Callable[[str], None] = lambda sentence: None):
        warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy's remarks on nbgrader's own queries
        self.url, self.course_id, self.tell = _driven(url), course_id, tell
        self.shown = make_url(self.url).render_as_string(hide_password=True)
        is_file = self.url.startswith("sqlite")
        # A lock is waited for below, where it can be told.
        self.engine = create_engine(self.url, pool_pre_ping=True, connect_args={"timeout": 1} if is_file else {})
        self.sessions = sessionmaker(self.engine)
        self._patiently(self._create)

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    def transaction(self, work: Callable[[Session], T]) -> T:
        """What `work` returns, committed as a whole. `work` may be called more than once."""

        def attempt() -> T:
            with self.sessions.begin() as session:
                return work(session)

        return self._patiently(attempt)

    def _create(self) -> None:
        """The tables and the course, where there are none yet."""
        if not inspect(self.engine).get_table_names():
            self._create_tables()
        Gradebook(self.url, self.course_id).close()

    def _create_tables(self) -> None:
        """As nbgrader does, with the version that `nbgrader db upgrade` reads; but nbgrader runs a program to learn it,
        which takes seconds, and leaves tables without a version where it is killed meanwhile."""
        with self.engine.begin() as connection:
            if alone := ALONE.get(connection.dialect.name):
                connection.exec_driver_sql(alone)
            Base.metadata.create_all(connection)  # those that nobody has created meanwhile
            MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")

    def _patiently(self, attempt: Callable[[], T]) -> T:
        ends: float | None = None
        while True:
            try:
                return attempt()
            except (OperationalError, InterfaceError, DBAPIError) as fault:
                said = str(fault.orig or fault).strip().splitlines()[0]
                if not _may_pass(fault, said):
                    raise BookUnavailable(f"The gradebook {self.shown} cannot be used: {said.rstrip('.')}.") from None
                now = time.monotonic()
                if ends is None:
                    ends = now + WAITING
                    self.tell(f"waiting for the gradebook for up to {WAITING:g} s: {said}")
                elif now > ends:
                    raise BookUnavailable(
                        f"The gradebook {self.shown} was not to be had for {WAITING:g} seconds: {said.rstrip('.')}."
                    ) from None
                time.sleep(PAUSE)


def _may_pass(fault: DBAPIError, said: str) -> bool:
    """Whether it may be gone in a moment: a lock, or a server that restarts."""
    if any(words in said for words in HOPELESS):
        return False
    return isinstance(fault, OperationalError | InterfaceError) or fault.connection_invalidated


def _driven(url: str) -> str:
    """The URL with the driver that is installed, where it names none. Raises ValueError for no such URL."""
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError):
        raise ValueError(f"{url!r} is no database URL: sqlite:///FILE, or postgresql://USER@HOST/NAME.") from None
    return parsed.render_as_string(hide_password=False)
