"""Mistakes seen in how the code behaves: stale caches, changed arguments, overflow, precision, finite differences."""

from __future__ import annotations

import numpy as np

from corpus import wrong_forwards as f
from corpus.wrong_base import at, backward, function, gate, loss, update
from corpus.wrong_forwards import one_hot, sigmoid, softmax

# ---- stale-cache --------------------------------------------------------------------------------------


@gate("stale-cache", at=at("nd", "nd"))
class MultiplyWithSelf:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y, None

    def backward(self, upstream, cache):
        return upstream * self.y, upstream * self.x


@gate("stale-cache", at=at("nd!"))
class ReluWithSelfMask:
    def forward(self, x):
        self.mask = x > 0
        return np.maximum(0, x), ()

    def backward(self, upstream, cache):
        return upstream * self.mask


@gate("stale-cache", at=at("nd"))
class SigmoidWithSelfOut:
    def forward(self, z):
        self.out = sigmoid(z)
        return self.out, z

    def backward(self, upstream, cache):
        return upstream * self.out * (1 - self.out)


@gate("stale-cache", at=at("nd", "dh"))
class MatMulHalfInTheCache:
    def forward(self, x, w):
        self.x = x
        return x @ w, w

    def backward(self, upstream, w):
        return upstream @ w.T, self.x.T @ upstream


LAST = {}


@gate("stale-cache", at=at("nd"))
class TanhInAGlobal:
    def forward(self, z):
        LAST["a"] = np.tanh(z)
        return LAST["a"], None

    def backward(self, upstream, cache):
        return upstream * (1 - LAST["a"] ** 2)


# ---- mutated-input ------------------------------------------------------------------------------------


@backward("mutated-input", on=f.RELU)
def upstream_masked_in_place(upstream, x):
    upstream[x <= 0] = 0
    return upstream


@backward("mutated-input", on=f.CROSS_ENTROPY)
def p_of_the_cache_changed(upstream, cache):
    p, labels = cache
    dscores = p
    dscores[np.arange(len(labels)), labels] -= 1
    return upstream * dscores / len(labels), None


@loss("mutated-input", at=at("nc", "n:c"))
def scores_shifted_in_place(scores, labels):
    scores -= scores.max(axis=1, keepdims=True)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(p)), labels]).mean(), (p - one_hot(labels, p.shape[1])) / len(p)


@gate("mutated-input", at=at("nd", "nd"))
class MultiplyIntoX:
    def forward(self, x, y):
        cache = x.copy(), y
        x *= y
        return x, cache

    def backward(self, upstream, cache):
        x, y = cache
        return upstream * y, upstream * x


@backward("mutated-input", on=f.DIVIDE)
def upstream_divided_in_place(upstream, cache):
    x, y = cache
    upstream /= y
    return upstream, -upstream * x / y


def _array(rng):
    return rng.normal(size=(3, 4))


def _dict(rng):
    return {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}


@update("mutated-input", weights=_array)
def minus_equals(W, dW, step_size):
    W -= step_size * dW
    return W


@update("mutated-input", weights=_dict)
def dict_changed_in_a_loop(weights, gradients, step_size):
    for name in weights:
        weights[name] -= step_size * gradients[name]
    return weights


# ---- overflow -----------------------------------------------------------------------------------------


def large(rng):
    return (np.array([1000.0, -1000.0, 800.0]) * rng.uniform(0.9, 1.1, 3),)


def large_scores(rng):
    n, c = 4, 5
    return rng.normal(size=(n, c)) + 1000, rng.integers(0, c, n)


def stable_cross_entropy(scores, labels):
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels])


@loss("overflow", at=large_scores, of=stable_cross_entropy)
def exp_without_a_shift(scores, labels):
    e = np.exp(scores)
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(p)), labels]).mean(), (p - one_hot(labels, p.shape[1])) / len(p)


@gate("overflow", at=lambda rng: large_scores(rng)[:1], of=softmax)
class NaiveSoftmax:
    def forward(self, scores):
        e = np.exp(scores)
        p = e / np.sum(e, axis=1, keepdims=True)
        return p, p

    def backward(self, upstream, p):
        return p * (upstream - (upstream * p).sum(axis=1, keepdims=True))


@gate("overflow", at=large, of=lambda x: np.logaddexp(0, x))
class NaiveSoftplus:
    def forward(self, x):
        return np.log(1 + np.exp(x)), x

    def backward(self, upstream, x):
        return upstream * sigmoid(x)


@gate("overflow", at=large, of=np.tanh)
class TanhByExp:
    def forward(self, z):
        a = (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))
        return a, a

    def backward(self, upstream, a):
        return upstream * (1 - a**2)


@gate("overflow", at=large, of=lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))) / (1 + np.exp(-np.abs(z))))
class SigmoidSafeOnlyForward:
    def forward(self, z):
        return np.where(z > 0, 1, np.exp(np.minimum(z, 0))) / (1 + np.exp(-np.abs(z))), z

    def backward(self, upstream, z):
        return upstream * np.exp(z) / (1 + np.exp(z)) ** 2


# ---- broadcast-pair -----------------------------------------------------------------------------------


@loss("broadcast-pair", at=at("n", "n"), of=lambda p, t: np.mean((p - t) ** 2))
def prediction_made_a_column(prediction, target):
    diff = prediction.reshape(-1, 1) - target
    return np.mean(diff**2), 2 * diff.mean(axis=1) / len(diff)


def _column(rng):
    n = int(rng.integers(4, 8))
    return rng.normal(size=(n, 1)), rng.normal(size=n)


@loss("broadcast-pair", at=_column, of=lambda p, t: np.mean((p[:, 0] - t) ** 2))
def column_against_row(prediction, target):
    diff = prediction - target
    return np.mean(diff**2), 2 * diff.sum(axis=1, keepdims=True) / diff.size


