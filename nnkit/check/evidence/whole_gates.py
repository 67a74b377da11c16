"""Gates that people write in many steps and differentiate in one: log-softmax, normalisation, variance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.evidence.array_gates import compute_log_softmax
from nnkit.check.evidence.function_graph import Place, Trace
from nnkit.graph import Node

MAX_NODES = 60
"""Nodes of a graph up to which every pair is looked at; in larger ones only those that begin at an input."""
MAX_EPSILON = 1e-2
"""Number up to which it may stand beside a variance, to keep the root away from 0."""
Axes = int | tuple[int, ...] | None


@dataclass(frozen=True)
class LogSoftmax:
    """out = log(softmax(x)) along the last axis."""


@dataclass(frozen=True)
class LogSumExp:
    """out = log(Σ exp(x)) along the last axis."""


@dataclass(frozen=True)
class Centre:
    """out = x - mean(x) over these axes."""

    axes: Axes


@dataclass(frozen=True)
class Normalise:
    """out = d / s, with s² = weight · Σ d² + ε over these axes; d is x, or x - mean(x)."""

    axes: Axes
    centred: bool
    weight: float


@dataclass(frozen=True)
class Spread:
    """out = weight · Σ (x - mean(x))² over these axes, or its root."""

    axes: Axes
    weight: float
    root: bool


@dataclass(frozen=True)
class ColumnCrossEntropy:
    """The mean cross-entropy of the softmax of each column: an example is a column."""


@dataclass(frozen=True)
class Mask:
    """out = scale · x where a mask lets it through, 0 elsewhere; the mask does not follow the sign of x."""

    scale: float


def find_wholes(graph: Trace) -> list[Place]:
    """Return the places of these gates, those of earlier inputs first; and those of the softmax loss whose target is
    given as ones and zeros."""
    if "wholes" not in graph.known:
        few = len(graph.nodes) <= MAX_NODES
        starts = [z for z in graph.nodes if not z.constant and (few or z.gate is None)]
        graph.known["wholes"] = [place for z in starts for place in _list_wholes(graph, z)]
    found: list[Place] = graph.known["wholes"]
    return found


def mean_over(x: Any, axes: Axes) -> Any:
    """Return the mean over these axes, kept with size 1."""
    return np.mean(x, axis=axes, keepdims=True)


def list_axes_of(x: Any) -> list[Axes]:
    """Return the axes that are taken together: each alone, all, and those of images."""
    n = np.ndim(x)
    return [*range(n), *([None] if n > 1 else []), *([(0, 2, 3), (1, 2, 3)] if n == 4 else [])]


def _list_wholes(graph: Trace, z: Node) -> Iterator[Place]:
    x = np.asarray(z.value)
    after = [node for node in graph.nodes[z.index + 1 :] if node.gate is not None and not node.constant]
    if x.ndim and x.size > 1:
        yield from _list_losses(graph, z, [node for node in after if not np.shape(node.value)])
        alike = [node for node in after if np.shape(node.value) == x.shape]
        yield from _list_masks(z, x, alike)
        for axes in list_axes_of(x):
            yield from (place for place in _list_along(z, x, axes, alike, after) if _is_made_of(place.node, z))


def _is_made_of(node: Node, z: Node) -> bool:
    """Return True if a node is a function of z alone: one of the same numbers may be made of another node."""
    left, seen = [node], {z.index}
    while left:
        one = left.pop()
        if one.index in seen or one.constant:
            continue
        if one.index < z.index or one.gate is None:
            return False
        seen.add(one.index)
        left.extend(one.inputs)
    return True


def _list_masks(z: Node, x: Any, alike: Sequence[Node]) -> Iterator[Place]:
    """Yield the last of the nodes that are x behind a mask."""
    masked = [(node, scale) for node in alike if (scale := _find_scale(x, np.asarray(node.value)))]
    for node, scale in masked[-1:]:
        factors = isinstance(node.gate, gates.Multiply) and not any(one.constant for one in node.inputs)
        if not factors:  # a product with an input that has zeros is no mask
            yield Place(Mask(scale), (z,), node)


def _find_scale(x: Any, out: Any) -> float:
    """Return what a mask multiplies by where it lets x through; 0 if out is not x behind a mask."""
    passed = out != 0
    if not np.any(passed) or np.all(passed[x != 0]) or not np.all(x[passed] != 0):
        return 0.0
    sides = [passed[side] for side in (x > 0, x < 0) if np.any(side)]
    if all(np.all(side) or not np.any(side) for side in sides):  # a ReLU, or its opposite
        return 0.0
    scale = float(np.ravel(out[passed] / x[passed])[0])
    return scale if scale > 0 and np.allclose(out, scale * x * passed, rtol=1e-9, atol=0) else 0.0


def _list_along(z: Node, x: Any, axes: Axes, alike: Sequence[Node], after: Sequence[Node]) -> Iterator[Place]:
    d, n = x - mean_over(x, axes), x.size // mean_over(x, axes).size
    if n == 1:
        return
    if axes == x.ndim - 1:
        totals = np.ravel(x - compute_log_softmax(x)).reshape(-1, n)[:, 0]
        ends = [node for node in after if np.size(node.value) == totals.size]
        yield from (Place(LogSumExp(), (z,), node) for node in ends[::-1] if _is_near(np.ravel(node.value), totals))
        yield from (Place(LogSoftmax(), (z,), node) for node in alike if _is_near(node.value, compute_log_softmax(x)))
    for node in alike:
        if _is_near(node.value, d):
            yield Place(Centre(axes), (z,), node)
        for deviations, centred in ((d, True), (x, False)):
            weight = _find_weight(deviations, np.asarray(node.value), axes, n)
            if weight:
                yield Place(Normalise(axes, centred, weight), (z,), node)
    squares = np.ravel(np.sum(d * d, axis=axes))
    fitting = [(node, np.ravel(node.value)) for node in after if np.size(node.value) == squares.size]
    for weight, root in product((1 / n, 1 / (n - 1)), (False, True)):
        value = np.sqrt(weight * squares) if root else weight * squares
        spreads = [node for node, flat in fitting if _is_near(flat, value)]
        yield from (Place(Spread(axes, weight, root), (z,), node) for node in spreads)


def _find_weight(d: Any, out: Any, axes: Axes, n: int) -> float:
    """Return the weight with which out is d / s; 0 if it is not."""
    with np.errstate(all="ignore"):
        squares = np.sum(d * d, axis=axes, keepdims=True)
        divisor = squares / np.sum(d * out, axis=axes, keepdims=True)
        if not np.all(np.isfinite(divisor)) or not _is_near(out * divisor, d) or _is_near(out, d):
            return 0.0
    for weight in (1 / n, 1 / (n - 1), 1.0):
        rest = divisor**2 - weight * squares
        if np.ptp(rest) < 1e-6 * float(np.max(divisor**2)) and -1e-9 < float(np.min(rest)) < MAX_EPSILON:
            return weight
    return 0.0


def _list_losses(graph: Trace, z: Node, scalars: Sequence[Node]) -> Iterator[Place]:
    x = np.asarray(z.value)
    if x.ndim != 2 or not scalars:
        return
    for labels in graph.labels:
        if np.shape(labels) == x.shape[1:] and np.min(labels) >= 0 and np.max(labels) < len(x):
            loss = _compute_loss(x.T, labels)
            yield from (
                Place(ColumnCrossEntropy(), (z,), node, (labels,)) for node in scalars if _is_near(node.value, loss)
            )
    for target in graph.nodes:
        if target is not z and np.shape(target.value) == x.shape and _is_one_hot(target.value):
            labels = np.argmax(target.value, axis=-1)
            loss = _compute_loss(x, labels)
            yield from (
                Place(gates.SoftmaxCrossEntropy(), (z,), node, (labels,))
                for node in scalars
                if _is_near(node.value, loss)
            )


def _compute_loss(scores: Any, labels: Any) -> Any:
    return -np.mean(compute_log_softmax(scores)[np.arange(len(labels)), labels])


def _is_one_hot(target: Any) -> bool:
    target = np.asarray(target)
    return bool(np.isin(target, (0, 1)).all() and (target.sum(axis=-1) == 1).all())


def _is_near(value: Any, expected: Any) -> bool:
    value, expected = np.asarray(value), np.asarray(expected)
    if value.shape != expected.shape or not value.size:
        return False
    one, other = value.flat[-1], expected.flat[-1]  # one entry tells most of them apart, in a tenth of the time
    if not abs(one - other) <= 1e-9 + 1e-6 * abs(other):
        return False
    return np.allclose(value, expected, rtol=1e-9, atol=1e-12 * max(1.0, float(np.max(np.abs(expected)))))
