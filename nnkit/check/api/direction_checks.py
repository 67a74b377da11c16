"""Checks of forward mode and of second order: Jacobian-vector and Hessian-vector products. See docs/check.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.arrays import Array, get_name
from nnkit.check.diagnosis.explain_product import Product, explain_product, explain_product_shape
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.error_map import ErrorMap
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.finding import Explanation, Finding
from nnkit.check.evidence.jacobian_targets import jacobian_target
from nnkit.check.evidence.tolerance import Target, find_worst, format_place, make_table
from nnkit.check.forms.arguments import name_arguments
from nnkit.check.forms.roles import list_required
from nnkit.check.pipeline import guard_check
from nnkit.check.rendering.messages import explain_fields, join_titles
from nnkit.check.verdict import Verdict
from nnkit.language import say

Function = Callable[..., Any]
VECTORS = ("v", "p", "vec", "vector", "tangent", "u", "dx", "xdot", "direction")
SALT = 4160617


def check_jvp(function: Function, jvp: Function, *inputs_and_vectors: Array, name: str = "", rng: int = 0) -> Verdict:
    """Check a Jacobian-vector product, J(x) v: the derivative of function(x + t v) by t at 0.

    The arguments are the inputs of `function`, then one vector of the same shape for each: check_jvp(f, jvp, x, v).
    `jvp(*inputs, *vectors)` returns the product, alone or after the value, (out, product); jvp((x, y), (u, v)) does as
    well. It is compared at these vectors and at random ones.
    """
    title, half = name or get_name(jvp), len(inputs_and_vectors) // 2

    def check() -> Verdict | Finding:
        if not half or len(inputs_and_vectors) % 2:
            return Finding("error", say("give the inputs, then one vector for each of them: check_jvp(f, jvp, x, v)."))
        xs = _read_points(function, inputs_and_vectors[:half], inputs_and_vectors[half:])
        if isinstance(xs, Finding):
            return xs
        points, vectors = xs[:half], xs[half:]
        multiply = partial(_multiply, jvp, partial(_group, jvp, points))
        own = Product("J", function, points, name_arguments(function, half), multiply)
        draw = np.random.default_rng([SALT, rng])
        for ways in (vectors, tuple(draw.normal(size=np.shape(x))[()] for x in points)):
            product = _call(jvp, _group(jvp, points, ways))
            if isinstance(product, Finding):
                return product
            target = _differentiate(_along(function, points, ways), product)
            if target.misses(product).any():
                return _describe_wrong(title, own, ways, product, target)
        return Verdict(title, "right", say("J v agrees with the numerical derivative along v."))

    return guard_check(title, check)


def check_hvp(function: Function, hvp: Function, x: Array, v: Array, name: str = "", rng: int = 0) -> Verdict:
    """Check a Hessian-vector product, H(x) v: the derivative of the gradient at x + t v by t at 0.

    `function(x)` returns the gradient, (value, gradient), or the value alone: then the gradient is measured too, and
    the last digits are not looked at. `hvp` takes (x, v), (v, x) where its parameters say so, (function, x, v), or v
    alone. It is compared at this vector and at a random one.
    """
    title = name or get_name(hvp)

    def check() -> Verdict | Finding:
        xs = _read_points(function, (x,), (v,))
        if isinstance(xs, Finding):
            return xs
        point, vector = xs
        gradient, exact = _find_gradient(function, point)
        multiply = partial(_multiply, hvp, lambda ways: _order(function, hvp, np.array(point)[()], np.array(*ways)[()]))
        own = Product("H", gradient, (point,), name_arguments(function, 1), multiply)
        draw = np.random.default_rng([SALT, rng])
        for way in (vector, draw.normal(size=np.shape(point))[()]):
            product = _call(hvp, _order(function, hvp, np.array(point)[()], np.array(way)[()]))
            if isinstance(product, Finding):
                return product
            target = _differentiate(_along(gradient, (point,), (way,)), product)
            size = np.max([np.max(np.abs(gradient(x))) for x in (point, point + way)])
            wrong = target.misses(product) if exact else _misses_roughly(product, target, size)
            if wrong.any():
                return _describe_wrong(title, own, (way,), product, target, wrong)
        return Verdict(title, "right", say("H v agrees with the numerical derivative of the gradient along v."))

    return guard_check(title, check)


def _read_points(function: Function, inputs: Sequence[Any], vectors: Sequence[Any]) -> tuple[Any, ...] | Finding:
    """Return the inputs and the vectors in float64; a finding where their shapes differ."""
    names = name_arguments(function, len(inputs))
    own = [*names, *(say("the vector for {name}", name=name) for name in names)]
    given = [np.asarray(x, float) if np.asarray(x).dtype.kind in "iu" else x for x in (*inputs, *vectors)]
    xs = guarded_call.prepare_inputs(own, given)
    if isinstance(xs, Finding):
        return xs
    for name, x, v in zip(names, xs, xs[len(inputs) :]):
        if np.shape(x) != np.shape(v):
            return Finding(
                "error",
                say("the vector for {name} is {v}, but {name} is {x}.", name=name, v=np.shape(v), x=np.shape(x)),
            )
    return xs


def _group(jvp: Function, points: tuple[Any, ...], ways: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of a jvp: one by one, or in two tuples where it takes two and there are more."""
    required = list_required(jvp) or []
    grouped = len(required) == 2 and len(points) > 1 and not any(many for _, many in required)
    copies = tuple(np.array(x)[()] for x in points), tuple(np.array(w)[()] for w in ways)
    return copies if grouped else (*copies[0], *copies[1])


