"""An entry of the catalogue of mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Explanation

Key = str | Explanation
Variants = dict[Key, Arrays]
"""The gradients that a mistake would have given, one array (or None: no claim) for each gradient that is
checked. A mistake that can be made in several places has a variant for each, under a key that is the same in
every comparison: only a variant that explains every comparison explains anything. A key that is an `Explanation` has
better words for its variant than the mistake has."""


def _none(comparison: Comparison) -> Variants:
    return {}


def _no_words(comparison: Comparison) -> dict[str, str]:
    return {}


def _always(comparison: Comparison, i: int) -> bool:
    return True


@dataclass(frozen=True)
class Mistake(Explanation):
    """One mistake: what happened, why it is wrong, two hints, where the course explains it, and what it returns."""

    variants: Callable[[Comparison], Variants] = _none
    """Empty for a mistake that shows in the code's behaviour, not in what it returns."""
    undo: Callable[[Any, Comparison], Any] | None = None
    """Undoes this mistake in a gradient that another may have changed too; None if it is not looked for in pairs."""
    reads_returned: bool = False
    """The variants follow what came back (an unknown factor, an unsummed axis), not the right gradient alone."""
    whole: bool = False
    """It explains every gradient or none: those that came out right must agree with it too."""
    refines: tuple[str, ...] = ()
    """Ids of less precise mistakes that explain the same numbers."""
    single: bool = False
    """Its claim is about one gradient, whatever the others are: said of one even where another has no name."""
    needs_batches: bool = False
    """Claimed only if the evidence has batches of different sizes."""
    holds: Callable[[Comparison, int], bool] = _always
    """Checks the claim on the numbers of one gradient, without the variants: a name that these refute is not said."""
    before_pairs: bool = False
    """A description that is closer to the numbers than two names together."""
    words: Callable[[Comparison], dict[str, str]] = _no_words
    """Better words for what is checked there (title=..., hint=...): the formulas of the product at hand."""

    def explain(self, key: Key, **better: str) -> Explanation:
        """Return the words for this variant; `better` ones (title=..., hint=...) replace the mistake's own."""
        own = {"title": self.title, "why": self.why, "nudge": self.nudge, "hint": self.hint, "lesson": self.lesson}
        return key if isinstance(key, Explanation) else Explanation(self.id, **{**own, **better}, named=self.named)


def reword(entry: Mistake, title: str, why: str, nudge: str, hint: str) -> Explanation:
    """Return an entry's words for one of its variants."""
    return entry.explain("", title=title, why=why, nudge=nudge, hint=hint)


def same(a: Any, b: Any) -> bool:
    """Return True for equal shapes, and numbers that differ by no more than rounding."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype.kind not in "biuf" or b.dtype.kind not in "biuf":
        return False
    if not a.size:
        return True
    sizes = np.abs(b)
    scale = float(sizes.max())
    if not math.isfinite(scale):
        return bool(np.allclose(a, b, rtol=1e-6, atol=0.0))
    room = 1e-8 * scale + 1e-13
    if abs(float(a.item(0)) - b.item(0)) > 1e-6 * abs(b.item(0)) + room:  # most that is asked differs at once
        return False
    return bool((np.abs(np.subtract(a, b, dtype=float)) <= 1e-6 * sizes + room).all())


def on_right(then: Callable[[Any, Comparison, int], Any]) -> Callable[[Comparison], Variants]:
    """Return the variants of a mistake that is made on the right gradient."""
    return lambda comparison: {"": tuple(then(r, comparison, i) for i, r in enumerate(comparison.right))}
