"""Mistakes with softmax and its cross-entropy: the label, the diagonal, the axis."""

from __future__ import annotations

import numpy as np

from corpus import wrong_forwards as f
from corpus.wrong_base import at, backward, function, gate, loss
from corpus.wrong_forwards import one_hot, softmax


def cross_entropy(scores, labels):
    return -np.mean(np.log(softmax(scores)[np.arange(len(labels)), labels]))


@backward("softmax-no-label", on=f.CROSS_ENTROPY)
def only_p(upstream, cache):
    p, labels = cache
    return upstream * p / len(labels), None


@loss("softmax-no-label", at=at("nc", "n:c"), of=cross_entropy)
def no_one_subtracted(scores, labels):
    p = softmax(scores)
    return -np.log(p[np.arange(len(p)), labels]).mean(), p / p.shape[0]


def plain_cross_entropy(x, w, labels):
    e = np.exp(x @ w)
    p = e / np.sum(e, axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


@function("softmax-no-label", at=at("nd", "dc", "n:c"), of=plain_cross_entropy)
def linear_classifier(x, w, labels):
    p = softmax(x @ w)
    dscores = p / len(labels)
    return -np.log(p[np.arange(len(p)), labels]).mean(), (dscores @ w.T, x.T @ dscores)


@backward("softmax-diagonal", on=f.SOFTMAX)
def as_if_elementwise(upstream, p):
    return upstream * p * (1 - p)


@backward("softmax-diagonal", on=f.SOFTMAX.at("c"))
def diagonal_of_one_row(upstream, p):
    return upstream * (p - p**2)


def plain_squares(x, w):
    e = np.exp(x @ w)
    return np.sum((e / np.sum(e, axis=1, keepdims=True)) ** 2)


@function("softmax-diagonal", at=at("nd", "dc"), of=plain_squares)
def squares_of_the_probabilities(x, w):
    p = softmax(x @ w)
    dscores = 2 * p * p * (1 - p)
    return np.sum(p**2), (dscores @ w.T, x.T @ dscores)


@loss("softmax-diagonal", at=at("nc", "n:c"), of=cross_entropy)
def through_p_elementwise(scores, labels):
    p, N = softmax(scores), len(scores)
    dp = np.zeros(p.shape)
    dp[np.arange(N), labels] = -1 / p[np.arange(N), labels] / N
    return -np.log(p[np.arange(N), labels]).mean(), dp * p * (1 - p)


@gate("softmax-wrong-axis", at=at("nc", "n:c"), of=cross_entropy)
class CrossEntropyRecomputed:
    def forward(self, scores, labels):
        return cross_entropy(scores, labels), (scores, labels)

    def backward(self, upstream, cache):
        scores, labels = cache
        e = np.exp(scores - scores.max())
        p = e / e.sum(axis=0, keepdims=True)
        return upstream * (p - one_hot(labels, p.shape[1])) / len(p), None


@backward("softmax-wrong-axis", on=f.SOFTMAX)
def summed_over_the_batch(upstream, p):
    return p * (upstream - np.sum(upstream * p, axis=0))


@loss("softmax-wrong-axis", at=at("nc", "n:c"), of=cross_entropy)
def second_softmax_over_axis_0(scores, labels):
    N = scores.shape[0]
    value = -np.log(softmax(scores)[np.arange(N), labels]).mean()
    probs = np.exp(scores) / np.sum(np.exp(scores), axis=0)
    probs[np.arange(N), labels] -= 1
    return value, probs / N


@loss("softmax-wrong-axis", at=at("nc", "n:c"), of=cross_entropy)
def value_and_gradient_over_axis_0(scores, labels):
    N = scores.shape[0]
    exps = np.exp(scores - scores.max())
    probs = exps / exps.sum(axis=0)
    value = -np.log(probs[np.arange(N), labels]).mean()
    probs[np.arange(N), labels] -= 1
    return value, probs / N
