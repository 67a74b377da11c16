"""A class graded by real processes: to the end, interrupted, killed, once more, and on a cluster."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook

from helpers import classes
from nnkit import cli
from nnkit_grader.autograde import format_summary
from nnkit_grader.course import release as courses
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.record import register_assignment
from nnkit_grader.record.journal import Journal, JournalEntry, check_student_id
from nnkit_grader.run import GradingRequest, grade_class
from nnkit_grader.workers.run_summary import RunSummary

pytestmark = pytest.mark.slow
SLOW = {**classes.RIGHT, "double": "import time\ntime.sleep(1)\n" + classes.DOUBLE}
NNKIT = [sys.executable, "-m", "nnkit.cli"]
WORKER = "nnkit_grader.workers import worker"
"""Part of a worker's command line, and of its forks'."""


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a class of 12, and its gradebook: nbgrader takes seconds for it."""
    folder = classes.course(tmp_path_factory.mktemp("ready") / "course")
    for number in range(10):
        wrong = {"double": "def double(x):\n    return x"} if number % 3 == 1 else {}
        classes.hand_in(folder, f"s{number}", {**classes.RIGHT, **wrong})
    classes.hand_in(folder, "blank", {})
    classes.hand_in_bytes(folder, "cut", b'{"cells": [')
    run(folder, "--student", "blank")
    shutil.rmtree(folder / ".nnkit")
    shutil.rmtree(folder / "autograded")
    return folder


@pytest.fixture
def folder(ready: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ready, tmp_path / "course")


@pytest.fixture
def takes_long(folder: Path) -> None:
    """Make most submissions take a second each, so that a run can be disturbed half-way."""
    for student, score in SCORES.items():
        if score == 5.0:
            classes.hand_in(folder, student, SLOW)


SCORES = {f"s{n}": 3.0 if n % 3 == 1 else 5.0 for n in range(10)} | {"blank": 0.0, "cut": 0.0}


