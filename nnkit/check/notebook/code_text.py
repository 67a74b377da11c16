"""The code of a cell as Python's syntax tree, without what only IPython understands."""

from __future__ import annotations

import ast
import re

MAX_SEARCHED_CHARACTERS = 100_000
"""Characters of a cell in which names and stubs are looked for."""
MAGIC_LINE = re.compile(r"^([ \t]*)(?:[%!?]|[\w.]+\?{1,2}[ \t]*$).*$", re.MULTILINE)
"""A line for IPython: a magic, a shell command, or help."""
OTHER_MAGICS = re.compile(
    r"\s*%%(?:writefile|file|html|HTML|javascript|js|latex|markdown|svg|SVG|bash|sh|script|system|sx|cmd|perl|ruby"
    r"|pypy|python[23]?)\b"
)
"""The start of a cell whose lines do not run among the notebook's names: a file, text, another program."""
PYTHON_MAGICS = ("%%capture", "%%prun", "%%time", "%%timeit")
"""Magics in a cell's first line below which there is plain Python."""


def parse_code(source: str) -> ast.Module:
    """Parse a cell without IPython's magics. Raises SyntaxError if it is not Python.

    A cell that only writes a file, or is another program, has no statements.
    """
    if OTHER_MAGICS.match(source):
        return ast.Module([], [])
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse(MAGIC_LINE.sub(r"\1pass", source))
