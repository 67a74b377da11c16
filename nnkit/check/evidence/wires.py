"""Wires: nodes of a graph that take an array's place in code written for NumPy, and record gates as it runs.

What `wire_functions` does not list, and NumPy's operators and methods do not do, gives plain numbers: the path ends
there, as it does in code that computes gradients beside a value. The gradients of a graph that has lost a path are
wrong, and so it is left out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.evidence.array_gates import Pick, Smooth, StackedMatMul
from nnkit.check.evidence.traced_gates import ELEMENTARY, Elementwise, Min
from nnkit.gates.base import Gate
from nnkit.graph import Node

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""Replacements of NumPy's functions for wires; filled by `wire_functions`."""


def record(gate: Gate, *inputs: Any) -> Any:
    """Record a gate in the graph that these wires belong to; arrays and numbers among the inputs are constants."""
    graph = next(x.graph for x in inputs if isinstance(x, Node))
    return graph.add(gate, *inputs)


def value_of(x: Any) -> Any:
    """Return the value of a wire; anything else as it is."""
    return x.value if isinstance(x, Node) else x


def _values_in(args: Any) -> Any:
    """Return the arguments with the values of the wires in them, in lists and tuples too."""
    return [_values_in(x) if isinstance(x, list | tuple) else value_of(x) for x in args]


class Wire(Node):
    """A node that NumPy's functions take for an array."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "reduce" and ufunc in REDUCTIONS:
            return FUNCTIONS[REDUCTIONS[ufunc]](*inputs, **{"axis": 0, **options})
        if method == "outer" and ufunc is np.multiply:
            return FUNCTIONS[np.multiply.outer](*inputs)
        if method != "__call__" or options or ufunc.nout != 1:
            return getattr(ufunc, method)(*map(value_of, inputs), **options)
        if ufunc in UFUNCS:
            return UFUNCS[ufunc](*inputs)
        if ufunc in CONSTANT_UFUNCS:
            return ufunc(*map(value_of, inputs))
        smooth = SMOOTH.get(ufunc) or (ufunc if "D" * ufunc.nin + "->D" in ufunc.types else None)
        return record(Smooth(smooth), *inputs) if smooth else ufunc(*map(value_of, inputs))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function not in FUNCTIONS:
            return function(*_values_in(args), **options)
        return FUNCTIONS[function](*args, **options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Return a number as an object, itself, so that np.mean can take a list of them; of an array the value."""
        if np.ndim(self.value):
            return np.array(self.value, dtype)
        found = np.empty((), dtype=object)
        found[()] = self
        return found

    def __float__(self) -> float:
        return float(self.value)

    def __getitem__(self, index: Any) -> Any:
        return record(Pick(lambda x: x[index]), self)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # Comparisons give plain arrays: a mask is constant wherever it has a derivative.
    def __gt__(self, other: Any) -> Any:
        return self.value > value_of(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= value_of(other)

    def __lt__(self, other: Any) -> Any:
        return self.value < value_of(other)

    def __le__(self, other: Any) -> Any:
        return self.value <= value_of(other)

    def __abs__(self) -> Any:
        return np.absolute(self)

    def __matmul__(self, other: Any) -> Any:
        return _multiply_matrices(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _multiply_matrices(other, self)

    def __pow__(self, exponent: Any) -> Any:
        if np.ndim(exponent) == 0 and not isinstance(exponent, Node):
            return super().__pow__(float(exponent))
        return record(Smooth(lambda x, p: x**p), self, exponent)

    def __rpow__(self, base: Any) -> Any:
        return record(Smooth(lambda p: base**p), self)

    def __getattr__(self, name: str) -> Any:
        """Return the method of that name: np.<name>, with the wire as its first argument."""
        function = METHODS.get(name)
        if function is None:
            raise AttributeError(name)
        return lambda *args, **options: FUNCTIONS[function](self, *args, **options)

    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        sizes = shape if len(shape) > 1 else shape[0]
        return record(Pick(lambda x: np.reshape(x, sizes, order=order), "{}.reshape(…)"), self)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 else axes or None
        return record(Pick(lambda x: np.transpose(x, order), "{}.T" if order is None else "{}.transpose(…)"), self)

    def copy(self) -> Any:
        return self

    def astype(self, dtype: Any, **options: Any) -> Any:
        return self if np.dtype(dtype) == np.float64 else np.asarray(self.value).astype(dtype)

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def size(self) -> int:
        return np.size(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    @property
    def dtype(self) -> Any:
        if not np.ndim(self.value):  # np.mean makes a plain number of whatever has one
            raise AttributeError("dtype")
        return np.dtype(float)


METHODS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        "sum", "mean", "max", "min", "var", "std", "prod", "cumsum", "cumprod", "dot", "squeeze", "swapaxes", "repeat",
        "take", "ravel", "argmax", "argmin", "argsort", "clip", "trace", "diagonal", "all", "any",
    )
} | {"flatten": np.ravel}  # fmt: skip
"""Methods of arrays that wires have too."""

REDUCTIONS: dict[Any, Any] = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min, np.multiply: np.prod}


