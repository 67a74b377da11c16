"""Mistakes with the factors of a product: their order, and `*` for `@`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from nnkit import gates
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants, same
from nnkit.check.diagnosis.mistakes.inject import Wrong, at_gates, given
from nnkit.check.evidence.array_gates import Pick, StackedMatMul
from nnkit.check.evidence.backward_pass import FaultyGate, vjp_with_faults
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.function_graph import group_rounds
from nnkit.check.evidence.wire_text import Names, name_wires
from nnkit.graph import Node
from nnkit.language import say, to_say


def _orders(a: Any, b: Any, right: Any) -> list[Any]:
    """Return every product of two matrices (or stacks of them), transposed or not and in either order, that is not the
    right one or its transpose; None where the sizes do not fit, so that the length is always the same."""
    found = []
    for p, q in product((a, _swap(a)), (b, _swap(b))):
        for left, other in ((p, q), (q, p)):
            value = left @ other if left.shape[-1] == other.shape[-2] else None
            known = value is None or same(value, right) or same(value, _swap(right))
            found.append(None if known else value)
    return found


def _swap(x: Any) -> Any:
    """Return the transpose of a matrix, or of each of a stack."""
    return np.swapaxes(x, -1, -2)


def _wrong_order(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    x, w, *rest = inputs
    if np.ndim(x) == 2 and np.ndim(w) == 1 and x.shape[0] == x.shape[1]:  # a matrix times a vector
        return [(np.outer(upstream, w), x @ upstream)]
    if min(np.ndim(x), np.ndim(w), np.ndim(upstream)) < 2:
        return []
    dx, dw = upstream @ _swap(w), _swap(x) @ upstream
    bias = [upstream.sum(axis=0) for _ in rest]
    return [(a, b, *bias) for a, b in zip(_orders(upstream, w, dx), _orders(upstream, x, dw))]


def _hadamard(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    """Return products entry by entry in place of matrix products, where the shapes allow."""
    x, w, *rest = inputs
    bias = [upstream.sum(axis=0) for _ in rest]
    return [(_times(upstream, a), _times(upstream, b), *bias) for a, b in ((w, x), (np.transpose(w), np.transpose(x)))]


def _times(a: Any, b: Any) -> Any:
    try:
        return a * b
    except ValueError:
        return None


def _matrix_products(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    """Return matrix products in place of products entry by entry."""
    x, y = inputs
    if not np.ndim(x) == np.ndim(y) == np.ndim(upstream) == 2:
        return []
    none = np.full((1, 1), np.nan)
    return list(zip(_orders(upstream, y, none), _orders(upstream, x, none)))


def _local_products(upstream: Any, inputs: Any, out: Any) -> list[tuple[Any, ...]]:
    """Return matrix products with the local derivative of an elementwise gate."""
    if np.ndim(upstream) != 2 or upstream.shape[0] != upstream.shape[1]:
        return []
    local = _local(inputs[0], out)
    return [(upstream @ d,) for d in local] + [(d @ upstream,) for d in local]


def _local(x: Any, out: Any) -> list[Any]:
    found = []
    for gate in UNARY:
        value, cache = gate.forward(x)
        if same(value, out):
            found.append(gate.backward(np.ones(np.shape(x)), cache)[0])
    return found


UNARY = (gates.Sigmoid(), gates.Tanh(), gates.ReLU(), gates.Exp())
PRODUCTS: dict[type, Wrong] = {
    gates.MatMul: _wrong_order,
    gates.Affine: _wrong_order,
    StackedMatMul: _wrong_order,
}
ELEMENTWISE: dict[type, Wrong] = {gates.MatMul: _hadamard, gates.Affine: _hadamard, gates.Multiply: _matrix_products}
OF_STACKS = to_say(
    "With stacks of matrices only the last two axes change places. For out = A @ B: dA = upstream @ B.swapaxes(-1, -2) "
    "and dB = A.swapaxes(-1, -2) @ upstream."
)
ELEMENTWISE |= {type(gate): _local_products for gate in UNARY}


# ---- the formulas of the product at hand -----------------------------------------------------------


def _describe_product(comparison: Comparison) -> dict[str, str]:
    """Return a hint with the gradients of the function's first product of matrices, if it has one."""
    for graph in comparison.graphs:
        names = name_wires(graph, comparison.names)
        for node in graph.nodes:
            if isinstance(node.gate, gates.MatMul | gates.Affine):
                return {"hint": _write_rule(node, names)}
            if isinstance(node.gate, StackedMatMul):
                return {"hint": OF_STACKS}
    return {}


def _write_rule(node: Node, names: Names) -> str:
    x, w = node.inputs[:2]
    left, right = _name_factor(x, names) or "A", _name_factor(w, names) or "B"
    whole = f"{left} @ {right}" + (" + b" if isinstance(node.gate, gates.Affine) else "")
    dx, dw = (
        _write_left(left, right, np.ndim(x.value), np.ndim(w.value)),
        _write_right(left, right, np.ndim(x.value), np.ndim(w.value)),
    )
    return say(
        "For out = {whole}: {dx} and {dw}."
        if node is node.graph.nodes[-1]
        else "For {whole}, with the upstream gradient there: {dx} and {dw}.",
        **{"whole": whole, "dx": dx, "dw": dw},
    )


