"""Mistakes with shapes: the batch axis, transposes, axes of size 1."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from nnkit.arrays import unbroadcast
from nnkit.check.diagnosis.mistakes.base import Key, Mistake, Variants, on_right, same
from nnkit.check.diagnosis.mistakes.claims import (
    has_axis_of_one,
    has_one_ratio,
    is_sum_of_all,
    is_transpose,
    sums_to_right,
)
from nnkit.check.evidence.array_gates import Pick
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.language import say, to_say


def _transposed(r: Any, comparison: Comparison, i: int) -> Any:
    return r.T if np.ndim(r) >= 2 else None


def _unsummed(comparison: Comparison) -> Variants:
    """Claim what came back if it has an axis that the input lacks and is right once that is summed."""
    claims, axes = [], set()
    for x, r, returned in zip(comparison.given, comparison.right, comparison.returned):
        ones = _find_ones(np.shape(x), np.shape(returned))
        copied = (bool(ones) or not _has_batch(x, comparison)) and _broadcasts(np.shape(x), np.shape(returned))
        unsummed = copied and same(unbroadcast(returned, x), r)
        claims.append(returned if unsummed else None)
        axes |= {ones} if unsummed else set()
    return {_say_unsummed(*axes.pop()) if len(axes) == 1 and len(next(iter(axes))) == 1 else "": tuple(claims)}


def _find_ones(shape: tuple[int, ...], full: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of size 1 that are longer in `full`, which has as many axes."""
    return tuple(i for i, (a, b) in enumerate(zip(shape, full)) if a == 1 < b) if len(shape) == len(full) else ()


def _say_unsummed(axis: int) -> Explanation:
    """Return the words for an input that has an axis of size 1 where it was copied."""
    return next(m for m in MISTAKES if m.id == "bias-not-summed").explain(
        "",
        title=say("it was not summed over axis {axis}", axis=axis),
        why=say(
            "It was copied along axis {axis}, so the shares of these copies add; yours keeps them apart.", axis=axis
        ),
        hint=say("Sum over the axis along which it was copied: `upstream.sum(axis={axis}, keepdims=True)`.", axis=axis),
    )


def _broadcasts(shape: tuple[int, ...], full: tuple[int, ...]) -> bool:
    """Return True if broadcasting `shape` to `full` copies along an axis of more than one entry."""
    fits = len(shape) <= len(full) and all(a in (1, b) for a, b in zip(shape[::-1], full[::-1]))
    return fits and int(np.prod(full)) > int(np.prod(shape))


def _mean_for_sum(r: Any, comparison: Comparison, i: int) -> Any:
    bias = np.ndim(comparison.given[i]) <= 1 and not _has_batch(comparison.given[i], comparison)
    return r / comparison.batch if comparison.batch > 1 and bias else None


def _has_batch(x: Any, comparison: Comparison) -> bool:
    """Return True if x has the batch axis, judging by sizes: a bias can be as long as the batch that was given."""
    return comparison.resized and np.shape(x)[:1] == (comparison.batch,)


def _sum_all(r: Any, comparison: Comparison, i: int) -> Any:
    """Return the sum of the right gradient; None where it cancels, as with softmax, and several numbers came back: any
    that are nearly 0 would look like it."""
    cancels = abs(np.sum(r)) <= 1e-9 * np.sum(np.abs(r))
    return None if np.size(r) <= 1 or (cancels and np.ptp(comparison.returned[i])) else np.sum(r)


def _sum_all_variants(comparison: Comparison) -> Variants:
    sums = [_sum_all(r, comparison, i) for i, r in enumerate(comparison.right)]
    filled = [None if s is None else np.full(np.shape(r), s) for s, r in zip(sums, comparison.right)]
    boxed = [None if s is None else np.reshape(s, (1,)) for s in sums]
    words: Key = "" if np.shape(comparison.upstream) or comparison.parameters else _say_each_entry()
    ones = {_find_axis_of_one(r) for i, r in enumerate(comparison.right) if comparison.is_wrong(i)}
    if len(ones) == 1 and words == "":
        words = _say_axis(*ones)
    ways = zip(comparison.returned, sums, boxed, filled)
    return {words: tuple(next((s for s in several if same(w, s)), several[0]) for w, *several in ways)}


