"""Shares of a gradient: what each edge of a traced graph contributes to the gradients of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.arrays import Array
from nnkit.check.evidence.backward_pass import run_backward_pass
from nnkit.check.evidence.function_graph import Trace
from nnkit.graph import Graph, Node

MAX_EDGES = 150
"""Edges of a graph up to which the share of each is computed."""


@dataclass(frozen=True)
class Edge:
    """The edge from `wire` into `node`, with the gradient that it brings back to `wire`."""

    node: Node
    wire: Node
    share: Array


def list_edges(graph: Trace, upstream: Array) -> tuple[list[Array], list[Edge]]:
    """Return the gradient of each node, and the edges along which shares of them come back."""
    found = run_backward_pass(graph, upstream)
    edges = [
        Edge(node, x, share)
        for node in reversed(graph.nodes)
        for x, share in found.shares[node.index]
        if share is not None and not x.constant
    ]
    return found.grads, edges


def pull_back(graph: Graph, start: Node, grad: Array, wires: Sequence[Any]) -> tuple[Array, ...]:
    """Return what this gradient at `start` gives at each of the wires; zeros where `start` does not depend on one."""
    grads: list[Array] = [None] * (start.index + 1)
    grads[start.index] = grad
    for node in reversed(graph.nodes[: start.index + 1]):
        if node.gate is None or grads[node.index] is None:
            continue
        for x, share in zip(node.inputs, node.gate.backward(grads[node.index], node.cache)):
            if share is not None:
                grads[x.index] = share if grads[x.index] is None else grads[x.index] + share
    found = [grads[wire.index] if wire.index <= start.index else None for wire in wires]
    return tuple(np.zeros(np.shape(w.value)) if g is None else np.asarray(g) for g, w in zip(found, wires))
