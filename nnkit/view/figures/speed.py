"""Figures and stopwatch of lecture 05: the cost of a training step, and where the time goes.

Measurements differ from run to run and from machine to machine: a picture of them is a `MeasuredPicture`. Its title
names the device; its numbers are in the figure, in the alternative text and in what `print` shows. JAX and matplotlib
load when first used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from nnkit.view.figures.picture import BLUE, GREEN, GREY, ORANGE, PURPLE, Picture, create_axes

SERIES_STYLES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", "-."), (PURPLE, "D", ":"), (GREY, "v", "-"))
"""The colour, marker and line style of each series; any one of the three identifies it."""


class MeasuredPicture(Picture):
    """A picture of measured times. A notebook shows it with its numbers; its `repr` has none, since they change."""

    def __repr__(self) -> str:
        return "Times measured on this machine; print() shows them."


@dataclass(frozen=True)
class Timing:
    """Seconds from a call to its result."""

    first: float
    """The first call, which includes compilation."""
    later: float
    """The median of the calls after it."""


def stopwatch(function: Callable[..., Any], *inputs: Any, repeats: int = 5) -> Timing:
    """Time `1 + repeats` calls of the function, waiting for each result (`jax.block_until_ready`)."""
    import jax

    seconds = []
    for _ in range(repeats + 1):
        start = perf_counter()
        jax.block_until_ready(function(*inputs))  # type: ignore[no-untyped-call]
        seconds.append(perf_counter() - start)
    return Timing(seconds[0], median(seconds[1:]))


def device_name() -> str:
    """Return the device that JAX computes on: "CPU, 2 cores", or the name of the GPU."""
    import jax

    device = jax.devices()[0]
    return f"CPU, {os.cpu_count()} cores" if device.platform == "cpu" else str(device.device_kind)


def format_seconds(seconds: float) -> str:
    """Return seconds in a suitable unit: 0.00123 → "1.23 ms"."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


# ---- sketches ------------------------------------------------------------------------------------------


def hand_overs(steps: int = 100, operations: int = 12, multiplications: int = 12_992_000) -> Picture:
    """Draw how often Python hands over work in `steps` training steps, from number by number to all steps at once.

    `operations` and `multiplications` are per step; the defaults are those of the 20-line network of lecture 04
    (64 examples, 1000 → 100 → 10).
    """
    lanes = {  # blocks drawn, the widths of Python and arithmetic in each, the real number of hand-overs
        "a loop:\none number at a time": (44, 0.2, 0.2, steps * multiplications),
        "vectorised:\none array at a time": (8, 0.55, 1.1, steps * operations),
        "jit:\none step at a time": (3, 0.55, 2.93, steps),
        "scan:\nall steps at once": (1, 0.55, 8.8, 1),
    }
    hatched: dict[str, Any] = {"facecolor": "white", "edgecolor": GREY, "hatch": "////", "linewidth": 0.5}
    figure, axes = create_axes(height=3.4)
    for row, (blocks, python, arithmetic, count) in enumerate(lanes.values()):
        starts = [i * (python + arithmetic) for i in range(blocks)]
        axes.broken_barh([(s, python) for s in starts], (row - 0.3, 0.6), **hatched)
        axes.broken_barh([(s + python, arithmetic) for s in starts], (row - 0.3, 0.6), facecolor=BLUE)
        end = starts[-1] + python + arithmetic
        axes.annotate("once" if count == 1 else f"{count:,} times", (end + 0.2, row), va="center")
    axes.bar(0, 0, **hatched, label="Python says what to do next")
    axes.bar(0, 0, color=BLUE, label="arithmetic")
    axes.set_yticks(range(len(lanes)), list(lanes))
    axes.invert_yaxis()
    axes.set(xlabel="time (a sketch, not to scale)", xlim=(0, 25), title=f"{steps} steps of training, handed over")
    axes.set_xticks([])
    figure.legend(loc="outside lower center", ncols=2)  # below: inside the axes it may cover a count
    text = "; ".join(f"{name.replace(chr(10), ' ')}, {count:,}×" for name, (*_, count) in lanes.items())
    return Picture(figure, f"How often Python hands over work in {steps} steps of training. {text}. The arithmetic is "
                   "the same; Python's share shrinks.")  # fmt: skip


