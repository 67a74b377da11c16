"""Jacobians: built in full to look at, and the vector-Jacobian product that makes building them needless."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.arrays import Array, check_upstream, name_of, numbers
from nnkit.gates.base import Gradients, run_backward, run_forward


def jacobian(function: Any, *inputs: Array, wrt: int = 0) -> np.ndarray:
    """The explicit Jacobian ∂out/∂inputs[wrt], of shape (*out, *input).

    For a gate it is exact: row by row, the vector-Jacobian product with a one-hot upstream gradient. For
    any other function it is numerical (`nnkit.numerical`). For looking and teaching: `jacobian_bytes`
    tells what it would weigh in earnest.

    Raises ValueError if `wrt` is not the position of an input.
    """
    if not -len(inputs) <= wrt < len(inputs):
        raise ValueError(f"wrt={wrt}, but {name_of(function)} has {len(inputs)} inputs, numbered from 0.")
    if not hasattr(function, "backward"):
        return numerical.jacobian(function, tuple(inputs), wrt).value
    out, cache = run_forward(function, *inputs)
    rows = np.zeros((np.size(out), *np.shape(inputs[wrt])))
    for row, onehot in zip(rows, np.eye(np.size(out))):
        upstream = onehot.reshape(np.shape(out))[()]
        row[...] = run_backward(function, upstream, cache, inputs)[wrt]
    return rows.reshape(*np.shape(out), *np.shape(inputs[wrt]))


def vjp(function: Any, *inputs: Array, upstream: Array) -> Gradients:
    """The vector-Jacobian products upstream · ∂out/∂input, one for each input, in its shape.

    A gate gives them without its Jacobian. For any other function they are the numerical derivatives of
    the scalar sum(upstream · function(*inputs)).
    """
    if hasattr(function, "backward"):
        _, cache = run_forward(function, *inputs)
        return run_backward(function, upstream, cache, inputs)
    inputs = numbers(function, *inputs)
    check_upstream(function, upstream, np.shape(function(*inputs)))

    def weighted(*moved: Array) -> Array:
        return np.sum(upstream * function(*moved))

    return tuple(numerical.jacobian(weighted, inputs, wrt).value for wrt in range(len(inputs)))


def jacobian_bytes(out: tuple[int, ...], x: tuple[int, ...], dtype: str = "float32") -> int:
    """The memory, in bytes, of the explicit Jacobian of an output of shape `out` by an input of shape `x`."""
    return math.prod(out) * math.prod(x) * np.dtype(dtype).itemsize


def readable_bytes(count: int) -> str:
    """Bytes in binary units, rounded to three digits: 67108864 → "64 MiB"."""
    size, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
    unit = next(units)
    while size >= 1000 and unit != "PiB":
        size, unit = size / 1024, next(units)
    return f"{size:.{4 if size >= 1000 else 3}g} {unit}"
