"""`fit_many`: networks of one architecture, one for each setting, trained all at once under `vmap`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from nnkit.arrays import Array
from nnkit.jax_path import precision
from nnkit.jax_path.devices import OutOfMemoryError, Placement, measure_free_memory, translate_errors
from nnkit.jax_path.fitting import to_numpy
from nnkit.jax_path.jax_layers import use_ensemble_affine
from nnkit.jax_path.optimisers import UpdateRule, apply_directions, make_sgd_transform
from nnkit.jax_path.program import CompileCache, TrainingData, TrainingProgram
from nnkit.jax_path.sweep import SETTINGS, Sweep
from nnkit.train.settings import require_counts, require_data

MAX_EPOCHS_PER_CALL = 64
"""Longest run of epochs in one call of a compiled program."""


@dataclass(frozen=True)
class ChunkPlan:
    """Division of the networks into chunks that are trained at once, and the memory that it takes."""

    networks: int
    chunk: int
    """Number of networks in a chunk; the last chunk is filled up with copies."""
    bytes_each: int
    """Memory of one network, as estimated before compiling."""
    budget: int

    @property
    def chunks(self) -> int:
        return math.ceil(self.networks / self.chunk)


def fit_many(
    model: Any,
    x: Array,
    y: Array,
    *,
    seeds: Sequence[int] = range(10),
    step_sizes: Sequence[float] = (0.1,),
    weight_decays: Sequence[float] = (0.0,),
    epochs: int = 100,
    batch_size: int | None = None,
    momentum: float = 0.0,
    schedule: Callable[[int], float] | None = None,
    rng: np.random.Generator | int = 0,
    x_val: Array = None,
    y_val: Array = None,
    device: str = "auto",
    dtype: Any = "float32",
    memory: int | None = None,
) -> Sweep:
    """Train a network for each seed, step size and weight decay, all at once. Returns the results as a `Sweep`.

    Each is the network that `fit(model, model.init(seed), x, y, optimiser=SGD(step_size, momentum, weight_decay,
    schedule), rng=rng, ...)` trains: all take the same batches in the same order. One whose loss becomes NaN or
    infinite stays as it was then, and the others go on.

    `memory` is the number of bytes that may be used (by default four fifths of a GPU's free memory, half of a
    machine's). The need is estimated before anything runs; networks that do not fit together are trained in chunks.
    Raises OutOfMemoryError if not even one fits, and the errors of `fit`.
    """
    rates, decays = _check_settings("step_sizes", step_sizes), _check_settings("weight_decays", weight_decays)
    require_counts(epochs=epochs, batch_size=batch_size)
    grid = list(product([int(seed) for seed in seeds], rates, decays))
    if not grid:
        raise ValueError("seeds, step_sizes and weight_decays must have an entry each.")
    starts = {seed: model.init(seed) for seed in dict.fromkeys(seed for seed, _, _ in grid)}
    require_data(model, starts[grid[0][0]], *map(to_numpy, (x, y, x_val, y_val)))
    name, place = precision.check_dtype(dtype), Placement.choose(device, 1, 1)
    with jax.enable_x64(name == "float64"), jax.default_device(place.devices[0]), translate_errors():
        host = TrainingData(*[None if a is None else precision.to_stored_dtype(a, name) for a in (x, y, x_val, y_val)])
        budget = measure_free_memory(place.devices[0]) if memory is None else memory
        each = estimate_network_bytes(model, len(x) if batch_size is None else batch_size, host, epochs, momentum, name)
        course = _EnsembleTraining(model, name, batch_size, momentum, schedule, place, host, epochs, rng)
        return course.run(starts, grid, plan_chunks(len(grid), each, budget))


def plan_chunks(networks: int, each: int, budget: int) -> ChunkPlan:
    """Return chunks of equal size, as few as fit into the budget; OutOfMemoryError if not even one network fits."""
    if each > budget:
        raise OutOfMemoryError(
            f"One network needs about {_format_bytes(each)}, and {_format_bytes(budget)} may be taken: take a smaller "
            "network, a smaller batch_size, or more memory=."
        )
    chunks = math.ceil(networks / (budget // each))
    return ChunkPlan(networks, math.ceil(networks / chunks), each, budget)


def estimate_network_bytes(
    model: Any, examples: int, data: TrainingData, epochs: int, momentum: float, dtype: str
) -> int:
    """Estimate the memory of one network: parameters, optimiser, gradients and the new values; a batch's activations
    forward and backward, or those of the data measured after an epoch; and the recorded losses."""
    size = precision.get_stored_dtype(dtype).itemsize
    pieces = getattr(model.activation, "pieces", 1)
    units = sum(model.sizes[1:-1]) * (1 + pieces) + 2 * model.sizes[-1]
    measured = max(len(data.x), 0 if data.x_val is None else len(data.x_val))
    numbers = (4 + 2 * bool(momentum)) * model.count() + units * max(3 * examples, measured)
    return int(size * (numbers + epochs + MAX_EPOCHS_PER_CALL * math.ceil(len(data.x) / examples)))


@dataclass
class _EnsembleTraining:
    """Training of all the networks: what they have in common."""

    model: Any
    dtype: str
    batch_size: int | None
    momentum: float
    schedule: Callable[[int], float] | None
    place: Placement
    host: TrainingData
    epochs: int
    rng: np.random.Generator | int

    def run(self, starts: Mapping[int, Any], grid: list[tuple[int, float, float]], planned: ChunkPlan) -> Sweep:
        start, compiler = perf_counter(), CompileCache()
        self.data: TrainingData = self.place.put(self.host)
        self.fast = use_ensemble_affine(self.model) if self.place.devices[0].platform == "cpu" else self.model
        self.batches = 1 if self.batch_size is None else math.ceil(len(self.host.x) / self.batch_size)
        self._draw_batches()
        found: list[dict[str, Any]] = []
        for first in range(0, len(grid), planned.chunk):
            part = grid[first : first + planned.chunk]
            filled = part + [part[-1]] * (planned.chunk - len(part))
            result = self._train_chunk(compiler, starts, filled)
            found.append(_take_first(result, len(part)))
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
        settings = {name: np.array(values) for name, values in zip(SETTINGS, zip(*grid))}
        seconds = perf_counter() - start - compiler.seconds
        return Sweep(settings, **joined, plan=planned, compile_seconds=compiler.seconds, run_seconds=seconds)

    def _draw_batches(self) -> None:
        """Draw the batches and the schedule's factors of every epoch, the same for all networks."""
        generator, n = np.random.default_rng(self.rng), len(self.host.x)
        size = 0 if self.batch_size is None else n
        orders = [generator.permutation(n) if size else np.zeros(0, int) for _ in range(self.epochs)]
        self.orders = np.array(orders, np.int32).reshape(self.epochs, size)
        steps = range(self.epochs * self.batches)
        factors = np.ones(len(steps)) if self.schedule is None else np.array([self.schedule(i) for i in steps])
        self.factors = precision.to_stored_dtype(factors.reshape(self.epochs, self.batches), self.dtype)

    def _train_chunk(self, compiler: CompileCache, starts: Mapping[int, Any], part: list[Any]) -> dict[str, Any]:
        """Train one chunk and return its results, an entry for each network."""
        names = starts[part[0][0]]
        stacked = {p: np.stack([starts[seed][p] for seed, _, _ in part]) for p in names}
        parameters = {p: precision.to_stored_dtype(values, self.dtype) for p, values in stacked.items()}
        hyper = tuple(precision.to_stored_dtype([setting[i] for setting in part], self.dtype) for i in (1, 2))
        carry = self.place.put_copy(jax.vmap(lambda p: self._make_program(0.0, 0.0).start(p))(parameters))
        losses, measures = [], {}
        for first in range(0, self.epochs, MAX_EPOCHS_PER_CALL):
            part_of_epochs = slice(first, first + MAX_EPOCHS_PER_CALL)
            given = self._fill_rows(self.orders[part_of_epochs]), self._fill_rows(self.factors[part_of_epochs])
            count = np.int32(min(MAX_EPOCHS_PER_CALL, self.epochs - first))
            carry, found, measures = compiler.call(self._run_epochs, carry, self.data, *given, count, *hyper)
            losses.append(np.asarray(found)[:, :count])
            measures = {name: np.asarray(values)[:, count - 1].astype(float) for name, values in measures.items()}
        every = np.concatenate(losses, axis=1).astype(float) if losses else np.zeros((len(part), 0))
        host = {name: np.array(p) for name, p in carry.parameters.items()}
        return {"losses": every, "measures": measures, "parameters": host, "steps": np.array(carry.step)}

    def _run_epochs(
        self, carry: Any, data: TrainingData, orders: Any, factors: Any, count: Any, rates: Any, decays: Any
    ) -> Any:
        """Run some epochs of every network; return the carry, the mean loss of each epoch, the measures."""

        def one(carry: Any, rate: Any, decay: Any) -> Any:
            carry, losses, measures = self._make_program(rate, decay).run_epochs(carry, data, orders, factors, count)
            return carry, losses.mean(axis=-1), measures

        return jax.vmap(one)(carry, rates, decays)

    def _make_program(self, rate: Any, decay: Any) -> TrainingProgram:
        transform = make_sgd_transform(self.momentum, jnp.asarray(decay))

        def update(parameters: Any, gradients: Any, memory: Any, step: Any, factor: Any) -> Any:
            directions, memory = transform.update(gradients, memory, parameters)
            return apply_directions(parameters, directions, rate * factor), memory

        return TrainingProgram(self.fast, UpdateRule(transform.init, update), self.dtype, self.batch_size)

    @staticmethod
    def _fill_rows(array: np.ndarray) -> np.ndarray:
        """Append rows of zeros up to `MAX_EPOCHS_PER_CALL`: one compiled program serves every number of epochs."""
        return np.concatenate([array, np.zeros((MAX_EPOCHS_PER_CALL - len(array), *array.shape[1:]), array.dtype)])


def _take_first(tree: Any, count: int) -> Any:
    return jax.tree.map(lambda a: a[:count], tree)


def _check_settings(name: str, values: Sequence[float]) -> list[float]:
    numbers = [float(v) for v in values]
    if not all(0 <= v < math.inf for v in numbers):
        raise ValueError(f"{name} must be numbers of 0 or more, not {values}.")
    return numbers


def _format_bytes(count: float) -> str:
    size = min(int(math.log10(max(count, 1)) / 3), 4)
    return f"{count / 1000**size:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[size]}"
