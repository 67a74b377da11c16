"""Every single mechanical mutant of a function: one operator, name, constant, axis, transpose, argument, term,
statement ... changed, everything else as it was.

A mutant is a source text. It is made by putting another node into the parsed tree for a moment, so that
nothing but that one place differs. `watches` gives texts that run as the original does and tell, on the way,
what the changed expression would have been.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

Found = Iterator[tuple[str, ast.AST]]

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult)
ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
OTHER = {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And}
TWINS = {
    a: b
    for pair in (
        ("sum", "mean"), ("max", "min"), ("maximum", "minimum"), ("argmax", "argmin"), ("exp", "log"),
        ("exp", "expm1"), ("log", "log1p"), ("zeros", "ones"), ("zeros_like", "ones_like"), ("sqrt", "square"),
        ("tanh", "arctanh"), ("any", "all"), ("outer", "dot"), ("abs", "float"),
    )
    for a, b in (pair, pair[::-1])
}  # fmt: skip
MODULES = ("np", "xp", "math")


@dataclass(frozen=True)
class Mutant:
    kind: str
    line: int
    """Counted from the function's first line."""
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.kind}, line {self.line}: {self.before}  →  {self.after}"


def parse(function: Any) -> ast.FunctionDef:
    """A function's tree, without annotations, decorators and docstring."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    tree.returns, tree.decorator_list = None, []
    for argument in ast.walk(tree.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:] or [ast.Pass()]
    return tree


def mutants(function: Any) -> list[Mutant]:
    """All mutants of `function` (or of its tree) that differ in text, in the order of the source."""
    tree = function if isinstance(function, ast.FunctionDef) else parse(function)
    seen, found = {ast.unparse(tree)}, []
    for _, _, mutant in _made(tree):
        if mutant.source not in seen:
            seen.add(mutant.source)
            found.append(mutant)
    return found


def watches(function: Any, mutant: Mutant) -> list[tuple[str, str]]:
    """For each expression that holds the change, from the smallest on: its text, and the source with
    `__watch__(lambda: before, lambda: after)` in its place. None for a statement."""
    tree = parse(function)
    for place, node, made in _made(tree, mutant):
        if made.source == mutant.source:
            return list(_watches(tree, place, node))
    raise ValueError(f"{mutant} is no mutant of this function.")


def _made(tree: ast.FunctionDef, alike: Mutant | None = None) -> Iterator[tuple[_Place, ast.AST, Mutant]]:
    scope = _Scope(tree)
    for place in _places(tree):
        if alike is not None and _text(place.node) != alike.before:
            continue
        for kind, node in (*_statements(place), *_expressions(place, scope)):
            yield place, node, _mutant(tree, place, kind, node)


# ---- places -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A node and where it hangs: its parent's field, and the position in it if the field is a list."""

    node: ast.AST
    parent: ast.AST
    field: str
    position: int | None
    outer: _Place | None
    """The place of the parent."""

    def put(self, node: ast.AST) -> None:
        if self.position is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.position] = node


def _places(node: ast.AST, outer: _Place | None = None) -> Iterator[_Place]:
    """Everything below `node`, in the order of the source; texts of error messages are left out."""
    for field, value in ast.iter_fields(node):
        for position, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.arguments | ast.expr_context):
                continue
            place = _Place(child, node, field, position if isinstance(value, list) else None, outer)
            yield place
            if not _is_guard(child):
                yield from _places(child, place)


def _is_guard(node: ast.AST) -> bool:
    """Return True if this statement only refuses what does not fit, as `g = check_upstream(self, g, ...)` does: it is
    dropped, not mutated."""
    call = node.value if isinstance(node, ast.Expr | ast.Assign) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func).startswith("check_")


def _may_be_value(place: _Place) -> bool:
    """Return True if a number or an array may stand here: not a function's name, a module, a keyword's constant."""
    outside = (ast.Call, "func"), (ast.Attribute, "value"), (ast.keyword, "value"), (ast.Raise, "exc")
    if isinstance(place.node, ast.Name) and place.node.id == "self":
        return False
    return not any(isinstance(place.parent, kind) and place.field == name for kind, name in outside)


def _mutant(tree: ast.FunctionDef, place: _Place, kind: str, node: ast.AST) -> Mutant:
    old = place.node
    place.put(node)
    source = ast.unparse(tree)
    place.put(old)
    line = getattr(old, "lineno", getattr(place.parent, "lineno", 0))
    return Mutant(kind, line, _text(old), _text(node), source)


def _watches(tree: ast.FunctionDef, place: _Place, node: ast.AST) -> Iterator[tuple[str, str]]:
    around: _Place | None = place
    while around is not None and not isinstance(place.node, ast.stmt):
        if _watchable(around):
            place.put(node)
            changed = node if around is place else copy.deepcopy(around.node)
            place.put(place.node)
            assert isinstance(around.node, ast.expr)
            around.put(_watch(around.node, changed))
            yield ast.unparse(around.node), ast.unparse(tree)
            around.put(around.node)
        around = around.outer


