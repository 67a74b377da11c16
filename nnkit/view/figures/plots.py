"""Figures of lectures 00 and 01: a tangent, and gradient descent on the loss of one weight and of two.

Each function returns a `Picture` (`nnkit.view.figures.picture`), a figure with a description, or an animation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.view.figures.animation import build_animation
from nnkit.view.figures.picture import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Picture,
    create_axes,
    format_number,
    format_numbers,
    format_point,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scalar = Callable[[Any], Any]


def square_loss(W: Any) -> Any:
    """Return (W - 3)², the loss of one weight that `update_step` descends; its minimum is at W = 3."""
    return (W - 3.0) ** 2


def square_loss_gradient(W: Any) -> Any:
    """Return dW = 2 (W - 3)."""
    return 2.0 * (W - 3.0)


def valley(W: Any) -> Any:
    """Return W₀² + 8 W₁², a loss of two weights, flat along the first and steep along the second. W is (2, ...)."""
    return W[0] ** 2 + 8.0 * W[1] ** 2


def valley_gradient(W: Any) -> Any:
    """Return dW = (2 W₀, 16 W₁)."""
    return np.array([2.0 * W[0], 16.0 * W[1]])


def descend(gradient: Scalar, start: Any, step_size: float, steps: int) -> np.ndarray:
    """Return the weights before the first update and after each one, (steps + 1, *W)."""
    W, path = np.asarray(start, dtype=float), []
    for _ in range(steps + 1):
        path.append(W)
        W = W - step_size * gradient(W)
    return np.array(path)


def tangent(function: Scalar, at: float, slope: float, reach: float = 1.5) -> Picture:
    """Draw a curve, a point on it, and the straight line of the given slope through the point."""
    figure, axes = create_axes()
    x = np.linspace(at - reach, at + reach, 200)
    y = float(function(at))
    axes.plot(x, function(x), color=BLUE, label="the function")
    axes.plot(x, y + slope * (x - at), color=ORANGE, linestyle="--", label=f"slope {slope:.4g}")
    axes.plot(at, y, "o", color=ORANGE, label=f"x = {at:.4g}, f = {y:.4g}")
    axes.set(xlabel="x", ylabel="f(x)", title="A derivative is the slope of the line that touches")
    axes.legend()
    point = f"x = {format_number(at)}, f = {format_number(y)}"
    text = f"A curve through the point {point}, and the line of slope {format_number(slope)} through it."
    return Picture(figure, " ".join([text, *(_describe_gap(function, at, slope, side) for side in (-0.5, 0.5))]))


def _describe_gap(function: Scalar, at: float, slope: float, side: float) -> str:
    """Say how far the line is above or below the curve, `side` away from the point.

    A tangent is on the same side of a curve to the left and to the right of the point.
    """
    gap = float(function(at)) + slope * side - float(function(at + side))
    place = (
        "on the curve" if abs(gap) < 1e-9 else f"{format_number(abs(gap))} {'above' if gap > 0 else 'below'} the curve"
    )
    return f"At x = {format_number(at + side)} the line is {place}."


def update_step(step_size: float = 0.1, start: float = 0.0, steps: int = 5) -> Picture:
    """Draw `W -= step_size * dW`: the loss of one weight, and the weight after each update."""
    figure, axes = create_axes()
    path = descend(square_loss_gradient, start, step_size, steps)
    W = _spread_weights(path)
    axes.plot(W, square_loss(W), color=BLUE, label="loss")
    for before, after in pairwise(path):
        _draw_arrow(axes, (before, square_loss(before)), (after, square_loss(after)))
    axes.plot(path, square_loss(path), "o", color=ORANGE, label="W after 0, 1, 2, ... updates")
    for i in (0, len(path) - 1):
        axes.annotate(f"{i}", (path[i], square_loss(path[i])), textcoords="offset points", xytext=(8, 6))
    first, dW = path[0], square_loss_gradient(path[0])
    start_text, size, slope, next_text = map(format_number, (first, step_size, dW, first - step_size * dW))
    axes.set(xlabel="W", ylabel="loss", title=f"first update: W = {start_text} − {size} × ({slope}) = {next_text}")
    axes.legend()
    text = f"The loss (W − 3)², and the updates of step_size {format_number(step_size)}: W is {format_numbers(path)}"
    return Picture(figure, f"{text}; the loss is {format_numbers(square_loss(path))}.")


def update_path(step_size: float = 0.08, start: Sequence[float] = (-2.5, 0.9), steps: int = 12) -> Picture:
    """Draw the same with two weights: contours of `valley`, and the path of the updates across them."""
    figure, axes = create_axes()
    path = descend(valley_gradient, start, step_size, steps)
    reach = np.maximum(np.abs(path).max(axis=0) * 1.15, (3.0, 1.2))
    grid = np.array(np.meshgrid(np.linspace(-reach[0], reach[0], 120), np.linspace(-reach[1], reach[1], 120)))
    lines = axes.contour(*grid, valley(grid), levels=[0.25, 1, 2.5, 5, 10, 20], colors=BLUE, linewidths=0.8)
    axes.clabel(lines, fontsize=8)
    axes.plot(*path.T, "-o", color=ORANGE, markersize=4, label=f"{steps} updates")
    axes.plot(*path[0], "s", color=ORANGE, label="start")
    axes.plot(0.0, 0.0, "*", color=GREEN, markersize=12, label="minimum")
    axes.set(xlabel="W[0]", ylabel="W[1]", title=f"step_size = {step_size:.4g}: fast across the valley, slow along it")
    axes.legend(loc="upper right")
    updates = f"{steps} updates of step_size {format_number(step_size)}"
    text = f"The loss W[0]² + 8 W[1]², and {updates} from W = {format_point(path[0])}"
    shown = path[1:] if steps <= 4 else [*path[1:4], path[-1]]
    middle = "" if steps <= 4 else ", the last one after all updates"
    return Picture(
        figure,
        f"{text}: {', '.join(map(format_point, shown))}{middle}; the loss ends at {format_number(valley(path[-1]))}.",
    )


def when_updated(step_size: float = 0.1, start: float = 0.0, rounds: int = 3) -> Picture:
    """Draw W over time: it stays the same during forward and backward, and jumps only in the update."""
    figure, axes = create_axes(height=3.0)
    path = descend(square_loss_gradient, start, step_size, rounds)
    phases = ("forward", "backward", "update")
    times = np.repeat(np.arange(rounds + 1) * 3.0, 2)[1:-1]
    axes.plot(times, np.repeat(path[:-1], 2), color=BLUE, linewidth=2)
    for i, (before, after) in enumerate(pairwise(path)):
        axes.plot(3 * i + 3, before, "o", color=BLUE, fillstyle="none")
        _draw_arrow(axes, (3 * i + 3, before), (3 * i + 3, after))
        axes.plot(3 * i + 3, after, "o", color=ORANGE)
        axes.axvspan(3 * i + 2, 3 * i + 3, facecolor="none", edgecolor=GREY, hatch="//", alpha=0.4, linewidth=0)
        axes.annotate(f"{after:.3g}", (3 * i + 3, after), textcoords="offset points", xytext=(6, -12))
    axes.set_xticks(np.arange(3 * rounds) + 0.5, phases * rounds, rotation=35, ha="right")
    axes.set(ylabel="W", title="W changes only in the update, after the backward pass", xlim=(0, 3 * rounds + 0.8))
    text = "W over time, through forward, backward and update in turn: it changes only in the updates"
    return Picture(figure, f"{text}. W is {format_numbers(path)}.")


def loss_curves(step_sizes: Sequence[float] = (0.05, 0.3, 1.02), start: float = 0.0, steps: int = 20) -> Picture:
    """Draw the loss after each update, for several step sizes: too small, good, too large."""
    figure, axes = create_axes()
    curves = {size: square_loss(descend(square_loss_gradient, start, size, steps)) for size in step_sizes}
    styles = zip(curves.items(), (BLUE, GREEN, ORANGE, PURPLE, GREY), ("o", "s", "^", "D", "v"))
    for (step_size, losses), colour, marker in styles:
        axes.plot(losses, color=colour, marker=marker, markersize=4, label=f"step_size = {step_size:.4g}")
    axes.set(xlabel="updates", ylabel="loss (log scale)", yscale="log", ylim=(1e-6, None), title="Three step sizes")
    axes.locator_params(axis="x", integer=True)
    axes.legend()
    every = max(1, steps // 4)
    text = "; ".join(
        f"step_size {format_number(size)}: {format_numbers(losses[::every])}" for size, losses in curves.items()
    )
    return Picture(figure, f"The loss over {steps} updates, every {every} updates. {text}.")


def animate_update(step_size: float = 0.1, start: float = 0.0, steps: int = 8) -> Any:
    """Return `update_step` as an animation with its own controls, one update per frame.

    It plays once, so that nothing keeps moving beside the text.
    """
    figure, axes = create_axes(dpi=72)
    path = descend(square_loss_gradient, start, step_size, steps)
    W = _spread_weights(path)
    axes.plot(W, square_loss(W), color=BLUE)
    (trail,) = axes.plot([], [], "o", color=GREY, fillstyle="none")
    (ball,) = axes.plot([], [], "o", color=ORANGE, markersize=10)
    (line,) = axes.plot([], [], "--", color=ORANGE)
    axes.set(xlabel="W", ylabel="loss", ylim=(-0.5, None))

    def draw_frame(i: int) -> tuple[Any, ...]:
        before, dW = path[i], square_loss_gradient(path[i])
        nearby = np.array([before - 0.7, before + 0.7])
        trail.set_data(path[:i], square_loss(path[:i]))
        ball.set_data([before], [square_loss(before)])
        line.set_data(nearby, square_loss(before) + dW * (nearby - before))
        text = f"W = {before:.3f}, dW = {dW:.3f}".replace("-", "−")
        axes.set_title(f"after {i} updates: {text}   (next: W −= {step_size:.4g} × dW)")
        return trail, ball, line

    text = f"Updates of step_size {format_number(step_size)}, one per frame: W is {format_numbers(path)}."
    return build_animation(figure, draw_frame, len(path), text, interval=700)


def _spread_weights(path: np.ndarray) -> np.ndarray:
    """Return weights on both sides of the minimum, W = 3, as far out as the path goes."""
    reach = max(float(np.abs(path - 3.0).max()), 3.0) + 1.0
    return np.linspace(3.0 - reach, 3.0 + reach, 300)


def _draw_arrow(axes: Axes, start: tuple[Any, Any], end: tuple[Any, Any]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": ORANGE, "shrinkA": 0, "shrinkB": 4})
