"""Explanation of a wrong product of a Jacobian or a Hessian with a vector: what it does to v, and by which matrix."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.explain_jacobian import explain_jacobian
from nnkit.check.diagnosis.explanations.conduct import PRODUCT
from nnkit.check.diagnosis.explanations.jacobian_entries import OF_ENTRY
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.diagnosis.mistakes.base import same
from nnkit.check.diagnosis.mistakes.sizes import say_times
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.jacobian_targets import jacobian_target
from nnkit.check.evidence.tolerance import Target
from nnkit.language import say

MAX_MATRIX_COLUMNS = 64
"""Entries of v up to which the matrix is found by which a product multiplies it."""
STEPS = tuple(10.0**-k for k in range(1, 9))
"""Steps with which people measure derivatives along v."""
MAX_QUOTIENT_ERROR = 0.02
"""Distance from a difference quotient, as a share of the error, up to which a product is one."""


@dataclass(frozen=True)
class Product:
    """A learner's product with vectors, and the function whose Jacobian it should use."""

    letter: str
    """J, or H where the function is a gradient."""
    function: Callable[..., Any]
    points: Arrays
    names: Sequence[str]
    multiply: Callable[[Arrays], np.ndarray]
    """Returns the learner's product with these vectors."""

    @property
    def matrix(self) -> str:
        return "Hessian" if self.letter == "H" else "Jacobian"

    def reword(self, title: str, why: str, nudge: str = PRODUCT.nudge, hint: str = PRODUCT.hint) -> tuple[Explanation]:
        """Return the description of a product in these words."""
        return (replace(PRODUCT, title=title, why=why, nudge=nudge, hint=self.rename(hint)),)

    def rename(self, text: str) -> str:
        """Return a text about J for the matrix at hand."""
        translated = say(text)
        if self.letter == "J":
            return translated
        return re.sub(r"\bJ\b", "H", translated, flags=re.ASCII).replace(say("Jacobian"), say("Hessian"))


def explain_product(product: Product, ways: Arrays, returned: np.ndarray, right: np.ndarray) -> tuple[Explanation, ...]:
    """Return what explains a wrong product with these vectors; nothing where that is not known."""
    draw = np.random.default_rng(0)
    others = tuple(draw.normal(size=np.shape(x))[()] for x in product.points)
    found = _describe_quotient(product, ways, returned, right) or _describe_conduct(product, ways, others, returned)
    if found or sum(map(np.size, ways)) > MAX_MATRIX_COLUMNS:
        return found or _describe_multiple(returned, right)
    return _describe_matrix(product)


def explain_product_shape(product: Product, ways: Arrays, returned: np.ndarray) -> tuple[Explanation, ...]:
    """Return what came back in a shape that is not the product's: the matrix alone, or a sum."""
    if len(ways) > 1 or np.size(ways[0]) > MAX_MATRIX_COLUMNS:
        return ()
    letter, v = product.letter, ways[0]
    target = jacobian_target(product.function, product.points, 0, np.zeros(())).value
    right = np.tensordot(target, v, np.ndim(v))
    if same(returned, target):
        return product.reword(
            say("this is {letter} itself, without v", letter=letter),
            say("{letter} v is one number for each row of {letter}.", letter=letter),
        )
    if same(returned, target * v):
        return product.reword(
            say("this is {letter} * v, entry by entry", letter=letter),
            say("{letter} v adds up each row of {letter} * v.", letter=letter),
        )
    if np.ndim(returned) == 0 and same(returned, np.sum(right)):
        return product.reword(
            say("this is the sum of {letter} v", letter=letter), "The product has an entry for each row."
        )
    if right.shape == np.shape(v) and same(returned, np.sum(v * right)):
        return product.reword(
            say("this is v · {letter} v, one number", letter=letter),
            say("{letter} v is a vector, before the product with v.", letter=letter),
        )
    return ()


def _describe_multiple(returned: np.ndarray, right: np.ndarray) -> tuple[Explanation, ...]:
    """Return the name of a product that is a multiple of the right one."""
    if same(returned, -right):
        return (BY_ID["sign"].explain(""),)
    ratio = float(np.sum(returned * right) / np.sum(right * right)) if np.any(right) else 0.0
    if ratio and same(returned, ratio * right):
        return (BY_ID["factor"].explain("", title=say("it is {times} what it should be", times=say_times(ratio))),)
    return ()


