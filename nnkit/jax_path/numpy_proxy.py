"""Proxies that let JAX trace NumPy code: a learner's gate, written with `np.`, runs under `jax.jit`.

A traced array has no numbers yet, so `np.exp` of it raises. A `NumpyProxy` holds one and answers NumPy's own dispatch
(`__array_ufunc__`, NEP 13; `__array_function__`, NEP 18) with the function of the same name in `jax.numpy`. Writing
into it (`p[rows, labels] -= 1`) replaces the array that it holds, so that the line means the same as in NumPy, also
for views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax


class NumpyProxy(np.lib.mixins.NDArrayOperatorsMixin):
    """Proxy of a JAX array or tracer that behaves like a NumPy array.

    It holds its own array, or is a view of another proxy (`base[index]`), so that writing into either shows in both.
    Raises TypeError where NumPy code needs the numbers themselves.
    """

    __slots__ = ("_array", "_base", "_fixed", "_index")

    def __init__(self, array: Any, base: NumpyProxy | None = None, index: Any = None, fixed: bool = False) -> None:
        self._array, self._base, self._index, self._fixed = array, base, index, fixed

    @property
    def array(self) -> Any:
        """The JAX array behind the proxy."""
        return self._array if self._base is None else self._base.array[self._index]

    # -- NumPy's functions, by name -------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "at":
            return self._at(ufunc, *inputs)
        function = getattr(jnp, ufunc.__name__, None)
        if method != "__call__":
            function = getattr(function, method, None)
        if function is None:
            raise TypeError(
                f"np.{ufunc.__name__}{'' if method == '__call__' else f'.{method}'} has no equivalent in JAX."
            )
        result = function(*unwrap_arrays(inputs), **unwrap_arrays(options))
        if out is None:
            return wrap_arrays(result)
        (target,) = out
        return target._write(result) if isinstance(target, NumpyProxy) else NotImplemented

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        home: Any = jnp.linalg if func.__module__ == "numpy.linalg" else jnp
        function = getattr(home, func.__name__, None)
        if function is None:
            raise TypeError(f"np.{func.__name__} has no equivalent in JAX.")
        return wrap_arrays(function(*unwrap_arrays(args), **_canonicalize_options(unwrap_arrays(options))))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "under JAX an array has no numbers yet while the gate is traced, so it cannot be put into a NumPy array: "
            "write x.copy() for np.array(x), np.zeros_like(x) for np.zeros(x.shape), np.where for a mask."
        )

    def __jax_array__(self) -> Any:
        return self.array

    # -- reading and writing ---------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        index = unwrap_arrays(index)
        part = self.array[index]
        is_view = part.ndim and all(isinstance(i, int | slice | type(None) | type(...)) for i in _to_tuple(index))
        return NumpyProxy(None, self, index) if is_view else NumpyProxy(part)

    def __setitem__(self, index: Any, values: Any) -> None:
        self._write(self.array.at[unwrap_arrays(index)].set(unwrap_arrays(values)))

    def _at(self, ufunc: np.ufunc, target: Any, index: Any, values: Any = None) -> None:
        """Apply np.add.at(target, index, values), or another ufunc's `at`."""
        names = {"add": "add", "subtract": "subtract", "multiply": "multiply", "maximum": "max", "minimum": "min"}
        if ufunc.__name__ not in names or not isinstance(target, NumpyProxy):
            raise TypeError(f"np.{ufunc.__name__}.at has no equivalent in JAX.")
        target._write(getattr(target.array.at[unwrap_arrays(index)], names[ufunc.__name__])(unwrap_arrays(values)))

    def _write(self, result: Any) -> NumpyProxy:
        """Replace the array and return the proxy; a scalar cannot be written into, so return a new proxy."""
        old = self.array
        if not old.ndim and self._base is None:
            return NumpyProxy(result)
        if self._fixed:
            raise TypeError("under JAX, write into an array itself, not into its transposed or reshaped view.")
        if result.shape != old.shape:
            raise ValueError(f"the result is {result.shape}, and the array that it is written into is {old.shape}.")
        if self._base is None:
            self._array = result.astype(old.dtype)
        else:
            self._base[self._index] = result
        return self

    # -- the methods of arrays -------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.array, name)
        if not callable(found):
            return NumpyProxy(found, fixed=True) if isinstance(found, jax.Array) else found

        def method(*args: Any, **options: Any) -> Any:
            given = [_canonicalize_dtype(a) for a in unwrap_arrays(args)] if name == "astype" else unwrap_arrays(args)
            result = found(*given, **_canonicalize_options(unwrap_arrays(options)))
            is_view = name in ("reshape", "ravel", "transpose", "squeeze", "swapaxes", "view")
            return NumpyProxy(result, fixed=True) if is_view else wrap_arrays(result)

        return method

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __int__(self) -> int:
        return int(self.array)

    def __index__(self) -> int:
        return self.array.__index__()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"NumpyProxy({self.array})"


def wrap_arrays(tree: Any) -> Any:
    """Replace all JAX arrays in a tree (tuples, lists, dicts, or one array) by proxies."""
    return jax.tree.map(lambda x: NumpyProxy(x) if isinstance(x, jax.Array) else x, tree)


def unwrap_arrays(tree: Any) -> Any:
    """Replace the proxies in a tree by their arrays."""
    return jax.tree.map(
        lambda x: x.array if isinstance(x, NumpyProxy) else x, tree, is_leaf=lambda x: isinstance(x, NumpyProxy)
    )


def _to_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _canonicalize_dtype(dtype: Any) -> Any:
    """Return a dtype as JAX has it now: `float` is float32, unless 64 bits are enabled."""
    return dtype if hasattr(dtype, "__array_namespace__") else jax.dtypes.canonicalize_dtype(dtype)


def _canonicalize_options(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _canonicalize_dtype(value) if name == "dtype" and value is not None else value
        for name, value in options.items()
    }
