"""Wrong slopes and factors are described by their formula: which one was used, or which one is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnkit.check import Verdict, check_backward, check_gradient

R = np.random.default_rng(7)
ANY = R.normal(size=(3, 4))
OFF_ZERO = np.sign(ANY) * (0.4 + np.abs(ANY))
POSITIVE = 0.4 + np.abs(ANY)
OTHER = R.uniform(0.5, 2.0, size=(3, 4)) * R.choice([-1, 1], size=(3, 4))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def check_one(forward: Callable[..., Any], backward: Callable[..., Any], *inputs: Any) -> Verdict:
    """Check a gate with one or two inputs; its backward takes (upstream, out, *inputs)."""

    class One:
        def forward(self, x):
            out = forward(x)
            return out, (out, x)

        def backward(self, upstream, cache):
            return backward(upstream, *cache)

    class Two:
        def forward(self, x, y):
            out = forward(x, y)
            return out, (out, x, y)

        def backward(self, upstream, cache):
            return backward(upstream, *cache)

    return check_backward(One() if len(inputs) == 1 else Two(), *inputs)


GATES: list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
    ("np.exp(x) is x * np.exp(x - 1)", np.exp, lambda g, out, x: g * x * np.exp(x - 1), (ANY,)),
    ("np.exp(x) is np.exp(out)", np.exp, lambda g, out, x: g * np.exp(out), (ANY,)),
    ("np.exp(x) is np.exp(upstream + x)", np.exp, lambda g, out, x: np.exp(g + x), (ANY,)),
    ("np.log(x) is 1 / x**2", np.log, lambda g, out, x: g / x**2, (POSITIVE,)),
    ("np.log(x) is 1 / out", np.log, lambda g, out, x: g / out, (POSITIVE,)),
    ("np.tanh(x) is 1 + out**2", np.tanh, lambda g, out, x: g * (1 + out**2), (ANY,)),
    ("np.tanh(x) is 1 - out,", np.tanh, lambda g, out, x: g - g * out, (ANY,)),
    ("np.tanh(x) is out * (1 - out)", np.tanh, lambda g, out, x: g * out * (1 - out), (ANY,)),
    ("np.tanh(x) is upstream - out**2", np.tanh, lambda g, out, x: g - out**2, (ANY,)),
    ("np.tanh(x) is 1 / np.cosh(x)", np.tanh, lambda g, out, x: g / np.cosh(x), (ANY,)),
    ("taken at the output, not at x", np.tanh, lambda g, out, x: g * (1 - np.tanh(out) ** 2), (ANY,)),
    ("sigmoid(x) is 1 - out,", sigmoid, lambda g, out, x: g * (1 - out), (ANY,)),
    ("sigmoid(x) is out, not", sigmoid, lambda g, out, x: g * out, (ANY,)),
    ("sigmoid(x) is upstream * out - out**2", sigmoid, lambda g, out, x: out * (g - out), (ANY,)),
    ("sigmoid(x) is upstream * out - out", sigmoid, lambda g, out, x: g * out - out, (ANY,)),
    ("x**2 is x,", lambda x: x * x, lambda g, out, x: g * x, (ANY,)),
    ("x**2 is 2 * x**2", np.square, lambda g, out, x: 2 * g * out, (ANY,)),
    ("dx is wrong: ", lambda x: x**3, lambda g, out, x: g * x**2, (ANY,)),
    ("x**3 is 3 * x,", lambda x: x * x * x, lambda g, out, x: 3 * g * x, (ANY,)),
    ("x**3 is x**4 / 4", lambda x: np.power(x, 3), lambda g, out, x: g * x**4 / 4, (ANY,)),
    ("x**2.5 is 2.5 * x**2.5", lambda x: x**2.5, lambda g, out, x: 2.5 * g * x**2.5, (POSITIVE,)),
    ("dx is wrong: ", np.sqrt, lambda g, out, x: g / out, (POSITIVE,)),
    ("np.sqrt(x) is 1 / (2 * x)", np.sqrt, lambda g, out, x: g / (2 * x), (POSITIVE,)),
    ("np.sqrt(x) is 0.5 * x**0.5", lambda x: x**0.5, lambda g, out, x: 0.5 * g * np.sqrt(x), (POSITIVE,)),
    ("1 / x is -1 / x,", lambda x: 1 / x, lambda g, out, x: -g / x, (OFF_ZERO,)),
    ("1 / x is -1 / out**2", np.reciprocal, lambda g, out, x: -g / out**2, (OFF_ZERO,)),
    ("abs(x) is", np.abs, lambda g, out, x: g * out, (OFF_ZERO,)),
    ("np.sin(x) is -np.cos(x)", np.sin, lambda g, out, x: -g * np.cos(x) * 1, (ANY,)),
    ("this is the gradient of sin", np.cos, lambda g, out, x: g * out, (ANY,)),
    ("np.arctan(x) is 1 / (1 - x**2)", np.arctan, lambda g, out, x: g / (1 - x**2), (0.3 * ANY,)),
    ("this is the gradient of log", np.log1p, lambda g, out, x: g / x, (POSITIVE,)),
    ("softplus(x) is 1 / (1 + np.exp(x))", lambda x: np.log(1 + np.exp(x)), lambda g, out, x: g * sigmoid(-x), (ANY,)),
    ("this is the gradient of exp", lambda x: np.logaddexp(0, x), lambda g, out, x: g * np.exp(x), (ANY,)),
    ("out came in", lambda x: np.maximum(x, 0), lambda g, out, x: g * out, (ANY,)),
    ("upstream * (x > 0) * (upstream > 0)", lambda x: x * (x > 0), lambda g, out, x: g * (x > 0) * (g > 0), (ANY,)),
    (
        "leaky_relu(x) is alpha,",
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda g, out, x: 0.2 * g,
        (ANY,),
    ),
    (
        "leaky_relu(x) is np.where(x > 0, 1, -alpha)",
        lambda x: np.maximum(x, 0.1 * x),
        lambda g, out, x: np.where(x > 0, g, -0.1 * g),
        (ANY,),
    ),
    (
        "elu(x) is np.where(x > 0, 1, out)",
        lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
        lambda g, out, x: g * np.where(x > 0, 1, out),
        (ANY,),
    ),
    (
        "elu(x) is np.where(x > 0, 1, np.exp(x))",
        lambda x: np.where(x > 0, x, 0.5 * (np.exp(np.minimum(x, 0)) - 1)),
        lambda g, out, x: g * np.where(x > 0, 1, np.exp(x)),
        (ANY,),
    ),
    ("x / y in y is -1 / y**2", np.divide, lambda g, out, x, y: (g / y, -g / y**2), (ANY, OTHER)),
    ("x / y in y is -x / y,", np.divide, lambda g, out, x, y: (g / y, -g * x / y), (ANY, OTHER)),
    ("this is the gradient of x · y", np.divide, lambda g, out, x, y: (g * y, -g * x / y**2), (ANY, OTHER)),
    ("x / y in y is (y - x) / y**2", np.divide, lambda g, out, x, y: (g / y, g * (y - x) / y**2), (ANY, OTHER)),
    ("x * y in x is upstream + y", np.multiply, lambda g, out, x, y: (g + y, g * x), (ANY, OTHER)),
    ("added to the factors y and x of x * y", np.multiply, lambda g, out, x, y: (g + y, g + x), (ANY, OTHER)),
    ("x - y in y is 1,", np.subtract, lambda g, out, x, y: (g, g), (ANY, OTHER)),
    ("out came in", np.maximum, lambda g, out, x, y: (g * (x >= y), g * (x < y) * y), (ANY, OTHER)),
    ("min(x, y) in x is", np.minimum, lambda g, out, x, y: (g / 2, g * (x > y)), (ANY, OTHER)),
    ("np.exp(x) is np.exp(-x)", np.exp, lambda g, out, x: g / out, (ANY,)),
    ("np.tanh(x) is 1 / np.cosh(x)**4", np.tanh, lambda g, out, x: g * (1 - out**2) ** 2, (ANY,)),
]


@pytest.mark.parametrize(("says", "forward", "backward", "inputs"), GATES, ids=[case[0] for case in GATES])
def test_a_slip_at_one_gate_is_told(says: str, forward: Any, backward: Any, inputs: Any) -> None:
    verdict = check_one(forward, backward, *inputs)
    assert not verdict.passed
    assert says in verdict.headline or (verdict.mistakes == ("sign",) and "-" in says), str(verdict)
    assert verdict.lesson
    assert len(verdict.hints) == 2


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def row_sum(x: Any) -> Any:
    return x.sum(axis=-1, keepdims=True)


def take_larger_half(x: Any) -> Any:
    first, second = np.split(x, 2, axis=1)
    return np.maximum(first, second)


def give_to_largest_of_row(g: Any, out: Any, x: Any) -> Any:
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), x.argmax(axis=1)] = g[:, 0]
    return dx


ROWS: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("out * (upstream - sum of upstream)", softmax, lambda g, out, x: out * (g - row_sum(g))),
    ("without out before the sum", softmax, lambda g, out, x: g * out - row_sum(g * out)),
    ("over all rows", softmax, lambda g, out, x: out * (g - (g * out).sum())),
    ("the largest entry of the whole row", take_larger_half, give_to_largest_of_row),
]


@pytest.mark.parametrize(("says", "forward", "backward"), ROWS)
def test_a_slip_at_a_gate_that_mixes_entries_is_told(says: str, forward: Any, backward: Any) -> None:
    verdict = check_one(forward, backward, ANY)
    assert not verdict.passed
    assert says in verdict.headline, str(verdict)
    assert verdict.lesson


def neuron(w, x, b):
    return sigmoid(w * x + b)


def wave(x, y):
    return np.sin(x * y) + x**2 / y


FUNCTIONS: list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[float, ...]]] = [
    (
        "the derivative of x1 * x2 + x3 alone",
        neuron,
        lambda w, x, b: (x, w, 1.0),
        (0.3, -1.2, 0.7),
    ),
    (
        "sigmoid(x1 * x2 + x3) is 1 - out**2",
        neuron,
        lambda w, x, b: tuple((1 - neuron(w, x, b) ** 2) * d for d in (x, w, 1)),
        (0.3, -1.2, 0.7),
    ),
    (
        "sigmoid(x1 * x2 + x3) is out, not",
        neuron,
        lambda w, x, b: tuple(neuron(w, x, b) * d for d in (x, w, 1)),
        (0.3, -1.2, 0.7),
    ),
    (
        "np.sin(x1 * x2) is -np.cos(x1 * x2)",
        wave,
        lambda x, y: (-np.cos(x * y) * y + 2 * x / y, -np.cos(x * y) * x - x**2 / y**2),
        (0.7, 1.3),
    ),
    (
        "x1**2 is x1,",
        wave,
        lambda x, y: (np.cos(x * y) * y + x / y, np.cos(x * y) * x - x**2 / y**2),
        (0.7, 1.3),
    ),
    (
        "x1**2 / x2 in x2 is -x1**2 / x2,",
        wave,
        lambda x, y: (np.cos(x * y) * y + 2 * x / y, np.cos(x * y) * x - x**2 / y),
        (0.7, 1.3),
    ),
    (
        "np.tanh(np.exp(xs)) is 1 + np.tanh(np.exp(xs))**2",
        lambda x: np.tanh(np.exp(x)),
        lambda x: (1 + np.tanh(np.exp(x)) ** 2) * np.exp(x),
        (0.4,),
    ),
    (
        "the gradient at np.exp(xs), not yet at xs",
        lambda x: np.tanh(np.exp(x)),
        lambda x: 1 - np.tanh(np.exp(x)) ** 2,
        (0.4,),
    ),
    (
        "taken at",
        lambda x: np.tanh(np.exp(x)),
        lambda x: (1 - np.tanh(x) ** 2) * np.exp(x),
        (0.4,),
    ),
]


@pytest.mark.parametrize(("says", "value", "gradients", "point"), FUNCTIONS)
def test_a_slip_inside_a_function_is_told(says: str, value: Any, gradients: Any, point: Any) -> None:
    verdict = check_gradient(lambda *xs: (value(*xs), gradients(*xs)), *point, of=value)
    assert not verdict.passed
    assert says in verdict.headline, str(verdict)
    assert verdict.lesson
    assert len(verdict.hints) == 2
