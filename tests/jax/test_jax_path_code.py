"""NumPy code as people write it runs under JAX unchanged: the corpus of right answers, layers with loops, a gate that
keeps its mask; and what cannot be compiled is refused with the line and what to write."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jax
from corpus.coursework_layers import NaiveMaxPool
from corpus.right import RIGHT, Right
from nnkit.data import spiral
from nnkit.jax_path import fit, to_jax
from nnkit.jax_path.jax_gates import adapt_model
from nnkit.mlp import MLP
from nnkit.train import SGD
from nnkit.train import fit as fit_numpy

pytestmark = pytest.mark.slow

NUMBERS = "leave float(), int(), .item() or .tolist() out"
REFUSED = {
    "ReLU: if by if": "write np.where(condition, a, b) for an if",
    "reciprocal: math on floats": NUMBERS,
    "matrix product: lists of lists": NUMBERS,
    "softmax cross-entropy: math on floats": NUMBERS,
    "multiply: np.vectorize": NUMBERS,
    "the two largest: compared with each entry": NUMBERS,
    "the largest of each row: row by row": "write np.maximum, np.max",
    "sum: np.full": NUMBERS,
    "squared norm: the norm, squared": NUMBERS,
    "sigmoid: math on floats": "write np.where(condition, a, b) for an if",
    "(x + y) z: multiplied out": NUMBERS,
    "2 (x y + max(z, w)): if": "write np.where(condition, a, b) for an if",
    "2 (x y + max(z, w)): backwards through the nodes": "write np.maximum, np.max",
    "staged expression: the quotient rule": NUMBERS,
    "ridge regression: row by row": NUMBERS,
    "polynomial: coefficients": "cannot be put into an array that NumPy made",
    "cosine similarity: the product rule": NUMBERS,
    "softmax cross-entropy: example by example": "write np.where(condition, a, b) for an if",
    "multiclass hinge: two loops": "write np.where(condition, a, b) for an if",
    "linear model: python floats for the bias": NUMBERS,
}
"""Right answers that cannot be compiled, and what is said of each."""
ASKED = [r for r in RIGHT if r.check in ("check_backward", "check_gradient", "check_loss", "check_parameters")]
SAMPLE = [r for k, r in enumerate(ASKED) if r.name in REFUSED or k % 6 == 0]


def run_as_it_is(entry: Right, function: Any, inputs: tuple[Any, ...]) -> list[Any]:
    """The numbers that the code gives on NumPy's arrays."""
    return run_gate(function, inputs) if entry.check == "check_backward" else jax.tree.leaves(function(*inputs))


def run_gate(gate: Any, inputs: tuple[Any, ...]) -> list[Any]:
    out, cache = gate.forward(*inputs)
    gradients = gate.backward(upstream_of(out), cache)
    given = gradients if isinstance(gradients, tuple | list) else (gradients,)
    return [out, *(np.asarray(g) for g, x in zip(given, inputs) if np.asarray(x).dtype.kind == "f")]


def run_traced(entry: Right, function: Any, inputs: tuple[Any, ...]) -> list[Any]:
    """The numbers of the traced program, step by step: that is quicker than to compile it for one use."""
    traced = partial(run_traced_gate, function) if entry.check == "check_backward" else adapt_model(function)
    program = jax.make_jaxpr(lambda *xs: jax.tree.map(jnp.asarray, traced(*xs)))(*jax.tree.map(jnp.asarray, inputs))
    return list(jax.core.eval_jaxpr(program.jaxpr, program.consts, *jax.tree.leaves(inputs)))


def run_traced_gate(gate: Any, *inputs: Any) -> list[Any]:
    out, vjp = jax.vjp(to_jax(gate), *inputs)
    gradients = vjp(jnp.asarray(upstream_of(out)))
    return [out, *(g for g, x in zip(gradients, inputs) if jnp.issubdtype(x.dtype, jnp.floating))]


def upstream_of(out: Any) -> Any:
    return np.random.default_rng(1).normal(size=np.shape(out))[()]


@pytest.mark.parametrize("entry", SAMPLE, ids=lambda entry: entry.name)
def test_a_right_answer_gives_the_same_numbers_when_it_is_traced(entry: Right) -> None:
    function, *given = entry.make(np.random.default_rng(3)).args
    inputs = tuple(given)
    if entry.name in REFUSED:
        with pytest.raises(TypeError) as fault:
            run_traced(entry, function, inputs)
        assert REFUSED[entry.name] in str(fault.value)
        assert " in line " in str(fault.value)
        return
    expected = run_as_it_is(entry, function, inputs)
    for a, b in zip(run_traced(entry, function, inputs), expected, strict=True):
        np.testing.assert_allclose(a, np.reshape(b, np.shape(a)), rtol=1e-9, atol=1e-12)


