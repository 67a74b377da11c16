"""Comparison of gradients with numerical estimates: wrong means wrong beyond the estimate's error bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.conditioning import allow_for_condition
from nnkit.check.verdict import Entry
from nnkit.numerical import Estimate

MAX_TABLE_ROWS = 4
MAX_CLOSER_ENTRIES = 64
"""Entries without a slope that are looked at more closely."""
MAX_JACOBIAN_ENTRIES = 4_000_000
EPSILON = float(np.finfo(float).eps)
MIN_ERROR = 1e-5
"""Relative error of one entry that must show, here or elsewhere."""


@dataclass(frozen=True)
class Target:
    """A right gradient as the interval that it may lie in: a point and its error, or, at a kink, all
    that lies between the slopes from below and from above."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error_bound: np.ndarray
    """The error bound of `value` itself (infinite at a kink); the interval also has room for the learner's rounding."""
    kinks: int
    kinked_outputs: tuple[tuple[int, int], ...] = ()
    """The pairs (entry, output) at which the slopes from below and from above differ, as flat indices."""
    columns: tuple[Estimate, ...] = field(default=(), repr=False)
    """The derivatives from which it was made: parts of the Jacobian, where they were kept."""
    plain: np.ndarray | float = field(default=math.inf, repr=False)
    """Room for rounding relative to the gradient itself: an error beyond it may pass here, and must show elsewhere."""

    @property
    def jacobian(self) -> np.ndarray | None:
        """The derivative of each entry of the output (flat) by each entry of the input (flat)."""
        if not self.columns:
            return None
        return np.concatenate([c.value.reshape(len(c.value), -1) for c in self.columns]).T

    @property
    def unknown(self) -> np.ndarray:
        """True where there is no finite slope to compare with."""
        return np.asarray(~np.isfinite(self.value))

    def misses(self, returned: Any) -> np.ndarray:
        """Return True where `returned` lies outside the interval (NaN always does), which an entry that is unknown does
        not; everywhere if its shape differs."""
        if np.shape(returned) != self.value.shape:
            return np.ones(self.value.shape, dtype=bool)
        missed: np.ndarray = ~((returned >= self.low) & (returned <= self.high)) & ~self.unknown
        return missed

    def doubts(self, returned: np.ndarray) -> np.ndarray:
        """Return True where `returned` is in the interval for no other reason than room that could hide an error of
        its own size times 10⁻⁵: that of rounding beside larger numbers, or of the estimate."""
        seen = np.where(self.error_bound <= MIN_ERROR * np.abs(self.value), self.error_bound, 0.0)
        far = np.abs(returned - self.value) > self.plain + seen
        return np.asarray(far & np.isfinite(self.error_bound) & ~self.misses(returned))

    def narrow(self) -> Target:
        """Return the target without that room."""
        room = self.plain + np.minimum(self.error_bound, 0.1 * MIN_ERROR * np.abs(self.value))
        return replace(self, low=self.value - room, high=self.value + room)


def vjp_targets(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    upstreams: Sequence[np.ndarray],
    rounding: Any = 0.0,
    exact: bool | None = None,
    known: Estimate | None = None,
) -> list[Target]:
    """Return the vector-Jacobian products of these upstream gradients with ∂function/∂inputs[wrt], entry by entry.

    `rounding` is what rounding adds to a gradient beyond the estimate: a number, or one for each entry. `exact` is the
    result of `numerical.allows_complex_step`, if it is known; `known` are the derivatives themselves.
    """
    shape = np.shape(inputs[wrt])
    weights = np.stack([np.asarray(g, dtype=float).reshape(-1) for g in upstreams])
    columns = [known] if known else list(numerical.estimate_columns(function, inputs, wrt, exact))
    value, error_bound, low, high, kinked = (
        np.concatenate(p, axis=-1) for p in zip(*(_project_estimate(c, weights) for c in columns))
    )
    scale = np.max(np.abs(weights), axis=-1, keepdims=True, initial=0.0) * _scale_of(inputs[wrt])
    plain = _relative_room(value, _find_coupled(columns, weights, value)) + np.ravel(rounding)
    slack = plain + 64 * EPSILON * scale
    low, high = _make_interval(value, error_bound + slack, low, high, kinked)
    at = _find_kinked_outputs(columns) if kinked.any() else ()
    return [
        Target(*(part.reshape(shape) for part in (v, a, b, e)), int(np.sum(k)), at, tuple(columns), p.reshape(shape))
        for v, a, b, e, k, p in zip(value, low, high, error_bound, kinked, plain)
    ]


def _find_kinked_outputs(columns: Sequence[Estimate]) -> tuple[tuple[int, int], ...]:
    kinks = np.concatenate([c.kink.reshape(len(c.kink), -1) for c in columns])
    return tuple((int(entry), int(output)) for entry, output in np.argwhere(kinks))


def _scale_of(x: Any) -> float:
    return min(max(1.0, float(np.max(np.abs(x)))), 1e4)


