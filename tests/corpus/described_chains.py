"""Chains that stop, begin late, or begin with the value; paths that are missing or multiplied; factors of the chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from corpus.described_base import Described, check_gate, draw, sigmoid
from nnkit.check import Verdict, check_gradient, check_loss

CASES: list[tuple[str, str, Callable[[], Verdict]]] = []
X, Y = draw(4, 3), 0.5 + np.abs(draw(3, 4).T)


def of(value: Callable[..., Any], gradients: Callable[..., Any], *inputs: Any) -> Verdict:
    """The verdict on a function of numbers, or of arrays, whose gradients are given without its value."""
    return check_gradient(lambda x, y=None: (value(x, y), gradients(x, y)), *inputs)


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
        lambda x: np.exp(x), lambda g, out, x: out * np.exp(g), X)),
    ("arguments-exchanged", "changed places", lambda: check_gate(
        lambda x: x**2, lambda g, out, x: x * 2 * g + 0 * x, X)),
    ("arguments-exchanged", "changed places", lambda: check_gate(
        lambda x: np.sin(x), lambda g, out, x: x * np.cos(g), X)),
    ("arguments-exchanged", "changed places", lambda: check_gate(
        lambda x: np.maximum(x, 0), lambda g, out, x: x * (g > 0), X)),
    ("value-for-slope", "upstream * np.tanh(x)", lambda: check_gate(
        lambda x: np.log(2 + np.tanh(x)), lambda g, out, x: g * np.tanh(x), X)),
    ("value-for-slope", "the value of x * y", lambda: two(
        lambda x, y: np.sin(x * y) + x, lambda x, y: (np.cos(x * y) * y + 1, x * y))),
    ("value-for-slope", "the value of x**2", lambda: one(lambda x: np.sin(x**2), lambda x: x**2)),
    ("value-for-slope", "upstream * x", lambda: check_gate(
        lambda x: np.exp(np.sin(x)), lambda g, out, x: g * x, X)),
]  # fmt: skip

# ---- paths ----------------------------------------------------------------------------------------------

PATHS = [
    ("path", "are multiplied, they must be added", lambda: one(
        lambda x: np.sin(x) * np.exp(x), lambda x: np.cos(x) * np.exp(x) * np.sin(x) * np.exp(x))),
    ("path", "are multiplied, they must be added", lambda: one(
        lambda x: np.sin(x) + np.exp(x), lambda x: np.cos(x) * np.exp(x))),
    ("path", "are multiplied, they must be added", lambda: two(
        lambda x, y: x**2 + np.exp(x) * y, lambda x, y: (2 * x * np.exp(x) * y, np.exp(x)))),
    ("path", "and through np.exp(x) are missing", lambda: two(
        lambda x, y: x * y + np.sin(x) + np.exp(x), lambda x, y: (y, x))),
    ("path", "are missing", lambda: check_gate(
        lambda x: x**3 + np.tanh(x) + np.exp(x), lambda g, out, x: g * np.exp(x), X)),
    ("path", "are missing", lambda: two(
        lambda x, y: x * y + x**2 + np.exp(x * 0.5) + np.sin(x), lambda x, y: (2 * x + np.cos(x), x))),
]  # fmt: skip

# ---- factors --------------------------------------------------------------------------------------------


def three_sigmoids(x: Any) -> Any:
    return sigmoid(sigmoid(sigmoid(x)))


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
    ("wrong-factor", "multiplied in twice", lambda: check_gate(
        lambda x: np.exp(np.sin(x)), lambda g, out, x: g * out * np.cos(x) ** 2, X)),
    ("wrong-factor", "divided by", lambda: check_gate(
        lambda x: np.log(np.cosh(x) + 1), lambda g, out, x: g * np.sinh(x) * (np.cosh(x) + 1), X)),
    ("missing-factors", "the slopes of 2 and 3 are missing", lambda: three_steps(
        np.tanh, (lambda x, y: 1 - y**2, lambda x, y: 1, lambda x, y: 1))),
    ("missing-factors", "the slopes of 1 and 2 are missing", lambda: three_steps(
        sigmoid, (lambda x, y: 1, lambda x, y: 1, lambda x, y: y * (1 - y)))),
    ("missing-factors", "the slopes of 1 and 3 are missing", lambda: three_steps(
        np.sin, (lambda x, y: 1, lambda x, y: np.cos(x), lambda x, y: 1))),
    ("upstream-in-one-term", "upstream is missing in the term", lambda: check_gate(
        lambda x: np.tanh(x) + np.exp(x), lambda g, out, x: 1 - np.tanh(x) ** 2 + g * np.exp(x), X)),
    ("upstream-in-one-term", "upstream is multiplied in twice in the term", lambda: check_gate(
        lambda x: x**2 + np.sin(x), lambda g, out, x: g * 2 * x + g * g * np.cos(x), X)),
    ("upstream-in-one-term", "upstream is missing in the term", lambda: check_gate(
        lambda x: x * sigmoid(x), lambda g, out, x: g * sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)), X)),
    ("extra-factor", "is multiplied in once too often", lambda: two(
        lambda x, y: np.sin(x * y) + x**2, lambda x, y: (np.cos(x * y) * y + 2 * x, y * np.cos(x * y) * x))),
    ("extra-factor", "the factor y is missing", lambda: two(
        lambda x, y: np.exp(x) * y + np.sin(x) * y, lambda x, y: (np.exp(x) + np.cos(x), np.exp(x) + np.sin(x)))),
    ("extra-factor", "x is added to the gradient", lambda: two(
        lambda x, y: np.sin(x) * np.cos(y) + y, lambda x, y: (np.cos(x) * np.cos(y) + x, 1 - np.sin(x) * np.sin(y)))),
    ("wrong-term", "", lambda: two(
        lambda x, y: np.exp(x * y) + x, lambda x, y: (np.exp(x * y) * (y + x) + 1, np.exp(x * y) * x))),
    ("wrong-term", "", lambda: two(
        lambda x, y: np.sin(x - y) * x, lambda x, y: (np.cos(x - y) * x + np.sin(x - y), np.cos(x - y) * x))),
    ("wrong-term", "", lambda: check_gate(
        lambda x, y: np.tanh(x * y), lambda g, out, x, y: (g * (1 - out**2) * (x + y), g * (1 - out**2) * x), X, Y)),
    ("other-point", "is taken at", lambda: check_gate(
        lambda x: np.sin(x**2), lambda g, out, x: g * np.cos(x) * 2 * x, X)),
    ("other-point", "is taken at", lambda: two(
        lambda x, y: np.exp(x + y), lambda x, y: (np.exp(x), np.exp(x)))),
]  # fmt: skip

DESCRIBED = tuple(Described(*case) for case in (*CHAIN, *PATHS, *FACTORS))
