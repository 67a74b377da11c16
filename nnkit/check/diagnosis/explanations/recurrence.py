"""Slips in a recurrence: a gradient that is not carried back through the steps, a factor of another step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.explanations.chains import LAST_SLOPES
from nnkit.check.diagnosis.explanations.spots import LazyVariants, inject
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword
from nnkit.check.evidence.array_gates import StackedMatMul
from nnkit.check.evidence.backward_pass import FaultyGate
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.function_graph import Place, Trace
from nnkit.check.evidence.wire_text import Names, format_wire, list_descendants, name_wires
from nnkit.graph import Node
from nnkit.language import say, to_say

STATES = (gates.Tanh, gates.Sigmoid, gates.ReLU, gates.Multiply)
"""Gates whose output one step hands on to the next."""
PRODUCTS = (gates.MatMul, gates.Multiply, StackedMatMul)
Edges = set[tuple[int, int]]
"""Edges from one node into another, by their indices."""
MAX_NODES = 400
"""Nodes of a graph up to which steps are looked for."""


def _slips(comparison: Comparison) -> Variants:
    found = LazyVariants()
    for graph in comparison.graphs[:1]:
        if len(graph.nodes) <= MAX_NODES:
            names = name_wires(graph, comparison.names)
            for states in _list_chains(graph):
                cut = _list_ways_on(graph, states)
                found.add(CARRIED.explain(""), _without_carry(comparison, graph, cut))
                if states[-1] is graph.nodes[-1] and len({np.shape(state.value) for state in states}) == 1:
                    start = dict.fromkeys((state.index for state in states), comparison.upstream)
                    found.add(SAME, _without_carry(comparison, graph, cut, start))
                for words, faults in _list_factors(graph, states, names):
                    found.add(words, inject(comparison, graph, faults))
            for states, cut in _list_loops(graph):
                title = say(
                    "the gradient that comes back from the next step is missing, at {wire}",
                    wire=format_wire(states[1], names),
                )
                found.add(CARRIED.explain("", title=title), _without_carry(comparison, graph, cut))
                for words, faults in _list_factors(graph, states, names):
                    found.add(words, inject(comparison, graph, faults))
    return found


def _list_chains(graph: Trace) -> Iterator[list[Node]]:
    """Yield the outputs of equal gates of which each depends on the one before."""
    for kind in STATES:
        chain: list[Node] = []
        for node in graph.nodes:
            alike = isinstance(node.gate, kind) and not node.constant
            if alike and (not chain or node.index in list_descendants(graph, chain[-1])):
                chain.append(node)
        if len(chain) > 1:
            yield chain


def _list_ways_on(graph: Trace, states: Sequence[Node]) -> Edges:
    """Return the edges on which a state reaches the next one."""
    after = {a.index: b.index for a, b in pairwise(states)}
    return {
        (x.index, node.index)
        for node in graph.nodes
        for x in node.inputs
        if x.index in after and after[x.index] in list_descendants(graph, node)
    }


def _list_loops(graph: Trace) -> Iterator[tuple[list[Node], Edges]]:
    """Yield what a step of a loop computes and the next round takes: its values, and the edges into the next round."""
    rounds: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if node.gate is not None:
            rounds.setdefault(graph.origins[node.index], []).append(node)
    repeated = [nodes for nodes in rounds.values() if len(nodes) > 1]
    for states in repeated:
        alike = [nodes for nodes in repeated if len(nodes) == len(states)]
        ends = {state.index: min(nodes[k].index for nodes in alike) for k, state in enumerate(states[:-1], start=1)}
        inside = {node.index for nodes in repeated for node in nodes}
        cut = {
            (x.index, node.index)
            for node in graph.nodes
            for x in node.inputs
            if node.index in inside and node.index >= ends.get(x.index, len(graph.nodes))
        }
        if cut:
            yield states, cut


def _without_carry(
    comparison: Comparison, graph: Trace, cut: Edges, start: Mapping[int, Any] = MappingProxyType({})
) -> Callable[[], Arrays]:
    """Return a function that computes the gradients if nothing came back along these edges; some nodes have a gradient
    before."""

    def compute() -> Arrays:
        grads: list[Any] = [start.get(node.index) for node in graph.nodes]
        grads[-1] = comparison.upstream
        for node in reversed(graph.nodes):
            if node.gate is None or grads[node.index] is None:
                continue
            for x, share in zip(node.inputs, node.gate.backward(grads[node.index], node.cache)):
                if share is not None and (x.index, node.index) not in cut:
                    grads[x.index] = share if grads[x.index] is None else grads[x.index] + share
        wires = [graph.wires[i] for i in comparison.wrt]
        return tuple(np.zeros(np.shape(w.value)) if grads[w.index] is None else grads[w.index] for w in wires)

    return compute


def _list_factors(graph: Trace, states: Sequence[Node], names: Names) -> Iterator[tuple[Explanation, list[FaultyGate]]]:
    """Yield slips in all products of a state with one weight: the state of the step after, the weight turned."""
    for weight in graph.wires:
        uses = [node for node in graph.nodes if isinstance(node.gate, PRODUCTS) and _takes(node, weight, states)]
        pairs = [(node, _find_next(node, states)) for node in uses]
        later = [(node, state) for node, state in pairs if state is not None]
        if len(uses) < 2 or len(later) < len(uses):
            continue
        name = format_wire(weight, names)
        title = say(
            "the gradient of {name} takes the state after each step where it was multiplied by the one before",
            name=name,
        )
        yield (
            reword(STEPS, title, STEPS.why, STEPS.nudge, STEPS.hint),
            [_replace(node, weight, after) for node, after in later],
        )
        yield from _list_carries(later, weight, name)
        if np.ndim(weight.value) == 2 and len(set(np.shape(weight.value))) == 1:
            title = say(
                "on the way back through the steps a transpose is not right, {name} and {name}.T are exchanged",
                name=name,
            )
            why = say("Each step multiplies by {name}, and so its gradient goes back through {name} turned.", name=name)
            hint = say("For h @ {name}: dh = upstream @ {name}.T. For {name} @ h: dh = {name}.T @ upstream.", name=name)
            words = reword(STEPS, title, why, "Which of the two fits? For a square weight only the numbers tell.", hint)
            yield words, [_turn(node, weight) for node in uses]


def _list_carries(
    later: Sequence[tuple[Node, Node]], weight: Node, name: str
) -> Iterator[tuple[Explanation, list[FaultyGate]]]:
    """Yield slips in what each of these products hands back to the state before it."""
    slopes = dict(LAST_SLOPES)
    if not all(type(state.gate) in slopes for _, state in later):
        return
    for added, title in (
        (False, say("what goes back through {name} to the step before lacks the slope of the state", name=name)),
        (
            True,
            say(
                "beside what goes back through {name}, the state's own gradient goes back to the step before too",
                name=name,
            ),
        ),
    ):
        words = reword(STEPS, title, CARRY[0], CARRY[1], say(CARRY[2], name=name))
        yield words, [_carry(node, weight, slopes[type(state.gate)](state.value), added) for node, state in later]


def _carry(node: Node, weight: Node, slope: Any, added: bool) -> FaultyGate:
    """Return the fault of a product that hands back what arrived at the state, without the state's slope or added."""

    def backward(upstream: Any, inputs: tuple[Any, ...], out: Any) -> Any:
        whole = upstream / slope
        right, early = node.gate.backward(upstream, node.cache), node.gate.backward(whole, node.cache)
        pairs = zip(node.inputs, right, early)
        return [own if x is weight else own + whole if added else other for x, own, other in pairs]

    return FaultyGate(Place(node.gate, node.inputs, node), backward)


