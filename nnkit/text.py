"""Small pieces of text: text of unknown origin, made safe for a terminal, XML and HTML, counts and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters but tab and newline, characters that change the direction of text, lone surrogates, and
non-characters. XML forbids most of them; the others can disguise what a text says."""

REPLACEMENT = "\ufffd"


def replace_unprintable(text: str, by: str = REPLACEMENT) -> str:
    """Replace each character that is not safe to show; a Windows line end becomes a newline."""
    return UNPRINTABLE.sub(by, text.replace("\r\n", "\n"))


def join_lines(text: str) -> str:
    """Return the text on one line, safe to show, with single blanks between its words."""
    return " ".join(replace_unprintable(text).split())


def format_count(number: int, noun: str) -> str:
    """Return a count with its noun: "1 line", "3 lines"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def join_words(words: Sequence[str]) -> str:
    """Return words as people list them: "dx", "dx and dw", "dx, dw and db"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