# ---- what it does to v --------------------------------------------------------------------------------


def _describe_conduct(product: Product, ways: Arrays, others: Arrays, returned: np.ndarray) -> tuple[Explanation, ...]:
    """Describe a product that is not linear in v, or does not use it."""
    letter = product.letter
    given, other = np.asarray(product.function(*product.points), dtype=float), product.multiply(others)
    if other.shape != returned.shape:
        return ()
    if same(returned, other):
        if same(returned, given):
            what = say("the gradient") if letter == "H" else say("the value")
            return product.reword(
                say("this is {what} itself, whatever v is", what=what),
                say("{letter} v says how {what} changes along v.", letter=letter, what=what),
            )
        where = say(
            "It is the same for v and for another vector, and so {letter} is not multiplied by v.", letter=letter
        )
        return product.reword(say("v is left out"), where, "Where does v stand in your formula?")
    twice, turned = (product.multiply(tuple(c * way for way in ways)) for c in (2.0, -1.0))
    if same(twice, returned):
        return product.reword(
            say("the length of v is left out"), "The product with 2 v is the same; it should be twice as much."
        )
    if same(turned, returned) and same(twice, 2 * returned):
        return product.reword(
            say("the sign of v is left out"), "The product with -v is the same; it should be the negative."
        )
    sums = product.multiply(tuple(a + b for a, b in zip(ways, others)))
    if not same(sums, returned + other) or not same(twice, 2 * returned):
        why = say("The product with a + b should be that with a plus that with b, and is not.")
        hint = say("Write a sum in which each term has one slope and one entry of v.")
        return product.reword(
            say("it is not linear in v"), why, "How often does v stand in each term: exactly once?", hint
        )
    if product.letter == "H" and same(returned, given * ways[0]):
        why = say("The gradient says how the value changes; {letter} says how the gradient does.", letter=letter)
        return product.reword(say("this is the gradient times v, entry by entry"), why)
    return ()


def _describe_quotient(
    product: Product, ways: Arrays, returned: np.ndarray, right: np.ndarray
) -> tuple[Explanation, ...]:
    """Return the name of a difference quotient along v; describe one whose division by the step is missing."""

    def value(t: float) -> Any:
        moved = (x + t * way for x, way in zip(product.points, ways))
        return np.asarray(product.function(*moved), dtype=float)

    error = float(np.max(np.abs(returned - right)))
    for h in STEPS:
        for rise, run in ((value(h) - value(0.0), h), (value(h) - value(-h), 2 * h)):
            if float(np.max(np.abs(returned - rise / run))) <= MAX_QUOTIENT_ERROR * error:
                why = say("It moves x by {h:g} · v, and what it finds is off by the curvature over that step.", h=h)
                hint = say("Differentiate the formula, and multiply each slope by its entry of v.")
                return (BY_ID["numerical-derivative"].explain("", why=why, hint=hint),)
            if np.any(rise) and same(returned, rise):
                return product.reword(
                    say("the difference is not divided by the step"),
                    say(
                        "It is what changes as x moves by {h:g} · v; the slope is that change for each unit "
                        "of the step.",
                        h=h,
                    ),
                )
    return ()


# ---- the matrix by which it multiplies v --------------------------------------------------------------


def _describe_matrix(product: Product) -> tuple[Explanation, ...]:
    """Describe the matrices by which a product that is linear multiplies its vectors, one for each input."""
    blocks = [_find_matrix(product, i) for i in range(len(product.points))]
    targets = [jacobian_target(product.function, product.points, i, block) for i, block in enumerate(blocks)]
    wrong = [i for i, (b, t) in enumerate(zip(blocks, targets)) if t.misses(b).any()]
    if not wrong:
        return ()
    if len(blocks) > 1:
        found = _compare_blocks(product, blocks, targets, wrong)
        if found:
            return found
    whole = _describe_multiple(np.concatenate([np.ravel(blocks[i]) for i in wrong]), _flatten(targets, wrong))
    if whole and len(blocks) == 1:
        return whole
    i, names = wrong[0], product.names
    found = whole or explain_jacobian(blocks[i], targets[i], product.function, product.points, i, names)
    if product.letter == "H" and found[0].hint == say(OF_ENTRY) and _is_gauss_newton(blocks[0]):
        return product.reword(
            say("v is multiplied by another matrix than H"),
            "Yours is symmetric, and v · H v is never negative with it: so it is with JᵀJ (Gauss-Newton), which leaves "
            "out how the slopes change.",
            "Which terms does a product have when it is differentiated? Is each slope in it a constant?",
            "Differentiate the slopes too: (u · w)' = u' · w + u · w'.",
        )
    return tuple(_say_of_matrix(product, e, names[i] if len(blocks) > 1 else "") for e in found)


