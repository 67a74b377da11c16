"""nnkit: learn backpropagation by writing it.

Importing it takes little longer than importing NumPy: the other modules are loaded when first used, and with them
matplotlib, networkx, JAX and IPython.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nnkit.arrays import ShapeError
from nnkit.gates.base import Gate
from nnkit.graph import Graph
from nnkit.renderers import register_renderer

__version__ = "0.2.0"
__all__ = ["Gate", "Graph", "ShapeError", "check", "gates", "graph", "jacobian", "view"]

_SUBMODULES = ("check", "data", "gates", "graph", "jacobian", "jax_path", "mlp", "numerical", "train", "view")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"nnkit.{name}")
    raise AttributeError(f"nnkit has no {name!r}; it has {', '.join(sorted({*__all__, *_SUBMODULES}))}.")


def _draw_graph(graph: Graph) -> str:
    from nnkit.view.drawing.svg import html

    return html(graph)


register_renderer(Graph, _draw_graph)


def load_ipython_extension(shell: Any) -> None:
    """Make `%%check` known to IPython, for `%load_ext nnkit` (see `nnkit.check.notebook.magic`)."""
    from nnkit.check.notebook.magic import register

    register(shell)
