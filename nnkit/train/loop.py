"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nnkit.arrays import Array, Parameters, ShapeError, to_array
from nnkit.mlp import are_labels
from nnkit.train import checkpoints
from nnkit.train.checkpoints import TrainingState
from nnkit.train.history import History, Result, explain_stop
from nnkit.train.settings import FitSettings, accept_settings, require_counts, require_data
from nnkit.train.sgd import SGD


@accept_settings
def fit(model: Any, parameters: Parameters, x: Array, y: Array, settings: FitSettings) -> Result:
    """Train: `epochs` times through all the examples, one update for each batch. Returns (parameters, history).

    `model` is an `MLP`, or any function (parameters, x, y) → (loss, gradients); `optimiser` is `SGD()` by default.
    Without a `batch_size`, one step takes all the examples; else `rng` (a generator, or the seed of one) shuffles
    them anew for each epoch. The parameters that are passed in are left alone.

    After each epoch the accuracies (if `y` holds labels) and the validation loss are recorded, and `on_epoch(epoch,
    parameters, history)` is called, epochs counted from 0. `progress` shows a bar.

    `checkpoint` names a file that is written after each epoch (or every `checkpoint_every` steps) and when the
    kernel is interrupted. If it exists, training goes on from there, to the same bits that it would have reached
    uninterrupted: the same call again is all it takes. A larger `epochs` trains a finished network further.

    A loss of NaN or infinity stops the training; `history.stopped` says why, and the parameters are those that gave
    this loss. Raises ShapeError, TypeError or ValueError for arguments that do not fit, CheckpointError for a
    checkpoint of another training.
    """
    require_data(model, parameters, x, y, settings.x_val, settings.y_val)
    return _TrainingRun(model, to_array(x), to_array(y), settings).run(parameters)


