"""Arithmetic: the gates of a computational graph. Binary gates broadcast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnkit.arrays import (
    Array,
    ShapeError,
    broadcast_shape,
    check_upstream,
    convert_inputs,
    get_namespace,
    safe_divide,
    safe_power,
    unbroadcast,
    where,
)
from nnkit.gates.base import Gate, Gradients


class Add(Gate):
    """out = x + y. Distributes the upstream gradient: dx = dy = upstream."""

    symbol = "+"

    def forward(self, x: Array, y: Array) -> tuple[Array, Any]:
        x, y = convert_inputs(self, x, y)
        broadcast_shape(self, x, y)
        return x + y, (x, y)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, y = cache
        upstream = check_upstream(self, upstream, broadcast_shape(self, x, y))
        return unbroadcast(upstream, x), unbroadcast(upstream, y)


class Subtract(Gate):
    """out = x - y; dx = upstream, dy = -upstream."""

    symbol = "−"

    def forward(self, x: Array, y: Array) -> tuple[Array, Any]:
        x, y = convert_inputs(self, x, y)
        broadcast_shape(self, x, y)
        return x - y, (x, y)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, y = cache
        upstream = check_upstream(self, upstream, broadcast_shape(self, x, y))
        return unbroadcast(upstream, x), unbroadcast(-upstream, y)


class Multiply(Gate):
    """out = x · y. Swaps its inputs: dx = upstream · y, dy = upstream · x."""

    symbol = "×"

    def forward(self, x: Array, y: Array) -> tuple[Array, Any]:
        x, y = convert_inputs(self, x, y)
        broadcast_shape(self, x, y)
        return x * y, (x, y)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, y = cache
        upstream = check_upstream(self, upstream, broadcast_shape(self, x, y))
        return unbroadcast(upstream * y, x), unbroadcast(upstream * x, y)


class Divide(Gate):
    """out = x / y; dx = upstream / y, dy = -upstream · x / y²."""

    symbol = "÷"

    def forward(self, x: Array, y: Array) -> tuple[Array, Any]:
        x, y = convert_inputs(self, x, y)
        broadcast_shape(self, x, y)
        return safe_divide(x, y), (x, y)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, y = cache
        upstream = check_upstream(self, upstream, broadcast_shape(self, x, y))
        dx = safe_divide(upstream, y)
        return unbroadcast(dx, x), unbroadcast(-dx * safe_divide(x, y), y)


class Negate(Gate):
    """out = -x; dx = -upstream."""

    symbol = "·(−1)"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        return -x, (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        upstream = check_upstream(self, upstream, np.shape(x))
        return (-upstream,)


class Reciprocal(Gate):
    """out = 1 / x; dx = -upstream / x² = -upstream · out²."""

    symbol = "1/x"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        out = safe_divide(1.0, x)
        return out, (out,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (out,) = cache
        upstream = check_upstream(self, upstream, np.shape(out))
        return (-upstream * out * out,)


class Exp(Gate):
    """out = eˣ; dx = upstream · out. Overflows to inf above x ≈ 709 (float64), as eˣ does."""

    symbol = "exp"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        out = get_namespace(x).exp(x)
        return out, (out,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (out,) = cache
        upstream = check_upstream(self, upstream, np.shape(out))
        return (upstream * out,)


class Log(Gate):
    """out = ln x, for x > 0 (NaN below, -inf at 0); dx = upstream / x."""

    symbol = "log"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        return get_namespace(x).log(x), (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        upstream = check_upstream(self, upstream, np.shape(x))
        return (safe_divide(upstream, x),)


@dataclass(frozen=True)
class Power(Gate):
    """out = xᵖ for a constant exponent p; dx = upstream · p · xᵖ⁻¹ (0 everywhere for p = 0)."""

    exponent: float = 2.0

    @property
    def symbol(self) -> str:  # type: ignore[override]
        return f"x^{self.exponent:g}"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        return safe_power(x, self.exponent), (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        upstream = check_upstream(self, upstream, np.shape(x))
        if self.exponent == 0:  # p · x⁻¹ would be 0 · inf at x = 0
            return (upstream * 0.0,)
        return (upstream * (self.exponent * safe_power(x, self.exponent - 1)),)


class Max(Gate):
    """out = the larger of x and y, entry by entry. Routes: the winner gets the upstream gradient, the
    other 0. At a tie x wins (any split would be a subgradient; JAX takes half and half); beside a NaN, y does."""

    symbol = "max"

    def forward(self, x: Array, y: Array) -> tuple[Array, Any]:
        x, y = convert_inputs(self, x, y)
        broadcast_shape(self, x, y)
        return get_namespace(x, y).maximum(x, y), (x, y)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, y = cache
        upstream = check_upstream(self, upstream, broadcast_shape(self, x, y))
        x_wins = x >= y
        return unbroadcast(where(x_wins, upstream, 0.0), x), unbroadcast(where(x_wins, 0.0, upstream), y)


@dataclass(frozen=True)
class Copy(Gate):
    """out = (x, x, ...), one for each branch; dx = the sum of the branches' upstream gradients.

    Its `out` and its `upstream` are tuples. In a `Graph` a node that is used twice is this gate.
    """

    branches: int = 2
    symbol: ClassVar[str] = "copy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.branches < 1:
            raise ValueError(f"Copy({self.branches}): a wire is copied to one branch or more.")

    def forward(self, x: Array) -> tuple[tuple[Array, ...], Any]:
        (x,) = convert_inputs(self, x)
        return (x,) * self.branches, (x,)

    def backward(self, upstream: tuple[Array, ...], cache: Any) -> Gradients:
        (x,) = cache
        if not isinstance(upstream, tuple | list) or len(upstream) != self.branches:
            raise TypeError(f"Copy.backward needs a tuple of {self.branches} upstream gradients, one a branch.")
        first, *rest = (check_upstream(self, branch, np.shape(x)) for branch in upstream)
        return (sum(rest, start=first),)


@dataclass(frozen=True)
class Sum(Gate):
    """out = the sum of x over `axis` (None: over all axes). Every summand gets the upstream gradient."""

    axis: int | None = None
    symbol: ClassVar[str] = "Σ"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        if self.axis is not None and not -np.ndim(x) <= self.axis < np.ndim(x):
            raise ShapeError(f"Sum: there is no axis {self.axis} in x, which is {np.shape(x)}.")
        return get_namespace(x).sum(x, axis=self.axis), (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        xp, shape = get_namespace(x, upstream), np.shape(x)
        kept = () if self.axis is None else tuple(np.delete(shape, self.axis).tolist())
        upstream = check_upstream(self, upstream, kept)
        if self.axis is not None:
            upstream = xp.expand_dims(upstream, axis=self.axis)
        return (upstream + xp.zeros_like(x),)


class SquaredNorm(Gate):
    """out = ‖x‖² = the sum of the squares of all entries, a scalar; dx = 2 · upstream · x."""

    symbol = "‖·‖²"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        return get_namespace(x).sum(x * x), (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        upstream = check_upstream(self, upstream, ())
        return (2.0 * upstream * x,)
