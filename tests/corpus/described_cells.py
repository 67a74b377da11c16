"""Cells of recurrent networks, attention, dropout and layers that update themselves, each with a slip in backward."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from corpus.described_base import Described, check_gate, draw, sigmoid, softmax
from nnkit.check import Verdict, check_backward, check_layer


def under_jit(kind: Any) -> Any:
    """Return a class with its methods compiled."""
    kind.forward, kind.backward = (jax.jit(method, static_argnums=0) for method in (kind.forward, kind.backward))
    return kind


# ---- an LSTM's step -------------------------------------------------------------------------------------


def run_lstm(x: Any, prev_h: Any, prev_c: Any, W: Any, U: Any) -> Any:
    n = len(U)
    a = x @ W + prev_h @ U
    i, f, o, g = sigmoid(a[:, :n]), sigmoid(a[:, n : 2 * n]), sigmoid(a[:, 2 * n : 3 * n]), np.tanh(a[:, 3 * n :])
    next_c = f * prev_c + i * g
    return o * np.tanh(next_c), next_c, (x, prev_h, prev_c, W, U, i, f, o, g, np.tanh(next_c))


def differentiate_lstm(slip: str, dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    x, prev_h, prev_c, W, U, i, f, o, g, squashed = cache
    if slip == "turned":
        dnext_h, dnext_c = dnext_c, dnext_h
    if slip == "twice":
        dnext_c = 2 * dnext_c
    dc = dnext_h * o * (1 - squashed**2) * (slip != "no h") + dnext_c * (slip != "no c")
    di, df, do, dg = dc * g, dc * prev_c, dnext_h * squashed, dc * i
    if slip == "gates":
        di, df = df, di
    parts = [di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)]
    if slip == "columns":
        parts = [parts[k] for k in (1, 0, 2, 3)]
    da = np.concatenate(parts, axis=1)
    return da @ W.T, da @ U.T, dc * f, x.T @ da, prev_h.T @ da


def lstm_step(slip: str) -> Verdict:
    def lstm_backward(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
        return differentiate_lstm(slip, dnext_h, dnext_c, cache)

    return check_backward((run_lstm, lstm_backward), draw(3, 4), draw(3, 2), draw(3, 2) + 1, draw(4, 8), draw(2, 8))


def lstm_step_of_tuples(slip: str) -> Verdict:
    def forward(*inputs: Any) -> Any:
        h, c, cache = run_lstm(*inputs)
        return (h, c), cache

    def backward(upstreams: Any, cache: Any) -> Any:
        return differentiate_lstm(slip, *upstreams, cache)

    return check_backward((forward, backward), draw(3, 4), draw(3, 2), draw(3, 2) + 1, draw(4, 8), draw(2, 8))


# ---- a GRU's step ---------------------------------------------------------------------------------------


def gru_step(slip: str) -> Verdict:
    def forward(x: Any, h: Any, Wz: Any, Wr: Any, Wn: Any) -> Any:
        both = np.concatenate([x, h], axis=1)
        z, r = sigmoid(both @ Wz), sigmoid(both @ Wr)
        n = np.tanh(np.concatenate([x, r * h], axis=1) @ Wn)
        return (1 - z) * n + z * h, (x, h, z, r, n, Wz, Wr, Wn)

    def backward(dout: Any, cache: Any) -> Any:
        x, h, z, r, n, Wz, Wr, Wn = cache
        dn, dz, dh = dout * (1 - z), dout * (h - n), dout * z
        if slip == "z":
            dn, dh = dout * z, dout * (1 - z)
        da = dn * (1 - n**2)
        both = np.concatenate([x, h], axis=1)
        dWn = (both if slip == "both" else np.concatenate([x, r * h], axis=1)).T @ da
        dx, dreset = np.split(da @ Wn.T, [x.shape[1]], axis=1)
        dh, dr = dh + dreset * r, dreset * h
        az, ar = dz * z * (1 - z), dr * r * (1 - r)
        more_x, more_h = np.split(az @ Wz.T + ar @ Wr.T, [x.shape[1]], axis=1)
        gradients = (dx + more_x, dh + more_h, both.T @ az, both.T @ ar, dWn)
        return tuple(gradients[k] for k in (1, 0, 2, 3, 4)) if slip == "order" else gradients

    return check_backward((forward, backward), draw(3, 2), draw(2, 3).T, *(draw(4, 2) + k for k in range(3)))


# ---- attention ------------------------------------------------------------------------------------------


def turn(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


def attention(slip: str) -> Verdict:
    def value(q: Any, k: Any, v: Any) -> Any:
        return softmax(q @ turn(k) / 2) @ v

    def backward(g: Any, out: Any, q: Any, k: Any, v: Any) -> Any:
        p = softmax(q @ turn(k) / 2)
        dp = g @ turn(v)
        ds = p * (dp - (dp * p).sum(axis=-2 if slip == "axis" else -1, keepdims=True)) / 2
        return ds @ k, (ds if slip == "keys" else turn(ds)) @ q, (p if slip == "values" else turn(p)) @ g

    return check_gate(value, backward, draw(2, 3, 4), draw(2, 3, 4) + 0.5, draw(2, 3, 5))


def softmax_of_columns(slip: str) -> Verdict:
    def value(x: Any) -> Any:
        e = np.exp(x - x.max(axis=0))
        return e / e.sum(axis=0)

    def backward(g: Any, p: Any, x: Any) -> Any:
        if slip == "rows":
            p = softmax(x)
        axis = {"sum": 1, "rows": 1}.get(slip, 0)
        return p * (g + (1 if slip == "plus" else -1) * (g * p).sum(axis=axis, keepdims=True))

    return check_gate(value, backward, draw(3, 4))


# ---- layers ---------------------------------------------------------------------------------------------


class Dropout:
    keep, seeds = 0.6, (1, 2)

    def draw(self, shape: Any, seed: int) -> Any:
        return (np.random.default_rng(seed).random(shape) < self.keep) / self.keep

    def forward(self, x: Any) -> Any:
        return x * self.draw(x.shape, self.seeds[0])

    def backward(self, dout: Any) -> Any:
        return dout * self.draw(dout.shape, self.seeds[1])


class FreshDropout(Dropout):
    def draw(self, shape: Any, seed: int) -> Any:
        return np.where(np.random.rand(*shape) < self.keep, 1 / self.keep, 0)


class Dense:
    def __init__(self) -> None:
        self.W, self.b = draw(4, 3), draw(3)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        self.W -= 0.05 * self.dW
        return dout @ self.W.T


class Rebinding(Dense):
    def backward(self, dout: Any) -> Any:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        self.W, self.b = self.W - 0.3 * self.dW, self.b - 0.3 * self.db
        return dout @ self.W.T


class Stacked(Dense):
    def backward(self, dout: Any) -> Any:
        self.dW, self.db = np.einsum("nti,ntj->ij", self.x, dout), dout.sum(axis=(0, 1))
        self.W = self.W - 0.1 * self.dW
        return dout @ self.W.T


# ---- products -------------------------------------------------------------------------------------------


def gated(slip: str) -> Verdict:
    """The verdict on h * sigmoid(z) with h = tanh(x @ W), z = x @ V."""

    def value(x: Any, W: Any, V: Any) -> Any:
        return np.tanh(x @ W) * sigmoid(x @ V)

    def backward(g: Any, out: Any, x: Any, W: Any, V: Any) -> Any:
        h, s = np.tanh(x @ W), sigmoid(x @ V)
        dh, ds = g * (x @ V if slip == "z" else s), g * (x @ W if slip == "a" else h)
        if slip == "turned":
            dh, ds = g * h, g * s
        da, dz = dh * (1 - h**2), ds * s * (1 - s)
        return da @ W.T + dz @ V.T, x.T @ da, x.T @ dz

    return check_gate(value, backward, draw(3, 4), draw(4, 2), draw(4, 2) - 0.5)


# ---- what is done to upstream ---------------------------------------------------------------------------


def log_sum_exp(change: Any, slip: Any = softmax) -> Verdict:
    return check_gate(
        lambda x: np.log(np.exp(x).sum(axis=1)), lambda g, out, x: change(g)[:, None] * slip(x), draw(3, 4)
    )


def of_columns(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=0)


def clip(g: Any) -> Any:
    return np.clip(g, -1, 1)


def plain(g: Any) -> Any:
    return g


@under_jit
class CompiledHuber:
    def forward(self, x: Any) -> Any:
        size = jnp.abs(x)
        return jnp.where(size <= 1, x * x / 2, size - 0.5), x

    def backward(self, upstream: Any, x: Any) -> Any:
        return (upstream * jnp.where(jnp.abs(x) <= 1, x, 1.0),)


@jax.custom_vjp
def squash(x: Any) -> Any:
    return jnp.tanh(x)


squash.defvjp(lambda x: (jnp.tanh(x), x), lambda x, upstream: (upstream * (1 - x**2),))


class Squash:
    def forward(self, x: Any) -> Any:
        return squash(x), x

    def backward(self, upstream: Any, x: Any) -> Any:
        return jax.vjp(squash, x)[1](upstream)


CASES: list[tuple[str, str, Any]] = [
    ("changed-upstream", "upstream is clipped to -1 and 1", partial(log_sum_exp, clip)),
    ("changed-upstream", "the sum of upstream stands", partial(log_sum_exp, lambda g: np.full(3, g.sum()))),
    ("changed-upstream", "upstream is used without its sign", partial(log_sum_exp, np.abs)),
    (
        "changed-upstream",
        "the gradient is clipped to -0.5 and 0.5",
        lambda: check_gate(lambda x: x**2, lambda g, out, x: np.clip(2 * g * x, -0.5, 0.5), draw(5)),
    ),
    (
        "changed-upstream",
        "through the Jacobian, not back through its transpose",
        lambda: check_gate(np.cumsum, lambda g, out, x: np.cumsum(g), draw(5)),
    ),
    (
        "changed-upstream",
        "through the Jacobian, not back through its transpose",
        lambda: check_gate(np.linalg.inv, lambda g, out, x: -out @ g @ out, draw(3, 3) + 3 * np.eye(3)),
    ),
    ("wrong-jacobian", "softmax of each column, where each row", partial(log_sum_exp, plain, of_columns)),
    ("wrong-jacobian", "without the division by the sum", partial(log_sum_exp, plain, np.exp)),
    (
        "wrong-slope",
        "the slope used for abs(x) is 1",
        lambda: check_backward(CompiledHuber(), np.array([0.5, -1.2, 2])),
    ),
    ("tanh-of-input", "of the input", lambda: check_backward(Squash(), np.array([0.5, -1.2, 2]))),
    ("overwritten-branch", "the path through the output next_c is missing", partial(lstm_step, "no c")),
    ("overwritten-branch", "the path through next_h is missing", partial(lstm_step, "no h")),
    ("overwritten-branch", "the path through the output out[1] is missing", partial(lstm_step_of_tuples, "no c")),
    ("other-upstream", "the upstream gradients of next_h and next_c changed places", partial(lstm_step, "turned")),
    ("other-upstream", "the upstream gradients of out[0] and out[1] changed", partial(lstm_step_of_tuples, "turned")),
    ("other-upstream", "the upstream gradient of next_c is counted twice", partial(lstm_step, "twice")),
    ("gradients-exchanged", "changed places", partial(lstm_step, "gates")),
    ("gradients-exchanged", "columns 0 to 1 of x @ W + prev_h @ U", partial(lstm_step, "columns")),
    ("gradients-exchanged", "changed places", partial(gru_step, "z")),
    ("swapped-inputs", "dx and dh are wrong", partial(gru_step, "order")),
    ("other-factor", "for Wn it takes np.concatenate(x, h)", partial(gru_step, "both")),
    ("other-factor", "it takes x @ V, where forward multiplied by sigmoid(x @ V)", partial(gated, "z")),
    ("other-factor", "it takes x @ W, where forward multiplied by np.tanh(x @ W)", partial(gated, "a")),
    ("wrong-order-product", "a transpose is not right", partial(attention, "keys")),
    ("wrong-order-product", "A @ upstream in place of A.swapaxes(-1, -2)", partial(attention, "values")),
    ("softmax-wrong-axis", "the sum in softmax's backward goes over the wrong axis", partial(attention, "axis")),
    ("softmax-wrong-axis", "Forward normalises each column", partial(softmax_of_columns, "sum")),
    ("softmax-wrong-axis", "where forward normalises each column", partial(softmax_of_columns, "rows")),
    ("wrong-jacobian", "the gradient used for the softmax of each column is", partial(softmax_of_columns, "plus")),
    ("wrong-jacobian", "another mask than the one of forward", lambda: check_layer(Dropout, draw(4, 5))),
    ("wrong-jacobian", "another mask than the one of forward", lambda: check_layer(FreshDropout, draw(4, 5))),
    ("updated-first", "W was updated before the gradient", lambda: check_layer(Dense, draw(5, 4))),
    ("updated-first", "went back through W - 0.3 * dW", lambda: check_layer(Rebinding, draw(5, 4))),
    ("updated-first", "went back through W - 0.1 * dW", lambda: check_layer(Stacked, draw(2, 5, 4))),
]
DESCRIBED = tuple(Described(*case) for case in CASES)
