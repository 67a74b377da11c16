"""Text written by learners, made fit for files, databases and one-line sentences."""

from __future__ import annotations

import re
import reprlib
from typing import Any

UNSAFE = re.compile("[\x00\ud800-\udfff]")
"""Characters that neither a file in UTF-8 nor a PostgreSQL text can hold."""


def clean(text: str) -> str:
    """Put a replacement character in place of each that no file or database can hold."""
    return UNSAFE.sub("\ufffd", text) if UNSAFE.search(text) else text


def shown(value: Any) -> str:
    """Return a learner's value for a sentence: at most 60 characters, in ASCII."""
    return reprlib.repr(value).encode("ascii", "backslashreplace").decode()[:60]
