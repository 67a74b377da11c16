"""A check of a learner's own numerical gradient: the central difference quotient. See `nnkit.check`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit.arrays import Array, get_name
from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.tolerance import make_table
from nnkit.check.pipeline import guard_check
from nnkit.check.verdict import Verdict
from nnkit.language import say, to_say
from nnkit.text import join_words

Function = Callable[..., Any]


def check_numerical_gradient(
    numerical: Function,
    function: Function,
    x: Array,
    steps: Sequence[float] = (0.1, 1e-5),
    name: str = "",
    rng: int = 0,
) -> Verdict:
    """Check a numerical gradient: `numerical(function, x, upstream, h)` returns the central difference quotient of
    Σ upstream · function(x) with respect to each entry of x, an array like x.

    It is asked for a random upstream gradient and each of these steps h. A large one shows the formula, since its error
    is large and known. `x` may hold whole numbers; it must come back as it was.
    """
    title = name or get_name(numerical)

    def check() -> Verdict | Finding:
        upstream = np.random.default_rng(rng).normal(size=np.shape(function(np.asarray(x, dtype=float))))
        asked = []
        for h in steps:
            differences = Differences.of(function, np.asarray(x, dtype=float), upstream, h)
            given = np.array(x)
            returned = guarded_call.call_learner(numerical, (function, given, np.array(upstream)[()], h), "it")
            finding = returned if isinstance(returned, Finding) else _read_gradient(returned, np.shape(x))
            if isinstance(finding, Finding):
                return finding
            asked.append((differences, finding, is_put_back(given, x)))
        return _judge_measured(numerical, x, asked) or Verdict(
            title, "right", say("it is the central difference quotient.")
        )

    return guard_check(title, check)


@dataclass(frozen=True)
class Differences:
    """The values of Σ upstream · f around a point, from which any difference quotient is made."""

    function: Function
    x: np.ndarray
    upstream: np.ndarray
    h: float
    plus: np.ndarray
    minus: np.ndarray
    middle: float
    rounding: float
    """Bound of the error by rounding in a quotient with this h."""

    @classmethod
    def of(cls, function: Function, x: np.ndarray, upstream: np.ndarray, h: float) -> Differences:
        """Evaluate f at x ± h for each entry of x."""
        plus, minus = (_evaluate_nudged(function, x, upstream, step) for step in (h, -h))
        out = np.asarray(function(x.copy()), dtype=float)
        size = float(np.sum(np.abs(upstream * out))) + float(np.max(np.abs(plus - minus), initial=0.0)) / h
        return cls(
            function, x, upstream, h, plus, minus, float(np.sum(upstream * out)), 1e3 * np.finfo(float).eps * size / h
        )

    def central(self) -> np.ndarray:
        """Return the right answer."""
        quotient: np.ndarray = (self.plus - self.minus) / (2 * self.h)
        return quotient

    def agrees(self, a: np.ndarray, b: np.ndarray) -> bool:
        """Return True if these quotients differ by no more than rounding."""
        bound = self.rounding + 1e-9 * float(np.max(np.abs(b), initial=0.0))
        return bool(np.all(np.abs(a - b) <= bound))


def _evaluate_nudged(function: Function, x: np.ndarray, upstream: np.ndarray, step: float) -> np.ndarray:
    """Return Σ upstream · f with each entry of x in turn moved by `step`, in x's shape."""
    values = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += step
        values[index] = np.sum(upstream * function(moved))
    return values


def _read_gradient(returned: Any, shape: tuple[int, ...]) -> np.ndarray | Finding:
    numbers = guarded_call.read_numbers(say("the gradient"), returned, shape)
    if isinstance(numbers, Finding):
        return replace(numbers, words=SHAPE_OF_X) if "wrong-shape" in numbers.mistakes else numbers
    return numbers.astype(float)


def is_put_back(after: np.ndarray, before: Array) -> bool:
    """Return True if x is what it was, up to the rounding of x + h - h."""
    return after.shape == np.shape(before) and bool(np.allclose(after, before, rtol=1e-12, atol=1e-12))


def _one_sided(d: Differences) -> list[np.ndarray]:
    return [sign * (side - d.middle) / (n * d.h) for sign, side in ((1, d.plus), (-1, d.minus)) for n in (1, 2)]


def _without_upstream(d: Differences) -> list[np.ndarray]:
    return [Differences.of(d.function, d.x, np.ones(np.shape(d.upstream)), d.h).central()]


