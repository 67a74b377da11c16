"""Slips at gates that mix entries: the softmax with and without its loss, and maxout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.explanations.spots import LazyVariants, inject
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, say
from nnkit.check.evidence.array_gates import Softmax
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import FaultyGate, Place

Slip = tuple[str, Callable[..., Any]]
"""Words for a wrong gradient, and that gradient as a function of (upstream, the gate's inputs, out)."""


def _sum(x: Any) -> Any:
    return np.sum(x, axis=-1, keepdims=True)


def _only_largest_of_row(g: Any, x: Any, out: Any) -> Any:
    rows = np.arange(len(x))
    largest = np.argmax(x, axis=-1)
    dx = np.zeros(np.shape(x))
    dx[rows, largest] = np.asarray(g)[:, 0]
    return dx


SOFTMAX: tuple[Slip, ...] = (
    ("upstream * out, without the sum", lambda g, x, out: g * out),
    ("out * (upstream - sum of upstream), where out belongs into the sum", lambda g, x, out: out * (g - _sum(g))),
    ("upstream * out - sum of (upstream * out), without out before the sum", lambda g, x, out: g * out - _sum(g * out)),
    ("out * (upstream + sum of (upstream * out)), with a plus", lambda g, x, out: out * (g + _sum(g * out))),
    ("out * (sum of (upstream * out) - upstream), with the wrong sign", lambda g, x, out: out * (_sum(g * out) - g)),
    ("out * (upstream - sum of (upstream * out) over all rows)", lambda g, x, out: out * (g - np.sum(g * out))),
    ("out * (upstream - mean of (upstream * out))", lambda g, x, out: out * (g - np.mean(g * out, -1, keepdims=True))),
    ("upstream - sum of (upstream * out), without out before it", lambda g, x, out: g - _sum(g * out)),
    ("-out * sum of (upstream * out), without its first term", lambda g, x, out: -out * _sum(g * out)),
    ("upstream * out * (1 - out) with the sum", lambda g, x, out: out * (1 - out) * (g - _sum(g * out))),
    ("upstream * (1 - out)", lambda g, x, out: g * (1 - out)),
    ("upstream * (out - out**2) - out", lambda g, x, out: g * (out - out**2) - out),
    ("upstream - out", lambda g, x, out: g - out),
    ("upstream * (out - 1)", lambda g, x, out: g * (out - 1)),
    ("upstream * (1 - out**2), the slope of tanh", lambda g, x, out: g * (1 - out**2)),
    ("upstream * np.exp(x), without the division", lambda g, x, out: g * np.exp(x)),
)


def _loss_slip(make: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """Return a slip of the mean loss from (scores, probabilities, ones at the labels)."""

    def backward(g: Any, scores: Any, labels: Any, out: Any) -> Any:
        p, _ = Softmax().forward(scores)
        return g * make(scores, p, np.asarray(labels)[:, None] == np.arange(np.shape(scores)[1])) / len(scores)

    return backward


LOSS: tuple[Slip, ...] = (
    ("-1 / p at the label, the slope of the logarithm without that of the softmax", _loss_slip(lambda s, p, y: -y / p)),
    ("-1 at the label, and 0 elsewhere", _loss_slip(lambda s, p, y: -1.0 * y)),
    ("scores - 1 at the label: the scores in place of the probabilities", _loss_slip(lambda s, p, y: s - y)),
    ("p - 1 everywhere, not only at the label", _loss_slip(lambda s, p, y: p - 1)),
    ("(p - onehot) * p * (1 - p), with a sigmoid's slope once more", _loss_slip(lambda s, p, y: (p - y) * p * (1 - p))),
    ("np.log(p) - onehot: the logarithms in place of the probabilities", _loss_slip(lambda s, p, y: np.log(p) - y)),
    ("2 * (p - onehot), as for a squared error", _loss_slip(lambda s, p, y: 2.0 * (p - y))),
    ("p + onehot, with a plus at the label", _loss_slip(lambda s, p, y: p + y)),
    ("(p - onehot) * p", _loss_slip(lambda s, p, y: (p - y) * p)),
    ("p - onehot at the label alone, 0 elsewhere", _loss_slip(lambda s, p, y: (p - y) * y)),
    ("np.exp(scores) - onehot, without the division", _loss_slip(lambda s, p, y: np.exp(s) - y)),
)
MAXOUT: tuple[Slip, ...] = (
    ("upstream at the largest entry of the whole row; each unit has a winner of its own", _only_largest_of_row),
    ("upstream * x at the winners, the slope there is 1", lambda g, x, out: _route(g, x, out) * x),
    ("upstream * out at the winners, the slope there is 1", lambda g, x, out: _route(np.asarray(g) * out, x, out)),
    ("1 at the winners, without upstream", lambda g, x, out: _route(np.ones_like(g), x, out)),
    ("half of upstream to each piece", lambda g, x, out: np.concatenate([g, g], axis=-1) / 2),
)


def _route(g: Any, x: Any, out: Any) -> Any:
    (dx,) = gates.Maxout(np.shape(x)[-1] // np.shape(out)[-1]).backward(g, (x,))
    return dx


KINDS: dict[type, tuple[str, str, tuple[Slip, ...]]] = {
    Softmax: ("the softmax", "out * (upstream - (upstream * out).sum(axis=-1, keepdims=True))", SOFTMAX),
    gates.SoftmaxCrossEntropy: ("the softmax loss", "(p - onehot) / N", LOSS),
    gates.Maxout: ("maxout", "upstream where the piece wins, 0 elsewhere", MAXOUT),
}
WORDS: dict[type, tuple[str, str]] = {
    Softmax: (
        "Each score changes every probability of its row: the sum collects what comes back from the others.",
        "If one score grows, what happens to the other probabilities of its row?",
    ),
    gates.SoftmaxCrossEntropy: (
        "Softmax and logarithm together leave p, minus 1 at the label.",
        "To what does each row of the gradient add up? It must be 0: a constant added to all scores changes nothing.",
    ),
    gates.Maxout: (
        "Each unit passes its gradient to the piece that won in that unit, and to no other.",
        "Which two numbers does one unit compare? Which of them did forward return?",
    ),
}


def _slips(comparison: Comparison) -> Variants:
    found = LazyVariants()
    for graph in comparison.graphs:
        for place in graph.places:
            for title, backward in _list_slips(place):
                why, nudge = WORDS[type(place.gate)]
                entry = MAXOUTS if isinstance(place.gate, gates.Maxout) else SLIPS
                hint = f"Its gradient is {KINDS[type(place.gate)][1]}."
                found.add(say(entry, title, why, nudge, hint), inject(comparison, graph, [FaultyGate(place, backward)]))
    return found


def _list_slips(place: Place) -> Iterator[tuple[str, Any]]:
    if type(place.gate) not in KINDS:
        return
    name, _, slips = KINDS[type(place.gate)]
    for formula, compute in slips:

        def backward(upstream: Any, inputs: tuple[Any, ...], out: Any, compute: Any = compute) -> Any:
            return compute(upstream, *inputs, out), *[None] * (len(inputs) - 1)

        yield f"the gradient used for {name} is {formula}", backward


SLIPS = Mistake(
    "wrong-jacobian",
    "the gradient of a gate that mixes entries is another one",
    "Each entry of its input changes several of its outputs.",
    "Which outputs change when one entry of the input grows a little?",
    "Add what comes back from each of them.",
    "lecture 03, Softmax is not elementwise",
    _slips,
    named=False,
)
MAXOUTS = Mistake(
    "wrong-jacobian",
    "maxout's gradient goes to other entries",
    "Each unit has a winner.",
    "Which piece won in each unit?",
    "Pass the upstream gradient of a unit to the piece that won there.",
    "lecture 02, Maxout makes the others",
    _slips,
    named=False,
)
