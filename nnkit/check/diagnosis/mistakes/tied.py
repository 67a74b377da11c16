"""A maximum whose inputs are equal, or nearly so: who gets the upstream gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.language import to_say

LESSON = to_say("lecture 01, Four patterns to read gradients off a picture")
SHARES = to_say(
    "A maximum has one unit to give: if all of its equal inputs grow by 1, it grows by 1, and not by their number. "
    "Any shares that sum to the upstream gradient are right; those shown are equal ones."
)
SHARES_ONE_WAY = to_say(
    "A maximum has one unit to give: if all of its equal inputs grow by 1, it grows by 1, and not by their number. "
    "Any shares that sum to the upstream gradient are right; those shown are one way."
)
HINT = to_say("Give it to one of them (x.argmax), or divide it: mask / mask.sum(axis=..., keepdims=True).")

EACH = Explanation(
    "max-to-both",
    "of several equal inputs each gets the whole upstream gradient",
    SHARES,
    "Where two inputs are both the largest, how many entries of your mask are true?",
    HINT,
    LESSON,
)
CLOSE = Explanation(
    "max-to-both",
    "inputs that only come close to the maximum get its gradient too",
    "Only the largest input decides; one that is a little smaller changes nothing, however close it is. The inputs "
    "shown were drawn so that some are nearly equal.",
    "How does your mask find the maximum: by equality, or by a small difference?",
    "Take the place of the largest (x.argmax), or compare with `==`, not with isclose or a tolerance.",
    LESSON,
)
NONE = Explanation(
    "tie-to-none",
    "of several equal inputs none gets the upstream gradient",
    SHARES,
    "Where two inputs are equal, which of your masks is true?",
    "Use `>=` for one of the two and `<` for the other, or take the place of the largest (x.argmax).",
    LESSON,
    named=False,
)
UNEVEN = Mistake(
    "tie-shares",
    "the shares of equal inputs do not sum to the upstream gradient",
    SHARES_ONE_WAY,
    "Add up what the equal inputs get. What came down?",
    HINT,
    LESSON,
    lambda comparison: _lost_at_ties(comparison),
    named=False,
)


def max_to_both(comparison: Comparison) -> Variants:
    """Claim each gradient in which equal inputs, or nearly equal ones, all get what one of them should."""
    return {
        EACH: _claim(comparison, lambda w, r, i: comparison.tied and _is_multiple(w, r)),
        CLOSE: _claim(comparison, lambda w, r, i: not comparison.tied and _goes_to_close(comparison, w, r, i)),
    }


def _lost_at_ties(comparison: Comparison) -> Variants:
    """Claim each gradient in which equal inputs get nothing, or shares that do not add up."""
    return {
        NONE: _claim(comparison, lambda w, r, i: comparison.tied and not np.any(w)),
        UNEVEN.explain(""): _claim(comparison, lambda w, r, i: comparison.tied),
    }


def _claim(comparison: Comparison, betrays: Callable[[Any, Any, int], bool]) -> tuple[Any, ...]:
    """Return what came back for each gradient that is right, or whose wrong entries betray the mistake; else None."""
    claims: list[Any] = []
    for i, (w, target) in enumerate(zip(comparison.returned, comparison.targets)):
        wrong = target.misses(w)
        fits = np.shape(w) == wrong.shape and (not wrong.any() or betrays(w[wrong], target.value[wrong], i))
        claims.append(w if fits else None)
    return tuple(claims)


def _is_multiple(w: np.ndarray, right: np.ndarray) -> bool:
    """Return True if each entry is a whole multiple, two or more, of an equal share."""
    ratio = w / right
    return bool(np.all(np.isfinite(ratio) & (ratio > 1.5) & (np.abs(ratio - np.round(ratio)) < 1e-6)))


def _goes_to_close(comparison: Comparison, w: np.ndarray, right: np.ndarray, i: int) -> bool:
    """Return True if entries that should be 0 have another one's gradient, whose input is nearly the same number."""
    x, all_right = np.asarray(comparison.given[i]), comparison.right[i]
    missed = comparison.targets[i].misses(comparison.returned[i])
    if not np.all(np.isfinite(w)) or np.any(np.abs(right) > 1e-9 * np.max(np.abs(w))):
        return False
    winners = [(x, r) for x, r in zip(comparison.given, comparison.right) if np.shape(x) == np.shape(all_right)]
    return all(
        any(np.any((np.abs(r - a) <= 1e-9 * abs(a)) & (np.abs(y - b) <= 0.03 * abs(b))) for y, r in winners)
        for a, b in zip(w, x[missed])
    )
