"""The rows in nbgrader's gradebook: those of its own autograder, written fast, with graders' entries kept."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook

from helpers import books, classes
from nnkit_grader.autograde import format_summary
from nnkit_grader.course import release as courses
from nnkit_grader.course.assignment import Assignment, load_assignment
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.intake.open_submission import open_submission
from nnkit_grader.record.gradebook import CourseGradebook, GradebookUnavailable
from nnkit_grader.record.journal import Journal, JournalEntry
from nnkit_grader.record.register_assignment import is_registered, register_assignment
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.record.save_grades import AssignmentGrades
from nnkit_grader.run import GradingRequest, grade_class, load_late_penalty

pytestmark = pytest.mark.slow
LATE = ("c.AssignLatePenalties.plugin_class = 'nbgrader.plugins.LateSubmissionPlugin'",)
ZERO = "c.LateSubmissionPlugin.penalty_method = 'zero'"
CLASS = {
    "right": (classes.RIGHT, "2026-01-01 10:00:00.000000 UTC"),
    "half": ({"double": classes.DOUBLE, "triple": "def triple(x):\n    return 3 * abs(x)", "why": "?"}, ""),
    "blank": ({}, "2026-01-01 10:00:00 UTC"),
    "late": ({**classes.RIGHT, "double": "def double(x):\n    return x"}, "2026-03-01 10:00:00 UTC"),
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose gradebook has the assignment: nbgrader takes seconds for it."""
    folder = classes.course(tmp_path_factory.mktemp("ready") / "course", *LATE, ZERO)
    with opened(folder)[0]:
        return folder


@pytest.fixture
def folder(ready: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ready, tmp_path / "course")


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'gradebook.db'}"


def opened(folder: Path) -> tuple[CourseGradebook, Assignment]:
    """Return the course's gradebook, with the assignment registered."""
    context, assignment = open_course(folder), load_assignment(folder, classes.NAME)
    gradebook = CourseGradebook(context.coursedir.db_url, context.coursedir.course_id)
    register_assignment(context.coursedir, context.parent, gradebook, assignment)
    return gradebook, assignment


def entry(assignment: Assignment, student: str, *scores: float, why: str = "Because.") -> JournalEntry:
    """Return an entry with a result like the examiner's."""
    left = list(scores)
    cells = []
    for cell in assignment.cells:
        score = left.pop(0) if cell.kind == "test" else None
        source = why if cell.kind == "written" else "pass" if cell.kind == "answer" else cell.source
        cells.append(CellResult(cell.id, cell.grade_id, cell.kind, cell.cell_type, source, cell.points, score))
    result = Result(assignment.name, "submission", assignment.digest, 1, tuple(cells))
    return JournalEntry(student, result, "2026-01-01 10:00:00 UTC", "stamp")


def rows(book_url: str) -> dict[str, Any]:
    """Return everything in a gradebook on each submission, without the random ids."""
    found = {}
    with Gradebook(book_url, "nnkit") as gradebook:
        for submission in gradebook.assignment_submissions(classes.NAME):
            (notebook,) = submission.notebooks
            grades = {
                g.name: (g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade, g.max_score)
                for g in notebook.grades
            }
            comments = {c.name: (c.auto_comment, c.manual_comment) for c in notebook.comments}
            found[submission.student.id] = {
                "grades": grades,
                "comments": comments,
                "timestamp": submission.timestamp,
                "late": (submission.total_seconds_late, notebook.late_submission_penalty),
                "score": submission.score,
                "extension": submission.extension,
            }
    return found


def stock(folder: Path) -> Path:
    """Give the same course and submissions without nnkit's line in the configuration, graded by nbgrader."""
    other = folder.with_name("stock")
    shutil.copytree(folder, other)
    config = other / "nbgrader_config.py"
    lines = config.read_text().splitlines()
    kept = [line for line in lines if "nnkit_grader.nbgrader_plugin.install" not in line]
    assert len(kept) == len(lines) - 1
    config.write_text("\n".join(kept))
    nbgrader = courses.open_api(other)
    for student in CLASS:
        result = nbgrader.autograde(classes.NAME, student, force=True, create=True)
        assert result["success"], result
    return other


