"""Layers that fill an array in a loop, each with a slip in backward: an RNN, an LSTM, attention."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from corpus.described_base import Described, check_gate, draw, row_sum, sigmoid, softmax
from nnkit.check import Verdict


def rnn(slip: str) -> Verdict:
    """h[:, t] = tanh(x[:, t] @ W + h[:, t - 1] @ U + b)."""

    def value(x: Any, h0: Any, W: Any, U: Any, b: Any) -> Any:
        h, before = np.zeros((len(x), x.shape[1], len(b))), h0
        for t in range(x.shape[1]):
            h[:, t] = np.tanh(x[:, t] @ W + before @ U + b)
            before = h[:, t]
        return h

    def backward(g: Any, h: Any, x: Any, h0: Any, W: Any, U: Any, b: Any) -> Any:
        dx, dW, dU, db, dh = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(h0)
        for t in reversed(range(x.shape[1])):
            before = h[:, t - 1] if t else h0
            slope = 1 - h[:, t] if slip == "slope" else 1 - h[:, t] ** 2
            da = (g[:, t] + (0 if slip == "carry" else dh)) * slope
            dx[:, t] = da @ W.T
            dW = x[:, t].T @ da + (0 if slip == "assign" else dW)
            dU += (h[:, t] if slip == "after" else before).T @ da
            db += da.sum(axis=0)
            dh = da @ (U if slip == "turned" else U.T)
            if slip == "early":
                dh = da / slope @ U.T
            if slip == "beside":
                dh = dh + da / slope
        return dx, dh, dW, dU, db

    return check_gate(value, backward, draw(2, 3, 2), draw(2, 2), draw(2, 2), draw(2, 2) + 0.3, draw(2))


def lstm(slip: str) -> Verdict:
    """An LSTM that returns all its states, without a bias."""

    def run(x: Any, W: Any, U: Any) -> Any:
        n = len(U)
        h, c, out, kept = np.zeros((len(x), n)), np.zeros((len(x), n)), np.zeros((len(x), x.shape[1], n)), []
        for t in range(x.shape[1]):
            a = x[:, t] @ W + h @ U
            i, f, o = (sigmoid(a[:, k * n : (k + 1) * n]) for k in range(3))
            g, old, cell = np.tanh(a[:, 3 * n :]), h, c
            c = f * c + i * g
            h = o * np.tanh(c)
            kept.append((old, cell, i, f, o, g, np.tanh(c)))
            out[:, t] = h
        return out, kept

    def backward(upstream: Any, out: Any, x: Any, W: Any, U: Any) -> Any:
        dx, dW, dU, dh, dc = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), 0.0, 0.0
        for t, (h, c, i, f, o, g, squashed) in reversed(list(enumerate(run(x, W, U)[1]))):
            dh = upstream[:, t] + (0 if slip == "state" else dh)
            cell = dh * o * (1 - squashed**2) + (0 if slip == "cell" else dc)
            slopes = [
                cell * g * i * (1 - i),
                cell * c * f * (1 - f),
                dh * squashed * o * (1 - o),
                cell * i * (1 - g**2),
            ]
            if slip == "gate":
                slopes[2] = dh * squashed
            da = np.hstack(slopes)
            dx[:, t], dW, dU = da @ W.T, dW + x[:, t].T @ da, dU + h.T @ da
            dh, dc = da @ U.T, cell * f
        return dx, dW, dU

    return check_gate(lambda x, W, U: run(x, W, U)[0], backward, draw(2, 3, 2), draw(2, 8), draw(2, 8) + 0.2)


def attention(slip: str) -> Verdict:
    """softmax(q @ k.T / sqrt(d)) @ v, for each example in turn."""

    def value(q: Any, k: Any, v: Any) -> Any:
        out = np.zeros_like(q)
        for n in range(len(q)):
            out[n] = softmax(q[n] @ k[n].T / np.sqrt(q.shape[-1])) @ v[n]
        return out

    def backward(g: Any, out: Any, q: Any, k: Any, v: Any) -> Any:
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        for n in range(len(q)):
            p = softmax(q[n] @ k[n].T / np.sqrt(q.shape[-1]))
            dp, dv[n] = g[n] @ v[n].T, p.T @ g[n]
            ds = p * dp if slip == "sum" else p * (1 - p) * dp if slip == "diagonal" else p * (dp - row_sum(p * dp))
            ds = ds / np.sqrt(q.shape[-1])
            dq[n], dk[n] = ds @ k[n], ds.T @ q[n]
        return dq, dk, dv

    return check_gate(value, backward, draw(2, 3, 4), draw(2, 3, 4) + 0.1, draw(2, 3, 4) - 0.1)


DESCRIBED = tuple(
    Described(*case)
    for case in (
        ("not-carried-back", "comes back from the next step is missing", partial(rnn, "carry")),
        ("another-step", "the gradient of U takes the state after each step", partial(rnn, "after")),
        ("another-step", "lacks the slope of the state", partial(rnn, "early")),
        ("another-step", "the state's own gradient goes back to the step before too", partial(rnn, "beside")),
        ("wrong-order-product", "upstream @ U in place of upstream @ U.T", partial(rnn, "turned")),
        ("wrong-slope", "the slope used for np.tanh(a) is 1 - out", partial(rnn, "slope")),
        ("overwritten-branch", "only one of the ways back was followed", partial(rnn, "assign")),
        ("not-carried-back", "comes back from the next step is missing, at", partial(lstm, "state")),
        ("not-carried-back", "comes back from the next step is missing, at", partial(lstm, "cell")),
        ("wrong-factor", "the slope of sigmoid(a), out * (1 - out), is missing, at the one", partial(lstm, "gate")),
        ("wrong-jacobian", "without the sum", partial(attention, "sum")),
        ("softmax-diagonal", "only the diagonal", partial(attention, "diagonal")),
    )
)
