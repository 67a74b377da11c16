"""The `nnkit` command: one small function a verb."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def doctor(args: argparse.Namespace) -> int:
    """tell what works on this machine, and what mends the rest"""
    from nnkit import doctor

    print(doctor.report(doctor.examine()))
    return 0


def check(args: argparse.Namespace) -> int:
    """run the visible tests of one assignment notebook, and tell exercise by exercise what passes"""
    import json

    from nnkit.check import notebook

    report = notebook.check_notebook(args.notebook, args.time_limit)
    chosen = [report.find(args.exercise)] if args.exercise else report.visible
    print(json.dumps(report.to_dict(), indent=1) if args.json else notebook.summary(report, args.exercise))
    return 0 if all(result.passed or result.status == "when graded" for result in chosen) else 1


def release(args: argparse.Namespace) -> int:
    """write assignments/ anew from solutions/"""
    from nnkit.grading import course

    before = course.kept(args.course)
    names = course.release(args.course)
    print(f"released {', '.join(names)} into {args.course / 'assignments'}")
    for folder in course.kept(args.course)[len(before) :]:
        print(f"what was there and differs is kept in {folder}")
    return 0


def demo_class(args: argparse.Namespace) -> int:
    """write a synthetic class of submissions, and a manifest of what was planted in each"""
    from nnkit.grading.demo_class import make_class

    students = make_class(args.course, args.assignment, args.number, args.seed)
    print(f"wrote {len(students)} submissions below {args.course / 'submitted'}")
    return 0


def demo(args: argparse.Namespace) -> int:
    """release, make a class, autograde it, write feedback, export the grades: all in build/demo"""
    from nnkit.grading import course
    from nnkit.grading.answers import read_answers
    from nnkit.grading.demo_class import answers_file, make_class

    folder = (args.course / "build" / "demo").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    course.copy_course(args.course, folder)
    course.generate(folder)
    students = make_class(folder, args.assignment, args.number, args.seed)
    failures = _grade_with_progress(folder, args.assignment, [student.id for student in students])
    table = course.scores(folder, args.assignment)
    course.export(table, folder / "grades.csv")
    planted = {s.id: ", ".join(f"{p['label']} in {p['cell']}" for p in s.planted) for s in students}
    width = max([len("planted"), *map(len, planted.values())])
    print(f"\n{'student':<12}{'is':<11}{'planted':<{width}}{'expected':>11}{'scored':>8}")
    differing = 0
    for student in students:
        scored = course.total(table.get(student.id, {}))
        differing += scored != student.score
        mark = "" if scored == student.score else "  differs"
        print(f"{student.id:<12}{student.kind:<11}{planted[student.id]:<{width}}{student.score:>11g}{scored:>8g}{mark}")
    print(f"\n{len(students) - differing} of {len(students)} scores are what was planted.")
    mistakes = {(a.cell, a.label) for a in read_answers(answers_file(folder, args.assignment)) if a.kind == "mistake"}
    made = mistakes & {(p["cell"], p["label"]) for student in students for p in student.planted}
    print(f"{len(made)} of the {len(mistakes)} planted mistakes of {args.assignment} were made at least once.")
    for what, name in (("grades", "grades.csv"), ("feedback", "feedback"), ("gradebook", "gradebook.db")):
        print(f"{what:<12}{folder / name}")
    print(f"Formgrader  cd {folder} && jupyter lab   (menu Nbgrader → Formgrader)")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures or differing else 0


def _grade_with_progress(folder: Path, assignment: str, students: list[str]) -> list[str]:
    from tqdm import tqdm

    from nnkit.grading import course

    failures = []
    for student, fault in tqdm(course.grade(folder, assignment, students), total=len(students), unit="submission"):
        if fault:
            failures.append(f"{student}: {fault}")
    return failures


def parser() -> argparse.ArgumentParser:
    """The command line, a sub-command for each verb."""
    top = argparse.ArgumentParser(prog="nnkit", description="Learn backpropagation by writing it.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_check(verbs)
    for verb in (doctor, release, demo_class, demo):
        sub = verbs.add_parser(verb.__name__.replace("_", "-"), help=verb.__doc__, description=verb.__doc__)
        sub.set_defaults(run=verb)
        sub.add_argument("--course", type=Path, default=Path(), help="the course folder (default: this one)")
        if verb in (demo_class, demo):
            given = {"nargs": "?", "default": "ps1"} if verb is demo else {}
            sub.add_argument("assignment", **given)  # type: ignore[arg-type]
            sub.add_argument("-n", "--number", type=int, default=30, help="how many submissions (default: 30)")
            sub.add_argument("--seed", type=int, default=0, help="the same seed, the same class (default: 0)")
    return top


def _add_check(verbs: Any) -> None:
    sub = verbs.add_parser("check", help=check.__doc__, description=check.__doc__)
    sub.set_defaults(run=check)
    sub.add_argument("notebook", type=Path, help="your copy of an assignment, a file that ends in .ipynb")
    sub.add_argument("--exercise", metavar="ID", help="tell all about this one, as in --exercise multiply")
    sub.add_argument("--json", action="store_true", help="print the report as JSON, for programs")
    sub.add_argument("--time-limit", type=float, default=30.0, metavar="SECONDS", help="for each cell (default: 30)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; a fault that a user can mend is told in one line."""
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
        return code
    except (FileNotFoundError, ValueError, RuntimeError) as fault:
        print(f"nnkit: {fault}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as missing:
        print(f"nnkit: {missing.name} is not installed: pip install 'nnkit[grading]'", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
