"""The half of the playground that computes.

A frame is some updates, and the picture after them. The network trains only while it is watched:
`nnkit.view.explorers.widget` requests frames as long as a page takes them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.gates import ELU, Affine, LeakyReLU, Maxout, ReLU, Sigmoid, SoftmaxCrossEntropy, Tanh
from nnkit.graphtext import format_value
from nnkit.language import say, say_count, to_say
from nnkit.mlp import MLP
from nnkit.view.errors import describe_error
from nnkit.view.explorers.playground_points import DATA_SETS, Points, make_points, quantise_softmax
from nnkit.view.explorers.playground_settings import MAX_SLIDER_LAYERS, MAX_SLIDER_UNITS, PlaygroundSettings
from nnkit.view.explorers.playground_trainer import Metrics, Trainer
from nnkit.view.explorers.protocol import InvalidRequest, Json, describe_failure

ACTIVATIONS: dict[str, Any] = {
    "ReLU": ReLU(), "tanh": Tanh(), "sigmoid": Sigmoid(), "leaky ReLU": LeakyReLU(), "ELU": ELU(), "maxout": Maxout(),
}  # fmt: skip
CHOICES = (to_say("given"), to_say("circles"), to_say("spiral"), to_say("moons"), to_say("paint"), to_say("all"))
"""The data sets and the largest batch size, by the words that the page sends."""

PACES = (1, 5, 20, 100)
MAX_HIDDEN_LAYERS, MAX_LAYER_UNITS = 8, 128
"""The largest network of a call: more hidden layers, or more units in one, could not be drawn."""

MAX_FRAME_SECONDS = 0.02
"""The training time after which a frame is sent, even if not all its updates are done."""

MAP_SIDE = 16
"""The number of rows and columns of the map of a unit."""

MAX_MAPPED_UNITS = 16
"""The number of units of a layer that are drawn with a map."""

FRAMES_PER_MAP = 8
"""The number of frames from one with maps to the next while it trains."""

Message = tuple[Json, list[bytes]]


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
        self.failed, self.frames, self.is_training = "", 0, False
        self._build_model(self.settings, self.points)  # raises for a network or gates that cannot be used
        try:
            self.trainer = self._start_training(self.settings, self.points)
        except Exception as error:
            failed = say("One of your gates failed, so the kit's gates are used instead.")
            self.failed = f"{failed} {describe_error(error)}"
            self.affine, self.loss_gate = Affine(), SoftmaxCrossEntropy()
            self.settings = replace(self.settings, activation="ReLU")
            self.trainer = self._start_training(self.settings, self.points)

    def start(self) -> tuple[Json, Json]:
        own = list(self.activations)[: len(self.activations) - len(ACTIVATIONS)]
        setup = {
            "sets": [*(["given"] if self.own_points is not None else []), *DATA_SETS],
            "activations": list(self.activations),
            "most": {"layers": MAX_SLIDER_LAYERS, "width": MAX_SLIDER_UNITS},
            "batches": ["all", 32, 8, 1],
            "shares": {"0": say("none"), "0.2": "20 %", "0.5": "50 %"},
            "names": {name: say(name) for name in CHOICES}
            | {name: say("{name} (yours)", name=name.removesuffix(" (yours)")) for name in own},
            "paces": {str(n): say_count("{number} update per frame", "{number} updates per frame", n) for n in PACES},
        }
        content, buffers = self.reply({})
        return setup, {"content": content, "buffers": buffers}

    def reply(self, request: Json) -> Message:
        """Return the frame after a request. Errors, a learner's gate's included, are part of the frame."""
        error = ""
        self.is_training = "train" in request and request["train"] != 1
        try:
            self._handle_request(request)
        except Exception as failure:
            error = describe_failure(failure)
        try:
            content, buffers = self._compute_frame()
        except Exception as failure:  # a gate that failed above fails here too
            content, buffers, error = {}, [], error or describe_error(failure)
        if "train" not in request and buffers:
            buffers.append(self.points.to_bytes(self.settings.test_share))
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
        if (new.data, new.noise) != (self.settings.data, self.settings.noise):
            points = self._draw_points(new)
        restarting = ("data", "hidden", "activation", "seed", "noise", "test_share")
        if any(getattr(new, name) != getattr(self.settings, name) for name in restarting):
            self.trainer = self._start_training(new, points)
        self.settings, self.points = new, points
        self.trainer.optimiser, self.trainer.batch_size = new.optimiser, new.batch_size

    def _draw_points(self, settings: PlaygroundSettings) -> Points:
        """Return the points of a data set; those that are painted or a learner's own have no noise added."""
        if settings.data == "paint" and self.settings.data == "paint":
            return self.points
        if settings.data == "given" and self.own_points is not None:
            return self.own_points
        return make_points(settings.data, settings.noise)

    def _replace_points(self, points: Points) -> None:
        """Continue the training on these points; if there is a new class, restart it with one more score."""
        needs_class = points.class_count > self.trainer.model.sizes[-1]
        self.points = points
        if needs_class:
            self.trainer = self._start_training(self.settings, points)
        self._split(self.trainer, points, self.settings.test_share)

    def _start_training(self, settings: PlaygroundSettings, points: Points) -> Trainer:
        """Return a network before its first update. Raises what its gates raise, before anything has changed."""
        model = self._build_model(settings, points)
        trainer = Trainer(model, points.x, points.labels, settings.optimiser, settings.batch_size, settings.seed)
        self._split(trainer, points, settings.test_share)
        trainer.measure()
        return trainer

    @staticmethod
    def _split(trainer: Trainer, points: Points, test_share: float) -> None:
        test = points.find_test(test_share)
        trainer.x, trainer.labels = points.x[~test], points.labels[~test]
        trainer.test = (points.x[test], points.labels[test])

    def _build_model(self, settings: PlaygroundSettings, points: Points) -> MLP:
        if settings.activation not in self.activations:
            raise InvalidRequest(
                say(
                    "There is no activation {name!r}; the page has {names}.",
                    name=settings.activation,
                    names=", ".join(self.activations),
                )
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
        curve = np.array(trainer.curve.points, dtype=np.float32).reshape(-1, 4)
        content = {
            "step": trainer.step,
            "updates": say_count("{number} update", "{number} updates", trainer.step),
            "loss": _finite_or_none(metrics.loss),
            "accuracy": _finite_or_none(metrics.accuracy),
            "test_loss": _finite_or_none(metrics.test_loss),
            "sizes": trainer.model.sizes,
            "mapped": [min(MAX_MAPPED_UNITS, size) for size in trainer.model.sizes],
            "classes": trainer.model.sizes[-1],
            "span": [self.points.x_range, self.points.y_range],
            "shapes": [layer.shape for layer in layers],
            "words": self._describe_progress(metrics),
            "warnings": self._list_warnings(metrics),
            "stopped": trainer.stopped,
        }
        return content, [regions, numbers.tobytes(), curve.tobytes(), self._draw_maps()]

    def _draw_maps(self) -> bytes:
        """Return the output of each unit on a grid as int8, relative to its largest; b"" if the last maps will do."""
        self.frames += 1
        if self.frames % FRAMES_PER_MAP and self.is_training:
            return b""
        layers = self.trainer.compute_units(self.points.make_grid(MAP_SIDE).astype(float))
        units = np.hstack([layer[:, :MAX_MAPPED_UNITS] for layer in layers]).T
        largest = np.maximum(np.abs(units).max(axis=1, keepdims=True), 1e-12)
        shades: bytes = np.nan_to_num(127 * units / largest).astype(np.int8).tobytes()
        return shades

    def _describe_settings(self) -> Json:
        s = self.settings
        settings = {
            name: getattr(s, name)
            for name in ("data", "activation", "seed", "noise", "test_share", "step_size", "weight_decay")
        }
        width = max(s.hidden, default=16)
        return {**settings, "layers": len(s.hidden), "width": width, "batch_size": s.batch_size or "all"}

    def _describe_progress(self, metrics: Metrics) -> str:
        sizes, count = "-".join(map(str, self.trainer.model.sizes)), len(self.points.x)
        if not count:
            return say("There are no points yet: choose a class, and paint some.")
        loss = format_value(metrics.loss)
        if not math.isfinite(metrics.loss):
            loss = say("not finite ({loss})", loss=loss)
        tested = len(self.trainer.test[0])
        numbers = {"sizes": sizes, "loss": loss, "accuracy": metrics.accuracy, "count": count - tested}
        if not tested:
            return say_count(
                "{sizes} after {number:,} update: the loss is {loss}, and {accuracy:.1%} of the {count:,} points are "
                "classified correctly.",
                "{sizes} after {number:,} updates: the loss is {loss}, and {accuracy:.1%} of the {count:,} points are "
                "classified correctly.",
                self.trainer.step, **numbers,
            )  # fmt: skip
        text = say_count(
            "{sizes} after {number:,} update: the loss is {loss}, and {accuracy:.1%} of the {count:,} training points "
            "are classified correctly.",
            "{sizes} after {number:,} updates: the loss is {loss}, and {accuracy:.1%} of the {count:,} training points "
            "are classified correctly.",
            self.trainer.step, **numbers,
        )  # fmt: skip
        test = say(
            "Test set: loss {loss}, {accuracy:.1%} of {count:,} points.",
            loss=format_value(metrics.test_loss), accuracy=metrics.test_accuracy, count=tested,
        )  # fmt: skip
        return f"{text} {test}"

    def _list_warnings(self, metrics: Metrics) -> list[str]:
        warnings = [note for note in (self.failed, self.points.note) if note]
        if len(set(self.points.labels.tolist())) == 1:
            warnings.append(
                say("All points are of one class, so there is nothing to learn: paint some of another class.")
            )
        if self.trainer.stopped:
            return warnings
        if self.trainer.has_silent_layers(metrics.gradients):
            warnings.append(
                say(
                    "All gradients of the hidden layers are 0: only the biases of the last layer still change. "
                    "Reset, and take a smaller step size or another activation."
                )
            )
        counts = self.trainer.count_dead_units(metrics.gradients)
        for k, (dead, units) in enumerate(zip(counts, self.settings.hidden), start=1):
            if dead:
                warnings.append(
                    say_count(
                        "Hidden layer {layer}: {number} of {units} units is dead; no point gives them a gradient.",
                        "Hidden layer {layer}: {number} of {units} units are dead; no point gives them a gradient.",
                        dead, layer=k, units=units,
                    )
                )  # fmt: skip
        return warnings


def _finite_or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None