def _relative_room(value: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return the room for the learner's own rounding that is relative to the gradient: an entry far below the largest
    that it is mixed with is what is left of larger numbers that cancel."""
    room: np.ndarray = 1e-9 * np.abs(value) + 1e-12 * largest
    return room


def _rounding_room(value: np.ndarray, largest: np.ndarray, scale: Any) -> np.ndarray:
    """Return the room for the learner's own rounding: an entry may be what is left of numbers of the inputs' size, too,
    that cancel. What needs this room is looked at elsewhere."""
    return _relative_room(value, largest) + 64 * EPSILON * scale


def _find_coupled(columns: Sequence[Estimate], weights: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return for each entry the largest share that any entry has in an output that this one changes too: an elementwise
    gate mixes nothing, a normalisation everything."""
    jacobian = np.abs(np.concatenate([c.value.reshape(len(c.value), -1) for c in columns])).T  # (output, input)
    if jacobian.size > MAX_JACOBIAN_ENTRIES:
        return np.broadcast_to(np.max(np.abs(value), axis=-1, keepdims=True, initial=0.0), value.shape)
    rows = np.abs(weights) * np.max(jacobian, axis=1, initial=0.0)
    return np.stack([np.max(np.where(jacobian > 0, row[:, None], 0.0), axis=0, initial=0.0) for row in rows])


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
        found = _project_estimate(Estimate(*(f[None] for f in numerical.list_fields(column))), weights)
        slope, bound, below, above, kinked = (part[0] for part in found)
        if np.isfinite(slope[0]):
            ends = _make_interval(slope, bound + _rounding_room(slope, np.abs(slope), 1.0), below, above, kinked)
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
    value, error_bound, below, above, kinked = _project_estimate(
        Estimate(*(f[None] for f in numerical.list_fields(column))), weights
    )
    slack = error_bound + np.maximum(room, _relative_room(value, np.abs(value)))
    low, high = _make_interval(value, slack, below, above, kinked)
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

    room = 64 * EPSILON * float(np.max(np.abs(g), initial=0.0)) if room is None else room
    slope, low, high = _recompute(project, inputs, wrt, entry, np.ones(()), returned, room)
    return None if low <= returned <= high or not np.isfinite(slope) else slope


def _make_interval(
    value: np.ndarray, slack: np.ndarray, low: np.ndarray, high: np.ndarray, kinked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval; at a kink it includes 0, as gates may pass nothing on there."""
    slack = np.where(kinked, 1e-6 * (np.abs(low) + np.abs(high)) + 64 * EPSILON, slack)
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    return np.where(kinked, low, value) - slack, np.where(kinked, high, value) + slack


def jacobian_target(function: Callable[..., Any], inputs: tuple[Any, ...], wrt: int, returned: np.ndarray) -> Target:
    """Return ∂function/∂inputs[wrt] itself as a target, with the entries that miss it recomputed."""
    estimate = numerical.estimate_jacobian(function, inputs, wrt)
    flat = Estimate(*(np.reshape(f, (-1, 1)) for f in numerical.list_fields(estimate)))
    value, error_bound, low, high, kinked = (part[0] for part in _project_estimate(flat, np.ones((1, 1))))
    plain = _relative_room(value, np.full(value.shape, np.max(np.abs(value), initial=0.0)))
    floor = np.full(value.shape, 64 * EPSILON * _scale_of(inputs[wrt]))
    if returned.shape == estimate.value.shape and np.any(np.abs(np.ravel(returned) - value) > plain + error_bound):
        floor = np.minimum(floor, 64 * _measure_rounding(function, inputs, wrt, estimate))
    low, high = _make_interval(value, error_bound + plain + floor, low, high, kinked)
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


def _project_estimate(column: Estimate, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return value, error_bound, low, high, kinked of each upstream (rows) and entry (columns)."""
    value_of, error, below, above, kink = (f.reshape(len(f), -1) for f in numerical.list_fields(column))
    size = np.abs(weights)
    value, magnitude = weights @ value_of.T, size @ np.abs(value_of).T
    # Rounding in a sum that may add large terms which cancel.
    error_bound = 30 * (size @ error.T) + 64 * EPSILON * magnitude
    low, high, kinked = value, value, np.zeros(value.shape, dtype=bool)
    if kink.any():
        ends = weights[:, None, :] * below, weights[:, None, :] * above
        low, high = np.minimum(*ends).sum(axis=-1), np.maximum(*ends).sum(axis=-1)
        kinked = np.broadcast_to(kink.any(axis=-1), value.shape)
        error_bound = np.where(kinked, np.inf, error_bound)
    return value, error_bound, low, high, kinked


def make_table(name: str, returned: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> tuple[Entry, ...]:
    """Return the first few wrong entries, as rows."""
    indices = [tuple(int(i) for i in index) for index in np.argwhere(wrong)[:MAX_TABLE_ROWS]]
    return tuple(Entry(format_place(name, i), float(returned[i]), float(expected[i])) for i in indices)


def find_worst(returned: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> tuple[int, ...]:
    """Return the index of the largest error among the wrong entries; a NaN counts as the largest."""
    error = np.where(wrong, np.abs(returned - expected), -1.0)
    flat = np.argmax(np.where(np.isnan(error), np.inf, error))
    return tuple(int(i) for i in np.unravel_index(flat, error.shape))


def format_place(name: str, index: tuple[int, ...]) -> str:
    """Return the entry as Python spells it: "dx[0, 2]", or "dx" alone for a scalar."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name
