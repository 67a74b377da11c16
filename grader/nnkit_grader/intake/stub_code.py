"""Stubs in learners' code: what the release left to be filled in, and what a forgotten stub has put out of action.

A stub binds names and does nothing else: a class or function that is empty, or that raises NotImplementedError.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from nnkit.check.notebook.code_text import MAX_SEARCHED_CHARACTERS, parse_code
from nnkit_grader.course.bound_names import find_bound_names

STUB_ERROR = "NotImplementedError"
"""The exception that a stub raises."""
FENCED_CODE = re.compile(r"^(```|~~~)[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@lru_cache(5000)
def is_stub(source: str, released: str = "") -> bool:
    """Return True for code that does nothing: blank, made of stubs, or `released` but for comments and docstrings."""
    tree = _parse_searchable(source)
    if tree is None:
        return False
    if all(map(_does_nothing, tree.body)):
        return True
    return bool(released) and _dump_code(source) == _dump_code(released) is not None


def is_python(source: str) -> bool:
    """Return True for code that can be searched for stubs."""
    return _parse_searchable(source) is not None


@lru_cache(5000)
def find_imported_names(source: str) -> frozenset[str]:
    """Return the names that a cell imports from modules, "*" among them; none if it is not Python."""
    tree = _parse_searchable(source)
    nodes = ast.walk(tree) if tree is not None else ()
    imports = (node for node in nodes if isinstance(node, ast.ImportFrom))
    return frozenset(alias.asname or alias.name for node in imports for alias in node.names)


@lru_cache(5000)
def find_implemented_names(source: str) -> frozenset[str]:
    """Return the names that a cell defines, other than by an import or a stub; none if it is not Python."""
    tree = _parse_searchable(source)
    if tree is None:
        return frozenset()
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    imported = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    definitions = [node for node in tree.body if isinstance(node, Definition)]
    done = {node.name for node in definitions if not _does_nothing(node)}
    return find_bound_names(source) - imported - ({node.name for node in definitions} - done)


def remove_forgotten_stubs(source: str) -> str:
    """Return the code without stubs that put it out of action; the line numbers stay.

    Those are `raise NotImplementedError` with more code below it, and the stub of a class, function or method that is
    defined above it.
    """
    tree = _parse_searchable(source)
    if tree is None:
        return source
    lines = re.split(r"\r\n|\r|\n", source)
    for block in _find_blocks(tree):
        for stub in _find_forgotten(block):
            first, last = stub.lineno, stub.end_lineno or stub.lineno
            if not any(other is not stub and _shares_lines(other, first, last) for other in block):
                lines[first - 1 : last] = [" " * stub.col_offset + "pass", *[""] * (last - first)]
    return "\n".join(lines)


def read_code(cell_type: str, source: str) -> str:
    """Return the code in a cell: of text the fenced blocks, or all of it if there are none."""
    blocks = [found[2] for found in FENCED_CODE.finditer(source)] if cell_type != "code" else []
    return "\n".join(blocks) if blocks else source


def _parse_searchable(source: str) -> ast.Module | None:
    """Return the syntax tree; None if the source is not Python, too long, or nested too deep."""
    if len(source) > MAX_SEARCHED_CHARACTERS:
        return None
    try:
        return parse_code(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(5000)
def _dump_code(source: str) -> str | None:
    """Return the code without comments and docstrings; None if it cannot be searched."""
    tree = _parse_searchable(source)
    if tree is None:
        return None
    for block in _find_blocks(tree):
        block[:] = [statement for statement in block if not _is_constant(statement)]
    try:
        return ast.dump(tree)
    except RecursionError:
        return None


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, Definition):
        inherits = isinstance(statement, ast.ClassDef) and bool(statement.bases)
        methods = any(isinstance(part, Definition) for part in statement.body)
        return (methods or not inherits) and all(map(_does_nothing, statement.body))
    return isinstance(statement, ast.Pass | ast.Import | ast.ImportFrom) or (
        _is_constant(statement) or _is_stub_line(statement)
    )


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_stub_line(statement: ast.stmt) -> bool:
    """Return True for `raise NotImplementedError`, with or without a message."""
    raised = statement.exc if isinstance(statement, ast.Raise) else None
    raised = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(raised, ast.Name) and raised.id == STUB_ERROR


def _find_blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if isinstance(block, list):
                yield block


def _find_forgotten(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the stubs of a block that hide what stands beside them."""
    defined: set[str] = set()
    for place, statement in enumerate(block):
        if _is_stub_line(statement) and not all(map(_is_constant, block[place + 1 :])):
            yield statement
        elif isinstance(statement, Definition):
            if not _does_nothing(statement):
                defined.add(statement.name)
            elif statement.name in defined and not statement.decorator_list:
                yield statement


def _shares_lines(statement: ast.stmt, first: int, last: int) -> bool:
    return statement.lineno <= last and (statement.end_lineno or statement.lineno) >= first
