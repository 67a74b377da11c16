"""Domains of functions: whether inputs that were tried lie beyond an end of the interval for which it was written."""

from __future__ import annotations

import numpy as np

from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.subjects import Subject

CLOSER = 1e-3
"""Share of the way to an end of the interval that is left after each move."""
STEEP = 10 * CLOSER
"""Change of the function over the last thousandth of the way to an end, relative to that over the way up to there. A
smooth function changes by CLOSER, a logarithm as much again."""
ENDS = (0.0, 1.0)


def leaves_domain(subject: Subject, inputs: Arrays, others: Arrays) -> bool:
    """Return True if all of an input lies above 0, or between 0 and 1, others do not, and the function has no slope at
    an end of that: log(clip(p, 1e-12, 1)) is meant for probabilities."""
    return any(_leaves_interval(subject, inputs, np.asarray(others[i], float), i) for i in subject.wrt)


def _leaves_interval(subject: Subject, inputs: Arrays, other: np.ndarray, i: int) -> bool:
    x = np.asarray(inputs[i], float)
    if np.min(x, initial=1.0) <= 0:
        return False
    low, *high = ENDS if np.max(x, initial=0.0) < 1 else ENDS[:1]
    beyond = np.any(other <= low) or any(np.any(other >= end) for end in high)
    return bool(beyond) and any(_is_steep(subject, inputs, i, end) for end in (low, *high))


def _is_steep(subject: Subject, inputs: Arrays, i: int, end: float) -> bool:
    """Return True if the function changes about as much when the input comes a thousand times closer to the end, and
    then again."""

    def value(share: float) -> np.ndarray:
        moved = (end + share * (np.asarray(inputs[i], float) - end))[()]
        return np.asarray(subject.function(*inputs[:i], moved, *inputs[i + 1 :]), float)

    far, near, nearest = value(1.0), value(CLOSER), value(CLOSER**2)
    with np.errstate(all="ignore"):
        way, rest = float(np.max(np.abs(near - far), initial=0.0)), float(np.max(np.abs(nearest - near), initial=0.0))
    return not np.isfinite(way + rest) or rest > STEEP * way
