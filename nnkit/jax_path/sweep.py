"""Results of `fit_many`: one table, with a row for each network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SETTINGS = ("seed", "step_size", "weight_decay")
MAX_ROWS_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Sweep:
    """Results of K trained networks. `print` shows the best; `table` has them all, as columns."""

    settings: dict[str, np.ndarray]
    """Columns seed, step_size and weight_decay, (K,) each."""
    losses: np.ndarray
    """Mean loss over the steps of each epoch, (K, epochs); not finite from the epoch on in which it became so."""
    measures: dict[str, np.ndarray]
    """Final train_accuracy, val_accuracy and val_loss, (K,) each, as far as there is data for them."""
    parameters: dict[str, np.ndarray]
    """Stacked parameters: W1 is (K, inputs, units). `network(k)` picks one."""
    steps: np.ndarray
    """Number of updates of each, (K,): smaller than the others' if the loss became NaN or infinite."""
    plan: Any
    compile_seconds: float
    run_seconds: float

    @property
    def table(self) -> dict[str, np.ndarray]:
        """All columns, (K,) each: the settings, steps, the loss of the last epoch, the measures.

        For pandas: `pandas.DataFrame(sweep.table)`.
        """
        last = self.losses[:, -1] if self.losses.shape[1] else np.full(len(self), np.nan)
        return {**self.settings, "steps": self.steps, "loss": last, **self.measures}

    @property
    def judged_by(self) -> str:
        """Column by which networks are ranked: val_accuracy, else val_loss, train_accuracy, loss."""
        return next(name for name in ("val_accuracy", "val_loss", "train_accuracy", "loss") if name in self.table)

    def ranking(self, column: str | None = None) -> np.ndarray:
        """Return the numbers of the networks, best first: the largest accuracy or the smallest loss."""
        column = column or self.judged_by
        values = self.table[column] * (-1 if column.endswith("accuracy") else 1)
        alive = self.steps == self.steps.max()
        return np.lexsort((self.table["loss"], np.where(alive & np.isfinite(values), values, np.inf)))

    @property
    def best(self) -> int:
        """Number of the best network."""
        return int(self.ranking()[0])

    def network(self, k: int) -> dict[str, np.ndarray]:
        """Return the parameters of network k, as `model.scores` takes them."""
        return {name: values[k] for name, values in self.parameters.items()}

    def grid(self, column: str | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (step sizes, weight decays, a column's mean over the seeds): (R,), (L,), (R, L).

        NaN in cells where a network stopped because its loss was not finite.
        """
        values = np.where(self.steps == self.steps.max(), self.table[column or self.judged_by], np.nan)
        rates, row = np.unique(self.settings["step_size"], return_inverse=True)
        decays, place = np.unique(self.settings["weight_decay"], return_inverse=True)
        total, count = np.zeros((2, len(rates), len(decays)))
        np.add.at(total, (row, place), values)
        np.add.at(count, (row, place), 1)
        return rates, decays, total / count

    def __len__(self) -> int:
        return len(self.steps)

    def rows(self, count: int = MAX_ROWS_SHOWN) -> list[Mapping[str, Any]]:
        """Return the best networks, each a dict with its number and its columns."""
        return [
            {"network": int(k), **{name: c[k].item() for name, c in self.table.items()}} for k in self.ranking()[:count]
        ]

    def __repr__(self) -> str:
        rows = self.rows()
        names = list(rows[0])
        cells = [names, *[[_format_cell(row[name]) for name in names] for row in rows]]
        widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in cells]
        stopped = int((self.steps < self.steps.max()).sum())
        title = f"{len(self):,} networks in {self.plan.chunks} chunk{'s'[: self.plan.chunks > 1]}"
        title += f", the best {len(rows)} by {self.judged_by}" + (f"; {stopped:,} stopped early" if stopped else "")
        return "\n".join([f"{title}:", *lines])


def _format_cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
