"""Jacobians as targets: each entry with room for what rounding may do to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.careful_slopes import recheck
from nnkit.check.evidence.tolerance import (
    EPSILON,
    FLOOR,
    Target,
    find_scale,
    make_interval,
    project_estimate,
    relative_room,
)
from nnkit.numerical import Estimate


def jacobian_target(function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, returned: np.ndarray) -> Target:
    """Return ∂function/∂inputs[wrt] itself as a target, with the entries that miss it recomputed."""
    estimate = numerical.estimate_jacobian(function, inputs, wrt)
    flat = Estimate(*(np.reshape(f, (-1, 1)) for f in numerical.list_fields(estimate)))
    value, error_bound, low, high, kinked = (part[0] for part in project_estimate(flat, np.ones((1, 1))))
    plain = relative_room(value, np.full(value.shape, np.max(np.abs(value), initial=0.0)))
    floor = np.full(value.shape, FLOOR * find_scale(inputs[wrt]))
    if returned.shape == estimate.value.shape and np.any(np.abs(np.ravel(returned) - value) > plain + error_bound):
        floor = np.minimum(floor, 64 * _measure_rounding(function, inputs, wrt, estimate))
    low, high = make_interval(value, error_bound + plain + floor, low, high, kinked)
    shape = estimate.value.shape
    value, low, high, error_bound = (part.reshape(shape) for part in (value, low, high, error_bound))
    target = Target(value, low, high, error_bound, int(np.sum(kinked)))
    if returned.shape != shape:
        return target
    out = shape[: len(shape) - np.ndim(inputs[wrt])]
    for k, onehot in enumerate(np.eye(int(np.prod(out)))):
        i = np.unravel_index(k, out)
        part = replace(
            target, value=target.value[i], low=target.low[i], high=target.high[i], error_bound=target.error_bound[i]
        )
        part = recheck(part, np.asarray(returned[i]), function, inputs, wrt, onehot)
        target.low[i], target.high[i] = part.low, part.high
    return target


def _measure_rounding(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, jacobian: Estimate
) -> np.ndarray:
    """Return what rounding may do to the entries of a Jacobian (flat): how much they change as the last digits of the
    input do, and ε times the size of the output, for a change of 1 or one as large as the input."""
    rng, x = np.random.default_rng(0), np.asarray(inputs[wrt], dtype=float)
    points = [x * (1 + EPSILON * rng.integers(-4, 5, size=x.shape)) for _ in range(3)]
    moved = [numerical.estimate_jacobian(function, _replace(inputs, wrt, point), wrt).value for point in points]
    changes = np.max([np.abs(np.ravel(value - jacobian.value)) for value in moved], axis=0, initial=0.0)
    outs = [np.abs(function(*_replace(inputs, wrt, point))) for point in (x, -x)]
    largest = np.nanmax([np.max(out[np.isfinite(out)], initial=0.0) for out in map(np.asarray, outs)])
    size: np.ndarray = changes + EPSILON * largest / min(1.0, float(np.max(np.abs(x), initial=0.0)) or 1.0)
    return size


def _replace(inputs: tuple[Any, ...], wrt: int, x: np.ndarray) -> tuple[Any, ...]:
    return tuple(x[()] if i == wrt else other for i, other in enumerate(inputs))
