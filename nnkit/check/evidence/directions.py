"""Random directions: a few slopes along them tell that all entries of all gradients are right.

Each entry of each input moves at once, up or down by chance. The gradients' errors then add up like steps of a random
walk, so that rounding grows with the root of the number of entries only, and one wrong entry shows among a million.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.subjects import Subject

Ways = Mapping[int, np.ndarray]
"""A direction: how each input moves, by its position."""
Measured = tuple[Ways, np.ndarray, np.ndarray]
"""A direction, the slope of each entry of the output along it, and the error of that."""

STEPS = 0.02 * 0.5 ** np.arange(5)
"""Steps of real differences."""
CHECK_STEPS = 2.0 ** -np.array([16, 17])
"""Steps of the real differences that a complex step must agree with."""
MAX_COMPLEX_GAP = 1e-6
RTOL = 1e-12
"""Room for rounding relative to the root of the sum of squares of what is added."""
MAX_SLACK = 1e-9
"""Room for errors, on the same scale, beyond which agreement says too little."""
LEAST_LEVEL = 1e-6
"""Share of the largest that all are made as small as, at most."""
MIN_ERROR = 1e-5
"""Relative error of one entry that must show, where each can be looked at by itself."""
NOISE = 1e-12
"""Size relative to the largest share below which one is what is left of numbers that cancel."""
EPSILON = float(np.finfo(float).eps)
SAMPLE = 10_000
"""Entries of an array that tell of all how large they are."""


@dataclass(frozen=True)
class Gap:
    """The slope along a direction as the gradients say it beside the measured one."""

    distance: float
    """Their difference; 0 between the slopes from both sides of a kink."""
    slack: float
    """The difference that errors of measuring and rounding may make."""
    least: float
    """The smallest share that an entry adds, but for what is left of numbers that cancel."""
    size: float
    """The root of the sum of squares of all that was added."""

    @property
    def is_closed(self) -> bool:
        """True where gradients and slope agree, and would not by accident."""
        return self.distance <= self.slack <= MAX_SLACK * self.size

    @property
    def shows_each(self) -> bool:
        """True where a small relative error in any one entry would be larger than the slack."""
        return self.slack <= MIN_ERROR * self.least


def draw_ways(inputs: Arrays, wrt: Sequence[int], rng: np.random.Generator) -> Ways:
    """Draw a direction: each entry moves in proportion to its size, by a random factor of random sign that is never
    near 0, so that no entry is left out."""
    return {i: _draw_factors(np.shape(inputs[i]), rng) * _scale_of(inputs[i]) for i in wrt}


def _draw_factors(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    factors = rng.random(shape)
    return np.copysign(np.abs(factors - 0.5) * 2 + 0.5, factors - 0.5)


def _scale_of(x: Any) -> np.ndarray:
    return np.maximum(np.abs(x), numerical.MIN_SCALE)


def level_ways(ways: Ways, wrt: Sequence[int], returned: Arrays) -> Ways:
    """Return the direction with smaller moves of the entries with large gradients, so that small ones count as much."""
    return {i: ways[i] * _level(np.abs(w * ways[i])) for i, w in zip(wrt, returned)}


def _level(shares: np.ndarray) -> np.ndarray:
    flat = shares.ravel()
    sample = np.sort(flat[:: 1 + flat.size // SAMPLE])
    low = max(sample[len(sample) // 100], LEAST_LEVEL * sample[-1])
    return low / np.maximum(shares, low) if low > 0 else np.ones(shares.shape)


@dataclass(frozen=True)
class Agreement:
    """The outcome of a look along some directions."""

    is_sure: bool
    """All gradients agree with what was measured, far from any doubt and from any kink."""
    shows_each: bool = False
    """An error in one entry would have shown, however small the entry is beside others."""
    exact: bool = False
    """The complex step gave the slopes, and small real steps agreed with it."""


def look_along(
    subject: Subject,
    inputs: Arrays,
    upstreams: Sequence[np.ndarray],
    returned: Sequence[Arrays],
    rng: np.random.Generator,
    count: int = 2,
    exact: bool = False,
) -> Agreement:
    """Look if gradients, for each of these upstream gradients, agree with the slopes along some random directions.

    `exact` says that the complex step was found right for this function at other inputs: what agrees with it is not
    measured by real steps again. What does not may lie on another branch.
    """
    if any(w.shape != np.shape(inputs[i]) for ws in returned for i, w in zip(subject.wrt, ws)):
        return Agreement(False)
    function, pairs = subject.function, list(zip(upstreams, returned))
    ways = [draw_ways(inputs, subject.wrt, rng) for _ in range(count)]
    leveled = [ways[0], *(level_ways(way, subject.wrt, returned[0]) for way in ways[1:])]
    slopes = take_complex_steps(function, inputs, leveled)
    if slopes is not None and (exact or confirms_complex_step(function, inputs, ways[0], slopes[0])):
        measured = ((way, slope, np.zeros(())) for way, slope in zip(leveled, slopes))
        found = _close_gaps(subject, inputs, pairs, measured)
        if found.is_sure or not exact:
            return replace(found, exact=True)
    return _close_gaps(subject, inputs, pairs, _measure_slopes(function, inputs, ways))


def _measure_slopes(function: Callable[..., Any], inputs: Arrays, ways: Sequence[Ways]) -> Iterator[Measured]:
    """Yield each direction with its slope and the error of it, by real steps; NaN where they do not tell."""
    for way in ways:
        slope = extrapolate_along(function, inputs, way)
        yield way, *(slope or (np.array(np.nan), np.array(np.nan)))


def _close_gaps(
    subject: Subject,
    inputs: Arrays,
    pairs: Sequence[tuple[np.ndarray, Arrays]],
    measured: Iterable[Measured],
) -> Agreement:
    each = [False] * len(pairs)
    for way, slope, error in measured:
        for k, (upstream, gradients) in enumerate(pairs):
            gap = find_gap(subject, inputs, upstream, zip(subject.wrt, gradients), way, slope, error)
            if not gap.is_closed:
                return Agreement(False)
            each[k] |= gap.shows_each
    return Agreement(True, all(each))


def find_gap(
    subject: Subject,
    inputs: Arrays,
    upstream: np.ndarray,
    gradients: Iterable[tuple[int, np.ndarray]],
    way: Ways,
    slope: np.ndarray,
    error: np.ndarray,
) -> Gap:
    """Return what is between the slope that these gradients (by the position of the input) say, and this one with its
    error."""
    terms = np.ravel(upstream * slope)
    own, total, squares = -float(terms.sum()), float(np.abs(terms).sum()), float(terms @ terms)
    rounding, least, largest = 0.0, np.inf, 0.0
    for i, w in gradients:
        shares = np.ravel(w * way[i])
        sizes = np.abs(shares)
        own, total, squares = own + shares.sum(), total + sizes.sum(), squares + shares @ shares
        largest = max(largest, top := sizes.max())
        least = min(least, sizes.min(initial=np.inf, where=sizes > NOISE * top))
        room = subject.rounding(i, inputs)
        rounding += float(np.sum(room * np.abs(way[i]))) if np.any(room) else 0.0
    noise = np.ravel(upstream * error)
    size = math.sqrt(squares) if np.isfinite(squares) else math.nan
    # The signs of upstream gradients have nothing to do with those of the errors: these add up like a random walk too.
    slack = RTOL * size + 16 * EPSILON * total + 30 * math.sqrt(noise @ noise) + rounding
    return Gap(abs(float(own)), slack, least, size)


# ---- slopes ------------------------------------------------------------------------------------------


def take_complex_steps(function: Callable[..., Any], inputs: Arrays, ways: Sequence[Ways]) -> list[np.ndarray] | None:
    """Return the slopes along these directions by the complex step; None where the function does not take it."""
    points = (numerical.move_along(inputs, way, 1j * numerical.COMPLEX_STEP) for way in ways)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy only warns when an imaginary part is discarded
        try:
            outs = list(numerical.evaluate_at_each(function, points))
            return [np.asarray(np.imag(out), dtype=float) / numerical.COMPLEX_STEP for out in outs]
        except Exception:  # any error means that it is not allowed
            return None


def confirms_complex_step(function: Callable[..., Any], inputs: Arrays, way: Ways, slope: np.ndarray) -> bool:
    """Return True if small real steps along a direction give the complex step's slope, and show no kink."""
    try:
        middle, *sides = _step_along(function, inputs, way, CHECK_STEPS)
    except Exception:  # outside of where the function is defined
        return False
    if middle.shape != slope.shape:
        return False
    coarse, fine = (_slope_and_bend(middle, *pair, h) for pair, h in zip(_pairs(sides), CHECK_STEPS))
    noise = 500 * EPSILON * np.abs(middle) / CHECK_STEPS[-1]
    size = np.abs(slope)
    room = noise + MAX_COMPLEX_GAP * size + 1e-9 * np.max(size, initial=0.0)
    near = np.abs((4 * fine[0] - coarse[0]) / 3 - slope) <= room
    smooth = (np.abs(fine[1]) <= 0.75 * np.abs(coarse[1])) | (np.abs(fine[1]) <= room)
    return bool(np.all(near & smooth))


