"""NumPy's functions as gates on wires: one entry of FUNCTIONS each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit.check.evidence.array_gates import Measured, Pick, Reduce
from nnkit.check.evidence.wires import FUNCTIONS, VIEWS, Wire, record, value_of, values_in, wrap

# ---- reductions -------------------------------------------------------------------------------------


def _reduce(how: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis=None, keepdims=False: record(Reduce(how, axis, bool(keepdims)), x)


def _measure_variance(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    squares = (x - x.mean(axis=axis, keepdims=True)) ** 2
    if not ddof:
        return squares.mean(axis=axis, keepdims=keepdims)
    total = squares.sum(axis=axis, keepdims=keepdims)
    return total * (1 / (np.size(x.value) / max(np.size(value_of(total)), 1) - ddof))


def _measure_spread(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    return _measure_variance(x, axis, ddof, keepdims) ** 0.5


def _measure_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    vector = x.ndim == 1 if axis is None else np.ndim(axis) == 0
    if ord is None or (ord == 2 and vector) or (ord == "fro" and not vector):
        return (x**2).sum(axis=axis, keepdims=keepdims) ** 0.5
    if ord == 1 and vector:
        return abs(x).sum(axis=axis, keepdims=keepdims)
    raise TypeError("another norm")


# ---- products ---------------------------------------------------------------------------------------


def _dot(x: Any, y: Any) -> Any:
    if 0 in (np.ndim(value_of(x)), np.ndim(value_of(y))):
        return x * y
    if np.ndim(value_of(y)) > 2:
        raise TypeError("a dot product with a stack of matrices")
    return x @ y


def _outer(x: Any, y: Any) -> Any:
    return np.reshape(x, (-1, 1)) * np.reshape(y, (1, -1))


def _outer_of_any(x: Any, y: Any) -> Any:
    shape = (*np.shape(value_of(x)), *np.shape(value_of(y)))
    return np.reshape(_outer(x, y), shape)


def _inner(x: Any, y: Any) -> Any:
    return _dot(x, y.T if np.ndim(value_of(y)) > 1 else y)


def _vdot(x: Any, y: Any) -> Any:
    return np.ravel(x) @ np.ravel(y)


def _tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Record it as it is computed: the summed axes side by side, and a product of two matrices."""
    left, right = _list_summed_axes(np.ndim(value_of(x)), axes)
    xs, ys = np.shape(value_of(x)), np.shape(value_of(y))
    left, right = [a % len(xs) for a in left], [a % len(ys) for a in right]
    kept_left = [a for a in range(len(xs)) if a not in left]
    kept_right = [a for a in range(len(ys)) if a not in right]
    n = int(np.prod([xs[a] for a in left]))
    matrix = np.reshape(np.transpose(x, [*kept_left, *left]), (-1, n))
    other = np.reshape(np.transpose(y, [*right, *kept_right]), (n, -1))
    return np.reshape(matrix @ other, [*(xs[a] for a in kept_left), *(ys[a] for a in kept_right)])


def _list_summed_axes(ndim: int, axes: Any) -> tuple[list[int], list[int]]:
    if np.ndim(axes) == 0:
        return list(range(ndim - int(axes), ndim)), list(range(int(axes)))
    left, right = ([a] if np.ndim(a) == 0 else list(a) for a in axes)
    return left, right


