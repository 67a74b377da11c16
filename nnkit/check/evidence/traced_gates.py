"""Elementwise gates that a traced function may have, beside the kit's own: sin, |x|, softplus, the smaller of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnkit import gates
from nnkit.arrays import Array, unbroadcast
from nnkit.gates.base import Gate, Gradients

Elementary = Callable[[Array], Array]


def compute_sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), safe for large x."""
    return gates.Sigmoid().forward(x)[0]


ELEMENTARY: dict[str, tuple[Elementary, Elementary]] = {
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda x: -np.sin(x)),
    "tan": (np.tan, lambda x: 1 + np.tan(x) ** 2),
    "sinh": (np.sinh, np.cosh),
    "cosh": (np.cosh, np.sinh),
    "arctan": (np.arctan, lambda x: 1 / (1 + x**2)),
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x**2)),
    "log1p": (np.log1p, lambda x: 1 / (1 + x)),
    "expm1": (np.expm1, np.exp),
    "abs": (np.abs, np.sign),
    "softplus": (lambda x: np.logaddexp(0, x), compute_sigmoid),
    "silu": (lambda x: x * compute_sigmoid(x), lambda x: compute_sigmoid(x) * (1 + x * (1 - compute_sigmoid(x)))),
}
"""Functions of one number with their derivatives, by name."""


@dataclass(frozen=True)
class Elementwise(Gate):
    """out = f(x), entry by entry; dx = upstream · f′(x)."""

    name: str
    symbol: ClassVar[str] = "f"

    def forward(self, x: Array) -> tuple[Array, Any]:
        return ELEMENTARY[self.name][0](x), np.asarray(x)

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        return (upstream * ELEMENTARY[self.name][1](cache),)


class Min(Gate):
    """out = the smaller of x and y, entry by entry, which gets the upstream gradient."""

    symbol = "min"

    def forward(self, x: Array, y: Array) -> tuple[Array, Any]:
        return np.minimum(x, y), (np.asarray(x), np.asarray(y))

    def backward(self, upstream: Array, cache: Any) -> Gradients:
        x, y = cache
        return unbroadcast(upstream * (x <= y), x), unbroadcast(upstream * (x > y), y)


WRITTEN_OUT: tuple[Gate, ...] = (Elementwise("softplus"), Elementwise("silu"), *map(gates.Power, (2, 3, 0.5, -2)))
"""Gates that people write in several steps: log(1 + exp(x)), x * x."""


def fit_rectifiers(x: Array, out: Array) -> Iterator[Gate]:
    """Yield the leaky ReLU and the ELU with the alpha that gives this output, if there is one."""
    x, out = np.asarray(x), np.asarray(out)
    below = x < 0
    if x.shape != out.shape or x.dtype.kind != "f" or below.all() or not below.any():
        return
    if not np.array_equal(x[~below], out[~below]) or np.array_equal(x, out):
        return
    alphas = ((gates.LeakyReLU, out[below] / x[below]), (gates.ELU, out[below] / np.expm1(x[below])))
    for kind, alpha in alphas:
        # One entry would give an alpha to either gate: it must be one that people write.
        sure = alpha.size > 1 or abs(alpha[0] - round(alpha[0], 3)) < 1e-9
        if alpha[0] > 0 and sure and np.allclose(alpha, alpha[0], rtol=1e-9, atol=0):
            yield kind(float(alpha[0]))
