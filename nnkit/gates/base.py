"""Base class of the gates, and checks of what any gate returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, ClassVar

import numpy as np

from nnkit.arrays import Array, ShapeError, as_floats, get_input_names, get_name, is_floats

Gradients = tuple[Array, ...]


class Gate:
    """Base class of the gates. A gate of your own needs `forward` and `backward`; inheriting is optional.

    Gates are equal if they have the same class and settings. They keep no state and cannot be changed; settings are
    the fields of a frozen dataclass, as in `Power`.
    """

    symbol: ClassVar[str] = ""
    """Text inside the gate in drawings."""

    forward: ClassVar[Callable[..., tuple[Any, Any]]]
    backward: ClassVar[Callable[..., Gradients]]

    def __post_init__(self) -> None:
        """Convert settings from NumPy's numbers to Python's (`@dataclass` calls this): an array of float32 times
        NumPy's 0.1 would be one of float64."""
        for name, value in list(vars(self).items()):
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(
            f"{get_name(self)} keeps no state: hand what backward needs through the cache, and make settings "
            "the fields of a @dataclass(frozen=True)."
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{get_name(self)}()"

    def __call__(self, *inputs: Any) -> Any:
        """Record this gate in the graph of the nodes and return its node; for numbers return the output alone."""
        for x in inputs:
            if hasattr(x, "graph"):
                return x.graph.add(self, *inputs)
        return self.forward(*inputs)[0]


def run_forward(gate: Any, *inputs: Array) -> tuple[Array, Any]:
    """Return `gate.forward(*inputs)`, checked: TypeError unless it is (out, cache) with an array of numbers for out.

    A list of numbers is converted to an array; a tuple is left alone (the copy gate returns one).
    """
    out, cache = check_pair(gate, gate.forward(*inputs))
    if not is_floats(out) and not isinstance(out, tuple):
        out = as_floats(out, lambda: f"{get_name(gate)}.forward: out, the first of the pair (out, cache),")
    return out, cache


def check_pair(gate: Any, returned: Any) -> tuple[Any, Any]:
    """Return what a forward returned as (out, cache); TypeError unless it is a pair."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        what = f"a {type(returned).__name__}" if not isinstance(returned, tuple | list) else f"{len(returned)} things"
        raise TypeError(f"{get_name(gate)}.forward must return the pair (out, cache); it returned {what}.")
    out, cache = returned
    return out, cache


def run_backward(gate: Any, upstream: Array, cache: Any, inputs: tuple[Array, ...]) -> Gradients:
    """Return `gate.backward(upstream, cache)` as a tuple with one gradient for each input.

    A list is accepted in place of a tuple, a list of numbers in place of an array, and a gate with one input may
    return its gradient without a tuple. Raises TypeError if gradients are missing or not numbers, ShapeError if one
    does not have its input's shape. None stands for an input without a derivative, so only integer arrays may get it.
    """
    returned = gate.backward(upstream, cache)
    return check_gradients(f"{get_name(gate)}.backward", returned, lambda: name_inputs(gate, len(inputs)), inputs)


def name_inputs(function: Any, count: int) -> list[str]:
    """Return names for `count` inputs: the function's parameters, or x1, x2, ... if they are unknown."""
    own = get_input_names(function)
    return own if len(own) == count else [f"x{i + 1}" if count > 1 else "x" for i in range(count)]


def check_gradients(who: str, returned: Any, names: Callable[[], list[str]], inputs: tuple[Array, ...]) -> Gradients:
    """Return what `who` returned as one gradient for each input; see `run_backward`.

    `names` is called for an error message only: finding the names takes longer than most gates.
    """
    gradients = returned if type(returned) is tuple else _to_tuple(returned, inputs)
    if len(gradients) != len(inputs):
        raise TypeError(f"{who} must return {_describe_expected(names())}; it returned {len(gradients)}.")
    return tuple(
        _check_gradient(who, gradient, names, position, x)
        for position, (gradient, x) in enumerate(zip(gradients, inputs))
    )


def _to_tuple(returned: Any, inputs: tuple[Array, ...]) -> tuple[Any, ...]:
    """Return the gradients as a tuple. A list is one gradient if there is one input and the list has its shape."""
    if not isinstance(returned, tuple | list):
        return (returned,)
    if len(inputs) == 1 and np.shape(inputs[0]) and (len(returned) != 1 or _get_shape(returned) == np.shape(inputs[0])):
        return (returned,)
    return tuple(returned)


def _get_shape(x: Any) -> tuple[int, ...] | None:
    try:
        shape: tuple[int, ...] = np.shape(x)
        return shape
    except ValueError:  # ragged
        return None


def _check_gradient(who: str, gradient: Any, names: Callable[[], list[str]], position: int, x: Array) -> Array:
    if not is_floats(gradient):
        if gradient is None:
            if getattr(x, "dtype", np.dtype(float)).kind not in "iu":
                raise TypeError(
                    f"{who} must return {_describe_expected(names())}; it returned None for {names()[position]}."
                )
            return None
        gradient = as_floats(gradient, lambda: f"{who}: the gradient of {names()[position]}")
    if np.shape(gradient) != np.shape(x):
        name = names()[position]
        raise ShapeError(
            f"{who}: the gradient of {name} is {np.shape(gradient)}, but {name} is {np.shape(x)}. "
            "A gradient has the shape of what it is the gradient of."
        )
    return gradient


def _describe_expected(names: list[str]) -> str:
    return f"one gradient for each input ({', '.join(names)})"
