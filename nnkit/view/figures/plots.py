"""Figures for the lectures: small functions that return a picture and the same in words.

Colours are Okabe and Ito's, which colour-blind readers can tell apart, and nothing is said by colour
alone: every series has its own marker or line style, and a label. The words are the picture's alternative
text, and what `print` shows. matplotlib loads when first called.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"

Scalar = Callable[[Any], Any]


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure and what it shows, in words; a notebook shows the one with the other as its alt text."""

    figure: Figure
    words: str

    def __str__(self) -> str:
        return self.words

    __repr__ = __str__

    def _repr_html_(self) -> str:
        png = BytesIO()
        self.figure.savefig(png, format="png")
        source = b64encode(png.getvalue()).decode("ascii")
        return f'<img alt="{escape(self.words)}" src="data:image/png;base64,{source}" style="max-width:100%">'


def square_loss(W: Any) -> Any:
    """(W - 3)², the loss of one weight that `update_step` rolls down; its lowest point is W = 3."""
    return (W - 3.0) ** 2


def square_loss_gradient(W: Any) -> Any:
    """dW = 2 (W - 3)."""
    return 2.0 * (W - 3.0)


def valley(W: Any) -> Any:
    """W₀² + 8 W₁²: a loss of two weights, steep along one of them and flat along the other. W is (2, ...)."""
    return W[0] ** 2 + 8.0 * W[1] ** 2


def valley_gradient(W: Any) -> Any:
    """dW = (2 W₀, 16 W₁)."""
    return np.array([2.0 * W[0], 16.0 * W[1]])


def descend(gradient: Scalar, start: Any, step_size: float, steps: int) -> np.ndarray:
    """The weights before the first update and after each one, (steps + 1, *W)."""
    W, path = np.asarray(start, dtype=float), []
    for _ in range(steps + 1):
        path.append(W)
        W = W - step_size * gradient(W)
    return np.array(path)


def tangent(function: Scalar, at: float, slope: float, reach: float = 1.5) -> Picture:
    """A curve, one point of it, and the straight line of this slope through the point."""
    figure, axes = _axes()
    x = np.linspace(at - reach, at + reach, 200)
    y = float(function(at))
    axes.plot(x, function(x), color=BLUE, label="the function")
    axes.plot(x, y + slope * (x - at), color=ORANGE, linestyle="--", label=f"slope {slope:.4g}")
    axes.plot(at, y, "o", color=ORANGE, label=f"x = {at:.4g}, f = {y:.4g}")
    axes.set(xlabel="x", ylabel="f(x)", title="A derivative is the slope of the line that touches")
    axes.legend()
    told = f"A curve through the point x = {_n(at)}, f = {_n(y)}, and the line of slope {_n(slope)} through it."
    return Picture(figure, " ".join([told, *(_gap(function, at, slope, side) for side in (-0.5, 0.5))]))


def _gap(function: Scalar, at: float, slope: float, side: float) -> str:
    """Where the line is beside the point: it touches the curve if it is on one side of it, left and right."""
    gap = float(function(at)) + slope * side - float(function(at + side))
    place = "on the curve" if abs(gap) < 1e-9 else f"{_n(abs(gap))} {'above' if gap > 0 else 'below'} the curve"
    return f"At x = {_n(at + side)} the line is {place}."


def update_step(step_size: float = 0.1, start: float = 0.0, steps: int = 5) -> Picture:
    """`W -= step_size * dW`, drawn: the loss of one weight, and where each update takes it."""
    figure, axes = _axes()
    path = descend(square_loss_gradient, start, step_size, steps)
    W = _around(path)
    axes.plot(W, square_loss(W), color=BLUE, label="loss")
    for before, after in pairwise(path):
        _arrow(axes, (before, square_loss(before)), (after, square_loss(after)))
    axes.plot(path, square_loss(path), "o", color=ORANGE, label="W after 0, 1, 2, ... updates")
    for i in (0, len(path) - 1):
        axes.annotate(f"{i}", (path[i], square_loss(path[i])), textcoords="offset points", xytext=(8, 6))
    dW = float(square_loss_gradient(path[0]))
    axes.set(
        xlabel="W",
        ylabel="loss",
        title=f"first update: W = {path[0]:.4g} − {step_size:.4g} × ({dW:.4g}) = {path[0] - step_size * dW:.4g}",
    )
    axes.legend()
    told = f"The loss (W − 3)², and the updates of step_size {_n(step_size)}: W is {_listed(path)}"
    return Picture(figure, f"{told}; the loss is {_listed(square_loss(path))}.")


