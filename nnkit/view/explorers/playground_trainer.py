"""The training of the playground: a network on points of the plane, some updates at a time, and its metrics."""

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

MAX_CURVE_POINTS = 256
"""The largest number of points of a curve; beyond it every second point is dropped."""


@dataclass
class TrainingCurve:
    """Loss, accuracy and test loss (NaN without a test set) over the updates, in bounded memory."""

    points: list[tuple[int, float, float, float]] = field(default_factory=list)
    stride: int = 1
    """The smallest distance of two points, in updates."""

    def add(self, step: int, loss: float, accuracy: float, test_loss: float = math.nan) -> None:
        if self.points and step < self.points[-1][0] + self.stride:
            return
        self.points.append((step, loss, accuracy, test_loss))
        if len(self.points) > MAX_CURVE_POINTS:
            self.points = self.points[::2]
            self.stride = max(1, self.points[-1][0] // (MAX_CURVE_POINTS // 2))


@dataclass
class LossSummary:
    """A summary of the losses of all updates, as `explain_stop` needs it: their number, the first, and the largest."""

    count: int = 0
    extremes: list[float] = field(default_factory=list)

    def add(self, loss: float) -> None:
        self.count += 1
        self.extremes = [*self.extremes[:1], max([loss, *self.extremes])]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[float]:
        return iter(self.extremes)

    def __getitem__(self, index: int) -> float:
        return self.extremes[index]


@dataclass(frozen=True)
class Metrics:
    """Loss, accuracy and gradients on all points of the training set; loss and accuracy on the test set."""

    loss: float
    accuracy: float
    gradients: dict[str, np.ndarray]
    test_loss: float = math.nan
    test_accuracy: float = math.nan


class Trainer:
    """A network in training.

    `x` (N, 2), `labels` (N,), `optimiser` and `batch_size` (None: all points) may change from one call to the next;
    there may be no points.
    """

    def __init__(
        self, model: MLP, x: np.ndarray, labels: np.ndarray, optimiser: SGD, batch_size: int | None, seed: int
    ):
        self.model, self.x, self.labels = model, x, labels
        self.optimiser, self.batch_size = optimiser, batch_size
        self.test: tuple[np.ndarray, np.ndarray] = (np.zeros((0, 2)), np.zeros(0, int))
        """Points and labels that the network is not trained on."""
        self.rng = np.random.default_rng(seed)
        self.parameters = model.init(self.rng)
        self.step = 0
        self.stopped = ""
        """The reason why there will be no further update, in a sentence; "" while there is none."""
        self.curve = TrainingCurve()
        self._losses = LossSummary()
        self._batches: Iterator[np.ndarray] = iter(())
        self._shuffled_count = 0

    def advance(self, updates: int, seconds: float = math.inf) -> None:
        """Run up to `updates` updates in up to `seconds`; none without points, or once it has stopped."""
        end = time.perf_counter() + seconds
        for _ in range(updates if len(self.x) else 0):
            if self.stopped or not self._update() or time.perf_counter() > end:
                break

    def measure(self) -> Metrics:
        """Return the metrics of the network as it is now, and add them to the curve."""
        if not len(self.x):
            return Metrics(math.nan, math.nan, {name: np.zeros_like(p) for name, p in self.parameters.items()})
        loss, gradients = self.model.gradients(self.parameters, self.x, self.labels)
        accuracy = self.model.accuracy(self.parameters, self.x, self.labels)
        test_loss = test_accuracy = math.nan
        if len(self.test[0]):
            test_loss = float(self.model.loss(self.parameters, *self.test))
            test_accuracy = float(self.model.accuracy(self.parameters, *self.test))
        self.curve.add(self.step, float(loss), accuracy, test_loss)
        return Metrics(float(loss), accuracy, gradients, test_loss, test_accuracy)

    def compute_units(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of every layer at points x: the points themselves, the hidden layers, the scores."""
        layers = [x]
        for k in range(1, self.model.depth + 1):
            h, _ = self.model.affine.forward(layers[-1], self.parameters[f"W{k}"], self.parameters[f"b{k}"])
            layers.append(self.model.activation.forward(h)[0] if k < self.model.depth else h)
        return layers

    def has_silent_layers(self, gradients: dict[str, np.ndarray]) -> bool:
        """Return True if all gradients of the hidden layers are 0, and not because training has converged."""
        depth = self.model.depth
        hidden = [gradients[f"{kind}{k}"] for k in range(1, depth) for kind in "Wb"]
        return bool(hidden and np.any(gradients[f"b{depth}"]) and not any(np.any(g) for g in hidden))

    def count_dead_units(self, gradients: dict[str, np.ndarray]) -> list[int]:
        """Return for each hidden layer the number of units that get no gradient from any of the points."""
        model, pieces = self.model, getattr(self.model.activation, "pieces", 1)
        if not np.any(gradients[f"b{model.depth}"]):  # the gradient is zero: training has converged
            return [0] * (model.depth - 1)
        alive = (
            np.any(gradients[f"W{k}"], axis=0) | (gradients[f"b{k}"] != 0) for k in range(1, model.depth)
        )  # one bool per column
        return [int(np.sum(~columns.reshape(pieces, -1).any(axis=0))) for columns in alive]

    def _update(self) -> bool:
        batch = self._next_batch()
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

    def _next_batch(self) -> Any:
        """Return the indices of the next batch; `...` for all points."""
        size, count = self.batch_size, len(self.x)
        if size is None or size >= count:
            return ...
        if self._shuffled_count != count:  # points were added or removed
            self._batches, self._shuffled_count = iter(()), count
        batch = next(self._batches, None)
        if batch is None:
            self._batches = minibatches(count, size, self.rng)
            batch = next(self._batches)
        return batch