def run(folder: Path, *more: str, status: int = 0) -> Said:
    """`nnkit autograde` in this process: only what is signalled or killed needs one of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            ended: Any = cli.main(["autograde", classes.NAME, "--course", str(folder), *more])
        except SystemExit as stopped:  # asked in words that there are not
            ended = stopped.code
    said = Said(out.getvalue(), err.getvalue())
    assert ended == status, said
    return said


class Said(NamedTuple):
    stdout: str
    stderr: str


def started(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [*NNKIT, "autograde", classes.NAME, "--course", str(folder), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def journal(folder: Path) -> Journal:
    return Journal(folder, classes.NAME)


def entries(folder: Path) -> dict[str, JournalEntry]:
    return {entry.student: entry for entry in journal(folder).read_entries()}


def gradings(folder: Path) -> dict[str, int]:
    """Return how often each submission was graded, by its log."""
    logs = (folder / ".nnkit" / classes.NAME / "logs").glob("*.log")
    return {path.stem: path.read_text().count("graded in ") for path in logs}


def totals(folder: Path) -> dict[str, float]:
    return {
        student: courses.sum_points(points) for student, points in courses.read_scores(folder, classes.NAME).items()
    }


def assert_graded_once(folder: Path, unkept: int = 0) -> None:
    """Each exactly once, with the scores of an undisturbed run, in the journal, the gradebook and autograded/.

    `unkept` gradings may have been broken off before their result was in the journal.
    """
    assert totals(folder) == SCORES
    assert {student: entry.result.score for student, entry in entries(folder).items()} == SCORES
    assert gradings(folder).keys() == SCORES.keys()
    assert len(SCORES) <= sum(gradings(folder).values()) <= len(SCORES) + unkept
    for student in SCORES:
        path = folder / "autograded" / student / classes.NAME / f"{classes.NAME}.ipynb"
        nbformat.validate(nbformat.read(path, 4))
    assert not list(folder.rglob(".new-*"))


def wait_until(true: Callable[[], object], seconds: float = 600) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def below(process: psutil.Process, words: str) -> list[psutil.Process]:
    """Return its descendants with these words in their command."""
    found = []
    with contextlib.suppress(psutil.Error):
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if words in " ".join(child.cmdline()):
                    found.append(child)
    return found


# -- undisturbed ----------------------------------------------------------------------------------------------


def test_a_class_is_graded_and_the_same_command_finds_nothing_to_do(folder: Path) -> None:
    done = run(folder)
    assert_graded_once(folder)
    assert re.search(r"^hw: 12 submissions graded in [\d.]+ s \(\d+ a minute\)\.$", done.stdout, re.MULTILINE)
    assert "1 handed in, but not run: 0 points until a grader has looked:\n  cut: The notebook is no" in done.stdout
    assert "sandbox" in done.stdout
    assert done.stderr == ""  # no bar unless stderr is a terminal
    again = run(folder)
    assert "12 submissions already graded by the same tests" in again.stdout
    assert_graded_once(folder)


def test_the_graded_notebook_shows_the_work_and_the_fault(folder: Path) -> None:
    run(folder, "--student", "s1", "--student", "cut")
    cells = nbformat.read(folder / "autograded" / "s1" / "hw" / "hw.ipynb", 4).cells
    by_id = {cell.id: cell for cell in cells}
    assert "return x" in by_id["double"].source
    (shown,) = by_id["test-double"].outputs
    assert shown.output_type == "error"
    assert "double is wrong" in shown.evalue
    assert by_id["test-double"].metadata.nbgrader.points == 2
    notice = nbformat.read(folder / "autograded" / "cut" / "hw" / "hw.ipynb", 4).cells[0]
    assert notice.source.startswith("**This submission was not run, and needs review:**")
    assert set(totals(folder)) == {"s1", "cut", "blank"}  # blank came with the gradebook


def test_nbgraders_notes_stay_beside_the_notebook_and_nothing_else_does(folder: Path) -> None:
    place = classes.hand_in(folder, "ada", classes.RIGHT, "2026-01-01 10:00:00 UTC").parent
    (place / "submission_secret.txt").write_text("abc")
    (place / "numpy.py").write_text("raise SystemExit")
    (place / "feedback.html").symlink_to("/etc/passwd")
    run(folder, "--student", "ada")
    names = {path.name for path in (folder / "autograded" / "ada" / "hw").iterdir()}
    assert names == {"hw.ipynb", "timestamp.txt", "submission_secret.txt"}
    told = "'feedback.html' was not used: the assignment does not list it."
    assert told in journal(folder).log_path("ada").read_text()
    assert "feedback.html" in nbformat.read(folder / "autograded" / "ada" / "hw" / "hw.ipynb", 4).cells[0].source
    assert totals(folder)["ada"] == 5


def test_feedback_and_formgraders_lists_work_on_the_result(folder: Path) -> None:
    place = classes.hand_in(
        folder, "s1", {**classes.RIGHT, "double": "", "why": "![a](a.svg) <img src='b.gif'>"}
    ).parent
    (place / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    (place / "b.gif").write_bytes(b"GIF89a")
    run(folder, "--student", "s1", "--student", "cut")
    nbgrader = courses.open_api(folder)
    (row,) = [row for row in nbgrader.get_submissions("hw") if row["student"] == "s1"]
    assert (row["score"], row["autograded"], row["needs_manual_grade"]) == (3.0, True, True)
    result = nbgrader.generate_feedback("hw", "s1", force=True)
    assert result["success"], result
    page = (folder / "feedback" / "s1" / "hw" / "hw.html").read_text()
    assert "double is wrong" in page
    assert "hidden tests: 1 line" in page
    assert "double(n - 20)" not in page
    assert '<a href="#test-double">double</a>' in page  # no heading in this notebook; nbgrader says "Test cell"
    assert ">Test cell<" not in page
    assert 'name="viewport"' in page
    assert 'src="data:image/svg+xml;base64,' in page
    assert 'src="data:image/gif;base64,' in page


# -- a new gradebook ------------------------------------------------------------------------------------------


def test_nobody_waits_until_the_assignment_is_in_the_gradebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registration takes nbgrader a second; results obtained by then are recorded afterwards."""
    (folder / "gradebook.db").unlink()
    real = register_assignment.register_assignment

    def register(*context: Any) -> bool:
        wait_until(lambda: entries(folder))
        return real(*context)

    monkeypatch.setattr(register_assignment, "register_assignment", register)
    told: list[str] = []
    assert grade_class(GradingRequest(classes.NAME), folder, lambda: open_course(folder), told.append).graded == 12
    assert told == ["hw was entered into the gradebook as it is in solutions/."]
    assert_graded_once(folder)


