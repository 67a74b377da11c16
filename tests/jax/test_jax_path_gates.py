"""Gates under JAX: jax.grad uses their own backward, which is JAX's own derivative; and gates written with NumPy."""

from __future__ import annotations

import json
import linecache
import math
import re
import textwrap
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jax
from helpers.paths import ROOT
from nnkit import gates
from nnkit.arrays import ShapeError
from nnkit.data import spiral
from nnkit.jax_path import differences, fit, network_differences, to_jax
from nnkit.jax_path.numpy_proxy import NumpyProxy
from nnkit.mlp import MLP
from nnkit.train import SGD
from nnkit.train import fit as fit_numpy

pytestmark = pytest.mark.slow

draw = np.random.default_rng(5)
X, Y = draw.normal(size=(3, 4)), draw.normal(size=(3, 4))
POSITIVE = np.exp(X)
LABELS = np.array([3, 0, 2])
ROWS: list[tuple[Any, tuple[Any, ...]]] = [
    (gates.Add(), (X, Y[0])), (gates.Subtract(), (X, Y[:, :1])), (gates.Multiply(), (X, Y[0])),
    (gates.Divide(), (X, POSITIVE)), (gates.Negate(), (X,)), (gates.Reciprocal(), (POSITIVE,)), (gates.Exp(), (X,)),
    (gates.Log(), (POSITIVE,)), (gates.Power(3.0), (X,)), (gates.Max(), (X, Y)), (gates.Copy(3), (X,)),
    (gates.Sum(), (X,)), (gates.Sum(0), (X,)), (gates.SquaredNorm(), (X,)), (gates.Sigmoid(), (X,)),
    (gates.Tanh(), (X,)), (gates.ReLU(), (X,)), (gates.LeakyReLU(0.2), (X,)), (gates.ELU(1.3), (X,)),
    (gates.Maxout(2), (X,)), (gates.MatMul(), (X, Y.T)), (gates.Affine(), (X, Y.T, Y[:, 0])),
    (gates.SoftmaxCrossEntropy(), (X, LABELS)), (gates.SquaredError(), (X, Y)),
]  # fmt: skip


def test_every_gate_has_a_row() -> None:
    assert {type(gate) for gate, _ in ROWS} == set(gates.ALL)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("row", range(len(ROWS)), ids=lambda i: repr(ROWS[i][0]))
def test_the_backward_of_every_gate_is_jaxs_derivative(row: int, order: int) -> None:
    gate, inputs = ROWS[row]
    found = differences(gate, *inputs, order=order, rng=row)
    assert len(found) == sum(np.asarray(x).dtype.kind == "f" for x in inputs)
    assert max(found.values()) < 1e-12


class Halved(gates.Sigmoid):
    """A gate whose slope, and so its curvature, is half of the right one."""

    def backward(self, upstream: Any, cache: Any) -> Any:
        return (super().backward(upstream, cache)[0] / 2,)


@pytest.mark.parametrize("order", [1, 2])
def test_a_wrong_backward_differs(order: int) -> None:
    assert differences(Halved(), X, order=order)["x"] > 1e-3
    wrong = MLP((4, 5, 3), activation=Halved())
    assert network_differences(wrong, wrong.init(0), X, LABELS % 3, order=order)["W1"] > 1e-4


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("activation", [gates.ReLU(), gates.Tanh(), gates.Sigmoid(), gates.Maxout(2)], ids=repr)
def test_a_whole_network_is_jaxs_derivative(activation: Any, order: int) -> None:
    model = MLP((4, 6, 5, 3), activation=activation)
    found = network_differences(model, model.init(1), X, LABELS % 3, order=order)
    assert found.keys() == model.shapes.keys()
    assert max(found.values()) < 1e-12


def test_only_first_and_second_order() -> None:
    with pytest.raises(ValueError, match="order must be 1 or 2, not 3"):
        differences(gates.Exp(), X, order=3)


def test_jax_grad_uses_the_gates_own_backward() -> None:
    half, x = to_jax(Halved()), jnp.asarray(X)
    right = jax.grad(lambda x: jax.nn.sigmoid(x).sum())(x)
    np.testing.assert_allclose(jax.grad(lambda x: half(x).sum())(x), right / 2, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.vmap(jax.grad(half))))(x), right / 2, rtol=1e-12)
    np.testing.assert_allclose(half(x), jax.nn.sigmoid(x), rtol=1e-12)


