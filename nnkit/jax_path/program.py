"""Compiled programs of a training: epochs as one `lax.scan` over minibatches, pieces of epochs, measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

import jax.numpy as jnp

import jax
from jax import lax
from nnkit.arrays import Array, Parameters
from nnkit.jax_path import precision
from nnkit.jax_path.jax_gates import adapt_model
from nnkit.jax_path.optimisers import UpdateRule, transpose_matrices
from nnkit.mlp import are_labels


class Carry(NamedTuple):
    """State that is passed from step to step."""

    parameters: Parameters
    memory: Any
    step: Array
    """Number of steps taken."""
    alive: Array
    """False after the first loss that is not finite: then nothing changes any more."""


class TrainingData(NamedTuple):
    """Data of a training: the examples, and those to validate with (or None)."""

    x: Array
    y: Array
    x_val: Array | None = None
    y_val: Array | None = None


@dataclass(frozen=True, eq=False)
class TrainingProgram:
    """Computations of a training, as pure functions to compile (see `CompileCache`).

    Between steps, matrices are stored transposed if the optimiser allows it. XLA's matrix product on a CPU is
    slow at dW = xᵀ @ upstream, since it copies the large xᵀ; dWᵀ = upstreamᵀ @ x transposes the small factor. For
    3072-100-10 and 256 examples a step takes half as long.
    """

    model: Any
    rule: UpdateRule
    dtype: str
    batch_size: int | None
    split_batch: Callable[[Array], Array] = lambda batch: batch
    """Function that puts a batch on its devices, a part on each."""

    @cached_property
    def gradients(self) -> Callable[..., tuple[Array, Parameters]]:
        """Function (parameters, x, y) → (loss, gradients)."""
        return precision.make_gradients(self.model, self.dtype)

    def start(self, parameters: Parameters) -> Carry:
        """Return the carry before the first step."""
        return Carry(parameters, self.rule.init(parameters), jnp.zeros((), jnp.int32), jnp.ones((), bool))

    def run_step(self, carry: Carry, x: Array, y: Array, rate: Array) -> tuple[Carry, Array]:
        """Run forward, backward and update; return the carry and the loss before the update. See `transpose`."""
        loss, gradients = self.gradients(self.transpose(carry.parameters), x, y)
        gradients = self.transpose(gradients)
        alive = carry.alive & jnp.isfinite(loss)
        new = self.rule.update(carry.parameters, gradients, carry.memory, carry.step, rate)
        parameters, memory = jax.tree.map(lambda a, b: jnp.where(alive, a, b), new, carry[:2])
        return Carry(parameters, memory, carry.step + alive, alive), loss

    def transpose(self, tree: Any) -> Any:
        """Transpose parameters, gradients or memory between the two forms: that of the gates and the stored one."""
        return transpose_matrices(tree) if self.rule.allows_transposed else tree

    def run_steps(self, carry: Carry, data: TrainingData, order: Array, rates: Array) -> tuple[Carry, Array]:
        """Run a step for each rate: `order` (n,) numbers the examples, `batch_size` of them a step, fewer in the last.

        Returns the carry and the losses (steps,).
        """
        carry, losses = self._run_steps(self.transpose(carry), data, order, rates)
        return self.transpose(carry), losses

    def _run_steps(self, carry: Carry, data: TrainingData, order: Array, rates: Array) -> tuple[Carry, Array]:
        if self.batch_size is None:
            carry, loss = self.run_step(carry, self.split_batch(data.x), self.split_batch(data.y), rates[0])
            return carry, loss[None]
        full, rest = divmod(order.shape[0], self.batch_size)
        inputs = order[: full * self.batch_size].reshape(full, self.batch_size), rates[:full]

        def one(carry: Carry, given: tuple[Array, Array]) -> tuple[Carry, Array]:
            batch, rate = given
            return self.run_step(
                carry, self.split_batch(_take_rows(data.x, batch)), self.split_batch(_take_rows(data.y, batch)), rate
            )

        carry, losses = lax.scan(one, carry, inputs)
        if not rest:
            return carry, losses
        batch = order[full * self.batch_size :]
        carry, loss = self.run_step(carry, _take_rows(data.x, batch), _take_rows(data.y, batch), rates[full])
        return carry, jnp.append(losses, loss)

    def compute_measures(self, parameters: Parameters, data: TrainingData) -> Parameters:
        """Return what is recorded after an epoch: accuracies if there are labels, the validation loss."""
        model, found = adapt_model(self.model), {}
        accuracy = getattr(model, "accuracy", None)
        if accuracy and are_labels(data.y):
            found["train_accuracy"] = accuracy(parameters, data.x, data.y)
        if data.x_val is not None:
            if accuracy and are_labels(data.y_val):
                found["val_accuracy"] = accuracy(parameters, data.x_val, data.y_val)
            loss = getattr(model, "loss", lambda *given: self.gradients(*given)[0])
            found["val_loss"] = loss(parameters, data.x_val, data.y_val)
        return {name: jnp.asarray(value, self._get_dtype(parameters)) for name, value in found.items()}

    def run_epochs(
        self, carry: Carry, data: TrainingData, orders: Array, rates: Array, count: Array
    ) -> tuple[Carry, Array, Parameters]:
        """Run the first `count` of E epochs, with orders (E, n) and rates (E, steps).

        Returns the carry, the losses (E, steps) and the measures (E,) each; those of epochs that did not run are NaN.
        """
        shapes = jax.eval_shape(self.compute_measures, carry.parameters, data)
        kind = self._get_dtype(carry.parameters)
        kept = jnp.full(rates.shape, jnp.nan, kind), {name: jnp.full(len(rates), jnp.nan, kind) for name in shapes}

        def epoch(e: Array, state: Any) -> Any:
            carry, losses, measures = state
            carry, found = self._run_steps(carry, data, orders[e], rates[e])
            measured = self.compute_measures(self.transpose(carry.parameters), data)
            return carry, losses.at[e].set(found), {name: measures[name].at[e].set(measured[name]) for name in measures}

        carry, losses, measures = lax.fori_loop(0, count, epoch, (self.transpose(carry), *kept))
        return self.transpose(carry), losses, measures

    @staticmethod
    def _get_dtype(parameters: Parameters) -> Any:
        return next(iter(parameters.values())).dtype


def _take_rows(array: Array, batch: Array) -> Array:
    """Return array[batch] without a check of the indices, which come from a permutation."""
    return array.at[batch].get(mode="promise_in_bounds")


class CompileCache:
    """Cache of functions compiled for the shapes of their inputs, with the time that compiling took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._compiled: dict[Any, Any] = {}

    def call(self, function: Callable[..., Any], *inputs: Any, donate: tuple[int, ...] = (0,)) -> Any:
        """Return function(*inputs), compiled; the inputs numbered in `donate` are consumed and their memory reused."""
        return self.compile(function, *inputs, donate=donate)(*inputs)

    def compile(self, function: Callable[..., Any], *inputs: Any, donate: tuple[int, ...] = (0,)) -> Any:
        """Return the function, compiled for inputs of these shapes and dtypes."""
        leaves, tree = jax.tree.flatten(inputs)
        key = (function, donate, tree, *[(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves])
        if key not in self._compiled:
            start = perf_counter()
            self._compiled[key] = jax.jit(function, donate_argnums=donate).lower(*inputs).compile()
            self.seconds += perf_counter() - start
        return self._compiled[key]
