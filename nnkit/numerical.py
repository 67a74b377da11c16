"""Numerical derivatives in float64, with estimates of their errors.

Central differences f(x+h) - f(x-h) for a sequence of steps h, each half the one before, are extrapolated to
h = 0 by Richardson's method, in the table of Ridders ("Accurate computation of F'(x) and F'(x)F''(x)", 1982). The
best estimate is the entry of the table with the least estimated error, so the step suits the function: large steps
suffer from curvature, small ones from rounding, and a step across a kink disagrees with its neighbours. If f has a
kink *at* x, the slopes from below and above still differ as h shrinks.

For larger arrays the complex step Im f(x + ih) / h (Squire and Trapp, 1998) is exact to rounding and needs
one evaluation for each entry. It is used only where it agrees with the table along a random direction in which
every entry varies: a function that drops the imaginary part (abs, comparisons) does not pass.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

STEP_LEVELS = 8
RICHARDSON_ORDERS = 4
FIRST_RELATIVE_STEP = 0.05  # times |x|, or times 0.1 near zero
MIN_SCALE = 0.1
COMPLEX_STEP = 1e-30
SIGNS = np.array([-1.0, 1.0])
ONE_SIDED_LEVELS = 40
MAX_CHUNK_NUMBERS = 2_000_000  # numbers held at once
MAX_PART_ENTRIES = 100_000
"""Entries of the output in one table."""
SHRINK_FACTORS = (2.0**-8, 2.0**-16)
FINE_SHRINK_FACTORS = (2.0**-24, 2.0**-32)
ALL_SHRINK_FACTORS = (1.0, *SHRINK_FACTORS, *FINE_SHRINK_FACTORS)

ValuesAt = Callable[[Sequence[float]], Iterable[Any]]
"""Function from some numbers to the values of another function at each of them."""


@dataclass(frozen=True)
class Estimate:
    """A numerical derivative: the arrays have one shape, the output's (for `estimate_jacobian`: and the input's)."""

    value: np.ndarray
    error: np.ndarray
    """Error bound of `value`: the estimate of the extrapolation, and rounding."""
    below: np.ndarray
    above: np.ndarray
    """One-sided slopes; they differ from `value` only where `kink` is true."""
    kink: np.ndarray


def estimate_slope(phi: Callable[[float], Any], size: float = 1.0) -> Estimate:
    """Estimate the derivative of t ↦ phi(t), a number or an array, at t = 0; `size` is the scale of t."""
    with np.errstate(all="ignore"):
        return _find_best_estimate(lambda ts: map(phi, ts), abs(size), abs(size), (1.0, *SHRINK_FACTORS))


def _find_best_estimate(
    phi: ValuesAt, size: float, magnitude: float, shrinks: Iterable[float], inner: float | None = None
) -> Estimate:
    """Estimate the derivative of phi at 0 by ever smaller steps, as long as some entry is uncertain. `inner` is the
    size of the numbers with which phi computes, if it is known not to be `magnitude`."""
    inner = magnitude if inner is None else inner
    sizes, best = np.array([size]), None
    for shrink in shrinks:
        steps = shrink * _make_steps(sizes, MIN_SCALE, magnitude if shrink == 1.0 else 1.0)
        found = _estimate_in_parts(phi([0.0, *_list_both_signs(steps[:, 0])]), steps, sizes, inner)
        best = found if best is None else _choose(_is_unsure(best) & _is_better(found, best), found, best)
        if not _is_unsure(best).any():
            break
    assert best
    return Estimate(*(field[0] for field in list_fields(best)))


def _estimate_in_parts(values: Iterable[Any], steps: np.ndarray, sizes: np.ndarray, magnitude: float) -> Estimate:
    """Estimate a slope from values in the middle and at both sides, so many entries of the output at a time that the
    tables do not become large."""
    middle, *sides = map(np.asarray, values)
    shape, parts = np.shape(middle), []
    flat = [np.reshape(side, -1) for side in (middle, *sides)]
    for start in range(0, max(1, middle.size), MAX_PART_ENTRIES):
        middle, *sides = (side[start : start + MAX_PART_ENTRIES] for side in flat)
        table = _RichardsonTable(middle, steps, sizes, magnitude)
        table.fill_row(0, sides)
        parts.append(list_fields(table.estimate()))
    return Estimate(*(np.concatenate(field, axis=-1).reshape(1, *shape) for field in zip(*parts)))


def estimate_jacobian(function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int) -> Estimate:
    """Estimate ∂function/∂inputs[wrt], every entry: arrays of shape (*output, *input)."""
    shape = np.shape(inputs[wrt])
    chunks = [list_fields(chunk) for chunk in estimate_columns(function, inputs, wrt)]
    stacked = (np.moveaxis(np.concatenate(field), 0, -1) for field in zip(*chunks))
    return Estimate(*(field.reshape((*field.shape[:-1], *shape)) for field in stacked))


def estimate_columns(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, exact: bool | None = None
) -> Iterator[Estimate]:
    """Estimate the Jacobian's columns, one for each entry of inputs[wrt], in chunks: arrays (chunk, *output).

    `exact` is the result of `allows_complex_step`, if the caller has it already.
    """
    x = np.array(inputs[wrt], dtype=float)
    middle = function(*_replace_input(inputs, wrt, x))
    chunk = max(1, MAX_CHUNK_NUMBERS // (2 * STEP_LEVELS * max(1, np.size(middle))))
    entries = [range(start, min(start + chunk, x.size)) for start in range(0, x.size, chunk)]
    if exact is None:
        exact = allows_complex_step(function, inputs, (wrt,))
    with np.errstate(all="ignore"):
        for part in entries:
            column = _estimate_complex_columns(function, inputs, wrt, part) if exact else None
            yield column or _estimate_real_columns(function, inputs, wrt, part, middle)


def recompute_column(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    entry: int,
    shrinks: Sequence[float] = ALL_SHRINK_FACTORS,
) -> Estimate:
    """Recompute one column of the Jacobian more carefully: over steps of all sizes, or those of these `shrinks` alone,
    and in extended precision if the machine has it and the function accepts it. Arrays of the output's shape."""
    wide = tuple(np.asarray(x, np.longdouble) if np.asarray(x).dtype.kind == "f" else x for x in inputs)
    with np.errstate(all="ignore"):
        try:
            return _recompute_over_steps(function, wide, wrt, entry, shrinks)
        except Exception:  # linear algebra, SciPy and JAX do not have the type
            return _recompute_over_steps(function, inputs, wrt, entry, shrinks)


