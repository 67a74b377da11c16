"""Right layers at the sizes of coursework, written in the way that people write them, for benchmarks and tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class NaiveConvolution:
    """Four loops, stride 1, padding 1."""

    def forward(self, x: Any, w: Any, b: Any) -> Any:
        n, _, height, width = x.shape
        filters, _, k, _ = w.shape
        p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        out = np.zeros((n, filters, height, width))
        for m in range(n):
            for f in range(filters):
                for i in range(height):
                    for j in range(width):
                        out[m, f, i, j] = np.sum(p[m, :, i : i + k, j : j + k] * w[f]) + b[f]
        return out, (p, w)

    def backward(self, upstream: Any, cache: Any) -> Any:
        p, w = cache
        n, filters, height, width = upstream.shape
        k = w.shape[2]
        dp, dw = np.zeros_like(p), np.zeros_like(w)
        for m in range(n):
            for f in range(filters):
                for i in range(height):
                    for j in range(width):
                        dw[f] += upstream[m, f, i, j] * p[m, :, i : i + k, j : j + k]
                        dp[m, :, i : i + k, j : j + k] += upstream[m, f, i, j] * w[f]
        return dp[:, :, 1:-1, 1:-1], dw, upstream.sum(axis=(0, 2, 3))


class NaiveMaxPool:
    """Windows of 2 × 2, stride 2."""

    def forward(self, x: Any) -> Any:
        n, c, height, width = x.shape
        out = np.zeros((n, c, height // 2, width // 2))
        for i in range(height // 2):
            for j in range(width // 2):
                out[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(2, 3))
        return out, x

    def backward(self, upstream: Any, x: Any) -> Any:
        dx = np.zeros_like(x)
        n, c, height, width = upstream.shape
        for m in range(n):
            for k in range(c):
                for i in range(height):
                    for j in range(width):
                        window = x[m, k, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                        a, b = np.unravel_index(window.argmax(), window.shape)
                        dx[m, k, 2 * i + a, 2 * j + b] += upstream[m, k, i, j]
        return dx


class BatchNorm:
    """Over all axes but the last."""

    def forward(self, x: Any, gamma: Any, beta: Any) -> Any:
        flat = x.reshape(-1, x.shape[-1])
        centred = flat - flat.mean(axis=0)
        std = np.sqrt((centred**2).mean(axis=0) + 1e-5)
        hat = centred / std
        return (gamma * hat + beta).reshape(x.shape), (hat, std, gamma)

    def backward(self, upstream: Any, cache: Any) -> Any:
        hat, std, gamma = cache
        g = upstream.reshape(hat.shape)
        dhat = g * gamma
        dx = (dhat - dhat.mean(axis=0) - hat * (dhat * hat).mean(axis=0)) / std
        return dx.reshape(upstream.shape), (g * hat).sum(axis=0), g.sum(axis=0)


def softmax(scores: Any) -> Any:
    exps = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


class Attention:
    """One head: softmax(x Wq (x Wk)ᵀ / √d) x Wv."""

    def forward(self, x: Any, Wq: Any, Wk: Any, Wv: Any) -> Any:
        q, k, v = x @ Wq, x @ Wk, x @ Wv
        a = softmax(q @ np.swapaxes(k, 1, 2) / np.sqrt(Wq.shape[1]))
        return a @ v, (x, Wq, Wk, Wv, q, k, v, a)

    def backward(self, upstream: Any, cache: Any) -> Any:
        x, Wq, Wk, Wv, q, k, v, a = cache
        da, dv = upstream @ np.swapaxes(v, 1, 2), np.swapaxes(a, 1, 2) @ upstream
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / np.sqrt(Wq.shape[1])
        dq, dk = ds @ k, np.swapaxes(ds, 1, 2) @ q
        dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
        return dx, *(np.einsum("btd,bte->de", x, g) for g in (dq, dk, dv))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


class LSTM:
    """All steps, from h0 and a cell of zeros."""

    def forward(self, x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        n, steps, _ = x.shape
        size = h0.shape[1]
        hs, h, c, kept = np.zeros((n, steps, size)), h0, np.zeros_like(h0), []
        for t in range(steps):
            z = x[:, t] @ Wx + h @ Wh + b
            i, f, o = (sigmoid(z[:, k * size : (k + 1) * size]) for k in range(3))
            g = np.tanh(z[:, 3 * size :])
            after = f * c + i * g
            kept.append((x[:, t], h, c, i, f, o, g, after))
            h, c = o * np.tanh(after), after
            hs[:, t] = h
        return hs, (kept, Wx, Wh, x.shape)

    def backward(self, upstream: Any, cache: Any) -> Any:
        kept, Wx, Wh, shape = cache
        dx, dWx, dWh, db = np.zeros(shape), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wx.shape[1])
        dh = dc = 0.0
        for t in reversed(range(shape[1])):
            x, h, c, i, f, o, g, after = kept[t]
            d = upstream[:, t] + dh
            tanh = np.tanh(after)
            dafter = dc + d * o * (1 - tanh * tanh)
            gates = [dafter * g * i * (1 - i), dafter * c * f * (1 - f), d * tanh * o * (1 - o)]
            dz = np.hstack([*gates, dafter * i * (1 - g * g)])
            dx[:, t], dh = dz @ Wx.T, dz @ Wh.T
            dWx, dWh, db = dWx + x.T @ dz, dWh + h.T @ dz, db + dz.sum(axis=0)
            dc = dafter * f
        return dx, dh, dWx, dWh, db


class SoftmaxLoss:
    """The loss of a linear classifier, of data and weights."""

    def __init__(self, labels: Any) -> None:
        self.labels = labels

    def forward(self, x: Any, w: Any) -> Any:
        scores = x @ w
        scores = scores - scores.max(axis=1, keepdims=True)
        rows = np.arange(len(x))
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return -logs[rows, self.labels].mean(), (x, w, logs)

    def backward(self, upstream: Any, cache: Any) -> Any:
        x, w, logs = cache
        d = np.exp(logs)
        d[np.arange(len(x)), self.labels] -= 1
        d = upstream * d / len(x)
        return d @ w.T, x.T @ d


Make = Callable[[np.random.Generator], tuple[Any, ...]]
LAYERS: dict[str, Make] = {
    "naive convolution": lambda rng: (
        NaiveConvolution(), rng.normal(size=(4, 3, 5, 5)), rng.normal(size=(2, 3, 3, 3)), rng.normal(size=2)),
    "naive max pooling": lambda rng: (NaiveMaxPool(), rng.normal(size=(3, 2, 8, 8))),
    "batch norm": lambda rng: (BatchNorm(), rng.normal(size=(4, 5)) * 5 + 12, rng.normal(size=5), rng.normal(size=5)),
    "spatial batch norm": lambda rng: (
        BatchNorm(), rng.normal(size=(2, 4, 5, 3)) * 5 + 12, rng.normal(size=3), rng.normal(size=3)),
    "attention": lambda rng: (
        Attention(), rng.normal(size=(2, 6, 8)), *(rng.normal(size=(8, 8)) / 3 for _ in range(3))),
    "LSTM of 10 steps": lambda rng: (
        LSTM(), rng.normal(size=(2, 10, 3)), rng.normal(size=(2, 6)), rng.normal(size=(3, 24)),
        rng.normal(size=(6, 24)), rng.normal(size=24)),
    "softmax loss, 500 × 3073": lambda rng: (
        SoftmaxLoss(rng.integers(0, 10, 500)), rng.normal(size=(500, 3073)), rng.normal(size=(3073, 10)) / 100),
}  # fmt: skip
"""A gate and inputs of the sizes of CS231n's notebooks."""
