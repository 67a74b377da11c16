"""What an explorer is: a still figure, the same in words and, where there is a browser to play in, a live form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from nnkit.view.explorers.protocol import Actor, Player

VIEW = "application/vnd.jupyter.widget-view+json"


class Still(Protocol):
    """A figure that a page without scripts can show."""

    @property
    def words(self) -> str:
        """The same in words."""

    def _repr_html_(self) -> str: ...


class Explorer:
    """A figure to play with: Jupyter shows its live form, everything else the still one; `print` tells its words.

    Both are put out, the figure first. The style sheet of the live form hides the figure once that is alive: so there
    is something to see in a page without scripts, without a kernel, and where anywidget is missing.
    """

    def __init__(self, still: Still, module: str, actor: Callable[[], Actor | Player]):
        self.still = still
        self.module = module
        self._actor = actor
        self._widget: Any = None

    @property
    def words(self) -> str:
        """What the figure shows, in words."""
        return self.still.words

    @property
    def figure(self) -> Any:
        """The still form's matplotlib figure; AttributeError if it is not one of matplotlib's."""
        return self.still.figure  # type: ignore[attr-defined]

    @property
    def widget(self) -> Any:
        """The live form; None without anywidget."""
        if self._widget is None:
            self._widget = _live(self.module, self._actor)
        return self._widget

    def __str__(self) -> str:
        return self.words

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.still._repr_html_()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        put_out: Any = display
        page = f'<div class="nnx-still">{self._repr_html_()}</div>'
        put_out({"text/html": page, "text/plain": self.words}, raw=True)
        widget = self.widget
        if widget is not None:
            # An empty text, so that a page which cannot show the live form shows nothing below the figure.
            put_out({VIEW: widget._repr_mimebundle_()[0][VIEW], "text/plain": ""}, raw=True)


def _live(module: str, actor: Callable[[], Actor | Player]) -> Any:
    try:
        from nnkit.view.explorers.widget import Panel
    except ImportError:
        return None
    made: Any = Panel
    return made.of(module, actor())