def test_an_assignment_that_cannot_be_entered_is_told_and_what_was_graded_is_kept(folder: Path) -> None:
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:  # a grader gave points for a cell that goes
        book.find_grade("test-double", classes.NAME, classes.NAME, "blank").manual_score = 1.0
        book.db.commit()
    changed = classes.notebook()
    changed["cells"] = [c for c in changed["cells"] if "'test-double'" not in repr(c["metadata"])]
    classes.write_solution(folder, changed)
    told = run(folder, "--student", "s1", "--student", "cut", status=2).stderr
    assert told.startswith("nnkit: hw.ipynb no longer has 'test-double', for which a grader gave points")
    assert len(told.splitlines()) == 1
    assert set(entries(folder)) == {"s1", "cut"}
    assert "nnkit: hw.ipynb no longer has" in run(folder, "--student", "cut", status=2).stderr
    classes.write_solution(folder, classes.notebook())
    run(folder)
    assert_graded_once(folder, unkept=2)


# -- again ----------------------------------------------------------------------------------------------------


def test_a_gradebook_that_was_deleted_is_written_anew_without_grading(folder: Path) -> None:
    run(folder)
    (folder / "gradebook.db").unlink()
    assert "12 submissions already graded by the same tests" in run(folder).stdout
    assert_graded_once(folder)
    run(folder, "--db", f"sqlite:///{folder / 'second.db'}")
    assert gradings(folder) == dict.fromkeys(SCORES, 1)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write(f"c.CourseDirectory.db_url = 'sqlite:///{folder / 'second.db'}'\n")
    assert totals(folder) == SCORES


def test_only_what_changed_is_graded_again_and_the_move_is_told(folder: Path) -> None:
    run(folder)
    classes.hand_in(folder, "s1", classes.RIGHT)
    shutil.rmtree(folder / "autograded" / "s2")
    told = run(folder).stdout
    assert "hw: 2 submissions graded" in told
    assert "1 score changed:\n  s1: 3 → 5 (another submission)\n    test-double: 0 → 2, no longer: " in told
    assert gradings(folder) == {**dict.fromkeys(SCORES, 1), "s1": 2, "s2": 2}


def test_after_a_test_has_changed_all_are_graded_again_with_the_same_numbers(folder: Path) -> None:
    run(folder, "--seed", "7")
    classes.write_solution(folder, classes.notebook("assert triple(1) == 4, 'triple is wrong'"))
    told = run(folder, "--regrade").stdout
    assert "hw: 12 submissions graded" in told
    assert "10 scores changed:" in told  # blank and cut had nothing to lose
    assert "  s0: 5 → 2 (the tests have changed)\n    test-triple: 3 → 0, AssertionError: triple is wrong" in told
    assert {entry.result.seed for entry in entries(folder).values()} == {7}
    assert totals(folder)["s0"] == 2.0
    assert "s0: 5 → 2" in journal(folder).log_path("s0").read_text()


def test_the_seed_is_drawn_once_kept_and_set(folder: Path) -> None:
    kept = journal(folder)
    first = kept.choose_seed()
    assert kept.choose_seed() == first
    assert kept.choose_seed(5) == 5
    assert journal(folder).choose_seed() == 5


def test_once_feedback_is_out_what_is_new_meets_new_numbers_and_the_rest_keeps_its_own(folder: Path) -> None:
    """A table of the numbers that a first run asked about gained full marks in a second."""
    run(folder, "--student", "s0", "--student", "s2", "--seed", "7")
    (folder / "feedback" / "s0" / "hw").mkdir(parents=True)
    (folder / "feedback" / "s0" / "hw" / "hw.html").write_text("You were asked for double(7).")
    classes.hand_in(folder, "s2", {**classes.RIGHT, "double": "def double(x):\n    return x + x"})
    run(folder, "--student", "s0", "--student", "s2", "--student", "s3")
    seeds = {student: entry.result.seed for student, entry in entries(folder).items()}
    assert seeds["s0"] == 7 != seeds["s2"]
    assert seeds["s2"] == seeds["s3"], "who is graded in one go meets the same numbers"
    assert gradings(folder)["s0"] == 1


