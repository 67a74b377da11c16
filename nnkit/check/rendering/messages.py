"""Sentences about what a check found: from a `Finding` to the `Verdict`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from itertools import permutations
from typing import Any

import numpy as np

from nnkit.arrays import ShapeError
from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.diagnosis.diagnose import list_explanations
from nnkit.check.diagnosis.explanations.faults import explain_fault
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.error_map import ErrorMap
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import CallFault, Explanation, Finding, GradientFault
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import find_worst, format_place, make_table
from nnkit.check.rendering import shape_messages
from nnkit.check.rendering.lessons import mark_later
from nnkit.check.verdict import Verdict
from nnkit.language import say, say_count, to_say
from nnkit.text import join_words

MAX_EXCHANGED_GRADIENTS = 4
"""Gradients whose orders are all tried."""
MAX_HAND_ENTRIES = 4
"""Numbers up to which the example of the table itself can be followed by hand."""
MAX_EXAMPLE_CHARS = 200
NO_NUMBER = 1e-12
"""Size below which an entry is what is left of numbers that cancel."""


def describe_finding(title: str, finding: Finding) -> Verdict:
    """Return the verdict of a check that this finding ended."""
    if isinstance(finding, CallFault):
        return _describe_fault(title, finding)
    return Verdict(
        finding.subject or title,
        finding.status,
        say(finding.headline),
        largest_error=finding.error,
        where=finding.entries[0].where if finding.entries else "",
        entries=finding.entries,
        **explain_fields(_explain_ids(finding)),
        notes=tuple(map(say, finding.notes)),
    )


def _explain_ids(finding: Finding) -> list[Explanation]:
    """Return the explanations that a finding has ids for, the first with the finding's own words."""
    found = [ENTRIES[id] for id in finding.mistakes]
    return [replace(found[0], **finding.words), *found[1:]] if finding.words else found


def _describe_fault(title: str, finding: CallFault) -> Verdict:
    """Return the verdict on code that raised: where, what it means, and what Python says of it."""
    explanations = _explain_ids(finding) or [explain_fault(finding)]
    said = join_titles(explanations)
    said += "" if said.endswith("?") else "."
    headline = f"{finding.start}: {said}" if not isinstance(finding.fault, ShapeError) else finding.headline
    own = finding.message.rstrip(".!")
    notes = (say("Python says: {message}.", message=_shorten(own)),) if own and own not in headline else ()
    subject = finding.subject or title
    return Verdict(
        subject, finding.status, headline, **explain_fields(explanations), notes=(*map(say, finding.notes), *notes)
    )


