"""Syntax trees of learners' cells, parsed without running them."""

from __future__ import annotations

import ast
import warnings

from nnkit.check.notebook.code_text import MAGIC_LINE

MAX_CELL_CHARACTERS = 20_000
"""Longer cells are not parsed: an answer written by hand is much shorter."""


def parse_source(source: str) -> ast.Module | None:
    """Parse a cell, ignoring IPython's magics; return None if it is not Python, too long, or too deep."""
    if len(source) > MAX_CELL_CHARACTERS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a learner's invalid escapes
        for text in (source, MAGIC_LINE.sub(r"\1pass", source)):
            try:
                return ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return None
