"""Forwards that round numbers to a smaller type on the way: their values move in jumps, and have no slope."""

from __future__ import annotations

import numpy as np

from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.directions import draw_ways
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import Subject
from nnkit.language import say

TYPES = (np.float32, np.float16)
POINTS = 64
"""Points of a short walk, an eighth of a type's last digit apart."""
MIN_JUMPS = 3
MIN_JUMP = 0.01
"""Size of a jump, as a share of all the way that the value goes in the walk."""
MAX_NOISE = 0.01
"""Share of a jump that is left in a walk so short that no number of this type changes; more is rounding of float64."""
FINE = 2.0**-12
"""Length of that walk relative to the other."""


def find_rounding_on_the_way(subject: Subject, inputs: Arrays, exact: bool) -> Finding | None:
    """Return the finding where the value moves in jumps as the inputs move by a few last digits of a smaller type, and
    smoothly as they move by far less: a number on the way is rounded to that type. Where the complex step is `exact`,
    real steps have shown that it is not float32."""
    if subject.of is not None:  # then the derivatives are those of the trusted function
        return None
    try:
        kind = next((kind for kind in TYPES[exact:] if _jumps(subject, inputs, kind)), None)
    except (ArithmeticError, TypeError, ValueError):
        return None
    if kind is None:
        return None
    small, what = np.dtype(kind).name, "forward" if subject.takes_upstream else say("it")
    to = small if kind is np.float32 else say("{small}, or with np.round", small=small)
    sentence = say(
        "{what} rounds a number on the way (to {to}?), its value moves in jumps: compute in float64, or say so with "
        "dtype=np.{small}."
        if kind is np.float32
        else "{what} rounds a number on the way (to {to}?), its value moves in jumps: compute in float64, and do not "
        "round.",
        **{"what": what, "to": to, "small": small},
    )
    why = say("Between two jumps the value does not follow its inputs, so there is no slope to be measured.")
    return Finding("wrong", sentence, ("low-precision",), words={"why": why})


def _jumps(subject: Subject, inputs: Arrays, kind: type[np.floating]) -> bool:
    step = float(np.finfo(kind).eps) / 8
    values = _walk(subject, inputs, step)
    bends, way = np.abs(np.diff(values, 2, axis=0)), np.ptp(values, axis=0)
    largest = bends.max(axis=0)
    often = (bends > largest / 4).sum(axis=0) >= 2 * MIN_JUMPS  # a jump bends the walk twice, as a kink does once
    seen = often & (largest > MIN_JUMP * way) & (largest > 0)
    if not seen.any():
        return False
    noise = np.abs(np.diff(_walk(subject, inputs, step * FINE), 2, axis=0))
    return bool(np.any(np.median(noise, axis=0)[seen] <= MAX_NOISE * largest[seen]))


def _walk(subject: Subject, inputs: Arrays, step: float) -> np.ndarray:
    """Return the values, flat, at points where each number moves up or down by about so many steps of its own size."""
    ways = draw_ways(inputs, subject.wrt, np.random.default_rng(0))
    points = [
        tuple((x + k * step * ways[i])[()] if i in ways else x for i, x in enumerate(inputs)) for k in range(POINTS)
    ]
    return np.array([np.ravel(np.asarray(value, dtype=float)) for value in subject.raw_values(points)])
