"""Paths of the graph: one that is missing, counted twice, of the wrong sign, or two that are multiplied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword, same
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.shares import MAX_EDGES, Edge, list_edges, pull_back
from nnkit.check.evidence.wire_text import format_way, format_wire, has_other_way, list_descendants, name_wires
from nnkit.graph import Node
from nnkit.language import say, to_say

MAX_PAIRED_PATHS = 10
"""Paths of a graph up to which any two of them are looked at together."""
BRANCH = to_say("lecture 01, Where a wire branches")
STAGES = to_say("lecture 01, Staged computation: no formula is too long")
COUNTS = (0.0, 2.0, -1.0, 3.0, 4.0, 0.5, 0.25, -2.0)
"""Numbers of times that people count a path."""


@dataclass(frozen=True)
class Path:
    """The part of each gradient that comes back along one edge, and the edge in words."""

    edge: Edge
    through: str
    wire: str
    gradients: Arrays


def list_paths(comparison: Comparison) -> list[Path]:
    """Return the paths that give different parts of the gradients, those next to the inputs first."""
    if not comparison.graphs:
        return []
    known = comparison.graphs[0].known
    if "paths" not in known:
        known["paths"] = _list_paths(comparison, comparison.graphs[0])
    found: list[Path] = known["paths"]
    return found


def _list_paths(comparison: Comparison, graph: Trace) -> list[Path]:
    _, edges = list_edges(graph, comparison.upstream)
    if len(edges) > MAX_EDGES:
        return []
    names, wires = name_wires(graph, comparison.names), [graph.wires[i] for i in comparison.wrt]
    found: list[Path] = []
    flats: list[np.ndarray] = []  # a first, cheap look
    # Of edges with the same share the first one names the path, or the first that is the only way into its gate.
    for edge in sorted(edges, key=lambda e: (has_other_way(e.wire, e.node), e.node.index)):
        gradients = pull_back(graph, edge.wire, edge.share, wires)
        flat = np.concatenate([np.ravel(gradient) for gradient in gradients])
        alike = [path for path, other in zip(found, flats) if abs(flat - other).max() <= 1e-5 * abs(other).max()]
        if _is_part(gradients, comparison) and not any(_are_same(gradients, path.gradients) for path in alike):
            flats.append(flat)
            found.append(Path(edge, format_way(edge.wire, edge.node, names), format_wire(edge.wire, names), gradients))
    return found


def _is_part(gradients: Arrays, comparison: Comparison) -> bool:
    """Return True if a path gives something, but not all, of a gradient."""
    parts = [(g, r) for g, r in zip(gradients, comparison.right) if np.any(g)]
    return any(np.shape(g) == np.shape(r) and not same(g, r) for g, r in parts)


def _are_same(some: Arrays, others: Arrays) -> bool:
    return all(same(a, b) for a, b in zip(some, others))


# ---- one path -----------------------------------------------------------------------------------------


def _miscounted(comparison: Comparison) -> Variants:
    """Return a variant for each path that, counted another number of times, gives what came back."""
    found: Variants = {}
    for path in list_paths(comparison):
        for i, part in enumerate(path.gradients):
            count = _find_count(comparison, i, part)
            words = None if count is None else _explain_count(comparison, path, count)
            if words is not None and count is not None:
                found[words] = tuple(r + (count - 1) * p for r, p in zip(comparison.right, path.gradients))
    return found


def _missing(comparison: Comparison) -> Variants:
    """Return a variant for each path that is missing."""
    found: Variants = {}
    for path in list_paths(comparison):
        doubled = path.edge.node.inputs.count(path.edge.wire) > 1  # x * x with one of the two: a slope of x
        if not doubled and any(_is_left_out(comparison, i, part) for i, part in enumerate(path.gradients)):
            words = _explain_count(comparison, path, 0.0)
            if words is not None:
                found[words] = tuple(r - p for r, p in zip(comparison.right, path.gradients))
    return found


def _is_left_out(comparison: Comparison, i: int, part: Any) -> bool:
    count = _find_count(comparison, i, part)
    return count is not None and abs(count) < 1e-5


def _find_count(comparison: Comparison, i: int, part: Any) -> float | None:
    """Return how often this part of the i-th gradient is in what came back."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    if returned.shape != right.shape or np.shape(part) != right.shape or not np.any(part) or same(part, right):
        return None
    if not np.all(np.isfinite(returned)) or not np.all(np.isfinite(part)):
        return None
    excess = float(np.sum((returned - right) * part) / np.sum(part * part))
    return 1 + excess if abs(excess) > 1e-3 and same(returned, right + excess * part) else None


def _explain_count(comparison: Comparison, path: Path, count: float) -> Explanation | None:
    usual = next((usual for usual in COUNTS if abs(count - usual) < 1e-5), None)
    left_out = None if usual == -1 else _explain_constant(path, count)
    if left_out:
        return left_out
    if usual is None:
        return _explain_size(comparison, path, count)
    if comparison.right[0].size == 1 and len(comparison.right) == 1 and usual not in COUNTS[:3]:
        return None
    through, wire = path.through, path.wire
    where = say(
        "This is one of the ways on which {wire} reaches the output, and it has a share in the gradient.", wire=wire
    )
    ask = say("On which ways does {wire} reach the output? Follow each of them back.", wire=wire)
    if usual == 0:
        return reword(
            PATH,
            say("the path {through} is missing", through=through),
            where,
            ask,
            say("Add the share of the path {through}.", through=through),
        )
    if usual == -1:
        return reword(
            PATH,
            say("the path {through} has the wrong sign", through=through),
            "Its share is taken away where it must be added, or added where it must be taken away.",
            say("If {wire} grows a little, which way does the output move on this path?", wire=wire),
            say("Turn the sign of the share of the path {through}.", through=through),
        )
    if usual == 2:
        title = say("the path {through} is counted twice", through=through)
    else:
        title = say("the path {through} is counted {times:g} times", through=through, times=usual)
    return reword(
        PATH,
        title,
        "Each path gives its share once; all others are right.",
        ask,
        say("Take the share of the path {through} once.", through=through),
    )


