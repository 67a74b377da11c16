"""Equal inputs of a maximum, and nearly equal ones: right shares pass, in every convention, and others do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnkit.check import Verdict, check_backward, check_gradient

Share = Callable[[Any, Any], Any]
TIED = np.array([[1.0, 1.0, 0.2], [2.0, 2.0, 2.0], [0.0, 3.0, 1.0]])


def largest(x: Any) -> Any:
    return x.max(axis=1, keepdims=True)


def first(g: Any, x: Any) -> Any:
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), x.argmax(axis=1)] = g
    return dx


def last(g: Any, x: Any) -> Any:
    return first(g, x[:, ::-1])[:, ::-1]


def shared(g: Any, x: Any) -> Any:
    mask = x == largest(x)
    return g[:, None] * mask / mask.sum(axis=1, keepdims=True)


def each(g: Any, x: Any) -> Any:
    return g[:, None] * (x == largest(x))


def none(g: Any, x: Any) -> Any:
    mask = x == largest(x)
    return g[:, None] * mask * (mask.sum(axis=1, keepdims=True) == 1)


def halved(g: Any, x: Any) -> Any:
    mask = x == largest(x)
    return g[:, None] * mask / np.maximum(1, mask.sum(axis=1, keepdims=True) - 0.5)


def close(g: Any, x: Any) -> Any:
    return g[:, None] * (x > largest(x) - 0.01)


def isclose(g: Any, x: Any) -> Any:
    return g[:, None] * np.isclose(x, largest(x), rtol=1e-2)


def row_maximum(share: Share, x: Any) -> Verdict:
    class RowMaximum:
        def forward(self, x: Any) -> Any:
            return x.max(axis=1), x

        def backward(self, upstream: Any, cache: Any) -> Any:
            return share(upstream, cache)

    return check_backward(RowMaximum(), x)


def larger(share: Callable[..., Any], x: Any, y: Any) -> Verdict:
    class Larger:
        def forward(self, x: Any, y: Any) -> Any:
            return np.maximum(x, y), (x, y)

        def backward(self, upstream: Any, cache: Any) -> Any:
            return share(upstream, *cache)

    return check_backward(Larger(), x, y)


@pytest.mark.parametrize("share", [first, last, shared])
def test_any_share_that_adds_up_is_right(share: Share) -> None:
    assert row_maximum(share, TIED).passed
    assert row_maximum(share, np.ones((4, 3))).passed


@pytest.mark.parametrize(("share", "name"), [(each, "max-to-both"), (none, "tie-to-none"), (halved, "tie-shares")])
def test_shares_that_do_not_add_up_are_explained(share: Share, name: str) -> None:
    for x in (TIED[:2], np.ones((4, 3))):
        verdict = row_maximum(share, x)
        assert verdict.status == "wrong"
        assert name in (*verdict.mistakes, *verdict.explained_as)
        assert verdict.lesson


@pytest.mark.parametrize("share", [first, each, none])
def test_what_matters_at_ties_alone_is_right_without_them(share: Share, corpus_seed: int) -> None:
    assert row_maximum(share, np.random.default_rng(corpus_seed).normal(size=(4, 5))).passed


@pytest.mark.parametrize("share", [close, isclose])
@pytest.mark.parametrize("shape", [(4, 5), (3, 2), (4, 200)])
def test_close_is_not_equal(share: Share, shape: tuple[int, int], corpus_seed: int) -> None:
    verdict = row_maximum(share, np.random.default_rng(corpus_seed).normal(size=shape))
    assert verdict.mistakes == ("max-to-both",)
    assert "close to the maximum" in verdict.headline


@pytest.mark.parametrize(("x", "y"), [(np.array([1.0, 2.0, 0.0]), np.array([1.0, 5.0, 0.0])), (2.0, 2.0)])
def test_two_equal_arrays(x: Any, y: Any) -> None:
    assert larger(lambda g, x, y: (g * (x >= y), g * (x < y)), x, y).passed
    assert larger(lambda g, x, y: (g * (x > y), g * (x <= y)), x, y).passed
    assert larger(lambda g, x, y: (g * ((x > y) + (x == y) / 2), g * ((x < y) + (x == y) / 2)), x, y).passed
    assert larger(lambda g, x, y: (g * (x >= y), g * (x <= y)), x, y).mistakes == ("max-to-both",)
    assert larger(lambda g, x, y: (g * (x > y), g * (x < y)), x, y).explained_as == ("tie-to-none",)


def test_kinks_that_have_nothing_to_do_with_each_other_are_no_tie() -> None:
    verdict = check_gradient(lambda a, b: (max(a, 0) - max(b, 0), (float(a > 0), -float(b >= 0))), 0.0, 0.0)
    assert verdict.passed, str(verdict)


def test_margins_and_distances_at_their_kinks() -> None:
    def hinge(s: Any) -> Any:
        over = s[1:] - s[0] + 1 > 0
        return np.maximum(0, s[1:] - s[0] + 1).sum(), np.append(-float(over.sum()), over)

    def distance(a: Any, b: Any) -> Any:
        return np.abs(a - b).sum(), (np.sign(a - b), -np.sign(a - b))

    assert check_gradient(hinge, np.array([2.0, 1.0, 1.0, 1.0])).passed
    assert check_gradient(distance, np.array([1.0, 2.0]), np.array([1.0, 3.0])).passed
