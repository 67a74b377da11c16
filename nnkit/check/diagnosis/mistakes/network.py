"""Mistakes in the way gates are put together: branches, order, weights and their gradients, regularisation."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Key, Mistake, Variants
from nnkit.check.diagnosis.mistakes.inject import at_gates, given
from nnkit.check.diagnosis.mistakes.regularisation import REGULARISATION
from nnkit.check.diagnosis.mistakes.updated_first import UPDATED_FIRST
from nnkit.check.evidence.backward_pass import UnsummedBranch, vjp_with_faults
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.function_graph import Trace, count_uses, list_uses
from nnkit.check.evidence.insides import find_insides
from nnkit.check.evidence.wire_text import format_way, name_wires
from nnkit.graph import Node
from nnkit.language import say, to_say
from nnkit.text import join_ands

MAX_NAMED_PATHS = 2
MAX_ENGINE_BRANCHES = 4
"""Values of an expression that are used more than once, up to which all orders are tried in which they are visited."""
ONE_WAY = {
    "title": to_say("at a branch only one of the ways back was followed"),
    "hint": to_say(
        "Add the gradients of all ways. If each has a line of its own, `dx = …`, then all but the first need `+=`."
    ),
}
"""Words for a gradient that lacks the others' shares: it may have been overwritten, or they were never computed."""


def _overwritten(comparison: Comparison) -> Variants:
    found: Variants = {}
    for g, graph in enumerate(comparison.graphs):
        branching = [
            graph.nodes[i] for i, n in count_uses(graph).items() if n > 1 and _is_written(graph, graph.nodes[i])
        ]
        if comparison.engine:
            found |= _lose_shares(comparison, graph, branching, g)
        groups = [[wire] for wire in branching] + ([branching] if len(branching) > 1 else [])
        for group in groups:
            kept = {
                keep: given(
                    graph,
                    vjp_with_faults(graph, comparison.upstream, [UnsummedBranch(wire, keep) for wire in group]),
                    comparison,
                )
                for keep in ("first", "last")
            }
            if not _exclusive(*kept.values()):
                found |= {_name_kept(comparison, graph, group, keep, g): grads for keep, grads in kept.items()}
    return found


def _lose_shares(comparison: Comparison, graph: Trace, branching: list[Node], g: int) -> Variants:
    """Return variants in which any of these wires keep one share, each its first or its last: which one is written last
    depends on the order in which an engine visits its values."""
    if len(branching) > MAX_ENGINE_BRANCHES:
        return {}
    return {
        f"{g}:{keeps} of {[wire.index for wire in branching]}": given(
            graph,
            vjp_with_faults(
                graph, comparison.upstream, [UnsummedBranch(w, keep) for w, keep in zip(branching, keeps) if keep]
            ),
            comparison,
        )
        for keeps in product(("", "first", "last"), repeat=len(branching))
        if any(keeps)
    }


def _is_written(graph: Trace, wire: Node) -> bool:
    """Return True if the wire's branches are the learner's own: not those inside a sigmoid or a softmax."""
    inside = find_insides(graph)
    users = [node.index for node in graph.nodes if wire in node.inputs]
    return not wire.constant and not inside.issuperset(users)


def _name_kept(comparison: Comparison, graph: Trace, group: list[Node], keep: str, g: int) -> Key:
    """Return words for branches of two paths of which one is kept: they say which one is missing."""
    names = name_wires(graph, comparison.names)
    missing = []
    for wire in group:
        uses = list_uses(graph, wire)
        if len(uses) != 2 or uses[0] is uses[1]:
            return f"{g}:{keep} of {[wire.index for wire in group]}"
        missing.append(format_way(wire, uses[0 if keep == "first" else 1], names))
    missing = list(dict.fromkeys(missing))
    if len(missing) > MAX_NAMED_PATHS:
        return f"{g}:{keep} of {[wire.index for wire in group]}"
    if len(missing) == 1:
        title = to_say("at a branch only one of the ways back was followed, the path {paths} is missing")
        hint = to_say("The path {paths} is still to come: add what comes back there to the gradient that you have.")
    else:
        title = to_say("at a branch only one of the ways back was followed, the paths {paths} are missing")
        hint = to_say("The paths {paths} are still to come: add what comes back there to the gradient that you have.")
    paths = join_ands(missing)
    return MISTAKES[0].explain("", title=say(title, paths=paths), hint=say(hint, paths=paths))


def _exclusive(first: Arrays, last: Arrays) -> bool:
    """Return True if no entry has a gradient from both branches: these are the two sides of a `where` or a maximum, and
    leaving one out is a mistake of another kind."""
    return all(np.shape(a) == np.shape(b) and not np.any(np.asarray(a) * np.asarray(b)) for a, b in zip(first, last))


def _gradient_for_value(comparison: Comparison) -> Variants:
    """Return variants in which backward uses the gradient of a weight matrix in place of the matrix; and, in a training
    step, in which a weight is subtracted in place of its gradient."""
    found = at_gates(comparison, {gates.MatMul: _through_gradient, gates.Affine: _through_gradient})
    if comparison.step_size or comparison.parameters:
        found["the value"] = comparison.given
    return found


def _through_gradient(upstream: Any, inputs: Any, out: Any) -> Any:
    x, w, *rest = inputs
    if not np.ndim(x) == np.ndim(w) == 2:
        return []
    dw = x.T @ upstream
    return (upstream @ dw.T, dw, *(upstream.sum(axis=0) for _ in rest))


MISTAKES = (
    Mistake(
        "overwritten-branch",
        "at a branch one gradient replaced the other",
        "A wire that goes two ways reaches the output on both, so both gradients count.",
        "Which variable is used more than once? How many gradients come back to it?",
        "Gradients add where a wire branches: `+=` in place of `=`.",
        "lecture 01, Where a wire branches",
        _overwritten,
        words=lambda comparison: ONE_WAY,
    ),
    Mistake(
        "gradient-for-value",
        "a gradient stands where the value was meant, or the value where its gradient was",
        "To pass back through out = h @ W2 you multiply by the weights W2, not by dW2; an update subtracts dW, not W.",
        "Read each name in the line: is it the matrix, or the gradient of the matrix?",
        "dh = dout @ W2.T, and W2 -= step_size * dW2.",
        "lecture 04, The 20-line network",
        _gradient_for_value,
    ),
    UPDATED_FIRST,
    REGULARISATION,
)
