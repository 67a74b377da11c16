"""Regularisation: what a learner added to the data's gradient in place of the penalty's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword, same
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.function_graph import Trace
from nnkit.check.evidence.shares import list_edges, pull_back
from nnkit.check.evidence.wire_text import list_descendants
from nnkit.graph import Node
from nnkit.language import say, to_say
from nnkit.text import join_ands

Words = tuple[str, str, str, str]
FORMS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("W", lambda w: w),
    ("W²", lambda w: w**2),
    ("|W|", np.abs),
    ("sign(W)", np.sign),
    ("1", lambda w: np.ones(np.shape(w))),
)
"""Arrays that people add to the data's gradient, a multiple of each."""
L2_ASK = to_say("What is the slope of λ/2 · w² in w? And that of λ · w²?")
L2_HINT = to_say("λ/2 · ‖W‖² adds λ · W to dW, and λ · ‖W‖² adds 2λ · W; nothing is added for the biases.")


@dataclass(frozen=True)
class Penalised:
    """A gradient in two parts."""

    value: Any
    returned: Any
    data: Any
    penalty: Any


def _regularisation(comparison: Comparison) -> Variants:
    """Return a variant for each way in which the penalty's gradient is wrong; the claims follow what came back."""
    penalties = _split(comparison)
    if penalties is None:
        return _untraced(comparison)
    counts = _list_counts(comparison)
    claims: dict[Words, list[Any]] = {}
    for i, (value, right, returned) in enumerate(zip(comparison.given, comparison.right, comparison.returned)):
        if np.shape(returned) != np.shape(right) or not np.all(np.isfinite(returned)):
            continue
        data = 0 * right if same(right, penalties[i]) else right - penalties[i]
        parts = Penalised(value, np.asarray(returned), data, penalties[i])
        for words in _describe(parts, counts):
            claims.setdefault(words, [None] * len(comparison.right))[i] = returned
    return {reword(REGULARISATION, *words): tuple(claimed) for words, claimed in claims.items()}


def _split(comparison: Comparison) -> Arrays | None:
    """Return the penalty's share of each gradient; None where the function has no penalty that can be seen."""
    graph = comparison.graphs[0] if comparison.graphs else None
    if graph is None or np.shape(comparison.upstream):
        return None
    wires = [graph.wires[i] for i in comparison.wrt]
    penalties = _find_penalties(graph, wires)
    if not penalties:
        return None
    grads, _ = list_edges(graph, comparison.upstream)
    shares = [pull_back(graph, node, grads[node.index], wires) for node in penalties if grads[node.index] is not None]
    found = tuple(sum(parts) for parts in zip(*shares)) if shares else None
    if found is None or not all(_is_penalty(part, value) for part, value in zip(found, comparison.given)):
        return None
    whole = all(same(a, b) for a, b in zip(found, comparison.right))
    return None if whole and not _are_weights(comparison) else found


def _is_penalty(part: Any, value: Any) -> bool:
    """Return True for the slope of λ · ‖W‖² + μ · Σ|W| in W, or in some of its entries; also where there is none."""
    chosen = np.asarray(part) != 0
    basis = np.stack([np.asarray(value, dtype=float)[chosen], np.sign(value)[chosen]], axis=-1)
    rates = np.linalg.lstsq(basis, np.asarray(part)[chosen], rcond=None)[0]
    return same(basis @ rates, np.asarray(part)[chosen])


def _are_weights(comparison: Comparison) -> bool:
    """Return True if the inputs have the names of weights."""
    names = comparison.names and [comparison.names[i] for i in comparison.wrt]
    return comparison.parameters or (bool(names) and all(name[:1] in "Wwθ" for name in names))


def _find_penalties(graph: Trace, wires: list[Node]) -> list[Node]:
    """Return the scalar nodes, made from parameters alone, that are sums of their squares or absolute values."""
    data = {
        index
        for node in graph.nodes
        if node.gate is None and node not in wires and np.size(node.value) > 1
        for index in list_descendants(graph, node)
    }
    users = {node.index: [other for other in graph.nodes if node in other.inputs] for node in graph.nodes}
    alone = [n for n in graph.nodes if n.gate is not None and not n.constant and n.index not in data]
    tops = [n for n in alone if np.size(n.value) == 1 and all(u.index in data for u in users[n.index])]
    return [n for n in tops if any(np.size(w.value) > 1 and n.index in list_descendants(graph, w) for w in wires)]


def _list_counts(comparison: Comparison) -> set[float]:
    """Return the numbers that may be N: sizes of means, divisors, and the batch."""
    graph = comparison.graphs[0]
    found = {float(comparison.batch)}
    for node in graph.nodes:
        if getattr(node.gate, "how", None) is np.mean:
            found.add(np.size(node.inputs[0].value) / np.size(node.value))
        elif isinstance(node.gate, gates.Divide) and node.inputs[1].gate is None:
            found.add(float(np.ravel(node.inputs[1].value)[0]))
    return {n for n in found if n > 1} | {float(len(labels)) for labels in graph.labels if np.ndim(labels)}


