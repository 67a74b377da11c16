"""A name without a value that a test needs: a cell further down defines it, or it is spelled in another way.

Cells run from top to bottom when a notebook is checked or graded; in a session they may have run in another order.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

from nnkit.check.notebook.code_text import MAX_SEARCHED_CHARACTERS, parse_code
from nnkit.language import say

MISSING_NAME = re.compile(r"\bname '(\w{1,100})' is not defined")
MIN_LIKENESS = 0.7
"""Likeness of two spellings of one name, from 0 to 1 (`difflib`)."""
MAX_EXPLAINED_NAMES = 20
MAX_ERROR_CHARACTERS = 2_000
"""Characters of an error's text, from its beginning, in which names are looked for."""
MAX_COMPARED_NAMES = 200
"""Names that are compared with one that is missing."""


@dataclass(frozen=True)
class DefiningCell:
    """A code cell that may define names."""

    label: str
    """Its name in a sentence: "the cell 'neuron'"."""
    source: str


class DefiningCells:
    """The cells of a notebook, and what each defines: found once, however many tests fail."""

    def __init__(self, cells: Sequence[DefiningCell]):
        self.cells = cells
        self._definitions: dict[int, frozenset[str]] = {}
        self._methods: dict[int, frozenset[str]] = {}

    @cached_property
    def helpers(self) -> Mapping[str, Sequence[int]]:
        """The positions of the cells that define what others may use, by its name."""
        found: dict[str, list[int]] = {}
        for position, cell in enumerate(self.cells):
            for name in find_helpers(cell.source):
                found.setdefault(name, []).append(position)
        return found

    def find_definitions(self, position: int) -> frozenset[str]:
        """Return the names of the functions and classes that a cell defines."""
        if position not in self._definitions:
            self._definitions[position] = frozenset(_find_definitions(self.cells[position].source))
        return self._definitions[position]

    def find_methods(self, position: int) -> frozenset[str]:
        """Return the names of the methods of a cell's classes."""
        if position not in self._methods:
            self._methods[position] = frozenset(find_methods(self.cells[position].source))
        return self._methods[position]


def list_missing_names(texts: Iterable[str]) -> list[str]:
    """Return the names that the texts of errors say are not defined, at most MAX_EXPLAINED_NAMES."""
    return _list_first(MISSING_NAME, texts)


def explain_missing_names(
    texts: Sequence[str], cells: DefiningCells, test: int, answers: Set[int], asked: Set[str]
) -> str:
    """Return a sentence on the first name that errors' texts say is missing, and that the notebook has after all.

    `test` is the position of the test's cell, `answers` those of the cells in which its answer should stand, `asked`
    the names and methods for which exercises ask. Returns "" if there is nothing to say.
    """
    for name in list_missing_names(texts):
        below = next((position for position in cells.helpers.get(name, ()) if position > test), None)
        if below is not None:
            return say("`{name}` is defined only further down, in {label}.", name=name, label=cells.cells[below].label)
        if name in asked and (sentence := _explain_spelling(name, cells, answers, asked)):
            return sentence
    for name in _list_first(_make_method_pattern(), texts):
        left = MAX_COMPARED_NAMES
        for position in range(test + 1) if name in asked else ():
            if not left:
                break
            methods = _take(cells.find_methods(position) - asked, left)
            left -= len(methods)
            if near := _find_near(name, methods):
                return say(
                    "There is no method `{name}`, but {label} has the method `{near}`.",
                    name=name,
                    label=cells.cells[position].label,
                    near=near,
                )
    return ""


def _make_method_pattern() -> re.Pattern[str]:
    """Return the pattern of a missing method: in Python's sentence, and in a verdict's in the reader's language."""
    before = say("{name} has no method {method!r}.", name="", method="").partition("''")[0].split()
    words = "|".join({"attribute", "method", *(re.escape(word) for word in before[-1:])})
    return re.compile(rf"(?:{words}) '(\w{{1,100}})'")


def _list_first(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    """Return what a pattern finds first in these texts, each thing once."""
    beginnings = (text[:MAX_ERROR_CHARACTERS] for text in islice(texts, MAX_EXPLAINED_NAMES))
    found = dict.fromkeys(name for text in beginnings for name in pattern.findall(text))
    return list(found)[:MAX_EXPLAINED_NAMES]


def _take(names: Set[str], count: int) -> frozenset[str]:
    return frozenset(sorted(names)[:count])


def find_names_and_attributes(source: str) -> set[str]:
    """Return the names that a cell reads, and those of methods; none if it is not Python."""
    nodes = [node for statement in _list_statements(source) for node in ast.walk(statement)]
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {"forward", "backward"}


@lru_cache(1000)
def find_helpers(source: str) -> frozenset[str]:
    """Return what a cell defines that others may use: functions, classes, imports, lambdas, other names for them, and
    constants in capitals; none if it is not Python."""
    return frozenset(name for statement in _list_statements(source) for name in _list_helpers(statement))


def _list_statements(source: str) -> list[ast.stmt]:
    try:
        return parse_code(source).body if len(source) <= MAX_SEARCHED_CHARACTERS else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _list_helpers(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    elif isinstance(statement, ast.Assign):
        is_helper = isinstance(statement.value, ast.Lambda | ast.Name | ast.Attribute)
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        yield from (name for name in names if is_helper or (name.isupper() and len(name) > 1))


def _find_definitions(source: str) -> set[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {statement.name for statement in _list_statements(source) if isinstance(statement, kinds)}


def find_methods(source: str) -> set[str]:
    """Return the names of the methods of a cell's classes; none if it is not Python."""
    classes = (statement for statement in _list_statements(source) if isinstance(statement, ast.ClassDef))
    return {part.name for one in classes for part in one.body if isinstance(part, ast.FunctionDef)}


def _explain_spelling(name: str, cells: DefiningCells, answers: Set[int], asked: Set[str]) -> str:
    """Return a sentence on what has almost this name, or else on the only thing that the answer's cell defines."""
    others = (position for position in range(len(cells.cells)) if position not in answers)
    left = MAX_COMPARED_NAMES
    for position in [*sorted(answers), *others]:
        if not left:
            break
        defined = _take(cells.find_definitions(position) - asked, left)
        left -= len(defined)
        found = _find_near(name, defined) or (min(defined) if position in answers and len(defined) == 1 else "")
        if found:
            return say(
                "There is no `{name}`, but {label} defines `{found}`.",
                name=name,
                label=cells.cells[position].label,
                found=found,
            )
    return ""


def _find_near(name: str, others: Set[str]) -> str:
    by_lower = {other.lower(): other for other in sorted(others)}
    near = difflib.get_close_matches(name.lower(), by_lower, 1, MIN_LIKENESS)
    return by_lower[near[0]] if near else ""
