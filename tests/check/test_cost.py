"""What a check costs: few forwards for what is right, one budget for all entries, and a sentence when it runs out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from corpus.right import RIGHT
from nnkit.check import check_backward, check_loss, check_parameters, checking

RNG = np.random.default_rng(0)


class Counted:
    """A gate that counts its forwards."""

    def __init__(self) -> None:
        self.forwards = 0

    def forward(self, x: Any, w: Any) -> Any:
        self.forwards += 1
        return self.compute(x, w), (x, w)

    def backward(self, upstream: Any, cache: Any) -> Any:
        x, w = cache
        return upstream @ w.T, x.T @ upstream


class Product(Counted):
    def compute(self, x: Any, w: Any) -> Any:
        return x @ w


class LoopedProduct(Counted):
    """It fills an array of floats, so it takes no complex step."""

    def compute(self, x: Any, w: Any) -> Any:
        out = np.zeros((len(x), w.shape[1]))
        for i in range(len(x)):
            for j in range(w.shape[1]):
                out[i, j] = np.sum(x[i] * w[:, j])
        return out


class SlowProduct(Product):
    def compute(self, x: Any, w: Any) -> Any:
        ends = time.process_time() + 0.01
        while time.process_time() < ends:
            pass
        return super().compute(x, w)


class WrongProduct(SlowProduct):
    def backward(self, upstream: Any, cache: Any) -> Any:
        dx, dw = super().backward(upstream, cache)
        dw[2, 1] *= 1.5
        return dx, dw


@pytest.mark.parametrize(("make", "most"), [(Product, 16), (LoopedProduct, 45)])
@pytest.mark.parametrize("n", [3, 30])
def test_the_number_of_forwards_does_not_grow_with_the_entries(make: Any, most: int, n: int) -> None:
    gate = make()
    assert check_backward(gate, RNG.normal(size=(n, 4)), RNG.normal(size=(4, 3))).passed
    assert gate.forwards <= most


class Cube:
    """A gate that is wrong in one entry, in arrays of this shape only."""

    def __init__(self, shape: tuple[int, ...], error: float) -> None:
        self.shape, self.error = shape, error

    def forward(self, x: Any) -> Any:
        return x**3, x

    def backward(self, upstream: Any, x: Any) -> Any:
        dx = 3 * upstream * x**2
        if x.shape == self.shape:
            dx[2, 1] *= 1 + self.error
        return dx


@pytest.mark.parametrize("size", [1.0, 0.03])
@pytest.mark.parametrize(("shape", "error"), [((3, 4), 1e-7), ((30, 30), 1e-6), ((100, 150), 1e-5)])
def test_one_wrong_entry_is_seen_and_found_among_many(shape: tuple[int, ...], error: float, size: float) -> None:
    x = RNG.uniform(0.5, 2, size=shape) * RNG.choice([-1.0, 1.0], size=shape)
    x[2, 1] *= size
    verdict = check_backward(Cube(shape, error), x)
    assert verdict.status == "wrong"
    assert verdict.where == "dx[2, 1]"
    assert check_backward(Cube(shape, 0.0), x).passed


def test_two_errors_that_cancel_in_a_sum_are_seen() -> None:
    class Shifted(Product):
        def backward(self, upstream: Any, cache: Any) -> Any:
            dx, dw = super().backward(upstream, cache)
            dx[0, 0] += 1e-6
            dx[0, 1] -= 1e-6
            return dx, dw

    assert check_backward(Shifted(), np.ones((40, 40)), RNG.normal(size=(40, 3))).status == "wrong"


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_loss_may_be_an_array_of_one_number(shape: tuple[int, ...]) -> None:
    def loss(prediction: Any, target: Any, factor: float = 2.0) -> Any:
        apart = prediction - target
        return np.mean(apart**2).reshape(shape), factor * apart / apart.size

    inputs = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2))
    assert check_loss(loss, *inputs).passed
    assert check_loss(lambda prediction, target: loss(prediction, target, 1.0), *inputs).mistakes == ("factor",)


def test_deep_networks_share_one_budget() -> None:
    depth, width, calls = 25, 8, []

    def network(parameters: Any, x: Any) -> Any:
        calls.append(1)
        layers, h = [], x
        for k in range(depth):
            layers.append(h)
            h = np.tanh(h @ parameters[f"W{k}"])
        g, gradients, out = np.ones(h.shape) * h, {}, 0.5 * np.sum(h * h)
        for k in reversed(range(depth)):
            g = g * (1 - h * h)
            h = layers[k]
            gradients[f"W{k}"], g = h.T @ g, g @ parameters[f"W{k}"].T
        return out, gradients

    weights = {f"W{k}": RNG.normal(size=(width, width)) / np.sqrt(width) for k in range(depth)}
    assert check_parameters(network, weights, RNG.normal(size=(5, width))).passed
    assert len(calls) < 60


def test_what_runs_out_of_time_is_not_checked_and_says_what_was_slow() -> None:
    with checking(seconds=0.08):
        verdict = check_backward(SlowProduct(), np.ones((3, 4)), np.ones((4, 3)))
    assert verdict.status == "cannot check"
    assert "calls of" in verdict.headline
    assert "without an end" not in str(verdict)
    assert "seconds=" in verdict.notes[0]


def test_a_slow_wrong_one_is_located_without_going_through_all_entries() -> None:
    with checking(seconds=2.0):
        verdict = check_backward(WrongProduct(), RNG.normal(size=(30, 8)), RNG.normal(size=(8, 30)))
    assert verdict.status == "wrong"
    assert verdict.where == "dw[2, 1]"


class Nudged:
    """A right gate whose largest entry, in the last of its gradients, is a little off."""

    def __init__(self, gate: Any) -> None:
        self.gate, self.forward = gate, gate.forward

    def backward(self, upstream: Any, cache: Any) -> Any:
        returned = self.gate.backward(upstream, cache)
        gradients = list(returned) if isinstance(returned, tuple | list) else [returned]
        k = max(k for k, g in enumerate(gradients) if g is not None)
        wrong = np.array(gradients[k], dtype=float)
        wrong.flat[np.abs(wrong).argmax()] *= 1 + 1e-5
        gradients[k] = wrong[()]
        return tuple(gradients) if isinstance(returned, tuple | list) else gradients[0]


GATES = [right for right in RIGHT if right.check == "check_backward"]


@pytest.mark.parametrize("right", GATES[::30], ids=lambda right: right.name)
def test_a_right_gate_that_is_off_by_a_hundred_thousandth_does_not_pass(right: Any) -> None:
    gate, *inputs = right.make(np.random.default_rng(3)).args
    assert check_backward(Nudged(gate), *inputs).status == "wrong"


class TimedExp:
    """A gate each of whose forwards takes some time by a clock of the class."""

    now = 0.0

    def __init__(self, seconds: float, factor: float):
        self.seconds, self.factor = seconds, factor

    def forward(self, x: Any) -> Any:
        TimedExp.now += self.seconds
        return np.exp(x), x

    def backward(self, upstream: Any, cache: Any) -> Any:
        return self.factor * upstream * np.exp(cache)


@pytest.mark.parametrize("factor", [1.0, 1.5], ids=["right", "wrong"])
@pytest.mark.parametrize("seconds", [0.1, 0.0], ids=["slow", "quick"])
def test_a_check_that_time_has_shortened_says_so(factor: float, seconds: float) -> None:
    noted: list[int] = []
    with checking(clock=lambda: TimedExp.now, seconds=5.0, on_limit=lambda: noted.append(1)):
        verdict = check_backward(TimedExp(seconds, factor), np.array([20.0, -20.0, 3.0] * 20))
    assert verdict.passed == (factor == 1)
    assert bool(noted) == (seconds > 0)
