"""The points of a test cell: what `nnkit check` shows is what `nnkit autograde` gives."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Number
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from nnkit.check.evidence.guarded_call import describe_kind
from nnkit.check.remote import RemoteObject
from nnkit.check.verdict import Verdict

ROUNDING = 1e-9
"""Relative excess over the maximum that is rounding in float64: 0.1 + 0.2 is full marks of 0.3."""
ROUNDED_STEPS = 8
"""The same in steps of a smaller floating-point type, in units of its eps."""
MAX_NESTED_LISTS = 8


@dataclass(frozen=True)
class CellValue:
    """The value of a test cell's last expression as plain data."""

    points: float | None = None
    """The number of points that it says; None for all of them."""
    rounding: float = ROUNDING
    """Relative excess over the maximum that is rounding in the number's type."""
    bad_kind: str = ""
    """The kind of a value that says nothing about points, in words."""

    def __str__(self) -> str:
        return self.bad_kind or ("" if self.points is None else str(self.points))


def earn_points(value: CellValue, max_points: float) -> float:
    """Return the points of a test cell that ended without an error, by its value as `read_value` gives it.

    A number from 0 to `max_points` earns as many, and a verdict all points if it passed, else none. What looks like a
    number of points but is none is a mistake in the test cell and earns 0: NaN, a negative number, one that is too
    large, a bool, a complex number, the text of a number, an array or list of numbers. So does a placeholder, or an
    object of the notebook's own, that of a learner's class for example. Anything else earns all points: None, and
    what a cell displays, like text, a figure or a table.

    nbgrader's `utils.determine_grade` reads the text of the value: whatever is not the text of a number earns all
    points there (False, [0], -1, NaN, a failed verdict, and since NumPy 2 also np.float64(0.0)), and a number that is
    too large stops the grading. On the other hand text on stderr, a failure there, costs nothing here: a warning says
    nothing about an answer.
    """
    if value.points is None and not value.bad_kind:
        return max_points
    return 0.0 if describe_bad_value(value, max_points) else min(value.points or 0.0, max_points) + 0.0  # no -0


def describe_bad_value(value: CellValue, max_points: float) -> str:
    """Return what is wrong with the value of a test cell, in words; "" for a value that may earn points."""
    if value.bad_kind:
        return f"its test ends with {value.bad_kind}, and should end with an assertion or a number of points"
    if value.points is None or 0 <= value.points <= max_points * (1 + value.rounding):
        return ""
    return f"its test gives {value.points:g} points, and should give a number from 0 to {max_points:g}"


def read_value(value: Any) -> CellValue:
    """Return a test cell's value as plain data.

    A number is an int, float, Fraction or Decimal, or a real number of NumPy, JAX or PyTorch, as a scalar or a 0-d
    array; no subclass of these, for what a learner's class says of itself counts for nothing.
    """
    if type(value) is Verdict:
        return CellValue() if value.passed else CellValue(0.0)
    number = _read_number(value)
    if number is not None:
        return number
    owner = value.__self__ if isinstance(value, MethodType) else value
    if issubclass(type(owner), RemoteObject):
        return CellValue(bad_kind="an object of the learner's")
    return CellValue(bad_kind=describe_kind(value)) if _is_bad(value) else CellValue()


def _read_number(value: Any) -> CellValue | None:
    """Return a real number as plain data; None for anything else."""
    kind = type(value)
    if kind in (int, float, Fraction, Decimal):
        return CellValue(_to_float(value))
    if kind is np.ndarray or (issubclass(kind, np.generic) and np.dtype(kind).type is kind):
        if value.ndim or value.dtype.kind not in "iuf":
            return None
        return CellValue(float(value), _find_rounding(np.finfo(value.dtype) if value.dtype.kind == "f" else None))
    library = _find_array_library(kind)
    number = value.item() if library is not None and value.ndim == 0 else None
    if type(number) is int:
        return CellValue(_to_float(number))
    return CellValue(number, _find_rounding(library.finfo(value.dtype))) if type(number) is float else None


def _to_float(number: int | float | Fraction | Decimal) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
    except ValueError:  # a signalling NaN
        return float("nan")


def _find_rounding(info: Any) -> float:
    return ROUNDING if info is None else max(ROUNDING, ROUNDED_STEPS * float(info.eps))


def _find_array_library(kind: type) -> Any:
    """Return the module with the `finfo` of this type of array: jax.numpy, torch or None. It imports neither."""
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch")
    if kind is getattr(torch, "Tensor", None):
        return torch
    if jax is not None and issubclass(kind, getattr(jax, "Array", ())) and kind is type(jax.numpy.zeros(())):
        return jax.numpy
    return None


def _is_bad(value: Any) -> bool:
    """Return True for a value that is no number of points, and nothing that a cell displays."""
    return value is Ellipsis or value is NotImplemented or _is_of_notebook(value) or _looks_numeric(value)


def _is_of_notebook(value: Any) -> bool:
    """Return True for a function or a class that a notebook defined, and for an object of such a class."""
    owner = value if isinstance(value, FunctionType | MethodType | type) else type(value)
    return bool(owner.__module__ == "__main__")


def _looks_numeric(value: Any, depth: int = 0) -> bool:
    """Return True for numbers, texts of a number, and arrays and lists of numbers."""
    kind = type(value)
    if issubclass(kind, str | bytes | bytearray):
        return _spells_number(value)
    if issubclass(kind, np.ndarray):
        return bool(value.dtype.kind != "O")
    if kind is list or kind is tuple:
        return bool(value) and depth < MAX_NESTED_LISTS and all(_looks_numeric(item, depth + 1) for item in value)
    return issubclass(kind, Number | np.generic) or _find_array_library(kind) is not None


def _spells_number(text: str | bytes | bytearray) -> bool:
    try:
        complex(text if isinstance(text, str) else text.decode())
    except ValueError:
        return False
    return True
