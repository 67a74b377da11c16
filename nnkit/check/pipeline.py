"""One check from start to end, in five steps: ask → compare → behave → diagnose → render.

The first three call the learner's code and look for a `Finding`; the first finding ends them. The fourth names the
mistake, the last makes the `Verdict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from nnkit.check.context import current_context
from nnkit.check.diagnosis.diagnose import find_mistakes, find_value_mistakes, list_explanations
from nnkit.check.diagnosis.explanations.faults import explain_fault
from nnkit.check.diagnosis.measured import explain_measured
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.diagnosis.mistakes.base import same
from nnkit.check.diagnosis.smallest import find_smallest
from nnkit.check.evidence import not_finite, sampling
from nnkit.check.evidence.comparison import Arrays, Comparison
from nnkit.check.evidence.finding import CallFault, Finding, GradientFault, GradientOfFixed, WrongGradient, WrongValue
from nnkit.check.evidence.guarded_call import find_difference, repeats_result
from nnkit.check.evidence.limits import OutOfTime, output_limit, time_limit, working_time_limit
from nnkit.check.evidence.subjects import Answers, GateAnswers, GateSubject, Subject
from nnkit.check.evidence.ties import narrow_at_ties
from nnkit.check.evidence.tolerance import Target, vjp_targets
from nnkit.check.rendering import messages, shape_messages
from nnkit.check.verdict import Verdict

MAX_ENTRIES_ONE_BY_ONE = 1000
"""Entries of an input up to which each is checked by itself; beyond, along random directions."""
MAX_ENTRIES_TO_LOCATE = 3000
"""Entries up to which a gradient that is wrong, but right in a smaller example, is gone through entry by entry."""
MAX_ENTRIES_TO_RECOGNISE = 64
"""Entries of all gradients up to which they are compared with finite differences."""
NEAR_TIE_RTOL = 1e-6
"""Room for rounding, relative to all that is added, where inputs are nearly equal."""
SHARE_FOR_MORE = 0.15
"""Share of the time limit for comparisons nearby and with other sizes, that tell a mistake from others."""
SHARE_FOR_EXAMPLE = 0.05
"""Share of the time limit for the search for a smaller example."""
NAMED_FAULTS = {"product-shapes": frozenset[str](), "broadcast-shapes": frozenset({"elementwise-for-matmul"})}
"""Kinds of exceptions that an example with equal sizes may name, and the names that it may give; none: any."""
SALT = 4160616  # so that the upstream is not the very numbers that a learner's default_rng(0) drew as inputs


# ---- any check --------------------------------------------------------------------------------------


def guard_check(title: str, check: Callable[[], Verdict | Finding]) -> Verdict:
    """Run a check within bounds of time and output; what the checked code raises becomes a verdict too."""
    with output_limit() as printed:
        found = _run_check(title, check)
    verdict = messages.describe_finding(title, found) if isinstance(found, Finding) else found
    if printed.written > printed.max_chars:
        note = f"It printed {printed.written:,} characters; the first {printed.max_chars} are shown."
        verdict = replace(verdict, notes=(*verdict.notes, note))
    return verdict


def _run_check(title: str, check: Callable[[], Verdict | Finding]) -> Verdict | Finding:
    try:
        with time_limit(), np.errstate(all="ignore"):
            return check()
    except OutOfTime:
        seconds = current_context().seconds
        sentence = f"it did not end within {seconds:g} seconds: is there a loop without an end?"
        return Finding("error", sentence, ("endless",))
    except RecursionError:
        return Finding("error", "it calls itself without an end.", ("endless",))
    except MemoryError:
        return Verdict(title, "error", "it needs more memory than there is.")
    except Exception as fault:
        sentence = f"it could not be checked: {type(fault).__name__}: {' '.join(str(fault).split())[:200]}."
        return Finding("error", sentence, ("raised",))


# ---- a check of derivatives -------------------------------------------------------------------------


@dataclass
class Case:
    """A subject at some inputs, and what the steps have learned of it so far."""

    subject: Subject
    inputs: Arrays
    rng: np.random.Generator
    out: np.ndarray = field(init=False)
    upstreams: list[np.ndarray] = field(init=False)
    answers: Answers = field(init=False)
    returned: list[Arrays] = field(init=False)
    """The gradients that came back for each of the upstream gradients."""
    comparisons: list[Comparison] = field(default_factory=list)

    @classmethod
    def start(cls, subject: Subject, inputs: Arrays, seed: int) -> Case:
        """Return a case about which nothing is known yet."""
        return cls(subject, inputs, np.random.default_rng([SALT, seed]))

    @property
    def what(self) -> str:
        """The value's name in a sentence."""
        return "forward's output" if isinstance(self.subject, GateSubject) else "the value"

    @property
    def is_large(self) -> bool:
        return max(np.size(self.inputs[i]) for i in self.subject.wrt) > MAX_ENTRIES_ONE_BY_ONE


