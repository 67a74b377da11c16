"""Cells of the course that are not Python, found before anything runs, with their line."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from nnkit.check.notebook.code_text import PYTHON_MAGICS, parse_code


def describe_syntax_error(source: str, allow_await: bool = True) -> str:
    """Return where a cell is not Python and why, as "line 3: invalid syntax"; "" if it is.

    IPython's magics are ignored, and it allows `await` outside of functions. A test cell runs outside IPython.
    """
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if allow_await else 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(parse_code(source), "<cell>", "exec", flags)
    except SyntaxError as fault:
        return f"line {fault.lineno}: {fault.msg}"
    except (RecursionError, MemoryError):
        return "it is nested too deep"
    except ValueError as fault:  # a null character
        return str(fault)
    return ""


def is_in_another_language(source: str) -> bool:
    """Return whether a cell's first line says that the rest is not plain Python, as `%%bash` does."""
    return source.lstrip().startswith("%%") and not source.lstrip().startswith(PYTHON_MAGICS)


def require_python(kind: str, name: str, source: str, released: str, inside: bool, path: Path) -> None:
    """Raise ValueError, with file, cell and line, for a test or answer that is not Python.

    A test must be Python without its hidden part too: learners run it. An answer may be in another language.
    """
    where = f"{path}, cell {name}"
    if is_in_another_language(source):
        if kind == "test":
            magic = source.split(maxsplit=1)[0]
            raise ValueError(f"{where}: it begins with {magic}, but tests must be Python. Rewrite it.")
        return
    if fault := describe_syntax_error(source, allow_await=inside or kind != "test"):
        raise ValueError(f"{where}: it is not Python ({fault}).")
    if kind == "test" and (fault := describe_syntax_error(released)):
        raise ValueError(
            f"{where}: without its hidden tests, as learners get it, it is not Python ({fault}). Put whole statements "
            "between the markers."
        )
