"""Training: the update, the schedules, the batches, the history, the early stop, checkpoints that resume exactly."""

from __future__ import annotations

import inspect
import io
import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jax
from nnkit import gates
from nnkit.arrays import ShapeError
from nnkit.check import check_step, check_training
from nnkit.data import moons, spiral
from nnkit.mlp import MLP
from nnkit.train import SGD, CheckpointError, History, Result, cosine, fit, minibatches, step_decay, warmup

MODEL = MLP((2, 6, 3))


def same(one: Result, other: Result) -> None:
    """Assert that two results are equal to the last bit."""
    assert one.parameters.keys() == other.parameters.keys()
    for name, p in one.parameters.items():
        assert p.dtype == other.parameters[name].dtype
        assert np.asarray(p).tobytes() == np.asarray(other.parameters[name]).tobytes(), name
    assert one.history == other.history


@pytest.fixture
def points() -> tuple[np.ndarray, np.ndarray]:
    return spiral(10, rng=1)


# -- the update -----------------------------------------------------------------------------------


def test_a_step_is_minus_step_size_times_the_gradient(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = points

    def step(parameters: Any, x: Any, labels: Any, step_size: float) -> Any:
        return fit(MODEL, parameters, x, labels, epochs=1, optimiser=SGD(step_size)).parameters

    assert check_step(step, MODEL.init(0), x, labels, of=MODEL.loss)


def test_momentum_and_weight_decay_by_hand() -> None:
    sgd = SGD(0.1, momentum=0.5, weight_decay=0.2)
    old = {"W": np.array([[1.0, 2.0]]), "b": np.array([3.0])}
    gradients = {"W": np.array([[10.0, 20.0]]), "b": np.array([30.0])}
    new, velocity = sgd.update(old, gradients, sgd.init(old), 0)
    np.testing.assert_allclose(velocity["W"], [[10.2, 20.4]])
    np.testing.assert_allclose(velocity["b"], [30.0])  # biases do not decay
    np.testing.assert_allclose(new["W"], [[-0.02, -0.04]])
    newer, velocity = sgd.update(new, gradients, velocity, 1)
    np.testing.assert_allclose(velocity["b"], [45.0])
    np.testing.assert_allclose(newer["b"], [3.0 - 3.0 - 4.5])
    assert old["W"].tolist() == [[1.0, 2.0]]


def test_weight_decay_is_the_gradient_of_the_penalty(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = points
    old = MODEL.init(0)
    new = fit(MODEL, old, x, labels, epochs=1, optimiser=SGD(0.1, weight_decay=0.3)).parameters
    with jax.enable_x64(True):

        def penalised(p: Any) -> Any:
            penalty = 0.15 * ((p["W1"] ** 2).sum() + (p["W2"] ** 2).sum())
            return MODEL.loss(p, jnp.asarray(x), jnp.asarray(labels)) + penalty

        gradients = jax.grad(penalised)(jax.tree.map(jnp.asarray, old))
        for name in old:
            np.testing.assert_allclose(new[name], old[name] - 0.1 * gradients[name], rtol=1e-9, atol=1e-12)


def test_schedules() -> None:
    assert [cosine(4)(i) for i in (0, 1, 2, 4, 9)] == pytest.approx([1, (2 + 2**0.5) / 4, 0.5, 0, 0])
    assert [cosine(4, floor=0.2)(i) for i in (0, 2, 4, 5)] == pytest.approx([1, 0.6, 0.2, 0.2])
    assert [step_decay(3, 0.5)(i) for i in (0, 2, 3, 6)] == [1, 1, 0.5, 0.25]
    assert [warmup(4)(i) for i in (0, 1, 3, 9)] == [0.25, 0.5, 1, 1]
    assert warmup(2, then=step_decay(3))(5) == 0.5
    assert SGD(0.1, schedule=step_decay(1)).rate(2) == pytest.approx(0.025)
    for schedule in (cosine, step_decay, warmup):
        with pytest.raises(ValueError, match="must be a positive number of steps, not 0"):
            schedule(0)


def test_a_schedule_counts_steps_not_epochs(points: tuple[np.ndarray, np.ndarray]) -> None:
    asked: list[int] = []

    def schedule(step: int) -> float:
        asked.append(step)
        return 0.0 if step else 1.0

    new = fit(MODEL, MODEL.init(0), *points, epochs=2, batch_size=10, optimiser=SGD(schedule=schedule)).parameters
    once = fit(MODEL, MODEL.init(0), *points, epochs=1, batch_size=10, optimiser=SGD(schedule=lambda i: float(not i)))
    assert asked == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(new["W1"], once.parameters["W1"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"step_size": -1}, "step_size must be a number of 0 or more, not -1"),
        ({"step_size": float("nan")}, "step_size must be a number"),
        ({"momentum": 1}, "momentum must be at least 0 and less than 1, not 1"),
        ({"weight_decay": -0.1}, "weight_decay must be a number of 0 or more"),
    ],
)
def test_settings_of_sgd(options: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SGD(**options)


# -- batches and history --------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "size"), [(10, 3), (10, 10), (10, 40), (1, 1)])
def test_minibatches_take_every_example_once(n: int, size: int) -> None:
    batches = list(minibatches(n, size, np.random.default_rng(0)))
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert {len(batch) for batch in batches[:-1]} <= {size}
    rng = np.random.default_rng(0)
    again, next_epoch = list(minibatches(n, size, rng)), list(minibatches(n, size, rng))
    assert all(map(np.array_equal, batches, again))
    assert n == 1 or not all(map(np.array_equal, again, next_epoch))


def test_a_batch_trains_as_written_by_hand(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, labels = points
    parameters, rng, losses = MODEL.init(0), np.random.default_rng(4), []
    for _ in range(3):
        order = rng.permutation(30)
        for start in (0, 8, 16, 24):
            batch = order[start : start + 8]
            loss, gradients = MODEL.gradients(parameters, x[batch], labels[batch])
            losses.append(loss)
            parameters = {name: p - 0.2 * gradients[name] for name, p in parameters.items()}
    result = fit(MODEL, MODEL.init(0), x, labels, epochs=3, batch_size=8, optimiser=SGD(0.2), rng=4)
    assert result.history.loss == losses
    assert all(np.array_equal(result.parameters[name], p) for name, p in parameters.items())


def test_the_history_has_an_entry_a_step_and_an_entry_an_epoch(points: tuple[np.ndarray, np.ndarray]) -> None:
    x_val, y_val = spiral(7, rng=9)
    seen: list[tuple[int, int]] = []
    parameters, history = fit(
        MODEL, MODEL.init(0), *points, epochs=4, batch_size=16, x_val=x_val, y_val=y_val,
        on_epoch=lambda epoch, parameters, history: seen.append((epoch, len(history.loss))),
    )  # fmt: skip
    assert history.steps == list(range(8))
    assert history.epoch_ends == [2, 4, 6, 8]
    assert seen == [(0, 2), (1, 4), (2, 6), (3, 8)]
    assert history.train_loss == [np.mean(history.loss[i : i + 2]) for i in (0, 2, 4, 6)]
    assert len(history.train_accuracy) == len(history.val_accuracy) == len(history.val_loss) == 4
    assert history.train_accuracy[-1] == MODEL.accuracy(parameters, *points)
    assert history.val_loss[-1] == MODEL.loss(parameters, x_val, y_val)
    assert history.best_epoch == int(np.argmax(history.val_accuracy))
    assert "8 steps, 4 epochs; loss 1." in repr(history)
    assert f"val accuracy {history.val_accuracy[-1]:.1%}" in repr(history)


def test_the_best_epoch_is_judged_by_what_there_is() -> None:
    assert History().best_epoch is None
    per_epoch = {"epoch_ends": [1, 2, 3], "loss": [3.0, 1.0, 2.0]}
    assert History(**per_epoch).best_epoch == 1
    assert History(**per_epoch, train_accuracy=[0.1, 0.2, 0.9]).best_epoch == 2
    assert History(**per_epoch, train_accuracy=[0.1, 0.2, 0.9], val_loss=[1.0, float("nan"), 2.0]).best_epoch == 0
    assert History(**per_epoch, val_loss=[1.0, 3.0, 2.0], val_accuracy=[0.5, 0.7, 0.7]).best_epoch == 1


def test_targets_without_labels_have_no_accuracy() -> None:
    model = MLP((2, 6, 1), gates.Tanh(), gates.SquaredError())
    x = np.random.default_rng(0).normal(size=(20, 2))
    y = x[:, :1] * x[:, 1:]
    history = fit(model, model.init(0), x, y, epochs=200, optimiser=SGD(0.01), x_val=x, y_val=y).history
    assert history.train_accuracy == history.val_accuracy == []
    assert check_training(history.loss)
    assert history.loss[-1] < history.loss[0] / 5


def test_a_function_is_a_model_too(points: tuple[np.ndarray, np.ndarray]) -> None:
    by_function = fit(MODEL.gradients, MODEL.init(0), *points, epochs=5, x_val=points[0], y_val=points[1])
    by_model = fit(MODEL, MODEL.init(0), *points, epochs=5)
    assert np.array_equal(by_function.parameters["W1"], by_model.parameters["W1"])
    assert by_function.history.train_accuracy == []
    assert len(by_function.history.val_loss) == 5


def test_jax_arrays_train_as_numpy_arrays_do(points: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    options = {"epochs": 3, "batch_size": 8, "optimiser": SGD(0.5, momentum=0.9, weight_decay=0.01)}
    with jax.enable_x64(True):
        start, data = jax.tree.map(jnp.asarray, MODEL.init(0)), map(jnp.asarray, points)
        ours, theirs = fit(MODEL, MODEL.init(0), *points, **options), fit(MODEL, start, *data, **options)
        np.testing.assert_allclose(theirs.history.loss, ours.history.loss, rtol=1e-9)
        assert isinstance(theirs.parameters["W1"], jax.Array)
        interrupted(MODEL, start, points, tmp_path / "a.npz", 4, **options)
        resumed = fit(MODEL, start, *points, **options, checkpoint=tmp_path / "a.npz")
        assert isinstance(resumed.parameters["W1"], jax.Array)
        same(resumed, fit(MODEL, start, *points, **options))


def test_a_bar_is_shown_if_asked_for(points: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture) -> None:
    fit(MODEL, MODEL.init(0), *points, epochs=2, batch_size=8)
    assert capsys.readouterr() == ("", "")
    fit(MODEL, MODEL.init(0), *points, epochs=2, batch_size=8, progress=True)
    shown = capsys.readouterr()
    assert "8/8" in shown.err
    assert shown.out == ""


def test_without_tqdm_the_bar_says_so(points: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="progress=True needs tqdm"):
        fit(MODEL, MODEL.init(0), *points, progress=True)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number of 1 or more, not 0"),
        ({"batch_size": 2.5}, ValueError, "batch_size must be a whole number"),
        ({"epochs": -1}, ValueError, "epochs must be a whole number of 0 or more, not -1"),
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every must be a whole number of 1 or more"),
        ({"checkpoint_every": 3}, ValueError, "checkpoint_every needs the name of a file"),
        ({"x_val": np.zeros((3, 2))}, ValueError, "x_val and y_val go together"),
        ({"x_val": np.zeros((3, 2)), "y_val": [0, 1]}, ShapeError, "x has 3 examples and y 2"),
        ({"x_val": np.zeros((3, 2)), "y_val": [0, 1, 3]}, ValueError, r"labels run from 0 to 3.*0 \.\.\. 2"),
        ({"y": np.zeros(29, int)}, ShapeError, r"x is \(30, 2\) and y \(29,\)"),
        ({"y": np.arange(30)}, ValueError, "labels run from 0 to 29"),
        ({"y": -np.ones(30, int)}, ValueError, "labels run from -1 to -1"),
        ({"x": np.zeros((30, 2), int)}, TypeError, "x holds integers"),
        ({"x": np.zeros((30, 3))}, ShapeError, r"x is \(30, 3\)"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0, int)}, ShapeError, "N > 0"),
        ({"parameters": {"W9": 1.0}}, ValueError, "W9 unknown; W1, b1, W2, b2 missing"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    points: tuple[np.ndarray, np.ndarray], change: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    arguments = {"parameters": MODEL.init(0), "x": points[0], "y": points[1], **change}
    with pytest.raises(error, match=sentence) as raised:
        fit(MODEL, **arguments)
    assert "\n" not in str(raised.value)


def test_gradients_that_do_not_fit_the_parameters(points: tuple[np.ndarray, np.ndarray]) -> None:
    start = {"W": np.zeros((2, 3))}
    for gradients, error, sentence in (
        ({"V": 1.0}, ValueError, "must be a dict with the keys W; they are V"),
        ((1.0, 2.0), ValueError, "they are a tuple"),
        ({"W": np.zeros((3, 2))}, ShapeError, r"The gradient of W is \(3, 2\), but W is \(2, 3\)"),
    ):
        with pytest.raises(error, match=sentence):
            fit(lambda parameters, x, y, found=gradients: (1.0, found), start, *points)


# -- the early stop -------------------------------------------------------------------------------


def test_steps_that_are_too_large_are_reported() -> None:
    model = MLP((4, 8, 2), loss_gate=gates.SquaredError())
    rng = np.random.default_rng(0)
    parameters, history = fit(
        model, model.init(0), rng.normal(size=(30, 4)), rng.normal(size=(30, 2)), epochs=500, optimiser=SGD(0.5)
    )
    step = len(history.loss) - 1
    assert not np.isfinite(history.loss[-1])
    assert np.isfinite(history.loss[:-1]).all()
    assert history.stopped.startswith(f"Stopped at step {step}, since the loss is ")
    assert "so the step size is too large; try a smaller one than 0.5, such as 0.05." in history.stopped
    assert history.stopped in repr(Result(parameters, history))
    assert len(history.epoch_ends) == step
    verdict = check_training(history.loss)
    assert not verdict.passed


def test_what_a_training_raises_becomes_a_verdict() -> None:
    assert check_training(lambda: [2.0, 1.0], lambda: 0.9, at_least=0.8)
    assert check_training([2.0, 1.0], lambda: 0.5, at_least=0.8).explained_as == ("training-failed",)
    assert check_training(lambda: {}["losses"]).explained_as == ("missing-entry",)
    assert check_training([2.0, 1.0], lambda: np.ones(2) @ np.ones(3), at_least=0.8).status == "error"


class Explodes(gates.Gate):
    """The identity, until a call whose forward or backward gives NaN."""

    def __init__(self, calls: int, backward: bool) -> None:
        object.__setattr__(self, "count", itertools.count())
        object.__setattr__(self, "calls", calls)
        object.__setattr__(self, "in_backward", backward)

    def forward(self, x: Any) -> Any:
        bad = not self.in_backward and next(self.count) >= self.calls
        return x * (np.nan if bad else 1.0), ()

    def backward(self, upstream: Any, cache: Any) -> Any:
        bad = self.in_backward and next(self.count) >= self.calls
        return (upstream * (np.nan if bad else 1.0),)


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        (Explodes(0, False), "Stopped at step 0, since the loss is nan before any update: look for an overflow"),
        (Explodes(3, False), "though neither it nor the parameters had grown: .* in a gate's forward"),
        (Explodes(2, True), "Stopped at step 3, since the loss is nan: W1 holds NaN since the last update"),
    ],
)
def test_a_gate_that_gives_nan_is_distinguished_from_a_step_that_is_too_large(
    points: tuple[np.ndarray, np.ndarray], gate: Any, sentence: str
) -> None:
    model = MLP((2, 6, 3), gate)
    history = fit(model.gradients, MODEL.init(0), *points, epochs=9, optimiser=SGD(0.01)).history
    assert len(history.loss) <= 4
    assert re.search(sentence, history.stopped), history.stopped


