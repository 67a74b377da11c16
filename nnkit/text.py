"""Small pieces of text: text of unknown origin, made safe for a terminal, XML and HTML, counts and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from unicodedata import east_asian_width

from nnkit.language import say

UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters but tab and newline, characters that change the direction of text, lone surrogates, and
non-characters. XML forbids most of them; the others can disguise what a text says."""

REPLACEMENT = "\ufffd"

_SCRIPT = re.compile(r"<(/?)script(?![\w-])[^<>]*>?", re.IGNORECASE)


def replace_unprintable(text: str, by: str = REPLACEMENT) -> str:
    """Replace each character that is not safe to show; a Windows line end becomes a newline."""
    return UNPRINTABLE.sub(by, text.replace("\r\n", "\n"))


def drop_scripts(html: str) -> str:
    """Return HTML without its scripts, and without what follows one that does not end. Takes linear time."""
    kept, start, inside = [], 0, False
    for tag in _SCRIPT.finditer(html):
        if not inside:
            kept.append(html[start : tag.start()])
        inside, start = not tag[1], tag.end()
    return "".join(kept) + ("" if inside else html[start:])


def join_lines(text: str) -> str:
    """Return the text on one line, safe to show, with single blanks between its words."""
    return " ".join(replace_unprintable(text).split())


def measure_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: a Korean or Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def pad(text: str, width: int) -> str:
    """Return a text with blanks behind it, so that it takes `width` columns of a terminal."""
    return text + " " * (width - measure_width(text))


def format_count(number: int, noun: str) -> str:
    """Return a count with its noun: "1 line", "3 lines"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def join_words(words: Sequence[str]) -> str:
    """Return words as people list them: "dx", "dx and dw", "dx, dw and db"."""
    return words[0] if len(words) == 1 else say("{first} and {last}", first=", ".join(words[:-1]), last=words[-1])


def join_ands(words: Sequence[str]) -> str:
    """Return words with "and" between each two: "dx and dw and db"; "" if there are none."""
    return reduce(lambda first, last: say("{first} and {last}", first=first, last=last), words) if words else ""
