"""`nbgrader autograde` and Formgrader's button go through nnkit, where nbgrader_config.py says so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import classes
from nnkit_grader.course import release as courses
from nnkit_grader.record.journal import Journal

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = classes.course(tmp_path / "course")
    classes.hand_in(folder, "ada", classes.RIGHT)
    classes.hand_in_bytes(folder, "cut", b"{")
    return folder


@pytest.fixture(autouse=True)
def _nbgraders_own() -> Iterator[None]:
    """What a configuration put in place stays there for the process; tests after this one find nbgrader's."""
    from nbgrader.apps import api, autogradeapp, generatefeedbackapp

    before = api.Autograde, api.GenerateFeedback
    yield
    api.Autograde, api.GenerateFeedback = before
    autogradeapp.Autograde, generatefeedbackapp.GenerateFeedback = before


def nbgrader(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nbgrader", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300, check=False)


def without_the_line(folder: Path) -> None:
    config = folder / "nbgrader_config.py"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if "nnkit_grader.nbgrader_plugin.install" not in line))
    assert len(config.read_text().splitlines()) == len(lines) - 1


def test_the_command_nbgrader_autograde_goes_through_nnkit(folder: Path) -> None:
    done = nbgrader(folder, "autograde", "hw")
    assert done.returncode == 0, done.stderr
    assert "hw: 2 submissions graded" in done.stderr
    assert "cut: The notebook is not JSON" in done.stderr
    assert {entry.student for entry in Journal(folder, "hw").read_entries()} == {"ada", "cut"}
    assert courses.sum_points(courses.read_scores(folder, "hw")["ada"]) == 5
    again = nbgrader(folder, "autograde", "hw")
    assert "2 submissions already graded by the same tests" in again.stderr
    assert "hw: 1 submission graded" in nbgrader(folder, "autograde", "hw", "--student", "ada", "--force").stderr


def test_formgraders_button_goes_through_nnkit(folder: Path) -> None:
    """It calls this method, and shows what comes back."""
    api = courses.open_api(folder)
    result = api.autograde("hw", "ada")
    assert result["success"], result
    assert "hw: 1 submission graded" in result["log"]
    (ada,) = [row for row in api.get_submissions("hw") if row["student"] == "ada"]
    assert (ada["autograded"], ada["score"]) == (True, 5.0)
    stamp = {entry.student: entry.stamp for entry in Journal(folder, "hw").read_entries()}
    assert api.autograde("hw", "ada")["success"]  # pressed again, it grades again
    assert {entry.student: entry.stamp for entry in Journal(folder, "hw").read_entries()} != stamp


def test_what_goes_wrong_is_told_in_a_sentence(folder: Path) -> None:
    api = courses.open_api(folder)
    result = api.autograde("hw", "nobody")
    assert not result["success"]
    assert "No student 'nobody' handed in hw" in result["log"]
    done = nbgrader(folder, "autograde", "hw", "--student", "nobody")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_without_its_line_stock_nbgrader_grades(folder: Path) -> None:
    """As it always did; and a course with the line beside it, in the same process, is graded by nnkit."""
    with_line = courses.open_api(folder)
    other = classes.course(folder.parent / "other")
    without_the_line(other)
    classes.hand_in(other, "ada", classes.RIGHT)
    courses.generate_assignments(other)
    result = courses.open_api(other).autograde("hw", "ada")
    assert result["success"], result
    assert "Autograding " in result["log"]
    assert not (other / ".nnkit").exists()
    assert courses.sum_points(courses.read_scores(other, "hw")["ada"]) == 5
    written = json.loads((other / "autograded" / "ada" / "hw" / "hw.ipynb").read_text())
    assert "nnkit" not in written["metadata"]
    assert with_line.autograde("hw", "ada")["success"]
    assert (folder / ".nnkit" / "hw" / "results" / "ada.json").exists()


def test_the_sandbox_is_chosen_in_the_configuration(folder: Path) -> None:
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write("c.SandboxedAutograde.sandbox = 'kernel'\n")
    assert courses.open_api(folder).autograde("hw", "ada")["success"]
    assert "(sandbox: kernel," in Journal(folder, "hw").log_path("ada").read_text()


def test_to_read_the_configuration_imports_nbgrader_for_nobody(folder: Path) -> None:
    """`nnkit autograde` reads it for its settings, and again once it has nbgrader: then nnkit's class is in place."""
    program = """
import sys
from pathlib import Path
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.course.assignment import load_assignment
load_assignment(Path(), "hw")
assert "nbgrader" not in sys.modules
open_course(Path())
from nbgrader.apps import api, autogradeapp
assert api.Autograde is autogradeapp.Autograde
print(api.Autograde.__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout == "SandboxedAutograde\n", done.stderr
