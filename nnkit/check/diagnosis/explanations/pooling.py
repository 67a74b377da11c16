"""Max pooling whose gradient goes to other entries of a window than the largest: to all, or to the smallest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations.overlaps import collect
from nnkit.check.diagnosis.explanations.windows import Windows, list_windows
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, same
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.language import say, to_say

Claims = Iterator[tuple[Explanation, int, Any]]
Choice = Callable[[Any], Any]
"""The entries of each window along the last axis ↦ the part of its gradient that each of them gets."""


def _only(k: int) -> Choice:
    return lambda w: np.eye(w.shape[-1])[k] + 0 * w


CHOICES: tuple[tuple[str, Choice], ...] = (
    (to_say("every entry of a window got its gradient, not the largest one alone"), np.ones_like),
    (to_say("each entry of a window got the same part of its gradient, as for a mean; the largest one gets all of it"),
     lambda w: np.ones_like(w) / w.shape[-1]),
    (to_say("the smallest entry of each window got its gradient, not the largest one"),
     lambda w: w == w.min(axis=-1, keepdims=True)),
    (to_say("the first entry of each window got its gradient, not the largest one"), _only(0)),
    (to_say("the last entry of each window got its gradient, not the largest one"), _only(-1)),
    (to_say("the entry farthest from 0 got its gradient, not the largest one"),
     lambda w: np.abs(w) == np.abs(w).max(axis=-1, keepdims=True)),
    (to_say("every entry of a window but the largest one got its gradient"),
     lambda w: w < w.max(axis=-1, keepdims=True)),
)  # fmt: skip


def _pooled(comparison: Comparison) -> Variants:
    return collect(_list_pooled(comparison), comparison)


def _list_pooled(comparison: Comparison) -> Claims:
    for i in range(len(comparison.right)):
        x = np.asarray(comparison.given[i])
        for windows in list_windows(comparison, i):
            if windows.size > 1 and _takes_maximum(comparison, x, windows):
                where = say(
                    "Windows of {size} at steps of {stride} go over {name}.",
                    size=windows.size,
                    stride=windows.stride,
                    name=comparison.name(i),
                )
                for title, choose in CHOICES:
                    key = replace(POOLED.explain(""), title=title, why=f"{where} {say(POOLED.why)}")
                    yield key, i, _route(windows, x, choose, add=True)
                    over = replace(key, why=say("{why} What a later window writes over is lost, too.", why=key.why))
                    yield over, i, _route(windows, x, choose, add=False)


def _takes_maximum(comparison: Comparison, x: np.ndarray, windows: Windows) -> bool:
    axes = tuple(range(-windows.count, 0))
    return all(
        same(comparison.out[(..., *step)], np.max(x[windows.at(step, windows.stride)], axis=axes))
        for step in windows.steps
    )


def _route(windows: Windows, x: np.ndarray, choose: Choice, add: bool) -> np.ndarray:
    """Return the gradient if each window's goes to the entries that are chosen, added or written over each other."""
    total = np.zeros(windows.shares.shape[windows.count :])
    for step in windows.steps:
        index = windows.at(step, windows.stride)
        whole = windows.shares[step][index].sum(axis=tuple(range(-windows.count, 0)), keepdims=True)
        parts = choose(x[index].reshape(*x.shape[: x.ndim - windows.count], -1)).reshape(x[index].shape)
        total[index] = total[index] + whole * parts if add else whole * parts
    return total


POOLED = Mistake(
    "pooling",
    "the largest entry of a window did not get all of its gradient",
    "The maximum of a window follows its largest entry; the others can move without effect.",
    "If an entry that is not the largest grows a little, what happens to the maximum?",
    "Find the largest entry of each window, and add the upstream gradient there alone.",
    "lecture 01, Four patterns to read gradients off a picture",
    _pooled,
    named=False,
    before_pairs=True,
)
EXPLANATIONS = (POOLED,)
