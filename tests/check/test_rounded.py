"""Code that computes in float32, where the caller says so: right code passes, wrong code fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnkit.check import check_backward, check_layer

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
