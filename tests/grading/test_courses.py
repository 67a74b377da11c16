"""Whole courses: nbgrader's own example, the course of tests/courses, and one that `nnkit init-course` makes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbgrader
import pytest

from helpers import books
from helpers.paths import ROOT
from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.course.new_course import make_course
from nnkit_grader.record.journal import Journal
from nnkit_grader.report import write_report
from nnkit_grader.run import GradingRequest, grade_class
from nnkit_grader.verify import verify

QUICKSTART = Path(nbgrader.__file__).parent / "docs/source/user_guide"
"""The example of nbgrader's documentation, which `nbgrader quickstart` copies, with two submissions."""
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "course101"
c.IncludeHeaderFooter.header = "source/header.ipynb"
from importlib import import_module
import_module("nnkit_grader.nbgrader_plugin.install").install(c)
"""
BY_STOCK_NBGRADER = {
    "bitdiddle": {
        **{"correct_squares": 0.0, "squares_invalid_input": 1.0, "correct_sum_of_squares": 0.0},
        **{"sum_of_squares_uses_squares": 0.5, "sum_of_squares_equation": None, "sum_of_squares_application": 0.0},
        **{"cell-938593c4a215c6cc": None, "part-a": None, "part-b": None},
    },
    "hacker": {
        **{"correct_squares": 1.0, "squares_invalid_input": 1.0, "correct_sum_of_squares": 0.5},
        **{"sum_of_squares_uses_squares": 0.5, "sum_of_squares_equation": None, "sum_of_squares_application": None},
        **{"cell-938593c4a215c6cc": None, "part-a": None, "part-b": None},
    },
}
"""The scores that nbgrader 0.9.6 gives without nnkit; None for those that a grader gives."""


@pytest.mark.slow
def test_nbgraders_quickstart_course_is_graded_as_by_nbgrader(tmp_path: Path) -> None:
    for name in ("source", "submitted"):
        shutil.copytree(QUICKSTART / name, tmp_path / name, ignore=shutil.ignore_patterns("ps1_autotest"))
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    problem = tmp_path / "source/ps1/problem1.ipynb"
    notebook = json.loads(problem.read_text())
    (test,) = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "correct_squares"]
    test["source"] = ["# nnkit: inside\n", *test["source"]]
    problem.write_text(json.dumps(notebook))
    summary = grade_class(GradingRequest("ps1"), tmp_path, lambda: open_course(tmp_path))
    assert (summary.graded, summary.unit, summary.refused, summary.ungraded) == (4, "notebook", {}, {})
    found = books.read_auto_scores(tmp_path / "gradebook.db")
    found["bitdiddle"]["sum_of_squares_application"] = 0.0  # a grader looks: cells beside the blank answer were edited
    assert found == BY_STOCK_NBGRADER
    assert {entry.student for entry in Journal(tmp_path, "ps1/problem2").read_entries()} == set(BY_STOCK_NBGRADER)
    graded = tmp_path / "autograded/hacker/ps1"
    assert {path.name for path in graded.iterdir()} >= {"jupyter.png", "problem1.ipynb", "problem2.ipynb"}
    page = write_report(tmp_path, "ps1")
    assert "problem2/index.html" in page.read_text()
    told = (page.parent / "problem1/index.html").read_text()
    assert "Report on ps1/problem1" in told
    assert "their scores are only as safe as nbgrader" in told
    (tmp_path / "submitted/hacker/ps1/problem2.ipynb").unlink()
    summary = grade_class(GradingRequest("ps1", ("hacker",)), tmp_path, lambda: open_course(tmp_path))
    assert summary.refused["hacker (problem2)"].startswith("There is no problem2.ipynb in the submission")


@pytest.mark.slow
def test_a_course_of_three_assignments_and_a_new_one_are_as_their_authors_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {path.split("/")[0] for path in make_course(tmp_path / "new")} >= {"source", "README.md"}
    assert verify(tmp_path / "new") == verify(ROOT / "tests/courses/layers") == 0
    told = capsys.readouterr().out
    assert told.count("tried the solution, the release and 5 planted answers: all scores as they should be") == 3
    assert "PROBLEM" not in told
    assert "warning" not in told


def test_a_new_course_takes_a_folder_of_its_own(tmp_path: Path) -> None:
    make_course(tmp_path / "mine")
    assert load_assignment(tmp_path / "mine", "first").max_score == 3.0
    with pytest.raises(ValueError, match="is not empty: a new course needs a folder of its own"):
        make_course(tmp_path / "mine")
