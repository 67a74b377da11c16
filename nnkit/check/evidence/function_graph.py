"""The graph of gates that a function is made of, found by running it on nodes in place of arrays.

    graph = trace_function(lambda x, y: x * y + np.exp(x), (2.0, 3.0))

The catalogue injects its mistakes into the backward pass of this graph (`backward_pass`) to see which of them gives
what a learner returned. A function that does something that is not a gate here has no graph: `trace_function` returns
None, and the mistakes that need one are not claimed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from types import CodeType, FrameType
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.arrays import Array
from nnkit.check.evidence.array_gates import ColumnSoftmax, Softmax
from nnkit.check.evidence.traced_gates import ELEMENTARY, WRITTEN_OUT, Elementwise, fit_rectifiers
from nnkit.check.evidence.wire_makers import SUBSTITUTES
from nnkit.check.evidence.wires import content_of, record, wrap
from nnkit.gates.base import Gate
from nnkit.graph import Graph, Node
from nnkit.rebinding import rebind

MAX_NODES = 400
"""Nodes of a graph; a function of more has none."""


class Trace(Graph):
    """A graph that is recorded by running a function. Integer inputs (labels) are not wires."""

    def __init__(self, inputs: Sequence[Array]):
        super().__init__()
        self.known: dict[Any, Any] = {}
        """Whatever was found out about this graph, to be asked for again."""
        self.outputs: tuple[str, ...] = ()
        """The names of several outputs, whose entries stand one after the other in its last node."""
        self._steps: dict[int, Any] = {}
        self.labels = [x for x in inputs if np.asarray(x).dtype.kind in "iu"]
        self.wires = [x if np.asarray(x).dtype.kind in "iu" else self.add_input("x", x) for x in inputs]

    def add(self, gate: Any, *inputs: Any, name: str = "") -> Node:
        """Record a gate; TooManyNodes where a graph of them would be too large to be looked into."""
        if len(self.nodes) >= MAX_NODES:
            raise TooManyNodes
        node = super().add(gate, *inputs, name=name)
        self._steps[node.index] = _find_step()
        return node

    @cached_property
    def origins(self) -> list[int]:
        """The number of the step in the function's code that computed each node: the same in every round of a loop,
        and for all constants."""
        numbers: dict[Any, int] = {}
        own = [self._steps.get(k, -1 if node.constant else k) for k, node in enumerate(self.nodes)]
        return [numbers.setdefault(step, len(numbers)) for step in own]

    @cached_property
    def destinations(self) -> list[frozenset[int]]:
        """The steps that each node goes into."""
        found: list[set[int]] = [set() for _ in self.nodes]
        for node in self.nodes:
            for x in node.inputs:
                found[x.index].add(self.origins[node.index])
        return list(map(frozenset, found))

    @cached_property
    def places(self) -> list[Place]:
        """Every gate of the graph, including those that are written out in several."""
        recorded = [node for node in self.nodes if node.gate is not None]
        own = [Place(node.gate, node.inputs, node) for node in recorded]
        written = _find_written_out(self, recorded)
        # The reciprocal at the end of 1 / (1 + exp(-z)) is not a gate that its author had in mind.
        ends = {place.node.index for place in written}
        thought_of = [p for p in own if type(p.gate) is not gates.Reciprocal or p.node.index not in ends]
        return [*thought_of, *written]


def _find_step() -> tuple[Any, ...]:
    """Return the places in the code that are being run, from the innermost function outwards to the traced one."""
    found = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code is not trace_function.__code__:
        found.append((frame.f_code, _list_positions(frame.f_code)[frame.f_lasti // 2]))
        frame = frame.f_back
    return tuple(found)


@lru_cache(maxsize=1000)
def _list_positions(code: CodeType) -> list[Any]:
    """Return the lines and columns of a function's code units; an instruction has several as it gets specialised."""
    return list(code.co_positions())


class TooManyNodes(Exception):
    """Raised in the code that is traced where it has too many steps."""


def trace_function(function: Callable[..., Any], inputs: Sequence[Array]) -> Trace | None:
    """Return the graph of `function(*inputs)`, its inputs the first nodes; None if it is not made of gates."""
    graph, out = Trace(inputs), None
    expected = None
    try:
        expected = function(*inputs)
        out = content_of(rebind(function, SUBSTITUTES, as_numpy=True)(*map(wrap, graph.wires)))
    except Exception:  # whatever it does that a gate cannot
        if len(graph.nodes) == len(inputs) or len(graph.nodes) >= MAX_NODES:
            return None
    if not isinstance(out, Node):
        # A function that returns gradients too may have computed its value before, or it gives a plain number.
        out = next((node for node in graph.nodes if node.gate and _is_near(node.value, expected)), None)
    if not isinstance(out, Node) or not _is_near(out.value, expected):
        return None
    del graph.nodes[out.index + 1 :]
    return graph