def test_nan_among_the_examples_is_reported(points: tuple[np.ndarray, np.ndarray]) -> None:
    x = points[0].copy()
    x[4, 1] = np.nan
    history = fit(MODEL, MODEL.init(0), x, points[1]).history
    assert history.stopped == "Stopped at step 0, since the loss is nan: x holds NaN (first at [4, 1] of this batch)."


# -- checkpoints ----------------------------------------------------------------------------------

OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 8, "optimiser": SGD(0.3, 0.9, 0.01, cosine(12))}


@dataclass(frozen=True)
class Interrupted(MLP):
    """A network whose training is interrupted at the start of step `at`."""

    at: int = -1
    steps: Any = field(default_factory=itertools.count, compare=False, repr=False)
    error: type[BaseException] = field(default=KeyboardInterrupt, repr=False)

    def gradients(self, *inputs: Any) -> Any:
        if next(self.steps) == self.at:
            raise self.error
        return super().gradients(*inputs)

    def __repr__(self) -> str:
        return repr(MLP(self.sizes, self.activation, self.loss_gate, self.affine, self.bias))


def interrupted(
    model: MLP, start: Any, data: Any, path: Path, at: int, error: Any = KeyboardInterrupt, **options: Any
) -> None:
    stops = Interrupted(model.sizes, model.activation, model.loss_gate, model.affine, model.bias, at, error=error)
    with pytest.raises(error):
        fit(stops, start, *data, **options, checkpoint=path)


