"""The registry of renderers: what is registered shows a class and its subclasses, and nothing else."""

from __future__ import annotations

import pytest

from nnkit import Graph
from nnkit.renderers import register_renderer, render_html


class Shown:
    """A class with a renderer."""


class ShownBelow(Shown):
    """A subclass of it."""


def test_the_nearest_class_with_a_renderer_is_asked() -> None:
    with pytest.raises(LookupError, match="No renderer is registered for Shown"):
        render_html(Shown())
    register_renderer(Shown, lambda shown: f"<b>{type(shown).__name__}</b>")
    assert (render_html(Shown()), render_html(ShownBelow())) == ("<b>Shown</b>", "<b>ShownBelow</b>")
    register_renderer(ShownBelow, lambda shown: "<i>below</i>")
    assert (render_html(Shown()), render_html(ShownBelow())) == ("<b>Shown</b>", "<i>below</i>")


def test_a_graph_and_a_graph_of_another_kind_are_drawn() -> None:
    class Other(Graph):
        pass

    for graph in (Graph(), Other()):
        x, y = graph.inputs(x=2.0, y=3.0)
        (x * y).named("f")
        assert "<svg" in graph.draw()
        assert graph._repr_html_() == graph.draw()
