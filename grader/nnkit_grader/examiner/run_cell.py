"""Running a cell of the course in this process: its names, its value, fresh numbers."""

from __future__ import annotations

import ast
import contextlib
import io
import random
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


@contextlib.contextmanager
def fresh_numbers(seed: int) -> Iterator[None]:
    """Meanwhile random numbers are others than in a notebook: those of their own seed and of this one. It holds for
    `np.random.default_rng(n)` and for the generators that NumPy and Python keep for everybody, seeded or not."""
    default_rng, seed_numpy, seed_python = np.random.default_rng, np.random.seed, random.seed
    states = np.random.get_state(), random.getstate()

    def mixed(given: Any) -> list[int]:
        numbers = [] if given is None else [given] if isinstance(given, int | np.integer) else given
        return [*map(int, numbers), seed]

    def fresh_rng(given: Any = None) -> np.random.Generator:
        if given is None or isinstance(given, int | np.integer | list | tuple):
            return default_rng(mixed(given))
        return default_rng(given)

    def fresh_numpy(given: Any = None) -> None:
        seed_numpy(mixed(given))

    def fresh_python(given: Any = None, version: int = 2) -> None:
        seed_python(f"{given!r} {seed}")

    fresh_numpy()
    fresh_python()
    np.random.default_rng, np.random.seed, random.seed = fresh_rng, fresh_numpy, fresh_python  # type: ignore[assignment]
    try:
        yield
    finally:
        np.random.default_rng, np.random.seed, random.seed = default_rng, seed_numpy, seed_python
        np.random.set_state(states[0])
        random.setstate(states[1])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Warnings decide nothing."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