def minibatches(n: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Return the numbers 0 ... n-1 in random order, `batch_size` at a time; the last batch may be smaller."""
    require_counts(batch_size=batch_size)
    order = rng.permutation(n)
    return (order[start : start + batch_size] for start in range(0, n, batch_size))


@dataclass
class _TrainingRun:
    """One call of `fit`."""

    model: Any
    x: Array
    y: Array
    settings: FitSettings

    def run(self, parameters: Parameters) -> Result:
        epochs, self.batch_size = self.settings.epochs, self.settings.batch_size
        self.optimiser = SGD() if self.settings.optimiser is None else self.settings.optimiser
        self.rng = np.random.default_rng(self.settings.rng)
        self.gradients = getattr(self.model, "gradients", self.model)
        self.state = TrainingState(dict(parameters), self.optimiser.init(parameters), rng=self.rng.bit_generator.state)
        self.history = History()
        if self.settings.checkpoint_path:
            self._resume(self.settings.checkpoint_path, parameters)
        batches = 1 if self.batch_size is None else math.ceil(len(self.x) / self.batch_size)
        try:
            with open_progress_bar(self.settings.progress, epochs * batches, self.state.step) as bar:
                while self.state.epoch < epochs and not self.history.stopped:
                    self._run_epoch(bar)
        except KeyboardInterrupt:
            self._save()
            raise
        if self.settings.checkpoint_every is not None and not self.history.stopped:
            self._save()
        return Result(self.state.parameters, self.history)

    def _run_epoch(self, bar: Any) -> None:
        """Run one epoch, or the rest of it."""
        batches = self._draw_batches()
        # history.stopped explains an overflow; NumPy's warnings would add nothing.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for batch in batches[self.state.batch :]:
                if not self._run_step(batch):
                    return
                if bar is not None:
                    bar.update()
            self._record_epoch()
        rng = self.state.rng if self.batch_size is None else self.rng.bit_generator.state
        self.state = replace(self.state, epoch=self.state.epoch + 1, batch=0, rng=rng)
        if self.settings.checkpoint_every is None:
            self._save()
        if bar is not None:
            bar.set_postfix_str(f"loss {self.history.loss[-1]:.4g}", refresh=False)
        if self.settings.on_epoch:
            self.settings.on_epoch(self.state.epoch - 1, self.state.parameters, self.history)

    def _draw_batches(self) -> list[Any]:
        """Return the indices of each batch of a new epoch; `...` stands for all the examples, not copied."""
        if self.batch_size is None:
            return [...]
        self.state = replace(self.state, rng=self.rng.bit_generator.state)
        return list(minibatches(len(self.x), self.batch_size, self.rng))

    def _run_step(self, batch: Any) -> bool:
        """Run forward, backward and update; return False if the loss is not finite."""
        old, losses = self.state, self.history.loss
        x, y = (self.x, self.y) if batch is ... else (self.x[batch], self.y[batch])
        loss, gradients = self.gradients(old.parameters, x, y)
        if not losses:
            _require_gradients(gradients, old.parameters)
        value = float(loss)
        if not math.isfinite(value):
            rate = self.optimiser.rate(old.step) if hasattr(self.optimiser, "rate") else None
            self.history.stopped = explain_stop(value, losses, old.parameters, x, rate)
            losses.append(value)
            return False
        parameters, memory = self.optimiser.update(old.parameters, gradients, old.memory, old.step)
        losses.append(value)  # before the state changes: a checkpoint cuts the history to the state's length
        self.state = TrainingState(parameters, memory, old.step + 1, old.epoch, old.batch + 1, old.rng)
        if self.settings.checkpoint_every is not None and self.state.step % self.settings.checkpoint_every == 0:
            self._save()
        return True

    def _record_epoch(self) -> None:
        """Append the entries of a finished epoch to the history."""
        history, parameters, accuracy = self.history, self.state.parameters, getattr(self.model, "accuracy", None)
        if accuracy and are_labels(self.y):
            history.train_accuracy.append(float(accuracy(parameters, self.x, self.y)))
        if self.settings.x_val is not None:
            if accuracy and are_labels(self.settings.y_val):
                history.val_accuracy.append(float(accuracy(parameters, self.settings.x_val, self.settings.y_val)))
            history.val_loss.append(float(self._compute_loss(parameters, self.settings.x_val, self.settings.y_val)))
        history.epoch_ends.append(self.state.step)

    def _compute_loss(self, parameters: Parameters, x: Array, y: Array) -> Array:
        loss = getattr(self.model, "loss", None)
        return loss(parameters, x, y) if loss else self.gradients(parameters, x, y)[0]

    def _save(self) -> None:
        if self.settings.checkpoint_path:
            kept = self.history.until(self.state.step, self.state.epoch)
            checkpoints.save_checkpoint(self.settings.checkpoint_path, self.state, kept, self.description)

    def _resume(self, path: Path, parameters: Parameters) -> None:
        data = {
            "parameters": parameters,
            "x": self.x,
            "y": self.y,
            "x_val": self.settings.x_val,
            "y_val": self.settings.y_val,
        }
        self.description = checkpoints.describe_training(self.model, self.optimiser, self.batch_size, self.rng, data)
        if path.exists():
            self.state, self.history = checkpoints.load_checkpoint(path, self.state, self.description)
            self.rng.bit_generator.state = self.state.rng


def open_progress_bar(progress: bool, total: int, done: int) -> AbstractContextManager[Any]:
    """Return a progress bar of `total` steps, `done` of them finished, as a context manager; None without progress."""
    if not progress:
        return nullcontext()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install 'nnkit[learn]', or leave it out.") from None
    bar: AbstractContextManager[Any] = tqdm(total=total, initial=done, unit="step")
    return bar


def _require_gradients(gradients: Any, parameters: Parameters) -> None:
    """Raise ValueError or ShapeError for wrong gradients: another shape would broadcast and change the parameter's."""
    if not isinstance(gradients, Mapping) or gradients.keys() != parameters.keys():
        given = ", ".join(map(str, gradients)) if isinstance(gradients, Mapping) else f"a {type(gradients).__name__}"
        raise ValueError(f"The gradients must be a dict with the keys {', '.join(parameters)}; they are {given}.")
    for name, p in parameters.items():
        if np.shape(gradients[name]) != np.shape(p):
            raise ShapeError(f"The gradient of {name} is {np.shape(gradients[name])}, but {name} is {np.shape(p)}.")
