"""Lecture 05's figures and its stopwatch: what a step of training costs, and where the time goes.

What was measured differs from run to run and from machine to machine: such a picture is `Measured`, its title
names the device, and its numbers are in the picture, in its alternative text and in what `print` shows. JAX and
matplotlib load when first used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.view.figures.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", "-."), (PURPLE, "D", ":"), (GREY, "v", "-"))
"""A colour, a marker and a line style for each series: any one of the three tells them apart."""


class Measured(Picture):
    """A picture of measured times. A notebook shows it with its numbers; its `repr` has none, since they change."""

    def __repr__(self) -> str:
        return "Times measured on this machine; print() tells them."


@dataclass(frozen=True)
class Timing:
    """Seconds of a call, until its result was there."""

    first: float
    """The first call, which compiles too if anything does."""
    later: float
    """The median of the calls after it."""


def stopwatch(function: Callable[..., Any], *inputs: Any, repeats: int = 5) -> Timing:
    """Call the function once and `repeats` times more, and wait for each result (`jax.block_until_ready`)."""
    import jax

    seconds = []
    for _ in range(repeats + 1):
        start = perf_counter()
        jax.block_until_ready(function(*inputs))  # type: ignore[no-untyped-call]
        seconds.append(perf_counter() - start)
    return Timing(seconds[0], median(seconds[1:]))


def device_name() -> str:
    """What JAX computes on here: "CPU, 2 cores", or a GPU's own name."""
    import jax

    device = jax.devices()[0]
    return f"CPU, {os.cpu_count()} cores" if device.platform == "cpu" else str(device.device_kind)


def readable(seconds: float) -> str:
    """Seconds in a unit that suits them: 0.00123 → "1.23 ms"."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


# ---- what is drawn from knowledge ---------------------------------------------------------------------


def hand_overs(steps: int = 100, operations: int = 12, multiplications: int = 12_992_000) -> Picture:
    """How often Python hands work over in `steps` steps of training, each of so many array operations that are
    made of so many multiplications: number by number, array by array, step by step, or all at once.

    The numbers given are those of the 20-line network of lecture 04 (64 examples, 1000 → 100 → 10).
    """
    lanes = {  # blocks drawn, the widths of Python's and of the arithmetic's, and how often it really happens
        "a loop:\none number at a time": (44, 0.2, 0.2, steps * multiplications),
        "vectorised:\none array at a time": (8, 0.55, 1.1, steps * operations),
        "jit:\none step at a time": (3, 0.55, 2.93, steps),
        "scan:\nall steps at once": (1, 0.55, 8.8, 1),
    }
    hatched: dict[str, Any] = {"facecolor": "white", "edgecolor": GREY, "hatch": "////", "linewidth": 0.5}
    figure, axes = _axes(height=3.4)
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
    figure.legend(loc="outside lower center", ncols=2)  # below: in the axes it may lie on a count
    told = "; ".join(f"{name.replace(chr(10), ' ')}, {count:,}×" for name, (*_, count) in lanes.items())
    return Picture(figure, f"How often Python hands work over in {steps} steps of training. {told}. The arithmetic is "
                   "the same; Python's share shrinks.")  # fmt: skip


def rounding(at: float = 1.0) -> Picture:
    """The error of the measured slope of σ at a point, for steps h from large to small, in float32 and float64."""
    steps = 10.0 ** -np.arange(1, 13)
    figure, axes = _axes()
    told = []
    for (dtype, digits), (colour, marker, line) in zip(((np.float32, 7), (np.float64, 16)), LOOKS):
        errors = slope_errors(at, steps, dtype)
        best = int(np.argmin(errors))
        name = np.dtype(dtype).name
        axes.plot(steps, errors, color=colour, marker=marker, linestyle=line, label=f"{name}, about {digits} digits")
        told.append(f"in {name} the best is {_e(errors[best])}, at h = {_e(steps[best])}")
    axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="error of the slope")
    axes.set_title("The slope of σ, measured as (σ(x+h) − σ(x−h)) / 2h")
    axes.invert_xaxis()
    axes.legend(loc="upper left")
    return Picture(figure, f"The error of the measured slope of σ at x = {at:g} against the step h: it falls, and then "
                   f"rises again, since rounding is divided by h; {', and '.join(told)}.")  # fmt: skip


def slope_errors(at: float, steps: np.ndarray, dtype: Any) -> np.ndarray:
    """|(σ(x+h) - σ(x-h)) / 2h - σ'(x)|, computed in this type, for each h; at least 1e-17, for a log scale."""
    x, h = dtype(at), steps.astype(dtype)
    one = dtype(1.0)
    measured = (one / (one + np.exp(-(x + h))) - one / (one + np.exp(-(x - h)))) / (dtype(2.0) * h)
    out = 1.0 / (1.0 + np.exp(-at))
    return np.asarray(np.maximum(np.abs(measured.astype(float) - out * (1.0 - out)), 1e-17))


