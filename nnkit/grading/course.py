"""A course folder, worked on with nbgrader's own API: release, autograde, feedback, export."""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

SHARED = ("nbgrader_config.py", "solutions")


def api(course: Path) -> Any:
    """nbgrader's API on a course folder, with that folder's own nbgrader_config.py."""
    warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy's remarks on nbgrader's own queries
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    _require_course(course)
    # nbgrader runs `alembic` by name; it lies beside this Python, on the PATH only of an activated environment.
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]
    return NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config())


def assignments(course: Path) -> list[str]:
    """The names of the assignments, in order."""
    notebooks = (course / "solutions").glob("*/*.ipynb")
    return sorted(path.stem for path in notebooks if path.parent.name == path.stem)


def release(course: Path, into: Path | None = None) -> list[str]:
    """Write `into` (assignments/) anew from solutions/: without answers and hidden tests, deterministic.

    nbgrader works in a copy, so that the course's own gradebook is not touched.
    """
    into = into or course / "assignments"
    with tempfile.TemporaryDirectory() as scratch:
        copy_course(course, Path(scratch))
        names = generate(Path(scratch))
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(Path(scratch) / "assignments", into)
    return names


def generate(course: Path) -> list[str]:
    """nbgrader's own release: write assignments/ and enter the assignments into the course's gradebook."""
    nbgrader, names = api(course), assignments(course)
    for name in names:
        result = nbgrader.generate_assignment(name, force=True, create=True)
        if not result["success"]:
            raise RuntimeError(f"The release of {name} failed: {_last_line(result)}")
    return names


def copy_course(course: Path, to: Path) -> None:
    """What an instructor wrote, and nothing that grading made."""
    _require_course(course)
    for name in SHARED:
        source = course / name
        if source.is_dir():
            shutil.copytree(source, to / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        else:
            shutil.copy(source, to / name)


def grade(course: Path, assignment: str, students: list[str]) -> Any:
    """Autograde these submissions and write feedback, one after the other; yields (student, what went wrong)."""
    nbgrader = api(course)
    for student in students:
        graded = nbgrader.autograde(assignment, student, force=True, create=True)
        if graded["success"]:
            nbgrader.generate_feedback(assignment, student, force=True)
        yield student, "" if graded["success"] else _last_line(graded)


def scores(course: Path, assignment: str) -> dict[str, dict[str, float]]:
    """From the gradebook: student → test cell → autograded points."""
    from nbgrader.api import Gradebook

    found: dict[str, dict[str, float]] = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", course_id="nnkit") as book:
        for submission in book.assignment_submissions(assignment):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            found[submission.student.id] = {g.name: g.auto_score for g in grades if g.cell.cell_type == "code"}
    return found


def export(table: dict[str, dict[str, float]], path: Path) -> None:
    """The grades as CSV: a row a student, a column a test cell, and the total."""
    columns = sorted({cell for row in table.values() for cell in row})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", *columns, "total"])
        for student, row in sorted(table.items()):
            writer.writerow([student, *(row.get(cell, "") for cell in columns), sum(row.values())])


def _require_course(course: Path) -> None:
    for name in SHARED:
        if not (course / name).exists():
            raise FileNotFoundError(f"{course.resolve()} is not a course folder: it has no {name}.")


def _last_line(result: dict[str, Any]) -> str:
    text = str(result.get("error") or result.get("log") or "").strip()
    return text.splitlines()[-1] if text else "nbgrader gave no reason"
