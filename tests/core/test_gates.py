"""Every gate against JAX's own derivative, numerical derivatives, and its docstring."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import BroadcastableShapes, mutually_broadcastable_shapes

import jax
from helpers.rows import (
    ROWS,
    Inputs,
    Rng,
    Row,
    apart,
    assert_same,
    is_float,
    jax_gradients,
    positive,
    prepared,
    random_like,
)
from nnkit import gates, numerical
from nnkit.arrays import ShapeError
from nnkit.gates.base import Gate

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
every_gate = pytest.mark.parametrize("gate", list(dict.fromkeys(row.gate for row in ROWS)), ids=repr)


def test_every_gate_has_a_row() -> None:
    assert {type(row.gate) for row in ROWS} == set(gates.ALL)
    written = {cls for cls in vars(gates).values() if isinstance(cls, type) and issubclass(cls, Gate)} - {Gate}
    assert written == set(gates.ALL)


# -- the derivative -------------------------------------------------------------------------------


@every_row
@pytest.mark.parametrize("seed", [1, 2])
def test_forward_and_backward_are_those_of_jax(row: Row, seed: int) -> None:
    inputs, out, cache, upstream = prepared(row, seed)
    reference = row.reference(*map(jnp.asarray, inputs))
    np.testing.assert_allclose(np.asarray(out), np.asarray(reference), rtol=1e-12, atol=1e-12)
    ours = row.gate.backward(upstream, cache)
    assert isinstance(ours, tuple)
    assert_same(ours, jax_gradients(row, inputs, upstream))


@every_row
def test_backward_is_the_numerical_derivative(row: Row) -> None:
    inputs, _, cache, upstream = prepared(row, 3)
    ours = row.gate.backward(upstream, cache)
    weights = np.asarray(upstream)
    for wrt in (i for i, x in enumerate(inputs) if is_float(x)):
        found = numerical.estimate_jacobian(lambda *x: np.asarray(row.gate.forward(*x)[0]), inputs, wrt)
        assert not found.kink.any()
        expected = np.tensordot(weights, found.value, weights.ndim)
        error = np.tensordot(np.abs(weights), found.error, weights.ndim)
        scale = np.tensordot(np.abs(weights), np.abs(found.value), weights.ndim)
        assert (error <= 1e-6 * (1 + scale)).all()
        assert (np.abs(ours[wrt] - expected) <= 10 * error + 1e-9 * scale).all()


@every_row
def test_runs_the_same_under_jit(row: Row) -> None:
    inputs, out, cache, upstream = prepared(row, 4)
    compiled_out, compiled_cache = jax.jit(row.gate.forward)(*map(jnp.asarray, inputs))
    np.testing.assert_allclose(np.asarray(compiled_out), np.asarray(out), rtol=1e-12, atol=1e-12)
    compiled = jax.jit(row.gate.backward)(jax.tree.map(jnp.asarray, upstream), compiled_cache)
    assert all(g is None or isinstance(g, jax.Array) for g in compiled)
    assert_same(row.gate.backward(upstream, cache), compiled)


def both_passes(row: Row) -> Callable[[Any, Any], Any]:
    """Return the function (upstream, inputs) ↦ output and gradients, without None, which JAX cannot stack."""

    def run(upstream: Any, inputs: Inputs) -> Any:
        out, cache = row.gate.forward(*inputs)
        return out, tuple(g for g in row.gate.backward(upstream, cache) if g is not None)

    return run


def mapped(run: Any, upstreams: Any, inputs: Any) -> Any:
    return jax.vmap(run)(upstreams, inputs)


def scanned(run: Any, upstreams: Any, inputs: Any) -> Any:
    return jax.lax.scan(lambda carry, given: (carry, run(*given)), 0, (upstreams, inputs))[1]


@every_row
@pytest.mark.parametrize("together", [mapped, scanned])
def test_runs_the_same_under_vmap_and_scan(row: Row, together: Callable[..., Any]) -> None:
    examples = [prepared(row, seed) for seed in (41, 42, 43)]
    pairs = [(upstream, inputs) for inputs, _, _, upstream in examples]
    upstreams, inputs = jax.tree.map(lambda *leaves: jnp.stack(list(map(jnp.asarray, leaves))), *pairs)
    found = together(both_passes(row), upstreams, inputs)
    for number, pair in enumerate(pairs):
        leaves = jax.tree.leaves(jax.tree.map(lambda x, n=number: x[n], found))
        assert_same(leaves, jax.tree.leaves(both_passes(row)(*pair)))


# -- shapes and types -----------------------------------------------------------------------------


@every_row
def test_a_gradient_has_its_inputs_shape(row: Row) -> None:
    inputs, _, cache, upstream = prepared(row, 5)
    for x, gradient in zip(inputs, row.gate.backward(upstream, cache), strict=True):
        assert (gradient is None) == (not is_float(x))
        assert gradient is None or np.shape(gradient) == x.shape


PARTIALS: dict[type[Gate], Callable[[Any, Any], tuple[Any, Any]]] = {
    gates.Add: lambda x, y: (1.0, 1.0),
    gates.Subtract: lambda x, y: (1.0, -1.0),
    gates.Multiply: lambda x, y: (y, x),
    gates.Divide: lambda x, y: (1.0 / y, -x / y**2),
    gates.Max: lambda x, y: (1.0 * (x >= y), 1.0 * (x < y)),
}


def assert_adjoint(gate: Any, x: Any, y: Any, rng: Rng) -> None:
    """<gradients, direction> = <upstream, derivative along the direction>, whatever was broadcast."""
    out, cache = gate.forward(x, y)
    upstream = random_like(rng, out)
    dx, dy = gate.backward(upstream, cache)
    assert (np.shape(dx), np.shape(dy)) == (np.shape(x), np.shape(y))
    along_x, along_y = random_like(rng, np.asarray(x, float)), random_like(rng, np.asarray(y, float))
    by_x, by_y = PARTIALS[type(gate)](np.asarray(x), np.asarray(y))
    forwards = np.sum(upstream * (by_x * along_x + by_y * along_y))
    backwards = np.sum(dx * along_x) + np.sum(dy * along_y)
    np.testing.assert_allclose(backwards, forwards, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("gate", [kind() for kind in PARTIALS], ids=repr)
@given(
    shapes=mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=4, max_dims=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_binary_gates_broadcast(gate: Any, shapes: BroadcastableShapes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (rng.uniform(0.5, 2.0, shape) for shape in shapes.input_shapes)
    assert np.shape(gate.forward(x, y)[0]) == shapes.result_shape
    assert_adjoint(gate, x, y, rng)


@pytest.mark.parametrize("gate", [kind() for kind in PARTIALS], ids=repr)
@pytest.mark.parametrize(("x", "y"), [(3, np.array([0.5, 4.0])), (np.array([[1.0], [-2.0]]), 1.5), (2.0, 0.7), (2, 3)])
def test_python_numbers_broadcast_too(gate: Any, x: Any, y: Any) -> None:
    assert_adjoint(gate, x, y, np.random.default_rng(6))


@every_row
def test_float32_stays_float32(row: Row) -> None:
    inputs = tuple(x.astype(np.float32) if is_float(x) else x for x in row.inputs(np.random.default_rng(7)))
    for given_inputs in (inputs, tuple(map(jnp.asarray, inputs))):
        out, cache = row.gate.forward(*given_inputs)
        upstream = random_like(np.random.default_rng(8), out)
        arrays = jax.tree.leaves((out, row.gate.backward(upstream, cache)))
        assert {x.dtype for x in arrays} == {np.dtype("float32")}


@every_row
def test_integers_count_as_floats(row: Row) -> None:
    floats = row.inputs(np.random.default_rng(9))
    floats = tuple(np.sign(x) * np.ceil(np.abs(2 * x)) if is_float(x) else x for x in floats)
    whole = tuple(x.astype(int) for x in floats)
    out, cache = row.gate.forward(*whole)
    expected, expected_cache = row.gate.forward(*floats)
    assert_same((out,), (expected,))
    upstream = random_like(np.random.default_rng(10), expected)
    ours = row.gate.backward(upstream, cache)
    assert_same(ours, row.gate.backward(upstream, expected_cache))
    assert all(g is None or np.asarray(g).dtype == float for g in ours)


@every_row
def test_nested_lists_are_arrays(row: Row) -> None:
    inputs = row.inputs(np.random.default_rng(11))
    out, _ = row.gate.forward(*(x.tolist() for x in inputs))
    assert_same((out,), (row.gate.forward(*inputs)[0],))


@every_row
def test_inputs_and_upstream_are_left_alone(row: Row) -> None:
    inputs, _, _, upstream = prepared(row, 12)
    for array in jax.tree.leaves((inputs, upstream)):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    _, cache = row.gate.forward(*inputs)
    row.gate.backward(upstream, cache)


# -- both ends, ties and kinks --------------------------------------------------------------------


def both(gate: Any, *inputs: Any, upstream: Any) -> tuple[Any, Any]:
    out, cache = gate.forward(*inputs)
    return out, gate.backward(upstream, cache)


def test_sigmoid_is_safe_at_both_ends() -> None:
    out, (dx,) = both(gates.Sigmoid(), np.array([-1000.0, 0.0, 1000.0]), upstream=np.array([2.0, 2.0, 2.0]))
    assert out.tolist() == [0.0, 0.5, 1.0]
    assert dx.tolist() == [0.0, 0.5, 0.0]


@pytest.mark.parametrize("shift", [1000.0, -1000.0])
def test_softmax_does_not_feel_a_shift(shift: float) -> None:
    rng = np.random.default_rng(13)
    logits, right = rng.integers(-8, 8, (5, 3)) / 4, rng.integers(0, 3, 5)  # quarters: the shift rounds nothing
    loss, (dlogits, _) = both(gates.SoftmaxCrossEntropy(), logits, right, upstream=0.7)
    shifted, (dshifted, _) = both(gates.SoftmaxCrossEntropy(), logits + shift, right, upstream=0.7)
    assert loss == shifted
    np.testing.assert_array_equal(dlogits, dshifted)


def test_softmax_far_from_the_label_is_finite() -> None:
    loss, (dlogits, _) = both(gates.SoftmaxCrossEntropy(), np.array([[0.0, 2000.0]]), np.array([0]), upstream=3.0)
    assert loss == 2000.0
    assert dlogits.tolist() == [[-3.0, 3.0]]


def test_elu_and_tanh_are_safe_at_both_ends() -> None:
    ends = np.array([-1000.0, 1000.0])
    out, (dx,) = both(gates.ELU(2.0), ends, upstream=np.array([3.0, 3.0]))
    assert (out.tolist(), dx.tolist()) == ([-2.0, 1000.0], [0.0, 3.0])
    out, (dx,) = both(gates.Tanh(), ends, upstream=np.array([3.0, 3.0]))
    assert (out.tolist(), dx.tolist()) == ([-1.0, 1.0], [0.0, 0.0])


def test_elu_keeps_its_digits_near_zero() -> None:
    assert gates.ELU()(-1e-12) == pytest.approx(-1e-12, rel=1e-11)


@pytest.mark.parametrize(
    ("gate", "inputs", "upstream", "expected"),
    [
        (gates.Max(), ([4.0, 1.0], [4.0, 2.0]), [9.0, 5.0], ([9.0, 0.0], [0.0, 5.0])),
        (gates.ReLU(), ([0.0, -0.0, 1e-300],), [3.0, 3.0, 3.0], ([0.0, 0.0, 3.0],)),
        (gates.LeakyReLU(0.1), ([0.0],), [3.0], ([0.1 * 3.0],)),
        (gates.ELU(0.5), ([0.0],), [3.0], ([1.5],)),
        (gates.Maxout(), ([7.0, 1.0, 7.0, 2.0],), [3.0, 5.0], ([3.0, 0.0, 0.0, 5.0],)),
        (gates.Maxout(3), ([1.0, 7.0, 7.0],), [3.0], ([0.0, 3.0, 0.0],)),
        (gates.Power(0), ([0.0, 2.0],), [3.0, 3.0], ([0.0, 0.0],)),
        (gates.Power(1), ([0.0],), [3.0], ([3.0],)),
        (gates.Power(2), ([0.0],), [3.0], ([0.0],)),
    ],
    ids=repr,
)
def test_ties_and_kinks_go_as_documented(gate: Any, inputs: Inputs, upstream: Any, expected: Inputs) -> None:
    _, gradients = both(gate, *map(np.array, inputs), upstream=np.array(upstream))
    assert [g.tolist() for g in gradients] == list(expected)


@pytest.mark.parametrize(
    ("gate", "inputs", "upstream", "expected"),
    [
        (gates.Add(), (3.0, 4.0), 2.0, (2.0, 2.0)),
        (gates.Multiply(), (2.0, 3.0), 5.0, (15.0, 10.0)),
        (gates.Copy(), (7.0,), (4.0, 2.0), (6.0,)),
        (gates.Max(), (4.0, 5.0), 9.0, (0.0, 9.0)),
        (gates.ReLU(), ([1.0, -2.0, 3.0, -1.0],), [4.0, -1.0, 5.0, 9.0], ([4.0, 0.0, 5.0, 0.0],)),
        (
            gates.MatMul(),
            ([[2, 1, -3], [-3, 4, 2]], [[3, 2, 1, -1], [2, 1, 3, 2], [3, 2, 1, -2]]),
            np.array([[2.0, 3, -3, 9], [-8, 1, 4, 6]]),
            ([[0, 16, -9], [-24, 9, -30]], [[28, 3, -18, 0], [-30, 7, 13, 33], [-22, -7, 17, -15]]),
        ),
    ],
    ids=repr,
)
def test_the_lectures_patterns(gate: Any, inputs: Inputs, upstream: Any, expected: Inputs) -> None:
    given_upstream = upstream if isinstance(upstream, tuple) else np.asarray(upstream)[()]
    _, gradients = both(gate, *inputs, upstream=given_upstream)
    assert [np.asarray(g).tolist() for g in gradients] == [np.asarray(g).tolist() for g in expected]


# -- properties: any shape, any numbers ------------------------------------------------------------

SIDES = st.lists(st.integers(1, 4), max_size=3)
SHAPES: dict[type[Gate], Any] = {
    gates.Maxout: st.tuples(SIDES, st.integers(1, 3)).map(lambda s: ((*s[0], 2 * s[1]),)),
    gates.MatMul: st.tuples(*[st.integers(1, 4)] * 3).map(lambda s: (s[:2], s[1:])),
    gates.Affine: st.tuples(*[st.integers(1, 4)] * 3).map(lambda s: (s[:2], s[1:], s[2:])),
    gates.SoftmaxCrossEntropy: st.tuples(*[st.integers(1, 4)] * 2).map(lambda s: (s,)),
    gates.SquaredError: SIDES.map(lambda s: (tuple(s),) * 2),
}
ONE_OF_A_KIND = tuple({type(row.gate): row for row in ROWS if type(row.gate) not in PARTIALS}.values())


@pytest.mark.parametrize("row", ONE_OF_A_KIND, ids=lambda row: repr(row.gate))
@settings(max_examples=3)
@given(data=st.data())
def test_every_other_gate_is_that_of_jax_at_any_shape(row: Row, data: st.DataObject) -> None:
    kind = type(row.gate)
    shapes = data.draw(SHAPES.get(kind, SIDES.map(lambda s: (tuple(s),))))
    if isinstance(row.gate, gates.Sum):  # axis=-1
        shapes = ((*shapes[0], 2),)
    if isinstance(row.gate, gates.Maxout):  # in three pieces
        shapes = ((*shapes[0][:-1], shapes[0][-1] // 2 * 3),)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    scale = data.draw(st.sampled_from([0.01, 1.0, 5.0]))
    make = positive if row.makers[0].__qualname__.startswith("positive") else apart
    inputs: Inputs = tuple(scale * make(*shape)(rng) for shape in shapes)
    if kind is gates.SoftmaxCrossEntropy:
        inputs = (*inputs, rng.integers(0, shapes[0][1], shapes[0][0]))
    out, cache = row.gate.forward(*inputs)
    upstream = random_like(rng, out)
    assert_same(jax.tree.leaves(out), jax.tree.leaves(row.reference(*map(jnp.asarray, inputs))), rtol=1e-10)
    ours, theirs = row.gate.backward(upstream, cache), jax_gradients(row, inputs, upstream)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None)
        assert mine is None or np.shape(mine) == np.shape(other)
        assert mine is None or np.allclose(mine, other, rtol=1e-9, atol=1e-9 * np.max(np.abs(other), initial=1e-9))


# -- the ends of what an array can be ---------------------------------------------------------------


@every_row
def test_nan_goes_through_without_a_word(row: Row) -> None:
    """As documented in `nnkit.gates`: NaN in, NaN out, and no error; so at most a gradient is 0 there."""
    inputs, _, _, upstream = prepared(row, 51)
    for wrt in (i for i, x in enumerate(inputs) if is_float(x)):
        moved = [x.copy() for x in inputs]
        moved[wrt].flat[0] = np.nan
        out, cache = row.gate.forward(*moved)
        assert row.gate == gates.Power(0) or all(np.isnan(branch).any() for branch in jax.tree.leaves(out))
        for x, gradient in zip(moved, row.gate.backward(upstream, cache), strict=True):
            assert gradient is None or np.shape(gradient) == np.shape(x)


EMPTY: dict[Any, tuple[tuple[int, ...], ...]] = {
    **{kind(): ((0, 3), (1, 3)) for kind in PARTIALS},
    **{row.gate: ((0, 3),) for row in ROWS if len(row.makers) == 1},
    gates.Maxout(): ((3, 0),),
    gates.Maxout(3): ((0, 6),),
    gates.MatMul(): ((2, 0), (0, 3)),
    gates.Affine(): ((0, 2), (2, 3), (3,)),
    gates.SquaredError(): ((0,), (0,)),
}


@pytest.mark.parametrize("gate", EMPTY, ids=repr)
def test_empty_arrays_give_empty_gradients(gate: Any) -> None:
    inputs = tuple(np.ones(shape) for shape in EMPTY[gate])
    out, cache = gate.forward(*inputs)
    upstream = jax.tree.map(np.ones_like, out)
    for x, gradient in zip(inputs, gate.backward(upstream, cache), strict=True):
        assert np.shape(gradient) == np.shape(x)
        assert not np.any(gradient) or np.size(x)


def test_every_gate_but_the_mean_has_an_answer_for_empty_arrays() -> None:
    assert {type(gate) for gate in EMPTY} == set(gates.ALL) - {gates.SoftmaxCrossEntropy}
    _, cache = gates.MatMul().forward(np.ones(0), np.ones((0, 3)))
    assert [g.shape for g in gates.MatMul().backward(np.ones(3), cache)] == [(0,), (0, 3)]


SCALARS = [
    (gates.Power(0.5), (-1.0,)),
    (gates.Power(2), (1e200,)),
    (gates.Power(-1), (0.0,)),
    (gates.Power(3), (1e200,)),
    (gates.Reciprocal(), (0.0,)),
    (gates.Reciprocal(), (1e-200,)),
    (gates.Divide(), (1.0, 0.0)),
    (gates.Divide(), (0.0, 0.0)),
    (gates.Log(), (0.0,)),
    (gates.Log(), (-1.0,)),
    (gates.Exp(), (1000.0,)),
    (gates.Multiply(), (1e200, 1e200)),
    (gates.SquaredError(), (1e200, 0.0)),
]


@pytest.mark.parametrize(("gate", "inputs"), SCALARS, ids=str)
@pytest.mark.parametrize("upstream", [1.0, 2])
def test_a_plain_number_fares_like_the_same_number_in_an_array(gate: Any, inputs: Inputs, upstream: Any) -> None:
    with np.errstate(all="ignore"):
        out, gradients = both(gate, *inputs, upstream=upstream)
        expected, expected_gradients = both(gate, *map(np.array, inputs), upstream=np.array(float(upstream)))
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(gradients, expected_gradients)
    assert np.isrealobj(out)


_OF_ARRAYS = gates.Sum | gates.Maxout | gates.MatMul | gates.Affine | gates.SoftmaxCrossEntropy
OF_NUMBERS = [kind() for kind in gates.ALL if not issubclass(kind, _OF_ARRAYS)]


@pytest.mark.parametrize("gate", OF_NUMBERS, ids=repr)
def test_gradients_of_numbers_are_numbers(gate: Any) -> None:
    count = 2 if type(gate) in PARTIALS or isinstance(gate, gates.SquaredError) else 1
    out, cache = gate.forward(*[1.5] * count)
    found = jax.tree.leaves((out, gate.backward(jax.tree.map(lambda _: 2.0, out), cache)))
    assert all(isinstance(x, float) for x in found), found


@pytest.mark.parametrize(
    "gate", [gates.Power(np.float64(2)), gates.LeakyReLU(np.float64(0.1)), gates.ELU(np.float64(2))]
)
def test_settings_leave_float32_alone(gate: Any) -> None:
    out, (dx,) = both(gate, np.array([-1.0, 2.0], np.float32), upstream=np.ones(2, np.float32))
    assert out.dtype == dx.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: gates.Copy(0), ValueError, "Copy(0): a wire is copied to one branch or more."),
        (lambda: gates.Maxout(0), ValueError, "Maxout(0): a unit is the largest of one piece or more."),
        (
            lambda: gates.Sum(5).forward(np.ones((2, 3))),
            ShapeError,
            "Sum: there is no axis 5 in x, which is (2, 3).",
        ),
        (lambda: gates.Sum(0).forward(1.0), ShapeError, "Sum: there is no axis 0 in x, which is ()."),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert str(raised.value) == sentence


# -- what does not fit ----------------------------------------------------------------------------


def shaped(*shapes: tuple[int, ...]) -> Inputs:
    return tuple(np.ones(shape) for shape in shapes)


MISFITS = [
    *((kind(), ((2, 3), (4, 3))) for kind in PARTIALS),
    (gates.MatMul(), ((2, 3), (4, 5))),
    (gates.MatMul(), ((2, 3), (3, 4, 5))),
    (gates.MatMul(), ((), (3, 4))),
    (gates.Affine(), ((2, 3), (4, 5), (5,))),
    (gates.SquaredError(), ((6,), (6, 1))),
]


@pytest.mark.parametrize(("gate", "shapes"), MISFITS, ids=repr)
def test_shape_errors_name_both_shapes(gate: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ShapeError) as raised:
        gate.forward(*shaped(*shapes))
    assert all(str(shape) in str(raised.value) for shape in shapes[:2])
    assert repr(gate).split("(")[0] in str(raised.value)


def test_shape_errors_of_bias_labels_and_pieces_name_the_shapes() -> None:
    with pytest.raises(ShapeError, match=r"w is \(3, 4\) and b is \(3,\)"):
        gates.Affine().forward(*shaped((2, 3), (3, 4), (3,)))
    with pytest.raises(ShapeError, match=r"logits are \(2, 3\) and labels \(3,\)"):
        gates.SoftmaxCrossEntropy().forward(np.ones((2, 3)), np.zeros(3, int))
    with pytest.raises(ShapeError, match=r"logits are \(0, 3\) and labels \(0,\)"):
        gates.SoftmaxCrossEntropy().forward(np.ones((0, 3)), np.zeros(0, int))
    with pytest.raises(ShapeError, match=r"x \(2, 5\) must be a multiple of 2"):
        gates.Maxout().forward(np.ones((2, 5)))
    with pytest.raises(ShapeError, match=r"x \(\) must be a multiple of 2"):
        gates.Maxout().forward(1.0)


@every_row
def test_a_wrong_upstream_is_refused_with_both_shapes(row: Row) -> None:
    _, out, cache, _ = prepared(row, 14)
    branches = len(out) if isinstance(out, tuple) else 0
    wrong: Any = (np.ones((7, 7)),) * branches if branches else np.ones((7, 7))
    with pytest.raises(ShapeError) as raised:
        row.gate.backward(wrong, cache)
    assert "(7, 7)" in str(raised.value)
    assert str(np.shape(out[0] if branches else out)) in str(raised.value)


@pytest.mark.parametrize("upstream", [np.ones((2, 3)), (np.ones(3),), (np.ones(3),) * 3, 1.0])
def test_copy_wants_one_upstream_a_branch(upstream: Any) -> None:
    _, cache = gates.Copy().forward(np.ones(3))
    with pytest.raises(TypeError, match="a tuple of 2 upstream gradients"):
        gates.Copy().backward(upstream, cache)


NOT_NUMBERS = ["text", None, [[1.0, 2.0], [3.0]], ["a", "b", "c"], {"x": 1.0}, np.array(["a"]), np.array([None]), 1j]
WITH_EVERY_POSITION = [(row, wrt) for row in ROWS for wrt in range(len(row.makers))]


def assert_one_sentence(message: str, *names: str) -> None:
    assert message.endswith("."), message
    assert "\n" not in message
    assert ". " not in message.replace("...", "")
    assert all(name in message for name in names), message


@pytest.mark.parametrize(("row", "wrt"), WITH_EVERY_POSITION, ids=str)
def test_what_is_not_numbers_is_refused_in_one_sentence(row: Row, wrt: int) -> None:
    inputs = row.inputs(np.random.default_rng(15))
    for wrong in NOT_NUMBERS:
        wrongly = [*inputs[:wrt], wrong, *inputs[wrt + 1 :]]
        with pytest.raises(TypeError) as raised:
            row.gate.forward(*wrongly)
        assert_one_sentence(str(raised.value), type(row.gate).__name__)


@every_row
def test_an_upstream_that_is_not_numbers_is_refused_in_one_sentence(row: Row) -> None:
    _, out, cache, _ = prepared(row, 16)
    for wrong in NOT_NUMBERS:
        upstream = (wrong,) * len(out) if isinstance(out, tuple) else wrong
        with pytest.raises(TypeError) as raised:
            row.gate.backward(upstream, cache)
        assert_one_sentence(str(raised.value), f"{type(row.gate).__name__}.backward: the upstream gradient")


@every_row
def test_lists_and_integers_are_upstream_gradients_too(row: Row) -> None:
    _, out, cache, _ = prepared(row, 17)
    whole = jax.tree.map(lambda branch: np.full(np.shape(branch), 3), out)
    expected = row.gate.backward(jax.tree.map(lambda u: u.astype(float)[()], whole), cache)
    assert_same(row.gate.backward(jax.tree.map(lambda u: u[()], whole), cache), expected)
    assert_same(row.gate.backward(jax.tree.map(np.ndarray.tolist, whole), cache), expected)


def test_complex_jax_arrays_are_refused_too() -> None:
    with pytest.raises(TypeError, match="Exp: x must hold numbers, not complex ones"):
        gates.Exp().forward(jnp.array([1j]))


@pytest.mark.parametrize("wrong", [[0.0, 1.0], [True, False], ["a", "b"]])
def test_labels_must_be_integers(wrong: Any) -> None:
    with pytest.raises(TypeError, match="labels must be integers") as raised:
        gates.SoftmaxCrossEntropy().forward(np.ones((2, 3)), np.array(wrong))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wrong", [[0, 3], [-1, 0], [5, -5]])
def test_labels_out_of_range_are_refused(wrong: list[int]) -> None:
    with pytest.raises(ValueError, match=r"must lie in 0 \.\.\. 2") as raised:
        gates.SoftmaxCrossEntropy().forward(np.ones((2, 3)), wrong)
    assert f"from {min(wrong)} to {max(wrong)}" in str(raised.value)


# -- gates as values ------------------------------------------------------------------------------


@every_gate
def test_gates_are_frozen(gate: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        gate.state = 1


@every_gate
def test_gates_are_values(gate: Any) -> None:
    settings = fields(gate) if is_dataclass(gate) else ()
    twin = type(gate)(**{field.name: getattr(gate, field.name) for field in settings})
    assert gate == twin
    assert hash(gate) == hash(twin)


def test_different_gates_differ() -> None:
    kinds = [kind() for kind in gates.ALL]
    assert all(a != b for a, b in itertools.combinations(kinds, 2))
    assert gates.Power(2) != gates.Power(3)


@every_gate
def test_every_gate_has_a_symbol(gate: Any) -> None:
    assert isinstance(gate.symbol, str)
    assert gate.symbol


def test_called_on_numbers_a_gate_gives_its_output() -> None:
    assert gates.Multiply()(2.0, 3.0) == 6.0
