"""Ties: equal inputs of which a maximum takes one. Each may get any share of what comes down; together they get all of
it, for the maximum grows as they do when all of them grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.tolerance import Target

MAX_GROUPS = 12
"""Groups of tied entries that are looked at in one comparison."""
SMALL_STEP = 1e-6
"""Step, relative to an entry, that shows what the kink alone does."""
Entries = tuple[tuple[int, int], ...]
"""Entries of gradients: (position of the gradient, flat index)."""


def narrow_at_ties(comparison: Comparison) -> Comparison:
    """Return the comparison with targets that are points where the shares of tied entries do not add up: what came
    back, and an equal part of what is missing or too much."""
    fixed: dict[tuple[int, int], float] = {}
    for group in _find_groups(comparison):
        if not fixed.keys() & set(group):
            fixed |= _find_shares(comparison, group)
    if not fixed:
        return comparison
    targets = list(comparison.targets)
    for k in {k for k, _ in fixed}:
        targets[k] = _narrow(targets[k], {entry: share for (own, entry), share in fixed.items() if own == k})
    return replace(comparison, targets=tuple(targets), tied=True)


def _narrow(target: Target, shares: Mapping[int, float]) -> Target:
    """Return the target with these values at these entries, and room for rounding only."""
    value, low, high, bound = (np.array(a) for a in (target.value, target.low, target.high, target.error_bound))
    for entry, share in shares.items():
        room = 1e-9 * abs(share)
        value.flat[entry], bound.flat[entry] = share, room
        low.flat[entry], high.flat[entry] = share - room, share + room
    return replace(target, value=value, low=low, high=high, error_bound=bound)


def _find_shares(comparison: Comparison, group: Entries) -> Mapping[tuple[int, int], float]:
    """Return shares that add up, where those that came back do not."""
    slope = None if _is_independent(comparison, group) else _slope_together(comparison, group)
    if slope is None:
        return {}
    shares = [float(comparison.returned[k].flat[entry]) for k, entry in group]
    expected, error = slope
    room = 1e-6 * (sum(map(abs, shares)) + abs(expected)) + error
    lacking = expected - sum(shares)
    return {at: w + lacking / len(group) for at, w in zip(group, shares)} if abs(lacking) > room else {}


def _is_independent(comparison: Comparison, group: Entries) -> bool:
    """Return True if the first entry's kink has nothing to do with the others': each changes the output as if the
    others were not there, as zeros before a ReLU do."""
    first, *others = group[: MAX_GROUPS + 1]
    at, own = _value_at(comparison, ()), _value_at(comparison, (first,))
    for other in others:
        alone, both = _value_at(comparison, (other,)), _value_at(comparison, (first, other))
        mixed = np.max(np.abs(both - own - alone + at), initial=0.0)
        if mixed > 0.1 * max(np.max(np.abs(own - at), initial=0.0), np.max(np.abs(alone - at), initial=0.0)):
            return False
    return True


def _value_at(comparison: Comparison, moved: Entries) -> np.ndarray:
    """Return the value where these entries are a little larger."""
    inputs = [np.array(x) for x in comparison.inputs]
    for k, entry in moved:
        x = inputs[comparison.wrt[k]]
        x.flat[entry] += SMALL_STEP * max(abs(float(x.flat[entry])), numerical.MIN_SCALE)
    return np.asarray(comparison.function(*(x[()] for x in inputs)), dtype=float)


def _slope_together(comparison: Comparison, group: Entries) -> tuple[float, float] | None:
    """Return the slope as all entries of a group grow together, and its error; None if there is a kink on that way."""
    inputs, wrt = comparison.inputs, comparison.wrt
    k, entry = group[0]
    step = max(abs(float(np.asarray(inputs[wrt[k]]).flat[entry])), numerical.MIN_SCALE)
    ways = {wrt[k]: np.zeros(np.shape(inputs[wrt[k]])) for k, _ in group}
    for k, entry in group:
        ways[wrt[k]].flat[entry] = step
    slope = numerical.estimate_along(comparison.function, inputs, ways)
    g = comparison.upstream
    error = 30 * float(np.sum(np.abs(g) * slope.error)) / step
    return None if np.any(slope.kink) or not np.isfinite(error) else (float(np.sum(g * slope.value)) / step, error)


def _find_groups(comparison: Comparison) -> list[Entries]:
    """Return the groups of equal entries that have a kink in the same output; then all that are equal, where several
    such groups overlap."""
    if any(w.shape != t.value.shape for w, t in zip(comparison.returned, comparison.targets)):
        return []
    groups = list(dict.fromkeys(_iterate_groups(comparison)))[:MAX_GROUPS]
    joined: dict[float, set[tuple[int, int]]] = {}
    for group in groups:
        joined.setdefault(_value_of(comparison, group[0]), set()).update(group)
    return list(dict.fromkeys([*groups, *(tuple(sorted(group)) for group in joined.values())]))


def _iterate_groups(comparison: Comparison) -> Iterator[Entries]:
    at_output: dict[int, list[tuple[int, int]]] = {}
    for k, target in enumerate(comparison.targets):
        for entry, output in target.kinked_outputs:
            at_output.setdefault(int(output), []).append((k, int(entry)))
    for entries in at_output.values():
        equal: dict[float, list[tuple[int, int]]] = {}
        for at in entries:
            equal.setdefault(_value_of(comparison, at), []).append(at)
        yield from (tuple(group) for group in equal.values() if len(group) > 1)


def _value_of(comparison: Comparison, at: tuple[int, int]) -> float:
    k, entry = at
    return float(np.asarray(comparison.inputs[comparison.wrt[k]]).flat[entry])
