"""One backward pass of a learner's code beside the right gradients: the evidence from which a mistake is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.function_graph import Trace, recognise_gate, trace_function
from nnkit.check.evidence.tolerance import Target

Arrays = tuple[Any, ...]


@dataclass(frozen=True)
class Comparison:
    """The gradients that came back, the right ones, and all that there was to make mistakes with."""

    function: Callable[..., Any]
    """The trusted function whose gradients are checked."""
    inputs: Arrays
    wrt: tuple[int, ...]
    """The positions of the inputs whose gradients are checked; `returned`, `right` ... follow this order."""
    upstream: np.ndarray
    out: np.ndarray
    returned: Arrays
    """The learner's gradients: arrays of whatever shape and type."""
    targets: tuple[Target, ...]
    unweighted: Arrays
    """The right gradients for an upstream of ones."""
    squared: Arrays
    """The right gradients for the upstream multiplied by itself."""
    batch: int = 0
    """The size of the axis that is varied as the batch; 0 if there is none."""
    resized: bool = False
    """Its sizes are not those that were given, and its batch axis is the only one of its size."""
    parameters: bool = False
    """The inputs are a network's parameters."""
    step_size: float = 0.0
    """The step size if `returned` is the change of a training step, divided by it; else 0."""
    opaque: bool = False
    """The function's graph says nothing about the learner's code."""
    exact: bool = False
    """The complex step gives the function's derivatives here."""
    engine: bool = False
    """The gradients are those that an engine of values leaves on them."""
    tied: bool = False
    """Shares of equal inputs do not add up; the right ones are one way in which they would."""
    names: tuple[str, ...] = ()
    """The names of all inputs."""
    outputs: tuple[str, ...] = ()
    """The names of the outputs, where there are several, one after the other in `out`."""

    shake: Callable[[], Arrays | None] = lambda: None
    """Gives the errors at inputs that differ a little."""

    list_float_faults: Callable[[], frozenset[str]] = frozenset
    """Gives what NumPy notes of the learner's arithmetic here, "invalid value" for example."""

    @cached_property
    def shaken_errors(self) -> Arrays | None:
        """The errors at inputs that differ a little; None where there are none to be had."""
        return self.shake()

    @property
    def right(self) -> Arrays:
        return tuple(target.value for target in self.targets)

    @property
    def given(self) -> Arrays:
        """The inputs that are differentiated."""
        return tuple(self.inputs[i] for i in self.wrt)

    def with_returned(self, returned: Arrays) -> Comparison:
        """Return the comparison for other gradients of the same function, with the graphs that were found of it."""
        other = replace(self, returned=returned)
        other.__dict__["graphs"] = self.graphs
        return other

    def name(self, i: int) -> str:
        """Return the name of the i-th input that is differentiated."""
        return self.names[self.wrt[i]] if self.names else "x"

    @cached_property
    def graphs(self) -> tuple[Trace, ...]:
        """The function as a graph of gates, as it is written and as one gate: whichever can be had."""
        if self.opaque:
            return ()
        with np.errstate(all="ignore"):
            written, one = trace_function(self.function, self.inputs), recognise_gate(self.inputs, self.out)
            if written is not None:
                written.outputs = self.outputs
            return tuple(graph for graph in (written, one) if graph is not None and self._has_right_gradients(graph))

    def _has_right_gradients(self, graph: Trace) -> bool:
        """Return True if the graph, run backward, gives the gradients that are right: it has lost no path."""
        try:
            grads = vjp_with_faults(graph, self.upstream)
            pairs = [(grads[graph.wires[i].index], target) for i, target in zip(self.wrt, self.targets)]
        except Exception:  # a gate that is not defined here
            return False
        return not any(target.misses(grad).any() for grad, target in pairs)

    def is_wrong(self, i: int) -> bool:
        """Return True if the i-th gradient lies outside its target."""
        return bool(self.targets[i].misses(self.returned[i]).any())
