"""An independent judge: which of a verdict's claims do its own numbers refute?

It knows the guides (docs/verdict.md, docs/mistakes.md), the learner's code, which it asks again, and central
differences; nothing of how the checker finds a mistake. `predicates.py` says what each name claims, `sentences.py` what
sentences claim.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from helpers.conduct import refuted_conduct
from helpers.measured import Answer, Point, is_kinky, quiet
from helpers.paths import ROOT
from helpers.predicates import PREDICATES, factor, near
from helpers.sentences import is_said_place, refuted_sentences
from nnkit import check
from nnkit.check import Verdict

SCALES = {"sign", "factor", "no-batch-mean", "bias-mean"}
"""Names that say by which number something was multiplied; in a pair, the other name is judged up to a number."""
BEHAVIOUR = {"low-precision", "numerical-derivative", "not-reset", "stale-cache", "mutated-input", "overflow"}
MAX_POINTS = 4


@dataclass(frozen=True)
class Part:
    """What the first line says of some gradients."""

    gradients: tuple[str, ...]
    says: str
    of_shape: bool = False
    """It says which shape came back."""


@dataclass(frozen=True)
class Judged:
    """A verdict and what its numbers refute of it."""

    answer: Answer
    verdict: Verdict
    false: tuple[str, ...]


def ask(check_name: str, call: Any) -> Judged:
    """Run a check, and judge its verdict."""
    answer = Answer(check_name, call)
    recorded = answer.recorded()
    with quiet(), contextlib.redirect_stdout(io.StringIO()):
        verdict = getattr(check, check_name)(*recorded.args, **recorded.kwargs)
        return Judged(answer, verdict, tuple(list_false(answer, verdict)))


def list_false(answer: Answer, verdict: Verdict) -> list[str]:
    """Return a sentence for each claim of the verdict that the numbers refute."""
    if verdict.passed:
        return list(_judge_acceptance(answer))
    shown, k = find_shown(answer, verdict)
    found = list(judge_table(verdict))
    if verdict.status == "wrong":
        parts = split_headline(verdict.headline, answer.names)
        found += _judge_parts(answer, verdict, parts, shown)
        found += refuted_conduct(answer, verdict.mistakes)
        if shown is not None:
            found += _judge_shown(verdict, shown, k, {name for part in parts for name in part.gradients})
    return found + list(refuted_sentences(answer, verdict, shown, k))


# ---- the first line -----------------------------------------------------------------------------------


def split_headline(headline: str, names: Sequence[str]) -> list[Part]:
    """Return what the first line says, by gradients: "dx and dw are wrong: ...; db is (3,), but b is (4,): ..."."""
    if not names:
        return []
    name = "(?:" + "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True)) + ")"
    shapes = r"is \([\d, ]*\), but \S+ is \([\d, ]*\)"
    head = rf"(?:^|; )({name}(?:, {name})*(?: and {name})?) (?:(?:is|are) wrong(?: too)?|{shapes})(?:: )?"
    found = list(re.finditer(head, headline))
    ends = [*(m.start() for m in found[1:]), len(headline)]
    return [
        Part(tuple(re.findall(name, m[1])), headline[m.end() : end].rstrip("."), ", but " in m[0])
        for m, end in zip(found, ends)
    ]


@cache
def titles() -> dict[str, str]:
    """Return the titles of the names, out of their guide."""
    text = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    return {title: id for id, title in re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", text, re.MULTILINE)}


def find_ids(part: Part, verdict: Verdict) -> tuple[str, ...]:
    """Return the names that a part of the first line gives; an unknown title is that of the name left over."""
    phrases = re.split(r"; and |; (?=the |it |a )", part.says)
    known = tuple(titles()[p] for p in phrases if titles().get(p) in verdict.mistakes)
    if len(known) < len(phrases) == len(verdict.mistakes) == 2:
        return verdict.mistakes  # one of a pair has words of its own
    if known or len(verdict.mistakes) != 1 or _says_numbers(part.says):
        return known
    if verdict.mistakes == ("wrong-shape",) and not part.of_shape:
        return ()
    return () if verdict.explained_as else verdict.mistakes


def _says_numbers(says: str) -> bool:
    return not says or " off by " in says or " off, by up to " in says


# ---- the numbers beside it ----------------------------------------------------------------------------


def find_shown(answer: Answer, verdict: Verdict) -> tuple[Point | None, int]:
    """Return the backward pass whose numbers the verdict shows, and the position of the gradient."""
    name = verdict.error_map.name if verdict.error_map else re.split(r"[\[ ]", verdict.where)[0]
    if name not in answer.names:
        return None, 0
    k = answer.names.index(name)
    if verdict.error_map is None:
        shapes = re.search(r" is (\(.*?\)), but", verdict.headline)
        points = [p for p in answer.points if shapes and str(p.returned[k].shape) == shapes[1]]
        return (points[0] if points else None), k
    yours, expected = (np.array(a, dtype=float) for a in (verdict.error_map.yours, verdict.error_map.expected))
    found = []
    for point in answer.points:
        w = point.returned[k]
        whole = w.shape == tuple(verdict.error_map.shape) and w.size == yours.size
        if whole and np.array_equal(w.ravel(), yours.ravel(), equal_nan=True) and is_said_place(verdict, point):
            found.append(point)
    # The same numbers, zeros above all, come back at several places: one at which the others are as they are shown.
    fitting = (p for p in found if any(near(r.ravel(), expected.ravel()) for r in (p.right[k], p.measure_closely(k))))
    return next(fitting, found[0] if found else None), k


def judge_table(verdict: Verdict) -> Iterator[str]:
    """Judge what the first line counts, and that the names which follow from the table alone hold there."""
    shown = verdict.error_map
    if shown is None or not shown.whole:
        return
    yours, expected = (np.array(a, dtype=float).ravel() for a in (shown.yours, shown.expected))
    wrong = np.array(shown.wrong, dtype=bool).ravel()
    error = float(np.nanmax(np.abs(yours - expected)[wrong], initial=0.0)) if wrong.any() else 0.0
    yield from _judge_counts(verdict, int(wrong.sum()), wrong.size, error)
    for entry in verdict.entries:
        if np.isclose(entry.yours, entry.expected, rtol=1e-13, atol=0):
            yield f"{entry.where} is in the table of wrong entries, but yours is what is expected"
    finite = np.isfinite(yours).all() and np.isfinite(expected).all()
    pattern = rf"\b{re.escape(shown.name)}\b[^;]* wrong: the sign is wrong"
    told = verdict.headline.count(" wrong: ") < 2 or re.search(pattern, verdict.headline)
    if verdict.mistakes == ("sign",) and told and finite and not shown.name.startswith("the new "):
        scale = 1e-4 * float(np.max(np.abs(expected), initial=1e-9))
        if np.any(np.abs(yours + expected)[wrong] > scale):
            yield "sign: the numbers shown are not each other's negatives"


def _judge_counts(verdict: Verdict, wrongs: int, entries: int, error: float) -> Iterator[str]:
    pattern = r"(\d+) of (\d+) entries (?:is|are) off, by up to (\S+) \(at (.+?)\)[.;]"
    counted = re.search(pattern, f"{verdict.headline};")
    if counted and counted[4] == verdict.where:
        if (int(counted[1]), int(counted[2])) != (wrongs, entries):
            yield f"it counts {counted[1]} of {counted[2]} entries, the map {wrongs} of {entries}"
        if not np.isclose(float(counted[3]), error, rtol=0.01, equal_nan=True):
            yield f"it says off by {counted[3]}, the map says {error:.3g}"
    alone = re.search(r"it is off by ([^\s.;]+(?:\.\d+)?(?:e[+-]\d+)?)", verdict.headline)
    if alone and not np.isclose(float(alone[1]), error, rtol=0.01, equal_nan=True):
        yield f"it says off by {alone[1]}, the map says {error:.3g}"


def _judge_shown(verdict: Verdict, point: Point, k: int, named: set[str]) -> Iterator[str]:
    """Judge the numbers that are shown, and which gradients are said to be wrong."""
    if verdict.error_map is not None and verdict.error_map.whole and not verdict.error_map.name.startswith("the new "):
        expected = np.array(verdict.error_map.expected, dtype=float).reshape(point.right[k].shape)
        off = np.abs(expected - point.right[k]) > 100 * point.tolerance(k)
        if np.any(off):
            off &= np.abs(expected - point.measure_closely(k)) > 100 * point.tolerance(k)
        if np.all(np.isfinite(point.right[k])) and np.any(off) and not is_kinky(point, k):
            yield f"expected {expected.ravel()[:4]}, central differences give {point.right[k].ravel()[:4]}"
        elif set(verdict.mistakes) & BEHAVIOUR == set() and np.array_equal(point.returned[k], expected):
            yield f"{point.answer.names[k]} is right where it is shown"
    if not named or set(verdict.mistakes) & BEHAVIOUR:
        return
    for j, name in enumerate(point.answer.names):
        error = point.error(j)
        clear = error is None or not np.all(error <= 1e3 * point.tolerance(j))
        if name not in named and clear and np.all(np.isfinite(point.right[j])) and not is_kinky(point, j):
            if near(point.returned[j], point.measure_closely(j)):  # a kink is near
                continue
            yield f"{name} is wrong too, and the first line does not say so"


def _is_tiny(verdict: Verdict) -> bool:
    """Return True if the error that is shown is smaller than what central differences can tell."""
    if verdict.error_map is None:
        return False
    scale = float(np.nanmax(np.abs(np.array(verdict.error_map.expected, dtype=float)), initial=0.0))
    return verdict.largest_error <= 1e-5 * scale


# ---- names --------------------------------------------------------------------------------------------


def _judge_parts(answer: Answer, verdict: Verdict, parts: list[Part], shown: Point | None) -> Iterator[str]:
    """Judge every name on the gradients that it is given to; where the first line has none, on any gradient."""
    points = _choose_points(answer, shown)
    for part in parts:
        gradients = [answer.names.index(name) for name in part.gradients]
        behaves = set(verdict.mistakes) & BEHAVIOUR or "too few digits" in part.says
        if points and not behaves and not _is_tiny(verdict):
            for k in gradients:
                if not any(p.is_wrong(k) for p in (*points, *answer.points)):
                    yield f"{answer.names[k]} is right at every point that was asked about"
        ids = find_ids(part, verdict)
        for point in points:
            wrong = [k for k in gradients if k < len(point.returned) and point.is_wrong(k)]
            # A part about numbers says nothing where the shapes differ too, if that is not what is shown.
            told = [k for k in wrong if part.of_shape or point is shown or point.error(k) is not None]
            refuted = _judge_ids(ids, point, told)
            if refuted:
                yield refuted
                break
    if not parts and verdict.mistakes:
        yield from _judge_unlocated(answer, verdict, points)


def _judge_ids(ids: tuple[str, ...], point: Point, gradients: list[int]) -> str:
    """Return why these names (one, or two together) are not true of these gradients here, or ""."""
    for k in gradients:
        if not all(np.all(np.isfinite(a)) for a in (point.right[k], point.out)) or is_kinky(point, k):
            continue
        name = point.answer.names[k]
        if len(ids) == 1 and _predicate(ids[0], point, k) is False:
            return f"{ids[0]}: {name} {_numbers(point, k)}"
        if len(ids) == 2 and _pair(ids, point, k) is False:
            return f"{' + '.join(ids)}: {name} {_numbers(point, k)}"
    return ""


def _predicate(id: str, point: Point, k: int) -> bool | None:
    predicate = PREDICATES.get(id)
    return None if predicate is None else predicate(point, k)


def _pair(ids: tuple[str, ...], point: Point, k: int) -> bool | None:
    """Judge two names together: one that is a number, and the other for what is left; else what cannot be is not."""
    if set(ids) <= SCALES:
        return factor(point, k)
    others = [id for id in ids if id not in SCALES]
    if len(others) == 2 or others[0] not in PREDICATES or others[0] in BEHAVIOUR | {"no-upstream", "upstream-twice"}:
        both = [_predicate(id, point, k) for id in ids if id in ("no-upstream", "upstream-twice", "not-filled-in")]
        return False if False in both else None
    found = [_predicate(others[0], _scaled(point, k, c), k) for c in _multiples(point)]
    return True if True in found else None if None in found else False


def _multiples(point: Point) -> list[float]:
    sizes = {n for x in (*point.inputs, point.out) for n in np.shape(x)} | {np.size(point.out), 2}
    return [s * c for s in (1.0, -1.0) for n in sizes for c in (1.0, n, 1 / n, 2 * n, 2 / n, n / 2)]


def _scaled(point: Point, k: int, c: float) -> Point:
    returned = tuple(c * w if j == k else w for j, w in enumerate(point.returned))
    found = Point(point.answer, point.inputs, point.upstream, returned)
    found.__dict__["right"], found.__dict__["out"] = point.right, point.out
    return found


def _numbers(point: Point, k: int) -> str:
    with np.printoptions(precision=4, threshold=8):
        w, r = (str(a).replace("\n", "") for a in (point.returned[k], point.right[k]))
    return f"is {w} for {r}"


def _judge_unlocated(answer: Answer, verdict: Verdict, points: list[Point]) -> Iterator[str]:
    """Judge names where the first line is about a shape, an exception or a count: they must be true of a gradient."""
    if verdict.status != "wrong" or not points:
        return
    for id in verdict.mistakes if len(verdict.mistakes) == 1 else ():
        found = [_predicate(id, p, k) for p in points for k in range(len(p.returned)) if p.is_wrong(k)]
        if found and all(judgement is False for judgement in found):
            k = next(k for k in range(len(points[0].returned)))
            yield f"{id}: not true of any gradient; {answer.names[k]} {_numbers(points[0], k)}"


def _choose_points(answer: Answer, shown: Point | None) -> list[Point]:
    """Return the backward pass that is shown, and a few others that the check made."""
    finite = [p for p in answer.points if np.any(p.upstream) and np.all(np.isfinite(p.out))]
    seen: list[Point] = [shown] if shown is not None else []
    for point in finite:
        new = not any(np.array_equal(point.inputs[0], other.inputs[0]) for other in seen)
        if new and len(seen) < MAX_POINTS:
            seen.append(point)
    return seen


# ---- right answers ------------------------------------------------------------------------------------


def _judge_acceptance(answer: Answer) -> Iterator[str]:
    """Judge that what was accepted is right at the inputs."""
    if is_clearly_wrong(answer):
        yield "accepted, although it is wrong"


def is_clearly_wrong(answer: Answer, draws: int = 3) -> bool:
    """Return True if a gradient is clearly off at the inputs, for some upstream gradient; not at a kink."""
    rng = np.random.default_rng(11)
    out = np.asarray(answer.value(answer.inputs), dtype=float)
    for _ in range(draws if answer.check == "check_backward" else 1):
        upstream = rng.normal(size=out.shape) if answer.check == "check_backward" else np.ones(())
        point = answer.ask(answer.inputs, upstream)
        if point is None:
            return True
        for k, right in enumerate(point.right):
            error = point.error(k)
            off = error is None or not np.all(error <= 100 * point.tolerance(k))
            if off and np.all(np.isfinite(right)) and not is_kinky(point, k):
                return True
    return False