def _shorten(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def add_mistakes(finding: Finding, mistakes: tuple[str, ...]) -> Finding:
    """Return the finding with these mistakes named, in its sentence too."""
    found = join_titles([BY_ID[id] for id in mistakes])
    headline = f"{say(finding.headline).rstrip('.')}; {found}."
    return replace(finding, headline=headline, mistakes=mistakes)


def explain_faults(subject: Subject, faults: Sequence[GradientFault]) -> dict[str, Any]:
    """Return the fields of a `Verdict` for the faults of several gradients: each sentence says which gradient it is
    about, if not all of them."""
    fields = explain_fields(list_explanations(faults))
    if len(faults) < 2:
        return fields
    about: dict[str, list[int]] = {}
    for fault in faults:
        for why in dict.fromkeys(say(e.why) for e in fault.explanations if e.why):
            about.setdefault(why, []).extend(fault.gradients)
    names = {why: join_words([subject.name(subject.wrt[i]) for i in at]) for why, at in about.items()}
    return {**fields, "explanation": tuple(f"{names[why]}: {why}" for why in about)}


def explain_fields(explanations: Sequence[Explanation]) -> dict[str, Any]:
    """Return the fields of a `Verdict` that these explanations give: ids, explanation, hints and lesson."""
    named = tuple(dict.fromkeys(e.id for e in explanations if e.named))
    if not explanations or named == ("not-attempted",):
        return {"mistakes": named}
    return {
        "mistakes": named,
        "explained_as": tuple(dict.fromkeys(e.id for e in explanations if not e.named)),
        "explanation": tuple(dict.fromkeys(say(e.why) for e in explanations if e.why)),
        "hints": (
            _join_different(say(e.nudge) for e in explanations),
            _join_different(say(e.hint) for e in explanations),
        ),
        "lesson": mark_later(explanations[0].lesson),
    }


def _join_different(texts: Iterable[str]) -> str:
    """Return the texts as one, each different sentence once."""
    return " ".join(
        dict.fromkeys(sentence for text in texts for sentence in re.split(r"(?<=[.?]) (?=[A-Z가-힣])", text))
    )


def join_titles(explanations: Sequence[Explanation]) -> str:
    """Return the titles as one phrase, each once."""
    titles = list(dict.fromkeys(say(e.title) for e in explanations))
    return reduce(lambda first, last: say("{first}; and {last}", first=first, last=last), titles) if titles else ""


def describe_right(subject: Subject, kinks: int, others: Sequence[str] = ()) -> Verdict:
    """Return the verdict on gradients that agree; `kinks` of the points lie on one, `others` are notes of other
    things."""
    where = say_count(
        "{number} point sits on a kink: there, any slope between the two sides is accepted.",
        "{number} points sit on kinks: there, any slope between the two sides is accepted.",
        kinks,
    )
    notes = (where, *others) if kinks else tuple(others)
    names = [subject.name(i) for i in subject.wrt]
    headline = say("{names} agrees with the numerical derivative.", names=names[0])
    if len(names) > 1:
        headline = say("{names} agree with the numerical derivative.", names=join_words(names))
    return Verdict(subject.title, "right", headline, notes=notes)


def describe_wrong(
    subject: Subject, comparison: Comparison, k: int, faults: Sequence[GradientFault], example: Comparison | None
) -> Verdict:
    """Return the verdict on the k-th gradient, which has wrong entries; `faults` are those of all gradients, `example`
    is a smaller or rounder one."""
    i, target = subject.wrt[k], comparison.targets[k]
    name, returned = subject.name(i), comparison.returned[k]
    yours, expected = (subject.shown(i, comparison.inputs, a) for a in (returned, target.value))
    missed = target.misses(returned)
    index = find_worst(yours, expected, missed)
    error = float(np.abs(yours[index] - expected[index]))
    return Verdict(
        subject.title,
        "wrong",
        _describe_faults(subject, k, faults, _describe_errors(yours, missed, index, error, name)),
        largest_error=error,
        where=format_place(name, index),
        entries=make_table(name, yours, expected, missed),
        error_map=ErrorMap.of(name, yours, expected, missed),
        **explain_faults(subject, faults),
        notes=_describe_example(subject, comparison, k, example),
    )


def describe_wrong_shape(
    subject: Subject, comparison: Comparison, k: int, faults: Sequence[GradientFault], example: Comparison | None
) -> Verdict:
    """Return the verdict on the k-th gradient, which does not have its input's shape."""
    i = subject.wrt[k]
    if moved := _list_exchanged(comparison):
        names = [subject.name(subject.wrt[place]) for place in moved]
        headline = say("{names} are right, but changed places.", names=join_words(names))
        exchanged = [BY_ID["swapped-inputs"]]
        return Verdict(subject.title, "wrong", headline, where=subject.name(i), **explain_fields(exchanged))
    shapes = comparison.returned[k].shape, np.shape(comparison.inputs[i])
    sentence = shape_messages.describe_shape(subject.name(i), shapes[0], subject.names[i], shapes[1])
    rule = shape_messages.describe_only_order(subject, comparison, k)
    own = list_explanations(fault for fault in faults if k in fault.gradients)
    shapes_alone, _, detail = sentence.partition(": ")
    headline = f"{shapes_alone}: {join_titles(own)}" if own else sentence.removesuffix(".")
    others = [(fault, tuple(i for i in fault.gradients if i != k)) for fault in faults]
    also = [_describe_others(subject, own, fault, gradients) for fault, gradients in others if gradients]
    said = any(word in detail and word in headline for word in (say("axis of size 1"), say("transpose")))
    details = (f"{detail[0].upper()}{detail[1:]}",) if own and detail and not said else ()
    fields = explain_faults(subject, faults) if own else explain_fields([BY_ID["wrong-shape"]])
    if own and not any(e.named for e in own):
        fields["mistakes"] = (*fields["mistakes"], "wrong-shape")
    return Verdict(
        subject.title,
        "wrong",
        "; ".join([headline, *also]) + ".",
        where=subject.name(i),
        **fields,
        notes=(*details, *shape_messages.describe_origins(subject, comparison, k), *rule),
    )


def _list_exchanged(comparison: Comparison) -> list[int]:
    """Return the places of gradients that are those of other inputs, if each is the gradient of some input."""
    if not 2 <= len(comparison.returned) <= MAX_EXCHANGED_GRADIENTS:
        return []
    for order in permutations(range(len(comparison.returned))):
        pairs = [(value, comparison.targets[place]) for value, place in zip(comparison.returned, order)]
        if all(np.shape(value) == np.shape(target.value) and not target.misses(value).any() for value, target in pairs):
            return [place for place, other in enumerate(order) if place != other]
    return []


def _describe_others(
    subject: Subject, own: Sequence[Explanation], fault: GradientFault, gradients: Sequence[int]
) -> str:
    """Describe gradients that are wrong beside one whose shape is wrong, and of which `own` is said."""
    names = [subject.name(subject.wrt[i]) for i in gradients]
    if not fault.explanations or join_titles(fault.explanations) == join_titles(own):
        return say("{names} is wrong too" if len(names) == 1 else "{names} are wrong too", names=join_words(names))
    return _describe_names(names, _of_each(join_titles(fault.explanations), len(names)))


def _describe_names(names: Sequence[str], reason: str) -> str:
    """Return "dx is wrong: ..."."""
    template = to_say("{names} is wrong: {reason}") if len(names) == 1 else to_say("{names} are wrong: {reason}")
    return say(template, names=join_words(names), reason=reason)


def _describe_faults(subject: Subject, k: int, faults: Sequence[GradientFault], errors: str) -> str:
    """Return one sentence on all gradients that are wrong; `errors` describes those of the k-th one, which is shown."""
    parts = []
    for fault in _join_alike(faults) or [GradientFault((k,))]:
        names = [subject.name(subject.wrt[i]) for i in fault.gradients]
        if fault.explanations:
            parts.append(_describe_names(names, _of_each(join_titles(fault.explanations), len(names))))
        elif k in fault.gradients:
            parts.append(_describe_names(names, errors))
        else:
            parts.append(say("{names} is wrong" if len(names) == 1 else "{names} are wrong", names=join_words(names)))
    return "; ".join(parts) + "."


def _join_alike(faults: Sequence[GradientFault]) -> list[GradientFault]:
    """Return the faults with those as one that have the same titles."""
    alike: dict[str | GradientFault, GradientFault] = {}
    for fault in faults:
        key = join_titles(fault.explanations) or fault
        first = alike.setdefault(key, replace(fault, gradients=()))
        alike[key] = replace(first, gradients=(*first.gradients, *fault.gradients))
    return list(alike.values())


def _of_each(titles: str, gradients: int) -> str:
    """Return titles that say "it" of one gradient as they are said of several."""
    return titles if gradients == 1 else re.sub(r"(^|; and )it (was|is|has) ", r"\1each \2 ", titles)


def _describe_errors(returned: np.ndarray, wrong: np.ndarray, index: tuple[int, ...], error: float, name: str) -> str:
    """Describe how many entries are off and by how much."""
    if not np.isfinite(returned[index]):
        return say("{place} is {returned}", place=format_place(name, index), returned=returned[index])
    count = int(wrong.sum())
    if wrong.size == 1:
        return say("it is off by {error:.3g}", error=error)
    return say(
        "{wrong} of {count} entries is off, by up to {error:.3g} (at {where})"
        if count == 1
        else "{wrong} of {count} entries are off, by up to {error:.3g} (at {where})",
        **{"wrong": count, "count": wrong.size, "error": error, "where": format_place(name, index)},
    )


def _describe_example(subject: Subject, comparison: Comparison, k: int, example: Comparison | None) -> tuple[str, ...]:
    """Describe an example that can be followed by hand: the one that the table shows, if its numbers are few, else the
    smallest that was found; and the sizes of the one that the table shows, if they are not those given."""
    sizes = ", ".join(f"{name} {np.shape(x)}" for name, x in zip(subject.names, comparison.inputs))
    shown = (say("Shown on a smaller example: {sizes}.", sizes=sizes),) if comparison.resized else ()
    if sum(map(np.size, comparison.inputs)) <= MAX_HAND_ENTRIES and np.size(comparison.upstream) <= MAX_HAND_ENTRIES:
        return (*shown, say("At {point}.", point=_describe_point(subject, comparison)))
    if example is None or np.size(example.upstream) == 0:
        return shown
    name = subject.name(subject.wrt[k])
    yours, expected = (
        subject.shown(subject.wrt[k], example.inputs, a) for a in (example.returned[k], example.right[k])
    )
    sentence = say(
        "To follow by hand: at {point}, {name} should be {expected}, and is {yours}.",
        point=_describe_point(subject, example),
        **{"name": name, "expected": _format(expected), "yours": _format(yours)},
    )
    return (*shown, sentence) if len(sentence) <= MAX_EXAMPLE_CHARS else shown


def _describe_point(subject: Subject, comparison: Comparison) -> str:
    inputs = ", ".join(f"{name} = {_format(x)}" for name, x in zip(subject.names, comparison.inputs))
    return (
        say("{inputs}, with upstream = {upstream}", inputs=inputs, upstream=_format(comparison.upstream))
        if subject.takes_upstream
        else inputs
    )


def _format(x: Any) -> str:
    """Return numbers in few digits; what is left of numbers that cancel is 0."""
    x = np.asarray(x)
    x = np.where(np.abs(x) < NO_NUMBER, 0.0, x) if x.dtype.kind == "f" else x
    if x.ndim == 0:
        return f"{float(x):.6g}"
    text = np.array2string(x, separator=", ", formatter={"float": "{:.6g}".format})
    return re.sub(r"\s+", " ", text)