def scan_steps(xs: Sequence[float], carries: Sequence[float], kept: Sequence[float]) -> Picture:
    """`jax.lax.scan`, drawn: a carry goes from step to step, an x enters each, and something is kept of each.

    `carries` has one number more than there are steps.
    """
    figure, axes = _axes(height=2.8)
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
    told = "; ".join(
        f"step {i + 1} takes the carry {a:g} and x = {x:g}, hands on {b:g} and keeps {y:g}"
        for i, (x, a, b, y) in enumerate(zip(xs, carries, carries[1:], kept))
    )
    return Picture(figure, f"scan as a chain of {len(xs)} equal steps: {told}.")


def share(overhead: float = 100.0, work: float = 10.0, faster: float = 50.0) -> Picture:
    """What a device with arithmetic `faster` times as fast makes of a small step (overhead and work, in µs), and of
    one with a thousand times the work."""
    figure, axes = _axes(height=2.6)
    rows: list[str] = []
    told = []
    for name, amount in (("small step", work), ("large step", 1000 * work)):
        before, after = overhead + amount, overhead + amount / faster
        for device, arithmetic, total in (("before", amount, before), ("after", amount / faster, after)):
            row = len(rows)
            rows.append(f"{name}, {device}")
            axes.barh(row, overhead / before, facecolor="white", edgecolor=GREY, hatch="////",
                      label="" if row else "overhead")  # fmt: skip
            axes.barh(row, arithmetic / before, left=overhead / before, color=BLUE, label="" if row else "arithmetic")
            axes.annotate(f"{_micro(total)} µs", (total / before + 0.01, row), va="center")
        gain = f"{before / after:.3g} times as fast"
        told.append(f"{name}: {_micro(before)} µs before and {_micro(after)} µs after, {gain}")
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set(xlabel="share of the time before", xlim=(0, 1.7), title=f"Arithmetic {faster:g} times as fast")
    axes.legend(loc="center right")
    return Picture(figure, f"Overhead {overhead:g} µs a step, arithmetic {faster:g} times as fast. {'; '.join(told)}.")


# ---- what is drawn from results -----------------------------------------------------------------------


def agreement(differences: Mapping[str, Mapping[str, float]]) -> Picture:
    """The largest differences between two ways to a gradient: {"float32": {"W1": 3e-8, ...}, ...}, on a log scale."""
    figure, axes = _axes(height=2.8)
    for (name, row), (colour, marker, _) in zip(differences.items(), LOOKS):
        values = np.maximum(list(row.values()), 1e-18)
        axes.plot(values, list(row), marker=marker, color=colour, linestyle="none", markersize=9, label=name)
    axes.set(xscale="log", xlabel="largest difference (0 is drawn at 1e-18)", ylabel="gradient of", xlim=(1e-19, 1.0))
    axes.set_title("By hand against jax.grad")
    axes.legend(loc="center right")
    told = "; ".join(
        f"{name}: " + ", ".join(f"{key} {_e(value)}" for key, value in row.items()) for name, row in differences.items()
    )
    return Picture(figure, f"The largest difference between two ways to each gradient. {told}.")


def curves(losses: Mapping[str, Any]) -> Picture:
    """Losses over the steps of training, one line a series. The last is thin and those before it are thicker, so that
    lines that lie on each other can be seen."""
    figure, axes = _axes(height=3.0)
    for i, ((name, values), (colour, _, line)) in enumerate(zip(losses.items(), LOOKS)):
        width = 1.5 + 3 * (len(losses) - 1 - i)
        axes.plot(np.asarray(values), color=colour, linestyle=line, linewidth=width, label=name)
    axes.set(xlabel="step", ylabel="loss", title="Loss over the steps")
    axes.legend()
    ends = {name: np.asarray(values, dtype=float)[[0, -1]] for name, values in losses.items()}
    told = "; ".join(f"{name}: from {first:.4g} to {last:.4g}" for name, (first, last) in ends.items())
    return Picture(figure, f"The loss over the steps of training. {told}.")