def _order(function: Function, hvp: Function, point: Any, way: Any) -> tuple[Any, ...]:
    """Return the arguments of a Hessian-vector product in its order."""
    names = [each for each, _ in list_required(hvp) or []]
    if len(names) == 1:
        return (way,)
    if len(names) == 3:
        return function, point, way
    is_first = len(names) == 2 and names[0] in VECTORS and names[1] not in VECTORS
    return (way, point) if is_first else (point, way)


def _read_product(name: str, returned: Any) -> np.ndarray | Finding:
    """Return the product, which may come after the value, as floats."""
    if isinstance(returned, Finding):
        return returned
    if isinstance(returned, tuple) and len(returned) == 2:
        returned = returned[1]
    if isinstance(returned, tuple) and len(returned) == 1:
        returned = returned[0]
    return guarded_call.read_float64(name, returned)


def _along(function: Function, points: Sequence[Any], ways: Sequence[Any]) -> Function:
    """Return the function of t that is function(x + t v)."""
    return lambda t: function(*(x + t * way for x, way in zip(points, ways)))


def _differentiate(path: Function, product: np.ndarray) -> Target:
    return jacobian_target(path, (np.float64(0.0),), 0, product)


def _find_gradient(function: Function, point: Any) -> tuple[Function, bool]:
    """Return the gradient as a function, and if it is exact: what was given, a part of it, or measured."""
    first = function(np.array(point)[()])
    if isinstance(first, tuple | list) and len(first) == 2 and np.ndim(first[0]) == 0:
        return lambda x: function(x)[1], True
    if np.shape(first) == np.shape(point) and np.ndim(point):
        return function, True
    return lambda x: _measure_gradient(function, np.asarray(x, dtype=float)), False


def _measure_gradient(function: Function, x: np.ndarray) -> np.ndarray:
    return numerical.estimate_jacobian(function, (x[()],), 0).value


def _misses_roughly(product: np.ndarray, target: Target, size: float) -> np.ndarray:
    """Return True where a product is far from one that was measured twice, from gradients of this size."""
    if product.shape != target.value.shape:
        return np.ones(target.value.shape, dtype=bool)
    scale = float(np.max(np.abs(target.value), initial=0.0))
    return np.asarray(~(np.abs(product - target.value) <= 1e-5 * scale + 1e-7 * min(1.0, size)))


def _call(function: Function, given: tuple[Any, ...]) -> np.ndarray | Finding:
    return _read_product(say("the product"), guarded_call.call_learner(function, given, get_name(function)))


def _multiply(function: Function, order: Callable[[Arrays], tuple[Any, ...]], ways: Arrays) -> np.ndarray:
    """Return the learner's product with other vectors; ValueError where there is none."""
    product = _call(function, order(ways))
    if isinstance(product, Finding):
        raise ValueError(product.headline)
    return product


def _describe_wrong(
    title: str, own: Product, ways: Arrays, product: np.ndarray, target: Target, wrong: Any = None
) -> Verdict:
    name, right = f"{own.letter}v", target.value
    if product.shape != right.shape:
        found = _explain(partial(explain_product_shape, own, ways, product))
        said = f": {join_titles(found)}" if found else ""
        sentence = say(
            "{name} is {shape}, but it should be {expected}{said}.",
            **{"name": name, "shape": product.shape, "expected": right.shape, "said": said},
        )
        why = say(
            "{name} has one number for each number of the gradient."
            if own.letter == "H"
            else "{name} has one number for each number of the output.",
            name=name,
        )
        hint = say("Add up over the entries of v: one sum for each row of {letter}.", letter=own.letter)
        shape = BY_ID["wrong-shape"].explain("", why=why, nudge="Print the shapes of v and of each term.", hint=hint)
        return Verdict(title, "wrong", sentence, **explain_fields((shape, *found)))
    missed = target.misses(product) if wrong is None else wrong
    index = find_worst(product, right, missed)
    error = float(np.abs(product[index] - right[index]))
    place = format_place(name, index)
    found = _explain(partial(explain_product, own, ways, product, right))
    said = say(
        "{wrong} of {count} entries are off, by up to {error:.3g} (at {where})",
        **{"wrong": int(missed.sum()), "count": missed.size, "error": error, "where": place},
    )
    sentence = say("{name} is wrong: {reason}.", name=name, reason=join_titles(found) or said)
    table, shown = make_table(name, product, right, missed), ErrorMap.of(name, product, right, missed)
    return Verdict(title, "wrong", sentence, error, place, table, shown, **explain_fields(found))


def _explain(explain: Callable[[], tuple[Explanation, ...]]) -> tuple[Explanation, ...]:
    """Return what explains a product; nothing where the learner's code does not take other vectors."""
    try:
        return explain()
    except (ArithmeticError, ValueError):
        return ()
