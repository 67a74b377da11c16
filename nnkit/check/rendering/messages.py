"""Sentences about what a check found: from a `Finding` to the `Verdict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.error_map import ErrorMap
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import GateSubject, Subject
from nnkit.check.evidence.tolerance import find_worst, format_place, make_table
from nnkit.check.rendering import shape_messages
from nnkit.check.verdict import Verdict


def describe_finding(title: str, finding: Finding) -> Verdict:
    """Return the verdict of a check that this finding ended."""
    return Verdict(
        finding.subject or title,
        finding.status,
        finding.headline,
        largest_error=finding.error,
        where=finding.entries[0].where if finding.entries else "",
        entries=finding.entries,
        mistakes=finding.mistakes,
        **catalogue_fields(finding.mistakes),
        notes=finding.notes,
    )


def add_mistakes(finding: Finding, mistakes: tuple[str, ...]) -> Finding:
    """Return the finding with these mistakes named, in its sentence too."""
    headline = f"{finding.headline.rstrip('.')}: {join_titles(mistakes)}."
    return replace(finding, headline=headline, mistakes=mistakes)


def catalogue_fields(mistakes: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a `Verdict` that the catalogue has for these mistakes: hints and lesson."""
    if not mistakes or mistakes == ("not-attempted",):
        return {}
    named = [BY_ID[id] for id in mistakes]
    nudges, hints = " ".join(m.nudge for m in named), " ".join(m.hint for m in named)
    return {"hints": (nudges, hints), "lesson": named[0].lesson}


def join_titles(mistakes: Sequence[str], names: Sequence[str] = ()) -> str:
    """Return the titles of the mistakes as one phrase; `names` are the gradients that they are in, if these differ."""
    titles = [BY_ID[id].title for id in mistakes]
    named = [f"{name}: {title}" for name, title in zip(names[1:], titles[1:])] if names else titles[1:]
    return "; and ".join([*titles[:1], *named])


def describe_right(subject: Subject, kinks: int) -> Verdict:
    """Return the verdict on gradients that agree; `kinks` of the points lie on one."""
    where = "1 point sits on a kink" if kinks == 1 else f"{kinks} points sit on kinks"
    notes = (f"{where}: there, any slope between the two sides is accepted.",) if kinks else ()
    names = [subject.name(i) for i in subject.wrt]
    listed = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    verb = "agrees" if len(names) == 1 else "agree"
    return Verdict(subject.title, "right", f"{listed} {verb} with the numerical derivative.", notes=notes)


def describe_wrong(
    subject: Subject, comparison: Comparison, k: int, mistakes: tuple[str, ...], named: Sequence[str]
) -> Verdict:
    """Return the verdict on the k-th gradient, which has wrong entries; `named` are the gradients that the mistakes are
    in, if these differ."""
    i, target = subject.wrt[k], comparison.targets[k]
    name, returned = subject.name(i), comparison.returned[k]
    yours, expected = (subject.shown(i, comparison.inputs, a) for a in (returned, target.value))
    missed = target.misses(returned)
    index = find_worst(yours, expected, missed)
    error = float(np.abs(yours[index] - expected[index]))
    return Verdict(
        subject.title,
        "wrong",
        f"{name} is wrong: {join_titles(mistakes, named)}."
        if mistakes
        else _headline(name, yours, missed, index, error),
        largest_error=error,
        where=format_place(name, index),
        entries=make_table(name, yours, expected, missed),
        error_map=ErrorMap.of(name, yours, expected, missed),
        mistakes=mistakes,
        **catalogue_fields(mistakes),
        notes=(*_why(mistakes), *_handed(subject, comparison)),
    )


def describe_wrong_shape(
    subject: Subject, comparison: Comparison, k: int, mistakes: tuple[str, ...], named: Sequence[str]
) -> Verdict:
    """Return the verdict on the k-th gradient, which does not have its input's shape."""
    i = subject.wrt[k]
    shapes = comparison.returned[k].shape, np.shape(comparison.inputs[i])
    sentence = shape_messages.describe_shape(subject.name(i), shapes[0], subject.names[i], shapes[1])
    rule = shape_messages.describe_only_order(subject, comparison, k)
    headline = f"{sentence[:-1]}: {join_titles(mistakes, named)}." if mistakes else sentence
    mistakes = mistakes or ("wrong-shape",)
    return Verdict(
        subject.title,
        "wrong",
        headline,
        where=subject.name(i),
        mistakes=mistakes,
        **catalogue_fields(mistakes),
        notes=(*_why(mistakes), *shape_messages.describe_origins(subject, comparison, k), *rule),
    )


def _headline(name: str, returned: np.ndarray, wrong: np.ndarray, index: tuple[int, ...], error: float) -> str:
    at = f" at {format_place(name, index)}" if index else ""
    if not np.isfinite(returned[index]):
        return f"{name} is {returned[index]}{at}."
    count = int(wrong.sum())
    if wrong.size == 1:
        return f"{name} is wrong: it is off by {error:.3g}."
    verb = "is" if count == 1 else "are"
    where = format_place(name, index)
    return f"{name} is wrong: {count} of {wrong.size} entries {verb} off, by up to {error:.3g} (at {where})."


def _why(mistakes: Sequence[str]) -> tuple[str, ...]:
    return tuple(BY_ID[id].why for id in mistakes)


def _handed(subject: Subject, comparison: Comparison) -> tuple[str, ...]:
    """Describe the example: sizes that are not those given, or numbers that are few enough to check by hand."""
    if comparison.resized:
        sizes = ", ".join(f"{name} {np.shape(x)}" for name, x in zip(subject.names, comparison.inputs))
        return (f"Shown on a smaller example: {sizes}.",)
    if not isinstance(subject, GateSubject) or np.size(comparison.upstream) > 3:
        return ()
    shown = [f"{name} = {_short(x)}" for name, x in zip(subject.names, comparison.inputs) if np.size(x) <= 4]
    if len(shown) < len(comparison.inputs):
        return ()
    return (f"At {', '.join(shown)}, with upstream = {_short(comparison.upstream)}.",)


def _short(x: Any) -> str:
    return (
        f"{float(x):.6g}"
        if np.ndim(x) == 0
        else np.array2string(np.asarray(x), precision=6, separator=", ").replace("\n", "")
    )