def examine(subject: Subject, inputs: Arrays, seed: int) -> Verdict:
    """Return the verdict on a subject at these inputs."""
    case = Case.start(subject, inputs, seed)
    finding = find(case)
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


# ---- step 1: ask ------------------------------------------------------------------------------------


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
    signs = np.sign([first, second])
    return [first, -second if abs(signs.sum()) == signs.size else second]


def _run_calls(case: Case) -> Answers:
    """Make the calls of one check: the first upstream gradient twice, then the others; with a gate also a doubled and
    a zero one, and the first again after other forwards."""
    subject, inputs = case.subject, case.inputs
    g, *others = case.upstreams
    if not isinstance(subject, GateSubject):
        return subject.run_calls(inputs, [g, g, *others])
    between = sampling.move_inputs(subject, inputs, case.rng), sampling.mirror_inputs(subject, inputs)
    return subject.run_calls(inputs, [g, g, *others, 2 * g, np.zeros(g.shape)], between)


def _find_other_value(case: Case) -> Finding | None:
    again = case.answers.value()
    if isinstance(again, Finding):
        return again
    if repeats_result(case.out, again):
        return None
    sentence = f"{case.what} is another one each time: is something random, or kept?"
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
    different = find_difference(case.what, case.out, known, floor=_rounding_floor(case.inputs))
    if different is None and not np.all(finite):
        return not_finite.explain_trusted(case.what, expected)
    return replace(different, inputs=case.inputs) if isinstance(different, WrongValue) else different


def _rounding_floor(inputs: Arrays) -> float:
    """Return the size below which values are rounding."""
    return 1e-14 * max(1.0, *(float(np.max(np.abs(x))) for x in inputs))


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
    if all(_was_added(case, k, first[k], second[k]) for k in changed):
        return Finding("wrong", "a second call gives more: gradients of the first one were kept.", ("not-reset",))
    sentence = "a second call with the same arguments gives another result: what is kept, or changed?"
    return Finding("wrong", sentence, ("changes-by-itself",))


def _was_added(case: Case, k: int, first: np.ndarray, second: np.ndarray) -> bool:
    if np.shape(first) != np.shape(second):
        return False
    subject = case.subject
    (target,) = vjp_targets(subject.function, case.inputs, subject.wrt[k], case.upstreams[:1])
    return same(second - first, target.value)


# ---- step 2: compare --------------------------------------------------------------------------------


def compare(case: Case) -> Finding | None:
    """Compare with numerical derivatives: at these inputs, and at some nearby."""
    found = _compare_large(case) if case.is_large else _compare_every_entry(case)
    if isinstance(found, Finding):
        return found
    case.comparisons = found = [narrow_at_ties(comparison) for comparison in found]
    wrong = found if _any_wrong(found) else _compare_nearby(case)
    if isinstance(wrong, Finding):
        return wrong
    if wrong:
        return WrongGradient("wrong", "the gradient is wrong.", comparisons=tuple(wrong))
    return not_finite.find_unknown(case.subject, found)


def _compare_large(case: Case) -> list[Comparison] | Finding:
    """Compare along random directions; entry by entry, or in a smaller example, only where these disagree."""
    subject, inputs, g = case.subject, case.inputs, case.upstreams[0]
    if sampling.agrees_along(subject, inputs, g, case.returned[0], case.rng, sampling.DIRECTIONS):
        return []
    small = sampling.compare_smaller(subject, inputs, case.rng)
    if _any_wrong(small):
        return small
    if max(np.size(inputs[i]) for i in subject.wrt) > MAX_ENTRIES_TO_LOCATE:
        if not sampling.has_slope(subject, inputs, case.rng):
            return not_finite.cannot_check("the slope is no finite number there.")
        names = " or ".join(subject.name(i) for i in subject.wrt)
        return Finding("wrong", f"{names} is wrong; it is too large to say where. Try a smaller example.")
    return sampling.compare_at(subject, inputs, [g], case.returned, sampling.find_batch_size(subject, inputs))


