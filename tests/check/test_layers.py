"""Layers that keep what backward needs: right ones pass in every style, planted faults fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnkit.check import check_layer

N = np.random.default_rng(0).normal
X = N(size=(4, 3))


class Affine:
    def __init__(self, slip: Any = 1) -> Any:
        self.W = N(size=(3, 2))
        self.b = np.zeros(2)
        self.slip = slip

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, g: Any) -> Any:
        self.dW = self.x.T @ g
        self.db = self.slip * g.sum(0)
        return g @ self.W.T


class Adds(Affine):
    def __init__(self) -> Any:
        super().__init__()
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros(2)

    def backward(self, g: Any) -> Any:
        self.dW += self.x.T @ g
        self.db += g.sum(0)
        return g @ self.W.T


class AddsToOne(Adds):
    def backward(self, g: Any) -> Any:
        self.dW += self.x.T @ g
        self.db = g.sum(0)
        return g @ self.W.T


class InDicts:
    def __init__(self) -> Any:
        self.params = {"W": N(size=(3, 2)), "b": np.zeros(2)}
        self.grads = {}

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, g: Any) -> Any:
        self.grads["W"] = self.x.T @ g
        self.grads["b"] = g.sum(0)
        return g @ self.params["W"].T


class ForgetsInDict(InDicts):
    def backward(self, g: Any) -> Any:
        self.grads["W"] = self.x.T @ g
        return g @ self.params["W"].T


class InLists:
    def __init__(self) -> Any:
        W = N(size=(3, 2))
        self.params = [W, np.zeros(2)]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x: Any) -> Any:
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, g: Any) -> Any:
        W = self.params[0]
        self.grads[0][...] = self.x.T @ g
        self.grads[1][...] = g.sum(0)
        return g @ W.T


class ReturnsNothing:
    def __init__(self, a: Any, b: Any) -> Any:
        self.weights = 0.1 * np.random.randn(a, b)
        self.biases = np.zeros((1, b))

    def forward(self, inputs: Any) -> Any:
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues: Any) -> Any:
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class OwnGradient:
    def __init__(self, d: Any) -> Any:
        self.data = d
        self.grad = np.zeros_like(d)


class Objects:
    def __init__(self) -> Any:
        self.W = OwnGradient(N(size=(3, 2)))
        self.b = OwnGradient(np.zeros(2))

    def __call__(self, x: Any) -> Any:
        self.x = x
        return x @ self.W.data + self.b.data

    def backward(self, g: Any) -> Any:
        self.W.grad += self.x.T @ g
        self.b.grad += g.sum(0)
        return g @ self.W.data.T


class ReturnsAll:
    def __init__(self) -> Any:
        self.W = N(size=(3, 2))
        self.b = np.zeros(2)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def backward(self, g: Any) -> Any:
        return g @ self.W.T, self.x.T @ g, g.sum(0)


class ReturnsDict(ReturnsAll):
    def backward(self, g: Any) -> Any:
        return g @ self.W.T, {"W": self.x.T @ g, "b": g.sum(0)}


class WithCache(ReturnsAll):
    def forward(self, x: Any) -> Any:
        return x @ self.W + self.b, x

    def backward(self, g: Any, cache: Any) -> Any:
        self.dW = cache.T @ g
        self.db = g.sum(0)
        return g @ self.W.T


class Relu:
    def forward(self, x: Any) -> Any:
        self.mask = x > 0
        return x * self.mask

    def backward(self, g: Any) -> Any:
        g[~self.mask] = 0
        return g


class Sequential:
    def __init__(self, *l) -> Any:
        self.layers = list(l)

    def forward(self, x: Any) -> Any:
        for l in self.layers:
            x = l.forward(x)
        return x

    def backward(self, g: Any) -> Any:
        for l in reversed(self.layers):
            g = l.backward(g)
        return g


class Dropout:
    def __init__(self, p: Any = 0.5, seed: Any = 0) -> Any:
        self.p = p
        self.rng = np.random.default_rng(seed)
        self.training = True

    def forward(self, x: Any) -> Any:
        if not self.training:
            return x
        self.m = (self.rng.random(x.shape) < self.p) / self.p
        return x * self.m

    def backward(self, g: Any) -> Any:
        return g * self.m


class BatchNorm:
    def __init__(self, n: Any) -> Any:
        self.gamma = np.ones(n)
        self.beta = np.zeros(n)
        self.running_mean = np.zeros(n)
        self.running_var = np.ones(n)

    def forward(self, x: Any, training: Any = True) -> Any:
        if training:
            m, v = x.mean(0), x.var(0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * m
            self.running_var = 0.9 * self.running_var + 0.1 * v
        else:
            m, v = self.running_mean, self.running_var
        self.t = training
        self.std = np.sqrt(v + 1e-5)
        self.xh = (x - m) / self.std
        return self.gamma * self.xh + self.beta

    def backward(self, g: Any) -> Any:
        self.dgamma = (g * self.xh).sum(0)
        self.dbeta = g.sum(0)
        d = g * self.gamma
        return (d - d.mean(0) - self.xh * (d * self.xh).mean(0)) / self.std if self.t else d / self.std


class Embedding:
    def __init__(self) -> Any:
        self.W = N(size=(5, 3))

    def forward(self, i: Any) -> Any:
        self.i = i
        return self.W[i]

    def backward(self, g: Any) -> Any:
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.i, g)


class KeepsFirst(Affine):
    x = None

    def forward(self, x: Any) -> Any:
        if self.x is None:
            self.x = x
        return x @ self.W + self.b


class Forgets(Affine):
    def backward(self, g: Any) -> Any:
        self.dW = self.x.T @ g
        return g @ self.W.T


class RNN:
    def __init__(self) -> Any:
        self.Wx = N(size=(3, 4))
        self.Wh = N(size=(4, 4))
        self.b = N(size=4)

    def forward(self, x: Any, h0: Any) -> Any:
        self.x, self.hs = x, [h0]
        for t in range(x.shape[1]):
            self.hs.append(np.tanh(x[:, t] @ self.Wx + self.hs[-1] @ self.Wh + self.b))
        return np.stack(self.hs[1:], 1)

    def backward(self, dh: Any) -> Any:
        self.dWx = np.zeros_like(self.Wx)
        self.dWh = np.zeros_like(self.Wh)
        self.db = np.zeros_like(self.b)
        dx = np.zeros_like(self.x)
        n = 0
        for t in reversed(range(self.x.shape[1])):
            d = (dh[:, t] + n) * (1 - self.hs[t + 1] ** 2)
            self.dWx += self.x[:, t].T @ d
            self.dWh += self.hs[t].T @ d
            self.db += d.sum(0)
            dx[:, t] = d @ self.Wx.T
            n = d @ self.Wh.T
        return dx, n


class LossLayer:
    """A loss whose backward has an upstream gradient of 1 by default."""

    def __init__(self) -> None:
        self.error = None

    def forward(self, x: Any, y: Any) -> Any:
        self.error = x - np.eye(3)[y]
        return np.sum(self.error**2)

    def backward(self, dout: Any = 1) -> Any:
        return 2 * self.error * dout


class LossAlone(LossLayer):
    """A loss whose backward takes nothing."""

    def backward(self) -> Any:  # type: ignore[override]
        return 2 * self.error


class LossDoubled(LossLayer):
    def backward(self) -> Any:  # type: ignore[override]
        return 4 * self.error


class Updates:
    """A layer whose backward updates it."""

    def __init__(self, slip: float = 1.0) -> None:
        self.weights = N(size=(3, 2))
        self.slip = slip

    def forward(self, input: Any) -> Any:
        self.input = input
        return input @ self.weights

    def backward(self, output_gradient: Any, learning_rate: float) -> Any:
        input_gradient = output_gradient @ self.weights.T
        self.weights -= self.slip * learning_rate * self.input.T @ output_gradient
        return input_gradient


class Private:
    """Names that begin with an underscore, slots, and a buffer that is no parameter."""

    __slots__ = ("_W", "_dW", "_slip", "_x", "vW")

    def __init__(self, slip: float = 1.0) -> None:
        self._W = N(size=(3, 2))
        self.vW = np.zeros((3, 2))
        self._slip = slip

    def forward(self, x: Any) -> Any:
        self._x = x
        return x @ self._W

    def backward(self, grad: Any) -> Any:
        self._dW = self._slip * self._x.T @ grad
        return grad @ self._W.T


class Shifts:
    """A table that changes the output and has no gradient."""

    def __init__(self) -> None:
        self.table = N(size=(4, 3))

    def forward(self, x: Any) -> Any:
        return x + self.table

    def backward(self, grad: Any) -> Any:
        return grad


SET_TO_ZERO = "set them to zero before the next step"
RIGHT: dict[str, tuple[Any, str]] = {
    "attributes": (lambda: check_layer(Affine, X), "layer.dW and layer.db agree"),
    "a layer that was made": (lambda: check_layer(Affine(), X), "dx"),
    "gradients that are added to": (lambda: check_layer(Adds, X), SET_TO_ZERO),
    "dicts": (lambda: check_layer(InDicts, X), "layer.grads['W']"),
    "lists": (lambda: check_layer(InLists, X), "layer.grads[1]"),
    "nothing is returned": (lambda: check_layer(lambda: ReturnsNothing(3, 2), X), "layer.dweights"),
    "objects with .data and .grad": (lambda: check_layer(Objects, X), "layer.b.grad"),
    "all are returned": (lambda: check_layer(ReturnsAll, X), "dx, dW and db"),
    "a dict is returned": (lambda: check_layer(ReturnsDict, X), "dx, dW and db"),
    "a cache too": (lambda: check_layer(WithCache, X), "layer.dW"),
    "in place": (lambda: check_layer(Relu, X), "works in place on the upstream gradient"),
    "a layer of layers": (lambda: check_layer(lambda: Sequential(Affine(), Relu()), X), "layer.layers[0].dW"),
    "a generator of its own": (lambda: check_layer(Dropout, X), "dx agrees"),
    "training": (lambda: check_layer(lambda: BatchNorm(3), X), "layer.dgamma"),
    "evaluation": (lambda: check_layer(lambda: BatchNorm(3), X, training=False), "layer.dgamma"),
    "indices": (lambda: check_layer(Embedding, np.array([0, 1, 1])), "layer.dW agrees"),
    "two inputs": (lambda: check_layer(RNN, N(size=(2, 3, 3)), N(size=(2, 4))), "dx, dh0, layer.dWx"),
    "a loss": (lambda: check_layer(LossLayer, X, np.array([0, 1, 2, 2])), "dx agrees"),
    "a loss without upstream": (lambda: check_layer(LossAlone, X, np.array([0, 1, 2, 2])), "dx agrees"),
    "an update at once": (lambda: check_layer(Updates, X, learning_rate=0.1), "dinput and dweights agree"),
    "private names": (lambda: check_layer(Private, X), "dx and layer._dW agree"),
    "a table": (lambda: check_layer(Shifts, X), "Not checked: layer.table"),
    "some of them": (lambda: check_layer(Forgets, X, wrt=["x", "W"]), "dx and layer.dW agree"),
}
WRONG: dict[str, tuple[Any, str]] = {
    "a factor": (lambda: check_layer(lambda: Affine(2), X), "layer.db is wrong: it is twice"),
    "a factor in a layer of layers": (
        lambda: check_layer(lambda: Sequential(Affine(2), Relu()), X),
        "layer.layers[0].db is wrong",
    ),
    "no gradient": (lambda: check_layer(Forgets, X), "b has no gradient"),
    "no gradient in a dict": (lambda: check_layer(ForgetsInDict, X), "b has no gradient"),
    "one is added to, one is set": (lambda: check_layer(AddsToOne, X), "adds to layer.dW, but sets layer.db"),
    "the first input is kept": (lambda: check_layer(KeepsFirst, X), "values of the first forward"),
    "a loss without upstream": (
        lambda: check_layer(LossDoubled, X, np.array([0, 1, 2, 2])),
        "dx is wrong: it is twice",
    ),
    "an update at once": (lambda: check_layer(lambda: Updates(2.0), X, learning_rate=0.1), "dweights is wrong"),
    "private names": (lambda: check_layer(lambda: Private(2.0), X), "layer._dW is wrong: it is twice"),
    "an unknown parameter": (lambda: check_layer(Affine, X, wrt="gamma"), "there is no 'gamma'"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_layers_pass(case: str) -> None:
    check, said = RIGHT[case]
    verdict = check()
    assert verdict.passed, verdict
    assert said in str(verdict)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_layers_fail(case: str) -> None:
    check, said = WRONG[case]
    verdict = check()
    assert verdict.status == ("error" if "unknown" in case else "wrong")
    assert said in verdict.headline
