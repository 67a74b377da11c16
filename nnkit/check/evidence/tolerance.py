"""Comparison of gradients with numerical estimates: wrong means wrong beyond the estimate's error bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.verdict import Entry
from nnkit.numerical import Estimate

MAX_TABLE_ROWS = 4
MAX_JACOBIAN_ENTRIES = 4_000_000
EPSILON = float(np.finfo(float).eps)
FLOOR = 64 * EPSILON
"""Room for what is left of numbers of about 1 that cancel. What needs it is looked at at other scales."""
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
        np.concatenate(p, axis=-1) for p in zip(*(project_estimate(c, weights) for c in columns))
    )
    scale = np.max(np.abs(weights), axis=-1, keepdims=True, initial=0.0) * find_scale(inputs[wrt])
    plain = relative_room(value, _find_coupled(columns, weights, value)) + np.ravel(rounding)
    slack = plain + FLOOR * scale
    low, high = make_interval(value, error_bound + slack, low, high, kinked)
    at = _find_kinked_outputs(columns) if kinked.any() else ()
    found = []
    for kinks, *parts in zip(kinked, value, low, high, error_bound, plain):
        v, a, b, error, room = (part.reshape(shape) for part in parts)
        found.append(Target(v, a, b, error, int(np.sum(kinks)), at, tuple(columns), room))
    return found


def _find_kinked_outputs(columns: Sequence[Estimate]) -> tuple[tuple[int, int], ...]:
    kinks = np.concatenate([c.kink.reshape(len(c.kink), -1) for c in columns])
    return tuple((int(entry), int(output)) for entry, output in np.argwhere(kinks))


def find_scale(x: Any) -> float:
    """Return the largest entry in absolute value, but 1 at least and 10⁴ at most."""
    return min(max(1.0, float(np.max(np.abs(x)))), 1e4)


def relative_room(value: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return the room for the learner's own rounding that is relative to the gradient: an entry far below the largest
    that it is mixed with is what is left of larger numbers that cancel."""
    room: np.ndarray = 1e-9 * np.abs(value) + 1e-12 * largest
    return room


def _find_coupled(columns: Sequence[Estimate], weights: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return for each entry the largest share that any entry has in an output that this one changes too: an elementwise
    gate mixes nothing, a normalisation everything."""
    jacobian = np.abs(np.concatenate([c.value.reshape(len(c.value), -1) for c in columns])).T  # (output, input)
    if jacobian.size > MAX_JACOBIAN_ENTRIES:
        return np.broadcast_to(np.max(np.abs(value), axis=-1, keepdims=True, initial=0.0), value.shape)
    rows = np.abs(weights) * np.max(jacobian, axis=1, initial=0.0)
    return np.stack([np.max(np.where(jacobian > 0, row[:, None], 0.0), axis=0, initial=0.0) for row in rows])


def make_interval(
    value: np.ndarray, slack: np.ndarray, low: np.ndarray, high: np.ndarray, kinked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval; at a kink it includes 0, as gates may pass nothing on there."""
    slack = np.where(kinked, 1e-6 * (np.abs(low) + np.abs(high)) + FLOOR, slack)
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    return np.where(kinked, low, value) - slack, np.where(kinked, high, value) + slack


def project_estimate(column: Estimate, weights: np.ndarray) -> tuple[np.ndarray, ...]:
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
