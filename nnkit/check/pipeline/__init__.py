"""One check from start to end, in five steps: ask → compare → behave → diagnose → render.

The first three call the learner's code and look for a `Finding`; the first finding ends them. The fourth names the
mistake, the last makes the `Verdict`. Each is a file of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.finding import Finding, GradientOfFixed, WrongGradient
from nnkit.check.evidence.subjects import Subject
from nnkit.check.pipeline.ask import ask
from nnkit.check.pipeline.behave import behave
from nnkit.check.pipeline.case import Case
from nnkit.check.pipeline.compare import compare
from nnkit.check.pipeline.explain_finding import diagnose
from nnkit.check.pipeline.guard import guard_check
from nnkit.check.pipeline.show_finding import render
from nnkit.check.verdict import Verdict

__all__ = ["Case", "conclude", "diagnose", "examine", "find", "guard_check", "render"]


def examine(subject: Subject, inputs: Arrays, seed: int) -> Verdict:
    """Return the verdict on a subject at these inputs."""
    case = Case.start(subject, inputs, seed)
    return conclude(case, find(case), seed)


def conclude(case: Case, finding: Finding | None, seed: int) -> Verdict:
    """Return the verdict on what was found."""
    if isinstance(finding, GradientOfFixed):
        case, finding = _differentiate_whole_numbers(case, finding, seed)
    return render(case, diagnose(case, finding))


def _differentiate_whole_numbers(case: Case, finding: GradientOfFixed, seed: int) -> tuple[Case, Finding | None]:
    """Take whole numbers for numbers, not for labels, if the function can be computed with fractions in their place."""
    inputs = tuple(np.asarray(x, float) if i in finding.inputs else x for i, x in enumerate(case.inputs))
    wrt = tuple(sorted({*case.subject.wrt, *finding.inputs}))
    other = Case.start(replace(case.subject, wrt=wrt), inputs, seed)
    found = find(other)
    return (other, found) if found is None or isinstance(found, WrongGradient) else (case, finding)


def find(case: Case) -> Finding | None:
    """Return the first finding of the steps that call the learner's code."""
    return ask(case) or compare(case) or behave(case)
