"""The `nnkit` command: one small function a verb."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnkit.grading.demo_class import Student

DEMO_SECONDS = "4"
"""How long a check may take in the demo, in which some answers never end; it changes none of the scores."""


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


def bundle(args: argparse.Namespace) -> int:
    """write the zip that learners get: lectures, assignments and nnkit, without answers and hidden tests"""
    from nnkit.grading.bundle import bundle

    to = args.output or args.course / "build" / "nnkit-course.zip"
    names = bundle(args.course, to)
    print(f"wrote {to}: {len(names)} files, {to.stat().st_size / 1e6:.1f} MB")
    return 0


def autograde(args: argparse.Namespace) -> int:
    """grade all submissions of an assignment, each in a sandbox, into nbgrader's gradebook"""
    from nnkit.grading import commands, session

    students = tuple(args.student or ("*",))
    order = session.Order(args.assignment, students, args.jobs, args.scheduler, args.sandbox, args.regrade, args.seed)
    return commands.autograde(order, args.course, args.db)


def report(args: argparse.Namespace) -> int:
    """write a web page and CSV files on how a class did: scores, mistakes, and what somebody should look at"""
    from nnkit.grading.report import write

    print(f"wrote {write(args.course, args.assignment, args.output, args.db)}, and CSV files beside it")
    return 0


def receipt(args: argparse.Namespace) -> int:
    """tell what a receipt of the exchange proves: who handed in which files when, and whether these are they"""
    from nnkit.hub import receipts

    lines, status = receipts.examine(args.receipt, args.files, args.key)
    print("\n".join(lines))
    return status


def demo_class(args: argparse.Namespace) -> int:
    """write a synthetic class of submissions, and a manifest of what was planted in each"""
    from nnkit.grading.demo_class import make_class

    students = make_class(args.course, args.assignment, args.number, args.seed)
    print(f"wrote {len(students)} submissions below {args.course / 'submitted'}")
    return 0


def demo(args: argparse.Namespace) -> int:
    """release, make a class, autograde it, write feedback and a report, export the grades: all in build/demo"""
    from nnkit.grading import commands, course, report, session
    from nnkit.grading.demo_class import make_class

    folder = (args.course / "build" / "demo").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    course.copy_course(args.course, folder)
    course.generate(folder)
    students = make_class(folder, args.assignment, args.number, args.seed)
    os.environ.setdefault("NNKIT_CHECK_SECONDS", DEMO_SECONDS)
    status = commands.autograde(session.Order(args.assignment), folder)
    if status:
        return status
    failures = _write_feedback(folder, args.assignment, [student.id for student in students])
    table = course.scores(folder, args.assignment)
    course.export(table, folder / "grades.csv")
    report.write(folder, args.assignment)
    scored = {student.id: course.total(table.get(student.id, {})) for student in students}
    _tell_demo(folder, args.assignment, students, scored)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures or any(scored[student.id] != student.score for student in students) else 0


def _tell_demo(folder: Path, assignment: str, students: Sequence[Student], scored: Mapping[str, float]) -> None:
    from nnkit.grading import course
    from nnkit.grading.answers import read_answers
    from nnkit.grading.demo_class import answers_file

    by_tests, by_hand = course.full_marks(folder, assignment)
    print(f"\n{_demo_table(students, scored, by_tests)}\n")
    agreeing = sum(scored[student.id] == student.score for student in students)
    print(f"{agreeing} of {len(students)} scores are what was planted.")
    print(f"Full marks are {by_tests + by_hand:g} points: {by_tests:g} by tests, {by_hand:g} by hand.")
    mistakes = {(a.cell, a.label) for a in read_answers(answers_file(folder, assignment)) if a.kind == "mistake"}
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