def _compare_every_entry(case: Case) -> list[Comparison] | Finding:
    subject, inputs = case.subject, case.inputs
    batch = sampling.find_batch_size(subject, inputs)
    found = sampling.compare_at(subject, inputs, case.upstreams, case.returned, batch)
    if isinstance(found, Finding) or all(map(_is_exact, found)):
        return found
    measured = _measures_derivative(case)
    if isinstance(measured, Finding):
        return measured
    if measured or _are_finite_differences(case, found):
        return Finding("wrong", "it measures the slope with small steps.", ("numerical-derivative",))
    return found


def _is_exact(comparison: Comparison) -> bool:
    """Return True if what came back is right to the last digits, as what is measured never is."""
    pairs = zip(comparison.returned, comparison.targets)
    return all(w.shape == t.value.shape and bool(np.all(np.abs(w - t.value) <= t.error_bound)) for w, t in pairs)


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
    """Return comparisons in which something is wrong at inputs nearby: a point that was chosen can hide a mistake (2x
    and x² agree at 2), or lie on a kink."""
    for amount in (0.2, 0.01):
        others = sampling.move_inputs(case.subject, case.inputs, case.rng, amount)
        found = _compare_at_others(case, others)
        if found is not None:
            return found or _compare_near_ties(case)
    return []


def _compare_near_ties(case: Case) -> list[Comparison] | Finding:
    """Return comparisons in which something is far off where inputs are nearly equal: there, a maximum that takes close
    for equal is wrong. Errors of the size of rounding are not looked for: differences of such inputs lose digits."""
    if case.is_large or not any(map(_has_idle, case.comparisons)):
        return []
    others = sampling.tie_inputs(case.subject, case.inputs, case.rng)
    found = _compare_at_others(case, others, NEAR_TIE_RTOL) if others else []
    return sampling.list_far_off(found) if isinstance(found, list) else []


def _has_idle(comparison: Comparison) -> bool:
    """Return True if some entries change nothing, like those that a maximum does not take."""
    return any(np.min(np.abs(right)) <= 1e-12 * np.max(np.abs(right)) for right in comparison.right)


def _compare_at_others(case: Case, others: Arrays, rtol: float = 1e-11) -> list[Comparison] | Finding | None:
    """Return the wrong comparisons at these inputs; None where the function is not defined there."""
    subject = case.subject
    try:
        g = subject.upstream(case.out.shape, case.rng)
        answers = subject.run_calls(others, [g])
        out, returned = answers.value(), answers.gradients(0)
        expected = np.asarray(subject.function(*others), dtype=float)
    except (ArithmeticError, ValueError):
        return None
    if isinstance(out, Finding) or isinstance(returned, Finding):
        return None
    if not np.all(np.isfinite(out)) or not np.all(np.isfinite(expected)):
        return None
    different = find_difference(case.what, out, expected, floor=_rounding_floor(others))
    if isinstance(different, WrongValue):
        return replace(different, inputs=others)
    exact = bool(case.comparisons) and case.comparisons[0].exact
    # A large array always has a kink somewhere on the way; it has been looked at where it was given.
    if sampling.agrees_along(subject, others, g, returned, case.rng, 1, exact, rtol) or case.is_large:
        return []
    batch = sampling.find_batch_size(subject, case.inputs)
    found = sampling.compare_at(subject, others, [g], [returned], batch)
    return found if isinstance(found, Finding) or _any_wrong(found) else []


# ---- step 3: behave ---------------------------------------------------------------------------------


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
            sentence = f"{case.subject.name(i)} is {w.dtype}: compute in float64, the type of the inputs."
            return Finding("wrong", sentence, ("low-precision",))
    return None


