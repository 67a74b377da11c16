"""Mistakes with the upstream gradient, the order of the inputs, the sign, constants, and the 1/N of a batch."""

from __future__ import annotations

import numpy as np

from corpus import wrong_forwards as f
from corpus.wrong_base import at, backward, function, gate, loss
from corpus.wrong_forwards import one_hot, sigmoid, softmax

# ---- no-upstream ------------------------------------------------------------------------------------


@backward("no-upstream", on=f.MULTIPLY)
def local_derivatives_only(upstream, cache):
    x, y = cache
    return y, x


@backward("no-upstream", on=f.MULTIPLY)
def forgotten_for_the_first_input(upstream, cache):
    x, y = cache
    dx = y
    dy = upstream * x
    return dx, dy


@backward("no-upstream", on=f.SIGMOID)
def s_times_one_minus_s(upstream, cache):
    _, s = cache
    return s * (1 - s)


@backward("no-upstream", on=f.RELU)
def the_mask_alone(upstream, x):
    return (x > 0).astype(float)


@backward("no-upstream", on=f.AFFINE)
def ones_instead(upstream, cache):
    x, w = cache
    ones = np.ones_like(upstream)
    return ones @ w.T, x.T @ ones, ones.sum(axis=0)


@backward("no-upstream", on=f.CROSS_ENTROPY)
def taken_for_the_last_gate(upstream, cache):
    p, labels = cache
    dscores = p.copy()
    dscores[np.arange(len(labels)), labels] -= 1
    return dscores / len(labels), None


@backward("no-upstream", on=f.NORM)
def two_x(upstream, x):
    return 2 * x


# ---- upstream-twice ---------------------------------------------------------------------------------


@backward("upstream-twice", on=f.MULTIPLY)
def once_before_and_once_in_the_return(upstream, cache):
    x, y = cache
    dx, dy = upstream * y, upstream * x
    return upstream * dx, upstream * dy


@backward("upstream-twice", on=f.TANH)
def in_dz_and_again(upstream, cache):
    _, a = cache
    dz = upstream * (1 - a**2)
    return dz * upstream


@backward("upstream-twice", on=f.AFFINE)
def squared_before_the_products(upstream, cache):
    x, w = cache
    dout = upstream * upstream
    return dout @ w.T, x.T @ dout, np.sum(dout, axis=0)


@backward("upstream-twice", on=f.EXP)
def of_exp(upstream, cache):
    _, out = cache
    local = upstream * out
    return (upstream * local,)


@backward("upstream-twice", on=f.SUM)
def spread_and_multiplied(upstream, x):
    return upstream * np.full(x.shape, upstream)


# ---- swapped-inputs ---------------------------------------------------------------------------------


@backward("swapped-inputs", on=f.DIVIDE)
def the_second_first(upstream, cache):
    x, y = cache
    dx = upstream / y
    dy = -upstream * x / y**2
    return dy, dx


@backward("swapped-inputs", on=f.POWER)
def power_and_base(upstream, cache):
    x, y = cache
    return upstream * x**y * np.log(x), upstream * y * x ** (y - 1)


@backward("swapped-inputs", on=f.MATMUL)
def other_shapes(upstream, cache):
    x, w = cache
    return x.T @ upstream, upstream @ w.T


@backward("swapped-inputs", on=f.MATMUL.at("nn", "nn"))
def dw_before_dx(upstream, cache):
    x, w = cache
    return x.T @ upstream, upstream @ w.T


@function("swapped-inputs", at=at("n", "n"), of=lambda x, y: np.sum(x**2 * y + y))
def squared_times(x, y):
    dx = 2 * x * y
    dy = x**2 + 1
    return np.sum(x**2 * y + y), (dy, dx)


@function("swapped-inputs", at=at("n", "n", "n"), of=lambda x, y, z: np.sum((x + np.exp(y)) * np.tanh(z)))
def y_and_z(x, y, z):
    total, t = x + np.exp(y), np.tanh(z)
    dx, dy, dz = t, t * np.exp(y), total * (1 - t**2)
    return np.sum(total * t), (dx, dz, dy)


# ---- own-input --------------------------------------------------------------------------------------


@backward("own-input", on=f.MULTIPLY)
def each_with_itself(upstream, cache):
    x, y = cache
    return upstream * x, upstream * y


@function("own-input", at=at("n", "n"), of=lambda w, x: np.sum(w * x))
def dot_product(w, x):
    return np.sum(w * x), (w, x)