def _takes(node: Node, weight: Any, states: Sequence[Node]) -> bool:
    """Return True for a product of a weight with a state, or with what stands in its place at the first step."""
    if not isinstance(weight, Node) or len(node.inputs) != 2 or not any(x is weight for x in node.inputs):
        return False
    other = next((x for x in node.inputs if x is not weight), weight)
    first = other.gate is None and other is not weight and np.shape(other.value) == np.shape(states[0].value)
    return other in states or first


def _find_next(node: Node, states: Sequence[Node]) -> Node | None:
    below = list_descendants(node.graph, node)
    return next((state for state in states if state.index in below), None)


def _replace(node: Node, weight: Node, state: Node) -> FaultyGate:
    """Return the fault of a product that takes another state for the gradient of its weight."""
    return _take(node, [x.value if x is weight else state.value for x in node.inputs], lambda x: x is weight)


def _turn(node: Node, weight: Node) -> FaultyGate:
    """Return the fault of a product that takes its weight turned for the gradient of the state."""
    turned = [np.transpose(x.value) if x is weight else x.value for x in node.inputs]
    return _take(node, turned, lambda x: x is not weight)


def _take(node: Node, values: Sequence[Any], wrong: Callable[[Node], bool]) -> FaultyGate:
    """Return the fault of a gate that has the gradients for other values at some of its inputs."""

    def backward(upstream: Any, inputs: tuple[Any, ...], out: Any) -> Any:
        right = node.gate.backward(upstream, node.cache)
        others = node.gate.backward(upstream, node.gate.forward(*values)[1])
        return [other if wrong(x) else own for x, own, other in zip(node.inputs, right, others)]

    return FaultyGate(Place(node.gate, node.inputs, node), backward)


CARRY = (
    to_say("A state reaches the next one through the sum inside it alone, and so through the slope there."),
    to_say("On which way does the state of one step reach that of the next? Which slopes are on it?"),
    to_say("With the gradient da of the sum in a step, after the slope: dnext = da @ {name}.T, and nothing else."),
)
CARRIED = Mistake(
    "not-carried-back",
    "the gradient that comes back from the next step is missing",
    "The state of a step goes to the output of that step and into the next step: it has a share from both.",
    "On which two ways does the state of a step reach the loss?",
    "Keep what goes back to the state before, dnext = da @ U.T; in the step before, dh = upstream[t] + dnext.",
    "lecture 01, Where a wire branches",
    _slips,
    named=False,
    before_pairs=True,
)
"""Its variants include those of STEPS."""
STEPS = Mistake(
    "another-step",
    "a factor of another step was used",
    "A step multiplies its weights by the state that it begins with, which is the one before it.",
    "Which state went into the product of this step: the one before it, or the one that came out?",
    "With h[t + 1] = tanh(x[t] @ W + h[t] @ U) and the upstream gradient da of that sum: dU += np.outer(h[t], da).",
    "lecture 01, Where a wire branches",
    named=False,
)
SAME = replace(
    CARRIED.explain(""),
    title="the same gradient went into every step, not what comes back from the step after",
    why="Only the last state is the output; each state before it has what the step after brings back.",
    nudge="What is dh in the second round of the loop?",
    hint="At the end of each round: dh = da @ U.T.",
)
EXPLANATIONS = (CARRIED, STEPS)
