"""Explanation of any wrong gradient, by measuring how the output moves when one entry of the input does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnkit import numerical
from nnkit.check.diagnosis.mistakes.base import Mistake
from nnkit.check.error_map import two_numbers
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import find_worst, format_place
from nnkit.language import say, to_say
from nnkit.text import join_ands

MAX_TERMS = 2
"""Entries of the output up to which the sum over them is written out."""
MEASURED = Mistake(
    "measured-slope",
    "the slope is not the one that was measured",
    "",
    "Take this one entry, and follow by hand how it reaches the output.",
    "Write the local derivative of each gate on that way, multiply them, multiply by the upstream gradient, and add up"
    " what comes along several ways.",
    "lecture 01, Upstream × local",
    named=False,
)


@dataclass(frozen=True)
class Slope:
    """One entry of an input, and its slopes in the outputs that it reaches."""

    place: str
    """The entry of the gradient: "dx[0, 2]"."""
    entry: str
    """The entry of the input: "x[0, 2]"."""
    value: float
    outputs: tuple[tuple[str, float, float], ...]
    """(place, measured slope, upstream gradient) of each entry of the output that it changes."""
    yours: float
    expected: float
    wrong: int
    """Entries of the gradient that are wrong, out of `size`."""
    size: int
    side: str = ""
    """The sign of the input at all entries that are wrong, and at no other: "negative" or "positive"."""


def explain_measured(subject: Subject, comparison: Comparison, k: int) -> Explanation | None:
    """Explain the k-th gradient's worst entry by the slopes that were measured there; None if its shape is wrong."""
    slope = measure_slope(subject, comparison, k)
    if slope is None:
        return None
    if comparison.step_size:
        return MEASURED.explain("", title="it is not the old one minus step_size · gradient", why=_describe_step(slope))
    if not np.isfinite(slope.yours):
        return MEASURED.explain(
            "", title=say("{place} is {yours}", place=slope.place, yours=slope.yours), why=_describe_terms(slope)
        )
    in_table = not subject.takes_upstream and bool(slope.outputs)  # the slope of a value is its gradient
    yours, expected = _tell_apart(slope)
    title = say(
        "at {entry} = {value:.4g} it is {yours}, the measured one is {expected}",
        entry=slope.entry,
        value=slope.value,
        yours=yours,
        expected=expected,
    )
    return MEASURED.explain("", title=_count_errors(slope, title), why="" if in_table else _describe_terms(slope))


def measure_slope(subject: Subject, comparison: Comparison, k: int) -> Slope | None:
    """Return the slopes at the entry that is off the most."""
    i, target, returned = subject.wrt[k], comparison.targets[k], comparison.returned[k]
    missed = target.misses(returned)
    if returned.shape != target.value.shape or not missed.any():
        return None
    index = find_worst(returned, target.value, missed)
    entry = int(np.ravel_multi_index(index, returned.shape)) if index else 0
    column = _measure_column(comparison, i, entry)
    reached = np.argwhere(np.abs(column) > 1e-9 * max(1.0, float(np.max(np.abs(column), initial=0.0))))
    outputs = [
        (subject.format_output(at), float(column[at]), float(comparison.upstream[at])) for at in _list_indices(reached)
    ]
    return Slope(
        format_place(subject.name(i), index),
        format_place(subject.names[i], index),
        float(np.asarray(comparison.inputs[i])[index]),
        tuple(outputs),
        float(returned[index]),
        float(target.value[index]),
        int(missed.sum()),
        missed.size,
        _find_side(np.asarray(comparison.inputs[i]), missed),
    )


def _find_side(x: np.ndarray, missed: np.ndarray) -> str:
    if missed.sum() < missed.size:
        for side, inside in ((to_say("negative"), x < 0), (to_say("positive"), x > 0)):
            if np.array_equal(missed, inside):
                return side
    return ""


def _measure_column(comparison: Comparison, i: int, entry: int) -> np.ndarray:
    """Return the slopes of the output in one entry of input i: none at a kink, where there are two of them."""
    column = numerical.recompute_column(comparison.function, comparison.inputs, i, entry)
    return np.zeros(column.value.shape) if np.any(column.kink) else column.value


def _list_indices(found: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(int(n) for n in row) for row in found]


def _count_errors(slope: Slope, title: str) -> str:
    if slope.size == 1:
        return title
    counts = {"wrong": slope.wrong, "count": slope.size, "title": title}
    if slope.side:
        name = slope.entry.partition("[")[0]
        return say(
            "{wrong} of {count} entries is off, those where {name} is {side}; {title}"
            if slope.wrong == 1
            else "{wrong} of {count} entries are off, those where {name} is {side}; {title}",
            **{**counts, "name": name, "side": say(slope.side)},
        )
    return say(
        "{wrong} of {count} entries is off; {title}"
        if slope.wrong == 1
        else "{wrong} of {count} entries are off; {title}",
        **counts,
    )


def _describe_step(slope: Slope) -> str:
    yours, expected = _tell_apart(slope)
    return say(
        "At {entry} = {value:.4g}, (old - new) / step_size is {yours}; the gradient there is {expected}.",
        **{"entry": slope.entry, "value": slope.value, "yours": yours, "expected": expected},
    )


def _describe_terms(slope: Slope) -> str:
    """Return sentences on how this entry reaches the output."""
    if not slope.outputs:
        return (
            say("A small change of {entry} changes nothing: its gradient is 0.", entry=slope.entry)
            if slope.expected == 0
            else ""
        )
    if len(slope.outputs) > MAX_TERMS:
        place, each, _ = max(slope.outputs, key=lambda output: abs(output[1] * output[2]))
        changes = say(
            "{count} entries of the output change; {place}, for example, by {change:.4g} · h",
            **{"count": len(slope.outputs), "place": place, "change": each},
        )
    else:
        changes = join_ands(
            [say("{place} changes by {change:.4g} · h", place=place, change=each) for place, each, _ in slope.outputs]
        )
    return say(
        "Measured: if {entry} grows by a small h, {changes}. {sum}",
        entry=slope.entry,
        changes=changes,
        sum=_describe_sum(slope),
    )


def _describe_sum(slope: Slope) -> str:
    yours, expected = _tell_apart(slope)
    if len(slope.outputs) > MAX_TERMS:
        return say(
            "Slope times upstream, summed over all of them, is {expected}; yours is {yours}.",
            expected=expected,
            yours=yours,
        )
    (_, _, g), *others = slope.outputs
    if not others and g == 1:
        return say("So its gradient is {expected}; yours is {yours}.", expected=expected, yours=yours)
    if not others and g != 0 and np.isfinite(slope.yours):
        own = f"{_signed(slope.yours)} / {_signed(g)} = {slope.yours / g:.4g}"
        return say("Your gradient divided by the upstream gradient there, {own}, should be that slope.", own=own)
    terms = " + ".join(f"{_signed(g)} · {_signed(each)}" for _, each, g in slope.outputs)
    return say(
        "Upstream times slope, {terms}, is {expected}; yours is {yours}.", terms=terms, expected=expected, yours=yours
    )


def _tell_apart(slope: Slope) -> tuple[str, str]:
    """Return both gradients with four digits, or with as many as make them differ."""
    yours, expected = f"{slope.yours:.4g}", f"{slope.expected:.4g}"
    return (yours, expected) if yours != expected else two_numbers(slope.yours, slope.expected)


def _signed(number: float) -> str:
    return f"({number:.4g})" if number < 0 else f"{number:.4g}"
