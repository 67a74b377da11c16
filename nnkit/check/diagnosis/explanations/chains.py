"""Chains that stop early, begin late, begin at the loss's value, or are fed with the wrong numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Key, Mistake, Variants, reword, same
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.shares import MAX_EDGES, list_edges, pull_back
from nnkit.check.evidence.wire_text import Names, format_wire, list_descendants, name_wires
from nnkit.graph import Node
from nnkit.language import say, to_say
from nnkit.text import join_ands

CHAIN = to_say("lecture 01, The chain rule, one gate at a time")
UPSTREAM = to_say("lecture 01, Upstream × local")
LAST_SLOPES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (gates.Sigmoid, lambda s: s * (1 - s)),
    (gates.Tanh, lambda t: 1 - t**2),
    (gates.Exp, lambda e: e),
    (gates.ReLU, lambda h: (h > 0) * 1.0),
)
"""Slopes of gates in terms of their output."""


def _only(comparison: Comparison, i: int, gradient: Any) -> Arrays:
    """Return a claim about the i-th gradient alone."""
    return tuple(gradient if k == i else None for k in range(len(comparison.right)))


def _stopped(comparison: Comparison) -> Variants:
    """Return a variant for each node on the way whose own gradient came back."""
    if not comparison.graphs:
        return {}
    graph = comparison.graphs[0]
    names = name_wires(graph, comparison.names)
    grads, _ = list_edges(graph, comparison.upstream)
    found: Variants = {}
    wires = [graph.wires[position] for position in comparison.wrt]
    below = [list_descendants(graph, wire) - {wire.index} for wire in wires]
    for node in graph.nodes:
        grad = grads[node.index]
        stopped = [i for i, w in enumerate(comparison.returned) if node.index in below[i] and same(w, grad)]
        if grad is not None and stopped:
            name = join_ands([names[wires[i].index] for i in stopped])
            words = _say_stopped(name, format_wire(node, names), node is graph.nodes[-1])
            found[words] = tuple(grad if i in stopped else None for i in range(len(wires)))
    return found


def _without_inner(comparison: Comparison) -> Variants:
    """Return a variant for each node inside whose gradient goes to an input of its shape as it is, as in
    d tanh(x³) = 1 - tanh(x³)²; what comes back on other ways is right."""
    found: Variants = {}
    for graph in comparison.graphs[:1]:
        names = name_wires(graph, comparison.names)
        grads, edges = list_edges(graph, comparison.upstream)
        for i, wire in enumerate(graph.wires[at] for at in comparison.wrt):
            returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
            below = list_descendants(graph, wire) - {wire.index}
            for node in graph.nodes if len(edges) <= MAX_EDGES and returned.shape == right.shape else ():
                grad = grads[node.index]
                if node.index not in below or np.shape(grad) != right.shape or node is graph.nodes[-1]:
                    continue
                gradient = right + grad - pull_back(graph, node, grad, [wire])[0]
                if same(returned, gradient) and not same(gradient, right):
                    words = _say_inner(names[wire.index], format_wire(node, names))
                    found[words] = _only(comparison, i, gradient)
    return found


def _say_inner(name: str, formula: str) -> Explanation:
    return reword(
        STOPPED,
        say("the inner derivative is missing, that of {formula} with respect to {name}", formula=formula, name=name),
        say("What arrives at {formula} goes to {name} as it is; all the rest is right.", formula=formula, name=name),
        say("How much does {formula} grow when {name} grows a little?", formula=formula, name=name),
        say(
            "Multiply what arrives at {formula} by its slope in {name}, before you add it to the rest.",
            formula=formula,
            name=name,
        ),
    )


def _say_stopped(name: str, formula: str, last: bool) -> Explanation:
    title = say("this is the gradient at {formula}, not yet at {name}", formula=formula, name=name)
    return reword(
        STOPPED,
        say("the upstream gradient came back as it was, without the slope of {formula}", formula=formula)
        if last
        else title,
        say(
            "The chain goes on from {formula} down to {name}: one more slope for each gate.", formula=formula, name=name
        ),
        say("How much does {formula} grow when {name} grows a little?", formula=formula, name=name),
        say("Multiply it by the slope of {formula} with respect to {name}.", formula=formula, name=name),
    )


def _begun_late(comparison: Comparison) -> Variants:
    """Return a variant for each node that is differentiated as if it were the output."""
    if not comparison.graphs:
        return {}
    graph = comparison.graphs[0]
    names, wires = name_wires(graph, comparison.names), [graph.wires[i] for i in comparison.wrt]
    grads, _ = list_edges(graph, comparison.upstream)
    found: Variants = {}
    for node in graph.nodes[:-1]:
        if node.gate is None or node.constant:
            continue
        fits = np.shape(node.value) == np.shape(comparison.upstream)
        start = comparison.upstream if fits else np.ones(np.shape(node.value))
        if grads[node.index] is None or same(start, grads[node.index]):  # nothing comes after it, or a slope of 1
            continue
        factor = _find_factor(node, grads, start)
        words = _say_factor(node, factor, names) if factor is not None else _say_late(format_wire(node, names))
        found[words] = pull_back(graph, node, start, wires)
    return found


def _find_factor(node: Node, grads: list[Any], start: Any) -> Node | None:
    """Return what this value is multiplied by, if that is all that comes after it."""
    users = [user for user in node.graph.nodes if node in user.inputs]
    if len(users) != 1 or not isinstance(users[0].gate, gates.Multiply) or not same(start, grads[users[0].index]):
        return None
    return next((x for x in users[0].inputs if x is not node), None)


def _say_factor(node: Node, factor: Node, names: Names) -> Explanation:
    formula, name = format_wire(node, names), "" if factor.constant else format_wire(factor, names)
    known = name and "…" not in name
    text = name if known else say("the constant") if factor.constant else say("the other factor")
    return reword(
        LATE,
        say("the factor {name} is missing", name=name)
        if known
        else say("{text} that multiplies {formula} is missing", text=text, formula=formula),
        say(
            "This is the derivative of {formula} alone, and forward multiplies it by {text}.",
            formula=formula,
            text=text,
        ),
        say("How much does the output grow when {formula} grows a little?", formula=formula),
        say("Multiply upstream by {text} before it goes on.", text=text),
    )


def _say_late(formula: str) -> Explanation:
    return reword(
        LATE,
        say("this is the derivative of {formula} alone, what comes after it is missing", formula=formula),
        say(
            "The output is made from {formula}, and every gate on the way has its slope in the chain.", formula=formula
        ),
        say("How much does the output grow when {formula} grows a little?", formula=formula),
        say("Multiply by the gradient at {formula}.", formula=formula),
    )


def _from_loss(comparison: Comparison) -> Variants:
    """Return the gradients for an upstream gradient that is the output's value, or that times the value."""
    if not np.shape(comparison.out):
        # With another upstream gradient than 1, the pass did not begin with the value alone.
        return {"": tuple(r * comparison.out for r in comparison.right)} if np.all(comparison.upstream == 1) else {}
    if not comparison.graphs:
        return {}
    graph = comparison.graphs[0]
    wires = [graph.wires[i] for i in comparison.wrt]
    words = reword(
        FROM_LOSS,
        "it is what upstream * out gives in place of upstream",
        "Either out came in as a factor, or a slope with out in its denominator, as that of sqrt, was left out.",
        "With which array does the chain begin?",
        "Begin with `upstream`, and multiply by slopes only.",
    )
    ways: dict[Key, Any] = {words: comparison.upstream * comparison.out, "value": comparison.out}
    return {key: pull_back(graph, graph.nodes[-1], start, wires) for key, start in ways.items()}


