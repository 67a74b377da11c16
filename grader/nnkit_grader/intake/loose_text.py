"""Text of the learner's where the course asks for none: comments, strings, edited texts, added cells.

It may be the answer to a question in words whose own cell is blank.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import lru_cache

from nnkit.check.notebook.code_text import OTHER_MAGICS, parse_code
from nnkit_grader.course.assignment import CourseCell
from nnkit_grader.intake.stub_code import is_python

MIN_TEXT_WORDS = 3
"""Words of a text that may be an answer."""
MIN_REMARK_WORDS = 5
"""Words of a comment or a string in code that may be an answer."""
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]{2,}")
"""A word of two letters or more; in Chinese and Japanese, a character."""
PICTURE = re.compile(r"!\[|<img\b", re.IGNORECASE)
COMMENT = re.compile(r"#+(.*)")


def list_released_lines(course: Iterable[CourseCell]) -> frozenset[str]:
    """Return the lines of text that learners got: those of texts, comments and strings."""
    return frozenset[str]().union(*(_list_lines(cell.cell_type, cell.released) for cell in course))


@lru_cache(1000)
def _list_lines(cell_type: str, source: str) -> frozenset[str]:
    pieces = _list_remarks(source) if cell_type == "code" else [source]
    return frozenset(line for piece in pieces for line in _split_lines(piece))


def holds_text(cell_type: str, source: str, released: Set[str]) -> bool:
    """Return True if a cell has text that may answer a question, other than the `released` lines."""
    if cell_type != "code":
        text = "\n".join(_find_new_lines(source, released))
        return bool(PICTURE.search(text)) or _count_words(text) >= MIN_TEXT_WORDS
    pieces = (" ".join(_find_new_lines(piece, released)) for piece in _list_remarks(source))
    return any(_count_words(piece) >= MIN_REMARK_WORDS for piece in pieces)


@lru_cache(1000)
def _list_remarks(source: str) -> list[str]:
    """Return the comments and strings of code; all of it if it is not Python."""
    if OTHER_MAGICS.match(source) or not is_python(source):
        return [source]
    return [*map(_drop_code, _list_comments(source.splitlines())), *_list_strings(parse_code(source))]


def _list_comments(lines: Sequence[str]) -> Iterator[str]:
    """Yield the comments of code, as blocks: those of lines that follow each other belong together."""
    block: list[str] = []
    for line in [*lines, ""]:
        if found := COMMENT.search(line):
            block.append(found[1])
        elif block:
            yield textwrap.dedent("\n".join(block))
            block = []


def _drop_code(comment: str) -> str:
    """Return a comment without code that was commented out."""
    if is_python(comment):
        return ""
    return "\n".join(line for line in comment.splitlines() if not is_python(line.strip()))


def _list_strings(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of each simple statement, together."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
            yield "\n".join(part for part in parts if isinstance(part, str))


def _split_lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def _find_new_lines(text: str, released: Set[str]) -> list[str]:
    return [line for line in _split_lines(text) if line not in released]


def _count_words(text: str) -> int:
    return len(WORD.findall(text))
