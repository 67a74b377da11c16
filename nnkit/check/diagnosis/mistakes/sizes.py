"""Factors that are the size of an axis: a 1/n, or a 1/√n, that is missing or too many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword
from nnkit.check.evidence.array_gates import Reduce
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.whole_gates import Mask, find_wholes
from nnkit.language import say

RTOL = 1e-6
"""Difference of two factors up to which they are the same."""


@dataclass(frozen=True)
class Axis:
    """A number of entries, in words: "the size of axis 1 of x"."""

    words: str
    size: int


def list_axes(comparison: Comparison) -> list[Axis]:
    """Return the axes of more than one entry of all inputs."""
    shapes = zip(comparison.names, map(np.shape, comparison.inputs))
    found = [(name, axis, size) for name, shape in shapes for axis, size in enumerate(shape) if size > 1]
    return [Axis(say("the size of axis {axis} of {name}", axis=axis, name=name), size) for name, axis, size in found]


def list_wholes(comparison: Comparison) -> list[Axis]:
    """Return how many entries the inputs of several axes have."""
    several = [(name, x) for name, x in zip(comparison.names, comparison.inputs) if np.ndim(x) > 1 and np.size(x) > 1]
    return [Axis(say("the number of entries of {name}", name=name), np.size(x)) for name, x in several]


def find_ratio(comparison: Comparison, i: int) -> float | None:
    """Return how many times the right gradient came back, going by its largest entry."""
    right, returned = comparison.right[i], np.asarray(comparison.returned[i])
    if returned.shape != right.shape or returned.dtype.kind not in "biuf" or not np.any(right):
        return None
    largest = np.unravel_index(np.argmax(np.abs(right)), right.shape)
    c = float(returned[largest] / right[largest])
    return c if 0 < c < np.inf else None


def say_times(c: float) -> str:
    """Return a factor in words: "twice", "half of", "3 times"."""
    return {2.0: say("twice"), 0.5: say("half of")}.get(round(c, 9), say("{c:.4g} times", c=c))


HERE = Explanation(
    "factor-here",
    "a factor is too much or too little here",
    "At other sizes it may be another factor.",
    "Is this number a constant of forward, the size of an axis, or made of several?",
    "Collect the factors of forward, constants and sizes, and compare them with those in backward.",
    "lecture 03, Batches",
    named=False,
)
"""A factor of which it is not known if it is a constant or a size."""


def say_here(c: float, constant: bool) -> Explanation:
    """Return the words for a factor at the sizes at hand; `constant` if it may be one."""
    why = HERE.why if constant else say("At other sizes it is another factor.")
    return replace(HERE, title=say("it is {times} what it should be here", times=say_times(c)), why=why)


def is_constant(explanation: Explanation) -> bool:
    """Return True if it is said that the factor is the same whatever the sizes are."""
    return explanation.id == "factor" and bool(explanation.why)


def have_same_ratio(a: Comparison, b: Comparison, i: int) -> bool:
    """Return True if the i-th gradient is the same multiple of the right one in both."""
    one, other = find_ratio(a, i), find_ratio(b, i)
    return one is not None and other is not None and abs(one / other - 1) < RTOL


def is_of_size(c: float, size: int) -> bool:
    """Return True if this factor could be this size, or be made of it."""
    return any(abs(c / power - 1) < RTOL for power in (size, 1 / size, size**0.5, size**-0.5))


def list_factors(mistake: Mistake, comparison: Comparison) -> Variants:
    """Return a variant for each size that the gradients are off by."""
    ratios = [c for i in range(len(comparison.right)) if (c := find_ratio(comparison, i))]
    if comparison.step_size or not ratios:
        return {}
    axes, found = list_axes(comparison), []
    means = _list_means(comparison)
    for axis in [*axes, *list_wholes(comparison)]:
        n, words = axis.size, say("where n is {words}", words=axis.words)
        once = (
            say("the 1/n of np.mean is missing, {words}", words=words)
            if n in means
            else say("it is n times what it should be, {words}", words=words)
        )
        found += [
            (_say(mistake, once), n),
            (_say(mistake, say("it is 1/n times what it should be, {words}", words=words)), 1 / n),
        ]
        found.append((_say(mistake, say("it is √n times what it should be, {words}", words=words)), n**0.5))
        found.append((_say(mistake, say("it is 1/√n times what it should be, {words}", words=words)), n**-0.5))
    for axis, other in permutations(axes, 2):
        if other.size != axis.size:
            root = say("the square root of {words}", words=axis.words)
            found.append((_say_divisor(mistake, other.words, root), axis.size**0.5 / other.size))
            found.append((_say_divisor(mistake, root, other.words), other.size / axis.size**0.5))
    fitting = {key: c for key, c in found if any(abs(c / ratio - 1) < RTOL for ratio in ratios)}
    return {key: tuple(c * r for r in comparison.right) for key, c in fitting.items()}


def list_masks(mistake: Mistake, comparison: Comparison) -> Variants:
    """Return the factor beside a mask, left out or taken the wrong way: dropout divides by the share that it keeps."""
    scales = {
        place.gate.scale
        for graph in comparison.graphs
        for place in find_wholes(graph)
        if isinstance(place.gate, Mask) and place.gate.scale != 1.0
    }
    found: Variants = {}
    for c in scales:
        missing = say("the factor {c:.4g} beside the mask is missing", c=c)
        turned = say("it is divided by {c:.4g}, the factor beside the mask, where it must be multiplied by it", c=c)
        for title, ratio in ((missing, 1 / c), (turned, 1 / c**2)):
            why = say("Forward multiplies by this factor where the mask lets something through, and so must backward.")
            nudge = say("By what does forward multiply, or divide, what it keeps? And backward?")
            words = reword(mistake, title, why, nudge, "dx = upstream * mask, times the same factor as in forward.")
            found[words] = tuple(ratio * r for r in comparison.right)
    return found


def _list_means(comparison: Comparison) -> set[int]:
    """Return over how many numbers the means in the function go."""
    return {
        np.size(node.inputs[0].value) // max(1, np.size(node.value))
        for graph in comparison.graphs
        for node in graph.nodes
        if isinstance(node.gate, Reduce) and node.gate.how is np.mean
    }


def _say(mistake: Mistake, title: str) -> Explanation:
    return reword(
        mistake,
        title,
        "",
        "Where does forward divide by the number of entries, or by its root, and how often? And backward?",
        "A mean over n numbers has 1/n in the gradient of each, once, and a sum has none; any other factor of forward "
        "comes back once too.",
    )


def _say_divisor(mistake: Mistake, used: str, right: str) -> Explanation:
    return reword(
        mistake,
        say("it is divided by {used} in place of {right}", used=used, right=right),
        "",
        "By which number does forward divide? Is it the same in backward?",
        "A factor that is applied in forward is applied to the gradient as it is.",
    )
