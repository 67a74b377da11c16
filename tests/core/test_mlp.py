"""The network of gates against JAX's derivatives, numerical ones, its own formula, and the lecture's twenty lines."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jax
import nnkit
from nnkit import gates
from nnkit.arrays import ShapeError
from nnkit.check import check_parameters
from nnkit.mlp import MLP, twenty_lines
from nnkit.train import SGD, fit

ACTIVATIONS = [gates.ReLU(), gates.Sigmoid(), gates.Tanh(), gates.LeakyReLU(0.1), gates.ELU(), gates.Maxout(3)]
SIZES = [(4, 3), (4, 5, 3), (4, 5, 6, 3), (4, 3, 2, 5, 3)]


class MyAffine:
    def forward(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b, (x, w)

    def backward(self, upstream: Any, cache: Any) -> Any:
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream.sum(axis=0)


class MyReLU:
    def forward(self, x: Any) -> Any:
        return x * (x > 0), x

    def backward(self, upstream: Any, cache: Any) -> Any:
        return upstream * (cache > 0)  # bare, not in a tuple


class MySoftmaxLoss:
    def forward(self, scores: Any, labels: Any) -> Any:
        exps = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = exps / exps.sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(p)), labels]).mean(), (p, labels)

    def backward(self, upstream: Any, cache: Any) -> Any:
        p, labels = cache
        return upstream * (p - np.eye(p.shape[1])[labels]) / len(p), None


def batch(n: int = 7, d: int = 4, classes: int = 3, rng: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(rng)
    return draw.normal(size=(n, d)), draw.integers(0, classes, n)


def started(model: MLP, rng: int = 0) -> dict[str, np.ndarray]:
    """Return parameters with biases that are not zero."""
    draw = np.random.default_rng(rng)
    return {name: p + 0.1 * draw.normal(size=p.shape) for name, p in model.init(draw).items()}


def close(ours: Any, theirs: Any) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-12, err_msg=name)


# Each gate's own backward is JAX's derivative (test_gates.py); here, how a network puts them together.
NETWORKS = [MLP(sizes, bias=bias) for sizes in SIZES for bias in (True, False)]
NETWORKS += [MLP((4, 5, 6, 3), activation, bias=True) for activation in ACTIVATIONS[1:]]


@pytest.mark.parametrize("model", NETWORKS, ids=str)
def test_gradients_agree_with_jax(model: MLP) -> None:
    parameters, (x, labels) = started(model), batch()
    loss, gradients = model.gradients(parameters, x, labels)
    with jax.enable_x64(True):
        theirs = jax.grad(model.loss)(jax.tree.map(jnp.asarray, parameters), jnp.asarray(x), jnp.asarray(labels))
        close(gradients, theirs)
    assert isinstance(loss, float)
    assert loss == model.loss(parameters, x, labels)


@pytest.mark.parametrize("model", [MLP((4, 5, 3)), MLP((4, 5, 6, 3), gates.Tanh()), MLP((4, 3))], ids=str)
def test_gradients_agree_with_numerical_ones(model: MLP) -> None:
    assert check_parameters(model.gradients, started(model), *batch(), of=model.loss)


def test_squared_error_and_the_formula_of_the_lecture() -> None:
    model = MLP((4, 5, 2), loss_gate=gates.SquaredError())
    p, x, y = started(model), batch()[0], np.random.default_rng(1).normal(size=(7, 2))
    scores = np.maximum(0, x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    np.testing.assert_allclose(model.scores(p, x), scores, rtol=1e-14)
    np.testing.assert_allclose(model.loss(p, x, y), ((scores - y) ** 2).sum(), rtol=1e-14)
    assert check_parameters(model.gradients, p, x, y)


def test_a_planted_mistake_in_a_gate_is_found() -> None:
    class Forgetful(MyReLU):
        def backward(self, upstream: Any, cache: Any) -> Any:
            return (upstream,)

    model = MLP((4, 5, 3), Forgetful())
    assert not check_parameters(model.gradients, started(model), *batch()).passed


def test_gates_of_a_learner_take_the_place_of_the_kit_s() -> None:
    ours, theirs = MLP((4, 5, 6, 3)), MLP((4, 5, 6, 3), MyReLU(), MySoftmaxLoss(), MyAffine())
    close(ours.init(3), theirs.init(3))
    parameters, (x, labels) = started(ours), batch()
    np.testing.assert_allclose(ours.loss(parameters, x, labels), theirs.loss(parameters, x, labels), rtol=1e-12)
    close(ours.gradients(parameters, x, labels)[1], theirs.gradients(parameters, x, labels)[1])


def test_what_a_learner_s_gate_gets_wrong_is_said_with_its_name() -> None:
    class Short(MyAffine):
        def backward(self, upstream: Any, cache: Any) -> Any:
            return super().backward(upstream, cache)[:2]

    class Turned(MyAffine):
        def backward(self, upstream: Any, cache: Any) -> Any:
            dx, dw, db = super().backward(upstream, cache)
            return dx, dw.T, db

    class Bare(MyReLU):
        def forward(self, x: Any) -> Any:
            return x

    class Losses(MySoftmaxLoss):
        def forward(self, scores: Any, labels: Any) -> Any:
            return scores[:, 0], (scores, labels)

    cases = [
        ({"affine": Short()}, TypeError, r"Short.backward must return one gradient for .* \(x, w, b\); it returned 2"),
        ({"affine": Turned()}, ShapeError, r"Turned.backward: the gradient of w is \(3, 5\), but w is \(5, 3\)"),
        ({"activation": Bare()}, TypeError, r"Bare.forward must return the pair \(out, cache\)"),
        ({"loss_gate": Losses()}, ShapeError, r"Losses.forward: the loss is \(7,\); it must be one number"),
    ]
    for options, error, sentence in cases:
        model = MLP((4, 5, 3), **options)
        with pytest.raises(error, match=sentence):
            model.gradients(MLP((4, 5, 3)).init(0), *batch())


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (MLP((3, 4, 2)), 26),
        (MLP((3, 4, 4, 1)), 41),
        (MLP((3, 4, 2), bias=False), 20),
        (MLP((3072, 100, 10)), 308_310),
        (MLP((3, 4, 2), gates.Maxout(2)), 42),
    ],
)
def test_counting_parameters(model: MLP, count: int) -> None:
    assert model.count() == count == sum(p.size for p in model.init(0).values())


def test_initial_weights_keep_their_scale() -> None:
    def deviation(model: MLP, **options: Any) -> float:
        return float(model.init(0, **options)["W2"].std())

    wide = (4, 400, 300, 3)
    assert deviation(MLP(wide)) == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert deviation(MLP(wide, MyReLU())) == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert deviation(MLP(wide, gates.Maxout(2))) == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert deviation(MLP(wide, gates.Tanh())) == pytest.approx(np.sqrt(1 / 400), rel=0.02)
    assert deviation(MLP(wide, gates.Sigmoid())) == pytest.approx(np.sqrt(1 / 400), rel=0.02)
    assert deviation(MLP(wide), scale=0.01) == pytest.approx(0.01, rel=0.02)
    assert MLP((400, 300)).init(0)["W1"].std() == pytest.approx(np.sqrt(1 / 400), rel=0.02)
    assert not MLP(wide).init(0)["b1"].any()


def test_the_generator_or_its_seed_decides_the_weights() -> None:
    model = MLP((4, 5, 3))
    close(model.init(5), model.init(np.random.default_rng(5)))
    generator = np.random.default_rng(5)
    assert not np.array_equal(model.init(generator)["W1"], model.init(generator)["W1"])


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_float32_stays_float32(activation: Any) -> None:
    model = MLP((4, 5, 3), activation)
    parameters, (x, labels) = model.init(0, dtype=np.float32), batch()
    loss, gradients = model.gradients(parameters, x.astype(np.float32), labels)
    assert {loss.dtype, *(p.dtype for p in (*parameters.values(), *gradients.values()))} == {np.dtype("float32")}


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_the_same_network_runs_on_jax_arrays_under_jit_and_vmap(activation: Any) -> None:
    model = MLP((4, 5, 3), activation)
    x, labels = batch()
    with jax.enable_x64(True):
        many = [started(model, rng) for rng in range(3)]
        stacked = {name: jnp.stack([p[name] for p in many]) for name in model.shapes}
        arrays = jnp.asarray(x), jnp.asarray(labels)
        losses, gradients = jax.jit(jax.vmap(model.gradients, (0, None, None)))(stacked, *arrays)
        shares = jax.vmap(model.accuracy, (0, None, None))(stacked, *arrays)
        for i, parameters in enumerate(many):
            loss, one = model.gradients(parameters, x, labels)
            np.testing.assert_allclose(losses[i], loss, rtol=1e-12)
            close({name: g[i] for name, g in gradients.items()}, one)
            assert shares[i] == pytest.approx(model.accuracy(parameters, x, labels))
        assert isinstance(model.gradients(jax.tree.map(jnp.asarray, many[0]), *arrays)[1]["W1"], jax.Array)


def test_predictions_and_accuracy() -> None:
    model = MLP((2, 3))
    parameters = {"W1": np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]]), "b1": np.zeros(3)}
    x = np.array([[3.0, 1.0], [1.0, 3.0], [-1.0, -1.0], [2.0, 2.0]])
    assert model.predict(parameters, x).tolist() == [0, 1, 2, 0]
    assert model.predict(parameters, x[1]) == 1
    assert model.accuracy(parameters, x, [0, 1, 2, 1]) == 0.75
    assert model.accuracy(parameters, x.tolist(), np.array([0, 1, 2, 0])) == 1.0


def test_nothing_is_changed_and_a_second_call_gives_the_same() -> None:
    model = MLP((4, 5, 3))
    parameters, (x, labels) = started(model), batch()
    copies = {name: p.copy() for name, p in parameters.items()}, x.copy(), labels.copy()
    for p in (*parameters.values(), x, labels):
        p.setflags(write=False)
    first = model.gradients(parameters, x, labels)[1]
    close(first, model.gradients(parameters, x, labels)[1])
    close(parameters, copies[0])
    assert np.array_equal(x, copies[1])
    assert np.array_equal(labels, copies[2])


def test_a_network_equals_another_with_the_same_settings_and_prints_them() -> None:
    assert MLP([2, np.int64(9), 3]) == MLP((2, 9, 3))
    assert hash(MLP((2, 9, 3))) == hash(MLP((2, 9, 3)))
    assert repr(MLP((2, 9, 3), gates.Tanh())) == (
        "MLP(sizes=(2, 9, 3), activation=Tanh(), loss_gate=SoftmaxCrossEntropy(), affine=Affine(), bias=True)"
    )


GOOD = MLP((4, 5, 3)).init(0)
X, LABELS = batch()[0], np.arange(7) % 3


@pytest.mark.parametrize(
    ("parameters", "x", "labels", "error", "sentence"),
    [
        ({**GOOD, "W3": 1.0}, X, LABELS, ValueError, "must have the keys W1, b1, W2, b2: W3 unknown"),
        ({"W1": GOOD["W1"], "w2": 1}, X, LABELS, ValueError, "w2 unknown; b1, W2, b2 missing"),
        ({**GOOD, "W1": GOOD["W1"].T}, X, LABELS, ShapeError, r"W1 is \(5, 4\); in a network .* it is \(4, 5\)"),
        (GOOD, X[:, :3], LABELS, ShapeError, r"x is \(7, 3\); a network \(4, 5, 3\) takes \(N, 4\)"),
        (GOOD, X[None], LABELS, ShapeError, r"x is \(1, 7, 4\)"),
        (GOOD, (255 * abs(X)).astype(np.uint8), LABELS, TypeError, r"x holds integers \(uint8\).*x / 255"),
        (GOOD, [[1, 2, 3, 4]], [0], TypeError, r"x holds integers \(int64\)"),
        (GOOD, np.array([["a"] * 4]), [0], TypeError, "must hold numbers"),
        (GOOD, X, LABELS + 1, ValueError, "labels run from 1 to 3.*0 ... 2"),
        (GOOD, X, LABELS - 1, ValueError, "labels run from -1 to 1"),
        (GOOD, X, LABELS[:-1], ShapeError, r"logits are \(7, 3\) and labels \(6,\)"),
        (GOOD, X, LABELS + 0.0, TypeError, "labels must be integers"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(
    parameters: Any, x: Any, labels: Any, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as raised:
        MLP((4, 5, 3)).gradients(parameters, x, labels)
    assert "\n" not in str(raised.value)


def test_accuracy_refuses_labels_that_do_not_fit() -> None:
    model = MLP((4, 5, 3))
    with pytest.raises(ValueError, match=r"labels run from 1 to 3; for 3 classes they must lie in 0 \.\.\. 2"):
        model.accuracy(GOOD, X, LABELS + 1)
    with pytest.raises(ShapeError, match=r"labels are \(6,\), the predictions \(7,\)"):
        model.accuracy(GOOD, X, LABELS[:-1])
    with pytest.raises(ShapeError, match="give one each"):  # (7,) == (7, 1) would be a table
        model.accuracy(GOOD, X, LABELS[:, None])
    with pytest.raises(TypeError, match="labels must be integers from 0 to 2"):
        model.accuracy(GOOD, X, LABELS + 0.5)
    with pytest.raises(ValueError, match="one score only"):
        MLP((4, 1)).predict(MLP((4, 1)).init(0), X)


@pytest.mark.parametrize("sizes", [(3,), (), (3, 0), (3, -1, 2), (3, 2.0), 5, "32", None])
def test_sizes_that_make_no_network(sizes: Any) -> None:
    with pytest.raises(ValueError, match="sizes must be two positive integers or more"):
        MLP(sizes)


def test_what_is_no_gate() -> None:
    with pytest.raises(TypeError, match=r"activation: ReLU is a class; make a gate of it first: ReLU\(\)"):
        MLP((2, 3), gates.ReLU)
    with pytest.raises(TypeError, match="loss_gate: str is not a gate: it has no method 'forward'"):
        MLP((2, 3), loss_gate="softmax")


class SlideSigmoid:
    """The sigmoid as on the slide."""

    def forward(self, x: Any) -> Any:
        h = 1 / (1 + np.exp(-x))
        return h, (h,)

    def backward(self, upstream: Any, cache: Any) -> Any:
        (h,) = cache
        return (upstream * h * (1 - h),)


@pytest.mark.parametrize("activation", [gates.Sigmoid(), SlideSigmoid()], ids=["kit", "slide"])
def test_the_twenty_lines_and_the_network_of_gates_train_alike(activation: Any) -> None:
    rng = np.random.default_rng(0)
    n, d_in, h, d_out = 64, 1000, 100, 10
    x, y = rng.normal(size=(n, d_in)), rng.normal(size=(n, d_out))
    w1, w2 = rng.normal(size=(d_in, h)), rng.normal(size=(h, d_out))
    model, parameters, before = MLP((d_in, h, d_out), activation, gates.SquaredError(), bias=False), None, w1.copy()
    for steps in (1, 2, 40):  # step for step: the parameters after each of these
        parameters, history = fit(model, {"W1": w1, "W2": w2}, x, y, epochs=steps, optimiser=SGD(1e-4))
        new1, new2, losses = twenty_lines(x, y, w1, w2, steps)
        for ours, theirs in ((history.loss, losses), (parameters["W1"], new1), (parameters["W2"], new2)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
            assert np.array_equal(ours, theirs) or not isinstance(activation, SlideSigmoid)  # to the last bit
    assert losses[-1] < losses[0] / 5
    assert np.array_equal(w1, before)


def test_the_twenty_lines_learn_their_data_by_heart() -> None:
    rng = np.random.default_rng(1)
    x, y, w1, w2 = (rng.normal(size=shape) for shape in ((16, 40), (16, 3), (40, 20), (20, 3)))
    losses = twenty_lines(x, y, w1, w2, steps=2000, step_size=1e-3)[2]
    assert len(losses) == 2000
    assert losses[-1] < 1e-2 * losses[0]


def test_the_front_door_opens_on_the_network_without_loading_it() -> None:
    program = """
import sys, nnkit
rooms = {"nnkit.mlp", "nnkit.train", "nnkit.data"}
assert not rooms & set(sys.modules)
nnkit.mlp.MLP, nnkit.train.fit, nnkit.data.spiral
assert rooms <= set(sys.modules)
assert not {"sklearn", "pooch", "tqdm", "jax", "scipy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert nnkit.mlp.MLP is MLP
