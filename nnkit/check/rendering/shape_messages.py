"""Shapes in words: axis by axis, with the origin of a size, and the only order of a product that fits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.subjects import Subject
from nnkit.language import say, say_count
from nnkit.text import join_ands

Shape = tuple[int, ...]


def describe_shape(gradient: str, returned: Shape, name: str, shape: Shape) -> str:
    """Describe a gradient's wrong shape in one sentence."""
    start = say(
        "{gradient} is {returned}, but {name} is {shape}", gradient=gradient, returned=returned, name=name, shape=shape
    )
    if returned == shape[::-1] and len(shape) > 1:
        return say("{start}: the transpose of {name}'s shape.", start=start, name=name)
    if not returned:
        return say("{start}: one number stands for all of them.", start=start)
    if int(np.prod(returned)) == int(np.prod(shape)):
        return (
            say(
                "{start}: an axis of size 1 is too many."
                if len(returned) > len(shape)
                else "{start}: an axis of size 1 is missing.",
                start=start,
            )
            if _squeezed(returned) == _squeezed(shape)
            else say("{start}: the right count of numbers, on other axes.", start=start)
        )
    if len(returned) > len(shape):
        extra = len(returned) - len(shape)
        if returned[extra:] == shape:
            return say_count(
                "{start}: the first axis, {sizes}, should have been summed over.",
                "{start}: the first {number} axes, {sizes}, should have been summed over.",
                extra,
                **{"start": start, "sizes": returned[:extra] if extra > 1 else returned[0]},
            )
        return say_count("{start}: {number} axis more.", "{start}: {number} axes more.", extra, start=start)
    if len(returned) < len(shape):
        missing = len(shape) - len(returned)
        return say_count(
            "{start}: {number} axis is missing.", "{start}: {number} axes are missing.", missing, start=start
        )
    wrong = [
        say("axis {axis} is {size} instead of {expected}", axis=axis, size=size, expected=expected)
        for axis, (size, expected) in enumerate(zip(returned, shape))
        if size != expected
    ]
    return f"{start}: {join_ands(wrong)}."


def _squeezed(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def describe_origins(subject: Subject, comparison: Comparison, k: int) -> tuple[str, ...]:
    """Return sentences on the origin of the sizes in a wrong shape: "4 is the size of axis 0 of x."."""
    i = subject.wrt[k]
    foreign = [
        s for s in dict.fromkeys(comparison.returned[k].shape) if s > 1 and s not in np.shape(comparison.inputs[i])
    ]
    known = [(name, np.shape(x)) for name, x in zip(subject.names, comparison.inputs)]
    known.append((say("the output"), np.shape(comparison.out)))
    sentences = []
    for size in foreign:
        owners = [
            say("axis {axis} of {name}", axis=shape.index(size), name=name) for name, shape in known if size in shape
        ]
        if owners:
            sentences.append(say("{size} is the size of {owners}.", size=size, owners=_join_owners(owners)))
    return tuple(sentences)


def _join_owners(owners: Sequence[str]) -> str:
    return reduce(lambda first, last: say("{first} and of {last}", first=first, last=last), owners)


def describe_only_order(subject: Subject, comparison: Comparison, k: int) -> tuple[str, ...]:
    """Return the only order of the factors that has the input's shape, if the function is a matrix product."""
    return describe_products(subject, comparison.inputs, only=subject.wrt[k])


def describe_products(subject: Subject, inputs: Arrays, only: int | None = None) -> tuple[str, ...]:
    """Return the shape rule for a product of two inputs (+ b): for each gradient, the one order of the factors that
    fits."""
    factors = _find_factors(subject, inputs)
    if not factors:
        return ()
    left, right = factors
    product_shape = np.shape(inputs[left])[:1] + np.shape(inputs[right])[1:]
    sentences = []
    for i, other in ((left, right), (right, left)):
        fitting = _fitting(product_shape, np.shape(inputs[other]), np.shape(inputs[i]), subject.names[other])
        if only in (None, i) and len(fitting) == 1:
            sentences.append(
                say(
                    "Shape rule: only {product} has {name}'s shape {shape}.",
                    **{"product": fitting[0], "name": subject.names[i], "shape": np.shape(inputs[i])},
                )
            )
    return tuple(sentences)


def _find_factors(subject: Subject, inputs: Arrays) -> tuple[int, int] | None:
    """Return the positions of the left and the right factor, where the function is a product of two matrices, or one
    with a bias added to its rows or its columns."""
    if len(inputs) < 2 or np.ndim(inputs[0]) != 2 or np.ndim(inputs[1]) != 2:
        return None
    for left, right in ((0, 1), (1, 0)):
        try:
            rest = np.asarray(subject.function(*inputs)) - np.asarray(inputs[left]) @ np.asarray(inputs[right])
        except Exception:  # no product of these two
            continue
        if np.allclose(rest, rest[:1]) or np.allclose(rest, rest[:, :1]):
            return left, right
    return None


def _fitting(upstream: Shape, other: Shape, wanted: Shape, name: str) -> list[str]:
    """Return the products of upstream and the other factor, transposed or not, that have the wanted shape."""
    sides: list[tuple[Any, ...]] = [(("upstream", upstream), ("upstream.T", upstream[::-1]))]
    sides.append(((name, other), (f"{name}.T", other[::-1])))
    found = []
    for a, b in product(*sides):
        for (left, p), (right, q) in ((a, b), (b, a)):
            if p[1] == q[0] and (p[0], q[1]) == wanted:
                found.append(f"{left} @ {right}, {p} @ {q},")
    return found
