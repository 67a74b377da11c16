"""Mistakes in one gate's local derivative: taken at the wrong place, of the wrong sign, or behind the wrong mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, same
from nnkit.check.diagnosis.mistakes.claims import is_not_zero
from nnkit.check.diagnosis.mistakes.inject import Wrong, at_gates
from nnkit.check.diagnosis.mistakes.tied import max_to_both
from nnkit.check.evidence.array_gates import ColumnSoftmax, compute_softmax
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.function_graph import Softmax
from nnkit.check.evidence.traced_gates import compute_sigmoid
from nnkit.check.evidence.whole_gates import ColumnCrossEntropy
from nnkit.language import say

G = gates


def _onehot(labels: Any, classes: int) -> Any:
    return np.asarray(labels)[:, None] == np.arange(classes)


def _no_label(g: Any, inputs: Any, out: Any) -> Any:
    scores, _ = inputs
    return g * compute_softmax(scores, 1) / len(scores), None


def _no_label_of_columns(g: Any, inputs: Any, out: Any) -> Any:
    scores, labels = inputs
    return _no_label(g, (np.transpose(scores), labels), out)[0].T, None


def _loss_diagonal(g: Any, inputs: Any, out: Any) -> Any:
    scores, labels = inputs
    p, hit = compute_softmax(scores, 1), _onehot(labels, scores.shape[1])
    return -g * hit * (1 - p) / len(scores), None


def _loss_wrong_axis(g: Any, inputs: Any, out: Any) -> Any:
    scores, labels = inputs
    return g * (compute_softmax(scores, 0) - _onehot(labels, scores.shape[1])) / len(scores), None


def _softmax_wrong_axis(g: Any, inputs: Any, out: Any) -> Any:
    p = compute_softmax(inputs[0], 0)
    return (p * (g - (g * p).sum(axis=0, keepdims=True)),)


def _softmax_wrong_sum(g: Any, inputs: Any, out: Any) -> Any:
    others = range(np.ndim(out) - 1)
    return [(out * (g - (g * out).sum(axis=axis, keepdims=True)),) for axis in others]


def _column_softmax_wrong_axis(g: Any, inputs: Any, out: Any) -> Any:
    return (Softmax().backward(g, compute_softmax(inputs[0]))[0],)


def _column_softmax_wrong_sum(g: Any, inputs: Any, out: Any) -> Any:
    return Softmax().backward(g, out)


def _list_wrong_axes(comparison: Comparison) -> Variants:
    """Return a softmax over the other axis, and a right one with its backward's sum over the other axis."""
    other = at_gates(comparison, {Softmax: _softmax_wrong_axis, G.SoftmaxCrossEntropy: _loss_wrong_axis})
    for axis, kind, wrong_sum in ((-1, Softmax, _softmax_wrong_sum), (0, ColumnSoftmax, _column_softmax_wrong_sum)):
        found = at_gates(comparison, {kind: wrong_sum}).values()
        fitting = [s for s in found if _gives_wrong_one(comparison, s)]
        other |= {_say_wrong_sum(axis): s for s in fitting[:1]}
    columns = at_gates(comparison, {ColumnSoftmax: _column_softmax_wrong_axis}).values()
    return other | {_say_rows(): s for s in columns}


def _gives_wrong_one(comparison: Comparison, gradients: Any) -> bool:
    """Return True if one of the wrong gradients that came back is among these."""
    pairs = enumerate(zip(comparison.returned, gradients))
    return any(comparison.is_wrong(i) and same(returned, own) for i, (returned, own) in pairs)


def _say_wrong_sum(axis: int) -> Explanation:
    words = next(m for m in MISTAKES if m.id == "softmax-wrong-axis")
    each = say("row") if axis else say("column")
    return words.explain(
        "",
        title="the sum in softmax's backward goes over the wrong axis",
        why=say("Forward normalises each {each}; the sum of upstream * softmax goes over the same numbers.", each=each),
        nudge="Which numbers sum to 1 in forward? Over those goes the sum in backward.",
        hint=say(
            "With p = softmax(x): dx = p * (upstream - (upstream * p).sum(axis={axis}, keepdims=True)).", axis=axis
        ),
    )


def _say_rows() -> Explanation:
    words = next(m for m in MISTAKES if m.id == "softmax-wrong-axis")
    return words.explain(
        "",
        title="softmax was normalised over each row, where forward normalises each column",
        why="The rows sum to 1 in backward, the columns in forward.",
        nudge="Over which axis does forward sum? Is it the classes of one example?",
        hint="Take the same axis in both: the one along which the classes of one example stand.",
    )


def _loss_over_batch(scores: Any, labels: Any) -> Any:
    return -np.log(compute_softmax(scores, 0)[np.arange(len(labels)), labels]).mean()


