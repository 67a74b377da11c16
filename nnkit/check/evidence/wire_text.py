"""Formulas of the wires of a traced graph, in the names of the function's inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnkit import gates
from nnkit.check.evidence.array_gates import Pick
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.traced_gates import Elementwise, Min
from nnkit.graph import Graph, Node
from nnkit.language import say, to_say

MAX_FORMULA_CHARS = 32
MAX_ARGUMENT_CHARS = 12
"""Length beyond which an argument of a long formula becomes three dots."""
_INFIX: dict[type, tuple[str, int]] = {
    gates.Add: ("{} + {}", 1),
    gates.Subtract: ("{} - {}", 1),
    gates.Multiply: ("{} * {}", 2),
    gates.Divide: ("{} / {}", 2),
    gates.MatMul: ("{} @ {}", 2),
    gates.Reciprocal: ("1 / {}", 2),
    gates.Negate: ("-{}", 3),
    gates.Affine: ("{} @ {} + {}", 1),
}
"""Form and precedence; an argument of less precedence gets parentheses."""
_CALLS: dict[type, str] = {
    gates.Exp: "np.exp({})",
    gates.Log: "np.log({})",
    gates.Tanh: "np.tanh({})",
    gates.Sigmoid: "sigmoid({})",
    gates.ReLU: "np.maximum(0, {})",
    gates.Max: "np.maximum({}, {})",
    Min: "np.minimum({}, {})",
    gates.SoftmaxCrossEntropy: to_say("the softmax loss of {scores}"),
}
_ATOM = 4


class Names(dict[int, str]):
    """The names of wires by their index, and the formulas of others that were written with them."""

    def __init__(self, known: dict[int, str]) -> None:
        super().__init__(known)
        self.full: dict[int, tuple[str, int]] = {}
        self.short: dict[int, tuple[str, int]] = {}


def name_wires(graph: Trace, names: Sequence[str]) -> Names:
    """Return the names of a trace's wires by their index: its inputs, "out" for its last node, and the gates that are
    written out in several, as "sigmoid(z)"."""
    key = "names of wires", tuple(names)
    if key not in graph.known:
        graph.known[key] = _name_wires(graph, names)
    found: Names = graph.known[key]
    return found


def _name_wires(graph: Trace, names: Sequence[str]) -> Names:
    named = Names({graph.nodes[-1].index: "out"} if np.shape(graph.nodes[-1].value) else {})
    named |= _name_outputs(graph)
    named |= {wire.index: name for wire, name in zip(graph.wires, names) if isinstance(wire, Node)}
    for place in sorted(graph.places, key=lambda place: place.node.index):
        form = _CALLS.get(type(place.gate))
        known = type(place.gate) in (gates.Sigmoid, gates.Tanh)  # max(0, e) is e for any positive e
        if (
            form
            and known
            and len(place.inputs) == 1
            and place.node.gate is not place.gate
            and place.node.index not in named
        ):
            text = format_wire(place.inputs[0], named)
            named[place.node.index] = form.format(text if len(text) <= MAX_ARGUMENT_CHARS else "…")
    named.full.clear()
    named.short.clear()
    return named


def _name_outputs(graph: Trace) -> dict[int, str]:
    """Return the names of several outputs, and of what passes each on to the last node."""
    ends = graph.nodes[-1].inputs
    if len(ends) != len(graph.outputs):
        return {}
    flat = {end.index: say("the output {name}", name=name) for end, name in zip(ends, graph.outputs)}
    return flat | {end.inputs[0].index: name for end, name in zip(ends, graph.outputs) if isinstance(end.gate, Pick)}


def format_wire(node: Node, names: Names) -> str:
    """Return the wire's name or formula: "x**2", "np.exp(-x)"; long arguments become three dots."""
    if node.index in names:
        return names[node.index]
    full = _format_all(node, names, names.full, lambda text: text)
    if len(full) <= MAX_FORMULA_CHARS:
        return full
    return _format_all(node, names, names.short, lambda text: text if len(text) <= MAX_ARGUMENT_CHARS else "…")


def _format_all(node: Node, names: Names, known: dict[int, tuple[str, int]], shorten: Callable[[str], str]) -> str:
    """Return the formula of a node; those of all nodes before it are kept, up to where they are too long."""
    waiting = [] if node.index in known else [node]
    while waiting:
        ahead = [x for x in waiting[-1].inputs if x.index not in names and x.index not in known]
        waiting += ahead
        if not ahead:
            top = waiting.pop()
            text, level = _format(top, names, known, shorten)
            known[top.index] = text[: 2 * MAX_FORMULA_CHARS], level
    return known[node.index][0]


