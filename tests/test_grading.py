"""From solutions/ to grades, with the real nbgrader and real kernels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from nnkit import cli
from nnkit.grading import course
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
    assert cli.main(["demo", "--course", str(folder), "-n", "38"]) == 0, capsys.readouterr()
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
        assert len(list(csv.DictReader(file))) == 38
    assert (demo / "feedback" / "student01" / "ps1" / "ps1.html").stat().st_size > 10_000


def test_the_same_seed_gives_the_same_class(folder: Path) -> None:
    course.generate(folder)

    def written(seed: int) -> list[str]:
        make_class(folder, "ps1", 12, seed)
        return [path.read_text(encoding="utf-8") for path in sorted((folder / "submitted").rglob("*.ipynb"))]

    assert written(4) == written(4)
    assert written(4) != written(5)


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
