"""Slopes computed again with more care, where what came back misses its target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.conditioning import allow_for_condition
from nnkit.check.evidence.tolerance import FLOOR, Target, make_interval, project_estimate, relative_room
from nnkit.numerical import Estimate

MAX_CLOSER_ENTRIES = 64
"""Entries without a slope that are looked at more closely."""


def recheck(
    target: Target,
    returned: np.ndarray,
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    upstream: np.ndarray,
) -> Target:
    """Recompute entries that miss the target, until one is confirmed wrong; return the target, widened by them."""
    if returned.shape == target.value.shape and target.unknown.any():
        target = _look_closer(target, function, inputs, wrt, upstream)
    missed = target.misses(returned)
    if returned.shape != missed.shape or not missed.any() or not np.all(np.isfinite(returned[~target.unknown])):
        return target
    low, high = target.low.copy(), target.high.copy()
    error = np.where(missed, np.abs(returned - target.value), -1.0)
    for entry in np.argsort(-error, axis=None)[: int(missed.sum())].tolist():
        room = (target.high - target.value).flat[entry] - target.error_bound.flat[entry]
        own = float(returned.flat[entry])
        _, a, b = _recompute(function, inputs, wrt, entry, upstream, own, room if np.isfinite(room) else 0.0)
        if not a <= own <= b:
            break
        low.flat[entry], high.flat[entry] = min(a, low.flat[entry]), max(b, high.flat[entry])
    return replace(target, low=low, high=high)


def _look_closer(
    target: Target, function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, upstream: np.ndarray
) -> Target:
    """Return the target with the slopes of its first unknown entries, as far as smaller steps or one side show them."""
    parts = [np.array(part, dtype=float) for part in (target.value, target.low, target.high, target.error_bound)]
    weights = np.asarray(upstream, dtype=float).reshape(1, -1)
    for entry in np.flatnonzero(target.unknown)[:MAX_CLOSER_ENTRIES].tolist():
        column = numerical.recompute_column(function, inputs, wrt, entry)
        found = project_estimate(Estimate(*(f[None] for f in numerical.list_fields(column))), weights)
        slope, bound, below, above, kinked = (part[0] for part in found)
        if np.isfinite(slope[0]):
            ends = make_interval(slope, bound + relative_room(slope, np.abs(slope)) + FLOOR, below, above, kinked)
            for part, number in zip(parts, (slope, *ends, bound)):
                part.flat[entry] = number[0]
    value, low, high, bound = parts
    return replace(target, value=value, low=low, high=high, error_bound=bound)


def _recompute(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    entry: int,
    upstream: np.ndarray,
    own: float,
    room: float,
) -> tuple[float, float, float]:
    """Return the slope at one entry, computed with care, and its interval; with room for what may excuse `own`."""
    slope, low, high = _measure_interval(function, inputs, wrt, entry, upstream, room)
    if not low <= own <= high:
        # Where smaller steps clearly say something else, the larger ones crossed a jump: floor(x) is flat.
        fine = _measure_interval(function, inputs, wrt, entry, upstream, room, numerical.FINE_SHRINK_FACTORS)
        if fine[1] <= own <= fine[2] and (fine[2] < low or high < fine[1]):
            return fine
        low, high = allow_for_condition(function, inputs, wrt, entry, upstream, own, (low, high))
    return slope, low, high


def _measure_interval(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    entry: int,
    upstream: np.ndarray,
    room: float,
    shrinks: Sequence[float] = numerical.ALL_SHRINK_FACTORS,
) -> tuple[float, float, float]:
    column = numerical.recompute_column(function, inputs, wrt, entry, shrinks)
    weights = np.asarray(upstream, dtype=float).reshape(1, -1)
    value, error_bound, below, above, kinked = project_estimate(
        Estimate(*(f[None] for f in numerical.list_fields(column))), weights
    )
    slack = error_bound + np.maximum(room, relative_room(value, np.abs(value)))
    low, high = make_interval(value, slack, below, above, kinked)
    return float(value[0, 0]), float(low[0, 0]), float(high[0, 0])


def confirm_entry(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    entry: int,
    upstream: np.ndarray,
    returned: float,
    room: float | None = None,
) -> float | None:
    """Return the slope at one entry of the input where what came back lies outside of its interval; else None. `room`
    is for rounding beyond what is relative to the slope, by default 64 ε times the upstream gradient."""
    g, middle = np.asarray(upstream, dtype=float), np.asarray(function(*inputs), dtype=float)

    def project(*xs: Any) -> np.ndarray:
        return np.asarray(np.sum(g * (function(*xs) - middle)))

    room = FLOOR * float(np.max(np.abs(g), initial=0.0)) if room is None else room
    slope, low, high = _recompute(project, inputs, wrt, entry, np.ones(()), returned, room)
    return None if low <= returned <= high or not np.isfinite(slope) else slope
