"""Figures of gradients: their size in each layer, and the error of a measured slope for each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnkit.gates.base import run_forward
from nnkit.jacobian import vjp
from nnkit.mlp import MLP, Parameters
from nnkit.view.figures.activation_curves import label_gate
from nnkit.view.figures.picture import (
    COLOURS,
    LINES,
    MARKERS,
    Picture,
    create_axes,
    format_number,
    format_numbers,
)

STEPS = 10.0 ** -np.arange(0.0, 15.5, 0.5)


def gradient_flow(networks: Mapping[str, tuple[MLP, Parameters]], x: Any, y: Any) -> Picture:
    """Draw the typical size (root mean square) of an entry of dW in each layer, for several networks.

    x (N, D) and y as for `MLP.gradients`. The scale is logarithmic: a gradient of 0 or NaN leaves a gap.
    """
    figure, axes = create_axes()
    texts = []
    for i, (name, (model, parameters)) in enumerate(networks.items()):
        sizes = layer_gradients(model, parameters, x, y)
        drawn = np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan)
        look: dict[str, Any] = {"color": COLOURS[i % 5], "marker": MARKERS[i % 5], "linestyle": LINES[i % 5]}
        axes.plot(np.arange(1, len(sizes) + 1), drawn, **look, label=name)
        texts.append(f"{name}: {format_numbers(sizes)}")
    deepest = max(model.depth for model, _ in networks.values())
    axes.set_xticks(range(1, deepest + 1), [f"dW{k}" for k in range(1, deepest + 1)])
    axes.set(yscale="log", xlabel="layer, the first on the left", ylabel="typical entry (log scale)")
    axes.set_title("The gradient that reaches each layer")
    axes.legend()
    return Picture(figure, f"The typical size of an entry of dW, from the first layer to the last. {'; '.join(texts)}.")


def layer_gradients(model: MLP, parameters: Parameters, x: Any, y: Any) -> np.ndarray:
    """Return √(mean of dWk²) for each layer k, (depth,)."""
    with np.errstate(all="ignore"):
        _, gradients = model.gradients(parameters, x, y)
        means = [np.mean(np.square(gradients[f"W{k}"])) for k in range(1, model.depth + 1)]
    return np.asarray(np.sqrt(means))


def check_errors(gate: Any, at: float = 1.0, steps: np.ndarray = STEPS) -> Picture:
    """Draw the error of measured slopes of an elementwise gate against its backward, for steps h from large to small.

    One-sided (f(x+h) - f(x)) / h falls with h, centred (f(x+h) - f(x-h)) / 2h with h²; then the rounding error,
    divided by h, dominates. If the backward is wrong, both curves level off. Raises what the gate raises.
    """
    figure, axes = create_axes()
    texts = []
    for i, (name, errors) in enumerate(slope_errors(gate, at, steps).items()):
        best = int(np.argmin(errors))
        axes.plot(steps, errors, color=COLOURS[i], marker=MARKERS[i], linestyle=LINES[i], markersize=4, label=name)
        texts.append(f"{name}: at best {format_number(errors[best])}, with h = {format_number(steps[best])}")
    axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="distance from backward's slope")
    axes.set_title(f"{label_gate(gate)} at x = {format_number(at)}: measured slopes against backward")
    axes.invert_xaxis()
    axes.legend()
    head = f"The distance of the measured slope of {label_gate(gate)} at x = {format_number(at)} from backward's"
    return Picture(figure, f"{head}, against the step h. {'; '.join(texts)}.")


def slope_errors(gate: Any, at: float, steps: np.ndarray) -> dict[str, np.ndarray]:
    """Return |measured - backward's slope| for each h; at least 1e-17, for a log scale."""
    x, h = np.full(len(steps), at), np.asarray(steps, dtype=float)
    middle, right, left = (run_forward(gate, place)[0] for place in (x, x + h, x - h))
    slope = vjp(gate, x, upstream=np.ones_like(x))[0]
    measured = {"one-sided": (right - middle) / h, "centred": (right - left) / (2 * h)}
    return {name: np.maximum(np.abs(found - slope), 1e-17) for name, found in measured.items()}
