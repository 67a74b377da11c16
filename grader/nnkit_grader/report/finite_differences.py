"""Answers that measure a slope with small steps instead of deriving it, (f(x + h) − f(x − h)) / 2h, by their source.

    a division by a step, or by a constant times it
        of a difference of two expressions that are the same but for that step
        or of two equal calls between which the step was added to something (x[i] += h)
    the imaginary part of what came of a complex step, divided by the step

That a quotient is there does not say that the answer is made of it: somebody should look.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy

from nnkit_grader.report.source import parsed

SMALL = 0.01
"""Constants up to this are steps; (a − b) / 2 is a mean of something."""
MOST = 20_000
"""Nodes that are looked at in a cell. What is written to keep a reader busy is not read to its end."""
DEEP = 20
"""How far names are followed to what they stand for."""


def measures_slopes(source: str) -> bool:
    """Whether a difference quotient is in it. False for what is not Python."""
    tree = parsed(source)
    if tree is None:
        return False
    budget = Budget(MOST)
    try:
        return any(_measures(scope, budget) for scope in _scopes(tree))
    except RecursionError:
        return False


class Budget:
    """Nodes that may still be looked at."""

    def __init__(self, left: int):
        self.left = left

    def allows(self, node: ast.AST) -> bool:
        self.left -= sum(1 for _ in ast.walk(node))
        return self.left >= 0


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    """The functions, and the cell itself."""
    yield tree
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))


def _measures(scope: ast.AST, budget: Budget) -> bool:
    values, aside = _values(scope), _added_in_place(scope)
    for node in ast.walk(scope):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and (steps := _steps(node.right)):
            for factor in _factors(node.left):
                if not budget.allows(factor):
                    return False
                over = _Inline(values, budget).visit(deepcopy(factor))
                if _is_difference(over, steps, aside) or _is_complex_step(over):
                    return True
    return False


def _values(scope: ast.AST) -> dict[str, ast.expr]:
    """What names stand for that are assigned once; not numbers, so that a step keeps its name."""
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


def _added_in_place(scope: ast.AST) -> list[ast.expr]:
    """What is added to something, or taken off it, as in x[i] += h."""
    nodes = (node for node in ast.walk(scope) if isinstance(node, ast.AugAssign))
    return [factor for node in nodes if isinstance(node.op, ast.Add | ast.Sub) for factor in _factors(node.value)]


class _Inline(ast.NodeTransformer):
    """Puts in place of a name what it stands for, while the budget lasts."""

    def __init__(self, values: Mapping[str, ast.expr], budget: Budget):
        self.values, self.budget = values, budget
        self.depth = 0

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self.values.get(node.id)
        if value is None or self.depth > DEEP or not self.budget.allows(value):
            return node
        self.depth += 1
        inlined: ast.AST = self.visit(deepcopy(value))
        self.depth -= 1
        return inlined


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    """a, b and c of a * b / c, and what they are parts of: (a)[0]."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield from _factors(node.left)
        yield from _factors(node.right)
    elif isinstance(node, ast.UnaryOp):
        yield from _factors(node.operand)
    else:
        yield node


def _steps(divisor: ast.expr) -> set[str]:
    """The step that something is divided by: h of 2 * h, or a small number. Empty if it is anything else."""
    factors = list(_factors(divisor))
    numbers = [factor.value for factor in factors if isinstance(factor, ast.Constant)]
    others = [factor for factor in factors if not isinstance(factor, ast.Constant)]
    if len(others) == 1 and isinstance(others[0], ast.Name | ast.Attribute):
        return {ast.unparse(others[0])}
    is_small = not others and any(isinstance(n, float) and 0 < n <= SMALL for n in numbers)
    return {ast.unparse(factor) for factor in factors} if is_small else set()


def _is_difference(node: ast.AST, steps: set[str], aside: Sequence[ast.expr]) -> bool:
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)):
        return False
    left, right = ast.unparse(node.left), ast.unparse(node.right)
    if left == right:
        return "(" in left and any(_is_step(added, steps) for added in aside)
    back = _WithoutStep(steps)
    return ast.unparse(back.visit(node.left)) == ast.unparse(back.visit(node.right)) and back.found


def _holds(node: ast.expr, steps: set[str]) -> bool:
    """Whether a step, or a multiple of one, is added."""
    return any(_is_step(factor, steps) for factor in _factors(node))


def _is_step(node: ast.expr, steps: set[str]) -> bool:
    small = isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < node.value <= SMALL
    return ast.unparse(node) in steps or (small and any(step[0].isdigit() for step in steps))


class _WithoutStep(ast.NodeTransformer):
    """x in place of x + h, h + x and x − 2h."""

    def __init__(self, steps: set[str]):
        self.steps = steps
        self.found = False

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Add | ast.Sub) and _holds(node.right, self.steps):
            self.found = True
            return node.left
        if isinstance(node.op, ast.Add) and _holds(node.left, self.steps):
            self.found = True
            return node.right
        return node


def _is_complex_step(node: ast.AST) -> bool:
    """f(x + 1j * h).imag, np.imag(f(x + 1j * h))"""
    taken = isinstance(node, ast.Attribute) and node.attr == "imag"
    called = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "imag"
    numbers = (other.value for other in ast.walk(node) if isinstance(other, ast.Constant))
    return (taken or called) and any(isinstance(number, complex) for number in numbers)
