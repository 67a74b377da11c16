"""Mistakes with the upstream gradient, the sign, a constant factor, and the order of the inputs."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes import sizes
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.diagnosis.mistakes.claims import (
    has_one_ratio,
    has_other_sign,
    is_local_derivative,
    is_of_another_input,
)
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.language import say

USUAL_FACTORS = (2.0, 3.0, 4.0, 0.5, 1 / 3, 0.25)
"""Factors that are tried on top of another mistake."""


def _swapped(comparison: Comparison) -> Variants:
    return {
        _say_by_order(order) if comparison.step_size else str(order): tuple(comparison.right[i] for i in order)
        for order in _list_orders(len(comparison.right))
    }


def _list_orders(count: int) -> list[tuple[int, ...]]:
    """Return the orders of so many gradients but the right one: all of few; of many, those in which two are exchanged,
    and the reverse."""
    if count <= 4:
        return list(permutations(range(count)))[1:]
    pairs = [{i: j, j: i} for i, j in combinations(range(count), 2)]
    return [tuple(pair.get(k, k) for k in range(count)) for pair in pairs] + [tuple(range(count))[::-1]]


def _say_by_order(order: tuple[int, ...]) -> Explanation:
    """Return the words for a step that pairs weights and gradients by another order."""
    words = BY_NAME["swapped-inputs"]
    return words.explain(
        "",
        title="each weight was moved by the gradient of another one",
        why=say(
            "The gradients were taken in the order {order}, not by their names.",
            order=", ".join(str(i + 1) for i in order),
        ),
        nudge="How does the step find the gradient of a weight: by its key, or by its place?",
        hint="{key: weights[key] - step_size * gradients[key] for key in weights}.",
    )


def _factor(comparison: Comparison) -> Variants:
    """Return a variant for each constant that a gradient is off by."""
    constants = {i: c for i in range(len(comparison.right)) if (c := _constant(comparison, i))}
    masks = sizes.list_masks(BY_NAME["factor"], comparison) if constants else {}
    return (
        masks
        | {
            words: tuple(c * r for r in comparison.right)
            for c in constants.values()
            for words in ([_say_length(c)] if comparison.step_size else [_say_constant(c)])
        }
        | sizes.list_factors(BY_NAME["factor"], comparison)
    )


def _say_constant(c: float) -> Explanation:
    """Return the words for a constant."""
    return BY_NAME["factor"].explain("", title=say("it is {times} what it should be", times=sizes.say_times(c)))


def _say_length(c: float) -> Explanation:
    """Return the words for a training step that is too long or too short."""
    return BY_NAME["factor"].explain(
        "",
        title=say(
            "the step is {times} as long as it should be", times=say("twice") if c == 2 else say("{c:.4g} times", c=c)
        ),
        why=say("old - new is {c:.4g} · step_size · gradient.", c=c),
        nudge="Which factors stand before the gradient in the update?",
        hint="new = old - step_size * gradient, without another factor.",
    )


def _sign(comparison: Comparison) -> Variants:
    """Return the negative of each gradient; of a training step it is said which way it goes."""
    negative = tuple(-r for r in comparison.right)
    if not comparison.step_size:
        return {"": negative}
    words = BY_NAME["sign"].explain(
        "",
        title="the step goes uphill, the gradient was added",
        why="new - old is +step_size · gradient; it must be minus that, because the loss grows along its gradient.",
        nudge="In which direction does the loss fall: along the gradient, or against it?",
        hint="new = old - step_size * gradient.",
    )
    return {words: negative}


def _constant(comparison: Comparison, i: int) -> float | None:
    right, returned = comparison.right[i], np.asarray(comparison.returned[i])
    if returned.shape != right.shape or returned.dtype.kind not in "biuf" or not np.any(right):
        return None
    largest = np.unravel_index(np.argmax(np.abs(right)), right.shape)
    c = float(returned[largest] / right[largest])
    # One number alone is always some constant off; then only constants that people write count.
    varied = right.size > 1 and not np.allclose(right, right[largest], rtol=1e-6)
    common = any(abs(c / usual - 1) < 1e-6 for usual in USUAL_FACTORS)
    return (
        c
        if 0 < c < np.inf
        and abs(c - 1) > 1e-4
        and (varied or common or np.ptp(comparison.upstream) > 0 or comparison.step_size)
        else None
    )


def _divide_by(c: float) -> Any:
    return lambda w, comparison: w / c


def _batch_mean(comparison: Comparison) -> Variants:
    """Return variants with 1/N left out, twice, and by the size of another axis: N is the number of examples."""
    n, right, explain = comparison.batch, comparison.right, BY_NAME["no-batch-mean"].explain
    if n <= 1:
        return {}
    found: Variants = {
        explain("", title="the 1/N of the batch is missing"): tuple(n * r for r in right),
        explain("", title="there is a 1/N of the batch too many"): tuple(r / n for r in right),
    }
    axes = sizes.list_axes(comparison)
    whole = next((axis.words for axis in axes if axis.size == n), say("the number of examples"))
    for axis in axes:
        if axis.size != n:
            why = say("A mean over an axis has 1 over the size of that axis in its gradient.")
            title = say("it is divided by {whole} in place of {words}", whole=whole, words=axis.words)
            found[explain("", title=title, why=why)] = tuple(r * axis.size / n for r in right)
            title = say("it is divided by {words} in place of {whole}", words=axis.words, whole=whole)
            found[explain("", title=title, why=why)] = tuple(r * n / axis.size for r in right)
    return found


MISTAKES = (
    Mistake(
        "no-upstream",
        "the upstream gradient was left out",
        "It gives the same whatever arrives from above: this is the local derivative alone.",
        "A gate only knows its own slope. What must it be multiplied by before it is passed on?",
        "Multiply the local derivative by `upstream`: downstream = upstream × local.",
        "lecture 01, Upstream × local",
        lambda comparison: {"": comparison.unweighted},
        refines=("not-filled-in",),
        holds=is_local_derivative,
        single=True,
    ),
    Mistake(
        "upstream-twice",
        "the upstream gradient was multiplied in twice",
        "When the upstream gradient doubles, it grows fourfold.",
        "The chain rule has one factor for each gate on the way. How often does `upstream` occur in yours?",
        "downstream = upstream × local, with `upstream` once in every term.",
        "lecture 01, Upstream × local",
        lambda comparison: {"": comparison.squared},
        single=True,
    ),
    Mistake(
        "swapped-inputs",
        "the gradients of the inputs changed places",
        "Each value is right, but for another input.",
        "In which order does backward return its gradients?",
        "Return them in the order of forward's inputs: the gradient of the first input first.",
        "lecture 01, Upstream × local",
        _swapped,
        whole=True,
        holds=is_of_another_input,
    ),
    Mistake(
        "sign",
        "the sign is wrong",
        "Every entry has the right size and the wrong sign.",
        "If this input grows a little, does the output grow or shrink?",
        "Differentiate again and mind each minus: x - y has slope -1 in y, and 1/x has slope -1/x².",
        "lecture 01, Four patterns to read gradients off a picture",
        _sign,
        undo=lambda w, comparison: -w,
        holds=has_other_sign,
        single=True,
    ),
    Mistake(
        "factor",
        "a constant factor is too much or too little",
        "Every entry is the same multiple of what it should be.",
        "Which constant came in, or went missing, on the way back? Was something counted twice?",
        "Differentiate the constants too: x² has slope 2x, and the mean of N terms has slope 1/N in each.",
        "lecture 01, Staged computation: no formula is too long",
        _factor,
        reads_returned=True,
        holds=has_one_ratio,
        single=True,
    ),
    Mistake(
        "no-batch-mean",
        "the 1/N of the batch is not where it belongs",
        "The error is a factor that changes with the number of examples N.",
        "Does the loss sum over the examples, or take their mean? What does that do to each gradient?",
        "A mean over N examples has 1/N in its gradient, once; a sum has none.",
        "lecture 03, Batches",
        _batch_mean,
        needs_batches=True,
        holds=has_one_ratio,
        refines=("factor",),
    ),
)

BY_NAME = {mistake.id: mistake for mistake in MISTAKES}

UNDO_MORE = (
    *(("factor", _divide_by(c)) for c in USUAL_FACTORS),
    ("no-batch-mean", lambda w, comparison: w / comparison.batch if comparison.batch else None),
    ("no-batch-mean", lambda w, comparison: w * comparison.batch if comparison.batch else None),
)
"""Functions that undo mistakes with several variants, where these were made on top of another one."""
