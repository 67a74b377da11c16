"""Wrong paths, terms, functions and updates are described in words that fit: id and a part of the first line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from corpus.described_base import Described, check_gate, draw, sigmoid, softmax
from nnkit.check import Verdict, check_backward, check_gradient, check_loss, check_parameters, check_step, check_update

Cases = list[tuple[str, str, Callable[[], Verdict]]]

# ---- paths and chains ---------------------------------------------------------------------------------


ROWS, OTHERS = np.array([0, 2, 1, 4]), np.array([1, 3, 0, 2])


def differences(x: Any) -> Any:
    """The gradient of both sums of squared differences, without the share of the left neighbours."""
    dx = np.zeros(x.shape)
    dx[1:] += 2 * (x[1:] - x[:-1])
    dx[:-1] -= 2 * (x[1:] - x[:-1])
    dx[:, 1:] += 2 * (x[:, 1:] - x[:, :-1])
    return dx


def variational(gradients: Callable[[Any, Any, Any], Any]) -> Verdict:
    """A divergence, which is no penalty, and a loss of the sample z."""

    def loss(p: Any, eps: Any) -> Any:
        mu, s = p["mu"], p["s"]
        z = mu + np.exp(0.5 * s) * eps
        return np.sum(mu**2 + np.exp(s) - s - 1) / 2 + np.sum(z**3), dict(zip(p, gradients(mu, s, z)))

    return check_parameters(loss, {"mu": draw(3, 2), "s": draw(2, 3).T}, draw(3, 2) + 0.1)


def of_three_paths(dx: Callable[[float, float], float]) -> Verdict:
    return check_gradient(lambda x, y: (x * y + x**2 + np.exp(x), (dx(x, y), x)), 2.0, 3.0)


def standardised(dx: Callable[[Any, Any, Any], Any]) -> Verdict:
    def parts(x: Any) -> Any:
        c = x - x.mean(axis=0)
        s = np.sqrt((c**2).mean(axis=0) + 1e-5)
        return c / s, s

    return check_gate(lambda x: parts(x)[0], lambda g, out, x: dx(g, *parts(x)), draw(5, 3))


def layer_norm(dx: Callable[[Any, Any, Any], Any]) -> Verdict:
    def forward(x: Any) -> Any:
        mean, std = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return (x - mean) / std, ((x - mean) / std, std)

    return check_backward((forward, lambda g, cache: dx(g, *cache)), draw(4, 3))


def batch_norm(dx: Callable[[Any, Any, Any], Any]) -> Verdict:
    def forward(x: Any, gamma: Any, beta: Any) -> Any:
        std = np.sqrt(x.var(0) + 1e-5)
        h = (x - x.mean(0)) / std
        return gamma * h + beta, (h, std, gamma)

    def backward(g: Any, cache: Any) -> Any:
        h, std, gamma = cache
        return dx(g * gamma, h, std), (g * h).sum(0), g.sum(0)

    return check_backward((forward, backward), draw(6, 3), draw(3), draw(3))


def a_neuron(gradients: Callable[[float, float, float, float], Any]) -> Verdict:
    return check_gradient(
        lambda w, x, b: ((sigmoid(w * x + b) - 1) ** 2, gradients(w, x, b, sigmoid(w * x + b))), 2.0, -1.0, 0.5
    )


def with_logits(last: Callable[[Any, Any], Any]) -> Verdict:
    def loss(z: Any, t: Any) -> Any:
        p = sigmoid(z)
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), (p - t) / last(p, t) / z.size

    return check_loss(loss, draw(6, 3), (draw(6, 3) > 0) * 1.0)


def elementwise(forward: Callable[[Any], Any], backward: Callable[[Any, Any, Any], Any]) -> Verdict:
    return check_gate(lambda x: forward(x), backward, draw(4, 3))


PATHS: Cases = [
    ("path", "the path through x**2 is missing", lambda: of_three_paths(lambda x, y: y + np.exp(x))),
    ("path", "the path through np.exp(x) is missing", lambda: of_three_paths(lambda x, y: y + 2 * x)),
    ("path", "the path through np.exp(x) has the wrong sign",
     lambda: of_three_paths(lambda x, y: y + 2 * x - np.exp(x))),
    ("path", "the path through x[1:] is missing", lambda: check_gradient(
        lambda x: (np.sum(100 * (x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2), np.append(
            -400 * x[:-1] * (x[1:] - x[:-1]**2) - 2 * (1 - x[:-1]), 0)), draw(5))),
    ("path", "the path through x[:, :-1] is missing", lambda: check_gradient(
        lambda x: (np.sum((x[1:] - x[:-1])**2) + np.sum((x[:, 1:] - x[:, :-1])**2), differences(x)), draw(4, 5))),
    ("overwritten-branch", "the path through the right side of x[…] - x[…] is missing", lambda: check_gradient(
        lambda x: (np.sum((x[ROWS] - x[OTHERS])**2), np.bincount(ROWS, 2 * (x[ROWS] - x[OTHERS]), len(x))),
        draw(5))),
    ("path", "the factor 0.5 is missing on the path through 0.5 * s", lambda: variational(lambda mu, s, z: (
        mu + 3 * z**2, np.expm1(s) / 2 + 3 * z**2 * (z - mu)))),
    ("overwritten-branch", "only one of the ways back", lambda: variational(lambda mu, s, z: (
        3 * z**2, 3 * z**2 * (z - mu) / 2))),
    ("path", "the path through x * y is counted twice", lambda: of_three_paths(lambda x, y: 2 * y + 2 * x + np.exp(x))),
    ("path", "1/n of", lambda: standardised(lambda g, h, s: (g - g.mean(0) - h * (g * h).sum(0)) / s)),
    ("overwritten-branch", "the path through (x - np.mean(x))**2 is missing",
     lambda: standardised(lambda g, h, s: (g - g.mean(0)) / s)),
    ("overwritten-branch", "the path through np.mean(x, axis=0) is missing",
     lambda: standardised(lambda g, h, s: (g - h * (g * h).mean(0)) / s)),
    ("normalisation", "the path through the variance is missing",
     lambda: layer_norm(lambda g, h, s: (g - g.mean(-1, keepdims=True)) / s)),
    ("normalisation", "the path through the variance is missing",
     lambda: batch_norm(lambda g, h, s: (g - g.mean(0)) / s)),
    ("chain-stopped", "this is the gradient at sigmoid(z), not yet at z",
     lambda: with_logits(lambda p, t: p * (1 - p))),
    ("overwritten-branch", "only one of the ways back was followed, the path straight from x to out",
     lambda: elementwise(lambda x: x + np.tanh(x), lambda g, out, x: g * (1 - np.tanh(x) ** 2))),
    ("overwritten-branch", "only one of the ways back was followed, the path through np.mean(x, axis=0) is missing",
     lambda: elementwise(lambda x: x - x.mean(axis=0), lambda g, out, x: g)),
    ("chain-stopped", "this is the gradient at", lambda: a_neuron(lambda w, x, b, s: (2 * (s - 1) * s * (1 - s),) * 3)),
    (
        "chain-from-value", "began with the output's value",
        lambda: check_gradient(lambda x, y: (x * y, (y * x * y, x * x * y)), 2.0, 3.0),
    ),
    (
        "chain-from-value", "began with the output's value",
        lambda: check_gradient(lambda x: (np.sum(x**2), 2 * x * np.sum(x**2)), draw(4)),
    ),
    (
        "chain-begun-late", "what comes after it is missing",
        lambda: check_gradient(lambda w, x, b: (sigmoid(w * x + b), (x, w, 1.0)), 2.0, -1.0, 0.5),
    ),
    ("arguments-exchanged", "changed places", lambda: elementwise(np.tanh, lambda g, out, x: out * (1 - g**2))),
    ("arguments-exchanged", "changed places", lambda: elementwise(sigmoid, lambda g, out, x: out * g * (1 - g))),
    ("value-for-slope", "this is the value of out", lambda: elementwise(lambda x: x**2, lambda g, out, x: out)),
]  # fmt: skip

# ---- other functions ----------------------------------------------------------------------------------

P, T = 0.1 + 0.8 * sigmoid(draw(6, 3)), (draw(6, 3) > 0) * 1.0


def squared(p: Any, t: Any) -> Any:
    return np.mean((p - t) ** 2)


def binary(p: Any, t: Any) -> Any:
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


def a_loss(value: Callable[[Any, Any], Any], slope: Callable[[Any, Any], Any]) -> Verdict:
    def loss(prediction: Any, target: Any) -> Any:
        return value(prediction, target), slope(prediction, target) / prediction.size

    return check_loss(loss, P, T)


def classified(
    activation: Callable[[Any], Any], value: Callable[[Any, Any], Any], dz: Callable[[Any, Any], Any]
) -> Verdict:
    """Logistic or softmax regression with one-hot targets."""

    def loss(W: Any, x: Any, t: Any) -> Any:
        p = activation(x @ W)
        return value(p, t), x.T @ dz(p, t) / p.size

    return check_gradient(loss, draw(3, 4), draw(5, 3), np.eye(4)[[0, 1, 3, 2, 1]], wrt="W")


FUNCTIONS: Cases = [
    ("other-loss", "gradient of the binary cross-entropy",
     lambda: a_loss(squared, lambda p, t: (p - t) / (p * (1 - p)))),
    ("other-loss", "gradient of the squared error", lambda: a_loss(binary, lambda p, t: p - t)),
    ("other-loss", "the slope of the sigmoid is there once too often", lambda: classified(
        sigmoid, binary, lambda p, t: (p - t) * p * (1 - p))),
    ("other-loss", "the slope of the softmax is there once too often", lambda: classified(
        softmax, lambda p, t: -np.mean(t * np.log(p)),
        lambda p, t: p * (p - t - (p * (p - t)).sum(axis=1, keepdims=True)))),
    ("other-loss", "gradient of the absolute error", lambda: a_loss(squared, lambda p, t: np.sign(p - t))),
    ("other-loss", "gradient of t * log(p) alone", lambda: a_loss(binary, lambda p, t: -t / p)),
    (
        "other-function", "forward computes log-softmax",
        lambda: elementwise(
            lambda x: np.log(softmax(x)), lambda g, out, x: softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True))
        ),
    ),
    (
        "other-function", "forward computes softmax",
        lambda: elementwise(softmax, lambda g, out, x: g - out * g.sum(-1, keepdims=True)),
    ),
    ("other-function", "forward computes a sigmoid",
     lambda: elementwise(sigmoid, lambda g, out, x: g * (1 - np.tanh(x) ** 2))),
]  # fmt: skip

# ---- updates ------------------------------------------------------------------------------------------


def moved(move: Callable[[Any, Any, float], Any]) -> Verdict:
    weights, slopes = {"W": draw(2, 3), "b": draw(3)}, {"b": draw(3), "W": draw(2, 3)}
    return check_update(lambda w, g, s: {k: move(w[k], g[k], s) for k in w}, weights, slopes)


UPDATES: Cases = [
    ("update", "step_size is missing", lambda: moved(lambda w, g, s: w - g)),
    ("update", "step_size is multiplied in twice", lambda: moved(lambda w, g, s: w - s * s * g)),
    ("update", "this is the step alone", lambda: moved(lambda w, g, s: -s * g)),
    ("update", "nothing has moved", lambda: moved(lambda w, g, s: w.copy())),
    ("sign", "the step goes uphill", lambda: moved(lambda w, g, s: w + s * g)),
    ("factor", "0.1 times as long", lambda: moved(lambda w, g, s: w - 0.1 * s * g)),
]

# ---- regularisation -----------------------------------------------------------------------------------


def regularised_loss(p: Any, x: Any, labels: Any) -> Any:
    probabilities = softmax(x @ p["W"] + p["b"])
    return -np.log(probabilities[np.arange(len(x)), labels]).mean() + 0.15 * np.sum(p["W"] ** 2)


def regularised(dw: Callable[[Any, Any, int], Any], db: Callable[[Any], Any] = lambda b: 0.0) -> Verdict:
    def function(p: Any, x: Any, labels: Any) -> Any:
        n = len(x)
        d = softmax(x @ p["W"] + p["b"])
        d[np.arange(n), labels] -= 1
        d /= n
        return regularised_loss(p, x, labels), {"W": dw(x.T @ d, p["W"], n), "b": d.sum(axis=0) + db(p["b"])}

    labels = np.array([0, 2, 1, 1, 0, 2, 2])
    return check_parameters(function, {"W": draw(4, 3), "b": draw(3)}, draw(7, 4), labels, of=regularised_loss)


REGULARISED: Cases = [
    ("regularisation", "gradient is missing", lambda: regularised(lambda data, W, n: data)),
    ("regularisation", "twice", lambda: regularised(lambda data, W, n: data + 0.6 * W)),
    ("regularisation", "half", lambda: regularised(lambda data, W, n: data + 0.15 * W)),
    ("regularisation", "has a minus", lambda: regularised(lambda data, W, n: data - 0.3 * W)),
    ("regularisation", "W² in place of W", lambda: regularised(lambda data, W, n: data + 0.3 * W**2)),
    ("regularisation", "λ is missing", lambda: regularised(lambda data, W, n: data + W)),
    ("regularisation", "divided by N", lambda: regularised(lambda data, W, n: data + 0.3 * W / n)),
    ("regularisation", "the 1/N of the data's part", lambda: regularised(lambda data, W, n: n * data + 0.3 * W)),
    ("regularisation", "the data's is missing", lambda: regularised(lambda data, W, n: 0.3 * W)),
    ("regularisation", "no penalty for it", lambda: regularised(lambda data, W, n: data + 0.3 * W, lambda b: 0.3 * b)),
    ("regularisation", "a minus", lambda: check_gradient(lambda W: (np.sum(W * W), -2 * W), draw(3, 2))),
]  # fmt: skip

# ---- updated first ------------------------------------------------------------------------------------


def two_sigmoids(p: Any, x: Any, t: Any) -> Any:
    return 0.5 * np.sum((sigmoid(sigmoid(x @ p["W1"]) @ p["W2"]) - t) ** 2)


def stepped(hidden: Callable[[Any], Any], output: Callable[[Any], Any]) -> Verdict:
    def step(p: Any, x: Any, t: Any, step_size: float) -> Any:
        h = sigmoid(x @ p["W1"])
        out = sigmoid(h @ p["W2"])
        d2 = (out - t) * output(out)
        new = p["W2"] - step_size * h.T @ d2
        return {"W1": p["W1"] - step_size * x.T @ (d2 @ new.T * hidden(h)), "W2": new}

    weights = {"W1": draw(4, 6), "W2": draw(6, 3)}
    return check_step(step, weights, draw(5, 4), sigmoid(draw(5, 3)), of=two_sigmoids, step_size=0.5)


def slope(s: Any) -> Any:
    return s * (1 - s)


UPDATED_FIRST: Cases = [
    ("updated-first", "updated before", lambda: stepped(slope, slope)),
    ("updated-first", "at x @ W1 is left out", lambda: stepped(lambda h: 1, slope)),
    ("updated-first", "@ W2 is left out", lambda: stepped(slope, lambda out: 1)),
]


DESCRIBED = tuple(Described(*case) for case in (*PATHS, *FUNCTIONS, *UPDATES, *REGULARISED, *UPDATED_FIRST))
