"""Networks whose parameters are in any container, or on an object: right ones pass, planted faults fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from nnkit.check import check_parameters

N = np.random.default_rng(1).normal
X, Y = N(size=(4, 3)), N(size=(4, 2))
W1, W2 = N(size=(3, 5)), N(size=(5, 2))


def run(w1: Any, w2: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return a loss, and its gradients by w1 and w2."""
    h = np.tanh(x @ w1)
    error = h @ w2 - y
    return np.sum(error**2), x.T @ (2 * error @ w2.T * (1 - h**2)), h.T @ (2 * error)


@dataclass
class Data:
    W1: Any
    W2: Any


class Named(NamedTuple):
    W1: Any
    W2: Any


def nested(params: Any, x: Any, y: Any, slip: float = 1.0) -> Any:
    loss, d1, d2 = run(params["l1"]["W"], params["l2"]["W"], x, y)
    return loss, {"l1": {"W": slip * d1}, "l2": {"W": d2}}


def in_list(params: Any, x: Any, y: Any, slip: float = 1.0) -> Any:
    loss, d1, d2 = run(*params, x, y)
    return loss, [d1, slip * d2]


def in_layers(layers: Any, x: Any, y: Any, slip: float = 1.0) -> Any:
    loss, d1, d2 = run(layers[0]["W"], layers[1]["W"], x, y)
    return loss, [{"dW": slip * d1}, {"dW": d2}]


def in_data(params: Any, x: Any, y: Any) -> Any:
    loss, d1, d2 = run(params.W1, params.W2, x, y)
    return loss, type(params)(d1, d2)


def updates(params: Any, x: Any, y: Any) -> Any:
    loss, d1, d2 = run(*params, x, y)
    params[0] -= 0.1 * d1
    return loss, [d1, d2]


class Net:
    """A network that reads its parameters from itself."""

    def __init__(self, slip: float = 1.0) -> None:
        self.params = {"W1": W1, "W2": W2}
        self.slip = slip

    def loss(self, X: Any, y: Any, reg: float = 0.0) -> Any:
        loss, d1, d2 = run(self.params["W1"], self.params["W2"], X, y)
        return loss, {"W1": self.slip * d1, "W2": d2}


class NetOfTwo(Net):
    """A network with a loss and a gradient."""

    def value(self, X: Any, y: Any) -> Any:
        return self.loss(X, y)[0]

    def gradient(self, X: Any, y: Any) -> Any:
        return self.loss(X, y)[1]


class NetWithBackward:
    """A network whose backward fills its gradients."""

    def __init__(self) -> None:
        self.W = [W1, W2]
        self.params = {"W1": self.W[0], "W2": self.W[1]}
        self.grads: dict[str, Any] = {}

    def loss(self, X: Any, y: Any) -> Any:
        self.kept = X, y
        return run(*self.W, X, y)[0]

    def backward(self) -> None:
        _, self.grads["W1"], self.grads["W2"] = run(*self.W, *self.kept)


NESTED = {"l1": {"W": W1}, "l2": {"W": W2}}
NET, TWO, BACK = Net(), NetOfTwo(), NetWithBackward()
RIGHT: dict[str, tuple[Any, str]] = {
    "a dict of dicts": (lambda: check_parameters(nested, NESTED, X, Y), "dl1['W'] and dl2['W'] agree"),
    "a list": (lambda: check_parameters(in_list, [W1, W2], X, Y), "dparams[0] and dparams[1] agree"),
    "a tuple": (lambda: check_parameters(in_list, (W1, W2), X, Y), "dparams[0]"),
    "a list of dicts": (lambda: check_parameters(in_layers, [{"W": W1}, {"W": W2}], X, Y), "dlayers[0]['W']"),
    "a dataclass": (lambda: check_parameters(in_data, Data(W1, W2), X, Y), "dW1 and dW2 agree"),
    "a named tuple": (lambda: check_parameters(in_data, Named(W1, W2), X, Y), "dW1 and dW2 agree"),
    "a method": (lambda: check_parameters(NET.loss, NET.params, X, Y), "dW1 and dW2 agree"),
    "a network": (lambda: check_parameters(NET, NET.params, X, Y), "dW1 and dW2 agree"),
    "two methods": (lambda: check_parameters((TWO.value, TWO.gradient), TWO.params, X, Y), "dW1 and dW2 agree"),
    "a backward": (lambda: check_parameters(BACK.loss, BACK.params, X, Y), "dW1 and dW2 agree"),
}
WRONG: dict[str, tuple[Any, str]] = {
    "a dict of dicts": (
        lambda: check_parameters(lambda p, x, y: nested(p, x, y, 2.0), NESTED, X, Y),
        "dl1['W'] is wrong",
    ),
    "a list": (lambda: check_parameters(lambda p, x, y: in_list(p, x, y, -1.0), [W1, W2], X, Y), "dp[1] is wrong"),
    "a method": (lambda: check_parameters((net := Net(2.0)).loss, net.params, X, Y), "dW1 is wrong"),
    "too few": (
        lambda: check_parameters(lambda p, x, y: (run(*p, x, y)[0], [p[0]]), [W1, W2], X, Y),
        "1 gradients for 2 entries of p",
    ),
    "another key": (
        lambda: check_parameters(lambda p, x, y: (nested(p, x, y)[0], {"l1": {"W": W1}, "l2": {}}), NESTED, X, Y),
        "dp['l2']['W'] is missing",
    ),
    "an update": (lambda: check_parameters(updates, [W1, W2], X, Y), "in place"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_networks_pass(case: str) -> None:
    check, said = RIGHT[case]
    verdict = check()
    assert verdict.passed, verdict
    assert said in verdict.headline


@pytest.mark.parametrize("case", WRONG)
def test_wrong_networks_fail(case: str) -> None:
    check, said = WRONG[case]
    verdict = check()
    assert verdict.status == "wrong"
    assert said in verdict.headline
