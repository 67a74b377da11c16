"""What the playground trains: a network on points of the plane, some updates at a time, and how it stands."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from nnkit.mlp import MLP
from nnkit.train import SGD, minibatches
from nnkit.train.history import explain_stop

KEPT = 256
"""A curve has at most so many points: of more, every second is forgotten."""


@dataclass
class Curve:
    """Loss and accuracy over the updates, in a room that does not grow with them."""

    points: list[tuple[int, float, float]] = field(default_factory=list)
    stride: int = 1
    """No two points are nearer than this, in updates."""

    def add(self, step: int, loss: float, accuracy: float) -> None:
        if self.points and step < self.points[-1][0] + self.stride:
            return
        self.points.append((step, loss, accuracy))
        if len(self.points) > KEPT:
            self.points = self.points[::2]
            self.stride = max(1, self.points[-1][0] // (KEPT // 2))


@dataclass
class Losses:
    """Of the losses of all updates what `explain_stop` asks: how many there are, the first, and the largest."""

    count: int = 0
    kept: list[float] = field(default_factory=list)

    def add(self, loss: float) -> None:
        self.count += 1
        self.kept = [*self.kept[:1], max([loss, *self.kept])]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[float]:
        return iter(self.kept)

    def __getitem__(self, index: int) -> float:
        return self.kept[index]


@dataclass(frozen=True)
class Standing:
    """How a network does on all its points: `gradients` are those of the next update if that took them all."""

    loss: float
    accuracy: float
    gradients: dict[str, np.ndarray]


class Trainer:
    """A network in training. `x` (N, 2), `labels` (N,), `optimiser` and `batch_size` (None: all points) may change
    from one call to the next; there may be no points at all."""

    def __init__(
        self, model: MLP, x: np.ndarray, labels: np.ndarray, optimiser: SGD, batch_size: int | None, seed: int
    ):
        self.model, self.x, self.labels = model, x, labels
        self.optimiser, self.batch_size = optimiser, batch_size
        self.rng = np.random.default_rng(seed)
        self.parameters = model.init(self.rng)
        self.step = 0
        self.stopped = ""
        """Why there will be no further update, in a sentence."""
        self.curve = Curve()
        self._losses = Losses()
        self._batches: Iterator[np.ndarray] = iter(())
        self._drawn_from = 0

    def advance(self, updates: int, seconds: float = math.inf) -> None:
        """So many updates, or fewer if they take longer than this; none without points, or once it has stopped."""
        end = time.perf_counter() + seconds
        for _ in range(updates if len(self.x) else 0):
            if self.stopped or not self._update() or time.perf_counter() > end:
                break

    def standing(self) -> Standing:
        """Loss, accuracy and gradients on all points; the curve keeps the first two."""
        if not len(self.x):
            return Standing(math.nan, math.nan, {name: np.zeros_like(p) for name, p in self.parameters.items()})
        loss, gradients = self.model.gradients(self.parameters, self.x, self.labels)
        accuracy = self.model.accuracy(self.parameters, self.x, self.labels)
        self.curve.add(self.step, float(loss), accuracy)
        return Standing(float(loss), accuracy, gradients)

    def dead(self, gradients: dict[str, np.ndarray]) -> list[int]:
        """For each hidden layer, how many of its units got no gradient from any of the points."""
        model, pieces = self.model, getattr(self.model.activation, "pieces", 1)
        if not np.any(gradients[f"b{model.depth}"]):  # nothing is left to be learned
            return [0] * (model.depth - 1)
        alive = (
            np.any(gradients[f"W{k}"], axis=0) | (gradients[f"b{k}"] != 0) for k in range(1, model.depth)
        )  # a bool a column
        return [int(np.sum(~columns.reshape(pieces, -1).any(axis=0))) for columns in alive]

    def _update(self) -> bool:
        batch = self._batch()
        x, labels = self.x[batch], self.labels[batch]
        loss, gradients = self.model.gradients(self.parameters, x, labels)
        value, rate = float(loss), self.optimiser.step_size
        if not math.isfinite(value):
            self.stopped = explain_stop(value, cast(Any, self._losses), self.parameters, x, rate)
            return False
        self._losses.add(value)
        self.parameters, _ = self.optimiser.update(self.parameters, gradients, {}, self.step)
        self.step += 1
        return True

    def _batch(self) -> Any:
        """Which points the next update takes: `...` are all of them."""
        size, count = self.batch_size, len(self.x)
        if size is None or size >= count:
            return ...
        if self._drawn_from != count:  # points came or went
            self._batches, self._drawn_from = iter(()), count
        batch = next(self._batches, None)
        if batch is None:
            self._batches = minibatches(count, size, self.rng)
            batch = next(self._batches)
        return batch
