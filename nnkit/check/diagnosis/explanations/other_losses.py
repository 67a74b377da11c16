"""The right gradient of another loss: cross-entropy's under a squared error, and the reverse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword, same
from nnkit.check.evidence.array_gates import Softmax, compute_softmax
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.shares import list_edges, pull_back
from nnkit.check.evidence.traced_gates import compute_sigmoid
from nnkit.check.evidence.wire_text import list_descendants
from nnkit.graph import Node
from nnkit.language import say, to_say

MAX_PREDICTIONS = 12
"""Nodes of a graph up to which each is taken for the prediction that a loss compares with its target."""
Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class KnownLoss:
    """A loss of a prediction p (a probability, or scores z) and a target t, summed over the examples."""

    name: str
    formula: str
    """Its gradient, without the constants of a mean."""
    value: Loss
    gradient: Loss
    part_of: str = ""
    """The name of the loss that it is a part of, or that has this gradient elsewhere; it is said of that loss alone."""
    says: str = ""
    """The title where it is said of that loss."""


BCE, BEHIND_SIGMOID = to_say("binary cross-entropy"), to_say("binary cross-entropy behind a sigmoid")
FIRST, SECOND = (
    to_say("this is the gradient of t * log(p) alone, the other term is missing"),
    to_say("this is the gradient of (1 - t) * log(1 - p) alone, the other term is missing"),
)
PARTS = (
    KnownLoss(BCE, "-t / p", lambda p, t: np.nan, lambda p, t: -t / p, BCE, FIRST),
    KnownLoss(
        BCE, "(1 - t) / (1 - p)", lambda p, t: np.nan, lambda p, t: (1 - t) / (1 - p), BCE,
        SECOND,
    ),
    KnownLoss(
        BCE, "-t * (1 - p)", lambda z, t: np.nan, lambda z, t: -t * compute_sigmoid(-z), BEHIND_SIGMOID,
        FIRST,
    ),
    KnownLoss(
        BCE, "(1 - t) * p", lambda z, t: np.nan, lambda z, t: (1 - t) * compute_sigmoid(z), BEHIND_SIGMOID,
        SECOND,
    ),
    KnownLoss(
        to_say("cross-entropy"), "-t / p", lambda z, t: np.nan, lambda z, t: -t / compute_softmax(z),
        to_say("softmax cross-entropy"),
        to_say("this is the gradient with respect to the probabilities, -1 / p at the label, not yet to the scores"),
    ),
)  # fmt: skip
"""Halves of a loss, and gradients that stop at the probabilities."""
LOSSES = (
    KnownLoss(to_say("squared error"), "p - t", lambda p, t: np.sum((p - t) ** 2), lambda p, t: 2 * (p - t)),
    KnownLoss(
        to_say("absolute error"),
        "np.sign(p - t)",
        lambda p, t: np.sum(np.abs(p - t)),
        lambda p, t: np.sign(p - t),
    ),
    KnownLoss(
        to_say("binary cross-entropy"),
        "(p - t) / (p * (1 - p))",
        lambda p, t: -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p)),
        lambda p, t: (p - t) / (p * (1 - p)),
    ),
    KnownLoss(
        to_say("binary cross-entropy behind a sigmoid"),
        "sigmoid(z) - t",
        lambda z, t: np.sum(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - t * z),
        lambda z, t: compute_sigmoid(z) - t,
    ),
    KnownLoss(
        to_say("squared error behind a sigmoid"),
        to_say("(s - t) * s * (1 - s), with s = sigmoid(z)"),
        lambda z, t: np.sum((compute_sigmoid(z) - t) ** 2),
        lambda z, t: 2 * (compute_sigmoid(z) - t) * compute_sigmoid(z) * (1 - compute_sigmoid(z)),
    ),
    KnownLoss(
        to_say("squared error behind tanh"),
        to_say("(a - t) * (1 - a**2), with a = np.tanh(z)"),
        lambda z, t: np.sum((np.tanh(z) - t) ** 2),
        lambda z, t: 2 * (np.tanh(z) - t) * (1 - np.tanh(z) ** 2),
    ),
    KnownLoss(to_say("cross-entropy"), "-t / p", lambda p, t: -np.sum(t * np.log(p)), lambda p, t: -t / p),
    KnownLoss(
        to_say("softmax cross-entropy"),
        "softmax(z) - t",
        lambda z, t: -np.sum(t * np.log(compute_softmax(z))),
        lambda z, t: compute_softmax(z) * t.sum(axis=-1, keepdims=True) - t,
    ),
    KnownLoss(
        to_say("hinge loss"),
        to_say("-t where t * z < 1"),
        lambda z, t: np.sum(np.maximum(0, 1 - t * z)),
        lambda z, t: -t * (t * z < 1),
    ),
    KnownLoss(
        to_say("squared hinge loss"),
        "-2 * t * np.maximum(0, 1 - t * z)",
        lambda z, t: np.sum(np.maximum(0, 1 - t * z) ** 2),
        lambda z, t: -2 * t * np.maximum(0, 1 - t * z),
    ),
    KnownLoss(
        to_say("logistic loss of labels ±1"),
        "-t * sigmoid(-t * z)",
        lambda z, t: np.sum(np.log1p(np.exp(-t * z))),
        lambda z, t: -t * compute_sigmoid(-t * z),
    ),
)
CANCELLING = {(BCE, "sigmoid"), ("cross-entropy", "softmax")}
"""A loss, and the activation before it with whose slope its own becomes p - t."""


def _other_losses(comparison: Comparison) -> Variants:
    """Return a variant for each loss whose gradient, put in the place of the loss's own, gives what came back."""
    graph = comparison.graphs[0] if comparison.graphs else None
    if graph is None or np.shape(comparison.out):
        return {}
    wires = [graph.wires[i] for i in comparison.wrt]
    grads, _ = list_edges(graph, comparison.upstream)
    found: Variants = {}
    pairs = sorted(_list_pairs(graph, wires), key=lambda pair: not _name_activation(graph, pair[0]))
    for node, target in pairs:  # behind an activation first: 1 - p fits 1 - t as p fits t
        if grads[node.index] is None:
            continue
        own = next((loss.name for loss in LOSSES if _fits(loss, node.value, target, comparison.out)), "")
        through = pull_back(graph, node, grads[node.index], wires)
        for loss in (*(part for part in PARTS if part.part_of == own), *LOSSES):
            gradient = np.asarray(loss.gradient(node.value, target), dtype=float)
            if np.shape(gradient) != np.shape(node.value) or not np.all(np.isfinite(gradient)):
                continue
            if (loss.name == own and not loss.says) or _find_scale(grads[node.index], gradient):
                continue
            parts = pull_back(graph, node, gradient, wires)
            rest = [r - p for r, p in zip(comparison.right, through)]
            scale = _common_scale(comparison, rest, parts)
            if scale is not None:
                found.setdefault(
                    _say(loss, own, _name_activation(graph, node)), tuple(b + scale * a for b, a in zip(rest, parts))
                )
    return found


