"""Figures of lecture 02: activations with their slopes, and what their slopes do to a gradient.

Each returns a `Picture` (`nnkit.view.figures.plots`): a matplotlib figure and the same in words. Series differ by line
style or marker as well as by colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.gates import ELU, LeakyReLU, Maxout, ReLU, Sigmoid, Tanh
from nnkit.gates.base import run_forward
from nnkit.jacobian import vjp
from nnkit.view.errors import describe_error
from nnkit.view.figures.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, Picture, _listed, _n

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SATURATED = 0.01
"""A slope below this is called saturated: the gate passes less than a hundredth of its upstream gradient."""

GALLERY = (Sigmoid(), Tanh(), ReLU(), LeakyReLU(0.1), ELU(), Maxout(2))

_STYLES = tuple(
    zip((BLUE, ORANGE, GREEN, PURPLE, GREY, BLUE), ("o", "s", "^", "D", "v", "P"), ("-", "--", "-.", ":", "-", "--"))
)


def output_and_slope(gate: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An activation's output and its local derivative at each x: its backward for an upstream gradient of ones.

    Maxout needs several scores for each unit. Here they are straight lines in x, which touch the parabola x²/4:
    `maxout_lines`.
    """
    if not isinstance(gate, Maxout):
        return run_forward(gate, x)[0], vjp(gate, x, upstream=np.ones_like(x))[0]
    slopes, offsets = maxout_lines(gate.pieces)
    scores = x[:, None] * slopes + offsets  # (N, pieces): one unit
    out, _ = run_forward(gate, scores)
    (dscores,) = vjp(gate, scores, upstream=np.ones_like(out))
    return out[:, 0], (dscores * slopes).sum(axis=1)


