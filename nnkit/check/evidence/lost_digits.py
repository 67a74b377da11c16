"""Differences of nearly equal numbers: few digits are left of them, and a value that is made of one moves in jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from nnkit import gates
from nnkit.check.evidence.backward_pass import run_backward_pass
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Trace, trace_function
from nnkit.graph import Node
from nnkit.language import say

MIN_LOSS = 1e9
"""Size of the numbers relative to their difference from which on small steps no longer measure its slope."""
MAX_ROOM = 0.5
"""Share of an entry that may be off where no digit is left; at moderate inputs none is."""
EPS = float(np.finfo(float).eps)


def describe_lost_digits(comparisons: Sequence[Comparison]) -> str:
    """Return a note on the difference that loses its digits, if every wrong comparison has one, and what came back
    there is the gradient by the chain rule up to the digits that are left; else ""."""
    wrong = [c for c in comparisons if any(c.is_wrong(i) for i in range(len(c.targets)))]
    notes = list(takewhile(bool, map(_describe_difference, wrong)))
    return notes[0] if notes and len(notes) == len(wrong) else ""


def _describe_difference(comparison: Comparison) -> str:
    with np.errstate(all="ignore"):
        graph = None if comparison.opaque else trace_function(comparison.function, comparison.inputs)
        if graph is None:
            return ""
        loss, node = max(((_measure_loss(node), node) for node in graph.nodes), key=lambda pair: pair[0])
        if loss < MIN_LOSS or not _agrees_with_chain_rule(comparison, graph, min(8 * EPS * loss, MAX_ROOM)):
            return ""
    what = say("a difference") if isinstance(node.gate, gates.Subtract) else say("a sum")
    return say(
        "On the way there is {what} of numbers that nearly cancel: they are 10^{power:.0f} "
        "times as large as what is left, so few of its digits are true and the value moves "
        "in jumps. The gradient was compared with the chain rule there, not with small steps.",
        what=what,
        power=math.log10(loss),
    )


def _measure_loss(node: Node) -> float:
    """Return how many times larger than their difference two numbers are that this gate subtracts, or adds."""
    if not isinstance(node.gate, gates.Subtract | gates.Add):
        return 0.0
    left = np.abs(np.asarray(node.value, dtype=float))
    sizes = np.broadcast_to(np.maximum(*(np.abs(np.asarray(x.value, dtype=float)) for x in node.inputs)), left.shape)
    return float(np.max(sizes[left > 0] / left[left > 0], initial=0.0))


def _agrees_with_chain_rule(comparison: Comparison, graph: Trace, room: float) -> bool:
    try:
        grads = run_backward_pass(graph, comparison.upstream).grads
    except (ArithmeticError, TypeError, ValueError):  # a gate that is not defined here
        return False
    for i, returned in zip(comparison.wrt, comparison.returned):
        right = grads[graph.wires[i].index]
        if right is None or np.shape(right) != np.shape(returned):
            return False
        if not np.all(np.abs(returned - right) <= room * np.abs(right)):
            return False
    return True
