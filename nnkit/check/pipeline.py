"""One check from start to end: call the learner's code, compare, look at how it behaves, and name the mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.diagnose import Diagnosis, diagnose, diagnose_value
from nnkit.check.diagnosis.mistakes.base import same
from nnkit.check.evidence import limits, sampling
from nnkit.check.evidence.comparison import Arrays, Trial
from nnkit.check.evidence.guarded_call import Raised, Stop, equal, same_value
from nnkit.check.evidence.limits import OutOfTime, output_limit, time_limit
from nnkit.check.evidence.subjects import Answers, GateAnswers, GateSubject, Subject
from nnkit.check.evidence.tolerance import pull_back
from nnkit.check.rendering import messages, shape_messages
from nnkit.check.verdict import Verdict

EVERY = 1000
"""Entries of an input up to which each is checked by itself; beyond, along random directions."""
MOST = 3000
"""Entries up to which a gradient that is wrong, but right in a smaller example, is gone through entry by entry."""
SALT = 4160616  # so that the upstream is not the very numbers that a learner's default_rng(0) drew as inputs


def guarded(subject: str, check: Callable[[], Verdict]) -> Verdict:
    """The verdict of a check, whatever the checked code does: bounded in time and output, each fault a sentence."""
    with output_limit() as written:
        try:
            with time_limit(), np.errstate(all="ignore"):
                verdict = check()
        except Stop as stop:
            verdict = messages.verdict_of(subject, stop)
        except OutOfTime:
            told = f"it did not end within {limits.SECONDS:g} seconds: is there a loop without an end?"
            verdict = Verdict(subject, "error", told)
        except RecursionError:
            verdict = Verdict(subject, "error", "it calls itself without an end.")
        except MemoryError:
            verdict = Verdict(subject, "error", "it needs more memory than there is.")
        except Exception as fault:
            told = f"it could not be checked: {type(fault).__name__}: {' '.join(str(fault).split())[:200]}."
            verdict = Verdict(subject, "error", told)
    if written[0] > limits.SHOWN:
        verdict = replace(
            verdict,
            notes=(*verdict.notes, f"It printed {written[0]:,} characters; the first {limits.SHOWN} are shown."),
        )
    return verdict


def examine(subject: Subject, inputs: Arrays, rng: int) -> Verdict:
    """The verdict on a subject at these inputs; raises Stop where nothing can be compared."""
    draw = np.random.default_rng([SALT, rng])
    try:
        out = subject.value(inputs)
        upstreams = [subject.upstream(out.shape, draw) for _ in range(2 if isinstance(subject, GateSubject) else 1)]
        answers = _asked(subject, inputs, upstreams, draw)
        if not equal(out, answers.value()):
            raise Stop("wrong", f"{_what(subject)} gives something else each time: is something random, or kept?")
        _finite(subject, inputs, out)
        first, second = answers.gradients(0), answers.gradients(1)
    except Raised as stop:
        raise _named_by_square(subject, inputs, draw, stop) from stop.fault
    _same_again(subject, inputs, upstreams[0], first, second)
    returned = [first, *(answers.gradients(2 + k) for k in range(len(upstreams) - 1))]
    trials = _trials(subject, inputs, upstreams, returned, draw)
    exact = bool(trials) and trials[0].exact
    wrong = trials if _any_wrong(trials) else _wrong_nearby(subject, inputs, out.shape, exact, draw)
    if wrong:
        return _wrong(subject, wrong, draw)
    _well_behaved(subject, answers, first)
    return messages.right(subject, sum(target.kinks for target in trials[0].targets) if trials else 0)


def _asked(subject: Subject, inputs: Arrays, upstreams: Sequence[np.ndarray], rng: np.random.Generator) -> Answers:
    """All that a right answer is asked at these inputs: the first upstream gradient twice, then the others; and of a
    gate a doubled and a zero one, and the first again when other forwards came in between."""
    g, *others = upstreams
    if not isinstance(subject, GateSubject):
        return subject.asked(inputs, [g, g, *others])
    between = sampling.nearby(subject, inputs, rng), sampling.mirrored(subject, inputs)
    return subject.asked(inputs, [g, g, *others, 2 * g, np.zeros(g.shape)], between)


def _finite(subject: Subject, inputs: Arrays, out: np.ndarray) -> None:
    """Stop where the value is not what it should be, or no number at all."""
    what = _what(subject)
    expected = None if subject.of is None else np.asarray(subject.of(*inputs), dtype=float)
    if not np.all(np.isfinite(out)) and (expected is None or np.all(np.isfinite(expected))):
        calm = sampling.moderate(inputs)
        overflows = np.all(np.isfinite(subject.value(calm))) and any(np.max(np.abs(x)) > 10 for x in inputs)
        raise Stop(
            "wrong" if overflows or expected is not None else "error",
            f"{what} is {_first_odd(out)} at these inputs" + (": large numbers overflow." if overflows else "."),
            ("overflow",) if overflows else (),
        )
    if expected is not None:
        try:
            same_value(what, out, expected, floor=_floor(inputs))
        except Stop as stop:
            raise _named_value(subject.of, inputs, out, stop) from None


def _what(subject: Subject) -> str:
    return "forward" if isinstance(subject, GateSubject) else "the value"


def _floor(inputs: Arrays) -> float:
    """Below this, values are rounding."""
    return 1e-14 * max(1.0, *(float(np.max(np.abs(x))) for x in inputs))


def _named_value(of: Callable[..., Any] | None, inputs: Arrays, out: np.ndarray, stop: Stop) -> Stop:
    mistakes = diagnose_value(of, inputs, out) if of and not stop.mistakes else ()
    if not mistakes:
        return stop
    return Stop("wrong", f"{str(stop)[:-1]}: {messages.titles(mistakes)}.", mistakes, stop.entries, stop.error)


def _first_odd(out: np.ndarray) -> float:
    return float(out[~np.isfinite(out)].flat[0]) if out.shape else float(out)


def _exact(trial: Trial) -> bool:
    """Whether what came back is right to the last digits, as what is measured never is."""
    pairs = zip(trial.returned, trial.targets)
    return all(w.shape == t.value.shape and bool(np.all(np.abs(w - t.value) <= t.sharp)) for w, t in pairs)


def _measures(subject: Subject, inputs: Arrays, g: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether slopes are measured here and nearby too: twice is no accident of two numbers that are close."""
    if not subject.measures(inputs, g):
        return False
    try:
        return subject.measures(sampling.nearby(subject, inputs, rng, 0.05), g)
    except Exception:  # outside of where the function is defined
        return False