def test_a_log_holds_no_terminal_codes_and_no_lines_of_a_learners_own(folder: Path) -> None:
    kept = journal(folder)
    kept.log("s0", ["happened: \x1b]0;title\x07\x9b2Jx\n2027-01-01 graded: 5"])
    written = kept.log_path("s0").read_text()
    assert not set("\x1b\x07\x9b") & set(written)
    assert len(written.splitlines()) == 2
    summary = RunSummary(refused={"s0": "\x1b[8mhidden\r"})
    assert not set("\x1b\r") & set(format_summary("hw", summary, folder))


def test_who_takes_long_runs_after_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnkit_grader.workers.scheduler.MAX_QUICK_SECONDS", 1.0)
    classes.hand_in(folder, "s0", {**classes.RIGHT, "double": "import time\ntime.sleep(1.5)\n" + classes.DOUBLE})
    run(folder, "--student", "s0", "--student", "s1", "--student", "s2", "--jobs", "1")
    written = {path.stem: path.stat().st_mtime for path in (folder / ".nnkit" / "hw" / "results").glob("*.json")}
    assert max(written, key=written.__getitem__) == "s0"
    assert (totals(folder)["s0"], gradings(folder)["s0"]) == (5.0, 1)


# -- disturbed ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("takes_long")
def test_a_grader_that_is_killed_goes_on_where_it_was(folder: Path) -> None:
    stamps: dict[str, str] = {}
    for killed_at in (2, 5, 8):
        process = started(folder)
        wait_until(lambda: len(entries(folder)) >= killed_at)  # noqa: B023
        process.kill()
        process.communicate()
        stamps |= {student: entry.stamp for student, entry in entries(folder).items()}
    wait_until(lambda: not orphans())  # no worker outlives its grader
    run(folder)
    assert_graded_once(folder, unkept=3)
    assert stamps.items() <= {student: entry.stamp for student, entry in entries(folder).items()}.items()


def test_what_a_killed_grader_had_begun_to_write_is_cleared_away(folder: Path) -> None:
    begun = [folder / "autograded" / "s1" / "hw" / ".new-1", folder / ".nnkit" / "hw" / "results" / ".new-2"]
    for path in begun:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{")
    run(folder, "--student", "s1")
    assert not any(path.exists() for path in begun)


def orphans() -> list[int]:
    """Return the workers whose grader has gone."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        words = " ".join(process.info["cmdline"] or ())
        if WORKER in words and process.info["ppid"] == 1:
            found.append(process.pid)
    return found


@pytest.mark.usefixtures("takes_long")
def test_a_worker_or_an_examiner_that_is_killed_costs_no_submission(folder: Path) -> None:
    process = started(folder)
    root = psutil.Process(process.pid)
    wait_until(lambda: len(entries(folder)) >= 2)
    first = below(root, WORKER)[0]
    first.kill()
    wait_until(lambda: len(entries(folder)) >= 5)
    examiners = lambda: [w for w in below(root, WORKER) if w.ppid() != process.pid]  # noqa: E731
    wait_until(examiners)
    with contextlib.suppress(psutil.Error):
        examiners()[0].kill()
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    assert_graded_once(folder)


@pytest.mark.usefixtures("takes_long")
def test_a_sandbox_that_is_killed_costs_no_submission(folder: Path) -> None:
    process = started(folder)
    root = psutil.Process(process.pid)
    wait_until(lambda: len(entries(folder)) >= 2)
    for server in below(root, "sandbox import fork_server"):
        with contextlib.suppress(psutil.Error):
            server.kill()
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    assert totals(folder) == SCORES


def test_a_submission_with_which_each_worker_dies_is_told_as_trouble(folder: Path) -> None:
    """The others have their scores, and the exit status says that some have none."""
    classes.hand_in(folder, "s0", {**SLOW, "double": "import time\ntime.sleep(25)\n" + classes.DOUBLE})
    process = started(folder, "--student", "s0", "--student", "cut", "-j", "1")
    root = psutil.Process(process.pid)
    killed: set[int] = set()
    while process.poll() is None:
        for worker in below(root, WORKER):
            with contextlib.suppress(psutil.Error):
                parent = worker.ppid()
                if parent not in {process.pid, *killed}:
                    time.sleep(0.5)
                    if worker in below(root, WORKER):  # it has a submission, and does not start another program
                        killed.add(parent)
                        psutil.Process(parent).kill()
        time.sleep(0.05)
    out, err = process.communicate()
    assert process.returncode == 3
    assert "1 NOT GRADED, through no fault of theirs:\n  s0: the worker died, 3 times" in out, err
    assert set(entries(folder)) == {"cut"}
    assert "not graded: the worker died, 3 times" in journal(folder).log_path("s0").read_text()


@pytest.mark.usefixtures("takes_long")
def test_ctrl_c_keeps_what_has_been_graded(folder: Path) -> None:
    process = started(folder)
    wait_until(lambda: len(entries(folder)) >= 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (130, "")
    assert err == "nnkit: Interrupted. What has been graded is kept: the same command continues from there.\n"
    kept = entries(folder)
    assert 3 <= len(kept) < 12
    assert kept.keys() <= totals(folder).keys()
    run(folder)
    assert_graded_once(folder)


def test_one_job_at_a_time_is_one_worker(folder: Path) -> None:
    shutil.rmtree(folder / "submitted")
    for number in range(4):
        classes.hand_in(folder, f"s{number}", classes.RIGHT)
    process, workers = started(folder, "-j", "1"), set()
    while process.poll() is None:
        workers |= {w.pid for w in below(psutil.Process(process.pid), WORKER) if own(w, process)}
        time.sleep(0.05)
    assert process.communicate()[0].startswith("hw: 4 submissions graded")
    assert len(workers) == 1


def own(worker: psutil.Process, grader: subprocess.Popen[str]) -> bool:
    """Return whether it is a worker, and not a worker's fork for one submission."""
    with contextlib.suppress(psutil.Error):
        return bool(worker.ppid() == grader.pid)
    return False


def test_submissions_without_end_do_not_keep_the_others_waiting(folder: Path) -> None:
    """With one job at a time, the next job starts beside one that takes long."""
    shutil.rmtree(folder / "submitted")
    for student in ("a", "b"):
        classes.hand_in(folder, student, {**classes.RIGHT, "double": "while True: pass"})
    classes.hand_in(folder, "c", classes.RIGHT)
    process = started(folder, "-j", "1")
    wait_until(lambda: process.poll() is not None or entries(folder))
    assert set(entries(folder)) == {"c"}
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=600)
    assert process.returncode == 130
    assert totals(folder)["c"] == 5.0