def rounding(at: float = 1.0) -> Picture:
    """Draw the error of the measured slope of σ at a point, for steps h from large to small, in float32 and float64."""
    steps = 10.0 ** -np.arange(1, 13)
    figure, axes = create_axes()
    texts = []
    for (dtype, digits), (colour, marker, line) in zip(((np.float32, 7), (np.float64, 16)), SERIES_STYLES):
        errors = slope_errors(at, steps, dtype)
        best = int(np.argmin(errors))
        name = np.dtype(dtype).name
        axes.plot(steps, errors, color=colour, marker=marker, linestyle=line, label=f"{name}, about {digits} digits")
        texts.append(
            f"in {name} the best is {_format_scientific(errors[best])}, at h = {_format_scientific(steps[best])}"
        )
    axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="error of the slope")
    axes.set_title("The slope of σ, measured as (σ(x+h) − σ(x−h)) / 2h")
    axes.invert_xaxis()
    axes.legend(loc="upper left")
    return Picture(figure, f"The error of the measured slope of σ at x = {at:g} against the step h: it falls, and then "
                   f"rises again, because the rounding error is divided by h; {', and '.join(texts)}.")  # fmt: skip


def slope_errors(at: float, steps: np.ndarray, dtype: Any) -> np.ndarray:
    """Return |(σ(x+h) - σ(x-h)) / 2h - σ'(x)|, computed in `dtype`, for each h; at least 1e-17, for a log scale."""
    x, h = dtype(at), steps.astype(dtype)
    one = dtype(1.0)
    measured = (one / (one + np.exp(-(x + h))) - one / (one + np.exp(-(x - h)))) / (dtype(2.0) * h)
    out = 1.0 / (1.0 + np.exp(-at))
    return np.asarray(np.maximum(np.abs(measured.astype(float) - out * (1.0 - out)), 1e-17))


def scan_steps(xs: Sequence[float], carries: Sequence[float], kept: Sequence[float]) -> Picture:
    """Draw `jax.lax.scan`: a carry goes from step to step, each step takes an x and keeps an output.

    `carries` has one number more than there are steps.
    """
    figure, axes = create_axes(height=2.8)
    arrow = {"arrowstyle": "->", "color": GREY}
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": BLUE, "linewidth": 2}
    for i, (x, y) in enumerate(zip(xs, kept)):
        axes.text(i, 0, "step", ha="center", va="center", bbox=box)
        axes.annotate("", (i, 0.3), (i, 0.85), arrowprops=arrow)
        axes.text(i, 0.95, f"x = {x:g}", ha="center", va="bottom")
        axes.annotate("", (i, -0.85), (i, -0.3), arrowprops=arrow)
        axes.text(i, -0.95, f"kept: {y:g}", ha="center", va="top")
    for i, carry in enumerate(carries):
        axes.annotate("", (i - 0.25, 0), (i - 0.75, 0), arrowprops={**arrow, "color": ORANGE, "linewidth": 2})
        axes.text(i - 0.5, 0.12, f"{carry:g}", ha="center", va="bottom", color=ORANGE, fontweight="bold")
    axes.set(xlim=(-0.9, len(xs) - 0.1), ylim=(-1.5, 1.5))
    axes.set_title("scan: the carry (thick arrows) goes from step to step")
    axes.axis("off")
    text = "; ".join(
        f"step {i + 1} takes the carry {a:g} and x = {x:g}, hands on {b:g} and keeps {y:g}"
        for i, (x, a, b, y) in enumerate(zip(xs, carries, carries[1:], kept))
    )
    return Picture(figure, f"scan as a chain of {len(xs)} equal steps: {text}.")