def _same_again(subject: Subject, inputs: Arrays, g: np.ndarray, first: Arrays, second: Arrays) -> None:
    """Stop where a second call gave something else, and say whether it had added to the first."""
    changed = [k for k, (a, b) in enumerate(zip(first, second)) if not equal(a, b)]
    if not changed:
        return
    added = all(
        np.shape(first[k]) == np.shape(second[k])
        and same(second[k] - first[k], pull_back(subject.function, inputs, subject.wrt[k], [g])[0].value)
        for k in changed
    )
    if added:
        raise Stop("wrong", "a second call gives more: gradients of the first one were kept.", ("not-reset",))
    raise Stop("wrong", "a second call with the same arguments gives something else: what is kept, or changed?")


def _trials(
    subject: Subject,
    inputs: Arrays,
    upstreams: Sequence[np.ndarray],
    returned: Sequence[Arrays],
    rng: np.random.Generator,
) -> list[Trial]:
    """Trials at these inputs, entry by entry; none for large arrays that agree along random directions."""
    batch = sampling.batch_of(subject, inputs)
    if _large(subject, inputs):
        if sampling.agrees_along(subject, inputs, upstreams[0], returned[0], rng, sampling.DIRECTIONS):
            return []
        small = sampling.smaller(subject, inputs, rng)
        if _any_wrong(small):
            return small
        if max(np.size(inputs[i]) for i in subject.wrt) > MOST:
            names = " or ".join(subject.name(i) for i in subject.wrt)
            raise Stop("wrong", f"{names} is wrong; it is too large to say where. Try a smaller example.")
        return sampling.trials_at(subject, inputs, upstreams[:1], returned, batch)
    trials = sampling.trials_at(subject, inputs, upstreams, returned, batch)
    if not all(map(_exact, trials)) and (
        _measures(subject, inputs, upstreams[0], rng)
        or (_small(trials[0]) and not subject.opaque and sampling.are_quotients(subject, trials, rng))
    ):
        raise Stop("wrong", "it measures the slope with small steps.", ("numerical-derivative",))
    return trials


def _small(trial: Trial) -> bool:
    return sum(np.size(w) for w in trial.returned) <= 64


def _large(subject: Subject, inputs: Arrays) -> bool:
    return max(np.size(inputs[i]) for i in subject.wrt) > EVERY


def _any_wrong(trials: Sequence[Trial]) -> bool:
    return any(trial.is_wrong(k) for trial in trials for k in range(len(trial.targets)))