def _explain_constant(path: Path, count: float) -> Explanation | None:
    """Explain a path that lacks the constant by which its first gate multiplies: the 0.5 of 0.5 * x."""
    node = path.edge.node
    constants = [float(x.value) for x in node.inputs if x.gate is None and x.constant and np.size(x.value) == 1]
    if not isinstance(node.gate, gates.Multiply) or len(constants) != 1 or abs(count * constants[0] - 1) > 1e-5:
        return None
    c = constants[0]
    return reword(
        PATH,
        say("the factor {c:g} is missing on the path {through}", c=c, through=path.through),
        say("The slope of this step is {c:g}, and all that comes back through it is multiplied by that.", c=c),
        say("By how much does this step grow if {wire} grows by 1?", wire=path.wire),
        say("Multiply the share of the path {through} by {c:g}.", through=path.through, c=c),
    )


def _explain_size(comparison: Comparison, path: Path, count: float) -> Explanation | None:
    """Explain a path that lacks the 1/n of a mean, or has one too many."""
    graph = comparison.graphs[0]
    names = name_wires(graph, comparison.names)
    for node in graph.nodes:
        how = getattr(node.gate, "how", None)
        if how is None or node.index not in list_descendants(graph, path.edge.wire):
            continue
        n, formula = np.size(node.inputs[0].value) / max(1, np.size(node.value)), format_wire(node, names)
        if how is np.mean and abs(count - n) < 1e-5 * n:
            return reword(
                PATH,
                say("the 1/n of {formula} is missing on the path {through}", formula=formula, through=path.through),
                "A mean of n numbers passes 1/n of its gradient to each of them.",
                "Is it a sum or a mean in the forward? What does that do to each slope?",
                "Use the mean in backward too, where forward takes one.",
            )
        if how is np.sum and abs(count * n - 1) < 1e-5:
            return reword(
                PATH,
                say("a mean stands where forward takes the sum {formula}", formula=formula),
                "A sum passes its whole gradient to each of its terms; a mean passes 1/n of it.",
                "Is it a sum or a mean in the forward? What does that do to each slope?",
                "Use the sum in backward too, where forward takes one.",
            )
    return None


# ---- two paths ----------------------------------------------------------------------------------------


def _two_missing(comparison: Comparison) -> Variants:
    paths = list_paths(comparison)
    if not 2 <= len(paths) <= MAX_PAIRED_PATHS:
        return {}
    graph = comparison.graphs[0]
    found: Variants = {}
    for a, b in combinations(paths, 2):
        if a.edge.node.index in list_descendants(graph, b.edge.node) or (
            b.edge.node.index in list_descendants(graph, a.edge.node)
        ):
            continue
        left = tuple(r - p - q for r, p, q in zip(comparison.right, a.gradients, b.gradients))
        if any(np.any(g) for g in left):
            words = reword(
                PATH,
                say("the paths {one} and {other} are missing", one=a.through, other=b.through),
                "Each way to the output has a share; these two are treated as constants.",
                say("Which of the numbers on the way to the output change with {wire}?", wire=a.wire),
                say("Add the shares of the paths {one} and {other}.", one=a.through, other=b.through),
            )
            found[words] = left
    return found


def _multiplied(comparison: Comparison) -> Variants:
    """Return variants in which the shares of a wire that branches are multiplied."""
    if not comparison.graphs:
        return {}
    graph = comparison.graphs[0]
    names, wires = name_wires(graph, comparison.names), [graph.wires[i] for i in comparison.wrt]
    grads, edges = list_edges(graph, comparison.upstream)
    found: Variants = {}
    for wire, first, second in _list_forks(edges):
        if np.shape(first) != np.shape(second) or np.shape(first) != np.shape(wire.value):
            continue
        change = pull_back(graph, wire, first * second - grads[wire.index], wires)
        name = format_wire(wire, names)
        words = reword(
            PATH,
            say("the two paths from {name} are multiplied, they must be added", name=name),
            say("{name} moves the output on two ways, and the output moves by the sum of both.", name=name),
            "Along one path slopes are multiplied. What happens where two paths meet?",
            say("d{name} = the share of one path + the share of the other.", name=name),
        )
        found[words] = tuple(r + c for r, c in zip(comparison.right, change))
    return found


def _list_forks(edges: list[Edge]) -> Iterator[tuple[Node, Any, Any]]:
    shares: dict[int, list[Edge]] = {}
    for edge in edges:
        shares.setdefault(edge.wire.index, []).append(edge)
    for several in shares.values():
        if len(several) == 2:
            yield several[0].wire, several[0].share, several[1].share


def _variants(comparison: Comparison) -> Variants:
    return {**_miscounted(comparison), **_two_missing(comparison), **_multiplied(comparison)}


PATH = Mistake(
    "path",
    "a path to the output is missing, or counted too often",
    "Each way to the output has a share in the gradient, once.",
    "On which ways does the input reach the output?",
    "Add one share for each of them.",
    BRANCH,
    _variants,
    named=False,
)
MISSING = replace(PATH, variants=_missing)
"""A path that is missing, which is likelier than a wrong slope with the same numbers."""
EXPLANATIONS = (PATH,)
