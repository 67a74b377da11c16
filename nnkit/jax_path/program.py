"""The compiled programs of a training: epochs as one `lax.scan` over minibatches, pieces of epochs, measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

import jax.numpy as jnp

import jax
from jax import lax
from nnkit.arrays import Array
from nnkit.jax_path import precision
from nnkit.jax_path.jax_gates import adapted_model
from nnkit.jax_path.optimisers import Rule, turned
from nnkit.mlp import are_labels


class Carry(NamedTuple):
    """What goes from step to step."""

    parameters: dict[str, Array]
    memory: Any
    step: Array
    """How many steps were taken."""
    alive: Array
    """False from the first loss on that is not finite: nothing changes any more."""


class Data(NamedTuple):
    """What stays: the examples, and those to validate with (None without)."""

    x: Array
    y: Array
    x_val: Array | None = None
    y_val: Array | None = None


@dataclass(frozen=True, eq=False)
class Program:
    """How a training is computed; its methods are pure functions, to be compiled (see `Compiler`).

    From step to step, matrices are kept transposed where the optimiser allows it. XLA's matrix product on a CPU is
    slow at dW = xᵀ @ upstream, for it copies the large xᵀ; dWᵀ = upstreamᵀ @ x transposes the small factor. For
    3072-100-10 and 256 examples a step takes half as long.
    """

    model: Any
    rule: Rule
    dtype: str
    batch_size: int | None
    share: Callable[[Array], Array] = lambda batch: batch
    """Puts a batch where it is computed: on several devices, a part on each."""

    @cached_property
    def gradients(self) -> Callable[..., tuple[Array, dict[str, Array]]]:
        return precision.gradients_in(self.model, self.dtype)

    def begin(self, parameters: dict[str, Array]) -> Carry:
        """The carry before the first step."""
        return Carry(parameters, self.rule.init(parameters), jnp.zeros((), jnp.int32), jnp.ones((), bool))

    def step(self, carry: Carry, x: Array, y: Array, rate: Array) -> tuple[Carry, Array]:
        """Forward, backward, update; the loss before the update. The carry is turned (see `turn`)."""
        loss, gradients = self.gradients(self.turn(carry.parameters), x, y)
        gradients = self.turn(gradients)
        alive = carry.alive & jnp.isfinite(loss)
        new = self.rule.update(carry.parameters, gradients, carry.memory, carry.step, rate)
        parameters, memory = jax.tree.map(lambda a, b: jnp.where(alive, a, b), new, carry[:2])
        return Carry(parameters, memory, carry.step + alive, alive), loss

    def turn(self, tree: Any) -> Any:
        """Parameters, gradients or memory between the two forms: as the gates have them, and as they are kept."""
        return turned(tree) if self.rule.turns else tree

    def steps(self, carry: Carry, data: Data, order: Array, rates: Array) -> tuple[Carry, Array]:
        """A step for each rate: `order` (n,) numbers the examples, `batch_size` of them a step, fewer in the last.

        Returns the carry and the losses (steps,).
        """
        carry, losses = self._steps(self.turn(carry), data, order, rates)
        return self.turn(carry), losses

    def _steps(self, carry: Carry, data: Data, order: Array, rates: Array) -> tuple[Carry, Array]:
        if self.batch_size is None:
            carry, loss = self.step(carry, self.share(data.x), self.share(data.y), rates[0])
            return carry, loss[None]
        full, rest = divmod(order.shape[0], self.batch_size)
        inputs = order[: full * self.batch_size].reshape(full, self.batch_size), rates[:full]

        def one(carry: Carry, given: tuple[Array, Array]) -> tuple[Carry, Array]:
            batch, rate = given
            return self.step(carry, self.share(_rows(data.x, batch)), self.share(_rows(data.y, batch)), rate)

        carry, losses = lax.scan(one, carry, inputs)
        if not rest:
            return carry, losses
        batch = order[full * self.batch_size :]
        carry, loss = self.step(carry, _rows(data.x, batch), _rows(data.y, batch), rates[full])
        return carry, jnp.append(losses, loss)

    def measures(self, parameters: dict[str, Array], data: Data) -> dict[str, Array]:
        """What is recorded after an epoch: accuracies where there are labels, the validation loss."""
        model, found = adapted_model(self.model), {}
        accuracy = getattr(model, "accuracy", None)
        if accuracy and are_labels(data.y):
            found["train_accuracy"] = accuracy(parameters, data.x, data.y)
        if data.x_val is not None:
            if accuracy and are_labels(data.y_val):
                found["val_accuracy"] = accuracy(parameters, data.x_val, data.y_val)
            loss = getattr(model, "loss", lambda *given: self.gradients(*given)[0])
            found["val_loss"] = loss(parameters, data.x_val, data.y_val)
        return {name: jnp.asarray(value, self._kind(parameters)) for name, value in found.items()}

    def epochs(
        self, carry: Carry, data: Data, orders: Array, rates: Array, count: Array
    ) -> tuple[Carry, Array, dict[str, Array]]:
        """The first `count` of so many epochs as orders (E, n) and rates (E, steps) tell.

        Returns the carry, the losses (E, steps) and the measures (E,) each; those of epochs not taken are NaN.
        """
        shapes = jax.eval_shape(self.measures, carry.parameters, data)
        kind = self._kind(carry.parameters)
        kept = jnp.full(rates.shape, jnp.nan, kind), {name: jnp.full(len(rates), jnp.nan, kind) for name in shapes}

        def epoch(e: Array, state: Any) -> Any:
            carry, losses, measures = state
            carry, found = self._steps(carry, data, orders[e], rates[e])
            measured = self.measures(self.turn(carry.parameters), data)
            return carry, losses.at[e].set(found), {name: measures[name].at[e].set(measured[name]) for name in measures}

        carry, losses, measures = lax.fori_loop(0, count, epoch, (self.turn(carry), *kept))
        return self.turn(carry), losses, measures

    @staticmethod
    def _kind(parameters: dict[str, Array]) -> Any:
        return next(iter(parameters.values())).dtype


def _rows(array: Array, batch: Array) -> Array:
    """array[batch], without a look at whether the numbers are in range: they come from a permutation."""
    return array.at[batch].get(mode="promise_in_bounds")


class Compiler:
    """Compiles functions for the shapes that they are first called with, and tells how long that took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._compiled: dict[Any, Any] = {}

    def call(self, function: Callable[..., Any], *inputs: Any, donate: tuple[int, ...] = (0,)) -> Any:
        """function(*inputs), compiled; the inputs numbered in `donate` are used up, their memory used again."""
        return self.compiled(function, *inputs, donate=donate)(*inputs)

    def compiled(self, function: Callable[..., Any], *inputs: Any, donate: tuple[int, ...] = (0,)) -> Any:
        leaves, tree = jax.tree.flatten(inputs)
        key = (function, donate, tree, *[(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves])
        if key not in self._compiled:
            start = perf_counter()
            self._compiled[key] = jax.jit(function, donate_argnums=donate).lower(*inputs).compile()
            self.seconds += perf_counter() - start
        return self._compiled[key]