def _find_matrix(product: Product, i: int) -> np.ndarray:
    """Return the matrix for input i, one column for each unit vector, with the axes of the output, then the input."""
    zeros = [np.zeros(np.shape(x)) for x in product.points]
    columns = []
    for unit in np.eye(int(np.size(zeros[i]))):
        ways = [*zeros[:i], unit.reshape(np.shape(zeros[i])), *zeros[i + 1 :]]
        columns.append(product.multiply(tuple(way[()] for way in ways)))
    stacked = np.stack(columns, axis=-1)
    return stacked.reshape(*stacked.shape[:-1], *np.shape(zeros[i]))


def _is_gauss_newton(block: np.ndarray) -> bool:
    """Return True for a symmetric matrix without negative eigenvalues, and with entries beside its diagonal."""
    square = block.reshape(int(np.prod(block.shape[: block.ndim // 2])), -1)
    if square.shape[0] != square.shape[1] or not same(square, square.T) or same(square, np.diag(np.diag(square))):
        return False
    sizes = np.linalg.eigvalsh(square)
    return bool(sizes[0] > -1e-9 * abs(sizes[-1]))


def _flatten(targets: Sequence[Target], at: Sequence[int]) -> np.ndarray:
    return np.concatenate([np.ravel(targets[i].value) for i in at])


def _compare_blocks(
    product: Product, blocks: Sequence[np.ndarray], targets: Sequence[Target], wrong: Sequence[int]
) -> tuple[Explanation, ...]:
    """Describe a product of several inputs in which a share is missing, or in which two changed places."""
    names = product.names
    for i in wrong:
        if not np.any(blocks[i]):
            return product.reword(
                say("the share of the vector for {names} is missing", names=names[i]),
                say("The function changes with {names} too, and both changes add.", names=names[i]),
                "Which inputs move along the direction? Each has a share.",
                say("Add the derivative with respect to {names}, times the vector for {names}.", names=names[i]),
            )
    if len(wrong) == 2 and all(same(blocks[a], targets[b].value) for a, b in (wrong, wrong[::-1])):
        a, b = (names[i] for i in wrong)
        title = say("the slopes in {a} and {b} changed places", a=a, b=b)
        why = say(
            "The vector for {a} belongs to the derivative with respect to {a}, that for {b} to the one in {b}.",
            a=a,
            b=b,
        )
        nudge, hint = (
            say("Which vector belongs to which input?"),
            say("d/d{a} · (vector for {a}) + d/d{b} · (vector for {b}).", a=a, b=b),
        )
        return (BY_ID["swapped-inputs"].explain("", title=title, why=why, nudge=nudge, hint=hint),)
    return ()


def _say_of_matrix(product: Product, found: Explanation, name: str) -> Explanation:
    """Return the explanation of a matrix as one of the product with it."""
    start = say("for {name}, ", name=name) if name else ""
    if found.id == "transposed":
        title = say("{start}v is multiplied by the transpose of the {matrix}", start=start, matrix=product.matrix)
        nudge = say("Does an entry of the product belong to an output, or to an input?")
        hint = say("(J v)[i] = Σ J[i, j] · v[j], over every input j; Jᵀ v is what a backward pass computes.")
        return replace(found, title=title, nudge=nudge, hint=hint)
    title = re.sub(r"\bits\b", "the matrix's", say(found.title))
    start += say("as a matrix, ") if found.id == "jacobian-entries" and say("matrix") not in title else ""
    why, nudge, hint = map(product.rename, (found.why, found.nudge, found.hint))
    return replace(found, title=product.rename(start + title), why=why, nudge=nudge, hint=hint)
