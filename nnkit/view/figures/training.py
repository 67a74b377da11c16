"""Figures of lecture 04: layers and their parameters, steps on a loss surface, curves, regions, small images.

Each function returns a `Picture` or an animation. Only `straight_and_bent` and `descent` train something themselves;
the others draw what they are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.view.figures.animation import build_animation
from nnkit.view.figures.class_regions import Predict, draw_regions
from nnkit.view.figures.loss_surface import descend, draw_surface
from nnkit.view.figures.picture import (
    BLUE,
    COLOURS,
    GREY,
    HATCHES,
    LINES,
    MARKERS,
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

MAX_DRAWN_UNITS = 6
"""The number of units drawn of a large layer."""


# -- layers ------------------------------------------------------------------------------------------


def network(sizes: Sequence[int] = (3, 4, 2)) -> Picture:
    """Draw the layers of a network, a circle per unit and a line per weight, and count the parameters."""
    figure, axes = create_axes(height=3.4)
    axes.set_axis_off()
    for column, size in enumerate(sizes):
        for y in _spread_units(size):
            axes.plot(column, y, "o", markersize=17, color="white", markeredgecolor=BLUE, markeredgewidth=1.8, zorder=3)
        if size > MAX_DRAWN_UNITS:
            axes.text(column, 0.0, "⋮", ha="center", va="center", fontsize=18, zorder=4)
        place = "input" if column == 0 else "output" if column == len(sizes) - 1 else f"hidden {column}"
        own = "no parameters" if column == 0 else f"{size} biases"
        axes.text(column, -3.2, f"{place}: {size}\n{own}", ha="center", va="top", fontsize=10)
    for column, (before, after) in enumerate(pairwise(sizes)):
        for left in _spread_units(before):
            for right in _spread_units(after):
                axes.plot([column, column + 1], [left, right], color=GREY, linewidth=0.7, zorder=1)
        between = f"{before} × {after}\n= {before * after} weights"
        axes.text(column + 0.5, 3.2, between, ha="center", va="bottom", fontsize=10, color=ORANGE)
    axes.set(xlim=(-0.5, len(sizes) - 0.5), ylim=(-4.6, 4.4))
    weights, biases = sum(a * b for a, b in pairwise(sizes)), sum(sizes[1:])
    arrows = " → ".join(map(str, sizes))
    axes.set_title(f"{arrows}: {weights} weights + {biases} biases = {weights + biases} parameters")
    shares = ", ".join(f"{a} × {b} = {a * b} weights and {b} biases" for a, b in pairwise(sizes))
    text = (
        f"A network of {len(sizes) - 1} layers, {arrows}; every unit is connected to all units of the layer before it"
    )
    return Picture(figure, f"{text}. {shares}: in total {weights} weights + {biases} biases = {weights + biases}.")


def _spread_units(size: int) -> np.ndarray:
    """Return the heights at which the units of a layer are drawn; a large layer has a gap in the middle."""
    if size <= MAX_DRAWN_UNITS:
        return (np.arange(size) - (size - 1) / 2) * 1.1
    half = np.arange(MAX_DRAWN_UNITS // 2) * 0.9 + 0.8
    return np.concatenate([-half[::-1], half])


def what_is_left() -> Picture:
    """Draw the division of work in training: the library's boxes hatched and dashed, yours solid."""
    rows = (
        ("before", ("the question\nand the data", "the graph:\nlayers, sizes", "the loss"), True),
        ("every step", ("forward\nof each gate", "backward\nof each gate", "the order of\nthe backward pass"), False),
        (
            "around it",
            ("start values,\nbatches, step size", "reading\nthe curves", "when to stop,\nwhat to try next"),
            True,
        ),
        ("now and then", ("a gate that\nno library has", "is its gradient\nright?", "is it fast\nand safe?"), True),
    )
    figure, axes = create_axes(height=4.2)
    axes.set_axis_off()
    for i, (when, boxes, yours) in enumerate(rows):
        axes.text(-0.75, -i, when, ha="right", va="center", fontsize=10, style="italic")
        for j, text in enumerate(boxes):
            _draw_box(axes, (1.4 * j, -i), text, yours)
    axes.plot([], [], color=ORANGE, linewidth=2.2, label="yours")
    axes.plot([], [], color=BLUE, linewidth=1.2, linestyle="--", label="the library's")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False)
    axes.set(xlim=(-1.9, 3.5), ylim=(-3.5, 0.5), title="Libraries have every gate. What is left?")
    texts = (
        f"{when}: {', '.join(box.replace(chr(10), ' ') for box in boxes)} ({'yours' if yours else 'the library’s'})"
        for when, boxes, yours in rows
    )
    return Picture(figure, f"The division of work when a network is trained. {'. '.join(texts)}.")