@function("own-input", at=at("", "", ""), of=lambda x, y, z: (x + y) * z)
def sum_times_z(x, y, z):
    q = x + y
    dq, dz = q, z
    return q * z, (dq, dq, dz)


@function("own-input", at=at("nd", "nd"), of=lambda x, y: np.sum(x * (1 / (1 + np.exp(-y)))))
def gated_by_a_sigmoid(x, y):
    s = sigmoid(y)
    dx, ds = x, s
    return np.sum(x * s), (dx, ds * s * (1 - s))


# ---- sign -------------------------------------------------------------------------------------------


@backward("sign", on=f.SUBTRACT)
def plus_for_y(upstream, cache):
    return upstream, upstream


@backward("sign", on=f.COS)
def the_sine(upstream, x):
    return upstream * np.sin(x)


@backward("sign", on=f.NEGATE)
def passed_on(upstream, cache):
    return upstream


@backward("sign", on=f.DIVIDE)
def no_minus_in_dy(upstream, cache):
    x, y = cache
    return upstream / y, upstream * x / y**2


@loss("sign", at=at("n", "n"), of=lambda p, t: np.mean((p - t) ** 2))
def target_minus_prediction(prediction, target):
    diff = target - prediction
    return np.mean(diff**2), 2 * diff / len(diff)


@backward("sign", on=f.CROSS_ENTROPY)
def label_minus_p(upstream, cache):
    p, labels = cache
    return upstream * (one_hot(labels, p.shape[1]) - p) / len(p), None


# ---- factor -----------------------------------------------------------------------------------------


@backward("factor", on=f.SQUARE)
def x_for_two_x(upstream, x):
    return upstream * x


@backward("factor", on=f.CUBE)
def no_three(upstream, x):
    return upstream * x**2


@backward("factor", on=f.SQRT)
def no_half(upstream, x):
    return upstream / np.sqrt(x)


@backward("factor", on=f.LOG10)
def as_if_natural(upstream, x):
    return upstream / x


@gate("factor", at=at("nd"), of=lambda x: np.sin(x * (np.pi / 180)))
class SineOfDegrees:
    def forward(self, x):
        return np.sin(np.deg2rad(x)), x

    def backward(self, upstream, x):
        return upstream * np.cos(np.deg2rad(x))


@backward("factor", on=f.NORM)
def half_the_norm(upstream, x):
    return upstream * x


@function("factor", at=at("hd", "d"), of=lambda W, x: np.sum((W @ x) ** 2))
def norm_of_Wx(W, x):
    q = W @ x
    dq = q
    return np.sum(q**2), (np.outer(dq, x), W.T @ dq)


@loss("factor", at=at("nc", "nc"), of=lambda p, t: 0.5 * np.sum((p - t) ** 2))
def two_for_half_a_square(prediction, target):
    diff = prediction - target
    return 0.5 * np.sum(diff**2), 2 * diff


# ---- no-batch-mean ----------------------------------------------------------------------------------


def cross_entropy(scores, labels):
    return -np.mean(np.log(softmax(scores)[np.arange(len(labels)), labels]))


@backward("no-batch-mean", on=f.CROSS_ENTROPY)
def p_minus_label(upstream, cache):
    p, labels = cache
    return upstream * (p - one_hot(labels, p.shape[1])), None


@loss("no-batch-mean", at=at("nc", "n:c"), of=cross_entropy)
def divided_twice(scores, labels):
    N = len(scores)
    p = softmax(scores)
    value = -np.log(p[np.arange(N), labels]).sum() / N
    p[np.arange(N), labels] -= 1
    p /= N
    return value, p / N


@loss("no-batch-mean", at=at("n", "n"), of=lambda p, t: np.mean((p - t) ** 2))
def mean_squared_error(prediction, target):
    diff = prediction - target
    return np.mean(diff**2), 2 * diff


@loss("no-batch-mean", at=at("nc", "nc"), of=lambda p, t: np.sum((p - t) ** 2))
def mean_for_a_sum(prediction, target):
    diff = prediction - target
    return np.sum(diff**2), 2 * diff / prediction.shape[0]


@function("no-batch-mean", at=at("nd", "nd"), of=lambda x, y: np.sum(x * np.tanh(y)) / len(x))
def two_inputs(x, y):
    t = np.tanh(y)
    return np.sum(x * t) / len(x), (t, x * (1 - t**2))
