"""Elementary gates in a function's graph: their names, their slopes, and the gradients if these were others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explanations.formulas import compute_formula, write_formula
from nnkit.check.diagnosis.explanations.slope_table import Slopes, find_slopes
from nnkit.check.diagnosis.mistakes.base import Key
from nnkit.check.diagnosis.mistakes.inject import given
from nnkit.check.evidence.backward_pass import FaultyGate, vjp_with_faults
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.function_graph import Place, Trace, group_rounds
from nnkit.check.evidence.insides import find_insides
from nnkit.check.evidence.wire_text import Names, format_wire, name_wires
from nnkit.graph import Node
from nnkit.language import say
from nnkit.text import join_ands

LETTERS = "xy"
MAX_VARIANTS = 600
MAX_TEXT_CHARS = 20
"""Characters up to which a value is called by its formula."""
Values = dict[str, Any]
"""A gate's values by their letters in a formula: x, y, out, upstream, alpha."""


class LazyVariants(dict[Key, Any]):
    """Variants that are computed when they are looked at: most are given up after the first comparison."""

    def __getitem__(self, key: Key) -> Arrays:
        found = super().__getitem__(key)
        if callable(found):
            found = found()
            self[key] = found
        gradients: Arrays = found
        return gradients

    def add(self, key: Key, compute: Callable[[], Arrays]) -> None:
        """Add a variant, unless the same words are said of another one already."""
        if len(self) < MAX_VARIANTS:
            self.setdefault(key, compute)


@dataclass(frozen=True)
class Spot:
    """An elementary gate in a graph, or all of one kind: the same mistake is often made at each of them."""

    graph: Trace
    places: tuple[Place, ...]
    slopes: Slopes
    names: dict[str, str]
    """Its values' names by their letters, for those that have one."""
    learners: tuple[str, ...] = ()
    """The names of the function's inputs."""
    where: str = ""
    """Words that tell these gates from others that the same line computes."""

    @property
    def is_whole(self) -> bool:
        """This gate is the whole function."""
        place = self.places[0]
        return place.node is self.graph.nodes[-1] and all(x.gate is None and not x.constant for x in place.inputs)

    @property
    def inputs(self) -> range:
        """The inputs that have a gradient."""
        ends = self.places[0].inputs
        return range(len(ends)) if not any(x.constant for x in ends) else range(int(ends[0].constant), len(ends))[:1]

    @property
    def letters(self) -> dict[str, str]:
        """Other letters for the values that have no name, where the learner's own x or y is another value, or where the
        other value of the gate has a name."""
        ends = LETTERS[: len(self.places[0].inputs)]
        unnamed = [letter for letter in LETTERS if letter not in self.names]
        taken = set(self.learners) & set(LETTERS) or any(letter in self.names for letter in ends)
        return dict(zip(unnamed, [c for c in "abcd" if c not in self.learners])) if taken else {}

    def write(self, formula: str) -> str:
        """Return a formula with the names of this gate's values."""
        return write_formula(formula, {**self.letters, **self.names})

    def name(self, i: int) -> str:
        """Return what the slope in the i-th input is the slope of: "exp(x)", or "x / y in y"."""
        formula = self.write(self.slopes.formula)
        if len(self.places[0].inputs) == 1:
            return formula
        return say("{formula} in {name}", formula=formula, name=self.write(LETTERS[i]))

    def explain(self, id: str, title: str) -> Explanation:
        """Return an explanation of a slip at this gate, in the words of its kind."""
        letters = [self.letters.get(letter, letter) for letter in LETTERS[: len(self.places[0].inputs)]]
        into = [new for old, new in zip(LETTERS, letters) if old not in self.names and _is_mentioned(new, title)]
        outof = "out" not in self.names and _is_mentioned("out", title)
        other = len(into) == 1 < len(letters)
        said = []
        if other:
            said.append(say("{name} is its other input", name=into[0]))
        elif into:
            said.append(
                say(
                    "{names} is what goes into it" if len(into) == 1 else "{names} are what goes into it",
                    names=join_ands(into),
                )
            )
        said += [say("out is what comes out of it")] if outof else []
        note = say(" Here {names}.", names=", ".join(said)) if said else ""
        why = f"{say(self.slopes.why)}{note}"
        words = title + self.where, why, self.slopes.nudge, self.slopes.hint, self.slopes.lesson
        return Explanation(id, *words, named=False)

    def slope(self, i: int, values: Values) -> Any:
        """Return the right slope in the i-th input."""
        return compute_formula(self.slopes.right[i], values)

    def faults(self, changed: Mapping[int, Callable[[Values], Any]]) -> list[FaultyGate]:
        """Return the faults of gates that have other gradients for some of their inputs."""
        return [FaultyGate(place, self._backward(place, changed)) for place in self.places]

    def _backward(self, place: Place, changed: Mapping[int, Callable[[Values], Any]]) -> Any:
        def right(i: int) -> Callable[[Values], Any]:
            return lambda values: values["upstream"] * self.slope(i, values)

        def backward(upstream: Any, inputs: tuple[Any, ...], out: Any) -> Sequence[Any]:
            values = {**read_values(place, inputs, out), "upstream": np.asarray(upstream)}
            return [np.zeros(np.shape(out)) + changed.get(i, right(i))(values) for i in range(len(inputs))]

        return backward


def _is_mentioned(letter: str, title: str) -> bool:
    return re.search(rf"(?<![\w.]){letter}\b(?!\()", title, re.ASCII) is not None