def recognise_gate(inputs: Sequence[Array], out: Array) -> Trace | None:
    """Return the graph of one gate that gives this output, for a function that cannot be traced."""
    fitted = fit_rectifiers(inputs[0], out) if len(inputs) == 1 else ()
    for gate in (*_make_gates(), Softmax(), ColumnSoftmax(), *WRITTEN_OUT, *map(Elementwise, ELEMENTARY), *fitted):
        graph = trace_function(partial(_record_or_run, gate), inputs) if _gives_output(gate, inputs, out) else None
        if graph is not None:
            return graph
    return None


def _record_or_run(gate: Gate, *inputs: Any) -> Any:
    return record(gate, *inputs)


def _make_gates() -> list[Gate]:
    several = (gates.Copy, gates.Power, gates.Sum, gates.Add, gates.Subtract, gates.Negate)
    return [gate() for gate in gates.ALL if gate not in several]


def _gives_output(gate: Gate, inputs: Sequence[Array], out: Array) -> bool:
    return _is_near(_run_forward(gate, inputs), out)


def _run_forward(gate: Gate, inputs: Sequence[Array]) -> Array | None:
    try:
        value: Array = gate.forward(*inputs)[0]
        return value
    except Exception:  # the wrong number, shape or kind of inputs
        return None


def _is_near(value: Array | None, out: Array) -> bool:
    if value is None or np.shape(value) != np.shape(out):
        return False
    value, out = np.asarray(value), np.asarray(out)
    if value.size:  # one entry tells most of them apart, in a tenth of the time
        one, other = value.flat[-1], out.flat[-1]
        if not (one == other or abs(one - other) <= 1e-12 + 1e-9 * abs(other)):
            return False
    return np.allclose(value, out, rtol=1e-9, atol=1e-12)


# ---- gates that are written out in several ------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A gate in a graph: a node of its own, or one that the function spells in several, as 1 / (1 + exp(-z))."""

    gate: Any
    inputs: tuple[Node, ...]
    node: Node
    labels: tuple[Array, ...] = ()

    @property
    def origin(self) -> tuple[Any, ...]:
        """Its kind and the step that computed it, the same in every round of a loop; for a gate that is written out in
        several, also the steps that its inputs come from."""
        graph: Any = self.node.graph
        ends = self.inputs if self.gate is not self.node.gate else ()
        return type(self.gate), graph.origins[self.node.index], *(graph.origins[x.index] for x in ends)

    @property
    def destinations(self) -> frozenset[int]:
        """The steps that its output goes into."""
        graph: Any = self.node.graph
        found: frozenset[int] = graph.destinations[self.node.index]
        return found

    def values(self) -> tuple[Array, ...]:
        return (*(x.value for x in self.inputs), *self.labels)


_ELEMENTWISE = (gates.Sigmoid(), gates.Tanh(), gates.ReLU())


def _find_written_out(graph: Trace, nodes: Sequence[Node]) -> list[Place]:
    """Return the gates that have the same output as one of these nodes, which is of another gate, and that get an input
    from which it is computed: |x| beside x² is not the square root of it."""
    by_shape: dict[tuple[int, ...], list[Node]] = {}
    for node in nodes:
        by_shape.setdefault(np.shape(node.value), []).append(node)
    alike = {shape: _Alike(several) for shape, several in by_shape.items()}
    found = [
        Place(gate, (z,), node, labels)
        for z in graph.nodes
        for gate, labels, value in _try_gates_at(graph, z)
        if value is not None and np.shape(value) in alike
        for node in alike[np.shape(value)].list_near(value)
        if _is_other_kind(gate, node.gate) and _is_computed_from(node, z)
    ]
    found.sort(key=lambda place: place.node.index)
    wires = [z for z in graph.nodes if not z.constant and np.shape(z.value) in alike]
    pairs = [(z, node) for z in wires for node in alike[np.shape(z.value)].list_equal_above(z.value)]
    rectified = [Place(gate, (z,), node) for z, node in pairs for gate in fit_rectifiers(z.value, node.value)]
    return found + [place for place in rectified if _is_computed_from(place.node, place.inputs[0])]