def _list_pairs(graph: Trace, wires: list[Node]) -> Iterator[tuple[Node, Any]]:
    """Yield each node that may be a prediction with each array that may be its target, in one-hot form for labels."""
    targets = [n.value for n in graph.nodes if n.gate is None and n not in wires and np.size(n.value) > 1]
    moving = {index for wire in wires for index in list_descendants(graph, wire)}
    nodes = [n for n in graph.nodes if n.index in moving and np.size(n.value) > 1]
    for node in nodes[-MAX_PREDICTIONS:] + [n for n in nodes[:-MAX_PREDICTIONS] if n in wires]:
        for target in targets:
            if np.shape(target) == np.shape(node.value):
                yield node, np.asarray(target, dtype=float)
        for labels in graph.labels:
            value = np.asarray(node.value)
            if value.ndim == 2 and np.shape(labels) == value.shape[:1] and np.max(labels) < value.shape[1]:
                yield node, (np.asarray(labels)[:, None] == np.arange(value.shape[1])) * 1.0
            elif np.shape(labels) == value.shape:
                yield node, np.asarray(labels, dtype=float)


def _fits(loss: KnownLoss, prediction: Any, target: Any, out: Any) -> bool:
    """Return True if the value is this loss: its sum, or its mean over the examples or the entries, or half of that."""
    total = float(loss.value(prediction, target))
    sizes = (1, len(prediction), np.size(prediction), np.shape(prediction)[-1])
    return np.isfinite(total) and any(same(out, half * total / n) for n in sizes for half in (1, 0.5))