def read_values(place: Place, inputs: tuple[Any, ...], out: Any) -> Values:
    """Return a gate's values by their letters, without the upstream gradient."""
    alpha = getattr(place.gate, "slope", getattr(place.gate, "alpha", 0.0))
    arrays = {letter: np.asarray(x, dtype=float) for letter, x in zip(LETTERS, inputs)}
    return {**arrays, "out": np.asarray(out), "alpha": alpha, "node": place.node}


def find_spots(comparison: Comparison) -> list[Spot]:
    """Return the elementary gates of a function, each alone and then those of a kind together: in the graph as it is
    written, and in its one gate, if it is one. First those that are the whole function."""
    spots = [spot for graph in comparison.graphs for spot in _find_in_graph(graph, comparison.names)]
    return sorted(spots, key=lambda spot: not spot.is_whole)


def _find_in_graph(graph: Trace, names: Sequence[str]) -> list[Spot]:
    if "spots" not in graph.known:
        graph.known["spots"] = _list_spots(graph, name_nodes(graph, names), tuple(names))
    found: list[Spot] = graph.known["spots"]
    return found


def _list_spots(graph: Trace, names: dict[int, str], learners: tuple[str, ...]) -> list[Spot]:
    found = [place for place in graph.places if find_slopes(place.gate) and not _is_left_out(graph, place)]
    places = list({(place.node.index, place.gate, place.inputs): place for place in found}.values())
    alone = [_make_spot(graph, group, names, learners) for group in group_rounds(places).values()]
    kinds: dict[str, list[Spot]] = {}
    for spot in alone:
        kinds.setdefault(spot.slopes.formula, []).append(spot)
    together = [
        replace(spots[0], places=tuple(dict.fromkeys(place for spot in spots for place in spot.places)), names={})
        for spots in kinds.values()
        if len(spots) > 1
    ]
    return _tell_apart(graph, alone, learners) + [spot for spot in together if len(spot.places) > 1]


def _tell_apart(graph: Trace, spots: Sequence[Spot], learners: tuple[str, ...]) -> list[Spot]:
    """Return the spots; those that are part of another one say what they go into, and which of several they are."""
    parts: dict[Any, list[Spot]] = {}
    for spot in spots:
        parts.setdefault(spot.places[0].origin, []).append(spot)
    found = []
    for whole, *others in parts.values():
        found.append(whole)
        for k, part in enumerate(others, start=1):
            user = next(user for user in graph.nodes if part.places[0].node in user.inputs)
            number = say(" (number {k} of {others})", k=k, others=len(others)) if len(others) > 1 else ""
            formula = format_wire(user, name_wires(graph, learners))
            found.append(
                replace(
                    part, where=say(", at the one that goes into {formula}{number}", formula=formula, number=number)
                )
            )
    return found


def _is_left_out(graph: Trace, place: Place) -> bool:
    squared = len(place.inputs) > 1 and place.inputs[0] is place.inputs[1]  # x * x, which is x**2 too
    part = place.gate is place.node.gate and place.node.index in find_insides(graph)
    return squared or part or all(x.constant for x in place.inputs)


def _make_spot(graph: Trace, group: Sequence[Place], names: dict[int, str], learners: tuple[str, ...]) -> Spot:
    slopes = find_slopes(group[0].gate)
    assert slopes is not None
    return Spot(graph, tuple(group), slopes, _name_values(graph, group[0], names) if len(group) == 1 else {}, learners)


def _name_values(graph: Trace, place: Place, names: dict[int, str]) -> dict[str, str]:
    texts = {letter: names[x.index] for letter, x in zip(LETTERS, place.inputs)}
    whole = place.node is graph.nodes[-1] and all(x.gate is None for x in place.inputs)
    texts["out"] = "out" if whole else names[place.node.index]
    return {letter: text for letter, text in texts.items() if text}


def name_nodes(graph: Trace, inputs: Sequence[str]) -> dict[int, str]:
    """Return what each value is called: an input by its name, another by its formula; "" if that is long."""
    if "names" not in graph.known:
        wires = name_wires(graph, inputs)
        # The gate that each value is the output of: as it is written, if that is one gate.
        written = {place.node.index: place for place in reversed(graph.places)}
        names: dict[int, str] = {}
        for node in graph.nodes:
            names[node.index] = _name_node(node, names, wires, written)
        graph.known["names"] = names
    found: dict[int, str] = graph.known["names"]
    return found


def _name_node(node: Node, names: dict[int, str], wires: Names, written: dict[int, Place]) -> str:
    place = written.get(node.index)
    slopes = find_slopes(place.gate) if place else None
    if node.index in wires or place is None or slopes is None:
        text = format_wire(node, wires)
    else:
        texts = {letter: names[x.index] for letter, x in zip(LETTERS, place.inputs)}
        text = write_formula(slopes.formula, texts) if all(texts.values()) else "…"
    return text if len(text) <= MAX_TEXT_CHARS and "…" not in text else ""


def inject(comparison: Comparison, graph: Trace, faults: Sequence[FaultyGate]) -> Callable[[], Arrays]:
    """Return a function that computes the gradients with these faults; None for each if shapes do not fit."""

    def compute() -> Arrays:
        try:
            with np.errstate(all="ignore"):
                return given(graph, vjp_with_faults(graph, comparison.upstream, faults), comparison)
        except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError):
            return (None,) * len(comparison.wrt)

    return compute
