"""An entry of the corpus, and the decorators that make one.

A `Family` is a function with the random inputs at which it is asked for; each way of writing its derivative
is one entry: a gate, a function or a network under a decorator that names the family and the style.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Generator = np.random.Generator


@dataclass(frozen=True)
class Call:
    """The arguments of one check."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Right:
    name: str
    check: str
    """The function of `nnkit.check` that must accept it."""
    make: Callable[[Generator], Call]
    """Fresh random inputs, and the implementation fresh from its class."""


@dataclass(frozen=True)
class Family:
    name: str
    draw: Callable[[Generator], tuple[Any, ...]]
    of: Callable[..., Any]
    """The trusted function: array functions that NumPy and jax.numpy share."""


REGISTERED: list[Right] = []


def _register(check: str, family: Family, style: str, options: Callable[[Generator], dict[str, Any]]) -> Any:
    def decorate(answer: Any) -> Any:
        def make(rng: Generator) -> Call:
            fresh = answer() if isinstance(answer, type) else answer
            return Call((fresh, *family.draw(rng)), options(rng))

        REGISTERED.append(Right(f"{family.name}: {style}", check, make))
        return answer

    return decorate


def _with_rng(family: Family) -> Callable[[Generator], dict[str, Any]]:
    def options(rng: Generator) -> dict[str, Any]:
        seed = {"rng": int(rng.integers(1000))}
        return {**seed, "of": family.of} if rng.random() < 0.5 else seed

    return options


def gate(family: Family, style: str) -> Any:
    """A class (or an object) with forward and backward."""
    return _register("check_backward", family, style, _with_rng(family))


def function(family: Family, style: str) -> Any:
    """inputs → (value, gradients)."""
    return _register("check_gradient", family, style, _with_rng(family))


def loss(family: Family, style: str) -> Any:
    """(prediction, target) → (value, dprediction)."""
    return _register("check_loss", family, style, _with_rng(family))


def network(family: Family, style: str) -> Any:
    """(parameters, *batch) → (loss, gradients), both dicts with the same keys."""
    return _register("check_parameters", family, style, _with_rng(family))


def jacobian(family: Family, style: str, wrt: int = 0) -> Any:
    """inputs → the Jacobian with respect to one of them, of shape (*out, *input)."""
    return _register("check_jacobian", family, style, lambda rng: {"of": family.of, "wrt": wrt})


def step(family: Family, style: str) -> Any:
    """(parameters, *batch, step_size) → new parameters."""
    return _register("check_step", family, style, lambda rng: {"of": family.of, "step_size": step_size(rng)})


def update(family: Family, style: str) -> Any:
    """(weights, gradients, step_size) → new weights."""
    return _register("check_update", family, style, lambda rng: {"step_size": step_size(rng)})


def graph(family: Family, style: str) -> Any:
    """(needs, local, output) → the gradient of the output for every node."""
    return _register("check_graph", family, style, lambda rng: {"rng": int(rng.integers(1000))})


def step_size(rng: Generator) -> float:
    return float(rng.choice([1e-3, 0.01, 0.1, 1.0]))
