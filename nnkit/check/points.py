"""The points of a test cell: what `nnkit check` shows is what `nnkit autograde` gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.check.evidence.guarded_call import describe_kind

ROUNDING = 1e-9
"""Relative excess over the maximum that is rounding: 0.1 + 0.2 is full marks of 0.3."""

CellValue = float | str | None
"""The value of a test cell's last expression as plain data: None (also where there is no such expression), a number,
or the kind of anything else in words."""


def earn_points(value: CellValue, max_points: float) -> float:
    """Return the points of a test cell that ended without an error, by its value as `read_value` gives it.

    None earns all points, and a number from 0 to `max_points` earns as many. Any other value is a mistake in the test
    cell and earns 0: NaN, an infinity, a negative number, one that is too large, a bool, text, an array, any object.

    This is stricter than nbgrader's `utils.determine_grade`, which reads the text of the value: whatever is not the
    text of a number earns all points there (False, 'no', [0], -1, NaN, and since NumPy 2 also np.float64(0.0)), and a
    number that is too large stops the grading. On the other hand text on stderr, a failure there, costs nothing here:
    a warning says nothing about an answer.
    """
    if value is None:
        return max_points
    return 0.0 if describe_bad_value(value, max_points) else min(float(value), max_points) + 0.0  # no -0


def describe_bad_value(value: CellValue, max_points: float) -> str:
    """Return what is wrong with the value of a test cell, in words; "" for a value that may earn points."""
    if isinstance(value, str):
        return f"its test ends with {value}, and should end with an assertion or a number of points"
    if value is None or 0 <= value <= max_points * (1 + ROUNDING):
        return ""
    return f"its test gives {value:g} points, and should give a number from 0 to {max_points:g}"


def read_value(value: Any) -> CellValue:
    """Return a test cell's value as plain data.

    A number is an int or a float, or a NumPy integer or float, as a scalar or a 0-d array; no subclass of these, for
    what a learner's class says of itself counts for nothing.
    """
    if value is None or type(value) is float:
        return value
    if type(value) is int:
        return float(min(max(value, -(2**1000)), 2**1000))
    is_scalar = isinstance(value, np.generic) or (type(value) is np.ndarray and value.ndim == 0)
    if is_scalar and value.dtype.kind in "iuf":
        return float(np.array(value))
    return describe_kind(value)