@pytest.mark.usefixtures("takes_long")
def test_two_graders_do_not_work_on_the_same_assignment(folder: Path) -> None:
    process = started(folder)
    wait_until(lambda: entries(folder))
    process.send_signal(signal.SIGSTOP)  # however fast it is, it is still running
    told = run(folder, status=3).stderr
    process.send_signal(signal.SIGCONT)
    assert told == "nnkit: Another `nnkit autograde` of hw is running here: wait until it has finished.\n"
    process.communicate(timeout=600)
    assert_graded_once(folder)


def test_a_full_disk_is_told_and_the_rest_is_graded_when_there_is_room(folder: Path, tmp_path: Path) -> None:
    """The course is on a small disk in a mount namespace."""
    disk, filler = tmp_path / "disk", 'dd if=/dev/zero of="$1/filler" bs=1k 2>/dev/null'
    disk.mkdir()
    graded = '"$2" -m nnkit.cli autograde hw --course "$1/course"'
    script = f"""
        mount -t tmpfs -o size=4m tmpfs "$1" && cp -r "$3" "$1/course" || exit 99
        {filler}; truncate -s -12k "$1/filler"
        {graded}; echo "first: $?"
        rm "$1/filler"
        {graded}; echo "second: $?"
        cp -r "$1/course" "$3-graded"
    """
    wall = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    command = [*wall, "bash", "-c", script, "bash", str(disk), sys.executable, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first: 3" in done.stdout, done.stdout + done.stderr
    assert re.search(r"^nnkit: (No space left on device|The gradebook .* disk is full)", done.stderr, re.MULTILINE)
    assert "second: 0" in done.stdout
    folder = folder.with_name("course-graded")
    assert totals(folder) == SCORES
    assert not list(folder.rglob(".new-*"))


# -- asked wrongly --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        (["--student", "nobody"], 2, "No student 'nobody' handed in hw: there is no"),
        (["--db", "nonsense"], 2, "is not a database URL"),
        (["-j", "0"], 2, "is not a whole number of at least 1"),
        (["--scheduler", "tcp://127.0.0.1:9"], 3, "There is no Dask scheduler at tcp://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(ready: Path, more: list[str], status: int, says: str) -> None:
    told = run(ready, *more, status=status).stderr
    assert says in told
    assert "Traceback" not in told


def test_an_assignment_that_is_not_there_or_nobody_handed_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["autograde", "ps9", "--course", str(folder)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    shutil.move(folder / "submitted", folder / "elsewhere")
    assert "No student handed in hw: there is no" in run(folder, status=2).stderr


def test_a_folder_that_cannot_be_a_student_stops_nobody(folder: Path) -> None:
    shutil.rmtree(folder / "submitted")
    classes.hand_in(folder, "ada", classes.RIGHT)
    classes.hand_in(folder, "a" * 200, classes.RIGHT)
    classes.hand_in(folder, "bad\nname", classes.RIGHT)
    told = run(folder, status=3).stdout
    assert "2 NOT GRADED, through no fault of theirs" in told
    assert totals(folder)["ada"] == 5
    assert check_student_id("ada lovelace-é") == ""
    assert check_student_id("caf\udce9") == "the name of its folder is not UTF-8"


def test_students_are_chosen_by_pattern_and_excluded_by_the_configuration(folder: Path) -> None:
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write("c.CourseDirectory.student_id_exclude = 's1,s2'\n")
    summary = grade_class(GradingRequest(classes.NAME, ("s[0-2]", "cut")), folder, lambda: open_course(folder))
    assert summary.graded == 2
    assert set(entries(folder)) == {"s0", "cut"}


def test_a_test_that_ends_with_no_number_of_points_is_named_once(folder: Path) -> None:
    classes.write_solution(folder, classes.notebook(test_triple="triple(2.0) == 6.0"))
    line = "  test-triple: its test ends with a bool, and should end with an assertion or a number of points: "
    for _ in range(2):  # the second time, from the journal
        said = run(folder, "--student", "s[0-2]").stdout
        assert "1 of the course's tests ended with a value that gives no points:" in said
        assert said.count("test-triple") == 1
        assert f"{line}no points in 3 submissions.\n" in said


# -- the journal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"result": {"format": 99}}'])
def test_an_entry_that_cannot_be_read_is_graded_again(folder: Path, damage: str) -> None:
    path = folder / ".nnkit" / "hw" / "results" / "ada.json"
    path.parent.mkdir(parents=True)
    path.write_text(damage)
    assert journal(folder).read_entry("ada") is None
    assert list(journal(folder).read_entries()) == []


# -- a cluster ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def dask(workers: int, elsewhere: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Context manager that gives a scheduler's address and its workers: real processes, in another folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    program = [sys.executable, "-m", "distributed.cli"]
    options = {"cwd": elsewhere, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [*program[:2], "distributed.cli.dask_scheduler"]
    scheduler = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        **options,  # type: ignore[call-overload]
    )
    command = [*program[:2], "distributed.cli.dask_worker"]
    helpers = [
        subprocess.Popen(
            [*command, address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"],
            **options,  # type: ignore[call-overload]
        )
        for _ in range(workers)
    ]
    try:
        from distributed import Client

        with Client(address, timeout=300) as client:
            client.wait_for_workers(workers, timeout=300)
        yield address, helpers
    finally:
        for process in [*helpers, scheduler]:
            for child in below(psutil.Process(process.pid), ""):
                with contextlib.suppress(psutil.Error):
                    child.kill()
            process.kill()
            process.wait()


@pytest.mark.usefixtures("takes_long")
@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_cluster_grades_a_class_although_a_worker_is_killed(folder: Path, tmp_path: Path) -> None:
    """The workers see nothing of the course's folder but what they are sent."""
    (tmp_path / "elsewhere").mkdir()
    with dask(2, tmp_path / "elsewhere") as (address, helpers):
        process = started(folder, "--scheduler", address)
        wait_until(lambda: len(entries(folder)) >= 3)
        victim = psutil.Process(helpers[0].pid)
        for child in [*victim.children(recursive=True), victim]:
            with contextlib.suppress(psutil.Error):
                if "nnkit_grader" not in " ".join(child.cmdline()):
                    child.kill()
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, out + err
    assert_graded_once(folder)
    assert json.loads((folder / ".nnkit" / "hw" / "run.json").read_text())["seed"] >= 0
