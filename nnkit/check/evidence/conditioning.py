"""Room for what rounding takes from a right gradient where the problem itself is ill-conditioned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit import numerical

EPSILON = float(np.finfo(float).eps)
MAX_RELATIVE_LOSS = 1e-2
"""Relative error up to which a gradient may be right and ill-conditioned."""
TINY_STEPS = 2.0 ** -np.arange(25, 45, 5)
MAX_COMPLEX_GAP = 1e-6
"""Relative difference from the complex step, in an ill-conditioned problem."""


def allow_for_condition(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    entry: int,
    upstream: np.ndarray,
    returned: float,
    interval: tuple[float, float],
) -> tuple[float, float]:
    """Return the interval with room for what is lost to rounding where the problem itself is ill-conditioned.

    A slope that is written through the output, s(1 - s), inherits the output's rounding times f''/f'; and near a pole,
    as at a matrix that is nearly singular, all but the smallest steps say something else.
    """
    low, high = interval
    error = min(abs(returned - low), abs(returned - high))
    if error <= MAX_RELATIVE_LOSS * abs(returned):
        room = _rounding_through_output(function, inputs, wrt, entry, upstream)
        low, high = low - room, high + room
    elif _agrees_with_tiny_steps(function, inputs, wrt, entry, upstream, returned):
        low, high = min(low, returned), max(high, returned)
    return low, high


def _agrees_with_tiny_steps(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, entry: int, upstream: np.ndarray, returned: float
) -> bool:
    """Return True if it is the complex step's slope, and so, roughly, that of very small steps: larger ones may all lie
    on the other side of a pole."""
    unit, g = _unit(inputs[wrt], entry), np.asarray(upstream, dtype=float)
    exact = numerical.take_complex_step_along(function, inputs, {wrt: unit})
    if exact is None or not abs(np.sum(g * exact.value) - returned) <= MAX_COMPLEX_GAP * abs(returned):
        return False
    x = np.asarray(inputs[wrt], dtype=float)
    near = 0
    for h in max(abs(float(x.flat[entry])), numerical.MIN_SCALE) * TINY_STEPS:
        above, below = (function(*(x + s * unit if i == wrt else y for i, y in enumerate(inputs))) for s in (h, -h))
        near += abs(np.sum(g * (above - below)) / (2 * h) - returned) <= 1e-3 * abs(returned)
    return near >= 2


def _rounding_through_output(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, entry: int, upstream: np.ndarray
) -> float:
    """Return 4 ε Σ |upstream · out · f''/f'|, from the slopes a little to both sides."""
    x = np.asarray(inputs[wrt], dtype=float)
    step = 1e-3 * abs(float(x.flat[entry])) or 1e-6
    slopes = []
    for shift in (-step, 0.0, step):
        moved = x.copy()
        moved.flat[entry] += shift
        there = tuple(moved[()] if i == wrt else other for i, other in enumerate(inputs))
        slopes.append(numerical.recompute_column(function, there, wrt, entry).value)
    out = np.abs(np.asarray(function(*inputs), dtype=float))
    bend = np.abs(slopes[2] - slopes[0]) / (2 * step)
    with np.errstate(all="ignore"):
        terms = np.abs(np.asarray(upstream, dtype=float)) * out * bend / np.abs(slopes[1])
    return 4 * EPSILON * float(np.sum(terms[np.isfinite(terms)]))


def _unit(x: Any, entry: int) -> np.ndarray:
    direction = np.zeros(np.shape(x))
    direction.flat[entry] = 1.0
    return direction
