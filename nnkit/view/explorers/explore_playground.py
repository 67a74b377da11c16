"""The half of the playground that computes.

A frame is some updates, and the picture after them. The network trains only while it is watched:
`nnkit.view.explorers.widget` requests frames as long as a page takes them.
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
from nnkit.view.explorers.playground_points import DATA_SETS, Points, make_points, quantise_softmax
from nnkit.view.explorers.playground_trainer import Metrics, Trainer
from nnkit.view.explorers.protocol import InvalidRequest, Json, describe_failure, parse_number

ACTIVATIONS: dict[str, Any] = {
    "ReLU": ReLU(), "tanh": Tanh(), "sigmoid": Sigmoid(), "leaky ReLU": LeakyReLU(), "ELU": ELU(), "maxout": Maxout(),
}  # fmt: skip
MAX_SLIDER_LAYERS, MAX_SLIDER_UNITS = 4, 32
"""The maxima of the sliders."""

MAX_HIDDEN_LAYERS, MAX_LAYER_UNITS = 8, 128
"""The largest network of a call: more hidden layers, or more units in one, could not be drawn."""

MAX_FRAME_SECONDS = 0.02
"""The training time after which a frame is sent, even if not all its updates are done."""

Message = tuple[Json, list[bytes]]


@dataclass(frozen=True)
class PlaygroundSettings:
    """The settings of the page. A change of one of the first four restarts the training."""

    data: str = "circles"
    hidden: tuple[int, ...] = (16, 16)
    activation: str = "ReLU"
    seed: int = 0
    step_size: float = 0.3
    weight_decay: float = 0.0
    batch_size: int | None = None

    def with_changes(self, request: Json) -> PlaygroundSettings:
        """Return the settings after a request such as {"width": "8"}. Raises InvalidRequest for invalid values."""
        layers, width = len(self.hidden), max(self.hidden, default=16)
        if {"layers", "width"} & request.keys():
            layers = _parse_integer("The number of hidden layers", request.get("layers", layers), 0, MAX_SLIDER_LAYERS)
            width = _parse_integer("The width of a hidden layer", request.get("width", width), 1, MAX_SLIDER_UNITS)
        batch = request.get("batch_size", self.batch_size)
        return replace(
            self,
            **{key: str(request[key]) for key in ("data", "activation") if key in request},
            hidden=(width,) * layers if {"layers", "width"} & request.keys() else self.hidden,
            seed=_parse_integer("The seed", request.get("seed", self.seed), 0, 2**31),
            step_size=_parse_amount("step_size", request.get("step_size", self.step_size)),
            weight_decay=_parse_amount("The weight decay λ", request.get("weight_decay", self.weight_decay)),
            batch_size=None if batch in (None, "all") else _parse_integer("The batch size", batch, 1, 1_000_000),
        )

    @property
    def optimiser(self) -> SGD:
        return SGD(self.step_size, weight_decay=self.weight_decay)


class PlaygroundActor:
    """A streaming actor that trains a network.

    It answers {"train": updates}, {"set": settings}, {"paint": [x, y, class]}, {"erase": [x, y]}, {"clear"} and
    {"reset"} with a frame: sentences and numbers for the page, and buffers for its pictures.
    """

    def __init__(
        self,
        settings: PlaygroundSettings,
        hidden: tuple[int, ...] = (16, 16),
        activation: Any = "ReLU",
        *,
        own_points: Points | None = None,
        affine: Any = None,
        loss_gate: Any = None,
    ):
        if len(hidden) > MAX_HIDDEN_LAYERS or max(hidden, default=1) > MAX_LAYER_UNITS:
            raise ValueError(
                f"The playground draws up to {MAX_HIDDEN_LAYERS} hidden layers of up to {MAX_LAYER_UNITS} units, "
                f"not {hidden}."
            )
        self.activations, self.own_points = dict(ACTIVATIONS), own_points
        if not isinstance(activation, str):
            gate, activation = activation, f"{get_name(activation)} (yours)"
            self.activations = {activation: gate} | ACTIVATIONS
        self.affine, self.loss_gate = affine or Affine(), loss_gate or SoftmaxCrossEntropy()
        self.settings = replace(settings, hidden=hidden, activation=activation)
        self.points = make_points(settings.data) if own_points is None else own_points
        self.failed = ""
        self._build_model(self.settings, self.points)  # raises for a network or gates that cannot be used
        try:
            self.trainer = self._start_training(self.settings, self.points)
        except Exception as error:
            self.failed = f"One of your gates failed, so the kit's gates are used instead. {describe_error(error)}"
            self.affine, self.loss_gate = Affine(), SoftmaxCrossEntropy()
            self.settings = replace(self.settings, activation="ReLU")
            self.trainer = self._start_training(self.settings, self.points)

    def start(self) -> tuple[Json, Json]:
        setup = {
            "sets": [*(["given"] if self.own_points is not None else []), *DATA_SETS],
            "activations": list(self.activations),
            "most": {"layers": MAX_SLIDER_LAYERS, "width": MAX_SLIDER_UNITS},
            "batches": ["all", 32, 8, 1],
        }
        content, buffers = self.reply({})
        return setup, {"content": content, "buffers": buffers}

    def reply(self, request: Json) -> Message:
        """Return the frame after a request. Errors, a learner's gate's included, are part of the frame."""
        error = ""
        try:
            self._handle_request(request)
        except Exception as failure:
            error = describe_failure(failure)
        try:
            content, buffers = self._compute_frame()
        except Exception as failure:  # a gate that failed above fails here too
            content, buffers, error = {}, [], error or describe_error(failure)
        if "train" not in request and buffers:
            buffers.append(self.points.to_bytes())
        ended = bool(error or self.trainer.stopped or not len(self.points.x))
        outcome = {"settings": self._describe_settings(), "trained": "train" in request, "ended": ended, "error": error}
        return {**content, **outcome}, buffers

    # -- requests ---------------------------------------------------------------------------------

    def _handle_request(self, request: Json) -> None:
        if "train" in request:
            self.trainer.advance(min(10_000, max(0, int(request["train"]))), MAX_FRAME_SECONDS)
        elif "set" in request:
            self._apply_settings(self.settings.with_changes(request["set"]))
        elif "paint" in request:
            x, y, label = request["paint"]
            self._replace_points(self.points.with_point(float(x), float(y), int(label)))
        elif "erase" in request:
            x, y = request["erase"]
            self._replace_points(self.points.without_near(float(x), float(y)))
        elif "clear" in request:
            self._replace_points(replace(self.points, x=np.zeros((0, 2)), labels=np.zeros(0, int), note=""))
        elif "reset" in request:
            self.trainer = self._start_training(self.settings, self.points)

    def _apply_settings(self, new: PlaygroundSettings) -> None:
        points = self.points
        if new.data != self.settings.data:
            points = self.own_points if self.own_points is not None and new.data == "given" else make_points(new.data)
        restarting = ("data", "hidden", "activation", "seed")
        if any(getattr(new, name) != getattr(self.settings, name) for name in restarting):
            self.trainer = self._start_training(new, points)
        self.settings, self.points = new, points
        self.trainer.optimiser, self.trainer.batch_size = new.optimiser, new.batch_size

    def _replace_points(self, points: Points) -> None:
        """Continue the training on these points; if there is a new class, restart it with one more score."""
        needs_class = points.class_count > self.trainer.model.sizes[-1]
        self.points = points
        if needs_class:
            self.trainer = self._start_training(self.settings, points)
        self.trainer.x, self.trainer.labels = points.x, points.labels

    def _start_training(self, settings: PlaygroundSettings, points: Points) -> Trainer:
        """Return a network before its first update. Raises what its gates raise, before anything has changed."""
        model = self._build_model(settings, points)
        trainer = Trainer(model, points.x, points.labels, settings.optimiser, settings.batch_size, settings.seed)
        trainer.measure()
        return trainer

    def _build_model(self, settings: PlaygroundSettings, points: Points) -> MLP:
        if settings.activation not in self.activations:
            raise InvalidRequest(
                f"There is no activation {settings.activation!r}; the page has {', '.join(self.activations)}."
            )
        sizes = (2, *settings.hidden, points.class_count)
        return MLP(sizes, self.activations[settings.activation], self.loss_gate, self.affine)

    # -- frames -----------------------------------------------------------------------------------

    def _compute_frame(self) -> Message:
        trainer = self.trainer
        metrics = trainer.measure()
        layers = [
            np.vstack([part[f"W{k}"], part[f"b{k}"]])
            for part in (trainer.parameters, metrics.gradients)
            for k in range(1, trainer.model.depth + 1)
        ]
        float32_parameters = {name: p.astype(np.float32) for name, p in trainer.parameters.items()}
        regions = quantise_softmax(trainer.model.scores(float32_parameters, self.points.make_grid()))
        numbers = np.concatenate([layer.ravel() for layer in layers]).astype(np.float32)
        curve = np.array(trainer.curve.points, dtype=np.float32).reshape(-1, 3)
        content = {
            "step": trainer.step,
            "loss": _finite_or_none(metrics.loss),
            "accuracy": _finite_or_none(metrics.accuracy),
            "classes": trainer.model.sizes[-1],
            "span": [self.points.x_range, self.points.y_range],
            "shapes": [layer.shape for layer in layers],
            "words": self._describe_progress(metrics),
            "warnings": self._list_warnings(metrics),
            "stopped": trainer.stopped,
        }
        return content, [regions, numbers.tobytes(), curve.tobytes()]

    def _describe_settings(self) -> Json:
        s = self.settings
        settings = {name: getattr(s, name) for name in ("data", "activation", "seed", "step_size", "weight_decay")}
        width = max(s.hidden, default=16)
        return {**settings, "layers": len(s.hidden), "width": width, "batch_size": s.batch_size or "all"}

    def _describe_progress(self, metrics: Metrics) -> str:
        sizes, count = "-".join(map(str, self.trainer.model.sizes)), len(self.points.x)
        if not count:
            return "There are no points yet: choose a class, and paint some."
        done = f"{sizes} after {self.trainer.step:,} update{'s' * (self.trainer.step != 1)}"
        loss = (
            format_value(metrics.loss) if math.isfinite(metrics.loss) else f"not finite ({format_value(metrics.loss)})"
        )
        return (
            f"{done}: the loss is {loss}, and {metrics.accuracy:.1%} of the {count:,} points are classified correctly."
        )

    def _list_warnings(self, metrics: Metrics) -> list[str]:
        warnings = [note for note in (self.failed, self.points.note) if note]
        if len(set(self.points.labels.tolist())) == 1:
            warnings.append("All points are of one class, so there is nothing to learn: paint some of another class.")
        if self.trainer.stopped:
            return warnings
        counts = self.trainer.count_dead_units(metrics.gradients)
        for k, (dead, units) in enumerate(zip(counts, self.settings.hidden), start=1):
            if dead:
                units_are = f"{dead} of {units} units {'is' if dead == 1 else 'are'} dead"
                warnings.append(f"Hidden layer {k}: {units_are}; no point gives them a gradient.")
        return warnings


def _finite_or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _parse_integer(name: str, text: Any, low: int, high: int) -> int:
    number = parse_number(text)
    if number is None or not low <= number <= high or number != round(number):
        raise InvalidRequest(f"{name} must be a whole number from {low:,} to {high:,}; {str(text)[:20]!r} is not.")
    return int(number)


def _parse_amount(name: str, text: Any) -> float:
    number = parse_number(text)
    if number is None or not 0 <= number < math.inf:
        raise InvalidRequest(f"{name} must be a number of 0 or more; {str(text)[:20]!r} is not.")
    return number
