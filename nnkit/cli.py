"""The `nnkit` command. The verbs `check` and `doctor` are here; other packages add theirs by entry points.

A package with verbs of its own declares a function in the entry point group `nnkit.commands`. The function is given
the object that `argparse`'s `add_subparsers` returns, and calls `add_verb` for each verb, with a function that takes
the parsed arguments and returns an exit status.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnkit.plugins import VERBS_ELSEWHERE, describe_missing_verb, find_install_command, load_plugins

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
"""Module → distribution, with its extra, that installs it; all others come with nnkit[learn]."""


def doctor(args: argparse.Namespace) -> int:
    """Show what works on this machine, and a command that fixes what does not."""
    from nnkit import doctor

    print(doctor.report(doctor.examine()))
    return 0


def check(args: argparse.Namespace) -> int:
    """Run the visible tests of an assignment notebook and show which exercises pass."""
    import json

    from nnkit.check.notebook import command

    report = command.check_notebook(args.notebook, args.time_limit)
    chosen = [report.find(args.exercise)] if args.exercise else report.visible
    print(json.dumps(report.to_dict(), indent=1) if args.json else command.summary(report, args.exercise))
    return 0 if all(result.passed or result.status == "when graded" for result in chosen) else 1


def build_parser() -> tuple[argparse.ArgumentParser, set[str]]:
    """Return the parser of the command line and its verbs: those of all installed packages.

    A package that cannot be imported is named on stderr and left out.
    """
    top = argparse.ArgumentParser(prog="nnkit", description="Learn backpropagation by writing it.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_check(verbs)
    add_verb(verbs, doctor)
    functions, errors = load_plugins()
    for add_commands in functions.values():
        add_commands(verbs)
    for distribution, error in errors.items():
        fix = find_install_command(distribution)
        print(f"nnkit: the commands of {distribution} are left out ({error}): {fix}", file=sys.stderr)
    return top, set(verbs.choices)


def add_verb(verbs: Any, run: Any, name: str = "") -> argparse.ArgumentParser:
    """Add a verb and return its parser. Its name is that of `run` unless given, its help the docstring of `run`."""
    verb, words = name or run.__name__.replace("_", "-"), run.__doc__.rstrip(".")
    sub: argparse.ArgumentParser = verbs.add_parser(
        verb, help=words[0].lower() + words[1:], description=f"{words[0].upper()}{words[1:]}."
    )
    sub.set_defaults(run=run)
    return sub


def add_course(sub: argparse.ArgumentParser) -> None:
    """Add the option that names the course folder."""
    sub.add_argument("--course", type=Path, default=Path(), help="course folder (default: the current one)")


def _add_check(verbs: Any) -> None:
    sub = add_verb(verbs, check)
    sub.add_argument("notebook", type=Path, help="your copy of an assignment (a file that ends in .ipynb)")
    sub.add_argument("--exercise", metavar="ID", help="show this exercise in full, for example: --exercise multiply")
    sub.add_argument("--json", action="store_true", help="print the report as JSON")
    sub.add_argument(
        "--time-limit", type=float, default=30.0, metavar="SECONDS", help="time limit for each cell (default: 30)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. An error that the user can fix prints one line on stderr and returns exit status 2."""
    words = sys.argv[1:] if argv is None else list(argv)
    parser, verbs = build_parser()
    if words and words[0] not in verbs and words[0] in VERBS_ELSEWHERE:
        print(f"nnkit: {describe_missing_verb(words[0])}", file=sys.stderr)
        return 2
    args = parser.parse_args(words)
    atexit.register(gc.freeze)  # else collecting all of nbgrader at exit takes half a second
    try:
        code: int = args.run(args)
        return code
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        print(f"nnkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nnkit: interrupted.", file=sys.stderr)
        return 130
    except ModuleNotFoundError as missing_module:
        name = str(missing_module.name)
        wanted = DISTRIBUTIONS.get(name.partition(".")[0], "nnkit[learn]")
        print(f"nnkit: {name} is not installed: {find_install_command(wanted)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
