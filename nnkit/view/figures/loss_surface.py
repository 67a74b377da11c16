"""The loss of a neuron with two weights: the data, the loss and its gradient, gradient descent, and the contours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.view.figures.picture import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def neuron_data(points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return two fixed overlapping clouds, x (N, 2) and t (N,) of −1 and 1; x[:, 0] varies more than x[:, 1]."""
    rng = np.random.default_rng(4)
    t = np.where(np.arange(points) % 2 == 0, 1.0, -1.0)
    x = t[:, None] * (0.7, 0.5) + rng.normal(size=(points, 2)) * (1.6, 0.5)
    return x, t


def neuron_loss(W: Any, x: np.ndarray, t: np.ndarray) -> Any:
    """Return the mean over the points of ln(1 + e^(−t x·W)), the loss of a sigmoid neuron. W is (2, ...)."""
    scores = np.tensordot(x, W, axes=1)
    return np.logaddexp(0.0, -t.reshape(-1, *[1] * (scores.ndim - 1)) * scores).mean(axis=0)


def neuron_gradient(W: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return dW (2,) of `neuron_loss`: the mean of −t σ(−t x·W) x."""
    pull = -t / (1 + np.exp(t * (x @ W)))
    dW: np.ndarray = pull @ x / len(t)
    return dW


def descend(
    step_size: float, momentum: float = 0.0, batch_size: int | None = None, steps: int = 40, start: Any = (-1.5, -0.5)
) -> np.ndarray:
    """Return the neuron's weights before the first update and after each, (steps + 1, 2).

    Each step uses the gradient of a fresh random batch of `batch_size` points (None: of all points).
    """
    x, t = neuron_data()
    rng = np.random.default_rng(0)
    W, velocity = np.asarray(start, dtype=float), np.zeros(2)
    path = [W]
    for _ in range(steps):
        batch = slice(None) if batch_size is None else rng.choice(len(t), batch_size, replace=False)
        velocity = momentum * velocity + neuron_gradient(W, x[batch], t[batch])
        W = W - step_size * velocity
        path.append(W)
    return np.array(path)


def draw_surface(axes: Axes, path: np.ndarray) -> np.ndarray:
    """Draw the contours of the neuron's loss around a path, and return the losses along it."""
    x, t = neuron_data()
    low, high = np.minimum(path.min(axis=0), (-2.0, -1.0)) - 0.3, np.maximum(path.max(axis=0), (2.0, 4.0)) + 0.3
    grid = np.array(np.meshgrid(np.linspace(low[0], high[0], 90), np.linspace(low[1], high[1], 90)))
    levels = [0.36, 0.4, 0.45, 0.55, 0.7, 0.9, 1.2, 1.6, 2.2, 3.0]
    lines = axes.contour(*grid, neuron_loss(grid, x, t), levels=levels, colors=BLUE, linewidths=0.8)
    axes.clabel(lines, fontsize=8)
    axes.set(xlabel="W[0]", ylabel="W[1]")
    losses: np.ndarray = neuron_loss(path.T, x, t)
    return losses
