"""Comparisons with one size of an axis changed by itself: they tell a size from a constant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from nnkit.check.evidence import sampling
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject

MAX_SIZES = 5
"""Different sizes of axes that are changed."""


def list_sizes(inputs: Arrays) -> list[int]:
    """Return the different sizes of more than one entry."""
    return sorted({size for x in inputs for size in np.shape(x) if size > 1})


def compare_other_sizes(
    subject: Subject, inputs: Arrays, rng: np.random.Generator
) -> Iterator[tuple[int, list[Comparison]]]:
    """Yield each size with comparisons in which it is another one; with none where the code or the function does not
    take that."""
    sizes = list_sizes(inputs)
    for size in sizes[:MAX_SIZES]:
        free = (other for other in count(size + 1) if other not in sizes)
        multiples = (other for other in count(2 * size, size) if other not in sizes)
        others = (next(free), next(multiples))
        found = (_compare(subject, sampling.resize_inputs(inputs, {size: other}, rng), rng) for other in others)
        yield size, next(filter(None, found), [])


def _compare(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Comparison]:
    try:
        out = np.asarray(subject.function(*inputs), dtype=float)
        if not np.all(np.isfinite(out)):
            return []
        batch = sampling.find_batch_size(subject, inputs)
        found = sampling.compare_at(subject, inputs, [subject.upstream(out.shape, rng)], (), batch)
    except Exception:  # sizes that were drawn, not chosen, may be outside of what the code takes
        return []
    if isinstance(found, Finding):
        return []
    fits = all(np.shape(w) == r.shape for w, r in zip(found[0].returned, found[0].right))
    return found if fits else []
