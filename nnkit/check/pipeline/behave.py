"""Step 3: find what right numbers at one place do not show."""

from __future__ import annotations

import numpy as np

from nnkit.check.evidence import sampling
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.guarded_call import repeats_result
from nnkit.check.evidence.subjects import GateAnswers
from nnkit.check.pipeline.case import Case
from nnkit.language import say


def behave(case: Case) -> Finding | None:
    """Find what right numbers at one place do not show: types, scaling with the upstream gradient, and the cache."""
    return _find_low_precision(case) or (
        _find_bad_scaling(case, case.answers) or _find_stale_cache(case, case.answers)
        if isinstance(case.answers, GateAnswers)
        else None
    )


def _find_low_precision(case: Case) -> Finding | None:
    for i, w in zip(case.subject.wrt, case.returned[0]):
        if w.dtype in (np.float16, np.float32):
            sentence = say(
                "{name} is {dtype}: compute in float64, the type of the inputs.",
                name=case.subject.name(i),
                dtype=w.dtype,
            )
            return Finding("wrong", sentence, ("low-precision",))
    return None


def _find_bad_scaling(case: Case, answers: GateAnswers) -> Finding | None:
    scaled, zero = answers.gradients(3), answers.gradients(4)
    if isinstance(scaled, Finding):
        return scaled
    if isinstance(zero, Finding):
        return zero
    for w, other, nothing in zip(case.returned[0], scaled, zero):
        size = np.abs(w)
        if not (np.abs(other + 2 * w) <= 2e-9 * size + 1e-12 * size.max()).all() or nothing.any():
            sentence = say(
                "-2 times the upstream gradient must give -2 times the result, and 0 times it must give zeros."
            )
            return Finding("wrong", sentence, ("not-linear",))
    return None


def _find_stale_cache(case: Case, answers: GateAnswers) -> Finding | None:
    pairs = ((w, again) for later in answers.after_others() for w, again in zip(case.returned[0], later))
    if all(repeats_result(w, again) for w, again in pairs):
        return None
    if not _is_last_forward(case):
        sentence = say(
            "after another forward, the first one's backward gives another result: what is kept, or changed?"
        )
        return Finding("wrong", sentence, ("changes-by-itself",))
    sentence = say("it used another forward's values: after two forwards, the first one's backward is wrong.")
    return Finding("wrong", sentence, ("stale-cache",))


def _is_last_forward(case: Case) -> bool:
    """Return True if the last forward decides: another one changes the first one's backward, the same one again brings
    it back."""
    others = (
        sampling.mirror_inputs(case.subject, case.inputs),
        sampling.move_inputs(case.subject, case.inputs, case.rng),
    )
    between = (case.inputs, others[0], case.inputs, others[1], case.inputs)
    answers = case.subject.run_calls(case.inputs, case.upstreams[:1], between)
    if not isinstance(answers, GateAnswers):
        return False
    first, *later = answers.after_others()
    return (
        len(later) > 1
        and all(map(repeats_result, first, later[-1]))
        and any(not all(map(repeats_result, first, gradients)) for gradients in later)
    )
