"""Step 1: call the learner's code, and find what cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnkit.check.diagnosis.mistakes.base import same
from nnkit.check.evidence import not_finite, sampling
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.finding import Finding, WrongValue
from nnkit.check.evidence.guarded_call import find_difference, repeats_result
from nnkit.check.evidence.subjects import Answers, GateSubject
from nnkit.check.evidence.tolerance import vjp_targets
from nnkit.check.pipeline.case import Case, find_rounding_floor
from nnkit.language import say


def ask(case: Case) -> Finding | None:
    """Call the learner's code, and find what cannot be compared: faults, other answers the second time, NaN."""
    out = case.subject.value(case.inputs)
    if isinstance(out, Finding):
        return out
    case.out = out
    case.upstreams = _draw_upstreams(case)
    case.answers = _run_calls(case)
    return _find_other_value(case) or _find_wrong_value(case) or _read_gradients(case)


def _draw_upstreams(case: Case) -> list[np.ndarray]:
    """Draw upstream gradients of both signs: two for a gate, so that one number has each sign once."""
    first = case.subject.upstream(case.out.shape, case.rng)
    if not case.subject.takes_upstream:
        return [first]
    second = case.subject.upstream(case.out.shape, case.rng)
    second = second * np.sqrt(2)  # of many digits, so that a gradient that is rounded does not pass
    signs = np.sign([first, second])
    return [first, -second if abs(signs.sum()) == signs.size else second]


def _run_calls(case: Case) -> Answers:
    """Make the calls of one check: the first upstream gradient twice, then the others; with a gate also -2 times it
    and a zero one, and the first again after other forwards."""
    subject, inputs = case.subject, case.inputs
    g, *others = case.upstreams
    if not isinstance(subject, GateSubject):
        return subject.run_calls(inputs, [g, g, *others])
    between = sampling.move_inputs(subject, inputs, case.rng), sampling.mirror_inputs(subject, inputs)
    return subject.run_calls(inputs, [g, g, *others, -2 * g, np.zeros(g.shape)], between)


def _find_other_value(case: Case) -> Finding | None:
    again = case.answers.value()
    if isinstance(again, Finding):
        return again
    if repeats_result(case.out, again):
        return None
    sentence = say("{what} is another one each time: is something random, or kept?", what=case.what)
    return Finding("wrong", sentence, ("changes-by-itself",))


def _find_wrong_value(case: Case) -> Finding | None:
    """Find a value that is not the trusted function's, or not a number."""
    expected = None if case.subject.of is None else np.asarray(case.subject.of(*case.inputs), dtype=float)
    finite = np.isfinite(case.out if expected is None else expected)
    if not np.all(np.isfinite(case.out)) and (expected is None or np.all(finite)):
        return not_finite.explain_value(case.subject, case.what, case.inputs, case.out, expected is not None)
    if expected is None:
        return None
    known = np.where(finite, expected, case.out) if expected.shape == case.out.shape else expected
    different = find_difference(case.what, case.out, known, floor=find_rounding_floor(case.inputs))
    if different is None and not np.all(finite):
        return not_finite.explain_trusted(case.what, expected)
    return replace(different, inputs=case.inputs) if isinstance(different, WrongValue) else different


def _read_gradients(case: Case) -> Finding | None:
    """Read the gradients of the calls that were made; find what changed from the first call to the second."""
    pair = case.answers.gradients(0), case.answers.gradients(1)
    first, second = pair
    if isinstance(first, Finding):
        return first
    if isinstance(second, Finding):
        return second
    changed = _find_changed_gradients(case, first, second)
    if changed:
        return changed
    case.returned = [first]
    for k in range(1, len(case.upstreams)):
        gradients = case.answers.gradients(1 + k)
        if isinstance(gradients, Finding):
            return gradients
        case.returned.append(gradients)
    return None


def _find_changed_gradients(case: Case, first: Arrays, second: Arrays) -> Finding | None:
    """Find a second call that returned something else, and say if it added to the first."""
    changed = [k for k, (a, b) in enumerate(zip(first, second)) if not repeats_result(a, b)]
    if not changed:
        return None
    if all(_was_added(case, k, 0, first[k], second[k]) for k in changed) and _adds_others(case, changed, second):
        return Finding("wrong", say("a second call gives more: gradients of the first one were kept."), ("not-reset",))
    sentence = say("a second call with the same arguments gives another result: what is kept, or changed?")
    return Finding("wrong", sentence, ("changes-by-itself",))


def _adds_others(case: Case, changed: Sequence[int], second: Arrays) -> bool:
    """Return True if a third call, for another upstream gradient, adds its own too: one that counts calls does not."""
    if len(case.upstreams) < 2:
        return True
    third = case.answers.gradients(2)
    return isinstance(third, Finding) or all(_was_added(case, k, 1, second[k], third[k]) for k in changed)


def _was_added(case: Case, k: int, call: int, first: np.ndarray, second: np.ndarray) -> bool:
    """Return True if the second is the first and the right gradient for this call's upstream gradient."""
    if np.shape(first) != np.shape(second):
        return False
    subject = case.subject
    (target,) = vjp_targets(subject.function, case.inputs, subject.wrt[k], case.upstreams[call : call + 1])
    return same(second - first, target.value)
