"""Step 2, where rounding may hide a mistake: compare at other scales of the inputs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from nnkit.check.evidence import sampling
from nnkit.check.evidence.careful_slopes import confirm_entry
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.directions import look_along
from nnkit.check.evidence.domains import leaves_domain
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.guarded_call import find_difference
from nnkit.check.evidence.limits import OutOfTime, working_time_limit
from nnkit.check.evidence.location import search_wrong_entry
from nnkit.check.evidence.other_scales import (
    contradicts,
    find_beyond_rounding,
    find_zeros,
    is_beyond_rounding,
    list_scaled,
)
from nnkit.check.evidence.tolerance import FLOOR, find_worst
from nnkit.check.pipeline.answers_at import ask_at
from nnkit.check.pipeline.case import Case
from nnkit.language import say

Place = tuple[Arrays, np.ndarray, Arrays]
"""Inputs, an upstream gradient, and the gradients that came back."""
SHARE_FOR_SCALES = 0.3
SHARE_FOR_ENTRY = 0.1
"""Shares of the time limit for all scales, and for the search of one wrong entry at one of them."""
MIN_PLACES = 3
"""Places at which gradients that rounding might excuse must disagree to be wrong."""


def compare_elsewhere(case: Case) -> list[Comparison] | Finding:
    """Return comparisons in which something is wrong at another scale, where what passed here might be no more than
    rounding, or zeros: the inverse of a matrix with entries of 10⁶, a sigmoid at 1000."""
    search = _ScaleSearch(case, _find_doubts(case), _doubts_value(case))
    if not search.is_open:
        return []
    with suppress(OutOfTime), working_time_limit(SHARE_FOR_SCALES):
        for others in list_scaled(case.subject, case.inputs):
            found = search.compare_at(others)
            if found or not search.is_open:
                return found or []
        return search.conclude()
    case.notes += _describe_unseen(case, search.doubts)
    return []


def _find_doubts(case: Case) -> list[np.ndarray]:
    """Return True for each entry that nothing was seen of: in doubt in the comparison here, or in a gradient of zeros
    only; for all where all are in doubt."""
    doubts = [np.full(w.shape, case.is_doubtful or not w.any()) for w in case.returned[0]]
    for comparison in case.comparisons[:1]:
        pairs = zip(doubts, comparison.targets, comparison.returned)
        doubts = [doubt | target.doubts(w) for doubt, target, w in pairs]
    return doubts


def _doubts_value(case: Case) -> bool:
    """Return True if the value passed as that of the trusted function by nothing but room for rounding."""
    of = case.subject.of
    return of is not None and find_difference(case.what, case.out, np.asarray(of(*case.inputs), float)) is not None


@dataclass
class _ScaleSearch:
    case: Case
    doubts: list[np.ndarray]
    """The entries that nothing has been seen of so far."""
    doubts_value: bool
    undecided: list[Place] = field(default_factory=list)
    """Other places that left doubts."""
    answered: bool = False
    """There are other places where the code is defined."""

    @property
    def is_open(self) -> bool:
        return self.doubts_value or any(doubt.any() for doubt in self.doubts)

    def compare_at(self, others: Arrays) -> list[Comparison] | Finding:
        """Look for what is wrong at these inputs, and drop the doubts about entries that show there, and are right."""
        case, subject = self.case, self.case.subject
        answer = ask_at(case, others)
        if answer is None:
            return []
        if isinstance(answer, Finding):
            return [] if leaves_domain(subject, case.inputs, others) else answer
        self.answered, self.doubts_value, (g, returned) = True, False, answer
        seen = look_along(subject, others, [g], [returned], case.directions_rng, 2, case.exact)
        left = [np.full(w.shape, not np.any(w)) for w in returned]
        coarse = case.is_large or case.is_slow
        if not (seen.is_sure and (seen.shows_each or coarse)):
            self.undecided.append((others, g, returned))
            if coarse:
                return self._search_entry(others, g, returned) or []
            found = sampling.compare_at(subject, others, [g], [returned], sampling.find_batch_size(subject, others))
            if isinstance(found, Finding):
                return []
            (comparison,) = found
            if is_beyond_rounding(subject, comparison, case.rng):
                return [] if leaves_domain(subject, case.inputs, others) else found
            zeros = find_zeros(subject, comparison, case.rng)
            doubts = [t.misses(w) | t.doubts(w) for t, w in zip(comparison.targets, returned)]
            left = [empty | (doubt & ~zero) for empty, doubt, zero in zip(left, doubts, zeros)]
        self.doubts = [doubt & rest for doubt, rest in zip(self.doubts, left)]
        return []

    def _search_entry(self, others: Arrays, g: np.ndarray, returned: Arrays) -> Finding | None:
        case, floor = self.case, FLOOR * float(np.max(np.abs(g), initial=0.0))
        found = search_wrong_entry(
            case.subject, others, g, returned, case.directions_rng, case.exact, SHARE_FOR_ENTRY, floor
        )
        return None if found is None or leaves_domain(case.subject, case.inputs, others) else found

    def conclude(self) -> list[Comparison]:
        """Return the comparison here as wrong if gradients are clearly not right wherever they were looked at; else
        note what could not be seen."""
        case, left = self.case, self.doubts
        if self.answered:
            if not case.comparisons:
                return []
            left = find_beyond_rounding(case.subject, case.comparisons[0], left, case.rng)
            if not any(map(np.any, left)):
                return []
            wrong = self._narrow_where_all_disagree(case.comparisons[0])
            if wrong:
                return [wrong]
        case.notes += _describe_unseen(case, left)
        return []

    def _narrow_where_all_disagree(self, here: Comparison) -> Comparison | None:
        """Return the comparison without room for rounding, if it is wrong then, and the slopes at all places say so."""
        case = self.case
        places = [(here.inputs, here.upstream, here.returned), *self.undecided]
        disagrees = partial(contradicts, case.subject, rng=case.directions_rng)
        if len(places) < MIN_PLACES or not all(disagrees(*place) for place in places):
            return None
        narrowed = replace(here, targets=tuple(target.narrow() for target in here.targets))
        for i, w, target in zip(here.wrt, here.returned, narrowed.targets):
            missed = target.misses(w)
            if missed.any():
                entry = int(np.ravel_multi_index(find_worst(w, target.value, missed), w.shape)) if w.shape else 0
                own = float(np.ravel(w)[entry])
                right = confirm_entry(case.subject.function, here.inputs, i, entry, here.upstream, own, room=0.0)
                return None if right is None else narrowed
        return None


def _describe_unseen(case: Case, left: list[np.ndarray]) -> tuple[str, ...]:
    names = [case.subject.name(i) for i, mask in zip(case.subject.wrt, left) if mask.any()]
    count, whole = sum(int(mask.sum()) for mask in left), sum(mask.size for mask in left)
    what = (
        say("{count} of {whole} entries ({names})", count=count, whole=whole, names=", ".join(names))
        if count
        else case.what
    )
    return (
        say(
            "{what} are too small here to stand out from rounding, and no other scale of the inputs shows more: a "
            "mistake there would not be seen."
            if count > 1
            else "{what} is too small here to stand out from rounding, and no other scale of the inputs shows more: a "
            "mistake there would not be seen.",
            what=what,
        ),
    )
