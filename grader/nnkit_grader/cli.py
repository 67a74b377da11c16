"""The commands that nnkit-grader adds to `nnkit`; each imports what it needs when it is used."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from nnkit.cli import add_course, add_verb, make_number_type
from nnkit.plugins import find_own_command

SANDBOXES = ("auto", "bwrap", "kernel", "container", "none")


def add_commands(verbs: Any) -> None:
    """Add a parser for each command."""
    _add_autograde(add_verb(verbs, autograde))
    _add_report(add_verb(verbs, report))
    add_verb(verbs, init_course).add_argument("folder", type=Path, help="the new course's folder")
    add_course(add_verb(verbs, release))
    _add_verify(add_verb(verbs, verify))
    _add_bundle(add_verb(verbs, bundle))
    _add_translate(add_verb(verbs, translate))
    _add_class(add_verb(verbs, demo_class))
    _add_class(add_verb(verbs, demo), "ps1")


def autograde(args: argparse.Namespace) -> int:
    """grade all submissions of an assignment, each in a sandbox, into nbgrader's gradebook"""
    from nnkit_grader import autograde, run

    students = tuple(args.student or ("*",))
    request = run.GradingRequest(
        args.assignment, students, args.jobs, args.scheduler, args.sandbox, args.regrade, args.seed, args.memo
    )
    return autograde.autograde(request, args.course, args.db)


def report(args: argparse.Namespace) -> int:
    """write a web page and CSV files on how a class did: scores, mistakes, and what needs review"""
    from nnkit.language import say
    from nnkit_grader.report import write_overview, write_report

    if args.assignment:
        path = write_report(args.course, args.assignment, args.output, args.db, args.beside)
    else:
        path = write_overview(args.course, args.output, args.db, args.beside)
    print(say("wrote {path}, and CSV files beside it", path=path))
    return 0


def init_course(args: argparse.Namespace) -> int:
    """make a new course folder: configuration, a first assignment, planted answers, a README"""
    from nnkit_grader.course.new_course import ASSIGNMENT, make_course

    for name in make_course(args.folder):
        print(f"wrote {args.folder / name}")
    print(f"Go on with: cd {shlex.quote(str(args.folder))} && {find_own_command()} verify {ASSIGNMENT}")
    return 0


def release(args: argparse.Namespace) -> int:
    """write what learners get anew from what instructors write (here: assignments/ from solutions/)"""
    from nnkit_grader.course.layout import CourseLayout
    from nnkit_grader.course.release import list_kept_folders, release_assignments

    into = CourseLayout.from_course(args.course).release_root
    before = list_kept_folders(into)
    names = release_assignments(args.course)
    print(f"released {', '.join(names)} into {into}")
    for folder in list_kept_folders(into)[len(before) :]:
        print(f"files that were there and differ are kept in {folder}")
    return 0


def verify(args: argparse.Namespace) -> int:
    """try assignments before learners get them: solution, release and planted answers, through the real grader"""
    from nnkit_grader.verify import verify

    return verify(args.course, args.assignment, args.sandbox)


def bundle(args: argparse.Namespace) -> int:
    """write the zip that learners get: lectures, assignments and nnkit, without answers and hidden tests"""
    from nnkit_grader.course.bundle import write_bundle

    to = args.output or args.course / "build" / "nnkit-course.zip"
    names = write_bundle(args.course, to)
    print(f"wrote {to}: {len(names)} files, {to.stat().st_size / 1e6:.1f} MB")
    return 0


def translate(args: argparse.Namespace) -> int:
    """bring a language's catalogues up to date, and build the course in that language into build/LANGUAGE"""
    from nnkit_grader.translation import translated_course as course

    language = course.Language.from_course(args.course, args.language)
    catalogues = course.merge_catalogues(args.course, language.code)
    faults = [*course.list_drift(catalogues), *course.list_faults(catalogues, language)]
    for line in faults:
        print(line)
    print("{}: {} of {} passages are translated".format(language.code, *course.count_passages(catalogues)))
    if args.check:
        return 1 if faults else 0
    course.write_catalogues(args.course, language.code, catalogues)
    course.write_published(args.course, language, catalogues)
    print(f"wrote {course.build_course(args.course, language, catalogues)}")
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
        "-j", "--jobs", type=make_number_type(1), metavar="N", help="submissions at a time (default: one per core)"
    )
    sub.add_argument("--scheduler", default="", metavar="ADDRESS", help="grade on the Dask cluster of this scheduler")
    _add_gradebook(sub)
    _add_sandbox(sub)
    sub.add_argument("--regrade", action="store_true", help="grade again what the same tests have graded before")
    sub.add_argument(
        "--seed", type=make_number_type(0), help="seed of the tests' random numbers (default: the last run's)"
    )
    sub.add_argument(
        "--memo",
        action="store_true",
        help="judge replies that are equal to the last bit once for the class, not for each submission",
    )
    add_course(sub)


def _add_report(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("assignment", nargs="?", default="", help="default: one page on all of them")
    sub.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: report/ASSIGNMENT in the course")
    sub.add_argument("--beside", type=Path, metavar="COURSE", help="another year's course folder, to compare with")
    _add_gradebook(sub)
    add_course(sub)


def _add_verify(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("assignment", nargs="*", help="default: all")
    _add_sandbox(sub)
    add_course(sub)


def _add_bundle(sub: argparse.ArgumentParser) -> None:
    add_course(sub)
    sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: build/nnkit-course.zip")


def _add_translate(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("language", help='its code, as a folder in translations/ has it: "ko"')
    sub.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something has to be done")
    add_course(sub)


def _add_class(sub: argparse.ArgumentParser, assignment: str = "") -> None:
    add_course(sub)
    if assignment:
        sub.add_argument("assignment", nargs="?", default=assignment, help=f"default: {assignment}")
    else:
        sub.add_argument("assignment")
    sub.add_argument(
        *("-n", "--number"),
        type=make_number_type(1),
        help="number of submissions (default: 30, or enough for every planted mistake)",
    )
    sub.add_argument(
        "--seed", type=make_number_type(0), default=0, help="the same seed gives the same class (default: 0)"
    )


def _add_gradebook(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--db", default="", metavar="URL", help="the gradebook (default: as in nbgrader_config.py)")


def _add_sandbox(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--sandbox", choices=SANDBOXES, default="auto", help="default: the strongest that works here")
