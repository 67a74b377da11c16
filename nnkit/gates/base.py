"""What all gates share, and what is asked of a gate that somebody else wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, ClassVar

import numpy as np

from nnkit.arrays import Array, ShapeError, as_floats, get_input_names, get_name, is_floats

Gradients = tuple[Array, ...]


class Gate:
    """What all gates share. A gate of your own needs `forward` and `backward`; this class is optional.

    Gates are equal if they are of one kind with the same settings. They keep no state, so they cannot be
    changed; settings are the fields of a frozen dataclass, as in `Power`.
    """

    symbol: ClassVar[str] = ""
    """What a drawing writes inside the gate."""

    forward: ClassVar[Callable[..., tuple[Any, Any]]]
    backward: ClassVar[Callable[..., Gradients]]

    def __post_init__(self) -> None:
        """For gates with settings (`@dataclass` calls it): NumPy's numbers become Python's, since an array of
        float32 times NumPy's 0.1 would be one of float64."""
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
        """On nodes: record this gate in their graph and return its node. On numbers: the output alone."""
        for x in inputs:
            if hasattr(x, "graph"):
                return x.graph.add(self, *inputs)
        return self.forward(*inputs)[0]


def run_forward(gate: Any, *inputs: Array) -> tuple[Array, Any]:
    """`gate.forward(*inputs)`, after a look at what came back: TypeError unless it is (out, cache) with an
    array of numbers for out. A list of numbers is made one. (A tuple is left alone: the copy gate's.)"""
    out, cache = check_pair(gate, gate.forward(*inputs))
    if not is_floats(out) and not isinstance(out, tuple):
        out = as_floats(out, lambda: f"{get_name(gate)}.forward: out, the first of the pair (out, cache),")
    return out, cache


def check_pair(gate: Any, returned: Any) -> tuple[Any, Any]:
    """What a forward returned, as (out, cache); TypeError unless it is a pair."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        what = f"a {type(returned).__name__}" if not isinstance(returned, tuple | list) else f"{len(returned)} things"
        raise TypeError(f"{get_name(gate)}.forward must return the pair (out, cache); it returned {what}.")
    out, cache = returned
    return out, cache


def run_backward(gate: Any, upstream: Array, cache: Any, inputs: tuple[Array, ...]) -> Gradients:
    """`gate.backward(upstream, cache)` as a tuple with one gradient for each input.

    A list is taken for a tuple, a list of numbers for an array, and a gate with one input may return its
    gradient bare. Raises TypeError when gradients are missing or not numbers, ShapeError when one has not its
    input's shape. None stands for an input without a derivative, so it is allowed for integer arrays only.
    """
    returned = gate.backward(upstream, cache)
    return check_gradients(f"{get_name(gate)}.backward", returned, lambda: name_inputs(gate, len(inputs)), inputs)


def name_inputs(function: Any, count: int) -> list[str]:
    """Names for `count` inputs: the function's own, or x1, x2, ... where it does not tell."""
    own = get_input_names(function)
    return own if len(own) == count else [f"x{i + 1}" if count > 1 else "x" for i in range(count)]


def check_gradients(who: str, returned: Any, names: Callable[[], list[str]], inputs: tuple[Array, ...]) -> Gradients:
    """What `who` returned, as one gradient for each input; see `run_backward`. The names are asked for only
    when something is amiss, since finding them out costs more than most gates."""
    gradients = returned if type(returned) is tuple else _to_tuple(returned, inputs)
    if len(gradients) != len(inputs):
        raise TypeError(f"{who} must return {_describe_expected(names())}; it returned {len(gradients)}.")
    return tuple(
        _check_gradient(who, gradient, names, position, x)
        for position, (gradient, x) in enumerate(zip(gradients, inputs))
    )


def _to_tuple(returned: Any, inputs: tuple[Array, ...]) -> tuple[Any, ...]:
    """A list is either the gradients of the inputs, or, bare, the only input's gradient: if it has its shape."""
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
