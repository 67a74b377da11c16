"""The half of the playground that computes.

A frame is some updates, and what is to be seen after them. Nothing is trained that is not looked at:
`nnkit.view.explorers.widget` asks for frames as long as a page takes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.gates import ELU, Affine, LeakyReLU, Maxout, ReLU, Sigmoid, SoftmaxCrossEntropy, Tanh
from nnkit.graphtext import format_value
from nnkit.mlp import MLP
from nnkit.train import SGD
from nnkit.view.errors import describe_error
from nnkit.view.explorers.playground_points import SETS, Points, drawn, quantised
from nnkit.view.explorers.playground_trainer import Standing, Trainer
from nnkit.view.explorers.protocol import Json, Refused

ACTIVATIONS: dict[str, Any] = {
    "ReLU": ReLU(), "tanh": Tanh(), "sigmoid": Sigmoid(), "leaky ReLU": LeakyReLU(), "ELU": ELU(), "maxout": Maxout(),
}  # fmt: skip
LAYERS, WIDTH = 4, 32
"""The ends of the sliders."""

DEEP, WIDE = 8, 128
"""No call may have more hidden layers, and units in each, than this: they could not be drawn."""

PATIENCE = 0.02
"""Seconds of training after which a frame is sent, though not all its updates were made."""

Message = tuple[Json, list[bytes]]


@dataclass(frozen=True)
class Settings:
    """What can be set in the page. A change of the first four starts the network anew."""

    data: str = "circles"
    hidden: tuple[int, ...] = (16, 16)
    activation: str = "ReLU"
    seed: int = 0
    step_size: float = 0.3
    weight_decay: float = 0.0
    batch_size: int | None = None

    def changed(self, asked: Json) -> Settings:
        """The settings after a question like {"width": "8"}. Raises Refused, in words, for what cannot be."""
        layers, width = len(self.hidden), max(self.hidden, default=16)
        if {"layers", "width"} & asked.keys():
            layers = _whole("The number of hidden layers", asked.get("layers", layers), 0, LAYERS)
            width = _whole("The width of a hidden layer", asked.get("width", width), 1, WIDTH)
        batch = asked.get("batch_size", self.batch_size)
        return replace(
            self,
            **{key: str(asked[key]) for key in ("data", "activation") if key in asked},
            hidden=(width,) * layers if {"layers", "width"} & asked.keys() else self.hidden,
            seed=_whole("The seed", asked.get("seed", self.seed), 0, 2**31),
            step_size=_amount("step_size", asked.get("step_size", self.step_size)),
            weight_decay=_amount("The weight decay λ", asked.get("weight_decay", self.weight_decay)),
            batch_size=None if batch in (None, "all") else _whole("The batch size", batch, 1, 1_000_000),
        )

    @property
    def optimiser(self) -> SGD:
        return SGD(self.step_size, weight_decay=self.weight_decay)


class PlaygroundActor:
    """Answers messages {"train": updates}, {"set": settings}, {"paint": [x, y, class]}, {"erase": [x, y]}, {"clear"},
    {"reset"} with a frame: what there is to say, and buffers of what there is to draw."""

    def __init__(
        self,
        settings: Settings,
        hidden: tuple[int, ...] = (16, 16),
        activation: Any = "ReLU",
        *,
        own: Points | None = None,
        affine: Any = None,
        loss_gate: Any = None,
    ):
        if len(hidden) > DEEP or max(hidden, default=1) > WIDE:
            raise ValueError(f"The playground draws up to {DEEP} hidden layers of up to {WIDE} units, not {hidden}.")
        self.activations, self.own = dict(ACTIVATIONS), own
        if not isinstance(activation, str):
            gate, activation = activation, f"{get_name(activation)} (yours)"
            self.activations = {activation: gate} | ACTIVATIONS
        self.affine, self.loss_gate = affine or Affine(), loss_gate or SoftmaxCrossEntropy()
        self.settings = replace(settings, hidden=hidden, activation=activation)
        self.points = drawn(settings.data) if own is None else own
        self.failed = ""
        self._model(self.settings, self.points)  # what is no network and no gate is refused in the call
        try:
            self.trainer = self._begun(self.settings, self.points)
        except Exception as wrong:
            self.failed = f"A gate of yours failed, so the kit's gates train in their place. {describe_error(wrong)}"
            self.affine, self.loss_gate = Affine(), SoftmaxCrossEntropy()
            self.settings = replace(self.settings, activation="ReLU")
            self.trainer = self._begun(self.settings, self.points)

    def start(self) -> tuple[Json, Json]:
        scene = {
            "sets": [*(["given"] if self.own is not None else []), *SETS],
            "activations": list(self.activations),
            "most": {"layers": LAYERS, "width": WIDTH},
            "batches": ["all", 32, 8, 1],
        }
        content, buffers = self.reply({})
        return scene, {"content": content, "buffers": buffers}

    def reply(self, asked: Json) -> Message:
        """The frame after what was asked. Whatever goes wrong, a learner's gate included, is told in it."""
        error = ""
        try:
            self._do(asked)
        except Exception as wrong:
            error = str(wrong) if isinstance(wrong, Refused) else describe_error(wrong)
        try:
            content, buffers = self._frame()
        except Exception as wrong:  # a gate that failed above fails here too
            content, buffers, error = {}, [], error or describe_error(wrong)
        if "train" not in asked and buffers:
            buffers.append(self.points.buffer())
        ended = bool(error or self.trainer.stopped or not len(self.points.x))
        told = {"settings": self._told(), "trained": "train" in asked, "ended": ended, "error": error}
        return {**content, **told}, buffers

    # -- what is asked ----------------------------------------------------------------------------

    def _do(self, asked: Json) -> None:
        if "train" in asked:
            self.trainer.advance(min(10_000, max(0, int(asked["train"]))), PATIENCE)
        elif "set" in asked:
            self._set(self.settings.changed(asked["set"]))
        elif "paint" in asked:
            x, y, label = asked["paint"]
            self._hold(self.points.with_one(float(x), float(y), int(label)))
        elif "erase" in asked:
            x, y = asked["erase"]
            self._hold(self.points.without_near(float(x), float(y)))
        elif "clear" in asked:
            self._hold(replace(self.points, x=np.zeros((0, 2)), labels=np.zeros(0, int), note=""))
        elif "reset" in asked:
            self.trainer = self._begun(self.settings, self.points)

    def _set(self, new: Settings) -> None:
        points = self.points
        if new.data != self.settings.data:
            points = self.own if self.own is not None and new.data == "given" else drawn(new.data)
        again = ("data", "hidden", "activation", "seed")
        if any(getattr(new, name) != getattr(self.settings, name) for name in again):
            self.trainer = self._begun(new, points)
        self.settings, self.points = new, points
        self.trainer.optimiser, self.trainer.batch_size = new.optimiser, new.batch_size

    def _hold(self, points: Points) -> None:
        """The network goes on with these points; with a class more it needs another score, and begins anew."""
        more = points.classes > self.trainer.model.sizes[-1]
        self.points = points
        if more:
            self.trainer = self._begun(self.settings, points)
        self.trainer.x, self.trainer.labels = points.x, points.labels

    def _begun(self, settings: Settings, points: Points) -> Trainer:
        """A network before its first update. Raises what its gates raise, before anything is changed."""
        model = self._model(settings, points)
        trainer = Trainer(model, points.x, points.labels, settings.optimiser, settings.batch_size, settings.seed)
        trainer.standing()
        return trainer

    def _model(self, settings: Settings, points: Points) -> MLP:
        if settings.activation not in self.activations:
            raise Refused(f"There is no activation {settings.activation!r}; there is {', '.join(self.activations)}.")
        sizes = (2, *settings.hidden, points.classes)
        return MLP(sizes, self.activations[settings.activation], self.loss_gate, self.affine)

    # -- what is answered -------------------------------------------------------------------------

    def _frame(self) -> Message:
        trainer = self.trainer
        now = trainer.standing()
        layers = [
            np.vstack([part[f"W{k}"], part[f"b{k}"]])
            for part in (trainer.parameters, now.gradients)
            for k in range(1, trainer.model.depth + 1)
        ]
        small = {name: p.astype(np.float32) for name, p in trainer.parameters.items()}
        ground = quantised(trainer.model.scores(small, self.points.grid()))
        numbers = np.concatenate([layer.ravel() for layer in layers]).astype(np.float32)
        curve = np.array(trainer.curve.points, dtype=np.float32).reshape(-1, 3)
        content = {
            "step": trainer.step,
            "loss": _finite(now.loss),
            "accuracy": _finite(now.accuracy),
            "classes": trainer.model.sizes[-1],
            "span": [self.points.across, self.points.up],
            "shapes": [layer.shape for layer in layers],
            "words": self._words(now),
            "warnings": self._warnings(now),
            "stopped": trainer.stopped,
        }
        return content, [ground, numbers.tobytes(), curve.tobytes()]

    def _told(self) -> Json:
        s = self.settings
        told = {name: getattr(s, name) for name in ("data", "activation", "seed", "step_size", "weight_decay")}
        width = max(s.hidden, default=16)
        return {**told, "layers": len(s.hidden), "width": width, "batch_size": s.batch_size or "all"}

    def _words(self, now: Standing) -> str:
        sizes, count = "-".join(map(str, self.trainer.model.sizes)), len(self.points.x)
        if not count:
            return "There are no points yet: choose a class, and paint some."
        done = f"{sizes} after {self.trainer.step:,} update{'s' * (self.trainer.step != 1)}"
        loss = format_value(now.loss) if math.isfinite(now.loss) else f"no number ({format_value(now.loss)})"
        return f"{done}: the loss is {loss}, and {now.accuracy:.1%} of the {count:,} points are classified correctly."

    def _warnings(self, now: Standing) -> list[str]:
        told = [note for note in (self.failed, self.points.note) if note]
        if len(set(self.points.labels.tolist())) == 1:
            told.append("All points are of one class, so there is nothing to tell apart: paint some of another.")
        if self.trainer.stopped:
            return told
        for k, (dead, units) in enumerate(zip(self.trainer.dead(now.gradients), self.settings.hidden), start=1):
            if dead:
                are = f"{dead} of {units} units {'is' if dead == 1 else 'are'} dead"
                told.append(f"Hidden layer {k}: {are}; none of the points sends a gradient through.")
        return told


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _whole(what: str, text: Any, low: int, high: int) -> int:
    try:
        number = float(str(text).strip())
    except ValueError:
        number = math.nan
    if number != number or number != round(number) or not low <= number <= high:
        raise Refused(f"{what} must be a whole number from {low:,} to {high:,}; {str(text)[:20]!r} is none.")
    return int(number)


def _amount(what: str, text: Any) -> float:
    try:
        number = float(str(text).strip().replace("−", "-"))
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise Refused(f"{what} must be a number of 0 or more; {str(text)[:20]!r} is none.")
    return number
