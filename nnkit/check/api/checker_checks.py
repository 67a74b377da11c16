"""Checks of a learner's own gradient checker: of the gradient that it measures, and of how it judges gates by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnkit.arrays import Array, get_name
from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.planted_gates import PlantedGate, make_clear_gates, make_subtle_gates
from nnkit.check.evidence.tolerance import make_table
from nnkit.check.pipeline import guard_check
from nnkit.check.verdict import Verdict

Function = Callable[..., Any]
SMALLEST_STEP, LARGEST_STEP = 1e-9, 5e-3
"""Steps for inputs around 1 between which a central difference in float64 has six right digits or more."""
MAX_GATES_TO_LIST = 4


# ---- the measured gradient ----------------------------------------------------------------------------


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
            asked.append((differences, finding, _is_put_back(given, x)))
        return _judge_measured(title, asked) or Verdict(title, "right", "it is the central difference quotient.")

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
    numbers = guarded_call.read_numbers("the gradient", returned, shape)
    return numbers if isinstance(numbers, Finding) else numbers.astype(float)


def _is_put_back(after: np.ndarray, before: Array) -> bool:
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


def _replace(x: np.ndarray, index: tuple[int, ...], number: float) -> np.ndarray:
    moved = x.copy()
    moved[index] = number
    return moved


def _in_whole_numbers(d: Differences) -> list[np.ndarray]:
    """Return what whole-number arrays make of it: the quotients lose their fractions, or x + h does."""
    if not np.array_equal(d.x, np.trunc(d.x)):
        return []
    plus, minus = (_evaluate_truncated(d, step) for step in (d.h, -d.h))
    shrunk = (plus - minus) / (2 * d.h)
    return [np.trunc(d.central()), shrunk, np.trunc(shrunk)]


def _evaluate_truncated(d: Differences, step: float) -> np.ndarray:
    moved = [(index, np.trunc(d.x[index] + step)) for index in np.ndindex(d.x.shape)]
    values = [np.sum(d.upstream * d.function(_replace(d.x, index, number))) for index, number in moved]
    return np.reshape(values, d.x.shape)


WRONG_QUOTIENTS: dict[str, Callable[[Differences], list[np.ndarray]]] = {
    "one-sided-difference": _one_sided,
    "step-not-doubled": lambda d: [2 * d.central()],
    "no-upstream": _without_upstream,
    "sign": lambda d: [-d.central()],
    "not-put-back": _left_behind,
    "whole-numbers": _in_whole_numbers,
}
"""What each mistake measures, in the ways in which it is made."""

WORDS: dict[str, dict[str, str]] = {
    "no-upstream": {
        "why": "What is measured is the slope of the sum of all outputs; the slope of Σ upstream · out was asked for.",
        "nudge": "Which number, made of all outputs, is it whose slope you measure?",
        "hint": "Measure np.sum(upstream * f(x)) at both points.",
        "lesson": "lecture 03, Vector-Jacobian products",
    },
    "sign": {
        "why": "The value at x - h is subtracted from the one at x + h.",
        "nudge": "If f grows with x, should the quotient be positive or negative?",
        "hint": "Subtract the value at x - h from the value at x + h.",
        "lesson": "lecture 01, What we want: one slope for each input",
    },
    "whole-numbers": {
        "why": "In an array of whole numbers, x + h becomes x again, and 0.7 becomes 0.",
        "nudge": "Print the dtype of the array that you nudge, and of the one that you fill.",
        "hint": "Begin with x = np.array(x, dtype=float), and fill np.zeros(x.shape).",
    },
    "mutated-input": {
        "nudge": "Print x before and after the call.",
        "hint": "Nudge a copy, or write the old number back before you go on.",
        "lesson": "lecture 01, What we want: one slope for each input",
    },
}


def _judge_measured(title: str, asked: Sequence[tuple[Differences, np.ndarray, bool]]) -> Verdict | Finding | None:
    """Return what is wrong with the gradients that were measured with each step."""
    off = [(d, returned) for d, returned, _ in asked if not d.agrees(returned, d.central())]
    if not off:
        if all(put_back for *_, put_back in asked):
            return None
        sentence = "the gradient is right, but x is not what it was before the call."
        return Finding("wrong", sentence, ("mutated-input",), words=WORDS["mutated-input"])
    differences, returned = off[0]
    names = [id for id, ways in WRONG_QUOTIENTS.items() if _explains(ways, asked)]
    right = differences.central()
    wrong = ~(np.abs(returned - right) <= differences.rounding + 1e-9 * np.max(np.abs(right), initial=0.0))
    entries = make_table("gradient", returned, right, wrong)
    error = float(np.max(np.abs(returned - right)[wrong], initial=0.0))
    seen = (f"Seen with h = {differences.h:g}.",)
    if len(names) == 1:
        headline = f"{ENTRIES[names[0]].title}."
        return Finding("wrong", headline, tuple(names), entries, error, seen, words=WORDS.get(names[0], {}))
    own_step = all(np.allclose(r, Differences.of(d.function, d.x, d.upstream, 1e-4).central(), rtol=1e-5, atol=1e-7)
                   for d, r, _ in asked)  # fmt: skip
    reason = "it does not nudge by the h that it is given" if own_step else "it is not the central difference quotient"
    words = {
        "why": "Expected is (f(x + h) - f(x - h)) / 2h for each entry of x, with f the sum of upstream * function(x).",
        "nudge": "Follow one entry of x by hand: at which two points is the function evaluated?",
        "hint": "For each entry: nudge a copy by +h and by -h, take np.sum(upstream * f(...)), divide by 2 * h.",
        "lesson": "lecture 01, What we want: one slope for each input",
    }
    return Finding("wrong", f"{reason}.", ("wrong-answer",), entries, error, seen, words=words)


def _explains(
    ways: Callable[[Differences], list[np.ndarray]], asked: Sequence[tuple[Differences, np.ndarray, bool]]
) -> bool:
    """Return True if one way to make a mistake gives what came back, for each step."""
    made = [(d, returned, ways(d)) for d, returned, _ in asked]
    return any(all(d.agrees(returned, way[k]) for d, returned, way in made) for k in range(len(made[0][2])))


# ---- the judge ----------------------------------------------------------------------------------------


def check_checker(checker: Function, subtle: bool = True, name: str = "", rng: int = 0) -> Verdict:
    """Check a gradient checker: `checker(forward, backward, inputs)` returns True if a gate's backward is right.

    `forward(*inputs)` returns (out, cache), `backward(upstream, cache)` a tuple with one gradient for each input. The
    checker must accept the right gates and refuse the wrong ones: those in which any entry shows the mistake, or, with
    `subtle`, those that pass a checker which does not look closely. They come in random order.
    """
    title = name or get_name(checker)

    def check() -> Verdict | Finding:
        draw = np.random.default_rng(rng)
        gates = (make_subtle_gates if subtle else make_clear_gates)(draw)
        trials = []
        for k in draw.permutation(len(gates)):
            trial = _try_gate(checker, gates[k])
            if isinstance(trial, Finding):
                return trial
            trials.append(trial)
        wrong = sum(not gate.is_right for gate in gates)
        said = f"it accepts {len(gates) - wrong} right gates, and refuses {wrong} wrong ones."
        return _judge_trials(trials) or Verdict(title, "right", said)

    return guard_check(title, check)


@dataclass(frozen=True)
class Trial:
    """A gate that the checker was given, what it said of it, and what it called on the way."""

    gate: PlantedGate
    accepted: bool
    upstreams: list[Any] = field(default_factory=list)
    points: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def is_misjudged(self) -> bool:
        return self.accepted != self.gate.is_right

    def nudges(self) -> list[float]:
        """Return how far the inputs were moved, with the sign of each move."""
        moves = [np.real(x) - y for point in self.points for x, y in _pair(point, self.gate.inputs)]
        return [float(move.flat[np.argmax(np.abs(move))]) for move in moves if np.any(move)]


def _pair(point: tuple[Any, ...], inputs: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    return [(x, y) for x, y in zip(point, inputs) if np.shape(x) == np.shape(y)]


def _try_gate(checker: Function, gate: PlantedGate) -> Trial | Finding:
    trial = Trial(gate, False)

    def forward(*inputs: Any) -> Any:
        trial.points.append(tuple(np.array(x) for x in inputs))
        return gate.forward(*inputs)

    def backward(upstream: Any, cache: Any) -> Any:
        trial.upstreams.append(np.array(upstream))
        return gate.backward(upstream, cache)

    given = guarded_call.copy_inputs(gate.inputs)
    answer = guarded_call.call_learner(checker, (forward, backward, given), "it")
    seen = (f"Seen on {gate}.",)
    if isinstance(answer, Finding):
        return answer if answer.status == "not attempted" else replace(answer, notes=(*answer.notes, *seen))
    if not (np.ndim(answer) == 0 and np.asarray(answer).dtype == bool):
        kind = guarded_call.describe_kind(answer)
        words = {"hint": "Return one truth value, for instance `return bool(error <= tolerance)`."}
        return Finding("wrong", f"it must return True or False; it returned {kind}.", ("wrong-container",), words=words)
    if not all(_is_put_back(np.asarray(after), before) for after, before in zip(given, gate.inputs)):
        sentence = "it changed the inputs, and did not put them back."
        return Finding("wrong", sentence, ("mutated-input",), notes=seen, words=WORDS["mutated-input"])
    return replace(trial, accepted=bool(answer))


def _judge_trials(trials: Sequence[Trial]) -> Finding | None:
    """Return what is wrong with a checker that misjudged some of these gates."""
    misjudged = [trial for trial in trials if trial.is_misjudged]
    if not misjudged:
        return None
    accepted = {trial.accepted for trial in trials}
    if len(accepted) == 1:
        sentence = "it accepts every gate, right or wrong." if accepted == {True} else "it refuses every gate."
    else:
        first = misjudged[0]
        verb, kind = ("accepts", "wrong") if first.accepted else ("refuses", "right")
        sentence = f"it {verb} a {kind} gate: {str(first.gate).removeprefix('the gate ')}."
    name = _name_mistake(trials, misjudged)
    if name:
        sentence = f"{sentence.removesuffix('.')}; {ENTRIES[name].title}."
    return Finding("wrong", sentence, (name or "misjudged-gate",), notes=_list_misjudged(misjudged))


def _list_misjudged(misjudged: Sequence[Trial]) -> tuple[str, ...]:
    notes = []
    for verb, accepted in (("It accepts, though they are wrong", True), ("It refuses, though they are right", False)):
        gates = list(dict.fromkeys(str(t.gate).removeprefix("the gate ") for t in misjudged if t.accepted == accepted))
        more = f"; and {len(gates) - MAX_GATES_TO_LIST} more" if len(gates) > MAX_GATES_TO_LIST else ""
        if len(gates) > 1:
            notes.append(f"{verb}: {'; '.join(gates[:MAX_GATES_TO_LIST])}{more}.")
    return tuple(notes)


def _name_mistake(trials: Sequence[Trial], misjudged: Sequence[Trial]) -> str:
    """Return the id of the mistake that accounts for all misjudged gates, and that the calls bear out; "" for none."""
    common = set.intersection(*(set(trial.gate.hides) for trial in misjudged))
    if "ones-upstream" in common and all(_is_constant(u) for trial in trials for u in trial.upstreams):
        return "ones-upstream"
    common -= {"ones-upstream"}
    if len(common) == 1:
        return common.pop()
    return _name_step(trials) if any(not trial.accepted for trial in misjudged) else ""


def _is_constant(upstream: np.ndarray) -> bool:
    return bool(np.all(upstream == upstream.flat[0]))


def _name_step(trials: Sequence[Trial]) -> str:
    """Return the id of what is wrong with the steps that a checker takes which refuses right gates."""
    nudges = [nudge for trial in trials for nudge in trial.nudges()]
    if not nudges:
        return ""
    if not SMALLEST_STEP <= float(np.median(np.abs(nudges))) <= LARGEST_STEP:
        return "step-size"
    return "one-sided-difference" if len({nudge > 0 for nudge in nudges}) == 1 else ""
