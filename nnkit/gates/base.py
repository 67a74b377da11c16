"""What all gates share, and what is asked of a gate that somebody else wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, ClassVar

import numpy as np

from nnkit.arrays import Array, ShapeError, input_names, name_of

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

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(
            f"{name_of(self)} keeps no state: hand what backward needs through the cache, and make settings "
            "the fields of a @dataclass(frozen=True)."
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{name_of(self)}()"

    def __call__(self, *inputs: Any) -> Any:
        """On nodes: record this gate in their graph and return its node. On numbers: the output alone."""
        for x in inputs:
            if hasattr(x, "graph"):
                return x.graph.add(self, *inputs)
        return self.forward(*inputs)[0]


def run_forward(gate: Any, *inputs: Array) -> tuple[Array, Any]:
    """`gate.forward(*inputs)`, after a look at what came back: TypeError unless it is (out, cache)."""
    return check_pair(gate, gate.forward(*inputs))


def check_pair(gate: Any, returned: Any) -> tuple[Array, Any]:
    """What a forward returned, as (out, cache); see `run_forward`."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        what = f"a {type(returned).__name__}" if not isinstance(returned, tuple | list) else f"{len(returned)} things"
        raise TypeError(f"{name_of(gate)}.forward must return the pair (out, cache); it returned {what}.")
    out, cache = returned
    return out, cache


def run_backward(gate: Any, upstream: Array, cache: Any, inputs: tuple[Array, ...]) -> Gradients:
    """`gate.backward(upstream, cache)` as a tuple with one gradient for each input.

    A list is taken for a tuple, and a gate with one input may return its gradient bare. Raises TypeError
    when gradients are missing, ShapeError when one has not its input's shape. None stands for an input
    without a derivative, so it is allowed for integer arrays only.
    """
    returned = gate.backward(upstream, cache)
    return check_gradients(f"{name_of(gate)}.backward", returned, lambda: names_of(gate, len(inputs)), inputs)


def names_of(function: Any, count: int) -> list[str]:
    """Names for `count` inputs: the function's own, or x1, x2, ... where it does not tell."""
    own = input_names(function)
    return own if len(own) == count else [f"x{i + 1}" if count > 1 else "x" for i in range(count)]


def check_gradients(who: str, returned: Any, names: Callable[[], list[str]], inputs: tuple[Array, ...]) -> Gradients:
    """What `who` returned, as one gradient for each input; see `run_backward`. The names are asked for only
    when something is amiss, since finding them out costs more than most gates."""
    if isinstance(returned, list) and len(inputs) == 1 and np.shape(inputs[0]):
        returned = returned[0] if len(returned) == 1 else np.asarray(returned)
    if not isinstance(returned, tuple | list):
        returned = (returned,)
    if len(returned) != len(inputs):
        raise TypeError(f"{who} must return {_wanted(names())}; it returned {len(returned)}.")
    for position, (gradient, x) in enumerate(zip(returned, inputs)):
        if gradient is None:
            if getattr(x, "dtype", np.dtype(float)).kind not in "iu":
                raise TypeError(f"{who} must return {_wanted(names())}; it returned None for {names()[position]}.")
        elif np.shape(gradient) != np.shape(x):
            name = names()[position]
            raise ShapeError(
                f"{who}: the gradient of {name} is {np.shape(gradient)}, but {name} is {np.shape(x)}. "
                "A gradient has the shape of what it is the gradient of."
            )
    return tuple(returned)


def _wanted(names: list[str]) -> str:
    return f"one gradient for each input ({', '.join(names)})"
