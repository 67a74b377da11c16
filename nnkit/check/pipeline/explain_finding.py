"""Step 4: name the mistakes that explain a finding, or describe what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import numpy as np

from nnkit.check.context import current_context
from nnkit.check.diagnosis.diagnose import find_mistakes, find_value_mistakes, list_explanations, merge_faults
from nnkit.check.diagnosis.explanations.faults import explain_fault
from nnkit.check.diagnosis.measured import explain_measured
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.diagnosis.mistakes.sizes import find_ratio, have_same_ratio, is_constant, is_of_size, say_here
from nnkit.check.diagnosis.smallest import find_smallest
from nnkit.check.evidence import not_finite, sampling
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import CallFault, Explanation, Finding, GradientFault, WrongGradient, WrongValue
from nnkit.check.evidence.limits import OutOfTime, time_limit, working_time_limit
from nnkit.check.evidence.other_sizes import compare_other_sizes, list_sizes
from nnkit.check.evidence.subjects import Subject
from nnkit.check.evidence.tolerance import Target
from nnkit.check.pipeline.case import Case
from nnkit.check.rendering import messages, shape_messages

SHARE_FOR_MORE = 0.15
"""Share of the time limit for comparisons nearby and with other sizes, that tell a mistake from others."""
SHARE_FOR_EXAMPLE = 0.05
"""Share of the time limit for the search for a smaller example."""
OF_SIZES = frozenset({"factor", "no-batch-mean", "divided-by-another-size"})
"""Explanations that are about a factor: a constant, or the size of an axis."""
OF_OTHERS = OF_SIZES | {"not-filled-in"}
"""Explanations that other inputs than those that were given cannot show."""
EVERYWHERE = frozenset({"sign", "factor"})
"""Explanations that one example refutes."""
NAMED_FAULTS = {"product-shapes": frozenset[str](), "broadcast-shapes": frozenset({"elementwise-for-matmul"})}
"""Kinds of exceptions that an example with equal sizes may name, and the names that it may give; none: any."""


def diagnose(case: Case, finding: Finding | None) -> Finding | None:
    """Name the mistakes that explain a finding, where some do. A wrong gradient for which the time runs out meanwhile,
    or that an explanation cannot take, is wrong without a name."""
    try:
        return _explain(case, finding)
    except (OutOfTime, Exception) as fault:
        is_bug = not isinstance(fault, OutOfTime)
        if not isinstance(finding, WrongGradient) or (is_bug and current_context().strict):
            raise
        comparison, _ = finding.first
        wrong = tuple(k for k in range(len(comparison.targets)) if comparison.is_wrong(k))
        return replace(finding, faults=(GradientFault(wrong),))


def _explain(case: Case, finding: Finding | None) -> Finding | None:
    match finding:
        case WrongGradient():
            return _diagnose_gradient(case, finding)
        case WrongValue():
            return _diagnose_value(case, finding)
        case CallFault() if explain_fault(finding).id in NAMED_FAULTS:
            return _diagnose_fault(case, finding)
        case _:
            return finding


def _diagnose_gradient(case: Case, finding: WrongGradient) -> WrongGradient:
    comparison, k = finding.first
    if _is_overflow(case.subject, comparison, k):
        return replace(finding, faults=(GradientFault((k,), (BY_ID["overflow"].explain(""),)),))
    faults = _find_mistakes(case, comparison.inputs, finding.comparisons)
    if not list_explanations(faults) and comparison.returned[k].shape != comparison.targets[k].value.shape:
        faults = _keep_wrong(_find_mistakes_in_square(case, comparison.inputs), finding.comparisons)
    wrong = tuple(i for i in range(len(comparison.targets)) if comparison.is_wrong(i))
    faults = faults or (GradientFault(wrong),)
    faults = _explain_first(case, comparison, k, faults)
    example, refuting = _find_example(case, comparison, k, faults)
    if refuting:
        faults = _find_mistakes(case, comparison.inputs, [*finding.comparisons, refuting]) or (GradientFault(wrong),)
        faults = _explain_first(case, comparison, k, faults)
        example, _ = _find_example(case, comparison, k, faults)
    return replace(finding, faults=faults, example=example)


def _explain_first(
    case: Case, comparison: Comparison, k: int, faults: tuple[GradientFault, ...]
) -> tuple[GradientFault, ...]:
    """Explain the gradient that is shown by what was measured, if nothing else explains it."""
    if any(k in fault.gradients and fault.explanations for fault in faults):
        return faults
    measured = explain_measured(case.subject, comparison, k)
    if measured is None:
        return faults
    others = [replace(fault, gradients=tuple(i for i in fault.gradients if i != k)) for fault in faults]
    return GradientFault((k,), (measured,)), *(fault for fault in others if fault.gradients)


def _find_example(
    case: Case, comparison: Comparison, k: int, faults: Sequence[GradientFault]
) -> tuple[Comparison | None, Comparison | None]:
    """Return a smaller example that does not refute what is said of the k-th gradient; and one that does, of the same
    shapes, if it came first."""
    own = list_explanations(fault for fault in faults if k in fault.gradients)
    entries = [BY_ID[e.id] for e in own if e.id in BY_ID] if len(own) == 1 else []
    refuting: list[Comparison] = []

    def agrees(example: Comparison) -> bool:
        same = not any(map(is_constant, own)) or have_same_ratio(example, comparison, k)
        refuted = [entry for entry in entries if not entry.holds(example, k)]
        if any(entry.id in EVERYWHERE for entry in refuted) and _have_same_shapes(example, comparison):
            refuting.append(example)
        return same and not refuted

    example = None
    with suppress(OutOfTime), working_time_limit(SHARE_FOR_EXAMPLE):
        example = find_smallest(case.subject, comparison, k, case.rng, agrees)
    return example, refuting[0] if refuting else None


def _have_same_shapes(a: Comparison, b: Comparison) -> bool:
    return list(map(np.shape, a.inputs)) == list(map(np.shape, b.inputs))


def _find_mistakes(case: Case, inputs: Arrays, comparisons: Sequence[Comparison]) -> tuple[GradientFault, ...]:
    """Return what explains these comparisons and further ones; nothing if that takes too long, for the gradient is
    wrong anyway."""
    more: list[Comparison] = []
    with suppress(OutOfTime), working_time_limit(SHARE_FOR_MORE):
        for subject in (case.subject, *case.subject.variations()):
            more.extend(sampling.compare_varied(subject, inputs, case.rng))
    own = [c for c in (*comparisons, *more) if _have_same_shapes(c, comparisons[0])]
    return _keep_wrong(_find_in_all(case, inputs, comparisons, more), own)


def _keep_wrong(faults: Sequence[GradientFault], comparisons: Sequence[Comparison]) -> tuple[GradientFault, ...]:
    """Return the faults of gradients that are wrong in one of these comparisons: code for one size alone may be wrong
    at others."""
    kept = (
        replace(fault, gradients=tuple(i for i in fault.gradients if any(c.is_wrong(i) for c in comparisons)))
        for fault in faults
    )
    return tuple(fault for fault in kept if fault.gradients)


def _find_in_all(
    case: Case, inputs: Arrays, comparisons: Sequence[Comparison], more: Sequence[Comparison]
) -> tuple[GradientFault, ...]:
    try:
        with time_limit():
            found = find_mistakes([*comparisons, *more])
            if any(e.id in OF_SIZES for e in list_explanations(found)) and not comparisons[0].step_size:
                found = _tell_sizes(case, inputs, [*comparisons, *more], found)
            fitting = [c for c in more if all(map(_has_shape, c.returned, c.targets))]
            unsure = len(fitting) < len(more) and not all(fault.explanations for fault in found)
            if unsure and all(map(_has_shape, comparisons[0].returned, comparisons[0].targets)):
                # Code for one size alone returns gradients of that size at inputs of another.
                return find_mistakes([*comparisons, *fitting])
            return found
    except OutOfTime:
        return ()


def _tell_sizes(
    case: Case, inputs: Arrays, comparisons: Sequence[Comparison], found: tuple[GradientFault, ...]
) -> tuple[GradientFault, ...]:
    """Return what explains the gradients at other sizes too. A factor that may be a size or a constant is described as
    what it is at these sizes."""
    others: dict[int, list[Comparison]] = {}
    with suppress(OutOfTime), working_time_limit(SHARE_FOR_MORE):
        others.update(compare_other_sizes(case.subject, inputs, case.rng))
    again = find_mistakes([*comparisons, *chain.from_iterable(others.values())])
    explained = {i: fault.explanations for fault in again for i in fault.gradients}
    unsure = [size for size in list_sizes(inputs) if not others.get(size)]
    settled: list[tuple[Explanation, ...]] = []
    for fault in found:
        for i in fault.gradients:
            refuted = not explained.get(i) and len(fault.explanations) > 1 and any(others.values())
            explanations = explained.get(i) or (() if refuted else fault.explanations)
            ratio = find_ratio(comparisons[0], i)
            known = explained.get(i) and not (ratio and any(is_of_size(ratio, size) for size in unsure))
            if [e.id for e in explanations] == ["factor"] and ratio and not known:
                explanations = (say_here(ratio, bool(explained.get(i))),)
            settled.append(explanations)
    return merge_faults([i for fault in found for i in fault.gradients], settled)


def _has_shape(returned: np.ndarray, target: Target) -> bool:
    return bool(np.shape(returned) == target.value.shape)


def _is_overflow(subject: Subject, comparison: Comparison, k: int) -> bool:
    """Return True if what is NaN or infinite here is right for moderate inputs."""
    if np.all(np.isfinite(comparison.returned[k])) or not not_finite.has_large(comparison.inputs):
        return False
    if "overflow" not in subject.list_float_faults(comparison.inputs, comparison.upstream):
        return False
    calm = sampling.compare_at(subject, sampling.scale_down_inputs(comparison.inputs), [comparison.upstream])
    return not isinstance(calm, Finding) and not calm[0].is_wrong(k)


def _find_mistakes_in_square(case: Case, inputs: Arrays) -> tuple[GradientFault, ...]:
    """Return what explains examples in which all sizes are equal: no product fails for its shapes there. A factor may
    be any of these sizes there, and what is one number there is not where it was asked for."""
    comparisons = sampling.compare_square(case.subject, inputs, case.rng)
    faults = find_mistakes(comparisons) if comparisons else ()
    return tuple(
        replace(fault, explanations=()) if any(e.id in OF_OTHERS for e in fault.explanations) else fault
        for fault in faults
    )


def _diagnose_value(case: Case, finding: WrongValue) -> Finding:
    of = case.subject.of
    mistakes = find_value_mistakes(of, finding.inputs, finding.value) if of else ()
    return messages.add_mistakes(finding, mistakes) if mistakes else finding


def _diagnose_fault(case: Case, finding: CallFault) -> Finding:
    """Name the mistake of a product that failed for its shapes."""
    rule = shape_messages.describe_products(case.subject, case.inputs)
    named = [e for e in list_explanations(_find_mistakes_in_square(case, case.inputs)) if e.named]
    mistakes = tuple(e.id for e in named)
    possible = NAMED_FAULTS[explain_fault(finding).id]
    if not mistakes or (possible and not possible.issuperset(mistakes)):
        return finding
    return replace(finding, status="wrong", mistakes=mistakes, notes=rule, words={"hint": named[0].hint})
