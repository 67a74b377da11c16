"""Text of unknown origin, made safe to show; each character's safety is judged by Unicode's own tables."""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

import pytest

from nnkit.text import REPLACEMENT, format_count, join_lines, replace_unprintable

DIRECTIONS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def is_safe(character: str) -> bool:
    if character in "\t\n":
        return True
    is_control = unicodedata.category(character) in ("Cc", "Cs")
    return not (is_control or unicodedata.bidirectional(character) in DIRECTIONS or character in "\ufffe\uffff")


def test_exactly_the_unsafe_characters_are_replaced() -> None:
    for code in range(0x10000):
        character = chr(code)
        assert replace_unprintable(character) == (character if is_safe(character) else REPLACEMENT), hex(code)
    assert replace_unprintable("🙂\U0010ffff") == "🙂\U0010ffff"


def test_what_is_left_can_be_parsed_as_xml() -> None:
    text = replace_unprintable("".join(chr(code) for code in range(0x10000) if chr(code) not in "<&"))
    assert ElementTree.fromstring(f"<a>{text}</a>").text == text
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("a\r\nb", "a\nb"), ("a\rb", "a\ufffdb"), ("\x1b[31mred", "\ufffd[31mred"), ("\u202egnp", "\ufffdgnp")],
)
def test_line_ends_and_escapes(text: str, cleaned: str) -> None:
    assert replace_unprintable(text) == cleaned
    assert replace_unprintable(cleaned) == cleaned


def test_unsafe_characters_can_be_dropped() -> None:
    assert replace_unprintable("a\x00b\ud800c", "") == "abc"


def test_lines_are_joined() -> None:
    assert join_lines("  two\n\t words\r\n\x07") == "two words \ufffd"


def test_counts() -> None:
    assert [format_count(number, "line") for number in (0, 1, 2)] == ["0 lines", "1 line", "2 lines"]