def _left_behind(d: Differences) -> list[np.ndarray]:
    """Return the gradients that are measured if each entry stays at x + h, or at x - h."""
    found = []
    for kept in (d.h, -d.h):
        moved, quotient = d.x.copy(), np.empty(d.x.shape)
        for index in np.ndindex(d.x.shape):
            around = [np.sum(d.upstream * d.function(_replace(moved, index, d.x[index] + s))) for s in (d.h, -d.h)]
            quotient[index] = (around[0] - around[1]) / (2 * d.h)
            moved[index] += kept
        found.append(quotient)
    return found


def _replace(x: np.ndarray, index: tuple[int, ...], number: Any) -> np.ndarray:
    moved = x.copy()
    moved[index] = number
    return moved


WRONG_QUOTIENTS: dict[str, Callable[[Differences], list[np.ndarray]]] = {
    "one-sided-difference": _one_sided,
    "step-not-doubled": lambda d: [2 * d.central()],
    "no-upstream": _without_upstream,
    "sign": lambda d: [-d.central()],
    "not-put-back": _left_behind,
}
"""Quotients that each mistake gives, in the ways in which it is made."""

LEFT_MOVED = {
    "nudge": to_say("Print x before and after the call."),
    "hint": to_say("Nudge a copy, or write the old number back before you go on."),
    "lesson": to_say("lecture 01, What we want: one slope for each input"),
}
"""Words for the mistake "mutated-input" in code that nudges its inputs."""
SHAPE_OF_X = {
    "why": to_say("Each entry of x has a slope of its own, at its own place."),
    "nudge": to_say("Print the shape of x, and that of what is returned."),
    "hint": to_say(
        "Fill np.zeros(x.shape), one entry for each of x; a flat list of all slopes needs `.reshape(x.shape)`."
    ),
    "lesson": to_say("lecture 01, What we want: one slope for each input"),
}
OTHER_QUOTIENTS: tuple[tuple[str, str, Callable[[Differences], np.ndarray]], ...] = (
    (
        to_say("it is multiplied by h where it should be divided"),
        to_say("Python reads `a / 2 * h` as `(a / 2) * h`: write `a / (2 * h)`."),
        lambda d: d.central() * d.h**2,
    ),
    (
        to_say("the difference was multiplied by 2 * h where it should be divided"),
        to_say("Divide by the distance between the points: `/ (2 * h)`."),
        lambda d: d.central() * (2 * d.h) ** 2,
    ),
    (to_say("the difference was not divided"), to_say("Divide by the distance between the points: 2 * h."),
     lambda d: d.central() * 2 * d.h),
    (to_say("the difference was divided by 2 alone"), to_say("Divide by the distance between the points: 2 * h."),
     lambda d: d.central() * d.h),
)  # fmt: skip
"""Quotients that are described, each with its hint."""
WORDS: dict[str, dict[str, str]] = {
    "one-sided-difference": {
        "hint": to_say(
            "Evaluate on both sides: (f(x + h) - f(x - h)) / (2 * h). If the code seems to: `p = x` makes no copy, "
            "so p[i] += h and then p[i] -= h ends at x; write `p = x.copy()`."
        ),
    },
    "no-upstream": {
        "why": to_say(
            "What is measured is the slope of the sum of all outputs; the slope of Σ upstream · out was asked for."
        ),
        "nudge": to_say("Which number, made of all outputs, is it whose slope you measure?"),
        "hint": to_say("Measure np.sum(upstream * f(x)) at both points."),
        "lesson": to_say("lecture 03, Vector-Jacobian products"),
    },
    "sign": {
        "why": to_say("The value at x - h is subtracted from the one at x + h."),
        "nudge": to_say("If f grows with x, should the quotient be positive or negative?"),
        "hint": to_say("Subtract the value at x - h from the value at x + h."),
        "lesson": to_say("lecture 01, What we want: one slope for each input"),
    },
    "whole-numbers": {
        "why": to_say("In an array of whole numbers, x + h becomes x again, and 0.7 becomes 0."),
        "nudge": to_say("Print the dtype of the array that you nudge, and of the one that you fill."),
        "hint": to_say("Begin with x = np.array(x, dtype=float), and fill np.zeros(x.shape)."),
    },
}


