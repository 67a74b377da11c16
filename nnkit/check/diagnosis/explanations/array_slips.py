"""Slips at gates that mix entries: the softmax with and without its loss, and maxout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.explanations.spots import LazyVariants, inject
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, reword, same
from nnkit.check.evidence.array_gates import ColumnSoftmax, Softmax
from nnkit.check.evidence.backward_pass import FaultyGate
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.function_graph import Place, group_rounds
from nnkit.check.evidence.whole_gates import ColumnCrossEntropy, LogSoftmax, LogSumExp, Mask, find_wholes
from nnkit.language import say, to_say

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
    (to_say("upstream * out, without the sum"), lambda g, x, out: g * out),
    (
        to_say("out * (upstream - sum of upstream), where out belongs into the sum"),
        lambda g, x, out: out * (g - _sum(g)),
    ),
    (
        to_say("upstream * out - sum of (upstream * out), without out before the sum"),
        lambda g, x, out: g * out - _sum(g * out),
    ),
    (to_say("out * (upstream + sum of (upstream * out)), with a plus"), lambda g, x, out: out * (g + _sum(g * out))),
    (
        to_say("out * (sum of (upstream * out) - upstream), with the wrong sign"),
        lambda g, x, out: out * (_sum(g * out) - g),
    ),
    (to_say("out * (upstream - sum of (upstream * out) over all rows)"), lambda g, x, out: out * (g - np.sum(g * out))),
    (
        to_say("out * (upstream - mean of (upstream * out))"),
        lambda g, x, out: out * (g - np.mean(g * out, -1, keepdims=True)),
    ),
    (to_say("upstream - sum of (upstream * out), without out before it"), lambda g, x, out: g - _sum(g * out)),
    (to_say("-out * sum of (upstream * out), without its first term"), lambda g, x, out: -out * _sum(g * out)),
    (to_say("upstream * out * (1 - out) with the sum"), lambda g, x, out: out * (1 - out) * (g - _sum(g * out))),
    ("upstream * (1 - out)", lambda g, x, out: g * (1 - out)),
    ("upstream * (out - out**2) - out", lambda g, x, out: g * (out - out**2) - out),
    ("upstream - out", lambda g, x, out: g - out),
    ("upstream * (out - 1)", lambda g, x, out: g * (out - 1)),
    (to_say("upstream * (1 - out**2), the slope of tanh"), lambda g, x, out: g * (1 - out**2)),
    (to_say("upstream * np.exp(x), without the division"), lambda g, x, out: g * np.exp(x)),
    (to_say("upstream as it is, without the softmax's own slope"), lambda g, x, out: g),
)
LOG_SOFTMAX: tuple[Slip, ...] = (
    (to_say("upstream - np.exp(out), without the sum of upstream"), lambda g, x, out: g - np.exp(out)),
    (to_say("upstream - out * sum of upstream, where np.exp(out) belongs"), lambda g, x, out: g - out * _sum(g)),
    (to_say("upstream - sum of upstream, without np.exp(out)"), lambda g, x, out: g - _sum(g)),
    (to_say("upstream + np.exp(out) * sum of upstream, with a plus"), lambda g, x, out: g + np.exp(out) * _sum(g)),
    (to_say("upstream - np.exp(out) * mean of upstream"),
     lambda g, x, out: g - np.exp(out) * np.mean(g, -1, keepdims=True)),
    (to_say("-np.exp(out) * sum of upstream, without its first term"), lambda g, x, out: -np.exp(out) * _sum(g)),
    (to_say("upstream - sum of (upstream * np.exp(out)), where np.exp(out) * sum of upstream belongs"),
     lambda g, x, out: g - _sum(g * np.exp(out))),
    (to_say("upstream - np.exp(out) * sum of upstream over the other axis"),
     lambda g, x, out: g - np.exp(out) * np.sum(g, axis=0, keepdims=True)),
    (to_say("upstream - np.exp(out) * sum of upstream over all axes"), lambda g, x, out: g - np.exp(out) * np.sum(g)),
    (to_say("upstream * (1 - np.exp(out)), its own slope alone"), lambda g, x, out: g * (1 - np.exp(out))),
    (to_say("upstream - np.exp(x) * sum of upstream, without the division"), lambda g, x, out: g - np.exp(x) * _sum(g)),
)  # fmt: skip


def _of_row(compute: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return a slip of a log-sum-exp from (x, softmax(x)), whose upstream has one number for each row."""
    return lambda g, x, out: np.reshape(g, (*np.shape(x)[:-1], 1)) * compute(x, Softmax().forward(x)[0])


