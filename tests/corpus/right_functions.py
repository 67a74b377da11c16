"""Scalar functions with their gradients, in many hands: function(*inputs) → (value, gradients)."""

from __future__ import annotations

import math

import numpy as np

from corpus import right_families as f
from corpus.right_base import function
from nnkit import gates

# ---- formulas of the lecture ------------------------------------------------------------------------


@function(f.PRODUCT, "one line")
def product_line(x, y, z):
    return (x + y) * z, (z, z, x + y)


@function(f.PRODUCT, "stage by stage")
def product_stages(x, y, z):
    q = x + y
    value = q * z
    df = 1.0
    dq, dz = df * z, df * q
    dx = 1.0 * dq
    dy = 1.0 * dq
    return value, [dx, dy, dz]


@function(f.PRODUCT, "with gates")
def product_gates(x, y, z):
    add, multiply = gates.Add(), gates.Multiply()
    q, q_cache = add.forward(x, y)
    value, cache = multiply.forward(q, z)
    dq, dz = multiply.backward(1.0, cache)
    return value, (*add.backward(dq, q_cache), dz)


@function(f.PRODUCT, "multiplied out")
def product_expanded(x, y, z):
    return x * z + y * z, (float(z), float(z), float(x) + float(y))


@function(f.BRANCH, "accumulated")
def branch_accumulated(x, y):
    dx = 0.0
    dx += y
    dx += 2 * x
    return x * y + x**2, (dx, x)


@function(f.BRANCH, "factored")
def branch_factored(x, y):
    s = x + y
    ds, dx = x, s
    return x * s, [dx + ds, ds]


@function(f.CIRCUIT, "if")
def circuit_if(x, y, z, w):
    if z > w:
        return 2 * (x * y + z), (2 * y, 2 * x, 2.0, 0.0)
    return 2 * (x * y + w), (2 * y, 2 * x, 0.0, 2.0)


@function(f.CIRCUIT, "backwards through the nodes")
def circuit_nodes(x, y, z, w):
    values = {"p": x * y, "m": max(z, w)}
    values["s"] = values["p"] + values["m"]
    grads = {"s": 2.0}
    grads["p"] = grads["m"] = grads["s"]
    dz = grads["m"] * (z >= w)
    return 2 * values["s"], (grads["p"] * y, grads["p"] * x, dz, grads["m"] - dz)


