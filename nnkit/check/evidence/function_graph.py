"""The graph of gates that a function is made of, found by running it on nodes in place of arrays.

    graph = trace_function(lambda x, y: x * y + np.exp(x), (2.0, 3.0))

The catalogue injects its mistakes into the backward pass of this graph (a branch overwritten, a local derivative taken
at the wrong place) to see which of them gives what a learner returned. A function that does something that is not a
gate here has no graph: `trace_function` returns None, and the mistakes that need one are not claimed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from nnkit import gates
from nnkit.arrays import Array, unbroadcast
from nnkit.check.evidence.traced_gates import ELEMENTARY, WRITTEN_OUT, Elementwise, Min, fit_rectifiers
from nnkit.gates.base import Gate, Gradients
from nnkit.graph import Graph, Node


@dataclass(frozen=True)
class Pick(Gate):
    """Entries of x, rearranged: an index, a transpose, a reshape. Each passes its gradient to where it came from."""

    rearrange: Callable[[Array], Array]
    symbol: ClassVar[str] = "pick"

    def forward(self, x: Array) -> tuple[Array, Any]:
        places = self.rearrange(np.arange(np.size(x)).reshape(np.shape(x)))
        return self.rearrange(x), (np.shape(x), places)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        shape, places = cache
        dx = np.zeros(int(np.prod(shape)))
        np.add.at(dx, np.ravel(places), np.ravel(upstream))
        return (dx.reshape(shape),)


@dataclass(frozen=True)
class Reduce(Gate):
    """A sum, mean or maximum of x over axes; the largest entry gets a maximum's gradient."""

    how: Callable[..., Array]
    axis: Any = None
    keepdims: bool = False
    symbol: ClassVar[str] = "reduce"

    def forward(self, x: Array) -> tuple[Array, Any]:
        return self.how(x, axis=self.axis, keepdims=self.keepdims), np.asarray(x)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        kept = self.how(cache, axis=self.axis, keepdims=True)
        spread = np.broadcast_to(np.reshape(upstream, np.shape(kept)), cache.shape)
        if self.how is np.max:
            return (spread * (cache == kept),)
        return (spread * (np.size(kept) / cache.size if self.how is np.mean else 1.0),)


class Softmax(Gate):
    """out = softmax(x) along the last axis; dx = out · (upstream - Σ upstream · out)."""

    symbol = "softmax"

    def forward(self, x: Array) -> tuple[Array, Any]:
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        out = e / e.sum(axis=-1, keepdims=True)
        return out, out

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return (cache * (upstream - (upstream * cache).sum(axis=-1, keepdims=True)),)


def _elementary(name: str, x: Any) -> Any:
    return _record(Elementwise(name), x)


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.matmul: operator.matmul,
    np.negative: operator.neg,
    np.power: operator.pow,
    np.square: lambda x: x**2,
    np.sqrt: lambda x: x**0.5,
    np.reciprocal: lambda x: 1 / x,
    np.exp: lambda x: gates.Exp()(x),
    np.log: lambda x: gates.Log()(x),
    np.tanh: lambda x: gates.Tanh()(x),
    np.maximum: lambda x, y: _maximum(x, y),
    np.minimum: lambda x, y: _record(Min(), x, y),
    np.logaddexp: lambda x, y: _log_add_exp(x, y),
    np.absolute: lambda x: _record(Elementwise("abs"), x),
    np.log2: lambda x: gates.Log()(x) / np.log(2),
    np.log10: lambda x: gates.Log()(x) / np.log(10),
    **{getattr(np, name): partial(_elementary, name) for name in ELEMENTARY if hasattr(np, name) and name != "abs"},
    np.greater: lambda x, y: _value_of(x) > _value_of(y),
    np.greater_equal: lambda x, y: _value_of(x) >= _value_of(y),
    np.less: lambda x, y: _value_of(x) < _value_of(y),
    np.less_equal: lambda x, y: _value_of(x) <= _value_of(y),
}


