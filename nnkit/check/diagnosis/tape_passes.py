"""Expressions as graphs of gates, and the wrong ways back through them that a tape takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from nnkit.arrays import unbroadcast
from nnkit.check.diagnosis.graph_passes import ORDERS, WRONG, Gradients, GraphRun, Locals, Needs, Pass, run_backward

CONSTANT = "constant "
"""The beginning of the name of a constant's node."""


@dataclass(frozen=True)
class LocalSlope:
    """The local derivative of a gate in one input: times an upstream gradient, it is the gradient of that input."""

    value: np.ndarray
    """It has the shape of the gate's output, or of the input of a sum over all entries."""
    input: np.ndarray
    is_sum: bool = False
    """The gate hands its upstream gradient on as it is."""

    def __mul__(self, upstream: Any) -> Any:
        return unbroadcast(np.asarray(self.value * upstream), self.input)


@dataclass
class ExpressionGraph:
    """The nodes of an expression, in the order in which Python evaluates it."""

    values: dict[str, np.ndarray] = field(default_factory=dict)
    needs: dict[str, list[str]] = field(default_factory=dict)
    local: dict[str, list[LocalSlope]] = field(default_factory=dict)

    def add(self, name: str, value: Any, needs: Sequence[str] = (), local: Sequence[LocalSlope] = ()) -> TracedValue:
        """Add a node, and return it as a value that adds what is computed from it."""
        self.values[name], self.needs[name], self.local[name] = np.asarray(value, float), list(needs), list(local)
        return TracedValue(self, name)


@dataclass
class TracedValue:
    """A node of the graph, with the operations of a tape."""

    __array_ufunc__ = None
    graph: ExpressionGraph
    name: str

    @property
    def value(self) -> np.ndarray:
        return self.graph.values[self.name]

    def __add__(self, other: Any) -> TracedValue:
        return self._join(self, self._read(other), True)

    def __radd__(self, other: Any) -> TracedValue:
        return self._join(self._read(other), self, True)

    def __mul__(self, other: Any) -> TracedValue:
        return self._join(self, self._read(other), False)

    def __rmul__(self, other: Any) -> TracedValue:
        return self._join(self._read(other), self, False)

    def sum(self) -> TracedValue:
        slope = LocalSlope(np.ones(self.value.shape), self.value)
        return self.graph.add(f"node {len(self.graph.needs)}", self.value.sum(), [self.name], [slope])

    def _read(self, other: Any) -> TracedValue:
        if isinstance(other, TracedValue):
            return other
        return self.graph.add(f"{CONSTANT}{len(self.graph.needs)}", other)

    def _join(self, left: TracedValue, right: TracedValue, is_sum: bool) -> TracedValue:
        x, y = left.value, right.value
        out, slopes = (x + y, (1.0, 1.0)) if is_sum else (x * y, (y, x))
        full = [np.broadcast_to(slope, np.shape(out)) for slope in slopes]
        local = [LocalSlope(slope, each, is_sum) for slope, each in zip(full, (x, y))]
        return self.graph.add(f"node {len(self.graph.needs)}", out, [left.name, right.name], local)


def trace_expression(evaluate: Callable[..., Any], inputs: dict[str, Any]) -> tuple[ExpressionGraph, str] | None:
    """Return the graph of `evaluate(*inputs)` and the name of its output; None if it has more in it than sums,
    products and `.sum()`."""
    graph = ExpressionGraph()
    try:
        out = evaluate(*[graph.add(name, x) for name, x in inputs.items()])
    except (TypeError, AttributeError, ValueError):
        return None
    return (graph, out.name) if isinstance(out, TracedValue) else None


# ---- wrong ways back ------------------------------------------------------------------------------------


def _revisiting(needs: Needs, local: Locals, output: str) -> Gradients:
    """Run backward along an order that lists a node once for each way to it."""
    grad: Gradients = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    order: list[str] = []

    def visit(node: str) -> None:
        for x in needs[node]:
            visit(x)
        order.append(node)

    visit(output)
    for node in order[::-1]:
        for x, slope in zip(needs[node], local[node]):
            grad[x] = grad[x] + slope * grad[node]
    return grad


def _once_per_gate(first: bool) -> Pass:
    """Return the pass in which an input that a gate takes twice gets one of the two gradients."""

    def run(needs: Needs, local: Locals, output: str) -> Gradients:
        kept = {node: dict(list(zip(needs[node], local[node]))[:: -1 if first else 1]) for node in needs}
        single = {node: list(slopes) for node, slopes in kept.items()}
        return run_backward(single, {node: list(slopes.values()) for node, slopes in kept.items()}, output)

    return run


