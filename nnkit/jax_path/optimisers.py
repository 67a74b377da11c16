"""A common form for all optimisers: the kit's `SGD`, as a chain of optax; those of optax; and a learner's own."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

import jax
from nnkit.arrays import Parameters
from nnkit.train import SGD
from nnkit.train.checkpoints import describe_object


@dataclass(frozen=True)
class UpdateRule:
    """Update of the parameters in the form that a compiled step needs."""

    init: Callable[[Parameters], Any]
    """Function: parameters ↦ the memory before the first step, a tree of arrays."""
    update: Callable[[Parameters, Parameters, Any, Any, Any], tuple[Parameters, Any]]
    """Function: (parameters, gradients, memory, number of the step, step size) ↦ the new parameters and memory."""
    get_rates: Callable[[int, int], np.ndarray] | None = None
    """Function: (first step, count) ↦ the step sizes, if known beforehand (a schedule is a Python function)."""
    description: str = ""
    """Text that a checkpoint must agree with."""
    allows_transposed: bool = False
    """True if the update of a transposed matrix is the transposed update: the program may keep matrices transposed."""


def transpose_matrices(tree: Any) -> Any:
    """Transpose every matrix of a tree; other arrays stay as they are."""
    return jax.tree.map(lambda a: a.T if a.ndim == 2 else a, tree)


def make_update_rule(optimiser: Any = None) -> UpdateRule:
    """Return the update rule of `SGD` (the default), of an optax `GradientTransformation`, or of an object with the
    methods init(parameters) and update(parameters, gradients, memory, step), as `nnkit.train.fit` accepts it.

    Raises TypeError for anything else.
    """
    optimiser = SGD() if optimiser is None else optimiser
    if isinstance(optimiser, SGD):
        return _make_sgd_rule(optimiser)
    if isinstance(optimiser, optax.GradientTransformation):
        return _make_optax_rule(optimiser)
    if callable(getattr(optimiser, "init", None)) and callable(getattr(optimiser, "update", None)):
        return _make_method_rule(optimiser)
    raise TypeError(f"optimiser must be SGD, one of optax, or have the methods init and update; not {optimiser!r}.")


def make_sgd_transform(momentum: float, weight_decay: Any) -> optax.GradientTransformation:
    """Return optax's transform for v ← momentum · v + dW + weight_decay · W; biases do not decay."""
    parts = []
    if isinstance(weight_decay, jax.Array) or weight_decay:
        parts.append(optax.add_decayed_weights(weight_decay, mask=lambda p: jax.tree.map(lambda a: a.ndim > 1, p)))
    if momentum:
        parts.append(optax.trace(decay=momentum))
    return optax.chain(*parts) if parts else optax.identity()


def apply_directions(parameters: Parameters, directions: Any, rate: Any) -> Any:
    """Return W - rate · v for every parameter, in its dtype."""
    return jax.tree.map(lambda p, v: p - jnp.asarray(rate, p.dtype) * v.astype(p.dtype), parameters, directions)


def _make_sgd_rule(optimiser: SGD) -> UpdateRule:
    transform = make_sgd_transform(optimiser.momentum, optimiser.weight_decay)

    def update(parameters: Parameters, gradients: Parameters, memory: Any, step: Any, rate: Any) -> Any:
        directions, memory = transform.update(gradients, memory, parameters)
        return apply_directions(parameters, directions, rate), memory

    def rates(first: int, count: int) -> np.ndarray:
        if optimiser.schedule is None:
            return np.full(count, optimiser.step_size)
        return np.array([optimiser.rate(step) for step in range(first, first + count)])

    return UpdateRule(transform.init, update, rates, describe_object(optimiser), allows_transposed=True)


def _make_optax_rule(transform: optax.GradientTransformation) -> UpdateRule:
    def update(parameters: Parameters, gradients: Parameters, memory: Any, step: Any, rate: Any) -> Any:
        updates, memory = transform.update(gradients, memory, parameters)
        return optax.apply_updates(parameters, updates), memory

    return UpdateRule(
        transform.init,
        update,
        description=_fingerprint_transform(transform),
        allows_transposed=_commutes_with_transposition(transform),
    )


def _commutes_with_transposition(transform: optax.GradientTransformation) -> bool:
    """Return True if a trial step commutes with transposition, as with Adam; not if it uses rows or columns."""
    p = {"W": jnp.asarray(np.random.default_rng(0).normal(size=(129, 130)), jnp.float32)}  # Adafactor factors 128 up
    try:
        memory = transform.init(p)
        straight, _ = jax.jit(transform.update)(p, memory, p)
        across, _ = jax.jit(transform.update)(transpose_matrices(p), transpose_matrices(memory), transpose_matrices(p))
    except (TypeError, ValueError, KeyError):
        return False
    same: Any = jax.tree.map(
        lambda a, b: a.shape == b.shape and bool((a == b).all()), straight, transpose_matrices(across)
    )
    return all(jax.tree.leaves(same))


def _make_method_rule(optimiser: Any) -> UpdateRule:
    def update(parameters: Parameters, gradients: Parameters, memory: Any, step: Any, rate: Any) -> Any:
        return optimiser.update(parameters, gradients, memory, step)

    return UpdateRule(optimiser.init, update, description=describe_object(optimiser))


def _fingerprint_transform(transform: optax.GradientTransformation) -> str:
    """Return a checksum of the optimiser's program, which contains all its settings; its repr does not."""
    like = {"W": jnp.zeros((2, 2)), "b": jnp.zeros(2)}
    try:
        program = str(jax.make_jaxpr(transform.update)(like, transform.init(like), like))
    except (TypeError, ValueError, KeyError):  # it needs the real parameters' names
        return "optax"
    return f"optax, checksum {zlib.crc32(program.encode()):08x}"
