"""The plane divided among classes by a classifier, drawn with its data points."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nnkit.view.figures.picture import COLOURS, HATCHES, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Predict = Callable[[np.ndarray], np.ndarray]
"""A function from points (M, 2) to their classes (M,), integers from 0."""


def draw_regions(axes: Axes, predict: Predict, x: np.ndarray, labels: np.ndarray, resolution: int = 160) -> float:
    """Draw the region of each class and the points, and return the share of points in the region of their class."""
    low, high = x.min(axis=0) - 0.15, x.max(axis=0) + 0.15
    across, up = np.meshgrid(np.linspace(low[0], high[0], resolution), np.linspace(low[1], high[1], resolution))
    regions = np.asarray(predict(np.stack([across.ravel(), up.ravel()], axis=1))).reshape(across.shape)
    classes = max(int(labels.max()), int(regions.max())) + 1
    levels = np.arange(classes + 1) - 0.5
    colours = [COLOURS[i % 5] for i in range(classes)]
    axes.contourf(across, up, regions, levels=levels, colors=colours, alpha=0.18, antialiased=False)
    filled = axes.contourf(
        across, up, regions, levels=levels, colors="none", hatches=[HATCHES[i % 5] for i in range(classes)]
    )
    filled.set_edgecolor((0.5, 0.5, 0.5, 0.5))
    filled.set_linewidth(0.0)
    for c in range(int(labels.max()) + 1):
        is_c = labels == c
        axes.plot(
            *x[is_c].T, MARKERS[c % 5], color=colours[c], markersize=4, markeredgecolor="black", markeredgewidth=0.4,
            label=str(c),
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return float(np.mean(np.asarray(predict(x)) == labels))
