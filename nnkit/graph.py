"""A computational graph: gates and the wires between them, run forward and backward.

    graph = Graph()
    x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
    f = (x + y) * z                     # each operator records a gate and computes its value at once
    graph.backward()                    # {"x": -4.0, "y": -4.0, "z": 3.0}

A node can only be made from nodes that exist, so the order of recording is a topological order and its
reverse is the order of the backward pass: no recursion, however deep the graph is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from nnkit import gates
from nnkit.arrays import Array, ShapeError, name_of, namespace, numbers
from nnkit.gates.base import run_backward, run_forward


class Node:
    """One wire of a graph: its value, its gradient, and the gate that drives it (None for an input)."""

    __array_ufunc__ = None  # so that `array * node` asks the node, not NumPy

    def __init__(self, graph: Graph, gate: Any, inputs: tuple[Node, ...], name: str, constant: bool = False):
        self.graph = graph
        self.gate = gate
        self.inputs = inputs
        self.name = name
        self.constant = constant
        self.index = len(graph.nodes)
        self.value: Array = None
        self.grad: Array = None
        """The gradient of the output with respect to this wire; None before `backward`, or where the
        output does not depend on it."""
        self.cache: Any = None

    def named(self, name: str) -> Node:
        """Give the wire a name for drawings and tables, and return it."""
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
        if not isinstance(exponent, int | float):
            raise TypeError("x ** p needs a plain number p; for a power that is itself a node, use exp(p * log(x)).")
        return self.graph.add(gates.Power(exponent), self)

    def formula(self) -> str:
        """How the wire is made from its inputs' names: "x + y", "σ(q)"; an input is "input"."""
        if self.gate is None:
            return "constant" if self.constant else "input"
        symbol = " ".join((getattr(self.gate, "symbol", "") or name_of(self.gate)).split())
        names = [node.name for node in self.inputs]
        if len(names) == 2 and not symbol.isalpha():
            return f"{names[0]} {symbol} {names[1]}"
        return f"{symbol}({', '.join(names)})"

    def __repr__(self) -> str:
        return f"Node {self.name} = {self.formula()} = {show(self.value)}, gradient {show(self.grad)}"


