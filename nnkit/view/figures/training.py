"""Figures of lecture 04: layers and their parameters, steps on a loss surface, curves, regions, small images.

Each returns a `Picture`, a figure with the same in words (see `nnkit.view.figures.plots`), or a film. Only
`straight_and_bent` and `descent` train something of their own; the others draw what they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.view.figures.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, Picture, _axes, _listed, _n, _point, film

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Predict = Callable[[np.ndarray], np.ndarray]
"""Points (M, 2) → their classes (M,), integers from 0."""

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
MARKERS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "xx", "--")
MOST = 6
"""Of a layer's units, so many are drawn."""


# -- layers ------------------------------------------------------------------------------------------


def network(sizes: Sequence[int] = (3, 4, 2)) -> Picture:
    """The layers of a network, a circle a unit and a line a weight, with the number of parameters between layers."""
    figure, axes = _axes(height=3.4)
    axes.set_axis_off()
    for column, size in enumerate(sizes):
        for y in _heights(size):
            axes.plot(column, y, "o", markersize=17, color="white", markeredgecolor=BLUE, markeredgewidth=1.8, zorder=3)
        if size > MOST:
            axes.text(column, 0.0, "⋮", ha="center", va="center", fontsize=18, zorder=4)
        place = "input" if column == 0 else "output" if column == len(sizes) - 1 else f"hidden {column}"
        own = "no parameters" if column == 0 else f"{size} biases"
        axes.text(column, -3.2, f"{place}: {size}\n{own}", ha="center", va="top", fontsize=10)
    for column, (before, after) in enumerate(pairwise(sizes)):
        for left in _heights(before):
            for right in _heights(after):
                axes.plot([column, column + 1], [left, right], color=GREY, linewidth=0.7, zorder=1)
        between = f"{before} × {after}\n= {before * after} weights"
        axes.text(column + 0.5, 3.2, between, ha="center", va="bottom", fontsize=10, color=ORANGE)
    axes.set(xlim=(-0.5, len(sizes) - 0.5), ylim=(-4.6, 4.4))
    weights, biases = sum(a * b for a, b in pairwise(sizes)), sum(sizes[1:])
    arrows = " → ".join(map(str, sizes))
    axes.set_title(f"{arrows}: {weights} weights + {biases} biases = {weights + biases} parameters")
    shares = ", ".join(f"{a} × {b} = {a * b} weights and {b} biases" for a, b in pairwise(sizes))
    told = f"A network of {len(sizes) - 1} layers, {arrows}; every unit is joined to all units of the layer before it"
    return Picture(figure, f"{told}. {shares}: together {weights} weights + {biases} biases = {weights + biases}.")


def _heights(size: int) -> np.ndarray:
    """Where the units of a layer are drawn; a large layer leaves a gap in its middle."""
    if size <= MOST:
        return (np.arange(size) - (size - 1) / 2) * 1.1
    half = np.arange(MOST // 2) * 0.9 + 0.8
    return np.concatenate([-half[::-1], half])


def what_is_left() -> Picture:
    """Who does what when a network is trained: boxes of the library (hatched, dashed), and of whoever uses it."""
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
    figure, axes = _axes(height=4.2)
    axes.set_axis_off()
    for i, (when, boxes, yours) in enumerate(rows):
        axes.text(-0.75, -i, when, ha="right", va="center", fontsize=10, style="italic")
        for j, text in enumerate(boxes):
            _box(axes, (1.4 * j, -i), text, yours)
    axes.plot([], [], color=ORANGE, linewidth=2.2, label="yours")
    axes.plot([], [], color=BLUE, linewidth=1.2, linestyle="--", label="the library's")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False)
    axes.set(xlim=(-1.9, 3.5), ylim=(-3.5, 0.5), title="Libraries have every gate. What is left?")
    told = (
        f"{when}: {', '.join(box.replace(chr(10), ' ') for box in boxes)} ({'yours' if yours else 'the library’s'})"
        for when, boxes, yours in rows
    )
    return Picture(figure, f"Who does what when a network is trained. {'. '.join(told)}.")


def _box(axes: Axes, at: tuple[float, float], text: str, yours: bool) -> None:
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