def _watchable(place: _Place) -> bool:
    node = place.node
    inside = isinstance(place.parent, ast.keyword | ast.Slice) or place.field in ("slice", "func", "exc")
    if inside or isinstance(node, ast.Slice | ast.Starred):
        return False
    return isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)


def _watch(old: ast.expr, new: ast.AST) -> ast.Call:
    none = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    sides: list[ast.expr] = [ast.Lambda(none, side) for side in (old, new)]
    return ast.Call(ast.Name("__watch__", ast.Load()), sides, [])


def _text(node: ast.AST) -> str:
    text = ast.unparse(node).replace("\n", "; ")
    return text if len(text) <= 100 else text[:97] + "..."


class _Scope:
    """The local names of a function, each with the line from which it is bound, and its text keys."""

    def __init__(self, tree: ast.FunctionDef):
        self.names: dict[str, int] = {a.arg: 0 for a in ast.walk(tree.args) if isinstance(a, ast.arg)}
        self.names.pop("self", None)
        stores = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        for node in stores:
            self.names[node.id] = min(self.names.get(node.id, node.lineno), node.lineno)
        constants = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
        self.keys = list(dict.fromkeys(c for c in constants if isinstance(c, str) and c.isidentifier()))

    def others(self, name: ast.Name) -> list[str]:
        if name.id not in self.names:
            return []
        return [other for other, line in self.names.items() if other != name.id and line < name.lineno]


# ---- statements -------------------------------------------------------------------------------------


def _statements(place: _Place) -> Found:
    node = place.node
    if not isinstance(node, ast.stmt) or isinstance(node, ast.Pass):
        return
    yield "statement dropped", ast.Pass()
    if isinstance(node, ast.AugAssign):
        for kind in ARITHMETIC:
            if not isinstance(node.op, kind):
                yield "operator", ast.AugAssign(node.target, kind(), node.value)
        yield "accumulation dropped", ast.Assign([node.target], node.value, lineno=node.lineno)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
        for elements in _swaps(node.targets[0].elts):
            yield "elements swapped", ast.Assign([ast.Tuple(elements, ast.Store())], node.value, lineno=node.lineno)


# ---- expressions ------------------------------------------------------------------------------------


def _expressions(place: _Place, scope: _Scope) -> Found:
    node = place.node
    if not isinstance(node, ast.expr) or isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return
    rules: dict[type, Callable[[Any], Found]] = {
        ast.BinOp: _operator, ast.UnaryOp: _unary, ast.Compare: _comparison, ast.BoolOp: _junction, ast.IfExp: _choice,
        ast.Call: _call, ast.Attribute: _attribute, ast.Subscript: _subscript,
        ast.Slice: _slice, ast.Tuple: _elements, ast.List: _elements, ast.Dict: _entries,
    }  # fmt: skip
    if type(node) in rules:
        yield from rules[type(node)](node)
    if isinstance(node, ast.Constant):
        yield from _constant(node, place, scope)
    if isinstance(node, ast.Name):
        yield from (("name", ast.Name(other, ast.Load())) for other in scope.others(node))
        if node.id in TWINS and isinstance(place.parent, ast.Call):
            yield "function", ast.Name(TWINS[node.id], ast.Load())
    if place.field == "test":
        yield from (("condition", ast.Constant(always)) for always in (True, False))
        yield "condition", ast.UnaryOp(ast.Not(), node)
    if _may_be_value(place) and isinstance(node, ast.Name | ast.BinOp | ast.Call | ast.Subscript | ast.Attribute):
        yield "minus added", ast.UnaryOp(ast.USub(), node)
    product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
    if _may_be_value(place) and (product or isinstance(node, ast.Name | ast.Call)):
        yield "transpose added", ast.Attribute(node, "T", ast.Load())


def _operator(node: ast.BinOp) -> Found:
    for kind in ARITHMETIC:
        if not isinstance(node.op, kind):
            yield "operator", ast.BinOp(node.left, kind(), node.right)
    dropped = "term dropped" if isinstance(node.op, ast.Add | ast.Sub) else "factor dropped"
    yield dropped, node.left
    yield dropped, ast.UnaryOp(ast.USub(), node.right) if isinstance(node.op, ast.Sub) else node.right
    if not isinstance(node.op, ast.Add | ast.Mult):
        yield "operands swapped", ast.BinOp(node.right, node.op, node.left)


def _unary(node: ast.UnaryOp) -> Found:
    yield ("minus dropped" if isinstance(node.op, ast.USub) else "not dropped"), node.operand


def _comparison(node: ast.Compare) -> Found:
    for position, op in enumerate(node.ops):
        kinds = ORDER if isinstance(op, ORDER) else (OTHER[type(op)],)
        for kind in kinds:
            if not isinstance(op, kind):
                ops = [*node.ops[:position], kind(), *node.ops[position + 1 :]]
                yield "comparison", ast.Compare(node.left, ops, node.comparators)


