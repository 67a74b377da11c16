"""A check of a learner's own tape: a class of values that record the gates which made them. See `nnkit.check`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.arrays import unbroadcast
from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.diagnosis.explanations.faults import match_fault
from nnkit.check.diagnosis.explanations.tape_faults import BROKEN_TAPE
from nnkit.check.diagnosis.graph_passes import GraphRun
from nnkit.check.diagnosis.measured import explain_measured
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.diagnosis.tape_passes import find_faulty_pass, trace_expression
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import CallFault, Finding, GradientFault, WrongGradient
from nnkit.check.evidence.subjects import FunctionSubject
from nnkit.check.pipeline import Case, find, guard_check, render
from nnkit.check.verdict import Verdict
from nnkit.language import say, to_say

Run = Callable[..., Any]
LEFT_OPERAND = re.compile(r"unsupported operand type\(s\) for (\S+): '(int|float|numpy\.\w+)' and '(\w+)'")

UNSUMMED = {
    "title": to_say("it was not summed over the axes along which the input was copied"),
    "why": to_say("Each copy of the input has a gradient, and they add up; yours keeps them apart."),
    "nudge": to_say("Along which axes did NumPy copy this input? What happens to the gradients where a wire branches?"),
    "hint": to_say("Sum the gradient back to the input's shape: sum_back(dx, np.shape(x.data))."),
}
PROBES = ("{a} + {b} * {a}", "3 * {a} + {b} * 2", "(q := {a} * {b}) + ((p := q * {a}) + q) * (p + {b})")
"""Short expressions that tell the mistakes of a tape apart: of its first and its last input."""


def check_tape(run: Run, expression: str, name: str = "", rng: int = 0, **inputs: Any) -> Verdict:
    """Check a tape on an expression in Python, such as "2 * x + x * y", that gives one number.

    `run(expression, inputs, passes)` evaluates it with a value of the tape for each of the inputs, calls `backward` so
    many times, and returns the number and a dict of the gradients of the inputs. They are compared with numerical
    derivatives of the expression; and a second pass must leave the same gradients as the first.
    """
    title, names = name or expression, tuple(inputs)
    evaluate = _compile(expression, names)

    def check() -> Verdict | Finding:
        xs = guarded_call.prepare_inputs(names, [float(x) if isinstance(x, int) else x for x in inputs.values()])
        if isinstance(xs, Finding):
            return xs
        wrt, labels = guarded_call.differentiable_positions(xs), tuple(f"{each}.grad" for each in names)
        subject = FunctionSubject(
            title, names, wrt, evaluate, engine=True, gradient_names=labels,
            pair=lambda *numbers: _run(run, expression, dict(zip(names, numbers)), 1),
        )  # fmt: skip
        case = Case.start(subject, xs, rng)
        found = find(case)
        if isinstance(found, WrongGradient):
            found = _explain(subject, found, run, expression, dict(zip(names, xs)))
        if found is None:
            return _find_kept(run, expression, dict(zip(names, xs))) or render(case, None)
        return render(case, found)

    return guard_check(title, check)


def _compile(expression: str, names: Sequence[str]) -> Callable[..., Any]:
    """Return the expression as a function of these names."""
    code = compile(expression, "<expression>", "eval")
    return lambda *values: eval(code, {}, dict(zip(names, values)))


def _run(run: Run, expression: str, inputs: Mapping[str, Any], passes: int) -> Any:
    """Return the value and a tuple of gradients after so many passes, or a finding."""
    returned = guarded_call.call_learner(run, (expression, _copy(inputs), passes), "it")
    if isinstance(returned, CallFault):
        return _explain_fault(returned)
    if isinstance(returned, Finding):
        return returned
    if not isinstance(returned, tuple | list) or len(returned) != 2 or not isinstance(returned[1], Mapping):
        kind = guarded_call.describe_kind(returned)
        return Finding(
            "wrong",
            say("it must return the value and a dict of gradients; it returned {kind}.", kind=kind),
            ("wrong-container",),
        )
    missing = [each for each in inputs if returned[1].get(each) is None]
    if missing:
        sentence = say("after backward, {name}.grad is None: no gradient arrived.", name=missing[0])
        return Finding("wrong", sentence, ("missing-gradient",))
    return returned[0], tuple(returned[1][each] for each in inputs)


def _explain_fault(fault: CallFault) -> Finding:
    """Return the finding with what the exception means on a tape, where that is known."""
    left = LEFT_OPERAND.search(fault.message)
    if left:
        sentence = say(
            "a number on the left of {operator} is not understood: {message}.", operator=left[1], message=left[0]
        )
        return Finding("wrong", sentence, ("left-operand",))
    found = match_fault(fault, (BROKEN_TAPE,))
    if found is None:
        return fault
    words = {"title": found.title, "why": found.why, "nudge": found.nudge, "hint": found.hint}
    return replace(fault, mistakes=(found.id,), words=words)


def _copy(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with copies of their arrays."""
    return {each: np.array(x)[()] for each, x in inputs.items()}


