"""The half of the descent explorer that computes: three loss surfaces, and the path of the updates on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from nnkit.graphtext import format_value
from nnkit.language import say, to_say
from nnkit.view.explorers.protocol import InvalidRequest, Json, parse_number, to_json_numbers
from nnkit.view.figures.loss_surface import neuron_data, neuron_gradient, neuron_loss
from nnkit.view.figures.plots import valley, valley_gradient

MAX_UPDATES = 40
FROZEN_STEP_SIZES = (1.0, 0.5, 1.5)
"""Step sizes on offer without a kernel, relative to the first."""

BATCH_SIZES = (20, 5, 1)
"""The batch sizes on offer beside all points."""

MAX_WEIGHT = 1e9
"""The magnitude beyond which weights count as infinite and the path ends."""


@dataclass(frozen=True)
class Surface:
    """A loss of two weights, and the part of it that is drawn."""

    name: str
    loss: Callable[[np.ndarray], Any]
    gradient: Callable[[np.ndarray], np.ndarray]
    x: tuple[float, float]
    y: tuple[float, float]
    levels: tuple[float, ...]
    start: tuple[float, float]
    step_size: tuple[float, float, float]
    """The slider's maximum, step and initial value."""
    batch_gradient: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    """The gradient on some of the points of which the loss is a mean; None if it is no mean over points."""
    point_count: int = 0

    def to_json(self) -> Json:
        """Return the contours of the loss as points, and the ranges of the sliders."""
        from contourpy import contour_generator

        across, up = np.linspace(*self.x, 120), np.linspace(*self.y, 120)
        grid = np.array(np.meshgrid(across, up))
        maker: Any = contour_generator(across, up, self.loss(grid))
        lines = [(level, line) for level in self.levels for line in maker.lines(level)]
        contours = [
            {"level": format_value(level), "x": to_json_numbers(a[:, 0]), "y": to_json_numbers(a[:, 1])}
            for level, a in ((level, line.round(4)) for level, line in lines)
        ]
        high, tick, first = self.step_size
        return {
            "name": say(self.name),
            "x": self.x,
            "y": self.y,
            "contours": contours,
            "start": self.start,
            "high": high,
            "tick": tick,
            "first": first,
            "batches": [self.point_count, *BATCH_SIZES] if self.batch_gradient else [],
        }


def make_surfaces() -> tuple[Surface, ...]:
    """Return a neuron's loss over 60 points, as in lecture 04, a valley, and a narrow one where momentum helps most."""
    x, t = neuron_data()
    return (
        Surface(
            to_say("a neuron with two weights"),
            lambda W: neuron_loss(W, x, t),
            lambda W: neuron_gradient(W, x, t),
            (-2.5, 2.5),
            (-1.5, 4.5),
            (0.36, 0.4, 0.45, 0.55, 0.7, 0.9, 1.2, 1.6, 2.2, 3.0),
            (-1.5, -0.5),
            (12.0, 0.1, 2.0),
            lambda W, batch: neuron_gradient(W, x[batch], t[batch]),
            len(t),
        ),
        Surface(
            to_say("a valley, W[0]² + 8 W[1]²"),
            valley,
            valley_gradient,
            (-3.0, 3.0),
            (-2.0, 2.0),
            (0.2, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0),
            (-2.5, 1.0),
            (0.16, 0.001, 0.05),
        ),
        Surface(
            to_say("a narrow valley, ½ W[0]² + 50 W[1]²"),
            lambda W: W[0] ** 2 / 2 + 50 * W[1] ** 2,
            lambda W: np.array([W[0], 100 * W[1]]),
            (-3.0, 3.0),
            (-1.0, 1.0),
            (0.1, 0.5, 1.5, 3.0, 6.0, 12.0, 25.0),
            (-2.5, 0.3),
            (0.022, 0.0005, 0.015),
        ),
    )


class DescentActor:
    """An actor that answers {"surface", "step_size", "momentum", "batch_size", "start"} with a path of updates."""

    def __init__(self) -> None:
        self.surfaces = make_surfaces()

    def start(self) -> tuple[Json, Json]:
        return {"surfaces": [surface.to_json() for surface in self.surfaces]}, self._compute_state({})

    def answer(self, request: Json) -> tuple[Json | None, Json]:
        return None, self._compute_state(request)

    def list_frozen_requests(self) -> list[Json]:
        """Return for each surface the first step size, smaller and larger ones, each with and without momentum."""
        return [
            {"surface": i, "step_size": round(surface.step_size[2] * times, 6), "momentum": momentum}
            for i, surface in enumerate(self.surfaces)
            for times in FROZEN_STEP_SIZES
            for momentum in (0.0, 0.9)
        ]

    def _compute_state(self, request: Json) -> Json:
        surface = self.surfaces[int(request.get("surface", 0))]
        step_size = _parse_number("step_size", request.get("step_size", surface.step_size[2]))
        momentum = _parse_number("momentum", request.get("momentum", 0.0))
        start = tuple(_parse_number(f"W[{i}]", w) for i, w in enumerate(request.get("start", surface.start)))
        if step_size < 0 or not 0 <= momentum < 1:
            raise InvalidRequest(
                say("The step size must not be negative, and the momentum must be at least 0 and below 1.")
            )
        batch_size = _parse_batch_size(surface, request.get("batch_size"))
        path = follow_updates(surface, step_size, momentum, start, batch_size)
        plain = follow_updates(surface, step_size, 0.0, start, batch_size) if momentum else []
        losses = [float(surface.loss(W)) for W, _, _ in path]
        return {
            "surface": self.surfaces.index(surface),
            "path": [to_json_numbers(W) for W, _, _ in path],
            "losses": to_json_numbers(np.array(losses)),
            "plain": to_json_numbers(np.array([float(surface.loss(W)) for W, _, _ in plain])),
            "words": [_describe_update(path, losses, i, step_size, momentum) for i in range(len(path))],
            "step_size": step_size,
            "momentum": momentum,
            "batch_size": batch_size or surface.point_count,
            "warning": _describe_problem(losses, len(path) - 1),
            "error": "",
        }


