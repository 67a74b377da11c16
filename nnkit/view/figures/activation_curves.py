"""Figures of lecture 02: activations with their slopes, and the effect of these slopes on a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.gates import ELU, LeakyReLU, Maxout, ReLU, Sigmoid, Tanh
from nnkit.gates.base import run_forward
from nnkit.jacobian import vjp
from nnkit.language import ENGLISH, say, speaking
from nnkit.view.errors import describe_error
from nnkit.view.figures.picture import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Picture,
    create_panels,
    format_number,
    format_numbers,
)

SATURATED = 0.01
"""The slope below which a gate is called saturated: it passes less than a hundredth of its upstream gradient."""

GALLERY = (Sigmoid(), Tanh(), ReLU(), LeakyReLU(0.1), ELU(), Maxout(2))

_STYLES = tuple(
    zip((BLUE, ORANGE, GREEN, PURPLE, GREY, BLUE), ("o", "s", "^", "D", "v", "P"), ("-", "--", "-.", ":", "-", "--"))
)


def output_and_slope(gate: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an activation's output and its slope at each x: its backward for an upstream gradient of ones.

    Maxout needs several scores for each unit. Here they are straight lines in x, tangents of the parabola x²/4
    (`maxout_lines`).
    """
    if not isinstance(gate, Maxout):
        return run_forward(gate, x)[0], vjp(gate, x, upstream=np.ones_like(x))[0]
    slopes, offsets = maxout_lines(gate.pieces)
    scores = x[:, None] * slopes + offsets  # (N, pieces): one unit
    out, _ = run_forward(gate, scores)
    (dscores,) = vjp(gate, scores, upstream=np.ones_like(out))
    return out[:, 0], (dscores * slopes).sum(axis=1)