def test_labels_get_no_gradient_and_numbers_become_arrays() -> None:
    loss = to_jax(gates.SoftmaxCrossEntropy())
    np.testing.assert_allclose(
        jax.grad(loss)(jnp.asarray(X), LABELS), gates.SoftmaxCrossEntropy().backward(1.0, _cache(X))[0], rtol=1e-12
    )
    assert float(jax.grad(to_jax(gates.Multiply()))(3.0, 4.0)) == 4.0
    assert to_jax(gates.Multiply()).__name__ == "Multiply"


def _cache(x: Any) -> Any:
    return gates.SoftmaxCrossEntropy().forward(x, LABELS)[1]


def test_a_gradient_of_a_wrong_shape_is_reported() -> None:
    class Flat:
        def forward(self, x: Any) -> Any:
            return 2 * x, None

        def backward(self, upstream: Any, cache: Any) -> Any:
            return (2 * upstream.sum(),)

    with pytest.raises(ShapeError, match=r"Flat.backward: the gradient of x is \(\), but x is \(3, 4\)"):
        jax.grad(lambda x: to_jax(Flat())(x).sum())(jnp.asarray(X))


# -- gates written with NumPy ------------------------------------------------------------------------------


NEEDS_NUMBERS: list[tuple[str, str]] = [
    ("return x if x.sum() > 0 else -x", "write np.where(condition, a, b) for an if"),
    ("if np.any(x < 0): x = -x\nreturn x", "write np.where(condition, a, b) for an if"),
    ("while x.sum() > 1: x = x / 2\nreturn x", "a `for` over a fixed number of steps can"),
    ("return x * float(x.max())", "leave float(), int(), .item() or .tolist() out"),
    ("return x[np.nonzero(x > 0)]", "how many entries it finds depends on the numbers"),
    ("return x[: (x[0] > 0).sum()]", "an index or a slice must follow from shapes"),
    ("return sum(x[0] for _ in range(x.argmax()))", "how often the loop runs must follow from shapes"),
    ("x[x > 0] = np.arange(5.0)\nreturn x", "pick the values by a mask too"),
    ("return np.sort(x[x > 0])", "np.sort of entries that a mask picks"),
    ("return np.cumsum(x) if x[0, 0] > 0 and x[0, 1] > 0 else x", "np.where"),
]
"""Lines that cannot be compiled, and what is said of them."""


@pytest.mark.parametrize(("body", "advice"), NEEDS_NUMBERS, ids=lambda text: text[:30])
def test_a_line_that_cannot_be_compiled_is_named_with_what_to_write(body: str, advice: str) -> None:
    gate = define_gate(body)
    with pytest.raises(TypeError) as fault:
        jax.jit(to_jax(gate))(jnp.asarray(X))
    text = str(fault.value)
    assert text.startswith("Mine.forward ")
    assert advice in text
    assert re.search(r"in line \d+, `", text)
    assert body.split("\n")[0] in text


def define_gate(body: str) -> Any:
    """Return a gate whose forward has these lines, as a learner's cell defines it."""
    forward = "    def forward(self, x):\n" + textwrap.indent(body, " " * 8)
    source = f"class Mine:\n{forward}\n\n    def backward(self, upstream, cache):\n        return upstream\n"
    name = f"<cell {body}>"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    names: dict[str, Any] = {"np": np, "math": math, "__name__": "__main__"}
    exec(compile(source, name, "exec"), names)
    return names["Mine"]()


def in_numpy_and_jax(function: Callable[[Any], Any]) -> None:
    """The same function of an array, on NumPy's and traced on a proxy, gives the same numbers."""
    expected = function(X.copy())
    found = jax.jit(lambda x: jax.tree.map(_bare, function(NumpyProxy(x)), is_leaf=_is_proxy))(jnp.asarray(X))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def _is_proxy(x: Any) -> bool:
    return isinstance(x, NumpyProxy)


def _bare(x: Any) -> Any:
    return x.array if isinstance(x, NumpyProxy) else x


def written(x: Any) -> Any:
    x[np.arange(3), LABELS] -= 1
    x[0] = 7
    x[:, 1:3] *= 2
    return x


def through_a_view(x: Any) -> Any:
    row = x[1]
    row += 10
    part = row[1:3]
    part[0] = -1
    x[1] *= 2
    return x, row, part


def through_a_copy(x: Any) -> Any:
    p, picked = x.copy(), x[np.array([0, 1])]
    p -= 1
    picked += 5
    return x, p, picked


