"""Gradients that are tiny beside 1, or zero: what rounding might excuse is looked at at other scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnkit.check import Verdict, check_backward, check_gradient, check_hvp, check_jacobian, check_jvp

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
FACTORS = -1.0, 1 + 1e-5
BOLTZMANN = 1.38e-23


def as_real(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function without the complex step."""

    def real(*inputs: Any) -> Any:
        if any(map(np.iscomplexobj, inputs)):
            raise TypeError("real numbers only")
        return function(*inputs)

    return real


def invert(x: Any) -> Any:
    y = np.linalg.inv(x)
    return y, y


def invert_backward(g: Any, y: Any) -> Any:
    return -(y.T @ g @ y.T)


def softmax(z: Any) -> Any:
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p, p


def softmax_backward(g: Any, p: Any) -> Any:
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


def sigmoid(x: Any) -> Any:
    s = 1 / (1 + np.exp(-x))
    return s, s


def sigmoid_backward(g: Any, s: Any) -> Any:
    return g * s * (1 - s)


def normalise(x: Any) -> Any:
    std = np.sqrt(((x - x.mean(axis=0)) ** 2).mean(axis=0))
    out = (x - x.mean(axis=0)) / std
    return out, (out, std)


def normalise_backward(g: Any, cache: Any) -> Any:
    out, std = cache
    return (g - g.mean(axis=0) - out * (g * out).mean(axis=0)) / std


def reciprocal(x: Any) -> Any:
    return 1 / x, x


def sinc(x: Any) -> Any:
    return np.sin(x) / x, x


PAIRS: dict[str, tuple[Any, Any, Any]] = {
    "inverse": (invert, invert_backward, 1e6 * MATRIX),
    "inverse by real steps": (as_real(invert), invert_backward, 1e6 * MATRIX),
    "large inverse": (invert, invert_backward, 1e6 * RNG.normal(size=(35, 35))),
    "saturated softmax": (softmax, softmax_backward, 1e6 * RNG.normal(size=(3, 4))),
    "saturated sigmoid": (sigmoid, sigmoid_backward, np.array([40.0, 60.0, 38.0])),
    "reciprocal": (reciprocal, lambda g, x: -g / x**2, 1e6 * np.array([0.7, -1.2, 2.1])),
    "batch normalisation": (normalise, normalise_backward, 1e9 * RNG.normal(size=(5, 3))),
    "cosine": (lambda x: (np.cos(x), x), lambda g, x: -g * np.sin(x), 1e-6 * np.array([0.3, -0.8])),
    "many saturated": (sigmoid, sigmoid_backward, 1e6 * (1 + np.arange(1500.0))),
}
RIGHT: dict[str, tuple[Any, Any, Any]] = {
    "ill-conditioned inverse": (as_real(invert), invert_backward, 1e6 * np.vander(np.linspace(0, 1, 6))),
    "some saturated": (softmax, softmax_backward, np.array([[40.0, 0, -3], [1000, -1000, 0], [1, 2, 3]])),
    "two numbers": (normalise, normalise_backward, 1e6 * RNG.normal(size=(2, 3))),
    "far from 0": (normalise, normalise_backward, 1e6 + RNG.normal(size=(5, 3))),
    "power at 0": (lambda x: (x**2.5, x), lambda g, x: g * 2.5 * x**1.5, np.array([0.0, 1.0, 2.0])),
    "root near 0": (lambda x: (np.sqrt(x), x), lambda g, x: g / 2 / np.sqrt(x), np.array([1e-12, 1e-6, 1.0])),
    "cancelling": (sinc, lambda g, x: g * (x * np.cos(x) - np.sin(x)) / x**2, 1e-6 * np.array([0.3, -0.8])),
    "flat at 10⁶": (lambda x: (np.floor(x), x), lambda g, x: 0 * x, 1e6 * np.array([0.6404222, 0.1049003, -0.5350004])),
}


def check_scaled(name: str, factor: float) -> Verdict:
    forward, backward, x = PAIRS[name]
    return check_backward((forward, lambda g, cache: factor * backward(g, cache)), x.copy())


@pytest.mark.parametrize("name", PAIRS)
def test_a_tiny_gradient_that_is_wrong_is_seen(name: str) -> None:
    assert check_scaled(name, 1.0).passed
    for factor in FACTORS[:1] if "large" in name else FACTORS:
        assert check_scaled(name, factor).status == "wrong", factor


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_rounding_is_right_and_needs_no_note(name: str) -> None:
    forward, backward, x = RIGHT[name]
    verdict = check_backward((forward, backward), x)
    assert verdict.passed
    assert "rounding" not in " ".join(verdict.notes)


@pytest.mark.parametrize("energy", [lambda x: np.sum(x**2), as_real(lambda x: np.sum(x**2))])
def test_a_function_may_be_tiny_at_all_scales(energy: Any) -> None:
    x = np.array([300.0, 2.0])
    assert check_gradient(lambda x: (BOLTZMANN * energy(x), BOLTZMANN * 2 * x), x).passed
    for factor in FACTORS:
        verdict = check_gradient(lambda x, k=factor: (BOLTZMANN * energy(x), k * BOLTZMANN * 2 * x), x)
        assert verdict.status == "wrong", factor


