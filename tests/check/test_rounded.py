"""Code that computes in float32, where the caller says so: right code passes, wrong code fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jax
from nnkit.check import check_backward, check_gradient, check_layer

N = np.random.default_rng(0).normal
X, W = N(size=(5, 4)), N(size=(4, 3))


def forward(x: Any, w: Any) -> Any:
    x, w = np.asarray(x, np.float32), np.asarray(w, np.float32)
    return np.tanh(x @ w), (x, w)


def backward(dout: Any, cache: Any) -> Any:
    x, w = cache
    a = np.asarray(dout, np.float32) * (1 - np.tanh(x @ w) ** 2)
    return a @ w.T, x.T @ a


def change(slip: Any) -> Any:
    """Return the backward with a change of dw."""

    def changed(dout: Any, cache: Any) -> Any:
        dx, dw = backward(dout, cache)
        return dx, slip(dw)

    return changed


class Layer:
    def __init__(self) -> None:
        self.W = W

    def forward(self, x: Any) -> Any:
        self.x = x.astype(np.float32)
        return self.x @ self.W.astype(np.float32)

    def backward(self, dout: Any) -> Any:
        dout = dout.astype(np.float32)
        self.dW = self.x.T @ dout
        return dout @ self.W.T.astype(np.float32)


def test_right_code_passes_with_a_note() -> None:
    for verdict in (
        check_backward((forward, backward), X, W, dtype=np.float32),
        check_layer(Layer, X, dtype="float32"),
        check_backward((lambda x: (np.maximum(x, 0).astype("f4"), x), lambda g, x: g * (x > 0)), X, dtype="f4"),
    ):
        assert verdict.passed, verdict
        assert "Compared as float32" in verdict.notes[0]


def test_code_in_float64_is_compared_to_its_last_digits() -> None:
    right = check_backward((lambda x: (x**2, x), lambda g, x: 2 * x * g), X, dtype=np.float32)
    assert right.passed
    assert right.notes == ()
    wrong = check_backward((lambda x: (x**2, x), lambda g, x: 2.000001 * x * g), X, dtype=np.float32)
    assert wrong.passed  # as far as float32 shows it
    assert "float32" in wrong.notes[0]


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        (lambda dw: dw * np.float32(1.02), "dw is wrong"),
        (lambda dw: -dw, "12 of 12 entries are off by more than float32 explains"),
        (lambda dw: dw.T, "dw is (3, 4), but w is (4, 3)"),
        (lambda dw: dw * 0 + dw[0, 0], "dw is wrong"),
    ],
)
def test_wrong_code_fails(slip: Any, said: str) -> None:
    verdict = check_backward((forward, change(slip)), X, W, dtype=np.float32)
    assert verdict.status == "wrong"
    assert said in verdict.headline


def test_without_dtype_float32_is_refused() -> None:
    assert check_backward((forward, backward), X, W).mistakes == ("low-precision",)


class Cast:
    """A layer that rounds what it is given, and computes in float64."""

    def __init__(self, kind: Any = np.float32) -> None:
        self.W, self.kind = W, kind

    def forward(self, x: Any) -> Any:
        self.x = np.asarray(x, dtype=self.kind).astype(float)
        return self.x @ self.W

    def backward(self, dout: Any) -> Any:
        self.dW = self.x.T @ dout
        return dout @ self.W.T


def test_an_input_that_is_rounded_is_named_though_the_output_is_float64() -> None:
    def compute_loss(w: Any) -> Any:
        return float(np.sum(w.astype("f4").astype(float) ** 2)), 2 * w

    for verdict, said in (
        (check_layer(Cast, X), "it rounds x to float32"),
        (check_layer(lambda: Cast(np.float16), X), "it rounds x to float16"),
        (check_gradient(compute_loss, X[0]), "it rounds w to float32"),
    ):
        assert verdict.mistakes == ("low-precision",)
        assert said in verdict.headline
        assert "0." not in verdict.headline  # what was measured says nothing
    assert check_layer(Cast, X, dtype=np.float32).passed


def cast_sum(x: Any, y: Any) -> Any:
    return (x * y).astype(np.float16).astype(float) + x


@pytest.mark.parametrize(
    ("value", "dy", "small"),
    [
        (lambda x, y: np.tanh((x * y).astype("f4")).astype(float), lambda x, y: x / np.cosh(x * y) ** 2, "float32"),
        (lambda x, y: np.exp(np.float32(x * y) ** 2).astype(float), lambda x, y: x * np.exp(x * y), "float32"),
        (cast_sum, lambda x, y: x, "float16"),
        (lambda x, y: float(np.sum(np.sin(x * y), dtype=np.float32)), lambda x, y: x * np.cos(x * y), "float32"),
        (lambda x, y: np.tanh((x * y).astype("f4")).astype(float), lambda x, y: x, "float32"),
    ],
)  # fmt: skip
def test_a_number_that_is_rounded_on_the_way_is_named(value: Any, dy: Any, small: str) -> None:
    verdict = check_backward((lambda y: (value(X[0], y), y), lambda g, y: g * dy(X[0], y)), W[:, 0] + 2)
    assert verdict.mistakes == ("low-precision",)
    assert f"rounds a number on the way (to {small}" in verdict.headline
    assert verdict.entries == ()  # what was measured says nothing


@pytest.mark.parametrize(
    "value",
    [
        lambda x: np.abs(x - x[0]) + np.maximum(x, x[1]),
        lambda x: (1e6 + x) - 1e6,
        lambda x: np.linalg.inv(np.vander(1 + x / 100, 4)).sum(axis=0),
        lambda x: np.exp(-np.exp(3 + x)),
    ],
)
def test_kinks_steps_and_lost_digits_are_not_taken_for_rounding_on_the_way(value: Any) -> None:
    verdict = check_backward((lambda x: (value(x), x), lambda g, x: g * 3), W[:, 0] + 2)
    assert verdict.status == "wrong"
    assert "jumps" not in verdict.headline


@pytest.mark.parametrize("forward", [lambda x: np.round(x, 2), np.floor, lambda x: x * 0 + 1, lambda x: x**2])
def test_other_functions_with_steps_are_not_taken_for_a_smaller_type(forward: Any) -> None:
    verdict = check_backward((lambda x: (forward(x), x), lambda g, x: g * 3), X)
    assert verdict.status == "wrong"
    assert "low-precision" not in verdict.mistakes


def test_wrong_code_of_jax_is_compared_in_float64_too() -> None:
    def run_forward(x: Any, w: Any) -> Any:
        t = jax.numpy.tanh(x @ w)
        return t, (x, w, t)

    def run_backward(cache: Any, g: Any) -> Any:
        x, w, t = cache
        return (g * (1 - t)) @ w.T, x.T @ (g * (1 - t**2))

    with jax.enable_x64(False):
        verdict = check_backward((run_forward, run_backward), X, W)
    assert verdict.mistakes == ()
    assert "dx is wrong" in verdict.headline
    assert "dw" not in verdict.headline
    assert any("checked in float64" in note for note in verdict.notes)
