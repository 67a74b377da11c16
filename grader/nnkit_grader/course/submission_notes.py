"""The files that nbgrader puts beside a submission, and the time of submission in one of them."""

from __future__ import annotations

import re
from pathlib import Path

TIMESTAMP_FILE = "timestamp.txt"
NBGRADER_NOTES = (TIMESTAMP_FILE, "submission_secret.txt")
"""Files beside a submission, which nbgrader expects beside the graded notebook too."""
MAX_TIMESTAMP_BYTES = 200
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?( [\w/+-]{1,40})?", re.ASCII)
"""The form in which nbgrader writes it: "2026-11-24 15:58:23.948203 UTC"."""


def parse_timestamp(content: bytes) -> str | None:
    """Return the time in the content of a timestamp.txt; None if it is malformed. A learner may have written it."""
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    return text if TIMESTAMP.fullmatch(text) else None


def read_timestamp(folder: Path) -> str | None:
    """Return the time in a trusted folder's timestamp.txt; None if it is missing or malformed."""
    try:
        return parse_timestamp((folder / TIMESTAMP_FILE).read_bytes())
    except FileNotFoundError:
        return None


def write_timestamp(folder: Path, time: str) -> None:
    """Write a folder's timestamp.txt."""
    (folder / TIMESTAMP_FILE).write_text(time, encoding="ascii")
