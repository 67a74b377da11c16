"""Shortcuts: derivatives that an answer takes from differences or from a library where the course asks for its own.

Only what the course asks for is looked at, and what that needs: a quotient that is printed beside a right answer is no
shortcut, and neither is one that the course's own solution takes.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from nnkit.language import say, to_say
from nnkit_grader.course.bound_names import find_bound_names
from nnkit_grader.report.collect import ClassResults, Exercise, SubmissionResults
from nnkit_grader.report.derivative_tools import find_imports, find_tools
from nnkit_grader.report.finite_differences import has_complex_step, has_finite_difference
from nnkit_grader.report.live_code import find_live_code
from nnkit_grader.report.normalise import find_definitions
from nnkit_grader.report.source import parse_source

LEARNERS_KINDS = ("given", "answer", "added")
_parse = lru_cache(4000)(parse_source)


@dataclass(frozen=True)
class Asked:
    """The names and attributes for which the course asks in an exercise."""

    cells: tuple[str, ...]
    """The ids of its answer cells."""
    names: frozenset[str]
    """The names that they bind in the course's solution."""
    attributes: frozenset[str]
    """The methods and attributes that the solution or the tests use, with a dot."""
    others: frozenset[str]
    """The names that other exercises ask for, or the course gives."""


class ShortcutFinder:
    """Finder of shortcuts in one class."""

    def __init__(self, results: ClassResults):
        self.results = results
        self.cells = [cell for cell in results.assignment.cells if cell.cell_type == "code"]
        self.given = {cell.released for cell in self.cells if cell.kind == "given"}
        solution = Notebook((cell.source for cell in self.cells if cell.kind != "test"), self.given)
        self.asked = {exercise.id: self._find_asked(exercise) for exercise in results.exercises}
        self.allowed = {id: solution.find_shortcuts(asked) for id, asked in self.asked.items()}

    def find_shortcuts(self, row: SubmissionResults) -> dict[str, list[str]]:
        """Return exercise → phrases on a student's shortcuts: "has a difference quotient", "uses jax.grad"."""
        code = (cell for cell in row.result.cells if cell.cell_type == "code" and cell.kind in LEARNERS_KINDS)
        notebook = Notebook((cell.source for cell in code), self.given)
        found = {}
        for id, asked in self.asked.items():
            is_answered = any(self.results.find_answer(row, cell) for cell in asked.cells)
            if is_answered and notebook.suspicions - self.allowed[id]:
                found[id] = sorted(notebook.find_shortcuts(asked) - self.allowed[id])
        return {id: phrases for id, phrases in found.items() if phrases}

    def _find_asked(self, exercise: Exercise) -> Asked:
        mine, others, tests = [], [], []
        for cell in self.cells:
            mine += [cell.source] if cell.id in exercise.answers else []
            others += [cell.source] if cell.kind in ("given", "answer") and cell.id not in exercise.answers else []
            tests += [cell.source] if cell.grade_id == exercise.id else []
        names = _find_names(mine)
        nodes = (node for source in [*mine, *tests] for node in _walk(source))
        attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}.union(
            *map(find_definitions, mine)
        )
        return Asked(exercise.answers, names, frozenset(f".{name}" for name in attributes), _find_names(others) - names)


class Notebook:
    """The code of a notebook."""

    def __init__(self, sources: Iterable[str], given: Collection[str]):
        parsed = {source: tree for source in sources if (tree := _parse(source))}
        self.trees = list(parsed.values())
        self.imports: dict[str, str] = {}
        self.suspicions: set[str] = set()
        """All shortcuts anywhere in it but in the cells that the course gives, which no exercise asks for."""
        with contextlib.suppress(RecursionError):
            for tree in self.trees:
                self.imports |= find_imports(tree)
            own = [tree for source, tree in parsed.items() if source not in given]
            self.suspicions = set[str]().union(*(_find_in(tree, self.imports) for tree in own))

    def find_shortcuts(self, asked: Asked) -> set[str]:
        """Return the shortcuts in what is asked for."""
        if not self.suspicions or not asked.names:
            return set()
        try:
            trees = [_leave_out(tree, asked.others) for tree in self.trees]
            return _find_in(find_live_code(trees, asked.names | asked.attributes), self.imports)
        except RecursionError:
            return set()


def say_shortcut(phrase: str) -> str:
    """Return a shortcut that `find_shortcuts` found in the reader's language."""
    verb, _, tool = phrase.partition(" ")
    return say("uses {tool}", tool=tool) if verb == "uses" else say(phrase)


def _find_in(tree: ast.AST, imports: Mapping[str, str]) -> set[str]:
    return {f"uses {tool}" for tool in find_tools(tree, imports)} | _find_by_form(tree)


@lru_cache(4000)  # cells that all students share are looked at once
def _find_by_form(tree: ast.AST) -> set[str]:
    found = {to_say("has a difference quotient")} if has_finite_difference(tree) else set()
    return found | ({to_say("takes a complex step")} if has_complex_step(tree) else set())


def _leave_out(tree: ast.Module, names: frozenset[str]) -> ast.Module:
    """Return a cell without the definitions of these names."""
    return ast.Module([one for one in tree.body if not (bound := _find_bound(one)) or not bound <= names], [])


def _find_bound(statement: ast.stmt) -> set[str]:
    """Return the names that a definition or an assignment binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _walk(source: str) -> Iterator[ast.AST]:
    tree = _parse(source)
    return ast.walk(tree) if tree else iter(())


def _find_names(sources: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(find_bound_names, sources))
