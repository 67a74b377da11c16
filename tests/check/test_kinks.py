"""Inputs that lie on one side of a kink: what is right there may be wrong on the other side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnkit.check import Verdict, check_backward, check_gradient, check_loss

POSITIVE = np.array([1.0, 2.0, 3.0])


def gate(forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """Return a gate with the inputs as its cache: backward(upstream, *inputs)."""

    class Gate:
        def forward(self, *inputs: Any) -> Any:
            return forward(*inputs), inputs

        def backward(self, upstream: Any, cache: Any) -> Any:
            return backward(upstream, *cache)

    return Gate()


def leaky(x: Any) -> Any:
    return np.where(x > 0, x, 0.1 * x)


def masked(x: Any) -> Any:
    out = np.array(x)
    out[out < 0] = 0
    return out


ONE_SIDED = {
    "ReLU": (lambda x: np.maximum(0, x), lambda g, x: g * (x > 0), POSITIVE),
    "masked": (masked, lambda g, x: g * (x > 0), POSITIVE),
    "leaky": (leaky, lambda g, x: g * np.where(x > 0, 1, 0.1), POSITIVE),
    "abs": (np.abs, lambda g, x: g * np.sign(x), 2.0),
    "product of ReLU": (lambda x: x * (x > 0), lambda g, x: g * (x > 0), POSITIVE[:2]),
    "ReLU of a sum": (lambda x: max(0.0, float(np.sum(x))), lambda g, x: g * (np.sum(x) > 0) + 0 * x, POSITIVE),
}


@pytest.mark.parametrize("name", ONE_SIDED)
def test_the_other_side_of_a_kink_is_tried(name: str) -> None:
    forward, backward, x = ONE_SIDED[name]
    assert check_backward(gate(forward, backward), x).passed
    assert check_backward(gate(forward, lambda g, x: backward(g, np.abs(x))), x).status == "wrong"


@pytest.mark.parametrize("seed", range(6))
def test_a_maximum_is_asked_in_either_order(seed: int) -> None:
    def circuit(x: Any, z: Any, w: Any) -> Any:
        return 2 * (x + np.maximum(z, w)), (2.0, 0.0, 2.0)

    assert check_gradient(circuit, 1.1, 0.4, 1.3, rng=seed).status == "wrong"


def test_a_name_must_give_what_came_back_on_both_sides() -> None:
    """At 2 the slope 1 of |x| is right: its sign is not wrong everywhere, and no mask is missing."""
    verdict = check_backward(gate(np.abs, lambda g, x: g), 2.0)
    assert "sign" not in verdict.mistakes
    verdict = check_backward(gate(lambda x: np.maximum(0, x), lambda g, x: g), POSITIVE)
    assert verdict.mistakes == ("relu-no-mask",)


def root_of_positive(x: float) -> tuple[float, float]:
    if x <= 0:
        raise ValueError("only positive numbers have two roots")
    return x**0.5, 0.5 / x**0.5


def falling(scores: Any, labels: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return -np.mean(np.log(scores)), -1 / scores / scores.size


@pytest.mark.parametrize(
    "check",
    [
        lambda: check_backward(gate(np.log, lambda g, x: g / x), POSITIVE),
        lambda: check_backward(gate(np.sqrt, lambda g, x: g / (2 * np.sqrt(x))), 2.0),
        lambda: check_gradient(root_of_positive, 3.0),
        lambda: check_loss(falling, np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]), np.array([0, 1, 1])),
    ],
)
def test_a_function_of_positive_numbers_alone_is_not_rejected(check: Callable[[], Verdict]) -> None:
    assert check().passed


def counting() -> Any:
    """Return a gate whose backward depends on how often forward was called, not on what it was called with."""

    class Counting:
        calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x**2, x

        def backward(self, upstream: Any, x: Any) -> Any:
            return 2 * x * upstream * (1 + (self.calls > 3))

    return Counting()


def remembering() -> Any:
    class Remembering:
        def forward(self, x: Any) -> Any:
            self.x = x
            return x**2, None

        def backward(self, upstream: Any, cache: Any) -> Any:
            return 2 * self.x * upstream

    return Remembering()


def test_the_cache_of_another_forward_is_named_only_if_the_same_forward_brings_it_back() -> None:
    assert check_backward(remembering(), POSITIVE).mistakes == ("stale-cache",)
    verdict = check_backward(counting(), POSITIVE)
    assert verdict.status == "wrong"
    assert "stale-cache" not in verdict.mistakes


def test_a_quotient_that_is_far_off_is_named_by_its_error() -> None:
    """(f(x + h) - f(x - h)) / h measures the slope, but is twice it."""
    h = 1e-5
    nearly = gate(np.sin, lambda g, x: g * (np.sin(x + h) - np.sin(x)) / h)
    assert check_backward(nearly, POSITIVE).mistakes == ("numerical-derivative",)
    twice = gate(np.sin, lambda g, x: g * (np.sin(x + h) - np.sin(x - h)) / h)
    verdict = check_backward(twice, POSITIVE)
    assert verdict.status == "wrong"
    assert verdict.mistakes != ("numerical-derivative",)


@pytest.mark.parametrize("shift", [1, 4 / 3])
def test_upstream_gradients_have_many_digits(shift: float) -> None:
    """A gradient that is rounded to three digits does not pass, whatever entries the maximum takes."""
    for seed in range(8):
        x, y = np.random.default_rng(seed).normal(size=(2, 4))
        rounded = gate(np.maximum, lambda g, x, y: (g * (x > y), np.round(g * (y > x), 3)))
        assert not check_backward(rounded, x * shift, y).passed
