"""Inputs that a forward rounds to a smaller type, whatever the type of its output."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.guarded_call import equal_arrays
from nnkit.check.evidence.subjects import Subject
from nnkit.language import say

TYPES = (np.float32, np.float16)
STEP = 4
"""Last digits of a type by which an input is moved to see the value change."""
MIN_CHANGED = 0.8
"""Share of the numbers that must change with each step: a value that is rounded to some decimals stays for several."""


def find_rounded_input(subject: Subject, inputs: Arrays) -> Finding | None:
    """Return the finding where the value stays the same to the last digit when an input is rounded to a smaller type,
    and changes with each step of a few of that type's last digits."""
    if subject.of is not None:  # then the derivatives are those of the trusted function
        return None
    try:
        found = ((i, kind) for i in subject.wrt for kind in TYPES if _rounds(subject, inputs, i, kind))
        i, kind = next(found, (0, None))
    except (ArithmeticError, TypeError, ValueError):
        return None
    if kind is None:
        return None
    name, small = subject.names[i], np.dtype(kind).name
    sentence = say(
        "it rounds {name} to {small}, so no change of {name} below that shows: compute in float64, or say so with "
        "dtype=np.{small}.",
        name=name,
        small=small,
    )
    return Finding("wrong", sentence, ("low-precision",))


def _rounds(subject: Subject, inputs: Arrays, i: int, kind: type[np.floating]) -> bool:
    """Return True if the value is the same at input i and at others that round to the same number of a type, and
    another one at each of a few steps away."""
    x, digit = np.asarray(inputs[i]), float(np.finfo(kind).eps)
    rounded = x.astype(kind).astype(float)
    inside = [rounded, *(rounded * (1 + share * digit) for share in (-0.2, 0.2))]
    here = _compute_at(subject, inputs, i, x)
    if not all(equal_arrays(here, _compute_at(subject, inputs, i, near)) for near in inside):
        return False
    away = [_compute_at(subject, inputs, i, rounded * (1 + k * STEP * digit)) for k in range(4)]
    moved = away[0] != away[-1]
    return bool(np.any(moved)) and all(np.mean((a != b)[moved]) >= MIN_CHANGED for a, b in pairwise(away))


def _compute_at(subject: Subject, inputs: Arrays, i: int, x: np.ndarray) -> np.ndarray:
    moved = (*inputs[:i], x[()], *inputs[i + 1 :])
    return np.asarray(next(subject.raw_values([moved])))
