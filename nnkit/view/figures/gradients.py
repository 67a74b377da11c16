"""Pictures of gradients: how much of one reaches each layer, and how far off a measured one is for each step.

Each returns a `Picture` (`nnkit.view.figures.plots`): a figure and the same in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnkit.arrays import Parameters
from nnkit.gates.base import run_forward
from nnkit.jacobian import vjp
from nnkit.mlp import MLP
from nnkit.view.figures.activation_curves import _name
from nnkit.view.figures.plots import Picture, _axes, _listed, _n
from nnkit.view.figures.training import COLOURS, LINES, MARKERS

STEPS = 10.0 ** -np.arange(0.0, 15.5, 0.5)


def gradient_flow(networks: Mapping[str, tuple[MLP, Parameters]], x: Any, y: Any) -> Picture:
    """The typical size of an entry of dW, layer by layer, of each network on these examples: its root mean square.

    x (N, D) and y as `MLP.gradients` takes them. The scale is logarithmic: a gradient of 0 or NaN leaves a gap.
    """
    figure, axes = _axes()
    told = []
    for i, (name, (model, parameters)) in enumerate(networks.items()):
        sizes = layer_gradients(model, parameters, x, y)
        drawn = np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan)
        look: dict[str, Any] = {"color": COLOURS[i % 5], "marker": MARKERS[i % 5], "linestyle": LINES[i % 5]}
        axes.plot(np.arange(1, len(sizes) + 1), drawn, **look, label=name)
        told.append(f"{name}: {_listed(sizes)}")
    deepest = max(model.depth for model, _ in networks.values())
    axes.set_xticks(range(1, deepest + 1), [f"dW{k}" for k in range(1, deepest + 1)])
    axes.set(yscale="log", xlabel="layer, the first on the left", ylabel="typical entry (log scale)")
    axes.set_title("The gradient that reaches each layer")
    axes.legend()
    return Picture(figure, f"The typical size of an entry of dW, from the first layer to the last. {'; '.join(told)}.")


def layer_gradients(model: MLP, parameters: Parameters, x: Any, y: Any) -> np.ndarray:
    """√(mean of dWk²) for each layer k, (depth,)."""
    with np.errstate(all="ignore"):
        _, gradients = model.gradients(parameters, x, y)
        means = [np.mean(np.square(gradients[f"W{k}"])) for k in range(1, model.depth + 1)]
    return np.asarray(np.sqrt(means))


def check_errors(gate: Any, at: float = 1.0, steps: np.ndarray = STEPS) -> Picture:
    """How far two measured slopes of an elementwise gate are from its backward's, for steps h from large to small.

    One-sided (f(x+h) - f(x)) / h falls with h, centred (f(x+h) - f(x-h)) / 2h with h²; then rounding, divided by h,
    takes over. A backward that is wrong shows as a level that neither gets below. Raises what the gate raises.
    """
    figure, axes = _axes()
    told = []
    for i, (name, errors) in enumerate(slope_errors(gate, at, steps).items()):
        best = int(np.argmin(errors))
        axes.plot(steps, errors, color=COLOURS[i], marker=MARKERS[i], linestyle=LINES[i], markersize=4, label=name)
        told.append(f"{name}: at best {_n(errors[best])}, with h = {_n(steps[best])}")
    axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="distance from backward's slope")
    axes.set_title(f"{_name(gate)} at x = {_n(at)}: measured slopes against backward")
    axes.invert_xaxis()
    axes.legend()
    head = f"The distance between the slope of {_name(gate)} that is measured at x = {_n(at)} and backward's"
    return Picture(figure, f"{head}, against the step h. {'; '.join(told)}.")


def slope_errors(gate: Any, at: float, steps: np.ndarray) -> dict[str, np.ndarray]:
    """|measured - backward's slope| for each h; at least 1e-17, for a log scale."""
    x, h = np.full(len(steps), at), np.asarray(steps, dtype=float)
    middle, right, left = (run_forward(gate, place)[0] for place in (x, x + h, x - h))
    slope = vjp(gate, x, upstream=np.ones_like(x))[0]
    measured = {"one-sided": (right - middle) / h, "centred": (right - left) / (2 * h)}
    return {name: np.maximum(np.abs(found - slope), 1e-17) for name, found in measured.items()}
