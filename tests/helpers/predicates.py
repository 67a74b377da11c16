"""What each name of docs/mistakes.md claims about numbers, as the judge of verdicts reads it.

A predicate takes a `Point` and the position of a gradient, and returns True (the numbers agree with the claim), False
(they refute it) or None (they cannot say). It knows what came back, central differences, and the code, which it may ask
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from helpers.measured import Point, quiet

Judgement = bool | None
Predicate = Callable[[Point, int], Judgement]


def near(a: Any, b: Any, scale: float | None = None) -> bool:
    """Return True if two arrays are equal, up to what central differences are off by."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        return False
    size = float(np.max(np.abs(b), initial=0.0)) if scale is None else scale
    return bool(np.all(np.abs(a - b) <= 2e-5 * max(size, 1e-9)))


def _ratio(point: Point, k: int) -> float | None:
    """Return the one c with w = c·r, or None."""
    w, r = point.returned[k], point.right[k]
    if w.shape != r.shape or not np.any(r):
        return None
    c = float(np.sum(w * r) / np.sum(r * r))
    return c if near(w, c * r, float(np.max(np.abs(w), initial=0.0))) else None


# ---- of the right gradient --------------------------------------------------------------------------


def sign(point: Point, k: int) -> Judgement:
    """w = −r at every wrong entry."""
    w, r = point.returned[k], point.right[k]
    if w.shape != r.shape:
        return False
    wrong = point.wrong(k)
    return near(w[wrong], -r[wrong], float(np.max(np.abs(r), initial=0.0)))


def factor(point: Point, k: int) -> Judgement:
    """w = c·r at every wrong entry, with one c."""
    w, r, wrong = point.returned[k], point.right[k], point.wrong(k)
    if w.shape != r.shape or not np.any(r[wrong]):
        return False
    c = float(np.sum((w * r)[wrong]) / np.sum((r * r)[wrong]))
    return near(w[wrong], c * r[wrong], float(np.max(np.abs(w))))


def _sizes(point: Point) -> set[int]:
    shapes = [*map(np.shape, point.inputs), point.out.shape]
    sizes = {n for shape in shapes for n in shape if n > 1}
    return sizes | {int(np.prod(shape)) for shape in shapes if len(shape) > 1}


def no_batch_mean(point: Point, k: int) -> Judgement:
    """w = N·r or r/N, or divided by the size of another axis; of a loss with further terms, the numbers cannot say."""
    c = _ratio(point, k)
    if c is None:
        return None if _has_penalty(point, k) else False
    sizes = _sizes(point)
    powers = [f for n in sizes for f in (n, 1 / n, n * n, 1 / n**2)]
    return any(np.isclose(c, f, rtol=1e-4) for f in (*powers, *(n / m for n in sizes for m in sizes if n != m)))


def _has_penalty(point: Point, k: int) -> bool:
    """Return True if the value holds a term of this parameter alone: there w = N·(r − λW) + λW."""
    if not (point.answer.is_network or point.answer.check == "check_gradient"):
        return False
    w, r, x = point.returned[k], point.right[k], point.given(k)
    if w.shape != r.shape or x.size < 3:
        return w.shape == r.shape
    return any(_in_span(w - f * r, [x]) for n in _sizes(point) for f in (n, 1 / n))


def _in_span(residual: np.ndarray, terms: list[np.ndarray]) -> bool:
    columns = np.stack([term.ravel() for term in terms], axis=1)
    found, *_ = np.linalg.lstsq(columns, residual.ravel(), rcond=None)
    scale = float(np.max(np.abs(residual), initial=0.0))
    return near(columns @ found, residual.ravel(), scale)


def bias_not_summed(point: Point, k: int) -> Judgement:
    """More axes than r, and their sum is r."""
    w, r = point.returned[k], point.right[k]
    if w.shape == r.shape:
        return False
    for axes in _leading(w.ndim):
        total = w.sum(axis=axes)
        if total.size == r.size and near(total.reshape(r.shape), r):
            return True
    return False


def _leading(count: int) -> Iterator[tuple[int, ...]]:
    for bits in range(1, 2**count):
        yield tuple(axis for axis in range(count) if bits >> axis & 1)


def bias_mean(point: Point, k: int) -> Judgement:
    """w = r/N."""
    c = _ratio(point, k)
    return c is not None and any(np.isclose(c, 1 / n, rtol=1e-4) for n in _sizes(point))


