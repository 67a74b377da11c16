"""The half of the activation explorer that computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.graphtext import format_value
from nnkit.language import say
from nnkit.view.explorers.protocol import InvalidRequest, Json, parse_number, to_json_numbers
from nnkit.view.figures.activation_curves import SATURATED, label_gate, saturated, try_gate

REACH = 6.0
START = 2.0
POINT_COUNT = 481
FROZEN_POINT_COUNT = 121


class ActivationActor:
    """An actor that answers {"x", "step"} with the output, the slope and the numerical derivative there."""

    def __init__(self, gate: Any):
        self.gate = gate
        self.point: tuple[float, float] = (START, 1e-5)

    def start(self) -> tuple[Json, Json]:
        x = np.linspace(-REACH, REACH, POINT_COUNT)
        out, slope, _ = try_gate(self.gate, x)
        setup = {
            "name": label_gate(self.gate),
            "reach": REACH,
            "x": x.tolist(),
            "out": to_json_numbers(out),
            "slope": to_json_numbers(slope),
            "saturated": saturated(self.gate, REACH),
        }
        return setup, self.compute_state()

    def answer(self, request: Json) -> tuple[Json | None, Json]:
        x, step = (parse_number(request.get(key, last)) for key, last in zip(("x", "step"), self.point))
        if x is None or step is None:
            raise InvalidRequest(say("x and the step h must be numbers."))
        if not np.isfinite(x) or not step > 0 or not np.isfinite(step):
            raise InvalidRequest(say("x must be a finite number, and the step h a number above 0."))
        self.point = x, step
        return None, self.compute_state()

    def list_frozen_requests(self) -> list[Json]:
        """Return points at equal distances, with the step of the start."""
        points = np.linspace(-REACH, REACH, FROZEN_POINT_COUNT).round(10)
        return [{"x": x, "step": 1e-5} for x in (START, *points.tolist())]

    def compute_state(self) -> Json:
        """Return the numbers at the point, and sentences on them."""
        x, step = self.point
        (out,), (slope,), failed = try_gate(self.gate, np.array([x]))
        (right, left), _, _ = try_gate(self.gate, np.array([x + step, x - step]))
        measured = (right - left) / ((x + step) - (x - step)) if x + step != x - step else np.nan
        numbers = {"x": format_value(x), "out": format_value(out), "slope": format_value(slope)}
        flat = say("Saturated: the slope is below {bound}.", bound=SATURATED) if abs(slope) < SATURATED else ""
        return {
            "x": x,
            "step": step,
            "point": to_json_numbers(np.array([out, slope, measured])),
            "words": say("At x = {x} the output is {out} and the slope {slope}.", **numbers),
            "measured": "" if np.isnan(out) else self._describe_measurement(slope, measured, step),
            "saturated": flat,
            "error": failed,
        }

    @staticmethod
    def _describe_measurement(slope: float, measured: float, step: float) -> str:
        if np.isnan(measured):
            return say(
                "With h = {step} nothing can be measured: x + h and x − h are the same number.", step=format_value(step)
            )
        text = say(
            "(f(x+h) − f(x−h)) / 2h with h = {step} is {measured:.10g}."
            if np.isnan(slope)
            else "(f(x+h) − f(x−h)) / 2h with h = {step} is {measured:.10g}, which is {distance} away from the slope.",
            step=format_value(step), measured=measured, distance=format_value(abs(measured - slope)),
        )  # fmt: skip
        return text.replace("-", "−")
