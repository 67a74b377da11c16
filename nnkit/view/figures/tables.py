"""Tables of numbers, bars and wires: the parts of which figures of Jacobians are made.

Orange stands for positive and blue for negative numbers, but every number is written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.view.figures.picture import BLUE, GREEN, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_INCHES = 0.46
"""The width of a number of a table at the figure's full width."""


def create_row(widths: Sequence[float], height: float) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with panels in a row; `widths` and `height` are in cells of a table.

    It is closed for pyplot, so that a notebook cell shows it once.
    """
    import matplotlib.pyplot as plt

    inches = min(9.5, max(4.5, CELL_INCHES * sum(widths)))
    height = max(1.6, height * min(CELL_INCHES, inches / sum(widths)))
    layout = {"width_ratios": list(widths)}
    figure, axes = plt.subplots(
        1, len(widths), figsize=(inches, height), dpi=100, layout="constrained", gridspec_kw=layout, squeeze=False
    )
    plt.close(figure)
    return figure, list(axes[0])


def measure_table(columns: int, name_length: int = 0) -> float:
    """Return the width of a table in cells; `name_length` is the length of the longest row name."""
    return columns + 0.2 + 0.2 * name_length


def draw_table(
    axes: Axes,
    values: Any,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    structural: Any = None,
    top: float = 0.0,
) -> None:
    """Draw a matrix as a table of numbers, its first row at height `top`, with a dot where `structural` is true."""
    values = np.asarray(values, dtype=float)
    absent = np.zeros(values.shape, dtype=bool) if structural is None else np.asarray(structural)
    scale = float(np.abs(values).max(initial=0.0)) or 1.0
    for (i, j), value in np.ndenumerate(values):
        _draw_cell(axes, j, top + i, float(value), bool(absent[i, j]), scale)
    for i, row in enumerate(rows):
        axes.text(-0.6, top + i, row, ha="right", va="center", fontsize=8, color="#555555")
    for j, column in enumerate(columns):
        axes.text(j, top - 0.6, column, ha="center", va="bottom", fontsize=8, color="#555555")
    m, n = values.shape
    axes.set(
        xlim=(n - 0.4 - measure_table(n, max(map(len, rows), default=0)), n - 0.4),
        ylim=(top + m - 0.4, -1.2),
        aspect="equal",
    )
    axes.set_anchor("N")
    axes.set_axis_off()


def _draw_cell(axes: Axes, x: float, y: float, value: float, absent: bool, scale: float) -> None:
    from matplotlib.patches import Rectangle

    opacity = 0.0 if absent else 0.12 + 0.48 * abs(value) / scale if value else 0.0
    colour = (ORANGE if value > 0 else BLUE, opacity)
    box = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="#bbbbbb", linewidth=0.6)
    box.set_in_layout(False)  # it lies within the axes, and the layout would measure each cell
    axes.add_patch(box)
    text = "·" if absent else _format_entry(value)
    size = 9 if len(text) <= 4 else 7.5 if len(text) <= 5 else 6.5
    colour_of_text = GREY if absent else "black"
    label = axes.text(x, y, text, ha="center", va="center", fontsize=size, gid="cell", color=colour_of_text)
    label.set_in_layout(False)


def draw_product(
    axes: Axes,
    J: np.ndarray,
    product: np.ndarray,
    g: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    names: Sequence[str],
    absent: Any = None,
) -> None:
    """Draw a Jacobian, the upstream gradient beside its rows, and below it the product of the two."""
    below = J.shape[0] + 1.6
    draw_table(axes, product[None], columns=names, top=below)
    labels = [f"{_format_entry(a)} · {row}" for a, row in zip(g.tolist(), rows)]
    axes.text(-0.6, below, "sum", ha="right", va="center", fontsize=8, color="#555555")
    draw_table(axes, J, rows=labels, columns=columns, structural=absent)
    axes.set_ylim(below + 0.6, -1.2)


def frame_blocks(axes: Axes, blocks: Sequence[tuple[int, int, int, int]]) -> None:
    """Draw thick frames around blocks (row, column, rows, columns)."""
    from matplotlib.patches import Rectangle

    for row, column, m, n in blocks:
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), n, m, fill=False, edgecolor=GREEN, linewidth=2))


def draw_wires(axes: Axes, J: np.ndarray) -> None:
    outs, ins = J.shape
    left, right = np.linspace(0, 1, ins + 2)[1:-1], np.linspace(0, 1, outs + 2)[1:-1]
    for i, j in zip(*np.nonzero(J)):
        axes.plot([0, 1], [left[j], right[i]], color=GREY, linewidth=1.2, zorder=1)
    axes.plot(np.zeros(ins), left, "o", color=BLUE, zorder=2)
    axes.plot(np.ones(outs), right, "s", color=ORANGE, zorder=2)
    for j, y in enumerate(left):
        axes.text(-0.12, y, f"x{j}", ha="right", va="center", fontsize=9)
    for i, y in enumerate(right):
        axes.text(1.12, y, f"out{i}", ha="left", va="center", fontsize=9)
    axes.set(xlim=(-0.8, 2.0), ylim=(1, 0))
    axes.set_axis_off()


def draw_bars(axes: Axes, values: np.ndarray, label: int) -> None:
    span = float(np.ptp([*values, 0.0])) or 1.0
    for k, value in enumerate(values):
        colour = ORANGE if value > 0 else BLUE
        axes.bar(k, value, color=colour, alpha=0.7, edgecolor="black", hatch="//" if k == label else "", linewidth=0.8)
        side = -1 if value < 0 else 1
        edge = "top" if value < 0 else "bottom"
        axes.text(k, value + side * 0.03 * span, _format_entry(value), ha="center", va=edge, fontsize=9, gid="cell")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(values)), [f"{k} (label)" if k == label else f"{k}" for k in range(len(values))])
    axes.set(xlabel="class", ylim=(min(0.0, values.min()) - 0.2 * span, max(0.0, values.max()) + 0.2 * span))
    axes.spines[["top", "right"]].set_visible(False)


def number_names(name: str, count: int) -> list[str]:
    return [f"{name}{i}" for i in range(count)]


def _format_entry(value: float) -> str:
    """Return a number in few characters, with a true minus sign."""
    value = float(value)
    text = f"{value:.3g}" if abs(value) < 1e4 else f"{value:.0e}"
    return text.replace("-", "−") if value else "0"


def format_array(values: np.ndarray) -> str:
    """Return an array as text: [1, 2] or [1, 2; 3, 4]."""
    rows = values if values.ndim == 2 else values[None]
    return "[" + "; ".join(", ".join(_format_entry(v) for v in row) for row in rows) + "]"
