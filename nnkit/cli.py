"""The `nnkit` command. Its verbs `check` and `doctor` are here; other packages add theirs by entry points.

A package with verbs of its own declares, in the group `nnkit.commands`, a function that takes what
`argparse`'s `add_subparsers` returns and adds a parser for each verb, with the default `run`: a function from the
parsed arguments to an exit status.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

GROUP = "nnkit.commands"

VERBS_ELSEWHERE = {
    **dict.fromkeys(("autograde", "bundle", "demo", "demo-class", "release", "report"), "nnkit-grader"),
    **dict.fromkeys(("hub", "receipt"), "nnkit-hub"),
}
"""Verb → the distribution that adds it, for the sentence that says what to install."""

DISTRIBUTIONS = {
    "nnkit_grader": "nnkit-grader",
    "nnkit_hub": "nnkit-hub",
    "cryptography": "nnkit-hub",
    "jupyterhub": "nnkit-hub",
    "distributed": "nnkit-grader[cluster]",
    "psycopg": "nnkit-grader[postgres]",
    "msgpack": "nnkit-grader",
    "nbgrader": "nnkit-grader",
}
"""Module → the distribution, with its extra, that brings it; all others come with nnkit[learn]."""


def doctor(args: argparse.Namespace) -> int:
    """show what works on this machine, and the command that fixes what does not"""
    from nnkit import doctor

    print(doctor.report(doctor.examine()))
    return 0


def check(args: argparse.Namespace) -> int:
    """run the visible tests of one assignment notebook, and show exercise by exercise what passes"""
    import json

    from nnkit.check.notebook import command

    report = command.check_notebook(args.notebook, args.time_limit)
    chosen = [report.find(args.exercise)] if args.exercise else report.visible
    print(json.dumps(report.to_dict(), indent=1) if args.json else command.summary(report, args.exercise))
    return 0 if all(result.passed or result.status == "when graded" for result in chosen) else 1


def build_parser() -> argparse.ArgumentParser:
    """Build the command line, a sub-command for each verb of each installed package."""
    top = argparse.ArgumentParser(prog="nnkit", description="Learn backpropagation by writing it.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_check(verbs)
    add_verb(verbs, doctor)
    for plugin in sorted(entry_points(group=GROUP)):
        plugin.load()(verbs)
    return top


def add_verb(verbs: Any, run: Any, name: str = "") -> argparse.ArgumentParser:
    """Add a verb whose help is the docstring of `run`; its name is the function's where none is given."""
    verb = name or run.__name__.replace("_", "-")
    sub: argparse.ArgumentParser = verbs.add_parser(verb, help=run.__doc__, description=run.__doc__)
    sub.set_defaults(run=run)
    return sub


def add_course(sub: argparse.ArgumentParser) -> None:
    """Add the option that names the course folder."""
    sub.add_argument("--course", type=Path, default=Path(), help="the course folder (default: this one)")


def _add_check(verbs: Any) -> None:
    sub = add_verb(verbs, check)
    sub.add_argument("notebook", type=Path, help="your copy of an assignment, a file that ends in .ipynb")
    sub.add_argument("--exercise", metavar="ID", help="show everything about this one, as in --exercise multiply")
    sub.add_argument("--json", action="store_true", help="print the report as JSON, for programs")
    sub.add_argument("--time-limit", type=float, default=30.0, metavar="SECONDS", help="for each cell (default: 30)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. A fault that the user can fix is one line on stderr and exit status 2."""
    words = sys.argv[1:] if argv is None else list(argv)
    parser = build_parser()
    if missing := _missing_verb(parser, words):
        print(f"nnkit: {missing}", file=sys.stderr)
        return 2
    args = parser.parse_args(words)
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
    except ModuleNotFoundError as missing_module:
        name = str(missing_module.name)
        wanted = DISTRIBUTIONS.get(name.partition(".")[0], "nnkit[learn]")
        print(f"nnkit: {name} is not installed: pip install '{wanted}'", file=sys.stderr)
        return 2


def _missing_verb(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """Return the sentence for a verb of a package that is not installed here, else ""."""
    verb = words[0] if words else ""
    if verb not in VERBS_ELSEWHERE or _has_verb(parser, verb):
        return ""
    wanted = VERBS_ELSEWHERE[verb]
    return f"`nnkit {verb}` comes with {wanted}, which is not installed: pip install {wanted}"


def _has_verb(parser: argparse.ArgumentParser, verb: str) -> bool:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return any(verb in (action.choices or ()) for action in actions)


if __name__ == "__main__":
    sys.exit(main())
