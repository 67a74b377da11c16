"""Numerical derivatives in float64 that know how far off they may be.

Central differences f(x+h) - f(x-h) over a ladder of steps h, each half of the one before, extrapolated to
h = 0 (Richardson; the ladder of Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", 1982). Of all
entries of the extrapolation table the one with the least estimated error is taken, so the step suits the
function: large steps lose to curvature, small ones to rounding, and a step across a kink disagrees with
its neighbours. Where f has a kink *at* x, the slopes from below and above go on disagreeing as h shrinks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVELS = 8
FIRST_STEP = 0.05  # times |x|, or times 0.1 near zero


@dataclass(frozen=True)
class Estimate:
    """A numerical derivative: the arrays have one shape, the output's (for `jacobian`: and the input's)."""

    value: np.ndarray
    error: np.ndarray
    """How far off `value` may be: the extrapolation's own estimate and rounding."""
    below: np.ndarray
    above: np.ndarray
    """The one-sided slopes; they differ from `value` only where `kink` is true."""
    kink: np.ndarray


def slope(phi: Callable[[float], Any], size: float = 1.0) -> Estimate:
    """The derivative of t ↦ phi(t), a number or an array, at t = 0; `size` is the scale of what t is added to."""
    h = FIRST_STEP * max(abs(size), 0.1)
    levels = LEVELS + max(0, math.ceil(math.log2(max(abs(size), 1.0))))
    steps = h * 0.5 ** np.arange(levels)
    with np.errstate(all="ignore"):
        middle = _float64(phi(0.0))
        plus = np.stack([_float64(phi(+h)) for h in steps])
        minus = np.stack([_float64(phi(-h)) for h in steps])
        return _extrapolate(steps.reshape(-1, *(1,) * middle.ndim), minus, middle, plus, _epsilon(phi(0.0)), abs(size))


def _extrapolate(
    h: np.ndarray, minus: np.ndarray, middle: np.ndarray, plus: np.ndarray, epsilon: float, size: float
) -> Estimate:
    column = (plus - minus) / (2 * h)
    # Both f and the point x + h, at which it is taken, are rounded.
    rounding = epsilon * (np.maximum(np.abs(plus), np.abs(minus)) + size * np.abs(column)) / h
    value, error = column[-1], np.full(middle.shape, np.inf)
    for order in range(1, len(h)):
        better = column[1:] + (column[1:] - column[:-1]) / (4.0**order - 1)
        errors = np.maximum(np.abs(better - column[1:]), np.abs(better - column[:-1])) + rounding[order:]
        errors = np.where(np.isfinite(errors), errors, np.inf)
        best = np.expand_dims(errors.argmin(axis=0), 0)
        least = np.take_along_axis(errors, best, 0)[0]
        value = np.where(least < error, np.take_along_axis(better, best, 0)[0], value)
        error = np.minimum(error, least)
        column = better
    below, above, kink = _one_sided(h, minus, middle, plus, rounding)
    return Estimate(value, error, np.where(kink, below, value), np.where(kink, above, value), kink)


def _one_sided(
    h: np.ndarray, minus: np.ndarray, middle: np.ndarray, plus: np.ndarray, rounding: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left, right = (middle - minus) / h, (plus - middle) / h
    # First-order terms removed, so that curvature does not pass for a kink.
    below, above = 2 * left[-1] - left[-2], 2 * right[-1] - right[-2]
    gap, coarser = np.abs(above - below), np.abs(2 * right[-3] - right[-4] - (2 * left[-3] - left[-4]))
    noise = 100 * rounding[-1] + 1e-5 * (np.abs(above) + np.abs(below))
    return below, above, (gap > noise) & (gap > 0.5 * coarser)


def jacobian(function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int) -> Estimate:
    """∂function/∂inputs[wrt], every entry: arrays of shape (*output, *input)."""
    x = np.array(inputs[wrt], dtype=float)
    columns = []
    for index in np.ndindex(x.shape):
        direction = np.zeros(x.shape)
        direction[index] = 1.0
        columns.append(along(function, inputs, wrt, direction, size=float(x[index])))
    fields = ("value", "error", "below", "above", "kink")
    stacked = (np.stack([getattr(column, field) for column in columns], axis=-1) for field in fields)
    return Estimate(*(field.reshape((*field.shape[:-1], *x.shape)) for field in stacked))


def along(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, direction: np.ndarray, size: float = 1.0
) -> Estimate:
    """The directional derivative of `function` as inputs[wrt] moves along `direction`: the output's shape."""

    def phi(t: float) -> Any:
        # Fresh copies each time: whatever the function does to its arguments stays its own affair.
        moved = [np.array(x) if hasattr(x, "dtype") else x for x in inputs]
        moved[wrt] = (np.asarray(inputs[wrt], dtype=float) + t * direction)[()]
        return function(*moved)

    return slope(phi, size)


def _float64(value: Any) -> np.ndarray:
    return np.asarray(value, dtype=np.float64)


def _epsilon(value: Any) -> float:
    dtype = np.asarray(value).dtype
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else float(np.finfo(float).eps)
