"""Whole networks: parameters in a dict, a nested dict, a list, a data class, an object with `.params` and `.loss`."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from nnkit.check import check_parameters


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, reg=0.1, std=0.5):
        self.params = {
            "W1": std * np.random.randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": std * np.random.randn(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }
        self.reg = reg

    def loss(self, X, y=None):
        W1, b1, W2, b2 = (self.params[k] for k in ("W1", "b1", "W2", "b2"))
        N = X.shape[0]
        hidden = np.maximum(0, X @ W1 + b1)
        scores = hidden @ W2 + b2
        if y is None:
            return scores
        probs = softmax(scores)
        loss = -np.log(probs[np.arange(N), y]).mean()
        loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        dscores = probs.copy()
        dscores[np.arange(N), y] -= 1
        dscores /= N
        # fault: + self.reg * W2 ->
        # fault: hidden.T -> np.tanh(hidden).T
        grads = {"W2": hidden.T @ dscores + self.reg * W2, "b2": dscores.sum(axis=0)}
        dhidden = dscores @ W2.T
        # fault: hidden <= 0 -> hidden < 0
        dhidden[hidden <= 0] = 0
        # fault: self.reg * W1 -> 2 * self.reg * W1
        grads["W1"] = X.T @ dhidden + self.reg * W1
        # fault: dhidden.sum(axis=0) -> dhidden.mean(axis=0)
        grads["b1"] = dhidden.sum(axis=0)
        return loss, grads


def case_two_layer_net(rng):
    np.random.seed(1)
    net = TwoLayerNet(4, 10, 3)
    return partial(check_parameters, net.loss, net.params, rng.standard_normal((5, 4)), np.array([0, 1, 2, 2, 1]))


def nested_loss(params, x, y):
    h = x
    cache = []
    for name in ("encoder", "decoder"):
        z = h @ params[name]["kernel"] + params[name]["bias"]
        cache.append((h, z))
        h = np.tanh(z)
    loss = np.mean((h - y) ** 2)
    grads = {}
    dh = 2 * (h - y) / h.size
    for name, (inp, z) in zip(("decoder", "encoder"), reversed(cache)):
        # fault: np.tanh(z) ** 2 -> z**2
        dz = dh * (1 - np.tanh(z) ** 2)
        # fault: dz.sum(0) -> dz.sum()
        grads[name] = {"kernel": inp.T @ dz, "bias": dz.sum(0)}
        # fault: dz @ -> dh @
        dh = dz @ params[name]["kernel"].T
    return loss, grads


def case_nested_dict(rng):
    n = rng.standard_normal
    params = {"encoder": {"kernel": n((3, 2)), "bias": n(2)}, "decoder": {"kernel": n((2, 3)), "bias": n(3)}}
    return partial(check_parameters, nested_loss, params, n((4, 3)), n((4, 3)))


def mlp_loss(params, x, y):
    activations = [x]
    for W, b in params[:-1]:
        activations.append(np.maximum(0, activations[-1] @ W + b))
    W, b = params[-1]
    delta = activations[-1] @ W + b - y
    loss = 0.5 * np.sum(delta**2) / len(x)
    delta = delta / len(x)
    grads = []
    for (W, b), a in zip(reversed(params), reversed(activations)):
        # fault: delta.sum(0) -> delta.sum(0, keepdims=True).mean(1)
        grads.append((a.T @ delta, delta.sum(0)))
        # fault: (a > 0) -> (a > 0.5)
        delta = delta @ W.T * (a > 0)
    # fault: grads[::-1] -> grads[::-1][:1] + grads[:-1]
    return loss, grads[::-1]


def case_list_of_pairs(rng):
    n = rng.standard_normal
    sizes = (3, 4, 4, 2)
    params = [(n((i, o)), n(o)) for i, o in zip(sizes, sizes[1:])]
    return partial(check_parameters, mlp_loss, params, n((5, 3)), n((5, 2)))


@dataclass
class Weights:
    U: np.ndarray
    V: np.ndarray
    bias: float


def factorization(w, rows, cols, ratings):
    e = np.sum(w.U[rows] * w.V[cols], axis=1) + w.bias - ratings
    gU, gV = np.zeros_like(w.U), np.zeros_like(w.V)
    # fault: e[:, None] * -> 2 * e[:, None] *
    np.add.at(gU, rows, e[:, None] * w.V[cols])
    # fault: np.add.at(gV, cols, e[:, None] * w.U[rows]) -> gV[cols] += e[:, None] * w.U[rows]
    np.add.at(gV, cols, e[:, None] * w.U[rows])
    # fault: e.sum() -> e.mean()
    return 0.5 * np.sum(e**2), Weights(gU, gV, e.sum())


def case_dataclass(rng):
    n = rng.standard_normal
    rows, cols = np.array([0, 1, 2, 2, 0]), np.array([1, 1, 0, 2, 1])
    return partial(check_parameters, factorization, Weights(n((3, 2)), n((3, 2)), 0.3), rows, cols, n(5))


class ThreeLayerNet:
    def __init__(self):
        self.params = {}
        sizes = (3, 5, 4, 2)
        for i in range(3):
            self.params[f"W{i + 1}"] = np.random.randn(sizes[i], sizes[i + 1])
            self.params[f"b{i + 1}"] = np.random.randn(sizes[i + 1])

    def loss(self, x, t):
        for i in (1, 2, 3):
            x = x @ self.params[f"W{i}"] + self.params[f"b{i}"]
            if i < 3:
                x = 1 / (1 + np.exp(-x))
        y = softmax(x)
        return -np.sum(t * np.log(y)) / len(x)

    def gradient(self, x, t):
        a, z = [], [x]
        for i in (1, 2, 3):
            a.append(z[-1] @ self.params[f"W{i}"] + self.params[f"b{i}"])
            z.append(1 / (1 + np.exp(-a[-1])))
        grads = {}
        # fault: (softmax(a[-1]) - t) -> (softmax(a[-1]) - z[-1])
        d = (softmax(a[-1]) - t) / len(x)
        for i in (3, 2, 1):
            grads[f"W{i}"], grads[f"b{i}"] = z[i - 1].T @ d, d.sum(axis=0)
            # fault: (1 - z[i - 1]) -> (1 - z[i - 1] ** 2)
            # fault: .T) * z[i - 1] -> .T)
            d = (d @ self.params[f"W{i}"].T) * z[i - 1] * (1 - z[i - 1])
        return grads


def case_loss_and_gradient_methods(rng):
    np.random.seed(2)
    net = ThreeLayerNet()
    x, t = rng.standard_normal((4, 3)), np.eye(2)[rng.integers(2, size=4)]
    return partial(check_parameters, (net.loss, net.gradient), net.params, x, t)


def linear_propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    # fault: 1 / m * np.dot -> np.dot
    # fault: (A - Y).T -> (A - Y).T * (A * (1 - A)).T
    dw = 1 / m * np.dot(X, (A - Y).T)
    # fault: np.sum(A - Y) -> np.sum(A)
    db = 1 / m * np.sum(A - Y)
    return {"dw": dw, "db": db}, cost


def case_column_examples(rng):
    n = rng.standard_normal
    X, Y = n((3, 6)), np.array([[0, 1, 1, 0, 1, 0]])

    def loss(params, X, Y):
        grads, cost = linear_propagate(params["w"], params["b"], X, Y)
        return cost, {"w": grads["dw"], "b": grads["db"]}

    return partial(check_parameters, loss, {"w": n((3, 1)), "b": 0.4}, X, Y)
