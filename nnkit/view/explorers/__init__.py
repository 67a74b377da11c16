"""Explorers: interactive figures for Jupyter, each with a still form and a text form.

    graph_explorer(graph)     # step through it gate by gate, move its inputs
    activation_explorer(gate) # a gate's curve, its slope, and where it saturates
    descent_explorer()        # gradient descent on a loss surface
    jacobian_explorer()       # a vector-Jacobian product, entry by entry
    verdict_explorer(verdict) # the verdict of a check
    playground()              # a network that learns while you watch
    drill(level=1)            # random graphs, worked out wire by wire

Each loads its widget, and with it ipywidgets, when first used.
"""

from __future__ import annotations

from nnkit.view.explorers.api import (
    activation_explorer,
    descent_explorer,
    drill,
    graph_explorer,
    jacobian_explorer,
    playground,
    verdict_explorer,
)

__all__ = [
    "activation_explorer",
    "descent_explorer",
    "drill",
    "graph_explorer",
    "jacobian_explorer",
    "playground",
    "verdict_explorer",
]