class _Alike:
    """Nodes of one shape, to be looked up by their values."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.values = np.array([np.ravel(node.value) for node in nodes], dtype=float)
        self.totals, self.sizes = self.values.sum(axis=1), np.abs(self.values).sum(axis=1)

    def list_near(self, value: Array | None) -> list[Node]:
        """Return the nodes with this value, up to rounding."""
        total = np.sum(np.asarray(value, dtype=float))
        near = np.abs(self.totals - total) <= 1e-9 * (self.sizes + np.abs(total)) + 1e-11  # a first, cheap look
        return [self.nodes[k] for k in np.flatnonzero(near).tolist() if _is_near(value, self.nodes[k].value)]

    def list_equal_above(self, z: Array) -> list[Node]:
        """Return the nodes that equal z where it is not negative."""
        above = np.ravel(z) >= 0
        if above.all() or not above.any():
            return []
        equal = (self.values[:, above] == np.ravel(z)[above]).all(axis=1)
        return [self.nodes[k] for k in np.flatnonzero(equal).tolist()]


def _is_computed_from(node: Node, z: Node) -> bool:
    """Return True if there is a path from z to the node."""
    waiting, seen = list(node.inputs), {z.index}
    while waiting:
        x = waiting.pop()
        if x is z:
            return True
        if x.index > z.index and x.index not in seen:
            seen.add(x.index)
            waiting += x.inputs
    return False


def _is_other_kind(gate: Any, own: Any) -> bool:
    return type(gate) is not type(own) or (isinstance(gate, Elementwise) and gate != own)


def _try_gates_at(graph: Trace, z: Node) -> Iterator[tuple[Gate, tuple[Array, ...], Array | None]]:
    """Yield the gates that people write out in several, with z as their only input: gate, labels, output."""
    if z.constant:
        return
    softmaxes: list[Gate] = [Softmax()] if np.shape(z.value)[-1:] > (1,) else []
    softmaxes += [ColumnSoftmax()] if np.ndim(z.value) == 2 and len(z.value) > 1 else []
    for gate in (*_ELEMENTWISE, *WRITTEN_OUT, *softmaxes):
        # ReLU leaves |x| and other positive numbers as they are, and so would be seen wherever these are passed on.
        if not isinstance(gate, gates.ReLU) or z.gate is None or np.any(z.value < 0):
            yield gate, (), _run_forward(gate, (z.value,))
    for labels in graph.labels:
        yield gates.SoftmaxCrossEntropy(), (labels,), _run_forward(gates.SoftmaxCrossEntropy(), (z.value, labels))


def group_rounds(places: Sequence[Place]) -> dict[Any, list[Place]]:
    """Return the places in groups: those of a loop in which only the round differs stand together, and those of them
    that go into the same steps once more by themselves. The keys are the same for every number of rounds."""
    groups: dict[Any, list[Place]] = {}
    for place in places:
        groups.setdefault(place.origin, []).append(place)
    finer: dict[Any, list[Place]] = {}
    for place in places:
        if len(groups[place.origin]) > 1:
            finer.setdefault((place.origin, place.destinations), []).append(place)
    return groups | {key: group for key, group in finer.items() if 1 < len(group) < len(groups[key[0]])}


def list_uses(graph: Graph, wire: Node) -> list[Node]:
    """Return the gates on the way to the output that read a wire, once for each of their inputs that it is."""
    return [node for node in _list_used(graph) for x in node.inputs if x is wire]


def count_uses(graph: Graph) -> dict[int, int]:
    """Return how many gates on the way to the output (once for each of their inputs) read each node."""
    count: dict[int, int] = {}
    for node in _list_used(graph):
        for x in node.inputs:
            count[x.index] = count.get(x.index, 0) + 1
    return count


def _list_used(graph: Graph) -> list[Node]:
    """Return the nodes that the last one depends on: what forward computes for backward alone is not among them."""
    known: dict[Any, Any] = graph.known if isinstance(graph, Trace) else {}
    if "used" not in known:
        used = {graph.nodes[-1].index}
        for node in reversed(graph.nodes):
            if node.index in used:
                used.update(x.index for x in node.inputs)
        known["used"] = [node for node in graph.nodes if node.index in used]
    found: list[Node] = known["used"]
    return found
