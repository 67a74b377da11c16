"""Checks and conversions of the arrays that gates compute with: numbers, namespaces, shapes.

There are no derivatives here. A function takes the gate only for its name in error messages, which say what was given,
what was expected and what to do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

Array = Any
"""A NumPy array, a JAX array or tracer, or a Python number (which counts as a 0-d array)."""

Parameters = dict[str, Array]
"""Parameters of a network by name, or anything with one array for each: gradients, an optimiser's memory."""


class ShapeError(ValueError):
    """Error for two shapes that do not fit. The message gives both, and what was expected."""


def get_namespace(*arrays: Array) -> ModuleType:
    """Return the array API namespace that computes with these: `jax.numpy` if any is JAX's, else `numpy`."""
    for x in arrays:
        if not isinstance(x, np.ndarray | np.generic | float) and hasattr(x, "__array_namespace__"):
            module: ModuleType = x.__array_namespace__()
            return module
    return np


def convert_inputs(gate: object, *inputs: Array) -> tuple[Array, ...]:
    """Return the inputs of a gate as floating point arrays; integers and booleans are converted.

    Raises TypeError, naming the input, for anything else: text, complex numbers, ragged lists, None.
    """
    return tuple(
        x if type(x) is np.ndarray and x.dtype.kind == "f" else as_floats(x, partial(_describe_input, gate, position))
        for position, x in enumerate(inputs)
    )


def as_floats(x: Array, where: Callable[[], str]) -> Array:
    """Return one array (list, number) as floats, see `convert_inputs`; `where()` names it in error messages.

    A Python number stays one, so that it does not change the type of the arrays it is combined with (JAX and NumPy
    call it weakly typed).
    """
    if isinstance(x, bool | int | float):
        return float(x)
    if not hasattr(x, "dtype"):
        try:
            x = np.asarray(x)
        except ValueError as ragged:
            raise TypeError(f"{where()} must be a rectangular array of numbers.") from ragged
    xp = get_namespace(x)
    if not _is_real(xp, x.dtype):
        raise TypeError(f"{where()} must hold numbers, not {_describe_content(x)}.")
    if xp.isdtype(x.dtype, ("bool", "integral")):
        return xp.asarray(x, dtype=float)
    return x


def to_array(x: Array) -> Array:
    """Convert lists and numbers to a NumPy array; arrays of NumPy and JAX stay as they are."""
    return x if hasattr(x, "dtype") else np.asarray(x)


def is_floats(x: Array) -> bool:
    """Return True for floats, which `as_floats` would return as they are; a quick test before it."""
    return (type(x) is np.ndarray and x.dtype.kind == "f") or isinstance(x, float)


def is_integers(x: Array) -> bool:
    """Return True for an array of integers, which may be labels; a single integer is a number like any other."""
    x = to_array(x)
    return bool(x.ndim) and x.dtype.kind in "iu"


def copy_array(x: Array) -> Array:
    """Return a copy of a NumPy array. JAX arrays are immutable, and numbers too: they are returned as they are."""
    return x.copy() if isinstance(x, np.ndarray) else x


def where(condition: Array, x: Array, y: Array) -> Array:
    """Return `where` of the arrays' namespace, as a scalar where NumPy would give a 0-d array."""
    xp = get_namespace(condition, x, y)
    return xp.where(condition, x, y)[()] if xp is np else xp.where(condition, x, y)


def safe_divide(x: Array, y: Array) -> Array:
    """Return x / y. Plain Python numbers are divided as in an array: by zero gives inf or NaN, no error."""
    return float(np.float64(x) / y) if type(y) is float and isinstance(x, int | float) else x / y


def safe_power(x: Array, exponent: float) -> Array:
    """Return x ** exponent. Plain Python numbers fare as in an array: inf or NaN, no error, no complex number."""
    return float(np.float64(x) ** exponent) if type(x) is float else x**exponent


