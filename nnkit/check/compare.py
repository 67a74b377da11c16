"""Comparing what was returned with a numerical estimate: wrong means wrong beyond the estimate's error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnkit.check.verdict import Entry
from nnkit.numerical import Estimate

SHOWN = 4


@dataclass(frozen=True)
class Target:
    """A right gradient as the interval that it may lie in: a point and its error, or, at a kink, all
    that lies between the slopes from below and from above."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kinks: int


def project(estimate: Estimate, upstream: np.ndarray) -> Target:
    """The vector-Jacobian product of a numerical Jacobian (*output, *input) with an upstream (*output)."""
    axes = upstream.ndim
    value = np.tensordot(upstream, estimate.value, axes)
    error = np.tensordot(np.abs(upstream), estimate.error, axes)
    # Rounding in the learner's own sum, which may add large terms that cancel.
    rounding = 64 * np.finfo(float).eps * np.tensordot(np.abs(upstream), np.abs(estimate.value), axes)
    slack = 10 * error + rounding + 1e-9 * np.abs(value)
    weight = upstream.reshape((*upstream.shape, *(1,) * (estimate.value.ndim - axes)))
    ends = weight * estimate.below, weight * estimate.above
    over = tuple(range(axes))
    low = np.minimum(*ends).sum(axis=over) if axes else np.minimum(*ends)
    high = np.maximum(*ends).sum(axis=over) if axes else np.maximum(*ends)
    kinked = estimate.kink.any(axis=over) if axes else estimate.kink
    slack = np.where(kinked, slack + 1e-6 * (np.abs(low) + np.abs(high)), slack)
    low, high = np.where(kinked, low, value) - slack, np.where(kinked, high, value) + slack
    return Target(value, low, high, int(np.sum(kinked)))


def wrong_entries(returned: np.ndarray, target: Target) -> np.ndarray:
    """True where `returned` lies outside the interval (a NaN always does)."""
    return ~((returned >= target.low) & (returned <= target.high))


def table(name: str, returned: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> tuple[Entry, ...]:
    """The first few wrong entries, as rows."""
    indices = [tuple(int(i) for i in index) for index in np.argwhere(wrong)[:SHOWN]]
    return tuple(Entry(place(name, i), float(returned[i]), float(expected[i])) for i in indices)


def worst(returned: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> tuple[int, ...]:
    """The index of the largest error among the wrong entries; a NaN counts as the largest."""
    error = np.where(wrong, np.abs(returned - expected), -1.0)
    flat = np.argmax(np.where(np.isnan(error), np.inf, error))
    return tuple(int(i) for i in np.unravel_index(flat, error.shape))


def place(name: str, index: tuple[int, ...]) -> str:
    """How Python would spell the entry: "dx[0, 2]", or "dx" alone for a scalar."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name