def tried(gate: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """`output_and_slope` of a gate that may be unfinished: NaN for what fails, and what failed, in words."""
    try:
        return *output_and_slope(gate, x), ""
    except Exception as wrong:  # whatever a learner's gate raises
        told = describe_error(wrong)
    nothing = np.full(np.shape(x), np.nan)
    try:
        out = run_forward(gate, x)[0]
    except Exception:
        return nothing, nothing, f"The forward of {_name(gate)} failed. {told}"
    return out, nothing, f"The backward of {_name(gate)} failed, so there is no slope. {told}"


def maxout_lines(pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and offsets of the lines of which a drawn maxout is the largest: s x - s², with s from -½ to 1."""
    slopes = np.linspace(-0.5, 1.0, pieces)
    return slopes, -(slopes**2)


def curve_and_slope(gate: Any, at: float | None = None, reach: float = 6.0) -> Picture:
    """An activation, and below it its slope; hatched where it is saturated (slope below `SATURATED`).

    With `at`, that point is marked on both curves. Of a gate that fails, what works is drawn, and the fault is told.
    """
    figure, (above, below) = _panels(2, 1, (7.0, 4.4), sharex=True)
    x = _between(-reach, reach)
    out, slope, failed = tried(gate, x)
    above.plot(x, out, color=BLUE, label="output")
    below.plot(x, slope, color=ORANGE, linestyle="--", label="slope")
    for side in saturated(gate, reach):
        for axes in (above, below):
            axes.axvspan(*side, facecolor="none", edgecolor=GREY, hatch="//", alpha=0.4, linewidth=0)
    title = f"{_name(gate)}: the output, and its slope"
    if at is not None:
        title += f" at x = {at:.3g}: {_point(gate, at)[0]:.4f}, {_point(gate, at)[1]:.4f}"
        for axes, y in zip((above, below), _point(gate, at)):
            axes.plot(at, y, "o", color=GREEN, label=f"x = {at:.3g}: {y:.4f}")
    above.set(title=title, ylabel="output")
    below.set(xlabel="x (hatched: the slope is below 0.01)", ylabel="slope", ylim=_room(slope))
    for axes in (above, below):
        axes.legend(loc="upper left")
    if failed:
        below.set_title(failed, fontsize=8, wrap=True)
    return Picture(figure, failed if np.isnan(out).all() else f"{_told(gate, at, reach)} {failed}".strip())


def saturated(gate: Any, reach: float = 6.0) -> list[tuple[float, float]]:
    """The stretches of -reach ... reach on which the slope is below `SATURATED`, as (from, to)."""
    x = _between(-reach, reach, 4001)
    flat = np.abs(tried(gate, x)[1]) < SATURATED
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
    return [(float(x[i]), float(x[j - 1])) for i, j in zip(edges[::2], edges[1::2])]


def gallery(gates: Sequence[Any] = GALLERY, reach: float = 4.0) -> Picture:
    """Activations side by side, each with its slope."""
    rows = -(-len(gates) // 3)
    figure, panels = _panels(rows, min(len(gates), 3), (8.4, 2.3 * rows + 0.3), sharex=True)
    x = _between(-reach, reach)
    told = []
    for axes, gate in zip(panels, gates):
        out, slope = output_and_slope(gate, x)
        axes.plot(x, out, color=BLUE, label="output")
        axes.plot(x, slope, color=ORANGE, linestyle="--", label="slope")
        axes.axhline(0.0, color=GREY, linewidth=0.6)
        axes.set(title=_name(gate), ylim=(-2.1, reach))
        values = [_listed(pair) for pair in zip(*(_point(gate, at) for at in (-2.0, 2.0)))]
        told.append(f"{_name(gate)}: output {values[0]}, slope {values[1]}")
    panels[0].legend(loc="upper left", fontsize=8)
    for axes in panels[len(gates) :]:
        axes.set_axis_off()
    return Picture(figure, f"Activations and their slopes, told at x = −2 and x = 2. {'; '.join(told)}.")


def gradient_through(
    gates: Sequence[Any] = (Sigmoid(), Tanh(), ReLU()), depth: int = 10, start: float = 1.0
) -> Picture:
    """What is left of an upstream gradient of 1 behind a chain of 0, 1, ... `depth` equal gates, fed with `start`.

    The scale is logarithmic, so a gradient of 0 is not on it: its curve ends, and the legend says so.
    """
    figure, (axes,) = _panels(1, 1, (7.0, 3.6))
    told = []
    for gate, (colour, marker, line) in zip(gates, cycle(_STYLES)):
        left = chain_gradients(gate, depth, start)
        end = _n(left[-1]) if left[-1] else f"0 from gate {int(np.flatnonzero(left == 0)[0])} on"
        label = f"{_name(gate)}: {end}"
        axes.plot(
            np.where(left == 0, np.nan, left), color=colour, marker=marker, markersize=4, linestyle=line, label=label
        )
        told.append(f"{_name(gate)}: {_listed(left)}")
    axes.set(
        yscale="log",
        xlabel="gates in the chain",
        ylabel="gradient left (log scale)",
        title=f"A gradient of 1, sent back through a chain of gates (x = {start:.3g})",
    )
    axes.legend()
    words = f"What is left of a gradient of 1 behind 0 to {depth} gates, fed with x = {_n(start)}. "
    return Picture(figure, words + "; ".join(told) + ".")


def chain_gradients(gate: Any, depth: int, start: float) -> np.ndarray:
    """|∂ out / ∂ x| for chains of 0, 1, ... `depth` equal gates, (depth + 1,)."""
    x, left = np.array([start]), [1.0]
    for _ in range(depth):
        slope = vjp(gate, x, upstream=np.ones(1))[0]
        left.append(abs(left[-1] * float(slope[0])))
        x = run_forward(gate, x)[0]
    return np.array(left)


def weight_gradients(gate: Any, count: int = 200, rng: int = 0) -> np.ndarray:
    """dw of a neuron w₀ h₀ + w₁ h₁ whose inputs h come out of `gate`, for random upstream gradients, (count, 2)."""
    draw = np.random.default_rng(rng)
    h = run_forward(gate, draw.normal(0, 2, size=(count, 2)))[0]
    return np.asarray(draw.normal(size=(count, 1)) * h)  # upstream · h


def gradient_signs(gates: Sequence[Any] = (Sigmoid(), Tanh()), count: int = 200) -> Picture:
    """The gradients of a neuron's two weights as points in a plane: where may an update go?"""
    figure, panels = _panels(1, len(gates), (3.7 * len(gates), 3.4), sharex=True, sharey=True)
    told = []
    for axes, gate, (colour, marker, _) in zip(panels, gates, cycle(_STYLES)):
        dw = weight_gradients(gate, count)
        mixed = int(np.sum(dw[:, 0] * dw[:, 1] < 0))
        axes.plot(*dw.T, marker, color=colour, markersize=3)
        axes.axhline(0.0, color=GREY, linewidth=0.6)
        axes.axvline(0.0, color=GREY, linewidth=0.6)
        axes.set(title=f"inputs from {_name(gate)}:\n{mixed} of {count} with mixed signs", xlabel="dw[0]")
        told.append(f"inputs from {_name(gate)}: dw[0] and dw[1] have different signs in {mixed} of {count}")
    panels[0].set_ylabel("dw[1]")
    return Picture(figure, f"The gradients (dw[0], dw[1]) of a neuron's two weights, as points. {'; '.join(told)}.")


@dataclass(frozen=True)
class Course:
    """How one neuron fared over the updates: the share of examples with a positive score, and the loss."""

    passing: np.ndarray
    loss: np.ndarray


def train_one_neuron(gate: Any, step_sizes: Sequence[float], rng: int = 0) -> Course:
    """A neuron gate(w x + b) learns max(0, x + 1) from 50 examples, an update for each step size; squared error."""
    x = np.random.default_rng(rng).normal(size=50)
    target, w, b = np.maximum(0.0, x + 1.0), 0.5, 0.5
    passing, losses = [], []
    for step_size in (*step_sizes, 0.0):
        score = w * x + b
        out, _ = run_forward(gate, score)
        passing.append(float(np.mean(score > 0)))
        losses.append(float(np.mean((out - target) ** 2)))
        (dscore,) = vjp(gate, score, upstream=2.0 * (out - target) / len(x))
        w, b = w - step_size * float(np.sum(dscore * x)), b - step_size * float(np.sum(dscore))
    return Course(np.array(passing), np.array(losses))


def dying_relu(
    gates: Sequence[Any] = (ReLU(), LeakyReLU(0.2)), reckless: float = 1.5, careful: float = 0.3, updates: int = 24
) -> Picture:
    """One neuron: two updates that are too large, then careful ones. A ReLU does not come back, a leaky one does."""
    figure, (above, below) = _panels(2, 1, (7.0, 4.4), sharex=True)
    told = []
    for gate, (colour, marker, line) in zip(gates, cycle(_STYLES)):
        course = train_one_neuron(gate, [reckless] * 2 + [careful] * (updates - 2))
        look: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "markersize": 4,
            "linestyle": line,
            "label": _name(gate),
        }
        above.plot(100 * course.passing, **look)
        below.plot(course.loss, **look)
        every = slice(None, None, max(1, updates // 10))
        told.append(
            f"{_name(gate)}: {_listed(100 * course.passing[every])} %, with a loss of {_listed(course.loss[every])}"
        )
    for axes in (above, below):
        axes.axvspan(0, 2, facecolor="none", edgecolor=GREY, hatch="//", alpha=0.4, linewidth=0)
    title = f"Two updates of step_size {reckless:.3g} (hatched), then {careful:.3g}"
    above.legend(loc="center right")
    above.set(title=title, ylabel="% of examples\nwith score > 0", ylim=(-5, 105))
    below.set(xlabel="updates", ylabel="loss")
    words = f"{title}. Examples with a positive score, told after every {max(1, updates // 10)} updates. "
    return Picture(figure, words.replace(" (hatched)", "") + "; ".join(told) + ".")


# ---- helpers ----------------------------------------------------------------------------------------


def _told(gate: Any, at: float | None, reach: float) -> str:
    places = np.array([-reach, -reach / 3, reach / 3, reach])
    out, slope, failed = tried(gate, places)
    told = f"{_name(gate)} at x = {_listed(places)}: the output is {_listed(out)}, the slope {_listed(slope)}."
    if at is not None:
        told += f" The marked point is x = {_n(at)}: output {_n(_point(gate, at)[0])}, slope {_n(_point(gate, at)[1])}."
    if failed:
        return f"{told.partition(', the slope')[0]}."
    flat = " and ".join(f"from x = {_n(round(a, 2))} to {_n(round(b, 2))}" for a, b in saturated(gate, reach))
    return f"{told} The slope is below 0.01 {flat}." if flat else f"{told} The slope is nowhere below 0.01."


def _point(gate: Any, at: float) -> tuple[float, float]:
    out, slope, _ = tried(gate, np.array([at]))
    return float(out[0]), float(slope[0])


def _name(gate: Any) -> str:
    """ "Sigmoid", "LeakyReLU, slope 0.1": its class, and its settings."""
    settings = ", ".join(f"{name} {_n(value)}" for name, value in getattr(gate, "__dict__", {}).items())
    return f"{get_name(gate)}, {settings}" if settings else get_name(gate)


def _between(low: float, high: float, count: int = 800) -> np.ndarray:
    return np.linspace(low, high, count)


def _room(values: np.ndarray) -> tuple[float, float]:
    """Limits of an axis from 0 or below, with room for a legend above."""
    known = values[np.isfinite(values)]
    low, high = min(0.0, float(known.min(initial=0.0))), float(known.max(initial=0.1))
    return low - 0.05 * (high - low), high + 0.35 * (high - low)


def _panels(
    rows: int, columns: int, size: tuple[float, float], sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """An empty figure of several axes. It is closed for pyplot, so that a cell shows it once, as its last line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        rows, columns, figsize=size, dpi=90, layout="constrained", squeeze=False, sharex=sharex, sharey=sharey
    )
    plt.close(figure)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
    return figure, list(axes.flat)
