"""What a verdict's sentences claim about numbers, as far as they can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from helpers.measured import Answer, Point, is_kinky
from helpers.predicates import factor, kept_dims, near, sign, transposed
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


def _same(a: float, b: float, scale: float | None = None) -> bool:
    """Return True if two numbers are equal as far as sentences write them."""
    return bool(abs(a - b) <= 2e-3 * max(abs(a), abs(b), scale or 0.0, 1e-12)) or (np.isnan(a) and np.isnan(b))


# ---- numbers in sentences -----------------------------------------------------------------------------

TERM = r"(?:\(-?[\d.]+(?:e[+-]?\d+)?\)|-?[\d.]+(?:e[+-]?\d+)?)"
SUM = rf"({TERM}(?: [·/+−] {TERM})+)(?: =|, is| is) ({TERM})"


def refuted_sums(line: str) -> Iterator[str]:
    """Yield the calculations of a sentence that do not come out: "(-0.2) / 0.5 = -0.3"."""
    for text, result in re.findall(SUM, line):
        said = float(result.strip("()").rstrip("."))
        terms = text.replace("·", "*").replace("−", "-")
        try:
            value = float(eval(terms, {"__builtins__": {}}))
            size = float(eval(terms.replace("-", "+").replace("(+", "("), {"__builtins__": {}}))
        except (SyntaxError, ZeroDivisionError, TypeError):
            continue
        if not _same(value, said, abs(size)):
            yield f"“{text} = {result}”: it is {value:.4g}"


def refuted_example(line: str, answer: Answer) -> Iterator[str]:
    """Yield what is not so in "At x = [1, 2], with upstream = [1, 1], dx should be [...], and is [...]"."""
    given = dict(re.findall(rf"(\w+) = ({ARRAY})", line))
    told = re.findall(rf"(\S+) should be ({ARRAY}),? and (?:yours )?is ({ARRAY})", line)
    names = answer.input_names
    if not told or not all(name in given for name in names):
        return
    inputs = tuple(read_array(given[name]).astype(np.asarray(x).dtype)[()] for name, x in zip(names, answer.inputs))
    upstream = read_array(given["upstream"]) if "upstream" in given else np.ones(())
    point = answer.ask(inputs, upstream)
    if point is None:
        return
    for name, right, yours in told:
        if name not in answer.names:
            continue
        k = answer.names.index(name)
        for what, said, found in (("should be", right, point.right[k]), ("is", yours, point.returned[k])):
            if not _alike(read_array(said), found, point):
                yield f"“{line}”: {name} {what} {np.array2string(found, precision=4)}".replace("\n", "")


def is_said_place(verdict: Verdict, point: Point) -> bool:
    """Return False if a line says that the numbers are those at other inputs, or for another upstream gradient."""
    line = next((line for line in verdict.notes if line.startswith("At ")), "")
    values = dict(zip(point.answer.input_names, point.inputs)) | {"upstream": point.upstream}
    told = {name: text for name, text in re.findall(rf"(\w+) = ({ARRAY})", line) if name in values}
    return all(_alike(read_array(text), np.asarray(values[name], dtype=float), point) for name, text in told.items())


ARRAY = r"(?:\[[-\d.,e+ nainf\[\]]*\]|-?[\d.]+(?:e[+-]?\d+)?|nan|-?inf)"


def read_array(text: str) -> np.ndarray:
    """Return the array that a sentence writes."""
    return np.array(eval(text.rstrip(".,"), {"__builtins__": {}}, {"nan": np.nan, "inf": np.inf}), dtype=float)


def _alike(said: np.ndarray, found: np.ndarray, point: Point) -> bool:
    if said.shape != found.shape:
        return False
    numbers = np.concatenate([np.ravel(a) for a in (found, *point.returned, *point.right)])
    # What central differences measure where all gradients are 0 is rounding of the value.
    rounding = 1e-6 * float(np.max(np.abs(point.upstream), initial=0.0) * np.max(np.abs(point.out), initial=0.0))
    scale = float(np.max(np.abs(numbers[np.isfinite(numbers)]), initial=max(1e-9, rounding)))
    return bool(np.allclose(said, found, rtol=2e-3, atol=2e-4 * scale, equal_nan=True))


def refuted_entry(verdict: Verdict) -> Iterator[str]:
    """Yield what the map refutes of "at x[1] = 2 it is 3, the measured one is 4"."""
    told = re.search(rf"at \w+(\[[\d, ]+\])? = {NUMBER} it is {NUMBER}, the measured one is {NUMBER}", verdict.headline)
    shown = verdict.error_map
    if told is None or shown is None or not shown.whole:
        return
    index = tuple(int(n) for n in re.findall(r"\d+", told[1] or ""))
    yours, expected = (np.array(a, dtype=float).reshape(shown.shape) for a in (shown.yours, shown.expected))
    before = verdict.headline.split("measured")[0]
    if not re.search(rf"{re.escape(shown.name)} is wrong: [^;]*at \w+(\[[\d, ]+\])? = ", before):
        return
    if not _same(float(told[3]), yours[index]) or not _same(float(told[4]), expected[index]):
        yield f"“{told[0]}”: the map says {yours[index]:.4g} and {expected[index]:.4g}"


def refuted_multiples(answer: Answer, verdict: Verdict, point: Point | None) -> Iterator[str]:
    """Yield what the numbers refute of "dw is wrong: it is 0.2 times what it should be", of each gradient."""
    for name, times in re.findall(rf"(\w+) (?:is|are) wrong: it is {NUMBER} times what it should be", verdict.headline):
        k = answer.names.index(name) if name in answer.names else None
        if point is None or k is None or is_kinky(point, k) or not np.any(point.right[k]):
            continue
        w, r = point.returned[k], point.right[k]
        if w.shape != r.shape or not near(w, float(times) * r, 50 * float(np.max(np.abs(w), initial=0.0))):
            yield f"{name} is not {times} times what it should be"


def _is_value_of(verdict: Verdict, point: Point | None, k: int) -> Judgement:
    name = re.search(r"this is the value of (\w+), not a gradient", verdict.headline)
    if name is None or point is None:
        return None
    known = {**dict(zip(point.answer.input_names, point.inputs)), "out": point.out}
    return near(point.returned[k], known[name[1]]) if name[1] in known else None


def _is_upstream(verdict: Verdict, point: Point | None, k: int) -> Judgement:
    return None if point is None else near(point.returned[k], point.upstream)


def _is_transpose_of_any(verdict: Verdict, point: Point | None, k: int) -> Judgement:
    """Which gradient it is said of is in the first line, where another one may have a wrong shape."""
    return None if point is None else any(transposed(point, j) for j in range(len(point.returned)))


SAID: tuple[tuple[str, Callable[[Verdict, Point | None, int], Judgement]], ...] = (
    ("same multiple", _same_multiple),
    ("right size and the wrong sign", _wrong_sign),
    ("every entry is", _every_entry_is),
    ("an axis of size 1 is (too|missing)", _axis_of_one),
    ("the numbers are right, but an axis", lambda verdict, point, k: None if point is None else kept_dims(point, k)),
    ("this is the value of", _is_value_of),
    ("the upstream gradient came back as it was", _is_upstream),
    ("it is the transpose of the right gradient", _is_transpose_of_any),
)
"""A phrase → its judge."""


def refuted_sentences(answer: Answer, verdict: Verdict, point: Point | None, k: int) -> Iterator[str]:
    """Yield the phrases of first line, explanation and notes that the numbers refute."""
    lines = [verdict.headline, *verdict.explanation, *verdict.notes]
    for line in lines:
        yield from refuted_sums(line)
        yield from refuted_example(line, answer)
    yield from refuted_entry(verdict)
    yield from refuted_multiples(answer, verdict, point)
    if len(verdict.mistakes) > 1 or verdict.headline.count(" wrong") > 1:
        return  # which sentence is about which gradient is judged by names
    if point is not None and is_kinky(point, k):
        return
    for phrase, judge in SAID:
        if any(re.search(phrase, line, re.IGNORECASE) for line in lines) and judge(verdict, point, k) is False:
            yield f"“{phrase}” is said"
