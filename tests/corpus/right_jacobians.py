"""Explicit Jacobians in many hands: jacobian(*inputs) → an array of shape (*out, *input)."""

from __future__ import annotations

import numpy as np

from corpus import right_draws as draws
from corpus import right_families as f
from corpus.right_base import Family, jacobian

SQUARES = Family("squares of a vector", draws.vector(draws.wide), lambda x: x * x)
RELU = Family("ReLU of a vector", draws.vector(draws.kinked), lambda x: np.maximum(x, 0.0))
TANH = Family("tanh of a vector", draws.vector(draws.steep), lambda x: np.tanh(x))
CUMSUM = Family("cumulative sum", draws.vector(draws.wide), lambda x: np.cumsum(x))
MATRIX_SQUARES = Family("squares of a matrix", draws.matrix(draws.wide), lambda x: x * x)


@jacobian(SQUARES, "np.diag")
def squares_diagonal(x):
    return np.diag(2 * x)


@jacobian(SQUARES, "eye times a row")
def squares_eye(x):
    return np.eye(len(x)) * (2 * x)


@jacobian(SQUARES, "i and j")
def squares_loops(x):
    return [[2 * x[i] if i == j else 0.0 for j in range(len(x))] for i in range(len(x))]


@jacobian(SQUARES, "fill_diagonal")
def squares_filled(x):
    J = np.zeros((x.size, x.size))
    np.fill_diagonal(J, x + x)
    return J


@jacobian(RELU, "a diagonal mask")
def relu_mask(x):
    return np.diag((x > 0).astype(float))


@jacobian(RELU, "booleans")
def relu_booleans(x):
    return np.diag(x >= 0)


@jacobian(TANH, "from the output")
def tanh_diagonal(x):
    return np.diag(1 - np.tanh(x) ** 2)


@jacobian(CUMSUM, "np.tril")
def cumsum_tril(x):
    return np.tril(np.ones((x.size, x.size)))


@jacobian(CUMSUM, "comparison")
def cumsum_compared(x):
    i = np.arange(len(x))
    return (i[:, None] >= i).astype(int)


@jacobian(f.SOFTMAX_VECTOR, "diag less outer")
def softmax_outer(x):
    e = np.exp(x - x.max())
    p = e / e.sum()
    return np.diag(p) - np.outer(p, p)


@jacobian(f.SOFTMAX_VECTOR, "p_i (δ_ij - p_j)")
def softmax_delta(x):
    p = np.exp(x - np.logaddexp.reduce(x))
    J = np.zeros((len(p), len(p)))
    for i in range(len(p)):
        for j in range(len(p)):
            J[i, j] = p[i] * (float(i == j) - p[j])
    return J


@jacobian(f.MATVEC, "∂q/∂x is W", wrt=1)
def matvec_x(w, x):
    return w


@jacobian(f.MATVEC, "∂q/∂W by loops")
def matvec_w(w, x):
    J = np.zeros((len(w), *w.shape))
    for i in range(len(w)):
        J[i, i, :] = x
    return J


@jacobian(f.MATVEC, "∂q/∂W by kron")
def matvec_w_kron(w, x):
    return np.kron(np.eye(len(w)), x[None, :]).reshape(len(w), *w.shape)


@jacobian(f.MATMUL, "∂(XW)/∂X by einsum")
def matmul_x(x, w):
    return np.einsum("nm,dh->nhmd", np.eye(len(x)), w)


@jacobian(f.MATMUL, "∂(XW)/∂W by kron", wrt=1)
def matmul_w(x, w):
    return np.kron(x, np.eye(w.shape[1])).reshape(len(x), w.shape[1], *w.shape)


@jacobian(MATRIX_SQUARES, "a four-fold loop")
def matrix_squares_loops(x):
    J = np.zeros(x.shape * 2)
    for i, j in np.ndindex(x.shape):
        J[i, j, i, j] = 2 * x[i, j]
    return J


@jacobian(MATRIX_SQUARES, "a reshaped diagonal")
def matrix_squares_diagonal(x):
    return np.diag(2 * x.ravel()).reshape(x.shape + x.shape)


@jacobian(f.NORM, "a row", wrt=0)
def norm_row(x):
    return x / np.sqrt(x @ x)


@jacobian(f.DOT, "with respect to y", wrt=1)
def dot_y(x, y):
    return x


@jacobian(f.ADD_BIAS, "the same for each row", wrt=1)
def bias_jacobian(x, b):
    return np.broadcast_to(np.eye(len(b)), (len(x), len(b), len(b)))
