"""Comparisons at sampled inputs: those that were given, others nearby, and others of other sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.careful_slopes import recheck
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import vjp_targets
from nnkit.check.evidence.traced_columns import compute_columns

STEPS = tuple(10.0**-k for k in range(2, 8))
"""Step sizes with which people measure derivatives."""

NEAR_TIE = 1e-3
"""Relative difference of numbers that are nearly equal."""
SHAKE = 1e-3
"""Relative change of an input that changes what is lost to float32 altogether, and other errors hardly."""
MIN_ENTRIES_KEPT = 12
"""Entries of an array from which on some are kept as they are where others are made nearly equal."""
DIRECTIONS = 3
SQUARE = 4


def compare_at(
    subject: Subject,
    inputs: Arrays,
    upstreams: Sequence[np.ndarray],
    known: Sequence[Arrays] = (),
    batch: int = 0,
    resized: bool = False,
) -> list[Comparison] | Finding:
    """Compare every entry, once for each upstream gradient. `known` is what came back for the first of them, where
    those calls were made already."""
    function = subject.function
    out = np.asarray(function(*inputs), dtype=float)
    weights = [w for g in upstreams for w in (g, g * g)] + [np.ones(out.shape)]
    exact = numerical.allows_complex_step(function, inputs, subject.wrt)
    traced = compute_columns(function, inputs, subject.wrt) if exact and not out.ndim else {}
    by_input = [
        vjp_targets(function, inputs, i, weights, subject.rounding(i, inputs), exact, traced.get(i))
        for i in subject.wrt
    ]
    comparisons = []
    for k, g in enumerate(upstreams):
        returned = known[k] if k < len(known) else subject.gradients(inputs, g)
        if isinstance(returned, Finding):
            return returned
        comparisons.append(
            Comparison(
                function=function,
                inputs=inputs,
                wrt=subject.wrt,
                upstream=g,
                out=out,
                returned=returned,
                targets=tuple(
                    recheck(targets[2 * k], w, function, inputs, i, g)
                    for i, w, targets in zip(subject.wrt, returned, by_input)
                ),
                squared=tuple(targets[2 * k + 1].value for targets in by_input),
                unweighted=tuple(targets[-1].value for targets in by_input),
                batch=batch,
                resized=resized,
                parameters=subject.parameters,
                step_size=subject.step_size,
                opaque=subject.opaque,
                engine=subject.engine,
                exact=exact,
                names=subject.names,
                outputs=subject.output_names,
                shake=partial(_find_shaken_errors, subject, inputs, g),
                list_float_faults=partial(subject.list_float_faults, inputs, g),
            )
        )
    return comparisons


def agrees_along(
    subject: Subject,
    inputs: Arrays,
    upstream: np.ndarray,
    returned: Arrays,
    rng: np.random.Generator,
    directions: int,
    exact: bool = False,
    rtol: float = 1e-11,
) -> bool:
    """Return True if the gradients agree with derivatives along random directions, in which every entry takes part.

    An error e (of any entries, as a vector in the scale of the inputs) shows as |N(0, 1)| · ‖e‖, so one direction
    misses an error of a thousand times the rounding with a probability below 0.001, three below 1e-9.

    `exact` says that the complex step was found right for this function at other inputs: what agrees with it needs no
    Richardson table. What does not may lie on another branch.
    """
    if any(w.shape != np.shape(inputs[i]) for i, w in zip(subject.wrt, returned)):
        return False
    for _ in range(directions):
        ways = {i: numerical.draw_direction(inputs[i], rng) for i in subject.wrt}
        slope = numerical.take_complex_step_along(subject.function, inputs, ways) if exact else None
        if slope is not None and _agrees(subject, inputs, upstream, returned, ways, slope, rtol):
            continue
        slope = numerical.find_best_estimate_along(subject.function, inputs, ways)
        if not _agrees(subject, inputs, upstream, returned, ways, slope, rtol):
            return False
    return True


def _find_shaken_errors(subject: Subject, inputs: Arrays, upstream: np.ndarray) -> Arrays | None:
    """Return how far off each gradient is at inputs that are moved a little."""
    moved = move_inputs(subject, inputs, np.random.default_rng(0), SHAKE)
    try:
        returned = subject.gradients(moved, upstream)
        if isinstance(returned, Finding):
            return None
        right = [vjp_targets(subject.function, moved, i, [upstream])[0].value for i in subject.wrt]
        return tuple(w - r for w, r in zip(returned, right))
    except Exception:  # outside of where the code is defined
        return None


def has_slope(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> bool:
    """Return True if the slope along a random direction is a finite number."""
    ways = {i: numerical.draw_direction(inputs[i], rng) for i in subject.wrt}
    return bool(np.all(np.isfinite(numerical.find_best_estimate_along(subject.function, inputs, ways).value)))


def _agrees(
    subject: Subject,
    inputs: Arrays,
    upstream: np.ndarray,
    returned: Arrays,
    ways: Mapping[int, np.ndarray],
    slope: numerical.Estimate,
    rtol: float,
) -> bool:
    shares = [np.sum(w * ways[i]) for i, w in zip(subject.wrt, returned)]
    ends = upstream * slope.below, upstream * slope.above
    low, high = float(np.sum(np.minimum(*ends))), float(np.sum(np.maximum(*ends)))
    own = float(sum(shares))
    size = sum(float(np.sum(np.abs(w * ways[i]))) for i, w in zip(subject.wrt, returned))
    rounding = sum(float(np.sum(subject.rounding(i, inputs) * np.abs(way))) for i, way in ways.items())
    slack = 10 * float(np.sum(np.abs(upstream) * slope.error)) + rounding
    slack += rtol * (size + float(np.sum(np.abs(upstream * slope.value))))
    # Where the direction meets kinks, any slope between the two sides is right.
    return low - slack <= own <= high + slack


def compare_varied(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> Iterator[Comparison]:
    """Compare nearby and with a batch of another size, to tell mistakes apart. Yields nothing where the learner's code
    or the function does not take these inputs."""
    batch = find_batch_size(subject, inputs)
    yield from _compare_if_possible(subject, move_inputs(subject, inputs, rng), rng, batch)
    if batch:
        yield from _compare_other_batch(subject, inputs, rng, batch)


def _compare_other_batch(subject: Subject, inputs: Arrays, rng: np.random.Generator, batch: int) -> list[Comparison]:
    """Compare with another number of examples. The batch is the first axis of all inputs that are as long as the first,
    or of the first one alone, or every axis of that size: the first guess that the function takes."""
    taken = {size for x in inputs for size in np.shape(x)}
    other = next(size for size in range(batch + 1, batch + len(taken) + 2) if size not in taken)
    free = [i for i in range(len(inputs)) if not (subject.parameters and i in subject.wrt)]
    as_long = [i for i in free if np.shape(inputs[i])[:1] == (batch,)]
    guesses = [_lengthen(inputs, chosen, other, rng) for chosen in (as_long, as_long[:1])]
    guesses.append(resize_inputs(inputs, {batch: other}, rng, subject.wrt if subject.parameters else ()))
    for guess in guesses:
        found = _compare_if_possible(subject, guess, rng, other, True)
        if found:
            return found
    return []


def _lengthen(inputs: Arrays, chosen: Sequence[int], length: int, rng: np.random.Generator) -> Arrays:
    """Return the inputs with the first axis of the chosen ones at this length, filled with (moved) entries."""
    found = list(inputs)
    for i in chosen:
        rows = inputs[i][rng.integers(len(inputs[i]), size=length)]
        found[i] = rows if _is_mask(inputs[i]) else _move(rows, rng, 0.2)
    return tuple(found)


def _is_mask(x: np.ndarray) -> bool:
    return x.dtype.kind in "iu" or set(np.unique(x)) <= {0.0, 1.0}


def compare_smaller(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Comparison]:
    """Compare with the same axes but few entries on each: a small array shows what is wrong with a large one."""
    sizes = sorted({size for x in inputs for size in np.shape(x) if size > 1})
    fewer = {size: min(size, few) for few, size in enumerate(sizes, start=4)}
    return _compare_resized(subject, inputs, fewer, fewer.get(find_batch_size(subject, inputs), 0), rng)


def compare_square(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Comparison]:
    """Compare with all axes but those of size 1 at one size, so that no product of matrices fails for its shapes."""
    labels = [x for x in inputs if np.asarray(x).dtype.kind in "iu"]
    side = max([SQUARE, *(int(np.max(x)) + 1 for x in labels)])
    sizes = {size: side for x in inputs for size in np.shape(x) if size > 1}
    return _compare_resized(subject, inputs, sizes, side, rng)


def _compare_resized(
    subject: Subject, inputs: Arrays, sizes: dict[int, int], batch: int, rng: np.random.Generator
) -> list[Comparison]:
    """Compare twice with inputs whose axes have other sizes (old → new)."""
    return [
        comparison
        for _ in range(2)
        for comparison in _compare_if_possible(subject, resize_inputs(inputs, sizes, rng), rng, batch, True)
    ]


def _compare_if_possible(
    subject: Subject, inputs: Arrays, rng: np.random.Generator, batch: int, other_sizes: bool = False
) -> list[Comparison]:
    try:
        out = np.asarray(subject.function(*inputs), dtype=float)
        if not np.all(np.isfinite(out)):
            return []
        found = compare_at(subject, inputs, [subject.upstream(out.shape, rng)], (), batch, other_sizes)
        return [] if isinstance(found, Finding) else found
    except Exception:  # inputs that were drawn, not chosen, may be outside of what the code takes
        return []


def list_far_off(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with an error far above all rounding, if there are any."""
    pairs = ((c, k, t) for c in comparisons for k, t in enumerate(c.targets) if c.is_wrong(k))
    return list(comparisons) if any(_is_far_off(c.returned[k], t.value) for c, k, t in pairs) else []


