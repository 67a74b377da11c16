"""Sentences about code that JAX cannot trace: which line it is, which construct in it, and what to write instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from nnkit.own_lines import find_own_line
from nnkit.rebinding import is_authors

Construct = tuple[Callable[[ast.AST], bool], str]


def explain_tracing(who: str, fault: Exception, needs_numbers: bool) -> str:
    """Return why a function cannot be compiled, with the author's line and what to write in its place."""
    own = find_own_line(fault, lambda frame: is_authors(frame.f_globals.get("__name__")))
    line = own.text
    place = f" in line {own.number}, `{line}`" if line else ""
    if not needs_numbers and "float() argument" not in str(fault):
        return f"{who} does not run under JAX{place}: {_shorten(fault)}"
    return (
        f"{who} needs the numbers themselves{place}, and while JAX traces it there are only shapes: "
        f"{_advise(line)}. nnkit.train.fit runs it as it is."
    )


def _shorten(fault: Exception) -> str:
    """Return the first sentence of JAX's text, which goes on for pages."""
    return re.split(r"\n|(?<=[.:]) See ", str(fault))[0]


def _calls(*names: str) -> Callable[[ast.AST], bool]:
    return lambda node: isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names


CONSTRUCTS: tuple[Construct, ...] = (
    (lambda node: isinstance(node, ast.If | ast.IfExp), "write np.where(condition, a, b) for an if"),
    (
        lambda node: isinstance(node, ast.While),
        "a `while` whose end depends on numbers cannot be compiled; a `for` over a fixed number of steps can",
    ),
    (lambda node: isinstance(node, ast.Assert), "leave the `assert` out, or test shapes alone"),
    (_calls("float", "int", "bool", "item", "tolist"), "leave float(), int(), .item() or .tolist() out"),
    (_calls("max", "min", "any", "all"), "write np.maximum, np.max, np.any for Python's own max, any"),
    (
        _calls("nonzero", "argwhere", "flatnonzero", "unique", "where"),
        "how many entries it finds depends on the numbers; write np.where(condition, a, b), or multiply by the mask",
    ),
    (_calls("range"), "how often the loop runs must follow from shapes"),
    (
        lambda node: isinstance(node, ast.Subscript),
        "an index or a slice must follow from shapes; write np.where or multiply by the mask",
    ),
    (lambda node: isinstance(node, ast.BoolOp), "write & and | for `and` and `or`"),
)
"""Constructs that need numbers, in the order in which they are looked for, and what to write instead."""


def _advise(line: str) -> str:
    nodes = list(ast.walk(_parse(line)))
    found = (advice for matches, advice in CONSTRUCTS if any(map(matches, nodes)))
    return next(found, "write np.where(condition, a, b) for an if")


def _parse(line: str) -> ast.AST:
    """Return the syntax tree of one line, which may open a block."""
    for text in (line, f"{line} pass", re.sub(r"^el(?=if\b)|^else\b.*", "", line) + " pass"):
        try:
            return ast.parse(text)
        except SyntaxError:
            continue
    return ast.Module([], [])
