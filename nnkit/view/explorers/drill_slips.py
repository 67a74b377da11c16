"""Slips that lead to a wrong number in the drill: each is worked out, and named as in the catalogue of mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.gates import Add, MatMul, Max, Multiply, Sigmoid, Subtract
from nnkit.gates.base import run_backward
from nnkit.graph import Graph, Node
from nnkit.graphtext import get_symbol
from nnkit.language import say, say_count, to_say

TOLERANCE = 0.006
"""The largest difference that still counts as right: answers may be rounded to two decimals."""


NUDGES = {"gradient-for-value": to_say("The number above the wire is its value; its gradient goes below.")}
"""Words that fit a single wire better than those of the catalogue."""


def is_close(answer: Any, right: Any) -> bool:
    """Return True for numbers of the same shape that agree when rounded to two decimals."""
    return np.shape(answer) == np.shape(right) and bool(np.all(np.abs(np.subtract(answer, right)) <= TOLERANCE))


def explain_value(node: Node, answer: Any) -> str:
    """Return a sentence on a wrong value of a gate's output."""
    values = [x.value for x in node.inputs]
    if len(values) == 2 and not np.shape(node.value):
        x, y = values
        others = {"+": x + y, "−": x - y, "×": x * y, "max": max(x, y)}
        others[to_say("the smaller of the two")] = min(x, y)
        symbol = get_symbol(node.gate)
        fits = [name for name, value in others.items() if name != symbol and is_close(answer, value)]
        if fits:
            return say("The gate is {symbol}; your number is that of {other}.", symbol=symbol, other=say(fits[0]))
    if isinstance(node.gate, Sigmoid) and is_close(answer, node.value * (1 - node.value)):
        return say("That is the slope of σ. Its value is 1 / (1 + exp(−x)).")
    return _compare(answer, node.value)


def explain_gradient(graph: Graph, node: Node, answer: Any) -> str:
    """Return a sentence on a wrong gradient: the mistakes of the catalogue that give it, if there are some."""
    fits = {
        name for name, wrong in list_slips(graph, node) if is_close(answer, wrong) and not is_close(wrong, node.grad)
    }
    if not fits:
        return _compare(answer, node.grad)
    if len(fits) > 1:
        fits.discard("gradient-for-value")  # a coincidence of small numbers, more often than not
    entries = [BY_ID[name] for name in sorted(fits)]
    titles = reduce(
        lambda first, last: say("{first}, or {last}", first=first, last=last), (say(e.title) for e in entries)
    )
    nudge = say(NUDGES.get(entries[0].id, entries[0].nudge))
    return f"{say('It fits this mistake: {titles}.', titles=titles)} {nudge}"


def list_slips(graph: Graph, node: Node) -> Iterator[tuple[str, Any]]:
    """Yield wrong gradients of a wire, each with the id of a mistake in the catalogue."""
    uses = [(user, slot) for user in graph.nodes for slot, x in enumerate(user.inputs) if x is node]
    shares = [_send_back(user, user.grad)[slot] for user, slot in uses]
    if len(shares) > 1:
        yield from (("overwritten-branch", share) for share in shares)
    yield "no-upstream", sum(_send_back(user, np.ones(np.shape(user.value)))[slot] for user, slot in uses)
    yield "upstream-twice", sum(_send_back(user, user.grad * user.grad)[slot] for user, slot in uses)
    yield "sign", -node.grad
    yield "gradient-for-value", node.value
    if len(uses) == 1:
        yield from _list_slips_at(*uses[0])


def _list_slips_at(user: Node, slot: int) -> Iterator[tuple[str, Any]]:
    """Yield wrong gradients that one gate would send to one of its inputs."""
    g, values, gate = user.grad, [x.value for x in user.inputs], user.gate
    if isinstance(gate, Multiply):
        yield "own-input", g * values[slot]
    elif isinstance(gate, Subtract):
        yield "swapped-inputs", _send_back(user, g)[1 - slot]
    elif isinstance(gate, Max):
        yield "max-to-loser", _send_back(user, g)[1 - slot]
    elif isinstance(gate, Sigmoid):
        z, out = values[0], user.value
        again = 1 / (1 + np.exp(-out))
        yield "sigmoid-of-input", g * z * (1 - z)
        yield "sigmoid-twice", g * again * (1 - again)
    elif isinstance(gate, MatMul):
        W, x = values
        yield ("transposed", np.outer(x, g)) if slot == 0 else ("wrong-order-product", W @ g)
        yield ("elementwise-for-matmul", W * g[:, None]) if slot == 0 else ("elementwise-for-matmul", x * g)


def describe_rule(node: Node) -> str:
    """Return the rule of a gate in a few words."""
    rules = {
        Add: to_say("add distributes: each input gets the upstream gradient"),
        Multiply: to_say("multiply swaps: each input gets upstream × the other"),
        Subtract: to_say("x − y has slope 1 in x and −1 in y"),
        Max: to_say("max routes: the larger input gets all, the other 0"),
        Sigmoid: to_say("σ′ = σ(1 − σ), from the output"),
        MatMul: to_say("dW = dq xᵀ and dx = Wᵀ dq"),
    }
    return say(rules.get(type(node.gate), to_say("each entry gets upstream × its local derivative")))


def _send_back(user: Node, upstream: Any) -> tuple[Any, ...]:
    return run_backward(
        user.gate, np.asarray(upstream, dtype=float)[()], user.cache, tuple(x.value for x in user.inputs)
    )


def _compare(answer: Any, right: Any) -> str:
    if np.shape(answer) != np.shape(right):
        shapes = {"own": np.shape(answer), "right": np.shape(right)}
        return say("It has the shape {own}; it must be {right}, like the wire's value.", **shapes)
    if np.shape(right):
        wrong = int(np.sum(np.abs(np.subtract(answer, right)) > TOLERANCE))
        return say_count(
            "{number} of its {size} entries is not right.", "{number} of its {size} entries are not right.", wrong,
            size=np.size(right),
        )  # fmt: skip
    return say("It is too large." if answer > right else "It is too small.")