def sum_all(point: Point, k: int) -> Judgement:
    """One number: the sum of r."""
    w, r = point.returned[k], point.right[k]
    scale = float(np.sum(np.abs(r)))
    return bool(np.ptp(w) == 0 if w.size else False) and near(w.flat[0], np.sum(r), scale)


def kept_dims(point: Point, k: int) -> Judgement:
    """The numbers of r; the shapes differ by axes of size 1 alone."""
    w, r = point.returned[k], point.right[k]
    squeezed = [tuple(n for n in a.shape if n != 1) for a in (w, r)]
    return w.shape != r.shape and squeezed[0] == squeezed[1] and near(w.reshape(r.shape), r)


def transposed(point: Point, k: int) -> Judgement:
    """w = rᵀ."""
    w, r = point.returned[k], point.right[k]
    return (r.ndim >= 2 and near(w, np.swapaxes(r, -1, -2))) or near(w, r.T)


def swapped_inputs(point: Point, k: int) -> Judgement:
    """w is another input's right gradient."""
    w = point.returned[k]
    return any(near(w, r) or near(w.ravel(), r.ravel()) for j, r in enumerate(point.right) if j != k)


def wrong_shape(point: Point, k: int) -> Judgement:
    """The shape is not the input's: here, or at other sizes."""
    return any(p.returned[k].shape != p.given(k).shape for p in (point, *point.answer.points))


def low_precision(point: Point, k: int) -> Judgement:
    """Off by little everywhere, or cut to whole numbers; but not left at 0."""
    w, r = point.returned[k], point.right[k]
    if w.shape != r.shape:
        return False
    left_at_0 = not any(np.any(p.returned[k]) for p in point.answer.points)
    if left_at_0 and np.any(np.abs(r) > 1e-9):  # of numbers below 1, `astype(int)` leaves 0 too
        small = all(np.all(np.abs(p.right[k]) < 1) for p in point.answer.points)
        return None if small and k in point.whole else False
    whole = np.array_equal(w, np.trunc(r)) or np.array_equal(w, np.round(r))
    return bool(whole or np.max(np.abs(w - r)) <= 0.01 * max(float(np.max(np.abs(r))), 1e-9)) or None


def numerical_derivative(point: Point, k: int) -> Judgement:
    """Off by little everywhere."""
    w, r = point.returned[k], point.right[k]
    return w.shape == r.shape and bool(np.max(np.abs(w - r), initial=0.0) <= 0.05 * float(np.max(np.abs(r), initial=0)))


def not_filled_in(point: Point, k: int) -> Judgement:
    """One number everywhere."""
    w = point.returned[k]
    return bool(np.all(np.isnan(w)) or (w.size and np.ptp(w) <= 1e-6 * np.max(np.abs(w))))


def regularisation(point: Point, k: int) -> Judgement:
    """w − r is made of W: a multiple of W, with W², its signs, a number, or the data's part."""
    w, r, x = point.returned[k], point.right[k], point.given(k)
    if w.shape != r.shape:
        return False
    residual = w - r
    return any(_in_span(residual, terms) for terms in ([x, r], [x, x**2], [x, np.sign(x)], [x, np.ones(x.shape)]))


# ---- of the upstream gradient -----------------------------------------------------------------------


def _asked_with(point: Point, k: int, scale: float) -> np.ndarray | None:
    other = point.answer.ask(point.inputs, scale * point.upstream)
    return None if other is None else other.returned[k]


def no_upstream(point: Point, k: int) -> Judgement:
    """w stays when the upstream gradient doubles."""
    if point.answer.check != "check_backward":
        return None
    other = _asked_with(point, k, 2.0)
    return None if other is None else near(other, point.returned[k])


def upstream_twice(point: Point, k: int) -> Judgement:
    """w is fourfold when the upstream gradient doubles."""
    if point.answer.check != "check_backward":
        return None
    other = _asked_with(point, k, 2.0)
    return None if other is None else near(other, 4 * point.returned[k])


# ---- of elementary gates -----------------------------------------------------------------------------


def _elementwise(point: Point) -> np.ndarray | None:
    """Return x, where the function is one of a single array, elementwise by its shape."""
    if len(point.inputs) != 1 or point.out.shape != np.shape(point.inputs[0]):
        return None
    return np.asarray(point.inputs[0], dtype=float)


def _sigmoid(x: Any) -> Any:
    with quiet():
        return 1 / (1 + np.exp(-x))