def _draw_box(axes: Axes, at: tuple[float, float], text: str, yours: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = at
    axes.add_patch(
        FancyBboxPatch(
            (x - 0.55, y - 0.3), 1.1, 0.6, boxstyle="round,pad=0.05", facecolor="white",
            edgecolor=ORANGE if yours else BLUE, linewidth=2.2 if yours else 1.2, linestyle="-" if yours else "--",
            hatch="" if yours else "//", alpha=1.0,
        )
    )  # fmt: skip
    plain = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"}
    axes.text(x, y, text, ha="center", va="center", fontsize=9.5, bbox=plain)


# -- steps on a loss surface -------------------------------------------------------------------------


def descent(step_size: float = 2.0, momentum: float = 0.0, batch_size: int | None = None, steps: int = 40) -> Picture:
    """Draw the loss surface of a neuron with two weights, seen from above, and the path of the updates on it."""
    figure, axes = create_axes(height=4.2)
    path = descend(step_size, momentum, batch_size, steps)
    losses = draw_surface(axes, path)
    axes.plot(*path.T, "-o", color=ORANGE, markersize=3.5, linewidth=1.2, label=f"{steps} updates")
    axes.plot(*path[0], "s", color=ORANGE, markersize=9, label=f"start, loss {losses[0]:.3g}")
    axes.plot(*path[-1], "D", color=PURPLE, markersize=9, label=f"end, loss {losses[-1]:.3g}")
    axes.set_title(_describe_settings(step_size, momentum, batch_size))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9, frameon=False)
    text = (
        f"The loss of a neuron with two weights, seen from above. {_describe_settings(step_size, momentum, batch_size)}"
    )
    shown = f"from W = {format_point(path[0])} the first updates lead to {', '.join(map(format_point, path[1:4]))}"
    end = f"and all {steps} to {format_point(path[-1])}. The loss falls {_describe_losses(losses)}."
    return Picture(figure, f"{text}: {shown}, {end}")


def _describe_losses(losses: np.ndarray) -> str:
    """Return the first loss, three in between, and the last, as text."""
    between = np.unique(np.linspace(0, len(losses) - 1, 5).astype(int))[1:-1]
    return f"from {format_number(losses[0])} over {format_numbers(losses[between])} to {format_number(losses[-1])}"


def _describe_settings(step_size: float, momentum: float, batch_size: int | None) -> str:
    whose = "all 60 points" if batch_size is None else f"{batch_size} points at a time"
    return f"step_size {format_number(step_size)}, momentum {format_number(momentum)}, {whose}"


def animate_descent(
    step_size: float = 2.0, momentum: float = 0.0, batch_size: int | None = None, steps: int = 12
) -> Any:
    """Return `descent` as an animation with its own controls, one update per frame: an arrow shows −step_size · dW."""
    figure, axes = create_axes(height=4.0, dpi=72)
    path = descend(step_size, momentum, batch_size, steps)
    losses = draw_surface(axes, path)
    (trail,) = axes.plot([], [], "-o", color=GREY, fillstyle="none", markersize=5)
    (ball,) = axes.plot([], [], "o", color=ORANGE, markersize=10)
    (arrow,) = axes.plot([], [], "--", color=ORANGE, linewidth=2)

    def draw_frame(i: int) -> tuple[Any, ...]:
        trail.set_data(*path[: i + 1].T)
        ball.set_data(path[i : i + 1, 0], path[i : i + 1, 1])
        arrow.set_data(*path[i : i + 2].T)
        axes.set_title(f"after {i} updates: W = ({path[i][0]:.2f}, {path[i][1]:.2f}), loss {losses[i]:.3f}")
        return trail, ball, arrow

    settings = _describe_settings(step_size, momentum, batch_size)
    text = f"{settings}, one update per frame: the loss falls {_describe_losses(losses)}."
    return build_animation(figure, draw_frame, steps + 1, text)


# -- curves ------------------------------------------------------------------------------------------


