"""The part of a notebook's code on which given names depend: what merely prints, plots or asserts is left out.

    cells → find_live_code(cells, wanted) → the same statements, less those that the wanted names do not need

A statement is live if it binds a name that live code reads, if it stores into an object that live code may see, or if
it returns from a live function. Order is ignored, so too much is kept rather than too little.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator, Sequence

from nnkit_grader.report.normalise import list_bound_names

MAX_PASSES = 50
MAX_READS = 50_000
"""Passes, and names read in them, after which all is kept. Notebooks written by hand take about 2,000 reads."""
SHOWING = (
    "print display pprint show plot scatter semilogx semilogy loglog bar hist imshow title suptitle xlabel ylabel "
    "legend figure savefig tight_layout grid axhline axvline warn debug info warning error log exception write Markdown"
)
SHOWS = frozenset(SHOWING.split())
"""Functions that only show what they are given."""
TESTS = ("assert", "check_", "test_")
"""Beginnings of functions that only compare what they are given."""
FRESH = (ast.Call, ast.BinOp, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Constant)
"""Expressions whose value no other name has."""

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def find_live_code(cells: Iterable[ast.Module], wanted: Iterable[str]) -> ast.Module:
    """Return the statements of these cells that the wanted names need; attributes are written with a dot: ".backward".

    The nodes are shared with the cells' trees. Raises RecursionError for code that is nested too deeply.
    """
    body = [statement for cell in cells for statement in cell.body]
    with contextlib.suppress(StopIteration):
        body = _Scope(body, wanted, iter(range(MAX_READS)), is_cell=True).find_live()
    return ast.Module(body, [])


class _Scope:
    """The statements of a cell, a function or a class, of which those are live that `needed` depends on."""

    def __init__(
        self,
        body: Sequence[ast.stmt],
        needed: Iterable[str],
        left: Iterator[int],
        returns: bool = True,
        is_class: bool = False,
        is_cell: bool = False,
    ):
        self.body, self.needed, self.returns = body, set(needed), returns
        self.left = left
        """One for each name that may still be read; then StopIteration."""
        self.is_class, self.is_cell = is_class, is_cell
        self.fresh, self.shared = _find_bound(body)

    def find_live(self) -> list[ast.stmt]:
        for _ in range(MAX_PASSES):
            before = len(self.needed)
            live = self.keep_block(self.body)
            if len(self.needed) == before:
                return live
        return list(self.body)

    def keep_block(self, block: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Return the live statements of a block. Read backwards, most chains of names take one pass."""
        return [kept for statement in reversed(block) if (kept := self.keep(statement))][::-1]

    def keep(self, node: ast.stmt) -> ast.stmt | None:
        """Return a statement without what is not live in it, or None; note what it reads."""
        next(self.left)
        kept = self._reduce(node)
        if kept is not None:
            for name in _list_reads(kept):
                next(self.left)
                self.needed.add(name)
        return kept

    def _reduce(self, node: ast.stmt) -> ast.stmt | None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return self._reduce_definition(node)
            case ast.Return():
                return node if self.returns else None
            case ast.Expr():
                return node if _has_effect(node.value) and self._is_effect_seen(node.value) else None
            case ast.Assert() | ast.Raise() | ast.Pass() | ast.Break() | ast.Continue():
                return None
            case ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal():
                return node
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Delete():
                return node if any(map(self._is_seen, _list_targets(node))) else None
            case _:
                return self._reduce_compound(node)

    def _reduce_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.stmt | None:
        value, effect = self._is_needed(node.name), self._is_needed(f"{node.name}()")
        if not value and not effect:
            return None
        if isinstance(node, ast.ClassDef):
            body = _Scope(node.body, self.needed, self.left, is_class=True).find_live()
        else:
            outer = {name for name in self.needed if name.startswith(".")} | _find_outer(node)
            body = _Scope(node.body, outer, self.left, returns=value).find_live()
        return _replace_fields(node, body=body)

    def _is_needed(self, name: str) -> bool:
        if self.is_class:
            return name.startswith("__") or f".{name}" in self.needed
        return name in self.needed

    def _is_seen(self, target: ast.expr) -> bool:
        """Return whether live code may see what is stored here."""
        if isinstance(target, ast.Name):
            return self._is_needed(target.id)
        if isinstance(target, ast.Attribute) and f".{target.attr}" not in self.needed:
            return False
        base: ast.expr = target
        while isinstance(base, ast.Attribute | ast.Subscript | ast.Starred | ast.Call):
            base = base.func if isinstance(base, ast.Call) else base.value
        return not isinstance(base, ast.Name) or self._is_shared(base.id)

    def _is_shared(self, name: str) -> bool:
        """Return whether live code may reach the object behind a name."""
        if name in self.needed or name in self.shared:
            return True
        return not self.is_cell and name not in self.fresh  # an argument, or a name from outside

    def _is_effect_seen(self, value: ast.expr) -> bool:
        """Return whether a call that stands alone gets an object that live code may reach, or no object."""
        names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
        names -= {value.func.id} if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else set()
        return not names or any(map(self._is_shared, names))

    def _reduce_compound(self, node: ast.stmt) -> ast.stmt | None:
        """Return an if, loop, with, try or match whose blocks are reduced; None if nothing is live in it."""
        blocks = {name: value for name, value in ast.iter_fields(node) if isinstance(value, list) and value}
        changed: dict[str, list[ast.AST]] = {}
        live = any(map(self._is_seen, _list_targets(node)))
        for name, children in blocks.items():
            if isinstance(children[0], ast.stmt):
                changed[name] = list(self.keep_block(children))
                live |= bool(changed[name])
            elif isinstance(children[0], ast.excepthandler | ast.match_case):
                changed[name] = [_replace_fields(child, body=self.keep_block(child.body)) for child in children]
                live |= any(child.body for child in changed[name])  # type: ignore[attr-defined]
        return _replace_fields(node, **changed) if live else None


