"""The commands that nnkit-grader adds to `nnkit`; each imports what it needs when it is used."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnkit.cli import add_course, add_verb

SANDBOXES = ("auto", "bwrap", "kernel", "none")


def add_commands(verbs: Any) -> None:
    """Add a parser for each command."""
    _add_autograde(add_verb(verbs, autograde))
    _add_report(add_verb(verbs, report))
    add_course(add_verb(verbs, release))
    _add_bundle(add_verb(verbs, bundle))
    _add_class(add_verb(verbs, demo_class))
    _add_class(add_verb(verbs, demo), "ps1")


def autograde(args: argparse.Namespace) -> int:
    """grade all submissions of an assignment, each in a sandbox, into nbgrader's gradebook"""
    from nnkit_grader import autograde, run

    students = tuple(args.student or ("*",))
    request = run.GradingRequest(
        args.assignment, students, args.jobs, args.scheduler, args.sandbox, args.regrade, args.seed
    )
    return autograde.autograde(request, args.course, args.db)


def report(args: argparse.Namespace) -> int:
    """write a web page and CSV files on how a class did: scores, mistakes, and what needs review"""
    from nnkit_grader.report import write_report

    print(f"wrote {write_report(args.course, args.assignment, args.output, args.db)}, and CSV files beside it")
    return 0


def release(args: argparse.Namespace) -> int:
    """write assignments/ anew from solutions/"""
    from nnkit_grader.course import release

    before = release.list_kept_folders(args.course)
    names = release.release_assignments(args.course)
    print(f"released {', '.join(names)} into {args.course / 'assignments'}")
    for folder in release.list_kept_folders(args.course)[len(before) :]:
        print(f"files that were there and differ are kept in {folder}")
    return 0


def bundle(args: argparse.Namespace) -> int:
    """write the zip that learners get: lectures, assignments and nnkit, without answers and hidden tests"""
    from nnkit_grader.course.bundle import write_bundle

    to = args.output or args.course / "build" / "nnkit-course.zip"
    names = write_bundle(args.course, to)
    print(f"wrote {to}: {len(names)} files, {to.stat().st_size / 1e6:.1f} MB")
    return 0


def demo_class(args: argparse.Namespace) -> int:
    """write a synthetic class of submissions, and a manifest of what was planted in each"""
    from nnkit_grader.course.demo_class import make_class

    students = make_class(args.course, args.assignment, args.number, args.seed)
    print(f"wrote {len(students)} submissions below {args.course / 'submitted'}")
    return 0


def demo(args: argparse.Namespace) -> int:
    """release, make a class, autograde it, write feedback and a report, export the grades: all in build/demo"""
    from nnkit_grader.demo import run_demo

    return run_demo(args.course, args.assignment, args.number, args.seed)


def _add_autograde(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("assignment")
    sub.add_argument("--student", action="append", metavar="ID", help="only this student, or a pattern; repeatable")
    sub.add_argument(
        "-j", "--jobs", type=_at_least_one, metavar="N", help="submissions at a time (default: one per core)"
    )
    sub.add_argument("--scheduler", default="", metavar="ADDRESS", help="grade on the Dask cluster of this scheduler")
    _add_gradebook(sub)
    sub.add_argument("--sandbox", choices=SANDBOXES, default="auto", help="default: the strongest that works here")
    sub.add_argument("--regrade", action="store_true", help="grade again what the same tests have graded before")
    sub.add_argument("--seed", type=int, help="seed of the tests' random numbers (default: the last run's)")
    add_course(sub)


def _add_report(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("assignment")
    sub.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: report/ASSIGNMENT in the course")
    _add_gradebook(sub)
    add_course(sub)


def _add_bundle(sub: argparse.ArgumentParser) -> None:
    add_course(sub)
    sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: build/nnkit-course.zip")


def _add_class(sub: argparse.ArgumentParser, assignment: str = "") -> None:
    add_course(sub)
    if assignment:
        sub.add_argument("assignment", nargs="?", default=assignment, help=f"default: {assignment}")
    else:
        sub.add_argument("assignment")
    sub.add_argument("-n", "--number", type=int, default=30, help="number of submissions (default: 30)")
    sub.add_argument("--seed", type=int, default=0, help="the same seed gives the same class (default: 0)")


def _add_gradebook(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--db", default="", metavar="URL", help="the gradebook (default: as in nbgrader_config.py)")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