@loss("broadcast-pair", at=_column, of=lambda p, t: 0.5 * np.sum((p[:, 0] - t) ** 2))
def gradient_left_as_a_table(prediction, target):
    diff = prediction - target
    return 0.5 * np.sum(diff**2), diff


@loss("broadcast-pair", at=_column)
def without_a_trusted_loss(prediction, target):
    diff = prediction - target
    return np.mean(diff**2), 2 * np.mean(diff, axis=1, keepdims=True) / len(prediction)


@loss("broadcast-pair", at=at("n", "n"), of=lambda p, t: np.mean(np.log(1 + np.exp(-p * t))))
def logistic_with_a_column_of_targets(prediction, target):
    margin = prediction * target[:, None]
    slope = -target[:, None] * sigmoid(-margin)
    return np.mean(np.log(1 + np.exp(-margin))), slope.mean(axis=0) / len(prediction)


# ---- low-precision ------------------------------------------------------------------------------------


@backward("low-precision", on=f.MULTIPLY)
def float32_returned(upstream, cache):
    x, y = cache
    g = upstream.astype(np.float32)
    return g * y.astype(np.float32), g * x.astype(np.float32)


@backward("low-precision", on=f.TANH)
def float32_inside(upstream, cache):
    a = np.asarray(cache[1], dtype="float32")
    return (upstream * (1 - a * a)).astype(float)


@backward("low-precision", on=f.EXP)
def float16_on_the_way(upstream, cache):
    x, _ = cache
    out = np.exp(x.astype(np.float16))
    return (upstream.astype(np.float16) * out).astype(np.float64)


@backward("low-precision", on=f.SQUARE)
def an_array_of_integers(upstream, x):
    dx = np.zeros(x.shape, dtype=int)
    for i in np.ndindex(x.shape):
        dx[i] = upstream[i] * 2 * x[i]
    return dx


@function("low-precision", at=at("hd", "d"), of=lambda W, x: np.sum((W @ x) ** 2))
def float32_weights(W, x):
    q = W.astype(np.float32) @ x.astype(np.float32)
    dW = np.zeros(W.shape)
    dW[:] = 2 * np.outer(q, x.astype(np.float32))
    dx = np.zeros(x.shape)
    dx[:] = 2 * W.T.astype(np.float32) @ q
    return np.sum((W @ x) ** 2), (dW, dx)


# ---- numerical-derivative -----------------------------------------------------------------------------


@gate("numerical-derivative", at=at("nd"))
class TanhMeasured:
    def forward(self, x):
        return np.tanh(x), x

    def backward(self, upstream, x):
        h = 1e-5
        return upstream * (self.forward(x + h)[0] - self.forward(x - h)[0]) / (2 * h)


@gate("numerical-derivative", at=at("nd", "dh"))
class MatMulEntryByEntry:
    def forward(self, x, w):
        return x @ w, (x, w)

    def backward(self, upstream, cache):
        grads, h = [], 1e-6
        for k in range(2):
            grad = np.zeros_like(cache[k])
            for i in np.ndindex(grad.shape):
                moved = [a.copy() for a in cache]
                moved[k][i] += h
                change = self.forward(*moved)[0] - self.forward(*cache)[0]
                grad[i] = np.sum(upstream * change) / h
            grads.append(grad)
        return tuple(grads)


@function("numerical-derivative", at=at("", ""), of=lambda x, y: x * y + np.exp(x))
def forward_differences(x, y):
    def value(x, y):
        return x * y + np.exp(x)

    h = 1e-7
    dx = (value(x + h, y) - value(x, y)) / h
    dy = (value(x, y + h) - value(x, y)) / h
    return value(x, y), (dx, dy)


@function("numerical-derivative", at=at("n", "n"), of=lambda w, x: np.sum(np.tanh(w * x)))
def the_lecture_s_loop(w, x):
    def value():
        return np.sum(np.tanh(w * x))

    grads = []
    for a in (w, x):
        grad = np.zeros(a.shape)
        for i in range(a.size):
            old = a[i]
            a[i] = old + 1e-5
            above = value()
            a[i] = old - 1e-5
            below = value()
            a[i] = old
            grad[i] = (above - below) / 2e-5
        grads.append(grad)
    return value(), tuple(grads)


@loss("numerical-derivative", at=at("nc", "n:c"))
def a_loss_that_is_measured(scores, labels):
    def value(scores):
        return -np.log(softmax(scores)[np.arange(len(labels)), labels]).mean()

    dscores = np.zeros_like(scores)
    for i in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[i] = 1e-4
        dscores[i] = (value(scores + step) - value(scores - step)) / 2e-4
    return value(scores), dscores


# ---- not-attempted ------------------------------------------------------------------------------------


@backward("not-attempted", on=f.MULTIPLY)
def nothing_returned(upstream, cache):
    pass


@backward("not-attempted", on=f.MULTIPLY)
def two_nones(upstream, cache):
    dx = None
    dy = None
    return dx, dy


@backward("not-attempted", on=f.SIGMOID)
def raises_not_implemented(upstream, cache):
    raise NotImplementedError("your code here")


@gate("not-attempted", at=at("nd", "dh", "h"))
class AffineToDo:
    def forward(self, x, w, b):
        return ...

    def backward(self, upstream, cache):
        return ...


@function("not-attempted", at=at("", ""))
def returns_the_constant(x, y):
    return NotImplemented


@loss("not-attempted", at=at("nc", "n:c"), of=stable_cross_entropy)
def value_without_a_gradient(scores, labels):
    return stable_cross_entropy(scores, labels), None


@update("not-attempted", weights=_array)
def no_update(W, dW, step_size): ...