def share(overhead: float = 100.0, work: float = 10.0, faster: float = 50.0) -> Picture:
    """Draw the times of a small step and of one with a thousand times the work, before and after a speedup.

    `overhead` and `work` are microseconds of the small step; the arithmetic becomes `faster` times as fast.
    """
    figure, axes = create_axes(height=2.6)
    rows: list[str] = []
    texts = []
    for name, amount in (("small step", work), ("large step", 1000 * work)):
        before, after = overhead + amount, overhead + amount / faster
        for device, arithmetic, total in (("before", amount, before), ("after", amount / faster, after)):
            row = len(rows)
            rows.append(f"{name}, {device}")
            axes.barh(row, overhead / before, facecolor="white", edgecolor=GREY, hatch="////",
                      label="" if row else "overhead")  # fmt: skip
            axes.barh(row, arithmetic / before, left=overhead / before, color=BLUE, label="" if row else "arithmetic")
            axes.annotate(f"{_format_microseconds(total)} µs", (total / before + 0.01, row), va="center")
        gain = f"{before / after:.3g} times as fast"
        texts.append(
            f"{name}: {_format_microseconds(before)} µs before and {_format_microseconds(after)} µs after, {gain}"
        )
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    title = f"Arithmetic {faster:g} times as fast"
    axes.set(xlabel="share of the time before", xlim=(0, 1.7), xticks=np.linspace(0, 1, 6), title=title)
    axes.legend(loc="center right")
    return Picture(figure, f"Overhead {overhead:g} µs a step, arithmetic {faster:g} times as fast. {'; '.join(texts)}.")


# ---- figures of results -------------------------------------------------------------------------------


def agreement(differences: Mapping[str, Mapping[str, float]]) -> Picture:
    """Draw the largest differences between two computations of each gradient, on a log scale.

    `differences` is {"float32": {"W1": 3e-8, ...}, ...}.
    """
    figure, axes = create_axes(height=2.8)
    for (name, row), (colour, marker, _) in zip(differences.items(), SERIES_STYLES):
        values = np.maximum(list(row.values()), 1e-18)
        axes.plot(values, list(row), marker=marker, color=colour, linestyle="none", markersize=9, label=name)
    axes.set(xscale="log", xlabel="largest difference (0 is drawn at 1e-18)", ylabel="gradient of", xlim=(1e-19, 1.0))
    axes.set_title("By hand against jax.grad")
    axes.legend(loc="center right")
    text = "; ".join(
        f"{name}: " + ", ".join(f"{key} {_format_scientific(value)}" for key, value in row.items())
        for name, row in differences.items()
    )
    return Picture(figure, f"The largest difference between two ways to each gradient. {text}.")


def curves(losses: Mapping[str, Any]) -> Picture:
    """Draw losses over the training steps, one line per series.

    Earlier lines are thicker, so that lines that coincide can be seen.
    """
    figure, axes = create_axes(height=3.0)
    for i, ((name, values), (colour, _, line)) in enumerate(zip(losses.items(), SERIES_STYLES)):
        width = 1.5 + 3 * (len(losses) - 1 - i)
        axes.plot(np.asarray(values), color=colour, linestyle=line, linewidth=width, label=name)
    axes.set(xlabel="step", ylabel="loss", title="Loss over the steps")
    axes.legend()
    ends = {name: np.asarray(values, dtype=float)[[0, -1]] for name, values in losses.items()}
    text = "; ".join(f"{name}: from {first:.4g} to {last:.4g}" for name, (first, last) in ends.items())
    return Picture(figure, f"The loss over the steps of training. {text}.")