def _replace_fields(node: ast.AST, **fields: object) -> ast.stmt:
    new: ast.stmt = type(node)(**{**dict(ast.iter_fields(node)), **fields})  # type: ignore[assignment]
    return ast.copy_location(new, node) if hasattr(node, "lineno") else new


def _list_reads(tree: ast.AST) -> Iterator[str]:
    """Yield what a tree reads: "name", ".attribute"; "name()", ".method()" where only the effect of a call counts."""
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Call):
        function = tree.value.func
        if isinstance(function, ast.Name):
            yield f"{function.id}()"
        elif isinstance(function, ast.Attribute):
            yield f".{function.attr}()"
            yield from _list_reads(function.value)
        else:
            yield from _list_reads(function)
        for argument in (*tree.value.args, *(keyword.value for keyword in tree.value.keywords)):
            yield from _list_reads(argument)
        return
    if isinstance(tree, ast.Name) and isinstance(tree.ctx, ast.Load):
        yield tree.id
    elif isinstance(tree, ast.Attribute) and isinstance(tree.ctx, ast.Load):
        yield f".{tree.attr}"
    elif isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "getattr":
        yield f".{getattr(tree.args[1], 'value', '')}" if len(tree.args) > 1 else ""
    elif isinstance(tree, ast.AugAssign) and isinstance(tree.target, ast.Name):
        yield tree.target.id
    inner = (name for child in ast.iter_child_nodes(tree) for name in _list_reads(child))
    if isinstance(tree, FUNCTIONS):
        own = set(list_bound_names(tree)) - _find_outer(tree)
        inner = (name for name in inner if name.removesuffix("()") not in own)
    yield from inner


def _list_targets(node: ast.stmt) -> Iterator[ast.expr]:
    """Yield what a statement assigns to: names, attributes, items."""
    match node:
        case ast.Assign() | ast.Delete():
            waiting = list(node.targets)
        case ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.AsyncFor():
            waiting = [node.target]
        case ast.With() | ast.AsyncWith():
            waiting = [item.optional_vars for item in node.items if item.optional_vars]
        case _:
            waiting = []
    while waiting:
        target = waiting.pop()
        if isinstance(target, ast.Tuple | ast.List):
            waiting += target.elts
        elif isinstance(target, ast.Starred):
            waiting.append(target.value)
        else:
            yield target


def _find_bound(body: Sequence[ast.stmt]) -> tuple[set[str], set[str]]:
    """Return the names that a scope binds to fresh values only, which no other name leads to, and the others."""
    fresh: set[str] = set()
    shared: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FUNCTIONS | ast.ClassDef):
            continue
        if isinstance(node, ast.stmt):
            names = {target.id for target in _list_targets(node) if isinstance(target, ast.Name)}
            is_fresh = isinstance(node, ast.AugAssign) or (
                isinstance(node, ast.Assign) and isinstance(node.value, FRESH)
            )
            (fresh if is_fresh else shared).update(names)
        waiting += ast.iter_child_nodes(node)
    return fresh - shared, shared


def _find_outer(function: ast.AST) -> set[str]:
    """Return the names that a function binds outside itself."""
    nodes = (node for node in ast.walk(function) if isinstance(node, ast.Global | ast.Nonlocal))
    return {name for node in nodes for name in node.names}


def _has_effect(value: ast.expr) -> bool:
    """Return whether an expression that stands alone may change something that live code sees."""
    if not isinstance(value, ast.Call):
        return isinstance(value, ast.Yield | ast.YieldFrom | ast.Await)
    name = ast.unparse(value.func).rpartition(".")[2]
    return name not in SHOWS and not name.startswith(TESTS)