def broadcast_shape(gate: object, *inputs: Array) -> tuple[int, ...]:
    """Return the shape to which elementwise inputs broadcast; ShapeError if there is none."""
    shapes = [np.shape(x) for x in inputs]
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as misfit:
        given = " and ".join(f"{name} is {shape}" for name, shape in zip(get_input_names(gate), shapes))
        raise ShapeError(
            f"{get_name(gate)}: {given}. Shapes must be equal, or broadcast: compared from the right, "
            "two sizes must be equal or one of them 1."
        ) from misfit


def check_upstream(gate: object, upstream: Array, shape: tuple[int, ...]) -> Array:
    """Return the upstream gradient as floats; ShapeError unless it has the shape of the gate's output."""
    if type(upstream) is not np.ndarray or upstream.dtype.kind != "f":
        upstream = as_floats(upstream, lambda: f"{get_name(gate)}.backward: the upstream gradient")
    if np.shape(upstream) != shape:
        raise ShapeError(
            f"{get_name(gate)}.backward: the upstream gradient is {np.shape(upstream)}, but the output was "
            f"{shape}. A gradient has the shape of what it is the gradient of."
        )
    return upstream


def unbroadcast(gradient: Array, x: Array) -> Array:
    """Sum `gradient` over the axes along which `x` was broadcast, so that it has x's shape.

    Broadcasting copies, and a copy gate adds the gradients of its branches.
    """
    shape, full = np.shape(x), np.shape(gradient)
    if shape == full:
        return gradient
    added = len(full) - len(shape)
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1 != full[added + axis]]
    xp = get_namespace(gradient)
    return xp.reshape(xp.sum(gradient, axis=(*range(added), *stretched)), shape)


def get_name(gate: object) -> str:
    """Return the name of a gate's class, or of a function."""
    return getattr(gate, "__name__", None) or type(gate).__name__


def get_input_names(gate: object) -> list[str]:
    """Return the names of a gate's inputs, from its forward: ["x", "w", "b"]."""
    forward: Any = getattr(gate, "forward", gate)
    try:
        return [parameter.name for parameter in list_parameters(forward)]
    except (TypeError, ValueError):  # a builtin without a signature
        return []


_PARAMETERS: WeakKeyDictionary[FunctionType, tuple[inspect.Parameter, ...]] = WeakKeyDictionary()
"""The parameters of Python functions that were asked for before."""


def list_parameters(function: Any) -> tuple[inspect.Parameter, ...]:
    """Return the parameters of a function, as `inspect.signature` finds them; it is asked once for each function.
    Raises what that raises: TypeError or ValueError where they are not known."""
    bound = isinstance(function, MethodType)
    plain = function.__func__ if bound else function
    if type(plain) is not FunctionType:
        return tuple(inspect.signature(function).parameters.values())
    if plain not in _PARAMETERS:
        _PARAMETERS[plain] = tuple(inspect.signature(plain).parameters.values())
    found = _PARAMETERS[plain]
    return found[1:] if bound and found and found[0].kind is not found[0].VAR_POSITIONAL else found


def _describe_input(gate: object, position: int) -> str:
    names = get_input_names(gate)
    return f"{get_name(gate)}: {names[position] if position < len(names) else f'input {position + 1}'}"


def _is_real(xp: ModuleType, dtype: Any) -> bool:
    if xp is np:
        return dtype.kind in "biuf" or dtype.isbuiltin == 2  # 2: a type that a library registered, as bfloat16
    return not xp.isdtype(dtype, "complex floating")


def _describe_content(x: Array) -> str:
    """Describe what an array holds instead of numbers, with a sample of it."""
    if not isinstance(x, np.ndarray | np.generic):
        return "complex ones"
    if x.shape == () and x.dtype.kind == "O":
        return "None" if x.item() is None else f"a {type(x.item()).__name__}"
    words = {"U": "text", "S": "bytes", "c": "complex ones", "O": "objects"}
    sample = repr(x.tolist())
    return f"{words.get(x.dtype.kind, x.dtype.name)} ({sample if len(sample) <= 40 else sample[:37] + '...'})"
