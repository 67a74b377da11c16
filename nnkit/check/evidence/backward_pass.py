"""Backward passes of a traced graph, with injected faults: a branch overwritten, a local derivative of another gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nnkit.arrays import Array, unbroadcast
from nnkit.check.evidence.function_graph import Place, Trace
from nnkit.graph import Node

Backward = Callable[[Array, tuple[Array, ...], Array], Sequence[Array]]
"""(upstream, inputs, out) ↦ one gradient for each input."""


@dataclass(frozen=True)
class FaultyGate:
    """An injected fault: the gate at this place has a wrong backward."""

    place: Place
    backward: Backward


@dataclass(frozen=True)
class UnsummedBranch:
    """An injected fault: the branches of this wire are not added; the first share is kept, or the last."""

    wire: Node
    keep: str


@dataclass(frozen=True)
class BackwardPass:
    """The gradient of each node, None where the last one does not depend on it, and the shares that made it up."""

    grads: list[Array]
    shares: list[list[tuple[Node, Array]]]
    """For each node, the shares that it gives to its inputs."""


def run_backward_pass(graph: Trace, upstream: Array) -> BackwardPass:
    """Return the gradients of all nodes, without faults; they are computed once for each upstream gradient."""
    key = "backward", np.asarray(upstream).tobytes()
    if key not in graph.known:
        grads: list[Array] = [None] * len(graph.nodes)
        shares: list[list[tuple[Node, Array]]] = [[] for _ in graph.nodes]
        grads[-1] = upstream
        for node in reversed(graph.nodes):
            if node.gate is None or grads[node.index] is None:
                continue
            shares[node.index] = _backward_shares(node, grads[node.index], None)
            for x, share in shares[node.index]:
                if share is not None:
                    grads[x.index] = share if grads[x.index] is None else grads[x.index] + share
        graph.known[key] = BackwardPass(grads, shares)
    found: BackwardPass = graph.known[key]
    return found


def vjp_with_faults(graph: Trace, upstream: Array, faults: Sequence[FaultyGate | UnsummedBranch] = ()) -> list[Array]:
    """Return the vector-Jacobian products of the last node with respect to every node, in order, with faults injected.

    Zeros where the last node does not depend on one.
    """
    right = run_backward_pass(graph, upstream)
    faulty = {fault.place.node.index: fault for fault in faults if isinstance(fault, FaultyGate)}
    unsummed = {fault.wire.index: fault.keep for fault in faults if isinstance(fault, UnsummedBranch)}
    moved = _list_moved(graph, faulty.values(), unsummed)
    grads = [None if k in moved else grad for k, grad in enumerate(right.grads)]
    for node in reversed(graph.nodes):
        fault = faulty.get(node.index)
        if node.gate is None or grads[node.index] is None or not any(x.index in moved for x in node.inputs):
            continue
        known = fault is None and node.index not in moved
        shares = right.shares[node.index] if known else _backward_shares(node, grads[node.index], fault)
        for x, share in shares:
            before, keep = grads[x.index], unsummed.get(x.index)
            if share is None or x.index not in moved or (before is not None and keep == "first"):
                continue
            grads[x.index] = share if before is None or keep == "last" else before + share
    return [np.zeros(np.shape(n.value)) if g is None else g for n, g in zip(graph.nodes, grads)]


def _list_moved(graph: Trace, faulty: Iterable[FaultyGate], unsummed: Iterable[int]) -> set[int]:
    """Return the nodes whose gradients these faults change."""
    moved = set(unsummed)
    for fault in faulty:
        moved.update(x.index for x in (*fault.place.inputs, *fault.place.node.inputs))
    for node in reversed(graph.nodes if moved else ()):
        if node.index in moved:
            moved.update(x.index for x in node.inputs)
    return moved


def _backward_shares(node: Node, upstream: Array, fault: FaultyGate | None) -> list[tuple[Node, Array]]:
    if fault is None:
        return list(zip(node.inputs, node.gate.backward(upstream, node.cache)))
    shares = fault.backward(upstream, fault.place.values(), node.value)
    # None stands for a product whose sizes do not fit: NaN, so that it explains nothing.
    return [
        (x, np.full(np.shape(x.value), np.nan) if share is None else _fit_to_wire(np.asarray(share), x))
        for x, share in zip(fault.place.inputs, shares)
    ]


def _fit_to_wire(share: np.ndarray, x: Node) -> np.ndarray:
    """Sum a share to the wire's shape where it was broadcast; a share of another shape stays as it is."""
    shape = np.shape(x.value)
    broadcast = len(shape) <= share.ndim and all(a in (1, b) for a, b in zip(shape[::-1], share.shape[::-1]))
    fitted: np.ndarray = unbroadcast(share, x.value) if broadcast else share
    return fitted
