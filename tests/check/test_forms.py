"""Layers in the forms in which people write them: right ones pass, planted faults fail."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnkit.check import Verdict, check_backward

N = np.random.default_rng(5).normal
X, W, B = N(size=(4, 3)), N(size=(3, 2)), N(size=2)


# ---- pairs of functions ------------------------------------------------------------------------------


def affine_forward(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b, (x, w)


def affine_backward(dout: Any, cache: Any) -> Any:
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def affine_back_to_front(cache: Any, dout: Any) -> Any:
    return affine_backward(dout, cache)


def forgets_b(dout: Any, cache: Any) -> Any:
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.mean(axis=0)


def conv_forward_naive(x: Any, w: Any, conv_param: Any) -> Any:
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, pad)
    out = np.zeros((len(padded) - len(w)) // stride + 1)
    for i in range(len(out)):
        out[i] = np.sum(padded[i * stride : i * stride + len(w)] * w)
    return out, (x, w, conv_param)


def conv_backward_naive(dout: Any, cache: Any) -> Any:
    x, w, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, pad)
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for i in range(len(dout)):
        dpadded[i * stride : i * stride + len(w)] += dout[i] * w
        dw += dout[i] * padded[i * stride : i * stride + len(w)]
    return dpadded[pad : len(padded) - pad], dw


def conv_without_stride(dout: Any, cache: Any) -> Any:
    x, w, conv_param = cache
    return conv_backward_naive(dout, (x, w, {"stride": 1, "pad": conv_param["pad"]}))


def batchnorm_forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    mean = bn_param.setdefault("running_mean", np.zeros(x.shape[1]))
    var = bn_param.setdefault("running_var", np.ones(x.shape[1]))
    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = 0.9 * bn_param["running_mean"] + 0.1 * mean
        bn_param["running_var"] = 0.9 * bn_param["running_var"] + 0.1 * var
    xhat = (x - mean) / np.sqrt(var + eps)
    return gamma * xhat + beta, (mode, xhat, gamma, np.sqrt(var + eps))


def batchnorm_backward(dout: Any, cache: Any) -> Any:
    mode, xhat, gamma, std = cache
    d = dout * gamma
    dx = (d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / std if mode == "train" else d / std
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


def batchnorm_backward_in_training_always(dout: Any, cache: Any) -> Any:
    return batchnorm_backward(dout, ("train", *cache[1:]))


def dropout_forward(x: Any, dropout_param: Any) -> Any:
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = (np.random.rand(*x.shape) < dropout_param["p"]) / dropout_param["p"]
    return x * mask, (dropout_param, mask)


def dropout_backward(dout: Any, cache: Any) -> Any:
    return dout * cache[1]


def dropout_drawn_anew(dout: Any, cache: Any) -> Any:
    p = cache[0]["p"]
    return dout * (np.random.rand(*dout.shape) < p) / p


def pop_forward(x: Any) -> Any:
    return 2 * x, [2.0]


def pop_backward(dout: Any, cache: Any) -> Any:
    return cache.pop() * dout


def word_embedding_forward(x: Any, W: Any) -> Any:
    return W[x], (x, W.shape)


def word_embedding_backward(dout: Any, cache: Any) -> Any:
    dW = np.zeros(cache[1])
    np.add.at(dW, cache[0], dout)
    return dW


def embedding_overwritten(dout: Any, cache: Any) -> Any:
    dW = np.zeros(cache[1])
    dW[cache[0]] = dout
    return dW


def leaky_forward(x: Any, slope: float = 0.1) -> Any:
    return np.where(x > 0, x, slope * x), (x, slope)


def leaky_backward(dout: Any, cache: Any) -> Any:
    x, slope = cache
    return np.where(x > 0, dout, slope * dout)


def lstm_step_forward(x: Any, prev_h: Any, prev_c: Any) -> Any:
    c = np.tanh(x) * prev_c + prev_h
    h = np.tanh(c)
    return h, c, (x, prev_c, h)


def lstm_step_backward(dh: Any, dc: Any, cache: Any) -> Any:
    x, prev_c, h = cache
    dc = dc + dh * (1 - h**2)
    return dc * prev_c * (1 - np.tanh(x) ** 2), dc, dc * np.tanh(x)


def lstm_without_dc(dh: Any, dc: Any, cache: Any) -> Any:
    return lstm_step_backward(dh, 0 * dc, cache)


def split_forward(x: Any) -> Any:
    return (x[:2] ** 2, x.sum()), x


def split_backward(douts: Any, cache: Any) -> Any:
    first, total = douts
    d = np.zeros_like(cache)
    d[:2] = first * 2 * cache[:2]
    return d + total


def split_forgets_total(douts: Any, cache: Any) -> Any:
    return split_backward((douts[0], 0.0), cache)


def attention_forward(q: Any, k: Any) -> Any:
    weights = np.tanh(q @ k.T)
    return weights @ k, weights, (q, k, weights)


def attention_backward(dout: Any, cache: Any) -> Any:
    q, k, weights = cache
    d = dout @ k.T * (1 - weights**2)
    return d @ k, d.T @ q + weights.T @ dout


def relu_forward(x: Any) -> Any:
    return np.maximum(0, x)


def relu_backward(dout: Any, x: Any) -> Any:
    return dout * (x > 0)


def relu_backward_in_place(dout: Any, x: Any) -> Any:
    dout[x <= 0] = 0
    return dout


def sigmoid_forward(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def sigmoid_backward(grad_output: Any, output: Any) -> Any:
    return grad_output * output * (1 - output)


def linear_activation_forward(A_prev: Any, W: Any, b: Any, activation: str) -> Any:
    Z = W @ A_prev + b
    return (np.maximum(Z, 0) if activation == "relu" else np.tanh(Z)), ((A_prev, W, b), Z)


def linear_activation_backward(dA: Any, cache: Any, activation: str) -> Any:
    (A_prev, W, _), Z = cache
    dZ = dA * (Z > 0) if activation == "relu" else dA * (1 - np.tanh(Z) ** 2)
    return W.T @ dZ, dZ @ A_prev.T, dZ.sum(axis=1, keepdims=True)


def net_forward(x: Any, params: Any) -> Any:
    h = np.tanh(x @ params["W1"])
    return h @ params["W2"], (x, h, params)


def net_backward(dout: Any, cache: Any) -> Any:
    x, h, params = cache
    da = dout @ params["W2"].T * (1 - h**2)
    return da @ params["W1"].T, {"W1": x.T @ da, "W2": h.T @ dout}


def net_backward_wrong(dout: Any, cache: Any) -> Any:
    dx, grads = net_backward(dout, cache)
    return dx, {**grads, "W1": 2 * grads["W1"]}


LAYERS = SimpleNamespace(affine_forward=affine_forward, affine_backward=affine_backward)


class Static:
    @staticmethod
    def forward(x: Any, w: Any) -> Any:
        return x @ w, (x, w)

    @staticmethod
    def backward(dout: Any, cache: Any) -> Any:
        x, w = cache
        return dout @ w.T, x.T @ dout


class WithContext:
    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        x, y = ctx.saved_values
        return grad_output * y, grad_output * x


class Shrinking:
    """It returns a gradient for each argument, as PyTorch wants it: None for the threshold."""

    @staticmethod
    def forward(ctx: Any, x: Any, threshold: float = 0.5) -> Any:
        ctx.save_for_backward(x)
        ctx.threshold = threshold
        return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad_output * (np.abs(x) > ctx.threshold), None


class ShrinkingUp(Shrinking):
    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad_output * (x > ctx.threshold), None


@pytest.mark.parametrize("options", [{"threshold": 0.3}, {}, {"threshold": 0.3, "wrt": "x"}])
def test_a_class_with_a_context_may_return_none_for_what_was_given_by_name(options: Any) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert check_backward(Shrinking, x, **options).passed
    wrong = check_backward(ShrinkingUp, x, **options)
    assert wrong.status == "wrong"
    assert "dx is wrong" in wrong.headline


class WithContextSwapped(WithContext):
    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        return WithContext.backward(ctx, grad_output)[::-1]


class Kept:
    def __init__(self) -> None:
        self.W = W

    def forward(self, x: Any) -> Any:
        self.x = x
        return np.tanh(x @ self.W)

    def backward(self, dout: Any) -> Any:
        return dout * (1 - np.tanh(self.x @ self.W) ** 2) @ self.W.T


KEPT: dict[str, Any] = {}


def global_forward(x: Any) -> Any:
    KEPT["x"] = x
    return x**2


def global_backward(dout: Any) -> Any:
    return 2 * KEPT["x"] * dout


def join_forward(xs: Any) -> Any:
    return np.concatenate(xs, axis=1), [x.shape[1] for x in xs]


def join_backward(dout: Any, cache: Any) -> Any:
    return np.split(dout, np.cumsum(cache)[:-1], axis=1)


def join_wrong(dout: Any, cache: Any) -> Any:
    return [2 * part for part in join_backward(dout, cache)]


NET = {"W1": N(size=(3, 5)), "W2": N(size=(5, 2))}
TRAIN, TEST, CONV = {"mode": "train"}, {"mode": "test"}, {"stride": 2, "pad": 1}
RIGHT: dict[str, Any] = {
    "a pair": lambda: check_backward((affine_forward, affine_backward), X, W, B),
    "a list": lambda: check_backward([affine_forward, affine_backward], X, W, B),
    "the backward alone": lambda: check_backward(affine_backward, X, W, B),
    "the forward alone": lambda: check_backward(affine_forward, X, W, B),
    "a namespace with one pair": lambda: check_backward(LAYERS, X, W, B),
    "a name in a namespace": lambda: check_backward((LAYERS, "affine"), X, W, B),
    "a trusted function": lambda: check_backward(affine_backward, X, W, B, of=lambda x, w, b: x @ w + b),
    "a dict of options": lambda: check_backward(conv_backward_naive, N(size=7), N(size=3), CONV),
    "options by name": lambda: check_backward(conv_forward_naive, N(size=7), N(size=3), conv_param=CONV),
    "batch norm in training": lambda: check_backward(batchnorm_backward, X, N(size=3), N(size=3), TRAIN),
    "batch norm in evaluation": lambda: check_backward(batchnorm_backward, X, N(size=3), N(size=3), TEST),
    "dropout by the global generator": lambda: check_backward(dropout_backward, X, {"p": 0.5}),
    "dropout with a seed": lambda: check_backward(dropout_backward, X, {"p": 0.5, "seed": 3}),
    "indices": lambda: check_backward(word_embedding_backward, np.array([[0, 2], [2, 1]]), W),
    "a float that is held fixed": lambda: check_backward(leaky_backward, X, 0.2, wrt="x"),
    "a float by name": lambda: check_backward(leaky_backward, X, slope=0.2),
    "positions": lambda: check_backward(affine_backward, X, W, B, wrt=[1, 2]),
    "a parameter by name": lambda: check_backward(affine_backward, X, w=W, b=B, wrt=("x", "w", "b")),
    "two outputs": lambda: check_backward(lstm_step_backward, N(size=(2, 3)), N(size=(2, 3)), N(size=(2, 3))),
    "two outputs in a tuple": lambda: check_backward(split_backward, N(size=3)),
    "an output without a gradient": lambda: check_backward(attention_backward, X, N(size=(5, 3))),
    "no cache, the input again": lambda: check_backward(relu_backward, X),
    "in place": lambda: check_backward((relu_forward, relu_backward_in_place), X),
    "no cache, the output again": lambda: check_backward(sigmoid_backward, X),
    "an option of both": lambda: check_backward(
        linear_activation_backward, X, N(size=(2, 4)), N(size=(2, 1)), activation="relu"
    ),
    "a dict of parameters": lambda: check_backward(net_backward, X, NET),
    "(cache, dout)": lambda: check_backward((affine_forward, affine_back_to_front), X, W, B),
    "a dict of gradients": lambda: check_backward(
        (affine_forward, lambda dout, cache: dict(zip(("dx", "dw", "db"), affine_backward(dout, cache)))), X, W, B
    ),
    "a context": lambda: check_backward(WithContext, X, N(size=(4, 3))),
    "a global cache": lambda: check_backward(global_backward, X),
    "a list of arrays": lambda: check_backward(join_backward, [X, N(size=(4, 2))]),
    "static methods": lambda: check_backward(Static, X, W),
    "a layer with a parameter": lambda: check_backward(Kept(), X),
    "two outputs of one shape, one gradient": lambda: check_backward(
        attention_backward, N(size=(3, 3)), N(size=(3, 3))
    ),
    "a cache that is used up": lambda: check_backward(pop_backward, X),
    "nothing but whole numbers": lambda: check_backward(
        affine_backward, np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2), np.arange(2)
    ),
    "whole numbers": lambda: check_backward(
        affine_backward, np.arange(6).reshape(2, 3), np.arange(3)[:, None], np.ones(1)
    ),
}

WITH_A_NOTE = (
    *("in place", "an output without a gradient", "two outputs of one shape, one gradient"),
    "a layer with a parameter",
)

WRONG: dict[str, tuple[Any, str]] = {
    "a mean": (lambda: check_backward((affine_forward, forgets_b), X, W, B), "db is wrong"),
    "a mean, by name": (lambda: check_backward((affine_forward, forgets_b), X, W, b=B, wrt=("w", "b")), "db is wrong"),
    "the stride": (
        lambda: check_backward((conv_forward_naive, conv_without_stride), N(size=7), N(size=3), CONV),
        "dx and dw are wrong",
    ),
    "the mode": (
        lambda: check_backward((batchnorm_forward, batchnorm_backward_in_training_always), X, B[[0, 1, 0]], X[0], TEST),
        "dx is wrong",
    ),
    "no scale": (
        lambda: check_backward((dropout_forward, lambda dout, cache: dout * (cache[1] > 0)), X, {"p": 0.5}),
        "dx",
    ),
    "indices that are met again": (
        lambda: check_backward((word_embedding_forward, embedding_overwritten), np.array([0, 2, 2]), W),
        "dW is wrong",
    ),
    "an output forgotten": (
        lambda: check_backward((lstm_step_forward, lstm_without_dc), N(size=(2, 3)), N(size=(2, 3)), N(size=(2, 3))),
        "are wrong",
    ),
    "an output in a tuple forgotten": (
        lambda: check_backward((split_forward, split_forgets_total), N(size=3)),
        "dx is",
    ),
    "a parameter in a dict": (
        lambda: check_backward((net_forward, net_backward_wrong), X, NET),
        "dparams['W1'] is wrong",
    ),
    "a gradient too few": (
        lambda: check_backward((affine_forward, lambda dout, cache: affine_backward(dout, cache)[:2]), X, W, B),
        "2 gradients for the 3 inputs",
    ),
    "no cache": (lambda: check_backward((relu_forward, lambda dout, cache: dout), X), "relu_forward must return"),
    "an error on the way": (
        lambda: check_backward((affine_forward, lambda dout, cache: cache["x"]), X, W, B),
        "TypeError",
    ),
    "in place, strictly": (
        lambda: check_backward((relu_forward, relu_backward_in_place), X, strict=True),
        "changed the upstream gradient",
    ),
    "a context": (lambda: check_backward(WithContextSwapped, X, N(size=(4, 3))), "dx and dy are wrong"),
    "a list of arrays": (
        lambda: check_backward((join_forward, join_wrong), [X, N(size=(4, 2))]),
        "dxs[0] and dxs[1] are",
    ),
    "a mask that is drawn anew": (
        lambda: check_backward((dropout_forward, dropout_drawn_anew), X, {"p": 0.5}),
        "dx is",
    ),
    "complex numbers": (lambda: check_backward(affine_backward, 1j * X, W, B), "x is complex"),
    "one function": (lambda: check_backward(lambda x: 2 * x, X), "give the forward and the backward"),
    "an unknown input": (lambda: check_backward(affine_backward, X, W, B, wrt="bias"), "there is no 'bias'"),
    "an unknown option": (lambda: check_backward(affine_backward, X, W, B, stride=2), "no parameter 'stride'"),
    "two pairs": (
        lambda: check_backward(SimpleNamespace(**vars(LAYERS), b_forward=abs, b_backward=abs), X),
        "2 layers in it",
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_layers_pass(case: str) -> None:
    verdict = RIGHT[case]()
    assert verdict.passed, verdict
    assert bool(verdict.notes) == (case in WITH_A_NOTE)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_layers_fail(case: str) -> None:
    check, said = WRONG[case]
    verdict: Verdict = check()
    assert not verdict.passed
    assert said in verdict.headline


def test_an_input_that_may_be_fixed_gets_a_note() -> None:
    verdict = check_backward(leaky_backward, X, 0.2)
    assert verdict.mistakes == ("wrong-count",)
    assert 'wrt="x"' in verdict.notes[-1]


def test_the_global_generators_are_put_back() -> None:
    random.seed(4)
    np.random.seed(4)
    before = random.getstate(), np.random.get_state()
    assert check_backward(dropout_backward, X, {"p": 0.5}).passed
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1][1])
