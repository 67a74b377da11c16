"""NaN and infinity, and problems near them: what is right passes, and what cannot be compared is not called wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnkit.check import Verdict, check_backward, check_value


class Gate:
    def __init__(self, forward: Callable[[Any], Any], slope: Callable[[Any, Any], Any]):
        self._forward, self._slope = forward, slope

    def forward(self, x: Any) -> Any:
        out = self._forward(x)
        return out, (x, out)

    def backward(self, upstream: Any, cache: Any) -> Any:
        return upstream * self._slope(*cache)


def root(x: Any, out: Any) -> Any:
    return 0.5 / np.sqrt(x)


def logit(x: Any) -> Any:
    return np.log(x / (1 - x))


def steep(x: Any) -> Any:
    return 1 / (1 + np.exp(-1e4 * x))


@pytest.mark.parametrize(
    ("forward", "slope", "x"),
    [
        (np.sqrt, root, [1e-12, 1e-6, 1.0]),
        (lambda x: x**2.5, lambda x, out: 2.5 * x**1.5, [0.0, 1.0, 2.0]),
        (lambda x: (1 - x) ** 1.5, lambda x, out: -1.5 * (1 - x) ** 0.5, [1.0, 0.3]),
        (logit, lambda x, out: 1 / (x * (1 - x)), [1e-9, 0.5, 1 - 1e-6]),
        (steep, lambda x, s: 1e4 * s * (1 - s), [1e-5, -2e-4, 3e-3]),
        (lambda x: 1 / x, lambda x, out: -(out**2), [1e-3, -1e-5, 2.0]),
    ],
)
def test_right_gradients_at_the_end_of_a_domain_pass(forward: Any, slope: Any, x: Any) -> None:
    verdict = check_backward(Gate(forward, slope), np.array(x))
    assert verdict.passed, str(verdict)


def test_wrong_gradients_at_the_end_of_a_domain_do_not() -> None:
    assert check_backward(Gate(np.sqrt, lambda x, out: 1 / np.sqrt(x)), np.array([1e-12, 1.0])).status == "wrong"
    assert check_backward(Gate(lambda x: x**2.5, lambda x, out: 2.5 * x**1.5 + 1), np.array([0.0])).status == "wrong"


def test_the_inverse_of_a_matrix_that_is_nearly_singular() -> None:
    class Inverse:
        def forward(self, a: Any) -> Any:
            inverse = np.linalg.inv(a)
            return inverse, inverse

        def backward(self, upstream: Any, cache: Any) -> Any:
            return -cache.T @ upstream @ cache.T

    assert check_backward(Inverse(), np.array([[1.0, 1.0], [1.0, 1 + 1e-8]])).passed


@pytest.mark.parametrize(
    ("forward", "slope", "x"),
    [
        (np.sqrt, root, [0.0, 1.0]),
        (logit, lambda x, out: 1 / (x * (1 - x)), [0.0, 0.5]),
        (logit, lambda x, out: 1 / (x * (1 - x)), [1.0, 0.5]),
        (np.log, lambda x, out: 1 / x, [0.0, 2.0]),
        (lambda x: np.sqrt(1 - x * x), lambda x, out: -x / out, [0.5, 20.0]),
        (np.arcsin, lambda x, out: 1 / np.sqrt(1 - x * x), [0.5, 1.5]),
    ],
)
def test_what_has_no_finite_slope_cannot_be_checked(forward: Any, slope: Any, x: Any) -> None:
    verdict = check_backward(Gate(forward, slope), np.array(x))
    assert verdict.status == "cannot check"
    assert not verdict.passed
    assert verdict.mistakes == ()
    assert "nan" not in verdict.headline.split("off")[-1] or "is nan" in verdict.headline
    assert Verdict.from_dict(verdict.to_dict()) == verdict


def test_a_wrong_entry_counts_beside_one_that_is_unknown() -> None:
    verdict = check_backward(Gate(np.sqrt, lambda x, out: 1 / np.sqrt(x)), np.array([0.0, 1.0]))
    assert verdict.status == "wrong"


def test_overflow_is_said_where_it_was_seen() -> None:
    naive = Gate(lambda x: np.exp(x) / (1 + np.exp(x)), lambda x, s: s * (1 - s))
    assert check_backward(naive, np.array([0.5, 1000.0])).mistakes == ("overflow",)


def test_the_logarithm_of_what_became_zero_is_no_overflow() -> None:
    class Loss:
        def forward(self, scores: Any, labels: Any) -> Any:
            e = np.exp(scores - scores.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            return -np.log(p[np.arange(len(p)), labels]).mean(), (p, labels)

        def backward(self, upstream: Any, cache: Any) -> Any:
            p, labels = cache
            return upstream * (p - np.eye(p.shape[1])[labels]) / len(p), None

    scores, labels = np.array([[1000.0, 0.0, 3.0], [0.0, 2.0, 1.0]]), np.array([1, 2])
    alone = check_backward(Loss(), scores, labels)
    assert alone.status == "cannot check"
    assert "became 0" in alone.headline
    stable = check_backward(
        Loss(), scores, labels, of=lambda s, y: np.mean(np.logaddexp.reduce(s, axis=1) - s[[0, 1], y])
    )
    assert stable.status == "wrong"
    assert "overflow" not in stable.mistakes


@pytest.mark.parametrize("eps", [1e-6, 1e-7, 1e-8, 1e-9])
def test_an_epsilon_is_not_a_lack_of_digits(eps: float) -> None:
    class Unit:
        def forward(self, x: Any) -> Any:
            n = np.sqrt((x * x).sum(axis=1, keepdims=True)) + eps
            return x / n, (x, n)

        def backward(self, upstream: Any, cache: Any) -> Any:
            x, n = cache
            return (upstream - (upstream * x / n).sum(axis=1, keepdims=True) * x / n) / n

    verdict = check_backward(Unit(), np.random.default_rng(0).normal(size=(3, 4)))
    assert verdict.status == "wrong"
    assert verdict.mistakes == ()


def test_what_a_function_raises_becomes_a_verdict() -> None:
    def broken() -> Any:
        return np.ones(2) @ np.ones(3)

    def open_yet() -> Any:
        raise NotImplementedError

    assert check_value(broken, [1.0], name="it").status == "error"
    assert check_value(open_yet, [1.0], name="it").status == "not attempted"
    assert check_value(lambda: [1.0, 2.0], [1.0, 2.0], name="it").passed
