"""Mistakes in a gate's own derivative: sigmoid, tanh, exp and log, reciprocal, ReLU, max."""

from __future__ import annotations

import numpy as np

from corpus import wrong_forwards as f
from corpus.wrong_base import at, backward, function, gate
from corpus.wrong_forwards import sigmoid

# ---- sigmoid-of-input -------------------------------------------------------------------------------


@backward("sigmoid-of-input", on=f.SIGMOID)
def z_times_one_minus_z(upstream, cache):
    z, _ = cache
    return upstream * z * (1 - z)


@function("sigmoid-of-input", at=at("d", "d", ""), of=lambda w, x, b: 1 / (1 + np.exp(-(np.sum(w * x) + b))))
def neuron(w, x, b):
    dot = w @ x + b
    ddot = (1 - dot) * dot
    return sigmoid(dot), (ddot * x, ddot * w, ddot)


@function("sigmoid-of-input", at=at("nd", "dh"), of=lambda x, w: np.sum(1 / (1 + np.exp(-(x @ w)))))
def layer(x, w):
    z = x @ w
    dz = z - z**2
    return np.sum(sigmoid(z)), [dz @ w.T, x.T @ dz]


@gate("sigmoid-of-input", at=at("nd", "nd"), of=lambda x, y: x * (1 / (1 + np.exp(-y))))
class GateByASigmoid:
    def forward(self, x, y):
        return x * sigmoid(y), {"x": x, "y": y}

    def backward(self, upstream, cache):
        x, y = cache["x"], cache["y"]
        return upstream * sigmoid(y), upstream * x * y * (1 - y)


# ---- sigmoid-twice ----------------------------------------------------------------------------------


@backward("sigmoid-twice", on=f.SIGMOID)
def sigma_of_the_output(upstream, cache):
    _, s = cache
    sig = sigmoid(s)
    return upstream * sig * (1 - sig)


@function("sigmoid-twice", at=at("n", "n"), of=lambda w, x: np.sum(1 / (1 + np.exp(-(w * x)))))
def sigmoids_of_products(w, x):
    out = sigmoid(w * x)
    dot = sigmoid(out) * (1 - sigmoid(out))
    return out.sum(), (dot * x, dot * w)


def sigmoid_slope(z):
    return sigmoid(z) * (1 - sigmoid(z))


@function("sigmoid-twice", at=at("nd", "dh", "h"), of=lambda x, w, b: np.sum((1 / (1 + np.exp(-(x @ w + b)))) ** 2))
def layer_with_a_slope_function(x, w, b):
    s = sigmoid(x @ w + b)
    dz = 2 * s * sigmoid_slope(s)
    return np.sum(s**2), (dz @ w.T, x.T @ dz, dz.sum(axis=0))


# ---- tanh-of-input ----------------------------------------------------------------------------------


@backward("tanh-of-input", on=f.TANH)
def one_minus_z_squared(upstream, cache):
    z, _ = cache
    return upstream * (1 - z**2)


@gate("tanh-of-input", at=at("nd", "dh", "h"), of=lambda x, w, b: np.tanh(x @ w + b))
class LayerOfTanh:
    def forward(self, x, w, b):
        z = x.dot(w) + b
        return np.tanh(z), (x, w, z)

    def backward(self, upstream, cache):
        x, w, z = cache
        dz = upstream * (1 - z * z)
        return dz.dot(w.T), x.T.dot(dz), dz.sum(axis=0)


@function("tanh-of-input", at=at("n", "n"), of=lambda x, y: np.sum(np.tanh(x * y) * x))
def product_and_branch(x, y):
    z = x * y
    dz = x * (1 - np.square(z))
    return np.sum(np.tanh(z) * x), (dz * y + np.tanh(z), dz * x)


# ---- exp-is-input -----------------------------------------------------------------------------------


@backward("exp-is-input", on=f.EXP)
def upstream_times_x(upstream, cache):
    x, _ = cache
    return upstream * x


@backward("exp-is-input", on=f.LOG)
def log_is_its_own_derivative(upstream, cache):
    _, out = cache
    return upstream * out


@backward("exp-is-input", on=f.LOG)
def log_of_x_again(upstream, cache):
    x, _ = cache
    return np.log(x) * upstream


@function("exp-is-input", at=at("n", "n"), of=lambda x, y: np.sum(np.exp(x * y)))
def exp_of_a_product(x, y):
    q = x * y
    dq = q
    return np.exp(q).sum(), (dq * y, dq * x)


@function("exp-is-input", at=at("nd+", "nd"), of=lambda x, y: np.sum(np.log(x) * y))
def entropy_like(x, y):
    logs = np.log(x)
    return np.sum(logs * y), (y * logs, logs)


# ---- reciprocal-sign --------------------------------------------------------------------------------


@backward("reciprocal-sign", on=f.RECIPROCAL)
def no_minus(upstream, x):
    return upstream / x**2


@function("reciprocal-sign", at=at("n", "n!"), of=lambda x, y: np.sum(x * y + 1 / y))
def product_and_reciprocal(x, y):
    return np.sum(x * y + 1 / y), (y, x + 1 / y**2)


