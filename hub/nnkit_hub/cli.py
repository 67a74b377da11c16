"""The verbs that nnkit-hub adds to the `nnkit` command; each imports what it needs when it is used."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnkit.cli import add_course, add_verb, make_number_type
from nnkit.language import say


def add_commands(verbs: Any) -> None:
    """Add a parser for each verb."""
    _add_hub(add_verb(verbs, hub))
    _add_receipt(add_verb(verbs, receipt))
    _add_roster(add_verb(verbs, roster))


def hub(args: argparse.Namespace) -> int:
    """run a JupyterHub with a demo class on this machine: a TA, three learners, ps1 released; all in build/hub"""
    from nnkit_hub.demo.demo_hub import run_demo_hub

    return run_demo_hub(args.course.resolve(), args.folder or args.course / "build" / "hub", args.port)


def receipt(args: argparse.Namespace) -> int:
    """show what a receipt of the exchange proves: who handed in which files when, and whether these files match"""
    from nnkit_hub.exchange import receipts

    if args.fetch:
        return _fetch_receipts(args.fetch, args.receipt)
    if not args.receipt:
        raise ValueError(say("name a receipt, for example receipts/TIME/receipt.json, or --fetch COURSE/ASSIGNMENT."))
    lines, status = receipts.check_receipt(args.receipt, args.files, args.key)
    print("\n".join(lines))
    return status


def roster(args: argparse.Namespace) -> int:
    """check and change who is in the class: on the hub's roster, in the gradebook, in the exchange"""
    from nnkit_hub import roster_commands as commands

    path, user = args.roster, getattr(args, "user", "")
    course_id = getattr(args, "course_id", "") or commands.get_course_id(args.course)
    if args.change == "check":
        lines = commands.check_roster(path, args.course)
    elif args.change == "fill":
        lines = [commands.fill_gradebook(path, args.course)]
    elif args.change == "extend":
        lines = [commands.extend_due_date(args.course, user, args.assignment, args.days, path)]
    elif args.change == "add":
        details = {name: getattr(args, name) for name in commands.DETAILS}
        member = commands.require_member({"course": course_id, "user": user, "role": args.role, **details})
        lines = [commands.add_member(path, member)]
    elif args.change == "drop":
        lines = [commands.drop_member(path, course_id, user)]
    else:
        lines = commands.rename_person(path, user, args.name, args.course, args.exchange, course_id)
    if args.change in ("add", "rename") and args.course and path.exists():
        lines.append(commands.fill_gradebook(path, args.course))
    print("\n".join(lines))
    return 0


def _fetch_receipts(name: str, folder: Path | None) -> int:
    from nnkit_hub.exchange.learner import fetch_receipts

    course, _, assignment = name.partition("/")
    if not assignment:
        raise ValueError(say("say which course and assignment, for example --fetch nnkit/ps1."))
    saved = fetch_receipts(course, assignment, folder or Path.home() / course / assignment)
    print("\n".join(say("wrote {path}", path=path) for path in saved) or say("All your receipts are here already."))
    return 0


def _add_hub(sub: argparse.ArgumentParser) -> None:
    port = make_number_type(1, 65535)
    sub.add_argument("--port", type=port, default=8000, help="port, which only this machine can reach (default: 8000)")
    sub.add_argument("--folder", type=Path, help="folder for all of the hub's files (default: build/hub)")
    add_course(sub)


def _add_receipt(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "receipt",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="for example receipts/TIME/receipt.json next to your work; with --fetch, the folder of your work",
    )
    sub.add_argument(
        "--fetch", default="", metavar="COURSE/ASSIGNMENT", help="get your receipts again, and what you handed in"
    )
    sub.add_argument(
        "--files", type=Path, metavar="FOLDER", help="files to compare (default: those next to the receipt)"
    )
    sub.add_argument("--key", default="", help="the exchange's public key (default: ask the exchange for it)")


def _add_roster(sub: argparse.ArgumentParser) -> None:
    changes = sub.add_subparsers(dest="change", required=True)
    for name, text in ROSTER_CHANGES.items():
        one = changes.add_parser(name, help=text, description=text)
        one.add_argument("--roster", type=Path, default=Path("/etc/nnkit/roster.csv"), help="(default: %(default)s)")
        needed = name in ("fill", "extend")
        one.add_argument("--course", type=Path, required=needed, help="course folder, whose gradebook is changed too")
        if name not in ("check", "fill"):
            one.add_argument("user")
        if name in ("add", "drop", "rename"):
            one.add_argument("--course-id", default="", help="name of the course (default: that of --course, or nnkit)")
        if name == "add":
            one.add_argument("--role", default="learner", help="learner or grader (default: %(default)s)")
            for detail in ("first-name", "last-name", "email", "section", "language"):
                one.add_argument(f"--{detail}", default="")
        if name == "rename":
            one.add_argument("name", help="the new name")
            one.add_argument("--exchange", type=Path, help="the exchange's folder")
        if name == "extend":
            one.add_argument("assignment")
            days = make_number_type(-MAX_EXTENSION_DAYS, MAX_EXTENSION_DAYS, whole=False)
            one.add_argument("--days", type=days, required=True, help="days after the assignment's due date")


MAX_EXTENSION_DAYS = 3650
ROSTER_CHANGES = {
    "check": "check the roster, and with --course whether the gradebook has the same learners",
    "add": "add a person to a course",
    "drop": "remove a person from a course",
    "rename": "give a person another name: roster, gradebook (--course), exchange (--exchange)",
    "extend": "extend an assignment's due date for one learner",
    "fill": "write names, e-mail addresses, sections and languages from the roster into the gradebook",
}
