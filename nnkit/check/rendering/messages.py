"""How an outcome is told: from what was found to the `Verdict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.error_map import ErrorMap
from nnkit.check.evidence.comparison import Trial
from nnkit.check.evidence.guarded_call import Stop
from nnkit.check.evidence.subjects import GateSubject, Subject
from nnkit.check.evidence.tolerance import place, table, worst
from nnkit.check.rendering import shape_messages
from nnkit.check.verdict import Verdict


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


def titles(mistakes: Sequence[str], names: Sequence[str] = ()) -> str:
    """What the mistakes are, in one phrase; `names` are the gradients that they sit in, where these differ."""
    told = [BY_ID[id].title for id in mistakes]
    return "; and ".join(
        [*told[:1], *(f"{name}: {title}" for name, title in zip(names[1:], told[1:]))] if names else told
    )


def right(subject: Subject, kinks: int) -> Verdict:
    where = "1 point sits on a kink" if kinks == 1 else f"{kinks} points sit on kinks"
    notes = (f"{where}: there, any slope between the two sides is accepted.",) if kinks else ()
    names = [subject.name(i) for i in subject.wrt]
    listed = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    verb = "agrees" if len(names) == 1 else "agree"
    return Verdict(subject.title, "right", f"{listed} {verb} with the numerical derivative.", notes=notes)


def wrong(subject: Subject, trial: Trial, k: int, mistakes: tuple[str, ...], named: Sequence[str]) -> Verdict:
    """The k-th gradient of this trial has wrong entries; `named` are the gradients that the mistakes sit in, where
    these differ."""
    i, target = subject.wrt[k], trial.targets[k]
    name, returned = subject.name(i), trial.returned[k]
    yours, expected = (subject.shown(i, trial.inputs, a) for a in (returned, target.value))
    missed = target.misses(returned)
    index = worst(yours, expected, missed)
    error = float(np.abs(yours[index] - expected[index]))
    return Verdict(
        subject.title,
        "wrong",
        f"{name} is wrong: {titles(mistakes, named)}." if mistakes else _headline(name, yours, missed, index, error),
        largest_error=error,
        where=place(name, index),
        entries=table(name, yours, expected, missed),
        error_map=ErrorMap.of(name, yours, expected, missed),
        mistakes=mistakes,
        **told_of(mistakes),
        notes=(*_why(mistakes), *_handed(subject, trial)),
    )


def wrong_shape(subject: Subject, trial: Trial, k: int, mistakes: tuple[str, ...], named: Sequence[str]) -> Verdict:
    """The k-th gradient has not its input's shape."""
    i = subject.wrt[k]
    shapes = trial.returned[k].shape, np.shape(trial.inputs[i])
    told = shape_messages.sentence(subject.name(i), shapes[0], subject.names[i], shapes[1])
    rule = shape_messages.only_order(subject, trial, k)
    headline = f"{told[:-1]}: {titles(mistakes, named)}." if mistakes else told
    mistakes = mistakes or ("wrong-shape",)
    return Verdict(
        subject.title,
        "wrong",
        headline,
        where=subject.name(i),
        mistakes=mistakes,
        **told_of(mistakes),
        notes=(*_why(mistakes), *shape_messages.origins(subject, trial, k), *rule),
    )


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
