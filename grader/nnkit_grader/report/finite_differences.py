"""Finite differences and complex steps, recognised in a syntax tree.

    a division by a step h, or by a constant times it, or by the difference of two points
        of a combination of expressions that are equal but for the step: f(x + h) − f(x − h), or more of them
        or of two equal calls between which the step was added in place (x[i] += h)
    the imaginary part of a function at a complex step, f(x + ih)

A difference quotient in an answer does not prove that the result comes from it: a grader should look.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import TypeGuard

MAX_STEP = 0.01
"""Constants up to this are taken for steps; (a − b) / 2 is half a difference."""
DIVISIONS = ("divide", "true_divide", "truediv")
MAX_CELL_NODES = 20_000
"""Nodes that are examined in a cell. Code written to keep the reader busy is not read to its end."""
MAX_NAME_DEPTH = 20
"""Names are followed to their values to this depth."""


def has_finite_difference(tree: ast.AST) -> bool:
    """Return True if there is a difference quotient in a syntax tree."""
    return _search(tree, _has_finite_difference)


def has_complex_step(tree: ast.AST) -> bool:
    """Return True if there is the imaginary part of a function at a complex step, as f(x + 1j * h).imag."""
    return _search(tree, _has_complex_step)


def _search(tree: ast.AST, look: Callable[[ast.AST, NodeBudget], bool]) -> bool:
    budget = NodeBudget(MAX_CELL_NODES)
    try:
        return any(look(scope, budget) for scope in _list_scopes(tree))
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


def _list_scopes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the cell itself and its functions."""
    yield tree
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))


def _has_finite_difference(scope: ast.AST, budget: NodeBudget) -> bool:
    values, aside, filled = _find_values(scope), _find_added_in_place(scope), _find_filled(scope)
    inline = _NameInliner(values, budget)
    for node in ast.walk(scope):
        for over, under in _list_quotients(node, inline):
            steps = _find_steps(under, inline)
            steps |= {name for name, value in filled if steps and _has_step(value, steps)}
            known = _NameInliner({name: value for name, value in values.items() if name not in steps}, budget)
            for factor in _list_factors(over) if steps else ():
                if not budget.allows(factor):
                    return False
                if _is_difference(known.visit(deepcopy(factor)), steps, aside):
                    return True
    return False


def _list_quotients(node: ast.AST, inline: _NameInliner) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield numerator and divisor of a / b, np.divide(a, b), a * (1 / b) and a * 1e5."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in DIVISIONS and len(node.args) > 1:
        yield node.args[0], node.args[1]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield node.left, node.right
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for over, factor in ((node.left, node.right), (node.right, node.left)):
            whole = inline.visit(deepcopy(factor)) if isinstance(factor, ast.Name) else factor
            if isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Div) and _is_number(whole.left):
                yield over, whole.right
            elif isinstance(factor, ast.Constant) and isinstance(number := factor.value, int | float):
                yield from [(over, ast.Constant(1 / number))] if abs(number) >= 1 / MAX_STEP else []


def _is_number(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_minus(node: ast.AST) -> TypeGuard[ast.UnaryOp]:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _has_complex_step(scope: ast.AST, budget: NodeBudget) -> bool:
    steps = {name for name, value in _find_values(scope, numbers=True).items() if _is_complex(value, set())}
    inline = _NameInliner(_find_values(scope), budget)
    for node in ast.walk(scope):
        if isinstance(node, ast.Attribute) and node.attr == "imag":
            taken: ast.expr = node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "imag" and node.args:
            taken = node.args[0]
        else:
            continue
        if budget.allows(taken) and _is_complex(inline.visit(deepcopy(taken)), steps):
            return True
    return False


def _is_complex(node: ast.AST, names: set[str]) -> bool:
    """Return True if there is a complex number in an expression: 1j, complex(0, h), or one of these names."""
    return any(
        (isinstance(one, ast.Constant) and isinstance(one.value, complex))
        or (isinstance(one, ast.Name) and (one.id in names or one.id == "complex"))
        for one in ast.walk(node)
    )


def _find_values(scope: ast.AST, numbers: bool = False) -> dict[str, ast.expr]:
    """Return the values of names that are assigned once; numbers only if asked, so that a step keeps its name."""
    found: dict[str, ast.expr] = {}
    again: set[str] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            parts = node.value.elts if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) else []
            values = parts if len(parts) == len(names) else [node.value] * len(names)
            for name, value in zip(names, values):
                if isinstance(name, ast.Name):
                    again |= {name.id} & found.keys()
                    found[name.id] = value
    kept = {name: value for name, value in found.items() if name not in again}
    return {name: value for name, value in kept.items() if numbers or not isinstance(value, ast.Constant)}