def _is_far_off(returned: Any, right: np.ndarray) -> bool:
    if np.shape(returned) != right.shape:
        return True
    return bool(np.nanmax(np.abs(returned - right)) > 1e-4 * np.nanmax(np.abs(right), initial=0.0))


def find_batch_size(subject: Subject, inputs: Arrays) -> int:
    """Return the size of the axis that is taken for the batch: the first of the first array that is not a parameter."""
    shapes = [np.shape(x) for i, x in enumerate(inputs) if not (subject.parameters and i in subject.wrt)]
    return next((shape[0] for shape in shapes if shape), 0)


def move_inputs(subject: Subject, inputs: Arrays, rng: np.random.Generator, amount: float = 0.2) -> Arrays:
    """Move every number that is differentiated by up to this share of itself, keeping its sign; zeros move too."""
    return tuple(_move(x, rng, amount) if i in subject.wrt else x for i, x in enumerate(inputs))


def scatter_inputs(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> Arrays:
    """Give half of the numbers that are differentiated the other sign, and all of them other sizes: a kink that the
    inputs lie on one side of, as positive numbers do before a ReLU, is met from the other side too."""
    sizes = [np.size(inputs[i]) for i in subject.wrt]
    signs = np.ones(sum(sizes))
    signs[::2] = -1.0
    factors = rng.permutation(signs) * np.exp(rng.uniform(-1, 1, sum(sizes)))
    found = list(move_inputs(subject, inputs, rng, 0.01))
    for i, size in zip(subject.wrt, sizes):
        part, factors = factors[:size], factors[size:]
        found[i] = (found[i] * part.reshape(np.shape(found[i])))[()]
    return tuple(found)


def tie_inputs(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> Arrays | None:
    """Return the inputs with most of the numbers that are differentiated close to the largest or the smallest one of
    all arrays of their shape; a maximum has close rivals then. None where there is nothing to tie."""
    numbers: dict[tuple[int, ...], list[float]] = {}
    for i in subject.wrt:
        numbers.setdefault(np.shape(inputs[i]), []).extend(np.ravel(inputs[i]).tolist())
    if all(len(rivals) == 1 for rivals in numbers.values()):
        return None
    found = list(move_inputs(subject, inputs, rng, 0.01))
    for i in subject.wrt:
        rivals = numbers[np.shape(inputs[i])]
        if len(rivals) > 1:
            found[i] = _tie(np.asarray(found[i]), max(rivals), min(rivals), rng)
    return tuple(found)


def _tie(x: np.ndarray, top: float, bottom: float, rng: np.random.Generator) -> Any:
    """Move entries close to the top or the bottom, in the reverse of their order: another one is the largest then."""
    few, draw = x.size < MIN_ENTRIES_KEPT, rng.random(x.shape)
    value = np.where((draw < 0.6) | few, top, bottom)
    below = 0.9 * (x - bottom) / ((top - bottom) or 1.0) + 0.1 * rng.uniform(size=x.shape)
    tied: np.ndarray = np.where((draw < 0.8) | few, value - NEAR_TIE * np.abs(value) * below, x)
    return tied[()]


def mirror_inputs(subject: Subject, inputs: Arrays) -> Arrays:
    """Negate every number that is differentiated."""
    return tuple(-x if i in subject.wrt else x for i, x in enumerate(inputs))


def scale_down_inputs(inputs: Arrays) -> Arrays:
    """Scale the inputs so that none is larger than 1."""
    return tuple(x if np.asarray(x).dtype.kind in "iu" else x / max(1.0, float(np.max(np.abs(x)))) for x in inputs)


def resize_inputs(inputs: Arrays, sizes: dict[int, int], rng: np.random.Generator, fixed: Sequence[int] = ()) -> Arrays:
    """Return inputs whose axes have other sizes (old → new), filled with numbers of the old ones; `fixed` ones stay."""
    return tuple(x if i in fixed else _resize(x, sizes, rng) for i, x in enumerate(inputs))


def _resize(x: Any, sizes: dict[int, int], rng: np.random.Generator) -> Any:
    """Resize one input; zeros and ones (a mask, labels in columns) are drawn as they are, not moved."""
    shape = [sizes.get(size, size) for size in np.shape(x)]
    if not shape:
        return x
    filled = rng.choice(np.ravel(x), size=shape)
    return filled if _is_mask(np.asarray(x)) else _move(filled, rng, 0.2)


def _move(x: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind in "iu":
        return x.copy()
    scale = np.abs(x)
    if not scale.all():
        scale = np.where(x == 0, float(scale.max()) or 1.0, scale)
    sign = numerical.draw_signs(x.shape, rng)
    moved: np.ndarray = (x + sign * amount * scale * rng.uniform(0.3, 1.0, size=x.shape))[()]
    return moved


def are_finite_differences(subject: Subject, comparisons: Sequence[Comparison], rng: np.random.Generator) -> bool:
    """Return True if these comparisons, and one nearby, hold finite differences."""
    if not all(map(_is_finite_difference, comparisons)):
        return False
    others = _compare_if_possible(subject, move_inputs(subject, comparisons[0].inputs, rng), rng, 0)
    return bool(others) and all(map(_is_finite_difference, others))


def _is_finite_difference(comparison: Comparison) -> bool:
    """Return True if what came back is far closer to a finite difference, with one of the usual steps, than to the
    derivative."""
    if any(w.shape != r.shape for w, r in zip(comparison.returned, comparison.right)):
        return False
    return any(
        all(_is_near_finite_difference(comparison, k, h, one_sided) for k in range(len(comparison.wrt)))
        for h in STEPS
        for one_sided in (False, True)
    )


def _is_near_finite_difference(comparison: Comparison, k: int, h: float, one_sided: bool) -> bool:
    i, w, right = comparison.wrt[k], comparison.returned[k], comparison.right[k]
    quotients = np.empty(np.shape(w))
    for entry in range(quotients.size):
        above, below = (_value_at(comparison, i, entry, step) for step in (h, 0.0 if one_sided else -h))
        quotients.flat[entry] = np.sum(comparison.upstream * (above - below)) / (h if one_sided else 2 * h)
    error, left = np.abs(w - right), np.abs(w - quotients)
    seen = error > comparison.targets[k].error_bound  # what the estimate itself cannot explain
    # Far below 1 of what is right: where f is flat, rounding of any origin looks like a quotient.
    measured = (left <= 0.02 * error) & (error <= 0.05 * np.abs(right))
    return bool(np.mean(seen) >= 0.5 and np.all(measured[seen]))


def _value_at(comparison: Comparison, i: int, entry: int, step: float) -> np.ndarray:
    inputs = list(comparison.inputs)
    inputs[i] = np.array(inputs[i], dtype=float)
    inputs[i].flat[entry] += step
    inputs[i] = inputs[i][()]
    return np.asarray(comparison.function(*inputs), dtype=float)
