"""`fit` under JAX: the losses and the history of the NumPy path, optax, types, checkpoints, devices, and the
error messages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from safetensors.numpy import load_file

import jax
from nnkit import gates
from nnkit.arrays import ShapeError
from nnkit.data import spiral
from nnkit.jax_path import DeviceError, OutOfMemoryError, fit
from nnkit.jax_path import devices as devices_module
from nnkit.jax_path.optimisers import make_update_rule
from nnkit.jax_path.program import TrainingProgram
from nnkit.mlp import MLP
from nnkit.train import SGD, CheckpointError, History, cosine, step_decay, warmup
from nnkit.train import fit as fit_numpy

pytestmark = pytest.mark.slow

MODEL = MLP((2, 8, 3))
START = MODEL.init(0)
X, LABELS = spiral(15, rng=1)
VALIDATION: Any = {"x_val": X[::3] + 0.01, "y_val": LABELS[::3]}
CASES: dict[str, Any] = {
    "all examples a step": {},
    "batches": {"batch_size": 15},
    "a smaller last batch": {"batch_size": 20, "rng": 7},
    "one batch, larger than the data": {"batch_size": 100},
    "momentum, decay, schedule": {"batch_size": 9, "optimiser": SGD(0.3, 0.9, 0.01, warmup(4, cosine(30)))},
    "validation": {"batch_size": 18, **VALIDATION, "optimiser": SGD(0.5, schedule=step_decay(7))},
    "another generator": {"batch_size": 15, "rng": np.random.Generator(np.random.MT19937(3))},
}


def copied(settings: Any) -> Any:
    """Return the settings with a copy of the generator, which each side consumes."""
    import copy

    return copy.deepcopy(settings)


def close(one: History, other: History, rtol: float) -> None:
    for name in ("loss", "epoch_ends", "val_loss"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, err_msg=name)
    for name in ("train_accuracy", "val_accuracy"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-6, err_msg=name)
    assert one.stopped == other.stopped


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*[(name, "float64") for name in CASES], (list(CASES)[2], "float32"), (list(CASES)[4], "float32")],
)
def test_losses_and_history_are_those_of_the_numpy_path(name: str, dtype: str) -> None:
    ours = fit(MODEL, START, X, LABELS, epochs=10, dtype=dtype, **copied(CASES[name]))
    theirs = fit_numpy(MODEL, START, X, LABELS, epochs=10, **copied(CASES[name]))
    close(ours.history, theirs.history, 1e-11 if dtype == "float64" else 2e-5)
    for key, p in theirs.parameters.items():
        assert type(ours.parameters[key]) is np.ndarray
        assert ours.parameters[key].dtype == dtype
        np.testing.assert_allclose(ours.parameters[key], p, rtol=1e-10 if dtype == "float64" else 1e-3, atol=1e-5)


def test_squared_error_and_networks_without_bias() -> None:
    model = MLP((2, 4, 2), gates.Sigmoid(), gates.SquaredError(), bias=False)
    settings: Any = {"epochs": 5, "batch_size": 10, "optimiser": SGD(0.01), "x_val": X, "y_val": X}
    ours = fit(model, model.init(0), X, X, dtype="float64", **settings)
    close(ours.history, fit_numpy(model, model.init(0), X, X, **settings).history, 1e-11)


def test_more_epochs_than_one_call_takes_and_none() -> None:
    settings: Any = {"epochs": 300, "batch_size": 45, "optimiser": SGD(0.1)}
    ours = fit(MODEL, START, X, LABELS, dtype="float64", **settings)
    close(ours.history, fit_numpy(MODEL, START, X, LABELS, **settings).history, 1e-9)
    none = fit(MODEL, START, X, LABELS, epochs=0)
    assert none.history == History()
    np.testing.assert_allclose(none.parameters["W1"], START["W1"], rtol=1e-6)


def test_what_was_given_stays_as_it_was() -> None:
    before, x = {name: p.copy() for name, p in START.items()}, X.astype(np.float32)
    kept = x.copy()
    parameters = {name: jnp.asarray(p, "float32") for name, p in START.items()}
    for given in (START, parameters):
        fit(MODEL, given, x, LABELS, epochs=3, batch_size=10)
        assert all(np.allclose(given[name], before[name]) for name in before)
    assert np.array_equal(x, kept)


def test_an_epoch_is_one_scan_and_its_buffers_are_donated() -> None:
    program = TrainingProgram(MODEL, make_update_rule(SGD(0.1, momentum=0.9)), "float32", 15)
    carry = program.start({name: jnp.asarray(p, "float32") for name, p in START.items()})
    data = program_data()
    given = (carry, data, np.zeros((1, 45), np.int32), np.ones((1, 3), np.float32), np.int32(1))
    text = str(jax.make_jaxpr(program.run_epochs)(*given))
    assert re.search(r"length=3\b", text)
    lowered = jax.jit(program.run_epochs, donate_argnums=0).lower(*given)
    donated = lowered.compile().memory_analysis().alias_size_in_bytes
    assert donated >= 2 * 4 * MODEL.count()  # the parameters and their velocities


def program_data() -> Any:
    from nnkit.jax_path.program import TrainingData

    return TrainingData(jnp.asarray(X, "float32"), jnp.asarray(LABELS, "int32"))


def test_compiling_is_timed_apart_and_done_once() -> None:
    model = MLP((2, 7, 3))
    first = fit(model, model.init(0), X, LABELS, epochs=4, batch_size=15)
    again = fit(model, model.init(1), X, LABELS, epochs=9, batch_size=15)
    assert first.compile_seconds > 0.02
    assert again.compile_seconds == 0
    assert 0 < again.run_seconds < 5
    parameters, history = again
    assert (parameters, history) == (again.parameters, again.history)
    assert first.device == "cpu"


def test_on_epoch_sees_what_numpys_sees() -> None:
    seen: dict[Any, list[Any]] = {fit: [], fit_numpy: []}
    for train in seen:
        train(
            MODEL, START, X, LABELS, epochs=3, batch_size=15, **({"dtype": "float64"} if train is fit else {}),
            on_epoch=lambda epoch, p, history, train=train: seen[train].append((epoch, p["W1"], len(history.loss))),
        )  # fmt: skip
    for ours, theirs in zip(*seen.values(), strict=True):
        assert (ours[0], ours[2]) == (theirs[0], theirs[2])
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-10)


# -- optimisers ----------------------------------------------------------------------------------------


def by_hand(transform: optax.GradientTransformation, epochs: int) -> tuple[Any, list[float]]:
    """Full-batch training in float64, step by step."""
    with jax.enable_x64(True):
        p = {name: jnp.asarray(w) for name, w in START.items()}
        memory, losses = transform.init(p), []
        update, x, labels = jax.jit(transform.update), jnp.asarray(X), jnp.asarray(LABELS)
        slopes = jax.jit(MODEL.gradients)
        for _ in range(epochs):
            loss, gradients = slopes(p, x, labels)
            updates, memory = update(gradients, memory, p)
            p = optax.apply_updates(p, updates)
            losses.append(float(loss))
        return p, losses


@pytest.mark.parametrize(
    "transform",
    [
        optax.adam(optax.cosine_decay_schedule(0.05, 6)),
        optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.5, momentum=0.9, nesterov=True)),
        optax.adafactor(0.02, min_dim_size_to_factor=2),
    ],
    ids=["adam and a schedule", "clipped momentum", "adafactor"],
)
def test_optimisers_of_optax(transform: optax.GradientTransformation) -> None:
    ours = fit(MODEL, START, X, LABELS, epochs=6, optimiser=transform, dtype="float64")
    p, losses = by_hand(transform, 6)
    np.testing.assert_allclose(ours.history.loss, losses, rtol=1e-9)
    np.testing.assert_allclose(ours.parameters["W1"], p["W1"], rtol=1e-7, atol=1e-9)


def test_matrices_are_turned_only_where_that_changes_nothing() -> None:
    assert make_update_rule(SGD()).allows_transposed
    assert make_update_rule(optax.adamw(0.1)).allows_transposed
    assert not make_update_rule(optax.adafactor(0.1)).allows_transposed


class Own:
    """An optimiser as `nnkit.train.fit` accepts it."""

    def init(self, parameters: Any) -> Any:
        return {name: 0 * p for name, p in parameters.items()}

    def update(self, parameters: Any, gradients: Any, memory: Any, step: Any) -> Any:
        memory = {name: 0.5 * memory[name] + g for name, g in gradients.items()}
        return {name: p - 0.1 / (step + 1) * memory[name] for name, p in parameters.items()}, memory


def test_an_optimiser_of_ones_own() -> None:
    settings: Any = {"epochs": 4, "batch_size": 15, "optimiser": Own()}
    ours = fit(MODEL, START, X, LABELS, dtype="float64", **settings)
    close(ours.history, fit_numpy(MODEL, START, X, LABELS, **settings).history, 1e-10)
    with pytest.raises(TypeError, match="optimiser must be SGD, one of optax, or have the methods init and update"):
        fit(MODEL, START, X, LABELS, optimiser="adam")


# -- types -----------------------------------------------------------------------------------------------


def test_bfloat16_adds_up_in_float32() -> None:
    """In bfloat16 alone, 256 + 1 is 256: so the gradient of a bias would stop there, and the loss have three digits."""
    n = 4096
    model = MLP((1, 2), loss_gate=gates.SquaredError())
    x, y, start = np.ones((n, 1)), np.zeros((n, 2)), {"W1": np.full((1, 2), 0.5), "b1": np.full(2, 0.0)}
    fitted = fit(model, start, x, y, epochs=1, optimiser=SGD(1.0), dtype="bfloat16")
    np.testing.assert_array_equal(fitted.parameters["b1"], [-float(n)] * 2)  # each example gives 2 · 0.5
    np.testing.assert_array_equal(fitted.parameters["W1"], [[0.5 - n] * 2])
    assert fitted.history.loss == [n * 2 * 0.25]
    assert fitted.parameters["W1"].dtype == np.float32


def test_bfloat16_really_computes_in_bfloat16_and_trains_nearly_alike() -> None:
    settings: Any = {"epochs": 20, "batch_size": 15, "optimiser": SGD(0.2)}
    rough = fit(MODEL, START, X, LABELS, dtype="bfloat16", **settings).history
    fine = fit(MODEL, START, X, LABELS, dtype="float32", **settings).history
    assert 1e-4 < np.abs(np.subtract(rough.loss, fine.loss)).max() < 0.05
    assert abs(rough.train_loss[-1] - fine.train_loss[-1]) < 0.05
    program = TrainingProgram(MODEL, make_update_rule(), "bfloat16", None)
    given = {name: jnp.asarray(p, "float32") for name, p in START.items()}
    products = [line for line in str(jax.make_jaxpr(program.gradients)(given, *program_data()[:2])).splitlines()
                if "dot_general" in line]  # fmt: skip
    assert products
    assert all(":bf16[" in line for line in products)


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="dtype must be one of float32, float64, bfloat16, not float16"):
        fit(MODEL, START, X, LABELS, dtype=np.float16)


# -- a loss that is not finite ---------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"batch_size": 20}], ids=str)
def test_a_step_size_that_is_too_large_stops_as_in_numpy(settings: Any) -> None:
    settings = {"epochs": 300, "optimiser": SGD(1e9, momentum=0.9, weight_decay=0.1), **settings}
    ours = fit(MODEL, START, X, LABELS, dtype="float64", **settings)
    theirs = fit_numpy(MODEL, START, X, LABELS, **settings)
    assert "so the step size is too large; try a smaller one than 1e+09" in ours.history.stopped
    assert len(ours.history.loss) == len(theirs.history.loss)
    assert ours.history.epoch_ends == theirs.history.epoch_ends
    for name, p in theirs.parameters.items():  # those that gave this loss
        np.testing.assert_allclose(ours.parameters[name], p, rtol=1e-6)


def test_a_nan_in_the_data_is_reported_with_its_place() -> None:
    x = X.copy()
    x[4, 1] = np.nan
    ours = fit(MODEL, START, x, LABELS, batch_size=15, epochs=3, dtype="float64")
    theirs = fit_numpy(MODEL, START, x, LABELS, batch_size=15, epochs=3)
    assert ours.history.stopped == theirs.history.stopped
    assert "x holds NaN (first at [" in ours.history.stopped


# -- checkpoints -----------------------------------------------------------------------------------------


class Interrupted(Exception):
    pass


def stop_after(epoch: int) -> Any:
    def on_epoch(number: int, *_: Any) -> None:
        if number == epoch:
            raise Interrupted

    return on_epoch


CHECKPOINTED: dict[str, Any] = {
    "sgd": {"optimiser": SGD(0.3, momentum=0.9, schedule=cosine(40))},
    "adam": {"optimiser": optax.adam(0.05)},
    "bfloat16": {"optimiser": SGD(0.3, momentum=0.9), "dtype": "bfloat16"},
    "another generator": {"rng": np.random.Generator(np.random.MT19937(3))},
}


@pytest.mark.parametrize("name", CHECKPOINTED)
def test_a_checkpoint_resumes_to_the_same_bits(tmp_path: Path, name: str) -> None:
    settings = {"epochs": 6, "batch_size": 20, **VALIDATION}
    whole = fit(MODEL, START, X, LABELS, on_epoch=lambda *_: None, **settings, **copied(CHECKPOINTED[name]))
    path = tmp_path / "training.safetensors"
    with pytest.raises(Interrupted):
        fit(MODEL, START, X, LABELS, **settings, **copied(CHECKPOINTED[name]), checkpoint=path, on_epoch=stop_after(2))
    rest: list[int] = []
    resumed = fit(
        MODEL, START, X, LABELS, **settings, **copied(CHECKPOINTED[name]), checkpoint=path,
        on_epoch=lambda epoch, *_: rest.append(epoch),
    )  # fmt: skip
    assert rest == [3, 4, 5]
    assert resumed.history == whole.history
    for key, p in whole.parameters.items():
        assert p.tobytes() == resumed.parameters[key].tobytes()


@pytest.mark.parametrize("every", [1, 3, 7])
def test_a_checkpoint_between_steps_resumes_to_the_same_bits(tmp_path: Path, every: int) -> None:
    settings: Any = {"epochs": 4, "batch_size": 14, "optimiser": SGD(0.3, momentum=0.9), "checkpoint_every": every}
    whole = fit(MODEL, START, X, LABELS, **settings, checkpoint=tmp_path / "whole.safetensors")
    close(whole.history, fit_numpy(MODEL, START, X, LABELS, **{**settings, "checkpoint_every": None}).history, 1e-4)
    path = tmp_path / "part.safetensors"
    with pytest.raises(Interrupted):
        fit(MODEL, START, X, LABELS, **settings, checkpoint=path, on_epoch=stop_after(1))
    steps = int(load_file(path)["step"])
    assert steps == 8 // every * every if 8 % every else steps in (8 - every, 8)
    resumed = fit(MODEL, START, X, LABELS, **settings, checkpoint=path)
    assert resumed.history == whole.history
    assert all(p.tobytes() == resumed.parameters[name].tobytes() for name, p in whole.parameters.items())


def test_a_checkpoint_of_another_training_or_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    fit(MODEL, START, X, LABELS, epochs=1, checkpoint=path, optimiser=optax.adam(0.1))
    names = load_file(path)
    np.testing.assert_allclose(names["parameters/W1"].shape, (2, 8))
    for other in ({"optimiser": optax.adam(0.2)}, {"optimiser": SGD(0.1)}, {"batch_size": 5}, {"dtype": "bfloat16"}):
        with pytest.raises(CheckpointError, match=r"belongs to another training: its (optimiser|batch_size|dtype) was"):
            fit(MODEL, START, X, LABELS, epochs=1, checkpoint=path, **{"optimiser": optax.adam(0.1), **other})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"is no checkpoint of nnkit.jax_path, or a damaged one"):
        fit(MODEL, START, X, LABELS, epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match="checkpoint_every needs the name of a file"):
        fit(MODEL, START, X, LABELS, checkpoint_every=3)


# -- devices ---------------------------------------------------------------------------------------------

SHARED = """
import numpy as np
from nnkit.data import spiral
from nnkit.jax_path import fit
from nnkit.mlp import MLP
from nnkit.train import SGD
import jax
x, labels = spiral(40, rng=1)
model = MLP((2, 8, 3))
for dtype, rtol in (("float64", 1e-11), ("float32", 1e-4)):
    settings = dict(epochs=5, batch_size=32, optimiser=SGD(0.3, momentum=0.9), dtype=dtype, x_val=x, y_val=labels)
    one, four = (fit(model, model.init(0), x, labels, devices=n, **settings) for n in (1, 4))
    np.testing.assert_allclose(four.history.loss, one.history.loss, rtol=rtol)
    np.testing.assert_allclose(four.history.val_loss, one.history.val_loss, rtol=rtol)
