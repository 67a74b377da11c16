"""Losses in many hands: loss(prediction, target) → (value, dprediction)."""

from __future__ import annotations

import math

import numpy as np

from corpus import right_families as f
from corpus.right_base import loss
from nnkit import gates

# ---- softmax cross-entropy --------------------------------------------------------------------------


@loss(f.CROSS_ENTROPY, "as in the course's assignment")
def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(z)
    probs = np.exp(log_probs)
    n = x.shape[0]
    value = -np.sum(log_probs[np.arange(n), y]) / n
    dx = probs.copy()
    dx[np.arange(n), y] -= 1
    dx /= n
    return value, dx


@loss(f.CROSS_ENTROPY, "example by example")
def softmax_loss_loop(scores, labels):
    value, dscores = 0.0, np.zeros(scores.shape)
    for n, label in enumerate(labels):
        e = np.exp(scores[n] - scores[n].max())
        p = e / e.sum()
        value += (scores[n].max() + math.log(e.sum()) - scores[n, label]) / len(labels)
        for c in range(scores.shape[1]):
            dscores[n, c] = (p[c] - (1 if c == label else 0)) / len(labels)
    return value, dscores


@loss(f.CROSS_ENTROPY, "one-hot by comparison")
def softmax_loss_compared(scores, labels):
    logs = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
    onehot = labels[:, None] == np.arange(scores.shape[1])[None]
    return -np.where(onehot, logs, 0).sum() / labels.size, np.exp(logs) / labels.size - onehot / labels.size


@loss(f.CROSS_ENTROPY, "nnkit's gate")
def softmax_loss_gate(scores, labels):
    value, cache = gates.SoftmaxCrossEntropy().forward(scores, labels)
    return value, gates.SoftmaxCrossEntropy().backward(1.0, cache)[0]


# ---- squared and absolute errors --------------------------------------------------------------------


@loss(f.SQUARED_ERROR, "twice the difference")
def squared_error(prediction, target):
    e = prediction - target
    return np.sum(e**2), 2 * e


@loss(f.SQUARED_ERROR, "entry by entry")
def squared_error_loop(prediction, target):
    value, gradient = 0.0, np.zeros(np.shape(prediction))
    for i in np.ndindex(gradient.shape):
        e = np.asarray(prediction)[i] - np.asarray(target)[i]
        value += e * e
        gradient[i] = 2 * e
    return value, gradient


@loss(f.MSE, "over the size")
def mean_squared_error(prediction, target):
    e = prediction - target
    return np.mean(e * e), 2 * e / np.size(e)


@loss(f.MSE, "the weight first")
def mean_squared_error_weighted(prediction, target):
    weight = 1 / np.size(target)
    return weight * np.sum(np.square(target - prediction)), -2 * weight * (target - prediction)


@loss(f.HALF_SQUARED, "the difference itself")
def half_squared(prediction, target):
    return 0.5 * np.sum((prediction - target) ** 2), prediction - target


@loss(f.HALF_SQUARED, "a dot product")
def half_squared_dot(prediction, target):
    e = np.subtract(prediction, target)
    return np.vdot(e, e) / 2, e + 0.0


@loss(f.L1, "the sign")
def absolute_error(prediction, target):
    e = prediction - target
    return np.abs(e).mean(), np.sign(e) / np.size(e)


@loss(f.L1, "np.where, one at zero")
def absolute_error_where(prediction, target):
    return np.mean(abs(target - prediction)), np.where(prediction >= target, 1.0, -1.0) / np.size(target)


@loss(f.HUBER, "clipped difference")
def huber_clipped(prediction, target):
    e = prediction - target
    inner = np.clip(e, -1, 1)
    return np.sum(inner * e - 0.5 * inner**2), inner


@loss(f.HUBER, "masks")
def huber_masks(prediction, target):
    e = np.asarray(prediction - target)
    small = np.abs(e) < 1
    value = (0.5 * e[small] ** 2).sum() + (np.abs(e[~small]) - 0.5).sum()
    return value, small * e + ~small * np.sign(e)


# ---- hinge ------------------------------------------------------------------------------------------


@loss(f.HINGE, "two loops")
def hinge_loops(scores, labels):
    value, dscores, n = 0.0, np.zeros(scores.shape), len(labels)
    for i in range(n):
        for j in range(scores.shape[1]):
            margin = scores[i, j] - scores[i, labels[i]] + 1
            if j != labels[i] and margin > 0:
                value += margin / n
                dscores[i, j] += 1 / n
                dscores[i, labels[i]] -= 1 / n
    return value, dscores


@loss(f.HINGE, "vectorised")
def hinge_vectorised(scores, labels):
    rows = np.arange(len(labels))
    margins = np.maximum(0, scores - scores[rows, labels][:, None] + 1)
    margins[rows, labels] = 0
    counted = (margins > 0).astype(float)
    counted[rows, labels] = -counted.sum(axis=1)
    return margins.sum() / len(labels), counted / len(labels)


@loss(f.HINGE, "one-hot rows")
def hinge_onehot(scores, labels):
    onehot = np.eye(scores.shape[1])[labels]
    margins = scores - (scores * onehot).sum(axis=1, keepdims=True) + 1 - onehot
    mask = (margins > 0) * (1 - onehot)
    value = (mask * margins).sum() / len(labels)
    return value, (mask - onehot * mask.sum(axis=1, keepdims=True)) / len(labels)


# ---- two classes ------------------------------------------------------------------------------------


@loss(f.BCE_LOGITS, "logaddexp")
def bce_logits(x, t):
    return np.mean(np.logaddexp(0, x) - t * x), (np.exp(-np.logaddexp(0, -x)) - t) / x.size


@loss(f.BCE_LOGITS, "max, product and log1p")
def bce_logits_stable(x, t):
    z = np.exp(-np.abs(x))
    sigmoid = np.where(x > 0, 1, z) / (1 + z)
    return np.mean(np.maximum(x, 0) - x * t + np.log1p(z)), (sigmoid - t) / x.size


@loss(f.BCE_LOGITS, "signs")
def bce_logits_signs(x, t):
    sign = 2 * t - 1
    half = np.tanh(-sign * x / 2)
    return np.logaddexp(0, -sign * x).mean(), -sign * 0.5 * (1 + half) / t.size


@loss(f.BCE, "quotients")
def bce_quotients(p, t):
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), (-t / p + (1 - t) / (1 - p)) / p.size


@loss(f.BCE, "one fraction")
def bce_fraction(p, t):
    likelihood = np.where(t == 1, p, 1 - p)
    return -np.log(likelihood).sum() / len(p.ravel()), (p - t) / (p * (1 - p)) / len(p.ravel())


@loss(f.KL, "minus the ratio")
def divergence(q, p):
    return np.sum(p * (np.log(p) - np.log(q))), -p / q
