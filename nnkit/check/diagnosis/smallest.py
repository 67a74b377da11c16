"""The smallest example that still fails: few entries, round numbers, an upstream gradient of zeros and ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nnkit.check.evidence import sampling
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject

MAX_EXAMPLE_ENTRIES = 12
"""Numbers in the inputs of an example that a learner can follow by hand."""
MAX_UPSTREAM_ENTRIES = 6
SIDES = (1, 2, 3)
"""Lengths of all axes that are tried."""


def find_smallest(
    subject: Subject,
    comparison: Comparison,
    k: int,
    rng: np.random.Generator,
    agrees: Callable[[Comparison], bool] = lambda found: True,
) -> Comparison | None:
    """Return a comparison at a smaller or rounder example in which the k-th gradient is wrong too, and that agrees with
    what is said of it; None if there is none that is small enough."""
    for inputs in _shrink_inputs(comparison.inputs, rng):
        if sum(map(np.size, inputs)) > MAX_EXAMPLE_ENTRIES:
            continue
        for found in _compare_with_simple_upstreams(subject, inputs):
            if _still_fails(found, comparison, k) and agrees(found):
                return found
    return None


def _still_fails(found: Comparison, comparison: Comparison, k: int) -> bool:
    """Return True if the same gradient is wrong, by more than rounding, and in its shape only where it was before."""
    if not found.is_wrong(k):
        return False
    had_shape, has_shape = (c.returned[k].shape == c.targets[k].value.shape for c in (comparison, found))
    if had_shape != has_shape:
        return False
    return not has_shape or bool(np.max(np.abs(found.returned[k] - found.right[k])) > 1e-6)


def _shrink_inputs(inputs: Arrays, rng: np.random.Generator) -> Iterator[Arrays]:
    """Yield the inputs with all axes at one length, and as they are; each filled with 2, 3 and 1, then with its own
    numbers rounded, to whole ones and to one decimal."""
    sizes = {size for x in inputs for size in np.shape(x)}
    sides = [side for side in SIDES if any(size > side for size in sizes)]
    resized = [_resize_inputs(inputs, side, rng) for side in sides] + [inputs]
    for smaller in resized:
        yield tuple(_count_up(x) for x in smaller)
        yield from (tuple(_round(x, digits) for x in smaller) for digits in (0, 1))


def _resize_inputs(inputs: Arrays, side: int, rng: np.random.Generator) -> Arrays:
    sizes = {size: min(size, side) for x in inputs for size in np.shape(x)}
    smaller = sampling.resize_inputs(inputs, sizes, rng)
    # Labels count the classes, which are fewer now.
    return tuple(x % side if np.asarray(x).dtype.kind in "iu" else x for x in smaller)


def _count_up(x: np.ndarray) -> np.ndarray:
    """Return 2, 3, 1, 2, ... in place of numbers, with their signs; what holds zeros and ones alone stays."""
    x = np.asarray(x)
    if x.dtype.kind in "iu" or set(np.unique(x)) <= {0.0, 1.0}:
        return x
    return np.asarray(np.resize([2.0, 3.0, 1.0], x.shape) * np.where(x < 0, -1.0, 1.0))[()]


def _round(x: np.ndarray, digits: int) -> np.ndarray:
    """Round to this many digits, and keep off 0, where many functions have a kink or no value."""
    x = np.asarray(x)
    if x.dtype.kind in "iu":
        return x
    rounded = np.round(x, digits)
    unit = 10.0**-digits
    return np.asarray(np.where((rounded == 0) & (x != 0), np.where(x < 0, -unit, unit), rounded))[()]


def _compare_with_simple_upstreams(subject: Subject, inputs: Arrays) -> Iterator[Comparison]:
    """Yield comparisons for upstream gradients of ones, of a single 1, and of 2, where the code takes these inputs."""
    try:
        out = np.asarray(subject.function(*inputs), dtype=float)
        if not np.all(np.isfinite(out)) or out.size > MAX_UPSTREAM_ENTRIES:
            return
        upstreams = [subject.upstream(out.shape, np.random.default_rng(0)) * 0 + 1]
        if subject.takes_upstream:
            upstreams += [_onehot(out.shape, at) for at in range(out.size) if out.size > 1] + [2 * upstreams[0]]
        found = sampling.compare_at(subject, inputs, upstreams)
    except Exception:  # sizes that were drawn, not chosen, may be outside of what the code takes
        return
    yield from () if isinstance(found, Finding) else found


def _onehot(shape: tuple[int, ...], at: int) -> np.ndarray:
    onehot = np.zeros(shape)
    onehot.flat[at] = 1.0
    return onehot
