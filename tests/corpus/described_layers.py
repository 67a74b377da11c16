"""Layers of networks: normalisation, dropout, max pooling, recurrence, and losses, each with a slip of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from corpus.described_base import Described, check_gate, draw, sigmoid, softmax
from nnkit.check import Verdict, check_gradient, check_loss, check_parameters, check_step

Cases = list[tuple[str, str, Callable[[], Verdict]]]
X = draw(5, 3)

# ---- normalisation --------------------------------------------------------------------------------------


def normalised(dx: Callable[..., Any], axis: int = 0, scale: Any = None) -> Verdict:
    """The verdict on dx(upstream, h, std), for h = (x - mean) / std; with a scale, on what multiplies h."""

    def parts(x: Any) -> Any:
        std = np.sqrt(x.var(axis=axis, keepdims=True) + 1e-5)
        return (x - x.mean(axis=axis, keepdims=True)) / std, std

    if scale is None:
        return check_gate(lambda x: parts(x)[0], lambda g, out, x: dx(g, *parts(x)), X)
    return check_gate(
        lambda x, gamma: gamma * parts(x)[0],
        lambda g, out, x, gamma: (dx(g, *parts(x), gamma), (g * parts(x)[0]).sum(axis=0)),
        X, scale,
    )  # fmt: skip


def over_rows(a: Any) -> Any:
    return a.mean(axis=1, keepdims=True)


NORMS: Cases = [
    ("normalisation", "sums stand where means belong",
     lambda: normalised(lambda g, h, s: (g - g.sum(0) - h * (g * h).sum(0)) / s)),
    ("normalisation", "divided by the variance where",
     lambda: normalised(lambda g, h, s: (g - g.mean(0) - h * (g * h).mean(0)) / s**2)),
    ("normalisation", "the path through the variance has the wrong sign",
     lambda: normalised(lambda g, h, s: (g - over_rows(g) + h * over_rows(g * h)) / s, axis=1)),
    ("normalisation", "the means go over axis 0 where forward takes them over axis 1",
     lambda: normalised(lambda g, h, s: (g - g.mean(0) - h * (g * h).mean(0)) / s, axis=1)),
    ("normalisation", "gamma is multiplied in after the means",
     lambda: normalised(lambda g, h, s, c: c * (g - over_rows(g) - h * over_rows(g * h)) / s, 1, draw(3) + 2)),
    ("normalisation", "the path through the mean is missing",
     lambda: normalised(lambda g, h, s, c: c * (g - h * (g * h).mean(0)) / s, 0, draw(3) + 2)),
    ("chain-begun-late", "the factor gamma is missing",
     lambda: normalised(lambda g, h, s, c: (g - g.mean(0) - h * (g * h).mean(0)) / s, 0, draw(3) + 2)),
    ("normalisation", "the mean is not subtracted",
     lambda: check_gradient(lambda x: (np.var(x), 2 * x / len(x)), draw(5) + 1)),
    ("normalisation", "divided by n - 1 where forward divides by n",
     lambda: check_gradient(lambda x: (np.mean((x - x.mean()) ** 2), 2 * (x - x.mean()) / (len(x) - 1)), draw(6))),
    ("normalisation", "the division by the standard deviation",
     lambda: check_gradient(lambda x: (np.std(x), (x - x.mean()) / len(x)), draw(5))),
    ("normalisation", "a sum stands where the mean of upstream belongs",
     lambda: check_gate(lambda x: x - x.mean(), lambda g, out, x: g - g.sum(), draw(5))),
    ("normalisation", "upstream is averaged over axis 1 where forward takes the mean over axis 0",
     lambda: check_gate(lambda x: x - x.mean(axis=0), lambda g, out, x: g - over_rows(g), X)),
]  # fmt: skip

# ---- dropout --------------------------------------------------------------------------------------------

KEPT = np.random.default_rng(3).random((4, 5)) < 0.6


def dropout(backward: Callable[[Any, Any], Any]) -> Verdict:
    return check_gate(lambda x: x * KEPT / 0.6, lambda g, out, x: backward(g, KEPT), draw(4, 5))


def dropped(backward: Callable[[Any, Any], Any]) -> Verdict:
    return check_gate(lambda x: np.where(KEPT, x / 0.6, 0.0), lambda g, out, x: backward(g, KEPT), draw(4, 5))


MASKS: Cases = [
    ("wrong-jacobian", "without the mask", lambda: dropout(lambda g, m: g)),
    ("wrong-jacobian", "without the mask", lambda: dropped(lambda g, m: g / 0.6)),
    ("wrong-jacobian", "the wrong way round", lambda: dropped(lambda g, m: g * ~m / 0.6)),
    ("wrong-jacobian", "the wrong way round", lambda: dropout(lambda g, m: g * (1 - m))),
    ("factor", "the factor 1.667 beside the mask is missing", lambda: dropout(lambda g, m: g * m)),
    ("factor", "where it must be multiplied by it", lambda: dropped(lambda g, m: g * m * 0.6)),
]  # fmt: skip

# ---- max pooling ----------------------------------------------------------------------------------------


def pooled(choose: Callable[[Any], Any]) -> Verdict:
    """Windows of 2 × 2 whose gradient goes to some of their four entries."""

    def windows(x: Any) -> Any:
        return x.reshape(2, 2, 3, 2).transpose(0, 2, 1, 3).reshape(2, 3, 4)

    def backward(g: Any, out: Any, x: Any) -> Any:
        parts = g[..., None] * choose(windows(x))
        return parts.reshape(2, 3, 2, 2).transpose(0, 2, 1, 3).reshape(4, 6)

    return check_gate(lambda x: windows(x).max(axis=-1), backward, draw(4, 6))


POOLS: Cases = [
    ("pooling", "the smallest entry of each window", lambda: pooled(lambda w: w == w.min(axis=-1, keepdims=True))),
    ("pooling", "the same part of its gradient, as for a mean", lambda: pooled(lambda w: np.ones_like(w) / 4)),
    ("pooling", "the first entry of each window", lambda: pooled(lambda w: np.eye(4)[0] + 0 * w)),
    ("pooling", "every entry of a window got its gradient", lambda: pooled(np.ones_like)),
]

# ---- recurrence -----------------------------------------------------------------------------------------


def recurrent(carried: bool = True, after: bool = False, turned: bool = False, last: bool = False) -> Verdict:
    """h[t + 1] = tanh(x[t] @ W + h[t] @ U), and the sum of all states or the last state."""

    def run(x: Any, W: Any, U: Any) -> list[Any]:
        h = [np.zeros(len(U))]
        for t in range(len(x)):
            h.append(np.tanh(x[t] @ W + h[-1] @ U))
        return h

    def backward(g: Any, out: Any, x: Any, W: Any, U: Any) -> Any:
        h = run(x, W, U)
        dx, dW, dU, dh = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros(len(U))
        for t in reversed(range(len(x))):
            arriving = g if not last or t == len(x) - 1 else 0 * g
            da = (arriving + carried * dh) * (1 - h[t + 1] ** 2)
            dx[t], dW, dU = da @ W.T, dW + np.outer(x[t], da), dU + np.outer(h[t + after], da)
            dh = da @ (U if turned else U.T)
        return dx, dW, dU

    total: Callable[..., Any] = lambda x, W, U: run(x, W, U)[-1] if last else sum(run(x, W, U)[1:])  # noqa: E731
    return check_gate(total, backward, draw(4, 3), draw(3, 2), draw(2, 2))


def rows_without_carry(steps: int) -> Verdict:
    """A running sum of rows, of which each is written into the array that is returned."""

    def value(x: Any) -> Any:
        out = np.zeros_like(x)
        for t in range(len(x)):
            out[t] = x[t] + (0.5 * out[t - 1] if t else 0.0)
        return out

    return check_gate(value, lambda g, out, x: g, draw(steps, 2))


STEPS: Cases = [
    ("not-carried-back", "comes back from the next step is missing", partial(recurrent, carried=False)),
    ("not-carried-back", "the gradient that comes back from the next step is missing", lambda: check_gradient(
        lambda x, u: (np.sin(x) + np.tanh(u * np.tanh(u * x)) + np.tanh(u * x), (
            np.cos(x) + u * (1 - np.tanh(u * x) ** 2),
            np.tanh(u * x) * (1 - np.tanh(u * np.tanh(u * x)) ** 2) + x * (1 - np.tanh(u * x) ** 2))), 0.7, -0.9)),
    ("not-carried-back", "the gradient that comes back from the next step is missing", lambda: check_gradient(
        lambda x, u: (np.exp(u * np.exp(u * x)) + np.exp(u * x), (
            u * np.exp(u * x) + 0 * x, np.exp(u * x) * np.exp(u * np.exp(u * x)) + x * np.exp(u * x))), 0.3, -0.4)),
    ("another-step", "takes the state after each step", partial(recurrent, after=True)),
    ("another-step", "takes the state after each step", partial(recurrent, after=True, last=True)),
    ("another-step", "U and U.T are exchanged", partial(recurrent, turned=True, last=True)),
    ("not-carried-back", "the gradient that comes back from the next step is missing", partial(rows_without_carry, 4)),
    ("not-carried-back", "the gradient that comes back from the next step is missing", partial(rows_without_carry, 3)),
]  # fmt: skip

# ---- losses ---------------------------------------------------------------------------------------------

LABELS = np.array([1, 0, 2, 1, 3])


def cross_entropy(gradient: Callable[[Any, Any], Any], columns: bool = False, classes: int = 4) -> Verdict:
    """The verdict on gradient(p, labels), for scores whose examples are rows or columns."""

    def loss(scores: Any, labels: Any) -> Any:
        z = scores.T if columns else scores
        p = softmax(z)
        value = -np.mean(np.log(p[np.arange(len(z)), labels]))
        found = gradient(p.copy(), labels)
        return value, found.T if columns else found

    return check_loss(loss, draw(classes, 5) if columns else draw(5, classes), LABELS)


def subtract_at(index: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def gradient(p: Any, labels: Any) -> Any:
        p[index(labels)] -= 1
        return p / len(labels)

    return gradient


def assign_at_label(p: Any, labels: Any) -> Any:
    p[np.arange(len(labels)), labels] = -1
    return p / len(labels)


def share_at_label(p: Any, labels: Any) -> Any:
    p[np.arange(len(labels)), labels] -= 1 / len(labels)
    return p


def column_loss(scores: Any, labels: Any) -> Any:
    """The loss and gradient of scores with an example in each column, without the 1 at the label."""
    p = np.exp(scores) / np.exp(scores).sum(axis=0)
    return -np.mean(np.log(p[labels, np.arange(len(labels))])), p / len(labels)


def log_softmax(backward: Callable[[Any, Any], Any]) -> Verdict:
    def forward(x: Any) -> Any:
        shifted = x - x.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    return check_gate(forward, lambda g, out, x: backward(g, out), draw(3, 4))


def binary(gradient: Callable[[Any, Any], Any], scores: bool = False) -> Verdict:
    def loss(z: Any, t: Any) -> Any:
        p = sigmoid(z) if scores else z
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), gradient(p, t) / len(t)

    return check_loss(loss, draw(6) if scores else sigmoid(draw(6)), (draw(6) > 0) * 1.0)


LOSSES: Cases = [
    ("wrong-jacobian", "as p[:, labels] -= 1 gives",
     lambda: cross_entropy(subtract_at(lambda y: (slice(None), y)), classes=6)),
    ("wrong-jacobian", "in whole rows, as p[labels] -= 1 gives", lambda: cross_entropy(subtract_at(lambda y: y))),
    ("wrong-jacobian", "= in place of -=", lambda: cross_entropy(assign_at_label)),
    ("wrong-jacobian", "with the 1/N at the label alone", lambda: cross_entropy(share_at_label)),
    ("softmax-no-label", "1 was not subtracted", lambda: check_loss(column_loss, draw(4, 5), LABELS)),
    ("wrong-jacobian", "= in place of -=", lambda: cross_entropy(assign_at_label, columns=True)),
    ("other-loss", "not yet to the scores", lambda: cross_entropy(
        lambda p, y: -1.0 * (y[:, None] == np.arange(p.shape[1])) / p / len(y))),
    ("wrong-jacobian", "without the sum of upstream", lambda: log_softmax(lambda g, o: g - np.exp(o))),
    ("wrong-jacobian", "over the other axis", lambda: log_softmax(lambda g, o: g - np.exp(o) * g.sum(0))),
    ("wrong-jacobian", "where np.exp(out) belongs", lambda: log_softmax(lambda g, o: g - o * g.sum(1, keepdims=True))),
    ("other-loss", "this is the gradient of t * log(p) alone", lambda: binary(lambda p, t: -t / p)),
    ("other-loss", "this is the gradient of (1 - t) * log(1 - p) alone",
     lambda: binary(lambda p, t: (1 - t) / (1 - p))),
    ("other-loss", "this is the gradient of t * log(p) alone", lambda: binary(lambda p, t: -t * (1 - p), scores=True)),
]  # fmt: skip

# ---- a whole network ------------------------------------------------------------------------------------


def loss_by_rows(p: Any, x: Any, labels: Any) -> Any:
    """Return the loss of two layers, in a loop over the examples."""
    scores = np.maximum(0, x @ p["W1"]) @ p["W2"]
    return np.mean([-np.log(np.exp(row[label]) / np.sum(np.exp(row))) for row, label in zip(scores, labels)])


def two_layers(p: Any, x: Any, labels: Any, w2: Any, masked: bool = True) -> Any:
    z = x @ p["W1"]
    h = np.maximum(0, z)
    d = (softmax(h @ p["W2"]) - (labels[:, None] == np.arange(3))) / len(labels)
    dh = d @ w2.T
    return {"W1": x.T @ (dh * (z > 0) if masked else dh), "W2": h.T @ d}


NETWORK = {"W1": draw(2, 5), "W2": draw(5, 3)}
BATCH = draw(4, 2), np.array([0, 2, 1, 1])


def network(w2: Callable[[Any], Any], masked: bool = True) -> Verdict:
    """The verdict on gradients whose pass back to the hidden layer goes through w2(W2)."""

    def gradients(p: Any, x: Any, labels: Any) -> Any:
        return loss_by_rows(p, x, labels), two_layers(p, x, labels, w2(p["W2"]), masked)

    return check_parameters(gradients, NETWORK, *BATCH, of=loss_by_rows)


def step(move: Callable[[Any, Any, Any, float], Any]) -> Verdict:
    return check_step(move, NETWORK, *BATCH, of=loss_by_rows)


def moved(p: Any, x: Any, labels: Any, step_size: float) -> Any:
    gradients = two_layers(p, x, labels, p["W2"])
    return {key: p[key] - step_size * gradients[key] for key in p}


def moved_last_first(p: Any, x: Any, labels: Any, step_size: float) -> Any:
    gradients = two_layers(p, x, labels, p["W2"])
    new = p["W2"] - step_size * gradients["W2"]
    return {"W1": p["W1"] - step_size * two_layers(p, x, labels, new)["W1"], "W2": new}


NETWORKS: Cases = [
    ("cancels", "it is 0 up to rounding", lambda: network(np.ones_like)),
    ("cancels", "it is 0 up to rounding", lambda: network(lambda w: w.mean() + 0 * w)),
    ("cancels", "it is 0 up to rounding", lambda: check_gate(
        softmax, lambda g, out, x: (out - out / out.sum(axis=1, keepdims=True)) + 1e-17 * g, draw(3, 4))),
    ("relu-no-mask", "the mask is missing", lambda: network(lambda w: w, masked=False)),
    ("update", "two steps were taken", lambda: step(lambda p, *batch: moved(moved(p, *batch), *batch))),
    ("updated-first", "weights were updated before", lambda: step(moved_last_first)),
]  # fmt: skip

# ---- quadratic forms ------------------------------------------------------------------------------------

A = draw(3, 3)
QUADRATIC: Cases = [
    ("wrong-order-product", "2 * A @ x is right for a symmetric A alone",
     lambda: check_gate(lambda A, x: x @ A @ x, lambda g, out, A, x: (g * np.outer(x, x), 2 * g * A @ x), A, draw(3))),
    ("wrong-order-product", "2 * A @ x is right for a symmetric A alone",
     lambda: check_gradient(lambda x: (np.sum(x * (A @ x)), 2 * A @ x), draw(3))),
    ("wrong-order-product", "A @ x is right for a symmetric A alone",
     lambda: check_gradient(lambda x: (0.5 * x @ A @ x - np.sum(x), A @ x - 1), draw(3))),
    ("wrong-order-product", "2 * X @ A.T is right for a symmetric A alone",
     lambda: check_gradient(lambda X: (np.einsum("ni,ij,nj->", X, A, X), 2 * X @ A), draw(4, 3))),
    ("relu-inverted", "the wrong way round", lambda: check_gate(
        lambda x, w: np.where(x @ w > 0, x @ w, 0.2 * (x @ w)),
        lambda g, out, x, w: ((g * np.where(out > 0, 0.2, 1)) @ w.T, x.T @ (g * np.where(out > 0, 0.2, 1))),
        draw(5, 4), draw(4, 2))),
    ("sum-all", "it was summed over every axis", lambda: check_gate(
        lambda W, x, b: W @ x + b, lambda g, out, W, x, b: (g @ x.T, W.T @ g, g.sum()),
        draw(3, 4), draw(4, 5), draw(3, 1))),
]  # fmt: skip

DESCRIBED = tuple(Described(*case) for case in (*NORMS, *MASKS, *POOLS, *STEPS, *LOSSES, *NETWORKS, *QUADRATIC))
