"""The half of the activation explorer that computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.graphtext import format_value
from nnkit.view.explorers.protocol import Json, Refused
from nnkit.view.figures.activation_curves import SATURATED, _name, saturated, tried

REACH = 6.0
START = 2.0
POINTS = 481


class ActivationActor:
    """Answers {"x": a point, "step": a step} with the output, the slope and the numerical derivative there."""

    def __init__(self, gate: Any):
        self.gate = gate
        self.point: tuple[float, float] = (START, 1e-5)

    def start(self) -> tuple[Json, Json]:
        x = np.linspace(-REACH, REACH, POINTS)
        out, slope, _ = tried(self.gate, x)
        scene = {
            "name": _name(self.gate),
            "reach": REACH,
            "x": x.tolist(),
            "out": numbers(out),
            "slope": numbers(slope),
            "saturated": saturated(self.gate, REACH),
        }
        return scene, self.film()

    def answer(self, ask: Json) -> tuple[Json | None, Json]:
        try:
            x, step = (float(str(ask.get(key, was))) for key, was in zip(("x", "step"), self.point))
        except ValueError:
            raise Refused("x and the step h must be numbers.") from None
        if not np.isfinite(x) or not step > 0 or not np.isfinite(step):
            raise Refused("x must be a finite number, and the step h a number above 0.")
        self.point = x, step
        return None, self.film()

    def film(self) -> Json:
        """The numbers at the point, and the same in words."""
        x, step = self.point
        (out,), (slope,), failed = tried(self.gate, np.array([x]))
        (right, left), _, _ = tried(self.gate, np.array([x + step, x - step]))
        measured = (right - left) / ((x + step) - (x - step)) if x + step != x - step else np.nan
        return {
            "x": x,
            "step": step,
            "point": numbers(np.array([out, slope, measured])),
            "words": f"At x = {format_value(x)} the output is {format_value(out)} and the slope {format_value(slope)}.",
            "measured": "" if np.isnan(out) else self._measured(slope, measured, step),
            "saturated": f"Saturated: the slope is below {SATURATED}." if abs(slope) < SATURATED else "",
            "error": failed,
        }

    @staticmethod
    def _measured(slope: float, measured: float, step: float) -> str:
        if np.isnan(measured):
            return f"With h = {format_value(step)} there is nothing to measure: x + h and x − h are the same number."
        numerical = f"(f(x+h) − f(x−h)) / 2h with h = {format_value(step)} is {measured:.10g}"
        away = f", which is {format_value(abs(measured - slope))} away from the slope"
        return f"{numerical}{'' if np.isnan(slope) else away}.".replace("-", "−")


def numbers(values: np.ndarray) -> list[float | None]:
    """Numbers for a page; None stands for what is not finite."""
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values, dtype=float)]
