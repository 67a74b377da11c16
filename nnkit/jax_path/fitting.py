"""`fit`: the training loop of `nnkit.train`, compiled."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from nnkit.arrays import Array, Parameters
from nnkit.gates import KIT_GATES
from nnkit.jax_path import jax_checkpoints, precision
from nnkit.jax_path.devices import Placement, translate_errors
from nnkit.jax_path.optimisers import make_update_rule
from nnkit.jax_path.program import Carry, CompileCache, TrainingData, TrainingProgram
from nnkit.train.checkpoints import describe_training
from nnkit.train.history import History, Result, explain_stop
from nnkit.train.loop import open_progress_bar
from nnkit.train.settings import FitSettings, accept_settings, require_data

MAX_CALL_MULTIPLICATIONS = 2e10
"""Multiplications in one call of a compiled program, roughly: Ctrl-C takes effect between calls."""


class JaxResult(Result):
    """Return value of `fit`: `parameters, history = fit(...)`, as NumPy arrays, and the time that it took."""

    compile_seconds: float
    """Time of tracing and compiling; 0 if the same training was compiled before."""
    run_seconds: float
    """Time of all the rest, until the last result."""
    device: str


@accept_settings
def fit(
    model: Any,
    parameters: Parameters,
    x: Array,
    y: Array,
    settings: FitSettings,
    *,
    device: str = "auto",
    dtype: Any = "float32",
    devices: int = 1,
) -> JaxResult:
    """Train as `nnkit.train.fit` does, with the same batches in the same order and the same history, under JAX.

    An epoch is one compiled `lax.scan` over its minibatches. `optimiser` is `SGD()` by default, with any schedule;
    any optimiser of optax (`optax.adam(optax.cosine_decay_schedule(...))`); or one of your own whose update JAX can
    trace. `device` is "auto" (a GPU if JAX finds one, else the CPU), "cpu" or "gpu"; `devices` of them share each
    batch, and `batch_size` must be a multiple of their number. `dtype` is float32, float64 or bfloat16 (parameters,
    sums and loss then stay in float32).

    `checkpoint` names a .safetensors file; the same call again goes on from there, to the same bits. It is written
    after each epoch, or every `checkpoint_every` steps; unlike `nnkit.train.fit`'s, not when the kernel is interrupted.

    A loss of NaN or infinity stops the training: see `nnkit.train.fit`, which raises the same errors. Raises
    DeviceError for a GPU that is missing or does not work, OutOfMemoryError for what does not fit into it.
    """
    require_data(model, parameters, *map(to_numpy, (x, y, settings.x_val, settings.y_val)))
    size = len(x) if settings.batch_size is None else settings.batch_size
    name, place = precision.check_dtype(dtype), Placement.choose(device, devices, size)
    with jax.enable_x64(name == "float64"), jax.default_device(place.devices[0]), translate_errors():
        program, compiler = get_program(model, settings.optimiser, name, settings.batch_size, place)
        data = TrainingData(
            *[None if a is None else precision.to_stored_dtype(a, name) for a in (x, y, settings.x_val, settings.y_val)]
        )
        return _JaxTrainingRun(program, compiler, place, settings, data).run(parameters)


def to_numpy(x: Array) -> Array:
    """Convert to a NumPy array; None stays None."""
    return None if x is None else np.asarray(x)


def get_program(
    model: Any, optimiser: Any, name: str, batch_size: int | None, place: Placement
) -> tuple[TrainingProgram, CompileCache]:
    """Return a program with its compiled functions, cached for the next call if all gates are the kit's: a learner's
    gate may have changed."""
    gates = [getattr(model, role, None) for role in ("activation", "loss_gate", "affine")]
    if not all(type(gate) in KIT_GATES for gate in gates):
        return _make_program(model, optimiser, name, batch_size, place)
    try:
        return _make_cached_program(model, optimiser, name, batch_size, place)
    except TypeError:  # the model or the optimiser is not hashable
        return _make_program(model, optimiser, name, batch_size, place)


def _make_program(
    model: Any, optimiser: Any, name: str, batch_size: int | None, place: Placement
) -> tuple[TrainingProgram, CompileCache]:
    return TrainingProgram(model, make_update_rule(optimiser), name, batch_size, place.split_batch), CompileCache()


_make_cached_program = lru_cache(maxsize=16)(_make_program)


class _JaxTrainingRun:
    """One call of `fit`."""

    def __init__(
        self, program: TrainingProgram, compiler: CompileCache, place: Placement, settings: FitSettings,
        host_data: TrainingData,
    ) -> None:  # fmt: skip
        self.program, self.compiler, self.place, self.settings = program, compiler, place, settings
        self.host_data = host_data
        self.rng = np.random.default_rng(settings.rng)
        self.rng_state = self.rng.bit_generator.state
        self.n = len(host_data.x)
        self.batches = 1 if program.batch_size is None else math.ceil(self.n / program.batch_size)
        self.epoch = self.batch = 0
        self.history = History()

    def run(self, parameters: Parameters) -> JaxResult:
        start, compiled, epochs = perf_counter(), self.compiler.seconds, self.settings.epochs
        arrays = {name: jnp.asarray(precision.to_stored_dtype(p, self.program.dtype)) for name, p in parameters.items()}
        self.carry: Carry = self.place.put_copy(self.program.start(arrays))
        self.data: TrainingData = self.place.put(self.host_data)
        if self.settings.checkpoint_path:
            self._resume(self.settings.checkpoint_path, parameters)
        by_epoch = self.settings.progress or self.settings.checkpoint or self.settings.on_epoch
        take = self._run_epochs if self.settings.checkpoint_every is None else self._run_pieces
        with open_progress_bar(self.settings.progress, epochs * self.batches, int(self.carry.step)) as bar:
            while self.epoch < epochs and not self.history.stopped:
                before = len(self.history.loss)
                take(1 if by_epoch else epochs - self.epoch)
                if bar is not None:
                    bar.update(len(self.history.loss) - before)
        if self.settings.checkpoint_every is not None and not self.history.stopped:
            self._save()
        result = JaxResult(self._copy_parameters(), self.history)
        result.compile_seconds, result.device = self.compiler.seconds - compiled, self.place.name
        result.run_seconds = perf_counter() - start - result.compile_seconds
        return result

    # -- whole epochs, in one call ---------------------------------------------------------------------

    def _run_epochs(self, wanted: int) -> None:
        """Run some epochs, at most as many as are wanted."""
        capacity = 1 if self.settings.checkpoint or self.settings.on_epoch else self._count_epochs_per_call()
        count = min(wanted, capacity)
        orders = np.zeros((capacity, 0 if self.program.batch_size is None else self.n), np.int32)
        for e in range(count if orders.size else 0):
            orders[e] = self.rng.permutation(self.n)
        rates = np.zeros((capacity, self.batches))
        rates[:count] = self._get_rates(int(self.carry.step), count * self.batches).reshape(count, self.batches)
        given = (self.data, orders, precision.to_stored_dtype(rates, self.program.dtype), np.int32(count))
        self.carry, losses, measures = self.compiler.call(self.program.run_epochs, self.carry, *given)
        measured = {name: np.asarray(values, float) for name, values in measures.items()}
        for e, row in enumerate(np.asarray(losses, float)[:count]):
            self.batch = 0
            if not self._append_losses(row, orders[e]):
                return
            self._end_epoch({name: float(values[e]) for name, values in measured.items()})

    def _count_epochs_per_call(self) -> int:
        """Return the number of epochs that one call may run."""
        count = sum(p.size for p in self.carry.parameters.values())
        return int(max(1, min(256, 2048 // self.batches, MAX_CALL_MULTIPLICATIONS // (6 * count * self.n))))

    # -- an epoch in pieces, so that a checkpoint can be written between its steps ----------------------

    def _run_pieces(self, wanted: int) -> None:
        """Run the rest of an epoch, in pieces of equal length, compiled once."""
        assert self.settings.checkpoint_every is not None
        self.rng_state = self.rng.bit_generator.state
        size = self.program.batch_size or 0
        order = self.rng.permutation(self.n).astype(np.int32) if size else np.zeros(0, np.int32)
        length = math.gcd(self.batches, self.settings.checkpoint_every, self.batch)
        while self.batch < self.batches:
            piece = order[self.batch * size : (self.batch + length) * size]
            rates = precision.to_stored_dtype(self._get_rates(int(self.carry.step), length), self.program.dtype)
            self.carry, losses = self.compiler.call(self.program.run_steps, self.carry, self.data, piece, rates)
            if not self._append_losses(np.asarray(losses, float), order[self.batch * size :]):
                return
            self.batch += length
            if self.batch < self.batches and int(self.carry.step) % self.settings.checkpoint_every == 0:
                self._save()
        measures = self.compiler.call(self.program.compute_measures, self.carry.parameters, self.data, donate=())
        self.batch = 0
        self._end_epoch({name: float(value) for name, value in measures.items()})
        if int(self.carry.step) % self.settings.checkpoint_every == 0:
            self._save()

    # -- recording --------------------------------------------------------------------------

    def _append_losses(self, losses: np.ndarray, order: np.ndarray) -> bool:
        """Append the losses of some steps to the history; return False if one is not finite, and record the reason."""
        wrong = np.flatnonzero(~np.isfinite(losses))
        if not wrong.size:
            self.history.loss += losses.tolist()
            return True
        at, size = int(wrong[0]), self.program.batch_size
        self.history.loss += losses[:at].tolist()
        x = self.host_data.x if size is None else self.host_data.x[order[at * size : (at + 1) * size]]
        rate = float(self._get_rates(len(self.history.loss), 1)[0]) if self.program.rule.get_rates else None
        value = float(losses[at])
        self.history.stopped = explain_stop(value, self.history.loss, self._copy_parameters(), x, rate)
        self.history.loss.append(value)
        return False

    def _end_epoch(self, measures: dict[str, float]) -> None:
        for name, value in measures.items():
            getattr(self.history, name).append(value)
        self.history.epoch_ends.append(len(self.history.loss))
        self.epoch += 1
        self.rng_state = self.rng.bit_generator.state
        if self.settings.checkpoint and self.settings.checkpoint_every is None:
            self._save()
        if self.settings.on_epoch:
            self.settings.on_epoch(self.epoch - 1, self._copy_parameters(), self.history)

    def _get_rates(self, first: int, count: int) -> np.ndarray:
        rates = self.program.rule.get_rates
        return np.zeros(count) if rates is None else rates(first, count)

    def _copy_parameters(self) -> Parameters:
        return {name: np.array(p) for name, p in self.carry.parameters.items()}

    def _save(self) -> None:
        if self.settings.checkpoint_path:
            facts = {"training": self.description, "epoch": self.epoch, "batch": self.batch, "rng": self.rng_state}
            jax_checkpoints.save_carry(self.settings.checkpoint_path, self.carry, self.history, facts)

    def _resume(self, path: Path, parameters: Parameters) -> None:
        data = {"parameters": parameters, **self.host_data._asdict()}
        rule, size = self.program.rule.description, self.program.batch_size
        self.description = describe_training(self.program.model, rule, size, self.rng, data) | {
            "dtype": self.program.dtype
        }
        if path.exists():
            carry, self.history, facts = jax_checkpoints.load_carry(path, self.carry, self.description)
            self.carry, self.epoch, self.batch = self.place.put_copy(carry), facts["epoch"], facts["batch"]
            self.rng.bit_generator.state = self.rng_state = facts["rng"]
