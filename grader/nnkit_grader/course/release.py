"""A course folder, worked on with nbgrader's own API: release, feedback, export."""

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

SHARED = ("nbgrader_config.py", "solutions")

Points = dict[str, float | None]
"""Test cell → autograded points; None where a cell has not been graded, which counts 0."""


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

    nbgrader works in a copy, so that the course's own gradebook is not touched. Nothing is lost: files that
    would be, because somebody worked in them, are kept beside `into` (`kept`).
    """
    into = into or course / "assignments"
    with tempfile.TemporaryDirectory() as scratch:
        copy_course(course, Path(scratch))
        names = generate(Path(scratch))
        _keep_what_differs(into, Path(scratch) / "assignments")
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(Path(scratch) / "assignments", into)
    return names


def _keep_what_differs(old: Path, new: Path) -> None:
    """Copy the files of `old` that are not in `new`, or not the same there, into a folder of their own."""
    to = old.with_name(f"{old.name}-before-{datetime.now():%Y%m%d-%H%M%S-%f}")
    for path in sorted(old.rglob("*")):
        within = path.relative_to(old)
        if not path.is_file() or ".ipynb_checkpoints" in within.parts:
            continue
        if not (new / within).is_file() or path.read_bytes() != (new / within).read_bytes():
            (to / within).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to / within)


def kept(course: Path) -> list[Path]:
    """Where releases have kept the files that they replaced, the latest last."""
    return sorted(course.glob("assignments-before-*"))


def generate(course: Path) -> list[str]:
    """nbgrader's own release: write assignments/ and enter the assignments into the course's gradebook."""
    nbgrader, names = api(course), assignments(course)
    for name in names:
        result = _ended(nbgrader.generate_assignment(name, force=True, create=True))
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


def feedback(course: Path, assignment: str, students: list[str]) -> Any:
    """Write feedback on these graded submissions, one after the other; yields (student, what went wrong)."""
    nbgrader = api(course)
    for student in students:
        written = _ended(nbgrader.generate_feedback(assignment, student, force=True))
        yield student, "" if written["success"] else _last_line(written)


def scores(course: Path, assignment: str) -> dict[str, Points]:
    """From the gradebook that nbgrader_config.py names: student → test cell → autograded points."""
    found: dict[str, Points] = {}
    with api(course).gradebook as book:
        for submission in book.assignment_submissions(assignment):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            found[submission.student.id] = {g.name: g.auto_score for g in grades if g.cell.cell_type == "code"}
    return found


def full_marks(course: Path, assignment: str) -> tuple[float, float]:
    """How many points an assignment has: those that tests give, and those given by hand."""
    with api(course).gradebook as book:
        marks = book.find_assignment(assignment)
        return marks.max_code_score, marks.max_score - marks.max_code_score


def total(points: Points) -> float:
    """A student's sum; a cell that has not been graded counts 0."""
    return sum(value or 0.0 for value in points.values())


def export(table: dict[str, Points], path: Path) -> None:
    """The grades as CSV: a row a student, a column a test cell (blank if not graded), and the total."""
    columns = sorted({cell for row in table.values() for cell in row})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", *columns, "total"])
        for student, row in sorted(table.items()):
            writer.writerow([student, *(row.get(cell) for cell in columns), total(row)])


def _require_course(course: Path) -> None:
    for name in SHARED:
        if not (course / name).exists():
            raise FileNotFoundError(f"{course.resolve()} is not a course folder: it has no {name}.")


def _ended(result: dict[str, Any]) -> dict[str, Any]:
    """The result of one of nbgrader's steps. Its API takes Ctrl-C for a failure of the step; here it ends all."""
    if str(result.get("error") or "").rstrip().endswith("KeyboardInterrupt"):
        raise KeyboardInterrupt
    return result


def _last_line(result: dict[str, Any]) -> str:
    text = str(result.get("error") or result.get("log") or "").strip()
    return text.splitlines()[-1] if text else "nbgrader gave no reason"