def _find_axis_of_one(right: Any) -> int | None:
    """Return the axis of size 1 of a row or a column; None for any other array."""
    shape = np.shape(right)
    return shape.index(1) if len(shape) == 2 and shape.count(1) == 1 else None


def _say_axis(axis: int | None) -> Key:
    """Return the words for a row or a column, which is copied along its axis of size 1."""
    hint = say("Sum over the axis along which it was copied: `upstream.sum(axis={axis}, keepdims=True)`.", axis=axis)
    return "" if axis is None else next(m for m in MISTAKES if m.id == "sum-all").explain("", hint=hint)


def _say_each_entry() -> Explanation:
    """Return the words for a scalar function, which has no batch along which anything is summed."""
    return next(m for m in MISTAKES if m.id == "sum-all").explain(
        "",
        title="one number stands for all entries, the sum of their gradients",
        why="Each entry has a gradient of its own.",
        nudge="If one entry grows a little, how much does the output grow? Is that the same for every entry?",
        hint="Return a number for each entry, its own slope, also where forward makes one number of them.",
    )


def _kept_dims(comparison: Comparison) -> Variants:
    """Claim what came back with an axis of size 1 too many or missing, in words that fit."""
    found: dict[Key, list[Any]] = {}
    for i, (r, returned) in enumerate(zip(comparison.right, comparison.returned)):
        if np.ndim(returned) != np.ndim(r) and _squeeze(returned) == _squeeze(r):
            key = KEPT_DIMS.explain("", **(TOO_MANY if np.ndim(returned) > np.ndim(r) else MISSING))
            found.setdefault(key, [None] * len(comparison.right))[i] = np.reshape(r, np.shape(returned))
    return {key: tuple(claims) for key, claims in found.items()}


def _reshaped(comparison: Comparison) -> Variants:
    """Claim what came back with the right numbers on other axes: reshaped in forward, or joined along another axis."""
    found: dict[Key, list[Any]] = {}
    for i, (r, returned) in enumerate(zip(comparison.right, comparison.returned)):
        if np.size(returned) != np.size(r) or _squeeze(returned) == _squeeze(r) or comparison.opaque:
            continue
        name, reshaped = comparison.name(i), _is_reshaped(comparison, i)
        joined = None if reshaped else _find_joined(r, returned)
        key, claim = (
            RESHAPED.explain("", hint=say("Reshape at the end: `d{name}.reshape({name}.shape)`.", name=name)),
            None,
        )
        if joined is not None:
            key, claim = _say_joined(name, *joined), np.asarray(returned)
        elif reshaped:
            key = replace(
                key,
                why=say("Forward reshaped {name}; its gradient must get back the shape that {name} has.", name=name),
            )
        claim = np.reshape(r, np.shape(returned)) if claim is None else claim
        found.setdefault(key, [None] * len(comparison.right))[i] = claim
    return {key: tuple(claims) for key, claims in found.items()}


def _is_reshaped(comparison: Comparison, i: int) -> bool:
    """Return True if forward is known to give all numbers of the input, or of what it became, other axes."""
    return any(
        isinstance(node.gate, Pick)
        and len(node.inputs) == 1
        and np.size(node.value) == np.size(comparison.given[i])
        and _squeeze(node.value) != _squeeze(node.inputs[0].value)
        and np.array_equal(np.ravel(node.value), np.ravel(node.inputs[0].value))
        for graph in comparison.graphs[:1]
        for node in graph.nodes
    )


def _find_joined(right: Any, returned: Any) -> tuple[int, int] | None:
    """Return (taken, joined): the right gradient, taken apart along one axis, and its parts joined along another."""
    shape = np.shape(returned)
    if len(shape) != np.ndim(right):
        return None
    for taken, joined in permutations(range(len(shape)), 2):
        count, rest = divmod(right.shape[taken], shape[taken] or 1)
        parts = np.split(right, count, axis=taken) if count > 1 and not rest else []
        if parts and same(returned, np.concatenate(parts, axis=joined)):
            return taken, joined
    return None


