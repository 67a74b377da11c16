"""The gradebook on a real PostgreSQL server: the same rows as in SQLite, and a restart in the middle of a class."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbgrader.api import Student

from helpers import books, classes
from helpers.paths import ROOT
from nnkit_grader.course import release as courses
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.record.gradebook import CourseGradebook
from nnkit_grader.record.journal import Journal
from nnkit_grader.run import GradingRequest, grade_class
from nnkit_grader.workers.run_summary import RunSummary

pytestmark = pytest.mark.slow


class Server:
    """Give a PostgreSQL server in a folder of its own; started by root, it has to run as the user postgres."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.run("initdb", "--auth=trust", "--username=nnkit", "--encoding=UTF8")
        self.start()

    def run(self, program: str, *more: str) -> None:
        found = shutil.which(program) or sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))[-1]
        command = [found, "-D", str(self.folder / "data"), *more]
        subprocess.run(command, user=self.user, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "immediate", "stop")

    def database(self, name: str) -> str:
        """Return the URL of a new, empty database."""
        import psycopg

        with psycopg.connect(f"postgresql://nnkit@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://nnkit@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short, since its socket's path may have 107 characters
    running = Server(folder)
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = classes.course(tmp_path / "course")
    for number in range(8):
        classes.hand_in(folder, f"s{number}", {} if number == 3 else classes.RIGHT, "2026-01-01 10:00:00 UTC")
    return folder


SCORES = {f"s{n}": 0.0 if n == 3 else 5.0 for n in range(8)}


def totals(folder: Path, url: str) -> dict[str, float]:
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write(f"c.CourseDirectory.db_url = {url!r}\n")
    return {
        student: courses.sum_points(points) for student, points in courses.read_scores(folder, classes.NAME).items()
    }


def test_the_command_records_there_and_nbgrader_reads_it(server: Server, folder: Path) -> None:
    url = server.database("command")
    command = [sys.executable, "-m", "nnkit.cli", "autograde", "hw", "--course", str(folder), "--db", url]
    for says in ("8 submissions graded in", "8 submissions already graded by the same tests"):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert says in done.stdout
    assert not (folder / "gradebook.db").exists()
    assert totals(folder, url) == SCORES
    nbgrader = courses.open_api(folder)
    result = nbgrader.generate_feedback("hw", "s0", force=True)
    assert result["success"], result
    assert [row["score"] for row in nbgrader.get_submissions("hw") if row["student"] == "s0"] == [5.0]


def test_a_server_that_restarts_in_the_middle_of_a_class_costs_nothing(server: Server, folder: Path) -> None:
    """The server stops as in a power cut after the first results, and comes back while results are being recorded."""
    url = server.database("restarted")
    told: list[str] = []
    stopped = threading.Event()

    def progress(summary: RunSummary) -> None:
        if summary.graded >= 2 and not stopped.is_set():
            stopped.set()
            server.stop()
            threading.Timer(3, server.start).start()

    summary = grade_class(GradingRequest("hw", jobs=2), folder, lambda: open_course(folder, url), told.append, progress)
    assert stopped.is_set()
    assert (summary.graded, summary.ungraded) == (8, {})
    assert any(sentence.startswith("waiting for the gradebook for up to 60 s") for sentence in told)
    assert totals(folder, url) == SCORES
    journal = Journal(folder, "hw")
    assert all(journal.is_recorded(entry) for entry in journal.read_entries())


def test_a_new_gradebook_is_of_nbgraders_own_version(server: Server, tmp_path: Path) -> None:
    books.assert_of_nbgraders_version(server.database("version"), tmp_path)


def test_a_gradebook_is_created_whole_or_not_at_all(server: Server) -> None:
    books.assert_whole_or_not_at_all(server.database("whole"))


def test_a_courses_role_reaches_no_other_course(server: Server) -> None:
    import psycopg

    script = ROOT / "hub" / "deploy" / "kubernetes" / "add-course.sql"
    for course in ("spring", "autumn"):
        words = ["psql", "--host=127.0.0.1", f"--port={server.port}", "--username=nnkit", "--dbname=postgres"]
        words += [f"--set=course={course}", "--set=password=it's secret"]
        subprocess.run([*words, f"--file={script}"], check=True, capture_output=True, timeout=60)
    own = f"postgresql://spring@127.0.0.1:{server.port}/"
    with CourseGradebook(f"{own}spring", "spring") as gradebook:  # creates nbgrader's tables
        assert gradebook.run_transaction(lambda session: session.query(Student).count()) == 0
    for other in ("autumn", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(f"{own}{other}")
    with psycopg.connect(f"{own}spring") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE ROLE other SUPERUSER")