def ensemble(losses: Any, accuracies: Any, unit: str = "step") -> Picture:
    """Draw an ensemble of networks that differ only in their initial weights.

    `losses` is (networks, steps), `accuracies` (networks,); `unit` names the second axis of `losses`.
    """
    import matplotlib.pyplot as plt

    losses, accuracies = np.asarray(losses, dtype=float), np.asarray(accuracies, dtype=float)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.4), dpi=90, layout="constrained")
    plt.close(figure)
    low, middle, high = np.percentile(losses, (10, 50, 90), axis=0)
    steps = np.arange(losses.shape[1])
    left.fill_between(steps, low, high, color=BLUE, alpha=0.25, label="8 of 10 networks")
    left.plot(middle, color=BLUE, label="median")
    left.plot(losses[np.argmin(losses[:, -1])], color=GREEN, linestyle=":", label="lowest at the end")
    left.plot(losses[np.argmax(losses[:, -1])], color=ORANGE, linestyle="--", label="highest at the end")
    left.set(xlabel=unit, ylabel="loss", ylim=(0, 1.6 * high.max()), title=f"{len(losses):,} networks, trained alike")
    left.legend(loc="upper right")  # the space above the lines is free
    right.hist(100 * accuracies, bins=20, color=BLUE, edgecolor="white")
    right.set(xlabel="accuracy at the end (%)", ylabel="networks", title="They differ only in their initial weights")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    worst, typical, best = 100 * np.percentile(accuracies, (0, 50, 100))
    return Picture(figure, f"{len(losses):,} networks trained alike from different initial weights. The median loss "
                   f"goes from {middle[0]:.3g} to {middle[-1]:.3g}; at the end 8 of 10 networks lie between "
                   f"{low[-1]:.3g} and {high[-1]:.3g}. The accuracy is {worst:.0f} % for the worst network, "
                   f"{typical:.0f} % for the median, {best:.0f} % for the best.")  # fmt: skip


# ---- figures of measured times ------------------------------------------------------------------------


def timings(seconds: Mapping[str, float], what: str = "one call") -> MeasuredPicture:
    """Draw times as bars on a log scale, each with its ratio to the shortest."""
    figure, axes = create_axes(height=1.2 + 0.45 * len(seconds))
    shortest, longest = min(seconds.values()), max(seconds.values())
    axes.barh(list(seconds), list(seconds.values()), color=BLUE, height=0.55)
    texts = {name: f"{format_seconds(s)} ({_format_ratio(s / shortest)}×)" for name, s in seconds.items()}
    for row, (name, s) in enumerate(seconds.items()):
        axes.annotate(texts[name], (s * 1.1, row), va="center")
    axes.invert_yaxis()
    axes.set(xscale="log", xlim=(shortest / 3, longest * max(30.0, (longest / shortest) ** 0.5)))
    axes.set(xlabel="seconds (log scale)", ylabel=what, title=f"Measured here: {device_name()}")
    listed = "; ".join(f"{name}: {text}" for name, text in texts.items())
    return MeasuredPicture(figure, f"Time for {what}, measured on {device_name()}. {listed}.")


def overhead(sizes: Sequence[int], seconds: Mapping[str, Sequence[float]], what: str = "one step") -> MeasuredPicture:
    """Draw the time of a step against the batch size, both on log scales.

    Where a line is flat, the time does not depend on the amount of arithmetic: it is overhead.
    """
    figure, axes = create_axes()
    for (name, row), (colour, marker, line) in zip(seconds.items(), SERIES_STYLES):
        axes.plot(sizes, row, color=colour, marker=marker, linestyle=line, label=name)
    axes.set(xscale="log", yscale="log", xlabel="examples in a batch", ylabel=f"seconds for {what}")
    axes.set_title(f"Measured here: {device_name()}")
    axes.legend()
    text = "; ".join(
        f"{name}: " + ", ".join(f"{format_seconds(s)} for {size:,}" for size, s in zip(sizes, row))
        for name, row in seconds.items()
    )
    return MeasuredPicture(
        figure, f"Time for {what} against the size of the batch, measured on {device_name()}. {text}."
    )


def _format_microseconds(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0")


def _format_ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _format_scientific(number: float) -> str:
    """Return a number of any size in one to three digits."""
    return f"{number:.3g}" if 1e-3 <= abs(number) < 1e6 or number == 0 else f"{number:.0e}"
