"""Packages that add verbs to the `nnkit` command, and the commands that install them."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from nnkit.language import say

COMMANDS_GROUP = "nnkit.commands"

VERBS_ELSEWHERE = {
    **dict.fromkeys(
        ("autograde", "bundle", "demo", "demo-class", "init-course", "release", "report", "translate", "verify"),
        "nnkit-grader",
    ),
    **dict.fromkeys(("hub", "receipt", "roster"), "nnkit-hub"),
}
"""Verb → distribution that adds it, for the message of an installation without it."""

SOURCE_FOLDERS = {"nnkit": (".",), "nnkit-grader": ("./grader",), "nnkit-hub": ("./grader", "./hub")}
"""Distribution → folders of the course to install for it."""


def load_plugins() -> tuple[dict[str, Callable[[Any], None]], dict[str, str]]:
    """Return distribution → function that adds its verbs; and distribution → error, if it cannot be imported."""
    functions, errors = {}, {}
    for plugin in sorted(entry_points(group=COMMANDS_GROUP)):
        distribution = plugin.dist.name if plugin.dist else plugin.value
        try:
            functions[distribution] = plugin.load()
        except (ImportError, AttributeError) as error:
            errors[distribution] = f"{type(error).__name__}: {error}"
    return functions, errors


def find_install_command(wanted: str) -> str:
    """Return the command that installs a distribution (with an extra: "nnkit[learn]").

    In a clone of the course it installs from there. Elsewhere it completes an installation that lacks dependencies:
    nnkit's distributions are on no index.
    """
    distribution, bracket, extra = wanted.partition("[")
    *others, own = _find_sources(distribution) or [wanted]
    if own == wanted:
        return f"pip install {shlex.quote(wanted)}"
    return "pip install " + " ".join(f"-e {shlex.quote(folder)}" for folder in (*others, own + bracket + extra))


def find_own_command() -> str:
    """Return how a shell calls this environment's `nnkit`: by its name where it finds that one, else by its path."""
    own = Path(sys.executable).with_name("nnkit")
    found = shutil.which("nnkit")
    return "nnkit" if not own.exists() or (found and Path(found).parent == own.parent) else shlex.quote(str(own))


def describe_missing_verb(verb: str) -> str:
    """Return a sentence that says how to get a verb of VERBS_ELSEWHERE that is not installed."""
    distribution = VERBS_ELSEWHERE[verb]
    if _find_sources(distribution):
        fix = find_install_command(distribution)
        return say(
            "`nnkit {verb}` is part of {distribution}, which is not installed: {fix}",
            verb=verb,
            distribution=distribution,
            fix=fix,
        )
    if verb == "receipt":
        return say(
            "`nnkit receipt` comes with {distribution}, which is not part of this copy: run it on the hub.",
            distribution=distribution,
        )
    return say(
        "`nnkit {verb}` is for teachers: it comes with {distribution}, which is not part of this copy.",
        verb=verb,
        distribution=distribution,
    )


def _find_sources(distribution: str) -> list[str]:
    """Return the folders to install for a distribution, from the clone we are in or run from; [] without a clone."""
    folders = SOURCE_FOLDERS.get(distribution, ())
    for root in (Path(), Path(__file__).parents[1]):
        wanted = [root / folder / "pyproject.toml" for folder in folders]
        if folders and all(path.is_file() for path in (root / "nnkit" / "plugins.py", *wanted)):
            return list(folders) if root == Path() else [str(path.parent) for path in wanted]
    return []
