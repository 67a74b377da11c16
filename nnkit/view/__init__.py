"""What nnkit shows: drawings of computational graphs, and the figures of the lectures
(`plots`, `activations`, `gradients`, `jacobians`, `training`, `speed`, `sweeps`), and `explorers` to play with.

    view.svg(graph)             # a standalone SVG document
    view.html(graph)            # the same for a web page or a notebook
    view.graph_explorer(graph)  # step through it, move its inputs
    view.playground()           # watch a network learn

Each name loads its module, and with it networkx or matplotlib, when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnkit.view import activations, drawing, explorers, gradients, jacobians, layout, plots, speed, sweeps, training
    from nnkit.view.drawing import html, svg
    from nnkit.view.explorers import graph_explorer, playground, verdict_explorer

_MODULES = ("activations", "drawing", "explorers", "gradients", "jacobians", "layout", "plots", "speed", "sweeps",
            "training")  # fmt: skip
__all__ = [
    "activations", "drawing", "explorers", "gradients", "graph_explorer", "html", "jacobians", "layout", "playground",
    "plots", "speed", "svg", "sweeps", "training", "verdict_explorer",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"nnkit.view.{name}")
    if name in ("graph_explorer", "playground", "verdict_explorer"):
        return getattr(import_module("nnkit.view.explorers"), name)
    if name in __all__:
        return getattr(import_module("nnkit.view.drawing"), name)
    raise AttributeError(f"nnkit.view has no {name!r}; it has {', '.join(__all__)}.")