def try_gate(gate: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Return `output_and_slope` of a gate that may fail (NaN where it does), and a sentence on the failure."""
    try:
        return *output_and_slope(gate, x), ""
    except Exception as error:  # a learner's gate may raise anything
        text = describe_error(error)
    nothing = np.full(np.shape(x), np.nan)
    try:
        out = run_forward(gate, x)[0]
    except Exception:
        return nothing, nothing, f"{say('The forward of {gate} failed.', gate=label_gate(gate))} {text}"
    failed = say("The backward of {gate} failed, so there is no slope.", gate=label_gate(gate))
    return out, nothing, f"{failed} {text}"


def maxout_lines(pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes and offsets of the lines whose maximum is drawn for maxout: s x - s², with s from -½ to 1."""
    slopes = np.linspace(-0.5, 1.0, pieces)
    return slopes, -(slopes**2)


def curve_and_slope(gate: Any, at: float | None = None, reach: float = 6.0) -> Picture:
    """Draw an activation and, below it, its slope; hatched where it is saturated (slope below `SATURATED`).

    With `at`, that point is marked on both curves. If the gate fails, the part that works is drawn with the error.
    """
    figure, (above, below) = create_panels(2, 1, (7.0, 4.4), sharex=True)
    x = np.linspace(-reach, reach, 800)
    with speaking(ENGLISH):  # the picture has no font for anything else
        out, slope, failed = try_gate(gate, x)
    above.plot(x, out, color=BLUE, label="output")
    below.plot(x, slope, color=ORANGE, linestyle="--", label="slope")
    for side in saturated(gate, reach):
        for axes in (above, below):
            axes.axvspan(*side, facecolor="none", edgecolor=GREY, hatch="//", alpha=0.4, linewidth=0)
    title = f"{label_gate(gate)}: the output, and its slope"
    if at is not None:
        title += f" at x = {at:.3g}: {_evaluate_at(gate, at)[0]:.4f}, {_evaluate_at(gate, at)[1]:.4f}"
        for axes, y in zip((above, below), _evaluate_at(gate, at)):
            axes.plot(at, y, "o", color=GREEN, label=f"x = {at:.3g}: {y:.4f}")
    above.set(title=title, ylabel="output")
    below.set(xlabel="x (hatched: the slope is below 0.01)", ylabel="slope", ylim=_choose_limits(slope))
    for axes in (above, below):
        axes.legend(loc="upper left")
    if failed:
        below.set_title(failed, fontsize=8, wrap=True)
    return Picture(figure, failed if np.isnan(out).all() else f"{_describe_curve(gate, at, reach)} {failed}".strip())


def saturated(gate: Any, reach: float = 6.0) -> list[tuple[float, float]]:
    """Return the intervals of [-reach, reach] on which the slope is below `SATURATED`, as (from, to)."""
    x = np.linspace(-reach, reach, 4001)
    flat = np.abs(try_gate(gate, x)[1]) < SATURATED
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
    return [(float(x[i]), float(x[j - 1])) for i, j in zip(edges[::2], edges[1::2])]


def gallery(gates: Sequence[Any] = GALLERY, reach: float = 4.0) -> Picture:
    """Draw activations side by side, each with its slope."""
    rows = -(-len(gates) // 3)
    figure, panels = create_panels(rows, min(len(gates), 3), (8.4, 2.3 * rows + 0.3), sharex=True)
    x = np.linspace(-reach, reach, 800)
    texts = []
    for axes, gate in zip(panels, gates):
        out, slope = output_and_slope(gate, x)
        axes.plot(x, out, color=BLUE, label="output")
        axes.plot(x, slope, color=ORANGE, linestyle="--", label="slope")
        axes.axhline(0.0, color=GREY, linewidth=0.6)
        axes.set(title=label_gate(gate), ylim=(-2.1, reach))
        values = [format_numbers(pair) for pair in zip(*(_evaluate_at(gate, at) for at in (-2.0, 2.0)))]
        texts.append(f"{label_gate(gate)}: output {values[0]}, slope {values[1]}")
    panels[0].legend(loc="upper left", fontsize=8)
    for axes in panels[len(gates) :]:
        axes.set_axis_off()
    return Picture(figure, f"Activations and their slopes, at x = −2 and x = 2. {'; '.join(texts)}.")


def gradient_through(
    gates: Sequence[Any] = (Sigmoid(), Tanh(), ReLU()), depth: int = 10, start: float = 1.0
) -> Picture:
    """Draw the gradient that passes a chain of 0, 1, ... `depth` equal gates, for an upstream gradient of 1.

    The input of the chain is `start`. On the log scale a gradient of 0 ends a curve, and the legend says so.
    """
    figure, (axes,) = create_panels(1, 1, (7.0, 3.6))
    texts = []
    for gate, (colour, marker, line) in zip(gates, cycle(_STYLES)):
        left = chain_gradients(gate, depth, start)
        end = format_number(left[-1]) if left[-1] else f"0 from gate {int(np.flatnonzero(left == 0)[0])} on"
        label = f"{label_gate(gate)}: {end}"
        axes.plot(
            np.where(left == 0, np.nan, left), color=colour, marker=marker, markersize=4, linestyle=line, label=label
        )
        texts.append(f"{label_gate(gate)}: {format_numbers(left)}")
    axes.set(
        yscale="log",
        xlabel="gates in the chain",
        ylabel="gradient left (log scale)",
        title=f"A gradient of 1, sent back through a chain of gates (x = {start:.3g})",
    )
    axes.legend()
    words = f"The gradient that is left of 1 after 0 to {depth} gates, for the input x = {format_number(start)}. "
    return Picture(figure, words + "; ".join(texts) + ".")


def chain_gradients(gate: Any, depth: int, start: float) -> np.ndarray:
    """Return |∂ out / ∂ x| for chains of 0, 1, ... `depth` equal gates, (depth + 1,)."""
    x, left = np.array([start]), [1.0]
    for _ in range(depth):
        slope = vjp(gate, x, upstream=np.ones(1))[0]
        left.append(abs(left[-1] * float(slope[0])))
        x = run_forward(gate, x)[0]
    return np.array(left)


def weight_gradients(gate: Any, count: int = 200, rng: int = 0) -> np.ndarray:
    """Return dw (count, 2) of a neuron w₀ h₀ + w₁ h₁ whose inputs h are outputs of `gate`, for random upstreams."""
    draw = np.random.default_rng(rng)
    h = run_forward(gate, draw.normal(0, 2, size=(count, 2)))[0]
    return np.asarray(draw.normal(size=(count, 1)) * h)  # upstream · h


def gradient_signs(gates: Sequence[Any] = (Sigmoid(), Tanh()), count: int = 200) -> Picture:
    """Draw the gradients of a neuron's two weights as points in a plane: the directions that an update can take."""
    figure, panels = create_panels(1, len(gates), (3.7 * len(gates), 3.4), sharex=True, sharey=True)
    texts = []
    for axes, gate, (colour, marker, _) in zip(panels, gates, cycle(_STYLES)):
        dw = weight_gradients(gate, count)
        mixed = int(np.sum(dw[:, 0] * dw[:, 1] < 0))
        axes.plot(*dw.T, marker, color=colour, markersize=3)
        axes.axhline(0.0, color=GREY, linewidth=0.6)
        axes.axvline(0.0, color=GREY, linewidth=0.6)
        axes.set(title=f"inputs from {label_gate(gate)}:\n{mixed} of {count} with mixed signs", xlabel="dw[0]")
        texts.append(f"inputs from {label_gate(gate)}: dw[0] and dw[1] have different signs in {mixed} of {count}")
    panels[0].set_ylabel("dw[1]")
    return Picture(figure, f"The gradients (dw[0], dw[1]) of a neuron's two weights, as points. {'; '.join(texts)}.")


@dataclass(frozen=True)
class NeuronHistory:
    """The history of one neuron over the updates: the share of examples with a positive score, and the loss."""

    passing: np.ndarray
    loss: np.ndarray


def train_one_neuron(gate: Any, step_sizes: Sequence[float], rng: int = 0) -> NeuronHistory:
    """Train a neuron gate(w x + b) to fit max(0, x + 1) on 50 examples, one update per step size; squared error."""
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
    return NeuronHistory(np.array(passing), np.array(losses))


def dying_relu(
    gates: Sequence[Any] = (ReLU(), LeakyReLU(0.2)), reckless: float = 1.5, careful: float = 0.3, updates: int = 24
) -> Picture:
    """Draw the history of one neuron: two updates that are too large, then small ones.

    A ReLU does not recover, a leaky one does.
    """
    figure, (above, below) = create_panels(2, 1, (7.0, 4.4), sharex=True)
    texts = []
    for gate, (colour, marker, line) in zip(gates, cycle(_STYLES)):
        history = train_one_neuron(gate, [reckless] * 2 + [careful] * (updates - 2))
        look: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "markersize": 4,
            "linestyle": line,
            "label": label_gate(gate),
        }
        above.plot(100 * history.passing, **look)
        below.plot(history.loss, **look)
        every = slice(None, None, max(1, updates // 10))
        texts.append(
            f"{label_gate(gate)}: {format_numbers(100 * history.passing[every])} %, "
            f"with a loss of {format_numbers(history.loss[every])}"
        )
    for axes in (above, below):
        axes.axvspan(0, 2, facecolor="none", edgecolor=GREY, hatch="//", alpha=0.4, linewidth=0)
    title = f"Two updates of step_size {reckless:.3g} (hatched), then {careful:.3g}"
    above.legend(loc="center right")
    above.set(title=title, ylabel="% of examples\nwith score > 0", ylim=(-5, 105))
    below.set(xlabel="updates", ylabel="loss")
    words = f"{title}. Examples with a positive score, every {max(1, updates // 10)} updates. "
    return Picture(figure, words.replace(" (hatched)", "") + "; ".join(texts) + ".")


# ---- helpers ----------------------------------------------------------------------------------------


def _describe_curve(gate: Any, at: float | None, reach: float) -> str:
    places = np.array([-reach, -reach / 3, reach / 3, reach])
    out, slope, failed = try_gate(gate, places)
    values = f"the output is {format_numbers(out)}, the slope {format_numbers(slope)}"
    text = f"{label_gate(gate)} at x = {format_numbers(places)}: {values}."
    if at is not None:
        marked = map(format_number, (at, *_evaluate_at(gate, at)))
        text += " The marked point is x = {}: output {}, slope {}.".format(*marked)
    if failed:
        return f"{text.partition(', the slope')[0]}."
    flat = " and ".join(
        f"from x = {format_number(round(a, 2))} to {format_number(round(b, 2))}" for a, b in saturated(gate, reach)
    )
    return f"{text} The slope is below 0.01 {flat}." if flat else f"{text} The slope is nowhere below 0.01."


def _evaluate_at(gate: Any, at: float) -> tuple[float, float]:
    out, slope, _ = try_gate(gate, np.array([at]))
    return float(out[0]), float(slope[0])


def label_gate(gate: Any) -> str:
    """Return a gate's class and settings: "Sigmoid", "LeakyReLU, slope 0.1"."""
    settings = ", ".join(f"{name} {format_number(value)}" for name, value in getattr(gate, "__dict__", {}).items())
    return f"{get_name(gate)}, {settings}" if settings else get_name(gate)


def _choose_limits(values: np.ndarray) -> tuple[float, float]:
    """Return the limits of an axis from 0 or below, with room for a legend above."""
    known = values[np.isfinite(values)]
    low, high = min(0.0, float(known.min(initial=0.0))), float(known.max(initial=0.1))
    return low - 0.05 * (high - low), high + 0.35 * (high - low)
