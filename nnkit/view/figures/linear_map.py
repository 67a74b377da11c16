"""A figure of lecture 03: what a function does to a small square, and what its Jacobian makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnkit.jacobian import jacobian
from nnkit.view.figures.picture import BLUE, ORANGE, Picture, create_panels, format_number, format_point

LINES_ACROSS = 7
POINTS_ON_A_LINE = 41


def best_linear_map(function: Callable[[Any], Any], at: Sequence[float], size: float = 0.5) -> Picture:
    """Draw the square at + h, each nudge at most `size`, and both its images: out(at + h), and out(at) + J h.

    `function` takes two numbers (2,) to two others. The smaller the square, the closer the images.
    """
    x = np.asarray(at, dtype=float)
    out, J = np.asarray(function(x)), jacobian(function, x)
    nudges = draw_square(size)
    bent = np.array([[function(x + h) for h in line] for line in nudges])
    straight = out + nudges @ J.T
    figure, (left, right) = create_panels(1, 2, (8.6, 3.9))
    left.plot(*np.moveaxis(x + nudges, -1, 0).swapaxes(1, 2), color=BLUE, linewidth=1)
    right.plot(*np.moveaxis(straight, -1, 0).swapaxes(1, 2), color=ORANGE, linestyle="--", linewidth=1)
    right.plot(*np.moveaxis(bent, -1, 0).swapaxes(1, 2), color=BLUE, linewidth=1)
    for axes, point in ((left, x), (right, out)):
        axes.plot(*point, "o", color=BLUE)
        axes.set_aspect("equal", adjustable="datalim")
    left.set(title=f"x + h, each nudge at most {format_number(size)}", xlabel="x[0]", ylabel="x[1]")
    right.set(title="out(x + h), and dashed out + J h", xlabel="out[0]", ylabel="out[1]")
    gap = float(np.linalg.norm(bent - straight, axis=-1).max())
    reach = float(np.linalg.norm(straight - out, axis=-1).max())
    moved = f"a square around x = {format_point(x)} that reaches {format_number(size)} to each side"
    images = "Right, where the function takes it, bent, and dashed where J takes it, straight"
    share = f"They are at most {format_number(gap)} apart, {gap / reach:.1%} of the way from the middle to a corner"
    return Picture(figure, f"Left, {moved}. {images}. {share}.")


def draw_square(size: float) -> np.ndarray:
    """Return the points of a grid, line by line, (lines, points, 2): first lines along one axis, then the other."""
    across, along = np.linspace(-size, size, LINES_ACROSS), np.linspace(-size, size, POINTS_ON_A_LINE)
    flat = np.stack(np.meshgrid(across, along, indexing="ij"), axis=-1)
    return np.concatenate([flat, flat[..., ::-1]])
