"""Slips at gates that subtract a mean, divide by a spread or a norm, or are a variance: batch norm, layer norm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.explanations.overlaps import join_axes
from nnkit.check.diagnosis.explanations.spots import LazyVariants, inject, name_nodes
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword
from nnkit.check.evidence.backward_pass import FaultyGate
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Place, group_rounds
from nnkit.check.evidence.whole_gates import Axes, Centre, Normalise, Spread, find_wholes, list_axes_of, mean_over
from nnkit.language import say, to_say


@dataclass(frozen=True, eq=False)
class Values:
    """Parts of the backward pass of such a gate."""

    gate: Any
    upstream: Any
    x: Any
    out: Any

    @property
    def d(self) -> Any:
        """x, without its mean if the gate takes it away."""
        return self.x - mean_over(self.x, self.gate.axes) if getattr(self.gate, "centred", True) else self.x

    @property
    def s(self) -> Any:
        """The divisor of d."""
        squares = np.sum(self.d**2, axis=self.gate.axes, keepdims=True)
        return squares / np.sum(self.d * self.out, axis=self.gate.axes, keepdims=True)

    @property
    def g(self) -> Any:
        """Upstream, with the axes that the gate sums."""
        return np.reshape(self.upstream, np.shape(mean_over(self.x, self.gate.axes))) + 0 * self.x

    def mean(self, a: Any, axes: Any = ()) -> Any:
        """Return the part of `a` that goes back through the mean; over other axes if some are given."""
        return mean_over(a, self.gate.axes if axes == () else axes) if getattr(self.gate, "centred", True) else 0.0

    def back(self, a: Any, axes: Any = ()) -> Any:
        """Return the weighted sum through which a spread comes back."""
        if axes != ():
            return mean_over(a, axes)
        return self.gate.weight * np.sum(a, axis=self.gate.axes, keepdims=True)


Slip = tuple[str, Callable[..., Any]]
"""Words for a wrong gradient, and that gradient."""


def _name_parts(gate: Normalise) -> tuple[str, str]:
    """Return what x is divided by, and the square of that, in words."""
    if gate.weight == 1.0:
        return say("norm"), say("squared norm")
    return (
        (say("standard deviation"), say("variance"))
        if gate.centred
        else (say("root of the mean square"), say("mean square"))
    )


def _parts(v: Values, g: Any, mean: float = 1.0, spread: float = 1.0) -> Any:
    """Return the gradient with the paths through the mean and through the spread counted so many times."""
    return (g - mean * v.mean(g) - spread * v.out * v.back(g * v.out)) / v.s


def _list_normalise(gate: Normalise, x: Any) -> Iterator[Slip]:
    root, square = _name_parts(gate)
    part = say("in the part that goes through the {square}", square=square)
    yield (
        say("it is divided by the {square} where it must be divided by the {root}", square=square, root=root),
        lambda v: _parts(v, v.upstream) / v.s,
    )
    yield say("the division by the {root} is missing", root=root), lambda v: _parts(v, v.upstream) * v.s
    yield (
        say("it is multiplied by the {root} where it must be divided", root=root),
        lambda v: _parts(v, v.upstream) * v.s**2,
    )
    for words, of_mean, times in (
        (to_say("the path through the {square} is missing"), to_say("the path through the mean is missing"), 0.0),
        (
            to_say("the path through the {square} has the wrong sign"),
            to_say("the path through the mean has the wrong sign"),
            -1.0,
        ),
        (to_say("the path through the {square} counts twice"), "", 2.0),
        (to_say("the path through the {square} counts half"), "", 0.5),
    ):
        yield (
            say(words, square=square),
            lambda v, c=times: _parts(v, v.upstream, spread=c),
        )
        if gate.centred and of_mean:
            yield (
                say(of_mean),
                lambda v, c=times: _parts(v, v.upstream, mean=c),
            )
    if gate.weight < 1.0:
        n = np.size(x) / np.size(mean_over(x, gate.axes))
        yield say("sums stand where means belong, each 1/n is missing"), lambda v: _parts(v, v.upstream, n, n)
    others: tuple[tuple[str, Callable[[Values], Any]], ...] = (
        (
            say("x stands where the normalised values belong, {part}", part=part),
            lambda v: v.x * v.back(v.upstream * v.x),
        ),
        (
            say("the division by the {root} is missing {part}", root=root, part=part),
            lambda v: v.d * v.back(v.upstream * v.d),
        ),
        (
            say("the normalised values are left out before the mean, {part}", part=part),
            lambda v: v.back(v.upstream * v.out),
        ),
        (
            say("the normalised values are left out inside the mean, {part}", part=part),
            lambda v: v.out * v.back(v.upstream),
        ),
    )
    for title, other in others:
        yield title, lambda v, other=other: (v.upstream - v.mean(v.upstream) - other(v)) / v.s
    for axes in list_axes_of(x):
        if axes != gate.axes:
            yield from _list_other_axes(gate, square, x, axes)


def _list_other_axes(gate: Normalise, square: str, x: Any, axes: Axes) -> Iterator[Slip]:
    def over(v: Values, mean: Axes, spread: Axes) -> Any:
        return (v.upstream - v.mean(v.upstream, mean) - v.out * v.back(v.upstream * v.out, spread)) / v.s

    here, there = _say_axes(gate.axes), _say_axes(axes)
    yield (
        say("the means go over {there} where forward takes them over {here}", there=there, here=here),
        lambda v: over(v, axes, axes),
    )
    yield (
        say(
            "the mean in the part through the {square} goes over {there} where forward takes it over {here}",
            **{"square": square, "there": there, "here": here},
        ),
        lambda v: over(v, gate.axes, axes),
    )
    yield (
        say("the mean of upstream goes over {there} where forward takes it over {here}", there=there, here=here),
        lambda v: over(v, axes, gate.axes),
    )
    c = np.size(mean_over(x, axes)) / np.size(mean_over(x, gate.axes))
    yield (
        say(
            "the sums are divided by the size of {there} where forward takes means over {here}", there=there, here=here
        ),
        lambda v: _parts(v, v.upstream, c, c),
    )


def _list_centre(gate: Centre, x: Any) -> Iterator[Slip]:
    n = np.size(x) / np.size(mean_over(x, gate.axes))
    yield (
        say("a sum stands where the mean of upstream belongs, its 1/n is missing"),
        lambda v: v.upstream - n * v.mean(v.upstream),
    )
    yield say("it is upstream * (1 - 1/n): every entry moves the mean of all"), lambda v: v.upstream * (1 - 1 / n)
    yield say("it is the mean of upstream alone, upstream itself is missing"), _mean_alone
    yield say("the mean of upstream is taken away without its sign"), lambda v: v.upstream + v.mean(v.upstream)
    for axes in list_axes_of(x):
        if axes != gate.axes:
            words = say(
                "upstream is averaged over {there} where forward takes the mean over {here}",
                **{"there": _say_axes(axes), "here": _say_axes(gate.axes)},
            )
            yield words, lambda v, axes=axes: v.upstream - mean_over(v.upstream, axes)


def _mean_alone(v: Values) -> Any:
    """Return the mean of upstream for each entry; NaN where it is 0, as inside a variance, and shows nothing."""
    mean = v.mean(v.upstream)
    shows = np.any(np.abs(mean) > 1e-9 * np.max(np.abs(v.upstream)))
    return (mean if shows else np.nan) + 0 * v.x


def _list_spread(gate: Spread, x: Any) -> Iterator[Slip]:
    n = np.size(x) // np.size(mean_over(x, gate.axes))
    other = 1 / n if gate.weight > 1 / n else 1 / max(n - 1, 1)
    used, right = ("n", "n - 1") if gate.weight > 1 / n else ("n - 1", "n")
    if not gate.root:
        yield say("the mean is not subtracted, x stands where x - mean belongs"), lambda v: 2 * gate.weight * v.g * v.x
        yield (
            say("it is divided by {used} where forward divides by {right}", used=used, right=right),
            lambda v: 2 * other * v.g * v.d,
        )
        return
    yield (say("the mean is not subtracted, x stands where x - mean belongs"),
           lambda v: gate.weight * v.g * v.x / _spread(v))  # fmt: skip
    yield (
        say("it is divided by {used} where forward divides by {right}", used=used, right=right),
        lambda v: other * v.g * v.d / _spread(v),
    )
    yield (
        say("the division by the standard deviation, which is the root's slope, is missing"),
        (lambda v: gate.weight * v.g * v.d),
    )
    yield (
        say("the slope of the root is missing, it is the gradient of the variance"),
        lambda v: 2 * gate.weight * v.g * v.d,
    )


def _spread(v: Values) -> Any:
    return np.sqrt(v.gate.weight * np.sum(v.d**2, axis=v.gate.axes, keepdims=True))


def _say_axes(axes: Axes) -> str:
    return say("all axes") if axes is None else join_axes((axes,) if isinstance(axes, int) else axes)


LISTS: dict[type, Callable[[Any, Any], Iterator[Slip]]] = {
    Normalise: _list_normalise,
    Centre: _list_centre,
    Spread: _list_spread,
}
WORDS: dict[type, tuple[str, str, str]] = {
    Normalise: (
        to_say(
            "Each entry moves the mean and the spread too, and these move every entry that is normalised with them."
        ),
        to_say("On which ways does x reach the output: itself, through the mean, through the spread?"),
        to_say(
            "With h = (x - mean) / std and the upstream gradient g there: dx = (g - mean(g) - h * mean(g * h)) / std, "
            "each "
            "mean over the axis of forward; without a mean in forward, mean(g) goes."
        ),
    ),
    Centre: (
        to_say("Each entry moves the mean, and the mean is taken from all of them."),
        to_say("If one entry grows by 1, by how much does the mean grow? Which outputs feel it?"),
        to_say("dx = upstream - mean(upstream), over the same axis as in forward."),
    ),
    Spread: (
        to_say("A variance measures how far x is from its mean: its slope is 2 * (x - mean) / n."),
        to_say("If all entries grow by the same amount, what happens to the spread? To what must its slopes add up?"),
        to_say("The variance has the slope 2 * (x - mean) / n, its root (x - mean) / (n * std)."),
    ),
}


def _slips(comparison: Comparison) -> Variants:
    found = LazyVariants()
    for graph in comparison.graphs:
        for group in group_rounds(find_wholes(graph)).values():
            for title, gradient in _list_slips(group[0], comparison):
                faults = [FaultyGate(place, _backward(place, gradient)) for place in group]
                found.add(reword(SLIPS, title, *WORDS[type(group[0].gate)]), inject(comparison, graph, faults))
    return found


def _list_slips(place: Place, comparison: Comparison) -> Iterator[Slip]:
    kind = type(place.gate)
    if kind in LISTS:
        yield from LISTS[kind](place.gate, place.inputs[0].value)
    if kind is Normalise:
        yield from _list_scales(place, comparison)


def _list_scales(place: Place, comparison: Comparison) -> Iterator[Slip]:
    """Yield the scale that stands after the means of the backward pass, where forward multiplies by it."""
    graph: Any = place.node.graph
    names = name_nodes(graph, comparison.names)
    for user in graph.nodes[place.node.index + 1 :]:
        if isinstance(user.gate, gates.Multiply) and place.node in user.inputs:
            scale = next((x for x in user.inputs if x is not place.node), place.node)
            name = names[scale.index] or say("the scale")
            yield (
                say(
                    "{name} is multiplied in after the means, it must be before: upstream * {name} in "
                    "place of upstream",
                    name=name,
                ),
                lambda v, c=scale.value: c * _parts(v, v.upstream / c),
            )


def _backward(place: Place, gradient: Callable[[Values], Any]) -> Any:
    return lambda upstream, inputs, out: (gradient(Values(place.gate, upstream, np.asarray(inputs[0]), out)),)


SLIPS = Mistake(
    "normalisation",
    "the gradient of a mean, a spread or a normalisation is another one",
    *WORDS[Normalise],
    "lecture 01, Where a wire branches",
    _slips,
    named=False,
    before_pairs=True,
)
EXPLANATIONS = (SLIPS,)