def extrapolate_along(function: Callable[..., Any], inputs: Arrays, way: Ways) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the slope along a direction by Richardson's extrapolation of a few real steps, and its error; None where a
    kink is seen, or the function is not defined."""
    try:
        middle, *sides = _step_along(function, inputs, way, STEPS)
    except Exception:
        return None
    pairs = list(_pairs(sides))
    column, bends = zip(*(_slope_and_bend(middle, *pair, h) for pair, h in zip(pairs, STEPS)))
    table = list(column)
    for order in range(1, len(STEPS)):
        before, table = table, [fine + (fine - coarse) / (4.0**order - 1) for coarse, fine in pairwise(table)]
    (slope,), (coarse, fine) = table, before
    noise = 8 * EPSILON * (np.abs(middle) / STEPS[-1] + np.abs(slope))
    error = np.abs(fine - coarse) / 8 + noise
    bend, largest = np.abs(bends[-1]), np.max(np.abs(bends[:3]), axis=0)
    kinked = (bend > 0.5 * largest) & (bend > 1e-6 * np.abs(slope) + 100 * noise)
    return None if kinked.any() else (slope, error)


def _step_along(function: Callable[..., Any], inputs: Arrays, way: Ways, steps: np.ndarray) -> list[np.ndarray]:
    """Return the function's values in the middle, and at each step to both sides."""
    ts = [0.0, *(t for h in steps.tolist() for t in (h, -h))]
    points = (numerical.move_along(inputs, way, t) for t in ts)
    return [np.asarray(value, dtype=float) for value in numerical.evaluate_at_each(function, points)]


def _pairs(sides: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return zip(sides[::2], sides[1::2])


def _slope_and_bend(middle: np.ndarray, above: np.ndarray, below: np.ndarray, h: float) -> tuple[Any, Any]:
    """Return the central difference, and the difference of the slopes to both sides: a kink's does not shrink."""
    return (above - below) / (2 * h), ((above - middle) + (below - middle)) / h
