"""The right gradient of an upstream gradient that was changed first, or a right gradient that was clipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword
from nnkit.check.diagnosis.mistakes.inject import given
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.language import say, to_say

CHANGES: dict[str, Callable[[Any], Any]] = {
    to_say("upstream is clipped to -1 and 1 before the chain rule"): lambda g: np.clip(g, -1, 1),
    to_say("upstream is used without its sign"): np.abs,
    to_say("only the sign of upstream is used"): np.sign,
    to_say("entries of upstream below 0 are set to 0"): lambda g: np.maximum(g, 0),
    to_say("the sum of upstream stands in place of each of its entries"): lambda g: np.full(np.shape(g), np.sum(g)),
    to_say("the mean of upstream stands in place of each of its entries"): lambda g: np.full(np.shape(g), np.mean(g)),
    to_say("upstream is divided by its length"): lambda g: g / np.linalg.norm(g),
    to_say("upstream is squared"): np.square,
}
"""Changes of upstream that people make, in words."""
BOUNDS = (0.1, 0.5, 1.0, 5.0, 10.0)
"""Numbers to which gradients are clipped."""


def _changed(comparison: Comparison) -> Variants:
    upstream = np.asarray(comparison.upstream)
    found: Variants = _push_forward(comparison)
    if not np.all(upstream == 1):
        for title, change in CHANGES.items():
            gradients = _differentiate(comparison, change(upstream))
            if gradients is not None:
                found[_say(title, upstream.ndim > 0)] = gradients
    for bound in BOUNDS:
        words = _say(say("the gradient is clipped to -{bound:g} and {bound:g}", bound=bound), True)
        found[words] = tuple(np.clip(right, -bound, bound) for right in comparison.right)
    return found


def _push_forward(comparison: Comparison) -> Variants:
    """Return what upstream gives as a direction in which each input moves: J g in place of Jᵀ g."""
    pushed: list[Any] = []
    for target, x in zip(comparison.targets, comparison.given):
        fits = target.jacobian is not None and target.jacobian.shape == 2 * (np.size(x),) and np.size(x) > 1
        pushed.append((target.jacobian @ np.ravel(comparison.upstream)).reshape(np.shape(x)) if fits else None)
    return {FORWARDS: tuple(pushed)} if any(p is not None for p in pushed) else {}


def _differentiate(comparison: Comparison, upstream: Any) -> Arrays | None:
    """Return the right gradients for another upstream gradient; None where they are not known."""
    matrices = [target.jacobian for target in comparison.targets]
    if all(matrix is not None and len(matrix) == np.size(upstream) for matrix in matrices):
        flat = np.ravel(upstream)
        return tuple((flat @ m).reshape(np.shape(x)) for m, x in zip(matrices, comparison.given))
    if not comparison.graphs:
        return None
    graph = comparison.graphs[0]
    return given(graph, vjp_with_faults(graph, upstream), comparison)


def _say(title: str, several: bool) -> Any:
    each = say("each of its entries") if several else say("it")
    return reword(
        CHANGED,
        title,
        "With this change the right gradient is what came back.",
        say(
            "What does the chain rule do to upstream? It multiplies {each} by a slope, and does nothing else.",
            each=each,
        ),
        "Multiply upstream, as it came, by the local derivative; do not clip, sum or scale it.",
    )


CHANGED = Mistake(
    "changed-upstream",
    "upstream, or the gradient made of it, was changed",
    "The chain rule multiplies upstream by the local derivative.",
    "What does the chain rule do to upstream?",
    "Multiply upstream, as it came, by the local derivative.",
    "lecture 01, Upstream × local",
    _changed,
    named=False,
)
FORWARDS = reword(
    CHANGED,
    "upstream is taken through the Jacobian, not back through its transpose",
    "Entry [i, j] of the Jacobian leads from input j to output i; on the way back, from output i to input j.",
    "If one input grows, which outputs change? From each of these it gets a share.",
    "Turn each step of forward: the last comes first, a sum from the left becomes one from the right, A becomes A.T.",
)
EXPLANATIONS = (CHANGED,)