def _find_added_in_place(scope: ast.AST) -> list[ast.expr]:
    """Return what is added or subtracted in place, as in x[i] += h and x[i] = old + h."""
    nodes = [node for node in ast.walk(scope) if isinstance(node, ast.AugAssign)]
    added = [node.value for node in nodes if isinstance(node.op, ast.Add | ast.Sub)]
    sums = [value for _, value in _find_filled(scope) if isinstance(value, ast.BinOp)]
    added += [value.right for value in sums if isinstance(value.op, ast.Add | ast.Sub)]
    return [factor for value in added for factor in _list_factors(value)]


def _find_filled(scope: ast.AST) -> list[tuple[str, ast.expr]]:
    """Return arrays with what is stored in them, as in e[i] = h."""
    nodes = (node for node in ast.walk(scope) if isinstance(node, ast.Assign))
    pairs = ((target, node.value) for node in nodes for target in node.targets if isinstance(target, ast.Subscript))
    return [(target.value.id, value) for target, value in pairs if isinstance(target.value, ast.Name)]


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


def _find_steps(divisor: ast.expr, inline: _NameInliner) -> set[str]:
    """Return the step in a divisor: h of 2 * h, a small number, or h of (x + h) - (x - h). Empty if there is none."""
    factors = list(_list_factors(divisor))
    numbers = [factor.value for factor in factors if isinstance(factor, ast.Constant)]
    others = [factor for factor in factors if not isinstance(factor, ast.Constant)]
    if len(others) == 1:
        whole = inline.visit(deepcopy(others[0]))
        if isinstance(whole, ast.BinOp) and isinstance(whole.op, ast.Sub):
            return _find_distance(whole.left, whole.right)
        if isinstance(whole, ast.BinOp) and isinstance(others[0], ast.Name):  # a name for 2 * h
            return _find_steps(whole, inline) | {others[0].id}
        if isinstance(others[0], ast.Name | ast.Attribute):
            return {ast.unparse(others[0])}
    is_small = not others and any(isinstance(n, float) and 0 < n <= MAX_STEP for n in numbers)
    return {ast.unparse(factor) for factor in factors} if is_small else set()


def _find_distance(one: ast.expr, other: ast.expr) -> set[str]:
    """Return what was added to a point, or to both, if the points are equal without it."""
    sums = [node for point in (one, other) for node in ast.walk(point) if isinstance(node, ast.BinOp)]
    added = [node.right for node in sums if isinstance(node.op, ast.Add | ast.Sub)]
    steps = {ast.unparse(factor) for node in added for factor in _list_factors(node)}
    back = _StepRemover(steps)
    return steps if ast.unparse(back.visit(deepcopy(one))) == ast.unparse(back.visit(deepcopy(other))) else set()


def _is_difference(node: ast.AST, steps: set[str], aside: Sequence[ast.expr]) -> bool:
    """Return True for terms of both signs that are equal but for the step."""
    terms = list(_list_terms(node))
    if {sign for sign, _ in terms} != {1, -1}:
        return False
    forms = {ast.unparse(term) for _, term in terms}
    if len(forms) == 1:
        return "(" in forms.pop() and any(_is_step(added, steps) for added in aside)
    back = _StepRemover(steps)
    return len({ast.unparse(back.visit(term)) for _, term in terms}) == 1 and back.found


def _list_terms(node: ast.AST, sign: int = 1) -> Iterator[tuple[int, ast.expr]]:
    """Yield the terms of a sum with their signs, without factors that are numbers."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _list_terms(node.left, sign)
        yield from _list_terms(node.right, sign if isinstance(node.op, ast.Add) else -sign)
    elif _is_minus(node):
        yield from _list_terms(node.operand, -sign)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _is_number(node.left):
        yield from _list_terms(node.right, sign)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _is_minus(node.left):
        yield from _list_terms(ast.BinOp(node.left.operand, node.op, node.right), -sign)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div) and _is_number(node.right):
        yield from _list_terms(node.left, sign)
    elif isinstance(node, ast.expr):
        yield sign, node


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
