"""Graphs of functions as people write them in NumPy: their gradients are the numerical ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnkit import numerical
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Trace, trace_function
from nnkit.check.evidence.tolerance import vjp_targets

MATRIX, OTHER, STACK, COLUMN, VECTOR = "nd", "nd2", "bnd", "n1", "d"
SHAPES = {MATRIX: (3, 4), OTHER: (3, 4), STACK: (2, 3, 4), COLUMN: (3, 1), VECTOR: (4,), "dh": (4, 2), "bdh": (2, 4, 2)}
ROWS = np.array([2, 0, 2])
ELSEWHERE = np.ones((3, 4))


def _convolve(x: Any, w: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2))
    return np.tensordot(windows, w, axes=((2, 3), (0, 1)))


def _normalise(x: Any, axis: int) -> Any:
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + 1e-5)


def _accumulate(x: Any) -> Any:
    total = np.zeros(4)
    for row in x:
        total = total + row
    total += 1
    return total


ONE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sum over an axis": (MATRIX, lambda x: x.sum(axis=1, keepdims=True) * x),
    "sum over two axes": (STACK, lambda x: np.sum(x, axis=(0, 2)) ** 2),
    "mean over a negative axis": (STACK, lambda x: x.mean(-1) ** 3),
    "max": (MATRIX, lambda x: x.max(axis=1)),
    "max of all": (MATRIX, lambda x: np.max(x)),
    "min with keepdims": (MATRIX, lambda x: np.min(x, 0, keepdims=True) * 2),
    "var": (MATRIX, lambda x: x.var(axis=0)),
    "var with ddof": (MATRIX, lambda x: np.var(x, axis=0, ddof=1, keepdims=True)),
    "std": (MATRIX, lambda x: x.std()),
    "batch norm": (MATRIX, lambda x: _normalise(x, 0)),
    "layer norm": (STACK, lambda x: _normalise(x, -1)),
    "norm": (MATRIX, lambda x: np.linalg.norm(x)),
    "norm of rows": (MATRIX, lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)),
    "norm 1": (MATRIX, lambda x: np.linalg.norm(x, 1, axis=1)),
    "prod": (VECTOR, lambda x: np.prod(x)),
    "cumsum": (MATRIX, lambda x: np.cumsum(x, axis=1)),
    "cumulative product": (VECTOR, lambda x: np.cumprod(x)),
    "diff": (MATRIX, lambda x: np.diff(x, axis=0)),
    "logsumexp": (MATRIX, lambda x: np.logaddexp.reduce(x.ravel()[:2]) if isinstance(x, np.ndarray) else
                  np.log(np.exp(x.ravel()[:2]).sum())),
    "transpose with axes": (STACK, lambda x: np.transpose(x, (2, 0, 1)) ** 2),
    "the method transpose": (STACK, lambda x: x.transpose(1, 0, 2) * 3),
    "swapaxes": (STACK, lambda x: x.swapaxes(1, 2) @ x),
    "moveaxis": (STACK, lambda x: np.moveaxis(x, 0, -1)),
    "expand_dims": (MATRIX, lambda x: np.expand_dims(x, 1) * x),
    "squeeze": (COLUMN, lambda x: np.squeeze(x) ** 2),
    "None as an index": (MATRIX, lambda x: x[:, None, :] - x[None]),
    "broadcast_to": (VECTOR, lambda x: np.broadcast_to(x, (3, 4)) ** 2),
    "reshape": (STACK, lambda x: x.reshape(2, -1) ** 2),
    "reshape, a tuple": (STACK, lambda x: np.reshape(x, (len(x), -1))),
    "flatten": (MATRIX, lambda x: x.flatten() @ x.ravel()),
    "pad": (MATRIX, lambda x: np.pad(x, ((1, 1), (0, 2))) ** 2),
    "pad by reflection": (MATRIX, lambda x: np.pad(x, 1, mode="reflect") ** 2),
    "roll": (MATRIX, lambda x: x * np.roll(x, 1, axis=0)),
    "flip": (MATRIX, lambda x: x * np.flip(x, axis=1)),
    "repeat": (MATRIX, lambda x: np.repeat(x, 2, axis=0) ** 2),
    "tile": (VECTOR, lambda x: np.tile(x, (2, 3)) ** 2),
    "split": (MATRIX, lambda x: np.multiply(*np.split(x, 2, axis=1))),
    "concatenate": (MATRIX, lambda x: np.concatenate([x, np.ones((3, 1)), x**2], axis=1)),
    "stack": (MATRIX, lambda x: np.stack([x[0], x[1] * 2, np.zeros(4)], axis=-1)),
    "hstack": (MATRIX, lambda x: np.hstack([x, np.ones((3, 1))]) ** 2),
    "vstack": (MATRIX, lambda x: np.vstack((x, x[0])) ** 2),
    "take with repeats": (MATRIX, lambda x: np.take(x, ROWS, axis=0) ** 2),
    "fancy indexing": (MATRIX, lambda x: x[ROWS] ** 2),
    "two index arrays": (MATRIX, lambda x: -np.log(np.exp(x)[np.arange(3), ROWS]).mean()),
    "a mask as an index": (MATRIX, lambda x: (x[x > 0] ** 2).sum()),
    "slices": (MATRIX, lambda x: x[1:, ::2] * x[:-1, 1::2]),
    "iteration": (MATRIX, lambda x: sum(row @ row for row in x)),
    "sort": (VECTOR, lambda x: np.sort(x) * np.arange(4)),
    "where": (MATRIX, lambda x: np.where(x > 0, x, 0.01 * x)),
    "where with a number": (MATRIX, lambda x: np.where(x > 0, x**2, 0.0)),
    "clip": (MATRIX, lambda x: np.clip(x, -0.5, 0.5) * x),
    "minimum": (MATRIX, lambda x: np.minimum(x, 0.3)),
    "maximum": (MATRIX, lambda x: np.maximum(x, 0.1 * x)),
    "abs": (MATRIX, lambda x: abs(x) + np.abs(x) ** 3),
    "sin and cos": (MATRIX, lambda x: np.sin(x) * np.cos(x)),
    "log1p and expm1": (MATRIX, lambda x: np.log1p(x**2) + np.expm1(x)),
    "arctan": (MATRIX, lambda x: np.arctan(x)),
    "softplus": (MATRIX, lambda x: np.logaddexp(0, x)),
    "base 2": (MATRIX, lambda x: np.exp2(x) + np.log2(x**2)),
    "cube root": (MATRIX, lambda x: np.cbrt(x)),
    "a number to the power": (MATRIX, lambda x: 2.0**x),
    "to several powers": (MATRIX, lambda x: (x**2 + 1) ** np.arange(4)),
    "outer": (VECTOR, lambda x: np.outer(x, x**2)),
    "multiply.outer": (VECTOR, lambda x: np.multiply.outer(x, np.outer(x, x))),
    "trace": (MATRIX, lambda x: np.trace(x @ x.T)),
    "diag": (VECTOR, lambda x: np.diag(x) @ np.diag(x)),
    "triu": (MATRIX, lambda x: np.triu(x) ** 2),
    "inverse": (MATRIX, lambda x: np.linalg.inv(x @ x.T + np.eye(3))),
    "convolve": (VECTOR, lambda x: np.convolve(x, [1.0, 2.0, -1.0])),
    "an array before it": (MATRIX, lambda x: (np.ones((2, 3)) @ x - np.ones(4) * x[0]) / 2),
    "sums of rows, in a loop": (MATRIX, _accumulate),
    "einsum, one operand": (MATRIX, lambda x: np.einsum("nd->d", x) ** 2),
    "einsum, squares": (MATRIX, lambda x: np.einsum("nd,nd->n", x, x)),
    "einsum, the diagonal": (MATRIX, lambda x: np.einsum("ii->i", x @ x.T)),
    "einsum, without an arrow": (MATRIX, lambda x: np.einsum("ij,kj", x, x)),
    "dot of vectors": (VECTOR, lambda x: np.dot(x, x) * x),
    "vdot": (MATRIX, lambda x: np.vdot(x, x)),
    "0-d arithmetic": ("", lambda x: (3 * x + 1) / (x**2 + 2) - 1 / x),
}  # fmt: skip
TWO: dict[str, tuple[str, str, Callable[[Any, Any], Any]]] = {
    "einsum, a product": (MATRIX, "dh", lambda x, w: np.einsum("nd,dh->nh", x, w)),
    "einsum, transposed": (MATRIX, "dh", lambda x, w: np.einsum("nd,dh->hn", x, w)),
    "einsum, rows scaled": (MATRIX, VECTOR, lambda x, r: np.einsum("nd,d->nd", x, r)),
    "einsum, stacks": (STACK, "bdh", lambda x, w: np.einsum("bnd,bdh->bnh", x, w)),
    "einsum, outer": (VECTOR, COLUMN, lambda x, w: np.einsum("d,no->dno", x, w)),
    "tensordot": (STACK, "dh", lambda x, w: np.tensordot(x, w, 1)),
    "tensordot over two axes": (STACK, MATRIX, lambda x, w: np.tensordot(x, w, axes=((1, 2), (0, 1)))),
    "tensordot over one axis": (STACK, MATRIX, lambda x, w: np.tensordot(x, w, axes=(-1, 1))),
    "dot of matrices": (MATRIX, "dh", lambda x, w: np.dot(x, w)),
    "dot with a vector": (MATRIX, VECTOR, lambda x, w: x.dot(w)),
    "a vector first": (VECTOR, "dh", lambda x, w: x @ w),
    "a stack times a matrix": (STACK, "dh", lambda x, w: x @ w),
    "stacks of matrices": (STACK, "bdh", lambda x, w: np.matmul(x, w)),
    "inner": (MATRIX, OTHER, lambda x, y: np.inner(x, y)),
    "kron": (VECTOR, COLUMN, lambda x, y: np.kron(x, y)),
    "solve": (MATRIX, COLUMN, lambda x, y: np.linalg.solve(x @ x.T + np.eye(3), y)),
    "where of two": (MATRIX, OTHER, lambda x, y: np.where(x > y, x * y, y)),
    "min of two": (MATRIX, OTHER, lambda x, y: np.minimum(x, y) * y),
    "hypot": (MATRIX, OTHER, lambda x, y: np.hypot(x, y)),
    "a broadcast column": (MATRIX, COLUMN, lambda x, c: (x + c) / (1 + c**2)),
    "windows": (MATRIX, "ww", _convolve),
    "softmax by rows": (MATRIX, "dh", lambda x, w: np.exp(x @ w) / np.exp(x @ w).sum(axis=1, keepdims=True)),
    "a power": (MATRIX, OTHER, lambda x, y: (x**2) ** y),
}
CASES = {**{k: ((a,), f) for k, (a, f) in ONE.items()}, **{k: ((a, b), f) for k, (a, b, f) in TWO.items()}}
SHAPES |= {"ww": (2, 2), "": ()}


def _draw(shapes: tuple[str, ...]) -> tuple[Any, ...]:
    rng = np.random.default_rng(7)
    return tuple(rng.normal(size=SHAPES[name])[()] for name in shapes)


@pytest.mark.parametrize("name", CASES)
def test_a_function_is_traced_and_its_gradients_are_right(name: str) -> None:
    shapes, function = CASES[name]
    inputs = _draw(shapes)
    graph = trace_function(function, inputs)
    assert isinstance(graph, Trace), "not traced"
    out = np.asarray(function(*inputs))
    upstream = np.random.default_rng(1).normal(size=out.shape)
    grads = vjp_with_faults(graph, upstream)
    for k, x in enumerate(inputs):
        jacobian = numerical.estimate_jacobian(function, inputs, k).value
        expected = np.tensordot(upstream, jacobian, out.ndim)
        assert np.shape(grads[graph.wires[k].index]) == np.shape(x)
        assert np.allclose(grads[graph.wires[k].index], expected, rtol=1e-6, atol=1e-8)


def _compare(function: Any, inputs: tuple[Any, ...]) -> Comparison:
    """The evidence on a gradient of zeros."""
    out = np.asarray(function(*inputs))
    wrt = tuple(range(len(inputs)))
    targets = tuple(vjp_targets(function, inputs, k, [np.ones(out.shape)])[0] for k in wrt)
    zeros = tuple(np.zeros(np.shape(x)) for x in inputs)
    return Comparison(function, inputs, wrt, np.ones(out.shape), out, zeros, targets, zeros, zeros)


def _loss_with_gradients(x: Any, w: Any) -> Any:
    dw = np.zeros((4, 2))
    for n in range(len(x)):
        dw += np.outer(x[n], 2 * (x[n] @ w))
    dw[0] = dw[0] / 1.0
    return ((x @ w) ** 2).mean(), float(w[0, 0]), dw


def test_gradients_that_are_computed_beside_the_value_do_not_stop_the_trace() -> None:
    comparison = _compare(lambda x, w: _loss_with_gradients(x, w)[0], _draw((MATRIX, "dh")))
    assert len(comparison.graphs) == 1


@pytest.mark.parametrize("function", [
    lambda x: float(x.sum()) * x, lambda x: x.value * 2 + x if hasattr(x, "value") else 3 * x,
    lambda x: np.array(x.tolist() if isinstance(x, np.ndarray) else x.value) + x,
    lambda x: np.fft.fft(x).real + x, lambda x: ELSEWHERE.dot(float(x[0, 0])) + x,
])  # fmt: skip
def test_a_graph_that_lost_a_path_is_not_used(function: Any) -> None:
    assert _compare(function, _draw((MATRIX,))).graphs == ()
