"""Both passes of a graph as steps: the labels of the wires after each gate, and a sentence for each step.

If a gate fails, the steps end before it, and the state has its exception.
"""

from __future__ import annotations

import numpy as np

from nnkit.arrays import Array
from nnkit.graph import Graph, Node
from nnkit.graphtext import Step, format_formula, format_value, get_symbol
from nnkit.language import say
from nnkit.view.errors import describe_error
from nnkit.view.explorers.protocol import Json

MAX_FORMULA_CHARACTERS = 24
"""The length of the longest formula that labels a wire without a name."""


def compute_steps(graph: Graph, upstream: Array | None = None) -> Json:
    """Return the steps of both passes: forward gate by gate, the gradient of the output, backward gate by gate."""
    steps: list[Json] = []
    known: Json = {str(node.index): format_value(node.value) for node in graph.nodes if node.gate is None}
    error_text = ""
    try:
        for step in graph.steps(upstream=upstream):
            if step.phase == "backward" and (not steps or steps[-1]["phase"] == "forward"):
                steps.append(_describe_seed(step))
            steps.append(_describe_forward(step) if step.phase == "forward" else _describe_backward(step))
    except Exception as error:  # from a learner's gate, or from the graph about it
        error_text = _describe_failure(graph, steps, error)
    if not steps and not error_text:
        error_text = say("The graph has no gate, so there is nothing to step through.")
    return {"known": known, "steps": steps, "error": error_text, "warning": _find_non_finite(graph)}


def label_wire(node: Node) -> str:
    """Return a label for a wire: its name, its formula, or its value."""
    if node.name and (node.constant or node.name != f"#{node.index}"):
        return node.name
    if node.gate is None:
        return say("input {number}", number=node.index)
    short = _format_formula(node, "({})")
    return short if len(short) <= MAX_FORMULA_CHARACTERS else format_value(node.value) or node.name


def _format_formula(node: Node, form: str = "{}") -> str:
    """Return a gate's formula, in which wires without names appear as their values, so that it stays short."""
    names = [label_wire(x) if x.gate is None or x.name != f"#{x.index}" else format_value(x.value) for x in node.inputs]
    return form.format(format_formula(node.gate, names))


def _describe_forward(step: Step) -> Json:
    equation, is_named = _format_formula(step.node), step.node.name != f"#{step.node.index}"
    words = f"{label_wire(step.node)} = {equation}" if is_named else equation
    return {
        "phase": "forward",
        "node": step.node.index,
        "value": format_value(step.value),
        "title": say("Forward through {gate}", gate=get_symbol(step.node.gate)),
        "words": f"{words} = {format_value(step.value)}.",
        "rows": [],
    }


def _describe_seed(step: Step) -> Json:
    gradient = format_value(step.upstream)
    return {
        "phase": "start",
        "node": step.node.index,
        "grads": {str(step.node.index): gradient},
        "title": say("Backward begins at the output"),
        "words": say(
            "The upstream gradient of {wire} is {gradient}."
            if np.shape(step.upstream)
            else "The gradient of {wire} with respect to itself is {gradient}.",
            wire=label_wire(step.node),
            gradient=gradient,
        ),
        "rows": [],
    }


def _describe_backward(step: Step) -> Json:
    scalar = not any(np.shape(x) for x in (step.value, *step.inputs))
    local = step.local() if scalar else (None,) * len(step.inputs)
    ports = list(zip(step.node.inputs, local, step.downstream, step.totals))
    rows = [_describe_input(step, *port) for port in ports if not port[0].constant and port[2] is not None]
    grads = {
        str(x.index): format_value(downstream if total is None else total)
        for x, _, downstream, total in ports
        if downstream is not None
    }
    rule = say("upstream × local = downstream." if scalar else "upstream through the gate = downstream.")
    return {
        "phase": "backward",
        "node": step.node.index,
        "grads": {i: g for i, g in grads.items() if not step.node.graph.nodes[int(i)].constant},
        "title": say("Backward through {gate}", gate=get_symbol(step.node.gate)),
        "words": rule,
        "rows": rows,
    }


def _describe_input(step: Step, x: Node, local: Array, downstream: Array, total: Array) -> Json:
    """Return the gradient of one input, number by number."""
    return {
        "to": label_wire(x),
        "node": x.index,
        "upstream": format_value(step.upstream),
        "local": "" if local is None else format_value(local),
        "down": format_value(downstream),
        "total": "" if total is None else format_value(total),
    }


def _describe_failure(graph: Graph, steps: list[Json], error: Exception) -> str:
    """Return a sentence on the gate that failed, the one after the last step, and its exception."""
    done = {step["node"] for step in steps if step["phase"] == "backward"}
    gates = [node for node in graph.nodes if node.gate is not None]
    missing = [node for node in gates if node.value is None]
    if missing:
        return f"{say('The forward of {gate} failed.', gate=get_symbol(missing[0].gate))} {describe_error(error)}"
    pending = [n for n in reversed(gates) if n.grad is not None and n.index not in done]
    if not pending:
        return f"{say('There is no backward pass.')} {describe_error(error)}"
    _add_seed(steps, pending[0], graph)
    failed = say("The backward of {gate} failed, so the steps end before it.", gate=get_symbol(pending[0].gate))
    return f"{failed} {describe_error(error)}"


def _add_seed(steps: list[Json], failing: Node, graph: Graph) -> None:
    """Add the step of the output's own gradient if the first gate of the backward pass failed before it was shown."""
    if failing is graph.output and steps[-1]["phase"] == "forward":
        steps.append(_describe_seed(Step("backward", failing, failing.value, (), None, failing.grad)))


def _find_non_finite(graph: Graph) -> str:
    """Return a sentence on the first wire whose value is not finite; "" if there is none."""
    for node in graph.nodes:
        if node.value is None:
            break
        if not np.all(np.isfinite(np.asarray(node.value, dtype=float))):
            numbers = {"wire": label_wire(node), "value": format_value(node.value)}
            if node.gate is None:
                return say("{wire} holds a number that is not finite ({value}): it is an input.", **numbers)
            return say(
                "{wire} holds a number that is not finite ({value}): it is the output of {formula}.",
                formula=_format_formula(node), **numbers,
            )  # fmt: skip
    return ""