def _find_bad_scaling(case: Case, answers: GateAnswers) -> Finding | None:
    doubled, zero = answers.gradients(3), answers.gradients(4)
    if isinstance(doubled, Finding):
        return doubled
    if isinstance(zero, Finding):
        return zero
    for w, double, nothing in zip(case.returned[0], doubled, zero):
        if not np.allclose(double, 2 * w, rtol=1e-9, atol=1e-12) or np.any(nothing != 0):
            sentence = "a doubled upstream gradient must double the result, and a zero one must give zeros."
            return Finding("wrong", sentence, ("not-linear",))
    return None


def _find_stale_cache(case: Case, answers: GateAnswers) -> Finding | None:
    pairs = ((w, again) for later in answers.after_others() for w, again in zip(case.returned[0], later))
    if all(repeats_result(w, again) for w, again in pairs):
        return None
    sentence = "it used another forward's values: after two forwards, the first one's backward is wrong."
    return Finding("wrong", sentence, ("stale-cache",))


# ---- step 4: diagnose -------------------------------------------------------------------------------


def diagnose(case: Case, finding: Finding | None) -> Finding | None:
    """Name the mistakes that explain a finding, where some do."""
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
        faults = _find_mistakes_in_square(case, comparison.inputs)
    wrong = tuple(i for i in range(len(comparison.targets)) if comparison.is_wrong(i))
    faults = faults or (GradientFault(wrong),)
    return replace(
        finding, faults=_explain_first(case, comparison, k, faults), example=_find_example(case, comparison, k)
    )


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


def _find_example(case: Case, comparison: Comparison, k: int) -> Comparison | None:
    try:
        with working_time_limit(SHARE_FOR_EXAMPLE):
            return find_smallest(case.subject, comparison, k, case.rng)
    except OutOfTime:
        return None


def _find_mistakes(case: Case, inputs: Arrays, comparisons: Sequence[Comparison]) -> tuple[GradientFault, ...]:
    """Return what explains these comparisons and further ones; nothing if that takes too long, for the gradient is
    wrong anyway."""
    more: list[Comparison] = []
    with suppress(OutOfTime), working_time_limit(SHARE_FOR_MORE):
        for subject in (case.subject, *case.subject.variations()):
            more.extend(sampling.compare_varied(subject, inputs, case.rng))
    try:
        with time_limit():
            found = find_mistakes([*comparisons, *more])
            fitting = [c for c in more if all(map(_has_shape, c.returned, c.targets))]
            unsure = len(fitting) < len(more) and not all(fault.explanations for fault in found)
            if unsure and all(map(_has_shape, comparisons[0].returned, comparisons[0].targets)):
                # Code for one size alone returns gradients of that size at inputs of another.
                return find_mistakes([*comparisons, *fitting])
            return found
    except OutOfTime:
        return ()


def _has_shape(returned: np.ndarray, target: Target) -> bool:
    return bool(np.shape(returned) == target.value.shape)


def _is_overflow(subject: Subject, comparison: Comparison, k: int) -> bool:
    """Return True if what is NaN or infinite here is right for moderate inputs."""
    if np.all(np.isfinite(comparison.returned[k])) or not not_finite.has_large(comparison.inputs):
        return False
    if "overflow" not in not_finite.list_float_faults(subject, comparison.inputs, comparison.upstream):
        return False
    calm = sampling.compare_at(subject, sampling.scale_down_inputs(comparison.inputs), [comparison.upstream])
    return not isinstance(calm, Finding) and not calm[0].is_wrong(k)


def _find_mistakes_in_square(case: Case, inputs: Arrays) -> tuple[GradientFault, ...]:
    """Return what explains examples in which all sizes are equal: no product fails for its shapes there."""
    comparisons = sampling.compare_square(case.subject, inputs, case.rng)
    return find_mistakes(comparisons) if comparisons else ()


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


# ---- step 5: render ---------------------------------------------------------------------------------


def render(case: Case, finding: Finding | None) -> Verdict:
    """Return the verdict that says what was found."""
    subject = case.subject
    if finding is None:
        return messages.describe_right(
            subject, sum(t.kinks for t in case.comparisons[0].targets) if case.comparisons else 0
        )
    if not isinstance(finding, WrongGradient):
        return messages.describe_finding(subject.title, finding)
    comparison, k = finding.first
    has_shape = comparison.returned[k].shape == comparison.targets[k].value.shape
    describe = messages.describe_wrong if has_shape else messages.describe_wrong_shape
    return describe(subject, comparison, k, finding.faults, finding.example)
