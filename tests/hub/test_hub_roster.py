"""`nnkit roster`: changes to the class reach the roster's file, the gradebook and the exchange."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from helpers import classes
from nnkit import cli
from nnkit_grader.course import release as courses
from nnkit_grader.course.students_file import read_languages
from nnkit_hub.exchange.store import Store

ROSTER = """course,user,role,first_name,last_name,email,section
nnkit,ada,learner,Ada,Lovelace,ada@example.org,A
nnkit,ben,learner,Ben,Bitdiddle,,B
nnkit,tom,grader
"""


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER)
    path.chmod(0o600)
    return path


def change(roster: Path, *words: str) -> int:
    return cli.main(["roster", *words, "--roster", str(roster)])


def test_a_person_is_added_dropped_and_renamed(roster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert change(roster, "add", "eve", "--first-name", "Eve") == 0
    assert change(roster, "drop", "ben") == 0
    assert change(roster, "rename", "ada", "lovelace") == 0
    assert roster.read_text().splitlines()[1:] == [
        "nnkit,lovelace,learner,Ada,Lovelace,ada@example.org,A",
        "nnkit,tom,grader,,,,",
        "nnkit,eve,learner,Eve,,,",
    ]
    assert roster.stat().st_mode & 0o777 == 0o600
    assert change(roster, "check") == 0
    assert capsys.readouterr().out.endswith("nnkit: 2 learners, 1 grader\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "ada"), "ada is in nnkit already."),
        (("add", "Eve"), "the hub spells names in lower case"),
        (("add", "grader-nnkit"), "'grader-nnkit' cannot be in a course: it is the account of nnkit."),
        (("add", ""), "the name is empty"),
        (("add", "eve", "--role", "boss"), "a role is learner or grader"),
        (("drop", "eve"), "eve is not in nnkit."),
        (("rename", "ada", "ben"), "ben is on the roster already."),
        (("rename", "eve", "zoe"), "eve is not on the roster."),
        (("rename", "ada", "grader-nnkit"), "line 2: 'grader-nnkit' cannot be in a course: it is the account of nnkit"),
        (("rename", "ada", "Ada"), "'Ada' cannot be in a course: the hub spells names in lower case, here ada."),
        (("rename", "ada", "a/b"), "is not a valid name for a user"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    roster: Path, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert change(roster, *words) == 2
    assert sentence in capsys.readouterr().err
    assert roster.read_text() == ROSTER


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nnkit,zoe,boss", "line 5: a role is"),
        ("a,b", "line 5: 2 fields, not 7"),
        ("nnkit,,learner", "line 5: '' cannot"),
        ("nnkit,Grader-nnkit,learner", "line 5: 'grader-nnkit' cannot be in a course: it is the account of nnkit"),
    ],
)
def test_a_fault_is_named_by_its_line(
    roster: Path, line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    roster.write_text(f"{ROSTER}{line}\n")
    for words in (("check",), ("add", "eve"), ("drop", "ada")):
        assert change(roster, *words) == 2
        assert sentence in capsys.readouterr().err
    assert roster.read_text() == f"{ROSTER}{line}\n"


def test_the_gradebook_has_names_of_all_and_a_rename_carries_work(
    roster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    course = classes.course(tmp_path / "course")
    name = courses.open_course(course).coursedir.course_id
    roster.write_text(ROSTER.replace("nnkit", name))
    courses.generate_assignments(course)
    classes.hand_in(course, "ada", classes.RIGHT, "2026-01-01 10:00:00 UTC")
    assert cli.main(["autograde", classes.NAME, "--course", str(course)]) == 0
    given = ["--course", str(course)]
    assert change(roster, "check", *given) == 0
    assert "ben is not in the gradebook: run nnkit roster fill" in capsys.readouterr().out
    assert change(roster, "fill", *given) == 0
    store = Store(tmp_path / "exchange")
    folder = store.get_folder(name, "submissions", classes.NAME, "ada")
    body = b'{"files": {"hw.ipynb": {"bytes": 2}}}\n{}'
    store.add(
        folder, {"kind": "submission", "course": name, "assignment": classes.NAME, "user": "ada"}, io.BytesIO(body)
    )
    until = "2026-12-01 18:00:00.000000 UTC"
    store.write_dates(name, classes.NAME, {"due": None, "extended": {"ada": until, "ben": until}})
    taken = store.get_folder(name, "submissions", classes.NAME, "lovelace")
    taken.mkdir()
    words = ("rename", "ada", "lovelace", "--exchange", str(tmp_path / "exchange"))
    before = roster.read_text()
    assert change(roster, *words, *given) == 2
    assert "the exchange has submissions of lovelace already." in capsys.readouterr().err
    assert roster.read_text() == before, "a refused rename changes nothing"
    assert (course / "submitted" / "ada").is_dir()
    taken.rmdir()
    assert change(roster, *words) == 0, "an interrupted rename: without the course folder, of a course called nnkit"
    assert change(roster, *words, *given) == 0
    assert "lovelace is on the roster already, and ada is not.\n" in capsys.readouterr().out
    with Gradebook(f"sqlite:///{course}/gradebook.db", name) as book:
        students = {one.id: (one.first_name, one.last_name, one.email) for one in book.students}
        assert students == {"lovelace": ("Ada", "Lovelace", "ada@example.org"), "ben": ("Ben", "Bitdiddle", None)}
        submission = book.find_submission(classes.NAME, "lovelace")
        assert (submission.score, submission.timestamp) == (5, datetime(2026, 1, 1, 10))
    assert (course / "submitted" / "lovelace" / classes.NAME).is_dir()
    (receipt,) = store.list_submissions(name, classes.NAME, "lovelace")
    assert receipt["user"] == "lovelace"
    assert store.read_due_date(name, classes.NAME, "lovelace") == until
    assert store.read_due_date(name, classes.NAME, "ada") is None
    assert "lovelace,Ada,Lovelace" in (course / "students.csv").read_text()
    store.close()


def test_a_file_of_students_that_a_ta_made_keeps_what_the_roster_does_not_know(roster: Path, tmp_path: Path) -> None:
    course = classes.course(tmp_path / "course")
    name = courses.open_course(course).coursedir.course_id
    given = ["--course", str(course)]
    roster.write_text(ROSTER.replace("nnkit", name).replace("learner,Ben,Bitdiddle,,B", "learner"))
    students = course / "students.csv"
    students.write_text("id, section, first_name, pronouns\nada,C,ada,she\nben,ada,Ben,\nzoe,D,Zoe,they\n")
    students.chmod(0o640)
    assert change(roster, "fill", *given) == 0
    assert students.read_text() == (
        "id,section,first_name,pronouns,last_name,email\n"
        "ada,A,Ada,she,Lovelace,ada@example.org\nben,ada,Ben,,,\nzoe,D,Zoe,they,,\n"
    )
    assert students.stat().st_mode & 0o777 == 0o640
    assert change(roster, "rename", "ada", "eva", *given) == 0
    assert [line.split(",")[:2] for line in students.read_text().splitlines()[1:3]] == [["eva", "A"], ["ben", "ada"]]


def test_the_language_of_a_learner_reaches_the_file_of_students(
    roster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There, grading looks for it; the column is there only where a learner has a language."""
    course = classes.course(tmp_path / "course")
    name = courses.open_course(course).coursedir.course_id
    roster.write_text(ROSTER.replace("nnkit", name))
    assert change(roster, "fill", "--course", str(course)) == 0
    assert "language" not in (course / "students.csv").read_text()
    words = ["add", "eva", "--language", "ko", "--course", str(course)]
    assert change(roster, *words) == 0
    assert read_languages(course) == {"eva": "ko"}
    assert change(roster, "add", "zoe", "--language", "Korean") == 2
    assert "a language is a code such as ko, not 'Korean'" in capsys.readouterr().err


