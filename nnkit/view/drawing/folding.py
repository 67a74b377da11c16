"""Copies of a graph for display: the whole graph, the graph with groups of gates folded into one gate, its last part.

No gate runs while a copy is made: it takes over the values of the graph.
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
    """Gates that can be folded into one, by the indices of their nodes, in order; the last is the group's output."""

    symbol: str
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FoldedGate:
    """A part of a graph as one gate: its forward runs the gates, its backward runs the backward pass through them."""

    symbol: str
    steps: tuple[tuple[Any, tuple[Any, ...]], ...]
    """The gates, each with its inputs: the number of an input, of an earlier gate's output, or a constant."""

    def forward(self, *inputs: Array) -> tuple[Array, Any]:
        graph = Graph()
        nodes: list[Any] = list(graph.inputs(**{f"x{i}": x for i, x in enumerate(inputs)}))
        for gate, sources in self.steps:
            nodes.append(graph.add(gate, *(nodes[x] if isinstance(x, int) else x for x in sources)))
        return nodes[-1].value, graph

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return tuple(cache.backward(upstream=upstream).values())


def find_groups(graph: Graph, named: Mapping[str, Iterable[Node]] | None = None) -> list[Group]:
    """Return the groups that the caller named, and every sigmoid written out in gates: 1 / (1 + exp(−x)).

    Raises ValueError for a group that cannot be one gate: from another graph, or with more than one output.
    """
    groups = [_make_group(graph, symbol, nodes) for symbol, nodes in (named or {}).items()]
    taken = {i for group in groups for i in group.members}
    if sum(len(group.members) for group in groups) > len(taken):
        raise ValueError("A gate is in two groups; groups must not overlap.")
    found = [Group("σ", members) for node in graph.nodes if (members := _match_sigmoid(node))]
    users = _find_users(graph)
    return groups + [g for g in found if not taken & {*g.members} and not _find_leak(users, g.members)]


def fold(graph: Graph, groups: Sequence[Group] = (), first: int = 0) -> tuple[Graph, list[Node]]:
    """Return a copy in which each group is one gate, and for each of its nodes the node of `graph` it stands for.

    With `first`, the nodes before that index are left out; wires from there become inputs.
    """
    group_at = {group.members[-1]: group for group in groups}
    grouped = {i for group in groups for i in group.members}
    kept = [node for node in graph.nodes if node.index not in grouped or node.index in group_at]
    sources = {n.index: _find_input_wires(graph, group_at[n.index]) if n.index in group_at else n.inputs for n in kept}
    used = {x.index for node in kept if node.index >= first for x in sources[node.index]}
    shown, origins = Graph(), []
    at: dict[int, Node] = {}
    for node in kept:
        i = node.index
        is_input = node.gate is None or i < first
        if is_input and i not in used and (first or node.constant):
            continue
        gate = (
            None
            if is_input
            else FoldedGate(group_at[i].symbol, _list_steps(graph, group_at[i]))
            if i in group_at
            else node.gate
        )
        at[i] = _copy_node(shown, node, gate, () if is_input else tuple(at[x.index] for x in sources[i]))
        origins.append(node)
    return shown, origins


def _copy_node(graph: Graph, original: Node, gate: Any, inputs: tuple[Node, ...]) -> Node:
    """Append a node with the name and value of another to the graph, and return it."""
    number = len(graph.nodes)
    name = f"#{number}" if original.name == f"#{original.index}" else original.name
    node = Node(graph, gate, inputs, name, original.constant)
    node.value = np.array(original.value)[()] if np.shape(original.value) else original.value
    graph.nodes.append(node)
    return node


def _find_input_wires(graph: Graph, group: Group) -> tuple[Node, ...]:
    """Return the wires that run into a group, each once."""
    inputs = [x for i in group.members for x in graph.nodes[i].inputs if x.index not in group.members]
    return tuple({x.index: x for x in inputs if not x.constant}.values())


def _list_steps(graph: Graph, group: Group) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
    positions = [x.index for x in _find_input_wires(graph, group)] + list(group.members)
    return tuple(
        (node.gate, tuple(np.asarray(x.value) if x.constant else positions.index(x.index) for x in node.inputs))
        for node in (graph.nodes[i] for i in group.members)
    )


def _make_group(graph: Graph, symbol: str, nodes: Iterable[Node]) -> Group:
    nodes = sorted(nodes, key=lambda node: node.index)
    if not nodes or any(node.graph is not graph or node.gate is None for node in nodes):
        raise ValueError(f"The group {symbol!r} must be nodes of this graph that are outputs of gates.")
    group = Group(symbol, tuple(node.index for node in nodes))
    leak = _find_leak(_find_users(graph), group.members)
    if leak:
        raise ValueError(f"The group {symbol!r} is not one gate: {graph.nodes[leak].name} is used outside it too.")
    if not _find_input_wires(graph, group):
        raise ValueError(f"The group {symbol!r} has no input.")
    return group


def _find_users(graph: Graph) -> dict[int, set[int]]:
    users: dict[int, set[int]] = {node.index: set() for node in graph.nodes}
    for node in graph.nodes:
        for x in node.inputs:
            users[x.index].add(node.index)
    return users


def _find_leak(users: Mapping[int, set[int]], members: Sequence[int]) -> int:
    """Return the first inner node of a group that is used outside the group or not at all; 0 if there is none."""
    inner = members[:-1]
    return next((i for i in inner if not users[i] or users[i] - {*members}), 0)


def _match_sigmoid(node: Node) -> tuple[int, ...]:
    """Return the four gates of a sigmoid whose output is this node; () if there is none."""
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
