"""Chains that stop, begin late, or begin with the value; paths that are missing or multiplied; factors of the chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from corpus.described_base import Described, check_gate, draw, sigmoid
from nnkit.check import Verdict, check_gradient

X, Y = draw(4, 3), 0.5 + np.abs(draw(3, 4).T)


def two(value: Callable[..., Any], gradients: Callable[..., Any]) -> Verdict:
    return check_gradient(lambda x, y: (value(x, y), gradients(x, y)), 0.7, 1.3)


def one(value: Callable[..., Any], gradient: Callable[..., Any]) -> Verdict:
    return check_gradient(lambda x: (value(x), gradient(x)), 0.7)


# ---- the chain ----------------------------------------------------------------------------------------

CHAIN = [
    ("chain-stopped", "not yet at x", lambda: check_gate(
        lambda x: np.tanh(x**3), lambda g, out, x: g * (1 - out**2), X)),
    ("chain-stopped", "not yet at x", lambda: one(
        lambda x: np.exp(np.sin(x)), lambda x: np.exp(np.sin(x)))),
    ("chain-stopped", "without the slope of", lambda: check_gate(
        lambda x: np.exp(np.tanh(x)), lambda g, out, x: g, X)),
    ("chain-begun-late", "the derivative of x**2 alone", lambda: one(
        lambda x: np.exp(-(x**2)), lambda x: 2 * x)),
    ("chain-begun-late", "the derivative of np.tanh(x) alone", lambda: check_gate(
        lambda x: np.exp(np.tanh(x)), lambda g, out, x: g * (1 - np.tanh(x) ** 2), X)),
    ("chain-begun-late", "the derivative of x * y alone", lambda: two(
        lambda x, y: np.log(1 + x * y), lambda x, y: (y, x))),
    ("chain-from-value", "began with the output's value", lambda: two(
        lambda x, y: np.sin(x) * y, lambda x, y: (np.cos(x) * y * np.sin(x) * y, np.sin(x) ** 2 * y))),
    ("chain-from-value", "out came in", lambda: check_gate(
        lambda x: np.tanh(x), lambda g, out, x: g * out * (1 - out**2), X)),
    ("arguments-exchanged", "changed places", lambda: check_gate(
        lambda x: x**3, lambda g, out, x: x * 3 * g**2, X)),
    ("arguments-exchanged", "changed places", lambda: check_gate(
        lambda x: np.sin(x), lambda g, out, x: x * np.cos(g), X)),
    ("arguments-exchanged", "changed places", lambda: check_gate(
        lambda x: np.maximum(x, 0), lambda g, out, x: x * (g > 0), X)),
    ("value-for-slope", "upstream * np.tanh(x)", lambda: check_gate(
        lambda x: np.log(2 + np.tanh(x)), lambda g, out, x: g * np.tanh(x), X)),
    ("value-for-slope", "the value of x * y", lambda: two(
        lambda x, y: np.sin(x * y) + x, lambda x, y: (np.cos(x * y) * y + 1, x * y))),
    ("value-for-slope", "the value of x**2", lambda: one(lambda x: np.sin(x**2), lambda x: x**2)),
    ("chain-stopped", "not yet at x", lambda: check_gate(
        lambda x: np.exp(np.sin(x)) + 2, lambda g, out, x: g * np.exp(np.sin(x)), X)),
]  # fmt: skip

# ---- paths ----------------------------------------------------------------------------------------------

PATHS = [
    ("path", "are multiplied, they must be added", lambda: one(
        lambda x: np.sin(x) * np.exp(x), lambda x: np.cos(x) * np.exp(x) * np.sin(x) * np.exp(x))),
    ("path", "are multiplied, they must be added", lambda: one(
        lambda x: np.sin(x) + np.exp(x), lambda x: np.cos(x) * np.exp(x))),
    ("path", "are multiplied, they must be added", lambda: two(
        lambda x, y: x**2 + np.exp(x) * y, lambda x, y: (2 * x * np.exp(x) * y, np.exp(x)))),
    ("path", "the paths through x * y and through x**3 are missing", lambda: two(
        lambda x, y: x * y + np.sin(x) + np.exp(x) + x**3, lambda x, y: (np.cos(x) + np.exp(x), x))),
    ("path", "the paths through x**2 and through np.sin(x) are missing", lambda: check_gate(
        lambda x: x**2 + np.tanh(x) + np.exp(x) + np.sin(x),
        lambda g, out, x: g * (np.exp(x) + 1 - np.tanh(x) ** 2), X)),
    ("path", "are missing", lambda: two(
        lambda x, y: x * y + x**2 + np.exp(x * 0.5) + np.sin(x), lambda x, y: (2 * x + np.cos(x), x))),
]  # fmt: skip

# ---- factors --------------------------------------------------------------------------------------------


def three_steps(step: Callable[[Any], Any], slopes: tuple[Callable[..., Any], ...]) -> Verdict:
    """Three equal gates in a chain; each slope is given the gate's input and output."""

    def backward(g: Any, out: Any, x: Any) -> Any:
        values = [x]
        for _ in slopes:
            values.append(step(values[-1]))
        for k in range(len(slopes))[::-1]:
            g = g * slopes[k](values[k], values[k + 1])
        return g

    def forward(x: Any) -> Any:
        for _ in slopes:
            x = step(x)
        return x

    return check_gate(forward, backward, X)