class Recurrent:
    """tanh(x_t Wx + h Wh) over the steps of x (N, T, D), written into an array of zeros."""

    def forward(self, x: Any, Wx: Any, Wh: Any) -> Any:
        n, steps, _ = x.shape
        h, hs = np.zeros((n, Wh.shape[0])), np.zeros((n, steps, Wh.shape[0]))
        for t in range(steps):
            h = np.tanh(x[:, t] @ Wx + h @ Wh)
            hs[:, t] = h
        return hs, (x, hs, Wx, Wh)

    def backward(self, upstream: Any, cache: Any) -> Any:
        x, hs, Wx, Wh = cache
        dx, dWx, dWh = np.zeros(x.shape), np.zeros_like(Wx), np.zeros_like(Wh)
        dh = np.zeros(hs[:, 0].shape)
        for t in reversed(range(x.shape[1])):
            dz = (upstream[:, t] + dh) * (1 - hs[:, t] ** 2)
            before = hs[:, t - 1] if t > 0 else np.zeros(dh.shape)
            dx[:, t] = dz @ Wx.T
            dWx += x[:, t].T @ dz
            dWh += before.T @ dz
            dh = dz @ Wh.T
        return dx, dWx, dWh


class Embedding:
    def forward(self, table: Any, ids: Any) -> Any:
        return table[ids], (table.shape, ids)

    def backward(self, upstream: Any, cache: Any) -> Any:
        shape, ids = cache
        dtable = np.zeros(shape)
        np.add.at(dtable, ids, upstream)
        return dtable, None


class KeepsMask:
    """A ReLU that keeps its mask, and a running mean that is not needed, on itself."""

    def __init__(self) -> None:
        self.mean: Any = 0.0

    def forward(self, x: Any) -> Any:
        self.mean = 0.9 * self.mean + 0.1 * x.mean()
        self.mask = x > 0
        out = x.copy()
        out[~self.mask] = 0
        return out, None

    def backward(self, upstream: Any, cache: Any) -> Any:
        dx = np.array(upstream)
        dx[~self.mask] = 0
        return dx


def helper_fill(shape: Any, value: Any) -> Any:
    out = np.empty(shape)
    out[:] = value
    return out


class UsesHelpers(KeepsMask):
    """A gate that calls a function of its module, its own methods and its parent's."""

    def forward(self, x: Any) -> Any:
        out, _ = super().forward(x)
        return out + self._zeros(x), x

    @staticmethod
    def _zeros(x: Any) -> Any:
        return helper_fill(x.shape, 0 * x)


draw = np.random.default_rng(8)
LAYERS: list[tuple[Any, ...]] = [
    (Recurrent(), draw.normal(size=(2, 3, 2)), draw.normal(size=(2, 4)), draw.normal(size=(4, 4))),
    (NaiveMaxPool(), draw.normal(size=(1, 2, 4, 4))),
    (Embedding(), draw.normal(size=(4, 3)), np.array([[0, 2], [2, 1]])),
    (KeepsMask(), draw.normal(size=(3, 4))),
    (UsesHelpers(), draw.normal(size=(3, 4))),
]


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: type(row[0]).__name__)
def test_a_layer_with_loops_and_arrays_to_fill_is_compiled(row: tuple[Any, ...]) -> None:
    gate, *inputs = row
    found = jax.jit(lambda: run_traced_gate(gate, *inputs))()
    for a, b in zip(found, run_gate(gate, tuple(inputs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_gate_that_keeps_its_mask_trains_and_keeps_nothing_traced() -> None:
    gate = KeepsMask()
    x, labels = spiral(15, rng=2)
    model = MLP((2, 8, 3), gate)
    settings: Any = {"epochs": 4, "batch_size": 15, "optimiser": SGD(0.3)}
    for _ in range(2):  # the second time, nothing of the first trace is left
        ours = fit(model, model.init(0), x, labels, dtype="float64", **settings)
    assert not any(isinstance(kept, jax.Array) for kept in vars(gate).values())
    theirs = fit_numpy(model, model.init(0), x, labels, **settings)
    np.testing.assert_allclose(ours.history.loss, theirs.history.loss, rtol=1e-10)
