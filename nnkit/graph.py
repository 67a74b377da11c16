"""A computational graph: gates and the wires between them, run forward and backward.

    graph = Graph()
    x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
    f = (x + y) * z                     # each operator records a gate and computes its value at once
    graph.backward()                    # {"x": -4.0, "y": -4.0, "z": 3.0}

A node can only be made from nodes that exist, so the order of recording is a topological order and its
reverse is the order of the backward pass. No recursion is needed, however deep the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nnkit import gates
from nnkit.arrays import Array, ShapeError, as_floats, copy_array, get_name, get_namespace, is_floats, is_integers
from nnkit.gates.base import run_backward, run_forward
from nnkit.graphtext import Step, format_formula, format_table, format_value
from nnkit.renderers import render_html

_OPERATORS = {np.add: "add", np.subtract: "sub", np.multiply: "mul", np.divide: "truediv", np.matmul: "matmul",
           np.power: "pow"}  # fmt: skip


class Node:
    """One wire of a graph: its value, its gradient, and the gate whose output it is (None for an input)."""

    def __init__(self, graph: Graph, gate: Any, inputs: tuple[Node, ...], name: str, constant: bool = False):
        self.graph = graph
        self.gate = gate
        self.inputs = inputs
        self.name = name
        self.constant = constant
        self.index = len(graph.nodes)
        self.value: Array = None
        self.grad: Array = None
        """Gradient of the output with respect to this wire; None before `backward`, and if the output does not
        depend on it."""
        self.cache: Any = None

    def named(self, name: str) -> Node:
        """Give the wire a name for drawings and tables, and return it. No two inputs may have the same name."""
        if self.gate is None and not self.constant:
            self.graph._refuse_taken({name}, but=self)
        self.name = name
        return self

    def __add__(self, other: Any) -> Node:
        return self.graph.add(gates.Add(), self, other)

    def __radd__(self, other: Any) -> Node:
        return self.graph.add(gates.Add(), other, self)

    def __sub__(self, other: Any) -> Node:
        return self.graph.add(gates.Subtract(), self, other)

    def __rsub__(self, other: Any) -> Node:
        return self.graph.add(gates.Subtract(), other, self)

    def __mul__(self, other: Any) -> Node:
        return self.graph.add(gates.Multiply(), self, other)

    def __rmul__(self, other: Any) -> Node:
        return self.graph.add(gates.Multiply(), other, self)

    def __truediv__(self, other: Any) -> Node:
        return self.graph.add(gates.Divide(), self, other)

    def __rtruediv__(self, other: Any) -> Node:
        if isinstance(other, int | float) and other == 1:
            return self.graph.add(gates.Reciprocal(), self)
        return self.graph.add(gates.Divide(), other, self)

    def __matmul__(self, other: Any) -> Node:
        return self.graph.add(gates.MatMul(), self, other)

    def __rmatmul__(self, other: Any) -> Node:
        return self.graph.add(gates.MatMul(), other, self)

    def __neg__(self) -> Node:
        return self.graph.add(gates.Negate(), self)

    def __pow__(self, exponent: float) -> Node:
        if not isinstance(exponent, int | float | np.number):
            raise TypeError("x ** p needs a plain number p; for a power that is itself a node, use exp(p * log(x)).")
        return self.graph.add(gates.Power(exponent), self)

    def __rpow__(self, base: Any) -> Node:
        raise TypeError("There is no gate for a number to the power of a node: write gates.Exp()(x * np.log(base)).")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute `array * node` for NumPy; TypeError for `np.exp(node)`, which has no gate."""
        operator = _OPERATORS.get(ufunc)
        if operator is None or method != "__call__" or options:
            raise TypeError(
                f"np.{ufunc.__name__} computes with arrays, and {self.name} is a node of a graph: apply a gate, "
                "as in gates.Exp()(x)."
            )
        left, right = inputs
        if isinstance(left, Node):
            return getattr(left, f"__{operator}__")(right)
        return getattr(right, f"__r{operator}__")(left)

    def formula(self) -> str:
        """Return the formula of the wire in the names of its inputs: "x + y", "σ(q)"; "input" for an input."""
        if self.gate is None:
            return "constant" if self.constant else "input"
        return format_formula(self.gate, [node.name for node in self.inputs])

    def __repr__(self) -> str:
        return f"Node {self.name} = {self.formula()} = {format_value(self.value)}, gradient {format_value(self.grad)}"


