"""Step 5: the verdict that says what was found."""

from __future__ import annotations

from nnkit.check.evidence.finding import Finding, WrongGradient
from nnkit.check.pipeline.case import Case
from nnkit.check.rendering import messages
from nnkit.check.verdict import Verdict


def render(case: Case, finding: Finding | None) -> Verdict:
    """Return the verdict that says what was found."""
    subject = case.subject
    if finding is None:
        kinks = sum(t.kinks for t in case.comparisons[0].targets) if case.comparisons else 0
        return messages.describe_right(subject, kinks, case.notes)
    if not isinstance(finding, WrongGradient):
        return messages.describe_finding(subject.title, finding)
    comparison, k = finding.first
    has_shape = comparison.returned[k].shape == comparison.targets[k].value.shape
    describe = messages.describe_wrong if has_shape else messages.describe_wrong_shape
    return describe(subject, comparison, k, finding.faults, finding.example)