def test_names_in_capitals_are_those_that_the_hub_knows(roster: Path) -> None:
    roster.write_text(ROSTER.replace("nnkit,ada", "nnkit,Ada"))
    assert change(roster, "add", "ada") == 2
    assert change(roster, "rename", "Ada", "eva") == 0
    assert change(roster, "drop", "Eva") == 0
    assert "ada" not in roster.read_text().lower().replace("ada@", "")


def test_the_course_is_that_of_the_folder(
    roster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # a new gradebook has a version without the program alembic
    course = classes.course(tmp_path / "course")
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text() + '\nc.CourseDirectory.course_id = "spring"\n')
    assert change(roster, "add", "eve", "--course", str(course)) == 0
    assert "spring,eve,learner" in roster.read_text()
    with closing(sqlite3.connect(course / "gradebook.db")) as book:
        assert len(book.execute("select version_num from alembic_version").fetchall()) == 1
    assert change(roster, "drop", "eve", "--course", str(course)) == 0
    assert "eve is no longer in spring." in capsys.readouterr().out


def test_a_mistyped_learner_gets_no_extension(
    roster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NNKIT_EXCHANGE_URL", raising=False)
    course = classes.course(tmp_path / "course")
    name = courses.open_course(course).coursedir.course_id
    roster.write_text(ROSTER.replace("nnkit", name))
    with Gradebook(f"sqlite:///{course}/gradebook.db", name) as book:
        book.update_or_create_assignment("ps1", duedate=datetime(2026, 12, 1, 18))
        book.update_or_create_student("cleo")
    (course / "students.csv").write_text("id\nzoe\n")
    words = ("ps1", "--days", "2", "--course", str(course))
    for user in ("ada", "cleo", "zoe"):
        assert change(roster, "extend", user, *words) == 0
        assert f"ps1 is due for {user} on 2026-12-03 18:00 UTC" in capsys.readouterr().out
    for user in ("adda", "tom"):
        assert change(roster, "extend", user, *words) == 2
        assert f"{user} is neither on the roster nor in the gradebook or students.csv." in capsys.readouterr().err
    with Gradebook(f"sqlite:///{course}/gradebook.db", name) as book:
        assert {student.id for student in book.students} == {"ada", "cleo", "zoe"}
