"""Functions whose arguments NumPy's dispatch does not see, as they are on wires: those that make arrays, and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit.check.evidence import wire_functions, wire_ufuncs  # noqa: F401 (they fill the tables of wires)
from nnkit.check.evidence.wires import has_node, stack_wires, values_in, wrap
from nnkit.rebinding import ON_NUMBERS


def _make(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes an array, into which wires may be written where it is one of floats."""
    return lambda *args, **options: wrap(function(*values_in(args), **values_in(options)))


def _make_full(shape: Any, value: Any, *args: Any, **options: Any) -> Any:
    if has_node(value):
        return np.broadcast_to(value, values_in(shape)).copy()
    return wrap(np.full(values_in(shape), *values_in((value, *args)), **options))


def _make_empty(*args: Any, **options: Any) -> Any:
    """Return zeros: what is in an empty array is not the same twice."""
    return wrap(np.zeros(*args, **options))


def _make_empty_like(x: Any, *args: Any, **options: Any) -> Any:
    return wrap(np.zeros_like(values_in(x), *args, **options))


def _convert(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return np.array, np.asarray ..., of wires too, and of lists of them."""

    def convert(x: Any, dtype: Any = None, **options: Any) -> Any:
        whole = dtype is not None and np.dtype(dtype).kind != "f"
        if whole or not has_node(x):
            return wrap(function(values_in(x), dtype, **options))
        if isinstance(x, list | tuple):
            return stack_wires(x)
        return x.copy() if function is np.array and options.get("copy", True) else x

    return convert


def _reduce_list(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return np.sum, which takes a list of wires too."""

    def reduce(x: Any, *args: Any, **options: Any) -> Any:
        return function(stack_wires(x) if isinstance(x, list | tuple) and has_node(x) else x, *args, **options)

    return reduce


def _vectorize(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return np.vectorize(function) for wires: an entry at a time."""

    def on_entries(*inputs: Any) -> Any:
        if not has_node(inputs):
            return wrap(np.vectorize(function, **options)(*values_in(inputs)))
        shape = np.broadcast_shapes(*map(np.shape, inputs))
        flat = [np.broadcast_to(x, shape).reshape(-1) for x in inputs]
        return stack_wires([function(*numbers) for numbers in zip(*flat)]).reshape(shape)

    return on_entries


SUBSTITUTES: dict[Callable[..., Any], Callable[..., Any]] = {
    **{function: _make(function) for function in (np.zeros, np.ones, np.eye, np.identity, np.zeros_like, np.ones_like)},
    **{function: _convert(function) for function in (np.array, np.asarray, np.ascontiguousarray, np.asanyarray)},
    **{
        function: _reduce_list(function)
        for function in (np.sum, np.mean, np.prod, np.max, np.min, np.std, np.var, np.copy)
    },
    **ON_NUMBERS,
    np.full: _make_full,
    np.empty: _make_empty,
    np.empty_like: _make_empty_like,
    np.vectorize: _vectorize,
}
"""Functions of NumPy and `math`, each with the one that takes and makes wires."""
