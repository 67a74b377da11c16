"""Training steps whose gradient is right, and whose update is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword
from nnkit.check.diagnosis.mistakes.inject import given
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import trace_function
from nnkit.language import say, to_say

UPDATE = to_say("lecture 01, When is W actually updated?")
RULE = to_say("new = old - step_size * gradient")
Move = Callable[[Any, Any, float], Any]
MOVES: tuple[tuple[str, str, str, Move], ...] = (
    (
        to_say("step_size is missing, the whole gradient was subtracted"),
        to_say("old - new is the gradient itself."),
        to_say("By how much of the gradient should a weight move?"),
        lambda w, g, s: w - g,
    ),
    (
        to_say("step_size is missing, and the gradient was added"),
        to_say("new - old is the gradient itself."),
        to_say("By how much of the gradient should a weight move, and which way?"),
        lambda w, g, s: w + g,
    ),
    (
        to_say("step_size is multiplied in twice"),
        to_say("old - new is step_size² · gradient."),
        to_say("How often does step_size occur between the gradient and the new weight?"),
        lambda w, g, s: w - s * s * g,
    ),
    (
        to_say("the gradient was divided by step_size"),
        to_say("old - new is gradient / step_size, so that a smaller step size makes a longer step."),
        to_say("What should a step size of 0 do?"),
        lambda w, g, s: w - g / s,
    ),
    (
        to_say("this is the step alone, not the new weights"),
        to_say("It is -step_size · gradient: the old weights are missing."),
        to_say("Where does the step begin?"),
        lambda w, g, s: -s * g,
    ),
    (
        to_say("this is step_size · gradient alone, not the new weights"),
        to_say("The step is subtracted from the old weights, and these are missing."),
        to_say("Where does the step begin?"),
        lambda w, g, s: s * g,
    ),
    (
        to_say("this is the gradient (or the velocity), not the new weights"),
        to_say("The numbers that came back are those of the gradient."),
        to_say("Which of the arrays is returned first?"),
        lambda w, g, s: g,
    ),
    (
        to_say("it was subtracted the wrong way round: step - old"),
        to_say("It is step_size · gradient - old, the negative of what it should be."),
        to_say("From what is the step subtracted?"),
        lambda w, g, s: s * g - w,
    ),
    (
        to_say("nothing has moved, the new weights are the old ones"),
        to_say("Where the gradient is not 0, a step changes the weights."),
        to_say("Is the new array returned, or the old one?"),
        lambda w, g, s: w,
    ),
    (
        to_say("the gradient was squared"),
        to_say("old - new is step_size · gradient², so that every weight falls."),
        to_say("Does the step follow the gradient's sign?"),
        lambda w, g, s: w - s * g**2,
    ),
    (
        to_say("only the gradient's sign was used"),
        to_say("old - new is step_size · sign(gradient): every weight moves equally far."),
        to_say("Should a steep direction and a flat one move equally far?"),
        lambda w, g, s: w - s * np.sign(g),
    ),
    (
        to_say("the old weights were multiplied by the gradient's factor"),
        to_say("new is old · (1 - step_size · gradient); the step should not depend on the weight's size."),
        to_say("What is subtracted from the weight? Does it contain the weight?"),
        lambda w, g, s: w * (1 - s * g),
    ),
)
"""Updates that people write, in words and as old weights, gradient and step size ↦ new weights."""


def _moves(comparison: Comparison) -> Variants:
    """Return a variant for each update that people write; in pairs of old and new divided by the step size."""
    s = comparison.step_size
    if not s:
        return {}
    found: Variants = {}
    for title, why, nudge, move in MOVES:
        words = reword(STEP, title, why, nudge, f"{RULE}.")
        pairs = zip(comparison.given, comparison.right)
        found[words] = tuple((np.asarray(w) - move(np.asarray(w), g, s)) / s for w, g in pairs)
    return found | _by_fixed_size(comparison) | _by_order(comparison) | _by_two(comparison)


def _by_two(comparison: Comparison) -> Variants:
    """Return two steps, one after the other."""
    inputs = list(comparison.inputs)
    for i, gradient in zip(comparison.wrt, comparison.right):
        inputs[i] = inputs[i] - comparison.step_size * gradient
    graph = trace_function(comparison.function, inputs)
    if graph is None:
        return {}
    second = given(graph, vjp_with_faults(graph, comparison.upstream), comparison)
    words = reword(
        STEP,
        "two steps were taken, the second one from the new weights",
        "old - new is step_size times two gradients, that of the old weights and that of the new ones.",
        "How often does the update run: is it in a loop, or called twice?",
        say("{rule}, once.", rule=RULE),
    )
    return {words: tuple(r + s for r, s in zip(comparison.right, second))}


def _by_fixed_size(comparison: Comparison) -> Variants:
    """Return the steps that are as long at every step size: the same multiple of the gradient."""
    found: Variants = {}
    for right, returned in zip(comparison.right, comparison.returned):
        if np.shape(returned) != np.shape(right) or not np.any(right):
            continue
        largest = np.unravel_index(np.argmax(np.abs(right)), np.shape(right))
        size = float(f"{comparison.step_size * returned[largest] / right[largest]:.6g}")
        if size > 0:
            words = reword(
                STEP,
                say("step_size is ignored, the step is {size:.6g} · gradient whatever step_size is", size=size),
                say("At each step_size that was tried, old - new is {size:.6g} · gradient.", size=size),
                "Does step_size, the argument, occur in your update?",
                say("{rule}, with the argument step_size in place of a number.", rule=RULE),
            )
            found[words] = tuple(size / comparison.step_size * np.asarray(g) for g in comparison.right)
    return found


def _by_order(comparison: Comparison) -> Variants:
    """Return the updates in which a dict's gradients are paired with the weights by their order: the last with the
    first, as they came."""
    if len(comparison.right) < 2:
        return {}
    words = reword(
        STEP,
        "the gradients are taken in the order in which they came, not by their names",
        "The two dicts need not have the same order: a gradient belongs to the weight with the same key.",
        "How does the loop find the gradient of a weight: by its key, or by its place?",
        "{key: weights[key] - step_size * gradients[key] for key in weights}.",
    )
    others = comparison.right[::-1]
    paired = [_broadcast(g, w) for w, g in zip(comparison.given, others)]
    return {words: tuple(paired)}


def _broadcast(gradient: Any, weight: Any) -> Any:
    try:
        return gradient + 0 * np.asarray(weight)
    except ValueError:
        return None


STEP = Mistake(
    "update",
    "the update is not old - step_size · gradient",
    "The gradient is right, and the step that follows it is another one.",
    "Which way, and how far, should each weight move?",
    to_say("new = old - step_size * gradient, for each weight with its own gradient."),
    UPDATE,
    _moves,
    named=False,
)
EXPLANATIONS = (STEP,)