def _exchanged(comparison: Comparison) -> Variants:
    """Return the gradients of an elementwise gate whose upstream gradient and cache changed places."""
    if len(comparison.inputs) != 1 or np.shape(comparison.inputs[0]) != np.shape(comparison.out):
        return {}
    x, g, out = comparison.inputs[0], comparison.upstream, comparison.out
    found: Variants = {}
    for graph in comparison.graphs:
        last = graph.places[-1].gate if graph.places else None
        for kind, slope in LAST_SLOPES:
            if isinstance(last, kind):
                found[f"out of {kind.__name__}"] = (out * slope(g),)
                found[f"x of {kind.__name__}"] = (x * slope(g),)
    try:
        slopes = (comparison.function(g + 1e-20j).imag * 1e20) if comparison.exact else None
    except Exception:  # a function that takes no complex numbers
        slopes = None
    return {**found, **({"x": (x * slopes,), "out": (out * slopes,)} if slopes is not None else {})}


def _value(comparison: Comparison) -> Variants:
    """Return a variant for each value on the way that came back, alone or times the upstream gradient."""
    if not comparison.graphs:
        return {}
    graph = comparison.graphs[0]
    names = name_wires(graph, comparison.names)
    found: Variants = {}
    for i, returned in enumerate(comparison.returned):
        wire = graph.wires[comparison.wrt[i]]
        for node in graph.nodes:
            if node.constant or np.size(node.value) == 0:
                continue
            formula, name = format_wire(node, names), names[wire.index]
            if same(returned, node.value):
                words = reword(
                    VALUE,
                    say("this is the value of {formula}, not a gradient", formula=formula),
                    "A gradient says how fast the output grows, not how large something is.",
                    say("How much does the output grow when {name} grows a little?", name=name),
                    say("Multiply the upstream gradient by the slope of the output with respect to {name}.", name=name),
                )
                found[words] = _only(comparison, i, node.value)
            elif np.ptp(comparison.upstream) > 0 and _is_product(returned, comparison.upstream, node.value):
                words = reword(
                    VALUE,
                    say(
                        "this is upstream * {formula}, and {formula} is not the slope in {name}",
                        formula=formula,
                        name=name,
                    ),
                    "The upstream gradient is there; the local derivative beside it is another one.",
                    say("How much does the output grow when {name} grows a little?", name=name),
                    say(
                        "Differentiate the output with respect to {name}, and put that in place of {formula}.",
                        name=name,
                        formula=formula,
                    ),
                )
                found[words] = _only(comparison, i, comparison.upstream * node.value)
    return found


