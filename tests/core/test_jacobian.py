"""Jacobians against JAX's, their size in bytes, and numerical derivatives with estimates of their errors."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from test_gates import ROWS, Row, assert_same, is_float, jax_gradients, prepared

import jax
from nnkit import gates, numerical
from nnkit.arrays import ShapeError
from nnkit.jacobian import jacobian, jacobian_bytes, readable_bytes, vjp

one_output = pytest.mark.parametrize("row", [row for row in ROWS if not isinstance(row.gate, gates.Copy)], ids=str)


def jax_jacobian(row: Row, inputs: tuple[Any, ...], wrt: int) -> np.ndarray:
    return np.asarray(jax.jacobian(row.reference, argnums=wrt)(*map(jnp.asarray, inputs)))


@one_output
def test_a_gates_jacobian_is_that_of_jax(row: Row) -> None:
    inputs, out, _, _ = prepared(row, 21)
    for wrt in (i for i, x in enumerate(inputs) if is_float(x)):
        ours = jacobian(row.gate, *inputs, wrt=wrt)
        assert ours.shape == (*np.shape(out), *inputs[wrt].shape)
        np.testing.assert_allclose(ours, jax_jacobian(row, inputs, wrt), rtol=1e-12, atol=1e-12)


@one_output
def test_a_functions_jacobian_is_near_that_of_jax(row: Row) -> None:
    inputs, _, _, _ = prepared(row, 22)
    for wrt in (i for i, x in enumerate(inputs) if is_float(x)):
        ours = jacobian(lambda *x: row.gate.forward(*x)[0], *inputs, wrt=wrt)
        np.testing.assert_allclose(ours, jax_jacobian(row, inputs, wrt), rtol=1e-8, atol=1e-8)


@one_output
def test_vjp_of_gates_and_functions(row: Row) -> None:
    inputs, _, _, upstream = prepared(row, 23)
    expected = jax_gradients(row, inputs, upstream)
    assert_same(vjp(row.gate, *inputs, upstream=upstream), expected)
    if None not in [None if g is None else 0 for g in expected]:
        function = vjp(lambda *x: row.gate.forward(*x)[0], *inputs, upstream=upstream)
        assert_same(function, expected, rtol=1e-8)


def test_the_jacobian_of_an_elementwise_gate_is_diagonal() -> None:
    x = np.array([1.0, -2.0, 3.0, -1.0])
    np.testing.assert_array_equal(jacobian(gates.ReLU(), x), np.diag([1.0, 0.0, 1.0, 0.0]))


def test_vjp_is_the_upstream_times_the_jacobian() -> None:
    rng = np.random.default_rng(24)
    x, w, upstream = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    for wrt, gradient in enumerate(vjp(gates.MatMul(), x, w, upstream=upstream)):
        full = jacobian(gates.MatMul(), x, w, wrt=wrt)
        np.testing.assert_allclose(gradient, np.tensordot(upstream, full, 2), rtol=1e-12)


@pytest.mark.parametrize("wrt", [2, -3])
def test_wrt_must_be_an_inputs_position(wrt: int) -> None:
    with pytest.raises(ValueError, match=f"wrt={wrt}, but Add has 2 inputs, numbered from 0"):
        jacobian(gates.Add(), 1.0, 2.0, wrt=wrt)


def test_vjp_of_a_gate_wants_an_upstream_of_the_outputs_shape() -> None:
    with pytest.raises(ShapeError, match=r"upstream gradient is \(2,\), but the output was \(3,\)"):
        vjp(gates.Exp(), np.ones(3), upstream=np.ones(2))


def test_vjp_of_a_function_wants_an_upstream_of_the_outputs_shape() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 3\).*\(3, 1\)"):
        vjp(lambda x: x * 2.0, np.ones((3, 1)), upstream=np.ones((1, 3)))


LOGITS, LABELS = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]]), np.array([1, 0])
LOSS = gates.SoftmaxCrossEntropy()


def loss(logits: Any, labels: Any) -> Any:
    return LOSS.forward(logits, labels)[0]


@pytest.mark.parametrize("function", [LOSS, loss], ids=["gate", "function"])
@pytest.mark.parametrize("right", [LABELS, LABELS.tolist(), jnp.asarray(LABELS)], ids=type)
def test_labels_have_no_derivative(function: Any, right: Any) -> None:
    exact, _ = LOSS.backward(2.0, LOSS.forward(LOGITS, LABELS)[1])
    np.testing.assert_allclose(2.0 * jacobian(function, LOGITS, right), exact, rtol=1e-8)
    dlogits, dlabels = vjp(function, LOGITS.tolist(), right, upstream=2)
    np.testing.assert_allclose(dlogits, exact, rtol=1e-8)
    assert dlabels is None
    for wrt in (1, -1):
        with pytest.raises(TypeError, match="labels holds integers, as labels do, and has no derivative"):
            jacobian(function, LOGITS, right, wrt=wrt)


def test_a_single_integer_and_those_of_other_gates_are_numbers() -> None:
    assert jacobian(lambda x: x * x, 3) == pytest.approx(6.0)
    np.testing.assert_allclose(jacobian(gates.Exp(), [0, 1]), np.diag(np.exp([0.0, 1.0])))


def test_the_copy_gate_has_products_but_no_one_jacobian() -> None:
    with pytest.raises(TypeError, match="Copy has several outputs; a Jacobian belongs to one"):
        jacobian(gates.Copy(), np.ones(2))
    (dx,) = vjp(gates.Copy(), np.ones(2), upstream=([1.0, 2.0], [3.0, 4.0]))
    assert dx.tolist() == [4.0, 6.0]


@pytest.mark.parametrize("function", [gates.Exp(), np.exp], ids=repr)
def test_empty_inputs_have_empty_jacobians(function: Any) -> None:
    assert jacobian(function, np.zeros((0, 2))).shape == (0, 2, 0, 2)
    (dx,) = vjp(function, np.zeros((0, 2)), upstream=np.zeros((0, 2)))
    assert np.shape(dx) == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_for_gates_only(bad: float) -> None:
    x = np.array([1.0, bad])
    assert jacobian(gates.Tanh(), x).shape == (2, 2)
    for use in (lambda: jacobian(np.tanh, x), lambda: vjp(np.tanh, x, upstream=x)):
        with pytest.raises(
            ValueError, match=r"^tanh: x\w* holds NaN or infinity, where there is no slope to measure\.$"
        ):
            use()


@pytest.mark.parametrize(
    ("returned", "end"),
    [
        (None, "must hold numbers, not None."),
        ("a", "must hold numbers, not text ('a')."),
        ([[1.0], [2.0, 3.0]], "must be a rectangular array of numbers."),
    ],
)
def test_a_function_must_return_numbers(returned: Any, end: str) -> None:
    def answers(x: Any) -> Any:
        return returned

    for use in (lambda: jacobian(answers, 1.0), lambda: vjp(answers, 1.0, upstream=1.0)):
        with pytest.raises(TypeError) as raised:
            use()
        assert str(raised.value) == f"answers: what it returns {end}"


def test_a_function_may_return_a_list() -> None:
    np.testing.assert_allclose(jacobian(lambda x: [x[0] * x[1], 3 * x[1]], [1.0, 2.0]), [[2, 1], [0, 3]], atol=1e-9)


def test_a_long_output_needs_no_square_matrix() -> None:
    tracemalloc.start()
    try:
        assert jacobian(gates.Add(), np.zeros(3000), 1.0, wrt=1).shape == (3000,)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000  # 3000 × 3000 numbers would be 72 MB


@pytest.mark.parametrize(
    ("out", "x", "size"),
    [
        ((4096,), (4096,), "64 MiB"),
        ((100, 4096), (100, 4096), "625 GiB"),
        ((64, 4096), (64, 4096), "256 GiB"),
        ((), (3,), "12 B"),
        ((), (), "4 B"),
    ],
)
def test_the_weight_of_a_jacobian(out: tuple[int, ...], x: tuple[int, ...], size: str) -> None:
    assert readable_bytes(jacobian_bytes(out, x)) == size
    assert jacobian_bytes(out, x, "float64") == 2 * jacobian_bytes(out, x)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.977 KiB"), (1023, "0.999 KiB"), (1024, "1 KiB"), (2**50, "1 PiB"),
     (67108864, "64 MiB"), (1536, "1.5 KiB")],
)  # fmt: skip
def test_readable_bytes(count: int, text: str) -> None:
    assert readable_bytes(count) == text


# -- numerical derivatives ------------------------------------------------------------------------

SMOOTH: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "square": (lambda x: x**2, lambda x: 2 * x),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "sin 100x": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
    "1/(1+x²)": (lambda x: 1 / (1 + x**2), lambda x: -2 * x / (1 + x**2) ** 2),
    "constant": (lambda x: 0 * x + 3, lambda x: 0 * x),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_slopes_of_smooth_functions(name: str) -> None:
    function, derivative = SMOOTH[name]
    rng = np.random.default_rng(25)
    for x in [0.0, *rng.uniform(-4, 4, 300), *rng.uniform(-0.01, 0.01, 50)]:
        found = numerical.estimate_slope(lambda t, x=x: function(x + t), size=x)
        assert not found.kink, (name, x)
        assert found.below == found.above == found.value
        assert abs(found.value - derivative(x)) <= 10 * found.error + 1e-15, (name, x, found)
        assert found.error <= 1e-6 * max(1.0, abs(derivative(x))), (name, x, found)


KINKS = [
    (lambda t: max(t, 0.0), 0.0, 1.0),
    (abs, -1.0, 1.0),
    (lambda t: -3.0 * abs(t) + np.sin(t), 4.0, -2.0),
    (lambda t: float(gates.LeakyReLU(0.1)(t)), 0.1, 1.0),
    (lambda t: max(2.0 + t, 2.0 - 3.0 * t), -3.0, 1.0),
]


@pytest.mark.parametrize("number", range(len(KINKS)))
def test_kinks_are_found_with_both_slopes(number: int) -> None:
    phi, below, above = KINKS[number]
    found = numerical.estimate_slope(phi)
    assert found.kink
    assert found.below == pytest.approx(below, abs=1e-5)
    assert found.above == pytest.approx(above, abs=1e-5)


@pytest.mark.parametrize("x", [0.5, -0.5, 0.01, -0.01, 0.002, -0.002])
def test_near_a_kink_the_slope_is_right_and_no_kink_is_claimed(x: float) -> None:
    found = numerical.estimate_slope(lambda t: abs(x + t), size=x)
    assert not found.kink
    assert abs(found.value - np.sign(x)) <= 10 * found.error + 1e-12
    assert found.error < 1e-6


def test_a_jacobian_tells_which_entries_have_kinks() -> None:
    x = np.array([0.0, 1.0, -1.0])
    found = numerical.estimate_jacobian(lambda x: np.maximum(x, 0.0), (x,), 0)
    assert found.kink.tolist() == np.diag([True, False, False]).tolist()
    np.testing.assert_allclose(found.above, np.diag([1.0, 1.0, 0.0]), atol=1e-9)
    np.testing.assert_allclose(found.below, np.diag([0.0, 1.0, 0.0]), atol=1e-9)


def test_large_inputs_are_met_with_large_steps() -> None:
    found = numerical.estimate_jacobian(lambda x: x**2, (np.array([1e6, -3e4, 1e-3]),), 0)
    np.testing.assert_allclose(np.diag(found.value), [2e6, -6e4, 2e-3], rtol=1e-9, atol=1e-12)


def test_a_direction_mixes_the_entries() -> None:
    x, direction = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 0.5])
    found = numerical.estimate_along(lambda x: np.sum(x**2), (x,), {0: direction})
    assert found.value == pytest.approx(2 * x @ direction, rel=1e-9)


def test_a_function_that_writes_into_its_input_does_no_harm() -> None:
    def doubled(x: np.ndarray) -> np.ndarray:
        x *= 2.0
        return x

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(jacobian(doubled, x), 2 * np.eye(2), rtol=1e-9, atol=1e-12)
    assert x.tolist() == [1.0, 2.0]
