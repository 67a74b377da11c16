"""Two mistakes at once: one on top of the other, or each in a gradient of its own. Both should be named."""

from __future__ import annotations

import numpy as np

from corpus import wrong_forwards as f
from corpus.wrong_base import at, backward, edited, function, loss
from corpus.wrong_forwards import softmax
from corpus.wrong_networks import REGULARISED, RELU_NET, SIGMOID_NET

# ---- one on top of the other --------------------------------------------------------------------------


@backward("sign", "factor", on=f.SQUARE)
def minus_x(upstream, x):
    return -upstream * x


@loss("sign", "factor", at=at("n", "n"), of=lambda p, t: np.sum((p - t) ** 2))
def error_without_the_two(prediction, target):
    diff = target - prediction
    return np.sum(diff**2), diff


@backward("no-upstream", "sign", on=f.SIGMOID)
def minus_the_local_derivative(upstream, cache):
    _, s = cache
    return -s * (1 - s)


@backward("no-upstream", "factor", on=f.SQUARE)
def x_alone(upstream, x):
    return x


@backward("no-upstream", "sign", on=f.COS)
def the_sine_alone(upstream, x):
    return np.sin(x)


@backward("own-input", "sign", on=f.MULTIPLY)
def minus_own(upstream, cache):
    x, y = cache
    return -upstream * x, -upstream * y


@backward("own-input", "factor", on=f.MULTIPLY)
def twice_own(upstream, cache):
    x, y = cache
    return 2 * upstream * x, 2 * upstream * y


@backward("upstream-twice", "sign", on=f.COS)
def sine_and_squared_upstream(upstream, x):
    dx = upstream * np.sin(x)
    return dx * upstream


@backward("transposed", "sign", on=f.MATMUL)
def transposed_and_negative(upstream, cache):
    x, w = cache
    return -(w @ upstream.T), -(upstream.T @ x)


@backward("transposed", "factor", on=f.MATMUL.at("nn", "nn"))
def transposed_and_doubled(upstream, cache):
    x, w = cache
    return upstream @ w.T, 2 * upstream.T @ x


@backward("sigmoid-of-input", "sign", on=f.SIGMOID)
def z_times_z_minus_one(upstream, cache):
    z, _ = cache
    return upstream * z * (z - 1)


@backward("tanh-of-input", "factor", on=f.TANH)
def twice_one_minus_z_squared(upstream, cache):
    z, _ = cache
    return 2 * upstream * (1 - z**2)


@backward("exp-is-input", "sign", on=f.EXP)
def minus_x_times_upstream(upstream, cache):
    x, _ = cache
    return -x * upstream


@backward("bias-not-summed", "sign", on=f.AFFINE)
def db_is_minus_upstream(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T @ upstream, -upstream


@backward("kept-dims", "factor", on=f.AFFINE)
def half_of_a_row(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T @ upstream, 0.5 * upstream.sum(axis=0, keepdims=True)


@function("overwritten-branch", "sign", at=at("n", "n"), of=lambda x, y: np.sum(x * y - x**3))
def second_use_with_the_wrong_sign(x, y):
    dx = y
    dx = 3 * x**2
    return np.sum(x * y - x**3), (dx, x)


def _mean_cross_entropy(scores, labels):
    return -np.mean(np.log(softmax(scores)[np.arange(len(labels)), labels]))


@loss("softmax-no-label", "no-batch-mean", at=at("nc", "n:c"), of=_mean_cross_entropy)
def p_alone(scores, labels):
    return _mean_cross_entropy(scores, labels), softmax(scores)


@loss("sign", "no-batch-mean", at=at("n", "n"), of=lambda p, t: np.mean((p - t) ** 2))
def error_neither_averaged_nor_right_way_round(prediction, target):
    diff = target - prediction
    return np.mean(diff**2), 2 * diff


# ---- each in a gradient of its own --------------------------------------------------------------------


@backward("bias-not-summed", "transposed", on=f.AFFINE)
def dw_transposed_and_db_unsummed(upstream, cache):
    x, w = cache
    return upstream @ w.T, upstream.T @ x, upstream


@backward("bias-mean", "sign", on=f.AFFINE)
def dx_negative_and_db_averaged(upstream, cache):
    x, w = cache
    return -upstream @ w.T, x.T @ upstream, upstream.mean(axis=0)


@backward("no-upstream", "sign", on=f.DIVIDE)
def one_of_each(upstream, cache):
    x, y = cache
    return 1 / y, upstream * x / y**2


@backward("upstream-twice", "factor", on=f.MULTIPLY)
def twice_here_and_doubled_there(upstream, cache):
    x, y = cache
    return upstream**2 * y, 2 * upstream * x


edited("relu-no-mask", "bias-not-summed", of=RELU_NET, line="dz = dh * (z > 0)", by="dz = dh",
       then=(("db2 = dscores.sum(axis=0)", "db2 = dscores"),))  # fmt: skip
edited("sigmoid-of-input", "transposed", of=SIGMOID_NET, line="grad_h * h * (1 - h)", by="grad_h * z * (1 - z)",
       then=(("grad_w2 = h.T.dot(grad_y_pred)", "grad_w2 = grad_y_pred.T.dot(h)"),))  # fmt: skip
edited("regularisation", "bias-mean", of=REGULARISED, line="dscores + lam * W2", by="dscores",
       then=(("dz + lam * W1", "dz"), ("db1 = dz.sum", "db1 = dz.mean"), ("db2 = dscores.sum", "db2 = dscores.mean")),
       )  # fmt: skip
edited("gradient-for-value", "sum-all", of=RELU_NET, line="dscores @ W2.T", by="dscores @ dW2.T",
       then=(("db2 = dscores.sum(axis=0)", "db2 = dscores.sum()"),))  # fmt: skip
