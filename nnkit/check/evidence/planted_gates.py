"""Gates for trying out a gradient checker: right ones, and wrong ones that pass a checker with a particular mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.arrays import Array
from nnkit.language import say, to_say

Function = Callable[..., Any]

OF_NAN = to_say(
    "A comparison with NaN is always False: `error > tolerance` lets a NaN pass, `not error <= tolerance` does not."
)
OF_SMALL_ENTRIES = to_say(
    "Some of its slopes are 0 or tiny. With a tolerance for each entry, nothing is allowed there, and error / slope "
    "may be 0 / 0, which is NaN. Compare the largest error with the largest entry."
)
OF_NORMS = to_say(
    "A norm or a mean is of all entries, so an error in one of them counts for less. Compare the largest error."
)
OF_SIGNS = to_say(
    "All its slopes may be negative. Is the largest of them then the largest in size? Take np.abs before np.max."
)
"""Hints for gates by which a slip in comparing shows."""


@dataclass(frozen=True)
class PlantedGate:
    """Gate as its two functions, with the inputs at which it is judged."""

    name: str
    forward: Function
    backward: Function
    inputs: tuple[Array, ...]
    fault: str = ""
    """Clause that says what is wrong with its backward; "" if it is right."""
    hides: tuple[str, ...] = ()
    """The ids of the mistakes in a checker that make it misjudge this gate, where they are known."""
    hint: str = ""
    """Hint for a checker that misjudges no other gate."""

    @property
    def is_right(self) -> bool:
        return not self.fault

    def describe(self) -> str:
        """Return its formula, and what is wrong with it: "x * y, whose inputs are not swapped"."""
        return f"{self.name}, {say(self.fault)}" if self.fault else self.name

    def __str__(self) -> str:
        return say("the gate {gate}", gate=self.describe())


def make_clear_gates(rng: np.random.Generator) -> list[PlantedGate]:
    """Return gates whose backwards are right, or so wrong that any entry shows it."""
    x, y, w, v = (_draw(rng, *shape) for shape in ((2, 3), (2, 3), (3, 2), (2, 2)))
    scores = rng.normal(size=(2, 3))
    v[0, 1], v[1, 0] = abs(v[0, 1]), -abs(v[1, 0])  # far from symmetric: a missing transpose shows
    return [
        *make_right_gates(rng),
        PlantedGate(
            "x * y", _multiply, lambda g, c: (g * c[0], g * c[1]), (x, y), to_say("whose inputs are not swapped")
        ),
        PlantedGate("x**2", _square, lambda g, x: (g * x,), (w,), to_say("whose factor 2 is missing")),
        PlantedGate(
            "x @ w", _matmul, lambda g, c: (g @ c[1], c[0] @ g), (v, v + 1), to_say("whose transposes are missing")
        ),
        PlantedGate(
            "exp(x)", _exp, lambda g, out: (-g * out,), (y,), to_say("with the wrong sign"), ("compared-as-a-whole",)
        ),
        PlantedGate(
            "softmax(x)", _softmax, lambda g, p: (g * p * (1 - p),), (scores,), to_say("with the diagonal only")
        ),
    ]


def make_subtle_gates(rng: np.random.Generator) -> list[PlantedGate]:
    """Return gates that are right, or wrong in a way that a careless checker does not see."""
    x, y, w, few = _draw(rng, 2, 3), _draw(rng, 2, 3), _draw(rng, 3, 2), _draw(rng, 4)
    scores, positive, many = rng.normal(size=(2, 3)), np.abs(_draw(rng, 2, 2)), _draw(rng, 3, 5)
    return [
        *make_right_gates(rng),
        PlantedGate("1e6 * x**2", *_scaled_square(1e6), (few,), hides=("fixed-tolerance",)),
        PlantedGate("1e-9 * x**2", *_scaled_square(1e-9), (few,)),
        PlantedGate(
            "1e-9 * x**2", _scaled_square(1e-9)[0], lambda g, x: (1e-9 * g * x,), (few,),
            to_say("whose factor 2 is missing"), ("fixed-tolerance",),
        ),
        PlantedGate(
            "x * y", _multiply, lambda g, c: (c[1], c[0]), (x, y), to_say("which leaves out the upstream gradient"),
            ("ones-upstream",),
        ),
        PlantedGate(
            "softmax(x)", _softmax, lambda g, p: (0.0 * g,), (scores,), to_say("whose gradient is 0 throughout"),
            ("ones-upstream", "compared-as-a-whole"),
        ),
        PlantedGate(
            "exp(x)", _exp, lambda g, out: ((g * out)[::-1, ::-1],), (x,), to_say("whose gradient is in reverse order"),
            ("compared-as-a-whole",),
        ),
        PlantedGate(
            "x * y", _multiply, lambda g, c: (g * c[1], 2 * g * c[0]), (x, y),
            to_say("wrong in its second input alone"),
            ("unnoticed-entry",),
        ),
        PlantedGate("exp(x)", _exp, _double_last, (y,), to_say("wrong in its last entry alone"), ("unnoticed-entry",)),
        PlantedGate("x**2", _square, lambda g, x: (2.002 * g * x,), (few,), to_say("off by a thousandth")),
        PlantedGate("sum(x**2)", _squared_norm, lambda g, x: (g * x,), (positive,),
        to_say("half of what it should be")),
        PlantedGate("sum(x**2)", _squared_norm, lambda g, x: (4 * g * x,), (positive,),
        to_say("twice what it should be")),
        PlantedGate(
            "exp(x)", _exp, lambda g, out: (np.full(out.shape, np.nan),), (x,),
            to_say("whose gradient is NaN"), hint=OF_NAN
        ),
        PlantedGate(
            "exp(x)", _exp, _shift_one, (many,), to_say("of which one entry is off by a thousandth of the largest"),
            ("unnoticed-entry",), OF_NORMS,
        ),
        PlantedGate(
            "x @ w", _matmul, _matmul_backward, (x, np.vstack([w[:2], 1e-10 * w[2:]])), hint=OF_SMALL_ENTRIES
        ),
        PlantedGate("sum(exp(x))", *_exp_sum(1.0), (y,), hint=OF_SIGNS),
        PlantedGate("-sum(exp(x))", *_exp_sum(-1.0), (y,), hint=OF_SIGNS),
        PlantedGate("sum(x)", _sum, lambda g, _: (g,), (x,),
        to_say("whose gradient is one number, not an array like x")),
        PlantedGate(
            "sum(x, axis=0)", lambda x: (np.sum(x, axis=0), None), lambda g, _: (g[None],), (x,),
            to_say("whose gradient has one row, where x has two"),
        ),
        PlantedGate("2 * x", _double, lambda g, _: (2 * g[None],), (x,), to_say("whose gradient has an axis too many")),
    ]  # fmt: skip


def make_right_gates(rng: np.random.Generator) -> list[PlantedGate]:
    """Return gates with right backwards: several inputs, entries whose gradient is 0, a strong curvature."""
    x, y, w = _draw(rng, 2, 3), _draw(rng, 2, 3), _draw(rng, 3, 2)
    half = np.abs(x) * np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
    return [
        PlantedGate("x * y", _multiply, lambda g, c: (g * c[1], g * c[0]), (x, y)),
        PlantedGate("x @ w", _matmul, _matmul_backward, (x, w)),
        PlantedGate(
            "max(0, x)", lambda x: (np.maximum(0, x), x), lambda g, x: (g * (x > 0),), (half,), hint=OF_SMALL_ENTRIES
        ),
        PlantedGate("exp(3 * x)", lambda x: 2 * (np.exp(3 * x),), lambda g, out: (3 * g * out,), (w,)),
        PlantedGate("softmax(x)", _softmax, _softmax_backward, (y,), hides=("ones-upstream",)),
    ]


def _draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw numbers of either sign that are neither near 0 nor large."""
    numbers: np.ndarray = rng.uniform(0.5, 1.5, size=shape) * rng.choice([-1.0, 1.0], size=shape)
    return numbers


