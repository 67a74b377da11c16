"""Step 2: compare with numerical derivatives, at the inputs and near them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, reduce

import numpy as np

from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.evidence import not_finite, sampling
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.directions import Agreement, look_along
from nnkit.check.evidence.domains import leaves_domain
from nnkit.check.evidence.finding import Finding, WrongGradient
from nnkit.check.evidence.input_types import find_rounded_input
from nnkit.check.evidence.limits import OutOfTime, working_time_limit
from nnkit.check.evidence.location import find_wrong_shape, list_wrong_gradients, search_wrong_entry
from nnkit.check.evidence.lost_digits import describe_lost_digits
from nnkit.check.evidence.other_scales import contradicts
from nnkit.check.evidence.rounding_steps import find_rounding_on_the_way
from nnkit.check.evidence.ties import narrow_at_ties
from nnkit.check.pipeline.answers_at import ask_at
from nnkit.check.pipeline.case import SHARE_FOR_ENTRIES, Case
from nnkit.check.pipeline.elsewhere import compare_elsewhere
from nnkit.language import say
from nnkit.text import join_ands

MAX_NUMBERS_TO_LOCATE = 10_000_000
"""Entries of the Jacobian up to which gradients that are wrong, but right in a smaller example, are gone through entry
by entry."""
SECONDS_WHERE_SURE = 0.1
"""Time that entries may take one by one where all directions agree, but some are too small beside others to show."""
SHARE_FOR_DOUBTS = 0.3
"""Share of the time limit for the search of a small error where directions are not quite sure."""
SHARE_FOR_SMALLER = 0.15
"""Share for a smaller example that shows the mistake."""
SHARE_TO_LOCATE = 0.3
"""Share for the search of a wrong entry among many."""
MAX_ENTRIES_TO_RECOGNISE = 64
"""Entries of all gradients up to which they are compared with finite differences."""
NEAR_TIE_RTOL = 1e-6
"""Room for rounding, relative to all that is added, where inputs are nearly equal."""


def compare(case: Case) -> Finding | None:
    """Compare with numerical derivatives: at these inputs, and at some nearby. They say nothing where forward rounds an
    input, or a number on the way, or loses digits in a difference."""
    found = _compare(case)
    if found is None or case.is_slow:
        return found
    note = describe_lost_digits(found.comparisons) if isinstance(found, WrongGradient) else ""
    if note and _compare_at_others(case, sampling.scale_down_inputs(case.inputs)) == []:
        case.notes += (note,)
        return None
    subject, inputs = case.subject, case.inputs
    return find_rounded_input(subject, inputs) or find_rounding_on_the_way(subject, inputs, case.exact) or found


def _compare(case: Case) -> Finding | None:
    found = _compare_here(case)
    if isinstance(found, Finding):
        return found
    case.comparisons = found = [narrow_at_ties(comparison) for comparison in found]
    wrong = found if _any_wrong(found) else _compare_nearby(case) or compare_elsewhere(case)
    if isinstance(wrong, Finding):
        return wrong
    if wrong:
        right = [] if wrong is found else _list_here(case)  # evidence too: a mistake gives what came back there
        return WrongGradient("wrong", say("the gradient is wrong."), comparisons=(*wrong, *right))
    return not_finite.find_unknown(case.subject, found)


def _list_here(case: Case) -> list[Comparison]:
    """Return comparisons at the inputs that were given, where nothing is wrong."""
    if case.comparisons or case.is_large or case.is_slow:
        return case.comparisons
    batch = sampling.find_batch_size(case.subject, case.inputs)
    here = sampling.compare_at(case.subject, case.inputs, case.upstreams[:1], case.returned, batch)
    return [] if isinstance(here, Finding) else here


def _compare_here(case: Case) -> list[Comparison] | Finding:
    """Compare along a few random directions first; entry by entry, where these do not settle it and it is cheap."""
    seen = look_along(case.subject, case.inputs, case.upstreams, case.returned, case.directions_rng)
    case.exact = seen.exact
    if seen.is_sure and (seen.shows_each or case.is_large or case.takes_longer(SECONDS_WHERE_SURE)):
        return []
    if not (case.is_large or case.is_slow):
        with suppress(OutOfTime), working_time_limit(SHARE_FOR_ENTRIES):
            return _compare_every_entry(case)
    return _compare_large(case, seen)


def _compare_large(case: Case, seen: Agreement) -> list[Comparison] | Finding:
    """Compare along random directions, with room for kinks; where these disagree, in a smaller example or entry by
    entry, or look for one wrong entry."""
    subject, inputs, g, returned = case.subject, case.inputs, case.upstreams[0], case.returned[0]
    near = seen.is_near
    if not seen.exact:
        near = sampling.agrees_along(subject, inputs, g, returned, case.rng, sampling.DIRECTIONS)
    if near:
        case.is_doubtful = contradicts(subject, inputs, g, returned, case.directions_rng)
        return _find_one_entry(case, inputs, g, returned, SHARE_FOR_DOUBTS) or []
    small: list[Comparison] = []
    with suppress(OutOfTime), working_time_limit(SHARE_FOR_SMALLER):
        small.extend(sampling.compare_smaller(subject, inputs, case.rng))
    if _any_wrong(small):
        return small
    if not case.is_slow and case.entries * max(case.out.size, case.entries) <= MAX_NUMBERS_TO_LOCATE:
        return sampling.compare_at(subject, inputs, [g], case.returned, sampling.find_batch_size(subject, inputs))
    if not sampling.has_slope(subject, inputs, case.rng):
        return not_finite.cannot_check(say("the slope is no finite number there."))
    found = find_wrong_shape(subject, inputs, returned) or _find_one_entry(case, inputs, g, returned, SHARE_TO_LOCATE)
    if found:
        return found
    wrong = list_wrong_gradients(subject, inputs, g, returned, case.directions_rng, case.exact)
    names = join_ands([subject.name(i) for i in wrong]) if wrong else _join_ors([subject.name(i) for i in subject.wrt])
    return Finding(
        "wrong",
        say(
            "{names} are wrong; there are too many entries to say where. Try a smaller example."
            if len(wrong) > 1
            else "{names} is wrong; there are too many entries to say where. Try a smaller example.",
            names=names,
        ),
    )


def _join_ors(words: Sequence[str]) -> str:
    return reduce(lambda first, last: say("{first} or {last}", first=first, last=last), words)


def _find_one_entry(case: Case, inputs: Arrays, upstream: np.ndarray, returned: Arrays, share: float) -> Finding | None:
    return search_wrong_entry(case.subject, inputs, upstream, returned, case.directions_rng, case.exact, share)


def _compare_every_entry(case: Case) -> list[Comparison] | Finding:
    subject, inputs = case.subject, case.inputs
    batch = sampling.find_batch_size(subject, inputs)
    found = sampling.compare_at(subject, inputs, case.upstreams, case.returned, batch)
    if isinstance(found, Finding) or all(map(_is_exact, found)) or not all(map(_may_be_measured, found)):
        return found
    measured = _measures_derivative(case)
    if isinstance(measured, Finding):
        return measured
    if measured or _are_finite_differences(case, found):
        return Finding("wrong", say("it measures the slope with small steps."), ("numerical-derivative",))
    return found


def _is_exact(comparison: Comparison) -> bool:
    """Return True if what came back is right to the last digits, as what is measured never is."""
    pairs = zip(comparison.returned, comparison.targets)
    return all(w.shape == t.value.shape and bool(np.all(np.abs(w - t.value) <= t.error_bound)) for w, t in pairs)


def _may_be_measured(comparison: Comparison) -> bool:
    return all(BY_ID["numerical-derivative"].holds(comparison, k) for k in range(len(comparison.targets)))


def _measures_derivative(case: Case) -> bool | Finding:
    """Return True if slopes are measured here and nearby too: twice is no accident of two numbers that are close."""
    subject, g = case.subject, case.upstreams[0]
    here = subject.measures_derivative(case.inputs, g)
    if isinstance(here, Finding) or not here:
        return here
    try:
        there = subject.measures_derivative(sampling.move_inputs(subject, case.inputs, case.rng, 0.05), g)
    except Exception:  # outside of where the function is defined
        return False
    return there is True


def _are_finite_differences(case: Case, found: Sequence[Comparison]) -> bool:
    small = sum(np.size(w) for w in found[0].returned) <= MAX_ENTRIES_TO_RECOGNISE
    return small and not case.subject.opaque and sampling.are_finite_differences(case.subject, found, case.rng)


def _any_wrong(comparisons: Sequence[Comparison]) -> bool:
    return any(comparison.is_wrong(k) for comparison in comparisons for k in range(len(comparison.targets)))


def _compare_nearby(case: Case) -> list[Comparison] | Finding:
    """Return comparisons in which something is wrong at other inputs: a point that was chosen can hide a mistake (2x
    and x² agree at 2), lie on a kink, or on one side of it. They are close by where others are not in the domain."""
    subject, inputs, rng = case.subject, case.inputs, case.rng
    if case.is_large and subject.of is None:  # it has numbers of all kinds, and a kink somewhere on the way
        return []
    moves: list[Callable[..., Arrays]] = [partial(sampling.move_inputs, amount=amount) for amount in (0.2, 0.01)]
    if case.answers.takes_other_signs:
        moves.insert(0, sampling.scatter_inputs)
    for move in moves:
        others = move(subject, inputs, rng)
        found = _compare_at_others(case, others)
        if found is not None and not (found and leaves_domain(subject, inputs, others)):
            return found or _compare_near_ties(case)
    return []


def _compare_near_ties(case: Case) -> list[Comparison] | Finding:
    """Return comparisons in which something is far off where inputs are nearly equal: there, a maximum that takes close
    for equal is wrong. Errors of the size of rounding are not looked for: differences of such inputs lose digits."""
    if case.is_large or not any(map(_has_idle, case.returned[0])):
        return []
    others = sampling.tie_inputs(case.subject, case.inputs, case.rng)
    found = _compare_at_others(case, others, NEAR_TIE_RTOL) if others else []
    return sampling.list_far_off(found) if isinstance(found, list) else []


def _has_idle(gradient: np.ndarray) -> bool:
    """Return True if some entries change nothing, like those that a maximum does not take."""
    sizes = np.abs(gradient)
    return bool(sizes.min() <= 1e-12 * sizes.max())


def _compare_at_others(case: Case, others: Arrays, rtol: float = 1e-11) -> list[Comparison] | Finding | None:
    """Return the wrong comparisons at these inputs; None where the function is not defined there."""
    subject, answer = case.subject, ask_at(case, others)
    if answer is None or isinstance(answer, Finding):
        return answer
    g, returned = answer
    if case.is_large or look_along(subject, others, [g], [returned], case.directions_rng, 1, case.exact).is_sure:
        return []
    if sampling.agrees_along(subject, others, g, returned, case.rng, 1, case.exact, rtol):
        return []
    if case.is_slow:
        return _find_one_entry(case, others, g, returned, SHARE_TO_LOCATE) or []
    batch = sampling.find_batch_size(subject, case.inputs)
    found = sampling.compare_at(subject, others, [g], [returned], batch)
    return found if isinstance(found, Finding) or _any_wrong(found) else []