def _einsum(subscripts: str, *operands: Any, **options: Any) -> Any:
    """Record a product of one or two factors as a sum of products, or as a matrix product where it is one."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow:
        output = "".join(sorted(c for c in set(inputs) - {","} if inputs.count(c) == 1))
    plain = "." not in subscripts and all(len(set(term)) == len(term) for term in terms) and len(terms) <= 2
    if not plain:
        return record(Measured(lambda *xs: np.einsum(subscripts, *xs), analytic=True), *operands)
    if len(terms) == 1:
        return _sum_to(operands[0], terms[0], output)
    (x, y), (a, b) = operands, terms
    return _multiply_to(x, y, a, b, output)


def _sum_to(x: Any, term: str, output: str) -> Any:
    summed = tuple(k for k, c in enumerate(term) if c not in output)
    left = [c for c in term if c in output]
    x = np.sum(x, axis=summed) if summed else x
    order = [left.index(c) for c in output]
    return x if order == sorted(order) else np.transpose(x, order)


def _multiply_to(x: Any, y: Any, a: str, b: str, output: str) -> Any:
    summed = [c for c in a if c in b and c not in output]
    if len(a) == len(b) == 2 and len(summed) == 1 and len(output) == 2 and set(output) == set(a) ^ set(b):
        if output[0] not in a:
            x, y, a, b = y, x, b, a
        left = x if a[1] == summed[0] else np.transpose(x)
        return left @ (y if b[0] == summed[0] else np.transpose(y))
    letters = output + "".join(c for c in dict.fromkeys(a + b) if c not in output)
    product = _align(x, a, letters) * _align(y, b, letters)
    axes = tuple(range(len(output), len(letters)))
    return np.sum(product, axis=axes) if axes else product


def _align(x: Any, term: str, letters: str) -> Any:
    """Return x with its axes in the order of the letters, and axes of size 1 for those that it lacks."""
    order = sorted(range(len(term)), key=lambda k: letters.index(term[k]))
    shape = np.shape(value_of(x))
    sizes = [shape[term.index(c)] if c in term else 1 for c in letters]
    x = x if order == sorted(order) else np.transpose(x, order)
    return x if list(shape) == sizes else np.reshape(x, sizes)


# ---- rearrangements ---------------------------------------------------------------------------------


def _view(function: Callable[..., Any]) -> Callable[..., Any]:
    def view(x: Any, *args: Any, **options: Any) -> Any:
        given, named = values_in(args), values_in(options)
        return x.make_view(lambda a: function(a, *given, **named), f"np.{function.__name__}({{}})")

    return view


def _rearrange(function: Callable[..., Any]) -> Callable[..., Any]:
    def rearrange(x: Any, *args: Any, **options: Any) -> Any:
        given, named = values_in(args), values_in(options)
        return record(Pick(lambda a: function(a, *given, **named), f"np.{function.__name__}({{}})"), x)

    return rearrange


def _join(function: Callable[..., Any]) -> Callable[..., Any]:
    def join(arrays: Any, *args: Any, **options: Any) -> Any:
        return record(Pick(lambda *xs: function(xs, *args, **options), f"np.{function.__name__}"), *arrays)

    return join


def _append(x: Any, values: Any, axis: Any = None) -> Any:
    return record(Pick(lambda a, b: np.append(a, b, axis=axis), "np.append"), x, values)


def _split(function: Callable[..., Any]) -> Callable[..., Any]:
    def split(x: Any, parts: Any, *axis: Any, **options: Any) -> list[Any]:
        count = len(function(x.value, parts, *axis, **options))
        return [x.make_view(lambda a, k=k: function(a, parts, *axis, **options)[k]) for k in range(count)]

    return split


def _pad(x: Any, width: Any, mode: Any = "constant", **options: Any) -> Any:
    border = options.get("constant_values", 0)
    if np.any(border):
        return np.pad(x, width) + np.pad(np.zeros(x.shape), width, constant_values=values_in(border))
    return record(Pick(lambda a: np.pad(a, width, mode, **options), "np.pad({})"), x)


def _where(condition: Any, x: Any, y: Any) -> Any:
    chosen = value_of(condition)
    return record(Pick(lambda a, b: np.where(chosen, a, b), "np.where"), x, y)


def _select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    chosen = values_in(list(conditions))
    return record(Pick(lambda *xs: np.select(chosen, xs[:-1], xs[-1]), "np.select"), *choices, default)


def _clip(x: Any, low: Any = None, high: Any = None, **options: Any) -> Any:
    low, high = options.get("a_min", options.get("min", low)), options.get("a_max", options.get("max", high))
    x = x if low is None else _where(value_of(x) < value_of(low), low, x)
    return x if high is None else _where(value_of(x) > value_of(high), high, x)


def _sort(x: Any, axis: Any = -1, **options: Any) -> Any:
    if axis is None:
        x, axis = np.ravel(x), -1
    order = np.argsort(x.value, axis=axis)
    return record(Pick(lambda a: np.take_along_axis(a, order, axis), "np.sort({})"), x)


def _median(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """Record the mean of the one or two entries in the middle."""
    along = 0 if axis is None else axis
    ordered = np.moveaxis(np.sort(np.ravel(x) if axis is None else x, axis=along), along, 0)
    middle = np.mean(ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1], axis=0)
    return np.reshape(middle, np.median(x.value, axis=axis, keepdims=True).shape) if keepdims else middle


# ---- the rest ---------------------------------------------------------------------------------------


def _measure(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an analytic function as a gate; its array arguments come first."""

    def apply(*args: Any, **options: Any) -> Any:
        count = max(k for k, x in enumerate(args) if isinstance(x, Wire)) + 1
        return record(Measured(lambda *xs: function(*xs, *args[count:], **options), analytic=True), *args[:count])

    return apply


