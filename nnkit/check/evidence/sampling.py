"""Trials of a learner's code: at the inputs that were given, at others nearby, and of other sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.comparison import Arrays, Trial
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import pull_back, reconsidered

STEPS = tuple(10.0**-k for k in range(2, 8))
"""Steps with which people measure derivatives."""

DIRECTIONS = 3
SQUARE = 4


def trials_at(
    subject: Subject,
    inputs: Arrays,
    upstreams: Sequence[np.ndarray],
    known: Sequence[Arrays] = (),
    batch: int = 0,
    resized: bool = False,
) -> list[Trial]:
    """One trial for each upstream gradient, every entry compared. `known` is what came back for the first
    of them, where that has been asked."""
    function = subject.function
    out = np.asarray(function(*inputs), dtype=float)
    weights = [w for g in upstreams for w in (g, g * g)] + [np.ones(out.shape)]
    exact = numerical.allows_complex_step(function, inputs, subject.wrt)
    by_input = [pull_back(function, inputs, i, weights, subject.rounding(i, inputs), exact) for i in subject.wrt]
    trials = []
    for k, g in enumerate(upstreams):
        returned = known[k] if k < len(known) else subject.gradients(inputs, g)
        trials.append(
            Trial(
                function=function,
                inputs=inputs,
                wrt=subject.wrt,
                upstream=g,
                out=out,
                returned=returned,
                targets=tuple(
                    reconsidered(targets[2 * k], w, function, inputs, i, g)
                    for i, w, targets in zip(subject.wrt, returned, by_input)
                ),
                squared=tuple(targets[2 * k + 1].value for targets in by_input),
                unweighted=tuple(targets[-1].value for targets in by_input),
                batch=batch,
                resized=resized,
                parameters=subject.parameters,
                step_size=subject.step_size,
                opaque=subject.opaque,
                exact=exact,
            )
        )
    return trials


def agrees_along(
    subject: Subject,
    inputs: Arrays,
    upstream: np.ndarray,
    returned: Arrays,
    rng: np.random.Generator,
    directions: int,
    exact: bool = False,
) -> bool:
    """Whether the gradients agree with derivatives along random directions, in which every entry takes part.

    An error e (of any entries, as a vector in the scale of the inputs) shows as |N(0, 1)| · ‖e‖, so one direction
    misses an error of a thousand times the rounding with a probability below 0.001, three below 1e-9.

    `exact` tells that the complex step has been found right for this function, at other inputs: then what agrees with
    it needs no ladder. What does not may lie on another branch.
    """
    if any(w.shape != np.shape(inputs[i]) for i, w in zip(subject.wrt, returned)):
        return False
    for _ in range(directions):
        ways = {i: numerical.draw_direction(inputs[i], rng) for i in subject.wrt}
        slope = numerical.take_complex_step_along(subject.function, inputs, ways) if exact else None
        if slope is not None and _agrees(subject, inputs, upstream, returned, ways, slope):
            continue
        slope = numerical.find_best_estimate_along(subject.function, inputs, ways)
        if not _agrees(subject, inputs, upstream, returned, ways, slope):
            return False
    return True


def _agrees(
    subject: Subject,
    inputs: Arrays,
    upstream: np.ndarray,
    returned: Arrays,
    ways: Mapping[int, np.ndarray],
    slope: numerical.Estimate,
) -> bool:
    shares = [np.sum(w * ways[i]) for i, w in zip(subject.wrt, returned)]
    ends = upstream * slope.below, upstream * slope.above
    low, high = float(np.sum(np.minimum(*ends))), float(np.sum(np.maximum(*ends)))
    own = float(sum(shares))
    size = sum(float(np.sum(np.abs(w * ways[i]))) for i, w in zip(subject.wrt, returned))
    rounding = sum(float(np.sum(subject.rounding(i, inputs) * np.abs(way))) for i, way in ways.items())
    slack = 10 * float(np.sum(np.abs(upstream) * slope.error)) + rounding
    slack += 1e-11 * (size + float(np.sum(np.abs(upstream * slope.value))))
    # Where the direction meets kinks, any slope between the two sides is right.
    return low - slack <= own <= high + slack


def evidence(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Trial]:
    """More trials, for a name: nearby, and with a batch of another size. Where the learner's code or the function
    does not take such inputs, there are none."""
    batch = batch_of(subject, inputs)
    found = _try(subject, nearby(subject, inputs, rng), rng, batch)
    return found + (_other_batch(subject, inputs, rng, batch) if batch else [])


def _other_batch(subject: Subject, inputs: Arrays, rng: np.random.Generator, batch: int) -> list[Trial]:
    """A trial with another number of examples. Whose first axis is the batch? That of all inputs which are as long as
    the first, or the first one's alone, or every axis of that size: the first guess that the function takes."""
    taken = {size for x in inputs for size in np.shape(x)}
    other = next(size for size in range(batch + 1, batch + len(taken) + 2) if size not in taken)
    free = [i for i in range(len(inputs)) if not (subject.parameters and i in subject.wrt)]
    as_long = [i for i in free if np.shape(inputs[i])[:1] == (batch,)]
    guesses = [_longer(inputs, chosen, other, rng) for chosen in (as_long, as_long[:1])]
    guesses.append(resized(inputs, {batch: other}, rng, subject.wrt if subject.parameters else ()))
    for guess in guesses:
        found = _try(subject, guess, rng, other, True)
        if found:
            return found
    return []