def _find_kept(run: Run, expression: str, inputs: Mapping[str, Any]) -> Finding | None:
    """Find gradients that a second backward pass does not leave as the first one did."""
    passes = [_run(run, expression, inputs, count) for count in (1, 2)]
    for found in passes:
        if isinstance(found, Finding):
            return found
    once, twice = (np.concatenate([np.ravel(np.asarray(g, dtype=float)) for g in grads]) for _, grads in passes)
    if once.shape == twice.shape and guarded_call.repeats_result(once, twice):
        return None
    if once.shape == twice.shape and _is_multiple(twice, once):
        sentence = say("a second backward pass gives more: gradients of the first one were kept.")
        return Finding("wrong", sentence, ("not-reset",))
    sentence = say("a second backward pass leaves other gradients than the first: what is kept, or changed?")
    return Finding("wrong", sentence, ("changes-by-itself",))


def _is_multiple(twice: np.ndarray, once: np.ndarray) -> bool:
    """Return True if each number is twice or more times the first one."""
    ratios = twice[once != 0] / once[once != 0]
    return bool(np.all(ratios >= 2 - 1e-9))


# ---- names of mistakes ---------------------------------------------------------------------------------


def _explain(
    subject: FunctionSubject, found: WrongGradient, run: Run, expression: str, inputs: Mapping[str, Any]
) -> WrongGradient:
    """Explain wrong gradients by a wrong way back. The gates are right, so that nothing else is: no formula is named,
    and what no way back explains is left as it was measured."""
    comparison, k = found.first
    wrong = tuple(i for i in range(len(comparison.targets)) if comparison.is_wrong(i))
    if all(_is_unsummed(comparison, i) for i in wrong):
        return replace(found, faults=(GradientFault(wrong, (BY_ID["bias-not-summed"].explain("", **UNSUMMED),)),))
    id = find_faulty_pass(_run_expressions(run, expression, inputs))
    if id:
        return replace(found, faults=(GradientFault(wrong, (ENTRIES[id],)),))
    measured = explain_measured(subject, comparison, k)
    others = tuple(i for i in wrong if i != k)
    faults = (GradientFault((k,), (measured,) if measured else ()), *([GradientFault(others)] if others else []))
    return replace(found, faults=faults)


def _is_unsummed(comparison: Comparison, i: int) -> bool:
    """Return True if the gradient has an entry for each copy of the input, and these add up to the right one."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    try:
        summed = unbroadcast(np.broadcast_to(returned, np.broadcast_shapes(returned.shape, right.shape)), right)
    except ValueError:
        return False
    return bool(returned.size > right.size and np.allclose(summed, right))


def _run_expressions(run: Run, expression: str, inputs: Mapping[str, Any]) -> list[GraphRun]:
    """Return what the tape gives for the expression, at several points, and for short ones with the same names."""
    a, *others = inputs
    b = others[-1] if others else f"{a}_2"
    draw = np.random.default_rng(0)
    near = [{each: draw.normal(size=np.shape(x)) for each, x in inputs.items()} for _ in range(2)]
    tried = [(expression, point) for point in (inputs, *near)]
    tried += [(probe.format(a=a, b=b), {a: draw.normal(), b: draw.normal()}) for probe in PROBES]
    runs = [_run_graph(run, each, point) for each, point in tried]
    return [each for each in runs if each is not None] if all(runs[: len(near) + 1]) else []


def _run_graph(run: Run, expression: str, point: Mapping[str, Any]) -> GraphRun | None:
    """Return what the tape gives for an expression; None where that has no graph, or the tape fails."""
    traced = trace_expression(_compile(expression, list(point)), dict(point))
    returned = _run(run, expression, point, 1)
    if traced is None or isinstance(returned, Finding):
        return None
    graph, output = traced
    gradients = {each: guarded_call.read_numbers(each, g) for each, g in zip(point, returned[1])}
    if any(isinstance(g, Finding) for g in gradients.values()):
        return None
    return GraphRun(expression, graph.needs, graph.local, output, gradients)