FACTORS = [
    ("wrong-factor", "the slope of np.tanh(x * y)", lambda: two(
        lambda x, y: np.tanh(x * y) ** 2, lambda x, y: (2 * np.tanh(x * y) * y, 2 * np.tanh(x * y) * x))),
    ("wrong-factor", "is multiplied in twice", lambda: check_gate(
        lambda x: np.tanh(np.arctan(x)), lambda g, out, x: g * (1 - out**2) / (1 + x**2) ** 2, X)),
    ("wrong-factor", "the gradient is divided by np.cosh(x)", lambda: check_gate(
        lambda x: np.tanh(np.cosh(x)), lambda g, out, x: g * (1 - out**2) * np.tanh(x), X)),
    ("wrong-factor", "without what arrives from above", lambda: two(
        lambda x, y: np.exp(x * y) + np.sin(x), lambda x, y: (y + np.cos(x), x * np.exp(x * y)))),
    ("missing-factors", "the slopes of the first and the third are missing", lambda: three_steps(
        np.tanh, (lambda x, y: 1, lambda x, y: 1 - y**2, lambda x, y: 1))),
    ("missing-factors", "the slopes of the first and the third are missing", lambda: three_steps(
        sigmoid, (lambda x, y: 1, lambda x, y: y * (1 - y), lambda x, y: 1))),
    ("missing-factors", "the slopes of the first and the third are missing", lambda: three_steps(
        np.sin, (lambda x, y: 1, lambda x, y: np.cos(x), lambda x, y: 1))),
    ("upstream-in-one-term", "upstream is missing in the term", lambda: check_gate(
        lambda x: 3 * np.tanh(x) + np.exp(x), lambda g, out, x: 3 - 3 * np.tanh(x) ** 2 + g * np.exp(x), X)),
    ("upstream-in-one-term", "upstream is multiplied in twice in the term", lambda: check_gate(
        lambda x: x**2 + np.sin(x), lambda g, out, x: g * 2 * x + g * g * np.cos(x), X)),
    ("upstream-in-one-term", "upstream is missing in the term", lambda: check_gate(
        lambda x: x * np.sin(x), lambda g, out, x: g * np.sin(x) + x * np.cos(x), X)),
    ("extra-factor", "is multiplied in once too often", lambda: two(
        lambda x, y: np.sin(x * y) + x**2, lambda x, y: (np.cos(x * y) * y + 2 * x, y * np.cos(x * y) * x))),
    ("extra-factor", "the factor y is missing", lambda: two(
        lambda x, y: np.exp(x * y) + np.sin(x * y) * 2, lambda x, y: (
            np.exp(x * y) + 2 * np.cos(x * y), x * np.exp(x * y) + 2 * x * np.cos(x * y)))),
    ("extra-factor", "x is added to the gradient", lambda: two(
        lambda x, y: np.sin(y) * x**2 + np.exp(y), lambda x, y: (2 * x * np.sin(y), np.cos(y) * x**2 + np.exp(y) + x))),
    ("wrong-term", "is x + y, not y", lambda: two(
        lambda x, y: np.exp(x * y) + x, lambda x, y: (np.exp(x * y) * (y + x) + 1, np.exp(x * y) * x))),
    ("wrong-term", "the slope used for", lambda: two(
        lambda x, y: np.exp(x * y) * x, lambda x, y: (np.exp(x * y) * (y * x + 1), np.exp(x * y) * (x + y) * x))),
    ("wrong-term", "is x + y, not y", lambda: check_gate(
        lambda x, y: np.tanh(x * y), lambda g, out, x, y: (g * (1 - out**2) * (x + y), g * (1 - out**2) * x), X, Y)),
    ("other-point", "is taken at", lambda: check_gate(
        lambda x: np.sin(x**2), lambda g, out, x: g * np.cos(x) * 2 * x, X)),
    ("other-point", "is taken at", lambda: two(
        lambda x, y: np.exp(x + y), lambda x, y: (np.exp(x), np.exp(x)))),
]  # fmt: skip

DESCRIBED = tuple(Described(*case) for case in (*CHAIN, *PATHS, *FACTORS))
