"""Proxies that let JAX trace NumPy code: a learner's gate, written with `np.`, runs under `jax.jit`.

A traced array has no numbers yet, so `np.exp` of it raises. A `NumpyProxy` holds one and answers NumPy's own dispatch
(`__array_ufunc__`, NEP 13; `__array_function__`, NEP 18) with the function of the same name in `jax.numpy`. Writing
into it (`p[rows, labels] -= 1`) replaces the array that it holds, so that the line means the same as in NumPy, also
for views. What `SUBSTITUTES` make (`np.zeros`, to be filled later) is a proxy too: of a NumPy array, until something
traced is written into it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from nnkit.jax_path.masked_part import MaskedPart, is_traced_mask, write_masked
from nnkit.rebinding import ON_NUMBERS

REARRANGING = frozenset({"reshape", "ravel", "transpose", "squeeze", "swapaxes"})
"""Methods whose result is a view."""


class NumpyProxy(np.lib.mixins.NDArrayOperatorsMixin):
    """Proxy of a JAX array or tracer that behaves like a NumPy array; or of a NumPy array that may become one.

    It holds its own array, or is a view of another proxy (`base[index]`, `base.T`), so that writing into either shows
    in both. Raises TypeError where NumPy code needs numbers that are traced.
    """

    __slots__ = ("_array", "_base", "_index", "_read")

    def __init__(
        self, array: Any, base: NumpyProxy | None = None, index: Any = None, read: Callable[[Any], Any] | None = None
    ) -> None:
        self._array, self._base, self._index, self._read = array, base, index, read

    @property
    def array(self) -> Any:
        """The array behind the proxy."""
        if self._base is None:
            return self._array
        return self._read(self._base.array) if self._read else self._base.array[self._index]

    # -- NumPy's functions, by name -------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if any(isinstance(x, MaskedPart) for x in inputs):
            return NotImplemented
        if method == "at":
            return self._at(ufunc, *inputs)
        theirs = _find_ufunc(ufunc.__name__)
        function = theirs if method == "__call__" else getattr(theirs, method, None)
        if function is None:
            raise TypeError(
                f"np.{ufunc.__name__}{'' if method == '__call__' else f'.{method}'} has no equivalent in JAX."
            )
        where, dtype = (
            (options.pop(name, None) for name in ("where", "dtype")) if method == "__call__" else (None, None)
        )
        result = _compute(getattr(ufunc, method), function, inputs, options)
        target = out[0] if out else None
        if dtype is not None:
            result = result.astype(dtype)
        if where is not None:
            result = np.where(where, result, np.zeros_like(result) if target is None else target)
        if target is None:
            return result
        return target._write(unwrap_arrays(result)) if isinstance(target, NumpyProxy) else NotImplemented

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        name = func.__name__
        if name in IN_PLACE:
            args[0]._write(IN_PLACE[name](*unwrap_arrays(args), **unwrap_arrays(options)))
            return None
        home: Any = jnp.linalg if func.__module__ == "numpy.linalg" else jnp.fft if "fft" in func.__module__ else jnp
        function = EQUIVALENTS.get(name) or getattr(home, name, None)
        if function is None:
            raise TypeError(f"np.{name} has no equivalent in JAX.")
        target = options.pop("out", None)
        result = _compute(func, function, args, options)
        return target._write(unwrap_arrays(result)) if isinstance(target, NumpyProxy) else result

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        array = self.array
        if isinstance(array, jax.Array):
            raise TypeError(
                "under JAX an array has no numbers yet while the gate is traced, so it cannot be put into an array "
                "that NumPy made before: write x.copy(), or np.zeros_like(x) to fill it later."
            )
        return np.array(array, dtype, copy=copy)

    def __jax_array__(self) -> Any:
        return jnp.asarray(self.array)

    # -- reading and writing ---------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        index = _unwrap_index(index)
        if is_traced_mask(index):
            return MaskedPart(jnp.asarray(self.array), index)
        part = _to_array_of(index, self.array)[index]
        is_view = np.ndim(part) and all(isinstance(i, int | slice | type(None) | type(...)) for i in _to_tuple(index))
        return NumpyProxy(None, self, index) if is_view else NumpyProxy(part)

    def __setitem__(self, index: Any, values: Any) -> None:
        index, values, old = _unwrap_index(index), unwrap_arrays(values), self.array
        if is_traced_mask(index):
            self._write(write_masked(jnp.asarray(old), index, values))
        elif _has_traced((old, index, values)):
            values = jnp.asarray(values) if isinstance(values, list | tuple) else values
            self._write(jnp.asarray(old).at[index].set(values))
        else:
            new = np.array(old)
            new[index] = values
            self._write(new)

    def _at(self, ufunc: np.ufunc, target: Any, index: Any, values: Any = None) -> None:
        """Apply np.add.at(target, index, values), or another ufunc's `at`."""
        names = {"add": "add", "subtract": "subtract", "multiply": "multiply", "maximum": "max", "minimum": "min"}
        if ufunc.__name__ not in names or not isinstance(target, NumpyProxy):
            raise TypeError(f"np.{ufunc.__name__}.at has no equivalent in JAX.")
        place = jnp.asarray(target.array).at[unwrap_arrays(index)]
        target._write(getattr(place, names[ufunc.__name__])(unwrap_arrays(values)))

    def _write(self, result: Any) -> NumpyProxy:
        """Replace the array and return the proxy; a scalar cannot be written into, so return a new proxy."""
        old = self.array
        if not np.ndim(old) and self._base is None:
            return NumpyProxy(result)
        if np.shape(result) != np.shape(old):
            raise ValueError(f"the result is {np.shape(result)}, and the array that it is written into is {old.shape}.")
        if self._base is None:
            self._array = result.astype(jax.dtypes.canonicalize_dtype(old.dtype) if _has_traced(result) else old.dtype)
        elif self._read is None:
            self._base[self._index] = result
        else:
            shape = np.shape(self._base.array)
            places = np.unravel_index(self._read(np.arange(np.prod(shape, dtype=int)).reshape(shape)), shape)
            self._base[tuple(places)] = result
        return self

    # -- the methods of arrays -------------------------------------------------------------------------

    @property
    def T(self) -> NumpyProxy:
        """The transpose, a view."""
        return NumpyProxy(None, self, read=lambda array: array.T)

    @property
    def flat(self) -> NumpyProxy:
        """All entries, row by row, as a view."""
        return NumpyProxy(None, self, read=lambda array: array.reshape(-1))

    def fill(self, value: Any) -> None:
        """Write one number into all entries."""
        self[...] = value

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.array, name)
        if not callable(found):
            return wrap_arrays(found)

        def method(*args: Any, **options: Any) -> Any:
            if name in REARRANGING:
                given = unwrap_arrays(args)
                return NumpyProxy(None, self, read=lambda array: getattr(array, name)(*given, **options))
            given = [_canonicalize_dtype(a) for a in unwrap_arrays(args)] if name == "astype" else unwrap_arrays(args)
            owner = _to_array_of((given, options), self.array)
            return wrap_arrays(getattr(owner, name)(*given, **_canonicalize_options(unwrap_arrays(options))))

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
    """Replace all arrays of JAX or NumPy in a tree (tuples, lists, dicts, or one array) by proxies."""
    return jax.tree.map(lambda x: NumpyProxy(x) if isinstance(x, jax.Array | np.ndarray) else x, tree)


