"""The settings of the playground, and how a request from the page changes them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from nnkit.language import say, to_say
from nnkit.train import SGD
from nnkit.view.explorers.protocol import InvalidRequest, Json, parse_number

MAX_SLIDER_LAYERS, MAX_SLIDER_UNITS = 4, 32
"""The maxima of the sliders."""


@dataclass(frozen=True)
class PlaygroundSettings:
    """The settings of the page. A change of one of the first six restarts the training."""

    data: str = "circles"
    hidden: tuple[int, ...] = (16, 16)
    activation: str = "ReLU"
    seed: int = 0
    noise: float = 0.0
    test_share: float = 0.0
    """The share of the points that the network is tested on, and not trained on."""
    step_size: float = 0.3
    weight_decay: float = 0.0
    batch_size: int | None = None

    def with_changes(self, request: Json) -> PlaygroundSettings:
        """Return the settings after a request such as {"width": "8"}. Raises InvalidRequest for invalid values."""
        layers, width = len(self.hidden), max(self.hidden, default=16)
        if {"layers", "width"} & request.keys():
            layers = _parse_integer(
                to_say("The number of hidden layers"), request.get("layers", layers), 0, MAX_SLIDER_LAYERS
            )
            width = _parse_integer(
                to_say("The width of a hidden layer"), request.get("width", width), 1, MAX_SLIDER_UNITS
            )
        batch = request.get("batch_size", self.batch_size)
        return replace(
            self,
            **{key: str(request[key]) for key in ("data", "activation") if key in request},
            hidden=(width,) * layers if {"layers", "width"} & request.keys() else self.hidden,
            seed=_parse_integer(to_say("The seed"), request.get("seed", self.seed), 0, 2**31),
            noise=_parse_amount(to_say("The noise"), request.get("noise", self.noise), 1.0),
            test_share=_parse_amount(
                to_say("The share of the test set"), request.get("test_share", self.test_share), 0.9
            ),
            step_size=_parse_amount("step_size", request.get("step_size", self.step_size)),
            weight_decay=_parse_amount(to_say("The weight decay λ"), request.get("weight_decay", self.weight_decay)),
            batch_size=None
            if batch in (None, "all")
            else _parse_integer(to_say("The batch size"), batch, 1, 1_000_000),
        )

    @property
    def optimiser(self) -> SGD:
        return SGD(self.step_size, weight_decay=self.weight_decay)


def _parse_integer(name: str, text: Any, low: int, high: int) -> int:
    number = parse_number(text)
    if number is None or not low <= number <= high or number != round(number):
        raise InvalidRequest(
            say("{name} must be a whole number from {low:,} to {high:,}; {text!r} is not.",
                name=say(name), low=low, high=high, text=str(text)[:20])
        )  # fmt: skip
    return int(number)


def _parse_amount(name: str, text: Any, high: float = math.inf) -> float:
    number = parse_number(text)
    if number is None or not (0 <= number <= high and number < math.inf):
        form = (
            to_say("{name} must be a number of 0 or more; {text!r} is not.")
            if high == math.inf
            else to_say("{name} must be a number from 0 to {high:g}; {text!r} is not.")
        )
        raise InvalidRequest(say(form, name=say(name), high=high, text=str(text)[:20]))
    return number
