"""Guesses that are still to be made: the None that a check was given stands in the caller's own cell."""

from __future__ import annotations

import ast
import inspect
import linecache
from types import FrameType
from typing import Any


def holds_none(value: Any) -> bool:
    """Return True for None, and for a tuple or list with a None among its entries."""
    return value is None or (isinstance(value, tuple | list) and any(entry is None for entry in value))


def is_unfilled_guess(caller: FrameType) -> bool:
    """Return True if the first argument of the call that `caller` makes is a name that its own code sets to None.

    So it is for `my_guess = None` above `check_value(my_guess, 2.0)` in a cell; not for a name that holds what a
    function returned, or where there is no source. For a tuple or a list, one such name or entry is enough.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(caller.f_code.co_filename)))
    except SyntaxError:
        return False
    argument = _find_argument(tree, caller)
    names = argument.elts if isinstance(argument, ast.Tuple | ast.List) else [argument]
    return any(isinstance(name, ast.Name) and _is_none(_find_set(tree, name)) for name in names)


def _find_argument(tree: ast.Module, caller: FrameType) -> ast.expr | None:
    """Return the first argument of the call that `caller` is at."""
    place = inspect.getframeinfo(caller, context=0).positions
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    return next((call.args[0] for call in calls if _find_place(call) == place), None)


def _find_place(call: ast.Call) -> tuple[int | None, ...]:
    return call.lineno, call.end_lineno, call.col_offset, call.end_col_offset


def _find_set(tree: ast.Module, name: ast.Name) -> ast.expr | None:
    """Return what the last statement above sets this name to; None for a loop, a `with` and the like."""
    values: dict[ast.expr, ast.expr | None] = {}
    stores: list[ast.Name] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            values |= {target: value for left in node.targets for target, value in _pair(left, node.value)}
        elif isinstance(node, ast.AnnAssign):
            values[node.target] = node.value
        elif isinstance(node, ast.Name) and node.id == name.id and isinstance(node.ctx, ast.Store):
            stores += [node] if node.lineno < name.lineno else []
    return values.get(max(stores, key=lambda node: (node.lineno, node.col_offset))) if stores else None


def _pair(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Return each name on the left of an assignment with its part of the right."""
    if not (isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List)):
        return [(target, value)]
    return [pair for parts in zip(target.elts, value.elts) for pair in _pair(*parts)]


def _is_none(value: ast.expr | None) -> bool:
    parts = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
    return any(isinstance(part, ast.Constant) and part.value is None for part in parts)
