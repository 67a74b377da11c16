"""`fit`: the training loop of `nnkit.train`, compiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from nnkit.arrays import Array
from nnkit.gates import ALL
from nnkit.jax_path import jax_checkpoints, precision
from nnkit.jax_path.devices import Place, told
from nnkit.jax_path.optimisers import rule_of
from nnkit.jax_path.program import Carry, Compiler, Data, Program
from nnkit.train.checkpoints import training_of
from nnkit.train.history import History, Result, why_stopped
from nnkit.train.loop import progress_bar, require_counts, require_data

Parameters = dict[str, Array]
WORK = 2e10
"""About how many multiplications one call of a compiled program may take: Ctrl-C is heard between calls."""


class Fitted(Result):
    """What `fit` returns: `parameters, history = fit(...)`, as NumPy arrays, and what it took."""

    compile_seconds: float
    """Tracing and compiling, 0 if the same training was compiled before."""
    run_seconds: float
    """All the rest, until the last number was there."""
    device: str


def fit(
    model: Any,
    parameters: Parameters,
    x: Array,
    y: Array,
    *,
    epochs: int = 100,
    batch_size: int | None = None,
    optimiser: Any = None,
    rng: np.random.Generator | int = 0,
    x_val: Array = None,
    y_val: Array = None,
    progress: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    on_epoch: Callable[[int, Parameters, History], Any] | None = None,
    device: str = "auto",
    dtype: Any = "float32",
    devices: int = 1,
) -> Fitted:
    """Train as `nnkit.train.fit` does, with the same batches in the same order and the same history, under JAX.

    An epoch is one compiled `lax.scan` over its minibatches. `optimiser` is `SGD()` unless told, with any schedule;
    any optimiser of optax (`optax.adam(optax.cosine_decay_schedule(...))`); or one of your own whose update JAX can
    trace. `device` is "auto" (a GPU if JAX finds one, else the CPU), "cpu" or "gpu"; `devices` of them share each
    batch, and `batch_size` must be a multiple of their number. `dtype` is float32, float64 or bfloat16 (parameters,
    sums and loss then stay in float32).

    `checkpoint` names a .safetensors file; the same call again goes on from there, to the same bits. It is written
    after each epoch, or every `checkpoint_every` steps; unlike `nnkit.train.fit`'s, not when the kernel is interrupted.

    A loss of NaN or infinity stops the training: see `nnkit.train.fit`, which raises the same errors. DeviceError for
    a GPU that is not there or does not work, OutOfMemoryError for what does not fit into it.
    """
    require_data(model, parameters, *map(as_numpy, (x, y, x_val, y_val)))
    require_counts(epochs=epochs, batch_size=batch_size, checkpoint_every=checkpoint_every)
    if checkpoint_every is not None and checkpoint is None:
        raise ValueError("checkpoint_every needs the name of a file: checkpoint='training.safetensors'.")
    name, place = precision.checked(dtype), Place.of(device, devices, len(x) if batch_size is None else batch_size)
    with jax.enable_x64(name == "float64"), jax.default_device(place.devices[0]), told():
        program, compiler = program_of(model, optimiser, name, batch_size, place)
        training = _Training(program, compiler, place, np.random.default_rng(rng), (x, y, x_val, y_val))
        training.checkpoint = None if checkpoint is None else Path(checkpoint)
        training.checkpoint_every, training.on_epoch = checkpoint_every, on_epoch
        return training.run(parameters, epochs, progress)


def as_numpy(x: Array) -> Array:
    """For looking at it; None stays None."""
    return None if x is None else np.asarray(x)


def program_of(model: Any, optimiser: Any, name: str, batch_size: int | None, place: Place) -> tuple[Program, Compiler]:
    """A program and what was compiled of it, kept for the next call, unless a gate is not the kit's: such a gate may
    change without its being seen."""
    gates = [getattr(model, role, None) for role in ("activation", "loss_gate", "affine")]
    if not all(type(gate) in ALL for gate in gates):
        return _new_program(model, optimiser, name, batch_size, place)
    try:
        return _kept_program(model, optimiser, name, batch_size, place)
    except TypeError:  # something that has no hash
        return _new_program(model, optimiser, name, batch_size, place)


def _new_program(
    model: Any, optimiser: Any, name: str, batch_size: int | None, place: Place
) -> tuple[Program, Compiler]:
    return Program(model, rule_of(optimiser), name, batch_size, place.share), Compiler()


_kept_program = lru_cache(maxsize=16)(_new_program)


class _Training:
    """One call of `fit`."""

    checkpoint: Path | None = None
    checkpoint_every: int | None = None
    on_epoch: Callable[[int, Parameters, History], Any] | None = None

    def __init__(
        self, program: Program, compiler: Compiler, place: Place, rng: np.random.Generator, data: tuple[Any, ...]
    ) -> None:
        self.program, self.compiler, self.place, self.rng = program, compiler, place, rng
        self.host = Data(*[None if a is None else precision.on_device(a, program.dtype) for a in data])
        self.n = len(self.host.x)
        self.batches = 1 if program.batch_size is None else math.ceil(self.n / program.batch_size)
        self.epoch = self.batch = 0
        self.rng_state = rng.bit_generator.state
        self.history = History()

    def run(self, parameters: Parameters, epochs: int, progress: bool) -> Fitted:
        start, compiled = perf_counter(), self.compiler.seconds
        arrays = {name: jnp.asarray(precision.on_device(p, self.program.dtype)) for name, p in parameters.items()}
        self.carry: Carry = self.place.own(self.program.begin(arrays))
        self.data: Data = self.place.put(self.host)
        if self.checkpoint:
            self._resume(self.checkpoint, parameters)
        take = self._epochs if self.checkpoint_every is None else self._pieces
        with progress_bar(progress, epochs * self.batches, int(self.carry.step)) as bar:
            while self.epoch < epochs and not self.history.stopped:
                before = len(self.history.loss)
                take(1 if progress or self.checkpoint or self.on_epoch else epochs - self.epoch)
                if bar is not None:
                    bar.update(len(self.history.loss) - before)
        if self.checkpoint_every is not None and not self.history.stopped:
            self._save()
        result = Fitted(self._parameters(), self.history)
        result.compile_seconds, result.device = self.compiler.seconds - compiled, self.place.name
        result.run_seconds = perf_counter() - start - result.compile_seconds
        return result

    # -- whole epochs, in one call ---------------------------------------------------------------------

    def _epochs(self, wanted: int) -> None:
        """Some epochs, at most as many as are wanted."""
        room = 1 if self.checkpoint or self.on_epoch else self._room()
        count = min(wanted, room)
        orders = np.zeros((room, 0 if self.program.batch_size is None else self.n), np.int32)
        for e in range(count if orders.size else 0):
            orders[e] = self.rng.permutation(self.n)
        rates = np.zeros((room, self.batches))
        rates[:count] = self._rates(int(self.carry.step), count * self.batches).reshape(count, self.batches)
        given = (self.data, orders, precision.on_device(rates, self.program.dtype), np.int32(count))
        self.carry, losses, measures = self.compiler.call(self.program.epochs, self.carry, *given)
        measured = {name: np.asarray(values, float) for name, values in measures.items()}
        for e, row in enumerate(np.asarray(losses, float)[:count]):
            self.batch = 0
            if not self._append(row, orders[e]):
                return
            self._end_epoch({name: float(values[e]) for name, values in measured.items()})

    def _room(self) -> int:
        """How many epochs one call may take."""
        count = sum(p.size for p in self.carry.parameters.values())
        return int(max(1, min(256, 2048 // self.batches, WORK // (6 * count * self.n))))

    # -- an epoch in pieces, so that a checkpoint can be written between its steps ----------------------

    def _pieces(self, wanted: int) -> None:
        """What is left of an epoch, in pieces of equal length, compiled once."""
        assert self.checkpoint_every is not None
        self.rng_state = self.rng.bit_generator.state
        size = self.program.batch_size or 0
        order = self.rng.permutation(self.n).astype(np.int32) if size else np.zeros(0, np.int32)
        length = math.gcd(self.batches, self.checkpoint_every, self.batch)
        while self.batch < self.batches:
            piece = order[self.batch * size : (self.batch + length) * size]
            rates = precision.on_device(self._rates(int(self.carry.step), length), self.program.dtype)
            self.carry, losses = self.compiler.call(self.program.steps, self.carry, self.data, piece, rates)
            if not self._append(np.asarray(losses, float), order[self.batch * size :]):
                return
            self.batch += length
            if self.batch < self.batches and int(self.carry.step) % self.checkpoint_every == 0:
                self._save()
        measures = self.compiler.call(self.program.measures, self.carry.parameters, self.data, donate=())
        self.batch = 0
        self._end_epoch({name: float(value) for name, value in measures.items()})
        if int(self.carry.step) % self.checkpoint_every == 0:
            self._save()

    # -- what is written down --------------------------------------------------------------------------

    def _append(self, losses: np.ndarray, order: np.ndarray) -> bool:
        """Write down the losses of some steps; False if one is not finite, and with it the reason."""
        wrong = np.flatnonzero(~np.isfinite(losses))
        if not wrong.size:
            self.history.loss += losses.tolist()
            return True
        at, size = int(wrong[0]), self.program.batch_size
        self.history.loss += losses[:at].tolist()
        x = self.host.x if size is None else self.host.x[order[at * size : (at + 1) * size]]
        rate = float(self._rates(len(self.history.loss), 1)[0]) if self.program.rule.rates else None
        value = float(losses[at])
        self.history.stopped = why_stopped(value, self.history.loss, self._parameters(), x, rate)
        self.history.loss.append(value)
        return False

    def _end_epoch(self, measures: dict[str, float]) -> None:
        for name, value in measures.items():
            getattr(self.history, name).append(value)
        self.history.epoch_ends.append(len(self.history.loss))
        self.epoch += 1
        self.rng_state = self.rng.bit_generator.state
        if self.checkpoint and self.checkpoint_every is None:
            self._save()
        if self.on_epoch:
            self.on_epoch(self.epoch - 1, self._parameters(), self.history)

    def _rates(self, first: int, count: int) -> np.ndarray:
        rates = self.program.rule.rates
        return np.zeros(count) if rates is None else rates(first, count)

    def _parameters(self) -> Parameters:
        return {name: np.array(p) for name, p in self.carry.parameters.items()}

    def _save(self) -> None:
        if self.checkpoint:
            facts = {"training": self.same, "epoch": self.epoch, "batch": self.batch, "rng": self.rng_state}
            jax_checkpoints.save(self.checkpoint, self.carry, self.history, facts)

    def _resume(self, path: Path, parameters: Parameters) -> None:
        data = {"parameters": parameters, **self.host._asdict()}
        rule, size = self.program.rule.described, self.program.batch_size
        self.same = training_of(self.program.model, rule, size, self.rng, data) | {"dtype": self.program.dtype}
        if path.exists():
            carry, self.history, facts = jax_checkpoints.load(path, self.carry, self.same)
            self.carry, self.epoch, self.batch = self.place.own(carry), facts["epoch"], facts["batch"]
            self.rng.bit_generator.state = self.rng_state = facts["rng"]
