"""Running a cell of the course in this process: its names, its value, its random numbers."""

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


class CellTimeout(BaseException):
    """A test cell's own code did not end in time."""


class ExaminerNamespace(dict[str, Any]):
    """The examiner's global names: the course's own, and the current values of the learner's.

    A dict that looks up missing names: both `exec` and the functions that it defines use it.
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

    def hand_over(self, names: Set[str]) -> None:
        """Make these names the learner's after one of their cells has run, and forget values that are now stale."""
        for name in names:
            self.pop(name, None)
        self.learners |= names
        self.found.clear()


def run_cell(source: str, name: str, names: dict[str, Any]) -> Any:
    """Execute a cell as IPython would, and return the value of its last expression."""
    statements, last = compile_cell(source, name)
    exec(statements, names)
    return None if last is None else eval(last, names)


@lru_cache(1000)
def compile_cell(source: str, name: str) -> tuple[CodeType, CodeType | None]:
    """Compile a cell's statements and its last expression. Cached: the course's cells run with every submission."""
    tree = _parse_cell(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = compile(ast.Expression(last.value), name, "eval") if isinstance(last, ast.Expr) else None
    return compile(tree, name, "exec"), value


def _parse_cell(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse("\n".join(map(_replace_magic, source.splitlines())))


def _replace_magic(line: str) -> str:
    """Return a line with `None` for a magic, which only displays; as the last line it is the cell's value."""
    code = line.lstrip()
    return line[: len(line) - len(code)] + "None" if code.startswith(("%", "!")) else line


@contextlib.contextmanager
def reseed_generators(seed: int) -> Iterator[None]:
    """Context manager that mixes `seed` into every NumPy and Python generator, so that answers cannot be memorised.

    It holds for `np.random.default_rng(n)` and for the global generators of NumPy and Python, seeded or not.
    """
    default_rng, seed_numpy, seed_python = np.random.default_rng, np.random.seed, random.seed
    states = np.random.get_state(), random.getstate()

    def mix(given: Any) -> list[int]:
        numbers = [] if given is None else [given] if isinstance(given, int | np.integer) else given
        return [*map(int, numbers), seed]

    def make_rng(given: Any = None) -> np.random.Generator:
        if given is None or isinstance(given, int | np.integer | list | tuple):
            return default_rng(mix(given))
        return default_rng(given)

    def reseed_numpy(given: Any = None) -> None:
        seed_numpy(mix(given))

    def reseed_python(given: Any = None, version: int = 2) -> None:
        seed_python(f"{given!r} {seed}")

    reseed_numpy()
    reseed_python()
    np.random.default_rng, np.random.seed, random.seed = make_rng, reseed_numpy, reseed_python  # type: ignore[assignment]
    try:
        yield
    finally:
        np.random.default_rng, np.random.seed, random.seed = default_rng, seed_numpy, seed_python
        np.random.set_state(states[0])
        random.setstate(states[1])


@contextlib.contextmanager
def silence_warnings() -> Iterator[None]:
    """Context manager that hides warnings: they decide nothing."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
