"""Stochastic gradient descent, and schedules for its step size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnkit.arrays import Parameters, get_namespace


@dataclass(frozen=True)
class SGD:
    """W ← W - rate · v, where v ← momentum · v + dW + weight_decay · W, and rate = step_size · schedule(step).

    Without momentum and weight decay, v is the gradient dW alone. Weight decay pulls weights towards zero (the
    gradient of ½ · weight_decay · ‖W‖², which the recorded loss does not include), but not biases: it applies to
    parameters with two axes or more. `schedule` maps the number of steps already taken, 0 at first, to a factor.

    An optimiser of your own has the same two methods; its memory is a dict of arrays.
    """

    step_size: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: Callable[[int], float] | None = None

    def __post_init__(self) -> None:
        for name in ("step_size", "momentum", "weight_decay"):  # NumPy's 0.1 would turn float32 into float64
            object.__setattr__(self, name, float(getattr(self, name)))
        if not 0 <= self.step_size < math.inf:
            raise ValueError(f"step_size must be a number of 0 or more, not {self.step_size:g}.")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be at least 0 and less than 1, not {self.momentum:g}.")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be a number of 0 or more, not {self.weight_decay:g}.")

    def rate(self, step: int) -> float:
        """Return the step size at this step."""
        return self.step_size if self.schedule is None else self.step_size * float(self.schedule(step))

    def init(self, parameters: Parameters) -> Parameters:
        """Return the memory before the first step: zero velocities, or nothing without momentum."""
        return {name: get_namespace(p).zeros_like(p) for name, p in parameters.items()} if self.momentum else {}

    def update(
        self, parameters: Parameters, gradients: Parameters, memory: Parameters, step: int
    ) -> tuple[Parameters, Parameters]:
        """Return the new parameters and the new memory; the old ones are left alone."""
        rate, moved, velocities = self.rate(step), {}, {}
        for name, p in parameters.items():
            v = gradients[name]
            if self.weight_decay and np.ndim(p) > 1:
                v = v + self.weight_decay * p
            if self.momentum:
                v = velocities[name] = self.momentum * memory[name] + v
            moved[name] = p - rate * v
        return moved, velocities


@dataclass(frozen=True)
class cosine:
    """Schedule from 1 at step 0 down to `floor` at step `steps` along half a cosine; `floor` from then on."""

    steps: int
    floor: float = 0.0

    def __post_init__(self) -> None:
        _require_positive("cosine(steps)", self.steps)

    def __call__(self, step: int) -> float:
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(step / self.steps, 1.0))) / 2


@dataclass(frozen=True)
class step_decay:
    """Schedule that multiplies by `factor` after every `every` steps: 1, then factor, then factor²."""

    every: int
    factor: float = 0.5

    def __post_init__(self) -> None:
        _require_positive("step_decay(every)", self.every)

    def __call__(self, step: int) -> float:
        return float(self.factor ** (step // self.every))


@dataclass(frozen=True)
class warmup:
    """Schedule from 1/steps at step 0 up to 1 in a straight line; then 1, or the schedule `then`, from its step 0."""

    steps: int
    then: Callable[[int], float] | None = None

    def __post_init__(self) -> None:
        _require_positive("warmup(steps)", self.steps)

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return (step + 1) / self.steps
        return 1.0 if self.then is None else self.then(step - self.steps)


def _require_positive(what: str, value: int) -> None:
    if not value > 0:
        raise ValueError(f"{what} must be a positive number of steps, not {value}.")