def _recompute_over_steps(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, entry: int, shrinks: Sequence[float]
) -> Estimate:
    x = np.asarray(inputs[wrt])
    size, magnitude = float(np.abs(np.ravel(x)[entry])), float(np.max(np.abs(x)))
    own = (size / MIN_SCALE,) if 0 < size < MIN_SCALE and 1.0 in shrinks else ()  # steps in proportion to a small x
    values_at = _vary_entry(function, inputs, wrt, x, entry)
    inner = min(magnitude, _measure_inner_size(function, inputs, wrt))
    found = _find_best_estimate(values_at, size, magnitude, (*shrinks, *own), inner)
    if not np.all(np.isfinite(found.value)):
        found = _estimate_from_one_side(values_at, max(size, MIN_SCALE), found)
    return Estimate(*(np.asarray(f, dtype=f.dtype if f.dtype == bool else float) for f in list_fields(found)))


def _measure_inner_size(function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int) -> float:
    """Return about the size of the numbers that are rounded as a function is computed: how much the value changes, in
    units of ε, as the last digits of the input do."""
    x, rng = np.asarray(inputs[wrt]), np.random.default_rng(0)
    epsilon = _get_epsilon(x)
    shifts = [np.zeros(x.shape), *(epsilon * rng.integers(-4, 5, size=x.shape) for _ in range(4))]
    middle, *outs = evaluate_at_each(function, [_replace_input(inputs, wrt, x + x * shift) for shift in shifts])
    changes = [np.abs(np.asarray(out - middle, dtype=float)) for out in outs]
    return 4 / epsilon * float(np.max(changes, initial=0.0))


def _estimate_from_one_side(values_at: ValuesAt, size: float, found: Estimate) -> Estimate:
    """Return the estimate with the slope from one side where the function is not defined on the other, if differences
    on that side converge: at the end of a domain."""
    steps = FIRST_RELATIVE_STEP * size * 0.5 ** np.arange(ONE_SIDED_LEVELS)
    value, error = np.array(found.value), np.array(found.error)
    for sign in (1.0, -1.0):
        middle, *outs = (np.asarray(out, dtype=float) for out in values_at([0.0, *(sign * steps).tolist()]))
        h = steps.reshape(-1, *(1,) * middle.ndim)
        slopes = sign * (np.stack(outs) - middle) / h
        better = 2 * slopes[1:] - slopes[:-1]
        errors = np.abs(np.diff(better, axis=0)) + np.finfo(float).eps * np.abs(middle) / h[2:]
        errors = np.where(np.isfinite(errors), errors, np.inf)
        best = errors.argmin(axis=0)[None]
        slope, left = (np.take_along_axis(a, best, 0)[0] for a in (better[1:], errors))
        sure = ~np.isfinite(value) & (left <= 1e-5 * np.abs(slope) + 1e-7)
        value, error = np.where(sure, slope, value), np.where(sure, left, error)
    return Estimate(value, error, value, value, np.zeros(value.shape, dtype=bool))