def _longer(inputs: Arrays, chosen: Sequence[int], length: int, rng: np.random.Generator) -> Arrays:
    """The inputs with the first axis of the chosen ones made so long, filled with (moved) numbers of their own."""
    found = list(inputs)
    for i in chosen:
        rows = inputs[i][rng.integers(len(inputs[i]), size=length)]
        found[i] = rows if _is_mask(inputs[i]) else _moved(rows, rng, 0.2)
    return tuple(found)


def _is_mask(x: np.ndarray) -> bool:
    return x.dtype.kind in "iu" or set(np.unique(x)) <= {0.0, 1.0}


def smaller(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Trial]:
    """Trials with the same axes, but few entries on each: what is wrong with a large array is seen on a small one."""
    sizes = sorted({size for x in inputs for size in np.shape(x) if size > 1})
    fewer = {size: min(size, few) for few, size in enumerate(sizes, start=4)}
    return [
        t
        for _ in range(2)
        for t in _try(subject, resized(inputs, fewer, rng), rng, fewer.get(batch_of(subject, inputs), 0), True)
    ]


def square_evidence(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Trial]:
    """Trials in which every axis has one size, so that no product of matrices fails for its shapes."""
    labels = [x for x in inputs if np.asarray(x).dtype.kind in "iu"]
    side = max([SQUARE, *(int(np.max(x)) + 1 for x in labels)])
    sizes = {size: side for x in inputs for size in np.shape(x)}
    return [t for _ in range(2) for t in _try(subject, resized(inputs, sizes, rng), rng, side, True)]


def _try(
    subject: Subject, inputs: Arrays, rng: np.random.Generator, batch: int, other_sizes: bool = False
) -> list[Trial]:
    try:
        out = np.asarray(subject.function(*inputs), dtype=float)
        if not np.all(np.isfinite(out)):
            return []
        return trials_at(subject, inputs, [subject.upstream(out.shape, rng)], (), batch, other_sizes)
    except Exception:  # whatever it does not like about inputs that nobody chose
        return []


def batch_of(subject: Subject, inputs: Arrays) -> int:
    """The size of the axis that is taken for the batch: the first of the first array that is not a parameter."""
    shapes = [np.shape(x) for i, x in enumerate(inputs) if not (subject.parameters and i in subject.wrt)]
    return next((shape[0] for shape in shapes if shape), 0)


