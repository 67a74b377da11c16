"""Learners' text, made safe for files, databases and one-line sentences."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from typing import Any

from nnkit.language import say

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that a file in UTF-8 or a PostgreSQL text cannot hold: null, and lone surrogates."""


def replace_unstorable(text: str) -> str:
    """Replace the characters that a file or a database cannot hold by U+FFFD."""
    return UNSTORABLE.sub("\ufffd", text) if UNSTORABLE.search(text) else text


def quote_value(value: Any) -> str:
    """Format a learner's value for a sentence: at most 60 characters, in ASCII."""
    return reprlib.repr(value).encode("ascii", "backslashreplace").decode()[:60]


def list_values(values: Sequence[Any], most: int) -> str:
    """Format learners' values for a sentence: at most so many of them, and the number of the others."""
    listed = ", ".join(map(quote_value, values[:most]))
    return (
        listed if len(values) <= most else say("{listed} and {number} more", listed=listed, number=len(values) - most)
    )
