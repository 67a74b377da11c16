"""Answers that use finite differences, (f(x + h) − f(x − h)) / 2h, instead of a derivative, recognised by their source.

    a division by a step, or by a constant times it
        of a difference of two expressions that are equal but for that step
        or of two equal calls between which the step was added in place (x[i] += h)
    the imaginary part of a function at a complex step, divided by the step

A difference quotient in an answer does not prove that the result comes from it: a grader should look.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy

from nnkit_grader.report.source import parse_source

MAX_STEP = 0.01
"""Constants up to this are taken for steps; (a − b) / 2 is half a difference."""
MAX_CELL_NODES = 20_000
"""Nodes that are examined in a cell. Code written to keep the reader busy is not read to its end."""
MAX_NAME_DEPTH = 20
"""Names are followed to their values to this depth."""


def has_finite_difference(source: str) -> bool:
    """Return True if the source has a difference quotient. False if it is not Python."""
    tree = parse_source(source)
    if tree is None:
        return False
    budget = NodeBudget(MAX_CELL_NODES)
    try:
        return any(_has_finite_difference(scope, budget) for scope in _list_scopes(tree))
    except RecursionError:
        return False


class NodeBudget:
    """Number of nodes that may still be examined."""

    def __init__(self, left: int):
        self.left = left

    def allows(self, node: ast.AST) -> bool:
        """Spend the nodes of a tree; return False if they exceed what is left."""
        self.left -= sum(1 for _ in ast.walk(node))
        return self.left >= 0


def _list_scopes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the cell itself and its functions."""
    yield tree
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))


def _has_finite_difference(scope: ast.AST, budget: NodeBudget) -> bool:
    values, aside = _find_values(scope), _find_added_in_place(scope)
    for node in ast.walk(scope):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and (steps := _find_steps(node.right)):
            for factor in _list_factors(node.left):
                if not budget.allows(factor):
                    return False
                over = _NameInliner(values, budget).visit(deepcopy(factor))
                if _is_difference(over, steps, aside) or _is_complex_step(over):
                    return True
    return False


def _find_values(scope: ast.AST) -> dict[str, ast.expr]:
    """Return the values of names that are assigned once; not numbers, so that a step keeps its name."""
    found: dict[str, ast.expr] = {}
    again: set[str] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            for name in names:
                if isinstance(name, ast.Name):
                    again |= {name.id} & found.keys()
                    found[name.id] = node.value
    return {name: value for name, value in found.items() if name not in again and not isinstance(value, ast.Constant)}


def _find_added_in_place(scope: ast.AST) -> list[ast.expr]:
    """Return what is added or subtracted in place, as in x[i] += h."""
    nodes = (node for node in ast.walk(scope) if isinstance(node, ast.AugAssign))
    return [factor for node in nodes if isinstance(node.op, ast.Add | ast.Sub) for factor in _list_factors(node.value)]


class _NameInliner(ast.NodeTransformer):
    """Transformer that replaces names by their values, while the budget lasts."""

    def __init__(self, values: Mapping[str, ast.expr], budget: NodeBudget):
        self.values, self.budget = values, budget
        self.depth = 0

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self.values.get(node.id)
        if value is None or self.depth > MAX_NAME_DEPTH or not self.budget.allows(value):
            return node
        self.depth += 1
        inlined: ast.AST = self.visit(deepcopy(value))
        self.depth -= 1
        return inlined


def _list_factors(node: ast.expr) -> Iterator[ast.expr]:
    """Yield a, b and c of a * b / c, of its sum too; a sign is ignored."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield from _list_factors(node.left)
        yield from _list_factors(node.right)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.sum", "sum") and len(node.args) == 1:
        yield from _list_factors(node.args[0])
    elif isinstance(node, ast.UnaryOp):
        yield from _list_factors(node.operand)
    else:
        yield node


def _find_steps(divisor: ast.expr) -> set[str]:
    """Return the step in a divisor: h of 2 * h, or a small number. Empty if there is none."""
    factors = list(_list_factors(divisor))
    numbers = [factor.value for factor in factors if isinstance(factor, ast.Constant)]
    others = [factor for factor in factors if not isinstance(factor, ast.Constant)]
    if len(others) == 1 and isinstance(others[0], ast.Name | ast.Attribute):
        return {ast.unparse(others[0])}
    is_small = not others and any(isinstance(n, float) and 0 < n <= MAX_STEP for n in numbers)
    return {ast.unparse(factor) for factor in factors} if is_small else set()


def _is_difference(node: ast.AST, steps: set[str], aside: Sequence[ast.expr]) -> bool:
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)):
        return False
    left, right = ast.unparse(node.left), ast.unparse(node.right)
    if left == right:
        return "(" in left and any(_is_step(added, steps) for added in aside)
    back = _StepRemover(steps)
    return ast.unparse(back.visit(node.left)) == ast.unparse(back.visit(node.right)) and back.found


def _has_step(node: ast.expr, steps: set[str]) -> bool:
    """Return True if a factor is a step."""
    return any(_is_step(factor, steps) for factor in _list_factors(node))


def _is_step(node: ast.expr, steps: set[str]) -> bool:
    small = isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < node.value <= MAX_STEP
    return ast.unparse(node) in steps or (small and any(step[0].isdigit() for step in steps))


class _StepRemover(ast.NodeTransformer):
    """Transformer that replaces x + h, h + x and x − 2h by x."""

    def __init__(self, steps: set[str]):
        self.steps = steps
        self.found = False

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Add | ast.Sub) and _has_step(node.right, self.steps):
            self.found = True
            return node.left
        if isinstance(node.op, ast.Add) and _has_step(node.left, self.steps):
            self.found = True
            return node.right
        return node


def _is_complex_step(node: ast.AST) -> bool:
    """Return True for f(x + 1j * h).imag and np.imag(f(x + 1j * h))."""
    taken = isinstance(node, ast.Attribute) and node.attr == "imag"
    called = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "imag"
    numbers = (other.value for other in ast.walk(node) if isinstance(other, ast.Constant))
    return (taken or called) and any(isinstance(number, complex) for number in numbers)
