"""Films: pictures one after the other, with the player of the explorers, as HTML that fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nnkit.view.figures.picture import DARK_STYLE, encode_figure
from nnkit.view.scripts import bundle_script, read_style, translate_script

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def build_animation(
    figure: Figure, draw_frame: Callable[[int], Any], count: int, description: str, interval: int = 800
) -> Any:
    """Return a film of `count` frames that waits until its Play button is pressed.

    `description` is its alternative text, `interval` the milliseconds from one frame to the next. Where no script may
    run, the last frame is shown.
    """
    from IPython.display import HTML

    frames = []
    for number in range(count):
        draw_frame(number)
        frames.append(encode_figure(figure))
    place = f"nnx-film-{uuid4().hex}"  # the same film may be on a page twice
    film = json.dumps(
        {"frames": frames, "description": description, "pause": interval, "language": translate_script("film")}
    ).replace("</", "<\\/")
    script = f'{bundle_script("film")}\nshowFilm("{place}", {film});'
    return HTML(  # type: ignore[no-untyped-call]
        f'<div id="{place}"><img class="nnk-picture" alt="{escape(description)}" src="{frames[-1]}" '
        'style="max-width:100%"></div>'
        f'<style>{DARK_STYLE}{read_style()}</style><script type="module">{script}</script>'
    )
