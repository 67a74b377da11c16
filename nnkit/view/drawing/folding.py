"""Graphs made from a graph for looking at it: a copy, a copy in which groups of gates are one gate, its last part.

No gate runs while they are made: the values are those of the graph they are made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.arrays import Array
from nnkit.gates import Add, Exp, Negate, Reciprocal
from nnkit.gates.base import Gradients
from nnkit.graph import Graph, Node


@dataclass(frozen=True)
class Group:
    """Gates that can be folded into one, by their nodes' indices, in order; the last is its output."""

    symbol: str
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Folded:
    """A part of a graph as one gate: its forward runs the gates, its backward their graph's."""

    symbol: str
    parts: tuple[tuple[Any, tuple[Any, ...]], ...]
    """The gates, each with its inputs: the number of an input, of an earlier gate's output, or a constant."""

    def forward(self, *inputs: Array) -> tuple[Array, Any]:
        graph = Graph()
        nodes: list[Any] = list(graph.inputs(**{f"x{i}": x for i, x in enumerate(inputs)}))
        for gate, sources in self.parts:
            nodes.append(graph.add(gate, *(nodes[x] if isinstance(x, int) else x for x in sources)))
        return nodes[-1].value, graph

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return tuple(cache.backward(upstream=upstream).values())


def groups_of(graph: Graph, named: Mapping[str, Iterable[Node]] | None = None) -> list[Group]:
    """The groups that the caller named, and every sigmoid that is spelt out in gates: 1 / (1 + exp(−x)).

    Raises ValueError for a group that is not one gate: of another graph, or with more than one wire to the rest.
    """
    groups = [_checked(graph, symbol, nodes) for symbol, nodes in (named or {}).items()]
    taken = {i for group in groups for i in group.members}
    if sum(len(group.members) for group in groups) > len(taken):
        raise ValueError("A gate is in two groups; groups must not overlap.")
    found = [Group("σ", members) for node in graph.nodes if (members := _sigmoid(node))]
    users = _users(graph)
    return groups + [g for g in found if not taken & {*g.members} and not _leaks(users, g.members)]


def fold(graph: Graph, groups: Sequence[Group] = (), first: int = 0) -> tuple[Graph, list[Node]]:
    """A copy in which each of these groups is one gate, and the nodes of `graph` that its nodes stand for.

    With `first`, what comes before that node is left out; wires from there become inputs.
    """
    whole = {group.members[-1]: group for group in groups}
    inside = {i for group in groups for i in group.members}
    kept = [node for node in graph.nodes if node.index not in inside or node.index in whole]
    sources = {n.index: _entries(graph, whole[n.index]) if n.index in whole else n.inputs for n in kept}
    used = {x.index for node in kept if node.index >= first for x in sources[node.index]}
    shown, origins = Graph(), []
    at: dict[int, Node] = {}
    for node in kept:
        i = node.index
        bare = node.gate is None or i < first
        if bare and i not in used and (first or node.constant):
            continue
        gate = None if bare else Folded(whole[i].symbol, _parts(graph, whole[i])) if i in whole else node.gate
        at[i] = _put(shown, node, gate, () if bare else tuple(at[x.index] for x in sources[i]))
        origins.append(node)
    return shown, origins


def _put(graph: Graph, like: Node, gate: Any, inputs: tuple[Node, ...]) -> Node:
    """A node with the name and value of another."""
    number = len(graph.nodes)
    name = f"#{number}" if like.name == f"#{like.index}" else like.name
    node = Node(graph, gate, inputs, name, like.constant)
    node.value = np.array(like.value)[()] if np.shape(like.value) else like.value
    graph.nodes.append(node)
    return node


def _entries(graph: Graph, group: Group) -> tuple[Node, ...]:
    """The wires that run into a group, each once."""
    inputs = [x for i in group.members for x in graph.nodes[i].inputs if x.index not in group.members]
    return tuple({x.index: x for x in inputs if not x.constant}.values())


def _parts(graph: Graph, group: Group) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
    places = [x.index for x in _entries(graph, group)] + list(group.members)
    return tuple(
        (node.gate, tuple(np.asarray(x.value) if x.constant else places.index(x.index) for x in node.inputs))
        for node in (graph.nodes[i] for i in group.members)
    )


def _checked(graph: Graph, symbol: str, nodes: Iterable[Node]) -> Group:
    nodes = sorted(nodes, key=lambda node: node.index)
    if not nodes or any(node.graph is not graph or node.gate is None for node in nodes):
        raise ValueError(f"The group {symbol!r} must be nodes of this graph that are outputs of gates.")
    group = Group(symbol, tuple(node.index for node in nodes))
    leak = _leaks(_users(graph), group.members)
    if leak:
        raise ValueError(f"The group {symbol!r} is not one gate: {graph.nodes[leak].name} is used outside of it too.")
    if not _entries(graph, group):
        raise ValueError(f"The group {symbol!r} has no input.")
    return group


def _users(graph: Graph) -> dict[int, set[int]]:
    users: dict[int, set[int]] = {node.index: set() for node in graph.nodes}
    for node in graph.nodes:
        for x in node.inputs:
            users[x.index].add(node.index)
    return users


def _leaks(users: Mapping[int, set[int]], members: Sequence[int]) -> int:
    """The first inner node of a group that something outside uses, or that nothing uses; 0 if there is none."""
    inner = members[:-1]
    return next((i for i in inner if not users[i] or users[i] - {*members}), 0)


def _sigmoid(node: Node) -> tuple[int, ...]:
    """The four gates of a sigmoid that ends here; else ()."""
    chain = [node]
    for kind in (Reciprocal, Add, Exp, Negate):
        if not isinstance(chain[-1].gate, kind):
            return ()
        if kind is Negate:
            return tuple(x.index for x in reversed(chain))
        inputs = [x for x in chain[-1].inputs if not x.constant]
        ones = [x for x in chain[-1].inputs if x.constant]
        if len(inputs) != 1 or any(np.any(np.asarray(x.value) != 1) for x in ones):
            return ()
        chain.append(inputs[0])
    return ()
