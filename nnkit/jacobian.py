"""Jacobians, built in full for inspection, and the vector-Jacobian product that makes building them unnecessary."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.arrays import Array, as_floats, check_upstream, get_name, is_floats, is_integers
from nnkit.gates.base import Gradients, name_inputs, run_backward, run_forward


def jacobian(function: Any, *inputs: Array, wrt: int = 0) -> np.ndarray:
    """Return the explicit Jacobian ∂out/∂inputs[wrt], of shape (*out, *input).

    For a gate it is exact: each row is the vector-Jacobian product with a one-hot upstream gradient. For
    any other function it is numerical (`nnkit.numerical`), and the inputs must be finite. Meant for inspection and
    teaching: `jacobian_bytes` gives the size it would have in practice.

    Raises ValueError if `wrt` is not the position of an input, TypeError if that input has no derivative
    (integer labels) or the function does not return an array of numbers.
    """
    if not -len(inputs) <= wrt < len(inputs):
        raise ValueError(f"wrt={wrt}, but {get_name(function)} has {len(inputs)} inputs, numbered from 0.")
    inputs, wrt = _convert_inputs(function, inputs), wrt % len(inputs)
    if hasattr(function, "backward"):
        return _compute_gate_jacobian(function, inputs, wrt)
    if is_integers(inputs[wrt]):
        raise _make_no_derivative_error(function, inputs, wrt)
    return _estimate_jacobian(_check_output(function), inputs, wrt)


def _compute_gate_jacobian(gate: Any, inputs: tuple[Array, ...], wrt: int) -> np.ndarray:
    out, cache = run_forward(gate, *inputs)
    if isinstance(out, tuple):
        raise TypeError(f"{get_name(gate)} has several outputs; a Jacobian belongs to one.")
    rows = np.zeros((np.size(out), *np.shape(inputs[wrt])))
    for number in range(len(rows)):
        upstream = np.zeros(np.size(out))  # a new array for each row: the gate may return it as a gradient
        upstream[number] = 1.0
        gradient = run_backward(gate, upstream.reshape(np.shape(out))[()], cache, inputs)[wrt]
        if gradient is None:
            raise _make_no_derivative_error(gate, inputs, wrt)
        rows[number] = gradient
    return rows.reshape(*np.shape(out), *np.shape(inputs[wrt]))


def _estimate_jacobian(function: Callable[..., Array], inputs: tuple[Array, ...], wrt: int) -> np.ndarray:
    x = inputs[wrt]
    if not np.size(x):
        return np.zeros((*np.shape(function(*inputs)), *np.shape(x)))
    if not np.all(np.isfinite(x)):
        name = name_inputs(function, len(inputs))[wrt]
        raise ValueError(f"{get_name(function)}: {name} holds NaN or infinity, where there is no slope to measure.")
    return numerical.estimate_jacobian(function, inputs, wrt).value


def vjp(function: Any, *inputs: Array, upstream: Array) -> Gradients:
    """Return the vector-Jacobian products upstream · ∂out/∂input, one for each input, in its shape.

    An array of integers (labels, for example) has no derivative and gets None. A gate computes the products without
    its Jacobian; for any other function they are the numerical derivatives of the scalar
    sum(upstream · function(*inputs)).
    """
    inputs = _convert_inputs(function, inputs)
    if hasattr(function, "backward"):
        _, cache = run_forward(function, *inputs)
        return run_backward(function, upstream, cache, inputs)
    function = _check_output(function)
    weights = check_upstream(function, upstream, np.shape(function(*inputs)))

    @wraps(function)
    def weighted(*moved: Array) -> Array:
        return np.sum(weights * function(*moved))

    return tuple(None if is_integers(x) else _estimate_jacobian(weighted, inputs, wrt) for wrt, x in enumerate(inputs))


def _convert_inputs(function: Any, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return the inputs as arrays of floats; arrays of integers stay as they are: they may be labels."""

    def array(position: int, x: Array) -> Array:
        floats = as_floats(x, lambda: f"{get_name(function)}: {name_inputs(function, len(inputs))[position]}")
        return np.asarray(x) if is_integers(x) else floats

    return tuple(x if is_floats(x) else array(position, x) for position, x in enumerate(inputs))


def _check_output(function: Any) -> Callable[..., Array]:
    """Return the function with a check of its value: TypeError unless it is an array of numbers."""

    @wraps(function)
    def call(*inputs: Array) -> Array:
        out = function(*inputs)
        if isinstance(out, np.ndarray | np.generic | float | complex):
            return out  # complex where the numerical derivative takes a complex step
        return as_floats(out, lambda: f"{get_name(function)}: what it returns")

    return call


def _make_no_derivative_error(function: Any, inputs: tuple[Array, ...], wrt: int) -> TypeError:
    name = name_inputs(function, len(inputs))[wrt]
    return TypeError(
        f"{get_name(function)}: {name} holds integers, as labels do, and has no derivative. If they are numbers, "
        "write them as floats."
    )


def jacobian_bytes(out: tuple[int, ...], x: tuple[int, ...], dtype: str = "float32") -> int:
    """Return the size in bytes of the explicit Jacobian of an output of shape `out` by an input of shape `x`."""
    return math.prod(out) * math.prod(x) * np.dtype(dtype).itemsize


def readable_bytes(count: int) -> str:
    """Format a number of bytes in binary units, with three digits: 67108864 → "64 MiB"."""
    size, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
    unit = next(units)
    while size >= 1000 and unit != "PiB":
        size, unit = size / 1024, next(units)
    return f"{size:.{4 if size >= 1000 else 3}g} {unit}"
