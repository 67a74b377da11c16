"""Places where the shares of a gradient are added: the share of each entry of an output in each entry of an input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nnkit.check.evidence.array_gates import Pick
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.shares import pull_back
from nnkit.check.evidence.wire_text import format_wire, name_wires
from nnkit.graph import Node
from nnkit.language import say

MAX_SHARES = 300_000
NOISE = 1e-8
"""Share of the largest entry of a measured Jacobian below which another one is 0."""
MAX_OUTPUTS = 400
"""Entries of a gate's output up to which the share of each is followed back by itself."""


@dataclass(frozen=True, eq=False)
class Site:
    """An output that an input goes into, and the share that each of its entries has in the input's gradient."""

    output: str
    """Its name or formula."""
    shares: np.ndarray
    """(*shape of the output, entries of the input)"""
    shape: tuple[int, ...]
    """The input's shape."""

    @property
    def axes(self) -> tuple[int, ...]:
        """The output's axes with more than one entry."""
        return tuple(a for a, size in enumerate(self.shares.shape[:-1]) if size > 1)

    def fold(self, gradient: np.ndarray) -> np.ndarray:
        """Return a gradient of the input's entries in the input's shape."""
        return gradient.reshape(self.shape)


def list_sites(comparison: Comparison, i: int) -> list[Site]:
    """Return where the i-th input goes in: the whole function, and the first gate of its graph that is no mere
    rearrangement."""
    return [*_find_whole(comparison, i), *_find_first_gate(comparison, i)]


def _find_whole(comparison: Comparison, i: int) -> Iterator[Site]:
    jacobian = comparison.targets[i].jacobian
    upstream = np.asarray(comparison.upstream)
    if jacobian is not None and upstream.ndim and jacobian.size <= MAX_SHARES and len(jacobian) == upstream.size:
        measured = np.where(np.abs(jacobian) > NOISE * np.max(np.abs(jacobian), initial=0.0), jacobian, 0.0)
        shares = (measured * upstream.reshape(-1, 1)).reshape(*upstream.shape, -1)
        yield Site(say("the output"), shares, np.shape(comparison.given[i]))


def _find_first_gate(comparison: Comparison, i: int) -> Iterator[Site]:
    graph = comparison.graphs[0] if comparison.graphs else None
    wire = graph.wires[comparison.wrt[i]] if graph else None
    if graph is None or not isinstance(wire, Node):
        return
    node = _follow(graph, wire)
    last = node is graph.nodes[-1] and np.ndim(comparison.upstream) > 0
    if node is None or last or not np.shape(node.value) or np.size(node.value) > MAX_OUTPUTS:
        return
    if np.size(node.value) * np.size(wire.value) > MAX_SHARES:
        return
    gradient = np.asarray(vjp_with_faults(graph, comparison.upstream)[node.index])
    rows = []
    for entry in range(gradient.size):
        alone = np.zeros(gradient.shape)
        alone.flat[entry] = gradient.flat[entry]
        rows.append(np.ravel(pull_back(graph, node, alone, [wire])[0]))
    shares = np.array(rows).reshape(*gradient.shape, -1)
    yield Site(format_wire(node, name_wires(graph, comparison.names)), shares, np.shape(wire.value))


def _follow(graph: Trace, wire: Node) -> Node | None:
    """Return the gate that this wire, rearranged or not, goes into; None if it goes into several."""
    while True:
        users = [node for node in graph.nodes if any(x is wire for x in node.inputs)]
        if len(users) != 1 or sum(x is wire for x in users[0].inputs) != 1:
            return None
        if not isinstance(users[0].gate, Pick) or len(users[0].inputs) > 1 or users[0] is graph.nodes[-1]:
            return users[0]
        wire = users[0]
