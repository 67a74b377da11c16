"""`nnkit demo`: a synthetic class, graded from start to finish, and a table of planted and graded scores."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnkit_grader import autograde, report
from nnkit_grader.course import release
from nnkit_grader.course.assignment import require_assignment
from nnkit_grader.course.demo_class import DemoStudent, locate_answers, make_class
from nnkit_grader.course.layout import CourseLayout
from nnkit_grader.course.planted_answers import read_answers
from nnkit_grader.run import GradingRequest

DEMO_SECONDS = "4"
"""Seconds that a check may take in the demo, in which some answers never end. No score depends on it."""


def run_demo(course: Path, assignment: str, number: int | None, seed: int) -> int:
    """Release, make a class of `number`, grade it, write feedback, a report and grades.csv, all in build/demo.

    Returns the exit status: 1 if a score differs from the planted one, or feedback could not be written.
    """
    require_assignment(course, CourseLayout.from_course(course), assignment)
    folder = (course / "build" / "demo").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    release.copy_course(course, folder)
    release.generate_assignments(folder)
    students = make_class(folder, assignment, number, seed)
    os.environ.setdefault("NNKIT_CHECK_SECONDS", DEMO_SECONDS)
    status = autograde.autograde(GradingRequest(assignment), folder)
    if status:
        return status
    failures = _write_feedback(folder, assignment, [student.id for student in students])
    table = release.read_scores(folder, assignment)
    release.export_scores(table, folder / "grades.csv")
    report.write_report(folder, assignment)
    scored = {student.id: release.sum_points(table.get(student.id, {})) for student in students}
    _print_demo(folder, assignment, students, scored)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures or any(scored[student.id] != student.score for student in students) else 0


def _write_feedback(folder: Path, assignment: str, students: list[str]) -> list[str]:
    from tqdm import tqdm

    failures = []
    pages = release.write_feedback(folder, assignment, students)
    for student, fault in tqdm(pages, "feedback", len(students), unit="page", disable=None):
        if fault:
            failures.append(f"{student}: {fault}")
    return failures


def _print_demo(folder: Path, assignment: str, students: Sequence[DemoStudent], scored: Mapping[str, float]) -> None:
    by_tests, by_hand = release.read_full_marks(folder, assignment)
    print(f"\n{format_demo_table(students, scored, by_tests)}\n")
    agreeing = sum(scored[student.id] == student.score for student in students)
    print(f"{agreeing} of {len(students)} scores are as planted.")
    print(f"Full marks are {by_tests + by_hand:g} points: {by_tests:g} by tests, {by_hand:g} by hand.")
    planted = read_answers(locate_answers(CourseLayout.from_course(folder), assignment))
    mistakes = {(a.cell, a.label) for a in planted if a.kind == "mistake"}
    made = mistakes & {(p["cell"], p["label"]) for student in students for p in student.planted}
    print(f"{len(made)} of the {len(mistakes)} planted mistakes of {assignment} were made at least once.")
    for what, name in (
        ("grades", "grades.csv"),
        ("feedback", "feedback"),
        ("report", f"report/{assignment}/index.html"),
        ("gradebook", "gradebook.db"),
    ):
        print(f"{what:<12}{folder / name}")
    print(f"Formgrader  {_formgrader(folder)}\n            then choose Nbgrader → Formgrader in the menu")


def format_demo_table(students: Sequence[DemoStudent], scored: Mapping[str, float], most: float) -> str:
    """Return a row for each student: what was planted, the score that follows from it, and the grader's score."""
    rows = [("student", "is", "planted", "expected", f"scored of {most:g}", "")]
    for student in students:
        planted = ", ".join(f"{p['label']} in {p['cell']}" for p in student.planted)
        got = scored[student.id]
        differs = "" if got == student.score else "differs"
        rows.append((student.id, student.kind, planted, f"{student.score:g}", f"{got:g}", differs))
    widths = [max(map(len, column)) for column in zip(*rows)]
    sides = "<<<>><"
    lines = ("  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _formgrader(folder: Path) -> str:
    """Return the command that opens JupyterLab on a course folder, from any folder."""
    jupyter = Path(sys.executable).with_name("jupyter")
    lab = [str(jupyter) if jupyter.exists() else "jupyter", "lab"]
    lab += ["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    return f"cd {shlex.quote(str(folder))} && {shlex.join(lab)}"