def _give_constant(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **options: wrap(function(*values_in(args), **values_in(options)))


NAMED: dict[Any, Any] = {
    **{how: _reduce(how) for how in (np.sum, np.mean, np.max, np.min)},
    **{
        function: _view(function)
        for function in (
            np.transpose, np.reshape, np.ravel, np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis, np.rollaxis,
            np.broadcast_to, np.flip, np.fliplr, np.flipud, np.rot90, np.diagonal, np.atleast_1d, np.atleast_2d,
            np.atleast_3d, np.lib.stride_tricks.sliding_window_view,
        )
    },
    **{
        function: _rearrange(function)
        for function in (
            np.repeat, np.tile, np.roll, np.take, np.take_along_axis, np.diag, np.diagflat, np.triu, np.tril, np.delete,
            np.resize, np.compress, np.extract,
        )
    },
    **{function: _split(function) for function in (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit)},
    **{
        function: _join(function)
        for function in (np.concatenate, np.stack, np.hstack, np.vstack, np.column_stack, np.dstack)
    },
    **{
        function: _measure(function)
        for function in (
            np.cumsum, np.cumprod, np.prod, np.diff, np.trace, np.convolve, np.correlate, np.kron, np.cross,
            np.linalg.inv, np.linalg.det, np.linalg.solve, np.linalg.matrix_power,
        )
    },
    **{
        function: _give_constant(function)
        for function in (
            np.shape, np.size, np.ndim, np.argmax, np.argmin, np.argsort, np.isclose, np.allclose, np.array_equal,
            np.any, np.all, np.count_nonzero, np.nonzero, np.round, np.fix, np.zeros_like,
            np.ones_like, np.full_like, np.empty_like,
        )
    },
    np.append: _append,
    np.pad: _pad,
    np.where: _where,
    np.select: _select,
    np.clip: _clip,
    np.sort: _sort,
    np.median: _median,
    np.nan_to_num: lambda x, *args, **options: x,
    np.copy: lambda x, *args, **options: x.copy(),
    np.var: _measure_variance,
    np.std: _measure_spread,
    np.linalg.norm: _measure_norm,
    np.dot: _dot,
    np.outer: _outer,
    np.multiply.outer: _outer_of_any,
    np.inner: _inner,
    np.vdot: _vdot,
    np.tensordot: _tensordot,
    np.einsum: _einsum,
}  # fmt: skip
FUNCTIONS |= NAMED
VIEWS |= {function for function, on_wires in FUNCTIONS.items() if on_wires.__name__ in ("view", "split")}