def update_path(step_size: float = 0.08, start: Sequence[float] = (-2.5, 0.9), steps: int = 12) -> Picture:
    """The same with two weights: contours of `valley`, and the path that the updates take across them."""
    figure, axes = _axes()
    path = descend(valley_gradient, start, step_size, steps)
    reach = np.maximum(np.abs(path).max(axis=0) * 1.15, (3.0, 1.2))
    grid = np.array(np.meshgrid(np.linspace(-reach[0], reach[0], 120), np.linspace(-reach[1], reach[1], 120)))
    lines = axes.contour(*grid, valley(grid), levels=[0.25, 1, 2.5, 5, 10, 20], colors=BLUE, linewidths=0.8)
    axes.clabel(lines, fontsize=8)
    axes.plot(*path.T, "-o", color=ORANGE, markersize=4, label=f"{steps} updates")
    axes.plot(*path[0], "s", color=ORANGE, label="start")
    axes.plot(0.0, 0.0, "*", color=GREEN, markersize=12, label="lowest loss")
    axes.set(xlabel="W[0]", ylabel="W[1]", title=f"step_size = {step_size:.4g}: fast across the valley, slow along it")
    axes.legend(loc="upper right")
    told = f"The loss W[0]² + 8 W[1]², and {steps} updates of step_size {_n(step_size)} from W = {_point(path[0])}"
    shown = path[1:] if steps <= 4 else [*path[1:4], path[-1]]
    middle = "" if steps <= 4 else ", the last of these after all"
    return Picture(figure, f"{told}: {', '.join(map(_point, shown))}{middle}; the loss ends at {_n(valley(path[-1]))}.")


def when_updated(step_size: float = 0.1, start: float = 0.0, rounds: int = 3) -> Picture:
    """W over time: it stands still through forward and backward, and jumps at the update only."""
    figure, axes = _axes(height=3.0)
    path = descend(square_loss_gradient, start, step_size, rounds)
    phases = ("forward", "backward", "update")
    times = np.repeat(np.arange(rounds + 1) * 3.0, 2)[1:-1]
    axes.plot(times, np.repeat(path[:-1], 2), color=BLUE, linewidth=2)
    for i, (before, after) in enumerate(pairwise(path)):
        axes.plot(3 * i + 3, before, "o", color=BLUE, fillstyle="none")
        _arrow(axes, (3 * i + 3, before), (3 * i + 3, after))
        axes.plot(3 * i + 3, after, "o", color=ORANGE)
        axes.axvspan(3 * i + 2, 3 * i + 3, facecolor="none", edgecolor=GREY, hatch="//", alpha=0.4, linewidth=0)
        axes.annotate(f"{after:.3g}", (3 * i + 3, after), textcoords="offset points", xytext=(6, -12))
    axes.set_xticks(np.arange(3 * rounds) + 0.5, phases * rounds, rotation=35, ha="right")
    axes.set(ylabel="W", title="W changes only in the update, after the backward pass", xlim=(0, 3 * rounds + 0.8))
    told = "W over time, through forward, backward and update in turn: it changes in each update and stays in between"
    return Picture(figure, f"{told}. W is {_listed(path)}.")


