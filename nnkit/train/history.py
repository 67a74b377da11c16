"""History of a training: losses, accuracies, and the reason if it stopped early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from nnkit.arrays import Array
from nnkit.language import say

PER_EPOCH = ("epoch_ends", "train_accuracy", "val_loss", "val_accuracy")
LARGE_WEIGHT = 1e4
LARGE_RISE = 10.0
"""Size of weights, and rise of the loss, that show that the steps were too large."""


@dataclass
class History:
    """Losses and accuracies of a training, in lists.

    `loss[i]` is the loss on the examples of step i, before its update. The others have an entry for each finished
    epoch; they stay empty without labels (the accuracies) or without validation data.
    """

    loss: list[float] = field(default_factory=list)
    epoch_ends: list[int] = field(default_factory=list)
    """Number of steps taken at the end of each epoch."""
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    stopped: str = ""
    """Reason why training stopped early, as a sentence; empty if it did not."""

    @property
    def steps(self) -> list[int]:
        """0, 1, 2, ...: the x-axis for `loss`."""
        return list(range(len(self.loss)))

    @property
    def train_loss(self) -> list[float]:
        """Mean loss over the steps of each epoch."""
        starts = [0, *self.epoch_ends[:-1]]
        return [float(np.mean(self.loss[start:end])) for start, end in zip(starts, self.epoch_ends)]

    @property
    def best_epoch(self) -> int | None:
        """Index of the first epoch with the best validation accuracy (or else validation loss, training accuracy,
        training loss); None before an epoch has ended."""
        for values, sign in ((self.val_accuracy, 1), (self.val_loss, -1), (self.train_accuracy, 1)):
            if values:
                return int(np.argmax(sign * np.nan_to_num(values, nan=-sign * math.inf)))
        return int(np.argmin(self.train_loss)) if self.epoch_ends else None

    def until(self, steps: int, epochs: int) -> History:
        """Return a copy of the first `steps` steps and `epochs` epochs."""
        return replace(self, loss=self.loss[:steps], **{name: getattr(self, name)[:epochs] for name in PER_EPOCH})

    def __repr__(self) -> str:
        parts = [f"{len(self.loss)} steps, {len(self.epoch_ends)} epochs"]
        if self.loss:
            parts.append(f"loss {self.loss[0]:.4g} → {self.loss[-1]:.4g}")
        for name in ("train_accuracy", "val_accuracy"):
            if getattr(self, name):
                parts.append(f"{name.replace('_', ' ')} {getattr(self, name)[-1]:.1%}")
        return "; ".join([*parts, *filter(None, [self.stopped])])


class Result(NamedTuple):
    """Return value of `fit`: `parameters, history = fit(...)`."""

    parameters: dict[str, Array]
    history: History

    def __repr__(self) -> str:
        return f"Result: {self.history!r}"


def explain_stop(loss: float, losses: list[float], parameters: Mapping[str, Array], x: Any, rate: float | None) -> str:
    """Explain a loss that is not finite, at the step after those of `losses`, with these parameters and examples.

    Only the arguments are used, so that a resumed training gives the same explanation.
    """
    stop: dict[str, Any] = {"step": len(losses), "loss": loss}
    examples = _describe_not_finite(x)
    if examples is not None:
        return say("Stopped at step {step}, since the loss is {loss:g}: x holds {examples}.", **stop, examples=examples)
    if not losses:
        return say(
            "Stopped at step {step}, since the loss is {loss:g} before any update: look for an overflow, a log(0) or a "
            "division by zero in the gates' forward, or start from smaller weights.",
            **stop,
        )
    sizes = {name: _find_largest(p) for name, p in parameters.items()}
    name = max(sizes, key=lambda key: math.inf if math.isnan(sizes[key]) else sizes[key])
    top = max(losses)
    if top > LARGE_RISE * abs(losses[0]) or sizes[name] > LARGE_WEIGHT:
        grown = say(
            "Stopped at step {step}, since the loss is {loss:g}: {name} grew to {size:.3g} and overflowed, so the step "
            "size is too large; "
            if sizes[name] > LARGE_WEIGHT
            else "Stopped at step {step}, since the loss is {loss:g}: it rose from {first:.3g} to {top:.3g} and "
            "overflowed, so the step size is too large; ",
            **stop, name=name, size=sizes[name], first=losses[0], top=top,
        )  # fmt: skip
        if rate is None:
            return grown + say("try a smaller one.")
        return grown + say("try a smaller one than {rate:g}, such as {smaller:g}.", rate=rate, smaller=rate / 10)
    if math.isnan(sizes[name]):
        return say(
            "Stopped at step {step}, since the loss is {loss:g}: {name} holds NaN since the last update, so look for "
            "0/0 or an overflow in a gate's backward.",
            **stop, name=name,
        )  # fmt: skip
    return say(
        "Stopped at step {step}, since the loss is {loss:g}, though neither it nor the parameters had grown: the step "
        "size is not to blame; look for a log(0), a 0/0 or an overflow in a gate's forward.",
        **stop,
    )


def _find_largest(p: Array) -> float:
    array = np.asarray(p, dtype=float)
    return float(np.abs(array).max()) if array.size else 0.0


def _describe_not_finite(x: Any) -> str | None:
    array = np.asarray(x)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    return say(
        "NaN (first at {place} of this batch)"
        if np.isnan(array[index])
        else "infinity (first at {place} of this batch)",
        place=list(index),
    )
