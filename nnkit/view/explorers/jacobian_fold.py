"""The fold of the Jacobian explorer: the rows of ∂q/∂W, weighted and laid down one by one, become the matrix dW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nnkit.graphtext import format_value
from nnkit.language import say
from nnkit.view.explorers.protocol import Json


def fold_matvec(x: np.ndarray, W: np.ndarray, dq: np.ndarray) -> Json:
    """Return the fold of q = W x, dW = dq xᵀ: row k of ∂q/∂W, weighted by dq[k], is row k of dW."""
    steps: list[Json] = []
    m, n = W.shape
    total = np.full(W.shape, np.nan)
    for k in range(m):
        total[k] = dq[k] * x
        terms = " + ".join(f"W[{k}, {j}] · x[{j}]" for j in range(n))
        product = f"{format_value(dq[k])} · {_format_row(x)} = {_format_row(total[k])}"
        words = say(
            "q[{k}] = {terms} uses row {k} of W alone: ∂q[{k}]/∂W[i, j] is x[j] where i = {k}, and 0 elsewhere. "
            "Weighted by dq[{k}], its block is {product}: row {k} of dW.",
            k=k, terms=terms, product=product,
        )  # fmt: skip
        moves = [((k, k * n + j), (k, j)) for j in range(n)]
        steps.append(_make_step(words, total, moves, dq, x))
    start = _make_step(
        say("dW has a place for each entry of W. Each step takes one row of the right table, weights it, and lays it "
            "down."),
        np.full(W.shape, np.nan), [], dq, x,
    )  # fmt: skip
    end = _make_step(
        say("Each block has a row of its own, so nothing is added. Row i of dW is dq[i] · xᵀ, so dW = dq xᵀ."),
        total, [], dq, x,
    )  # fmt: skip
    return _make_fold(say("The fold: {result}", result="dW = dq xᵀ"), "W", W, "dW", "dq", "x", [start, *steps, end])


def fold_matmul(x: np.ndarray, w: np.ndarray, upstream: np.ndarray) -> Json:
    """Return the fold of out = x @ w, dw = xᵀ @ upstream: the strip of each example adds an outer product to dw."""
    (count, d), m = x.shape, w.shape[1]
    steps: list[Json] = []
    total = np.zeros(w.shape)
    for n in range(count):
        total = total + np.outer(x[n], upstream[n])
        words = say(
            "Example {n}: out[{n}, m] = Σ x[{n}, d] · w[d, m] uses all of w. Its strip, weighted by upstream[{n}], "
            "has x[{n}, d] · upstream[{n}, m] for w[d, m]: an outer product.",
            n=n,
        )
        words += " " + say("It covers all of dw, and is added to what lies there." if n else "It covers all of dw.")
        moves = [((n * m + j, i * m + j), (i, j)) for i in range(d) for j in range(m)]
        steps.append(_make_step(words, total, moves, x[n], upstream[n]))
    start = _make_step(
        say("dw has a place for each entry of w. Each step weights the strip of one example, and lays it down."),
        np.full(w.shape, np.nan), [],
    )  # fmt: skip
    end = _make_step(
        say("All strips cover the same entries, so the examples add up: dw[d, m] = Σ x[n, d] · upstream[n, m], summed "
            "over the examples n, so dw = xᵀ @ upstream."),
        total, [],
    )  # fmt: skip
    title = say("The fold: {result}", result="dw = xᵀ @ upstream")
    return _make_fold(title, "w", w, "dw", "x[n]", "upstream[n]", [start, *steps, end])


def _make_fold(
    title: str, name: str, weights: np.ndarray, target: str, left: str, top: str, steps: Sequence[Json]
) -> Json:
    return {
        "title": title,
        "weights": name,
        "values": [[format_value(v) for v in row] for row in weights.tolist()],
        "target": target,
        "left": left,
        "top": top,
        "steps": list(steps),
    }


def _make_step(
    words: str,
    total: np.ndarray,
    moves: Sequence[tuple[tuple[int, int], tuple[int, int]]],
    left: Iterable[float] = (),
    top: Iterable[float] = (),
) -> Json:
    """Return a step: moves from an entry of the right table to one of the target, and the target after them."""
    return {
        "words": words,
        "total": [["" if np.isnan(v) else format_value(v) for v in row] for row in total.tolist()],
        "moves": [{"from": source, "to": target} for source, target in moves],
        "left": [format_value(v) for v in left],
        "top": [format_value(v) for v in top],
    }


def _format_row(values: np.ndarray) -> str:
    return f"({', '.join(format_value(v) for v in values)})"
