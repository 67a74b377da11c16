"""Warnings on an assignment's source: what works, but not as its author may think."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from functools import lru_cache

from nnkit.check.notebook.code_text import parse_code
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_global_reads
from nnkit_grader.course.syntax_errors import describe_syntax_error, is_in_another_language

MAKERS = ("default_rng", "RandomState", "Random", "Generator", "PRNGKey", "key")
"""Functions that make a generator; with `seed`, they draw no numbers."""


def find_warnings(assignment: Assignment) -> Iterator[str]:
    """Yield a warning for each kind of thing, with the cells concerned."""
    tests = [cell for cell in assignment.cells if cell.kind == "test"]
    if inside := [cell.grade_id for cell in tests if cell.inside]:
        yield f"{_join(inside)} will run beside the learner's code: the score is only as safe as nbgrader's"
    for cell in assignment.cells:
        wrong = cell.kind == "given" and not is_in_another_language(cell.source)
        if wrong and (fault := describe_syntax_error(cell.source)):
            yield f"the given cell {cell.id} is not Python ({fault}): nothing of it is there for tests and answers"
    for cell in find_drawing_cells(assignment):
        yield (
            f"the given cell {cell.id} draws random numbers for answers: they need a seed, and are those of the "
            "notebook, not fresh ones. Better have a test draw them, and pass them to the learner's function"
        )
    direct = [cell.grade_id for cell in tests if not cell.inside and _calls_directly(cell.source, assignment)]
    if direct:
        yield (
            f"{_join(direct)} call the learner's functions in the arguments of a check: pass the function or a lambda, "
            "so that an answer that crashes gets a verdict"
        )


def find_drawing_cells(assignment: Assignment) -> list[CourseCell]:
    """Return the given cells that draw random numbers for answers."""
    code = [cell for cell in assignment.cells if cell.cell_type == "code"]
    given = [cell for cell in code if cell.kind == "given"]
    makers = frozenset[str]().union(*(find_generators(cell.source) for cell in given))
    drawing = [(cell, drawn) for cell in given if (drawn := find_drawn_names(cell.source, makers))]
    used = set().union(*(_find_read(cell.source) for cell in code if cell.kind in ("answer", "written") and drawing))
    return [cell for cell, drawn in drawing if used & drawn]


def _join(names: list[str]) -> str:
    return ", ".join(names)


@lru_cache(1000)
def parse_source(source: str) -> ast.Module:
    """Return the syntax tree of a cell; an empty one if it is not Python."""
    try:
        return parse_code(source)
    except SyntaxError:
        return ast.Module([], [])


def _find_read(source: str) -> frozenset[str]:
    try:
        return find_global_reads(source)
    except SyntaxError:
        return frozenset()


@lru_cache(1000)
def find_generators(source: str) -> frozenset[str]:
    """Find the names that a cell binds to generators."""
    return frozenset(
        target.id
        for node in ast.walk(parse_source(source))
        if isinstance(node, ast.Assign) and is_maker(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    )


@lru_cache(1000)
def find_drawn_names(source: str, generators: frozenset[str] = frozenset()) -> frozenset[str]:
    """Find the names that stand for random numbers drawn when a cell runs, by NumPy's or Python's generators.

    `generators` are names of those that other cells made.
    """
    made = generators | find_generators(source)
    body = parse_source(source).body
    drawing = [one for one in body if any(_draws(node, made) for node in (one, *_walk_outside_functions(one)))]
    named = (node for one in drawing for node in ast.walk(one) if isinstance(node, ast.Name))
    # What a statement without a value draws, it draws into its arguments: `rng.shuffle(cards)`.
    return frozenset(node.id for node in named if isinstance(node.ctx, ast.Store)) | {
        node.id for one in drawing if isinstance(one, ast.Expr) for node in ast.walk(one) if isinstance(node, ast.Name)
    }


def _walk_outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from _walk_outside_functions(child)


def is_maker(node: ast.AST) -> bool:
    """Return whether an expression makes a generator of random numbers."""
    return isinstance(node, ast.Call) and split_name(node.func)[-1:] in [[name] for name in MAKERS]


def _draws(node: ast.AST, made: Set[str]) -> bool:
    if not isinstance(node, ast.Call) or is_maker(node):
        return False
    *owner, name = split_name(node.func) or [""]
    on_generator = bool(owner) and owner[0] in made and name != "spawn"
    on_module = owner in (["random"], ["np", "random"], ["numpy", "random"]) and name not in ("seed", "SeedSequence")
    return on_generator or on_module or (isinstance(node.func, ast.Attribute) and is_maker(node.func.value))


def split_name(node: ast.AST) -> list[str]:
    """Return the parts of a dotted name; none for another expression."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        owner = split_name(node.value)
        return [*owner, node.attr] if owner or isinstance(node.value, ast.Name) else []
    return []


def _calls_directly(source: str, assignment: Assignment) -> bool:
    """Return whether a check gets the result of a call of the learner's function, and not a function."""
    calls = [node for node in ast.walk(parse_source(source)) if isinstance(node, ast.Call) and node.args]
    given = [part for call in calls if _is_check(call) for part in call.args if not isinstance(part, ast.Lambda)]
    inner = [node for part in given for node in (part, *_walk_outside_functions(part))]
    return any(_calls_function(node, assignment.answer_names) for node in inner)


def _is_check(call: ast.Call) -> bool:
    return any(name.startswith("check_") for name in split_name(call.func)[-1:])


def _calls_function(node: ast.AST, names: frozenset[str]) -> bool:
    """Return whether an expression calls a function of the learner's; to make an object of a class is no such call."""
    called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    return called in names and not called[0].isupper()