def _demo_table(students: Sequence[Student], scored: Mapping[str, float], most: float) -> str:
    """A row a student: what was planted, the score that follows from it, and the score of the grader."""
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
    """The command that opens JupyterLab on a course folder, from wherever it is typed."""
    jupyter = Path(sys.executable).with_name("jupyter")
    lab = [str(jupyter) if jupyter.exists() else "jupyter", "lab"]
    lab += ["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    return f"cd {shlex.quote(str(folder))} && {shlex.join(lab)}"


def _write_feedback(folder: Path, assignment: str, students: list[str]) -> list[str]:
    from tqdm import tqdm

    from nnkit.grading import course

    failures = []
    pages = course.feedback(folder, assignment, students)
    for student, fault in tqdm(pages, "feedback", len(students), unit="page", disable=None):
        if fault:
            failures.append(f"{student}: {fault}")
    return failures


def hub(args: argparse.Namespace) -> int:
    """run a JupyterHub with a demo class on this machine: a TA, three learners, ps1 released; all in build/hub"""
    from nnkit.hub.demo.run import run

    return run(args.course.resolve(), args.folder or args.course / "build" / "hub", args.port)


def parser() -> argparse.ArgumentParser:
    """The command line, a sub-command for each verb."""
    top = argparse.ArgumentParser(prog="nnkit", description="Learn backpropagation by writing it.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_check(verbs)
    _add_autograde(verbs)
    _add_report(verbs)
    _add_hub(verbs)
    _add_receipt(verbs)
    for verb in (doctor, release, bundle, demo_class, demo):
        sub = verbs.add_parser(verb.__name__.replace("_", "-"), help=verb.__doc__, description=verb.__doc__)
        sub.set_defaults(run=verb)
        sub.add_argument("--course", type=Path, default=Path(), help="the course folder (default: this one)")
        if verb is bundle:
            sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: build/nnkit-course.zip")
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


def _add_autograde(verbs: Any) -> None:
    sub = verbs.add_parser("autograde", help=autograde.__doc__, description=autograde.__doc__)
    sub.set_defaults(run=autograde)
    sub.add_argument("assignment")
    sub.add_argument("--student", action="append", metavar="ID", help="only this one, or a pattern; may come again")
    sub.add_argument("-j", "--jobs", type=_at_least_one, metavar="N", help="at a time (default: one a core)")
    sub.add_argument("--scheduler", default="", metavar="ADDRESS", help="grade on the Dask cluster of this scheduler")
    sub.add_argument("--db", default="", metavar="URL", help="the gradebook (default: as in nbgrader_config.py)")
    kinds = ("auto", "bwrap", "kernel", "none")
    sub.add_argument("--sandbox", choices=kinds, default="auto", help="default: the strongest that works here")
    sub.add_argument("--regrade", action="store_true", help="grade again what the same tests have graded before")
    sub.add_argument("--seed", type=int, help="of the tests' random numbers (default: that of the last run)")
    sub.add_argument("--course", type=Path, default=Path(), help="the course folder (default: this one)")


def _add_report(verbs: Any) -> None:
    sub = verbs.add_parser("report", help=report.__doc__, description=report.__doc__)
    sub.set_defaults(run=report)
    sub.add_argument("assignment")
    sub.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: report/ASSIGNMENT in the course")
    sub.add_argument("--db", default="", metavar="URL", help="the gradebook (default: as in nbgrader_config.py)")
    sub.add_argument("--course", type=Path, default=Path(), help="the course folder (default: this one)")


def _add_hub(verbs: Any) -> None:
    sub = verbs.add_parser("hub", help=hub.__doc__, description=hub.__doc__)
    sub.set_defaults(run=hub)
    sub.add_argument("--port", type=int, default=8000, help="where it answers, to this machine only (default: 8000)")
    sub.add_argument("--folder", type=Path, help="where the hub keeps everything (default: build/hub)")
    sub.add_argument("--course", type=Path, default=Path(), help="the course folder (default: this one)")


def _add_receipt(verbs: Any) -> None:
    sub = verbs.add_parser("receipt", help=receipt.__doc__, description=receipt.__doc__)
    sub.set_defaults(run=receipt)
    sub.add_argument("receipt", type=Path, metavar="FILE", help="as receipts/TIME/receipt.json beside your work")
    sub.add_argument("--files", type=Path, metavar="FOLDER", help="what to compare (default: what is beside it)")
    sub.add_argument("--key", default="", help="the exchange's public key (default: asked of the exchange)")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; a fault that a user can mend is told in one line."""
    args = parser().parse_args(argv)
    atexit.register(gc.freeze)  # else Python looks for garbage in all of nbgrader before it ends, for half a second
    try:
        code: int = args.run(args)
        return code
    except (FileNotFoundError, ValueError, RuntimeError) as fault:
        print(f"nnkit: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nnkit: interrupted.", file=sys.stderr)
        return 130
    except ModuleNotFoundError as missing:
        print(f"nnkit: {_told_missing(str(missing.name))}", file=sys.stderr)
        return 2


def _told_missing(name: str) -> str:
    if name.startswith("nnkit."):
        return "this is the course as learners get it: the tools of authors and graders are not in it."
    extras = {"distributed": "cluster", "psycopg": "postgres", "jupyterhub": "hub", "cryptography": "hub"}
    extra = extras.get(name, "grading")
    return f"{name} is not installed: pip install 'nnkit[{extra}]'"


if __name__ == "__main__":
    sys.exit(main())
