"""The explorer itself: a still figure, its description in words and, where there is a kernel, a live form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from nnkit.view.explorers.frozen import build_frozen_page, freeze
from nnkit.view.explorers.protocol import Actor, StreamingActor

WIDGET_MIMETYPE = "application/vnd.jupyter.widget-view+json"


class StillForm(Protocol):
    """A figure that a page without scripts can show."""

    @property
    def description(self) -> str:
        """The figure in words."""

    def _repr_html_(self) -> str: ...


class Explorer:
    """An interactive figure: Jupyter shows its live form, other pages its still form, `print` its description.

    Both are displayed, the figure first. The style sheet of the live form hides the figure: so there is something to
    see in a page without scripts, without a kernel, and where anywidget is missing. A page that runs scripts and has no
    kernel, such as a notebook exported to HTML, puts the frozen form in the figure's place.
    """

    def __init__(self, still: StillForm, module: str, actor: Callable[[], Actor | StreamingActor]):
        self.still = still
        self.module = module
        self._actor = actor
        self._widget: Any = None

    @property
    def description(self) -> str:
        """The figure in words."""
        return self.still.description

    @property
    def figure(self) -> Any:
        """The still form's matplotlib figure. Raises AttributeError if it is not drawn with matplotlib."""
        return self.still.figure  # type: ignore[attr-defined]

    @property
    def page(self) -> str:
        """HTML that shows the still form and, where scripts run and no kernel does, the frozen form."""
        frozen, still = freeze(self._actor()), self._repr_html_()
        return build_frozen_page(self.module, frozen, still) if frozen else f'<div class="nnx-still">{still}</div>'

    @property
    def widget(self) -> Any:
        """The live form; None without anywidget."""
        if self._widget is None:
            self._widget = _create_widget(self.module, self._actor)
        return self._widget

    def __str__(self) -> str:
        return self.description

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.still._repr_html_()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        publish: Any = display
        publish({"text/html": self.page, "text/plain": self.description}, raw=True)
        widget = self.widget
        if widget is not None:
            # An empty text, so that a page that cannot show the live form shows nothing below the figure.
            publish({WIDGET_MIMETYPE: widget._repr_mimebundle_()[0][WIDGET_MIMETYPE], "text/plain": ""}, raw=True)


def _create_widget(module: str, actor: Callable[[], Actor | StreamingActor]) -> Any:
    try:
        from nnkit.view.explorers.widget import ExplorerWidget
    except ImportError:
        return None
    widget_class: Any = ExplorerWidget
    return widget_class.create(module, actor())
