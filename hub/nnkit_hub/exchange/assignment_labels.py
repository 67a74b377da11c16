"""Due dates and tries in words, and the labels with which Assignment List shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnkit.language import say, say_count

SEPARATOR = "\N{EM SPACE}"
"""Character between a name and what is said about it. No name contains it (`archive.require_name`)."""


def describe_dates(entry: Mapping[str, Any]) -> list[str]:
    """Return in words when a released assignment is due, and how often it can be handed in still."""
    due = [say("due {due} UTC", due=entry["due"][:16])] if entry.get("due") else []
    left = entry.get("left")
    return due if left is None else [*due, say_count("{number} try left", "{number} tries left", left)]


def format_label(entry: Mapping[str, Any]) -> str:
    """Return an assignment's name with due date and tries left, as Assignment List shows it."""
    return SEPARATOR.join(filter(None, [entry["assignment_id"], ", ".join(describe_dates(entry))]))


def parse_label(label: str) -> str:
    """Return the name of the assignment that has this label."""
    return label.partition(SEPARATOR)[0]
