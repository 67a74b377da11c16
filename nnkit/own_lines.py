"""The author's own lines among those that an exception passed."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType


@dataclass(frozen=True)
class SourceLine:
    """A line of code: its file, its number, and its text without indentation."""

    filename: str = ""
    number: int = 0
    text: str = ""


def find_own_line(fault: BaseException, is_own: Callable[[FrameType], bool]) -> SourceLine:
    """Return the innermost line that an exception passed in a frame that is the author's own; an empty one where it
    passed none."""
    found = SourceLine()
    for frame, number in traceback.walk_tb(fault.__traceback__):
        if is_own(frame):
            name = frame.f_code.co_filename
            found = SourceLine(name, number, linecache.getline(name, number, frame.f_globals).strip())
    return found