def loss_curves(step_sizes: Sequence[float] = (0.05, 0.3, 1.02), start: float = 0.0, steps: int = 20) -> Picture:
    """The loss after each update, for several step sizes: too small, good, too large."""
    figure, axes = _axes()
    curves = {size: square_loss(descend(square_loss_gradient, start, size, steps)) for size in step_sizes}
    styles = zip(curves.items(), (BLUE, GREEN, ORANGE, PURPLE, GREY), ("o", "s", "^", "D", "v"))
    for (step_size, losses), colour, marker in styles:
        axes.plot(losses, color=colour, marker=marker, markersize=4, label=f"step_size = {step_size:.4g}")
    axes.set(xlabel="updates", ylabel="loss (log scale)", yscale="log", ylim=(1e-6, None), title="Three step sizes")
    axes.legend()
    every = max(1, steps // 4)
    told = "; ".join(f"step_size {_n(size)}: {_listed(losses[::every])}" for size, losses in curves.items())
    return Picture(figure, f"The loss over {steps} updates, told after every {every}. {told}.")


def animate_update(step_size: float = 0.1, start: float = 0.0, steps: int = 8) -> Any:
    """`update_step` as a little film with its own controls (play, pause, one frame), as HTML that needs nothing
    from the network.

    It plays once, so nothing goes on moving beside the text.
    """
    figure, axes = _axes(dpi=72)
    path = descend(square_loss_gradient, start, step_size, steps)
    W = _around(path)
    axes.plot(W, square_loss(W), color=BLUE)
    (trail,) = axes.plot([], [], "o", color=GREY, fillstyle="none")
    (ball,) = axes.plot([], [], "o", color=ORANGE, markersize=10)
    (line,) = axes.plot([], [], "--", color=ORANGE)
    axes.set(xlabel="W", ylabel="loss", ylim=(-0.5, None))

    def frame(i: int) -> tuple[Any, ...]:
        before, dW = path[i], square_loss_gradient(path[i])
        nearby = np.array([before - 0.7, before + 0.7])
        trail.set_data(path[:i], square_loss(path[:i]))
        ball.set_data([before], [square_loss(before)])
        line.set_data(nearby, square_loss(before) + dW * (nearby - before))
        told = f"W = {before:.3f}, dW = {dW:.3f}"
        axes.set_title(f"after {i} updates: {told}   (next: W −= {step_size:.4g} × dW)")
        return trail, ball, line

    told = f"Updates of step_size {_n(step_size)}, one a frame: W is {_listed(path)}."
    return film(figure, frame, len(path), told, interval=700)


BEGIN = "setTimeout(function() {"
WAIT = "if (!document.getElementById(img_id)) { setTimeout(begin, 200); return; }"


def film(figure: Figure, frame: Callable[[int], Any], frames: int, words: str, interval: int = 600) -> Any:
    """A film of these frames with its own controls, as HTML that needs nothing from the network; `words` say what it
    shows."""
    from IPython.display import HTML
    from matplotlib.animation import FuncAnimation

    animation = FuncAnimation(figure, frame, frames=frames, interval=interval)
    page = _self_contained(animation.to_jshtml(default_mode="once"), words)
    # A notebook may put the output of a cell that is out of sight into the page later: wait for it.
    page = page.replace(BEGIN, f"{BEGIN.replace('function', 'function begin')} {WAIT}")
    # The first frame is there before any script runs, and where none may run; and Chromium gives no height to an
    # image that begins without a source.
    (script,) = re.findall(r'frames\[0\] = "([^"]*)"', page)
    first = re.sub(r"\\?\s", "", script)
    return HTML(page.replace("<img alt=", f'<img src="{first}" alt=', 1))  # type: ignore[no-untyped-call]


def _self_contained(page: str, words: str) -> str:
    """matplotlib's page without the font of symbols that it fetches: its buttons say in words what they do."""
    page = re.sub(r"<link\b[^>]*>", "", page)
    page = re.sub(r'(<button title="([^"]*)"[^>]*>)\s*<i class="fa [^"]*"></i>', r"\1\2", page)
    page = page.replace("padding: 0;\n    width: 36px;", "padding: 2px 6px;")
    return page.replace("<img id=", f'<img alt="{escape(words)}" id=')


def _n(number: Any) -> str:
    return f"{float(number):.4g}".replace("-", "−")


def _listed(numbers: Iterable[Any]) -> str:
    return ", ".join(map(_n, numbers))


def _point(W: Any) -> str:
    return f"({_listed(W)})"


def _around(path: np.ndarray) -> np.ndarray:
    """Weights on both sides of the lowest point, W = 3, as far out as the path goes."""
    reach = max(float(np.abs(path - 3.0).max()), 3.0) + 1.0
    return np.linspace(3.0 - reach, 3.0 + reach, 300)


def _axes(height: float = 3.6, dpi: int = 90) -> tuple[Figure, Axes]:
    """An empty figure. It is closed for pyplot, so that a cell shows it once, as its last line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, height), dpi=dpi, layout="constrained")
    plt.close(figure)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _arrow(axes: Axes, start: tuple[Any, Any], end: tuple[Any, Any]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": ORANGE, "shrinkA": 0, "shrinkB": 4})
