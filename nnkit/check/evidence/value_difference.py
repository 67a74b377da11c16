"""Words for the difference of a value from what it should be: too high, twice as much, the right numbers elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnkit.check.error_map import two_numbers
from nnkit.check.evidence.tolerance import find_worst, format_place
from nnkit.language import say, say_count, to_say

KNOWN_FACTORS = (3, 4, 5, 10, 100, 1000)


def describe_difference(value: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> str:
    """Return how a value differs from the expected one, which has its shape, as it follows "it ": "is too high"."""
    if not np.all(np.isfinite(value[wrong])):
        index = tuple(int(i) for i in np.argwhere(wrong & ~np.isfinite(value))[0])
        return say("is wrong: {place} is {value}", place=format_place("value", index), value=value[index])
    whole = _describe_ratio(value, expected) or (_describe_places(value, expected) if value.ndim else "")
    return whole or (
        _describe_number(value, expected) if value.size == 1 else _describe_entries(value, expected, wrong)
    )


def _describe_ratio(value: np.ndarray, expected: np.ndarray) -> str:
    """Describe a value that is a multiple of the right one, or off by the same number everywhere."""
    many = value.size > 1
    if not np.any(expected):
        return ""
    if _alike(value, -expected):
        return say("has the wrong sign in each entry" if many else "has the wrong sign")
    largest = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    ratio = float(value[largest] / expected[largest])
    if ratio != 0 and _alike(value, ratio * expected):
        known = _say_factor(ratio)
        if known:
            return say(
                "is {times} what it should be in each entry" if many else "is {times} what it should be", times=known
            )
        if many:
            return say("is {ratio:.4g} times what it should be in each entry", ratio=ratio)
    off = np.ravel(value - expected)
    if many and _alike(off, np.full(off.shape, off[0])):
        return say(
            "is too high by {error:.4g} in each entry" if off[0] > 0 else "is too low by {error:.4g} in each entry",
            error=abs(off[0]),
        )
    return ""


def _describe_places(value: np.ndarray, expected: np.ndarray) -> str:
    """Describe the right numbers at other places."""
    if value.ndim == 2 and value.shape[0] == value.shape[1] and _alike(value, expected.T):
        return say("is the transpose of what it should be")
    for axis in range(value.ndim):
        if _alike(value, np.flip(expected, axis)):
            if value.ndim == 1:
                return say("has the right numbers in reverse order")
            return say("has the right numbers in reverse order along axis {axis}", axis=axis)
    return (
        say("has the right numbers in another order") if _alike(np.sort(value, None), np.sort(expected, None)) else ""
    )


def _describe_number(value: np.ndarray, expected: np.ndarray) -> str:
    if {float(value.flat[0]), float(expected.flat[0])} == {0.0, 1.0}:  # no and yes
        return say("is {yours:g} where it should be {expected:g}", yours=value.flat[0], expected=expected.flat[0])
    yours, right = two_numbers(float(np.ravel(value)[0]), float(np.ravel(expected)[0]))
    return say(
        "is too high: {yours} in place of {expected}"
        if float(np.ravel(value - expected)[0]) > 0
        else "is too low: {yours} in place of {expected}",
        **{"yours": yours, "expected": right},
    )


def _describe_entries(value: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> str:
    """Describe how many entries are wrong, and which way."""
    index = find_worst(value, expected, wrong)
    off, place = float(value[index] - expected[index]), format_place("value", index)
    count = int(wrong.sum())
    if count == 1:
        return say(
            "is wrong in 1 of {count} entries: {place} is too high"
            if off > 0
            else "is wrong in 1 of {count} entries: {place} is too low",
            **{"count": wrong.size, "place": place},
        )
    ways = {bool(d > 0) for d in (value - expected)[wrong]}
    template = WRONG_ENTRIES[ways.pop() if len(ways) == 1 else None]
    some = say("all") if count == wrong.size else say("{wrong} of {count}", wrong=count, count=wrong.size)
    return say(template, some=some, error=abs(off), place=place)


WRONG_ENTRIES = {
    True: to_say("is too high in {some} entries, by up to {error:.3g} (at {place})"),
    False: to_say("is too low in {some} entries, by up to {error:.3g} (at {place})"),
    None: to_say("is wrong in {some} entries, by up to {error:.3g} (at {place})"),
}
"""True where all wrong entries are too high, False where all are too low, None otherwise → words for them."""


def describe_shapes(value: np.ndarray, expected: np.ndarray) -> str:
    """Return the sentence on a wrong shape, in words of lists if both are lists: a value is not always a gradient."""
    got, wanted = value.shape, expected.shape
    if len(got) == len(wanted) == 1:
        return say(
            "it has {count} entries, but there should be {expected}; the first ones are right."
            if _alike(*_cut(value, expected))
            else "it has {count} entries, but there should be {expected}.",
            **{"count": got[0], "expected": wanted[0]},
        )
    start = say("its shape is {got}, but it should be {wanted}", got=got, wanted=wanted)
    if _alike(value.T, expected):
        return say("{start}: it is the transpose of what it should be.", start=start)
    if value.size == expected.size and _alike(np.ravel(value), np.ravel(expected)):
        return say("{start}: the numbers are right, the axes are not.", start=start)
    for name, compute in ((say("sum"), np.sum), (say("mean"), np.mean)):
        for axis in range(value.ndim):
            if _alike(compute(value, axis=axis), expected) or _alike(
                compute(value, axis=axis, keepdims=True), expected
            ):
                return say(
                    "{start}: its {name} over axis {axis} is what it should be.", start=start, name=name, axis=axis
                )
    return f"{start}."


def _cut(value: np.ndarray, expected: np.ndarray) -> Sequence[np.ndarray]:
    n = min(len(value), len(expected))
    return value[:n], expected[:n]


def describe_names(actual: Any, expected: Any) -> str:
    """Return how a name, or a list of names, differs from the expected one, without saying what that is, as it follows
    "it "."""
    if isinstance(expected, str) or isinstance(actual, str) or not isinstance(actual, Sequence):
        same = str(actual).strip().lower() == str(expected).strip().lower()
        return say("is right but for capitals or spaces") if same else say("is not what it should be")
    got, wanted = list(map(str, actual)), list(map(str, expected))
    if sorted(got) == sorted(wanted):
        return say("has the right names in another order")
    if len(got) != len(wanted):
        return say_count(
            "has {number} name, but there should be {expected}",
            "has {number} names, but there should be {expected}",
            len(got),
            expected=len(wanted),
        )
    wrong = [k for k, (a, b) in enumerate(zip(got, wanted)) if a != b]
    return say(
        "is wrong in {wrong} of {count} names, first at [{first}]",
        wrong=len(wrong),
        count=len(wanted),
        first=wrong[0],
    )


def _say_factor(ratio: float) -> str:
    """Return a usual factor in words; "" for another one."""
    if abs(ratio - 2) < 2e-6:
        return say("twice")
    if abs(ratio - 0.5) < 5e-7:
        return say("half")
    for n in KNOWN_FACTORS:
        if abs(ratio - n) < 1e-6 * n:
            return say("{number} times", number=n)
        if abs(ratio - 1 / n) < 1e-6 / n:
            return say("1/{number} of", number=n)
    return ""


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Return True for equal shapes, and numbers that differ by no more than rounding."""
    if np.shape(a) != np.shape(b) or np.size(a) == 0:
        return False
    scale = float(np.max(np.abs(b)))
    return bool(np.all(np.abs(np.asarray(a, float) - b) <= 1e-6 * scale))
