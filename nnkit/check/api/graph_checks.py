"""Checks of a graph's backward pass, and of the order in which its nodes are visited."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.diagnosis.graph_passes import (
    Gradients,
    GraphRun,
    Locals,
    Needs,
    find_mistake_in_pass,
    has_same_gradients,
)
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding, find_placeholder
from nnkit.check.evidence.tolerance import make_table
from nnkit.check.pipeline import guard_check
from nnkit.check.rendering.messages import explain_fields
from nnkit.check.verdict import Verdict
from nnkit.graph import topological_order
from nnkit.language import say, say_count, to_say

GRAPHS: dict[str, tuple[Needs, str]] = {
    to_say("a chain"): ({"f": ["q"], "q": ["x"], "x": []}, "f"),
    to_say("a tree"): ({"f": ["p", "q"], "p": ["x", "y"], "q": ["z", "w"], "x": [], "y": [], "z": [], "w": []}, "f"),
    to_say("a branch"): ({"q": ["x", "y"], "f": ["q", "x"], "x": [], "y": []}, "f"),
    to_say("one wire used twice by one gate"): ({"x": [], "s": ["x", "x"], "f": ["s"]}, "f"),
    to_say("a diamond"): ({"a": ["q"], "f": ["a", "b"], "q": ["x"], "b": ["q"], "x": []}, "f"),
    to_say("a diamond below a diamond"): (
        {"h": ["f", "g"], "g": ["f"], "a": ["q"], "f": ["a", "b"], "b": ["q"], "q": ["x", "y"], "x": [], "y": []},
        "h",
    ),
    to_say("a long and a short way"): ({"c": ["b"], "f": ["c", "x"], "b": ["a"], "a": ["x"], "x": []}, "f"),
    to_say("a node beside the way to the output"): ({"x": [], "f": ["x"], "side": ["x", "y"], "y": []}, "f"),
}
"""Name → (needs, output), in orders that are not topological."""


def check_graph(backward: Callable[..., Any], needs: Needs | None = None, name: str = "", rng: int = 0) -> Verdict:
    """Check the backward pass of a graph: `backward(needs, local, output)` returns {node: gradient of output}.

    `needs` maps each node to the nodes that it is computed from, an input to []; `local[node]` has the local gradient
    of the node for each of them, in the same order. A node that the output does not depend on has the gradient 0.
    Without `needs`, eight graphs are tried: chains, branches, diamonds, a wire used twice. Each is run twice.
    """
    title = name or get_name(backward)
    chosen = GRAPHS if needs is None else {to_say("this graph"): (needs, _last(needs))}
    draw = np.random.default_rng([rng, len(chosen)])
    return guard_check(title, lambda: _check_graph(backward, chosen, title, draw))


def _last(needs: Needs) -> str:
    """Return the one node that no other needs."""
    tops = set(needs) - {x for inputs in needs.values() for x in inputs}
    return max(tops) if tops else next(iter(needs))


def _check_graph(
    backward: Callable[..., Any], graphs: Mapping[str, tuple[Needs, str]], title: str, rng: np.random.Generator
) -> Verdict | Finding:
    runs = []
    for name, (needs, output) in graphs.items():
        try:
            topological_order(needs)
        except ValueError:
            return Finding("error", say("the graph has a cycle, so there is no order in which to run it."))
        local = {node: [_number(rng) for _ in inputs] for node, inputs in needs.items()}
        run = _run_twice(backward, name, needs, local, output)
        if isinstance(run, Finding):
            return run
        runs.append(run)
    for run in runs:
        if not has_same_gradients(run.returned, run.expected()):
            return _describe_wrong(title, run, find_mistake_in_pass(runs))
    what = say_count("the graph", "{number} graphs", len(graphs))
    return Verdict(title, "right", say("every node of {what} has its gradient, whatever way leads to it.", what=what))


def _run_twice(backward: Callable[..., Any], name: str, needs: Needs, local: Locals, output: str) -> GraphRun | Finding:
    first = _run(backward, needs, local, output)
    if isinstance(first, Finding):
        return first
    second = _run(backward, needs, local, output)
    if isinstance(second, Finding):
        return second
    run = GraphRun(name, needs, local, output, first)
    if has_same_gradients(first, second):
        return run
    if has_same_gradients({n: second[n] - first[n] for n in needs}, run.expected()):
        return Finding("wrong", say("a second call gives more: gradients of the first one were kept."), ("not-reset",))
    sentence = say("a second call with the same arguments gives another result: what is kept, or changed?")
    return Finding("wrong", sentence, ("changes-by-itself",))


def _number(rng: np.random.Generator) -> float:
    return float(np.round(rng.uniform(0.3, 3.0) * rng.choice([-1.0, 1.0]), 2))


def _run(backward: Callable[..., Any], needs: Needs, local: Locals, output: str) -> Gradients | Finding:
    given = copy.deepcopy((dict(needs), dict(local)))
    returned = guarded_call.call_learner(backward, (*given, output), "it")
    if isinstance(returned, Finding):
        return returned
    if given != (needs, local):
        return Finding("wrong", say("it changed needs or local in place: others still need them."), ("mutated-input",))
    if not isinstance(returned, Mapping):
        kind = guarded_call.describe_kind(returned)
        sentence = say("it must return a dict {{node: gradient}}; it returned {kind}.", kind=kind)
        words = {"hint": say("Return the dict `grad`, with the gradient of the output for each node: `return grad`.")}
        return Finding("wrong", sentence, ("wrong-container",), words=words)
    missing = [node for node in needs if node not in returned]
    if missing:
        sentence = say(
            "these nodes have no gradient: {names}. Every node needs one, 0 if need be.", names=", ".join(missing)
        )
        words = {"hint": say("Start with a 0 for every node: `grad = {node: 0.0 for node in needs}`.")}
        return Finding("wrong", sentence, ("wrong-keys",), words=words)
    return _read_gradients(returned, needs)


def _read_gradients(returned: Mapping[str, Any], needs: Needs) -> Gradients | Finding:
    gradients = {}
    for node in needs:
        number = guarded_call.read_numbers(say("the gradient of {node}", node=node), returned[node], ())
        if isinstance(number, Finding):
            return number
        gradients[node] = float(number)
    return gradients


def _describe_wrong(title: str, run: GraphRun, mistakes: tuple[str, ...]) -> Verdict:
    nodes, right = list(run.needs), run.expected()
    yours, expected = np.array([run.returned[n] for n in nodes]), np.array([right[n] for n in nodes])
    wrong = ~(np.abs(yours - expected) <= 1e-9 * np.maximum(1.0, np.abs(expected)))
    entries = tuple(
        type(e)(say("gradient of {node}", node=nodes[int(e.where[1:-1])]), e.yours, e.expected)
        for e in make_table("", yours, expected, wrong)
    )
    unnamed = say("on {graph}, the gradient of {node} is wrong", graph=say(run.name), node=nodes[int(np.argmax(wrong))])
    found = say(ENTRIES[mistakes[0]].title) if mistakes else unnamed
    drawn = "; ".join(
        say("{node} needs {names}", node=node, names=", ".join(inputs)) for node, inputs in run.needs.items() if inputs
    )
    return Verdict(
        title, "wrong", f"{found}.", float(np.max(np.abs(yours - expected))), entries[0].where, entries,
        **explain_fields([ENTRIES[id] for id in mistakes or ("wrong-node",)]),
        notes=(say("Seen on {graph}: {drawn}.", graph=say(run.name), drawn=drawn),),
    )  # fmt: skip


ORDER_WORDS = {
    "why": to_say("An order lists the names of all nodes, each once, the inputs before what is computed from them."),
    "nudge": to_say("Which nodes can come first: those that need nothing?"),
    "hint": to_say(
        "Append a node when all that it needs has been appended, and repeat until every key of `needs` is there."
    ),
    "lesson": to_say("lecture 01, From a formula to a graph"),
}


def check_order(order: Any, needs: Needs, name: str = "") -> Verdict:
    """Check that `order` is a topological order: every key of `needs` once, each after all that it needs.

    `order` may also be the function that makes it from `needs`; then it is called for the same graph with other names
    and in another sequence too, so that it cannot have memorised one graph.
    """
    title = name or (get_name(order) if callable(order) else say("the order"))

    def check() -> Verdict | Finding:
        finding = _find_wrong_function(order, needs) if callable(order) else _find_wrong_order(order, needs)
        return finding or Verdict(title, "right", say("every node comes once, after all that it needs."))

    return guard_check(title, check)


def _find_wrong_function(order: Callable[..., Any], needs: Needs) -> Finding | None:
    finding = _find_wrong_order(_run_order(order, needs), needs)
    if finding:
        return finding
    disguised = _disguise(needs)
    finding = _find_wrong_order(_run_order(order, disguised), disguised)
    if not finding:
        return None
    sentence = say(
        "the same graph with other names for its nodes, {names}: {headline}",
        names=", ".join(disguised),
        headline=finding.headline,
    )
    return replace(finding, headline=sentence)


def _run_order(order: Callable[..., Any], needs: Needs) -> Any:
    return guarded_call.call_learner(order, (copy.deepcopy(dict(needs)),), "it")


def _disguise(needs: Needs) -> dict[str, list[str]]:
    draw = np.random.default_rng(len(needs))
    names = {node: f"n{number}" for node, number in zip(needs, draw.permutation(len(needs)))}
    return {names[node]: [names[x] for x in needs[node]] for node in draw.permutation(list(needs))}


def _find_wrong_order(order: Any, needs: Needs) -> Finding | None:
    if isinstance(order, Finding):
        return order
    missing = find_placeholder(order, "it")
    if missing:
        return missing
    if not isinstance(order, list | tuple):
        sentence = say("it must be a list of node names; it is {kind}.", kind=guarded_call.describe_kind(order))
        return Finding("wrong", sentence, ("wrong-container",), words=ORDER_WORDS)
    seen: list[str] = []
    for node in order:
        if not isinstance(node, str) or node not in needs:
            return Finding(
                "wrong", say("{node!r} is no node of this graph.", node=node), ("wrong-answer",), words=ORDER_WORDS
            )
        if node in seen:
            sentence = say("{node!r} comes twice; every node must come once.", node=node)
            return Finding("wrong", sentence, ("wrong-answer",), words=ORDER_WORDS)
        early = [x for x in needs[node] if x not in seen]
        if early:
            return Finding(
                "wrong",
                say("{node!r} comes before {needed!r}, which it needs.", node=node, needed=early[0]),
                ("wrong-order",),
            )
        seen.append(node)
    if len(seen) < len(needs):
        sentence = say("these nodes are missing: {names}.", names=", ".join(sorted(set(needs) - set(seen))))
        return Finding("wrong", sentence, ("wrong-answer",), words=ORDER_WORDS)
    return None
