"""Weights that change while gradients still have to go back through them, alone or with another slip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Key, Mistake, Variants, same
from nnkit.check.diagnosis.mistakes.inject import Wrong, at_gates, given
from nnkit.check.evidence.array_gates import StackedMatMul
from nnkit.check.evidence.backward_pass import FaultyGate, vjp_with_faults
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Trace, trace_function
from nnkit.check.evidence.shares import MAX_EDGES, list_edges, pull_back
from nnkit.check.evidence.wire_text import Names, format_wire, name_wires
from nnkit.language import say, to_say
from nnkit.text import join_ands

Slips = dict[type, tuple[tuple[str, Callable[[Any, Any], Any]], ...]]
SLIPS: Slips = {
    gates.Sigmoid: (
        (to_say("the slope s · (1 - s) of the sigmoid at {name} is left out"), lambda g, z: g),
        (to_say("z · (1 - z) stands for the slope of the sigmoid at {name}"), lambda g, z: g * z * (1 - z)),
    ),
    gates.Tanh: (
        (to_say("the slope 1 - a² of tanh at {name} is left out"), lambda g, z: g),
        (to_say("1 - z² stands for the slope of tanh at {name}"), lambda g, z: g * (1 - z**2)),
    ),
    gates.ReLU: (
        (to_say("the mask of the ReLU at {name} is left out"), lambda g, z: g),
        (to_say("the mask of the ReLU at {name} is inverted"), lambda g, z: g * (z < 0)),
    ),
}
"""Slips in an activation that are looked for together with weights that were updated first."""
PRODUCTS = (gates.MatMul, gates.Affine, StackedMatMul)
SCALES = (
    (to_say("a factor of 2 is missing"), 0.5),
    (to_say("there is a factor of 2 too many"), 2.0),
    (to_say("the sign is turned"), -1.0),
)


def _updated_first(comparison: Comparison) -> Variants:
    """Return variants in which a gradient goes back through new weights, alone and together with another slip; and
    those in which every parameter is moved before the next gradient is computed."""
    if not comparison.step_size:
        return _in_backward(comparison)
    through_new = _through_new(comparison.step_size)
    found = at_gates(comparison, {gates.MatMul: through_new, gates.Affine: through_new})
    if comparison.graphs:
        found |= _with_slips(comparison, comparison.graphs[0], through_new)
        found |= _one_after_another(comparison)
    return found


def _through_new(step_size: float) -> Wrong:
    """Return the backward of a product whose second factor has moved, and that of one whose first factor has."""

    def backward(upstream: Any, inputs: Any, out: Any) -> Any:
        x, w, *rest = inputs
        if not np.ndim(x) == np.ndim(w) == 2:
            return []
        dx, dw, bias = upstream @ w.T, x.T @ upstream, [upstream.sum(axis=0) for _ in rest]
        return [
            (upstream @ (w - step_size * dw).T, dw, *bias),
            (dx, (x - step_size * dx).T @ upstream, *bias),
        ]

    return backward


# ---- in a layer's backward ------------------------------------------------------------------------------


def _in_backward(comparison: Comparison) -> Variants:
    """Return a variant for each weight that has moved along its gradient before a product's other factor gets its own;
    how far it has moved is what fits what came back."""
    found: Variants = {}
    for graph in comparison.graphs[:1]:
        grads, edges = list_edges(graph, comparison.upstream)
        wires = [graph.wires[i] for i in comparison.wrt]
        for edge in edges if len(edges) <= MAX_EDGES else ():
            weight = next((x for x in edge.node.inputs[:2] if x is not edge.wire), None)
            if weight is None or not isinstance(edge.node.gate, PRODUCTS) or not any(weight is wire for wire in wires):
                continue
            moved = [grads[x.index] if x is weight else x.value for x in edge.node.inputs]
            shares = edge.node.gate.backward(grads[edge.node.index], edge.node.gate.forward(*moved)[1])
            (share,) = (share for x, share in zip(edge.node.inputs, shares) if x is edge.wire)
            changes = pull_back(graph, edge.wire, share, wires)
            rate = _find_rate(comparison, changes)
            if rate is not None:
                name = format_wire(weight, name_wires(graph, comparison.names))
                found[_say_moved(name, rate)] = tuple(r - rate * c for r, c in zip(comparison.right, changes))
    return found


def _find_rate(comparison: Comparison, changes: Sequence[Any]) -> float | None:
    """Return how far a weight has moved, in gradients, if what came back is that of the weight after it."""
    for i, (right, change) in enumerate(zip(comparison.right, changes)):
        returned = np.asarray(comparison.returned[i])
        if comparison.is_wrong(i) and returned.shape == right.shape and np.any(change):
            rate = float(f"{np.sum((right - returned) * change) / np.sum(change * change):.6g}")
            return rate if rate > 0 and same(returned, right - rate * change) else None
    return None


def _say_moved(name: str, rate: float) -> Key:
    return UPDATED_FIRST.explain(
        "",
        title=say("{name} was updated before the gradient went back through it", name=name),
        why=say(
            "It went back through {name} - {rate:.4g} * d{name}, but forward used {name} as it was.",
            name=name,
            rate=rate,
        ),
        nudge=say("In which line of backward does {name} change, and which lines after it still read it?", name=name),
        hint=say(
            "Compute all gradients from the {name} of forward; change {name} after that, best in a step of its own.",
            name=name,
        ),
    )


# ---- with another slip --------------------------------------------------------------------------------


def _with_slips(comparison: Comparison, graph: Trace, through_new: Wrong) -> Variants:
    names = name_wires(graph, comparison.names)
    weights = {id(graph.wires[i]): comparison.names[i] for i in comparison.wrt}
    updated = [
        (weights[id(place.inputs[way])], FaultyGate(place, _take(through_new, 1 - way)))
        for place in graph.places
        if isinstance(place.gate, gates.MatMul | gates.Affine)
        for way in (0, 1)
        if id(place.inputs[way]) in weights
    ]
    slips = list(_list_slips(graph, names))
    alone = [
        given(graph, vjp_with_faults(graph, c * comparison.upstream, faults), comparison) for _, faults, c in slips
    ]
    found: Variants = {}
    for group in [*([one] for one in updated), *([updated] if len(updated) > 1 else [])]:
        for (words, faults, scale), without in zip(slips, alone):
            try:
                grads = vjp_with_faults(graph, scale * comparison.upstream, [*(fault for _, fault in group), *faults])
            except (ValueError, IndexError, TypeError):  # shapes that do not fit
                continue
            gradients = given(graph, grads, comparison)
            if not all(same(a, b) for a, b in zip(gradients, without)):  # nothing goes back through the first layer
                found[_say(words, join_ands([name for name, _ in group]))] = gradients
    return found


def _list_slips(graph: Trace, names: Names) -> Iterator[tuple[str, list[FaultyGate], float]]:
    for place in graph.places:
        for words, slope in SLIPS.get(type(place.gate), ()):
            yield say(words, name=format_wire(place.inputs[0], names)), [FaultyGate(place, _slip(slope))], 1.0
    for words, scale in SCALES:
        yield say(words), [], scale


def _slip(slope: Callable[[Any, Any], Any]) -> Any:
    return lambda upstream, inputs, out: (slope(upstream, inputs[0]),)


def _take(wrong: Wrong, way: int) -> Any:
    return lambda upstream, inputs, out: wrong(upstream, inputs, out)[way]


def _say(words: str, weights: str) -> Key:
    return UPDATED_FIRST.explain(
        "",
        title=say("{one}, and {other}", one=say(UPDATED_FIRST.title), other=words),
        why=say(
            "There are two mistakes: a gradient went back through {weights} when it had changed already, and {words}.",
            weights=weights,
            words=words,
        ),
        hint=say("{hint} Then look at each gate on the way back: {words}.", hint=say(UPDATED_FIRST.hint), words=words),
    )


# ---- one parameter after another ----------------------------------------------------------------------


def _one_after_another(comparison: Comparison) -> Variants:
    """Return variants in which the gradient is computed again whenever some of the parameters have moved."""
    keys = [comparison.names[i] for i in comparison.wrt]
    words = UPDATED_FIRST.explain(
        "",
        title="some parameters were updated before the gradients of the others were computed",
        why="All gradients of one step belong to the same, old parameters; here some follow from new ones.",
        nudge="How often does the step run the backward pass, and with which parameters each time?",
    )
    for order in _list_orders(keys):
        found = _move_in_order(comparison, order)
        if found and _is_near(comparison, found):
            return {words: found}
    return {}


def _list_orders(keys: Sequence[str]) -> list[list[list[int]]]:
    """Return orders of groups of parameters: one by one, and layer by layer, forwards and backwards."""
    layers: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        digits = re.search(r"\d+$", key)
        layers.setdefault(digits[0] if digits else key, []).append(i)
    single, groups = [[i] for i in range(len(keys))], list(layers.values())
    from_the_end = [[i] for group in groups[::-1] for i in group]
    return [single, single[::-1], from_the_end, groups, groups[::-1]] if len(keys) > 1 else []


def _move_in_order(comparison: Comparison, order: list[list[int]]) -> tuple[Any, ...] | None:
    inputs, found = list(comparison.inputs), [None] * len(comparison.wrt)
    for group in order:
        graph = trace_function(comparison.function, inputs)
        if graph is None:
            return None
        grads = given(graph, vjp_with_faults(graph, comparison.upstream), comparison)
        for k in group:
            found[k] = grads[k]
            inputs[comparison.wrt[k]] = inputs[comparison.wrt[k]] - comparison.step_size * grads[k]
    return tuple(found)


def _is_near(comparison: Comparison, found: tuple[Any, ...]) -> bool:
    pairs = zip(found, comparison.returned)
    return all(np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-6, atol=1e-9) for a, b in pairs)


UPDATED_FIRST = Mistake(
    "updated-first",
    "weights were updated before the backward pass was done",
    "The error grows with the step size: a gradient went back through weights that had changed already.",
    "In which line do the weights change, and which lines after it still read them?",
    "All gradients first, from the old weights; then all updates.",
    "lecture 01, When is W actually updated?",
    _updated_first,
)