LOG_SUM_EXP: tuple[Slip, ...] = (
    (to_say("upstream * np.exp(x), without the division by the sum"), _of_row(lambda x, p: np.exp(x))),
    (to_say("upstream * np.exp(x - max), without the division by the sum"),
     _of_row(lambda x, p: np.exp(x - x.max(axis=-1, keepdims=True)))),
    (to_say("upstream * softmax of each column, where each row has its own sum"),
     _of_row(lambda x, p: np.exp(x) / np.exp(x).sum(axis=0, keepdims=True))),
    (to_say("upstream * softmax over all entries, where each row has its own sum"),
     _of_row(lambda x, p: np.exp(x) / np.exp(x).sum())),
    (to_say("upstream * np.exp(x - max) / the sum over each column"),
     _of_row(lambda x, p: (e := np.exp(x - x.max(axis=-1, keepdims=True))) / e.sum(axis=0, keepdims=True))),
    (to_say("upstream / the sum, without np.exp(x)"),
     _of_row(lambda x, p: 1 / np.exp(x).sum(axis=-1, keepdims=True) + 0 * x)),
    ("upstream * p * (1 - p)", _of_row(lambda x, p: p * (1 - p))),
    (to_say("upstream at the largest entry of each row, as for a maximum"),
     _of_row(lambda x, p: 1.0 * (x == x.max(axis=-1, keepdims=True)))),
    (to_say("upstream in each entry, without softmax(x)"), _of_row(lambda x, p: np.ones_like(x))),
)  # fmt: skip


