"""Inputs of other sizes in value, at which a gradient that rounding hides at those that were given may show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.directions import draw_ways, extrapolate_along, find_gap
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject

NEAR_ONE = 0.7
"""Largest entry of inputs that are scaled to about 1: probabilities stay below 1."""
MOVES = 6
"""Times that inputs are moved by a few units of their last digits."""
ROUNDING_FACTOR = 64
"""Room for rounding, in changes of a gradient as the last digits of the inputs change."""
CLEARLY = 10
"""Times by which a slope must lie beyond its error to contradict gradients."""


def list_scaled(subject: Subject, inputs: Arrays) -> Iterator[Arrays]:
    """Yield the inputs that are differentiated at other scales: at about 1, half the way to it, and a third and three
    times of what they are."""
    sizes = {i: float(np.max(np.abs(inputs[i]))) for i in subject.wrt}
    factors = (
        {i: NEAR_ONE / size for i, size in sizes.items() if size},
        {i: 1 / np.sqrt(size) for i, size in sizes.items() if size},
        dict.fromkeys(sizes, 1 / 3),
        dict.fromkeys(sizes, 3.0),
    )
    for factor in factors:
        if any(not 0.5 < f < 2 for f in factor.values()):
            yield tuple((x * factor.get(i, 1.0))[()] if i in sizes else x for i, x in enumerate(inputs))


def measure_rounding(
    subject: Subject, inputs: Arrays, upstream: np.ndarray, returned: Arrays, rng: np.random.Generator
) -> Arrays:
    """Return how much each gradient changes as the last digits of inputs and upstream gradient do: what its own
    rounding and its condition may do, and nothing that is a mistake. Infinite where it cannot be had."""

    def move(x: np.ndarray) -> np.ndarray:
        moved: np.ndarray = (x * (1 + np.finfo(float).eps * rng.integers(-4, 5, size=np.shape(x))))[()]
        return moved

    changes = [np.zeros(np.shape(w)) for w in returned]
    for _ in range(MOVES):
        moved = tuple(move(x) if i in subject.wrt else x for i, x in enumerate(inputs))
        others = subject.gradients(moved, np.asarray(move(upstream)) if subject.takes_upstream else upstream)
        if isinstance(others, Finding):
            return tuple(np.full(np.shape(w), np.inf) for w in returned)
        changes = [np.maximum(most, np.abs(other - w)) for most, other, w in zip(changes, others, returned)]
    return tuple(np.maximum(change, np.median(change)) for change in changes)  # digits may happen to stay


def find_beyond_rounding(
    subject: Subject, comparison: Comparison, masks: Sequence[np.ndarray], rng: np.random.Generator
) -> list[np.ndarray]:
    """Return True for those of these entries whose errors are larger than rounding explains."""
    rounding = measure_rounding(subject, comparison.inputs, comparison.upstream, comparison.returned, rng)
    return [
        mask & (np.abs(w - t.value) > ROUNDING_FACTOR * room)
        for mask, w, t, room in zip(masks, comparison.returned, comparison.targets, rounding)
    ]


def contradicts(subject: Subject, comparison: Comparison, rng: np.random.Generator) -> bool:
    """Return True if the slope along a random direction, by real steps, is clearly another one than the gradients'."""
    way = draw_ways(comparison.inputs, subject.wrt, rng)
    measured = extrapolate_along(subject.function, comparison.inputs, way)
    if measured is None:
        return False
    pairs = zip(subject.wrt, comparison.returned)
    gap = find_gap(subject, comparison.inputs, comparison.upstream, pairs, way, *measured)
    return gap.distance > CLEARLY * gap.slack