def _say_joined(name: str, taken: int, joined: int) -> Explanation:
    return RESHAPED.explain(
        "",
        title=say(
            "its parts are right, but they are joined along axis {joined} in place of axis {taken}",
            joined=joined,
            taken=taken,
        ),
        why=say(
            "{name} has these parts beside each other along axis {taken}. A `reshape` puts them "
            "there only by chance, where the other axis has one entry.",
            name=name,
            taken=taken,
        ),
        nudge=say(
            "Along which axis does forward take {name} apart? Which line puts the parts together again?", name=name
        ),
        hint=say(
            "Join them along axis {taken}: `np.concatenate(..., axis={taken})`. Try it with more than one row.",
            taken=taken,
        ),
    )


def _squeeze(x: Any) -> list[int]:
    return [size for size in np.shape(x) if size != 1]


TOO_MANY = {"title": to_say("the numbers are right, but an axis of size 1 is too many")}
MISSING = {
    "title": to_say("the numbers are right, but an axis of size 1 is missing"),
    "why": to_say("A gradient has exactly its input's shape; (N,) added to (N, 1) makes an (N, N) of it."),
    "hint": to_say("Keep the axis that is summed, `keepdims=True`, or `reshape` to the input's shape."),
}
KEPT_DIMS = Mistake(
    "kept-dims",
    "the numbers are right, but an axis of size 1 is too much or missing",
    "A gradient has exactly its input's shape; (1, H) added to (H,) makes something else of it.",
    "Compare the two shapes, axis by axis.",
    "Leave out `keepdims=True`, or `reshape` to the input's shape.",
    "lecture 03, Broadcasting and the bias",
    _kept_dims,
    reads_returned=True,
    holds=has_axis_of_one,
    single=True,
)
RESHAPED = Mistake(
    "not-reshaped-back",
    "the numbers are right, but not on the axes of the input",
    "A gradient has exactly its input's shape.",
    "Compare the two shapes. Where did forward change one into the other?",
    "Reshape at the end: `dx.reshape(x.shape)`.",
    "lecture 03, The shape rule",
    _reshaped,
    reads_returned=True,
    named=False,
    before_pairs=True,
)
MISTAKES = (
    Mistake(
        "bias-not-summed",
        "it was not summed over the batch",
        "Each example used the same numbers, so each adds its share to their gradient; yours keeps the shares apart.",
        "This input was copied to every example. What happens to the gradients where a wire branches?",
        "Sum over the axes along which it was copied: `upstream.sum(axis=0)` for a bias.",
        "lecture 03, Broadcasting and the bias",
        _unsummed,
        reads_returned=True,
        holds=sums_to_right,
        single=True,
    ),
    Mistake(
        "bias-mean",
        "it was averaged over the batch where it must be summed",
        "It is too small by a factor that is the number of examples.",
        "Each example used the same numbers. Do the shares of their gradients add, or average?",
        "`.sum(axis=0)`, not `.mean(axis=0)`: a 1/N, if the loss has one, is in the upstream gradient already.",
        "lecture 03, Broadcasting and the bias",
        on_right(_mean_for_sum),
        holds=has_one_ratio,
        refines=("no-batch-mean", "factor"),
        needs_batches=True,
        single=True,
    ),
    Mistake(
        "sum-all",
        "it was summed over every axis",
        "One number stands where each entry has its own gradient.",
        "Which axes was this input copied along? Only those are summed.",
        "Give `sum` the batch's axis: `upstream.sum(axis=0)`.",
        "lecture 03, Broadcasting and the bias",
        _sum_all_variants,
        holds=is_sum_of_all,
        single=True,
    ),
    KEPT_DIMS,
    Mistake(
        "transposed",
        "it is the transpose of the right gradient",
        "Entry [i, j] stands at [j, i]; for a square array only the numbers tell.",
        "A gradient has its input's shape. Which order of the factors gives that shape?",
        "(A @ B).T is B.T @ A.T: swap the factors and transpose each.",
        "lecture 03, Matrix products",
        on_right(_transposed),
        holds=is_transpose,
        undo=lambda w, comparison: w.T if np.ndim(w) >= 2 else None,
        single=True,
    ),
)
