"""The names that a cell binds at top level, found in its source without running it."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

MAGIC_LINE = re.compile(r"^([ \t]*)(?:[%!?]|[\w.]+\?{1,2}[ \t]*$).*$", re.MULTILINE)
"""A line for IPython: a magic, a shell command, or help."""


@lru_cache(1000)
def find_bound_names(source: str) -> frozenset[str]:
    """Find what `def`, `class`, `import`, `for`, `with`, `match`, `=` and `:=` bind outside functions and classes.

    IPython's magics are ignored. Raises SyntaxError if the rest is not Python.
    """
    found = _BoundNameFinder()
    found.visit(_parse_cell(source))
    return frozenset(found.names)


@lru_cache(1000)
def find_used_names(source: str) -> frozenset[str]:
    """Find the names that are read anywhere in a cell. Raises SyntaxError if it is not Python."""
    loads = (node for node in ast.walk(_parse_cell(source)) if isinstance(node, ast.Name))
    return frozenset(node.id for node in loads if isinstance(node.ctx, ast.Load))


def _parse_cell(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse(MAGIC_LINE.sub(r"\1pass", source))


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