def _describe(parts: Penalised, counts: set[float]) -> Iterator[Words]:
    """Yield what is wrong with the penalty's share of this gradient, in words."""
    data, penalty, returned = parts.data, parts.penalty, parts.returned
    if same(returned, data + penalty):
        return
    if not np.any(penalty):
        rate = _find_multiple(returned - data, parts.value)
        if rate is not None and np.size(parts.value) > 1:
            yield (
                say("the penalty's gradient was added to it, but the loss has no penalty for it"),
                say(
                    "It is off by {rate:.3g} times the parameter itself; the loss does not grow with its size.",
                    rate=rate,
                ),
                say("Which parameters are squared in the loss? Are the biases among them?"),
                say(
                    "dW += λ · W for the weights that the loss squares; leave the gradients of the biases as they are."
                ),
            )
        return
    if np.any(data):
        yield from _describe_data(parts, counts)
    if np.size(parts.value) > 1:
        yield from _describe_penalty(parts, counts)


def _describe_data(parts: Penalised, counts: set[float]) -> Iterator[Words]:
    """Yield the words where the penalty's share is right and the data's is a multiple of what it should be."""
    if same(parts.returned, parts.penalty):
        yield (
            say("this is the penalty's gradient alone, the data's is missing"),
            say("The loss has two terms, so the gradient has two too."),
            say("What does the first term of the loss, the one with the data, add to dW?"),
            say("dW = the data's gradient + the penalty's gradient."),
        )
        return
    scale = _find_multiple(parts.returned - parts.penalty, parts.data)
    if scale is None or np.size(parts.value) == 1:
        return
    times = next((n for n in counts if abs(scale - n) < 1e-5 * n), None)
    over = next((n for n in counts if abs(scale * n - 1) < 1e-5), None)
    ask, hint = (
        say("Does the loss take the mean over the examples?"),
        say("Divide the data's gradient by N, once, and then add λ · W."),
    )
    if times:
        yield (
            say("the 1/N of the data's part is missing"),
            say("The penalty's part is right, the data's is N times too large."),
            ask,
            hint,
        )
    elif over:
        yield (
            say("1/N is there once too often in the data's part"),
            say("The penalty's part is right, the data's is N times too small."),
            ask,
            hint,
        )
    else:
        yield (
            say("the data's part counts {scale:.3g} times", scale=scale),
            say("The penalty's part is right, the data's is a multiple of what it should be."),
            say("Which constants does the first term of the loss have?"),
            say("Differentiate both terms of the loss, each with its constants."),
        )


def _describe_penalty(parts: Penalised, counts: set[float]) -> Iterator[Words]:
    """Yield the words where the data's share is right, and something else stands for the penalty's."""
    added = parts.returned - parts.data
    if not np.any(np.abs(added) > 1e-9 * np.max(np.abs(parts.penalty))):
        yield (
            say("the penalty's gradient is missing"),
            say("The loss grows with the size of this parameter too, and that term has a slope of its own."),
            L2_ASK,
            L2_HINT,
        )
        return
    forms = [(name, a, rate) for name, form in FORMS if (rate := _find_multiple(a := form(parts.value), parts.penalty))]
    name, base, _ = forms[0] if forms else ("", None, 0.0)
    due = _find_multiple(parts.penalty, base) if base is not None else None
    if due is None:
        return
    rate = _find_multiple(added, base)
    if rate is not None:
        yield _describe_rate(name, rate, due, counts, _beside(parts))
        return
    for other, form in FORMS:
        if other != name and _find_multiple(added, form(parts.value)) is not None:
            yield _describe_other_form(other, name, _beside(parts))


def _beside(parts: Penalised) -> str:
    """Return a sentence on the data's part, where there is one."""
    return say("The data's part is right. ") if np.any(parts.data) else ""


