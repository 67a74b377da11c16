"""Wrong slopes and factors are described by their formula: which one was used, or which one is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from corpus.described_base import Described, check_gate, row_sum, sigmoid, softmax
from nnkit.check import Verdict, check_gradient

R = np.random.default_rng(7)
ANY = R.normal(size=(3, 4))
OFF_ZERO = np.sign(ANY) * (0.4 + np.abs(ANY))
POSITIVE = 0.4 + np.abs(ANY)
OTHER = R.uniform(0.5, 2.0, size=(3, 4)) * R.choice([-1, 1], size=(3, 4))


GATES: list[tuple[str, str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
    ("wrong-slope", "np.exp(x) is x * np.exp(x - 1)", np.exp, lambda g, out, x: g * x * np.exp(x - 1), (ANY,)),
    ("wrong-slope", "np.exp(x) is np.exp(out)", np.exp, lambda g, out, x: g * np.exp(out), (ANY,)),
    ("wrong-slope", "np.exp(x) is np.exp(upstream + x)", np.exp, lambda g, out, x: np.exp(g + x), (ANY,)),
    ("wrong-slope", "np.log(x) is 1 / x**2", np.log, lambda g, out, x: g / x**2, (POSITIVE,)),
    ("wrong-slope", "np.log(x) is 1 / out", np.log, lambda g, out, x: g / out, (POSITIVE,)),
    ("wrong-slope", "np.tanh(x) is 1 + out**2", np.tanh, lambda g, out, x: g * (1 + out**2), (ANY,)),
    ("wrong-slope", "np.tanh(x) is 1 - out,", np.tanh, lambda g, out, x: g - g * out, (ANY,)),
    ("wrong-slope", "np.tanh(x) is out * (1 - out)", np.tanh, lambda g, out, x: g * out * (1 - out), (ANY,)),
    ("wrong-slope", "np.tanh(x) is upstream - out**2", np.tanh, lambda g, out, x: g - out**2, (ANY,)),
    ("wrong-slope", "np.tanh(x) is 1 / np.cosh(x)", np.tanh, lambda g, out, x: g / np.cosh(x), (ANY,)),
    ("other-point", "taken at the output, not at x", np.tanh, lambda g, out, x: g * (1 - np.tanh(out) ** 2), (ANY,)),
    ("wrong-slope", "sigmoid(x) is 1 - out,", sigmoid, lambda g, out, x: g * (1 - out), (ANY,)),
    ("wrong-slope", "sigmoid(x) is out, not", sigmoid, lambda g, out, x: g * out, (ANY,)),
    ("wrong-slope", "sigmoid(x) is upstream * out - out**2", sigmoid, lambda g, out, x: out * (g - out), (ANY,)),
    ("wrong-slope", "sigmoid(x) is upstream * out - out", sigmoid, lambda g, out, x: g * out - out, (ANY,)),
    ("wrong-slope", "x**2 is x,", lambda x: x * x, lambda g, out, x: g * x, (ANY,)),
    ("wrong-slope", "x**2 is 2 * x**2", np.square, lambda g, out, x: 2 * g * out, (ANY,)),
    ("factor", "dx is wrong: ", lambda x: x**3, lambda g, out, x: g * x**2, (ANY,)),
    ("wrong-slope", "x**3 is 3 * x,", lambda x: x * x * x, lambda g, out, x: 3 * g * x, (ANY,)),
    ("wrong-slope", "x**3 is x**4 / 4", lambda x: np.power(x, 3), lambda g, out, x: g * x**4 / 4, (ANY,)),
    ("wrong-slope", "x**2.5 is 2.5 * x**2.5", lambda x: x**2.5, lambda g, out, x: 2.5 * g * x**2.5, (POSITIVE,)),
    ("factor", "dx is wrong: ", np.sqrt, lambda g, out, x: g / out, (POSITIVE,)),
    ("wrong-slope", "np.sqrt(x) is 1 / (2 * x)", np.sqrt, lambda g, out, x: g / (2 * x), (POSITIVE,)),
    (
        "wrong-slope",
        "np.sqrt(x) is 0.5 * x**0.5",
        lambda x: x**0.5,
        lambda g, out, x: 0.5 * g * np.sqrt(x),
        (POSITIVE,),
    ),
    ("wrong-slope", "1 / x is -1 / x,", lambda x: 1 / x, lambda g, out, x: -g / x, (OFF_ZERO,)),
    ("wrong-slope", "1 / x is -1 / out**2", np.reciprocal, lambda g, out, x: -g / out**2, (OFF_ZERO,)),
    ("wrong-slope", "abs(x) is", np.abs, lambda g, out, x: g * out, (OFF_ZERO,)),
    ("sign", "the sign is wrong", np.sin, lambda g, out, x: -g * np.cos(x) * 1, (ANY,)),
    ("other-function", "this is the gradient of sin", np.cos, lambda g, out, x: g * out, (ANY,)),
    ("wrong-slope", "np.arctan(x) is 1 / (1 - x**2)", np.arctan, lambda g, out, x: g / (1 - x**2), (0.3 * ANY,)),
    ("other-function", "this is the gradient of log", np.log1p, lambda g, out, x: g / x, (POSITIVE,)),
    (
        "wrong-slope",
        "softplus(x) is 1 / (1 + np.exp(x))",
        lambda x: np.log(1 + np.exp(x)),
        lambda g, out, x: g * sigmoid(-x),
        (ANY,),
    ),
    (
        "other-function",
        "this is the gradient of exp",
        lambda x: np.logaddexp(0, x),
        lambda g, out, x: g * np.exp(x),
        (ANY,),
    ),
    ("chain-from-value", "out came in", lambda x: np.maximum(x, 0), lambda g, out, x: g * out, (ANY,)),
    (
        "wrong-slope",
        "upstream * (x > 0) * (upstream > 0)",
        lambda x: x * (x > 0),
        lambda g, out, x: g * (x > 0) * (g > 0),
        (ANY,),
    ),
    (
        "wrong-slope",
        "leaky_relu(x) is alpha,",
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda g, out, x: 0.2 * g,
        (ANY,),
    ),
    (
        "wrong-slope",
        "leaky_relu(x) is np.where(x > 0, 1, -alpha)",
        lambda x: np.maximum(x, 0.1 * x),
        lambda g, out, x: np.where(x > 0, g, -0.1 * g),
        (ANY,),
    ),
    (
        "wrong-slope",
        "elu(x) is np.where(x > 0, 1, out)",
        lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
        lambda g, out, x: g * np.where(x > 0, 1, out),
        (ANY,),
    ),
    (
        "wrong-slope",
        "elu(x) is np.where(x > 0, 1, np.exp(x))",
        lambda x: np.where(x > 0, x, 0.5 * (np.exp(np.minimum(x, 0)) - 1)),
        lambda g, out, x: g * np.where(x > 0, 1, np.exp(x)),
        (ANY,),
    ),
    ("wrong-slope", "x / y in y is -1 / y**2", np.divide, lambda g, out, x, y: (g / y, -g / y**2), (ANY, OTHER)),
    ("wrong-slope", "x / y in y is -x / y,", np.divide, lambda g, out, x, y: (g / y, -g * x / y), (ANY, OTHER)),
    (
        "other-function",
        "this is the gradient of x · y",
        np.divide,
        lambda g, out, x, y: (g * y, -g * x / y**2),
        (ANY, OTHER),
    ),
    (
        "wrong-slope",
        "x / y in y is (y - x) / y**2",
        np.divide,
        lambda g, out, x, y: (g / y, g * (y - x) / y**2),
        (ANY, OTHER),
    ),
    ("wrong-slope", "x * y in x is upstream + y", np.multiply, lambda g, out, x, y: (g + y, g * x), (ANY, OTHER)),
    (
        "wrong-factor",
        "added to the factors y and x of x * y",
        np.multiply,
        lambda g, out, x, y: (g + y, g + x),
        (ANY, OTHER),
    ),
    ("sign", "the sign is wrong", np.subtract, lambda g, out, x, y: (g, g), (ANY, OTHER)),
    ("chain-from-value", "out came in", np.maximum, lambda g, out, x, y: (g * (x >= y), g * (x < y) * y), (ANY, OTHER)),
    ("wrong-slope", "min(x, y) in x is", np.minimum, lambda g, out, x, y: (g / 2, g * (x > y)), (ANY, OTHER)),
    ("wrong-slope", "np.exp(x) is np.exp(-x)", np.exp, lambda g, out, x: g / out, (ANY,)),
    ("wrong-slope", "np.tanh(x) is 1 / np.cosh(x)**4", np.tanh, lambda g, out, x: g * (1 - out**2) ** 2, (ANY,)),
]


def take_larger_half(x: Any) -> Any:
    first, second = np.split(x, 2, axis=1)
    return np.maximum(first, second)


def give_to_largest_of_row(g: Any, out: Any, x: Any) -> Any:
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), x.argmax(axis=1)] = g[:, 0]
    return dx


ROWS: list[tuple[str, str, Callable[..., Any], Callable[..., Any]]] = [
    ("wrong-jacobian", "out * (upstream - sum of upstream)", softmax, lambda g, out, x: out * (g - row_sum(g))),
    ("wrong-jacobian", "without out before the sum", softmax, lambda g, out, x: g * out - row_sum(g * out)),
    ("wrong-jacobian", "over all rows", softmax, lambda g, out, x: out * (g - (g * out).sum())),
    ("wrong-jacobian", "the largest entry of the whole row", take_larger_half, give_to_largest_of_row),
]


def neuron(w, x, b):
    return sigmoid(w * x + b)


def wave(x, y):
    return np.sin(x * y) + x**2 / y


FUNCTIONS: list[tuple[str, str, Callable[..., Any], Callable[..., Any], tuple[float, ...]]] = [
    (
        "chain-begun-late",
        "the derivative of x1 * x2 + x3 alone",
        neuron,
        lambda w, x, b: (x, w, 1.0),
        (0.3, -1.2, 0.7),
    ),
    (
        "wrong-slope",
        "sigmoid(x1 * x2 + x3) is 1 - out**2",
        neuron,
        lambda w, x, b: tuple((1 - neuron(w, x, b) ** 2) * d for d in (x, w, 1)),
        (0.3, -1.2, 0.7),
    ),
    (
        "wrong-slope",
        "sigmoid(x1 * x2 + x3) is out, not",
        neuron,
        lambda w, x, b: tuple(neuron(w, x, b) * d for d in (x, w, 1)),
        (0.3, -1.2, 0.7),
    ),
    (
        "wrong-slope",
        "np.sin(x1 * x2) is -np.cos(x1 * x2)",
        wave,
        lambda x, y: (-np.cos(x * y) * y + 2 * x / y, -np.cos(x * y) * x - x**2 / y**2),
        (0.7, 1.3),
    ),
    (
        "wrong-slope",
        "x1**2 is x1,",
        wave,
        lambda x, y: (np.cos(x * y) * y + x / y, np.cos(x * y) * x - x**2 / y**2),
        (0.7, 1.3),
    ),
    (
        "wrong-slope",
        "x1**2 / x2 in x2 is -x1**2 / x2,",
        wave,
        lambda x, y: (np.cos(x * y) * y + 2 * x / y, np.cos(x * y) * x - x**2 / y),
        (0.7, 1.3),
    ),
    (
        "wrong-slope",
        "np.tanh(np.exp(xs)) is 1 + np.tanh(np.exp(xs))**2",
        lambda x: np.tanh(np.exp(x)),
        lambda x: (1 + np.tanh(np.exp(x)) ** 2) * np.exp(x),
        (0.4,),
    ),
    (
        "chain-stopped",
        "the gradient at np.exp(xs), not yet at xs",
        lambda x: np.tanh(np.exp(x)),
        lambda x: 1 - np.tanh(np.exp(x)) ** 2,
        (0.4,),
    ),
    (
        "other-point",
        "taken at",
        lambda x: np.tanh(np.exp(x)),
        lambda x: (1 - np.tanh(x) ** 2) * np.exp(x),
        (0.4,),
    ),
]


def _check_function(value: Any, gradients: Any, point: tuple[float, ...]) -> Verdict:
    return check_gradient(lambda *xs: (value(*xs), gradients(*xs)), *point, of=value)


DESCRIBED = (
    *(Described(id, says, partial(check_gate, *gate, *inputs)) for id, says, *gate, inputs in GATES),
    *(Described(id, says, partial(check_gate, *gate, ANY)) for id, says, *gate in ROWS),
    *(Described(id, says, partial(_check_function, *function)) for id, says, *function in FUNCTIONS),
)
