"""The result of `nnkit.jax_path.fit_many` as a heat map over step sizes and weight decays."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.view.figures.picture import Picture


def heat_map(sweep: Any, column: str | None = None) -> Picture:
    """Draw the mean of a column over the seeds, a cell for each step size and weight decay, as a colour and a number.

    `sweep` is a `Sweep`; `column` is a column of its table, by default `sweep.judged_by`. A cross marks cells in which
    a network stopped because its loss was NaN or infinite. Raises KeyError for an unknown column.
    """
    import matplotlib.pyplot as plt

    column = column or sweep.judged_by
    rates, decays, values = sweep.grid(column)
    figure, axes = plt.subplots(
        figsize=(2.2 + 0.9 * len(decays), 1.6 + 0.42 * len(rates)), dpi=90, layout="constrained"
    )
    plt.close(figure)
    image = axes.imshow(np.ma.masked_invalid(values), cmap="cividis", aspect="auto")
    figure.colorbar(image, label=f"mean {_format_column(column)}")
    middle = np.nanmean([image.norm.vmin or 0.0, image.norm.vmax or 0.0])
    for (row, place), value in np.ndenumerate(values):
        colour = "black" if not np.isfinite(value) or value > middle else "white"
        axes.text(place, row, _format_cell(value), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(decays)), [f"{d:g}" for d in decays])
    axes.set_yticks(range(len(rates)), [f"{r:g}" for r in rates])
    axes.set(xlabel="weight decay", ylabel="step size", title=f"{len(sweep):,} networks: {_format_column(column)}")
    return Picture(figure, _describe(sweep, column, rates, decays, values))


def _describe(sweep: Any, column: str, rates: np.ndarray, decays: np.ndarray, values: np.ndarray) -> str:
    lines = [
        f"step size {rate:g}: " + ", ".join(f"{_format_cell(v)} at weight decay {d:g}" for d, v in zip(decays, row))
        for rate, row in zip(rates, values)
    ]
    stopped = " (× where a network stopped)" if not np.isfinite(values).all() else ""
    return f"The mean {_format_column(column)} of {len(sweep):,} networks{stopped}. {'; '.join(lines)}."


def _format_column(column: str) -> str:
    return column.replace("_", " ").replace("val ", "validation ")


def _format_cell(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "×"
