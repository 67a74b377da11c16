"""Entries that a mask picks, `d[x <= 0]`, while JAX traces: how many there are is not known yet.

The whole array is kept with the mask. What is computed entry by entry is computed everywhere and written back where the
mask is; a sum or a mean leaves the others out.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import jax

START = {"max": -np.inf, "min": np.inf}
"""First values of a maximum and a minimum."""
REDUCTIONS = frozenset({"sum", "mean", "prod", "max", "min", "any", "all"})


class MaskedPart(np.lib.mixins.NDArrayOperatorsMixin):
    """The entries of `full` where `mask` is True, in order. The mask may have fewer axes, the first ones.

    Raises TypeError for what needs their number.
    """

    __slots__ = ("full", "mask")

    def __init__(self, full: Any, mask: Any) -> None:
        self.full, self.mask = full, mask

    def align(self, mask: Any) -> Any:
        """Return an array in which the k-th of these entries stands where the k-th True of another mask is."""
        if mask is self.mask:
            return self.full
        rest = self.full.shape[self.mask.ndim :]
        order = jnp.nonzero(self.mask.ravel(), size=self.mask.size, fill_value=0)[0]
        place = jnp.cumsum(mask.ravel()) - 1
        return self.full.reshape(-1, *rest)[order][place].reshape(*mask.shape, *rest)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method != "__call__" or options:
            raise TypeError(f"np.{ufunc.__name__}.{method} of entries that a mask picks does not run under JAX.")
        full = getattr(jnp, ufunc.__name__)(*map(self._spread, inputs))
        if out is None:
            return MaskedPart(full, self.mask)
        self.full = full  # `part *= 2`, which Python then writes back
        return self

    def _spread(self, value: Any) -> Any:
        if isinstance(value, MaskedPart):
            return value.align(self.mask)
        return _check_rest(getattr(value, "array", value), self.full.ndim - self.mask.ndim)

    def __array_function__(self, func: Any, types: Any, args: Any, options: Any) -> Any:
        if func.__name__ not in REDUCTIONS or len(args) > 1:
            raise TypeError(f"np.{func.__name__} of entries that a mask picks does not run under JAX.")
        return self._reduce(func.__name__, **options)

    def _reduce(self, name: str, axis: int | None = None) -> Any:
        if axis not in (None, 0):
            raise TypeError("entries that a mask picks are summed over all axes, or over axis 0, under JAX.")
        axes = None if axis is None else tuple(range(self.mask.ndim))
        extra = {"initial": START[name]} if name in START else {}
        return getattr(jnp, name)(self.full, axis=axes, where=_widen(self.mask, self.full), **extra)

    def __getattr__(self, name: str) -> Any:
        if name in REDUCTIONS:
            return lambda axis=None: self._reduce(name, axis)
        if name in ("dtype", "astype"):
            return self.full.dtype if name == "dtype" else lambda kind: MaskedPart(self.full.astype(kind), self.mask)
        if name == "copy":
            return lambda: self
        raise TypeError(
            f".{name} of entries that a mask picks does not run under JAX: how many there are is not known."
        )


def is_traced_mask(index: Any) -> bool:
    """Return True if the index is one traced array of booleans."""
    return isinstance(index, jax.Array) and index.dtype == bool and index.ndim > 0


def write_masked(old: Any, mask: Any, values: Any) -> Any:
    """Return the array with the values where the mask is True: one for all, or a `MaskedPart` of as many."""
    given = values.align(mask) if isinstance(values, MaskedPart) else _check_rest(values, old.ndim - mask.ndim)
    return jnp.where(_widen(mask, old), given, old).astype(old.dtype)


def _check_rest(values: Any, axes: int) -> Any:
    if np.ndim(values) > axes:
        raise TypeError("how many entries the mask picks is not known while JAX traces: pick the values by a mask too.")
    return values


def _widen(mask: Any, array: Any) -> Any:
    """Return the mask with axes of size 1 for those of the array that it lacks."""
    return mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim))