def _for_gate(function: Callable[[Any], Any], *slopes: Callable[[Any, Any], Any]) -> Predicate:
    """Return the predicate of a slope at one elementary gate; of a function that is not that gate, it cannot say."""

    def predicate(point: Point, k: int) -> Judgement:
        x = _elementwise(point)
        if x is None:
            return None
        with quiet():
            if not near(function(x), point.out):
                return None
            return any(near(point.returned[k], point.upstream * slope(x, point.out)) for slope in slopes)

    return predicate


def _exp_or_log(point: Point, k: int) -> Judgement:
    for gate in (
        _for_gate(np.exp, lambda x, a: x),
        _for_gate(np.log, lambda x, a: a, lambda x, a: x),
    ):
        found = gate(point, k)
        if found is not None:
            return found
    return None


def has_kink(point: Point) -> bool:
    """Return True if the value has a kink on some line through the inputs, as ReLU and max have."""
    rng = np.random.default_rng(7)
    for scale in (1.0, 4.0) * 4:
        ways = [rng.normal(size=np.shape(x)) * scale for x in point.inputs]
        found = _kink_along(point, ways)
        if found:
            return True
    return False


def _kink_along(point: Point, ways: list[np.ndarray]) -> bool:
    """Compare second differences at two steps: halving the step quarters those of a smooth function, and only halves
    that of a kink."""
    most = []
    for count in (129, 257, 513):
        steps = np.linspace(-2, 2, count)
        values = [np.asarray(point.answer.value(_along(point, ways, t)), dtype=float).ravel() for t in steps]
        second = np.diff(np.stack(values), n=2, axis=0)
        most.append(float(np.max(np.abs(second))) if np.all(np.isfinite(second)) else np.inf)
    if not np.isfinite(most[-1]) or most[0] == 0:
        return True  # it cannot be said
    return most[2] > most[0] / 10


def _along(point: Point, ways: list[np.ndarray], t: float) -> tuple[Any, ...]:
    return tuple(
        x if np.asarray(x).dtype.kind != "f" or i not in point.answer.wrt else (x + t * way)
        for i, (x, way) in enumerate(zip(point.inputs, ways))
    )


def _needs_kink(point: Point, k: int) -> Judgement:
    with quiet():
        return None if has_kink(point) else False


def _rectifier(slope: Callable[[Any, Any, Any], Any]) -> Predicate:
    def predicate(point: Point, k: int) -> Judgement:
        x = _elementwise(point)
        if x is not None and np.any(x > 0) and near(point.out[x > 0], x[x > 0]) and np.any(x < 0):
            leak = point.out[x < 0] / x[x < 0]
            if np.ptp(leak) < 1e-9 and abs(leak[0]) < 1:
                return near(point.returned[k], slope(point.upstream, x, leak[0]))
        return _needs_kink(point, k)

    return predicate


def relu_no_mask(point: Point, k: int) -> Judgement:
    """w = g, where the function passes positive numbers on as they are, and others not."""
    x = _elementwise(point)
    if x is not None and near(point.out[x > 0], x[x > 0]):
        return near(point.returned[k], point.upstream) if np.any(x > 0) else None
    return _needs_kink(point, k)


def _max_to(which: Callable[[Any, Any, Any], Any]) -> Predicate:
    def predicate(point: Point, k: int) -> Judgement:
        if len(point.inputs) == 2 and all(np.shape(x) == point.out.shape for x in point.inputs):
            mine, other = point.inputs[k], point.inputs[1 - k]
            if near(point.out, np.maximum(mine, other)):
                return near(point.returned[k], which(point.upstream, mine, other))
        return _needs_kink(point, k)

    return predicate


def own_input(point: Point, k: int) -> Judgement:
    """In a product of two, w = x·g; more than two gradients in another order are not that."""
    if len(point.inputs) == 2 and all(np.shape(x) == point.out.shape for x in point.inputs):
        x, y = point.inputs
        if near(point.out, x * y):
            return near(point.returned[k], point.upstream * point.given(k))
    twins = [j for j, r in enumerate(point.right) if j != k and near(r, point.right[k])]
    apart = any(not near(point.returned[j], point.returned[k]) for j in twins)
    return False if apart and is_rotated(point) else None  # the same wire reaches both inputs


def is_rotated(point: Point) -> bool:
    """Return True if three or more gradients are the right ones in another order."""
    left = list(range(len(point.right)))
    if len(left) < 3 or not any(point.is_wrong(k) for k in left):
        return False
    for w in point.returned:
        match = next((j for j in left if near(w, point.right[j])), None)
        if match is None:
            return False
        left.remove(match)
    return True