def nearby(subject: Subject, inputs: Arrays, rng: np.random.Generator, amount: float = 0.2) -> Arrays:
    """Every number that is differentiated moved by up to this share of itself, its sign kept; zeros move too."""
    return tuple(_moved(x, rng, amount) if i in subject.wrt else x for i, x in enumerate(inputs))


def mirrored(subject: Subject, inputs: Arrays) -> Arrays:
    """Every number that is differentiated on the other side of 0."""
    return tuple(-x if i in subject.wrt else x for i, x in enumerate(inputs))


def moderate(inputs: Arrays) -> Arrays:
    """The same inputs, scaled so that none is larger than 1."""
    return tuple(x if np.asarray(x).dtype.kind in "iu" else x / max(1.0, float(np.max(np.abs(x)))) for x in inputs)


def resized(inputs: Arrays, sizes: dict[int, int], rng: np.random.Generator, fixed: Sequence[int] = ()) -> Arrays:
    """Inputs whose axes have other sizes (old → new), filled with numbers of the old ones; `fixed` ones stay."""
    return tuple(x if i in fixed else _resized(x, sizes, rng) for i, x in enumerate(inputs))


def _resized(x: Any, sizes: dict[int, int], rng: np.random.Generator) -> Any:
    """Zeros and ones (a mask, labels in columns) stay what they are."""
    shape = [sizes.get(size, size) for size in np.shape(x)]
    if not shape:
        return x
    filled = rng.choice(np.ravel(x), size=shape)
    return filled if _is_mask(np.asarray(x)) else _moved(filled, rng, 0.2)


def _moved(x: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind in "iu":
        return x.copy()
    scale = np.where(x == 0, float(np.max(np.abs(x), initial=0.0)) or 1.0, np.abs(x))
    sign = rng.choice([-1.0, 1.0], size=x.shape)
    moved: np.ndarray = (x + sign * amount * scale * rng.uniform(0.3, 1.0, size=x.shape))[()]
    return moved


def are_quotients(subject: Subject, trials: Sequence[Trial], rng: np.random.Generator) -> bool:
    """Whether these trials, and one nearby, came from a difference quotient."""
    if not all(map(_is_quotient, trials)):
        return False
    others = _try(subject, nearby(subject, trials[0].inputs, rng), rng, 0)
    return bool(others) and all(map(_is_quotient, others))


def _is_quotient(trial: Trial) -> bool:
    """Whether what came back is a difference quotient with one of the usual steps, rather than the derivative: it is
    far closer to it than to what is right."""
    if any(w.shape != r.shape for w, r in zip(trial.returned, trial.right)):
        return False
    return any(
        all(_near_quotient(trial, k, h, one_sided) for k in range(len(trial.wrt)))
        for h in STEPS
        for one_sided in (False, True)
    )


def _near_quotient(trial: Trial, k: int, h: float, one_sided: bool) -> bool:
    i, w, right = trial.wrt[k], trial.returned[k], trial.right[k]
    quotients = np.empty(np.shape(w))
    for entry in range(quotients.size):
        above, below = (_value_at(trial, i, entry, step) for step in (h, 0.0 if one_sided else -h))
        quotients.flat[entry] = np.sum(trial.upstream * (above - below)) / (h if one_sided else 2 * h)
    error, left = np.abs(w - right), np.abs(w - quotients)
    seen = error > trial.targets[k].sharp  # what the estimate itself cannot explain
    # Far below 1 of what is right: where f is flat, rounding of any origin looks like a quotient.
    measured = (left <= 0.02 * error) & (error <= 0.05 * np.abs(right))
    return bool(np.mean(seen) >= 0.5 and np.all(measured[seen]))


def _value_at(trial: Trial, i: int, entry: int, step: float) -> np.ndarray:
    inputs = list(trial.inputs)
    inputs[i] = np.array(inputs[i], dtype=float)
    inputs[i].flat[entry] += step
    inputs[i] = inputs[i][()]
    return np.asarray(trial.function(*inputs), dtype=float)