@function(f.NEURON, "number by number")
def neuron_numbers(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f_ = 1.0 / (1 + math.exp(-dot))
    ddot = (1 - f_) * f_
    dx = [w[0] * ddot, w[1] * ddot]
    dw = [x[0] * ddot, x[1] * ddot, 1.0 * ddot]
    return f_, (np.array(dw), np.array(dx))


@function(f.NEURON, "vectors")
def neuron_vectors(w, x):
    inputs = np.append(x, 1.0)
    out = 1 / (1 + np.exp(-(w @ inputs)))
    local = out - out**2
    return out, [local * inputs, local * w[:-1]]


@function(f.NEURON, "nested lists")
def neuron_lists(w, x):
    e = math.exp(-sum(a * b for a, b in zip(w, [*x, 1.0])))
    slope = e / (1 + e) ** 2
    return 1 / (1 + e), ([slope * v for v in (*x, 1.0)], [slope * v for v in w[:2]])


@function(f.STAGED, "as in the notes")
def staged_notes(x, y):
    sigy = 1.0 / (1 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + math.exp(-x))
    xpy = x + y
    den = sigx + xpy**2
    invden = 1.0 / den
    dnum = invden
    dinvden = num
    dden = (-1.0 / den**2) * dinvden
    dsigx = dden
    dxpy = 2 * xpy * dden
    dx = dxpy + (1 - sigx) * sigx * dsigx + dnum
    dy = dxpy + (1 - sigy) * sigy * dnum
    return num * invden, (dx, dy)


@function(f.STAGED, "the quotient rule")
def staged_quotient(x, y):
    sx, sy = 0.5 * (1 + np.tanh(x / 2)), 0.5 * (1 + np.tanh(y / 2))
    top, bottom = x + sy, sx + (x + y) ** 2
    dx = (bottom - top * (sx * (1 - sx) + 2 * (x + y))) / bottom**2
    dy = (sy * (1 - sy) * bottom - top * 2 * (x + y)) / bottom**2
    return top / bottom, np.array([dx, dy]).tolist()


# ---- vectors and matrices ---------------------------------------------------------------------------


@function(f.NORM_WX, "outer product and transpose")
def norm_wx(w, x):
    q = w @ x
    dq = 2 * q
    return q @ q, (np.outer(dq, x), w.T @ dq)


@function(f.NORM_WX, "index notation")
def norm_wx_einsum(w, x):
    q = np.einsum("ij,j->i", w, x)
    return np.einsum("i,i->", q, q), (2 * np.einsum("i,j->ij", q, x), 2 * np.einsum("i,ij->j", q, w))


@function(f.NORM_WX, "the Gram matrix")
def norm_wx_gram(w, x):
    return x @ (w.T @ w) @ x, [2 * w @ np.outer(x, x), 2 * (w.T @ w) @ x]


@function(f.LOG_SUM_EXP, "bare, shifted")
def log_sum_exp_shifted(x):
    top = x.max()
    e = np.exp(x - top)
    return np.log(e.sum()) + top, e / e.sum()


@function(f.LOG_SUM_EXP, "logaddexp")
def log_sum_exp_reduce(x):
    value = np.logaddexp.reduce(x)
    return value, (np.exp(x - value),)


@function(f.QUADRATIC, "symmetrised")
def quadratic_symmetrised(x, a):
    return x @ a @ x, ((a + a.T) @ x, np.outer(x, x))


@function(f.QUADRATIC, "two loops")
def quadratic_loops(x, a):
    value, dx, da = 0.0, np.zeros(len(x)), np.zeros(a.shape)
    for i in range(len(x)):
        for j in range(len(x)):
            value += x[i] * a[i, j] * x[j]
            dx[i] += a[i, j] * x[j]
            dx[j] += x[i] * a[i, j]
            da[i, j] += x[i] * x[j]
    return value, (dx, da)


@function(f.ROSENBROCK, "by hand")
def rosenbrock(x, y):
    valley = y - x**2
    return (1 - x) ** 2 + 100 * valley**2, (-2 * (1 - x) - 400 * x * valley, 200 * valley)


@function(f.RIDGE, "vectorised")
def ridge_vectorised(w, x, y, strength):
    e = x @ w - y
    return e @ e + strength * (w @ w), (2 * x.T @ e + 2 * strength * w, 2 * np.outer(e, w), -2 * e, w @ w)


@function(f.RIDGE, "row by row")
def ridge_rows(w, x, y, strength):
    value, dw = strength * np.sum(w**2), 2 * strength * w
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for n in range(len(y)):
        e = np.dot(x[n], w) - y[n]
        value += e**2
        dw = dw + 2 * e * x[n]
        dx[n], dy[n] = 2 * e * w, -2 * e
    return value, [dw, dx, dy, float((w**2).sum())]


@function(f.POLYNOMIAL, "Horner")
def polynomial_horner(x):
    return np.sum(((3 * x - 2) * x + 1) * x - 5), (9 * x - 4) * x + 1


@function(f.POLYNOMIAL, "coefficients")
def polynomial_coefficients(x):
    p = np.polynomial.Polynomial([-5, 1, -2, 3])
    return p(x).sum(), (p.deriv()(x),)


@function(f.SQUARED_NORM, "twice the input, bare")
def squared_norm(x):
    return (x**2).sum(), x + x


@function(f.DOT, "a list")
def dot_list(x, y):
    return sum(x * y), [y, x]


@function(f.COSINE, "the product rule")
def cosine_product(x, y):
    a, b = math.sqrt(x @ x), math.sqrt(y @ y)
    dot = float(x @ y)
    return dot / (a * b), (y / (a * b) - dot * x / (a**3 * b), x / (a * b) - dot * y / (b**3 * a))


@function(f.CROSS_ENTROPY, "logits and labels")
def cross_entropy(logits, labels):
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    onehot = np.arange(logits.shape[1]) == labels[:, None]
    return -logs[onehot].sum() / len(labels), ((np.exp(logs) - onehot) / len(labels), None)


@function(f.SUM, "ones")
def total(x):
    return np.sum(x), np.ones(np.shape(x))
