"""Tests that need what cannot leave the learner's process, found in their source before learners get the assignment."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.bound_names import find_bound_names, find_used_names
from nnkit_grader.course.source_warnings import find_generators, is_maker, parse_source, split_name

REMEDY = "Change the test, or mark it with the comment `# nnkit: inside` (docs/author.md)"
CATCHERS = ("raises", "assertRaises", "assertRaisesRegex", "suppress")
"""Functions that catch the exceptions which they are given."""


def find_uncrossable(assignment: Assignment) -> Iterator[str]:
    """Yield a sentence without its full stop for each test that cannot run outside the learner's process."""
    made = set().union(*(find_generators(c.source) for c in assignment.cells if c.kind == "given"))
    for cell in assignment.cells:
        if cell.kind == "test" and not cell.inside:
            names = assignment.answer_names - find_bound_names(cell.source)
            if names & find_used_names(cell.source):
                generators = made | find_generators(cell.source)
                for reason in dict.fromkeys(_find_reasons(parse_source(cell.source), names, generators)):
                    yield f"{cell.grade_id} {reason}. {REMEDY}"


def _find_reasons(tree: ast.Module, names: Set[str], generators: Set[str]) -> Iterator[str]:
    """Yield what a test does that does not cross, as clauses; `names` are the learner's."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _is_plain(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (f"derives a class from the learner's {base}" for base in _list_names(node.bases, names))
        elif isinstance(node, ast.ExceptHandler):
            parts = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            yield from (f"catches the learner's exception {name}" for name in _list_names(parts, names))
        elif isinstance(node, ast.Assign):
            replaced = (".".join(split_name(target)) for target in node.targets)
            yield from (f"replaces {name}, which the learner's code does not see" for name in replaced if _is_far(name))
        elif isinstance(node, ast.Call):
            yield from _find_in_call(node, names, generators, own)


def _find_in_call(call: ast.Call, names: Set[str], generators: Set[str], own: Set[str]) -> Iterator[str]:
    *owner, function = split_name(call.func) or [""]
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if function in CATCHERS:
        yield from (f"catches the learner's exception {name}" for name in _list_names(given, names))
    if function == "patch" and given and isinstance(given[0], ast.Constant) and _is_far(str(given[0].value)):
        yield f"replaces {given[0].value!s}, which the learner's code does not see"
    if (owner or [function])[0] in names:
        if any(is_maker(part) or (isinstance(part, ast.Name) and part.id in generators) for part in given):
            yield f"passes a generator of random numbers to the learner's {'.'.join([*owner, function])}"
        made = [part.func.id for part in given if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)]
        for name in made:
            if name in own:
                yield f"passes an object of its own class {name} to the learner's {'.'.join([*owner, function])}"


def _list_names(nodes: list[ast.expr] | list[ast.expr | None], names: Set[str]) -> list[str]:
    return [node.id for node in nodes if isinstance(node, ast.Name) and node.id in names]


def _is_far(name: str) -> bool:
    """Return whether this dotted name is one of Python's own that each process has for itself."""
    return name.startswith("builtins.") or name == "sys.stdin"


def _is_plain(kind: ast.ClassDef) -> bool:
    """Return whether objects of a class are neither functions nor arrays nor tuples, which cross."""
    methods = {part.name for part in kind.body if isinstance(part, ast.FunctionDef)}
    return not kind.bases and not methods & {"__call__", "__array__"}