def _choose(better: Any, new: Estimate, old: Estimate) -> Estimate:
    return Estimate(*(np.where(better, a, b) for a, b in zip(list_fields(new), list_fields(old))))


def estimate_along(
    function: Callable[..., Any], inputs: tuple[Any, ...], directions: Mapping[int, np.ndarray]
) -> Estimate:
    """Estimate the directional derivative of `function` as several inputs move at once, each along its own direction:
    arrays of the output's shape. A step of 1 is as large as the inputs (see `draw_direction`)."""
    with np.errstate(all="ignore"):
        return _find_best_estimate(
            lambda ts: evaluate_at_each(function, [move_along(inputs, directions, t) for t in ts]),
            1.0,
            1.0,
            (1.0, *SHRINK_FACTORS),
        )


def find_best_estimate_along(
    function: Callable[..., Any], inputs: tuple[Any, ...], directions: Mapping[int, np.ndarray]
) -> Estimate:
    """Estimate the directional derivative, by the complex step where it agrees with the Richardson table."""
    real, exact = estimate_along(function, inputs, directions), take_complex_step_along(function, inputs, directions)
    return real if exact is None or not _agree(exact.value, real) else exact


def allows_complex_step(function: Callable[..., Any], inputs: tuple[Any, ...], wrt: Sequence[int]) -> bool:
    """Return True if the complex step gives the derivatives with respect to these inputs: along one random direction,
    in which every entry of each varies, it must agree with the Richardson table."""
    rng = np.random.default_rng(len(inputs))
    directions = {i: draw_direction(inputs[i], rng) for i in wrt}
    exact = take_complex_step_along(function, inputs, directions)
    return exact is not None and _agree(exact.value, estimate_along(function, inputs, directions))


def move_along(inputs: tuple[Any, ...], directions: Mapping[int, np.ndarray], t: Any) -> list[Any]:
    """Return copies of the inputs, each moved t times along its direction."""
    moved = [np.array(x) if isinstance(x, np.ndarray) else x for x in inputs]
    for i, direction in directions.items():
        moved[i] = (np.asarray(inputs[i], dtype=float) + t * direction)[()]
    return moved


def take_complex_step_along(
    function: Callable[..., Any], inputs: tuple[Any, ...], directions: Mapping[int, np.ndarray]
) -> Estimate | None:
    """Return the directional derivative by the complex step, right or wrong for this function; None if the function
    does not accept complex numbers."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")  # NumPy only warns when an imaginary part is discarded
        try:
            out = function(*move_along(inputs, directions, 1j * COMPLEX_STEP))
            return make_exact_estimate(np.asarray(np.imag(out), dtype=float) / COMPLEX_STEP)
        except Exception:  # any error means that it is not allowed
            return None


def draw_direction(x: Any, rng: np.random.Generator) -> np.ndarray:
    """Draw a direction in which every entry of x varies in proportion to its size: a step of 1 doubles it."""
    direction: np.ndarray = rng.normal(size=np.shape(x)) * np.maximum(np.abs(x), MIN_SCALE)
    return direction


def draw_signs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw -1 or 1 for each entry."""
    signs: np.ndarray = SIGNS[rng.integers(0, 2, size=shape)]
    return signs


def _estimate_real_columns(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, entries: range, middle: Any
) -> Estimate:
    x = np.array(inputs[wrt], dtype=float)
    sizes = np.abs(x).ravel()[entries.start : entries.stop]
    magnitude = float(np.max(np.abs(x)))

    def estimate_rows(rows: np.ndarray, shrink: float) -> Estimate:
        steps = shrink * _make_steps(sizes[rows], MIN_SCALE, magnitude if shrink == 1.0 else 1.0)
        table = _RichardsonTable(middle, steps, sizes[rows], magnitude)
        for row, entry in enumerate(rows.tolist()):
            table.fill_row(row, _vary_entry(function, inputs, wrt, x, entries[entry])(_list_both_signs(steps[:, row])))
        return table.estimate()

    estimate = estimate_rows(np.arange(len(entries)), 1.0)
    # A step may cross a pole, a kink or the boundary of the domain of f; a smaller one may not.
    for shrink in SHRINK_FACTORS:
        unsure = np.flatnonzero(_is_unsure(estimate).reshape(len(entries), -1).any(axis=1))
        if not unsure.size:
            break
        finer, coarse = estimate_rows(unsure, shrink), Estimate(*(field[unsure] for field in list_fields(estimate)))
        chosen = _choose(_is_better(finer, coarse), finer, coarse)
        for field, new in zip(list_fields(estimate), list_fields(chosen)):
            field[unsure] = new
    return estimate


