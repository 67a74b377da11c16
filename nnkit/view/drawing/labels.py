"""The words of a drawing: names, symbols and numbers of nodes, their widths, and the graph described in sentences."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

from nnkit.arrays import get_name
from nnkit.graph import Graph, Node
from nnkit.graphtext import format_formula, format_value, get_symbol
from nnkit.language import say

FONT_SIZE = 14.0
MAX_LABEL_CHARACTERS = 30
MAX_VALUE_CHARACTERS = 60  # the largest array whose entries are written, of 6 numbers, has fewer
_COMMUTATIVE = ("+", "×")


def get_folded_constant(node: Node) -> Node | None:
    """Return the constant that is written into a gate's label: the only constant of two inputs."""
    constants = [x for x in node.inputs if x.constant]
    return constants[0] if len(node.inputs) == 2 and len(constants) == 1 else None


def list_drawn_nodes(graph: Graph) -> list[Node]:
    """Return all nodes except constants that appear in a gate's label."""
    hidden = {id(get_folded_constant(node)) for node in graph.nodes}
    needed = {id(x) for node in graph.nodes for x in node.inputs if x is not get_folded_constant(node)}
    return [node for node in graph.nodes if id(node) not in hidden or id(node) in needed]


def format_symbol(node: Node) -> str:
    """Return the text of a gate's box, its constant included: "×", "+ 1", "x − 1", "max(x, 0)"."""
    constant = get_folded_constant(node)
    if constant is None:
        return str(getattr(node.gate, "symbol", "") or get_name(node.gate))
    number, symbol = format_value(constant.value), get_symbol(node.gate)
    if symbol in _COMMUTATIVE:
        return f"{symbol} {number}"
    return format_formula(node.gate, [number if x is constant else "x" for x in node.inputs])


def get_given_name(node: Node) -> str:
    """Return the name that the author gave a node; "" for a number made up by the graph, and for a constant."""
    return "" if node.name == f"#{node.index}" or node.constant else node.name


def shorten(text: str, limit: int = MAX_LABEL_CHARACTERS) -> str:
    """Return the text, cut to `limit` characters with an ellipsis if it is longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shorten_value(text: str) -> str:
    """Return the text of a value, cut if it is longer than any array of numbers that is written out."""
    return shorten(text, MAX_VALUE_CHARACTERS)


def estimate_width(text: str, bold: bool = False) -> float:
    """Return the width of a text in pixels, rather too large than too small."""
    ems = sum(_estimate_ems(c) for c in text)
    return ems * FONT_SIZE * (1.1 if bold else 1.0)


def _estimate_ems(c: str) -> float:
    """Return the width of a character in ems, in a wide font (DejaVu Sans, Verdana)."""
    if east_asian_width(c) in "WF" or c in "mwMW@%…":
        return 1.05
    if combining(c):
        return 0.0
    return 0.4 if c in " .,;:'|()[]ijl" else 0.86 if c in "−+×÷=" else 0.68


def format_title(graph: Graph) -> str:
    """Return a title that names the graph's inputs."""
    names = [node.name for node in graph.nodes if node.gate is None and not node.constant]
    return (
        say("Computational graph of {names}", names=", ".join(names))
        if names
        else say("Computational graph of nothing yet")
    )


def describe_graph(graph: Graph) -> str:
    """Return a sentence for each node with its formula, value and gradient."""
    return " ".join(_describe_node(node) for node in list_drawn_nodes(graph)) or say("The graph is empty.")


def _describe_node(node: Node) -> str:
    formula = node.formula() if node.gate is not None else say("constant" if node.constant else "input")
    facts = [say("{name} is {formula}", name=node.name, formula=formula)]
    facts += [say("value {value}", value=value)] if (value := format_value(node.value)) else []
    facts += [say("gradient {gradient}", gradient=grad)] if (grad := format_value(node.grad)) else []
    return ", ".join(facts) + "."
