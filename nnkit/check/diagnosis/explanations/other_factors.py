"""A product whose backward takes another value than the one that forward multiplied by."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.explanations.spots import LazyVariants
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword, same
from nnkit.check.evidence.array_gates import StackedMatMul
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.shares import MAX_EDGES, Edge, list_edges, pull_back
from nnkit.check.evidence.wire_text import Names, format_wire, list_descendants, name_wires
from nnkit.graph import Node
from nnkit.language import say

PRODUCTS = (gates.MatMul, gates.Multiply, StackedMatMul)
MAX_TRIED = 200
"""Exchanges inside a function up to which each is tried."""


def _other_factors(comparison: Comparison) -> Variants:
    found = LazyVariants()
    for graph in comparison.graphs[:1]:
        grads, edges = list_edges(graph, comparison.upstream)
        names = name_wires(graph, comparison.names)
        products = [edge for edge in edges if isinstance(edge.node.gate, PRODUCTS) and len(edges) <= MAX_EDGES]
        inner = []
        for edge in products:
            others = list(_list_others(graph, edge))
            if any(edge.wire is wire for wire in graph.wires):
                fitting = [
                    other for other in others if _fits(comparison, graph, edge, _compute_share(grads, edge, other))
                ]
                inner += [(edge, other) for other in fitting]
            elif _moves_wrong_one(comparison, graph, edge.wire):
                inner += [(edge, other) for other in others]
        for edge, other in inner if len(inner) <= MAX_TRIED else ():
            share = _compute_share(grads, edge, other)
            found.add(_describe(edge, other, names), partial(_change, comparison, graph, edge, share))
    return found


def _find_partner(edge: Edge) -> Node | None:
    """Return the other factor; None for a square, whose factors are one."""
    x, y = edge.node.inputs
    return None if x is y else y if edge.wire is x else x


def _list_others(graph: Trace, edge: Edge) -> Iterator[Node]:
    """Yield the values of the other factor's shape that stand in the function too."""
    partner = _find_partner(edge)
    if partner is None:
        return
    for node in graph.nodes[:-1]:
        alike = np.shape(node.value) == np.shape(partner.value) and not node.constant
        if alike and node not in (partner, edge.wire, edge.node) and not same(node.value, partner.value):
            yield node


def _compute_share(grads: list[Any], edge: Edge, other: Node) -> Any:
    values = [x.value if x is edge.wire else other.value for x in edge.node.inputs]
    shares = edge.node.gate.backward(grads[edge.node.index], edge.node.gate.forward(*values)[1])
    return next(share for x, share in zip(edge.node.inputs, shares) if x is edge.wire)


def _fits(comparison: Comparison, graph: Trace, edge: Edge, share: Any) -> bool:
    """Return True if the gradient of an input is what came back with this share."""
    for i, at in enumerate(comparison.wrt):
        if graph.wires[at] is edge.wire and np.shape(comparison.returned[i]) == np.shape(comparison.right[i]):
            return same(comparison.returned[i], comparison.right[i] + share - edge.share)
    return False


def _moves_wrong_one(comparison: Comparison, graph: Trace, wire: Node) -> bool:
    wrong = [graph.wires[at] for i, at in enumerate(comparison.wrt) if comparison.is_wrong(i)]
    return any(wire.index in list_descendants(graph, one) for one in wrong)


def _change(comparison: Comparison, graph: Trace, edge: Edge, share: Any) -> Arrays:
    change = pull_back(graph, edge.wire, share - edge.share, [graph.wires[i] for i in comparison.wrt])
    return tuple(r + c for r, c in zip(comparison.right, change))


def _describe(edge: Edge, other: Node, names: Names) -> Explanation:
    wire, partner = format_wire(edge.wire, names), format_wire(_find_partner(edge) or edge.wire, names)
    used, product = format_wire(other, names), format_wire(edge.node, names)
    used, partner = (used, partner) if used != partner else (say("another value"), partner)
    return reword(
        OTHER_FACTOR,
        say("for {wire} it takes {used}, where forward multiplied by {partner}", wire=wire, used=used, partner=partner),
        say(
            "In {product}, what comes back to {wire} is multiplied by {partner}, the other factor.",
            product=product,
            wire=wire,
            partner=partner,
        ),
        say("By what did forward multiply {wire}?", wire=wire),
        say(
            "Put {partner} into the cache in forward, and use it for the gradient of {wire}.",
            partner=partner,
            wire=wire,
        ),
    )


OTHER_FACTOR = Mistake(
    "other-factor",
    "a product's gradient takes another value than its other factor",
    "What comes back to a factor is multiplied by the other factor, as forward had it.",
    "By what did forward multiply?",
    "Use that same value in backward.",
    "lecture 01, Four patterns to read gradients off a picture",
    _other_factors,
    named=False,
)
EXPLANATIONS = (OTHER_FACTOR,)
