"""Mistakes in the way gates are put together: branches, order, weights and their gradients, regularisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Key, Mistake, Variants
from nnkit.check.diagnosis.mistakes.inject import at_gates, given
from nnkit.check.diagnosis.mistakes.regularisation import REGULARISATION
from nnkit.check.diagnosis.mistakes.updated_first import UPDATED_FIRST
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.function_graph import Trace, UnsummedBranch, count_uses, vjp_with_faults
from nnkit.check.evidence.wire_text import format_wire, name_wires
from nnkit.graph import Node


def _overwritten(comparison: Comparison) -> Variants:
    found: Variants = {}
    for g, graph in enumerate(comparison.graphs):
        branching = [
            graph.nodes[i] for i, count in count_uses(graph).items() if count > 1 and not graph.nodes[i].constant
        ]
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


def _name_kept(comparison: Comparison, graph: Trace, group: list[Node], keep: str, g: int) -> Key:
    """Return words for a branch of two paths of which one is kept: they say which one is missing."""
    uses = [node for node in graph.nodes for x in node.inputs if x is group[0]]
    if len(group) > 1 or len(uses) != 2 or uses[0] is uses[1]:
        return f"{g}:{keep} of {[wire.index for wire in group]}"
    names = name_wires(graph, comparison.names)
    wire, through = format_wire(group[0], names), format_wire(uses[0 if keep == "first" else 1], names)
    own = MISTAKES[0]
    return own.explain(
        "",
        title=f"{own.title}, the path through {through} is missing",
        hint=f"Add the gradient that comes back through {through} to the other one at {wire}: `+=` in place of `=`.",
    )


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
