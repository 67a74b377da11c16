"""Convolutions, the losses that are gates, and nnkit's own gates."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from corpus import right_draws as draws
from corpus import right_families as f
from corpus.right_base import Family, gate
from nnkit import gates

# ---- convolution ------------------------------------------------------------------------------------


@gate(f.CONVOLUTION, "np.correlate and np.convolve")
class ConvolutionNumpy:
    def forward(self, x, k):
        return np.correlate(x, k, "valid"), (x, k)

    def backward(self, upstream, cache):
        x, k = cache
        return np.convolve(upstream, k, "full"), np.correlate(x, upstream, "valid")


@gate(f.CONVOLUTION, "windows")
class ConvolutionWindows:
    def forward(self, x, k):
        windows = np.lib.stride_tricks.sliding_window_view(x, len(k))
        return windows @ k, (windows, k, len(x))

    def backward(self, upstream, cache):
        windows, k, n = cache
        dx = np.zeros(n)
        for i, g in enumerate(upstream):
            dx[i : i + len(k)] += g * k
        return dx, upstream @ windows


@gate(f.CONVOLUTION, "a banded matrix")
class ConvolutionMatrix:
    def forward(self, x, k):
        band = np.array([np.pad(k, (i, len(x) - len(k) - i)) for i in range(len(x) - len(k) + 1)])
        return band @ x, (band, x, len(k))

    def backward(self, upstream, cache):
        band, x, size = cache
        dband = np.outer(upstream, x)
        dk = np.array([sum(dband[i, i + j] for i in range(len(upstream))) for j in range(size)])
        return band.T @ upstream, dk


@gate(f.CONVOLUTION, "two loops")
class ConvolutionLoops:
    def forward(self, x, k):
        out = [sum(x[i + j] * k[j] for j in range(len(k))) for i in range(len(x) - len(k) + 1)]
        return np.array(out), SimpleNamespace(x=x, k=k)

    def backward(self, upstream, cache):
        dx, dk = np.zeros(len(cache.x)), np.zeros(len(cache.k))
        for i, g in enumerate(upstream):
            for j in range(len(dk)):
                dx[i + j] += g * cache.k[j]
                dk[j] += g * cache.x[i + j]
        return dx, dk


# ---- softmax cross-entropy --------------------------------------------------------------------------


@gate(f.CROSS_ENTROPY, "one less at the label")
class CrossEntropyAssigned:
    def forward(self, logits, labels):
        shifted = logits - logits.max(axis=1, keepdims=True)
        p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -logs[np.arange(len(labels)), labels].mean(), (p, labels)

    def backward(self, upstream, cache):
        p, labels = cache
        dlogits = p.copy()
        dlogits[np.arange(len(labels)), labels] -= 1
        return upstream * dlogits / len(labels), None


@gate(f.CROSS_ENTROPY, "one-hot rows")
class CrossEntropyOneHot:
    def forward(self, logits, labels):
        onehot = np.eye(logits.shape[1])[labels]
        logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return -np.sum(onehot * logs) / len(logits), {"onehot": onehot, "logs": logs}

    def backward(self, upstream, cache):
        n = len(cache["logs"])
        return [(np.exp(cache["logs"]) - cache["onehot"]) * (upstream / n), None]


@gate(f.CROSS_ENTROPY, "through log softmax, with np.add.at")
class CrossEntropyStages:
    def forward(self, logits, labels):
        logs = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
        return np.mean([-row[label] for row, label in zip(logs, labels)]), (logs, labels)

    def backward(self, upstream, cache):
        logs, labels = cache
        dlogs = np.zeros_like(logs)
        np.add.at(dlogs, (np.arange(len(labels)), labels), -upstream / len(labels))
        return dlogs - np.exp(logs) * dlogs.sum(axis=1, keepdims=True), np.zeros(len(labels))


@gate(f.CROSS_ENTROPY, "math on floats")
class CrossEntropyMath:
    def forward(self, logits, labels):
        total, rows = 0.0, []
        for row, label in zip(logits.tolist(), labels.tolist()):
            top = max(row)
            exps = [math.exp(v - top) for v in row]
            total += math.log(sum(exps)) + top - row[label]
            rows.append([e / sum(exps) - (c == label) for c, e in enumerate(exps)])
        return total / len(rows), rows

    def backward(self, upstream, rows):
        return np.array([[float(upstream) * v / len(rows) for v in row] for row in rows]), None


# ---- squared error ----------------------------------------------------------------------------------


@gate(f.SQUARED_ERROR, "the difference as cache")
class SquaredErrorDifference:
    def forward(self, prediction, target):
        difference = prediction - target
        return np.sum(difference**2), difference

    def backward(self, upstream, difference):
        return 2 * upstream * difference, -2 * upstream * difference


@gate(f.SQUARED_ERROR, "a dot product")
class SquaredErrorDot:
    def forward(self, prediction, target):
        e = np.ravel(prediction - target)
        return e @ e, (prediction, target)

    def backward(self, upstream, cache):
        prediction, target = cache
        dprediction = upstream * 2.0 * np.subtract(prediction, target)
        return [dprediction, 0.0 - dprediction]


# ---- nnkit's own ------------------------------------------------------------------------------------


def power(exponent, numbers):
    return Family(f"power {exponent:g}", draws.one(numbers), lambda x: x**exponent)


for one, family in [
    (gates.Add(), f.ADD_BROADCAST),
    (gates.Subtract(), Family("subtract with broadcasting", draws.broadcast(draws.wide), lambda x, y: x - y)),
    (gates.Multiply(), f.MULTIPLY_BROADCAST),
    (gates.Divide(), Family("divide with broadcasting", draws.broadcast(draws.nonzero), lambda x, y: x / y)),
    (gates.Negate(), f.NEGATE),
    (gates.Reciprocal(), f.RECIPROCAL),
    (gates.Exp(), f.EXP),
    (gates.Log(), f.LOG),
    (gates.Power(3), power(3, draws.wide)),
    (gates.Power(0), power(0, draws.wide)),
    (gates.Power(-2), power(-2, draws.nonzero)),
    (gates.Power(0.5), power(0.5, draws.positive)),
    (gates.Max(), f.MAX),
    (gates.Sum(), f.SUM),
    (gates.Sum(axis=0), f.SUM_ROWS),
    (gates.SquaredNorm(), f.SQUARED_NORM),
    (gates.Sigmoid(), f.SIGMOID),
    (gates.Tanh(), f.TANH),
    (gates.ReLU(), f.RELU),
    (gates.LeakyReLU(0.1), f.LEAKY),
    (gates.ELU(), f.ELU),
    (gates.Maxout(), f.MAXOUT),
    (gates.MatMul(), f.MATMUL),
    (gates.MatMul(), f.MATVEC),
    (gates.Affine(), f.AFFINE),
    (gates.SoftmaxCrossEntropy(), f.CROSS_ENTROPY),
    (gates.SquaredError(), f.SQUARED_ERROR),
]:
    gate(family, f"nnkit's {one!r}")(one)
