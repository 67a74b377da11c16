"""Factors of the chain rule: one that is missing, there too often, or not a factor but a summand."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations.spots import (
    LazyVariants,
    Spot,
    Values,
    find_spots,
    inject,
    name_nodes,
)
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.wire_text import list_descendants
from nnkit.language import say, to_say
from nnkit.text import join_ands

MAX_ALIKE = 4
"""Gates of a kind up to which it is tried at which of them a slope is missing."""
ORDINALS = (to_say("the first"), to_say("the second"), to_say("the third"), to_say("the fourth"))
Change = Callable[[Values, Any], Any]
"""(a gate's values, its right slope) ↦ the wrong gradient of its input."""
OF_SLOPE: dict[str, Change] = {
    to_say("{slope} is missing"): lambda v, s: v["upstream"],
    to_say("the upstream gradient is added to {slope} where it must be multiplied"): lambda v, s: v["upstream"] + s,
    to_say("{slope} is multiplied in twice"): lambda v, s: v["upstream"] * s * s,
    to_say("the upstream gradient is divided by {slope} where it must be multiplied"): lambda v, s: v["upstream"] / s,
    to_say("{slope} is divided by the upstream gradient where it must be multiplied"): lambda v, s: s / v["upstream"],
    to_say("{slope} is subtracted from the upstream gradient where it must be multiplied"): lambda v, s: (
        v["upstream"] - s
    ),
    to_say("{slope} is doubled"): lambda v, s: 2 * v["upstream"] * s,
    to_say("{slope} is halved"): lambda v, s: v["upstream"] * s / 2,
    to_say("{slope} is multiplied in without its sign"): lambda v, s: v["upstream"] * np.abs(s),
}
"""Changes of a slope that is not 1."""
OF_ANY: dict[str, Change] = {
    to_say("{slope} has the wrong sign"): lambda v, s: -v["upstream"] * s,
    to_say("{slope} is passed on without what arrives from above"): lambda v, s: s,
    to_say("upstream is multiplied in without its sign at {gate}"): lambda v, s: np.abs(v["upstream"]) * s,
    to_say("only the sign of upstream is multiplied in at {gate}"): lambda v, s: np.sign(v["upstream"]) * s,
    to_say("{x} is multiplied in once too often at {gate}"): lambda v, s: v["upstream"] * s * v["x"],
    to_say("{out} is multiplied in once too often at {gate}"): lambda v, s: v["upstream"] * s * v["out"],
    to_say("the gradient is divided by {x} at {gate}"): lambda v, s: v["upstream"] * s / v["x"],
    to_say("the gradient is divided by {out} at {gate}"): lambda v, s: v["upstream"] * s / v["out"],
    to_say("{x} is added to the gradient at {gate}"): lambda v, s: v["upstream"] * s + v["x"],
    to_say("{out} is added to the gradient at {gate}"): lambda v, s: v["upstream"] * s + v["out"],
}
PLURALS = {
    "{slope} is missing": to_say("{slope} are missing"),
    "{slope} is multiplied in twice": to_say("{slope} are multiplied in twice"),
    "{slope} is divided by the upstream gradient where it must be multiplied": to_say(
        "{slope} are divided by the upstream gradient where it must be multiplied"
    ),
    "{slope} is subtracted from the upstream gradient where it must be multiplied": to_say(
        "{slope} are subtracted from the upstream gradient where it must be multiplied"
    ),
    "{slope} is doubled": to_say("{slope} are doubled"),
    "{slope} is halved": to_say("{slope} are halved"),
    "{slope} is multiplied in without its sign": to_say("{slope} are multiplied in without their signs"),
    "{slope} has the wrong sign": to_say("{slope} have the wrong sign"),
    "{slope} is passed on without what arrives from above": to_say(
        "{slope} are passed on without what arrives from above"
    ),
}
"""Changes of several slopes, where that reads otherwise."""


# ---- at a gate ----------------------------------------------------------------------------------------


def _at_gates(comparison: Comparison) -> Variants:
    found = LazyVariants()
    for spot in find_spots(comparison):
        moving = [i for i in spot.inputs if _moves(comparison, spot, i)]
        choices = [moving] if len(moving) > 1 else []
        for chosen in (*choices, *([i] for i in moving)):
            for title, change in _list_changes(spot, chosen):
                faults = spot.faults({i: _apply(spot, i, change) for i in chosen})
                words = spot.explain("wrong-factor", _say(spot, chosen, title))
                found.add(words, inject(comparison, spot.graph, faults))
    return found


def _moves(comparison: Comparison, spot: Spot, i: int) -> bool:
    """Return True if this input of a gate depends on one whose gradient is wrong: what comes back there shows."""
    wires = [spot.graph.wires[at] for k, at in enumerate(comparison.wrt) if comparison.is_wrong(k)]
    below = set().union(*(list_descendants(spot.graph, wire) for wire in wires))
    return any(place.inputs[i].index in below for place in spot.places)


def _list_changes(spot: Spot, chosen: Sequence[int]) -> Iterator[tuple[str, Change]]:
    if not all(spot.slopes.right[i] in ("1", "-1") for i in chosen):
        yield from OF_SLOPE.items()
    yield from OF_ANY.items()


def _apply(spot: Spot, i: int, change: Change) -> Callable[[Values], Any]:
    return lambda values: change(values, spot.slope(i, values))


def _say(spot: Spot, chosen: Sequence[int], words: str) -> str:
    """Return the words with the names of this gate: "the slope of np.tanh(x), 1 - out**2, is missing"."""
    many = len(chosen) > 1
    rights = join_ands([spot.write(spot.slopes.right[i]) for i in chosen])
    gate = spot.write(spot.slopes.formula)
    if spot.slopes.formula == "x * y":
        slope = say(
            "the factors {rights} of {gate}" if many else "the factor {rights} of {gate}", rights=rights, gate=gate
        )
    elif many:
        slope = say("the slopes of {gate}, {rights},", gate=gate, rights=rights)
    else:
        slope = say("the slope of {gate}, {rights},", gate=spot.name(chosen[0]), rights=rights)
    title = PLURALS.get(words, words) if many else words
    return say(title, slope=slope, gate=gate, x=spot.write("x"), out=spot.write("out"))


# ---- at some gates of a kind --------------------------------------------------------------------------


def _at_some(comparison: Comparison) -> Variants:
    """Return a variant for each choice of gates of a kind whose slopes are left out, as in a chain of sigmoids."""
    found = LazyVariants()
    for spot in find_spots(comparison):
        count = len(spot.places)
        if not 2 < count <= MAX_ALIKE or len(spot.slopes.right) > 1:
            continue
        for size in range(2, count):
            for chosen in combinations(range(count), size):
                some = replace(spot, places=tuple(spot.places[k] for k in chosen))
                which = join_ands([say(ORDINALS[k]) for k in chosen])
                title = say(
                    "of the {count} gates {formula}, the slopes of {which} are missing",
                    count=count,
                    formula=spot.write(spot.slopes.formula),
                    which=which,
                )
                faults = some.faults({0: lambda values: values["upstream"]})
                found.add(spot.explain("missing-factors", title), inject(comparison, spot.graph, faults))
    return found


# ---- upstream in a term -------------------------------------------------------------------------------


def _upstream_in_terms(comparison: Comparison) -> Variants:
    """Return a variant for each gate in whose term the upstream gradient is missing, or there twice."""
    g = np.asarray(comparison.upstream)
    found = LazyVariants()
    if np.all(g == 1):
        return found
    titles = (
        to_say("upstream is missing in the term that goes through {formula}"),
        to_say("upstream is multiplied in twice in the term that goes through {formula}"),
    )
    for title, other in zip(titles, (np.ones_like(g), g * g)):
        for spot in find_spots(comparison):
            if len(spot.places) == 1 and not spot.is_whole:
                arriving = _arriving(spot.graph, other)
                faults = spot.faults({i: _replace_arriving(spot, i, arriving) for i in spot.inputs})
                words = say(title, formula=spot.write(spot.slopes.formula))
                found.add(spot.explain("upstream-in-one-term", words), inject(comparison, spot.graph, faults))
    return found


def _arriving(graph: Trace, upstream: Any) -> Callable[[], list[Any]]:
    return cache(lambda: vjp_with_faults(graph, upstream))


def _replace_arriving(spot: Spot, i: int, arriving: Callable[[], list[Any]]) -> Callable[[Values], Any]:
    return lambda values: arriving()[values["node"].index] * spot.slope(i, values)


# ---- on the whole gradient ----------------------------------------------------------------------------

OF_GRADIENT: dict[str, Callable[[Any, Any], Any]] = {
    to_say("{name} is multiplied in once too often"): operator.mul,
    to_say("the factor {name} is missing, or the gradient is divided by it"): lambda value, right: right / value,
    to_say("{name} is added to the gradient"): operator.add,
    to_say("{name} is subtracted from the gradient"): lambda value, right: right - value,
}
"""Changes of a right gradient by a value: (value, gradient) ↦ the wrong gradient."""


def _on_gradients(comparison: Comparison) -> Variants:
    """Return a variant for each value with a name that is a factor too much, or too little, of a whole gradient."""
    found = LazyVariants()
    if comparison.opaque:
        return found
    for name, value in _list_named_values(comparison).items():
        for title, change in OF_GRADIENT.items():
            words = WHOLE.explain("", title=say(title, name=name))
            found.add(words, _change_right(comparison, partial(change, value)))
    return found


def _list_named_values(comparison: Comparison) -> dict[str, Any]:
    values = {name: np.asarray(x) for name, x in zip(comparison.names, comparison.inputs)}
    values["out"] = comparison.out
    for graph in comparison.graphs:
        names = name_nodes(graph, comparison.names)
        for node in graph.nodes:
            name = "" if node.constant else names[node.index]
            if name:
                values.setdefault(name, node.value)
    return {name: value for name, value in values.items() if np.asarray(value).dtype.kind == "f"}


def _change_right(comparison: Comparison, change: Callable[[Any], Any]) -> Callable[[], Arrays]:
    def compute() -> Arrays:
        try:
            with np.errstate(all="ignore"):
                changed = [np.asarray(change(r)) for r in comparison.right]
        except ValueError:  # shapes that do not fit
            return tuple(_change_one(r, change) for r in comparison.right)
        return tuple(c if c.shape == np.shape(r) else None for c, r in zip(changed, comparison.right))

    return compute


def _change_one(right: Any, change: Callable[[Any], Any]) -> Any:
    try:
        with np.errstate(all="ignore"):
            changed = np.asarray(change(right))
    except ValueError:
        return None
    return changed if changed.shape == np.shape(right) else None


CHAIN = to_say("lecture 01, The chain rule, one gate at a time")
AT_GATES = Mistake(
    "wrong-factor",
    "a factor of the chain rule is another one",
    "Each gate on the way back multiplies by its own slope, once.",
    "Walk back from the output, gate by gate. By what does each of them multiply?",
    "downstream = upstream × local, at each gate.",
    CHAIN,
    _at_gates,
    named=False,
)
AT_SOME = replace(
    AT_GATES, id="missing-factors", title="of several gates of a kind, some slopes are missing", variants=_at_some
)
IN_TERMS = replace(
    AT_GATES,
    id="upstream-in-one-term",
    title="in one term, upstream is missing or multiplied in twice",
    variants=_upstream_in_terms,
)
WHOLE = replace(
    AT_GATES,
    id="extra-factor",
    title="a value is a factor too much or too little, or a term too much",
    why="The right gradient, with this one value changed, is what came back.",
    nudge="Write the formula down, and cross off one factor for each gate on the way. Which one is left over?",
    variants=_on_gradients,
)
EXPLANATIONS = (IN_TERMS, AT_GATES, AT_SOME, WHOLE)