def _junction(node: ast.BoolOp) -> Found:
    yield "and ↔ or", ast.BoolOp(OTHER[type(node.op)](), node.values)
    yield from (("condition dropped", value) for value in node.values)


def _choice(node: ast.IfExp) -> Found:
    yield from (("condition", side) for side in (node.body, node.orelse))


def _constant(node: ast.Constant, place: _Place, scope: _Scope) -> Found:
    value = node.value
    if isinstance(value, str) and value in scope.keys:
        yield from (("key", ast.Constant(key)) for key in scope.keys if key != value)
    elif isinstance(value, bool) or isinstance(place.parent, ast.keyword):
        return
    elif isinstance(value, int | float):
        for other in (0, 1, 2, -1, value + 1, value - 1, value * 1.005, value / 2):
            if other != value:
                yield "constant", ast.Constant(int(other) if isinstance(value, int) and other == int(other) else other)
    elif value is None and isinstance(place.parent, ast.Tuple):
        yield from (("constant", ast.Constant(axis)) for axis in (0, 1, -1))


def _call(node: ast.Call) -> Found:
    for arguments in _swaps(node.args):
        yield "arguments swapped", ast.Call(node.func, arguments, node.keywords)
    for position in range(len(node.args)):
        rest = [*node.args[:position], *node.args[position + 1 :]]
        yield "argument dropped", ast.Call(node.func, rest, node.keywords)
    for position in range(len(node.keywords)):
        rest_of = [*node.keywords[:position], *node.keywords[position + 1 :]]
        yield "keyword dropped", ast.Call(node.func, node.args, rest_of)
    yield from _keywords(node)
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
    if receiver is not None and not (isinstance(receiver, ast.Name) and receiver.id in (*MODULES, "self")):
        yield "call dropped", receiver
    yield from (("call dropped", argument) for argument in node.args if not isinstance(argument, ast.Starred))


def _keywords(node: ast.Call) -> Found:
    for position, keyword in enumerate(node.keywords):
        if keyword.arg == "axis":
            kind, values = "axis", [ast.Constant(axis) for axis in (0, 1, -1, None)]
        elif isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, bool):
            kind, values = "flag", [ast.Constant(not keyword.value.value)]
        else:
            continue
        for value in values:
            changed = [*node.keywords[:position], ast.keyword(keyword.arg, value), *node.keywords[position + 1 :]]
            yield kind, ast.Call(node.func, node.args, changed)


def _attribute(node: ast.Attribute) -> Found:
    if node.attr == "T":
        yield "transpose dropped", node.value
    if node.attr in TWINS:
        yield "function", ast.Attribute(node.value, TWINS[node.attr], ast.Load())


def _subscript(node: ast.Subscript) -> Found:
    yield "index dropped", node.value
    if not isinstance(node.slice, ast.Constant | ast.Slice | ast.Tuple):
        for op in (ast.Add(), ast.Sub()):
            yield "index", ast.Subscript(node.value, ast.BinOp(node.slice, op, ast.Constant(1)), ast.Load())


def _slice(node: ast.Slice) -> Found:
    one = ast.Constant(1)
    if node.lower is not None:
        yield "slice", ast.Slice(None, node.upper, node.step)
        yield "slice", ast.Slice(ast.BinOp(node.lower, ast.Add(), one), node.upper, node.step)
    if node.upper is not None:
        yield "slice", ast.Slice(node.lower, None, node.step)
        yield "slice", ast.Slice(node.lower, ast.BinOp(node.upper, ast.Sub(), one), node.step)
    if node.step is not None:
        yield "slice", ast.Slice(node.lower, node.upper, None)
    if node.lower is None and node.upper is None:
        yield "slice", ast.Slice(one, None, node.step)
        yield "slice", ast.Slice(None, ast.Constant(-1), node.step)


def _elements(node: ast.Tuple | ast.List) -> Found:
    def again(elements: list[ast.expr]) -> ast.expr:
        return type(node)(elements, ast.Load())

    yield from (("elements swapped", again(elements)) for elements in _swaps(node.elts))
    for i in range(len(node.elts)):
        yield "element dropped", again([*node.elts[:i], *node.elts[i + 1 :]])
        for j in range(len(node.elts)):
            if i != j:
                yield "element duplicated", again([*node.elts[:i], node.elts[j], *node.elts[i + 1 :]])


def _entries(node: ast.Dict) -> Found:
    yield from (("elements swapped", ast.Dict(node.keys, values)) for values in _swaps(node.values))
    for i in range(len(node.keys)):
        keys, values = [*node.keys[:i], *node.keys[i + 1 :]], [*node.values[:i], *node.values[i + 1 :]]
        yield "element dropped", ast.Dict(keys, values)


def _swaps(nodes: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for i, j in combinations(range(len(nodes)), 2):
        if not isinstance(nodes[i], ast.Starred) and not isinstance(nodes[j], ast.Starred):
            swapped = list(nodes)
            swapped[i], swapped[j] = nodes[j], nodes[i]
            yield swapped
