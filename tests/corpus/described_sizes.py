"""Factors that are the size of an axis or a constant, and products without their transpose."""

from __future__ import annotations

import numpy as np

from corpus.described_base import Described, check_gate, draw, row_sum, softmax
from nnkit.check import check_gradient, check_loss

DESCRIBED = (
    Described(
        "factor",
        "the 1/n of np.mean is missing, where n is the number of entries of x",
        lambda: check_gate(lambda x: np.mean(x), lambda g, out, x: g * np.ones_like(x), draw(3, 4)),
    ),
    Described(
        "factor",
        "the 1/n of np.mean is missing, where n is the number of entries of x",
        lambda: check_gradient(lambda x: (np.mean(x**3), 3 * x**2), draw(2, 5)),
    ),
    Described(
        "factor",
        "1/n times what it should be, where n is the size of axis 1 of x",
        lambda: check_gate(
            lambda w, x: w @ x, lambda g, out, w, x: (g @ x.T / x.shape[1], w.T @ g), draw(3, 4), draw(4, 6)
        ),
    ),
    Described(
        "factor",
        "n times what it should be, where n is the size of axis 1 of x",
        lambda: check_gate(
            lambda x: x.sum(axis=1) / x.shape[1], lambda g, out, x: g[:, None] * np.ones_like(x), draw(5, 3)
        ),
    ),
    Described(
        "factor",
        "√n times what it should be, where n is the size of axis 1 of q",
        lambda: check_gate(
            lambda q, k: q @ k.T / np.sqrt(q.shape[1]),
            lambda g, out, q, k: (g @ k, g.T @ q / np.sqrt(q.shape[1])),
            draw(4, 3),
            draw(5, 3),
        ),
    ),
    Described(
        "factor",
        "half of what it should be",
        lambda: check_gate(lambda x: np.sum(x**2), lambda g, out, x: g * x, draw(3, 2)),
    ),
    Described(
        "no-batch-mean",
        "divided by the size of axis 0 of z in place of the size of axis 1 of z",
        lambda: check_loss(
            lambda z, t: (np.sum((z - t) ** 2) / z.shape[1], 2 * (z - t) / z.shape[0]), draw(3, 5), draw(3, 5)
        ),
    ),
    Described(
        "softmax-wrong-axis",
        "the sum in softmax's backward goes over the wrong axis",
        lambda: check_gate(lambda x: softmax(x), lambda g, s, x: s * (g - (g * s).sum(axis=0)), draw(4, 3)),
    ),
    Described(
        "factor-here",
        "4 times what it should be here",
        lambda: check_gate(
            lambda x: x.reshape(2, 2, 2, 2).mean(axis=(1, 3)),
            lambda g, out, x: np.repeat(np.repeat(g, 2, axis=0), 2, axis=1),
            draw(4, 4),
        ),
    ),
    Described(
        "wrong-order-product",
        "upstream @ w in place of upstream @ w.T",
        lambda: check_gate(lambda x, w: x @ w, lambda g, out, x, w: (g @ w, x.T @ g), draw(2, 3), draw(3, 3)),
    ),
    Described(
        "wrong-order-product",
        "x @ upstream in place of x.T @ upstream",
        lambda: check_gate(lambda x, w: x @ w, lambda g, out, x, w: (g @ w.T, x @ g), draw(3, 3), draw(3, 4)),
    ),
    Described(
        "wrong-order-product",
        "upstream @ q in place of upstream.T @ q",
        lambda: check_gate(lambda q, k: q @ k.T, lambda g, out, q, k: (g @ k, g @ q), draw(4, 3), draw(4, 3)),
    ),
    Described(
        "bias-not-summed",
        "it was not summed over axis 1",
        lambda: check_gate(
            lambda w, x, b: w @ x + b, lambda g, out, w, x, b: (g @ x.T, w.T @ g, g), draw(3, 4), draw(4, 5), draw(3, 1)
        ),
    ),
    Described(
        "bias-not-summed",
        "it was not summed over axis 1",
        lambda: check_gate(lambda x, s: x * s, lambda g, out, x, s: (g * s, g * x), draw(4, 3), row_sum(draw(4, 2))),
    ),
)
