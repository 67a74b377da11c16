"""Inputs of other sizes in value, at which a gradient that rounding hides at those that were given may show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.directions import draw_ways, extrapolate_along, find_gap
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import vjp_targets

NEAR_ONE = 0.7
"""Largest entry of inputs that are scaled to about 1: probabilities stay below 1."""
MOVES = 6
MOVES_OF_TARGETS = 2
"""Times that inputs are moved by a few units of their last digits, and that gradients are measured there."""
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


def is_beyond_rounding(subject: Subject, comparison: Comparison, rng: np.random.Generator) -> bool:
    """Return True if something is wrong, at a kink or by more than the rounding of the learner's own code explains."""
    pairs = list(zip(comparison.targets, comparison.returned))
    if any(w.shape != t.value.shape for t, w in pairs):
        return True
    missed = [t.misses(w) for t, w in pairs]
    if not any(mask.any() for mask in missed):
        return False
    if any((mask & ~np.isfinite(t.error_bound)).any() for mask, (t, _) in zip(missed, pairs)):
        return True
    return any(mask.any() for mask in find_beyond_rounding(subject, comparison, missed, rng, 0))


def find_beyond_rounding(
    subject: Subject,
    comparison: Comparison,
    masks: Sequence[np.ndarray],
    rng: np.random.Generator,
    moves_of_targets: int = MOVES_OF_TARGETS,
) -> list[np.ndarray]:
    """Return True for those of these entries whose errors are larger than rounding explains."""
    rounding = measure_rounding(subject, comparison, rng, moves_of_targets)
    return [
        mask & (np.abs(w - t.value) > ROUNDING_FACTOR * room) & np.isfinite(t.error_bound)
        for mask, w, t, room in zip(masks, comparison.returned, comparison.targets, rounding)
    ]


def find_zeros(subject: Subject, comparison: Comparison, rng: np.random.Generator) -> list[np.ndarray]:
    """Return True for the entries that are 0 up to their own rounding, and measured as 0."""
    rounding = measure_rounding(subject, comparison, rng, 0)
    return [
        (np.abs(w) <= ROUNDING_FACTOR * room) & (np.abs(t.value) <= t.error_bound + ROUNDING_FACTOR * room)
        for w, t, room in zip(comparison.returned, comparison.targets, rounding)
    ]


def measure_rounding(
    subject: Subject, comparison: Comparison, rng: np.random.Generator, moves_of_targets: int
) -> list[np.ndarray]:
    """Return how much each gradient, or the measured one, changes as the last digits of inputs and upstream gradient
    do: what rounding and the condition of the problem may do, and no mistake. Infinite where it cannot be had."""
    changes = [np.zeros(t.value.shape) for t in comparison.targets]
    for move in range(MOVES):
        inputs = tuple(_shake(x, rng) if i in subject.wrt else x for i, x in enumerate(comparison.inputs))
        upstream = np.asarray(_shake(comparison.upstream, rng)) if subject.takes_upstream else comparison.upstream
        returned = subject.gradients(inputs, upstream)
        if isinstance(returned, Finding):
            return [np.full(change.shape, np.inf) for change in changes]
        pairs = list(zip(comparison.returned, returned))
        if move < moves_of_targets:
            targets = (vjp_targets(subject.function, inputs, i, [upstream])[0] for i in subject.wrt)
            pairs += [(old.value, new.value) for old, new in zip(comparison.targets, targets)]
        for k, (old, new) in enumerate(pairs):
            k %= len(changes)
            changes[k] = np.maximum(changes[k], np.abs(new - old))
    return [np.maximum(change, _median_of_positive(change)) for change in changes]  # digits may happen to stay


def _shake(x: Any, rng: np.random.Generator) -> Any:
    """Change the last digits."""
    return (x * (1 + np.finfo(float).eps * rng.integers(-4, 5, size=np.shape(x))))[()]


def _median_of_positive(numbers: np.ndarray) -> float:
    return float(np.median(numbers[numbers > 0])) if np.any(numbers > 0) else 0.0


def contradicts(
    subject: Subject, inputs: Arrays, upstream: np.ndarray, returned: Arrays, rng: np.random.Generator
) -> bool:
    """Return True if the slope along a random direction, by real steps, is clearly another one than the gradients'."""
    way = draw_ways(inputs, subject.wrt, rng)
    measured = extrapolate_along(subject.function, inputs, way)
    if measured is None:
        return False
    gap = find_gap(subject, inputs, upstream, zip(subject.wrt, returned), way, *measured)
    return gap.distance > CLEARLY * gap.slack