def numbers_stay(x: Any) -> Any:
    total = x.sum()
    entry = x[0, 1]
    kept = total
    total += 1
    entry += 1
    return x, total, kept, entry


def added_at(x: Any) -> Any:
    out = np.zeros_like(x)
    np.add.at(out, np.array([0, 0, 2]), x)
    return out


def many_functions(x: Any) -> Any:
    left, right = np.split(x, 2, axis=1)
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return (
        np.where(x > 0, x, 0.1 * x), np.concatenate([left, right * 2], axis=1), e / e.sum(axis=1, keepdims=True),
        np.broadcast_to(x[0], (2, 4)).copy(), np.repeat(x.reshape(12, 1) / 2, 2, axis=1), ~(x > 0), -x.T @ x, abs(x),
        np.add.reduce(x, axis=0), np.linalg.norm(x), x.astype(float), x.mean(), len(x), [row.sum() for row in x],
        np.sum(x, dtype=float), np.einsum("nd,nd->n", x, x), 2 ** x, x.shape,
    )  # fmt: skip


def through_other_views(x: Any) -> Any:
    x.T[0] = 1.0
    x.reshape(2, 6)[:, 1] -= 2
    x.ravel()[3:5] *= 3
    x.flat[7] = 4
    np.fill_diagonal(x, 9)
    return x, x.T @ x


def where_a_mask_is(x: Any) -> Any:
    d, e, f, g = x.copy(), x.copy(), np.zeros_like(x), x.copy()
    d[x <= 0] = 0
    e[e < 0] *= 0.1
    mask = x > 0
    f[mask] = x[mask] ** 2 + 1
    g[x.sum(axis=1) > 0] = -1
    f[x < -1] += x[x < -1]
    return d, e, f, g, x[mask].sum(), x[mask].mean(), x[mask].max(), np.sum(x[x < 0]), (~mask).sum()


def where_other_entries_go(x: Any) -> Any:
    """As many entries as there are, in order, from one mask to another."""
    out, mask = np.zeros_like(x), x > np.median(x)
    out[~mask] = x[mask]
    return out


def ufuncs_with_options(x: Any) -> Any:
    safe = np.divide(1.0, x, out=np.zeros_like(x), where=abs(x) > 0.5)
    np.maximum(x, 0, out=x)
    return x, safe, np.maximum.accumulate(x, axis=1), np.lib.stride_tricks.sliding_window_view(x, 2, axis=1)


@pytest.mark.parametrize(
    "function",
    [
        through_other_views,
        where_a_mask_is,
        where_other_entries_go,
        ufuncs_with_options,
        written,
        through_a_view,
        through_a_copy,
        numbers_stay,
        added_at,
        many_functions,
    ],
    ids=lambda f: f.__name__,
)
def test_lines_of_numpy_mean_the_same(function: Callable[[Any], Any]) -> None:
    in_numpy_and_jax(function)


def test_what_a_proxy_cannot_do_is_reported() -> None:
    x = NumpyProxy(jnp.asarray(X))
    with pytest.raises(TypeError, match=r"write x.copy\(\), or np.zeros_like\(x\)"):
        np.array(x)
    with pytest.raises(TypeError, match=r"np.shares_memory has no equivalent in JAX"):
        np.shares_memory(x, x)
    with pytest.raises(ValueError, match=r"the result is \(3, 4\), and the array that it is written into is \(4,\)"):
        x.sum(axis=0).__iadd__(x)


# -- the learner's own gates, as the solutions have them ----------------------------------------------------


