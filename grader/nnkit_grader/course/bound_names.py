"""The names that a cell binds at top level, found in its source without running it."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Callable, Iterator, Sequence, Set
from functools import lru_cache

from nnkit.check.notebook.code_text import parse_code


@lru_cache(1000)
def find_bound_names(source: str) -> frozenset[str]:
    """Find what `def`, `class`, `import`, `for`, `with`, `match`, `=` and `:=` bind outside functions and classes.

    IPython's magics are ignored. Raises SyntaxError if the rest is not Python.
    """
    found = _BoundNameFinder()
    found.visit(parse_code(source))
    return frozenset(found.names)


@lru_cache(1000)
def find_used_names(source: str) -> frozenset[str]:
    """Find the names that are read anywhere in a cell. Raises SyntaxError if it is not Python."""
    loads = (node for node in ast.walk(parse_code(source)) if isinstance(node, ast.Name))
    return frozenset(node.id for node in loads if isinstance(node.ctx, ast.Load))


@lru_cache(1000)
def find_global_reads(source: str) -> frozenset[str]:
    """Find the names that a cell reads at top level, or its functions as global ones. Raises SyntaxError.

    `x += 1` and `del x` read x.
    """
    tree = parse_code(source)
    top = symtable.symtable(ast.unparse(tree), "<cell>", "exec")
    return frozenset(_list_global_reads(top, frozenset(_list_changed(tree))))


def _list_changed(tree: ast.AST) -> Iterator[str]:
    """Yield the names that `+=` and its like change, or `del` deletes; for a symbol table they are not read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            yield node.id


def _list_global_reads(scope: symtable.SymbolTable, changed: Set[str]) -> Iterator[str]:
    top = scope.get_type() == "module"
    for symbol in scope.get_symbols():
        if (symbol.is_referenced() or symbol.get_name() in changed) and (top or symbol.is_global()):
            yield symbol.get_name()
    for inner in scope.get_children():
        yield from _list_global_reads(inner, changed)


@lru_cache(1000)
def list_early_reads(source: str) -> frozenset[str]:
    """Return the names that a cell reads before it has bound them for certain; a function reads where it is defined."""
    return frozenset(_list_early_reads(parse_code(source).body, set()))


def _list_early_reads(body: Sequence[ast.stmt], bound: set[str]) -> set[str]:
    early: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.If):
            early |= _find_reads(statement.test) - bound
            early |= _list_early_reads(statement.body, set(bound)) | _list_early_reads(statement.orelse, set(bound))
        elif isinstance(statement, ast.For):
            target = ast.Assign([statement.target], ast.Constant(0), lineno=0)
            early |= (_find_reads(statement.iter) | _find_reads(target)) - bound
            inner = bound | find_bound_names(ast.unparse(target))
            early |= _list_early_reads(statement.body, inner) | _list_early_reads(statement.orelse, set(bound))
        else:
            own = {statement.name} if isinstance(statement, ast.FunctionDef) else set()
            early |= _find_reads(statement) - bound - own
        bound |= set(_list_certain(statement))
        if isinstance(statement, ast.Delete):
            bound -= _find_reads(statement)
    return early


def _find_reads(node: ast.AST) -> frozenset[str]:
    return find_global_reads(ast.unparse(node))


def _list_certain(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds whenever it ends without an error."""
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        yield from find_bound_names(ast.unparse(statement))


def list_names(find: Callable[[str], Set[str]], source: str) -> Set[str]:
    """Return the names that `find` finds in a cell; none if it is not Python, or nested too deep."""
    try:
        return find(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


@lru_cache(1000)
def find_operators(source: str) -> frozenset[str]:
    """Find the special methods of a cell's classes, as "__add__"; none if it is not Python."""
    try:
        tree = parse_code(source)
    except SyntaxError:
        return frozenset()
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names = {name for node in classes for part in node.body for name in _list_bound(part)}
    decorators = {word for node in classes for part in node.decorator_list for word in _list_words(part)}
    if "dataclass" in decorators:
        names |= {"__eq__", "__repr__"}
    if {"order", "total_ordering"} & decorators:
        names |= {"__lt__", "__le__", "__gt__", "__ge__"}
    return frozenset(name for name in names if name.startswith("__") and name.endswith("__"))


def _list_bound(statement: ast.stmt) -> set[str]:
    finder = _BoundNameFinder()
    finder.visit(statement)
    return finder.names


def _list_words(decorator: ast.expr) -> Iterator[str]:
    """Yield the names in a decorator, and its keywords."""
    for node in ast.walk(decorator):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


class _BoundNameFinder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.in_comprehension = False

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.names.add(node.name)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _definition

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Skip it: a lambda is a scope of its own."""

    def _comprehension(self, node: ast.AST) -> None:
        """Skip the variables of a comprehension; `:=` in it binds outside."""
        outer, self.in_comprehension = self.in_comprehension, True
        self.generic_visit(node)
        self.in_comprehension = outer

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store) and not self.in_comprehension:
            self.names.add(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.names.add(node.target.id)
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Skip annotations without a value: `x: int` binds nothing."""
        if node.value is not None:
            self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        if node.name != "*":
            self.names.add(node.asname or node.name.partition(".")[0])

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.names |= {node.name} if node.name else set()
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self.names |= {node.name} if node.name else set()

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.names |= {node.rest} if node.rest else set()
        self.generic_visit(node)