def curves(
    series: Mapping[str, Any],
    title: str,
    xlabel: str = "updates",
    ylabel: str = "loss",
    log: bool = False,
    x: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> Picture:
    """Draw several curves over one axis, each with its own line, marker and name. NaN and infinity leave gaps.

    Of several runs, one in each row, the mean is drawn, and a band from the smallest to the largest. `names`, if given,
    label the points on the x axis.
    """
    figure, axes = create_axes()
    texts = []
    for i, (name, values) in enumerate(series.items()):
        runs = np.atleast_2d(np.asarray(values, dtype=float))
        runs = np.where(np.isfinite(runs), runs, np.nan)
        y = runs.mean(axis=0)
        at = np.arange(len(y)) if x is None else np.asarray(x, dtype=float)[: len(y)]
        look: dict[str, Any] = {"color": COLOURS[i % 5], "marker": MARKERS[i % 5], "linestyle": LINES[i % 5]}
        axes.plot(at, y, **look, markevery=max(1, len(y) // 10), markersize=5, linewidth=1.4, label=name)
        if len(runs) > 1:
            band: dict[str, Any] = {"color": COLOURS[i % 5], "hatch": HATCHES[i % 5], "alpha": 0.2}
            axes.fill_between(at, runs.min(axis=0), runs.max(axis=0), **band)
        chosen = np.linspace(0, len(y) - 1, min(5, len(y))).astype(int)
        places = [format_number(at[k]) if names is None else names[k] for k in chosen]
        texts.append(f"{name}: {', '.join(f'{_format_value(y[k])} at {place}' for k, place in zip(chosen, places))}")
    axes.set(xlabel=xlabel, ylabel=f"{ylabel} (log scale)" if log else ylabel, title=title)
    if log:
        axes.set_yscale("log")
    if names is not None:
        axes.set_xticks(range(len(names)), names)
    elif x is None:
        axes.locator_params(axis="x", integer=True)  # nothing happens at update 2.5
    axes.legend()
    return Picture(figure, f"{title}: {ylabel} over {xlabel}. {'; '.join(texts)}.")


def _format_value(y: float) -> str:
    return "not finite" if np.isnan(y) else format_number(y)


# -- regions -----------------------------------------------------------------------------------------


def regions(classifiers: Mapping[str, Predict], x: np.ndarray, labels: np.ndarray) -> Picture:
    """Draw the plane as each classifier divides it, one panel each; a class has a colour, a hatching and a marker."""
    import matplotlib.pyplot as plt

    count = len(classifiers)
    wide = 2 if count == 4 else min(count, 3)
    tall = -(-count // wide)
    size = (3.6 * wide if wide > 1 else 5.0, 3.5 * tall if wide > 1 else 4.2)
    figure, panels = plt.subplots(tall, wide, figsize=size, dpi=90, layout="constrained", squeeze=False)
    plt.close(figure)
    texts = []
    for axes, (name, predict) in zip(panels.flat, classifiers.items()):
        share = draw_regions(axes, predict, x, labels)
        axes.set_title(f"{name}: {share:.1%}", fontsize=11)
        texts.append(f"{name}: {share:.1%}")
    for axes in panels.flat[count:]:
        axes.set_axis_off()
    panels.flat[0].legend(fontsize=8, loc="upper right", title="class", title_fontsize=8)
    classes = int(labels.max()) + 1
    plane = f"The plane divided among {classes} classes, and {len(labels)} points"
    return Picture(figure, f"{plane}. The share of points in the region of their class: {'; '.join(texts)}.")


def straight_and_bent() -> Picture:
    """Draw the spiral as divided by a linear classifier and by a network with 100 hidden units, both trained here."""
    from nnkit.data import spiral
    from nnkit.mlp import MLP
    from nnkit.train import SGD, fit

    x, labels = spiral(rng=7)
    straight, bent = MLP((2, 3)), MLP((2, 100, 3))
    optimiser = SGD(0.1, momentum=0.9, weight_decay=1e-3)
    plain, _ = fit(straight, straight.init(0), x, labels, epochs=200, optimiser=SGD(1.0))
    hidden, _ = fit(bent, bent.init(0), x, labels, epochs=100, batch_size=32, optimiser=optimiser)
    return regions(
        {"linear": lambda p: straight.predict(plain, p), "100 hidden units": lambda p: bent.predict(hidden, p)},
        x,
        labels,
    )


def animate_regions(snapshots: Mapping[str, Predict], x: np.ndarray, labels: np.ndarray) -> Any:
    """Return an animation of the classes' regions while a network learns, one snapshot per frame. It plays once."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 4.2), dpi=72, layout="constrained")
    plt.close(figure)
    names = list(snapshots)
    shares = [float(np.mean(np.asarray(predict(x)) == labels)) for predict in snapshots.values()]

    def draw_frame(i: int) -> tuple[Any, ...]:
        axes.clear()
        draw_regions(axes, snapshots[names[i]], x, labels, resolution=110)
        axes.set_title(f"{names[i]}: {shares[i]:.1%}")
        return ()

    text = "; ".join(f"{name}: {share:.1%}" for name, share in zip(names, shares))
    return build_animation(
        figure, draw_frame, len(names), f"The share of points in the region of their class, one per frame. {text}."
    )


# -- images ------------------------------------------------------------------------------------------


def images(pixels: np.ndarray, titles: Sequence[str], title: str, columns: int = 10, signed: bool = False) -> Picture:
    """Draw small square images (N, side²) in rows, each with its title.

    With `signed`, colours run from blue (negative) over white to orange (positive). Without, they are scans.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap

    rows, side = -(-len(pixels) // columns), int(np.sqrt(pixels.shape[1]))
    size = (0.8 * columns, 1.02 * rows + 0.4)
    figure, panels = plt.subplots(rows, columns, figsize=size, dpi=90, layout="constrained", squeeze=False)
    plt.close(figure)
    both = LinearSegmentedColormap.from_list("signed", [BLUE, "white", ORANGE])
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, image, name in zip(panels.flat, pixels, titles):
        reach = float(np.abs(image).max()) or 1.0
        axes.imshow(
            image.reshape(side, side), cmap=both if signed else "Greys", vmin=-reach if signed else 0, vmax=reach
        )
        axes.set_title(name, fontsize=9)
    figure.suptitle(title, fontsize=11)
    text = f"{title}: {len(pixels)} images of {side} × {side}. {', '.join(filter(None, titles))}."
    return Picture(figure, text, is_photograph=not signed)
