"""Arrays: shares lost or left out, axes mixed up, entries moved, windows elsewhere, the diagonal alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from corpus.described_base import Described, check_gate, draw, row_sum
from nnkit.check import Verdict, check_gradient, check_parameters

Cases = list[tuple[str, str, Callable[[], Verdict]]]
ROWS = np.array([2, 0, 2, 1, 0])
ORDER = [1, 2, 3, 0, 4]


def affine(dw: Callable[..., Any], db: Callable[..., Any] = lambda g: g.sum(axis=0)) -> Verdict:
    def backward(g: Any, out: Any, x: Any, w: Any, b: Any) -> Any:
        return g @ w.T, dw(x, g), db(g)

    return check_gate(lambda x, w, b: x @ w + b, backward, draw(4, 3), draw(3, 5), draw(5))


# ---- shares -------------------------------------------------------------------------------------------


def embedding(fill: Callable[[Any, Any], None]) -> Verdict:
    def backward(g: Any, out: Any, W: Any) -> Any:
        dW = np.zeros(W.shape)
        fill(dW, g)
        return dW

    return check_gate(lambda W: W[ROWS], backward, draw(4, 3))


def assign(dW: Any, g: Any) -> None:
    dW[ROWS] = g


def add_with_index(dW: Any, g: Any) -> None:
    dW[ROWS] += g


def last_example(x: Any, g: Any) -> Any:
    for n in range(len(x)):
        dw = np.outer(x[n], g[n])
    return dw


def without_last(x: Any, g: Any) -> Any:
    return sum(np.outer(x[n], g[n]) for n in range(len(x) - 1))


def moving_average(fill: Callable[[Any, int, Any], None], steps: Callable[[int], range] = range) -> Verdict:
    """Means of three entries; `fill` writes the share of each of these steps."""

    def backward(g: Any, out: Any, x: Any) -> Any:
        dx = np.zeros_like(x)
        for i in steps(len(g)):
            fill(dx, i, g[i])
        return dx

    return check_gate(lambda x: np.array([x[i : i + 3].mean() for i in range(len(x) - 2)]), backward, draw(7))


def assign_window(dx: Any, i: int, g: Any) -> None:
    dx[i : i + 3] = g / 3


def add_window(dx: Any, i: int, g: Any) -> None:
    dx[i : i + 3] += g / 3


def rows_but_one(g: Any, out: Any, x: Any, w: Any) -> Any:
    dx = np.zeros_like(x)
    for n in range(1, len(x)):
        dx[n] = w @ g[n]
    return dx, x.T @ g


def squares_of_products(W: Any) -> Verdict:
    def loss(parameters: Any, x: Any) -> Any:
        s = x @ parameters["W"]
        dW = np.zeros_like(parameters["W"])
        for n in range(len(x)):
            dW += 2 * np.outer(x[n], s[n])
            return np.sum(s**2), {"W": dW}

    return check_parameters(loss, {"W": W}, draw(5, 3))


SHARES: Cases = [
    ("shares-replaced", "only the last one was kept", lambda: embedding(assign)),
    ("shares-replaced", "only the last one was kept", lambda: embedding(add_with_index)),
    ("shares-replaced", "only the last one was kept", lambda: affine(last_example)),
    ("shares-replaced", "only the last one was kept", lambda: moving_average(assign_window)),
    ("shares-replaced", "only the last one was kept", lambda: affine(lambda x, g: x.T @ g, lambda g: g[-1])),
    ("shares-replaced", "only the first one was kept", lambda: squares_of_products(draw(3, 2))),
    ("shares-left-out", "the last share is left out", lambda: affine(without_last)),
    ("shares-left-out", "the first share is left out", lambda: affine(
        lambda x, g: x.T @ g, lambda g: g[1:].sum(axis=0))),
    ("shares-left-out", "the first share is left out", lambda: check_gate(
        lambda x, w: x @ w, rows_but_one, draw(4, 3), draw(3, 5))),
    ("shares-left-out", "the last share is left out", lambda: moving_average(add_window, lambda n: range(n - 1))),
]  # fmt: skip

# ---- axes ---------------------------------------------------------------------------------------------


def spread(g: Any, axis: int, n: int, divisor: int) -> Any:
    return np.repeat(np.expand_dims(g, axis), n, axis=axis) / divisor


def maxout(x: Any) -> Any:
    return np.maximum(*np.split(x, 2, axis=1))


def halve_maxout(g: Any, x: Any) -> list[Any]:
    """The gradients of the two halves."""
    a, b = np.split(x, 2, axis=1)
    return [g * (a > b), g * (b > a)]


AXES: Cases = [
    ("not-reshaped-back", "not on the axes of the input", lambda: check_gate(
        lambda x: x.reshape(len(x), -1), lambda g, out, x: g, draw(2, 3, 4))),
    ("not-reshaped-back", "not on the axes of the input", lambda: check_gate(
        lambda x: np.tanh(x.ravel()), lambda g, out, x: g * (1 - out**2), draw(3, 4))),
    ("not-reshaped-back", "not on the axes of the input", lambda: check_gate(
        lambda x: x.mean(axis=(1, 2)), lambda g, out, x: np.repeat(g[:, None], 6, axis=1) / 6, draw(4, 2, 3))),
    ("not-reshaped-back", "joined along axis 0 in place of axis 1", lambda: check_gate(
        maxout, lambda g, out, x: np.concatenate(halve_maxout(g, x), axis=0), np.array([[1.0, 4, 3, 2]]))),
    ("not-reshaped-back", "joined along axis 0 in place of axis 1", lambda: check_gate(
        maxout, lambda g, out, x: np.vstack(halve_maxout(g, x)), draw(3, 4))),
    ("summed-over-axis", "this is upstream as it came, not spread back over axis 0 of x", lambda: check_gate(
        lambda x: x.sum(axis=0), lambda g, out, x: g, draw(3, 4))),
    ("summed-over-axis", "this is upstream as it came, not spread back over axis 1 of x", lambda: check_gate(
        lambda x: x.mean(axis=1), lambda g, out, x: g, draw(3, 4))),
    ("summed-over-axis", "it is not spread back over axis 1 of x", lambda: check_gate(
        lambda x: x.mean(axis=1), lambda g, out, x: g / x.shape[1], draw(3, 4))),
    ("summed-over-axis", "not spread back over axis 1 of x", lambda: check_gate(
        lambda x: x.max(axis=1, keepdims=True), lambda g, out, x: g, draw(3, 4))),
    ("summed-over-axis", "it was summed over axis 0 of x, where nothing should be summed", lambda: check_gate(
        lambda x: x**2, lambda g, out, x: (2 * g * x).sum(axis=0), draw(3, 4))),
    ("summed-over-axis", "it was summed over axis 1 of the output", lambda: affine(
        lambda x, g: x.T @ g, lambda g: g.sum(axis=1))),
    ("summed-over-axis", "it was summed over axis 1 of the output", lambda: check_gate(
        lambda x, gamma: x * gamma, lambda g, out, x, gamma: (g * gamma, (g * x).sum(axis=1)), draw(4, 3), draw(3))),
    ("summed-over-axis", "it was summed over axes 0 and 1 of the output", lambda: check_gate(
        lambda x, b: x + b[:, None], lambda g, out, x, b: (g, g.sum(axis=(0, 1))), draw(2, 3, 4), draw(3))),
    ("summed-over-axis", "it was averaged over", lambda: check_gate(
        lambda x, b: x + b[:, None], lambda g, out, x, b: (g, g.mean(axis=(0, 2))), draw(2, 3, 4), draw(3))),
    ("divided-by-another-size", "by the size of axis 2 of x in place of that of axis 1 of x", lambda: check_gradient(
        lambda x: (x.sum() / x.shape[1], np.full(x.shape, 1 / x.shape[2])), draw(2, 3, 4))),
    ("divided-by-another-size", "by the size of axis 1 of x in place of that of axis 0 of w", lambda: check_gradient(
        lambda x, w: (np.sum(x**2) + w.mean(), (2 * x, np.full(w.shape, 1 / x.shape[1]))), draw(5, 3), draw(7))),
    ("divided-by-another-size", "in place of that of axis 1 of W", lambda: check_parameters(
        lambda p, x: (np.mean(x @ p["W"] + p["b"]), {
            "W": np.ones_like(p["W"]) * x.mean(axis=0)[:, None] / len(p["b"]),
            "b": np.full(len(p["b"]), 1 / x.shape[1])}), {"W": draw(3, 5), "b": draw(5)}, draw(4, 3))),
    ("entries-moved", "along axis 0", lambda: check_gate(
        lambda x: np.roll(x, 1, axis=0), lambda g, out, x: np.roll(g, 1, axis=0), draw(4, 3))),
    ("entries-moved", "in reverse order along axis 1", lambda: check_gate(
        lambda x: x[:, ::-1], lambda g, out, x: g, draw(4, 3))),
    ("entries-moved", "in another order", lambda: check_gate(
        lambda x: x.transpose(1, 2, 0), lambda g, out, x: g.transpose(1, 2, 0), draw(3, 3, 3))),
    ("entries-moved", "in another order along axis 0", lambda: check_gate(
        lambda x: x[ORDER] ** 2, lambda g, out, x: (g * 2 * x[ORDER])[ORDER], draw(5, 3))),
]  # fmt: skip

# ---- windows ------------------------------------------------------------------------------------------


def sequence(
    stride: int, share: Callable[[Any], Any] = lambda w: w, step: int = 0, padding: int = 0, cut: int = 0
) -> Verdict:
    """A convolution of a sequence; backward adds `share` of the kernel at steps of `step`, and cuts at `cut`."""

    def forward(x: Any, w: Any) -> Any:
        padded = np.pad(x, padding)
        return np.array([padded[i : i + len(w)] @ w for i in range(0, len(padded) - len(w) + 1, stride)])

    def backward(g: Any, out: Any, x: Any, w: Any) -> Any:
        padded, dw = np.pad(x, padding), np.zeros_like(w)
        dx = np.zeros_like(padded)
        for k, i in enumerate(range(0, len(padded) - len(w) + 1, stride)):
            at = k * (step or stride)
            dx[at : at + len(w)] += g[k] * share(w)
            dw += g[k] * padded[i : i + len(w)]
        return dx[cut : cut + len(x)], dw

    return check_gate(forward, backward, draw(9), draw(3))


def pooled(*shape: int, size: int, stride: int, add: bool = True) -> Verdict:
    """The largest entry of each window of an image, or of a sequence; backward gives its gradient to all of them."""
    axes = (-1,) if len(shape) == 1 else (-2, -1)

    def windows(x: Any) -> Any:
        counts = [(x.shape[axis] - size) // stride + 1 for axis in axes]
        for step in np.ndindex(*counts):
            yield (..., *step), (..., *(slice(k * stride, k * stride + size) for k in step))

    def forward(x: Any) -> Any:
        out = np.zeros((*x.shape[: x.ndim - len(axes)], *((x.shape[axis] - size) // stride + 1 for axis in axes)))
        for at, window in windows(x):
            out[at] = x[window].max(axis=axes)
        return out

    def backward(g: Any, out: Any, x: Any) -> Any:
        dx = np.zeros_like(x)
        for at, window in windows(x):
            share = np.expand_dims(g[at], axes)
            dx[window] = dx[window] + share if add else share
        return dx

    return check_gate(forward, backward, draw(*shape))


WINDOWS: Cases = [
    ("window-elsewhere", "at steps of 1, without the stride", lambda: sequence(2, step=1)),
    ("window-elsewhere", "the kernel is turned by 180°", lambda: sequence(1, lambda w: w[::-1])),
    ("window-elsewhere", "the padding was not cut off", lambda: sequence(1, padding=1)),
    ("pooling", "every entry of a window", lambda: pooled(1, 2, 4, 4, size=2, stride=2)),
    ("pooling", "every entry of a window", lambda: pooled(8, size=3, stride=1)),
    ("pooling", "every entry of a window", lambda: pooled(5, 5, size=3, stride=2, add=False)),
]

# ---- the diagonal of a Jacobian -----------------------------------------------------------------------

DIAGONALS: Cases = [
    ("jacobian-diagonal", "only the diagonal", lambda: check_gate(
        lambda x: x / row_sum(x**2),
        lambda g, out, x: g * (row_sum(x**2) - 2 * x**2) / row_sum(x**2) ** 2, draw(3, 4))),
    ("jacobian-diagonal", "only the diagonal", lambda: check_gate(
        lambda x: x * row_sum(np.sin(x)), lambda g, out, x: g * (row_sum(np.sin(x)) + x * np.cos(x)), draw(3, 4))),
    ("jacobian-diagonal", "only the diagonal", lambda: check_gate(
        lambda x: x - x.mean(axis=1, keepdims=True) ** 2,
        lambda g, out, x: g * (1 - 2 * x.mean(axis=1, keepdims=True) / x.shape[1]), draw(3, 4))),
]  # fmt: skip

# ---- ties ---------------------------------------------------------------------------------------------

TIED = np.array([[1.0, 1.0, 0.2], [2.0, 2.0, 2.0], [0.0, 3.0, 1.0]])


def maximum_of_rows(share: Callable[[Any], Any]) -> Verdict:
    """The largest of each row, some of them twice in it; `share` says which part of upstream each gets."""
    return check_gate(
        lambda x: x.max(axis=1), lambda g, out, x: g[:, None] * share(x == x.max(axis=1, keepdims=True)), TIED
    )


TIES: Cases = [
    ("tie-shares", "do not sum to the upstream gradient", lambda: maximum_of_rows(
        lambda mask: mask / np.maximum(1, row_sum(mask) - 0.5))),
    ("tie-shares", "do not sum to the upstream gradient", lambda: maximum_of_rows(
        lambda mask: mask / row_sum(mask) ** 2)),
    ("tie-shares", "do not sum to the upstream gradient", lambda: maximum_of_rows(
        lambda mask: mask * np.where(row_sum(mask) > 1, 0.8, 1))),
]  # fmt: skip

DESCRIBED = tuple(Described(*case) for case in (*SHARES, *AXES, *WINDOWS, *DIAGONALS, *TIES))