def _loss_slip(make: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """Return a slip of the mean loss from (scores, probabilities, ones at the labels)."""

    def backward(g: Any, scores: Any, labels: Any, out: Any) -> Any:
        p, _ = Softmax().forward(scores)
        return g * make(scores, p, np.asarray(labels)[:, None] == np.arange(np.shape(scores)[1])) / len(scores)

    return backward


def _mark_rows(onehot: Any) -> Any:
    """Return ones in the rows whose number is a label."""
    rows = np.isin(np.arange(len(onehot)), np.argmax(onehot, axis=1))
    return rows[:, None] * np.ones(onehot.shape)


def _of_all(scores: Any) -> Any:
    return np.exp(scores) / np.sum(np.exp(scores))


def _turn(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Return the slip for scores whose examples are columns."""
    return lambda g, scores, labels, out: compute(g, np.transpose(scores), labels, out).T


def _turn_softmax(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Return the slip of a softmax whose rows are columns."""
    return lambda g, x, out: compute(np.transpose(g), np.transpose(x), np.transpose(out)).T


LOSS: tuple[Slip, ...] = (
    (to_say("-1 / p at the label, the slope of the logarithm without that of the softmax"),
     _loss_slip(lambda s, p, y: -y / p)),
    (to_say("-1 at the label, and 0 elsewhere"), _loss_slip(lambda s, p, y: -1.0 * y)),
    (to_say("scores - 1 at the label: the scores in place of the probabilities"), _loss_slip(lambda s, p, y: s - y)),
    (to_say("p - 1 everywhere, not only at the label"), _loss_slip(lambda s, p, y: p - 1)),
    (to_say("(p - onehot) * p * (1 - p), with a sigmoid's slope once more"),
     _loss_slip(lambda s, p, y: (p - y) * p * (1 - p))),
    (to_say("np.log(p) - onehot: the logarithms in place of the probabilities"),
     _loss_slip(lambda s, p, y: np.log(p) - y)),
    (to_say("2 * (p - onehot), as for a squared error"), _loss_slip(lambda s, p, y: 2.0 * (p - y))),
    (to_say("p + onehot, with a plus at the label"), _loss_slip(lambda s, p, y: p + y)),
    ("(p - onehot) * p", _loss_slip(lambda s, p, y: (p - y) * p)),
    (to_say("p - onehot at the label alone, 0 elsewhere"), _loss_slip(lambda s, p, y: (p - y) * y)),
    (to_say("np.exp(scores) - onehot, without the division"), _loss_slip(lambda s, p, y: np.exp(s) - y)),
    (to_say("(p - onehot) * onehot * p, at the label alone"), _loss_slip(lambda s, p, y: (p - y) * y * p)),
    (to_say("p - 1 in each column that is a label of any example, as p[:, labels] -= 1 gives"),
     _loss_slip(lambda s, p, y: p - y.any(axis=0))),
    (to_say("p - 1 at the largest score, where the label belongs"),
     _loss_slip(lambda s, p, y: p - (p == p.max(1)[:, None]))),
    (to_say("p - 1 in whole rows, as p[labels] -= 1 gives"), _loss_slip(lambda s, p, y: p - _mark_rows(y))),
    (to_say("-1 at the label, where p - 1 belongs: = in place of -="),
     _loss_slip(lambda s, p, y: np.where(y, -1.0, p))),
    (to_say("p - onehot / N, with the 1/N at the label alone"), _loss_slip(lambda s, p, y: len(p) * p - y)),
    (to_say("p / N - onehot, without the 1/N at the label"), _loss_slip(lambda s, p, y: p - len(p) * y)),
    (to_say("p - onehot with p summed over all rows, not over each"), _loss_slip(lambda s, p, y: _of_all(s) - y)),
    (to_say("p * (p - onehot) summed over each row, as for a softmax without its logarithm"),
     _loss_slip(lambda s, p, y: p * ((p - y) - _sum(p * (p - y))))),
)  # fmt: skip


def _loss_of_rows(g: Any, scores: Any, labels: Any, out: Any) -> Any:
    onehot = np.arange(len(scores))[:, None] == np.asarray(labels)
    return g * (Softmax().forward(scores)[0] - onehot) / len(labels)


MAXOUT: tuple[Slip, ...] = (
    (to_say("upstream at the largest entry of the whole row; each unit has a winner of its own"), _only_largest_of_row),
    (to_say("upstream * x at the winners, the slope there is 1"), lambda g, x, out: _route(g, x, out) * x),
    (
        to_say("upstream * out at the winners, the slope there is 1"),
        lambda g, x, out: _route(np.asarray(g) * out, x, out),
    ),
    (to_say("1 at the winners, without upstream"), lambda g, x, out: _route(np.ones_like(g), x, out)),
    (to_say("half of upstream to each piece"), lambda g, x, out: np.concatenate([g, g], axis=-1) / 2),
)


def _route(g: Any, x: Any, out: Any) -> Any:
    (dx,) = gates.Maxout(np.shape(x)[-1] // np.shape(out)[-1]).backward(g, (x,))
    return dx


def _scale(x: Any, out: Any) -> Any:
    """Return what a mask multiplies by where it lets x through."""
    passed = np.asarray(out) != 0
    return np.ravel(np.asarray(out)[passed] / np.asarray(x)[passed])[0]


MASK: tuple[Slip, ...] = (
    (to_say("upstream as it is, without the mask"), lambda g, x, out: g),
    (to_say("upstream times the constant beside the mask, without the mask"), lambda g, x, out: g * _scale(x, out)),
    (to_say("upstream where the mask is 0, the wrong way round"), lambda g, x, out: g * (out == 0) * _scale(x, out)),
    (to_say("upstream where the mask is 0, the wrong way round and without the constant beside it"),
     lambda g, x, out: g * (out == 0)),
)  # fmt: skip
KINDS: dict[type, tuple[str, str, tuple[Slip, ...]]] = {
    Softmax: (to_say("the softmax"), "out * (upstream - (upstream * out).sum(axis=-1, keepdims=True))", SOFTMAX),
    ColumnSoftmax: (
        to_say("the softmax of each column"),
        "out * (upstream - (upstream * out).sum(axis=0, keepdims=True))",
        tuple((words, _turn_softmax(compute)) for words, compute in SOFTMAX),
    ),
    LogSoftmax: (
        to_say("the log-softmax"),
        "upstream - np.exp(out) * upstream.sum(axis=-1, keepdims=True)",
        LOG_SOFTMAX,
    ),
    LogSumExp: (
        to_say("the log-sum-exp"),
        to_say("upstream * softmax(x), one number of upstream for each row"),
        LOG_SUM_EXP,
    ),
    gates.SoftmaxCrossEntropy: (to_say("the softmax loss"), "(p - onehot) / N", LOSS),
    ColumnCrossEntropy: (
        to_say("the softmax loss of the columns"),
        to_say("(p - onehot) / N, with an example in each column"),
        (
            (to_say("p alone, without 1 taken away at the label"), _turn(_loss_slip(lambda s, p, y: p))),
            (to_say("p normalised over each row, where each column is an example"), _loss_of_rows),
            *((words, _turn(compute)) for words, compute in LOSS),
        ),
    ),
    Mask: (to_say("the mask"), to_say("upstream * mask, with the same mask and constant as in forward"), MASK),
    gates.Maxout: ("maxout", to_say("upstream where the piece wins, 0 elsewhere"), MAXOUT),
}
OF_LOSS = (
    to_say("Softmax and logarithm together leave p, minus 1 at the label."),
    to_say(
        "To what does each example's gradient add up? It must be 0: a constant added to all its scores changes nothing."
    ),
)
WORDS: dict[type, tuple[str, str]] = {
    LogSumExp: (
        to_say(
            "The logarithm's slope is 1 over the sum, that of each exponential is itself: together they are softmax(x)."
        ),
        to_say("If all entries of a row grow by 1, by how much does its output grow? To what must its slopes add up?"),
    ),
    LogSoftmax: (
        to_say("Each score changes the logarithm of its row's sum, and so every output of the row."),
        to_say("If one score grows, what happens to the other outputs of its row?"),
    ),
    ColumnSoftmax: (
        to_say("Each score changes every probability of its column: the sum collects what comes back from the others."),
        to_say("If one score grows, what happens to the other probabilities of its column?"),
    ),
    Softmax: (
        to_say("Each score changes every probability of its row: the sum collects what comes back from the others."),
        to_say("If one score grows, what happens to the other probabilities of its row?"),
    ),
    gates.SoftmaxCrossEntropy: OF_LOSS,
    ColumnCrossEntropy: OF_LOSS,
    Mask: (
        to_say("What the mask sets to 0 in forward has no say in the output, so nothing comes back there."),
        to_say("If an entry that the mask sets to 0 grows a little, what happens to the output?"),
    ),
    gates.Maxout: (
        to_say("Each unit passes its gradient to the piece that won in that unit, and to no other."),
        to_say("Which two numbers does one unit compare? Which of them did forward return?"),
    ),
}


def _slips(comparison: Comparison) -> Variants:
    found = LazyVariants()
    for graph in comparison.graphs:
        places = [*graph.places, *find_wholes(graph)]
        # A loss before the softmax in it.
        for group in group_rounds(sorted(places, key=lambda place: not place.labels)).values():
            kind = type(group[0].gate)
            for title, backward in _list_slips(group[0]):
                why, nudge = WORDS[kind]
                words = reword(
                    ENTRIES.get(kind, SLIPS),
                    title,
                    why,
                    nudge,
                    say("Its gradient is {formula}.", formula=say(KINDS[kind][1])),
                )
                found.add(words, inject(comparison, graph, [FaultyGate(place, backward) for place in group]))
    found.update(_list_other_masks(comparison))
    return found


def _list_other_masks(comparison: Comparison) -> Variants:
    """Return what came back, where it is upstream behind a mask with forward's constant, but not with its zeros."""
    found: Variants = {}
    for graph in comparison.graphs[:1]:
        for place in find_wholes(graph):
            for i, wire in enumerate(graph.wires[at] for at in comparison.wrt):
                if isinstance(place.gate, Mask) and place.node is graph.nodes[-1] and place.inputs[0] is wire:
                    passed = place.gate.scale * np.asarray(comparison.upstream)
                    returned = np.asarray(comparison.returned[i])
                    if returned.shape == passed.shape and same(returned, passed * (returned != 0)):
                        claims = [None] * len(comparison.right)
                        found[OTHER_MASK] = tuple([*claims[:i], returned, *claims[i + 1 :]])
    return found


def _list_slips(place: Place) -> Iterator[tuple[str, Any]]:
    if type(place.gate) not in KINDS:
        return
    name, _, slips = KINDS[type(place.gate)]
    for formula, compute in slips:

        def backward(upstream: Any, inputs: tuple[Any, ...], out: Any, compute: Any = compute) -> Any:
            return compute(upstream, *inputs, out), *[None] * (len(inputs) - 1)

        yield say("the gradient used for {name} is {formula}", name=say(name), formula=say(formula)), backward


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
MASKS = replace(
    MAXOUTS,
    title="a mask lets the wrong entries through",
    why="What forward sets to 0 has no say in the output.",
    nudge="Which entries did forward let through?",
    hint="Multiply upstream by the mask of forward.",
    lesson="lecture 02, A switch for each entry",
)
OTHER_MASK = replace(
    MASKS.explain(""),
    title="upstream goes through another mask than the one of forward",
    why="Entries that forward set to 0 get a gradient, and some that it let through get none.",
    nudge="Where is the mask drawn? Is it drawn once, or once more in backward?",
    hint="Draw the mask in forward, put it into the cache, and multiply upstream by the same mask in backward.",
)
ENTRIES: dict[type, Mistake] = {gates.Maxout: MAXOUTS, Mask: MASKS}