def _format(
    node: Node, names: Names, known: dict[int, tuple[str, int]], shorten: Callable[[str], str]
) -> tuple[str, int]:
    """Return the text and its precedence."""
    if node.gate is None:
        return (f"{float(node.value):g}" if np.ndim(node.value) == 0 else "…"), _ATOM
    arguments = [(names[x.index], _ATOM) if x.index in names else known[x.index] for x in node.inputs]
    kind = type(node.gate)
    if kind in _INFIX:
        form, level = _INFIX[kind]
        sides = [_enclose(shorten(t), p, level + (i > 0)) for i, (t, p) in enumerate(arguments)]
        return form.format(*sides), level
    texts = [shorten(text) for text, _ in arguments]
    if kind is gates.Power:
        base = texts[0] if arguments[0][1] == _ATOM or texts[0] == "…" else f"({texts[0]})"
        return (f"np.sqrt({texts[0]})" if node.gate.exponent == 0.5 else f"{base}**{node.gate.exponent:g}"), _ATOM
    if kind is gates.SoftmaxCrossEntropy:
        return say("the softmax loss of {scores}", scores=texts[0]), _ATOM
    if kind in _CALLS:
        return _CALLS[kind].format(*texts), _ATOM
    how = getattr(node.gate, "how", None)
    if how is not None:
        return f"np.{getattr(how, '__name__', 'sum').removeprefix('a')}({', '.join(texts)})", _ATOM
    if kind is Pick:
        form = node.gate.form if "{}" in node.gate.form else f"{node.gate.form}({', '.join(texts)})"
        return form.format(_enclose(*arguments[0], _ATOM)), _ATOM
    name = f"{'np.' * hasattr(np, node.gate.name)}{node.gate.name}" if kind is Elementwise else kind.__name__.lower()
    return f"{name}({', '.join(texts)})", _ATOM


def _enclose(text: str, precedence: int, level: int) -> str:
    return text if precedence >= level or text == "…" else f"({text})"


def list_descendants(graph: Graph, node: Node) -> frozenset[int]:
    """Return the indices of all nodes that depend on this one, itself included."""
    known: dict[int, frozenset[int]] = graph.known.setdefault("descendants", {}) if isinstance(graph, Trace) else {}
    if node.index not in known:
        found = {node.index}
        for other in graph.nodes[node.index + 1 :]:
            if any(x.index in found for x in other.inputs):
                found.add(other.index)
        known[node.index] = frozenset(found)
    return known[node.index]


def has_other_way(wire: Node, node: Node) -> bool:
    """Return True if a wire reaches the gate that it goes into on another way too."""
    below = list_descendants(node.graph, wire)
    return any(x is not wire and x.index in below for x in node.inputs)


def format_way(wire: Node, node: Node, names: Names) -> str:
    """Return the way from a wire into a gate in words: "through np.mean(x, axis=0)"; "straight from x to out" where the
    wire reaches the gate on another way too."""
    graph, formula = node.graph, format_wire(node, names)
    if has_other_way(wire, node):
        return say("straight from {wire} to {formula}", wire=format_wire(wire, names), formula=formula)
    if node.inputs.count(wire) > 1:
        return say("through one side of {formula}", formula=formula)
    twins = [x for x in graph.nodes if x is not node and x.gate is not None and format_wire(x, names) == formula]
    users = [x for x in graph.nodes if node in x.inputs]
    axis = getattr(node.gate, "axis", None)
    if axis is not None and formula.endswith(")"):
        return say("through {formula}, axis={axis})", formula=formula[:-1], axis=axis)
    if twins and len(users) == 1 and getattr(node.gate, "how", None) is None:  # what it goes into tells the two apart
        after = format_wire(users[0], names)
        if any(x in users[0].inputs for x in twins):
            return say(
                "through the left side of {after}"
                if users[0].inputs[0] is node
                else "through the right side of {after}",
                after=after,
            )
        return (
            say("through {after}", after=after)
            if users[0] is not graph.nodes[-1]
            else say("through {formula} to {after}", formula=formula, after=after)
        )
    return say("through {formula}", formula=formula)
