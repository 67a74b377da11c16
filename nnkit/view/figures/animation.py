"""Animations with their own controls, as HTML that needs nothing from the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEGIN = "setTimeout(function() {"
WAIT = "if (!document.getElementById(img_id)) { setTimeout(begin, 200); return; }"


def build_animation(
    figure: Figure, draw_frame: Callable[[int], Any], count: int, description: str, interval: int = 600
) -> Any:
    """Return an animation of `count` frames with its own controls; it plays once.

    `description` is its alternative text, `interval` the milliseconds from one frame to the next.
    """
    from IPython.display import HTML
    from matplotlib.animation import FuncAnimation

    animation = FuncAnimation(figure, draw_frame, frames=count, interval=interval)
    page = _make_self_contained(animation.to_jshtml(default_mode="once"), description)
    # A notebook may insert the output of a cell that is out of sight into the page later: wait for it.
    page = page.replace(BEGIN, f"{BEGIN.replace('function', 'function begin')} {WAIT}")
    # The first frame is there before any script runs, and where none may run; and Chromium gives no height to an
    # image that starts without a source.
    (script,) = re.findall(r'frames\[0\] = "([^"]*)"', page)
    first = re.sub(r"\\?\s", "", script)
    return HTML(page.replace("<img alt=", f'<img src="{first}" alt=', 1))  # type: ignore[no-untyped-call]


def _make_self_contained(page: str, description: str) -> str:
    """Return matplotlib's page without the icon font that it fetches: its buttons have text instead."""
    page = re.sub(r"<link\b[^>]*>", "", page)
    page = re.sub(r'(<button title="([^"]*)"[^>]*>)\s*<i class="fa [^"]*"></i>', r"\1\2", page)
    page = page.replace("padding: 0;\n    width: 36px;", "padding: 2px 6px;")
    return page.replace("<img id=", f'<img alt="{escape(description)}" id=')