def many(losses: Any, accuracies: Any, unit: str = "step") -> Picture:
    """Many networks trained alike from other starting points: losses (networks, steps), accuracies (networks,).

    `unit` is what the second axis of the losses counts.
    """
    import matplotlib.pyplot as plt

    losses, accuracies = np.asarray(losses, dtype=float), np.asarray(accuracies, dtype=float)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.4), dpi=90, layout="constrained")
    plt.close(figure)
    low, middle, high = np.percentile(losses, (10, 50, 90), axis=0)
    steps = np.arange(losses.shape[1])
    left.fill_between(steps, low, high, color=BLUE, alpha=0.25, label="8 of 10 networks")
    left.plot(middle, color=BLUE, label="the middle one")
    left.plot(losses[np.argmin(losses[:, -1])], color=GREEN, linestyle=":", label="ends lowest")
    left.plot(losses[np.argmax(losses[:, -1])], color=ORANGE, linestyle="--", label="ends highest")
    left.set(xlabel=unit, ylabel="loss", ylim=(0, 1.6 * high.max()), title=f"{len(losses):,} networks, trained alike")
    left.legend(loc="upper right")  # above the lines, which have room below
    right.hist(100 * accuracies, bins=20, color=BLUE, edgecolor="white")
    right.set(xlabel="accuracy at the end (%)", ylabel="networks", title="They differ in their first weights only")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    worst, typical, best = 100 * np.percentile(accuracies, (0, 50, 100))
    return Picture(figure, f"{len(losses):,} networks trained alike from other first weights. The loss of the middle "
                   f"one goes from {middle[0]:.3g} to {middle[-1]:.3g}; at the end 8 of 10 lie between {low[-1]:.3g} "
                   f"and {high[-1]:.3g}. The accuracy is {worst:.0f} % for the worst, {typical:.0f} % for the middle "
                   f"one, {best:.0f} % for the best.")  # fmt: skip


# ---- what is measured ---------------------------------------------------------------------------------


def timings(seconds: Mapping[str, float], what: str = "one call") -> Measured:
    """Bars on a logarithmic scale: how long each took, and how many times as long as the shortest."""
    figure, axes = _axes(height=1.2 + 0.45 * len(seconds))
    shortest, longest = min(seconds.values()), max(seconds.values())
    axes.barh(list(seconds), list(seconds.values()), color=BLUE, height=0.55)
    told = {name: f"{readable(s)} ({_times(s / shortest)}×)" for name, s in seconds.items()}
    for row, (name, s) in enumerate(seconds.items()):
        axes.annotate(told[name], (s * 1.1, row), va="center")
    axes.invert_yaxis()
    axes.set(xscale="log", xlim=(shortest / 3, longest * max(30.0, (longest / shortest) ** 0.5)))
    axes.set(xlabel="seconds (log scale)", ylabel=what, title=f"Measured here: {device_name()}")
    listed = "; ".join(f"{name}: {text}" for name, text in told.items())
    return Measured(figure, f"Time for {what}, measured on {device_name()}. {listed}.")


def overhead(sizes: Sequence[int], seconds: Mapping[str, Sequence[float]], what: str = "one step") -> Measured:
    """Lines on logarithmic scales: the time of a step against the size of the batch. Where a line is flat, the step
    costs the same however much there is to compute: that is overhead."""
    figure, axes = _axes()
    for (name, row), (colour, marker, line) in zip(seconds.items(), LOOKS):
        axes.plot(sizes, row, color=colour, marker=marker, linestyle=line, label=name)
    axes.set(xscale="log", yscale="log", xlabel="examples in a batch", ylabel=f"seconds for {what}")
    axes.set_title(f"Measured here: {device_name()}")
    axes.legend()
    told = "; ".join(
        f"{name}: " + ", ".join(f"{readable(s)} for {size:,}" for size, s in zip(sizes, row))
        for name, row in seconds.items()
    )
    return Measured(figure, f"Time for {what} against the size of the batch, measured on {device_name()}. {told}.")


def _axes(height: float = 3.6) -> tuple[Figure, Axes]:
    """An empty figure, closed for pyplot, so that a cell shows it once, as its last line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, height), dpi=90, layout="constrained")
    plt.close(figure)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _micro(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0")


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _e(number: float) -> str:
    """A number of any size in two or three digits."""
    return f"{number:.3g}" if 1e-3 <= abs(number) < 1e6 or number == 0 else f"{number:.0e}"
