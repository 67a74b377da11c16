"""Repairs of the learner's code: no stub that was left behind undoes an answer, and no failing line ends a cell."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from nnkit.check.notebook.code_text import parse_code
from nnkit_grader.course.bound_names import find_bound_names
from nnkit_grader.intake.merge_marks import has_conflict, resolve_conflicts
from nnkit_grader.intake.stub_code import (
    STUB_ERROR,
    find_implemented_names,
    is_python,
    is_stub,
    remove_forgotten_stubs,
)
from nnkit_grader.intake.submitted_cell import SubmittedCell


def disarm_stubs(cells: Sequence[SubmittedCell], given: Mapping[str, str]) -> Iterator[SubmittedCell]:
    """Yield the cells, with repaired code where a stub would undo an answer beside or above it, or versions collide.

    `given` has the released source of the course's given cells, by id: a learner may answer in one of them.
    """
    done = frozenset[str]()
    for cell in cells:
        if cell.cell_type == "code" and cell.kind in ("answer", "added"):
            whole = resolve_conflicts(cell.source, is_python) if has_conflict(cell.source) else cell.source
            repaired = _disarm_stub(whole, done) if STUB_ERROR in whole else whole
            cell = cell if repaired == cell.source else replace(cell, repaired=repaired)
            done |= find_implemented_names(cell.source)
        elif cell.cell_type == "code" and cell.id in given:
            done |= find_implemented_names(cell.source) - find_implemented_names(given[cell.id])
        yield cell


def _disarm_stub(source: str, done: Set[str]) -> str:
    """Return the code that runs in place of a cell with a stub; "" if answers above define all that it defines."""
    if not is_stub(source):
        return remove_forgotten_stubs(source)
    names = find_bound_names(source)
    return "" if names and names <= done else source


def tolerate_errors(source: str) -> str:
    """Return code that runs each statement of a cell, and goes on after those that fail; "" if it is not Python.

    IPython's own lines are left out.
    """
    try:
        tree = parse_code(source)
        handler = ast.ExceptHandler(type=ast.Name("BaseException", ast.Load()), name=None, body=[ast.Pass()])
        kept = (statement for statement in tree.body if not _imports_future(statement))
        tree.body = [ast.Try(body=[statement], handlers=[handler], orelse=[], finalbody=[]) for statement in kept]
        return ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _imports_future(statement: ast.stmt) -> bool:
    """Return True for a statement that must stand at the top of its file."""
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
