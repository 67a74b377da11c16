"""The place of a wrong entry in gradients that are too large, or too slow, to go through entry by entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnkit.check.error_map import two_numbers
from nnkit.check.evidence.careful_slopes import confirm_entry
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.directions import Ways, draw_ways, extrapolate_along, find_gap, level_ways, take_complex_steps
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.limits import OutOfTime, working_time_limit
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import format_place
from nnkit.check.verdict import Entry
from nnkit.language import say
from nnkit.numerical import MIN_SCALE

PLAIN = 1e-4
"""Relative error that needs no closer look."""
MAX_CANDIDATES = 4
"""Single entries that are looked at closely."""


@dataclass(frozen=True)
class WrongEntry:
    """An entry that is wrong: in which of the gradients that are checked, its index, and what is right."""

    gradient: int
    index: tuple[int, ...]
    yours: float
    expected: float


def find_wrong_entry(
    subject: Subject, inputs: Arrays, upstream: np.ndarray, returned: Arrays, rng: np.random.Generator, exact: bool
) -> WrongEntry | None:
    """Return a wrong entry, found by halving: of two halves of the entries, one does not agree with the slope along a
    direction in which it alone moves. None where no half disagrees, or the last entry is right after all."""
    search = _Search(subject, inputs, upstream, returned, exact)
    for _ in range(MAX_CANDIDATES):
        ways = draw_ways(inputs, subject.wrt, rng)
        entry = search.halve(level_ways(ways, subject.wrt, returned) if exact else ways)
        found = None if entry is None else search.confirm(*entry)
        if found:
            return found
    return None


def search_wrong_entry(
    subject: Subject,
    inputs: Arrays,
    upstream: np.ndarray,
    returned: Arrays,
    rng: np.random.Generator,
    exact: bool,
    share: float,
    floor: float = 0.0,
) -> Finding | None:
    """Find one wrong entry by halving, within this share of the time, whose error is above the floor."""
    try:
        with working_time_limit(share):
            found = find_wrong_entry(subject, inputs, upstream, returned, rng, exact)
    except OutOfTime:
        return None
    if found is None or abs(found.yours - found.expected) < floor:
        return None
    return _describe_wrong_entry(subject, inputs, found)


def _describe_wrong_entry(subject: Subject, inputs: Arrays, wrong: WrongEntry) -> Finding:
    """Return the finding that says where the one entry is, of all that may be wrong."""
    i = subject.wrt[wrong.gradient]
    filled = (np.full(np.shape(inputs[i]), g) for g in (wrong.yours, wrong.expected))
    shown = [float(subject.shown(i, inputs, gradient)[wrong.index]) for gradient in filled]
    yours, expected = two_numbers(*shown)
    at = f"{format_place(subject.names[i], wrong.index)} = {float(inputs[i][wrong.index]):.4g}"
    sentence = say(
        "{name} is wrong: at {at} it is {yours}, the measured one is {expected}.",
        name=subject.name(i),
        at=at,
        yours=yours,
        expected=expected,
    )
    row = Entry(format_place(subject.name(i), wrong.index), *shown)
    note = say("This entry was found by halving, not by going through all: others may be wrong too.")
    return Finding("wrong", sentence, entries=(row,), error=abs(row.yours - row.expected), notes=(note,))


def list_wrong_gradients(
    subject: Subject, inputs: Arrays, upstream: np.ndarray, returned: Arrays, rng: np.random.Generator, exact: bool
) -> list[int]:
    """Return the inputs whose gradient does not agree with the slope as it alone moves."""
    search = _Search(subject, inputs, upstream, returned, exact)
    ends = np.cumsum([0, *search.sizes]).tolist()
    ways = draw_ways(inputs, subject.wrt, rng)
    return [i for i, start, stop in zip(subject.wrt, ends, ends[1:]) if search.disagrees(ways, start, stop)]


def find_wrong_shape(subject: Subject, inputs: Arrays, returned: Arrays) -> Finding | None:
    """Find a gradient whose shape is not its input's."""
    for i, w in zip(subject.wrt, returned):
        if w.shape != np.shape(inputs[i]):
            sentence = say(
                "{gradient} is {returned}, but {name} is {shape}.",
                **{"gradient": subject.name(i), "returned": w.shape},
                **{"name": subject.names[i], "shape": np.shape(inputs[i])},
            )
            return Finding("wrong", sentence, ("wrong-shape",))
    return None


@dataclass(frozen=True)
class _Search:
    subject: Subject
    inputs: Arrays
    upstream: np.ndarray
    returned: Arrays
    exact: bool

    @property
    def sizes(self) -> list[int]:
        return [int(np.size(w)) for w in self.returned]

    def halve(self, ways: Ways) -> tuple[int, int] | None:
        """Return the gradient and the flat index of an entry that seems wrong."""
        start, stop = 0, sum(self.sizes)
        if not self.disagrees(ways, start, stop):
            return None
        while stop - start > 1:
            middle = (start + stop) // 2
            if self.disagrees(ways, start, middle):
                stop = middle
            elif self.disagrees(ways, middle, stop):
                start = middle
            else:
                return None
        k = int(np.searchsorted(np.cumsum(self.sizes), start, side="right"))
        return k, start - sum(self.sizes[:k])

    def disagrees(self, ways: Ways, start: int, stop: int) -> bool:
        """Return True if the slope is another one as only the entries from `start` to `stop` move."""
        part, first = {}, 0
        for i, size in zip(self.subject.wrt, self.sizes):
            low, high = max(start - first, 0), min(stop - first, size)
            first += size
            if low < high:
                part[i] = np.zeros(np.shape(self.inputs[i]))
                part[i].flat[low:high] = np.ravel(ways[i])[low:high]
        measured = self._measure(part)
        if measured is None:  # a kink, for one
            return False
        kept = [(i, w) for i, w in zip(self.subject.wrt, self.returned) if i in part]
        gap = find_gap(self.subject, self.inputs, self.upstream, kept, part, *measured)
        return not gap.distance <= gap.slack

    def _measure(self, part: Ways) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.exact:
            return extrapolate_along(self.subject.function, self.inputs, part)
        slopes = take_complex_steps(self.subject.function, self.inputs, [part])
        return None if slopes is None else (slopes[0], np.zeros(()))

    def confirm(self, k: int, entry: int) -> WrongEntry | None:
        """Return the entry if it is wrong beyond what rounding and measuring may do."""
        own, i = float(self.returned[k].flat[entry]), self.subject.wrt[k]
        measured = self._measure_entry(i, entry)
        expected: float | None = measured
        if not abs(own - measured) > PLAIN * max(abs(own), abs(measured)):
            expected = confirm_entry(self.subject.function, self.inputs, i, entry, self.upstream, own)
        index = tuple(int(n) for n in np.unravel_index(entry, self.returned[k].shape))
        return None if expected is None else WrongEntry(k, index, own, expected)

    def _measure_entry(self, i: int, entry: int) -> float:
        """Return the slope at one entry, as well as a few steps tell; NaN where they do not."""
        way = np.zeros(np.shape(self.inputs[i]))
        way.flat[entry] = step = max(abs(float(self.inputs[i].flat[entry])), MIN_SCALE)
        measured = self._measure({i: way})
        return float(np.sum(self.upstream * measured[0])) / step if measured else float("nan")
