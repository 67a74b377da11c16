"""Release, feedback and export of a course folder, through nbgrader's API."""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

INSTRUCTORS_FILES = ("nbgrader_config.py", "solutions")

CellPoints = dict[str, float | None]
"""Test cell → autograded points; None for a cell that has not been graded, which counts 0."""


def open_api(course: Path) -> Any:
    """Return nbgrader's API for a course folder, configured by its nbgrader_config.py."""
    warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy warns about nbgrader's own queries
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    _require_course(course)
    # nbgrader runs `alembic` by name. It lies beside this Python, and is on the PATH only in an activated environment.
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]
    return NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config())


def list_assignments(course: Path) -> list[str]:
    """Return the names of the assignments, sorted."""
    notebooks = (course / "solutions").glob("*/*.ipynb")
    return sorted(path.stem for path in notebooks if path.parent.name == path.stem)


def release_assignments(course: Path, into: Path | None = None) -> list[str]:
    """Write `into` (assignments/) anew from solutions/, without answers and hidden tests; return the names.

    The result is deterministic. nbgrader works in a copy, so the course's gradebook is not touched. Files in `into`
    that differ from the release are copied to a folder beside it (`list_kept_folders`), so no work is lost.
    """
    into = into or course / "assignments"
    with tempfile.TemporaryDirectory() as scratch:
        copy_course(course, Path(scratch))
        names = generate_assignments(Path(scratch))
        _keep_changed_files(into, Path(scratch) / "assignments")
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(Path(scratch) / "assignments", into)
    return names


def _keep_changed_files(old: Path, new: Path) -> None:
    """Copy the files of `old` that are missing from `new`, or differ there, to a dated folder beside `old`."""
    to = old.with_name(f"{old.name}-before-{datetime.now():%Y%m%d-%H%M%S-%f}")
    for path in sorted(old.rglob("*")):
        within = path.relative_to(old)
        if not path.is_file() or ".ipynb_checkpoints" in within.parts:
            continue
        if not (new / within).is_file() or path.read_bytes() != (new / within).read_bytes():
            (to / within).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to / within)


def list_kept_folders(course: Path) -> list[Path]:
    """Return the folders in which releases have kept files that they replaced, the latest last."""
    return sorted(course.glob("assignments-before-*"))


def generate_assignments(course: Path) -> list[str]:
    """Release with nbgrader: write assignments/ and register the assignments in the gradebook; return their names."""
    nbgrader, names = open_api(course), list_assignments(course)
    for name in names:
        result = _raise_interrupt(nbgrader.generate_assignment(name, force=True, create=True))
        if not result["success"]:
            raise RuntimeError(f"The release of {name} failed: {_last_line(result)}")
    return names


def copy_course(course: Path, to: Path) -> None:
    """Copy what instructors wrote, and nothing that grading made. Raises FileNotFoundError if it is not a course."""
    _require_course(course)
    for name in INSTRUCTORS_FILES:
        source = course / name
        if source.is_dir():
            shutil.copytree(source, to / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        else:
            shutil.copy(source, to / name)


def write_feedback(course: Path, assignment: str, students: list[str]) -> Any:
    """Write feedback on graded submissions, one after the other; yield (student, what went wrong or "")."""
    nbgrader = open_api(course)
    for student in students:
        written = _raise_interrupt(nbgrader.generate_feedback(assignment, student, force=True))
        yield student, "" if written["success"] else _last_line(written)


def read_scores(course: Path, assignment: str) -> dict[str, CellPoints]:
    """Read student → test cell → autograded points from the gradebook that nbgrader_config.py names."""
    found: dict[str, CellPoints] = {}
    with open_api(course).gradebook as book:
        for submission in book.assignment_submissions(assignment):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            found[submission.student.id] = {g.name: g.auto_score for g in grades if g.cell.cell_type == "code"}
    return found


def read_full_marks(course: Path, assignment: str) -> tuple[float, float]:
    """Return the points of an assignment: those that tests give, and those given by hand."""
    with open_api(course).gradebook as book:
        marks = book.find_assignment(assignment)
        return marks.max_code_score, marks.max_score - marks.max_code_score


def sum_points(points: CellPoints) -> float:
    """Return the sum of a student's points; a cell that has not been graded counts 0."""
    return sum(value or 0.0 for value in points.values())


def export_scores(table: dict[str, CellPoints], path: Path) -> None:
    """Write the grades as CSV: a row per student, a column per test cell (blank if not graded), and the total."""
    columns = sorted({cell for row in table.values() for cell in row})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", *columns, "total"])
        for student, row in sorted(table.items()):
            writer.writerow([student, *(row.get(cell) for cell in columns), sum_points(row)])


def _require_course(course: Path) -> None:
    for name in INSTRUCTORS_FILES:
        if not (course / name).exists():
            raise FileNotFoundError(f"{course.resolve()} is not a course folder: it has no {name}.")


def _raise_interrupt(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result of nbgrader's API, which reports Ctrl-C as a failure. Raises KeyboardInterrupt for that."""
    if str(result.get("error") or "").rstrip().endswith("KeyboardInterrupt"):
        raise KeyboardInterrupt
    return result


def _last_line(result: dict[str, Any]) -> str:
    text = str(result.get("error") or result.get("log") or "").strip()
    return text.splitlines()[-1] if text else "nbgrader gave no reason"
