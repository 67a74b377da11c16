"""The learner's answers at inputs that were drawn, not given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.finding import Finding, WrongValue
from nnkit.check.evidence.guarded_call import find_difference
from nnkit.check.pipeline.case import Case, find_rounding_floor


def ask_at(case: Case, others: Arrays) -> tuple[np.ndarray, Arrays] | Finding | None:
    """Return an upstream gradient and what came back for it at these inputs; a finding where the value is not that of
    the trusted function; None where the code or the function is not defined there."""
    subject = case.subject
    try:
        g = subject.upstream(case.out.shape, case.rng)
        answers = subject.run_calls(others, [g])
        out, returned = answers.value(), answers.gradients(0)
        if isinstance(out, Finding) or isinstance(returned, Finding):
            return None
        expected = None if subject.of is None else np.asarray(subject.of(*others), dtype=float)
    except (ArithmeticError, ValueError):
        return None
    if not np.isfinite(out).all():
        return None
    if expected is not None:
        if not np.isfinite(expected).all():
            return None
        different = find_difference(case.what, out, expected, floor=find_rounding_floor(others))
        if isinstance(different, WrongValue):
            return replace(different, inputs=others)
    return g, returned