def neuron_data(points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping clouds, x (N, 2) and t (N,) of −1 and 1; x[:, 0] varies more than x[:, 1]. Always the same."""
    rng = np.random.default_rng(4)
    t = np.where(np.arange(points) % 2 == 0, 1.0, -1.0)
    x = t[:, None] * (0.7, 0.5) + rng.normal(size=(points, 2)) * (1.6, 0.5)
    return x, t


def neuron_loss(W: Any, x: np.ndarray, t: np.ndarray) -> Any:
    """The mean over the points of ln(1 + e^(−t x·W)), what a sigmoid neuron of two weights loses. W is (2, ...)."""
    scores = np.tensordot(x, W, axes=1)
    return np.logaddexp(0.0, -t.reshape(-1, *[1] * (scores.ndim - 1)) * scores).mean(axis=0)


def neuron_gradient(W: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """dW (2,) of `neuron_loss`: the mean of −t σ(−t x·W) x."""
    pull = -t / (1 + np.exp(t * (x @ W)))
    dW: np.ndarray = pull @ x / len(t)
    return dW


def descend(
    step_size: float, momentum: float = 0.0, batch_size: int | None = None, steps: int = 40, start: Any = (-1.5, -0.5)
) -> np.ndarray:
    """The neuron's weights before the first update and after each, (steps + 1, 2). Each step takes the gradient
    of `batch_size` points drawn anew (None: of all)."""
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


def descent(step_size: float = 2.0, momentum: float = 0.0, batch_size: int | None = None, steps: int = 40) -> Picture:
    """The loss surface of a neuron with two weights, seen from above, and the path that the updates take on it."""
    figure, axes = _axes(height=4.2)
    path = descend(step_size, momentum, batch_size, steps)
    losses = _surface(axes, path)
    axes.plot(*path.T, "-o", color=ORANGE, markersize=3.5, linewidth=1.2, label=f"{steps} updates")
    axes.plot(*path[0], "s", color=ORANGE, markersize=9, label=f"start, loss {losses[0]:.3g}")
    axes.plot(*path[-1], "D", color=PURPLE, markersize=9, label=f"end, loss {losses[-1]:.3g}")
    axes.set_title(_settings(step_size, momentum, batch_size))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9, frameon=False)
    told = f"The loss of a neuron with two weights, seen from above. {_settings(step_size, momentum, batch_size)}"
    shown = f"from W = {_point(path[0])} the first updates lead to {', '.join(map(_point, path[1:4]))}"
    return Picture(
        figure, f"{told}: {shown}, and all {steps} to {_point(path[-1])}. The loss falls {_fall(losses)}."
    )  # fmt: skip


def _fall(losses: np.ndarray) -> str:
    """How the losses went: the first, three in between, the last."""
    between = np.unique(np.linspace(0, len(losses) - 1, 5).astype(int))[1:-1]
    return f"from {_n(losses[0])} over {_listed(losses[between])} to {_n(losses[-1])}"


def _settings(step_size: float, momentum: float, batch_size: int | None) -> str:
    whose = "all 60 points" if batch_size is None else f"{batch_size} points at a time"
    return f"step_size {_n(step_size)}, momentum {_n(momentum)}, {whose}"


def _surface(axes: Axes, path: np.ndarray) -> np.ndarray:
    """Draw the neuron's curves of equal loss around this path; returns the losses along it."""
    x, t = neuron_data()
    low, high = np.minimum(path.min(axis=0), (-2.0, -1.0)) - 0.3, np.maximum(path.max(axis=0), (2.0, 4.0)) + 0.3
    grid = np.array(np.meshgrid(np.linspace(low[0], high[0], 90), np.linspace(low[1], high[1], 90)))
    levels = [0.36, 0.4, 0.45, 0.55, 0.7, 0.9, 1.2, 1.6, 2.2, 3.0]
    lines = axes.contour(*grid, neuron_loss(grid, x, t), levels=levels, colors=BLUE, linewidths=0.8)
    axes.clabel(lines, fontsize=8)
    axes.set(xlabel="W[0]", ylabel="W[1]")
    losses: np.ndarray = neuron_loss(path.T, x, t)
    return losses


def animate_descent(
    step_size: float = 2.0, momentum: float = 0.0, batch_size: int | None = None, steps: int = 12
) -> Any:
    """`descent` as a film with its own controls: one update a frame, its arrow is −step_size · dW. It plays once."""
    figure, axes = _axes(height=4.0, dpi=72)
    path = descend(step_size, momentum, batch_size, steps)
    losses = _surface(axes, path)
    (trail,) = axes.plot([], [], "-o", color=GREY, fillstyle="none", markersize=5)
    (ball,) = axes.plot([], [], "o", color=ORANGE, markersize=10)
    (arrow,) = axes.plot([], [], "--", color=ORANGE, linewidth=2)

    def frame(i: int) -> tuple[Any, ...]:
        trail.set_data(*path[: i + 1].T)
        ball.set_data(path[i : i + 1, 0], path[i : i + 1, 1])
        arrow.set_data(*path[i : i + 2].T)
        axes.set_title(f"after {i} updates: W = ({path[i][0]:.2f}, {path[i][1]:.2f}), loss {losses[i]:.3f}")
        return trail, ball, arrow

    told = f"{_settings(step_size, momentum, batch_size)}, one update a frame: the loss falls {_fall(losses)}."
    return film(figure, frame, steps + 1, told)


# -- curves ------------------------------------------------------------------------------------------


def curves(
    series: Mapping[str, Sequence[float]],
    title: str,
    xlabel: str = "updates",
    ylabel: str = "loss",
    log: bool = False,
    x: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> Picture:
    """Several curves over one axis, each with its own line, marker and name. NaN and infinity leave gaps.

    `names` stand below the points in place of numbers, where the steps from one point to the next are not equal.
    """
    figure, axes = _axes()
    told = []
    for i, (name, values) in enumerate(series.items()):
        y = np.asarray(values, dtype=float)
        y = np.where(np.isfinite(y), y, np.nan)
        at = np.arange(len(y)) if x is None else np.asarray(x, dtype=float)[: len(y)]
        look: dict[str, Any] = {"color": COLOURS[i % 5], "marker": MARKERS[i % 5], "linestyle": LINES[i % 5]}
        axes.plot(at, y, **look, markevery=max(1, len(y) // 10), markersize=5, linewidth=1.4, label=name)
        chosen = np.linspace(0, len(y) - 1, min(5, len(y))).astype(int)
        places = [_n(at[k]) if names is None else names[k] for k in chosen]
        told.append(f"{name}: {', '.join(f'{_value(y[k])} at {place}' for k, place in zip(chosen, places))}")
    axes.set(xlabel=xlabel, ylabel=f"{ylabel} (log scale)" if log else ylabel, title=title)
    if log:
        axes.set_yscale("log")
    if names is not None:
        axes.set_xticks(range(len(names)), names)
    axes.legend()
    return Picture(figure, f"{title}: {ylabel} over {xlabel}. {'; '.join(told)}.")


def _value(y: float) -> str:
    return "no number" if np.isnan(y) else _n(y)


# -- regions -----------------------------------------------------------------------------------------


def regions(classifiers: Mapping[str, Predict], x: np.ndarray, labels: np.ndarray) -> Picture:
    """The plane as each classifier divides it, a panel each: every class has a colour, a hatch and a marker."""
    import matplotlib.pyplot as plt

    count = len(classifiers)
    wide = min(count, 3)
    tall = -(-count // wide)
    size = (3.6 * wide if wide > 1 else 5.0, 3.5 * tall if wide > 1 else 4.2)
    figure, panels = plt.subplots(tall, wide, figsize=size, dpi=90, layout="constrained", squeeze=False)
    plt.close(figure)
    told = []
    for axes, (name, predict) in zip(panels.flat, classifiers.items()):
        share = _regions(axes, predict, x, labels)
        axes.set_title(f"{name}: {share:.1%}", fontsize=11)
        told.append(f"{name}: {share:.1%}")
    for axes in panels.flat[count:]:
        axes.set_axis_off()
    panels.flat[0].legend(fontsize=8, loc="upper right", title="class", title_fontsize=8)
    classes = int(labels.max()) + 1
    plane = (
        f"The plane divided among {classes} classes, {len(labels)} points, and the share of points on their own ground"
    )
    return Picture(figure, f"{plane}. {'; '.join(told)}.")


def straight_and_bent() -> Picture:
    """The spiral, divided by a linear classifier and by a network with 100 hidden units, both trained here."""
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


def _regions(axes: Axes, predict: Predict, x: np.ndarray, labels: np.ndarray, fine: int = 160) -> float:
    """Draw one panel; returns the share of points that lie on their own class's ground."""
    low, high = x.min(axis=0) - 0.15, x.max(axis=0) + 0.15
    across, up = np.meshgrid(np.linspace(low[0], high[0], fine), np.linspace(low[1], high[1], fine))
    ground = np.asarray(predict(np.stack([across.ravel(), up.ravel()], axis=1))).reshape(across.shape)
    classes = max(int(labels.max()), int(ground.max())) + 1
    levels = np.arange(classes + 1) - 0.5
    looks = [COLOURS[i % 5] for i in range(classes)]
    axes.contourf(across, up, ground, levels=levels, colors=looks, alpha=0.18, antialiased=False)
    filled = axes.contourf(
        across, up, ground, levels=levels, colors="none", hatches=[HATCHES[i % 5] for i in range(classes)]
    )
    filled.set_edgecolor((0.5, 0.5, 0.5, 0.5))
    filled.set_linewidth(0.0)
    for c in range(int(labels.max()) + 1):
        mine = labels == c
        axes.plot(
            *x[mine].T, MARKERS[c % 5], color=looks[c], markersize=4, markeredgecolor="black", markeredgewidth=0.4,
            label=str(c),
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return float(np.mean(np.asarray(predict(x)) == labels))


def animate_regions(snapshots: Mapping[str, Predict], x: np.ndarray, labels: np.ndarray) -> Any:
    """The ground of each class while a network learns, a snapshot a frame. It plays once."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 4.2), dpi=72, layout="constrained")
    plt.close(figure)
    names = list(snapshots)
    shares = [float(np.mean(np.asarray(predict(x)) == labels)) for predict in snapshots.values()]

    def frame(i: int) -> tuple[Any, ...]:
        axes.clear()
        _regions(axes, snapshots[names[i]], x, labels, fine=110)
        axes.set_title(f"{names[i]}: {shares[i]:.1%}")
        return ()

    told = "; ".join(f"{name}: {share:.1%}" for name, share in zip(names, shares))
    return film(figure, frame, len(names), f"The share of points on their own class's ground, a frame each. {told}.")


# -- images ------------------------------------------------------------------------------------------


def images(pixels: np.ndarray, titles: Sequence[str], title: str, columns: int = 10, signed: bool = False) -> Picture:
    """Small square images (N, side²) in rows, each with its title; `signed` ones run from blue (negative) over
    white to orange."""
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
    return Picture(figure, f"{title}: {len(pixels)} images of {side} × {side}. {', '.join(filter(None, titles))}.")
