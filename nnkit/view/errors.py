"""Errors of learners' code, in words."""

from __future__ import annotations

MAX_ERROR_CHARACTERS = 400


def describe_error(error: BaseException) -> str:
    """Return an exception in one line: "ValueError: what it says"."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return line[:MAX_ERROR_CHARACTERS].removesuffix(":")