def _wrong_nearby(
    subject: Subject, inputs: Arrays, shape: tuple[int, ...], exact: bool, rng: np.random.Generator
) -> list[Trial]:
    """Trials in which something is wrong at inputs nearby: a point that was chosen can hide a mistake (2x and x² agree
    at 2), or lie on a kink. `shape` is the output's; `exact` as for `evidence.agrees_along`."""
    for amount in (0.2, 0.01):
        others = sampling.nearby(subject, inputs, rng, amount)
        try:
            g = subject.upstream(shape, rng)
            answers = subject.asked(others, [g])
            out, expected = answers.value(), np.asarray(subject.function(*others), dtype=float)
            returned = answers.gradients(0)
        except (Stop, ArithmeticError, ValueError):  # outside of where the function is defined
            continue
        if not np.all(np.isfinite(out)) or not np.all(np.isfinite(expected)):
            continue
        same_value(_what(subject), out, expected, floor=_floor(others))
        # A large array always has a kink somewhere on the way; it has been looked at where it was given.
        if sampling.agrees_along(subject, others, g, returned, rng, 1, exact) or _large(subject, inputs):
            return []
        trials = sampling.trials_at(subject, others, [g], [returned], sampling.batch_of(subject, inputs))
        return trials if _any_wrong(trials) else []
    return []


def _well_behaved(subject: Subject, answers: Answers, first: Arrays) -> None:
    """What right numbers at one place do not show: types, scaling with the upstream gradient, and the cache."""
    for i, w in zip(subject.wrt, first):
        if w.dtype in (np.float16, np.float32):
            told = f"{subject.name(i)} is {w.dtype}: compute in float64, the type of the inputs."
            raise Stop("wrong", told, ("low-precision",))
    if not isinstance(answers, GateAnswers):
        return
    for w, double, nothing in zip(first, answers.gradients(3), answers.gradients(4)):
        if not np.allclose(double, 2 * w, rtol=1e-9, atol=1e-12) or np.any(nothing != 0):
            raise Stop("wrong", "a doubled upstream gradient must double the result, and a zero one give zeros.")
    if not all(equal(w, again) for later in answers.after_others() for w, again in zip(first, later)):
        told = "it used another forward's values: after two forwards, the first one's backward is wrong."
        raise Stop("wrong", told, ("stale-cache",))


# ---- naming it --------------------------------------------------------------------------------------


def _wrong(subject: Subject, trials: Sequence[Trial], rng: np.random.Generator) -> Verdict:
    trial, k = next((t, k) for t in trials for k in range(len(t.targets)) if t.is_wrong(k))
    inputs = trial.inputs
    found = Diagnosis(_overflow(subject, trial, k))
    found = found if found.mistakes else _name(subject, inputs, trials, rng)
    mistakes, named = found.mistakes, [subject.name(subject.wrt[i]) for i in found.gradients]
    if trial.returned[k].shape != trial.targets[k].value.shape:
        mistakes = mistakes or _square_name(subject, inputs, rng)
        return messages.wrong_shape(subject, trial, k, mistakes, named)
    return messages.wrong(subject, trial, k, mistakes, named)


def _name(subject: Subject, inputs: Arrays, trials: Sequence[Trial], rng: np.random.Generator) -> Diagnosis:
    """The mistakes that explain these trials and further ones; none if that takes too long, for it is wrong anyway."""
    try:
        with time_limit():
            return diagnose([*trials, *_further(subject, inputs, rng)])
    except OutOfTime:
        return Diagnosis()


def _further(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Trial]:
    return [t for one in (subject, *subject.variations()) for t in sampling.evidence(one, inputs, rng)]


def _overflow(subject: Subject, trial: Trial, k: int) -> tuple[str, ...]:
    """Whether what is NaN or infinite here is right for moderate inputs."""
    if np.all(np.isfinite(trial.returned[k])) or not any(np.max(np.abs(x)) > 10 for x in trial.inputs):
        return ()
    calm = sampling.moderate(trial.inputs)
    try:
        there = sampling.trials_at(subject, calm, [trial.upstream])[0]
    except Stop:
        return ()
    return () if there.is_wrong(k) else ("overflow",)


def _square_name(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> tuple[str, ...]:
    trials = sampling.square_evidence(subject, inputs, rng)
    return diagnose(trials).mistakes if trials else ()


def _named_by_square(subject: Subject, inputs: Arrays, rng: np.random.Generator, stop: Raised) -> Stop:
    """A product that failed for its shapes does not fail where all sizes are equal: there its mistake can be named."""
    if not isinstance(stop.fault, ValueError):
        return stop
    mistakes = _square_name(subject, inputs, rng)
    if not mistakes:
        return stop
    rule = shape_messages.products(subject, inputs)
    headline = f"{str(stop).rstrip('.')}: {messages.titles(mistakes)}."
    return Stop("wrong", headline, mistakes, notes=rule)
