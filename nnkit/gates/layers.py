"""Matrix products and losses. Shapes: N examples, D inputs, H outputs, C classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.arrays import Array, ShapeError, check_upstream, convert_inputs, get_name, get_namespace
from nnkit.gates.base import Gate, Gradients


class MatMul(Gate):
    """out = x @ w for matrices (N, D) @ (D, H); either may be a vector.

    The shape rule: only one order of the factors gives each gradient its input's shape,
    dx = upstream @ wᵀ and dw = xᵀ @ upstream.
    """

    symbol = "@"

    def forward(self, x: Array, w: Array) -> tuple[Array, Any]:
        x, w = convert_inputs(self, x, w)
        _check_product(self, x, w)
        return x @ w, (x, w)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, w = cache
        upstream = check_upstream(self, upstream, x.shape[:-1] + w.shape[1:])
        if x.ndim == 2 == w.ndim:
            return upstream @ w.T, x.T @ upstream  # (N, H) @ (H, D), (D, N) @ (N, H)
        # A vector on the left is a matrix of one row, on the right of one column.
        xp = get_namespace(x, w, upstream)
        rows = x if x.ndim == 2 else xp.expand_dims(x, axis=0)
        columns = w if w.ndim == 2 else xp.expand_dims(w, axis=1)
        upstream = xp.reshape(upstream, (rows.shape[0], columns.shape[1]))
        return xp.reshape(upstream @ columns.T, x.shape), xp.reshape(rows.T @ upstream, w.shape)


class Affine(Gate):
    """out = x @ w + b: x (N, D) or (D,), w (D, H), b (H,) → out (N, H) or (H,).

    dx = upstream @ wᵀ, dw = xᵀ @ upstream, db = upstream summed over the batch, since every example
    used the same b.
    """

    symbol = "xw+b"

    def forward(self, x: Array, w: Array, b: Array) -> tuple[Array, Any]:
        x, w, b = convert_inputs(self, x, w, b)
        _check_product(self, x, w)
        if w.ndim != 2 or np.shape(b) != w.shape[1:]:
            raise ShapeError(
                f"Affine: w is {w.shape} and b is {np.shape(b)}; w must be (D, H) and b (H,), one bias a column of w."
            )
        return x @ w + b, (x, w)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, w = cache
        upstream = check_upstream(self, upstream, x.shape[:-1] + w.shape[1:])
        if x.ndim == 1:
            return upstream @ w.T, get_namespace(x).outer(x, upstream), upstream
        return upstream @ w.T, x.T @ upstream, upstream.sum(axis=0)


def _check_product(gate: Gate, x: Array, w: Array) -> None:
    shapes = np.shape(x), np.shape(w)
    if not all(1 <= len(shape) <= 2 for shape in shapes):
        raise ShapeError(f"{get_name(gate)}: x is {shapes[0]} and w is {shapes[1]}; each must be a vector or a matrix.")
    if shapes[0][-1] != shapes[1][0]:
        raise ShapeError(
            f"{get_name(gate)}: x is {shapes[0]} and w is {shapes[1]}. The last axis of x ({shapes[0][-1]}) must equal "
            f"the first of w ({shapes[1][0]})."
        )


class SoftmaxCrossEntropy(Gate):
    """out = the mean over the batch of -log softmax(logits)[label], a scalar.

    logits (N, C), labels (N,) of integers 0 ... C-1. With p = softmax(logits) and N examples,
    dlogits = upstream · (p - onehot(labels)) / N; labels have no gradient (None).
    Safe at both ends: each row's largest logit is subtracted before the exponential.
    """

    symbol = "softmax\nloss"

    def forward(self, logits: Array, labels: Array) -> tuple[Array, Any]:
        (logits,) = convert_inputs(self, logits)
        xp = get_namespace(logits)
        labels = _check_labels(np.shape(logits), labels)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        exps = xp.exp(shifted)
        total = exps.sum(axis=-1, keepdims=True)
        of_label = shifted[xp.arange(labels.shape[0]), labels]
        return (xp.log(total)[:, 0] - of_label).mean(), (exps / total, labels)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        p, labels = cache
        upstream = check_upstream(self, upstream, ())
        xp = get_namespace(p, upstream)
        onehot = labels[:, None] == xp.arange(p.shape[1])
        return (p - onehot) * (upstream / p.shape[0]), None


def _check_labels(logits: tuple[int, ...], labels: Array) -> Array:
    if not hasattr(labels, "dtype"):
        try:
            labels = np.asarray(labels)
        except ValueError as ragged:
            raise TypeError("SoftmaxCrossEntropy: labels must be one integer for each example.") from ragged
    if labels.dtype.kind not in "iu":
        raise TypeError(f"SoftmaxCrossEntropy: labels must be integers from 0 to C-1, not {labels.dtype.name}.")
    if len(logits) != 2 or 0 in logits or labels.shape != logits[:1]:
        raise ShapeError(
            f"SoftmaxCrossEntropy: logits are {logits} and labels {labels.shape}; expected (N, C) and (N,), "
            "with at least one example and one class."
        )
    # A negative label would silently count from the end. A tracer has no values to look at.
    if isinstance(labels, np.ndarray) and not (labels.min() >= 0 and labels.max() < logits[1]):
        raise ValueError(
            f"SoftmaxCrossEntropy: labels run from {labels.min()} to {labels.max()}; "
            f"for {logits[1]} classes they must lie in 0 ... {logits[1] - 1}."
        )
    return labels


class SquaredError(Gate):
    """out = the sum of (prediction - target)² over all entries, a scalar (a sum, as in the lecture's
    20-line network, not a mean). dprediction = 2 · upstream · (prediction - target), dtarget its negative.

    The shapes must be equal: (N,) and (N, 1) would broadcast to (N, N), and the network would learn nonsense.
    """

    symbol = "‖·−·‖²"

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Any]:
        prediction, target = convert_inputs(self, prediction, target)
        if np.shape(prediction) != np.shape(target):
            raise ShapeError(
                f"SquaredError: prediction is {np.shape(prediction)} and target {np.shape(target)}; they must be equal."
            )
        difference = prediction - target
        return get_namespace(difference).sum(difference * difference), (difference,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (difference,) = cache
        upstream = check_upstream(self, upstream, ())
        dprediction = 2.0 * upstream * difference
        return dprediction, -dprediction
