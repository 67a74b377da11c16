"""Words for the difference of a value from what it should be: too high, twice as much, the right numbers elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnkit.check.error_map import two_numbers
from nnkit.check.evidence.tolerance import find_worst, format_place

TIMES = {2.0: "twice", 0.5: "half"} | {float(n): f"{n} times" for n in (3, 4, 5, 10, 100, 1000)}
SHARES = {1 / n: f"1/{n} of" for n in (3, 4, 5, 10, 100, 1000)}


def describe_difference(value: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> str:
    """Return how a value differs from the expected one, which has its shape, as it follows "it ": "is too high"."""
    if not np.all(np.isfinite(value[wrong])):
        index = tuple(int(i) for i in np.argwhere(wrong & ~np.isfinite(value))[0])
        return f"is wrong: {format_place('value', index)} is {value[index]}"
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
        return "has the wrong sign" + (" in each entry" if many else "")
    largest = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    ratio = float(value[largest] / expected[largest])
    if ratio != 0 and _alike(value, ratio * expected):
        known = next((words for n, words in (TIMES | SHARES).items() if abs(ratio - n) < 1e-6 * n), "")
        if known:
            return f"is {known} what it should be{' in each entry' if many else ''}"
        if many:
            return f"is {ratio:.4g} times what it should be in each entry"
    off = np.ravel(value - expected)
    if many and _alike(off, np.full(off.shape, off[0])):
        return f"is too {_say_way(off[0])} by {abs(off[0]):.4g} in each entry"
    return ""


def _describe_places(value: np.ndarray, expected: np.ndarray) -> str:
    """Describe the right numbers at other places."""
    if value.ndim == 2 and value.shape[0] == value.shape[1] and _alike(value, expected.T):
        return "is the transpose of what it should be"
    for axis in range(value.ndim):
        if _alike(value, np.flip(expected, axis)):
            return "has the right numbers in reverse order" + (f" along axis {axis}" if value.ndim > 1 else "")
    return "has the right numbers in another order" if _alike(np.sort(value, None), np.sort(expected, None)) else ""


def _describe_number(value: np.ndarray, expected: np.ndarray) -> str:
    if {float(value.flat[0]), float(expected.flat[0])} == {0.0, 1.0}:  # no and yes
        return f"is {value.flat[0]:g} where it should be {expected.flat[0]:g}"
    way = _say_way(float(np.ravel(value - expected)[0]))
    yours, right = two_numbers(float(np.ravel(value)[0]), float(np.ravel(expected)[0]))
    return f"is too {way}: {yours} in place of {right}"


def _describe_entries(value: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> str:
    """Describe how many entries are wrong, and which way."""
    index = find_worst(value, expected, wrong)
    off, place = float(value[index] - expected[index]), format_place("value", index)
    count = int(wrong.sum())
    if count == 1:
        return f"is wrong in 1 of {wrong.size} entries: {place} is too {_say_way(off)}"
    ways = {_say_way(float(d)) for d in (value - expected)[wrong]}
    some = "all" if count == wrong.size else f"{count} of {wrong.size}"
    way = f"too {ways.pop()}" if len(ways) == 1 else "wrong"
    return f"is {way} in {some} entries, by up to {abs(off):.3g} (at {place})"


def describe_shapes(value: np.ndarray, expected: np.ndarray) -> str:
    """Return the sentence on a wrong shape, in words of lists if both are lists: a value is not always a gradient."""
    got, wanted = value.shape, expected.shape
    if len(got) == len(wanted) == 1:
        rest = "; the first ones are right" if _alike(*_cut(value, expected)) else ""
        return f"it has {got[0]} entries, but there should be {wanted[0]}{rest}."
    start = f"its shape is {got}, but it should be {wanted}"
    if _alike(value.T, expected):
        return f"{start}: it is the transpose of what it should be."
    if value.size == expected.size and _alike(np.ravel(value), np.ravel(expected)):
        return f"{start}: the numbers are right, the axes are not."
    for name, compute in (("sum", np.sum), ("mean", np.mean)):
        for axis in range(value.ndim):
            if _alike(compute(value, axis=axis), expected) or _alike(
                compute(value, axis=axis, keepdims=True), expected
            ):
                return f"{start}: its {name} over axis {axis} is what it should be."
    return f"{start}."


def _cut(value: np.ndarray, expected: np.ndarray) -> Sequence[np.ndarray]:
    n = min(len(value), len(expected))
    return value[:n], expected[:n]


def describe_names(actual: Any, expected: Any) -> str:
    """Return how a name, or a list of names, differs from the expected one, without saying what that is, as it follows
    "it "."""
    if isinstance(expected, str) or isinstance(actual, str) or not isinstance(actual, Sequence):
        same = str(actual).strip().lower() == str(expected).strip().lower()
        return "is right but for capitals or spaces" if same else "is not what it should be"
    got, wanted = list(map(str, actual)), list(map(str, expected))
    if sorted(got) == sorted(wanted):
        return "has the right names in another order"
    if len(got) != len(wanted):
        return f"has {len(got)} {'name' if len(got) == 1 else 'names'}, but there should be {len(wanted)}"
    wrong = [k for k, (a, b) in enumerate(zip(got, wanted)) if a != b]
    return f"is wrong in {len(wrong)} of {len(wanted)} names, first at [{wrong[0]}]"


def _say_way(off: float) -> str:
    return "high" if off > 0 else "low"


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    """Return True for equal shapes, and numbers that differ by no more than rounding."""
    if np.shape(a) != np.shape(b) or np.size(a) == 0:
        return False
    scale = float(np.max(np.abs(b)))
    return bool(np.all(np.abs(np.asarray(a, float) - b) <= 1e-6 * scale))
