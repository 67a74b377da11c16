"""Release, feedback and export of a course folder, through nbgrader's API."""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
import tempfile
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from nnkit_grader.course.assignment import load_assignments
from nnkit_grader.course.config import CONFIG_FILE, load_settings, read_settings, require_course
from nnkit_grader.course.crossing import find_uncrossable
from nnkit_grader.course.layout import CourseLayout
from nnkit_grader.course.nbgrader_context import NbgraderContext, open_course

ERROR_LINE = re.compile(r"\s*[\w.]*(?:Error|Exception|Entry): (.+)")
"""The last line of a traceback."""
CellPoints = dict[str, float | None]
"""Test cell → autograded points; None for a cell that has not been graded, which counts 0."""


def open_api(course: Path) -> Any:
    """Return nbgrader's API for a course folder, configured by its nbgrader_config.py."""
    warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy warns about nbgrader's own queries
    from nbgrader.apps.api import NbGraderAPI

    require_course(course)
    # nbgrader runs `alembic` by name. It lies beside this Python, and is on the PATH only in an activated environment.
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]
    return NbGraderAPI(config=load_settings(course))


def list_assignments(course: Path) -> list[str]:
    """Return the names of the assignments, sorted."""
    return CourseLayout.from_course(course).list_assignments()


def release_assignments(course: Path, into: Path | None = None) -> list[str]:
    """Write `into` (nbgrader's release directory) anew, without answers and hidden tests; return the names.

    The result is deterministic. nbgrader writes it beside `into`, without a gradebook, and it takes the place of `into`
    when it is complete: a release that fails changes nothing. Files in `into` that differ from the release are copied
    to a folder beside it (`list_kept_folders`), so no work is lost. Raises ValueError for what nnkit could not grade,
    RuntimeError with nbgrader's reason.
    """
    require_course(course)
    config = read_settings(course)
    layout = CourseLayout.from_config(config)
    into, names = into or layout.release_root, layout.list_assignments()
    if not names:
        raise FileNotFoundError(f"There is no assignment to release: no folder in {layout.source_root} has a notebook.")
    for name in names:
        require_gradable(course, name, config)
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".nnkit-release-", dir=into.parent) as scratch:
        fresh = Path(scratch) / "new"
        context = open_course(course)
        context.parent.config.GenerateAssignment.no_database = True
        context.parent.config.SaveCells.enabled = False
        for name in names:
            generate_into(fresh, context, name)
        keep_changed_files(into, fresh)
        if into.exists():
            into.rename(Path(scratch) / "old")
        fresh.rename(into)
    return names


def require_gradable(course: Path, name: str, config: Any = None) -> None:
    """Raise ValueError for an assignment with tests that nnkit could not run outside the learner's process."""
    for notebook in load_assignments(course, name, config):
        for sentence in find_uncrossable(notebook):
            raise ValueError(f"{notebook.label} cannot be released: {sentence}.")


def generate_into(folder: Path, context: NbgraderContext, assignment: str) -> None:
    """Release an assignment into a folder, by nbgrader. Raises RuntimeError with its reason."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.utils import capture_log, temp_attrs

    coursedir, parent = context.coursedir, context.parent
    with temp_attrs(coursedir, release_directory=str(folder), notebook_id="*", assignment_id=assignment):
        release = GenerateAssignment(coursedir=coursedir, parent=parent)
        release.force = release.create_assignment = True
        result = _raise_interrupt(capture_log(release))
    if not result["success"]:
        raise RuntimeError(f"The release of {assignment} failed: {_find_reason(result)}")


def keep_changed_files(old: Path, new: Path) -> None:
    """Copy the files of `old` that are missing from `new`, or differ there, to a dated folder beside `old`."""
    to = old.with_name(f"{old.name}-before-{datetime.now():%Y%m%d-%H%M%S-%f}")
    for path in sorted(old.rglob("*")):
        within = path.relative_to(old)
        if not path.is_file() or ".ipynb_checkpoints" in within.parts:
            continue
        if not (new / within).is_file() or path.read_bytes() != (new / within).read_bytes():
            (to / within).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to / within)


def list_kept_folders(into: Path) -> list[Path]:
    """Return the folders in which releases into this folder have kept files that they replaced, the latest last."""
    return sorted(into.parent.glob(f"{into.name}-before-*"))


def generate_assignments(course: Path) -> list[str]:
    """Release with nbgrader: write its release directory and register in the gradebook; return the names."""
    nbgrader, names = open_api(course), list_assignments(course)
    for name in names:
        result = _raise_interrupt(nbgrader.generate_assignment(name, force=True, create=True))
        if not result["success"]:
            raise RuntimeError(f"The release of {name} failed: {_find_reason(result)}")
    return names


def copy_course(course: Path, to: Path) -> None:
    """Copy what instructors wrote, and nothing that grading made. Raises FileNotFoundError if it is not a course."""
    require_course(course)
    shutil.copy(course / CONFIG_FILE, to)
    source = CourseLayout.from_course(course).source
    ignore = shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(course / source, to / source, dirs_exist_ok=True, ignore=ignore)


def write_feedback(course: Path, assignment: str, students: list[str]) -> Any:
    """Write feedback on graded submissions, one after the other; yield (student, what went wrong or "")."""
    nbgrader = open_api(course)
    for student in students:
        written = _raise_interrupt(nbgrader.generate_feedback(assignment, student, force=True))
        yield student, "" if written["success"] else _find_reason(written)


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


def _raise_interrupt(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result of nbgrader's API, which reports Ctrl-C as a failure. Raises KeyboardInterrupt for that."""
    if str(result.get("error") or "").rstrip().endswith("KeyboardInterrupt"):
        raise KeyboardInterrupt
    return result


def _find_reason(result: dict[str, Any]) -> str:
    """Return the reason in a result of nbgrader's API: its last error, which it hides behind "see the above"."""
    text = f"{result.get('log') or ''}\n{result.get('error') or ''}"
    lines = [line for line in text.splitlines() if line.strip() and "Please see the" not in line]
    faults = [match[1] for line in lines if (match := ERROR_LINE.match(line))]
    return (faults or [line.strip() for line in lines] or ["nbgrader gave no reason"])[-1]
