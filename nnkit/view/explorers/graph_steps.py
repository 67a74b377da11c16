"""Both passes of a graph as a film: the labels of the wires after each gate, and a sentence a step.

A gate that fails ends the film where it stands, and its exception is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.arrays import Array
from nnkit.graph import Graph, Node
from nnkit.graphtext import Step, format_formula, format_value, get_symbol
from nnkit.view.errors import describe_error
from nnkit.view.explorers.protocol import Json

NAME = 24
"""Characters of a formula that may stand for a wire without a name."""


def film(graph: Graph, upstream: Array | None = None) -> Json:
    """The steps of both passes: the values first, then the output's own gradient, then a gate a step."""
    steps: list[Json] = []
    known: Json = {str(node.index): format_value(node.value) for node in graph.nodes if node.gate is None}
    told = ""
    try:
        for step in graph.steps(upstream=upstream):
            if step.phase == "backward" and (not steps or steps[-1]["phase"] == "forward"):
                steps.append(_seed(step))
            steps.append(_forward(step) if step.phase == "forward" else _backward(step))
    except Exception as error:  # whatever a learner's gate raises, or the graph about it
        told = _failed(graph, steps, error)
    if not steps and not told:
        told = "The graph has no gate, so there is nothing to step through."
    return {"known": known, "steps": steps, "error": told, "warning": _not_finite(graph)}


def label(node: Node) -> str:
    """What a sentence calls a wire: its name, or how it is made, or its value."""
    if node.name and (node.constant or node.name != f"#{node.index}"):
        return node.name
    if node.gate is None:
        return f"input {node.index}"
    short = _formula(node, "({})")
    return short if len(short) <= NAME else format_value(node.value) or node.name


def _formula(node: Node, form: str = "{}") -> str:
    """A gate's formula; of wires without names the values, lest formulas grow."""
    names = [label(x) if x.gate is None or x.name != f"#{x.index}" else format_value(x.value) for x in node.inputs]
    return form.format(format_formula(node.gate, names))


def _forward(step: Step) -> Json:
    made, is_named = _formula(step.node), step.node.name != f"#{step.node.index}"
    words = f"{label(step.node)} = {made}" if is_named else made
    return {
        "phase": "forward",
        "node": step.node.index,
        "value": format_value(step.value),
        "title": f"Forward through {get_symbol(step.node.gate)}",
        "words": f"{words} = {format_value(step.value)}.",
        "rows": [],
    }


def _seed(step: Step) -> Json:
    gradient = format_value(step.upstream)
    return {
        "phase": "start",
        "node": step.node.index,
        "grads": {str(step.node.index): gradient},
        "title": "Backward begins at the output",
        "words": f"The gradient of {label(step.node)} with respect to itself is {gradient}."
        if not np.shape(step.upstream)
        else f"The upstream gradient of {label(step.node)} is {gradient}.",
        "rows": [],
    }


def _backward(step: Step) -> Json:
    scalar = not any(np.shape(x) for x in (step.value, *step.inputs))
    local = step.local() if scalar else (None,) * len(step.inputs)
    ports = list(zip(step.node.inputs, local, step.downstream, step.totals))
    rows = [_row(step, *port) for port in ports if not port[0].constant and port[2] is not None]
    grads = {
        str(x.index): format_value(down if total is None else total) for x, _, down, total in ports if down is not None
    }
    rule = "upstream × local = downstream" if scalar else "upstream through the gate = downstream"
    return {
        "phase": "backward",
        "node": step.node.index,
        "grads": {i: g for i, g in grads.items() if not step.node.graph.nodes[int(i)].constant},
        "title": f"Backward through {get_symbol(step.node.gate)}",
        "words": f"{rule}.",
        "rows": rows,
    }


def _row(step: Step, x: Node, local: Array, down: Array, total: Array) -> Json:
    """What one input gets, number by number."""
    return {
        "to": label(x),
        "upstream": format_value(step.upstream),
        "local": "" if local is None else format_value(local),
        "down": format_value(down),
        "total": "" if total is None else format_value(total),
    }


def _failed(graph: Graph, steps: list[Json], error: Exception) -> str:
    """Where a pass stopped, and why: the gate after the last that was told."""
    done = {step["node"] for step in steps if step["phase"] == "backward"}
    gates = [node for node in graph.nodes if node.gate is not None]
    ahead = [node for node in gates if node.value is None]
    if ahead:
        return f"The forward of {get_symbol(ahead[0].gate)} failed. {describe_error(error)}"
    waiting = [n for n in reversed(gates) if n.grad is not None and n.index not in done]
    if not waiting:
        return f"There is no backward pass. {describe_error(error)}"
    _seed_late(steps, waiting[0], graph)
    return f"The backward of {get_symbol(waiting[0].gate)} failed, so the steps end before it. {describe_error(error)}"


def _seed_late(steps: list[Json], failing: Node, graph: Graph) -> None:
    """The first gate of the backward pass failed: its upstream gradient is known all the same."""
    if failing is graph.output and steps[-1]["phase"] == "forward":
        steps.append(_seed(Step("backward", failing, failing.value, (), None, failing.grad)))


def _not_finite(graph: Graph) -> str:
    """The first wire whose value is no finite number, in words."""
    for node in graph.nodes:
        if node.value is None:
            break
        if not np.all(np.isfinite(np.asarray(node.value, dtype=float))):
            how = "is given so" if node.gate is None else f"comes out of {_formula(node)}"
            return f"{label(node)} holds a number that is not finite ({format_value(node.value)}): it {how}."
    return ""


def source(gate: Any) -> Json:
    """A gate's forward and backward as they are written, or a sentence where that cannot be found."""
    import inspect
    from textwrap import dedent

    found = {}
    for name in ("forward", "backward"):
        try:
            found[name] = dedent(inspect.getsource(getattr(gate, name))).rstrip()
        except (OSError, TypeError):
            found[name] = f"# The source of {name} cannot be found."
    return found
