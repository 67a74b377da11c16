"""Gradients that were never computed: every entry is 0, or NaN, wherever the inputs are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.evidence.comparison import Comparison
from nnkit.language import say

ROUNDING = 1e-12
"""Share of the right gradient's largest entry up to which another one is 0."""


def _unfilled(comparison: Comparison) -> Variants:
    """Claim what came back where every entry is 0 or NaN."""
    return _of_one_number(comparison, lambda number: number in ("0", "NaN"))


def _constant(comparison: Comparison) -> Variants:
    """Claim what came back where every entry is one other number: often np.ones. Other mistakes give it too."""
    return _of_one_number(comparison, lambda number: number not in ("", "0", "NaN"))


def _of_one_number(comparison: Comparison, wanted: Callable[[str], bool]) -> Variants:
    """Return a variant for each number that is all entries of a gradient. The number is in its title, so that only the
    same number in every comparison explains anything."""
    if comparison.step_size:  # what came back is not what the learner filled in
        return {}
    numbers = [(_find_number(w), np.ndim(w) == 0) for w in comparison.returned]
    return {
        MISTAKES[0].explain("", title=_describe_number(number, scalar)): tuple(
            w if own == (number, scalar) else None for own, w in zip(numbers, comparison.returned)
        )
        for number, scalar in dict.fromkeys(numbers)
        if wanted(number)
    }


def _describe_number(number: str, scalar: bool) -> str:
    return say(
        "it is always {number}, as if it was never filled in"
        if scalar
        else "every entry is {number}, as if it was never filled in",
        number=number,
    )


def _find_number(returned: Any) -> str:
    """Return the number that every entry is, in words; "" if they differ."""
    w = np.asarray(returned)
    if (
        w.size == 0
        or w.dtype.kind not in "iuf"
        or np.any(np.isinf(w))
        or not np.array_equal(w, np.full(w.shape, w.flat[0]), equal_nan=True)
    ):
        return ""
    return "NaN" if np.isnan(w.flat[0]) else f"{w.flat[0] + 0.0:.6g}"  # -0 is 0


def _is_one_number(comparison: Comparison, i: int) -> bool:
    w = np.asarray(comparison.returned[i], dtype=float)
    if np.all(np.isnan(w)):  # not one that was computed
        return "invalid value" not in comparison.list_float_faults()
    return bool(np.ptp(w) == 0)


def _varies_only_right(comparison: Comparison, i: int) -> bool:
    """Return True if it is one number where the right gradient is not: from entry to entry, or from place to place."""
    if not _is_one_number(comparison, i):
        return False
    right, elsewhere = comparison.right[i], comparison.shaken_errors
    if np.size(right) > 1 and np.ptp(right) > ROUNDING * np.max(np.abs(right)):
        return True
    if elsewhere is None or np.shape(elsewhere[i]) != np.shape(right):
        return np.size(right) != np.size(comparison.returned[i])
    return not np.allclose(elsewhere[i], comparison.returned[i] - right, rtol=1e-9, atol=0)


def vanishes(comparison: Comparison, i: int) -> bool:
    """Return True if the i-th gradient is 0 up to rounding, where the right one is not."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    if returned.shape != right.shape or returned.dtype.kind not in "iuf" or not returned.size:
        return False
    return float(np.max(np.abs(returned))) <= ROUNDING * float(np.max(np.abs(right), initial=0.0))


def _cancelled(comparison: Comparison) -> Variants:
    """Claim what came back where it is 0 up to rounding, but not 0."""
    claims = [vanishes(comparison, i) and bool(np.any(w)) for i, w in enumerate(comparison.returned)]
    return {"": tuple(w if claim else None for w, claim in zip(comparison.returned, claims))}


MISTAKES = (
    Mistake(
        "not-filled-in",
        "every entry is the same number, as if it was never filled in",
        "It is the same number at every input that was tried, where the right gradient is another one.",
        "Follow the array that you return up to the line that makes it. Which line writes the gradient into it?",
        "Write down the local derivative, multiply it by the upstream gradient, and return the product.",
        "lecture 01, Upstream × local",
        _unfilled,
        reads_returned=True,
        refines=(
            "factor", "sum-all", "relu-inverted", "max-to-loser", "gradient-for-value", "low-precision",
            "regularisation", "overwritten-branch", "softmax-diagonal", "own-input", "no-upstream",
            "max-to-both", "kept-dims",
        ),
        holds=_is_one_number,
        single=True,
    ),
)  # fmt: skip
CONSTANT = replace(MISTAKES[0], variants=_constant, refines=(), before_pairs=True, holds=_varies_only_right)
"""The same where every entry is another number: said only if nothing else explains it."""
CANCELLED = Mistake(
    "cancels",
    "it is 0 up to rounding, the numbers that it is made of cancel",
    "The right gradient is not 0; something was summed that adds up to 0, or taken away from itself.",
    "Which sum in your backward is 0 at every input? The rows of softmax's gradient add up to 0, for one.",
    "Print each intermediate gradient. The first that is 0 was summed over an axis that has to stay.",
    "lecture 03, Softmax cross-entropy",
    _cancelled,
    reads_returned=True,
    named=False,
    before_pairs=True,
)