def unwrap_arrays(tree: Any) -> Any:
    """Replace the proxies in a tree by their arrays."""
    return jax.tree.map(
        lambda x: x.array if isinstance(x, NumpyProxy) else x, tree, is_leaf=lambda x: isinstance(x, NumpyProxy)
    )


def _compute(numpy: Callable[..., Any], theirs: Callable[..., Any], args: Any, options: dict[str, Any]) -> Any:
    """Return what NumPy's function gives where all numbers are known, else what JAX's gives."""
    args, options = unwrap_arrays(args), unwrap_arrays(options)
    if not _has_traced((args, options)):
        return wrap_arrays(numpy(*args, **options))
    return wrap_arrays(theirs(*args, **_canonicalize_options(options)))


def _has_traced(tree: Any) -> bool:
    return any(isinstance(x, jax.Array) for x in jax.tree.leaves(tree))


def _to_array_of(others: Any, array: Any) -> Any:
    """Return the array as JAX's where it meets something traced."""
    return jnp.asarray(array) if _has_traced(others) else array


def _unwrap_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_unwrap_index, index))
    if isinstance(index, slice):
        return slice(*unwrap_arrays([index.start, index.stop, index.step]))
    index = unwrap_arrays(index)
    return (jnp if _has_traced(index) else np).asarray(index) if isinstance(index, list) else index


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