assert four.device == "cpu × 4"
from nnkit.jax_path.devices import Placement
from nnkit.jax_path.optimisers import make_update_rule
from nnkit.jax_path.program import TrainingData, TrainingProgram
place = Placement.choose("cpu", 4, 32)
program = TrainingProgram(model, make_update_rule(), "float32", 32, place.split_batch)
data = place.put(TrainingData(x.astype("float32"), labels.astype("int32")))
carry = place.put_copy(program.start({n: p.astype("float32") for n, p in model.init(0).items()}))
given = carry, data, np.zeros(96, "int32"), np.ones(3, "float32")
text = jax.jit(program.run_steps).lower(*given).compile().as_text()
assert "f32[8,2]" in text and "all-reduce" in text, "the batch is not shared"
try:
    fit(model, model.init(0), x, labels, batch_size=30, devices=4)
except ValueError as fault:
    assert "so its 30 examples must be a multiple of 4" in str(fault)
else:
    raise AssertionError
"""


def test_four_devices_share_a_batch_and_compute_what_one_computes() -> None:
    environ = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARED], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_more_devices_than_there_are() -> None:
    with pytest.raises(DeviceError, match=r"3 devices were requested, and JAX finds 1 \(cpu\).*device_count=3"):
        fit(MODEL, START, X, LABELS, batch_size=15, devices=3)


def test_without_a_gpu_auto_is_the_cpu_and_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fit(MODEL, START, X, LABELS, epochs=1, device="auto").device == "cpu"
    with pytest.raises(DeviceError, match="JAX_PLATFORMS=cpu leaves it out"):
        fit(MODEL, START, X, LABELS, device="gpu")
    with pytest.raises(ValueError, match='device must be "auto", "cpu" or "gpu", not \'tpu\''):
        fit(MODEL, START, X, LABELS, device="tpu")


@pytest.mark.parametrize(
    ("driver", "plugin", "sentence"),
    [
        ("", False, "JAX was installed without CUDA"),
        ("550.54", False, "the driver is there (NVIDIA 550.54), but JAX was installed without CUDA"),
        ("", True, "there is no NVIDIA driver"),
        ("470.1", True, "the driver (NVIDIA 470.1) do not go together"),
    ],
)
def test_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch, driver: str, plugin: bool, sentence: str) -> None:
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.setattr(devices_module, "_read_driver_version", lambda: driver)
    monkeypatch.setattr(devices_module, "find_spec", lambda name: plugin or None)
    assert sentence in devices_module.explain_missing_gpu()


def test_a_real_lack_of_memory_is_reported() -> None:
    sentence = r"The device does not have enough memory.*smaller batch_size"
    with pytest.raises(OutOfMemoryError, match=sentence), devices_module.translate_errors():
        jnp.zeros((2**47,), jnp.float32).block_until_ready()


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12.50GiB.", "(12.50GiB more were needed)"),
        ("CUDA driver version is insufficient for CUDA runtime version", "driver is older than the CUDA"),
        ("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available", "no code for this GPU"),
        ("Loaded runtime CuDNN library: 9.0 but source was compiled with version 9.8", "libraries do not fit this JAX"),
    ],
)
def test_what_xla_says_becomes_a_sentence(message: str, sentence: str) -> None:
    with pytest.raises(DeviceError) as raised, devices_module.translate_errors():
        raise jax.errors.JaxRuntimeError(message)
    assert sentence in str(raised.value)


def test_another_error_of_xla_goes_through() -> None:
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL: something else"), devices_module.translate_errors():
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")


def test_what_does_not_fit_is_reported_before_anything_is_compiled() -> None:
    with pytest.raises(ShapeError, match=r"x is \(45, 2\) and y \(44,\)"):
        fit(MODEL, START, X, LABELS[1:])
    with pytest.raises(ValueError, match="labels run from 0 to 3; for 3 classes"):
        fit(MODEL, START, X, np.append(LABELS[1:], 3))
    with pytest.raises(ValueError, match="epochs must be a whole number of 0 or more, not -1"):
        fit(MODEL, START, X, LABELS, epochs=-1)
    with pytest.raises(ValueError, match="x_val and y_val go together"):
        fit(MODEL, START, X, LABELS, x_val=X)


def test_a_bar_shows_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    fit(MODEL, START, X, LABELS, epochs=2, batch_size=15, progress=True)
    assert "6/6" in capsys.readouterr().err


def test_importing_the_package_loads_no_jax() -> None:
    program = "import sys, nnkit.jax_path; assert not {'jax', 'optax', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
