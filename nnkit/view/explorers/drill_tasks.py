"""The graphs of the drill: small, random, with numbers that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnkit.gates import Add, MatMul, Max, Multiply, Sigmoid, SquaredNorm, Subtract, Sum
from nnkit.graph import Graph, Node
from nnkit.language import to_say

LEVELS: Mapping[int, str] = {
    1: to_say("add and multiply"), 2: to_say("branches"), 3: to_say("minus and max"), 4: to_say("the sigmoid"),
    5: to_say("matrices"),
}  # fmt: skip
MAX_NUMBER = 60
MIN_FRACTION = 0.06
"""The smallest number other than 0 that is asked for, so that two decimals are precise enough."""


def make_task(level: int, seed: int, number: int) -> Graph:
    """Return the graph with this number, after both passes. The same arguments always give the same graph."""
    rng = np.random.default_rng([seed, level, number])
    while True:
        graph = Graph()
        MAKERS[level](graph, rng)
        names = iter("pqrst")
        for node in graph.nodes:
            if node.gate is not None and node is not graph.output:
                node.named(next(names))
        graph.output.named("f")
        graph.backward()
        if _can_be_done_by_hand(graph):
            return graph


def _can_be_done_by_hand(graph: Graph) -> bool:
    numbers = np.concatenate([np.ravel(part) for node in graph.nodes for part in (node.value, node.grad)])
    sizes = np.abs(numbers.astype(float))
    ties = any(isinstance(n.gate, Max) and n.inputs[0].value == n.inputs[1].value for n in graph.nodes)
    return not ties and bool(np.all(sizes <= MAX_NUMBER) and np.all((sizes == 0) | (sizes >= MIN_FRACTION)))


def _draw(rng: np.random.Generator, high: int = 4, shape: tuple[int, ...] = ()) -> Any:
    """Return whole numbers other than 0, of either sign."""
    numbers = rng.integers(1, high + 1, size=shape) * rng.choice([-1, 1], size=shape)
    return numbers.astype(float) if shape else float(numbers)


def _join_at_random(graph: Graph, rng: np.random.Generator, pool: list[Node], gates: list[Any]) -> None:
    """Join two wires of the pool by each of the gates in turn."""
    for gate in rng.permutation(np.array(gates, dtype=object)):
        first, second = (pool.pop(int(rng.integers(len(pool)))) for _ in range(2))
        pool.append(graph.add(gate, first, second))


def _draw_inputs(graph: Graph, rng: np.random.Generator, names: str) -> list[Node]:
    return list(graph.inputs(**{name: _draw(rng) for name in names}))


def _make_sums(graph: Graph, rng: np.random.Generator) -> None:
    pool = _draw_inputs(graph, rng, "xyzw"[: int(rng.integers(3, 5))])
    others = [Add() if rng.random() < 0.5 else Multiply() for _ in pool[3:]]
    _join_at_random(graph, rng, pool, [Add(), Multiply(), *others])


def _make_branches(graph: Graph, rng: np.random.Generator) -> None:
    pool = _draw_inputs(graph, rng, "xyz")
    pool.append(pool[int(rng.integers(3))])
    _join_at_random(graph, rng, pool, [Add(), Multiply(), Multiply()])


def _make_maxima(graph: Graph, rng: np.random.Generator) -> None:
    pool = _draw_inputs(graph, rng, "xyz")
    pool.append(pool[int(rng.integers(3))] if rng.random() < 0.5 else graph.inputs(w=_draw(rng))[0])
    _join_at_random(graph, rng, pool, [Max(), Multiply(), Subtract()])


def _make_sigmoid(graph: Graph, rng: np.random.Generator) -> None:
    w, x, b, c = graph.inputs(w=_draw(rng, 2), x=_draw(rng, 2), b=_draw(rng, 3), c=_draw(rng, 4))
    graph.add(Multiply(), c, graph.add(Sigmoid(), graph.add(Add(), graph.add(Multiply(), w, x), b)))


def _make_matrices(graph: Graph, rng: np.random.Generator) -> None:
    W, x = graph.inputs(W=_draw(rng, 3, (2, 2)), x=_draw(rng, 3, (2,)))
    q = graph.add(MatMul(), W, x)
    if rng.random() < 0.5:
        graph.add(SquaredNorm(), q)
    else:
        (c,) = graph.inputs(c=_draw(rng, 3, (2,)))
        graph.add(Sum(), graph.add(Multiply(), q, c))


MAKERS: Mapping[int, Callable[[Graph, np.random.Generator], None]] = {
    1: _make_sums, 2: _make_branches, 3: _make_maxima, 4: _make_sigmoid, 5: _make_matrices,
}  # fmt: skip
