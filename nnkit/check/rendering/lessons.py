"""Lessons that come later: a verdict may point to a lecture that a learner has not had."""

from __future__ import annotations

import math
import re

from nnkit.language import say

_lecture: float = math.inf


def set_lecture(number: float) -> None:
    """Mark the lessons of later lectures from now on, in all verdicts of this process: "lecture 03, ... (comes later)".

    The first cell of an assignment calls it with the number of its last lecture.
    """
    global _lecture
    _lecture = number


def mark_later(lesson: str) -> str:
    """Return a lesson in the reader's language, marked if its lecture is after the one that was set."""
    found = re.match(r"lecture (\d+)", lesson)
    translated = say(lesson)
    return say("{lesson} (comes later)", lesson=translated) if found and int(found[1]) > _lecture else translated
