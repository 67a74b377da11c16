"""One check from start to end: call the learner's code, compare, look at how it behaves, and name the mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.check import evidence, limits, shape_rule
from nnkit.check.compare import place, pull_back, table, worst
from nnkit.check.diagnosis import Diagnosis, diagnose, diagnose_value
from nnkit.check.error_map import ErrorMap
from nnkit.check.limits import OutOfTime, output_limit, time_limit
from nnkit.check.mistakes import BY_ID
from nnkit.check.mistakes.base import same
from nnkit.check.probe import Raised, Stop, equal, same_value
from nnkit.check.subjects import GateSubject, Subject
from nnkit.check.trial import Arrays, Trial
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
            verdict = verdict_of(subject, stop)
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


def verdict_of(subject: str, stop: Stop) -> Verdict:
    """What stopped a check, as a verdict."""
    where = stop.entries[0].where if stop.entries else ""
    return Verdict(
        subject,
        stop.status,
        str(stop),
        largest_error=stop.error,
        where=where,
        entries=stop.entries,
        mistakes=stop.mistakes,
        **told_of(stop.mistakes),
        notes=stop.notes,
    )


def told_of(mistakes: Sequence[str]) -> dict[str, Any]:
    """What the catalogue says of the named mistakes."""
    if not mistakes or mistakes == ("not-attempted",):
        return {}
    named = [BY_ID[id] for id in mistakes]
    nudges, hints = " ".join(m.nudge for m in named), " ".join(m.hint for m in named)
    return {"hints": (nudges, hints), "lesson": named[0].lesson}


def examine(subject: Subject, inputs: Arrays, rng: int) -> Verdict:
    """The verdict on a subject at these inputs; raises Stop where nothing can be compared."""
    draw = np.random.default_rng([SALT, rng])
    try:
        out = subject.value(inputs)
        if not equal(out, subject.value(inputs)):
            raise Stop("wrong", f"{_what(subject)} gives something else each time: is something random, or kept?")
        _finite(subject, inputs, out)
        upstreams = [subject.upstream(out.shape, draw) for _ in range(2 if isinstance(subject, GateSubject) else 1)]
        first, second = subject.twice(inputs, upstreams[0])
    except Raised as stop:
        raise _named_by_square(subject, inputs, draw, stop) from stop.fault
    _same_again(subject, inputs, upstreams[0], first, second)
    trials = _trials(subject, inputs, upstreams, first, draw)
    wrong = trials if _any_wrong(trials) else _wrong_nearby(subject, inputs, draw)
    if wrong:
        return _wrong(subject, wrong, draw)
    _well_behaved(subject, inputs, upstreams[0], first, draw)
    return _right(subject, sum(target.kinks for target in trials[0].targets) if trials else 0)


def _finite(subject: Subject, inputs: Arrays, out: np.ndarray) -> None:
    """Stop where the value is not what it should be, or no number at all."""
    what = _what(subject)
    expected = None if subject.of is None else np.asarray(subject.of(*inputs), dtype=float)
    if not np.all(np.isfinite(out)) and (expected is None or np.all(np.isfinite(expected))):
        calm = evidence.moderate(inputs)
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
    return Stop("wrong", f"{str(stop)[:-1]}: {titles(mistakes)}.", mistakes, stop.entries, stop.error)


def titles(mistakes: Sequence[str], names: Sequence[str] = ()) -> str:
    """What the mistakes are, in one phrase; `names` are the gradients that they sit in, where these differ."""
    told = [BY_ID[id].title for id in mistakes]
    return "; and ".join(
        [*told[:1], *(f"{name}: {title}" for name, title in zip(names[1:], told[1:]))] if names else told
    )


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
        return subject.measures(evidence.nearby(subject, inputs, rng, 0.05), g)
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
    subject: Subject, inputs: Arrays, upstreams: Sequence[np.ndarray], first: Arrays, rng: np.random.Generator
) -> list[Trial]:
    """Trials at these inputs, entry by entry; none for large arrays that agree along random directions."""
    batch = evidence.batch_of(subject, inputs)
    if _large(subject, inputs):
        if evidence.agrees_along(subject, inputs, upstreams[0], first, rng, evidence.DIRECTIONS):
            return []
        small = evidence.smaller(subject, inputs, rng)
        if _any_wrong(small):
            return small
        if max(np.size(inputs[i]) for i in subject.wrt) > MOST:
            names = " or ".join(subject.name(i) for i in subject.wrt)
            raise Stop("wrong", f"{names} is wrong; it is too large to say where. Try a smaller example.")
        return evidence.trials_at(subject, inputs, upstreams[:1], first, batch)
    trials = evidence.trials_at(subject, inputs, upstreams, first, batch)
    if not all(map(_exact, trials)) and (
        _measures(subject, inputs, upstreams[0], rng)
        or (_small(trials[0]) and not subject.opaque and evidence.are_quotients(subject, trials, rng))
    ):
        raise Stop("wrong", "it measures the slope with small steps.", ("numerical-derivative",))
    return trials


def _small(trial: Trial) -> bool:
    return sum(np.size(w) for w in trial.returned) <= 64


def _large(subject: Subject, inputs: Arrays) -> bool:
    return max(np.size(inputs[i]) for i in subject.wrt) > EVERY


def _any_wrong(trials: Sequence[Trial]) -> bool:
    return any(trial.is_wrong(k) for trial in trials for k in range(len(trial.targets)))


def _wrong_nearby(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Trial]:
    """Trials in which something is wrong at inputs nearby: a point that was chosen can hide a mistake (2x and x² agree
    at 2), or lie on a kink."""
    for amount in (0.2, 0.01):
        others = evidence.nearby(subject, inputs, rng, amount)
        try:
            out, expected = subject.value(others), np.asarray(subject.function(*others), dtype=float)
            g = subject.upstream(out.shape, rng)
            returned = subject.gradients(others, g)
        except (Stop, ArithmeticError, ValueError):  # outside of where the function is defined
            continue
        if not np.all(np.isfinite(out)) or not np.all(np.isfinite(expected)):
            continue
        same_value(_what(subject), out, expected, floor=_floor(others))
        # A large array always has a kink somewhere on the way; it has been looked at where it was given.
        if evidence.agrees_along(subject, others, g, returned, rng, 1) or _large(subject, inputs):
            return []
        trials = evidence.trials_at(subject, others, [g], returned, evidence.batch_of(subject, inputs))
        return trials if _any_wrong(trials) else []
    return []


def _well_behaved(subject: Subject, inputs: Arrays, g: np.ndarray, first: Arrays, rng: np.random.Generator) -> None:
    """What right numbers at one place do not show: types, scaling with the upstream gradient, and the cache."""
    for i, w in zip(subject.wrt, first):
        if w.dtype in (np.float16, np.float32):
            told = f"{subject.name(i)} is {w.dtype}: compute in float64, the type of the inputs."
            raise Stop("wrong", told, ("low-precision",))
    if not isinstance(subject, GateSubject):
        return
    twice, zero = subject.gradients(inputs, 2 * g), subject.gradients(inputs, np.zeros(g.shape))
    for w, double, nothing in zip(first, twice, zero):
        if not np.allclose(double, 2 * w, rtol=1e-9, atol=1e-12) or np.any(nothing != 0):
            raise Stop("wrong", "a doubled upstream gradient must double the result, and a zero one give zeros.")
    _own_cache(subject, inputs, g, first, rng)


def _own_cache(subject: GateSubject, inputs: Arrays, g: np.ndarray, first: Arrays, rng: np.random.Generator) -> None:
    """Stop where another forward in between, at other points, changes what backward gives."""
    for others in (evidence.nearby(subject, inputs, rng), evidence.mirrored(subject, inputs)):
        try:
            between = subject.interleaved(inputs, others, g)
        except Stop:  # the function is not defined there
            continue
        if not all(map(equal, first, between)):
            told = "it used another forward's values: after two forwards, the first one's backward is wrong."
            raise Stop("wrong", told, ("stale-cache",))


# ---- saying it --------------------------------------------------------------------------------------


def _right(subject: Subject, kinks: int) -> Verdict:
    where = "1 point sits on a kink" if kinks == 1 else f"{kinks} points sit on kinks"
    notes = (f"{where}: there, any slope between the two sides is accepted.",) if kinks else ()
    names = [subject.name(i) for i in subject.wrt]
    listed = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    verb = "agrees" if len(names) == 1 else "agree"
    return Verdict(subject.title, "right", f"{listed} {verb} with the numerical derivative.", notes=notes)


def _wrong(subject: Subject, trials: Sequence[Trial], rng: np.random.Generator) -> Verdict:
    trial, k = next((t, k) for t in trials for k in range(len(t.targets)) if t.is_wrong(k))
    name, inputs = subject.name(subject.wrt[k]), trial.inputs
    i = subject.wrt[k]
    returned, target = trial.returned[k], trial.targets[k]
    found = Diagnosis(_overflow(subject, trial, k))
    found = found if found.mistakes else _name(subject, inputs, trials, rng)
    mistakes, named = found.mistakes, [subject.name(subject.wrt[i]) for i in found.gradients]
    if returned.shape != target.value.shape:
        return _wrong_shape(subject, trial, k, mistakes or _square_name(subject, inputs, rng), named)
    wrong = target.misses(returned)
    yours, expected = (subject.shown(i, inputs, a) for a in (returned, target.value))
    index = worst(yours, expected, wrong)
    error = float(np.abs(yours[index] - expected[index]))
    return Verdict(
        subject.title,
        "wrong",
        f"{name} is wrong: {titles(mistakes, named)}." if mistakes else _headline(name, yours, wrong, index, error),
        largest_error=error,
        where=place(name, index),
        entries=table(name, yours, expected, wrong),
        error_map=ErrorMap.of(name, yours, expected, wrong),
        mistakes=mistakes,
        **told_of(mistakes),
        notes=(*_why(mistakes), *_handed(subject, trial)),
    )


def _name(subject: Subject, inputs: Arrays, trials: Sequence[Trial], rng: np.random.Generator) -> Diagnosis:
    """The mistakes that explain these trials and further ones; none if that takes too long, for it is wrong anyway."""
    try:
        with time_limit():
            return diagnose([*trials, *_further(subject, inputs, rng)])
    except OutOfTime:
        return Diagnosis()


def _further(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> list[Trial]:
    return [t for one in (subject, *subject.variations()) for t in evidence.evidence(one, inputs, rng)]


def _headline(name: str, returned: np.ndarray, wrong: np.ndarray, index: tuple[int, ...], error: float) -> str:
    at = f" at {place(name, index)}" if index else ""
    if not np.isfinite(returned[index]):
        return f"{name} is {returned[index]}{at}."
    count = int(wrong.sum())
    if wrong.size == 1:
        return f"{name} is wrong: it is off by {error:.3g}."
    verb = "is" if count == 1 else "are"
    return (
        f"{name} is wrong: {count} of {wrong.size} entries {verb} off, by up to {error:.3g} (at {place(name, index)})."
    )


def _why(mistakes: Sequence[str]) -> tuple[str, ...]:
    return tuple(BY_ID[id].why for id in mistakes)


def _handed(subject: Subject, trial: Trial) -> tuple[str, ...]:
    """What was tried: the sizes if they are not those given, the numbers if they are few enough to check by hand."""
    if trial.resized:
        sizes = ", ".join(f"{name} {np.shape(x)}" for name, x in zip(subject.names, trial.inputs))
        return (f"Shown on a smaller example: {sizes}.",)
    if not isinstance(subject, GateSubject) or np.size(trial.upstream) > 3:
        return ()
    shown = [f"{name} = {_short(x)}" for name, x in zip(subject.names, trial.inputs) if np.size(x) <= 4]
    if len(shown) < len(trial.inputs):
        return ()
    return (f"At {', '.join(shown)}, with upstream = {_short(trial.upstream)}.",)


def _short(x: Any) -> str:
    return (
        f"{float(x):.6g}"
        if np.ndim(x) == 0
        else np.array2string(np.asarray(x), precision=6, separator=", ").replace("\n", "")
    )


def _overflow(subject: Subject, trial: Trial, k: int) -> tuple[str, ...]:
    """Whether what is NaN or infinite here is right for moderate inputs."""
    if np.all(np.isfinite(trial.returned[k])) or not any(np.max(np.abs(x)) > 10 for x in trial.inputs):
        return ()
    calm = evidence.moderate(trial.inputs)
    try:
        there = evidence.trials_at(subject, calm, [trial.upstream])[0]
    except Stop:
        return ()
    return () if there.is_wrong(k) else ("overflow",)


# ---- shapes -----------------------------------------------------------------------------------------


def _wrong_shape(subject: Subject, trial: Trial, k: int, mistakes: tuple[str, ...], named: Sequence[str]) -> Verdict:
    i = subject.wrt[k]
    told = shape_rule.sentence(subject.name(i), trial.returned[k].shape, subject.names[i], np.shape(trial.inputs[i]))
    rule = shape_rule.only_order(subject, trial, k)
    headline = f"{told[:-1]}: {titles(mistakes, named)}." if mistakes else told
    mistakes = mistakes or ("wrong-shape",)
    return Verdict(
        subject.title,
        "wrong",
        headline,
        where=subject.name(i),
        mistakes=mistakes,
        **told_of(mistakes),
        notes=(*_why(mistakes), *shape_rule.origins(subject, trial, k), *rule),
    )


def _square_name(subject: Subject, inputs: Arrays, rng: np.random.Generator) -> tuple[str, ...]:
    trials = evidence.square_evidence(subject, inputs, rng)
    return diagnose(trials).mistakes if trials else ()


def _named_by_square(subject: Subject, inputs: Arrays, rng: np.random.Generator, stop: Raised) -> Stop:
    """A product that failed for its shapes does not fail where all sizes are equal: there its mistake can be named."""
    if not isinstance(stop.fault, ValueError):
        return stop
    mistakes = _square_name(subject, inputs, rng)
    if not mistakes:
        return stop
    rule = shape_rule.products(subject, inputs)
    headline = f"{str(stop).rstrip('.')}: {titles(mistakes)}."
    return Stop("wrong", headline, mistakes, notes=rule)
