"""Keyword arguments that `nnkit.train.fit` and `nnkit.jax_path.fit` share, and the checks of what both are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nnkit.arrays import Array, Parameters, ShapeError
from nnkit.train.history import History

ResultType = TypeVar("ResultType")


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Settings of a training, each a keyword argument of `fit`. Raises ValueError for values that make no sense."""

    epochs: int = 100
    """Number of passes over all the examples."""
    batch_size: int | None = None
    """Number of examples per update; None takes all of them in every update."""
    optimiser: Any = None
    """Object with the methods `init` and `update`; None stands for `SGD()`."""
    rng: np.random.Generator | int = 0
    """Random generator that shuffles the examples, or its seed."""
    x_val: Array = None
    """Inputs to validate with after each epoch."""
    y_val: Array = None
    """Labels or targets of `x_val`."""
    progress: bool = False
    """True to show a progress bar."""
    checkpoint: str | Path | None = None
    """File from which an interrupted training goes on, and to which it is saved."""
    checkpoint_every: int | None = None
    """Number of steps between two checkpoints; None saves after each epoch."""
    on_epoch: Callable[[int, Parameters, History], Any] | None = None
    """Function called after each epoch with its number (from 0), the parameters and the history."""

    def __post_init__(self) -> None:
        require_counts(epochs=self.epochs, batch_size=self.batch_size, checkpoint_every=self.checkpoint_every)
        if self.checkpoint_every is not None and self.checkpoint is None:
            raise ValueError("checkpoint_every needs the name of a file: give checkpoint= too.")

    @property
    def checkpoint_path(self) -> Path | None:
        """The checkpoint's file as a path."""
        return None if self.checkpoint is None else Path(self.checkpoint)


def accept_settings(fit: Callable[..., ResultType]) -> Callable[..., ResultType]:
    """Decorate fit(model, parameters, x, y, settings, ...) so that callers pass the settings as keyword arguments."""
    names = [field.name for field in fields(FitSettings)]

    @wraps(fit)
    def fit_with_settings(model: Any, parameters: Parameters, x: Array, y: Array, **options: Any) -> ResultType:
        settings = FitSettings(**{name: options.pop(name) for name in names if name in options})
        return fit(model, parameters, x, y, settings, **options)

    own = inspect.signature(fit)
    before = [p for p in own.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "settings"]
    after = [p for p in own.parameters.values() if p.kind is p.KEYWORD_ONLY]
    shared = inspect.signature(FitSettings).parameters.values()
    signature = own.replace(parameters=[*before, *shared, *after])
    fit_with_settings.__signature__ = signature  # type: ignore[attr-defined]
    return fit_with_settings


def require_counts(**counts: int | None) -> None:
    """Raise ValueError for a number that is not whole, or below 1 (0 for epochs); None passes."""
    for name, count in counts.items():
        least = 0 if name == "epochs" else 1
        if count is not None and not (isinstance(count, int | np.integer) and count >= least):
            raise ValueError(f"{name} must be a whole number of {least} or more, not {count}.")


def require_data(model: Any, parameters: Parameters, x: Array, y: Array, x_val: Array, y_val: Array) -> None:
    """Raise ShapeError, TypeError or ValueError for data that the model cannot be trained with."""
    if (x_val is None) != (y_val is None):
        raise ValueError("x_val and y_val go together: give both, or neither.")
    shapes = np.shape(x), np.shape(y)
    if not all(shapes) or shapes[0][0] != shapes[1][0] or not shapes[0][0]:
        raise ShapeError(f"x is {shapes[0]} and y {shapes[1]}; both must have an entry for each of N examples, N > 0.")
    for inputs, targets in ((x, y), (x_val, y_val)):
        if inputs is not None and hasattr(model, "check"):
            model.check(parameters, inputs, targets)
