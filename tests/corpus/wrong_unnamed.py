"""Wrong answers that are none of the catalogue's mistakes: they must fail, and no name must be given."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus import wrong_forwards as f
from corpus.right_base import Call
from corpus.wrong_base import at, backward, edited, function, gate, graph, loss, register, update
from corpus.wrong_branches import SKIP, topological_order
from corpus.wrong_forwards import one_hot, sigmoid, softmax
from corpus.wrong_networks import RELU_NET, RELU_STEP, SIGMOID_NET, TANH_NET

# ---- one entry, or nearly right -----------------------------------------------------------------------


def _off(gradient, factor):
    """One entry of it multiplied by a factor."""
    found = np.array(gradient)
    found.flat[found.size // 2] *= factor
    return found


@backward(on=f.MULTIPLY)
def one_entry_by_a_millionth(upstream, cache):
    x, y = cache
    return _off(upstream * y, 1 + 1e-6), upstream * x


@backward(on=f.SIGMOID)
def one_entry_by_half_a_percent(upstream, cache):
    _, s = cache
    return _off(upstream * s * (1 - s), 1.005)


@backward(on=f.AFFINE)
def one_weight_by_half_a_percent(upstream, cache):
    x, w = cache
    return upstream @ w.T, _off(x.T @ upstream, 1.005), upstream.sum(axis=0)


@backward(on=f.EXP)
def one_entry_of_the_wrong_sign(upstream, cache):
    return _off(upstream * cache[1], -1)


@backward(on=f.MATMUL)
def one_entry_is_zero(upstream, cache):
    x, w = cache
    return upstream @ w.T, _off(x.T @ upstream, 0)


@function(at=at("nd", "nd"), of=lambda x, y: np.sum(np.tanh(x) * y))
def one_entry_of_a_function_by_a_millionth(x, y):
    t = np.tanh(x)
    return np.sum(t * y), (y * (1 - t**2), _off(t, 1 + 1e-6))


@backward(on=f.TANH)
def the_last_row_forgotten(upstream, cache):
    dx = np.zeros_like(upstream)
    for i in range(len(upstream) - 1):
        dx[i] = upstream[i] * (1 - cache[1][i] ** 2)
    return dx


@backward(on=f.SQUARE)
def a_small_constant_added(upstream, x):
    return upstream * 2 * x + 1e-3


# ---- nonsense -----------------------------------------------------------------------------------------


@backward("not-filled-in", on=f.MULTIPLY)
def zeros(upstream, cache):
    x, y = cache
    return np.zeros(x.shape), np.zeros(y.shape)


@backward("not-filled-in", on=f.TANH)
def ones(upstream, cache):
    return np.ones(upstream.shape)


@backward(on=f.AFFINE)
def random_numbers(upstream, cache):
    x, w = cache
    draw = np.random.default_rng(x.size)
    return draw.normal(size=x.shape), draw.normal(size=w.shape), draw.normal(size=w.shape[1])


@backward(on=f.SIGMOID)
def the_input_itself(upstream, cache):
    return cache[0]


@backward(on=f.DIVIDE)
def upstream_plus_local(upstream, cache):
    x, y = cache
    return upstream + 1 / y, upstream - x / y**2


@backward(on=f.EXP)
def divided_by_the_upstream(upstream, cache):
    return cache[1] / upstream


# ---- another function's derivative --------------------------------------------------------------------


@backward(on=f.SIGMOID)
def derivative_of_tanh(upstream, cache):
    return upstream * (1 - cache[1] ** 2)


@backward(on=f.TANH)
def derivative_of_a_sigmoid(upstream, cache):
    return upstream * cache[1] * (1 - cache[1])


@backward(on=f.TANH)
def square_forgotten(upstream, cache):
    return upstream * (1 - cache[1])


@backward(on=f.SIGMOID)
def plus_for_minus(upstream, cache):
    _, s = cache
    return upstream * s * (1 + s)


@backward(on=f.SIGMOID)
def one_minus_s_forgotten(upstream, cache):
    return upstream * cache[1]


@backward(on=f.SIN)
def sine_of_sine(upstream, x):
    return upstream * np.sin(x)


@backward(on=f.LOG)
def one_over_x_squared(upstream, cache):
    return upstream / cache[0] ** 2


@backward(on=f.CUBE)
def exponent_not_lowered(upstream, x):
    return upstream * 3 * x**3


@backward(on=f.CUBE)
def exponent_lowered_twice(upstream, x):
    return upstream * 3 * x


@backward(on=f.SQRT)
def half_the_root(upstream, x):
    return upstream * 0.5 * np.sqrt(x)


@backward(on=f.RECIPROCAL)
def not_squared(upstream, x):
    return -upstream / x


@backward(on=f.DIVIDE)
def square_of_y_forgotten(upstream, cache):
    x, y = cache
    return upstream / y, -upstream * x / y


@backward(on=f.POWER)
def log_of_the_exponent(upstream, cache):
    x, y = cache
    return upstream * y * x ** (y - 1), upstream * x**y * np.log(np.abs(y))


@backward(on=f.ELU)
def exp_minus_one(upstream, x):
    return upstream * np.where(x > 0, 1, np.exp(np.minimum(x, 0)) - 1)


@backward(on=f.LEAKY)
def another_leak(upstream, x):
    return upstream * np.where(x > 0, 1, 0.1)


@backward(on=f.LEAKY)
def no_leak(upstream, x):
    return upstream * (x > 0)


@backward(on=f.ELU)
def nothing_below_zero(upstream, cache):
    x = cache[0] if isinstance(cache, tuple) else cache
    return upstream * (x > 0)


@backward(on=f.RELU)
def mask_times_x(upstream, x):
    return upstream * np.maximum(0, x)


@backward(on=f.RELU)
def mask_above_one(upstream, x):
    return upstream * (x > 1)


@backward(on=f.SOFTPLUS)
def sigmoid_of_minus_x(upstream, x):
    return upstream * sigmoid(-x)


@backward(on=f.MAX)
def half_to_each_where_close(upstream, cache):
    x, y = cache
    close = np.abs(x - y) < 1
    return upstream * np.where(close, 0.5, x > y), upstream * np.where(close, 0.5, y > x)


# ---- indices and axes ---------------------------------------------------------------------------------


@backward(on=f.MULTIPLY)
def off_by_one_row(upstream, cache):
    x, y = cache
    return upstream * np.roll(y, 1, axis=0), upstream * np.roll(x, 1, axis=0)


@backward(on=f.CROSS_ENTROPY)
def the_label_after(upstream, cache):
    p, labels = cache
    dscores = p.copy()
    dscores[np.arange(len(p)), labels - 1] -= 1
    return upstream * dscores / len(p), None


@backward(on=f.CROSS_ENTROPY)
def columns_of_the_labels(upstream, cache):
    p, labels = cache
    dscores = p.copy()
    dscores[:, labels] -= 1
    return upstream * dscores / len(p), None


@backward(on=f.SOFTMAX)
def plain_sum_of_upstream(upstream, p):
    return p * (upstream - upstream.sum(axis=-1, keepdims=True))


@backward(on=f.SOFTMAX)
def mean_of_upstream(upstream, p):
    return p * (upstream - upstream.mean(axis=-1, keepdims=True))


@gate(at=at("n"), of=np.cumsum)
class CumulativeSumNotReversed:
    def forward(self, x):
        return np.cumsum(x), None

    def backward(self, upstream, cache):
        return np.cumsum(upstream)


@gate(at=at("nd"), of=lambda x: x - np.mean(x, axis=0))
class CentredWithoutTheMean:
    def forward(self, x):
        return x - x.mean(axis=0), None

    def backward(self, upstream, cache):
        return upstream - upstream.mean(axis=1, keepdims=True)


@gate(at=at("nd"), of=lambda x: x / np.sqrt(np.mean(x**2, axis=0)))
class ScaleBackwardHalfDone:
    def forward(self, x):
        spread = np.sqrt(np.mean(x**2, axis=0))
        return x / spread, (x, spread)

    def backward(self, upstream, cache):
        x, spread = cache
        return upstream / spread - x / spread**3


# ---- functions, losses, networks ----------------------------------------------------------------------


@function(at=at("n", "n"), of=lambda x, y: np.sum(x * y + x**2))
def product_for_a_sum(x, y):
    return np.sum(x * y + x**2), (y * 2 * x, x)


@function(at=at("", "", ""), of=lambda x, y, z: (x + y) * z)
def every_input_gets_q(x, y, z):
    q = x + y
    return q * z, (q, z, z * q)


@loss(at=at("n", "n"), of=lambda p, t: np.mean((p - t) ** 2))
def sign_of_the_difference(prediction, target):
    diff = prediction - target
    return np.mean(diff**2), np.sign(diff) / len(diff)


@loss(at=at("nc", "n:c"))
def label_subtracted_twice(scores, labels):
    p = softmax(scores)
    return -np.log(p[np.arange(len(p)), labels]).mean(), (p - 2 * one_hot(labels, p.shape[1])) / len(p)


@loss(at=at("nc", "nc"), of=lambda p, t: np.sum((p - t) ** 2))
def prediction_without_the_target(prediction, target):
    return np.sum((prediction - target) ** 2), 2 * prediction


edited(of=RELU_NET, line="dW2 = h.T @ dscores", by="dW2 = z.T @ dscores")
edited(of=RELU_NET, line="dh = dscores @ W2.T", by="dh = dscores @ W2.T + 1")
edited(of=RELU_NET, line="dz = dh * (z > 0)", by="dz = dh * h")
edited(of=RELU_NET, line="h = np.maximum(0, z)", by="h = np.maximum(0.1 * z, z)")
edited(of=TANH_NET, line="1 - a**2", by="1 - a")
edited(of=TANH_NET, line="dW1 = x.T.dot(dz)", by="dW1 = x.T.dot(dz)\n    dW1[0] = 0")
edited(of=SIGMOID_NET, line="grad_h * h * (1 - h)", by="grad_h * (h > 0.5)")
edited(of=RELU_STEP, line="for k in parameters}", by='for k in parameters if k != "b1"} | {"b1": b1 * 0.9}')

# ---- the value is wrong -------------------------------------------------------------------------------


@gate(at=at("nd"), of=lambda z: 1 / (1 + np.exp(-z)))
class TanhForASigmoid:
    def forward(self, z):
        a = np.tanh(z)
        return a, a

    def backward(self, upstream, a):
        return upstream * (1 - a**2)


@function(at=at("n", "n"), of=lambda w, x: np.sum(np.tanh(w * x)))
def another_function(w, x):
    return np.sum(w + x), (np.ones_like(w), np.ones_like(x))


# ---- graphs, updates, Jacobians -----------------------------------------------------------------------


@graph()
def all_zero(needs, local, output):
    return dict.fromkeys(needs, 0.0)


@graph(needs=SKIP)
def plus_for_times(needs, local, output):
    grad = dict.fromkeys(needs, 0.0)
    grad[output] = 1.0
    for node in reversed(topological_order(needs)):
        for x, slope in zip(needs[node], local[node]):
            grad[x] += grad[node] + slope
    return grad


@update(weights=lambda rng: rng.normal(size=(3, 4)))
def gradient_squared(W, dW, step_size):
    return W - step_size * dW**2


@update(weights=lambda rng: rng.normal(size=(3, 4)))
def divided_by_the_gradient(W, dW, step_size):
    return W - step_size / dW


def _jacobian(name: str, of: Any, wrong: Any, *ids: str) -> None:
    register(ids, "check_jacobian", name, lambda rng: Call((wrong, rng.normal(size=4)), {"of": of}))


_jacobian("off-diagonal entries left out", lambda x: x * np.sum(x**2), lambda x: np.diag(np.sum(x**2) + 2 * x**2))
_jacobian("squares on the diagonal", lambda x: x**2, lambda x: np.diag(x**2))
_jacobian("ones", np.tanh, np.ones((4, 4)), "not-filled-in")