def _multiply_matrices(x: Any, w: Any) -> Any:
    """Record x @ w as the kit's gate where it takes these shapes."""
    stacked = max(np.ndim(value_of(x)), np.ndim(value_of(w))) > 2
    return record(StackedMatMul() if stacked else gates.MatMul(), x, w)


def _take_maximum(x: Any, y: Any) -> Any:
    zero, other = (x, y) if _is_zero(x) else (y, x)
    return gates.ReLU()(other) if _is_zero(zero) else record(gates.Max(), x, y)


def _is_zero(x: Any) -> bool:
    return not isinstance(x, Node) and np.ndim(x) == 0 and bool(x == 0)


def _elementary(name: str) -> Callable[..., Any]:
    return lambda x: record(Elementwise(name), x)


def _take_minimum(x: Any, y: Any) -> Any:
    return record(Min(), x, y)


def _take_softplus(x: Any, y: Any) -> Any:
    """Record log(e⁰ + eˣ) as the gate that it is."""
    if _is_zero(x) or _is_zero(y):
        return record(Elementwise("softplus"), y if _is_zero(x) else x)
    return record(Smooth(_add_logarithms), x, y)


def _add_logarithms(x: Any, y: Any) -> Any:
    """Return log(eˣ + eʸ), for complex numbers too, which np.logaddexp does not take."""
    largest = np.maximum(np.real(x), np.real(y))
    return largest + np.log(np.exp(x - largest) + np.exp(y - largest))


def _operate(name: str) -> Callable[..., Any]:
    """Return the operator of this name, left to the wire where an array stands before it."""

    def operate(x: Any, y: Any) -> Any:
        return getattr(x, f"__{name}__")(y) if isinstance(x, Node) else getattr(y, f"__r{name}__")(x)

    return operate


UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: _operate("add"),
    np.subtract: _operate("sub"),
    np.multiply: _operate("mul"),
    np.divide: _operate("truediv"),
    np.matmul: _operate("matmul"),
    np.negative: operator.neg,
    np.power: _operate("pow"),
    np.float_power: _operate("pow"),
    np.square: lambda x: x**2,
    np.sqrt: lambda x: x**0.5,
    np.reciprocal: lambda x: 1 / x,
    np.exp: lambda x: gates.Exp()(x),
    np.log: lambda x: gates.Log()(x),
    np.tanh: lambda x: gates.Tanh()(x),
    np.maximum: _take_maximum,
    np.fmax: _take_maximum,
    np.minimum: _take_minimum,
    np.fmin: _take_minimum,
    np.logaddexp: _take_softplus,
    **{getattr(np, name): _elementary(name) for name in ELEMENTARY if hasattr(np, name)},
    np.fabs: _elementary("abs"),
    np.positive: lambda x: x,
}
SMOOTH: dict[Any, Callable[..., Any]] = {
    np.hypot: lambda x, y: np.sqrt(x * x + y * y),
    np.cbrt: lambda x: np.sign(np.real(x)) * (x * np.sign(np.real(x))) ** (1 / 3),
    np.heaviside: lambda x, at_zero: np.heaviside(np.real(x), np.real(at_zero)) + 0j,
}
"""Functions that take complex numbers, for those of NumPy's that do not."""
CONSTANT_UFUNCS = frozenset({
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isfinite, np.isinf,
    np.sign, np.signbit, np.floor, np.ceil, np.rint, np.trunc, np.logical_and, np.logical_or, np.logical_not,
})  # fmt: skip
"""Ufuncs whose slope is 0 wherever they have one: they give plain arrays."""