def test_a_loss_near_0_may_be_written_in_two_ways() -> None:
    z = np.array([[40.0, 0.0, -3.0]])

    def loss(z: Any, first: Any) -> Any:
        p, _ = softmax(z)
        value = np.log(np.exp(z - z.max()).sum()) + z.max() - z[0, 0]
        return value, np.concatenate([first(p), p[:, 1:]], axis=1)

    assert check_gradient(lambda z: loss(z, lambda p: p[:, :1] - 1), z).passed
    assert check_gradient(lambda z: loss(z, lambda p: -p[:, 1:].sum(axis=1, keepdims=True)), z).passed
    assert not check_gradient(lambda z: loss(z, lambda p: p[:, :1] + p[:, 1:2] - 1), z).passed


@pytest.mark.parametrize(("factor", "passed"), [(1, True), (2, False), (-1, False)])
def test_jacobians_and_products_may_be_tiny(factor: int, passed: bool) -> None:
    def jacobian(x: Any) -> Any:
        y = np.linalg.inv(x)
        return -factor * np.einsum("ki,jl->klij", y, y)

    def jvp(x: Any, v: Any) -> Any:
        y = np.linalg.inv(x)
        return -factor * y @ v @ y

    assert check_jacobian(jacobian, 1e6 * MATRIX, of=np.linalg.inv).passed == passed
    assert check_jvp(np.linalg.inv, jvp, 1e6 * MATRIX, MATRIX).passed == passed
    x, v = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.3, -0.7])
    assert check_hvp(lambda x: 1e-8 * np.sum(x**3), lambda x, v: factor * 6e-8 * x * v, x, v).passed == passed


class Inverse:
    value, quadratic = 1.0, 0.0

    def forward(self, x: Any) -> Any:
        y = np.linalg.inv(x)
        return self.value * y, y

    def backward(self, g: Any, y: Any) -> Any:
        return (invert_backward(g + self.quadratic * g * g, y),)


def test_a_trusted_value_and_the_upstream_gradient_may_be_tiny() -> None:
    gate = Inverse()
    assert check_backward(gate, 1e6 * MATRIX, of=np.linalg.inv).passed
    gate.value = 1.001
    assert check_backward(gate, 1e6 * MATRIX, of=np.linalg.inv).status == "wrong"
    gate.value, gate.quadratic = 1.0, 1e-3
    assert check_backward(gate, 1e6 * MATRIX).status == "wrong"


def test_what_no_scale_shows_is_noted() -> None:
    def forward(x: Any) -> Any:
        if np.min(np.abs(x)) < 35:
            raise ValueError("only for large numbers")
        return sigmoid(x)

    x = np.array([40.0, 60.0, 38.0])
    (note,) = check_backward((forward, lambda g, s: -sigmoid_backward(g, s)), x).notes
    assert "3 of 3 entries (dx) are too small here to stand out from rounding" in note


# ---- where a difference keeps no digits ----------------------------------------------------------------------------


TARGETS = np.array([0.0, 1.0, 0.0, 0.0])


class LogisticLoss:
    """The mean of -log p and -log(1 - p), as most write it: at z = 30, 1 - p has three digits left."""

    def __init__(self, factors: Any = 1.0, written: str = "1 - p") -> None:
        self.factors, self.written = factors, written

    def forward(self, z: Any) -> Any:
        p = 1 / (1 + np.exp(-z))
        rest = 1 - p if self.written == "1 - p" else np.add(-p, 1)
        return -np.mean(TARGETS * np.log(p + 1e-12) + (1 - TARGETS) * np.log(rest + 1e-12)), p

    def backward(self, upstream: Any, p: Any) -> Any:
        slope = (1 - TARGETS) / (1 - p + 1e-12) - TARGETS / (p + 1e-12)
        return (self.factors * upstream * slope * p * (1 - p) / len(p),)


def at_logit(size: float) -> Any:
    return np.array([size, -size, 1.0, size - 1.0])


@pytest.mark.parametrize("written", ["1 - p", "-p + 1"])
@pytest.mark.parametrize("size", [27.0, 30.0, 33.0, 36.0])
def test_a_right_gradient_passes_where_small_steps_measure_jumps(size: float, written: str) -> None:
    verdict = check_backward(LogisticLoss(written=written), at_logit(size))
    assert verdict.passed, str(verdict)
    assert size == 27 or "numbers that nearly cancel" in str(verdict)


@pytest.mark.parametrize("factors", [-1.0, 2.0, 1.1, np.array([1, 1, 2, 1]), np.array([2, 1, 1, 1])], ids=str)
@pytest.mark.parametrize("size", [30.0, 33.0, 36.0])
def test_a_wrong_one_does_not_pass_there(size: float, factors: Any) -> None:
    verdict = check_backward(LogisticLoss(factors), at_logit(size))
    assert verdict.status == "wrong", str(verdict)
