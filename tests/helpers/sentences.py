"""What a verdict's sentences claim about numbers, as far as they can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from helpers.measured import Point
from helpers.predicates import factor, kept_dims, sign, transposed
from nnkit.check import Verdict

Judgement = bool | None
NUMBER = r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"


def _everywhere(verdict: Verdict) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    if verdict.error_map is None:
        return None
    yours, expected = (np.array(a, dtype=float).ravel() for a in (verdict.error_map.yours, verdict.error_map.expected))
    return yours, expected, np.array(verdict.error_map.wrong, dtype=bool).ravel()


def _same_multiple(verdict: Verdict, point: Point | None, k: int) -> Judgement:
    if point is not None:
        return factor(point, k)
    shown = _everywhere(verdict)
    if shown is None:
        return None
    yours, expected, wrong = shown
    with np.errstate(all="ignore"):
        ratios = (yours / expected)[wrong]
    return bool(np.all(np.isfinite(ratios)) and np.ptp(ratios) <= 1e-4 * np.max(np.abs(ratios)))


def _wrong_sign(verdict: Verdict, point: Point | None, k: int) -> Judgement:
    if point is not None:
        return sign(point, k)
    shown = _everywhere(verdict)
    if shown is None:
        return None
    yours, expected, wrong = shown
    return bool(np.allclose(yours[wrong], -expected[wrong], rtol=1e-4))


def _every_entry_is(verdict: Verdict, point: Point | None, k: int) -> Judgement:
    said = re.search(rf"every entry is {NUMBER}", verdict.headline)
    shown = _everywhere(verdict)
    if said is None or shown is None or verdict.error_map is None or verdict.headline.count("every entry is") > 1:
        return None
    if not re.search(rf"{re.escape(verdict.error_map.name)}[^;]*wrong: every entry", verdict.headline):
        return None
    return bool(np.allclose(shown[0], float(said[1]), rtol=1e-3))


def _axis_of_one(verdict: Verdict, point: Point | None, k: int) -> Judgement:
    shapes = re.search(r"is (\(.*?\)), but \S+ is (\(.*?\))", verdict.headline)
    if shapes is None:
        return None
    a, b = (tuple(int(n) for n in re.findall(r"\d+", text)) for text in shapes.groups())
    return [n for n in a if n != 1] == [n for n in b if n != 1]


SAID: tuple[tuple[str, Callable[[Verdict, Point | None, int], Judgement]], ...] = (
    ("same multiple", _same_multiple),
    ("right size and the wrong sign", _wrong_sign),
    ("every entry is", _every_entry_is),
    ("an axis of size 1 is (too|missing)", _axis_of_one),
    ("the numbers are right, but an axis", lambda verdict, point, k: None if point is None else kept_dims(point, k)),
    ("it is the transpose of the right gradient", lambda verdict, p, k: None if p is None else transposed(p, k)),
)
"""A phrase → its judge."""


def refuted_sentences(verdict: Verdict, point: Point | None, k: int) -> Iterator[str]:
    """Yield the phrases of first line, explanation and notes that the numbers refute."""
    lines = [verdict.headline, *verdict.explanation, *verdict.notes]
    if verdict.mistakes and len(verdict.mistakes) > 1 or verdict.headline.count(" wrong") > 1:
        return  # which sentence is about which gradient is judged by names
    for phrase, judge in SAID:
        if any(re.search(phrase, line, re.IGNORECASE) for line in lines) and judge(verdict, point, k) is False:
            yield f"“{phrase}” is said"
