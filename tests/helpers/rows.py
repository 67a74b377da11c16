"""A row for each gate: its inputs, and the same function in jax.numpy, whose derivative it must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

import jax
from nnkit import gates

Inputs = tuple[Any, ...]
Rng = np.random.Generator


def apart(*shape: int) -> Callable[[Rng], np.ndarray]:
    """Numbers of both signs, all different and at least 0.05 from 0 and from one another: no kink is near."""

    def make(rng: Rng) -> np.ndarray:
        size = int(np.prod(shape, dtype=int))
        values = (np.arange(size) + 1 + rng.uniform(0.0, 0.4, size)) * (2.0 / size)
        return (rng.permutation(values) * rng.choice([-1.0, 1.0], size)).reshape(shape)

    return make


def positive(*shape: int) -> Callable[[Rng], np.ndarray]:
    return lambda rng: rng.uniform(0.4, 2.5, shape)


def labels(count: int, classes: int) -> Callable[[Rng], np.ndarray]:
    return lambda rng: rng.integers(0, classes, count)


@dataclass(frozen=True)
class Row:
    """A gate, how to make its inputs, and the same function in jax.numpy."""

    gate: Any
    makers: tuple[Callable[[Rng], np.ndarray], ...]
    reference: Callable[..., Any]

    def inputs(self, rng: Rng) -> Inputs:
        return tuple(make(rng) for make in self.makers)

    def __str__(self) -> str:
        return f"{self.gate} of {' '.join(str(np.shape(x)) for x in self.inputs(np.random.default_rng(0)))}"


def cross_entropy(logits: Any, labels: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def maxout(pieces: int) -> Callable[[Any], Any]:
    return lambda x: jnp.max(x.reshape(*x.shape[:-1], pieces, -1), axis=-2)


ROWS = (
    Row(gates.Add(), (apart(3, 4), apart(3, 4)), jnp.add),
    Row(gates.Add(), (apart(5, 3, 4), apart(3, 1)), jnp.add),
    Row(gates.Subtract(), (apart(4), apart(3, 4)), jnp.subtract),
    Row(gates.Multiply(), (apart(3, 1), apart(4)), jnp.multiply),
    Row(gates.Divide(), (apart(2, 3), positive(4, 1, 3)), jnp.divide),
    Row(gates.Negate(), (apart(2, 3),), jnp.negative),
    Row(gates.Reciprocal(), (positive(2, 3),), jnp.reciprocal),
    Row(gates.Exp(), (apart(2, 3),), jnp.exp),
    Row(gates.Log(), (positive(2, 3),), jnp.log),
    Row(gates.Power(), (apart(2, 3),), lambda x: x**2),
    Row(gates.Power(3), (apart(2, 3),), lambda x: x**3),
    Row(gates.Power(-1.5), (positive(2, 3),), lambda x: x**-1.5),
    Row(gates.Power(0), (apart(2, 3),), lambda x: x**0),
    Row(gates.Max(), (apart(3, 4), lambda rng: 0.3 * apart(3, 4)(rng) + 5 * rng.choice([-1, 1], (3, 4))), jnp.maximum),
    Row(gates.Max(), (apart(3, 4), lambda rng: np.full((5, 1, 1), 0.01)), jnp.maximum),
    Row(gates.Copy(), (apart(2, 3),), lambda x: (x, x)),
    Row(gates.Copy(3), (apart(4),), lambda x: (x, x, x)),
    Row(gates.Sum(), (apart(2, 3, 4),), jnp.sum),
    Row(gates.Sum(axis=1), (apart(2, 3, 4),), lambda x: jnp.sum(x, axis=1)),
    Row(gates.Sum(axis=-1), (apart(2, 3),), lambda x: jnp.sum(x, axis=-1)),
    Row(gates.SquaredNorm(), (apart(2, 3),), lambda x: jnp.sum(x**2)),
    Row(gates.Sigmoid(), (apart(2, 3),), jax.nn.sigmoid),
    Row(gates.Tanh(), (apart(2, 3),), jnp.tanh),
    Row(gates.ReLU(), (apart(2, 3),), jax.nn.relu),
    Row(gates.LeakyReLU(), (apart(2, 3),), jax.nn.leaky_relu),
    Row(gates.LeakyReLU(0.3), (apart(5),), lambda x: jax.nn.leaky_relu(x, 0.3)),
    Row(gates.ELU(), (apart(2, 3),), jax.nn.elu),
    Row(gates.ELU(1.7), (apart(5),), lambda x: jax.nn.elu(x, 1.7)),
    Row(gates.Maxout(), (apart(3, 8),), maxout(2)),
    Row(gates.Maxout(3), (apart(2, 5, 6),), maxout(3)),
    Row(gates.MatMul(), (apart(2, 3), apart(3, 4)), jnp.matmul),
    Row(gates.MatMul(), (apart(3), apart(3, 4)), jnp.matmul),
    Row(gates.MatMul(), (apart(2, 3), apart(3)), jnp.matmul),
    Row(gates.MatMul(), (apart(3), apart(3)), jnp.matmul),
    Row(gates.Affine(), (apart(2, 3), apart(3, 4), apart(4)), lambda x, w, b: x @ w + b),
    Row(gates.Affine(), (apart(3), apart(3, 4), apart(4)), lambda x, w, b: x @ w + b),
    Row(gates.SoftmaxCrossEntropy(), (apart(3, 4), labels(3, 4)), cross_entropy),
    Row(gates.SquaredError(), (apart(2, 3), apart(2, 3)), lambda p, t: jnp.sum((p - t) ** 2)),
)


def is_float(x: Any) -> bool:
    return np.asarray(x).dtype.kind == "f"


def random_like(rng: Rng, out: Any) -> Any:
    """An upstream gradient for `out`: random, never ones; a tuple for the copy gate."""
    if isinstance(out, tuple):
        return tuple(random_like(rng, branch) for branch in out)
    return np.asarray(rng.normal(size=np.shape(out)) + 0.1, dtype=np.asarray(out).dtype)[()]


def prepared(row: Row, seed: int) -> tuple[Inputs, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    inputs = row.inputs(rng)
    out, cache = row.gate.forward(*inputs)
    return inputs, out, cache, random_like(rng, out)


def jax_gradients(row: Row, inputs: Inputs, upstream: Any) -> list[Any]:
    """jax.vjp of the reference: one gradient for each float input, None for labels."""
    floats = [i for i, x in enumerate(inputs) if is_float(x)]

    def function(*moved: Any) -> Any:
        together = dict(enumerate(inputs)) | dict(zip(floats, moved))
        return row.reference(*together.values())

    _, pull = jax.vjp(function, *(jnp.asarray(inputs[i]) for i in floats))
    pulled = dict(zip(floats, pull(jax.tree.map(jnp.asarray, upstream))))
    return [pulled.get(i) for i in range(len(inputs))]


def assert_same(ours: Any, theirs: Any, rtol: float = 1e-12) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_allclose(np.asarray(mine), np.asarray(other), rtol=rtol, atol=rtol)