# ---- NumPy's functions that have another name in JAX, write into their argument, or make an array ----------


def _find_ufunc(name: str) -> Any:
    homes: tuple[Any, ...] = (jnp, jax.scipy.special)
    return next((getattr(home, name) for home in homes if hasattr(home, name)), None)


def _view_windows(x: Any, window_shape: Any, axis: Any = None, **_: Any) -> Any:
    """Return np.lib.stride_tricks.sliding_window_view: windows along some axes, as new last axes."""
    sizes = _to_tuple(window_shape)
    axes = range(np.ndim(x)) if axis is None else _to_tuple(axis)
    for size, along in zip(sizes, axes, strict=True):
        along = along % np.ndim(x)
        starts = np.arange(x.shape[along] - size + 1)
        x = jnp.moveaxis(jnp.take(x, starts[:, None] + np.arange(size), axis=along), along + 1, -1)
    return x


def _count_bins(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    return jnp.bincount(x, weights, length=max(minlength, int(np.max(x)) + 1))


EQUIVALENTS: dict[str, Callable[..., Any]] = {
    "sliding_window_view": _view_windows,
    "bincount": _count_bins,
    "sort": lambda a, axis=-1, kind=None: jnp.sort(a, axis),
    "argsort": lambda a, axis=-1, kind=None: jnp.argsort(a, axis),  # both of JAX's are stable
}
"""Functions that JAX has under another name, or with other arguments."""
IN_PLACE: dict[str, Callable[..., Any]] = {
    "copyto": lambda old, new, **o: jnp.where(o.get("where", True), new, old),
    "fill_diagonal": partial(jnp.fill_diagonal, inplace=False),
    "put": partial(jnp.put, inplace=False),
    "put_along_axis": partial(jnp.put_along_axis, inplace=False),
}
"""Functions that write into their first argument, as functions that return it."""


def _make_creator(name: str) -> Callable[..., Any]:
    numpy, theirs = getattr(np, name), getattr(jnp, name, jnp.asarray)

    def create(*args: Any, order: str = "C", **options: Any) -> Any:
        if name.startswith("as") and len(args) == 1 and isinstance(args[0], NumpyProxy) and not options:
            return args[0]
        return _compute(numpy, theirs, args, options)

    return create


def _make_reduction(name: str) -> Callable[..., Any]:
    """Return np.sum, which takes a list of proxies too."""
    numpy, stack = getattr(np, name), _make_creator("array")

    def reduce(x: Any, *args: Any, **options: Any) -> Any:
        return numpy(stack(x) if isinstance(x, list | tuple) else x, *args, **options)

    return reduce


def _vectorize(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return np.vectorize(function), for numbers of which there are none yet."""

    def on_traced(*numbers: Any) -> Any:
        return unwrap_arrays(function(*wrap_arrays(numbers)))

    return lambda *inputs: _compute(np.vectorize(function, **options), jnp.vectorize(on_traced), inputs, {})


MADE_BY = (
    "array", "asarray", "ascontiguousarray", "copy", "empty", "empty_like", "eye", "full", "full_like", "identity",
    "ones", "ones_like", "zeros", "zeros_like",
)  # fmt: skip
REDUCED_BY = ("sum", "mean", "prod", "max", "min", "std", "var")
SUBSTITUTES: dict[Callable[..., Any], Callable[..., Any]] = {
    **{getattr(np, name): _make_creator(name) for name in MADE_BY},
    **{getattr(np, name): _make_reduction(name) for name in REDUCED_BY},
    **ON_NUMBERS,
    math.fsum: _make_reduction("sum"),
    np.vectorize: _vectorize,
}
"""Functions whose arguments NumPy's dispatch does not see, each with the one that takes and makes proxies."""
