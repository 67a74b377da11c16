"""What every gate asks of its arrays: numbers, a namespace, shapes that fit.

Nothing here knows of derivatives. A function takes the gate only to say its name when something does
not fit; the sentences say what came, what was expected and what to do.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import numpy as np

Array = Any
"""A NumPy array, a JAX array or tracer, or a Python number (which counts as a 0-d array)."""


class ShapeError(ValueError):
    """Two shapes that do not fit; the message names both and says what was expected."""


def namespace(*arrays: Array) -> ModuleType:
    """The array API namespace that computes with these: `jax.numpy` if any is JAX's, else `numpy`."""
    for x in arrays:
        if not isinstance(x, np.ndarray | np.generic | float) and hasattr(x, "__array_namespace__"):
            module: ModuleType = x.__array_namespace__()
            return module
    return np


def numbers(gate: object, *inputs: Array) -> tuple[Array, ...]:
    """The inputs as floating point arrays; integers and booleans are converted, text is refused.

    Raises TypeError, naming the input, for anything that is not numbers.
    """
    return tuple(
        x if type(x) is np.ndarray and x.dtype.kind == "f" else _as_floats(gate, position, x)
        for position, x in enumerate(inputs)
    )


def _as_floats(gate: object, position: int, x: Array) -> Array:
    if isinstance(x, bool | int | float):
        return float(x)
    if not hasattr(x, "dtype"):
        try:
            x = np.asarray(x)
        except ValueError as ragged:
            raise TypeError(f"{_where(gate, position)} must be a rectangular array of numbers.") from ragged
    xp = namespace(x)
    if xp is np and x.dtype.kind not in "biufcV":
        raise TypeError(f"{_where(gate, position)} must hold numbers, not {x.dtype.name} ({_short(x)}).")
    if xp.isdtype(x.dtype, ("bool", "integral")):
        return xp.asarray(x, dtype=float)
    return x


def broadcast_shape(gate: object, *inputs: Array) -> tuple[int, ...]:
    """The shape that elementwise inputs have together; raises ShapeError where there is none."""
    shapes = [np.shape(x) for x in inputs]
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as misfit:
        given = " and ".join(f"{name} is {shape}" for name, shape in zip(input_names(gate), shapes))
        raise ShapeError(
            f"{name_of(gate)}: {given}. Shapes must be equal, or broadcast: compared from the right, "
            "two sizes must be equal or one of them 1."
        ) from misfit


def check_upstream(gate: object, upstream: Array, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless the upstream gradient has the shape of the gate's output."""
    if np.shape(upstream) != shape:
        raise ShapeError(
            f"{name_of(gate)}.backward: the upstream gradient is {np.shape(upstream)}, but the output was "
            f"{shape}. A gradient has the shape of what it is the gradient of."
        )


def unbroadcast(gradient: Array, x: Array) -> Array:
    """Sum `gradient` over the axes along which `x` was broadcast, so that it has x's shape.

    Broadcasting copies, and a copy gate adds the gradients of its branches.
    """
    shape, full = np.shape(x), np.shape(gradient)
    if shape == full:
        return gradient
    added = len(full) - len(shape)
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1 != full[added + axis]]
    xp = namespace(gradient)
    return xp.reshape(xp.sum(gradient, axis=(*range(added), *stretched)), shape)


def name_of(gate: object) -> str:
    """What to call a gate in a sentence: its class, or a function's own name."""
    return getattr(gate, "__name__", None) or type(gate).__name__


def input_names(gate: object) -> list[str]:
    """The names of a gate's inputs, as its forward spells them: ["x", "w", "b"]."""
    forward: Any = getattr(gate, "forward", gate)
    try:
        return list(inspect.signature(forward).parameters)
    except (TypeError, ValueError):  # a builtin without a signature
        return []


def _where(gate: object, position: int) -> str:
    names = input_names(gate)
    return f"{name_of(gate)}: {names[position] if position < len(names) else f'input {position + 1}'}"


def _short(x: Array) -> str:
    text = repr(x.tolist())
    return text if len(text) <= 40 else text[:37] + "..."
