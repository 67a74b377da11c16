"""What nnkit shows: drawings of computational graphs, and the figures of the lectures (`plots`).

    view.svg(graph)     # a standalone SVG document
    view.html(graph)    # the same for a web page or a notebook

Each name loads its module, and with it networkx or matplotlib, when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnkit.view import drawing, layout, plots
    from nnkit.view.drawing import html, svg

__all__ = ["drawing", "html", "layout", "plots", "svg"]

_MODULES = ("drawing", "layout", "plots")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"nnkit.view.{name}")
    if name in __all__:
        return getattr(import_module("nnkit.view.drawing"), name)
    raise AttributeError(f"nnkit.view has no {name!r}; it has {', '.join(__all__)}.")
