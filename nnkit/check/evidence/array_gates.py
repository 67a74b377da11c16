"""Gates for what NumPy's functions do to whole arrays; the graphs of the checker are made of them and of the kit's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnkit.arrays import Array, unbroadcast
from nnkit.gates.base import Gate, Gradients

STEP = 1e-20
"""The complex step, as a share of a difference."""
DIFFERENCE = 1e-3
"""A difference, as a share of the number that it is taken at."""
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


def format_index(index: Any) -> str:
    """Return a slice as it is written: "1:", ":, :-1"; dots for numbers, which are others in each round of a loop or at
    another size."""
    parts = [_format_slice(part) for part in (index if isinstance(index, tuple) else (index,))]
    return "…" if None in parts else ", ".join(map(str, parts))


def _format_slice(part: Any) -> str | None:
    if not isinstance(part, slice) or not {part.start, part.stop} <= {None, 0, 1, -1} or part.step not in (None, 2, -1):
        return None
    ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
    return ":".join(ends if part.step is None else [*ends, str(part.step)])


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


class ColumnSoftmax(Gate):
    """out = softmax(x) along the first axis of a matrix."""

    symbol = "softmax"

    def forward(self, x: Array) -> tuple[Array, Any]:
        if np.ndim(x) != 2:
            raise TypeError("the columns of a matrix")
        out = compute_softmax(x, 0)
        return out, out

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return (cache * (upstream - (upstream * cache).sum(axis=0, keepdims=True)),)


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
    """A function of numbers, entry by entry, whose slope is measured."""

    function: Callable[..., Array]
    symbol: ClassVar[str] = "f"

    def forward(self, *inputs: Array) -> tuple[Array, Any]:
        return self.function(*inputs), inputs

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return tuple(unbroadcast(upstream * self._measure_slope(cache, k), x) for k, x in enumerate(cache))

    def _measure_slope(self, inputs: tuple[Array, ...], k: int) -> Array:
        x = np.asarray(inputs[k], dtype=float)
        h = _choose_step(x)
        return _measure_change(lambda moved: self.function(*inputs[:k], moved, *inputs[k + 1 :]), x, h, True) / h


@dataclass(frozen=True)
class Measured(Gate):
    """A function of arrays whose Jacobian is measured, once."""

    function: Callable[..., Array]
    analytic: bool = False
    """It takes complex numbers, and treats them as it treats real ones."""
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
        x = np.asarray(inputs[k], dtype=float)
        steps = _choose_step(x)
        rows = []
        for entry in range(x.size):
            h = np.zeros(x.shape)
            h.flat[entry] = steps.flat[entry]
            change = _measure_change(
                lambda moved: self.function(*inputs[:k], moved, *inputs[k + 1 :]), x, h, self.analytic
            )
            rows.append(np.ravel(change) / steps.flat[entry])
        return np.array(rows)


def _measure_change(function: Callable[[Array], Array], x: np.ndarray, h: Array, analytic: bool) -> Array:
    """Return d f(x + t · h) / dt at t = 0: by the complex step where it may be taken, else by central differences at
    two steps (Richardson's extrapolation)."""
    if analytic:
        with suppress(TypeError):  # it takes no complex numbers
            return np.imag(function(x + 1j * STEP * h)) / STEP
    wide, narrow = (function(x + t * h) - function(x - t * h) for t in (1.0, 0.5))
    return (8 * narrow - wide) / 6


def _choose_step(x: np.ndarray) -> np.ndarray:
    size = np.abs(x)
    step: np.ndarray = DIFFERENCE * np.where(size > 0, size, np.max(size, initial=0.0) or 1.0)
    return step