def _is_better(finer: Estimate, coarse: Estimate) -> np.ndarray:
    """Return True where the estimate with smaller steps is better."""
    surer = ~_is_unsure(finer) | ((finer.error < coarse.error) & ~coarse.kink)
    # A larger step may cross a kink that is not at the point itself.
    surer |= coarse.kink & ~finer.kink & (finer.error <= 1e-4 * np.abs(coarse.above - coarse.below))
    improves: np.ndarray = surer | (~np.isfinite(coarse.value) & np.isfinite(finer.value))
    return improves


def _is_unsure(estimate: Estimate) -> np.ndarray:
    unsure: np.ndarray = ~(estimate.error <= 1e-7 * np.abs(estimate.value) + 1e-12) | estimate.kink
    return unsure


def _vary_entry(function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, x: np.ndarray, entry: int) -> ValuesAt:
    """Return the function of what is added to one entry of x."""
    return lambda ts: evaluate_at_each(function, (_replace_input(inputs, wrt, _nudge(x, entry, t)) for t in ts))


def evaluate_at_each(function: Callable[..., Any], points: Iterable[Sequence[Any]]) -> Iterable[Any]:
    """Return the function's values at these points, by its own `at_each`, which may send many at once."""
    own = getattr(function, "at_each", None)
    return own(points) if own else (function(*point) for point in points)


def _nudge(x: np.ndarray, entry: int, t: complex) -> np.ndarray:
    moved = x.copy()
    moved.flat[entry] += x.dtype.type(t)
    return moved


def _estimate_complex_columns(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, entries: range
) -> Estimate | None:
    """Return columns by the complex step; None if the function accepts all inputs complex, but not this one alone."""
    x = np.array(inputs[wrt], dtype=complex)
    points = (_replace_input(inputs, wrt, _nudge(x, entry, 1j * COMPLEX_STEP)) for entry in entries)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy only warns when an imaginary part is discarded
        try:
            rows = [np.imag(value) / COMPLEX_STEP for value in evaluate_at_each(function, points)]
        except Exception:
            return None
    return make_exact_estimate(np.stack(rows).astype(float))


def _agree(exact: np.ndarray, real: Estimate) -> bool:
    """Return True if the complex step agrees with the table, and the table is certain enough to decide."""
    if exact.shape != real.value.shape or real.kink.any():
        return False
    size = np.abs(real.value)
    sure = real.error <= 1e-6 * size + 1e-9 * np.max(size, initial=0.0) + 1e-12
    return bool(np.all(sure & (np.abs(exact - real.value) <= 4 * real.error + 1e-10 * size)))


def make_exact_estimate(value: np.ndarray) -> Estimate:
    """Return derivatives that are right up to rounding as an estimate."""
    return Estimate(value, 1e-13 * np.abs(value), value, value, np.zeros(value.shape, dtype=bool))


def _replace_input(inputs: tuple[Any, ...], wrt: int, value: np.ndarray) -> list[Any]:
    """Return copies of the inputs with one replaced: a function may change its arguments."""
    fresh = [np.array(x) if isinstance(x, np.ndarray) else x for x in inputs]
    fresh[wrt] = value[()]
    return fresh


