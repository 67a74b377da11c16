"""Text streams that pass on a bounded number of characters."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class OutputBudget:
    """The characters that one or more streams may pass on together."""

    max_chars: int
    written: int = 0
    """Characters written so far, those that were dropped included."""


class BoundedStream(io.TextIOBase):
    """A text stream that hands the first characters to `sink` and drops the rest; `notice` follows the first loss."""

    def __init__(self, sink: Callable[[str], Any], budget: OutputBudget, notice: str = ""):
        self.sink, self.budget, self.notice = sink, budget, notice

    def write(self, text: str) -> int:
        room = self.budget.max_chars - self.budget.written
        self.budget.written += len(text)
        if room > 0:
            self.sink(text[:room])
        if self.notice and 0 <= room < len(text):
            self.sink(self.notice)
        return len(text)

    def writable(self) -> bool:
        return True


class MutedOutput:
    """Context manager that drops what is printed; a class, for speed: grading makes hundreds of small calls."""

    def __init__(self) -> None:
        self.sink = BoundedStream(lambda text: None, OutputBudget(0))
        self.before: list[tuple[Any, Any]] = []

    def __enter__(self) -> None:
        self.before.append((sys.stdout, sys.stderr))
        sys.stdout = sys.stderr = self.sink

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self.before.pop()