def _judge_measured(
    numerical: Function, x: Array, asked: Sequence[tuple[Differences, np.ndarray, bool]]
) -> Finding | None:
    """Return what is wrong with the gradients that were measured with each step."""
    off = [(d, returned) for d, returned, _ in asked if not d.agrees(returned, d.central())]
    if not off:
        if all(put_back for *_, put_back in asked):
            return None
        sentence = say("the gradient is right, but x is not what it was before the call.")
        return Finding("wrong", sentence, ("mutated-input",), words=LEFT_MOVED)
    differences, returned = off[0]
    right = differences.central()
    wrong = ~(np.abs(returned - right) <= differences.rounding + 1e-9 * np.max(np.abs(right), initial=0.0))
    entries = make_table("gradient", returned, right, wrong)
    error = float(np.max(np.abs(returned - right)[wrong], initial=0.0))
    seen = (say("Seen with h = {h:g}.", h=differences.h),)
    names = [id for id, ways in WRONG_QUOTIENTS.items() if _explains(ways, asked)]
    if not names and _is_right_in_floats(numerical, x, differences):
        names = ["whole-numbers"]
    if len(names) == 1:
        headline = f"{say(ENTRIES[names[0]].title)}."
        return Finding("wrong", headline, tuple(names), entries, error, seen, words=WORDS.get(names[0], {}))
    reason, hint = _describe_quotient(numerical, x, asked)
    words = {
        "why": say(
            "Expected is (f(x + h) - f(x - h)) / 2h for each entry of x, with f the sum of upstream * function(x)."
        ),
        "nudge": say("Follow one entry of x by hand: at which two points is the function evaluated?"),
        "hint": hint,
        "lesson": to_say("lecture 01, What we want: one slope for each input"),
    }
    return Finding("wrong", f"{reason}.", ("wrong-answer",), entries, error, seen, words=words)


def _is_right_in_floats(numerical: Function, x: Array, d: Differences) -> bool:
    """Return True if x holds whole numbers, and the quotient is right where they are given as floats."""
    if np.asarray(x).dtype.kind not in "iu":
        return False
    returned = guarded_call.call_learner(numerical, (d.function, d.x.copy(), np.array(d.upstream)[()], d.h), "it")
    found = returned if isinstance(returned, Finding) else _read_gradient(returned, d.x.shape)
    return not isinstance(found, Finding) and d.agrees(found, d.central())


def _describe_quotient(
    numerical: Function, x: Array, asked: Sequence[tuple[Differences, np.ndarray, bool]]
) -> tuple[str, str]:
    """Return what a quotient without a name is, and a hint: by its size, and by the points at which it evaluates f."""
    for reason, hint, way in OTHER_QUOTIENTS:
        if _explains(_list_one(way), asked):
            return say(reason), say(hint)
    hint = say("For each entry: nudge a copy by +h and by -h, take np.sum(upstream * f(...)), divide by 2 * h.")
    d = asked[0][0]
    moves = _measure_moves(numerical, x, d)
    if not moves:
        return say("it does not evaluate f"), hint
    if max(moves) == 0:
        hint = say("{hint} `p = x` makes no copy: `p = x.copy()`.", hint=hint)
        return say("it evaluates f at x alone, at no point beside it"), hint
    if not any(np.isclose(move, d.h) for move in moves):
        return say("it does not nudge by the h that it is given, but by {moves}", moves=_write_moves(moves)), hint
    others = {move for move in moves if move and not np.isclose(move, d.h)}
    if others:
        return say("it nudges not only by h = {h:g}, but also by {moves}", h=d.h, moves=_write_moves(others)), hint
    return say("it is not the central difference quotient"), hint


def _list_one(way: Callable[[Differences], np.ndarray]) -> Callable[[Differences], list[np.ndarray]]:
    return lambda d: [way(d)]


def _write_moves(moves: Collection[float]) -> str:
    return join_words(list(dict.fromkeys(f"{move:.3g}" for move in sorted(moves) if move))[:3])


def _measure_moves(numerical: Function, x: Array, d: Differences) -> set[float]:
    """Return how far from x the learner's code evaluates f, as the largest move of an entry at each point."""
    moves: set[float] = set()

    def watched(moved: Any) -> Any:
        if np.shape(moved) == d.x.shape:
            moves.add(float(np.max(np.abs(np.asarray(moved) - d.x), initial=0.0)))
        return d.function(moved)

    guarded_call.call_learner(numerical, (watched, np.array(x), np.array(d.upstream)[()], d.h), "it")
    return moves


def _explains(
    ways: Callable[[Differences], list[np.ndarray]], asked: Sequence[tuple[Differences, np.ndarray, bool]]
) -> bool:
    """Return True if one way to make a mistake gives what came back, for each step."""
    made = [(d, returned, ways(d)) for d, returned, _ in asked]
    return any(all(d.agrees(returned, way[k]) for d, returned, way in made) for k in range(len(made[0][2])))
