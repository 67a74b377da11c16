"""NumPy's ufuncs as gates on wires: one entry of UFUNCS each. Others are measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.evidence.array_gates import Smooth, StackedMatMul
from nnkit.check.evidence.traced_gates import ELEMENTARY, Elementwise, Min
from nnkit.check.evidence.wires import UFUNCS, Wire, record, value_of, values_in
from nnkit.gates.base import Gate


def _apply(gate: Gate) -> Callable[..., Any]:
    return lambda *inputs: record(gate, *inputs)


def _divide(x: Any, y: Any) -> Any:
    one = isinstance(x, int | float) and x == 1
    return record(gates.Reciprocal(), y) if one else record(gates.Divide(), x, y)


def _multiply_matrices(x: Any, w: Any) -> Any:
    """Record x @ w as the kit's gate where it takes these shapes."""
    stacked = max(np.ndim(value_of(x)), np.ndim(value_of(w))) > 2
    return record(StackedMatMul() if stacked else gates.MatMul(), x, w)


def _raise_to(x: Any, exponent: Any) -> Any:
    if not isinstance(x, Wire):
        return record(Smooth(lambda p: x**p), exponent)
    if np.ndim(exponent) == 0 and not isinstance(exponent, Wire):
        return record(gates.Power(float(exponent)), x)
    return record(Smooth(lambda x, p: x**p), x, exponent)


def _take_maximum(x: Any, y: Any) -> Any:
    zero, other = (x, y) if _is_zero(x) else (y, x)
    return record(gates.ReLU(), other) if _is_zero(zero) else record(gates.Max(), x, y)


def _is_zero(x: Any) -> bool:
    return not isinstance(x, Wire) and np.ndim(x) == 0 and bool(x == 0)


def _take_softplus(x: Any, y: Any) -> Any:
    """Record log(e⁰ + eˣ) as the gate that it is."""
    if _is_zero(x) or _is_zero(y):
        return record(Elementwise("softplus"), y if _is_zero(x) else x)
    return record(Smooth(np.logaddexp), x, y)


def _give_constant(ufunc: Any) -> Callable[..., Any]:
    return lambda *inputs: ufunc(*values_in(inputs))


UFUNCS |= {
    np.add: _apply(gates.Add()),
    np.subtract: _apply(gates.Subtract()),
    np.multiply: _apply(gates.Multiply()),
    np.divide: _divide,
    np.matmul: _multiply_matrices,
    np.negative: _apply(gates.Negate()),
    np.power: _raise_to,
    np.float_power: _raise_to,
    np.square: _apply(gates.Power(2.0)),
    np.sqrt: _apply(gates.Power(0.5)),
    np.reciprocal: _apply(gates.Reciprocal()),
    np.exp: _apply(gates.Exp()),
    np.log: _apply(gates.Log()),
    np.tanh: _apply(gates.Tanh()),
    np.maximum: _take_maximum,
    np.fmax: _take_maximum,
    np.minimum: _apply(Min()),
    np.fmin: _apply(Min()),
    np.logaddexp: _take_softplus,
    **{getattr(np, name): _apply(Elementwise(name)) for name in ELEMENTARY if hasattr(np, name)},
    np.fabs: _apply(Elementwise("abs")),
    np.positive: lambda x: x,
    np.conjugate: lambda x: x,
    # Their slope is 0 wherever they have one: they give plain arrays.
    **{
        ufunc: _give_constant(ufunc)
        for ufunc in (
            np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isfinite,
            np.isinf, np.sign, np.signbit, np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.logical_and,
            np.logical_or, np.logical_not, np.logical_xor,
        )
    },
}  # fmt: skip
# Of the others, those of numbers, entry by entry; np.vecdot takes whole arrays.
UFUNCS |= {
    ufunc: _apply(Smooth(ufunc))
    for ufunc in vars(np).values()
    if isinstance(ufunc, np.ufunc) and ufunc not in UFUNCS and ufunc.signature is None and ufunc.nout == 1
    and any(types.endswith("->d") for types in ufunc.types)
}  # fmt: skip

__all__ = ["UFUNCS"]
