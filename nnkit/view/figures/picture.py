"""Pictures of the lectures, what all their figures share: colours, empty axes, and numbers as text.

The colours are Okabe and Ito's, which colour-blind readers can tell apart, and no meaning is carried by colour alone:
every series has its own marker or line style, and a label. matplotlib loads when a figure is first drawn.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
MARKERS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "xx", "--")

DARK_STYLE = (
    ':is([data-jp-theme-light="false"], .vscode-dark, [data-theme="dark"]) .nnk-picture'
    "{filter:invert(0.92) hue-rotate(180deg)}"
)
"""A style that turns light pictures dark on a dark page: light and dark change places, hues stay."""


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure and its description in words.

    A notebook shows the figure, with the description as its alternative text; `print` shows the description.
    """

    figure: Figure
    description: str
    is_photograph: bool = False
    """True for images of real things, such as scans of digits: they stay as they are on a dark page."""

    def __str__(self) -> str:
        return self.description

    __repr__ = __str__

    def _repr_html_(self) -> str:
        source = f'alt="{escape(self.description)}" src="{encode_figure(self.figure)}"'
        kind = "nnk-photograph" if self.is_photograph else "nnk-picture"
        return f'<img {source} class="{kind}" style="max-width:100%"><style>{DARK_STYLE}</style>'


def encode_figure(figure: Figure) -> str:
    """Return a figure as the address of a PNG that contains the picture itself."""
    png = BytesIO()
    figure.savefig(png, format="png")
    return f"data:image/png;base64,{b64encode(png.getvalue()).decode('ascii')}"


def create_axes(height: float = 3.6, dpi: int = 90) -> tuple[Figure, Axes]:
    """Return an empty figure and its axes. It is closed for pyplot, so that a cell shows it once, as its last line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, height), dpi=dpi, layout="constrained")
    plt.close(figure)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def create_panels(
    rows: int, columns: int, size: tuple[float, float], sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its axes, row by row; closed for pyplot as by `create_axes`."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        rows, columns, figsize=size, dpi=90, layout="constrained", squeeze=False, sharex=sharex, sharey=sharey
    )
    plt.close(figure)
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(axes.flat)


def format_number(number: Any) -> str:
    """Return a number with four digits and a true minus sign."""
    return f"{float(number):.4g}".replace("-", "−")


def format_numbers(numbers: Iterable[Any]) -> str:
    """Return numbers as by `format_number`, separated by commas."""
    return ", ".join(map(format_number, numbers))


def format_point(point: Iterable[Any]) -> str:
    """Return the coordinates of a point in parentheses."""
    return f"({format_numbers(point)})"
