"""What a verdict says where nothing else explains a gradient: measured slopes, and an example to follow by hand."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest

from nnkit.check import Verdict, check_backward, check_gradient, check_step
from nnkit.check.context import checking
from nnkit.check.evidence.limits import OutOfTime, working_time_limit


class Gate:
    def __init__(self, forward: Any, backward: Any):
        self._forward, self._backward = forward, backward

    def forward(self, x: Any) -> Any:
        return self._forward(x), x

    def backward(self, upstream: Any, cache: Any) -> Any:
        return self._backward(upstream, cache)


def nonsense(g: Any, x: Any) -> Any:
    return g * x**3 + 0.1


def test_a_slope_that_nothing_explains_is_measured() -> None:
    verdict = check_backward(Gate(np.square, nonsense), 3.0)
    assert verdict.explained_as == ("measured-slope",)
    assert "at x = 3 it is" in verdict.headline
    (sentence,) = verdict.explanation
    assert "if x grows by a small h, out changes by 6 · h." in sentence
    yours, upstream, ratio = re.search(r"there, ([\d.]+) / ([\d.]+) = ([\d.]+),", sentence).groups()  # type: ignore[union-attr]
    assert float(yours) / float(upstream) == pytest.approx(float(ratio), rel=1e-3)


def test_an_entry_that_reaches_several_outputs_gets_the_sum() -> None:
    x = np.array([0.5, -1.0, 2.0])
    verdict = check_backward(Gate(lambda x: np.array([x.sum(), x @ x]), lambda g, x: g[0] + np.sin(g[1] * x)), x)
    (sentence,) = verdict.explanation
    assert "out[0] changes by 1 · h and out[1] changes by" in sentence
    terms, total = re.search(r"Upstream times slope, (.+), is (-?[\d.]+);", sentence).groups()  # type: ignore[union-attr]
    assert eval(terms.replace("·", "*")) == pytest.approx(float(total), rel=2e-3)


def test_a_value_that_is_an_array_is_refused_with_what_to_write_instead() -> None:
    verdict = check_gradient((np.sin, np.cos), np.array([0.5, 1.0]), name="slope")
    assert verdict.headline == (
        "the value must be one number, but it has shape (2,): an array has no gradient, but a Jacobian."
    )
    assert "check_backward((f, lambda dout, x: dout * f1(x)), x)" in verdict.hints[1]
    assert check_gradient((np.sin, np.cos), 0.5).passed


def test_of_many_outputs_the_one_with_the_largest_share_is_shown() -> None:
    weights = np.array([1e-6, 50.0, 2.0, 0.1])
    verdict = check_backward(Gate(lambda x: weights * np.sin(x), lambda g, x: g.sum() * x**3 + 0.1), 2.0)
    (sentence,) = verdict.explanation
    assert "if x grows by a small h, 4 entries of the output change; out[1], for example, by -20.81 · h." in sentence


def test_a_value_without_an_upstream_gradient() -> None:
    verdict = check_gradient(lambda x, y: (x * y**2, (y**2, x * y + 1)), 2.0, 3.0)
    assert "dy is wrong: at y = 3 it is 7, the measured one is 12" in verdict.headline
    assert verdict.explanation == ()  # the table says all
    assert "At x = 2, y = 3." in verdict.notes


def example(verdict: Verdict) -> str:
    (note,) = (note for note in verdict.notes if note.startswith("To follow by hand: "))
    return note


def test_a_large_array_gets_an_example_to_follow_by_hand() -> None:
    verdict = check_backward(Gate(np.square, nonsense), np.random.default_rng(0).normal(size=(3, 4)))
    assert (
        example(verdict)
        == "To follow by hand: at x = [[-2]], with upstream = [[1]], dx should be [[-4]], and is [[-7.9]]."
    )


def test_the_example_has_two_rows_where_one_would_hide_the_mistake() -> None:
    verdict = check_backward(Gate(lambda x: x.T, lambda g, x: g), np.random.default_rng(0).normal(size=(4, 4)))
    assert "x = [[" in example(verdict)
    assert example(verdict).count("],") >= 1


def test_an_upstream_of_ones_is_not_shown_where_it_would_hide_the_mistake() -> None:
    verdict = check_backward(Gate(np.tanh, lambda g, x: 1 - np.tanh(x) ** 2), np.random.default_rng(0).normal(size=5))
    assert "with upstream = [2]" in example(verdict)


def test_a_step_speaks_of_weights_and_of_the_gradient_apart() -> None:
    def step(p: Any, x: Any, size: float) -> Any:
        return {"w": p["w"] - size * (2 * p["w"] * x + np.cos(x))}

    verdict = check_step(
        step, {"w": np.array([1.0, 2.0])}, np.array([3.0, 0.5]), of=lambda p, x: np.sum(p["w"] ** 2 * x)
    )
    assert "(old - new) / step_size is" in verdict.explanation[0]


def test_every_wrong_gradient_has_a_lesson_and_hints() -> None:
    verdict = check_backward(
        Gate(np.square, lambda g, x: np.where(x == x[0], np.nan, 2 * x * g)), np.array([1.5, -2.0])
    )
    assert "dx[0] is nan" in verdict.headline
    assert verdict.lesson
    assert len(verdict.hints) == 2


def test_what_is_found_within_the_limit_depends_on_work_not_on_the_wall_clock() -> None:
    with checking(seconds=1.0), working_time_limit(0.2):
        time.sleep(0.4)  # as on a busy machine
    with checking(seconds=1.0), pytest.raises(OutOfTime), working_time_limit(0.2):
        all(True for _ in iter(int, 1))
    with checking(seconds=0.2), pytest.raises(OutOfTime), working_time_limit(0.2):
        time.sleep(10)