def _write_left(left: str, right: str, rows: int, columns: int) -> str:
    """Write the gradient of the left factor; the numbers are how many axes the two have."""
    name, turned = left.removesuffix(".T"), left.endswith(".T")
    if columns == 2:
        return f"d{name} = {right} @ upstream.T" if turned else f"d{name} = upstream @ {_turn(right)}"
    if rows == 2:
        return f"d{name} = np.outer({right}, upstream)" if turned else f"d{name} = np.outer(upstream, {right})"
    return f"d{name} = upstream * {right}"


def _write_right(left: str, right: str, rows: int, columns: int) -> str:
    name, turned = right.removesuffix(".T"), right.endswith(".T")
    if rows == 2:
        return f"d{name} = upstream.T @ {left}" if turned else f"d{name} = {_turn(left)} @ upstream"
    if columns == 2:
        return f"d{name} = np.outer(upstream, {left})" if turned else f"d{name} = np.outer({left}, upstream)"
    return f"d{name} = upstream * {left}"


def _turn(name: str) -> str:
    return name[:-2] if name.endswith(".T") else f"{name}.T"


def _name_factor(node: Node, names: Names) -> str:
    """Return the name of an input, or of its transpose; "" for what is computed."""
    if node.index in names:
        return names[node.index]
    if isinstance(node.gate, Pick) and node.inputs[0].index in names and np.ndim(node.value) == 2:
        whole = np.asarray(node.inputs[0].value)
        if np.array_equal(node.value, whole.T):
            return f"{names[node.inputs[0].index]}.T"
    return ""


# ---- a transpose that is missing ---------------------------------------------------------------------


def _list_orders(comparison: Comparison) -> Variants:
    """Return products with a factor that is not transposed, each in its own words, and those in another order."""
    found: Variants = _list_symmetric(comparison)
    for graph in comparison.graphs:
        names = name_wires(graph, comparison.names)
        for group in group_rounds([place for place in graph.places if type(place.gate) in PRODUCTS]).values():
            for key, gradients in _list_untransposed(group[0].node, names):
                faults = [FaultyGate(place, gradients) for place in group]
                grads = vjp_with_faults(graph, comparison.upstream, faults)
                found.setdefault(key, given(graph, grads, comparison))
    return found | at_gates(comparison, PRODUCTS)


def _list_untransposed(node: Node, names: Names) -> Iterator[tuple[Explanation, Wrong]]:
    """Yield upstream @ w in place of upstream @ w.T, and x @ upstream in place of x.T @ upstream, where these fit."""
    x, w = (np.asarray(one.value) for one in node.inputs[:2])
    if isinstance(node.gate, StackedMatMul):
        yield from _list_untransposed_stacks(
            x, w, [_name_factor(one, names) or "AB"[k] for k, one in enumerate(node.inputs)]
        )
    if x.ndim != 2 or w.ndim != 2:
        return
    left, right_name = (_name_factor(one, names) or name for one, name in zip(node.inputs, "AB"))
    rule = _write_rule(node, names)
    if w.shape[0] == w.shape[1]:
        yield _say_untransposed(f"upstream @ {right_name}", f"upstream @ {_turn(right_name)}", rule), _keep_right_factor
    if x.shape[0] == x.shape[1]:
        yield _say_untransposed(f"{left} @ upstream", f"{_turn(left)} @ upstream", rule), _keep_left_factor
    if x.shape[0] == w.shape[1]:
        used, right = f"{_turn(left)} @ upstream.T", f"{_turn(left)} @ upstream"
        if right_name.endswith(".T"):
            used, right = f"upstream @ {left}", f"upstream.T @ {left}"
        yield _say_untransposed(used, right, rule), _turn_upstream


def _list_untransposed_stacks(x: Any, w: Any, names: list[str]) -> Iterator[tuple[Explanation, Wrong]]:
    """Yield the same for stacks of square matrices."""
    left, right = names
    if w.shape[-2] == w.shape[-1]:
        used = f"upstream @ {right}"
        yield _say_untransposed(used, f"{used}.swapaxes(-1, -2)", OF_STACKS), _keep_right_factor
    if x.shape[-2] == x.shape[-1]:
        used, turned = f"{left} @ upstream", f"{left}.swapaxes(-1, -2) @ upstream"
        yield _say_untransposed(used, turned, OF_STACKS), _keep_left_factor
    if x.shape[-2] == w.shape[-1]:
        words = _say_untransposed("upstream", say("upstream.swapaxes(-1, -2), or the other way round"), OF_STACKS)
        yield words, _turn_upstream


def _turn_upstream(upstream: Any, inputs: Any, out: Any) -> Any:
    x, w, *rest = inputs
    return upstream @ _swap(w), _swap(x) @ _swap(upstream), *(upstream.sum(axis=0) for _ in rest)