def _multiply(x: Array, y: Array) -> Any:
    return x * y, (x, y)


def _square(x: Array) -> Any:
    return x**2, x


def _double(x: Array) -> Any:
    return 2 * x, None


def _scaled_square(scale: float) -> tuple[Function, Function]:
    return lambda x: (scale * x**2, x), lambda g, x: (2 * scale * g * x,)


def _squared_norm(x: Array) -> Any:
    return np.sum(x**2), x


def _sum(x: Array) -> Any:
    return np.sum(x), None


def _matmul(x: Array, w: Array) -> Any:
    return x @ w, (x, w)


def _matmul_backward(upstream: Array, cache: Any) -> Any:
    x, w = cache
    return upstream @ w.T, x.T @ upstream


def _exp_sum(sign: float) -> tuple[Function, Function]:
    return lambda x: (sign * np.sum(np.exp(x)), x), lambda g, x: (sign * g * np.exp(x),)


def _shift_one(upstream: Array, out: Array) -> Any:
    dx = np.array(upstream * out)
    dx[-1, -1] += 1.1e-3 * np.max(np.abs(dx))
    return (dx,)


def _exp(x: Array) -> Any:
    out = np.exp(x)
    return out, out


def _softmax(x: Array) -> Any:
    e = np.exp(x)
    p = e / np.sum(e, axis=1, keepdims=True)
    return p, p


def _softmax_backward(upstream: Array, p: Array) -> Any:
    return (p * (upstream - np.sum(upstream * p, axis=1, keepdims=True)),)


def _double_last(upstream: Array, out: Array) -> Any:
    dx = np.array(upstream * out)
    dx[-1, -1] *= 2
    return (dx,)
