"""Everything nnkit shows: drawings of computational graphs, the figures of the lectures, and explorers to play with.

    view.svg(graph)             # a standalone SVG document
    view.html(graph)            # the same for a web page or a notebook
    view.graph_explorer(graph)  # step through it, move its inputs
    view.playground()           # watch a network learn
    view.drill(level=1)         # practise both passes on random graphs

    drawing/    computational graphs as SVG
    figures/    the figures of the lectures, drawn with matplotlib
    explorers/  pictures to play with in Jupyter; their browser side is in static/

Each name loads its module, and with it networkx or matplotlib, when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnkit.view import drawing, explorers, figures
    from nnkit.view.drawing.svg import html, svg
    from nnkit.view.explorers import drill, graph_explorer, playground, verdict_explorer

_HOMES = {
    **dict.fromkeys(("drawing", "explorers", "figures"), "nnkit.view"),
    **dict.fromkeys(("drill", "graph_explorer", "playground", "verdict_explorer"), "nnkit.view.explorers"),
    **dict.fromkeys(("html", "svg"), "nnkit.view.drawing.svg"),
}
__all__ = [
    "drawing",
    "drill",
    "explorers",
    "figures",
    "graph_explorer",
    "html",
    "playground",
    "svg",
    "verdict_explorer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"nnkit.view has no {name!r}; it has {', '.join(__all__)}.")
    home = _HOMES[name]
    return import_module(f"{home}.{name}") if home == "nnkit.view" else getattr(import_module(home), name)
