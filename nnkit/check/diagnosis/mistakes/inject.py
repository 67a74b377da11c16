"""Playing a mistake on a graph: what every gradient would be if one gate, or all of a kind, went backward wrongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Variants
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Faulty, Place, Trace, pull_back

Wrong = Callable[[Any, tuple[Any, ...], Any], Any]
"""(upstream, inputs, out) ↦ the wrong gradients, or a list of several ways to get them wrong."""


def at_gates(comparison: Comparison, wrong: Mapping[type, Wrong]) -> Variants:
    """The mistake at each gate that it can be made at, and at all of them: a variant each."""
    found: Variants = {}
    for g, graph in enumerate(comparison.graphs):
        spots = [place for place in graph.places if type(place.gate) in wrong]
        groups = [[spot] for spot in spots] + ([spots] if len(spots) > 1 else [])
        for group in groups:
            name = f"{g}:" + "+".join(f"{type(spot.gate).__name__}{spot.node.index}" for spot in group)
            found.update(_ways(comparison, graph, group, wrong, name))
    return found


def _ways(comparison: Comparison, graph: Trace, group: list[Place], wrong: Mapping[type, Wrong], name: str) -> Variants:
    found: Variants = {}
    for way in range(12):
        faults = [Faulty(spot, _way(wrong[type(spot.gate)], way)) for spot in group]
        try:
            with np.errstate(all="ignore"):
                grads = pull_back(graph, comparison.upstream, faults)
        except _NoMore:
            break
        except (ValueError, TypeError, AttributeError):  # shapes that do not fit: nobody gets that far
            continue
        found[f"{name}.{way}"] = given(graph, grads, comparison)
    return found


def given(graph: Trace, grads: list[Any], comparison: Comparison) -> tuple[Any, ...]:
    """The gradients of the inputs that are checked."""
    wires = [graph.wires[i] for i in comparison.wrt]
    return tuple(grads[wire.index] for wire in wires)


def forward_with(graph: Trace, place: Place, forward: Callable[..., Any]) -> Any:
    """The graph's value if one gate went forward in another way."""
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