FORWARDS: dict[str, dict[type, Callable[..., Any]]] = {
    "softmax-wrong-axis": {Softmax: lambda x: compute_softmax(x, 0), G.SoftmaxCrossEntropy: _loss_over_batch},
}
"""Mistakes that are made in the forward too: what the gate would give."""


def _losers(g: Any, inputs: Any, out: Any) -> Any:
    x, y = inputs
    return g * (x < y), g * (x >= y)


def _find_leak(x: Any, out: Any) -> float:
    """Return the slope of a leaky ReLU where x is negative."""
    below = np.asarray(x) < 0
    return float(np.ravel(np.asarray(out)[below] / np.asarray(x)[below])[0]) if np.any(below) else 0.01


def _pieces_to_all(g: Any, inputs: Any, out: Any) -> Any:
    return (np.concatenate([g, g], axis=-1),)


def _pieces_to_loser(g: Any, inputs: Any, out: Any) -> Any:
    first, second = np.split(inputs[0], 2, axis=-1)
    return (np.concatenate([g * (first < second), g * (first >= second)], axis=-1),)


TO_BOTH: dict[type, Wrong] = {G.Max: lambda g, xs, out: (g + 0 * xs[0], g + 0 * xs[1]), G.Maxout: _pieces_to_all}


def _at(trial_gates: Mapping[type, Wrong]) -> Any:
    return lambda comparison: at_gates(comparison, trial_gates)


def _rectifiers(wrong: Wrong) -> Mapping[type, Wrong]:
    return dict.fromkeys((G.ReLU, G.LeakyReLU, G.ELU), wrong)