def _find_scale(array: Any, of: Any) -> float | None:
    if np.shape(array) != np.shape(of) or not np.any(of):
        return None
    scale = float(np.sum(array * of) / np.sum(of * of))
    return scale if abs(scale) > 1e-12 and same(array, scale * of) else None


def _common_scale(comparison: Comparison, rest: list[Any], parts: tuple[Any, ...]) -> float | None:
    """Return the constant, of those that a mean can have, with which the parts give the wrong gradients."""
    for i, returned in enumerate(comparison.returned):
        if comparison.is_wrong(i) and np.shape(returned) == np.shape(rest[i]):
            scale = _find_scale(np.asarray(returned) - rest[i], parts[i])
            if scale is None or scale <= 0:
                continue
            whole = float(scale / comparison.upstream) if comparison.upstream != 0 else 0.0
            return (
                scale
                if any(abs(whole * n - round(whole * n)) < 1e-6 * n for n in (1, 2, *_sizes(comparison)))
                else None
            )
    return None


def _sizes(comparison: Comparison) -> set[int]:
    arrays = comparison.graphs[0].nodes
    return {2 * n for node in arrays for n in (np.size(node.value), *np.shape(node.value)) if n < 10_000}


def _name_activation(graph: Trace, node: Node) -> str:
    """Return "sigmoid" or "softmax" for the output of one; empty for another node."""
    kinds = [type(place.gate) for place in graph.places if place.node is node]
    before = [x.value for x in graph.nodes[: node.index] if np.shape(x.value) == np.shape(node.value)]
    if gates.Sigmoid in kinds or any(same(node.value, compute_sigmoid(-x)) for x in before):  # 1 / (1 + exp(-X @ w))
        return "sigmoid"
    return "softmax" if Softmax in kinds else ""


def _say(loss: KnownLoss, own: str, activation: str) -> Any:
    if loss.name == "squared error" and (own, activation) in CANCELLING:
        return _say_not_cancelled(own, activation)
    if loss.says:
        return _say_part(loss, own)
    actual = next((known for known in LOSSES if known.name == own), None)
    here = say("the loss here is the {own}", own=say(own)) if actual else say("the loss here is another one")
    hint = (
        say("The slope of the {own} is {formula}", own=say(own), formula=say(actual.formula))
        if actual
        else say("Write the loss down, and differentiate it term by term")
    )
    return reword(
        OTHER_LOSS,
        say("this is the gradient of the {loss}, and {here}", loss=say(loss.name), here=here),
        say("As the slope in the prediction it follows {formula}.", formula=say(loss.formula)),
        "Which loss does the forward pass compute? What is its slope in the prediction?",
        say("{hint}, with the constants of a mean where there is one.", hint=hint),
    )


def _say_not_cancelled(own: str, activation: str) -> Any:
    formula = next(known.formula for known in LOSSES if known.name == own)
    return reword(
        OTHER_LOSS,
        say("the slope of the {activation} is there once too often, behind p - t", activation=activation),
        say(
            "The {own} has the slope {formula} in p; times the slope of the {activation}, that is p - t: dz, not dp.",
            own=say(own),
            formula=say(formula),
            activation=activation,
        ),
        say("Is p - t the slope in the output p of the {activation}, or in its input z?", activation=activation),
        say(
            "dz = p - t, not times the slope of the {activation} again; with the constants of a "
            "mean where there is one.",
            activation=activation,
        ),
    )


def _say_part(loss: KnownLoss, own: str) -> Any:
    right = next(known.formula for known in LOSSES if known.name == own)
    return reword(
        OTHER_LOSS,
        loss.says,
        say(
            "It follows {formula}; the {own} has the slope {right}.",
            formula=say(loss.formula),
            own=say(own),
            right=say(right),
        ),
        "Write the loss down, term by term and gate by gate. Which of them has no part in your gradient?",
        say(
            "The slope of the {own} is {right}, with the constants of a mean where there is one.",
            own=say(own),
            right=say(right),
        ),
    )


OTHER_LOSS = Mistake(
    "other-loss",
    "this is the gradient of another loss",
    "The numbers belong to a loss that the forward pass does not compute.",
    "Which loss does the forward pass compute?",
    "Differentiate that one.",
    "lecture 03, The loss on top makes it simple",
    _other_losses,
    named=False,
)
EXPLANATIONS = (OTHER_LOSS,)