@pytest.mark.parametrize("at", [0, 6, 11])  # the first step, one within an epoch, the last
@pytest.mark.parametrize("kind", ["interrupt", "crash", "crash, with a checkpoint every 5 steps"])
def test_interrupted_at_a_step_and_resumed_equals_uninterrupted(
    points: tuple[np.ndarray, np.ndarray], tmp_path: Path, at: int, kind: str
) -> None:
    val = dict(zip(("x_val", "y_val"), spiral(5, rng=3)))
    whole = fit(MODEL, MODEL.init(0), *points, **OPTIONS, **val)
    options = {**OPTIONS, **val, **({"checkpoint_every": 5} if "every" in kind else {})}
    error = KeyboardInterrupt if kind == "interrupt" else ZeroDivisionError
    path = tmp_path / "training.npz"
    interrupted(MODEL, MODEL.init(0), points, path, at, error, **options)
    same(fit(MODEL, MODEL.init(0), *points, **options, checkpoint=path), whole)


def test_interrupted_again_and_again(points: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    rng, fresh = np.random.default_rng(7), np.random.default_rng(7)
    whole = fit(MODEL, MODEL.init(0), *points, **OPTIONS, rng=rng)
    for _ in range(11):  # one step at a time
        path, again = tmp_path / "training.npz", np.random.default_rng(7)
        interrupted(MODEL, MODEL.init(0), points, path, 1, rng=again, **OPTIONS)
    same(fit(MODEL, MODEL.init(0), *points, **OPTIONS, rng=fresh, checkpoint=path), whole)
    assert rng.random() == fresh.random()  # the caller's generator ends where it would have ended, too


@pytest.mark.parametrize("where", ["on_epoch", "accuracy"])
def test_interrupted_between_epochs(points: tuple[np.ndarray, np.ndarray], tmp_path: Path, where: str) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    whole = fit(MODEL, MODEL.init(0), *points, **OPTIONS)
    path, model = tmp_path / "training.npz", MLP(MODEL.sizes)
    if where == "accuracy":
        object.__setattr__(model, "accuracy", stop)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fit(model, MODEL.init(0), *points, **OPTIONS, checkpoint=path, on_epoch=stop)
    same(fit(MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path), whole)


def test_a_killed_process_goes_on(points: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    program = """
import os, sys
from nnkit.data import spiral
from nnkit.mlp import MLP
from nnkit.train import SGD, cosine, fit
model, (x, labels) = MLP((2, 6, 3)), spiral(10, rng=1)
def killed(epoch, parameters, history):
    if epoch == 1:
        os.kill(os.getpid(), 9)
options = {"epochs": 3, "batch_size": 8, "optimiser": SGD(0.3, 0.9, 0.01, cosine(12))}
fit(model, model.init(0), x, labels, **options, checkpoint=sys.argv[1], on_epoch=killed)
"""
    path = tmp_path / "new folder" / "training.npz"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    seen: list[int] = []
    resumed = fit(
        MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path, on_epoch=lambda epoch, *_: seen.append(epoch)
    )
    assert seen == [2]
    same(resumed, fit(MODEL, MODEL.init(0), *points, **OPTIONS))


GENERATORS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_generator_and_type_survives(
    points: tuple[np.ndarray, np.ndarray], tmp_path: Path, kind: Callable[[int], Any], dtype: Any
) -> None:
    start, data = MODEL.init(0, dtype=dtype), (points[0].astype(dtype), points[1])
    whole = fit(MODEL, start, *data, **OPTIONS, rng=np.random.Generator(kind(3)))
    interrupted(MODEL, start, data, tmp_path / "a.npz", 6, **OPTIONS, rng=np.random.Generator(kind(3)))
    resumed = fit(MODEL, start, *data, **OPTIONS, rng=np.random.Generator(kind(99)), checkpoint=tmp_path / "a.npz")
    same(resumed, whole)


def test_a_finished_training_is_read_and_can_be_trained_further(
    points: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    path, options = tmp_path / "training.npz", {**OPTIONS, "checkpoint_every": 5}
    first = fit(MODEL, MODEL.init(0), *points, **options, checkpoint=path)
    written = path.stat().st_mtime_ns
    same(fit(MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path), first)
    assert path.stat().st_mtime_ns == written
    further = fit(MODEL, MODEL.init(0), *points, **{**OPTIONS, "epochs": 5}, checkpoint=path)
    same(further, fit(MODEL, MODEL.init(0), *points, **{**OPTIONS, "epochs": 5}))
    assert list(tmp_path.iterdir()) == [path]


def test_a_stop_on_nan_resumes_to_the_same_stop(tmp_path: Path) -> None:
    model = MLP((4, 8, 2), loss_gate=gates.SquaredError())
    rng = np.random.default_rng(0)
    data, options = (rng.normal(size=(30, 4)), rng.normal(size=(30, 2))), {"epochs": 99, "optimiser": SGD(0.5)}
    whole = fit(model, model.init(0), *data, **options)
    last = len(whole.history.loss) - 1
    interrupted(model, model.init(0), data, tmp_path / "a.npz", last, **options)
    for _ in range(2):
        resumed = fit(model, model.init(0), *data, **options, checkpoint=tmp_path / "a.npz")
        assert resumed.history.stopped == whole.history.stopped != ""
        np.testing.assert_array_equal(resumed.history.loss, whole.history.loss)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch_size": 9}, "its batch_size was 8, and now it is 9"),
        ({"optimiser": SGD(0.1)}, "its optimiser was SGD"),
        ({"model": MLP((2, 6, 3), gates.Tanh())}, "its model was MLP.*ReLU.*now it is MLP.*Tanh"),
        ({"x": moons(15)[0]}, "its x was .* checksum"),
        ({"y": np.zeros(30, int)}, "its y was .* checksum"),
        ({"rng": np.random.Generator(np.random.Philox(0))}, "its rng was PCG64, and now it is Philox"),
        ({"x_val": np.zeros((1, 2)), "y_val": [0]}, "its x_val was none"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    points: tuple[np.ndarray, np.ndarray], tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "training.npz"
    fit(MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path)
    before = path.read_bytes()
    arguments = {"model": MODEL, "x": points[0], "y": points[1], **OPTIONS, **change}
    with pytest.raises(CheckpointError, match=f"belongs to another training: {sentence}"):
        fit(parameters=MODEL.init(0), checkpoint=path, **arguments)
    assert path.read_bytes() == before


class Pickled:
    def __reduce__(self) -> Any:
        return (print, ("a pickle was loaded",))


def test_a_damaged_checkpoint_is_refused_and_no_pickle_is_ever_loaded(
    points: tuple[np.ndarray, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "training.npz"
    fit(MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path)
    whole, pickled = path.read_bytes(), io.BytesIO()
    np.savez(pickled, facts=np.array(Pickled(), dtype=object))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    other = io.BytesIO()
    np.savez(other, facts=np.array("[1]"))
    for content in (b"", b"nonsense", whole[:100], whole[:-1], whole[: len(whole) // 2], bytes(flipped),
                    pickled.getvalue(), other.getvalue()):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="is no checkpoint of nnkit, or a damaged one: delete it"):
            fit(MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path)
    assert capsys.readouterr().out == ""
    np.load(io.BytesIO(whole), allow_pickle=False)


def test_fit_lists_its_settings_and_refuses_others(points: tuple[np.ndarray, np.ndarray]) -> None:
    settings = inspect.signature(fit).parameters
    assert list(settings)[:6] == ["model", "parameters", "x", "y", "epochs", "batch_size"]
    assert (settings["epochs"].default, settings["checkpoint"].default) == (100, None)
    with pytest.raises(TypeError, match=r"fit\(\) got an unexpected keyword argument 'epoch'"):
        fit(MODEL, MODEL.init(0), *points, epoch=3)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        fit(MODEL, MODEL.init(0), points[0])


def test_the_old_checkpoint_stays_until_the_new_one_is_whole(
    points: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, savez, calls = tmp_path / "training.npz", np.savez, itertools.count()

    def full(file: Any, **arrays: Any) -> None:
        if next(calls):
            file.write(b"half")
            raise OSError(28, "No space left on device")
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        fit(MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    same(fit(MODEL, MODEL.init(0), *points, **OPTIONS, checkpoint=path), fit(MODEL, MODEL.init(0), *points, **OPTIONS))


# -- what it reaches ------------------------------------------------------------------------------


def test_the_spiral_needs_a_hidden_layer() -> None:
    x, labels = spiral()
    linear, hidden = MLP((2, 3)), MLP((2, 100, 3))
    line = fit(linear, linear.init(0), x, labels, epochs=200, optimiser=SGD(1.0)).history
    curve = fit(hidden, hidden.init(0), x, labels, epochs=400, optimiser=SGD(1.0, momentum=0.9)).history
    assert 0.4 < line.train_accuracy[-1] < 0.6
    assert curve.train_accuracy[-1] > 0.95
    assert check_training(curve.loss, curve.train_accuracy[-1], at_least=0.95)
