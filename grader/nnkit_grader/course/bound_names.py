"""The names that a cell binds at top level, told from its source without running it."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

MAGIC = re.compile(r"^([ \t]*)(?:[%!?]|[\w.]+\?{1,2}[ \t]*$).*$", re.MULTILINE)
"""A line that is IPython's and not Python's."""


@lru_cache(1000)
def bound_names(source: str) -> frozenset[str]:
    """What `def`, `class`, assignment, `import`, `for`, `with`, `match` and `:=` bind outside functions and classes.

    IPython's magics count as nothing. Raises SyntaxError where the rest is not Python.
    """
    found = _Names()
    found.visit(_parsed(source))
    return frozenset(found.names)


@lru_cache(1000)
def used_names(source: str) -> frozenset[str]:
    """The names that are read anywhere in a cell. Raises SyntaxError as `bound_names` does."""
    loads = (node for node in ast.walk(_parsed(source)) if isinstance(node, ast.Name))
    return frozenset(node.id for node in loads if isinstance(node.ctx, ast.Load))


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.parse(MAGIC.sub(r"\1pass", source))


class _Names(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.in_comprehension = False

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.names.add(node.name)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _definition

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A scope of its own."""

    def _comprehension(self, node: ast.AST) -> None:
        """Its variables are its own, but `:=` in it binds outside."""
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
        """`x: int` alone binds nothing."""
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