def _describe_rate(name: str, rate: float, due: float, counts: set[float], beside: str) -> Words:
    """Return the words for the right form with another factor."""
    ratio = rate / due
    ask, hint = (
        (L2_ASK, L2_HINT)
        if name == "W"
        else (say("What is the slope of λ · |w| in w?"), say("λ · |w| has slope λ · sign(w)."))
    )
    off = say(
        "{beside}The penalty's part is {rate:.3g} · {name}, and it should be {due:.3g} · {name}.",
        beside=beside,
        rate=rate,
        name=name,
        due=due,
    )
    if abs(ratio - 2) < 1e-5:
        return say("the penalty's gradient is twice what it should be"), off, ask, hint
    if abs(ratio - 0.5) < 1e-5:
        return say("the penalty's gradient is half of what it should be"), off, ask, hint
    if abs(ratio + 1) < 1e-5:
        return (
            say("the penalty's gradient has a minus"),
            say("{off} With a minus a step makes large weights larger.", off=off),
            say("Does the loss grow or shrink when a weight grows in size?"),
            say("Add it: dW = the data's gradient + λ · W."),
        )
    if any(abs(ratio * n - 1) < 1e-5 for n in counts):
        return (
            say("the penalty's gradient was divided by N"),
            _without_numbers(name, beside),
            say("Is the penalty inside the mean over the examples?"),
            hint,
        )
    if any(abs(ratio - n) < 1e-5 * n for n in counts):
        return (
            say("the penalty's gradient lacks its 1/N"),
            _without_numbers(name, beside),
            say("Is the penalty inside the mean over the examples?"),
            hint,
        )
    if abs(rate - 1) < 1e-6 or abs(rate - 2) < 1e-6:
        return say("λ is missing in the penalty's gradient"), off, say("Where does λ stand in the loss?"), hint
    return say("the penalty's gradient has another factor than the loss"), off, ask, hint


def _without_numbers(name: str, beside: str) -> str:
    return say("{beside}The penalty's part is a multiple of {name}, but not the right one.", beside=beside, name=name)


def _describe_other_form(other: str, name: str, beside: str) -> Words:
    why = {
        "W²": say("W² is in the penalty itself, it is not the penalty's slope."),
        "1": say("Each weight has a slope of its own."),
    }
    return (
        say("the penalty's gradient is the same number everywhere")
        if other == "1"
        else say("the penalty's gradient has {other} in place of {name}", other=other, name=name),
        beside + why.get(other, say("{other} is not the slope of this penalty.", other=other)),
        L2_ASK if name == "W" else say("What is the slope of λ · |w| in w?"),
        L2_HINT if name == "W" else say("λ · |w| has slope λ · sign(w)."),
    )


def _find_multiple(array: Any, of: Any) -> float | None:
    """Return the c with array = c · of, if there is one that is not 0."""
    if np.shape(array) != np.shape(of) or not np.any(of):
        return None
    c = float(np.sum(array * of) / np.sum(np.asarray(of) ** 2))
    return c if abs(c) > 1e-12 and same(array, c * np.asarray(of)) else None


# ---- functions that cannot be traced ------------------------------------------------------------------


def _untraced(comparison: Comparison) -> Variants:
    """Claim what came back if it is off by one constant times the weights, or times the biases."""
    if comparison.graphs or np.shape(comparison.upstream) or not _are_weights(comparison):
        return {}
    constants: dict[bool, set[str]] = {True: set(), False: set()}
    claims = []
    for value, right, returned in zip(comparison.given, comparison.right, comparison.returned):
        c = _find_excess(value, right, returned)
        claims.append(None if c is None else returned)
        if c is not None:
            constants[np.ndim(value) >= 2].add(f"{c:.4g}")
    consistent = all(len(found) <= 1 for found in constants.values())
    return {REGULARISATION.explain("", title=_describe_excess(constants)): tuple(claims)} if consistent else {}


EXCESS = {
    (True, True): to_say("{c} times the weight itself is missing"),
    (True, False): to_say("{c} times the weight itself is too much"),
    (False, True): to_say("{c} times the bias itself is missing"),
    (False, False): to_say("{c} times the bias itself is too much"),
}
"""Words for what is missing (True) or too much, of weights (True) or of biases."""


def _describe_excess(constants: dict[bool, set[str]]) -> str:
    """Return what is missing or too much: a multiple of the weights (True), of the biases (False), or of both."""
    parts = [
        say(EXCESS[of_weights, c.startswith("-")], c=c.removeprefix("-"))
        for of_weights, found in constants.items()
        for c in found
    ]
    return join_ands(parts)


def _find_excess(value: Any, right: Any, returned: Any) -> float | None:
    """Return the c of returned - right = c · value, if there is one and right itself is not a multiple of value."""
    if np.shape(returned) != np.shape(right) or np.size(value) < 2 or not np.any(value):
        return None
    c = _find_multiple(np.asarray(returned) - right, value)
    return c if c is not None and abs(c) > 1e-9 and _find_multiple(right, value) is None else None


REGULARISATION = Mistake(
    "regularisation",
    "the regularisation term is missing, doubled, or on the wrong parameters",
    "The difference is a constant times the parameter itself.",
    "What does λ/2 · ‖W‖² add to the gradient of W? And to that of the bias?",
    "dW += lam * W, once, for each weight matrix; nothing for the biases.",
    "lecture 04, Over- and underfitting",
    _regularisation,
    reads_returned=True,
    refines=("gradient-for-value", "overwritten-branch", "factor", "sign"),
)
