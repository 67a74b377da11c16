"""Mistakes with the batch axis, with shapes, with matrix products, and with how many gradients come back."""

from __future__ import annotations

import numpy as np

from corpus import wrong_forwards as f
from corpus.wrong_base import at, backward, function
from corpus.wrong_forwards import sigmoid

# ---- bias-not-summed --------------------------------------------------------------------------------


@backward("bias-not-summed", on=f.AFFINE)
def db_is_upstream(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T @ upstream, upstream


@backward("bias-not-summed", on=f.ADD_BIAS)
def both_get_upstream(upstream, cache):
    return upstream, upstream


@backward("bias-not-summed", on=f.SCALE)
def each_example_its_own_dgamma(upstream, cache):
    x, gamma = cache
    return upstream * gamma, upstream * x


@backward("bias-not-summed", on=f.ADD_BIAS.at("nd", ""))
def one_number_for_all(upstream, cache):
    return upstream * 1.0, upstream * np.ones(upstream.shape)


# ---- bias-mean --------------------------------------------------------------------------------------


@backward("bias-mean", on=f.AFFINE)
def averaged_over_the_batch(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T @ upstream, upstream.mean(axis=0)


@backward("bias-mean", on=f.ADD_BIAS)
def db_averaged(upstream, cache):
    return upstream, np.mean(upstream, axis=0)


@function("bias-mean", at=at("nd", "dh", "h"), of=lambda x, w, b: np.sum(np.tanh(x @ w + b)))
def layer_of_tanh(x, w, b):
    a = np.tanh(x @ w + b)
    dz = 1 - a * a
    return a.sum(), (dz @ w.T, x.T @ dz, dz.sum(axis=0) / x.shape[0])


# ---- sum-all ----------------------------------------------------------------------------------------


@backward("sum-all", on=f.AFFINE)
def db_is_one_number(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T @ upstream, upstream.sum()


@backward("sum-all", on=f.ADD_BIAS)
def filled_with_the_sum(upstream, cache):
    _, b = cache
    db = np.zeros_like(b)
    db += np.sum(upstream)
    return upstream, db


@backward("sum-all", on=f.SCALE)
def axis_forgotten(upstream, cache):
    x, gamma = cache
    return upstream * gamma, np.sum(upstream * x)


# ---- kept-dims --------------------------------------------------------------------------------------


@backward("kept-dims", on=f.AFFINE)
def keepdims(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T @ upstream, upstream.sum(axis=0, keepdims=True)


@backward("kept-dims", on=f.ADD_BIAS)
def reshaped_to_a_column(upstream, cache):
    return upstream, upstream.sum(axis=0).reshape(-1, 1)


@backward("kept-dims", on=f.MATVEC)
def a_column_vector(upstream, cache):
    w, x = cache
    g = upstream[:, None]
    return g @ x[None, :], w.T @ g


@function("kept-dims", at=at("nd", "d", ""), of=lambda x, w, b: np.sum(np.exp(x @ w + b)))
def neuron_with_bias_in_an_array(x, w, b):
    out = np.exp(x @ w + b)
    return out.sum(), (np.outer(out, w), x.T @ out, out.sum(keepdims=True))


# ---- transposed -------------------------------------------------------------------------------------


@backward("transposed", on=f.MATMUL)
def dw_from_the_other_side(upstream, cache):
    x, w = cache
    return upstream @ w.T, upstream.T @ x


@backward("transposed", on=f.MATMUL.at("nd", "dd"))
def square_weights(upstream, cache):
    x, w = cache
    return upstream @ w.T, upstream.T @ x


@backward("transposed", on=f.MATMUL.at("nn", "nn"))
def all_square(upstream, cache):
    x, w = cache
    return w @ upstream.T, x.T @ upstream


@backward("transposed", on=f.MATVEC)
def outer_the_wrong_way(upstream, cache):
    w, x = cache
    return np.outer(x, upstream), w.T @ upstream


@backward("transposed", on=f.AFFINE)
def both_transposed(upstream, cache):
    x, w = cache
    return w @ upstream.T, upstream.T @ x, upstream.sum(axis=0)


# ---- wrong-order-product ----------------------------------------------------------------------------


@backward("wrong-order-product", on=f.MATMUL)
def upstream_first_in_dw(upstream, cache):
    x, w = cache
    dx = upstream @ w.T
    dw = upstream @ x.T
    return dx, dw


@backward("wrong-order-product", on=f.MATMUL)
def weights_first_in_dx(upstream, cache):
    x, w = cache
    return w.T @ upstream, x.T @ upstream


@backward("wrong-order-product", on=f.MATMUL.at("nn", "nn"))
def square_so_it_runs(upstream, cache):
    x, w = cache
    return w.T @ upstream, x.T @ upstream


@backward("wrong-order-product", on=f.MATMUL.at("nn", "nn"))
def both_in_the_other_order(upstream, cache):
    x, w = cache
    return w.T @ upstream, upstream @ x.T


@backward("wrong-order-product", on=f.AFFINE)
def dot_of_x_and_upstream(upstream, cache):
    x, w = cache
    dw = np.dot(upstream, x.T)
    return np.dot(upstream, w.T), dw, upstream.sum(axis=0)


@backward("wrong-order-product", on=f.MATVEC)
def vector_before_matrix(upstream, cache):
    w, x = cache
    return np.outer(upstream, x), upstream @ w.T


# ---- elementwise-for-matmul -------------------------------------------------------------------------


@backward("elementwise-for-matmul", on=f.MATMUL)
def star_in_dx(upstream, cache):
    x, w = cache
    return upstream * w.T, x.T @ upstream


@backward("elementwise-for-matmul", on=f.MATMUL.at("nn", "nn"))
def stars_on_squares(upstream, cache):
    x, w = cache
    return upstream * w.T, x.T * upstream


@backward("elementwise-for-matmul", on=f.MULTIPLY)
def at_for_star(upstream, cache):
    x, y = cache
    return upstream @ y, upstream @ x


@backward("elementwise-for-matmul", on=f.MULTIPLY.at("nn", "nn"))
def at_for_star_on_squares(upstream, cache):
    x, y = cache
    return upstream @ y, upstream @ x


@backward("elementwise-for-matmul", on=f.AFFINE)
def star_in_dw(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T * upstream, upstream.sum(axis=0)


@backward("elementwise-for-matmul", on=f.SIGMOID)
def product_with_the_local_derivative(upstream, cache):
    _, s = cache
    return upstream @ (s * (1 - s))


# ---- wrong-shape ------------------------------------------------------------------------------------


@backward("wrong-shape", on=f.TANH)
def summed_though_nothing_was_copied(upstream, cache):
    _, a = cache
    return np.sum(upstream * (1 - a**2), axis=0)


@backward("wrong-shape", on=f.SQUARE.at("n"))
def a_jacobian_for_a_gradient(upstream, x):
    return np.diag(2 * x) * upstream


@backward("wrong-shape", on=f.ADD_BIAS)
def summed_along_the_other_axis(upstream, cache):
    return upstream, upstream.sum(axis=1)


@backward("wrong-shape", on=f.EXP)
def a_row_is_missing(upstream, cache):
    _, out = cache
    return (upstream * out)[:-1]


@function("wrong-shape", at=at("n"), of=lambda x: np.sum(x**2))
def gradient_with_the_value_appended(x):
    value = np.sum(x**2)
    return value, np.append(2 * x, value)


# ---- wrong-count ------------------------------------------------------------------------------------


@backward("wrong-count", on=f.MULTIPLY)
def dy_forgotten(upstream, cache):
    _, y = cache
    dx = upstream * y
    return (dx,)


@backward("wrong-count", on=f.RELU)
def upstream_handed_on_too(upstream, x):
    return upstream * (x > 0), upstream


@backward("wrong-count", on=f.AFFINE)
def no_db(upstream, cache):
    x, w = cache
    return upstream @ w.T, x.T @ upstream


@backward("wrong-count", on=f.DIVIDE)
def a_dict(upstream, cache):
    x, y = cache
    return {"dx": upstream / y, "dy": -upstream * x / y**2}


@backward("wrong-count", on=f.MULTIPLY)
def added_up(upstream, cache):
    x, y = cache
    return upstream * y + upstream * x


@function("wrong-count", at=at("d", "d"), of=lambda w, x: np.sum(1 / (1 + np.exp(-w * x))))
def only_the_weights(w, x):
    s = sigmoid(w * x)
    return s.sum(), (s * (1 - s) * x,)