def test_the_gradebook_says_what_nbgraders_own_autograder_says(folder: Path) -> None:
    """This also shows that stock nbgrader grades the course without the one line in nbgrader_config.py."""
    for student, (answers, timestamp) in CLASS.items():
        classes.hand_in(folder, student, answers, timestamp)
    gradebook, _ = opened(folder)
    with gradebook, Gradebook(url(folder), "nnkit") as stored:
        stored.update_or_create_assignment(classes.NAME, duedate="2026-02-01 00:00:00 UTC")
    other = stock(folder)
    assert not (other / ".nnkit").exists()
    summary = grade_class(GradingRequest(classes.NAME), folder, lambda: open_course(folder))
    assert summary.graded == len(CLASS)
    ours, theirs = rows(url(folder)), rows(url(other))
    assert ours == theirs
    assert ours["right"]["grades"]["test-double"] == (2.0, None, None, False, 2.0)
    assert ours["right"]["grades"]["why"] == (None, None, None, True, 1.0)
    assert ours["half"]["grades"]["test-triple"][0] == 2.0
    assert ours["blank"]["comments"]["double"] == ("No response.", None)
    assert ours["blank"]["grades"]["why"] == (0.0, None, None, False, 1.0)
    assert ours["late"]["late"] == (2_455_200, 3.0)  # the plug-in takes all of it


