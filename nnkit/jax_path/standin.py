"""Arrays that let NumPy code be traced: what makes a learner's gate, written with `np.`, run under `jax.jit`.

A traced array has no numbers yet, so `np.exp` of it raises. A `StandIn` holds one and answers NumPy's own dispatch
(`__array_ufunc__`, NEP 13; `__array_function__`, NEP 18) with the function of the same name in `jax.numpy`. Writing
into it (`p[rows, labels] -= 1`) makes a new array and keeps it, so that the line means what it means in NumPy, for a
view of it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax


class StandIn(np.lib.mixins.NDArrayOperatorsMixin):
    """A JAX array or tracer that behaves as a NumPy array does.

    It stands for its own array, or for a part of another stand-in (`base[index]`, a view), so that writing into
    either shows in both. Raises TypeError, with a sentence, where NumPy code needs the numbers themselves.
    """

    __slots__ = ("_array", "_base", "_fixed", "_index")

    def __init__(self, array: Any, base: StandIn | None = None, index: Any = None, fixed: bool = False) -> None:
        self._array, self._base, self._index, self._fixed = array, base, index, fixed

    @property
    def array(self) -> Any:
        """The JAX array that it stands for."""
        return self._array if self._base is None else self._base.array[self._index]

    # -- NumPy's functions, by name -------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "at":
            return self._at(ufunc, *inputs)
        function = getattr(jnp, ufunc.__name__, None)
        if method != "__call__":
            function = getattr(function, method, None)
        if function is None:
            raise TypeError(f"np.{ufunc.__name__}{'' if method == '__call__' else f'.{method}'} has no like in JAX.")
        result = function(*unwrap(inputs), **unwrap(options))
        if out is None:
            return wrap(result)
        (target,) = out
        return target._write(result) if isinstance(target, StandIn) else NotImplemented

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        home: Any = jnp.linalg if func.__module__ == "numpy.linalg" else jnp
        function = getattr(home, func.__name__, None)
        if function is None:
            raise TypeError(f"np.{func.__name__} has no like in JAX.")
        return wrap(function(*unwrap(args), **_short_types(unwrap(options))))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "under JAX an array has no numbers yet while the gate is traced, so it can be put into no NumPy array: "
            "write x.copy() for np.array(x), np.zeros_like(x) for np.zeros(x.shape), np.where for a mask."
        )

    def __jax_array__(self) -> Any:
        return self.array

    # -- reading and writing ---------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        index = unwrap(index)
        part = self.array[index]
        is_view = part.ndim and all(isinstance(i, int | slice | type(None) | type(...)) for i in _tuple(index))
        return StandIn(None, self, index) if is_view else StandIn(part)

    def __setitem__(self, index: Any, values: Any) -> None:
        self._write(self.array.at[unwrap(index)].set(unwrap(values)))

    def _at(self, ufunc: np.ufunc, target: Any, index: Any, values: Any = None) -> None:
        """np.add.at(target, index, values), and the like."""
        names = {"add": "add", "subtract": "subtract", "multiply": "multiply", "maximum": "max", "minimum": "min"}
        if ufunc.__name__ not in names or not isinstance(target, StandIn):
            raise TypeError(f"np.{ufunc.__name__}.at has no like in JAX.")
        target._write(getattr(target.array.at[unwrap(index)], names[ufunc.__name__])(unwrap(values)))

    def _write(self, result: Any) -> StandIn:
        """Hold these numbers from now on; a number of NumPy's cannot be written into, and gives way to a new one."""
        old = self.array
        if not old.ndim and self._base is None:
            return StandIn(result)
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
            return StandIn(found, fixed=True) if isinstance(found, jax.Array) else found

        def method(*args: Any, **options: Any) -> Any:
            given = [_short(a) for a in unwrap(args)] if name == "astype" else unwrap(args)
            result = found(*given, **_short_types(unwrap(options)))
            is_view = name in ("reshape", "ravel", "transpose", "squeeze", "swapaxes", "view")
            return StandIn(result, fixed=True) if is_view else wrap(result)

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
        return f"StandIn({self.array})"


def wrap(tree: Any) -> Any:
    """Stand-ins for all JAX arrays in a tuple, list or dict, or for the one given."""
    return jax.tree.map(lambda x: StandIn(x) if isinstance(x, jax.Array) else x, tree)


def unwrap(tree: Any) -> Any:
    """The arrays that stand-ins stand for, in the same places."""
    return jax.tree.map(
        lambda x: x.array if isinstance(x, StandIn) else x, tree, is_leaf=lambda x: isinstance(x, StandIn)
    )


def _tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _short(dtype: Any) -> Any:
    """A type as JAX has it now: `float` is float32, unless 64 bits are enabled."""
    return dtype if hasattr(dtype, "__array_namespace__") else jax.dtypes.canonicalize_dtype(dtype)


def _short_types(options: dict[str, Any]) -> dict[str, Any]:
    return {name: _short(value) if name == "dtype" and value is not None else value for name, value in options.items()}
