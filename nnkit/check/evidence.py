"""Trials of a learner's code: at the inputs that were given, at others nearby, and of other sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.compare import pull_back, reconsidered
from nnkit.check.subjects import Subject
from nnkit.check.trial import Arrays, Trial

DIRECTIONS = 3
SQUARE = 4


def trials_at(
    subject: Subject,
    inputs: Arrays,
    upstreams: Sequence[np.ndarray],
    first: Arrays | None = None,
    batch: int = 0,
    resized: bool = False,
) -> list[Trial]:
    """One trial for each upstream gradient, every entry compared. `first` is what is known for the first of them."""
    function = subject.function
    out = np.asarray(function(*inputs), dtype=float)
    weights = [w for g in upstreams for w in (g, g * g)] + [np.ones(out.shape)]
    exact = numerical.allows_complex_step(function, inputs, subject.wrt) if _worthwhile(subject, inputs) else False
    by_input = [pull_back(function, inputs, i, weights, subject.rounding(i, inputs), exact) for i in subject.wrt]
    trials = []
    for k, g in enumerate(upstreams):
        returned = first if first is not None and k == 0 else subject.gradients(inputs, g)
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
            )
        )
    return trials


def agrees_along(
    subject: Subject, inputs: Arrays, upstream: np.ndarray, returned: Arrays, rng: np.random.Generator, directions: int
) -> bool:
    """Whether the gradients agree with derivatives along random directions, in which every entry takes part.

    An error e (of any entries, as a vector in the scale of the inputs) shows as |N(0, 1)| · ‖e‖, so one direction
    misses an error of a thousand times the rounding with a probability below 0.001, three below 1e-9.
    """
    if any(w.shape != np.shape(inputs[i]) for i, w in zip(subject.wrt, returned)):
        return False
    for _ in range(directions):
        ways = {i: numerical.random_direction(inputs[i], rng) for i in subject.wrt}
        slope = numerical.sharpest_along(subject.function, inputs, ways)
        shares = [np.sum(w * ways[i]) for i, w in zip(subject.wrt, returned)]
        ends = upstream * slope.below, upstream * slope.above
        low, high = float(np.sum(np.minimum(*ends))), float(np.sum(np.maximum(*ends)))
        own = float(sum(shares))
        size = sum(float(np.sum(np.abs(w * ways[i]))) for i, w in zip(subject.wrt, returned))
        rounding = sum(float(np.sum(subject.rounding(i, inputs) * np.abs(way))) for i, way in ways.items())
        slack = 10 * float(np.sum(np.abs(upstream) * slope.error)) + rounding
        slack += 1e-11 * (size + float(np.sum(np.abs(upstream * slope.value))))
        # Where the direction meets kinks, any slope between the two sides is right.
        if not low - slack <= own <= high + slack:
            return False
    return True


def _worthwhile(subject: Subject, inputs: Arrays) -> bool:
    """Whether there are entries enough for the complex step to cost less than the ladder, its own check included."""
    return sum(np.size(inputs[i]) for i in subject.wrt) >= numerical.PAYS


def evidence(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Trial]:
    """More trials, for a name: nearby, and with a batch of another size. Where the learner's code or the function
    does not take such inputs, there are none."""
    batch = _batch(subject, inputs)
    found = _try(subject, nearby(subject, inputs, rng), rng, batch)
    if batch:
        fixed = subject.wrt if subject.parameters else ()
        taken = {size for x in inputs for size in np.shape(x)}
        other = next(size for size in range(batch + 1, batch + len(taken) + 2) if size not in taken)
        found += _try(subject, resized(inputs, {batch: other}, rng, fixed), rng, other, True)
    return found


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
        return trials_at(subject, inputs, [subject.upstream(out.shape, rng)], None, batch, other_sizes)
    except Exception:  # whatever it does not like about inputs that nobody chose
        return []


def batch_of(subject: Subject, inputs: Arrays) -> int:
    """The size of the axis that is taken for the batch: the first of the first array that is not a parameter."""
    return _batch(subject, inputs)


def _batch(subject: Subject, inputs: Arrays) -> int:
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
    return filled if filled.dtype.kind in "iu" or set(np.unique(x)) <= {0.0, 1.0} else _moved(filled, rng, 0.2)


def _moved(x: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind in "iu":
        return x.copy()
    scale = np.where(x == 0, float(np.max(np.abs(x), initial=0.0)) or 1.0, np.abs(x))
    sign = rng.choice([-1.0, 1.0], size=x.shape)
    moved: np.ndarray = (x + sign * amount * scale * rng.uniform(0.3, 1.0, size=x.shape))[()]
    return moved
