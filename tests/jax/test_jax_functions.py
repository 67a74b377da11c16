"""Functions of JAX: their own derivative is checked, in float64 whatever JAX's default is."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jax
from nnkit.check import check_backward, check_gradient, check_layer, check_parameters

N = np.random.default_rng(4).normal
X, W = N(size=(2, 2)), N(size=(2, 2))


@pytest.fixture(autouse=True)
def _single_precision() -> Any:
    """JAX's own default, whatever the other tests use."""
    with jax.enable_x64(False):
        yield


def with_rule(derivative: Any) -> Any:
    @jax.custom_vjp
    def sine(x: Any) -> Any:
        return jnp.sin(x)

    sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * derivative(x),))
    return sine


def layer(x: Any, params: Any) -> Any:
    return jnp.tanh(x @ params["W"]) + params["b"], jnp.sum(x)


def affine_forward(x: Any, w: Any) -> Any:
    return jnp.dot(x, w), (x, w)


def affine_backward(dout: Any, cache: Any) -> Any:
    x, w = cache
    return jnp.dot(dout, w.T), jnp.dot(x.T, dout)


class ByVjp:
    def forward(self, x: Any) -> Any:
        return jax.vjp(jnp.cos, x)

    def backward(self, upstream: Any, pull: Any) -> Any:
        return pull(upstream)


def loss(p: Any, x: Any) -> Any:
    return jnp.sum(jnp.tanh(x @ p["W"]) ** 2)


class Kept:
    def __init__(self) -> None:
        self.W = W

    def forward(self, x: Any) -> Any:
        self.out, self.pull = jax.vjp(lambda x, w: jnp.tanh(x @ w), x, self.W)
        return self.out

    def backward(self, dout: Any) -> Any:
        dx, self.dW = self.pull(jnp.asarray(dout))
        return dx


RIGHT: dict[str, Any] = {
    "a rule": lambda: check_backward(with_rule(jnp.cos), X),
    "compiled": lambda: check_backward(jax.jit(with_rule(jnp.cos)), X),
    "parameters and two outputs": lambda: check_backward(layer, X, {"W": W, "b": N(size=2)}),
    "jax.nn": lambda: check_backward(jax.nn.softmax, X),
    "an array of JAX": lambda: check_backward(jnp.tanh, jnp.asarray(X)),
    "a pair": lambda: check_backward(affine_backward, X, W),
    "a gate": lambda: check_backward(ByVjp(), X),
    "a loss and its gradients": lambda: check_parameters(jax.value_and_grad(loss), {"W": W}, X),
    "a function and its gradient": lambda: check_gradient(
        (lambda x: jnp.sum(x**3), jax.grad(lambda x: jnp.sum(x**3))), X
    ),
    "a layer": lambda: check_layer(Kept, X),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_functions_pass(case: str) -> None:
    verdict = RIGHT[case]()
    assert verdict.passed, verdict
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("check", [lambda rule: rule, jax.jit], ids=["plain", "compiled"])
def test_a_wrong_rule_fails(check: Any) -> None:
    verdict = check_backward(check(with_rule(jnp.sin)), X)
    assert verdict.status == "wrong"
    assert verdict.headline.startswith("dx is wrong")


def test_a_wrong_rule_of_a_parameter_fails() -> None:
    @jax.custom_vjp
    def affine(x: Any, w: Any) -> Any:
        return x @ w

    affine.defvjp(lambda x, w: (x @ w, (x, w)), lambda kept, g: (g @ kept[1].T, 2 * kept[0].T @ g))
    assert check_backward(affine, X, W).headline.startswith("dw is wrong: it is twice")