class _RichardsonTable:
    """Table of evaluations at x ± h for several entries at once, to extrapolate: `steps` is (levels, entries)."""

    def __init__(self, middle: Any, steps: np.ndarray, sizes: np.ndarray, magnitude: float):
        self.steps = steps
        self.sizes = sizes
        self.magnitude = magnitude
        self.middle = np.asarray(middle, dtype=np.result_type(np.asarray(middle).dtype, float))
        self.epsilon = _get_epsilon(middle)
        self.plus = np.empty((*steps.shape, *self.middle.shape), dtype=self.middle.dtype)
        self.minus = np.empty_like(self.plus)

    def fill_row(self, row: int, values: Iterable[Any]) -> None:
        """Store the values of one entry, at its steps in the order of `_list_both_signs`."""
        for k, value in enumerate(values):
            side = self.minus if k % 2 else self.plus
            side[k // 2, row] = value

    def estimate(self) -> Estimate:
        ones = (1,) * self.middle.ndim
        h = self.steps.reshape(*self.steps.shape, *ones)
        sizes = self.sizes.reshape(-1, *ones)
        column = (self.plus - self.minus) / (2 * h)
        # Both f and the point x + h are rounded, and f may compute with numbers of x's size on the way.
        f = np.maximum(np.maximum(np.abs(self.plus), np.abs(self.minus)), self.magnitude)
        rounding = self.epsilon * (f + sizes * np.abs(column)) / h
        value, error = _extrapolate(h, column, rounding)
        below, above, kink = _find_one_sided_slopes(h, self.minus, self.middle, self.plus, rounding)
        return Estimate(value, error, np.where(kink, below, value), np.where(kink, above, value), kink)


def _extrapolate(h: np.ndarray, column: np.ndarray, rounding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the entry of the extrapolation table with the least estimated error, and that error."""
    table = [column]
    for order in range(1, RICHARDSON_ORDERS + 1):
        above = table[-1]
        table.append(above[1:] + (above[1:] - above[:-1]) / (4.0**order - 1))
    # Intermediate results of f may lose more to rounding than its value does; the scatter of the last entries of a
    # column that has long converged shows how much.
    scatters = [np.max(np.abs(np.diff(part[-3:], axis=0)) * h[-2:], axis=0) for part in table[1:]]
    noise = np.maximum(rounding, np.nan_to_num(np.min(scatters, axis=0), posinf=0.0) / h)
    found = []
    for order, (above, better) in enumerate(pairwise(table), start=1):
        errors = np.maximum(np.abs(better - above[1:]), np.abs(better - above[:-1])) + noise[order:]
        # Coarse steps may agree by accident (sin 1000x); fine steps must point to the same value.
        apart = np.abs(better - better[-1]) > np.abs(better[-1] - above[-2]) + 10 * rounding[-1]
        found.append(np.where(np.isfinite(errors) & ~apart, errors, np.inf))
    values, errors = (
        np.concatenate([column[-1:], *table[1:]]),
        np.concatenate([np.full_like(column[-1:], np.inf), *found]),
    )
    best = errors.argmin(axis=0)[None]
    return np.take_along_axis(values, best, 0)[0], np.take_along_axis(errors, best, 0)[0]


def _find_one_sided_slopes(
    h: np.ndarray, minus: np.ndarray, middle: np.ndarray, plus: np.ndarray, rounding: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the slopes from below and above, and where they differ, at the smallest step not lost in rounding."""
    left, right = (middle - minus) / h, (plus - middle) / h
    # First-order terms are removed, so that curvature is not mistaken for a kink.
    below, above = 2 * left[1:] - left[:-1], 2 * right[1:] - right[:-1]
    gap = np.abs(above - below)
    seen = gap > 100 * rounding[1:] + 1e-5 * (np.abs(above) + np.abs(below))
    seen[:2] = False
    last = np.where(seen, np.arange(len(seen)).reshape(-1, *(1,) * (gap.ndim - 1)), 2).max(axis=0, keepdims=True)

    def at(slopes: np.ndarray, level: np.ndarray) -> np.ndarray:
        taken: np.ndarray = np.take_along_axis(slopes, level, 0)[0]
        return taken

    kink = at(seen, last) & (at(gap, last) > 0.5 * at(gap, last - 2))
    return at(below, last), at(above, last), kink


def _list_both_signs(steps: np.ndarray) -> list[float]:
    return [t for h in steps.tolist() for t in (h, -h)]


def _make_steps(sizes: np.ndarray, least: float, largest: float) -> np.ndarray:
    """Return steps (levels, entries): more levels if x is large, since the function need not scale with it."""
    levels = STEP_LEVELS + math.ceil(math.log2(max(largest, 1.0)))
    steps: np.ndarray = FIRST_RELATIVE_STEP * np.maximum(sizes, least) * 0.5 ** np.arange(levels)[:, None]
    return steps


def list_fields(estimate: Estimate) -> tuple[np.ndarray, ...]:
    """Return an estimate's arrays, in the order of its fields."""
    return estimate.value, estimate.error, estimate.below, estimate.above, estimate.kink


def _get_epsilon(value: Any) -> float:
    dtype = np.asarray(value).dtype
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else float(np.finfo(float).eps)
