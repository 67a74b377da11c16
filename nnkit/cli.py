"""The `nnkit` command. Its verbs `check`, `start`, `lab` and `doctor` are here; others come by entry points.

A package with verbs of its own declares a function in the entry point group `nnkit.commands`. The function is given
the object that `argparse`'s `add_subparsers` returns, and calls `add_verb` for each verb, with a function that takes
the parsed arguments and returns an exit status.
"""

from __future__ import annotations

import argparse
import atexit
import codecs
import gc
import math
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import nnkit
from nnkit.language import choose_language, say, speaking, to_say
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
UNIX_MODULES = ("fcntl", "resource")
"""Modules that come with Python, but not on Windows."""


PLAIN = {"✓": "+", "✗": "x", "○": "o", "−": "-", "×": "x", "·": "*", "→": "->", "≥": ">=", "≤": "<=", "…": "..."}
"""Characters of messages, as they are written in an encoding that lacks them."""
REASONS = (
    *(to_say("no such file or directory"), to_say("permission denied"), to_say("is a directory")),
    *(to_say("not a directory"), to_say("no space left on device"), to_say("read-only file system")),
)
"""Errors of the system that a wrong argument often meets."""


def doctor(args: argparse.Namespace) -> int:
    """Show what works on this machine, and a command that fixes what does not."""
    from nnkit import doctor

    print(doctor.report(doctor.examine()))
    return 0


def check(args: argparse.Namespace) -> int:
    """Run the visible tests of an assignment notebook and show which exercises pass."""
    import json

    from nnkit.check.notebook import cells, command

    with speaking(choose_language(cells.load_notebook(args.notebook).get("metadata", {}))):
        report = command.check_notebook(args.notebook, args.time_limit)
        chosen = [report.find(args.exercise)] if args.exercise else report.visible
        print(json.dumps(report.to_dict(), indent=1) if args.json else command.summary(report, args.exercise))
    return 0 if all(result.passed or result.status == "when graded" for result in chosen) else 1


def start(args: argparse.Namespace) -> int:
    """Lay the lectures and assignments into a folder; files that are there stay as they are."""
    from nnkit import course_folder

    started = course_folder.start_course(args.folder, f"nnkit[learn] @ {args.colab}" if args.colab else "")
    print(course_folder.describe_start(args.folder, started))
    return 0


def lab(args: argparse.Namespace) -> int:
    """Open JupyterLab on the first lecture of a folder made by `nnkit start`."""
    from nnkit import course_folder

    return course_folder.open_lab(args.folder)


def build_parser() -> tuple[argparse.ArgumentParser, set[str]]:
    """Return the parser of the command line and its verbs: those of all installed packages.

    A package that cannot be imported is named on stderr and left out.
    """
    top = argparse.ArgumentParser(prog="nnkit", description="Learn backpropagation by writing it.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    top.add_argument("--version", action="version", version=f"nnkit {nnkit.__version__}")
    _add_check(verbs)
    _add_start(verbs)
    add_verb(verbs, lab).add_argument("folder", type=Path, nargs="?", default=Path(), help="default: the current one")
    add_verb(verbs, doctor)
    functions, errors = load_plugins()
    for add_commands in functions.values():
        add_commands(verbs)
    for distribution, error in errors.items():
        fix = find_install_command(distribution)
        print(
            say(
                "nnkit: the commands of {distribution} are left out ({error}): {fix}",
                distribution=distribution,
                error=error,
                fix=fix,
            ),
            file=sys.stderr,
        )
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


def make_number_type(lowest: float, highest: float = math.inf, whole: bool = True) -> Callable[[str], float]:
    """Return a type for an option of `argparse`: a number in these bounds, which is whole or finite."""
    bounds = say("of at least {lowest:g}", lowest=lowest)
    if highest < math.inf:
        bounds = say("from {lowest:g} to {highest:g}", lowest=lowest, highest=highest)

    def parse_number(text: str) -> float:
        try:
            number = int(text) if whole else float(text)
        except ValueError:
            number = math.nan
        if not (lowest <= number <= highest and number < math.inf):
            raise argparse.ArgumentTypeError(
                say("{text!r} is not a whole number {bounds}", text=text, bounds=bounds)
                if whole
                else say("{text!r} is not a number {bounds}", text=text, bounds=bounds)
            )
        return number

    return parse_number


def _add_check(verbs: Any) -> None:
    sub = add_verb(verbs, check)
    sub.add_argument("notebook", type=Path, help="your copy of an assignment (a file that ends in .ipynb)")
    sub.add_argument("--exercise", metavar="ID", help="show this exercise in full, for example: --exercise multiply")
    sub.add_argument("--json", action="store_true", help="print the report as JSON")
    sub.add_argument(
        "--time-limit", type=float, default=30.0, metavar="SECONDS", help="time limit for each cell (default: 30)"
    )


def _add_start(verbs: Any) -> None:
    sub = add_verb(verbs, start)
    sub.add_argument("folder", type=Path, help="the folder, which is made if it does not exist")
    sub.add_argument(
        "--colab",
        default="",
        metavar="ADDRESS",
        help="begin each notebook with a cell that installs nnkit where it is missing, from this address "
        "(of a wheel, or git+https://… of a repository)",
    )


def _replace_letters(error: UnicodeError) -> tuple[str, int]:
    """Return plain letters for those that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def _describe(error: Exception) -> str:
    """Return what an error says; of one of the system's, the file and the reason, without its number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {say(f'{error.strerror[0].lower()}{error.strerror[1:]}')}."
    return str(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. An error that the user can fix prints one line on stderr and returns exit status 2."""
    words = sys.argv[1:] if argv is None else list(argv)
    codecs.register_error("nnkit.plain", _replace_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="nnkit.plain")  # a pipe on Windows has a code page, without ✓
    parser, verbs = build_parser()
    if words and words[0] not in verbs and words[0] in VERBS_ELSEWHERE:
        print(f"nnkit: {describe_missing_verb(words[0])}", file=sys.stderr)
        return 2
    args = parser.parse_args(words)
    atexit.register(gc.freeze)  # else collecting all of nbgrader at exit takes half a second
    try:
        code: int = args.run(args)
        return code
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and not (error.filename or isinstance(error, FileNotFoundError)):
            raise
        print(f"nnkit: {_describe(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(say("nnkit: interrupted."), file=sys.stderr)
        return 130
    except ModuleNotFoundError as missing_module:
        name = str(missing_module.name)
        if name in UNIX_MODULES:
            print(
                say("nnkit: this works on Linux and macOS; on Windows, run it in WSL 2 (wsl --install)."),
                file=sys.stderr,
            )
            return 2
        wanted = DISTRIBUTIONS.get(name.partition(".")[0], "nnkit[learn]")
        print(
            say("nnkit: {name} is not installed: {fix}", name=name, fix=find_install_command(wanted)), file=sys.stderr
        )
        return 2


if __name__ == "__main__":
    sys.exit(main())
