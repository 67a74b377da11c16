"""Gradients that were never computed: every entry is the same number, wherever the inputs are."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.evidence.comparison import Comparison


def _unfilled(comparison: Comparison) -> Variants:
    """Claim what came back where all entries are one number; the variant for NaN, 0 or another number has it in its
    title, so that only the same number in every comparison explains anything."""
    numbers = [_find_number(w) for w in comparison.returned]
    return {
        MISTAKES[0].explain("", title=f"every entry is {number}, it was not filled in"): tuple(
            w if own == number else None for own, w in zip(numbers, comparison.returned)
        )
        for number in dict.fromkeys(numbers)
        if number
    }


def _find_number(returned: Any) -> str:
    """Return the number that every entry is, in words; "" if they differ."""
    w = np.asarray(returned)
    if w.size == 0 or w.dtype.kind not in "iuf" or not np.array_equal(w, np.full(w.shape, w.flat[0]), equal_nan=True):
        return ""
    return "NaN" if np.isnan(w.flat[0]) else f"{w.flat[0]:.6g}"


def _is_one_number(comparison: Comparison, i: int) -> bool:
    w = np.asarray(comparison.returned[i], dtype=float)
    return bool(np.all(np.isnan(w)) or np.ptp(w) == 0)


MISTAKES = (
    Mistake(
        "not-filled-in",
        "every entry is the same number, it was not filled in",
        "It is the same number at every input that was tried, where the right gradient is another one.",
        "Follow the array that you return up to the line that makes it. Which line writes the gradient into it?",
        "Write down the local derivative, multiply it by the upstream gradient, and return the product.",
        "lecture 01, Upstream × local",
        _unfilled,
        reads_returned=True,
        refines=(
            "factor", "sum-all", "relu-inverted", "max-to-loser", "gradient-for-value", "low-precision",
            "regularisation", "overwritten-branch", "softmax-diagonal", "own-input",
        ),
        holds=_is_one_number,
    ),
)  # fmt: skip
