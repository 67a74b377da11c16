"""Activations: elementwise gates (and maxout), whose Jacobians are diagonal and never built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnkit.arrays import Array, ShapeError, check_upstream, convert_inputs, get_namespace, where
from nnkit.gates.base import Gate, Gradients


class Sigmoid(Gate):
    """out = σ(x) = 1 / (1 + e⁻ˣ); dx = upstream · out · (1 - out).

    Safe at both ends: only e^-|x| is ever computed, which cannot overflow.
    """

    symbol = "σ"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        xp = get_namespace(x)
        z = xp.exp(-abs(x))
        out = xp.where(x >= 0, 1.0, z) / (1.0 + z)
        return out, (out,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (out,) = cache
        upstream = check_upstream(self, upstream, np.shape(out))
        return (upstream * out * (1.0 - out),)


class Tanh(Gate):
    """out = tanh x; dx = upstream · (1 - out²)."""

    symbol = "tanh"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        out = get_namespace(x).tanh(x)
        return out, (out,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (out,) = cache
        upstream = check_upstream(self, upstream, np.shape(out))
        return (upstream * (1.0 - out * out),)


class ReLU(Gate):
    """out = max(0, x); dx = upstream where x > 0, else 0 (at the kink x = 0 too)."""

    symbol = "ReLU"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        return get_namespace(x).maximum(x, 0.0), (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        upstream = check_upstream(self, upstream, np.shape(x))
        return (where(x > 0, upstream, 0.0),)


@dataclass(frozen=True)
class LeakyReLU(Gate):
    """out = x where x > 0, else slope · x; dx = upstream times 1 or slope (slope at x = 0)."""

    slope: float = 0.01
    symbol: ClassVar[str] = "leaky"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        return where(x > 0, x, self.slope * x), (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        upstream = check_upstream(self, upstream, np.shape(x))
        return (where(x > 0, upstream, self.slope * upstream),)


@dataclass(frozen=True)
class ELU(Gate):
    """out = x where x > 0, else alpha · (eˣ - 1); dx = upstream times 1 or alpha · eˣ (the latter at 0).

    Safe at both ends: the exponential is taken of min(x, 0) only, and by expm1 near 0.
    """

    alpha: float = 1.0
    symbol: ClassVar[str] = "ELU"

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        xp = get_namespace(x)
        below = self.alpha * xp.expm1(xp.minimum(x, 0.0))
        return where(x > 0, x, below), (x, below)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, below = cache
        upstream = check_upstream(self, upstream, np.shape(x))
        return (upstream * where(x > 0, 1.0, below + self.alpha),)


@dataclass(frozen=True)
class Maxout(Gate):
    """The largest of `pieces` scores for each unit: x (..., pieces · H) → out (..., H).

    Piece j of unit h is x[..., j · H + h]. The winning piece gets the upstream gradient, the first one
    at a tie.
    """

    pieces: int = 2
    symbol: ClassVar[str] = "maxout"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pieces < 1:
            raise ValueError(f"Maxout({self.pieces}): a unit is the largest of one piece or more.")

    def forward(self, x: Array) -> tuple[Array, Any]:
        (x,) = convert_inputs(self, x)
        shape = np.shape(x)
        if not shape or shape[-1] % self.pieces:
            raise ShapeError(f"Maxout: the last axis of x {shape} must be a multiple of {self.pieces} pieces.")
        return get_namespace(x).max(self._split(x), axis=-2), (x,)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        (x,) = cache
        xp, scores = get_namespace(x, upstream), self._split(x)
        upstream = check_upstream(self, upstream, (*scores.shape[:-2], scores.shape[-1]))
        winner = xp.expand_dims(xp.argmax(scores, axis=-2), axis=-2)
        wins = xp.reshape(xp.arange(self.pieces), (-1, 1)) == winner
        return (xp.reshape(xp.where(wins, xp.expand_dims(upstream, axis=-2), 0.0), x.shape),)

    def _split(self, x: Array) -> Array:
        return get_namespace(x).reshape(x, (*x.shape[:-1], self.pieces, x.shape[-1] // self.pieces))
