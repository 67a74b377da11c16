"""The normalised syntax tree of an answer: without its own names, comments, docstrings, annotations and layout.

Names that a cell binds are numbered, in each function anew: arguments, variables, helpers, attributes (`self.x = …`),
and strings that serve as keys. Names that it does not bind (`np.exp`) and those that the course asks for stay.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nnkit_grader.report.source import parse_source

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class NormalForm:
    """Hash and size of a normalised answer."""

    digest: str
    """Equal for answers that are the same up to renaming."""
    size: int
    """Nodes of the syntax tree; number of words if it is not Python."""


def normalise_code(source: str, asked: frozenset[str] = frozenset()) -> NormalForm:
    """Normalise a code cell. `asked` are the functions, classes and methods that the course asks for by name."""
    tree = parse_source(source)
    try:
        if tree is not None:
            plain = _NameNumberer(tree, asked).visit(tree)
            dump = ast.dump(plain, annotate_fields=False)
            return NormalForm(
                _hash_text(dump), sum(1 for node in ast.walk(plain) if not isinstance(node, ast.expr_context))
            )
    except RecursionError:
        pass
    return normalise_words(source)


def normalise_words(text: str) -> NormalForm:
    """Normalise an answer in words: only the words count, not their case nor what stands between them."""
    found = re.findall(r"\w+", text.casefold())
    return NormalForm(_hash_text(" ".join(found)), len(found))


def find_definitions(source: str) -> frozenset[str]:
    """Return the names of the functions, classes and methods that a cell defines."""
    tree = parse_source(source)
    nodes = ast.walk(tree) if tree else ()
    return frozenset(n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


class _NameNumberer(ast.NodeTransformer):
    def __init__(self, tree: ast.Module, asked: frozenset[str]):
        self.asked = asked
        self.keys: dict[str, str] = {}
        own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_bound(node)}
        own |= {name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for name in list_bound_names(node)}
        self.attributes = dict.fromkeys(own - asked, "")
        self.scopes = [dict.fromkeys(list_bound_names(tree), "")]

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop docstrings, and strings that serve as comments."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self.number_name(node.name)
        self.scopes.append(dict.fromkeys(list_bound_names(node), ""))
        self.generic_visit(node)
        self.scopes.pop()
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.name = self.number_attribute(node.name) if node.name in self.attributes else self.number_name(node.name)
        node.returns = None
        return self.number_scope(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self.number_scope(node)

    def number_scope(self, node: Function) -> ast.AST:
        self.scopes.append(dict.fromkeys(list_bound_names(node), ""))
        self.generic_visit(node)
        self.scopes.pop()
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation, node.type_comment = self.number_name(node.arg), None, None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.number_name(node.id)
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        """Keep the name of an import, so that `np` is NumPy in every answer."""
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self.number_attribute(node.attr)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return self.visit(ast.Assign([node.target], node.value))  # type: ignore[no-any-return]

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.slice = self.number_key(node.slice)
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        node.keys = [key and self.number_key(key) for key in node.keys]
        return self.generic_visit(node)

    def number_key(self, node: ast.expr) -> ast.expr:
        """Replace a key that is a string by its number."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.Constant(self.keys.setdefault(node.value, f"key {len(self.keys)}"))
        return node

    def number_attribute(self, name: str) -> str:
        """Return the number of an attribute; its name if the cell does not bind it."""
        return _number_name(self.attributes, name, "attribute")

    def number_name(self, name: str) -> str:
        """Return the number of a name in the innermost scope that binds it; the name if none does."""
        if name in self.asked:
            return name
        for depth in range(len(self.scopes) - 1, -1, -1):
            if name in self.scopes[depth]:
                return _number_name(self.scopes[depth], name, f"name {depth}.")
        return name


def _number_name(names: dict[str, str], name: str, head: str) -> str:
    """Return the number of a name, in the order in which names occur; the name if it is not in `names`."""
    if name in names and not names[name]:
        names[name] = f"{head} {sum(map(bool, names.values()))}"
    return names.get(name, name)


def list_bound_names(scope: ast.AST) -> Iterator[str]:
    """Yield the names that a function, class or cell binds itself, without those that functions in it bind."""
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