MISTAKES = (
    Mistake(
        "own-input",
        "each input was multiplied by itself, not by the other one",
        "The product x · y grows by y for each unit of x.",
        "For x · y, how much does the product grow when x grows a little? It depends on y.",
        "dx = upstream * y and dy = upstream * x: multiply swaps.",
        "lecture 01, Four patterns to read gradients off a picture",
        _at({G.Multiply: lambda g, xs, out: (g * xs[0], g * xs[1])}),
        refines=("swapped-inputs", "gradient-for-value"),
    ),
    Mistake(
        "sigmoid-of-input",
        "σ(1 − σ) was taken of the input, not of the sigmoid's output",
        "z(1 − z) can be large or negative; a sigmoid's slope lies between 0 and ¼.",
        "In σ′ = σ(1 − σ), what is σ: what goes into the gate, or what comes out of it?",
        "With s = sigmoid(z): dz = upstream * s * (1 - s).",
        "lecture 02, The sigmoid gate",
        _at({G.Sigmoid: lambda g, xs, out: (g * xs[0] * (1 - xs[0]),)}),
    ),
    Mistake(
        "sigmoid-twice",
        "the sigmoid was applied to its own output again",
        "The slope was taken at σ(z), a number between 0 and 1, in place of z.",
        "Look at what the cache holds: the input z, or the output σ(z)?",
        "With s = sigmoid(z) in the cache: dz = upstream * s * (1 - s), without another sigmoid.",
        "lecture 02, The sigmoid gate",
        _at({G.Sigmoid: lambda g, xs, out: (g * compute_sigmoid(out) * (1 - compute_sigmoid(out)),)}),
    ),
    Mistake(
        "tanh-of-input",
        "1 − a² was taken of the input, not of tanh's output",
        "1 − z² can be negative; tanh never falls.",
        "In tanh′ = 1 − a², what is a: what goes into the gate, or what comes out of it?",
        "With a = np.tanh(z): dz = upstream * (1 - a**2).",
        "lecture 02, Tanh",
        _at({G.Tanh: lambda g, xs, out: (g * (1 - xs[0] ** 2),)}),
    ),
    Mistake(
        "exp-is-input",
        "another local derivative than that of exp or log was used",
        "exp is its own derivative, log is not: the slope of eˣ is eˣ, that of ln x is 1/x.",
        "What is the slope of eˣ at x = 0? And that of ln x at x = 1?",
        "For out = np.exp(x): dx = upstream * out. For out = np.log(x): dx = upstream / x.",
        "lecture 01, A sigmoid neuron, gate by gate",
        _at(
            {
                G.Exp: lambda g, xs, out: (g * xs[0],),
                G.Log: lambda g, xs, out: [(g * out,), (g * xs[0],)],
            }
        ),
        refines=("gradient-for-value",),
    ),
    Mistake(
        "reciprocal-sign",
        "the minus of the reciprocal's derivative is missing",
        "1/x falls as x grows, on either side of 0.",
        "Does 1/x grow or shrink when x grows a little?",
        "The derivative of 1/x is -1/x²: dx = -upstream * out**2.",
        "lecture 01, A sigmoid neuron, gate by gate",
        _at({G.Reciprocal: lambda g, xs, out: (g * out**2,)}),
        refines=("sign",),
    ),
    Mistake(
        "relu-on-upstream",
        "the mask was taken from the upstream gradient, not from the input",
        "Gradients pass where the upstream gradient is positive; they should pass where the input is.",
        "Which entries did forward let through? Who decides that, x or the upstream gradient?",
        "dx = upstream * (x > 0).",
        "lecture 02, ReLU",
        _at(
            {
                G.ReLU: lambda g, xs, out: (g * (g > 0),),
                G.LeakyReLU: lambda g, xs, out: (np.where(g > 0, g, _find_leak(xs[0], out) * g),),
                G.ELU: lambda g, xs, out: (np.where(g > 0, g, g * np.exp(np.minimum(xs[0], 0))),),
            }
        ),
    ),
    Mistake(
        "relu-no-mask",
        "the gradient passes everywhere, the mask is missing",
        "Where forward changed the value, the slope is not 1: what arrives there does not pass as it is.",
        "If x is negative, how much does the output change when x grows a little?",
        "For ReLU, dx = upstream * (x > 0). A leaky ReLU and an ELU have a slope of their own where x < 0.",
        "lecture 02, ReLU",
        _at(_rectifiers(lambda g, xs, out: (g,))),
    ),
    Mistake(
        "relu-inverted",
        "the mask is the wrong way round",
        "The slopes of the two sides have changed places: forward lets its input through where it is positive.",
        "At which entries did forward let its input through?",
        "For ReLU, dx = upstream * (x > 0). A leaky ReLU and an ELU have a slope of their own where x < 0.",
        "lecture 02, ReLU",
        _at(
            {
                G.ReLU: lambda g, xs, out: (g * (xs[0] < 0),),
                G.LeakyReLU: lambda g, xs, out: [
                    (np.where(xs[0] > 0, _find_leak(xs[0], out) * g, g),),
                    (g * (xs[0] < 0),),
                ],
                G.ELU: lambda g, xs, out: [(np.where(xs[0] > 0, g * np.exp(-abs(xs[0])), g),), (g * (xs[0] < 0),)],
            }
        ),
        holds=is_not_zero,
        refines=("max-to-loser",),
    ),
    Mistake(
        "max-to-both",
        "max sends the upstream gradient to both inputs",
        "Only the larger input has any say in the output.",
        "If the smaller input grows a little, does the maximum change?",
        "dx = upstream * (x >= y) and dy = upstream * (x < y): max routes.",
        "lecture 01, Four patterns to read gradients off a picture",
        lambda comparison: at_gates(comparison, TO_BOTH) | max_to_both(comparison),
        whole=True,
    ),
    Mistake(
        "max-to-loser",
        "max sends the upstream gradient to the smaller input",
        "The larger input decides the output, and so gets all of the gradient.",
        "Which of the two inputs did forward return?",
        "dx = upstream * (x >= y) and dy = upstream * (x < y).",
        "lecture 01, Four patterns to read gradients off a picture",
        _at({G.Max: _losers, G.Maxout: _pieces_to_loser}),
        whole=True,
        refines=("swapped-inputs",),
    ),
    Mistake(
        "softmax-no-label",
        "1 was not subtracted at the label",
        "Each example's part of the gradient must sum to 0; yours sums to 1/N.",
        "The loss is -log p[label]. Which entry of each example feels that minus?",
        "dscores = p; dscores[np.arange(N), labels] -= 1; dscores /= N.",
        "lecture 03, Softmax cross-entropy",
        _at({G.SoftmaxCrossEntropy: _no_label, ColumnCrossEntropy: _no_label_of_columns}),
        refines=("overwritten-branch",),
    ),
    Mistake(
        "softmax-diagonal",
        "only the diagonal of softmax's Jacobian was used",
        "Softmax is not elementwise: every score changes every probability of its row.",
        "If one score grows, what happens to the other probabilities of its row?",
        "The Jacobian of a row is diag(p) - p pᵀ: dx = p * (upstream - (upstream * p).sum(axis=-1, keepdims=True)).",
        "lecture 03, Softmax cross-entropy",
        _at(
            {
                Softmax: lambda g, xs, out: (g * out * (1 - out),),
                ColumnSoftmax: lambda g, xs, out: (g * out * (1 - out),),
                G.SoftmaxCrossEntropy: _loss_diagonal,
            }
        ),
        refines=("overwritten-branch",),
    ),
    Mistake(
        "softmax-wrong-axis",
        "softmax was normalised over the batch, not over the classes",
        "The columns sum to 1 where the rows should.",
        "Which numbers must sum to 1: those of one example, or those of one class?",
        "Sum over the classes: axis=1 (or -1), with keepdims=True.",
        "lecture 03, Softmax cross-entropy",
        _list_wrong_axes,
        refines=("overwritten-branch",),
    ),
)
