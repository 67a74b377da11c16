"""The marks that git and nbdime leave in a text where two versions are in conflict."""

from __future__ import annotations

import re
from collections.abc import Callable

CONFLICT = re.compile("^<<<<<<< ", re.MULTILINE)
SIDES = {"<<<<<<<": "ours", "|||||||": "base", "=======": "theirs", ">>>>>>>": ""}
"""First characters of a line with a mark, and the side of the conflict that begins there."""


def has_conflict(text: str) -> bool:
    """Return True if a text has such marks."""
    return bool(CONFLICT.search(text))


def resolve_conflicts(text: str, is_good: Callable[[str], bool]) -> str:
    """Return the text with one version of each conflict: the first, or the second if only that is good."""
    ours, theirs = _take_side(text, "ours"), _take_side(text, "theirs")
    return theirs if is_good(theirs) and not is_good(ours) else ours


def _take_side(text: str, wanted: str) -> str:
    kept: list[str] = []
    side = ""
    for line in text.split("\n"):
        if line.startswith("<<<<<<<") or (side and line[:7] in SIDES):
            side = SIDES[line[:7]]
        elif side in ("", wanted):
            kept.append(line)
    return "\n".join(kept)
