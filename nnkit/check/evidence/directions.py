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

STEPS = 2.0**-8, 2.0**-14
"""First steps of real differences: smaller ones where the others cross a kink."""
LEVELS = 3
"""Steps of one extrapolation, each half the one before."""
CHECK_STEP = 2.0**-19
"""Step of the real differences that a complex step must agree with."""
MAX_COMPLEX_GAP = 1e-6
MAX_BEND = 1e-4
"""Difference of the slopes to both sides, over such a step, relative to the largest: more may be a kink."""
RTOL = 1e-12
"""Room for rounding relative to the root of the sum of squares of what is added."""
SURE = 1e-10
"""Error relative to the largest slope with which no smaller steps are tried."""
MAX_SLACK = 3e-9
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
    numbers = rng.random(shape)
    factors: np.ndarray = np.copysign(np.abs(numbers - 0.5) * 2 + 0.5, numbers - 0.5)
    return factors


def _scale_of(x: Any) -> np.ndarray:
    scale: np.ndarray = np.maximum(np.abs(x), numerical.MIN_SCALE)
    return scale


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
    is_near: bool = False
    """The first gap that is open is very small beside all that is added up."""


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
                return Agreement(False, is_near=bool(gap.distance <= MAX_SLACK * gap.size))
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
    terms = (upstream * slope).ravel()
    own, count, squares = -float(terms.sum()), terms.size, float(terms @ terms)
    rounding, least = 0.0, math.inf
    for i, w in gradients:
        shares = (w * way[i]).ravel()
        sizes = np.abs(shares)
        own, count, squares = own + shares.sum(), count + shares.size, squares + shares @ shares
        shown = sizes[sizes > NOISE * sizes.max()]
        least = min(least, float(shown.min()) if shown.size else math.inf)
        room = subject.rounding(i, inputs)
        rounding += float(np.sum(room * np.abs(way[i]))) if type(room) is not float or room else 0.0
    noise = (upstream * error).ravel() if error.any() else error.ravel()
    size = math.sqrt(squares) if math.isfinite(squares) else math.nan
    # The signs of upstream gradients have nothing to do with those of the errors: these add up like a random walk too.
    slack = (RTOL + 16 * EPSILON * math.sqrt(count)) * size + 30 * math.sqrt(noise @ noise) + rounding
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
        coarse = _difference_along(function, inputs, way, CHECK_STEP)
        if not coarse.agrees_with(slope):
            return False
        if (np.abs(coarse.bend) <= coarse.noise + MAX_BEND * np.abs(slope).max(initial=0.0)).all():
            return True
        fine = _difference_along(function, inputs, way, CHECK_STEP / 4)
    except Exception:  # outside of where the function is defined
        return False
    # A kink's difference does not shrink with the step, that of a curved function does.
    return bool((np.abs(fine.bend) <= fine.noise + 0.5 * np.abs(coarse.bend)).all()) and fine.agrees_with(slope)


@dataclass(frozen=True)
class _Difference:
    """A slope by one real step to both sides."""

    slope: np.ndarray
    bend: np.ndarray
    """The difference of the slopes to both sides."""
    noise: np.ndarray

    def agrees_with(self, slope: np.ndarray) -> bool:
        if self.slope.shape != slope.shape:
            return False
        size = np.abs(slope)
        room = self.noise + MAX_COMPLEX_GAP * (size + 0.01 * size.max(initial=0.0))
        return bool((np.abs(self.slope - slope) <= room).all())


def _difference_along(function: Callable[..., Any], inputs: Arrays, way: Ways, h: float) -> _Difference:
    middle, above, below = _step_along(function, inputs, way, [h])
    return _Difference(*_slope_and_bend(middle, above, below, h), 50 * EPSILON / h * np.abs(middle))


def extrapolate_along(function: Callable[..., Any], inputs: Arrays, way: Ways) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the slope along a direction by Richardson's extrapolation of a few real steps, and its error; None where a
    kink is seen, or the function is not defined."""
    for first in STEPS:
        found = _extrapolate_from(function, inputs, way, first)
        if found and (found[1] <= SURE * np.abs(found[0]).max(initial=0.0)).all():
            break
    return found


def _extrapolate_from(
    function: Callable[..., Any], inputs: Arrays, way: Ways, first: float
) -> tuple[np.ndarray, np.ndarray] | None:
    steps = [first * 0.5**k for k in range(LEVELS)]
    try:
        middle, *sides = _step_along(function, inputs, way, steps)
    except Exception:
        return None
    pairs = zip(zip(sides[::2], sides[1::2]), steps)
    column, bends = zip(*(_slope_and_bend(middle, above, below, h) for (above, below), h in pairs))
    coarse, fine = (b + (b - a) / 3 for a, b in pairwise(column))
    slope = fine + (fine - coarse) / 15
    noise = 2 * EPSILON * (np.abs(middle) / steps[-1] + np.abs(slope))
    bend, largest = np.abs(bends[-1]), np.maximum(*np.abs(bends[:2]))
    kinked = (bend > 0.5 * largest) & (bend > 1e-6 * np.abs(slope) + 400 * noise)
    return None if kinked.any() else (slope, np.abs(fine - coarse) / 8 + noise)


def _step_along(function: Callable[..., Any], inputs: Arrays, way: Ways, steps: Sequence[float]) -> list[np.ndarray]:
    """Return the function's values in the middle, and at each step to both sides."""
    ts = [0.0, *(t for h in steps for t in (h, -h))]
    points = (numerical.move_along(inputs, way, t) for t in ts)
    return [np.asarray(value, dtype=float) for value in numerical.evaluate_at_each(function, points)]


def _slope_and_bend(middle: np.ndarray, above: np.ndarray, below: np.ndarray, h: float) -> tuple[Any, Any]:
    """Return the central difference, and the difference of the slopes to both sides: a kink's does not shrink."""
    return (above - below) / (2 * h), ((above - middle) + (below - middle)) / h
