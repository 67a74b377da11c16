"""Slips at an elementary gate: its slope is another one, or is taken at another point."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from nnkit import gates
from nnkit.check.diagnosis.explanations.formulas import bracket, compute_formula
from nnkit.check.diagnosis.explanations.spots import (
    LazyVariants,
    Spot,
    Values,
    find_spots,
    inject,
    name_nodes,
)
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.evidence.comparison import Comparison
from nnkit.graph import Node
from nnkit.language import say

Slip = tuple[int, str, Callable[[Values], Any]]
"""The input whose gradient is another one, the words for it, and that gradient."""


_ADDED = re.compile(r"upstream [-+]|[-+] upstream")


def _wrong_slopes(comparison: Comparison) -> Variants:
    return _vary(comparison, "wrong-slope", lambda spot: _list_wrong_slopes(spot) if not _is_inner_sum(spot) else ())


def _wrong_inner_sums(comparison: Comparison) -> Variants:
    return _vary(comparison, "wrong-term", lambda spot: _list_wrong_slopes(spot) if _is_inner_sum(spot) else ())


def _is_inner_sum(spot: Spot) -> bool:
    """Return True for arithmetic inside a larger function, where other explanations are likelier."""
    kinds = (gates.Add, gates.Subtract, gates.Multiply, gates.Negate)
    return not spot.is_whole and isinstance(spot.places[0].gate, kinds)


def _other_points(comparison: Comparison) -> Variants:
    return _vary(comparison, "other-point", lambda spot: _list_other_points(comparison, spot))


def _vary(comparison: Comparison, id: str, slips: Callable[[Spot], Iterable[Slip]]) -> Variants:
    found = LazyVariants()
    for spot in find_spots(comparison):
        for i, title, compute in slips(spot):
            found.add(spot.explain(id, title), inject(comparison, spot.graph, spot.faults({i: compute})))
    return found


def _list_wrong_slopes(spot: Spot) -> Iterator[Slip]:
    for i in spot.inputs:
        right = spot.slopes.right[i]
        for formula in spot.slopes.wrong[i]:
            whole = "upstream" in formula
            if whole and len(spot.places) > 1 and _ADDED.search(formula):  # at two gates they can cancel
                continue
            own = f"upstream * {bracket(right)}" if whole else right
            title = say(
                "the gradient used for {name} is {used}, not {right}"
                if whole
                else "the slope used for {name} is {used}, not {right}",
                **{"name": spot.name(i), "used": spot.write(formula), "right": spot.write(own)},
            )
            yield i, title, _compute_share(formula)


def _compute_share(formula: str) -> Callable[[Values], Any]:
    if "upstream" in formula:
        return lambda values: compute_formula(formula, values)
    return lambda values: values["upstream"] * compute_formula(formula, values)


def _list_other_points(comparison: Comparison, spot: Spot) -> Iterator[Slip]:
    if len(spot.places[0].inputs) > 1:
        return
    gate, right = spot.places[0].gate, spot.slopes.right[0]
    at = spot.write("x")

    def take(point: Callable[[Values], Any]) -> Callable[[Values], Any]:
        def compute(values: Values) -> Any:
            x = point(values)
            return values["upstream"] * compute_formula(right, {**values, "x": x, "out": gate.forward(x)[0]})

        return compute

    name = spot.name(0)
    yield (
        0,
        say("the slope of {name} is taken at the output, not at {at}", name=name, at=at),
        take(lambda values: values["out"]),
    )
    yield (
        0,
        say("the slope of {name} is taken at upstream * {at}, not at {at}", name=name, at=at),
        take(lambda v: v["upstream"] * v["x"]),
    )
    if len(spot.places) > 1:
        return
    names = name_nodes(spot.graph, comparison.names)
    for node in spot.graph.nodes:
        text = names[node.index]
        if text and not node.constant and text not in (at, "out"):
            yield (
                0,
                say("the slope of {name} is taken at {text}, not at {at}", name=name, text=text, at=at),
                take(partial(_value_of, node)),
            )


def _value_of(node: Node, values: Values) -> Any:
    return node.value


SLOPES = Mistake(
    "wrong-slope",
    "the slope of a gate is another one",
    "The gate's slope is not the one that was used.",
    "Differentiate the gate alone: how much does its output change if its input grows a little?",
    "Look the slope of this gate up, and try it at one number.",
    "lecture 01, The chain rule, one gate at a time",
    _wrong_slopes,
    named=False,
)
ARITHMETIC = replace(
    SLOPES,
    id="wrong-term",
    title="the slope of a sum, difference or product inside the function is another one",
    variants=_wrong_inner_sums,
)
POINTS = Mistake(
    "other-point",
    "the slope of a gate is taken at another value",
    "The slope of a gate is taken at what went into it.",
    "At which value is this slope taken? What went into the gate?",
    "Put into the formula for the slope what went into the gate in forward.",
    "lecture 01, The chain rule, one gate at a time",
    _other_points,
    named=False,
)