def test_what_a_grader_entered_by_hand_is_kept(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    with gradebook:
        save(gradebook, assignment, [entry(assignment, "ada", 2, 3), entry(assignment, "bo", 0, 1)])
        with Gradebook(url(folder), "nnkit") as stored:
            why = stored.find_grade("why", classes.NAME, classes.NAME, "ada")
            why.manual_score, why.needs_manual_grade, why.extra_credit = 0.5, False, 2.0
            stored.find_comment("why", classes.NAME, classes.NAME, "ada").manual_comment = "Nearly."
            stored.db.commit()
            stored.update_or_create_assignment(classes.NAME, duedate="2026-02-01 00:00:00 UTC")
            stored.grant_extension(classes.NAME, "ada", days=2)
        save(gradebook, assignment, [entry(assignment, "ada", 1, 3)])
    ada, bo = rows(url(folder))["ada"], rows(url(folder))["bo"]
    assert ada["grades"]["why"] == (None, 0.5, 2.0, True, 1.0)  # marked for review, as in nbgrader
    assert ada["grades"]["test-double"][0] == 1
    assert ada["comments"]["why"] == (None, "Nearly.")
    assert ada["extension"].days == 2
    assert ada["score"] == 1 + 3 + 0.5 + 2
    assert bo["score"] == 1


def save(
    gradebook: CourseGradebook, assignment: Assignment, entries: list[JournalEntry], taken_off: Any = None
) -> None:
    gradebook.run_transaction(lambda session: AssignmentGrades(session, assignment).save(entries, taken_off))


def test_a_penalty_is_never_more_than_the_score_nor_less_than_nothing(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    with gradebook, Gradebook(url(folder), "nnkit") as stored:
        stored.update_or_create_assignment(classes.NAME, duedate="2025-12-31 10:00:00 UTC")
        told: list[tuple[str, float, float]] = []

        def taken_off(student: str, score: float, seconds: float) -> float:
            told.append((student, score, seconds))
            return {"ada": 100.0, "bo": -1.0}[student]

        save(gradebook, assignment, [entry(assignment, "ada", 2, 2), entry(assignment, "bo", 1, 0)], taken_off)
    assert sorted(told) == [("ada", 4.0, 86400.0), ("bo", 1.0, 86400.0)]
    found = rows(url(folder))
    assert (found["ada"]["late"], found["bo"]["late"]) == ((86400, 4.0), (86400, 0.0))


def test_the_courses_own_plug_in_decides(folder: Path) -> None:
    assert load_late_penalty(open_course(folder))("ada", 5.0, 10.0) == 5.0
    config = folder / "nbgrader_config.py"
    config.write_text(config.read_text().replace(ZERO, ""))
    assert load_late_penalty(open_course(folder))("ada", 5.0, 10.0) is None


def test_a_plug_in_of_the_course_folder_is_found(folder: Path) -> None:
    """Each course its own, of the same name; one that fails is a sentence."""
    for number, says in enumerate(("return seconds / 3600", "return None", "raise KeyError", "return 'x'", "")):
        course = shutil.copytree(folder, folder.with_name(f"course{number}"))
        config = (course / "nbgrader_config.py").read_text().replace("nbgrader.plugins.Late", "late.Late")
        (course / "nbgrader_config.py").write_text(config)
        (course / "late.py").write_text(
            "from nbgrader.plugins import BasePlugin\nclass LateSubmissionPlugin(BasePlugin):\n"
            f"    def late_submission_penalty(self, student, score, seconds):\n        {says}\n"
        )
        if not says:
            with pytest.raises(ValueError, match="cannot be loaded: expected an indented block"):
                load_late_penalty(open_course(course))
        elif number < 2:
            assert load_late_penalty(open_course(course))("ada", 5.0, 7200.0) == (None if number else 2.0)
        else:
            with pytest.raises(ValueError, match="The plug-in for late penalties failed for ada"):
                load_late_penalty(open_course(course))("ada", 5.0, 7200.0)


def test_penalties_follow_due_dates_extensions_and_times_without_a_run(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    journal = Journal(folder, classes.NAME)
    for student in ("ada", "bo", "cy"):
        path = classes.hand_in(folder, student, classes.RIGHT, "2026-01-01 10:00:00 UTC")
        result = entry(assignment, student, 2, 3).result
        digest = open_submission(path.parent, assignment).digest
        journal.write_entry(student, replace(result, digest=digest, seed=journal.choose_seed(1)), None)
        notebook = folder / "autograded" / student / classes.NAME / path.name
        notebook.parent.mkdir(parents=True)
        notebook.write_text("{}")
    with gradebook:
        save(gradebook, assignment, list(journal.read_entries()))
    journal.mark_recorded(journal.read_entries())

    def grade_again() -> list[str]:
        summary = grade_class(GradingRequest(classes.NAME), folder, lambda: open_course(folder))
        assert (summary.graded, summary.unchanged) == (0, 3)
        told = format_summary(classes.NAME, summary, folder)
        assert ("cy: timestamp.txt says 'no idea', which is no full date" in told) == bool(summary.unknown_times)
        assert all(f"  {change}" in told for change in summary.penalty_changes)
        return [*(str(change) for change in summary.penalty_changes), *summary.unknown_times]

    with Gradebook(url(folder), "nnkit") as stored:
        stored.find_grade("why", classes.NAME, classes.NAME, "ada").manual_score = 1.0
        stored.find_grade("why", classes.NAME, classes.NAME, "ada").needs_manual_grade = False
        stored.update_or_create_assignment(classes.NAME, duedate="2026-01-01 08:00:00 UTC")
        stored.grant_extension(classes.NAME, "bo", days=1)
        stored.db.commit()
    (folder / "submitted/cy/hw/timestamp.txt").write_text("Jan 1, 2026 at 7:59am")
    assert grade_again() == ["ada: 0 → 6 points off (2.0 h late)"]
    found = rows(url(folder))
    assert found["ada"]["grades"]["why"][1:4] == (1.0, None, False), "the grade by hand needs no second look"
    assert str(found["cy"]["timestamp"]) == "2026-01-01 07:59:00"
    assert grade_again() == []
    (folder / "submitted/cy/hw/timestamp.txt").write_text("no idea")
    (folder / "submitted/ada/hw/timestamp.txt").write_text("2026-01-01T07:00Z")
    with Gradebook(url(folder), "nnkit") as stored:
        stored.grant_extension(classes.NAME, "bo")
    assert grade_again() == ["ada: 6 → 0 points off (not late)", "bo: 0 → 5 points off (2.0 h late)", "cy"]


def test_recording_costs_milliseconds_a_submission(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    with gradebook:
        cost = []
        for batch in range(4):
            entries = [entry(assignment, f"student{batch}-{n}", 2, 3) for n in range(25)]
            began = time.process_time()
            save(gradebook, assignment, entries)
            cost.append((time.process_time() - began) / len(entries))
    assert min(cost) < 0.02, cost
    assert len(rows(url(folder))) == 100


# -- a gradebook that was not there --------------------------------------------------------------------------


def test_a_new_gradebook_is_of_nbgraders_own_version(tmp_path: Path) -> None:
    books.assert_of_nbgraders_version(f"sqlite:///{tmp_path / 'gradebook.db'}", tmp_path)


def test_a_gradebook_is_created_whole_or_not_at_all(tmp_path: Path) -> None:
    books.assert_whole_or_not_at_all(f"sqlite:///{tmp_path / 'gradebook.db'}")


# -- the gradebook in step with solutions/ -----------------------------------------------------------------


def test_an_assignment_is_entered_once_and_again_when_its_tests_change(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    context = open_course(folder)
    with gradebook:
        assert not register_assignment(context.coursedir, context.parent, gradebook, assignment)
        save(gradebook, assignment, [entry(assignment, "ada", 2, 3)])
        for changed in (classes.notebook(points=4.0), classes.notebook(test_triple="assert triple(1) == 3")):
            classes.write_solution(folder, changed)
            assignment = load_assignment(folder, classes.NAME)
            assert not gradebook.run_transaction(partial(is_registered, assignment=assignment))
            assert register_assignment(context.coursedir, context.parent, gradebook, assignment)
            assert gradebook.run_transaction(partial(is_registered, assignment=assignment))
    assert not (folder / "assignments").exists()  # what learners get is not touched
    assert rows(url(folder))["ada"]["score"] == 5


def test_cells_may_come_and_go_after_the_first_submission(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    context = open_course(folder)

    def register(cells: list[Any]) -> Assignment:
        classes.write_solution(folder, {**classes.notebook(), "cells": cells})
        changed = load_assignment(folder, classes.NAME)
        register_assignment(context.coursedir, context.parent, gradebook, changed)
        assert gradebook.run_transaction(partial(is_registered, assignment=changed))
        return changed

    with gradebook:
        save(gradebook, assignment, [entry(assignment, "ada", 2, 3)])
        cells = classes.notebook()["cells"]
        more = register([*cells, classes.cell("test-more", "assert double(0) == 0", 1.0)])
        save(gradebook, more, [entry(more, "ada", 2, 3, 1)])
        register([cell for cell in cells if cell["id"] not in ("triple", "test-triple")])
        assert rows(url(folder))["ada"]["score"] == 2
        with Gradebook(url(folder), "nnkit") as book:
            book.find_grade("why", classes.NAME, classes.NAME, "ada").manual_score = 1.0
            book.db.commit()
        with pytest.raises(ValueError, match=r"no longer has 'why', for which a grader gave points"):
            register(cells[:3])


# -- a gradebook that others hold ---------------------------------------------------------------------------


@contextlib.contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Context manager in which another connection locks the file, for some seconds or until the end."""
    let_go, holds = threading.Event(), threading.Event()

    def hold() -> None:
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")
        holds.set()
        let_go.wait(seconds)
        other.rollback()
        other.close()

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait()
    try:
        yield
    finally:
        let_go.set()
        thread.join()


def test_a_locked_gradebook_is_waited_for(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    told: list[str] = []
    gradebook.notify = told.append
    with gradebook, locked(folder / "gradebook.db", 3):
        save(gradebook, assignment, [entry(assignment, "ada", 2, 3)])
    assert told == ["waiting for the gradebook for up to 60 s: database is locked"]
    assert rows(url(folder))["ada"]["score"] == 5


def test_a_gradebook_that_stays_locked_is_told_and_nothing_is_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnkit_grader.record.gradebook.MAX_WAIT_SECONDS", 2.0)
    for student in ("ada", "bo"):
        classes.hand_in(folder, student, classes.RIGHT)
    assert grade_class(GradingRequest(classes.NAME, ("ada",)), folder, lambda: open_course(folder)).graded == 1
    begun = threading.Event()
    with locked_when(begun, folder / "gradebook.db"), pytest.raises(GradebookUnavailable, match="was not available"):
        grade_class(
            GradingRequest(classes.NAME),
            folder,
            lambda: open_course(folder),
            show_progress=lambda summary: begin(begun),
        )
    assert "bo" not in rows(url(folder))
    summary = grade_class(GradingRequest(classes.NAME), folder, lambda: open_course(folder))
    assert (summary.graded, summary.unchanged) == (0, 2)
    assert rows(url(folder))["bo"]["score"] == 5


HELD = threading.Event()


def begin(begun: threading.Event) -> None:
    """Signal that the file is to lock, and wait until it is."""
    begun.set()
    HELD.wait(10)


@contextlib.contextmanager
def locked_when(begun: threading.Event, path: Path) -> Iterator[None]:
    HELD.clear()
    end = threading.Event()

    def hold() -> None:
        begun.wait(300)
        with locked(path, 120):
            HELD.set()
            end.wait(300)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(
    ("address", "kind", "says"),
    [
        ("sqlite:////nowhere/at/all.db", GradebookUnavailable, "unable to open database file"),
        ("gradebook.db", ValueError, "is not a database URL"),
        ("oracel://x", ValueError, "is not a database URL"),
    ],
)
def test_a_gradebook_that_cannot_be_is_told_at_once(address: str, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        CourseGradebook(address, "nnkit")


def test_a_server_that_is_not_there_is_waited_for_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnkit_grader.record.gradebook.MAX_WAIT_SECONDS", 1.0)
    told: list[str] = []
    with pytest.raises(GradebookUnavailable, match=r"postgresql\+psycopg://ada:\*\*\*@127.0.0.1:9/x was not available"):
        CourseGradebook("postgresql://ada:secret@127.0.0.1:9/x", "nnkit", told.append)
    assert len(told) == 1


def test_a_transaction_that_fails_leaves_nothing(folder: Path) -> None:
    gradebook, assignment = opened(folder)
    work: Callable[[Any], None] = lambda session: fail(AssignmentGrades(session, assignment))  # noqa: E731

    def fail(record: AssignmentGrades) -> None:
        record.save([entry(assignment, "ada", 2, 3)])
        raise RuntimeError("stop")

    with gradebook:
        with pytest.raises(RuntimeError, match="stop"):
            gradebook.run_transaction(work)
        assert rows(url(folder)) == {}
        other = Assignment("other", "other", assignment.cells)
        with pytest.raises(LookupError, match="has no assignment other"):
            gradebook.run_transaction(lambda session: AssignmentGrades(session, other))


def test_a_result_by_an_earlier_rule_for_points_is_not_read() -> None:
    result = Result("hw", "submission", "tests", 1, (), needs_review=("a sentence",))
    data = json.loads(json.dumps(result.to_json()))
    assert data["needs_review"] == ["a sentence"]
    assert Result.from_json(data) == result
    with pytest.raises(ValueError, match="not of format"):
        Result.from_json({**data, "format": 1})
