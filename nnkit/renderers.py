"""Registry of renderers: functions that show an object as HTML, registered by the packages that can.

Drawing lies above the mathematics: `Graph.draw` may not import `nnkit.view`. It asks here instead, and the package's
front door (`nnkit/__init__.py`) registers the function. Any other class does the same:

    register_renderer(Graph, draw_graph)      # once, where both are at hand
    render_html(graph)                        # in a method of the class
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_RENDERERS: dict[type, Callable[[Any], str]] = {}


def register_renderer(kind: type, render: Callable[[Any], str]) -> None:
    """Register the function that shows instances of this class, and of its subclasses, as HTML."""
    _RENDERERS[kind] = render


def render_html(shown: object) -> str:
    """Return an object as HTML, by the renderer of the nearest of its classes; LookupError if none has one."""
    for kind in type(shown).__mro__:
        if kind in _RENDERERS:
            return _RENDERERS[kind](shown)
    raise LookupError(f"No renderer is registered for {type(shown).__name__}: call register_renderer first.")