def _is_product(returned: Any, upstream: Any, value: Any) -> bool:
    return np.shape(value) in ((), np.shape(upstream)) and same(returned, upstream * value)


STOPPED = Mistake(
    "chain-stopped",
    "the chain rule stopped too early",
    "Each gate between the output and the input has its slope in the chain.",
    "Which gate comes last on the way back to the input?",
    "Multiply by its slope too.",
    CHAIN,
    _stopped,
    named=False,
)
LATE = Mistake(
    "chain-begun-late",
    "the chain rule began too late",
    "Each gate between the output and the input has its slope in the chain.",
    "Which gate is the output's own?",
    "Begin there, with the upstream gradient.",
    CHAIN,
    _begun_late,
    named=False,
)
FROM_LOSS = Mistake(
    "chain-from-value",
    "the backward pass began with the output's value",
    "The slope of the output with respect to itself is 1, whatever its value is.",
    "When the output grows by 1, by how much does the output grow? That is the first number of the backward pass.",
    "Begin with 1.0 (or with `upstream`), not with the value of the forward pass.",
    UPSTREAM,
    _from_loss,
    named=False,
)
EXCHANGED = Mistake(
    "arguments-exchanged",
    "the upstream gradient and the cache changed places",
    "The slope was taken at the upstream gradient, and multiplied by what the cache holds.",
    "In which order does backward get its arguments?",
    "def backward(self, upstream, cache): the upstream gradient comes first.",
    UPSTREAM,
    _exchanged,
    named=False,
)
VALUE = Mistake(
    "value-for-slope",
    "a value stands where a slope belongs",
    "A gradient says how fast the output grows, not how large something is.",
    "How much does the output grow when the input grows a little?",
    "Multiply the upstream gradient by that slope.",
    UPSTREAM,
    _value,
    named=False,
)
INNER = replace(STOPPED, variants=_without_inner)
EXPLANATIONS = (STOPPED, LATE, EXCHANGED)
"""Tried before paths, and `INNER` after them; `FROM_LOSS` comes first, `VALUE` last."""