@function("reciprocal-sign", at=at("nd", "nd"), of=lambda x, y: np.sum(y + 1 / (1 + x**2 + np.exp(y))))
def one_over_a_sum(x, y):
    den = 1 + x**2 + np.exp(y)
    dden = 1 / den**2
    return np.sum(y + 1 / den), (dden * 2 * x, 1 + dden * np.exp(y))


@gate("sign", at=at("nd"), of=lambda z: 1 / (1 + np.exp(-z)))
class SigmoidGateByGate:
    def forward(self, z):
        e = np.exp(-z)
        den = 1 + e
        return 1 / den, (e, den)

    def backward(self, upstream, cache):
        e, den = cache
        dden = upstream * den**-2
        de = dden
        return -(de * e)


# ---- ReLU -------------------------------------------------------------------------------------------


@backward("relu-on-upstream", on=f.RELU)
def upstream_clipped(upstream, x):
    return np.maximum(0, upstream)


@backward("relu-on-upstream", on=f.RELU)
def negative_upstream_set_to_zero(upstream, x):
    dx = upstream.copy()
    dx[dx < 0] = 0
    return dx


@backward("relu-on-upstream", on=f.LEAKY)
def leaky_by_upstream(upstream, x):
    return np.where(upstream > 0, upstream, 0.01 * upstream)


@gate("relu-on-upstream", at=at("nd", "dh"), of=lambda x, w: np.maximum(0, x @ w))
class HiddenLayerDeconv:
    def forward(self, x, w):
        return np.maximum(0, x @ w), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        dz = upstream * (upstream > 0)
        return dz @ w.T, x.T @ dz


@backward("relu-no-mask", on=f.RELU)
def passed_straight_through(upstream, x):
    return upstream


@backward("relu-no-mask", on=f.LEAKY)
def leak_forgotten(upstream, x):
    dx = 1.0 * upstream
    return (dx,)


@gate("relu-no-mask", at=at("nd", "dh", "h"), of=lambda x, w, b: np.maximum(0, x @ w + b))
class HiddenLayerWithoutMask:
    def forward(self, x, w, b):
        return np.maximum(0, x @ w + b), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream.sum(axis=0)


@function("relu-no-mask", at=at("nd", "nd"), of=lambda x, y: np.sum(np.maximum(0, x * y) * y))
def relu_of_a_product(x, y):
    r = np.maximum(0, x * y)
    dz = y
    return np.sum(r * y), (dz * y, dz * x + r)


@backward("relu-inverted", on=f.RELU)
def passes_where_negative(upstream, x):
    return upstream * (x < 0)


@backward("relu-inverted", on=f.RELU)
def zeroed_where_positive(upstream, x):
    dx = np.array(upstream)
    dx[x > 0] = 0
    return dx


@backward("relu-inverted", on=f.LEAKY)
def leak_on_the_other_side(upstream, x):
    return upstream * np.where(x > 0, 0.01, 1.0)


@gate("relu-inverted", at=at("nd", "dh"), of=lambda x, w: np.maximum(0, x @ w))
class HiddenLayerInverted:
    def forward(self, x, w):
        h = np.maximum(0, x @ w)
        return h, (x, w, h)

    def backward(self, upstream, cache):
        x, w, h = cache
        dz = np.where(h > 0, 0, upstream)
        return dz @ w.T, x.T @ dz


# ---- max --------------------------------------------------------------------------------------------


@backward("max-to-both", on=f.MAX)
def upstream_to_both(upstream, cache):
    return upstream, upstream


@backward("max-to-both", on=f.MAXOUT)
def both_pieces(upstream, cache):
    return np.hstack([upstream, upstream])


CIRCUIT = at("", "", "", "")


@function("max-to-both", at=CIRCUIT, of=lambda x, y, z, w: 2 * (x * y + np.maximum(z, w)))
def circuit_to_both(x, y, z, w):
    return 2 * (x * y + max(z, w)), (2 * y, 2 * x, 2.0, 2.0)


@function("max-to-both", at=at("n", "n"), of=lambda x, y: np.sum(np.maximum(x, y) * x))
def max_times_x_to_both(x, y):
    m = np.maximum(x, y)
    dm = x
    return np.sum(m * x), (m + dm, dm)


@backward("max-to-loser", on=f.MAX)
def the_smaller_gets_it(upstream, cache):
    x, y = cache
    return upstream * (x < y), upstream * (y < x)


@backward("max-to-loser", on=f.MAXOUT)
def the_smaller_piece(upstream, cache):
    first, second = cache
    return np.concatenate([np.where(first < second, upstream, 0), np.where(first < second, 0, upstream)], axis=1)


@function("max-to-loser", at=CIRCUIT, of=lambda x, y, z, w: 2 * (x * y + np.maximum(z, w)))
def circuit_to_the_loser(x, y, z, w):
    dz = 2.0 if z < w else 0.0
    return 2 * (x * y + max(z, w)), (2 * y, 2 * x, dz, 2.0 - dz)


@function("max-to-loser", at=at("n", "n"), of=lambda x, y: np.sum(np.maximum(x, y) * x))
def max_times_x_to_the_loser(x, y):
    m = np.maximum(x, y)
    return np.sum(m * x), (m + x * (x < y), x * (x > y))
