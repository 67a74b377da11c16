"""`fit_many`: networks of one kind, trained all at once under `vmap`, one for each setting."""

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
from nnkit.jax_path.devices import OutOfMemoryError, Place, free_memory, told
from nnkit.jax_path.fitting import as_numpy
from nnkit.jax_path.jax_layers import for_many
from nnkit.jax_path.optimisers import Rule, move, sgd
from nnkit.jax_path.program import Compiler, Data, Program
from nnkit.jax_path.sweep import SETTINGS, Sweep
from nnkit.train.loop import require_counts, require_data

CALL = 64
"""At most so many epochs in one call of a compiled program."""


@dataclass(frozen=True)
class Plan:
    """How many networks are trained at once, and what that takes."""

    networks: int
    chunk: int
    """So many at once; the last chunk is filled up with copies."""
    bytes_each: int
    """What one network takes, as estimated before it was compiled."""
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

    `memory` is how many bytes may be taken (four fifths of a GPU's free memory, half of a machine's, unless told).
    What the networks need is estimated before anything runs; if they do not fit, they are trained in chunks.
    Raises OutOfMemoryError if not even one fits, and what `fit` raises.
    """
    rates, decays = _checked("step_sizes", step_sizes), _checked("weight_decays", weight_decays)
    require_counts(epochs=epochs, batch_size=batch_size)
    grid = list(product([int(seed) for seed in seeds], rates, decays))
    if not grid:
        raise ValueError("seeds, step_sizes and weight_decays must have an entry each.")
    starts = {seed: model.init(seed) for seed in dict.fromkeys(seed for seed, _, _ in grid)}
    require_data(model, starts[grid[0][0]], *map(as_numpy, (x, y, x_val, y_val)))
    name, place = precision.checked(dtype), Place.of(device, 1, 1)
    with jax.enable_x64(name == "float64"), jax.default_device(place.devices[0]), told():
        host = Data(*[None if a is None else precision.on_device(a, name) for a in (x, y, x_val, y_val)])
        budget = free_memory(place.devices[0]) if memory is None else memory
        each = bytes_of_one(model, len(x) if batch_size is None else batch_size, host, epochs, momentum, name)
        course = _Course(model, name, batch_size, momentum, schedule, place, host, epochs, rng)
        return course.run(starts, grid, plan(len(grid), each, budget))


def plan(networks: int, each: int, budget: int) -> Plan:
    """Chunks of equal size, as few as fit into the budget; OutOfMemoryError if not even one network fits."""
    if each > budget:
        raise OutOfMemoryError(
            f"One network needs about {_readable(each)}, and {_readable(budget)} may be taken: take a smaller network, "
            "a smaller batch_size, or more memory=."
        )
    chunks = math.ceil(networks / (budget // each))
    return Plan(networks, math.ceil(networks / chunks), each, budget)


def bytes_of_one(model: Any, examples: int, data: Data, epochs: int, momentum: float, dtype: str) -> int:
    """About what one network takes: parameters, memory, gradients and their new values; a batch's activations forward
    and backward, or those of the data that are measured after an epoch; and the losses that are kept."""
    size = precision.kept(dtype).itemsize
    pieces = getattr(model.activation, "pieces", 1)
    units = sum(model.sizes[1:-1]) * (1 + pieces) + 2 * model.sizes[-1]
    measured = max(len(data.x), 0 if data.x_val is None else len(data.x_val))
    numbers = (4 + 2 * bool(momentum)) * model.count() + units * max(3 * examples, measured)
    return int(size * (numbers + epochs + CALL * math.ceil(len(data.x) / examples)))


@dataclass
class _Course:
    """What all the networks have in common."""

    model: Any
    dtype: str
    batch_size: int | None
    momentum: float
    schedule: Callable[[int], float] | None
    place: Place
    host: Data
    epochs: int
    rng: np.random.Generator | int

    def run(self, starts: Mapping[int, Any], grid: list[tuple[int, float, float]], planned: Plan) -> Sweep:
        start, compiler = perf_counter(), Compiler()
        self.data: Data = self.place.put(self.host)
        self.fast = for_many(self.model) if self.place.devices[0].platform == "cpu" else self.model
        self.batches = 1 if self.batch_size is None else math.ceil(len(self.host.x) / self.batch_size)
        self._draw()
        found: list[dict[str, Any]] = []
        for first in range(0, len(grid), planned.chunk):
            part = grid[first : first + planned.chunk]
            filled = part + [part[-1]] * (planned.chunk - len(part))
            result = self._chunk(compiler, starts, filled)
            found.append(_first(result, len(part)))
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
        settings = {name: np.array(values) for name, values in zip(SETTINGS, zip(*grid))}
        seconds = perf_counter() - start - compiler.seconds
        return Sweep(settings, **joined, plan=planned, compile_seconds=compiler.seconds, run_seconds=seconds)

    def _draw(self) -> None:
        """The batches and the schedule's factors of every epoch, the same for all networks."""
        generator, n = np.random.default_rng(self.rng), len(self.host.x)
        size = 0 if self.batch_size is None else n
        orders = [generator.permutation(n) if size else np.zeros(0, int) for _ in range(self.epochs)]
        self.orders = np.array(orders, np.int32).reshape(self.epochs, size)
        steps = range(self.epochs * self.batches)
        factors = np.ones(len(steps)) if self.schedule is None else np.array([self.schedule(i) for i in steps])
        self.factors = precision.on_device(factors.reshape(self.epochs, self.batches), self.dtype)

    def _chunk(self, compiler: Compiler, starts: Mapping[int, Any], part: list[Any]) -> dict[str, Any]:
        """Train one chunk; everything that is told of it, an entry for each network."""
        names = starts[part[0][0]]
        stacked = {p: np.stack([starts[seed][p] for seed, _, _ in part]) for p in names}
        parameters = {p: precision.on_device(values, self.dtype) for p, values in stacked.items()}
        hyper = tuple(precision.on_device([setting[i] for setting in part], self.dtype) for i in (1, 2))
        carry = self.place.own(jax.vmap(lambda p: self._program(0.0, 0.0).begin(p))(parameters))
        losses, measures = [], {}
        for first in range(0, self.epochs, CALL):
            room = slice(first, first + CALL)
            given = self._filled(self.orders[room]), self._filled(self.factors[room])
            count = np.int32(min(CALL, self.epochs - first))
            carry, found, measures = compiler.call(self._together, carry, self.data, *given, count, *hyper)
            losses.append(np.asarray(found)[:, :count])
            measures = {name: np.asarray(values)[:, count - 1].astype(float) for name, values in measures.items()}
        every = np.concatenate(losses, axis=1).astype(float) if losses else np.zeros((len(part), 0))
        host = {name: np.array(p) for name, p in carry.parameters.items()}
        return {"losses": every, "measures": measures, "parameters": host, "steps": np.array(carry.step)}

    def _together(self, carry: Any, data: Data, orders: Any, factors: Any, count: Any, rates: Any, decays: Any) -> Any:
        """Some epochs of every network: the carry, the mean loss of each epoch, the measures."""

        def one(carry: Any, rate: Any, decay: Any) -> Any:
            carry, losses, measures = self._program(rate, decay).epochs(carry, data, orders, factors, count)
            return carry, losses.mean(axis=-1), measures

        return jax.vmap(one)(carry, rates, decays)

    def _program(self, rate: Any, decay: Any) -> Program:
        transform = sgd(self.momentum, jnp.asarray(decay))

        def update(parameters: Any, gradients: Any, memory: Any, step: Any, factor: Any) -> Any:
            directions, memory = transform.update(gradients, memory, parameters)
            return move(parameters, directions, rate * factor), memory

        return Program(self.fast, Rule(transform.init, update), self.dtype, self.batch_size)

    @staticmethod
    def _filled(array: np.ndarray) -> np.ndarray:
        """With rows of zeros up to `CALL`, so that one compiled program serves every number of epochs."""
        return np.concatenate([array, np.zeros((CALL - len(array), *array.shape[1:]), array.dtype)])


def _first(tree: Any, count: int) -> Any:
    return jax.tree.map(lambda a: a[:count], tree)


def _checked(name: str, values: Sequence[float]) -> list[float]:
    numbers = [float(v) for v in values]
    if not all(0 <= v < math.inf for v in numbers):
        raise ValueError(f"{name} must be numbers of 0 or more, not {values}.")
    return numbers


def _readable(count: float) -> str:
    size = min(int(math.log10(max(count, 1)) / 3), 4)
    return f"{count / 1000**size:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[size]}"
