"""Backward passes of a graph as learners write them, right and wrong: each mistake is known by what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.graph import topological_order

Needs = Mapping[str, Sequence[str]]
Locals = Mapping[str, Sequence[Any]]
"""The local derivatives of each node: numbers, or what multiplies an upstream gradient as a number does."""
Gradients = dict[str, Any]
"""The gradient of each node, a number or an array."""
Pass = Callable[[Needs, Locals, str], Gradients]


@dataclass(frozen=True)
class GraphRun:
    """A graph, and the gradients that the learner's backward pass returned for it."""

    name: str
    needs: Needs
    local: Locals
    output: str
    returned: Gradients

    def expected(self) -> Gradients:
        """Return the right gradients."""
        return run_backward(self.needs, self.local, self.output)

    def is_made_by(self, way: Pass) -> bool:
        """Return True if this pass gives the gradients that were returned."""
        made = way(self.needs, self.local, self.output)
        return has_same_gradients(self.returned, {node: made[node] for node in self.returned})


def has_same_gradients(a: Gradients, b: Gradients) -> bool:
    """Return True if the gradients of b's nodes agree; a node of b that nothing reached has the number 0."""
    return all(_is_same(np.asarray(a[node]), np.asarray(b[node])) for node in b)


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    if b.shape not in ((), a.shape):
        return False
    near = np.abs(a - b) <= 1e-9 * np.maximum(1.0, np.abs(b))
    return bool(np.all((a == b) | (np.isnan(a) & np.isnan(b)) | near))


def _one_sweep_after_another(needs: Needs) -> list[str]:
    """Return an order with other ties: each node that a sweep finds ready is appended at once."""
    order: list[str] = []
    while len(order) < len(needs):
        for node in needs:
            if node not in order and all(x in order for x in needs[node]):
                order.append(node)
    return order


def _after_its_inputs(needs: Needs) -> list[str]:
    """Return the order by recursion: each node is appended when all that it needs has been."""
    order: list[str] = []

    def visit(node: str) -> None:
        if node not in order:
            for x in needs[node]:
                visit(x)
            order.append(node)

    for node in needs:
        visit(node)
    return order


ORDERS = (topological_order, _one_sweep_after_another, _after_its_inputs)


def _pass(order: Sequence[str], needs: Needs, local: Locals, output: str, keep: str = "sum") -> Gradients:
    """Run backward along this order; where branches meet, shares are added, or the first or last of them is kept."""
    grad: Gradients = dict.fromkeys(needs)
    grad[output] = 1.0
    for node in order:
        upstream = grad[node]
        for x, slope in zip(needs[node], local[node]):
            before = grad[x]
            share = slope * (0.0 if upstream is None else upstream)
            if before is None or (keep == "last" and upstream is not None):
                grad[x] = share
            elif keep == "sum":
                grad[x] = before + share
    return {node: 0.0 if g is None else g for node, g in grad.items()}


def run_backward(needs: Needs, local: Locals, output: str) -> Gradients:
    """Return the right gradients of all nodes."""
    return _pass(topological_order(needs)[::-1], needs, local, output)


def _depth_first(needs: Needs, local: Locals, output: str) -> Gradients:
    """Run backward depth first: each visit sends the whole gradient so far, so earlier shares are sent again."""
    grad: Gradients = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0

    def visit(node: str) -> None:
        for x, slope in zip(needs[node], local[node]):
            grad[x] += slope * grad[node]
            visit(x)

    visit(output)
    return grad


def _breadth_first(needs: Needs, local: Locals, output: str) -> Gradients:
    grad: Gradients = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    queue = [output]
    for node in queue:
        for x, slope in zip(needs[node], local[node]):
            grad[x] += slope * grad[node]
            queue.append(x)
    return grad


def _visits(needs: Needs, output: str, depth_first: bool, reverse: bool = False) -> list[str]:
    """Return the nodes in the order of a search that enters each once."""
    seen: list[str] = []
    waiting = [output]
    while waiting:
        node = waiting.pop() if depth_first else waiting.pop(0)
        if node not in seen:
            seen.append(node)
            waiting += needs[node][::-1] if depth_first != reverse else needs[node]
    return seen


def _no_upstream(needs: Needs, local: Locals, output: str) -> Gradients:
    grad: Gradients = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    for node in topological_order(needs)[::-1]:
        for x, slope in zip(needs[node], local[node]):
            grad[x] += slope * 1.0
    return grad


def _overwriting(order: Callable[[Needs], list[str]]) -> tuple[Pass, ...]:
    """Return passes with `=` for `+=` along this order: the last share is kept, or the first; and the same in a loop
    that ignores whether the output depends on a node."""

    def every(needs: Needs, local: Locals, output: str) -> Gradients:
        grad: Gradients = dict.fromkeys(needs, 0.0)
        grad[output] = 1.0
        for node in order(needs)[::-1]:
            for x, slope in zip(needs[node], local[node]):
                grad[x] = slope * grad[node]
        return grad

    return (
        every,
        lambda n, l, o: _pass(order(n)[::-1], n, l, o, "first"),
        lambda n, l, o: _pass(order(n)[::-1], n, l, o, "last"),
    )


WRONG: dict[str, tuple[Pass, ...]] = {
    "overwritten-branch": tuple(way for order in ORDERS for way in _overwriting(order)),
    "wrong-order": (
        _depth_first,
        _breadth_first,
        lambda n, l, o: _pass(_visits(n, o, True), n, l, o),
        lambda n, l, o: _pass(_visits(n, o, True, reverse=True), n, l, o),
        lambda n, l, o: _pass(_visits(n, o, False), n, l, o),
        lambda n, l, o: _pass(list(n), n, l, o),
        lambda n, l, o: _pass(list(n)[::-1], n, l, o),
        lambda n, l, o: _pass(topological_order(n), n, l, o),
    ),
    "no-upstream": (_no_upstream,),
    "sign": (lambda n, l, o: {node: -g for node, g in run_backward(n, l, o).items()},),
}
"""The passes that make each mistake, in all the ways in which it is made."""


def find_mistake_in_pass(runs: Sequence[GraphRun]) -> tuple[str, ...]:
    """Return the one mistake that explains every graph, those that came out right included."""
    found = [id for id, ways in WRONG.items() if any(all(run.is_made_by(way) for run in runs) for way in ways)]
    return tuple(found) if len(found) == 1 else ()
