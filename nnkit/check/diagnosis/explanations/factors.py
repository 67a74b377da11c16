"""Where in the formula: a factor of the chain rule that is missing, there too often, or not a factor but a summand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations.formulas import bracket
from nnkit.check.diagnosis.explanations.spots import (
    LazyVariants,
    Spot,
    Values,
    describe_node,
    find_spots,
    inject,
)
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.function_graph import UnsummedBranch, count_uses, vjp_with_faults

Change = tuple[str, Callable[[Values, Any], Any]]
"""What is said of a factor, and the gradient of (the gate's values, its right slope)."""

CHANGES: tuple[Change, ...] = (
    ("{factor} is missing", lambda v, s: v["upstream"]),
    ("the upstream gradient is added to {factor}, not multiplied by it", lambda v, s: v["upstream"] + s),
    ("{factor} is multiplied in twice", lambda v, s: v["upstream"] * s * s),
    ("the upstream gradient is divided by {factor}, not multiplied by it", lambda v, s: v["upstream"] / s),
    ("{factor} is divided by the upstream gradient, not multiplied by it", lambda v, s: s / v["upstream"]),
    ("{factor} is subtracted from the upstream gradient, not multiplied by it", lambda v, s: v["upstream"] - s),
    ("{factor} has the wrong sign", lambda v, s: -v["upstream"] * s),
    ("{factor} is passed on alone, without what arrives from above", lambda v, s: s),
    ("{factor} is doubled", lambda v, s: 2 * v["upstream"] * s),
    ("{factor} is halved", lambda v, s: v["upstream"] * s / 2),
    ("{factor} is squared together with the upstream gradient", lambda v, s: (v["upstream"] * s) ** 2),
    ("only the size of {factor} is used, its sign is lost", lambda v, s: v["upstream"] * np.abs(s)),
    ("only the size of the upstream gradient is used, its sign is lost", lambda v, s: np.abs(v["upstream"]) * s),
    ("only the sign of the upstream gradient is used, not its size", lambda v, s: np.sign(v["upstream"]) * s),
    ("{x} is multiplied in once too often", lambda v, s: v["upstream"] * s * v["x"]),
    ("{out} is multiplied in once too often", lambda v, s: v["upstream"] * s * v["out"]),
    ("the gradient is divided by {x}", lambda v, s: v["upstream"] * s / v["x"]),
    ("the gradient is divided by {out}", lambda v, s: v["upstream"] * s / v["out"]),
    ("{x} is added to the gradient", lambda v, s: v["upstream"] * s + v["x"]),
    ("{out} is added to the gradient", lambda v, s: v["upstream"] * s + v["out"]),
)


def _factors(comparison: Comparison) -> Variants:
    found = LazyVariants()
    for spot in find_spots(comparison):
        for i in spot.inputs:
            for words, change in CHANGES:
                if not (spot.slopes.right[i] in ("1", "-1") and "{factor}" in words and "sign" not in words):
                    faults = spot.faults(i, _change_gradient(spot, i, change))
                    found.add(spot.explain("wrong-factor", _say(spot, i, words)), inject(comparison, spot.graph, faults))
    return found


def _change_gradient(spot: Spot, i: int, change: Callable[[Values, Any], Any]) -> Callable[[Values], Any]:
    return lambda values: change(values, spot.slope(i, values))


def _say(spot: Spot, i: int, words: str) -> str:
    factor = f"the slope of {spot.name(i)}, {spot.write(spot.slopes.right[i])},"
    if not words.startswith("{factor}") or spot.slopes.formula == "x * y":
        factor = factor.removesuffix(",")
    if spot.slopes.formula == "x * y":
        factor = f"the factor {spot.write(spot.slopes.right[i])} of {spot.write('x * y')}"
    if "{x}" in words or "{out}" in words:
        words += f" at {spot.write(spot.slopes.formula)}"
    return words.format(factor=factor, x=spot.write("x"), out=spot.write("out"))