def solved(assignment: str) -> dict[str, Any]:
    """Return the classes of an assignment's solution by name."""
    notebook = json.loads((ROOT / "solutions" / assignment / f"{assignment}.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {"np": np}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source.startswith("class "):
            exec(source.split("\n\n\ncheck_")[0], names)
    return {name: value for name, value in names.items() if isinstance(value, type)}


PS1, PS2, PS3 = solved("ps1"), solved("ps2"), solved("ps3")
WIDE = np.concatenate([X, Y], axis=1)
LEARNERS: list[tuple[Any, tuple[Any, ...]]] = [
    *[(PS1[f"{name}Gate"](), (X, POSITIVE)) for name in ("Add", "Multiply", "Subtract", "Divide", "Max")],
    *[(PS1[f"{name}Gate"](), (POSITIVE,)) for name in ("Square", "Exp", "Reciprocal")],
    *[(PS2[f"{name}Gate"](), (X,)) for name in ("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "Softplus")],
    (PS2["MaxoutGate"](), (WIDE,)),
    (PS2["NeuronGate"](), (X[0], Y[0], 0.3)),
    (PS3["SquaredNormGate"](), (X,)), (PS3["MatMulGate"](), (X, Y.T)), (PS3["AffineGate"](), (X, Y.T, Y[:, 0])),
    (PS3["AddColumnGate"](), (X, Y[:, :1])), (PS3["ScaleRowGate"](), (X, Y[0])), (PS3["SumRowsGate"](), (X,)),
    (PS3["MeanColumnsGate"](), (X,)), (PS3["SoftmaxGate"](), (X,)), (PS3["SoftmaxLossGate"](), (X, LABELS)),
    (PS3["TransposedProductGate"](), (X, Y)),
]  # fmt: skip


def test_no_gate_of_the_assignments_is_left_out() -> None:
    assert {type(gate).__name__ for gate, _ in LEARNERS} == {name for ps in (PS1, PS2, PS3) for name in ps}


@pytest.mark.parametrize("row", range(len(LEARNERS)), ids=lambda i: type(LEARNERS[i][0]).__name__)
def test_a_learners_gate_runs_compiled_and_is_jaxs_derivative(row: int) -> None:
    gate, inputs = LEARNERS[row]
    arrays = [jnp.asarray(x) for x in inputs]
    np.testing.assert_allclose(jax.jit(to_jax(gate))(*arrays), gate.forward(*inputs)[0], rtol=1e-12, atol=1e-12)
    assert max(differences(gate, *inputs).values()) < 1e-12


@pytest.mark.parametrize("name", ["Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "Softplus", "Maxout"])
def test_a_network_of_the_learners_gates_trains(name: str) -> None:
    activation = PS2[f"{name}Gate"]()
    if name == "Maxout":
        activation.pieces = 2
    model = MLP((2, 8, 3), activation, PS3["SoftmaxLossGate"](), PS3["AffineGate"]())
    x, labels = spiral(15, rng=2)
    settings: Any = {"epochs": 12, "batch_size": 15, "optimiser": SGD(0.3, momentum=0.9)}
    ours = fit(model, model.init(0), x, labels, dtype="float64", **settings)
    theirs = fit_numpy(model, model.init(0), x, labels, **settings)
    np.testing.assert_allclose(ours.history.loss, theirs.history.loss, rtol=1e-10)
    assert ours.history.loss[-1] < ours.history.loss[0]


def test_a_loss_written_with_the_gates_of_ps1_trains() -> None:
    multiply, add, subtract, square = (PS1[f"{name}Gate"]() for name in ("Multiply", "Add", "Subtract", "Square"))

    def loss_and_gradients(parameters: Any, x: Any, y: Any) -> Any:
        scaled, cache1 = multiply.forward(x, parameters["w"])
        moved, cache2 = add.forward(scaled, parameters["b"])
        error, cache3 = subtract.forward(moved, y)
        out, cache4 = square.forward(error)
        derror = square.backward(np.ones_like(out), cache4)
        dmoved, _ = subtract.backward(derror, cache3)
        dscaled, db = add.backward(dmoved, cache2)
        _, dw = multiply.backward(dscaled, cache1)
        return np.sum(out), {"w": dw, "b": db}

    start = {"w": np.zeros(4), "b": np.zeros(4)}
    settings: Any = {"epochs": 30, "optimiser": SGD(0.02)}
    ours = fit(loss_and_gradients, start, X[0], Y[0], dtype="float64", **settings)
    theirs = fit_numpy(loss_and_gradients, start, X[0], Y[0], **settings)
    np.testing.assert_allclose(ours.history.loss, theirs.history.loss, rtol=1e-10)
    assert ours.history.loss[-1] < 0.5 * ours.history.loss[0]


def test_a_gate_written_with_jax_and_compiled_trains_too() -> None:
    class Compiled:
        forward = staticmethod(jax.jit(lambda x: (jnp.tanh(x), x)))
        backward = staticmethod(jax.jit(lambda upstream, x: (upstream * (1 - jnp.tanh(x) ** 2),)))

    model = MLP((4, 5, 4), activation=Compiled())
    plain = MLP((4, 5, 4), activation=gates.Tanh())
    ours, theirs = (fit(m, plain.init(0), X, LABELS, epochs=3, dtype="float64") for m in (model, plain))
    np.testing.assert_allclose(ours.history.loss, theirs.history.loss, rtol=1e-12)
