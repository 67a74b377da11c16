"""The form of an answer: what is left of it when names, comments, docstrings, annotations and layout are taken away.

Names that a cell binds are numbered, in each function anew: arguments, variables, helpers, attributes (`self.x = …`),
and strings that serve as keys. Names that it does not bind (`np.exp`) and those that the course asks for stay.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nnkit_grader.report.source import parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Form:
    digest: str
    """Equal for answers that are the same up to renaming."""
    size: int
    """Nodes of the syntax tree; words for what is not Python."""


def form(source: str, asked: frozenset[str] = frozenset()) -> Form:
    """Of a code cell; `asked` are the functions, classes and methods that the course asks for by name."""
    tree = parsed(source)
    try:
        if tree is not None:
            plain = _Renamed(tree, asked).visit(tree)
            told = ast.dump(plain, annotate_fields=False)
            return Form(_digest(told), sum(1 for node in ast.walk(plain) if not isinstance(node, ast.expr_context)))
    except RecursionError:
        pass
    return words(source)


def words(text: str) -> Form:
    """Of an answer in words: the words, whatever stands between them."""
    found = re.findall(r"\w+", text.casefold())
    return Form(_digest(" ".join(found)), len(found))


def defined(source: str) -> frozenset[str]:
    """The functions, classes and methods that a cell defines."""
    tree = parsed(source)
    nodes = ast.walk(tree) if tree else ()
    return frozenset(n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


class _Renamed(ast.NodeTransformer):
    def __init__(self, tree: ast.Module, asked: frozenset[str]):
        self.asked = asked
        self.keys: dict[str, str] = {}
        own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_bound(node)}
        own |= {name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for name in _bound(node)}
        self.attributes = dict.fromkeys(own - asked, "")
        self.scopes = [dict.fromkeys(_bound(tree), "")]

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Without docstrings, and strings that serve as comments."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self.name(node.name)
        self.scopes.append(dict.fromkeys(_bound(node), ""))
        self.generic_visit(node)
        self.scopes.pop()
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.name = self.attribute(node.name) if node.name in self.attributes else self.name(node.name)
        node.returns = None
        return self.function(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self.function(node)

    def function(self, node: Function) -> ast.AST:
        self.scopes.append(dict.fromkeys(_bound(node), ""))
        self.generic_visit(node)
        self.scopes.pop()
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation, node.type_comment = self.name(node.arg), None, None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.name(node.id)
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        """An import keeps its name, so that `np` is NumPy for everybody."""
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self.attribute(node.attr)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return self.visit(ast.Assign([node.target], node.value))  # type: ignore[no-any-return]

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.slice = self.key(node.slice)
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        node.keys = [key and self.key(key) for key in node.keys]
        return self.generic_visit(node)

    def key(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.Constant(self.keys.setdefault(node.value, f"key {len(self.keys)}"))
        return node

    def attribute(self, name: str) -> str:
        return _numbered(self.attributes, name, "attribute")

    def name(self, name: str) -> str:
        """Its number in the innermost scope that binds it; itself where none does."""
        if name in self.asked:
            return name
        for depth in range(len(self.scopes) - 1, -1, -1):
            if name in self.scopes[depth]:
                return _numbered(self.scopes[depth], name, f"name {depth}.")
        return name


def _numbered(names: dict[str, str], name: str, head: str) -> str:
    """By the order in which names are met."""
    if name in names and not names[name]:
        names[name] = f"{head} {sum(map(bool, names.values()))}"
    return names.get(name, name)


def _bound(scope: ast.AST) -> Iterator[str]:
    """The names that a function, class or cell binds itself, without those that functions in it bind."""
    if isinstance(scope, Function):
        yield from (node.arg for node in ast.walk(scope.args) if isinstance(node, ast.arg))
    body = getattr(scope, "body", [])
    waiting = list(body) if isinstance(body, list) else [body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and _is_bound(node):
            yield node.id
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _is_bound(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store | ast.Del)
