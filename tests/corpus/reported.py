"""Mistakes like those that people report in public, and a few alarms that turned out to be false.

Each is an entry of `REPORTED`: whether it is wrong, and the names of the catalogue that would be true of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpus.right_base import Call, Generator


@dataclass(frozen=True)
class Reported:
    name: str
    wrong: bool
    true: frozenset[str]
    """The names that would be true; others are false."""
    check: str
    make: Callable[[Generator], Call]


REPORTED: list[Reported] = []


def _register(check: str, *true: str, wrong: bool = True) -> Any:
    def decorate(make: Callable[[Generator], Call]) -> Any:
        name = str(make.__name__).strip("_").replace("_", " ")
        REPORTED.append(Reported(name, wrong, frozenset(true), check, make))
        return make

    return decorate


def backward_of(*true: str, wrong: bool = True) -> Any:
    """rng ↦ the arguments of check_backward."""
    return _register("check_backward", *true, wrong=wrong)


def _gate(
    forward: Callable[..., Any], backward: Callable[[Any, Any], Any], *inputs: Any, name: str = "Layer", **kwargs: Any
) -> Call:
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return Call((type(name, (), methods)(), *inputs), kwargs)


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _softmax(s: Any) -> Any:
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---- elementary gates --------------------------------------------------------------------------------


def _relu(x):
    return np.maximum(x, 0), x


def _tanh(x):
    t = np.tanh(x)
    return t, t


@backward_of("no-upstream")
def relu_slope_in_place_of_the_gradient(rng):
    return _gate(_relu, lambda upstream, x: (x > 0) * 1.0, rng.normal(size=(4, 5)))


@backward_of("no-upstream")
def leaky_relu_slope_alone_on_the_negative_side(rng):
    return _gate(
        lambda x: (np.where(x > 0, x, 0.01 * x), x),
        lambda upstream, x: (np.where(x > 0, upstream, 0.01),),
        rng.normal(size=(4, 5)),
    )


@backward_of()
def tanh_without_parentheses(rng):
    return _gate(_tanh, lambda upstream, t: (upstream - t * t,), rng.normal(size=(4, 5)))


@backward_of()
def tanh_applied_again(rng):
    return _gate(_tanh, lambda upstream, t: (upstream * (1 - np.tanh(t) ** 2),), rng.normal(size=(4, 5)))


@backward_of("tanh-of-input")
def tanh_undone_before_the_square(rng):
    return _gate(_tanh, lambda upstream, t: (upstream * (1 - np.arctanh(t) ** 2),), rng.normal(size=(4, 5)))


@backward_of("exp-is-input")
def exp_with_its_input_for_a_slope(rng):
    return _gate(lambda x: (np.exp(x), x), lambda upstream, x: (upstream * x,), rng.normal(size=(4, 5)))


@backward_of()
def quotient_times_the_denominator(rng):
    return _gate(
        lambda a, b: (a / b, (a, b)),
        lambda upstream, cache: (upstream * cache[1], -upstream * cache[0] / cache[1] ** 2),
        rng.normal(size=4),
        np.array([1.3, -0.7, 2.2, 0.9]),
    )


@backward_of(wrong=False)
def sigmoid_by_its_output(rng):
    return _gate(
        lambda x: (_sigmoid(x), _sigmoid(x)), lambda upstream, s: (upstream * s * (1 - s),), rng.normal(size=(4, 5))
    )


# ---- max ---------------------------------------------------------------------------------------------


@backward_of("max-to-both")
def max_of_ties_to_each_of_them(rng):
    return _gate(lambda x: (x.max(), x), lambda upstream, x: (upstream * (x == x.max()),), np.array([1.0, 1.0, 0.2]))


@backward_of("max-to-both")
def max_over_rows_of_a_constant_array(rng):
    return _gate(lambda x: (x.max(axis=0), x), lambda upstream, x: (upstream * (x == x.max(axis=0)),), np.ones((4, 3)))


def _max_by_closeness(x: Any) -> Call:
    def backward(upstream, x):
        return upstream[:, None] * (np.abs(x - x.max(axis=-1, keepdims=True)) < 1e-2)

    return _gate(lambda x: (x.max(axis=-1), x), backward, x)


@backward_of("max-to-both")
def max_by_closeness_in_long_rows(rng):
    return _max_by_closeness(rng.normal(size=(4, 200)))


@backward_of("max-to-both")
def max_by_closeness_in_short_rows(rng):
    return _max_by_closeness(rng.normal(size=(4, 5)))


# ---- branches and state ------------------------------------------------------------------------------


@_register("check_gradient", "overwritten-branch")
def shares_replaced_not_added(rng):
    def value_and_gradients(a, b):
        c = a * b
        d = c + a
        e = d * c
        dd, dc = c, d
        dc = dd
        da = dc * b
        return e, (da, dc * a)

    return Call((value_and_gradients, 2.0, -3.0))


@backward_of("not-reset")
def weights_gradient_adds_up_over_calls(rng):
    class Layer:
        def __init__(self):
            self.dW = np.zeros((4, 3))

        def forward(self, x, W):
            return x @ W, (x, W)

        def backward(self, upstream, cache):
            x, W = cache
            self.dW = self.dW + x.T @ upstream
            return upstream @ W.T, self.dW

    return Call((Layer(), rng.normal(size=(5, 4)), rng.normal(size=(4, 3))))


# ---- networks ----------------------------------------------------------------------------------------


def _two_layers(rng: Generator, step: Any) -> Call:
    def loss(p, x, t):
        return 0.5 * np.sum((_sigmoid(_sigmoid(x @ p["W1"]) @ p["W2"]) - t) ** 2)

    parameters = {"W1": rng.normal(size=(4, 6)), "W2": rng.normal(size=(6, 3))}
    batch = rng.normal(size=(5, 4)), rng.uniform(size=(5, 3))
    return Call((step, parameters, *batch), {"of": loss, "step_size": 0.5})


@_register("check_step", "updated-first")
def updated_first_and_no_slope_at_the_hidden_layer(rng):
    def step(p, x, t, step_size):
        h = _sigmoid(x @ p["W1"])
        o = _sigmoid(h @ p["W2"])
        d2 = (o - t) * o * (1 - o)
        W2 = p["W2"] - step_size * h.T @ d2
        return {"W1": p["W1"] - step_size * x.T @ (d2 @ W2.T), "W2": W2}

    return _two_layers(rng, step)


@_register("check_step", "updated-first")
def updated_first_and_no_slope_at_the_output(rng):
    def step(p, x, t, step_size):
        h = _sigmoid(x @ p["W1"])
        d2 = _sigmoid(h @ p["W2"]) - t
        W2 = p["W2"] - step_size * h.T @ d2
        return {"W1": p["W1"] - step_size * x.T @ (d2 @ W2.T * h * (1 - h)), "W2": W2}

    return _two_layers(rng, step)


@_register("check_loss", "no-batch-mean")
def loss_over_n_and_its_gradient_not(rng):
    def loss(prediction, target):
        return np.sum((prediction - target) ** 2) / 2 / len(prediction), prediction - target

    return Call((loss, rng.normal(size=(6, 3)), rng.normal(size=(6, 3))))


@_register("check_loss", wrong=False)
def binary_cross_entropy_by_probabilities(rng):
    def loss(prediction, target):
        value = np.sum(-target * np.log(prediction) - (1 - target) * np.log(1 - prediction))
        return value, -(target / prediction) + (1 - target) / (1 - prediction)

    return Call((loss, rng.uniform(0.1, 0.9, size=(6, 3)), (rng.random((6, 3)) > 0.5) * 1.0))


def _regularised(rng: Generator, gradient: Callable[[Any], Any]) -> Call:
    def network(p, x, labels):
        q = _softmax(x @ p["W"] + p["b"])
        rows = np.arange(len(x))
        loss = -np.log(q[rows, labels]).mean() + 0.1 * np.sum(p["W"] ** 2)
        d = q.copy()
        d[rows, labels] -= 1
        d /= len(x)
        return loss, {"W": x.T @ d + gradient(p["W"]), "b": d.sum(axis=0)}

    parameters = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
    return Call((network, parameters, rng.normal(size=(7, 4)), rng.integers(3, size=7)))


@_register("check_parameters", "regularisation")
def penalty_without_its_two(rng):
    return _regularised(rng, lambda W: 0.1 * W)


@_register("check_parameters", "regularisation")
def penalty_with_a_minus(rng):
    return _regularised(rng, lambda W: -0.2 * W)


@_register("check_parameters", "regularisation")
def penalty_with_a_square(rng):
    return _regularised(rng, lambda W: 0.2 * W**2)


def _columns(rng: Generator, dW2: Any, dz1: Any) -> Call:
    """A network in which an example is a column."""

    def network(p, x, y):
        z1 = p["W1"] @ x + p["b1"]
        a1 = np.tanh(z1)
        a2 = _sigmoid(p["W2"] @ a1 + p["b2"])
        m = x.shape[1]
        value = -np.sum(y * np.log(a2) + (1 - y) * np.log(1 - a2)) / m
        dz2 = a2 - y
        d1 = dz1(p["W2"].T @ dz2, z1, a1)
        gradients = {"W1": d1 @ x.T / m, "b1": d1.sum(axis=1, keepdims=True) / m}
        return value, {**gradients, "W2": dW2(dz2, a1) / m, "b2": dz2.sum(axis=1, keepdims=True) / m}

    parameters = {
        "W1": rng.normal(size=(5, 4)), "b1": rng.normal(size=(5, 1)),
        "W2": rng.normal(size=(1, 5)), "b2": rng.normal(size=(1, 1)),
    }  # fmt: skip
    return Call((network, parameters, rng.normal(size=(4, 7)), (rng.random((1, 7)) > 0.5) * 1.0))


@_register("check_parameters", "tanh-of-input")
def tanh_slope_by_its_input(rng):
    return _columns(rng, lambda d, a: d @ a.T, lambda d, z, a: d * (1 - z**2))


@_register("check_parameters", "elementwise-for-matmul")
def star_for_dot_in_the_weights(rng):
    return _columns(rng, lambda d, a: d * a.T, lambda d, z, a: d * (1 - a**2))


@_register("check_parameters", "elementwise-for-matmul")
def dot_for_star_at_the_slope(rng):
    return _columns(rng, lambda d, a: d @ a.T, lambda d, z, a: d @ (1 - a**2))


# ---- convolution and normalisation -------------------------------------------------------------------


def _convolution(rng: Generator, dx_shape: Any, step: int) -> Call:
    """A convolution with a stride of 2; `dx_shape` says how large backward makes dx, `step` how far it moves."""

    def forward(x, w, b):
        n, _, height, width = x.shape
        rows, columns = (height - 3) // 2 + 1, (width - 3) // 2 + 1
        out = np.zeros((n, len(w), rows, columns))
        for i in range(rows):
            for j in range(columns):
                window = x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                out[:, :, i, j] = np.tensordot(window, w, ((1, 2, 3), (1, 2, 3))) + b
        return out, (x, w)

    def backward(upstream, cache):
        x, w = cache
        dx, dw = np.zeros(dx_shape(x, upstream)), np.zeros_like(w)
        for i in range(upstream.shape[2]):
            for j in range(upstream.shape[3]):
                g = upstream[:, :, i, j]
                rows, columns = slice(step * i, step * i + 3), slice(step * j, step * j + 3)
                dx[:, :, rows, columns] += np.tensordot(g, w, 1)
                dw += np.tensordot(g.T, x[:, :, rows, columns], 1)
        return dx, dw, upstream.sum(axis=(0, 2, 3))

    inputs = rng.normal(size=(2, 3, 7, 7)), rng.normal(size=(2, 3, 3, 3)), rng.normal(size=2)
    return _gate(forward, backward, *inputs, name="Convolution")


@backward_of()
def convolution_without_its_stride(rng):
    return _convolution(rng, lambda x, upstream: x.shape, 1)


@backward_of("wrong-shape")
def convolution_with_a_row_too_many(rng):
    return _convolution(rng, lambda x, g: (*x.shape[:2], 2 * g.shape[2] + 2, 2 * g.shape[3] + 2), 2)


@backward_of(wrong=False)
def batch_norm_without_the_term_that_is_zero(rng):
    def forward(x, gamma, beta):
        c = x - x.mean(axis=0)
        s = np.sqrt((c**2).mean(axis=0) + 1e-5)
        return gamma * c / s + beta, (c, s, gamma)

    def backward(upstream, cache):
        c, s, gamma = cache
        dh = upstream * gamma
        dvariance = (dh * c * -0.5 / s**3).sum(axis=0)
        dmean = -(dh / s).sum(axis=0)
        dx = dh / s + dvariance * 2 * c / len(c) + dmean / len(c)
        return dx, (upstream * c / s).sum(axis=0), upstream.sum(axis=0)

    inputs = 3 * rng.normal(size=(6, 4)) + 5, rng.normal(size=4), rng.normal(size=4)
    return _gate(forward, backward, *inputs, name="BatchNorm")


@backward_of()
def layer_norm_of_sequences_over_two_axes(rng):
    def forward(x):
        c = x - x.mean(axis=-1, keepdims=True)
        s = np.sqrt((c**2).mean(axis=-1, keepdims=True) + 1e-5)
        return c / s, (c / s, s)

    def backward(upstream, cache):
        h, s = cache
        rows, g, first = h.reshape(len(h), -1), upstream.reshape(len(h), -1), s.reshape(len(h), -1)[:, :1]
        mean = g.mean(axis=1, keepdims=True) + rows * (g * rows).mean(axis=1, keepdims=True)
        return ((g - mean) / first).reshape(h.shape)

    return _gate(forward, backward, rng.normal(size=(2, 3, 4)), name="LayerNorm")
