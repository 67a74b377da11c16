"""Mistakes with shapes: the batch axis, transposes, the order of a matrix product."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.arrays import unbroadcast
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, on_right, same
from nnkit.check.diagnosis.mistakes.claims import (
    has_axis_of_one,
    has_one_ratio,
    is_sum_of_all,
    is_transpose,
    sums_to_right,
)
from nnkit.check.diagnosis.mistakes.inject import Wrong, at_gates
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation


def _transposed(r: Any, comparison: Comparison, i: int) -> Any:
    return r.T if np.ndim(r) >= 2 else None


def _unsummed(comparison: Comparison) -> Variants:
    """Claim what came back if it has an axis that the input lacks and is right once that is summed."""
    claims = []
    for x, r, returned in zip(comparison.given, comparison.right, comparison.returned):
        copied = not _has_batch(x, comparison) and _broadcasts(np.shape(x), np.shape(returned))
        unsummed = copied and same(unbroadcast(returned, x), r)
        claims.append(returned if unsummed else None)
    return {"": tuple(claims)}


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
    return np.sum(r) if np.size(r) > 1 else None


def _sum_all_variants(comparison: Comparison) -> Variants:
    sums = [_sum_all(r, comparison, i) for i, r in enumerate(comparison.right)]
    filled = [None if s is None else np.full(np.shape(r), s) for s, r in zip(sums, comparison.right)]
    boxed = [None if s is None else np.reshape(s, (1,)) for s in sums]
    if np.shape(comparison.upstream) or comparison.parameters:
        return {"": tuple(sums), "boxed": tuple(boxed), "filled": tuple(filled)}
    ways = zip(comparison.returned, sums, boxed, filled)
    return {_say_each_entry(): tuple(next((s for s in several if same(w, s)), several[0]) for w, *several in ways)}


def _say_each_entry() -> Explanation:
    """Return the words for a scalar function, which has no batch along which anything is summed."""
    return next(m for m in MISTAKES if m.id == "sum-all").explain(
        "",
        nudge="If one entry grows a little, how much does the output grow? Is that the same for every entry?",
        hint="Leave the sum out of the gradient: each entry has its own slope, also where forward sums them.",
    )


def _kept_dims(comparison: Comparison) -> Variants:
    claims = []
    for r, returned in zip(comparison.right, comparison.returned):
        more = np.ndim(returned) != np.ndim(r) and np.size(returned) == np.size(r)
        claims.append(np.reshape(r, np.shape(returned)) if more else None)
    return {"": tuple(claims)}


def _orders(a: Any, b: Any, right: Any) -> list[Any]:
    """Return every product of two matrices, transposed or not and in either order, that is not the right one or its
    transpose; None where the sizes do not fit, so that the length is always the same."""
    found = []
    for p, q in product((a, a.T), (b, b.T)):
        for left, other in ((p, q), (q, p)):
            value = left @ other if left.shape[1] == other.shape[0] else None
            known = value is None or same(value, right) or same(value, right.T)
            found.append(None if known else value)
    return found


def _wrong_order(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    x, w, *rest = inputs
    if np.ndim(x) == 2 and np.ndim(w) == 1 and x.shape[0] == x.shape[1]:  # a matrix times a vector
        return [(np.outer(upstream, w), x @ upstream)]
    if not np.ndim(x) == np.ndim(w) == np.ndim(upstream) == 2:
        return []
    dx, dw = upstream @ w.T, x.T @ upstream
    bias = [upstream.sum(axis=0) for _ in rest]
    return [(a, b, *bias) for a, b in zip(_orders(upstream, w, dx), _orders(upstream, x, dw))]


def _hadamard(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    """Return products entry by entry in place of matrix products, where the shapes allow."""
    x, w, *rest = inputs
    bias = [upstream.sum(axis=0) for _ in rest]
    return [(_times(upstream, a), _times(upstream, b), *bias) for a, b in ((w, x), (np.transpose(w), np.transpose(x)))]


def _times(a: Any, b: Any) -> Any:
    try:
        return a * b
    except ValueError:
        return None


def _matrix_products(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    """Return matrix products in place of products entry by entry."""
    x, y = inputs
    if not np.ndim(x) == np.ndim(y) == np.ndim(upstream) == 2:
        return []
    none = np.full((1, 1), np.nan)
    return list(zip(_orders(upstream, y, none), _orders(upstream, x, none)))


def _local_products(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    """Return matrix products with the local derivative of an elementwise gate."""
    if np.ndim(upstream) != 2 or upstream.shape[0] != upstream.shape[1]:
        return []
    local = _local(inputs[0], out)
    return [(upstream @ d,) for d in local] + [(d @ upstream,) for d in local]


def _local(x: Any, out: Any) -> list[Any]:
    found = []
    for gate in UNARY:
        value, cache = gate.forward(x)
        if same(value, out):
            found.append(gate.backward(np.ones(np.shape(x)), cache)[0])
    return found


UNARY = (gates.Sigmoid(), gates.Tanh(), gates.ReLU(), gates.Exp())
PRODUCTS: dict[type, Wrong] = {gates.MatMul: _wrong_order, gates.Affine: _wrong_order}
ELEMENTWISE: dict[type, Wrong] = {gates.MatMul: _hadamard, gates.Affine: _hadamard, gates.Multiply: _matrix_products}
ELEMENTWISE |= {type(gate): _local_products for gate in UNARY}

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
        "Each example used the same bias. Do the shares of its gradient add, or average?",
        "`upstream.sum(axis=0)`, not `mean`: a 1/N, if the loss has one, is in the upstream gradient already.",
        "lecture 03, Broadcasting and the bias",
        on_right(_mean_for_sum),
        holds=has_one_ratio,
        refines=("no-batch-mean",),
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
    Mistake(
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
    ),
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
    Mistake(
        "wrong-order-product",
        "the factors of a matrix product are in the wrong order",
        "A @ B is not B @ A: rows meet columns, and other sizes or other numbers come out.",
        "Write the shape below each factor. In which order do the inner sizes meet and the outer ones remain?",
        "For out = x @ w: dx = upstream @ w.T and dw = x.T @ upstream. No other order has their shapes.",
        "lecture 03, Matrix products",
        lambda comparison: at_gates(comparison, PRODUCTS),
    ),
    Mistake(
        "elementwise-for-matmul",
        "* and @ were mistaken for each other",
        "`*` multiplies entry by entry, `@` rows by columns.",
        "Which product does forward use? Its backward uses the same kind.",
        "`@` in forward gives `@` in backward; `*` in forward gives `*` in backward.",
        "lecture 03, Matrix products",
        lambda comparison: at_gates(comparison, ELEMENTWISE),
    ),
)