PathPoint = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Weights, with the gradient and the velocity of the update that led to them."""


def follow_updates(
    surface: Surface, step_size: float, momentum: float, start: Any, batch_size: int | None = None
) -> list[PathPoint]:
    """Return the path of `W -= step_size * velocity` with `velocity = momentum * velocity + dW`.

    With a `batch_size`, dW is the gradient on a new random batch of points. The path ends early beyond `MAX_WEIGHT`.
    """
    rng = np.random.default_rng(0)
    W, velocity = np.asarray(start, dtype=float), np.zeros(2)
    path = [(W, np.zeros(2), velocity)]
    for _ in range(MAX_UPDATES):
        if batch_size is None or surface.batch_gradient is None:
            dW = surface.gradient(W)
        else:
            dW = surface.batch_gradient(W, rng.choice(surface.point_count, batch_size, replace=False))
        velocity = momentum * velocity + dW
        W = W - step_size * velocity
        path.append((W, dW, velocity))
        if not np.all(np.abs(W) < MAX_WEIGHT):
            break
    return path


def _describe_update(path: list[PathPoint], losses: list[float], i: int, step_size: float, momentum: float) -> str:
    W, dW, velocity = path[i]
    if i == 0:
        return say(
            "Before the first update W is {W}, and the loss {loss}.", W=_format_pair(W), loss=format_value(losses[0])
        )
    texts = [f"dW = {_format_pair(dW)}."]
    if momentum:
        last = _format_pair(path[i - 1][2])
        texts.append(f"velocity = {format_value(momentum)} × {last} + dW = {_format_pair(velocity)}.")
    change = f"{format_value(step_size)} × {'velocity' if momentum else 'dW'}"
    ends = {"before": _format_pair(path[i - 1][0]), "after": _format_pair(W)}
    texts.append(say("W −= {change}, so W goes from {before} to {after}.", change=change, **ends))
    before, after = losses[i - 1], losses[i]
    turn = (
        to_say("The loss falls from {before} to {after}.")
        if after < before
        else to_say("The loss rises from {before} to {after}.")
        if after > before
        else to_say("The loss stays from {before} to {after}.")
    )
    return " ".join([*texts, say(turn, before=format_value(before), after=format_value(after))])


def _format_pair(W: np.ndarray) -> str:
    return f"({format_value(W[0])}, {format_value(W[1])})"


def _describe_problem(losses: list[float], steps: int) -> str:
    """Return a warning about the whole path; "" if there is nothing to warn of."""
    if not np.isfinite(losses[-1]) or losses[-1] > 10 * max(losses[0], 1.0):
        return say(
            "Divergence: the loss grows from {first} to {last} in {steps} updates. The step size is too large for this "
            "surface.",
            first=format_value(losses[0]), last=format_value(losses[-1]), steps=steps,
        )  # fmt: skip
    rises = sum(after > before for before, after in pairwise(losses))
    if rises > steps // 4:
        return say(
            "The loss rises at {rises} of {steps} updates: they jump over the lowest point.", rises=rises, steps=steps
        )
    return ""


def _parse_batch_size(surface: Surface, text: Any) -> int | None:
    """Return the batch size; None for all points."""
    number = surface.point_count if text is None else _parse_number(to_say("The batch size"), text)
    if surface.batch_gradient is None or number == surface.point_count:
        return None
    if not 1 <= number <= surface.point_count or number != int(number):
        raise InvalidRequest(say("The batch size must be a whole number from 1 to {count}.", count=surface.point_count))
    return int(number)


def _parse_number(name: str, text: Any) -> float:
    number = parse_number(text)
    if number is None:
        raise InvalidRequest(say("{name} must be a number; {text!r} is not.", name=say(name), text=str(text)[:20]))
    if not np.isfinite(number):
        raise InvalidRequest(say("{name} must be a finite number.", name=say(name)))
    return number