class Graph:
    """Gates, recorded as they are applied; see the module's docstring."""

    draw: ClassVar[Callable[[Graph], str] | None] = None
    """How Jupyter shows a graph. Drawing is a floor above this one, so the package's front door
    (`nnkit/__init__.py`) sets this."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    # -- building ---------------------------------------------------------------------------------

    def inputs(self, **values: Array) -> tuple[Node, ...]:
        """One node for each named value, in the order given: `x, y = graph.inputs(x=1.0, y=2.0)`."""
        taken = {node.name for node in self.nodes if node.gate is None} & set(values)
        if taken:
            raise ValueError(f"The graph has an input {min(taken)!r} already; every input needs its own name.")
        checked = {name: self._checked(name, value) for name, value in values.items()}
        return tuple(self._input(name, value) for name, value in checked.items())

    def add(self, gate: Any, *inputs: Any, name: str = "") -> Node:
        """Record `gate` on these nodes (or numbers) and return its output's node.

        Any object with `forward(*inputs) -> (out, cache)` and `backward(upstream, cache)` is a gate.
        """
        for method in ("forward", "backward"):
            if not callable(getattr(gate, method, None)):
                raise TypeError(f"{name_of(gate)} is not a gate: it has no method {method!r}.")
        before = len(self.nodes)
        try:
            node = Node(self, gate, tuple(self._node(x) for x in inputs), name)
            self._compute(node)
            if isinstance(node.value, tuple):
                raise TypeError(
                    f"{name_of(gate)} has several outputs; a node carries one. "
                    "To copy a wire, use its node more than once."
                )
        except Exception:
            del self.nodes[before:]  # constants made on the way
            raise
        node.index, node.name = len(self.nodes), name or f"#{len(self.nodes)}"
        self.nodes.append(node)
        return node

    def _input(self, name: str, value: Array, constant: bool = False) -> Node:
        node = Node(self, None, (), name, constant)
        node.value = value
        self.nodes.append(node)
        return node

    def _node(self, x: Any) -> Node:
        if not isinstance(x, Node):
            value = self._checked("constant", x)
            return self._input(show(value), value, constant=True)
        if x.graph is not self:
            raise ValueError(f"{x.name!r} belongs to another graph; a gate's inputs must be nodes of one graph.")
        return x

    @staticmethod
    def _checked(name: str, value: Array) -> Array:
        (floats,) = numbers(_Named(f"input {name}"), value)
        return np.asarray(value) if _is_integer(value) else floats  # integer arrays stay: they may be labels

    # -- running ----------------------------------------------------------------------------------

    @property
    def output(self) -> Node:
        """The last node recorded."""
        if not self.nodes:
            raise ValueError("The graph is empty: name its inputs with graph.inputs(x=...), then compute with them.")
        return self.nodes[-1]

    def _own(self, output: Node | None) -> Node:
        if output is not None and output.graph is not self:
            raise ValueError(f"{output.name!r} belongs to another graph.")
        return output or self.output

    def forward(self, **values: Array) -> Array:
        """Compute every node again, some inputs changed, and return the output's value."""
        self._set(values)
        for node in self.nodes:
            if node.gate is not None:
                self._compute(node)
        return self.output.value

    def backward(self, output: Node | None = None, upstream: Array | None = None) -> dict[str, Array]:
        """The gradient of `output` (the last node, unless told) with respect to every named input.

        Gates run in reverse topological order; where branches meet, their gradients add. Each call
        starts afresh, so a second call gives the same gradients. An output that is not a scalar needs
        an `upstream` of its shape. Inputs that the output does not depend on get zeros.
        """
        for _ in self._backward_steps(self._own(output), upstream):
            pass
        return {
            node.name: _zeros(node.value) if node.grad is None else node.grad
            for node in self.nodes
            if node.gate is None and not node.constant
        }

    def steps(self, output: Node | None = None, upstream: Array | None = None) -> Iterator[Step]:
        """Both passes, one gate a step. Until its step has come, a wire has no value (no gradient)."""
        output = self._own(output)
        for node in self.nodes:
            node.grad = None
            if node.gate is not None:
                node.value = None
        for node in self.nodes[: output.index + 1]:
            if node.gate is not None:
                self._compute(node)
                yield Step("forward", node)
        yield from self._backward_steps(output, upstream)

    def _set(self, values: dict[str, Array]) -> None:
        known = {node.name: node for node in self.nodes if node.gate is None and not node.constant}
        for name in values:
            if name not in known:
                raise ValueError(f"The graph has no input {name!r}; its inputs are {', '.join(known) or 'none'}.")
        checked = {name: self._checked(name, value) for name, value in values.items()}
        for name, value in checked.items():
            known[name].value = value

    def _compute(self, node: Node) -> None:
        node.value, node.cache = run_forward(node.gate, *(x.value for x in node.inputs))

    def _backward_steps(self, output: Node, upstream: Array | None) -> Iterator[Step]:
        upstream = _first_upstream(output, upstream)
        for node in self.nodes:
            node.grad = None
        output.grad = upstream
        for node in reversed(self.nodes[: output.index + 1]):
            if node.gate is None or node.grad is None:
                continue
            values = tuple(x.value for x in node.inputs)
            gradients = run_backward(node.gate, node.grad, node.cache, values)
            for x, gradient in zip(node.inputs, gradients):
                if gradient is not None:  # never +=: a gate may return its upstream itself
                    x.grad = gradient if x.grad is None else x.grad + gradient
            yield Step("backward", node, gradients)

    # -- looking ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        """A table with one row a node: name, formula, value, gradient."""
        shown = [node for node in self.nodes if not node.constant]
        rows = [(node.name, node.formula(), show(node.value), show(node.grad)) for node in _ends(shown)]
        table = [("node", "is", "value", "gradient"), *rows]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in table
        ]
        if len(rows) < len(shown):
            lines.insert(1 + len(rows) // 2, f"... {len(shown) - len(rows)} more ...")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str | None:
        return None if Graph.draw is None else Graph.draw(self)


@dataclass(frozen=True)
class Step:
    """One gate of a forward or backward pass; `str(step)` is its sentence, with the numbers."""

    phase: Literal["forward", "backward"]
    node: Node
    downstream: tuple[Array, ...] = ()
    """Backward only: what the gate sends to each of its inputs."""

    def local(self) -> tuple[Array, ...]:
        """The gate's local gradients, for a scalar gate: what it would send for an upstream of 1."""
        values = tuple(x.value for x in self.node.inputs)
        return run_backward(self.node.gate, np.ones(np.shape(self.node.value))[()], self.node.cache, values)

    def __str__(self) -> str:
        node = self.node
        if self.phase == "forward":
            return f"{node.name} = {node.formula()} = {show(node.value)}"
        scalar = not any(np.shape(x.value) for x in (node, *node.inputs))
        locals_ = self.local() if scalar else (None,) * len(node.inputs)
        parts = []
        for x, local, down in zip(node.inputs, locals_, self.downstream):
            if x.constant or down is None:
                continue
            product = f"{show(node.grad)} × {show(local)} = {show(down)}" if scalar else show(down)
            total = "" if x.grad is down else f"; in all {show(x.grad)}"
            parts.append(f"to {x.name}: {product}{total}")
        rule = "upstream × local" if scalar else "upstream through"
        return f"{rule} {node.formula()}, " + ", ".join(parts)


class _Named:
    """Lets an input of a graph be named in `arrays.numbers`' sentences."""

    def __init__(self, name: str):
        self.__name__ = name

    def forward(self, value: Array) -> None: ...


def _first_upstream(output: Node, upstream: Array | None) -> Array:
    shape = np.shape(output.value)
    if upstream is None:
        if shape:
            raise ShapeError(
                f"The output {output.name} is {shape}, not a scalar: say graph.backward(upstream=...) with a gradient "
                "of that shape, or end the graph in a scalar loss."
            )
        value = output.value
        return 1.0 if isinstance(value, float) else namespace(value).ones_like(value)[()]
    if np.shape(upstream) != shape:
        raise ShapeError(f"The upstream gradient is {np.shape(upstream)}, but the output {output.name} is {shape}.")
    return upstream


def _is_integer(value: Array) -> bool:
    if isinstance(value, list | tuple):
        return np.asarray(value).dtype.kind in "iu"
    return bool(np.ndim(value)) and value.dtype.kind in "iu"


def _zeros(value: Array) -> Array:
    if _is_integer(value):
        return None
    return namespace(value).zeros_like(value)[()]


def _ends(nodes: list[Node], most: int = 60) -> list[Node]:
    return nodes if len(nodes) <= most else nodes[: most // 2] + nodes[-most // 2 :]


def show(value: Array) -> str:
    """A number as the lecture writes it (four digits), an array by its entries if few, else its shape."""
    if value is None:
        return ""
    shape = np.shape(value)
    if not shape:
        return f"{float(value):.4g}".replace("-", "−")
    if np.size(value) > 6:
        return f"array {shape}"
    return np.array2string(np.asarray(value), precision=3, separator=", ").replace("\n", "").replace("-", "−")
