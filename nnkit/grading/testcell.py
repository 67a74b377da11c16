"""Running a cell of the course in this process: its names, its value, the credit that it gives, fresh numbers."""

from __future__ import annotations

import ast
import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Set
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np


class TooLong(BaseException):
    """A test cell's own code does not end."""


class Names(dict[str, Any]):
    """The examiner's global names: the course's own, and the learner's as they are at the moment.

    A dict that looks a missing name up: both `exec` and the functions that it defines ask it.
    """

    def __init__(self, look_up: Callable[[str], Any]):
        super().__init__(__name__="__main__", __builtins__=__builtins__)
        self.look_up = look_up
        self.learners: set[str] = set()
        self.found: dict[str, Any] = {}

    def __missing__(self, name: str) -> Any:
        if name not in self.learners:
            raise KeyError(name)
        if name not in self.found:
            self.found[name] = self.look_up(name)
        return self.found[name]

    def handed_over(self, names: Set[str]) -> None:
        """A learner's cell has run: these names are theirs from now on, and what was looked up is stale."""
        for name in names:
            self.pop(name, None)
        self.learners |= names
        self.found.clear()


def run_cell(source: str, name: str, names: dict[str, Any]) -> Any:
    """Execute a cell as IPython would, and return the value of its last expression."""
    statements, last = compiled(source, name)
    exec(statements, names)
    return None if last is None else eval(last, names)


@lru_cache(1000)
def compiled(source: str, name: str) -> tuple[CodeType, CodeType | None]:
    """The statements of a cell, and its last expression; the same cells of the course meet every submission."""
    lines = ("" if line.startswith(("%", "!")) else line for line in source.splitlines())  # magics are for looking
    tree = ast.parse("\n".join(lines))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = compile(ast.Expression(last.value), name, "eval") if isinstance(last, ast.Expr) else None
    return compile(tree, name, "exec"), value


def credit(value: Any, points: float) -> float:
    """nbgrader's rule: a number as the last expression is partial credit; everything else that ran is full marks."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return points
    number = float(value)
    return min(max(number, 0.0), points) if np.isfinite(number) else 0.0


@contextlib.contextmanager
def fresh_numbers(seed: int) -> Iterator[None]:
    """Meanwhile `np.random.default_rng(n)` draws other numbers than in a notebook: those of n and of this seed."""
    original = np.random.default_rng

    def default_rng(given: Any = None) -> np.random.Generator:
        if given is None or isinstance(given, int | np.integer | list | tuple):
            entropy = [] if given is None else [given] if isinstance(given, int | np.integer) else list(given)
            return original([*(int(n) for n in entropy), seed])
        return original(given)

    np.random.default_rng = default_rng  # type: ignore[assignment]
    try:
        yield
    finally:
        np.random.default_rng = original


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Warnings decide nothing."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
