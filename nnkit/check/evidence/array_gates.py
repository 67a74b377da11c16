"""Gates for what NumPy's functions do to whole arrays; the graphs of the checker are made of them and of the kit's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnkit.arrays import Array, unbroadcast
from nnkit.gates.base import Gate, Gradients

STEP = 1e-30
"""The complex step."""
MAX_MEASURED_ENTRIES = 1_000_000
"""Entries of a Jacobian that is measured; a gate with more is refused."""


@dataclass(frozen=True)
class Pick(Gate):
    """Entries of the inputs, rearranged: an index, a transpose, a padding, a concatenation. Each passes its gradient
    to where it came from."""

    rearrange: Callable[..., Array]
    form: str = "{}[…]"
    """Formula, with {} for the input; or the name of a function of all inputs."""
    symbol: ClassVar[str] = "pick"

    def forward(self, *inputs: Array) -> tuple[Array, Any]:
        shapes = [np.shape(x) for x in inputs]
        sizes = [int(np.prod(shape)) for shape in shapes]
        ends = np.cumsum([1, *sizes])  # 0 numbers the entries that come from none of them
        numbered = [np.arange(a, b).reshape(shape) for a, b, shape in zip(ends, ends[1:], shapes)]
        return self.rearrange(*map(np.asarray, inputs)), (shapes, ends, self.rearrange(*numbered))

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        shapes, ends, places = cache
        total = np.zeros(ends[-1])
        np.add.at(total, np.ravel(places), np.ravel(upstream))
        return tuple(total[a:b].reshape(shape) for a, b, shape in zip(ends, ends[1:], shapes))


@dataclass(frozen=True)
class Reduce(Gate):
    """A sum, mean, maximum or minimum of x over axes; the extreme entries get the gradient of a maximum or minimum."""

    how: Callable[..., Array]
    axis: Any = None
    keepdims: bool = False
    symbol: ClassVar[str] = "reduce"

    def forward(self, x: Array) -> tuple[Array, Any]:
        return self.how(x, axis=self.axis, keepdims=self.keepdims), np.asarray(x)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        kept = self.how(cache, axis=self.axis, keepdims=True)
        spread = np.broadcast_to(np.reshape(upstream, np.shape(kept)), cache.shape)
        if self.how in (np.max, np.min):
            return (spread * (cache == kept),)
        return (spread * (np.size(kept) / cache.size if self.how is np.mean else 1.0),)


def compute_softmax(x: Array, axis: int = -1) -> Array:
    """Return exp(x) / Σ exp(x) along an axis, safe for large x."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    softmax: Array = e / e.sum(axis=axis, keepdims=True)
    return softmax


def compute_log_softmax(x: Array) -> Array:
    """Return log(softmax(x)) along the last axis, safe for large x."""
    shifted = x - np.max(x, axis=-1, keepdims=True)
    out: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return out


class Softmax(Gate):
    """out = softmax(x) along the last axis; dx = out · (upstream - Σ upstream · out)."""

    symbol = "softmax"

    def forward(self, x: Array) -> tuple[Array, Any]:
        out = compute_softmax(x)
        return out, out

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return (cache * (upstream - (upstream * cache).sum(axis=-1, keepdims=True)),)


class StackedMatMul(Gate):
    """out = x @ w for stacks of matrices; axes before the last two broadcast."""

    symbol = "@"

    def forward(self, x: Array, w: Array) -> tuple[Array, Any]:
        if min(np.ndim(x), np.ndim(w)) < 2:
            raise TypeError("a stack of matrices meets a vector")
        return x @ w, (x, w)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, w = cache
        return unbroadcast(upstream @ w.swapaxes(-1, -2), x), unbroadcast(x.swapaxes(-1, -2) @ upstream, w)


@dataclass(frozen=True)
class Smooth(Gate):
    """A function of numbers, entry by entry, that takes complex ones too: its slope is measured by the complex step."""

    function: Callable[..., Array]
    symbol: ClassVar[str] = "f"

    def forward(self, *inputs: Array) -> tuple[Array, Any]:
        return self.function(*inputs), inputs

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return tuple(unbroadcast(upstream * self._measure_slope(cache, k), x) for k, x in enumerate(cache))

    def _measure_slope(self, inputs: tuple[Array, ...], k: int) -> Array:
        moved = [x + 1j * STEP if i == k else x for i, x in enumerate(inputs)]
        return np.imag(self.function(*moved)) / STEP


@dataclass(frozen=True)
class Measured(Gate):
    """A function of arrays that takes complex ones too: its Jacobian is measured, once, by the complex step."""

    function: Callable[..., Array]
    symbol: ClassVar[str] = "f"

    def forward(self, *inputs: Array) -> tuple[Array, Any]:
        out = self.function(*inputs)
        if sum(map(np.size, inputs)) * np.size(out) > MAX_MEASURED_ENTRIES:
            raise TypeError("too large to be measured")
        return out, (inputs, {})

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        inputs, jacobians = cache
        for k in range(len(inputs)):
            if k not in jacobians:
                jacobians[k] = self._measure_jacobian(inputs, k)
        return tuple((jacobians[k] @ np.ravel(upstream)).reshape(np.shape(x)) for k, x in enumerate(inputs))

    def _measure_jacobian(self, inputs: tuple[Array, ...], k: int) -> np.ndarray:
        """Return d out / d input k, a row for each entry of the input."""
        rows = []
        for entry in range(np.size(inputs[k])):
            moved = np.array(inputs[k], dtype=complex)
            moved.flat[entry] += 1j * STEP
            out = self.function(*inputs[:k], moved, *inputs[k + 1 :])
            rows.append(np.imag(np.ravel(out)) / STEP)
        return np.array(rows)