def _keep_right_factor(upstream: Any, inputs: Any, out: Any) -> Any:
    x, w, *rest = inputs
    return upstream @ w, _swap(x) @ upstream, *(upstream.sum(axis=0) for _ in rest)


def _keep_left_factor(upstream: Any, inputs: Any, out: Any) -> Any:
    x, w, *rest = inputs
    return upstream @ _swap(w), x @ upstream, *(upstream.sum(axis=0) for _ in rest)


def _say_untransposed(used: str, right: str, rule: str) -> Explanation:
    """Return the words for a factor that is transposed where it must not be, or not where it must."""
    return next(m for m in MISTAKES if m.id == "wrong-order-product").explain(
        "",
        title=say("a transpose is not right: {used} in place of {right}", used=used, right=right),
        why="The matrix is square, so its shape does not tell; the gradient goes back through each entry that forward "
        "went through.",
        nudge="Entry [i, j] of the matrix leads from which input to which output? Which of the two is summed over?",
        hint=rule,
    )


# ---- a matrix that is not symmetric -------------------------------------------------------------------


def _list_symmetric(comparison: Comparison) -> Variants:
    """Return the gradients of x @ A @ x that are right for a symmetric A alone, each for one x and one A."""
    found: Variants = {}
    for i, (x, right) in enumerate(zip(comparison.given, comparison.right)):
        for name, a in _list_squares(comparison, np.shape(x)[-1:]):
            turned = _weigh(comparison.upstream, np.asarray(x) @ (a - a.T))
            for c in (1.0, 0.5, *(n for size in np.shape(x)[:-1] for n in (1 / size, 0.5 / size))):
                for sign, used in ((-1.0, name), (1.0, f"{name}.T")):
                    gradient = right + sign * c * turned
                    if same(comparison.returned[i], gradient) and not same(gradient, right):
                        words = _say_symmetric(comparison.name(i), name, used, np.ndim(x), c)
                        claims = [None] * len(comparison.right)
                        found[words] = tuple([*claims[:i], gradient, *claims[i + 1 :]])
    return found


def _weigh(upstream: Any, gradient: Any) -> Any:
    """Return a gradient times upstream, which is one number or one for each row."""
    rows = np.ndim(upstream) and np.shape(upstream) == np.shape(gradient)[:-1]
    return gradient * (np.asarray(upstream)[..., None] if rows else upstream) if rows or not np.ndim(upstream) else 0.0


def _list_squares(comparison: Comparison, shape: tuple[int, ...]) -> list[tuple[str, Any]]:
    """Return the matrices with as many rows and columns as this, by name: inputs, and constants of the function."""
    matrices = [(name, np.asarray(a)) for name, a in zip(comparison.names, comparison.inputs)]
    matrices += [("A", np.asarray(n.value)) for graph in comparison.graphs for n in graph.nodes if n.constant]
    return [(name, a) for name, a in matrices if shape and a.shape == 2 * shape and not same(a, a.T)]


def _say_symmetric(x: str, a: str, used: str, axes: int, c: float) -> Explanation:
    form, right = (f"{x} @ {a} @ {x}", f"({a} + {a}.T) @ {x}") if axes == 1 else (f"{x} @ {a}", f"{x} @ ({a} + {a}.T)")
    product = f"{used} @ {x}" if axes == 1 else f"{x} @ {used}"
    used = {1.0: f"2 * {product}", 0.5: product}.get(c, say("a multiple of {product}", product=product))
    return next(m for m in MISTAKES if m.id == "wrong-order-product").explain(
        "",
        title=say("{used} is right for a symmetric {a} alone", used=used, a=a),
        why=say(
            "{x} comes in twice there, on the left of {a} and on the right: the one brings {a}, the other {a}.T.",
            x=x,
            a=a,
        ),
        nudge=say(
            "Write {form} as a sum over i and j. In which terms does the k-th entry of {x} stand?", form=form, x=x
        ),
        hint=say("The slope of {form} is {right}, times the factor that stands before it.", form=form, right=right),
    )


MISTAKES = (
    Mistake(
        "wrong-order-product",
        "the factors of a matrix product are in the wrong order",
        "A @ B is not B @ A: rows meet columns, and other sizes or other numbers come out.",
        "Write the shape below each factor. In which order do the inner sizes meet and the outer ones remain?",
        "For out = A @ B: dA = upstream @ B.T and dB = A.T @ upstream. No other order has their shapes.",
        "lecture 03, Matrix products",
        _list_orders,
        words=_describe_product,
    ),
    Mistake(
        "elementwise-for-matmul",
        "* and @ were mistaken for each other",
        "`*` multiplies entry by entry, `@` rows by columns.",
        "Which product does forward use: entry by entry, or rows by columns?",
        "`*` in forward gives `*` in backward; a product of matrices in forward gives one in backward.",
        "lecture 03, Matrix products",
        lambda comparison: at_gates(comparison, ELEMENTWISE),
        words=_describe_product,
    ),
)
