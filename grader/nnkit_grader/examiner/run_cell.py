"""Running a cell of the course in this process: its names, its value, its random numbers."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import inspect
import io
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Set
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from nnkit_grader.rpc.proxies import RemoteProxy


class CellTimeout(BaseException):
    """A test cell's own code did not end in time."""


class ExaminerNamespace(dict[str, Any]):
    """The examiner's global names: the course's own, and the current values of the learner's.

    A dict that looks up missing names: both `exec` and the functions that it defines use it.
    """

    def __init__(self, look_up: Callable[[str], Any], bind: Callable[..., None] = lambda name, *value: None):
        """`bind` has a name stand for a value in the learner's process, or for none if it gets no value."""
        super().__init__(__name__="__main__", __builtins__=__builtins__, display=print)
        self.look_up, self.bind = look_up, bind
        self.learners: set[str] = set()
        self.found: dict[str, Any] = {}

    def __missing__(self, name: str) -> Any:
        if name not in self.learners:
            raise KeyError(name)
        if name not in self.found:
            self.found[name] = self.look_up(name)
        return self.found[name]

    def __setitem__(self, name: str, value: Any) -> None:
        """Bind a name; if it is the learner's, a function or object takes its place for the learner's code too."""
        super().__setitem__(name, value)
        if name in self.learners and _replaces(value):
            self.found.pop(name, None)
            self.bind(name, value)

    def __delitem__(self, name: str) -> None:
        if name in self:
            super().pop(name, None)
            self.found.pop(name, None)
            if name in self.learners:
                self.bind(name)
            return
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]
        except (KeyError, NameError):
            return False
        return True

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a name, the course's or the learner's."""
        try:
            return self[name]
        except (KeyError, NameError):
            return default

    @contextlib.contextmanager
    def replacing(self, values: dict[str, Any]) -> Iterator[None]:
        """Context manager in which these names of the course have other values."""
        before = {name: dict.get(self, name) for name in values}
        self.update(values)
        try:
            yield
        finally:
            self.update(before)

    def select(self, names: Set[str]) -> dict[str, Any]:
        """Return the values of those of these names that are the course's and bound."""
        return {name: dict.__getitem__(self, name) for name in sorted(names) if dict.__contains__(self, name)}

    def forget(self, names: Set[str]) -> None:
        """Let go of the values of these names, which are the course's, and of what was looked up."""
        for name in names:
            self.pop(name, None)
        self.found.clear()

    def hand_over(self, names: Set[str]) -> None:
        """Make these names the learner's after one of their cells has run, and forget values that are now stale."""
        for name in names:
            self.pop(name, None)
        self.learners |= names
        self.found.clear()


def _replaces(value: Any) -> bool:
    """Return whether a test that binds a learner's name to this value means the learner's code to use it."""
    own = getattr(value, "__module__", None) == "__main__" and callable(value)
    return own or isinstance(value, RemoteProxy) or type(value).__module__ == "unittest.mock"


class NotebookModule(ModuleType):
    """The module `__main__` as test cells see it: its names are theirs, so that `unittest.mock.patch` finds them."""

    def __init__(self, names: ExaminerNamespace):
        super().__init__("__main__")
        self.__dict__["names"] = names

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["names"][name]
        except (KeyError, NameError):
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["names"][name] = value

    def __delattr__(self, name: str) -> None:
        del self.__dict__["names"][name]


@contextlib.contextmanager
def main_module(names: ExaminerNamespace) -> Iterator[None]:
    """Context manager in which `__main__` has these names, and `inspect.getsource` reads the learner's functions."""
    main, getsource = sys.modules["__main__"], inspect.getsource

    def read_source(thing: Any) -> str:
        return thing._connection.operate("source", thing) if isinstance(thing, RemoteProxy) else getsource(thing)

    sys.modules["__main__"] = NotebookModule(names)
    inspect.getsource = read_source  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules["__main__"], inspect.getsource = main, getsource


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


PLAIN_GENERATORS = np.random.default_rng, np.random.seed, random.seed
"""NumPy's and Python's own functions, which mix nothing in."""


@contextlib.contextmanager
def plain_generators(kept: list[Any]) -> Iterator[None]:
    """Context manager in which random numbers are those of the notebook, inside `reseed_generators`.

    `kept` holds the state of the global generators from one such cell to the next.
    """
    mixed = np.random.default_rng, np.random.seed, random.seed
    numpys_before, pythons_before = np.random.get_state(), random.getstate()
    np.random.default_rng, np.random.seed, random.seed = PLAIN_GENERATORS
    if kept:
        numpys, pythons = kept.pop()
        np.random.set_state(numpys)
        random.setstate(pythons)
    try:
        yield
    finally:
        kept.append((np.random.get_state(), random.getstate()))
        np.random.default_rng, np.random.seed, random.seed = mixed
        np.random.set_state(numpys_before)
        random.setstate(pythons_before)


def mix_generator(generator: np.random.Generator) -> np.random.Generator:
    """Return a fresh generator in place of one, inside `reseed_generators`; the one given draws nothing."""
    return np.random.default_rng(list(hashlib.sha256(repr(generator.bit_generator.state).encode()).digest()))


def restart_generator(generator: np.random.Generator, cell: str) -> np.random.Generator:
    """Return the generator that stands for a given one in a test cell; the one given draws nothing."""
    state = f"{cell} {generator.bit_generator.state!r}"
    return np.random.default_rng(list(hashlib.sha256(state.encode()).digest()))


@contextlib.contextmanager
def restart_global_generators(cell: str) -> Iterator[None]:
    """Context manager in which the global generators of NumPy and Python begin anew, inside `reseed_generators`."""
    states = np.random.get_state(), random.getstate()
    np.random.seed(list(hashlib.sha256(cell.encode()).digest()))
    random.seed(cell)
    try:
        yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])


@contextlib.contextmanager
def silence_warnings() -> Iterator[None]:
    """Context manager that hides warnings: they decide nothing."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
