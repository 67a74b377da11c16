"""The cleaning budget of one submission."""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_CLEANED_CHARACTERS = 3_000_000
MAX_CLEANING_SECONDS = 5.0
"""Computing time of this process."""


class CleaningBudget:
    """Characters and computing time left for cleaning a submission's HTML and Markdown."""

    def __init__(self, characters: int = MAX_CLEANED_CHARACTERS, seconds: float = MAX_CLEANING_SECONDS) -> None:
        self.characters, self.seconds = characters, seconds

    def clean(self, make: Callable[[str], str], text: str) -> str | None:
        """Return `make(text)`, or None if the budget is used up."""
        if self.seconds <= 0 or len(text) > self.characters:
            return None
        began = time.process_time()
        made = make(text)
        self.characters -= len(text)
        self.seconds -= time.process_time() - began
        return made