def matrix_product(matmul: bool) -> Predicate:
    """Return the predicate for the wrong kind or order of a product, where the function is x @ w."""

    def predicate(point: Point, k: int) -> Judgement:
        shapes = [np.shape(x) for x in point.inputs]
        if len(shapes) < 2 or len(shapes[0]) != 2 or len(shapes[1]) != 2 or k > 1 or shapes[0][1] != shapes[1][0]:
            return None
        x, w = point.inputs[:2]
        base = point.out - x @ w if point.out.shape == (shapes[0][0], shapes[1][1]) else None
        if base is None or not near(base, np.broadcast_to(base[:1], base.shape), float(np.max(np.abs(point.out)))):
            return None
        others = (point.inputs[1 - k], point.inputs[1 - k].T)
        ups = (point.upstream, point.upstream.T)
        pairs = [p for a in others for b in ups for p in ((a, b), (b, a))]
        made = [_product(a, b, matmul) for a, b in pairs]
        return any(m is not None and near(point.returned[k], m) for m in made)

    return predicate


def _product(a: np.ndarray, b: np.ndarray, matmul: bool) -> np.ndarray | None:
    try:
        return np.asarray(a @ b if matmul else a * b)
    except ValueError:
        return None


def softmax_diagonal(point: Point, k: int) -> Judgement:
    """w = g·p(1 − p)."""
    x = _elementwise(point)
    if x is None or x.ndim == 0:
        return None
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return near(point.returned[k], point.upstream * p * (1 - p)) if near(p, point.out) else None


def softmax_no_label(point: Point, k: int) -> Judgement:
    """In a loss of scores, w − r has one entry a row, the same in all."""
    if point.answer.check not in ("check_loss", "check_backward") or point.right[k].ndim != 2:
        return None
    labels = any(np.asarray(x).dtype.kind in "iu" for x in point.inputs)
    if not labels or point.returned[k].shape != point.right[k].shape:
        return None
    residual = point.returned[k] - point.right[k]
    here = np.abs(residual) > point.tolerance(k) * 10
    return bool(np.all(here.sum(axis=1) == 1) and np.ptp(residual[here]) <= 1e-4 * np.max(np.abs(residual)))


# ---- of how the code behaves -------------------------------------------------------------------------


def overflow(point: Point, k: int) -> Judgement:
    """At numbers of moderate size what comes back is finite."""
    inputs = [x / max(1.0, float(np.max(np.abs(x)))) if np.asarray(x).dtype.kind == "f" else x for x in point.inputs]
    other = point.answer.ask(tuple(inputs), point.upstream)
    if other is None:
        return None
    with quiet():
        return all(np.all(np.isfinite(w)) for w in other.returned)


def unjudged(point: Point, k: int) -> Judgement:
    return None


PREDICATES: dict[str, Predicate] = {
    "sign": sign,
    "factor": factor,
    "no-batch-mean": no_batch_mean,
    "bias-not-summed": bias_not_summed,
    "bias-mean": bias_mean,
    "sum-all": sum_all,
    "kept-dims": kept_dims,
    "transposed": transposed,
    "swapped-inputs": swapped_inputs,
    "wrong-shape": wrong_shape,
    "low-precision": low_precision,
    "numerical-derivative": numerical_derivative,
    "not-filled-in": not_filled_in,
    "regularisation": regularisation,
    "no-upstream": no_upstream,
    "upstream-twice": upstream_twice,
    "own-input": own_input,
    "wrong-order-product": matrix_product(True),
    "elementwise-for-matmul": matrix_product(False),
    "sigmoid-of-input": _for_gate(_sigmoid, lambda x, a: x * (1 - x)),
    "sigmoid-twice": _for_gate(_sigmoid, lambda x, a: _sigmoid(a) * (1 - _sigmoid(a))),
    "tanh-of-input": _for_gate(np.tanh, lambda x, a: 1 - x**2),
    "exp-is-input": _exp_or_log,
    "reciprocal-sign": _for_gate(lambda x: 1 / x, lambda x, a: a * a),
    "relu-on-upstream": _rectifier(lambda g, x, leak: np.where(g > 0, g, leak * g)),
    "relu-no-mask": relu_no_mask,
    "relu-inverted": _rectifier(lambda g, x, leak: np.where(x > 0, leak * g, g)),
    "max-to-both": _max_to(lambda g, mine, other: g),
    "max-to-loser": _max_to(lambda g, mine, other: np.where(mine < other, g, 0.0)),
    "softmax-diagonal": softmax_diagonal,
    "softmax-no-label": softmax_no_label,
    "overflow": overflow,
}
"""A name → its predicate. Names that are missing here are about several calls, or about a part of a larger function."""
