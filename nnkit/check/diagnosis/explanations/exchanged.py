"""Gradients that are right, at another place of the graph: shares of two terms, or upstream gradients, exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations.spots import LazyVariants
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword, same
from nnkit.check.diagnosis.mistakes.inject import given
from nnkit.check.evidence.array_gates import Pick
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.shares import MAX_EDGES, Edge, list_edges, pull_back
from nnkit.check.evidence.wire_text import Names, format_wire, name_wires
from nnkit.graph import Node
from nnkit.language import say, to_say

PATTERNS = to_say("lecture 01, Four patterns to read gradients off a picture")
UPSTREAM = to_say("lecture 01, Upstream × local")


# ---- two terms ----------------------------------------------------------------------------------------


def _exchanged(comparison: Comparison) -> Variants:
    """Return a variant for each two terms of a sum, or two slices of a value, that got the gradient of the other."""
    found = LazyVariants()
    for graph in comparison.graphs[:1]:
        _, edges = list_edges(graph, comparison.upstream)
        names = name_wires(graph, comparison.names)
        for a, b in _list_pairs(edges) if len(edges) <= MAX_EDGES else ():
            found.add(_describe_pair(a, b, names), partial(_exchange, comparison, graph, a, b))
    return found


def _list_pairs(edges: list[Edge]) -> Iterator[tuple[Edge, Edge]]:
    """Yield two edges into gates of a kind, where these gates are terms of one sum or take slices of one value."""
    for a, b in combinations(edges, 2):
        alike = type(a.node.gate) is type(b.node.gate) and a.node is not b.node and a.wire is not b.wire
        if not alike or np.shape(a.share) != np.shape(b.share) or same(a.share, b.share):
            continue
        if np.shape(a.share) == np.shape(a.wire.value) and (_have_one_user(a.node, b.node) or _are_slices(a, b)):
            yield a, b


def _have_one_user(a: Node, b: Node) -> bool:
    return any(a in node.inputs and b in node.inputs for node in a.graph.nodes)


def _are_slices(a: Edge, b: Edge) -> bool:
    gates = isinstance(a.wire.gate, Pick) and isinstance(b.wire.gate, Pick)
    return gates and len(a.wire.inputs) == 1 and a.wire.inputs == b.wire.inputs


def _exchange(comparison: Comparison, graph: Trace, a: Edge, b: Edge) -> Arrays:
    wires = [graph.wires[i] for i in comparison.wrt]
    there = pull_back(graph, a.wire, b.share - a.share, wires)
    back = pull_back(graph, b.wire, a.share - b.share, wires)
    return tuple(r + p + q for r, p, q in zip(comparison.right, there, back))


def _describe_pair(a: Edge, b: Edge, names: Names) -> Any:
    first, second = sorted(_name_slice(edge.wire, names) for edge in (a, b))
    terms = sorted(format_wire(edge.node, names) for edge in (a, b))
    where = say(" at {one} and {other}", one=terms[0], other=terms[1]) if terms[0] != terms[1] else ""
    return reword(
        EXCHANGED,
        say("the gradients of {first} and {second} changed places{where}", first=first, second=second, where=where),
        "Each of the two is right, for the other one.",
        "By what is each of the two multiplied in forward? What comes back to it is multiplied by that.",
        say(
            "Write down which share goes to {first} and which to {second}, each with its own factor.",
            first=first,
            second=second,
        ),
    )


def _name_slice(wire: Node, names: Names) -> str:
    """Return a wire's formula; for a slice, its columns and what it is a slice of."""
    if not isinstance(wire.gate, Pick) or len(wire.inputs) > 1 or wire.index in names:
        return format_wire(wire, names)
    whole = wire.inputs[0]
    numbers = np.asarray(wire.gate.rearrange(np.arange(np.size(whole.value)).reshape(np.shape(whole.value))))
    width = np.shape(whole.value)[-1] if np.ndim(whole.value) else 1
    first, last = int(numbers.min() % width), int(numbers.max() % width)
    return say("columns {first} to {last} of {wire}", first=first, last=last, wire=format_wire(whole, names))


# ---- several outputs ----------------------------------------------------------------------------------


def _of_other_outputs(comparison: Comparison) -> Variants:
    """Return variants in which the upstream gradients of two outputs are exchanged, or one counts twice."""
    found = LazyVariants()
    for graph in comparison.graphs[:1]:
        parts = _split(graph)
        for k, (name, start, stop) in enumerate(parts):
            twice = np.array(comparison.upstream)
            twice[start:stop] *= 2
            found.add(_describe_twice(name), _pull(comparison, graph, twice))
            for other, first, last in parts[k + 1 :]:
                if stop - start == last - first:
                    turned = np.array(comparison.upstream)
                    turned[start:stop] = comparison.upstream[first:last]
                    turned[first:last] = comparison.upstream[start:stop]
                    found.add(_describe_turned(name, other), _pull(comparison, graph, turned))
    return found


def _split(graph: Trace) -> list[tuple[str, int, int]]:
    """Return each of several outputs with the entries where it begins and ends."""
    ends = graph.nodes[-1].inputs
    if len(ends) != len(graph.outputs):
        return []
    places = np.cumsum([0, *(np.size(end.value) for end in ends)]).tolist()
    return list(zip(graph.outputs, places, places[1:]))


def _pull(comparison: Comparison, graph: Trace, upstream: Any) -> Callable[[], Arrays]:
    return lambda: given(graph, vjp_with_faults(graph, upstream), comparison)


def _describe_turned(one: str, other: str) -> Any:
    return reword(
        OTHER,
        say("the upstream gradients of {one} and {other} changed places", one=one, other=other),
        "These are the right gradients for the other order of the two.",
        "In which order does backward get its upstream gradients?",
        say(
            "What arrives for {one} goes back from {one}, what arrives for {other} from {other}.", one=one, other=other
        ),
    )


def _describe_twice(name: str) -> Any:
    return reword(
        OTHER,
        say("the upstream gradient of {name} is counted twice", name=name),
        "It is the right gradient but for this: all that comes from there is twice as large.",
        say("In how many terms is what arrives for {name} added?", name=name),
        say("Add what arrives for {name} once, where {name} was made.", name=name),
    )


EXCHANGED = Mistake(
    "gradients-exchanged",
    "the gradients of two values inside the function changed places",
    "Each of the two is right, for the other one.",
    "By what is each of the two multiplied in forward?",
    "Write down which share goes where.",
    PATTERNS,
    _exchanged,
    named=False,
    before_pairs=True,
)
OTHER = replace(
    EXCHANGED,
    id="other-upstream",
    title="the upstream gradient of another output was used",
    lesson=UPSTREAM,
    variants=_of_other_outputs,
)
EXPLANATIONS = (OTHER, EXCHANGED)
