"""From solutions/ to grades, with the real nbgrader and real kernels."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
from pathlib import Path

import pytest

from nnkit import cli
from nnkit.grading import course, demo_class
from nnkit.grading.answers import read_answers
from nnkit.grading.demo_class import make_class

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    course.copy_course(REPOSITORY, folder)
    return folder


def test_assignments_are_what_release_makes_of_solutions(tmp_path: Path) -> None:
    names = course.release(REPOSITORY, tmp_path / "assignments")
    assert names
    for name in names:
        committed = REPOSITORY / "assignments" / name / f"{name}.ipynb"
        made = tmp_path / "assignments" / name / f"{name}.ipynb"
        assert committed.read_text(encoding="utf-8") == made.read_text(encoding="utf-8"), "run `make release`"


def test_no_answer_and_no_hidden_test_is_in_the_release() -> None:
    for path in (REPOSITORY / "solutions").glob("*/*.ipynb"):
        released = (REPOSITORY / "assignments" / path.parent.name / path.name).read_text(encoding="utf-8")
        assert "SOLUTION" not in released
        assert "HIDDEN" not in released
        secrets = [line for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] for line in _secrets(cell)]
        assert len(secrets) > 20
        sources = ["".join(cell["source"]) for cell in json.loads(released)["cells"]]
        for secret in secrets:
            assert not any(secret in source.splitlines() for source in sources), secret


def _secrets(cell: dict) -> list[str]:
    """The lines between solution and hidden-test markers."""
    found, inside = [], False
    for line in "".join(cell["source"]).splitlines():
        if line.strip().startswith("### "):
            inside = "BEGIN" in line
        elif inside and len(line.strip()) > 12:
            found.append(line)
    return found


def test_every_check_in_a_test_cell_counts() -> None:
    """A check whose verdict nobody looks at would pass every wrong answer."""
    for path in (REPOSITORY / "solutions").glob("*/*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["metadata"].get("nbgrader", {}).get("grade") and cell["cell_type"] == "code":
                assert not [line for line in source.splitlines() if line.startswith("check_")], source
                assert "assert check_" in source or "partial_credit(" in source


def test_each_answer_names_cells_that_exist() -> None:
    for path in (REPOSITORY / "solutions").glob("*_answers.py"):
        name = path.stem.removesuffix("_answers")
        cells = json.loads((REPOSITORY / "solutions" / name / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        ids = {cell["metadata"]["nbgrader"]["grade_id"] for cell in cells if "nbgrader" in cell["metadata"]}
        for answer in read_answers(path):
            assert {answer.cell, *answer.loses} <= ids


def test_a_class_scores_exactly_what_was_planted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Right answers in every style keep all their points; each planted mistake loses its own and no others."""
    answers = read_answers(folder / "solutions" / "ps1_answers.py")
    assert cli.main(["demo", "--course", str(folder)]) == 0, capsys.readouterr()
    assert "17 of the 17 planted mistakes of ps1 were made at least once." in capsys.readouterr().out
    demo = folder / "build" / "demo"
    manifest = {student["id"]: student for student in json.loads((demo / "demo_class_ps1.json").read_text())}
    planted = {(p["cell"], p["label"]) for student in manifest.values() for p in student["planted"]}
    assert {(a.cell, a.label) for a in answers if a.kind == "mistake"} <= planted
    table = course.scores(demo, "ps1")
    full = table["student01"]
    assert sum(full.values()) == 38
    for student, row in table.items():
        lost = {cell: full[cell] - points for cell, points in row.items() if points != full[cell]}
        if manifest[student]["kind"] == "mistaken":
            assert lost == manifest[student]["planted"][0]["loses"], student
        if manifest[student]["kind"] == "blank":
            assert sum(row.values()) == 0
    with (demo / "grades.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 30
    assert (demo / "feedback" / "student01" / "ps1" / "ps1.html").stat().st_size > 10_000


def test_the_same_seed_gives_the_same_class(folder: Path) -> None:
    course.generate(folder)

    def written(seed: int) -> list[str]:
        make_class(folder, "ps1", 12, seed)
        return [path.read_text(encoding="utf-8") for path in sorted((folder / "submitted").rglob("*.ipynb"))]

    assert written(4) == written(4)
    assert written(4) != written(5)


@pytest.mark.parametrize(
    ("count", "mistakes"), [(0, 17), (1, 17), (3, 17), (12, 17), (22, 17), (30, 17), (60, 17), (9, 0)]
)
def test_a_class_has_all_kinds_and_each_mistake_as_soon_as_it_is_large_enough(count: int, mistakes: int) -> None:
    kinds = demo_class._kinds(count, mistakes, random.Random(0))
    assert len(kinds) == count
    assert kinds[:1] == ["perfect"][:count]
    assert kinds.count("mistaken") >= min(mistakes, max(count - 5, count // 2))
    if count >= 10:
        assert set(kinds) == {*demo_class.OTHERS, "mistaken"}


def test_a_smaller_class_replaces_a_larger_one_and_touches_nobody_else(folder: Path) -> None:
    course.generate(folder)
    make_class(folder, "ps1", 5)
    real = folder / "submitted" / "ada" / "ps1" / "ps1.ipynb"
    other = folder / "submitted" / "student05" / "ps2" / "ps2.ipynb"
    for path in (real, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    make_class(folder, "ps1", 2)
    handed_in = {path.parent.parent.name for path in (folder / "submitted").glob("*/ps1/ps1.ipynb")}
    assert handed_in == {"student01", "student02", "ada"}
    assert other.exists()
    for path in (real, other):
        shutil.rmtree(path.parent)


def small_course(tmp_path: Path, answers: str) -> Path:
    """A course whose only assignment is called hw, with exercises a and b, b of two test cells."""

    def cell(grade_id: str, points: int | None) -> dict:
        mark = {"grade_id": grade_id, "grade": points is not None, "solution": points is None, "points": points}
        return {"cell_type": "code", "source": "", "metadata": {"nbgrader": mark}}

    cells = [cell("a", None), cell("b", None), cell("checks-a", 2), cell("checks-b", 3), cell("more-b", 5)]
    for room in ("assignments", "solutions"):
        (tmp_path / room / "hw").mkdir(parents=True)
        (tmp_path / room / "hw" / "hw.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "solutions" / "hw_answers.py").write_text(answers)
    return tmp_path


ANSWERS = """# %% a mistake=free loses=checks-a=0
pass
# %% b mistake=dear loses=checks-b,more-b=4
pass
# %% a crash=bad loses=checks-a
pass
# %% a loop=long loses=checks-a
pass
"""


def test_a_class_of_any_assignment(tmp_path: Path) -> None:
    students = make_class(small_course(tmp_path, ANSWERS), "hw", 20)
    scores = {(student.kind, *(p["label"] for p in student.planted)): student.score for student in students}
    assert scores["mistaken", "free"] == 10.0  # a mistake that loses 0 points loses no more
    assert scores["mistaken", "dear"] == 3.0
    assert scores["partial", "left out"] == 8.0  # b is tested by two cells, so what leaving it out costs is not known
    assert scores["perfect",] == 10.0


# -- a cell that has not been graded, a gradebook elsewhere, work that a release would overwrite ------

UNGRADED: dict[str, course.Points] = {"bo": {"test-a": None, "test-b": 2.0}, "al": {"test-a": 1.0, "test-b": 2.0}}


def test_a_cell_that_has_not_been_graded_counts_nothing_and_stays_blank(tmp_path: Path) -> None:
    assert course.total(UNGRADED["bo"]) == 2.0
    course.export(UNGRADED, tmp_path / "grades.csv")
    rows = (tmp_path / "grades.csv").read_text().splitlines()
    assert rows == ["student,test-a,test-b,total", "al,1.0,2.0,3.0", "bo,,2.0,2.0"]


def test_scores_come_from_the_gradebook_that_the_config_names(tmp_path: Path) -> None:
    course.copy_course(REPOSITORY, tmp_path)
    with (tmp_path / "nbgrader_config.py").open("a") as config:
        config.write(f"c.CourseDirectory.db_url = 'sqlite:///{tmp_path / 'elsewhere.db'}'\n")
        config.write("c.CourseDirectory.course_id = 'another'\n")
    course.generate(tmp_path)
    assert course.api(tmp_path).coursedir.course_id == "another"
    with course.api(tmp_path).gradebook as book:
        book.add_student("ada")
        book.add_submission("ps1", "ada")
    (scores,) = course.scores(tmp_path, "ps1").values()
    assert "test-multiply" in scores
    assert set(scores.values()) == {None}
    assert course.total(scores) == 0
    assert not (tmp_path / "gradebook.db").exists()


def test_a_release_keeps_what_somebody_wrote_in_assignments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    course.copy_course(REPOSITORY, tmp_path)
    assert cli.main(["release", "--course", str(tmp_path)]) == 0
    assert course.kept(tmp_path) == []
    released = (tmp_path / "assignments" / "ps1" / "ps1.ipynb").read_text(encoding="utf-8")
    work = released.replace("raise NotImplementedError", "return 42", 1)
    (tmp_path / "assignments" / "ps1" / "ps1.ipynb").write_text(work, encoding="utf-8")
    (tmp_path / "assignments" / "ps1" / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert cli.main(["release", "--course", str(tmp_path)]) == 0
    (kept,) = course.kept(tmp_path)
    assert f"what was there and differs is kept in {kept}" in capsys.readouterr().out
    assert (kept / "ps1" / "ps1.ipynb").read_text(encoding="utf-8") == work
    assert (kept / "ps1" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "assignments" / "ps1" / "ps1.ipynb").read_text(encoding="utf-8") == released
    assert cli.main(["release", "--course", str(tmp_path)]) == 0
    assert course.kept(tmp_path) == [kept]


def test_the_lecture_does_not_give_an_answer_of_the_assignment_away() -> None:
    """No line of a solution of ps1 that computes what it returns stands in lecture 01."""
    lecture = json.loads((REPOSITORY / "notebooks" / "01_computational_graphs.ipynb").read_text(encoding="utf-8"))
    lines = [line for cell in lecture["cells"] for line in cell["source"]]
    shown = {line.strip() for line in lines} | {piece for line in lines for piece in re.findall(r"`([^`]+)`", line)}
    solved = json.loads((REPOSITORY / "solutions" / "ps1" / "ps1.ipynb").read_text(encoding="utf-8"))
    answers = {line.strip() for cell in solved["cells"] for line in _secrets(cell)}
    answers = {line for line in answers if re.match(r"return .*\w ?([*/+-]|\*\*) ?\w", line)}
    assert len(answers) > 5
    assert not shown & answers


def test_faults_that_a_user_can_mend_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["release", "--course", str(tmp_path)]) == 2
    assert "is not a course folder" in capsys.readouterr().err
    assert cli.main(["demo-class", "ps9", "--course", str(REPOSITORY)]) == 2
    told = capsys.readouterr().err
    assert "ps9" in told
    assert len(told.splitlines()) == 1


def test_a_header_that_says_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ps1_answers.py"
    for header in ("exp", "exp mistake=sign", "exp style=a loses=test-exp"):
        path.write_text(f"# %% {header}\npass\n")
        with pytest.raises(ValueError, match="must say style"):
            read_answers(path)