def _reversed(needs: Needs, local: Locals, output: str) -> Gradients:
    return _run_exchanged({node: inputs[::-1] for node, inputs in needs.items()}, needs, local, output)


def _without_constants(needs: Needs, local: Locals, output: str) -> Gradients:
    """Run backward with the inputs that are no constants, each with the next gradient of the gate."""
    left = {node: [x for x in inputs if not x.startswith(CONSTANT)] for node, inputs in needs.items()}
    return _run_exchanged(left, needs, local, output)


def _run_exchanged(receiving: Needs, needs: Needs, local: Locals, output: str) -> Gradients:
    """Run backward where the gradients of a gate's inputs go to these, summed to their shapes."""
    inputs = {x: slope.input for node in needs for x, slope in zip(needs[node], local[node])}
    exchanged = {
        node: [LocalSlope(slope.value, inputs[x], slope.is_sum) for x, slope in zip(receiving[node], local[node])]
        for node in needs
    }
    return run_backward({node: list(receiving[node]) for node in needs}, exchanged, output)


def _sharing(order: Callable[[Needs], list[str]], starts_as_array: bool, wraps: bool) -> Pass:
    """Return the pass in which a sum hands on its own gradient, and `+=` then writes into it: an array changes for all
    that have it. Single numbers are arrays if the start is one, or if what comes from a gate is made one."""

    def run(needs: Needs, local: Locals, output: str) -> Gradients:
        grad: Gradients = dict.fromkeys(needs)
        grad[output] = np.ones(()) if starts_as_array else 1.0
        for node in order(needs)[::-1]:
            if grad[node] is None:
                continue
            for x, slope in zip(needs[node], local[node]):
                made = slope * grad[node]
                made = np.array(made) if wraps else np.array(made)[()]
                own = slope.is_sum and np.shape(grad[node]) == np.shape(made)
                share = grad[node] if own else made
                if grad[x] is None:
                    grad[x] = share
                else:
                    before = grad[x]
                    before += share
                    grad[x] = before
        return {node: 0.0 if g is None else g for node, g in grad.items()}

    return run


def _from_output_alone(needs: Needs, local: Locals, output: str) -> Gradients:
    """Run one step back: no other value sends its gradient on."""
    return run_backward({node: needs[node] if node == output else [] for node in needs}, local, output)


TAPE_PASSES: dict[str, tuple[Pass, ...]] = {
    "overwritten-branch": (*WRONG["overwritten-branch"], _once_per_gate(True), _once_per_gate(False)),
    "wrong-order": WRONG["wrong-order"],
    "visited-twice": (_revisiting,),
    "upstream-not-passed": WRONG["no-upstream"],
    "other-inputs": (_reversed, _without_constants),
    "one-step-back": (_from_output_alone,),
    "missing-gradient": (lambda needs, local, output: dict.fromkeys(needs, 0.0),),
    "shared-gradient": tuple(_sharing(*how) for how in product(ORDERS, (True, False), (True, False))),
}
"""The passes that make each mistake of a tape, by the id of its name or description."""


def find_faulty_pass(runs: Sequence[GraphRun]) -> str:
    """Return the id of the one mistake of a tape that explains these runs, of which the gradients of some nodes are
    known; "" where none or several do."""
    found = [id for id, ways in TAPE_PASSES.items() if any(all(map(_makes(way), runs)) for way in ways)]
    if "one-step-back" in found:  # what an order from the inputs on gives too
        return "one-step-back"
    if not found and runs and all(map(_is_multiple, runs)) and any(len(run.returned) > 1 for run in runs):
        return "wrong-start"
    return found[0] if len(found) == 1 else ""


def _is_multiple(run: GraphRun) -> bool:
    """Return True if all gradients are the same multiple of the right ones, as from another start than 1."""
    right, yours = ({each: np.asarray(g[each], float) for each in run.returned} for g in (run.expected(), run.returned))
    if any(right[each].shape != yours[each].shape for each in right):
        return False
    whole, found = (np.concatenate([np.ravel(g) for g in side.values()]) for side in (right, yours))
    largest = int(np.argmax(np.abs(whole)))
    ratio = found[largest] / whole[largest] if whole[largest] else 1.0
    return bool(np.allclose(found, ratio * whole, rtol=1e-9))


def _makes(way: Pass) -> Callable[[GraphRun], bool]:
    def makes(run: GraphRun) -> bool:
        try:
            return run.is_made_by(way)
        except ValueError:  # shapes that do not fit: the learner's tape would have raised too
            return False

    return makes