class Graph:
    """Computational graph that records gates as they are applied; see the module's docstring."""

    node_type: ClassVar[type[Node]] = Node
    """The class of its nodes. The checker's graphs have one that NumPy's functions accept as an array."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._has_gradients = False

    # -- building ---------------------------------------------------------------------------------

    def inputs(self, **values: Array) -> tuple[Node, ...]:
        """Add an input for each named value and return their nodes: `x, y = graph.inputs(x=1.0, y=2.0)`.

        The graph keeps copies. Lists become arrays and numbers floats, but arrays of integers stay as they
        are: they may be labels.
        """
        self._refuse_taken(set(values))
        checked = {name: _convert_value(f"input {name}", value) for name, value in values.items()}
        return tuple(self.add_input(name, value) for name, value in checked.items())

    def add(self, gate: Any, *inputs: Any, name: str = "") -> Node:
        """Record `gate` on these nodes (or numbers) and return its output's node.

        Any object with `forward(*inputs) -> (out, cache)` and `backward(upstream, cache)` is a gate.
        """
        _require_gate(gate)
        before = len(self.nodes)
        try:
            node = self.node_type(self, gate, tuple(self._to_node(x) for x in inputs), name)
            node.value, node.cache = _run_gate(gate, (_require_value(x) for x in node.inputs))
        except Exception:
            del self.nodes[before:]  # constants made on the way
            raise
        self._forget_gradients()
        node.index, node.name = len(self.nodes), name or f"#{len(self.nodes)}"
        self.nodes.append(node)
        return node

    def _refuse_taken(self, names: set[str], but: Node | None = None) -> None:
        taken = {node.name for node in self._list_named_inputs() if node is not but} & names
        if taken:
            raise ValueError(f"The graph has an input {min(taken)!r} already; every input needs a name of its own.")

    def _list_named_inputs(self) -> list[Node]:
        return [node for node in self.nodes if node.gate is None and not node.constant]

    def add_input(self, name: str, value: Array, constant: bool = False) -> Node:
        node = self.node_type(self, None, (), name, constant)
        node.value = value
        self.nodes.append(node)
        return node

    def _to_node(self, x: Any) -> Node:
        if not isinstance(x, Node):
            value = _convert_value("a constant", x)
            return self.add_input(format_value(value), value, constant=True)
        if x.graph is not self:
            raise ValueError(f"{x.name!r} belongs to another graph; a gate's inputs must be nodes of one graph.")
        return x

    # -- running ----------------------------------------------------------------------------------

    @property
    def output(self) -> Node:
        """Node of the last gate (of the last input, in a graph without gates)."""
        if not self.nodes:
            raise ValueError("The graph is empty: name its inputs with graph.inputs(x=...), then compute with them.")
        return next((node for node in reversed(self.nodes) if node.gate is not None), self.nodes[-1])

    def _resolve_output(self, output: Node | None) -> Node:
        if output is not None and output.graph is not self:
            raise ValueError(f"{output.name!r} belongs to another graph.")
        return self.output if output is None else output

    def forward(self, **values: Array) -> Array:
        """Compute every node again, with new values for some inputs, and return the output's value.

        The gradients, which belong to the old values, are discarded. If a gate fails, the graph stays as it was.
        """
        given = self._convert_new_values(values)
        found: list[tuple[Array, Any]] = []
        for node in self.nodes:
            if node.gate is None:
                found.append((given.get(node.index, node.value), None))
            else:
                found.append(_run_gate(node.gate, (found[x.index][0] for x in node.inputs)))
        for node, (value, cache) in zip(self.nodes, found):
            node.value, node.cache = value, cache
        self._forget_gradients()
        return self.output.value

    def backward(self, output: Node | None = None, upstream: Array | None = None) -> dict[str, Array]:
        """Return the gradient of `output` (by default the last gate's) with respect to every named input.

        Gates run in reverse topological order; where branches meet, their gradients add. Each call
        starts afresh, so a second call gives the same gradients. An output that is not a scalar needs
        an `upstream` of its shape. Inputs that the output does not depend on get zeros; arrays of integers,
        for example labels, get None.
        """
        try:
            for _ in self._iterate_backward(self._resolve_output(output), upstream):
                pass
        except Exception:
            self._forget_gradients()  # half of them would mislead
            raise
        return {
            node.name: _make_zeros(node.value) if node.grad is None else copy_array(node.grad)
            for node in self._list_named_inputs()
        }

    def steps(self, output: Node | None = None, upstream: Array | None = None) -> Iterator[Step]:
        """Run both passes and yield one step for each gate. A wire has no value (no gradient) before its step.

        If the iteration stops early, some wires have no value; `forward` computes them all again.
        """
        output = self._resolve_output(output)
        self._forget_gradients()
        ahead = [node for node in self.nodes[: output.index + 1] if node.gate is not None]
        for node in ahead:
            node.value = node.cache = None
        for node in ahead:
            values = tuple(_require_value(x) for x in node.inputs)
            node.value, node.cache = _run_gate(node.gate, values)
            yield Step("forward", node, node.value, values, node.cache)
        yield from self._iterate_backward(output, upstream)

    def _convert_new_values(self, values: dict[str, Array]) -> dict[int, Array]:
        """Return the new values of inputs by the index of their nodes."""
        known = {node.name: node.index for node in self._list_named_inputs()}
        for name in values:
            if name not in known:
                raise ValueError(f"The graph has no input {name!r}; its inputs are {', '.join(known) or 'none'}.")
        return {known[name]: _convert_value(f"input {name}", value) for name, value in values.items()}

    def _iterate_backward(self, output: Node, upstream: Array | None) -> Iterator[Step]:
        nodes = self.nodes[: output.index + 1]
        for node in nodes:
            _require_value(node)
        upstream = _make_first_upstream(output, upstream)
        self._forget_gradients()
        output.grad, self._has_gradients = upstream, True
        for node in reversed(nodes):
            if node.gate is None or node.grad is None:
                continue
            values = tuple(x.value for x in node.inputs)
            gradients = run_backward(node.gate, node.grad, node.cache, values)
            totals = tuple(_add_share(x, gradient) for x, gradient in zip(node.inputs, gradients))
            yield Step("backward", node, node.value, values, node.cache, node.grad, gradients, totals)

    def _forget_gradients(self) -> None:
        if self._has_gradients:  # the test keeps building a long graph linear in its length
            for node in self.nodes:
                node.grad = None
            self._has_gradients = False

    # -- showing ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        """Return a table with one row for each node: name, formula, value, gradient."""
        return format_table(self.nodes)

    __repr__ = __str__

    def draw(self) -> str:
        """Return the drawing that Jupyter shows: HTML with an SVG image and its description."""
        return render_html(self)

    def _repr_html_(self) -> str:
        return self.draw()


def _require_gate(gate: Any) -> None:
    if isinstance(gate, type):
        raise TypeError(f"{gate.__name__} is a class: make a gate of it first, as in graph.add({gate.__name__}(), x).")
    for method in ("forward", "backward"):
        if not callable(getattr(gate, method, None)):
            raise TypeError(f"{get_name(gate)} is not a gate: it has no method {method!r}.")


def _convert_value(what: str, value: Array) -> Array:
    """Return a value as the graph stores it; see `Graph.inputs`."""
    floats = as_floats(value, lambda: what)
    if is_integers(value):
        return copy_array(value) if hasattr(value, "dtype") else np.asarray(value)
    return copy_array(floats)


def _require_value(node: Node) -> Array:
    if node.value is None:
        raise ValueError(f"{node.name} has no value, since graph.steps() was not finished: run graph.forward() first.")
    return node.value


def _run_gate(gate: Any, values: Iterable[Array]) -> tuple[Array, Any]:
    out, cache = run_forward(gate, *values)
    if isinstance(out, tuple):
        raise TypeError(
            f"{get_name(gate)} has several outputs; a node carries one. To copy a wire, use its node more than once."
        )
    return out, cache


def _add_share(x: Node, share: Array) -> Array:
    """Add one branch's share to the gradient of x and return the sum; None for a first share.

    Not by +=, which would change the gate's array: it may be the upstream gradient itself, or returned twice.
    """
    if share is None:
        return None
    first = x.grad is None
    x.grad = share if first else x.grad + share
    return None if first else x.grad


def _make_first_upstream(output: Node, upstream: Array | None) -> Array:
    shape = np.shape(output.value)
    if upstream is None:
        if shape:
            raise ShapeError(
                f"The output {output.name} is {shape}, not a scalar: say graph.backward(upstream=...) with a gradient "
                "of that shape, or end the graph in a scalar loss."
            )
        value = output.value
        return 1.0 if isinstance(value, float) else get_namespace(value).ones_like(value)[()]
    if not is_floats(upstream):
        upstream = as_floats(upstream, lambda: "The upstream gradient")
    if np.shape(upstream) != shape:
        raise ShapeError(f"The upstream gradient is {np.shape(upstream)}, but the output {output.name} is {shape}.")
    return copy_array(upstream)


def _make_zeros(value: Array) -> Array:
    return None if is_integers(value) else get_namespace(value).zeros_like(value)[()]


def topological_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the keys of `needs` so that each comes after all that it needs: {"f": ["x"], "x": []} → ["x", "f"].

    Keys that are ready at the same time keep the order in which they are given. Raises ValueError if there is a cycle,
    or if something is needed that is no key. (Kahn, "Topological sorting of large networks", 1962.)
    """
    order: list[str] = []
    placed: set[str] = set()
    waiting = list(needs)
    while waiting:
        ready = [node for node in waiting if placed.issuperset(needs[node])]
        if not ready:
            raise ValueError(
                f"there is no order in which to run the graph: {', '.join(waiting)} form a cycle, "
                "or need a node that is missing."
            )
        order += ready
        placed.update(ready)
        waiting = [node for node in waiting if node not in placed]
    return order