def _maximum(x: Any, y: Any) -> Any:
    zero, other = (x, y) if np.ndim(x) == 0 and not isinstance(x, Node) and x == 0 else (y, x)
    if not isinstance(zero, Node) and np.ndim(zero) == 0 and zero == 0:
        return gates.ReLU()(other)
    return _record(gates.Max(), x, y)


def _log_add_exp(x: Any, y: Any) -> Any:
    if isinstance(x, Node):
        x, y = y, x
    rise = _elementary("softplus", y if np.ndim(x) == 0 and not isinstance(x, Node) and x == 0 else y - x)
    return rise if rise.inputs[0] is y else rise + x


def _record(gate: Gate, *inputs: Any) -> Node:
    graph = next(x.graph for x in inputs if isinstance(x, Node))
    return graph.add(gate, *inputs)


class Wire(Node):
    """A node that NumPy's functions take for an array."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or ufunc not in UFUNCS:
            return NotImplemented
        return UFUNCS[ufunc](*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function not in FUNCTIONS:
            return NotImplemented
        return FUNCTIONS[function](*args, **options)

    def __getitem__(self, index: Any) -> Node:
        return _record(Pick(lambda x: x[index]), self)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    # Comparisons give plain arrays: a mask is constant wherever it has a derivative.
    def __gt__(self, other: Any) -> Any:
        return self.value > _value_of(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= _value_of(other)

    def __lt__(self, other: Any) -> Any:
        return self.value < _value_of(other)

    def __le__(self, other: Any) -> Any:
        return self.value <= _value_of(other)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Node:
        return _record(Reduce(np.sum, axis, keepdims), self)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Node:
        return _record(Reduce(np.mean, axis, keepdims), self)

    def max(self, axis: Any = None, keepdims: bool = False) -> Node:
        return _record(Reduce(np.max, axis, keepdims), self)

    def dot(self, other: Any) -> Any:
        return self @ other

    def __abs__(self) -> Any:
        return _elementary("abs", self)

    def __rpow__(self, base: Any) -> Any:
        return gates.Exp()(self * np.log(base))

    def copy(self) -> Node:
        return self

    def reshape(self, *shape: Any) -> Node:
        return _record(Pick(lambda x: np.reshape(x, shape if len(shape) > 1 else shape[0])), self)

    def ravel(self) -> Node:
        return self.reshape(-1)

    @property
    def T(self) -> Node:
        return _record(Pick(np.transpose), self)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def size(self) -> int:
        return np.size(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)


def _value_of(x: Any) -> Any:
    return x.value if isinstance(x, Node) else x


def _where(condition: Any, x: Any, y: Any) -> Any:
    return x * condition.astype(float) + y * (~condition).astype(float)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.dot: operator.matmul,
    np.sum: lambda x, *axis, **options: x.sum(*axis, **options),
    np.mean: lambda x, *axis, **options: x.mean(*axis, **options),
    np.max: lambda x, *axis, **options: x.max(*axis, **options),
    np.transpose: lambda x: x.T,
    np.reshape: lambda x, shape: x.reshape(shape),
    np.where: _where,
    np.clip: lambda x, low, high: np.minimum(np.maximum(x, low), high),
    np.shape: lambda x: x.shape,
    np.size: lambda x: x.size,
    np.ndim: lambda x: x.ndim,
}


class Trace(Graph):
    """A graph that is recorded by running a function. Integer inputs (labels) are not wires."""

    node_type = Wire

    def __init__(self, inputs: Sequence[Array]):
        super().__init__()
        self.labels = [x for x in inputs if np.asarray(x).dtype.kind in "iu"]
        self.wires = [x if np.asarray(x).dtype.kind in "iu" else self.add_input("x", x) for x in inputs]

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


def trace_function(function: Callable[..., Any], inputs: Sequence[Array]) -> Trace | None:
    """Return the graph of `function(*inputs)`, its inputs the first nodes; None if it is not made of gates."""
    graph = Trace(inputs)
    try:
        out = function(*graph.wires)
        expected = function(*inputs)
    except Exception:  # whatever it does that a gate cannot
        return None
    same = isinstance(out, Node) and np.shape(out.value) == np.shape(expected)
    if not same or not np.allclose(out.value, expected, rtol=1e-9, atol=1e-12):
        return None
    del graph.nodes[out.index + 1 :]
    return graph


def recognise_gate(inputs: Sequence[Array], out: Array) -> Trace | None:
    """Return the graph of one gate that gives this output, for a function that cannot be traced."""
    fitted = fit_rectifiers(inputs[0], out) if len(inputs) == 1 else ()
    for gate in (*_make_gates(), Softmax(), *WRITTEN_OUT, *map(Elementwise, ELEMENTARY), *fitted):
        graph = trace_function(partial(_record_or_run, gate), inputs) if _gives_output(gate, inputs, out) else None
        if graph is not None:
            return graph
    return None


def _record_or_run(gate: Gate, *inputs: Any) -> Any:
    return _record(gate, *inputs) if isinstance(inputs[0], Node) else gate.forward(*inputs)[0]


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

    def values(self) -> tuple[Array, ...]:
        return (*(x.value for x in self.inputs), *self.labels)


_ELEMENTWISE = (gates.Sigmoid(), gates.Tanh(), gates.ReLU())


def _find_written_out(graph: Trace, nodes: Sequence[Node]) -> list[Place]:
    """Return the gates that have the same output as one of these nodes, which is of another gate."""
    known = [(z, gate, labels, value) for z in graph.nodes for gate, labels, value in _try_gates_at(graph, z)]
    found = [
        Place(gate, (z,), node, labels)
        for node in nodes
        for z, gate, labels, value in known
        if z.index < node.index and type(gate) is not type(node.gate) and _is_near(value, node.value)
    ]
    wires = [z for z in graph.nodes if not z.constant]
    pairs = [(z, node) for node in nodes for z in wires if z.index < node.index]
    return found + [Place(gate, (z,), node) for z, node in pairs for gate in fit_rectifiers(z.value, node.value)]


def _try_gates_at(graph: Trace, z: Node) -> Iterator[tuple[Gate, tuple[Array, ...], Array | None]]:
    """Yield the gates that people write out in several, with z as their only input: gate, labels, output."""
    if z.constant:
        return
    for gate in (*_ELEMENTWISE, *WRITTEN_OUT, *([Softmax()] if np.shape(z.value)[-1:] > (1,) else [])):
        yield gate, (), _run_forward(gate, (z.value,))
    for labels in graph.labels:
        yield gates.SoftmaxCrossEntropy(), (labels,), _run_forward(gates.SoftmaxCrossEntropy(), (z.value, labels))


# ---- backward passes with injected faults ------------------------------------------------------------

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


def vjp_with_faults(graph: Graph, upstream: Array, faults: Sequence[FaultyGate | UnsummedBranch] = ()) -> list[Array]:
    """Return the vector-Jacobian products of the last node with respect to every node, in order, with faults injected.

    Zeros where the last node does not depend on one.
    """
    faulty = {fault.place.node.index: fault for fault in faults if isinstance(fault, FaultyGate)}
    unsummed = {fault.wire.index: fault.keep for fault in faults if isinstance(fault, UnsummedBranch)}
    grads: list[Array] = [None] * len(graph.nodes)
    grads[-1] = upstream
    for node in reversed(graph.nodes):
        if node.gate is None or grads[node.index] is None:
            continue
        for x, share in _backward_shares(node, grads[node.index], faulty.get(node.index)):
            before, keep = grads[x.index], unsummed.get(x.index)
            if share is None or (before is not None and keep == "first"):
                continue
            grads[x.index] = share if before is None or keep == "last" else before + share
    return [np.zeros(np.shape(n.value)) if g is None else g for n, g in zip(graph.nodes, grads)]


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


def count_uses(graph: Graph) -> dict[int, int]:
    """Return how many gates (counted once for each of their inputs) read each node."""
    count: dict[int, int] = {}
    for node in graph.nodes:
        for x in node.inputs:
            count[x.index] = count.get(x.index, 0) + 1
    return count
