"""Fault injection: every gradient of a graph if the backward of one gate, or of all gates of a kind, were wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Variants
from nnkit.check.evidence.backward_pass import FaultyGate, vjp_with_faults
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Place, Trace, group_rounds
from nnkit.check.evidence.whole_gates import find_wholes

Wrong = Callable[[Any, tuple[Any, ...], Any], Any]
"""(upstream, inputs, out) ↦ the wrong gradients, or a list of several ways to get them wrong."""


def at_gates(comparison: Comparison, wrong: Mapping[type, Wrong]) -> Variants:
    """Return the mistake at each gate where it can be made, and at all of them: a variant each."""
    found: Variants = {}
    for g, graph in enumerate(comparison.graphs):
        spots = [place for place in graph.places if type(place.gate) in wrong]
        spots += [place for place in find_wholes(graph) if place.labels and type(place.gate) in wrong]
        groups = group_rounds(spots)
        for key, group in (groups if len(groups) == 1 else {**groups, "all": spots}).items():
            found.update(_ways(comparison, graph, group, wrong, f"{g}:{key}"))
    return found


def _ways(comparison: Comparison, graph: Trace, group: list[Place], wrong: Mapping[type, Wrong], name: str) -> Variants:
    found: Variants = {}
    for way in range(12):
        faults = [FaultyGate(spot, _way(wrong[type(spot.gate)], way)) for spot in group]
        try:
            with np.errstate(all="ignore"):
                grads = vjp_with_faults(graph, comparison.upstream, faults)
        except _NoMore:
            break
        except (ValueError, TypeError, AttributeError):  # shapes that do not fit raise in the learner's code too
            continue
        found[f"{name}.{way}"] = given(graph, grads, comparison)
    return found


def given(graph: Trace, grads: list[Any], comparison: Comparison) -> tuple[Any, ...]:
    """Return the gradients of the inputs that are checked."""
    wires = [graph.wires[i] for i in comparison.wrt]
    return tuple(grads[wire.index] for wire in wires)


def forward_with(graph: Trace, place: Place, forward: Callable[..., Any]) -> Any:
    """Return the graph's value if one gate had another forward."""
    values: list[Any] = [node.value for node in graph.nodes]
    for node in graph.nodes:
        if node is place.node:
            values[node.index] = forward(*(values[x.index] for x in place.inputs), *place.labels)
        elif node.gate is not None:
            values[node.index] = node.gate.forward(*(values[x.index] for x in node.inputs))[0]
    return values[-1]


class _NoMore(Exception):
    """There are fewer ways than this."""


def _way(wrong: Wrong, way: int) -> Wrong:
    def backward(upstream: Any, inputs: tuple[Any, ...], out: Any) -> Any:
        ways = wrong(upstream, inputs, out)
        ways = ways if isinstance(ways, list) else [ways]
        if way >= len(ways):
            raise _NoMore
        return ways[way]

    return backward
