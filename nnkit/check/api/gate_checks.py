"""Checks of derivatives: a gate, a function, a loss, a Jacobian; and of plain values. See `nnkit.check`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from nnkit.arrays import Array, get_name
from nnkit.check.diagnosis.explain_jacobian import explain_jacobian
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.error_map import ErrorMap
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import Explanation, Finding, WrongGradient, find_placeholder
from nnkit.check.evidence.jacobian_targets import jacobian_target
from nnkit.check.evidence.subjects import FunctionSubject
from nnkit.check.evidence.tolerance import Target, find_worst, format_place, make_table
from nnkit.check.evidence.unfilled_guess import holds_none, is_unfilled_guess
from nnkit.check.evidence.value_difference import describe_names, describe_shapes
from nnkit.check.forms.arguments import Selection, read_arguments
from nnkit.check.pipeline import Case, diagnose, examine, find, guard_check, render
from nnkit.check.rendering.messages import explain_fields, join_titles
from nnkit.check.verdict import Verdict, announce
from nnkit.gates.base import name_inputs
from nnkit.language import say, say_count

Function = Callable[..., Any]
NO_TABLE = {"why": ""}
"""Words of an answer that has no entries to be shown."""


def check_gradient(
    function: Any,
    *inputs: Array,
    of: Function | None = None,
    wrt: Selection = None,
    name: str = "",
    rng: int = 0,
    **options: Any,
) -> Verdict:
    """Check the gradients of a scalar function: `function(*inputs)` returns (value, (dx, dy, ...)).

    With one input the gradient may come bare. A pair of functions, (f, fprime), does as well. The gradients are
    compared with numerical derivatives of the function's own value, or of the trusted function `of`, with which the
    value must then agree. `wrt` names the inputs that are differentiated, where not all are; `options` are handed on by
    name: check_gradient(softmax_loss, W, X, y, reg=0.1, wrt="W").
    """
    parts = tuple(function) if isinstance(function, tuple | list) and all(map(callable, function)) else (function,)
    title = name or get_name(parts[-1])

    def check() -> Verdict | Finding:
        pair = function if len(parts) == 1 else lambda *given, **named: tuple(part(*given, **named) for part in parts)
        if wrt is not None or options:
            return _examine_some(title, parts[0], pair, inputs, wrt, of, options, rng)
        names, xs = _prepare(parts[0], inputs, of)
        if isinstance(xs, Finding):
            return xs
        subject = FunctionSubject(title, names, guarded_call.differentiable_positions(xs), of, pair=pair)
        return examine(subject, xs, rng)

    return guard_check(title, check)


def _examine_some(
    title: str,
    function: Function,
    pair: Function,
    inputs: Sequence[Any],
    wrt: Selection,
    of: Function | None,
    options: Mapping[str, Any],
    rng: int,
) -> Verdict | Finding:
    """Examine the gradients of some inputs of a function with options; the others are held fixed."""
    arguments = read_arguments(function, inputs, {}, wrt)
    if isinstance(arguments, Finding):
        return arguments
    asked = arguments.adapt(pair, options)

    def call(*xs: Any) -> Any:
        returned = asked(*xs)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            return returned
        gradients = arguments.spread(returned[1])
        return gradients if isinstance(gradients, Finding) else (returned[0], gradients)

    trusted = arguments.adapt(of) if of else None
    subject = FunctionSubject(title, arguments.input_names, arguments.wrt, trusted, pair=call)
    return examine(subject, arguments.inputs, rng)


def check_loss(
    loss: Function, prediction: Array, target: Array, of: Function | None = None, name: str = "", rng: int = 0
) -> Verdict:
    """Check the gradient of a loss: `loss(prediction, target)` returns (value, dprediction).

    The target (labels, or numbers like the prediction) is held fixed. Where the value ignores which
    prediction belongs to which target, (N,) has met (N, 1) and made an (N, N).
    """
    title = name or get_name(loss)

    def check() -> Verdict | Finding:
        names, xs = _prepare(loss, (prediction, target), of)
        if isinstance(xs, Finding):
            return xs
        case = Case.start(FunctionSubject(title, names, (0,), of, pair=loss), xs, rng)
        finding = diagnose(case, find(case))
        return render(case, _find_pairing(case, finding, rng) or finding)

    return guard_check(title, check)


def _find_pairing(case: Case, finding: Finding | None, seed: int) -> Finding | None:
    """Find a loss that compares every prediction with every target, where nothing more precise was found."""
    if finding is None or isinstance(finding, WrongGradient):
        return None if case.subject.of else _find_exchangeable_targets(case, seed)
    named = any(id in BY_ID for id in finding.mistakes)
    return None if named else _find_exchangeable_targets(case, seed, finding)


def _find_exchangeable_targets(case: Case, seed: int, hint: Finding | None = None) -> Finding | None:
    """Find a value that stays the same, whatever the prediction, when the targets change places. `hint` is a finding
    that may come from it."""
    prediction, target = case.inputs
    alike = np.shape(prediction) == np.shape(target) and hint is None
    if alike or np.ndim(target) == 0 or len(target) < 2 or np.size(prediction) != np.size(target):
        return None
    if np.array_equal(target, np.roll(target, 1, axis=0)):
        return None
    draw = np.random.default_rng(seed)
    for _ in range(3):
        other = prediction * draw.normal(0, 3, size=np.shape(prediction))
        try:
            kept, moved = case.subject.raw_values([(other, target), (other, np.roll(target, 1, axis=0))])
        except Exception:  # outside of where the loss is defined
            return None
        if not np.allclose(kept, moved, rtol=1e-9, atol=0.0):
            return None
    found = hint or Finding("wrong", "")
    sentence = say(
        "the value stays the same when the targets change places: every prediction was compared with every target."
    )
    return Finding("wrong", sentence, ("broadcast-pair",), found.entries, found.error)


def check_jacobian(jacobian: Any, *inputs: Array, of: Function, wrt: int = 0, name: str = "") -> Verdict:
    """Check the Jacobian ∂of/∂inputs[wrt]: `jacobian` is an array of shape (*out, *input), or a function
    of the inputs that returns it."""
    title = name or (get_name(jacobian) if callable(jacobian) else say("the Jacobian"))

    def check() -> Verdict | Finding:
        names, xs = _prepare(of, inputs)
        if isinstance(xs, Finding):
            return xs
        given = guarded_call.call_on_copies(jacobian, xs, "it") if callable(jacobian) else jacobian
        returned = given if isinstance(given, Finding) else guarded_call.read_numbers("it", given)
        if isinstance(returned, Finding):
            return returned
        target = jacobian_target(of, xs, wrt, returned)
        if returned.shape == target.value.shape and not target.misses(returned).any():
            return Verdict(title, "right", say("J agrees with the numerical derivative."))
        return _describe_wrong_jacobian(title, returned, target, explain_jacobian(returned, target, of, xs, wrt, names))

    return guard_check(title, check)


def _describe_wrong_jacobian(
    title: str, returned: np.ndarray, target: Target, explanations: tuple[Explanation, ...]
) -> Verdict:
    right = target.value
    if returned.shape != right.shape:
        sentence = say(
            "J is {returned_shape}, but it should be {right_shape}: the output's shape, then the input's.",
            returned_shape=returned.shape,
            right_shape=right.shape,
        )
        return Verdict(title, "wrong", sentence, **explain_fields(explanations))
    wrong = target.misses(returned)
    index = find_worst(returned, right, wrong)
    error = float(np.abs(returned[index] - right[index]))
    headline = say("J is wrong: {explanations}.", explanations=join_titles(explanations))
    return Verdict(
        title, "wrong", headline, error, format_place("J", index), make_table("J", returned, right, wrong),
        ErrorMap.of("J", returned, right, wrong), **explain_fields(explanations),
    )  # fmt: skip


def check_value(actual: Any, expected: Any, name: str = "the value", rtol: float = 1e-6, lesson: str = "") -> Verdict:
    """Check that `actual` is this number, array, or dict or list of them. `rtol` is relative to the largest entry.

    `expected` may be rounded as a lecture prints it: say so by a larger `rtol`. `actual` may be a function without
    arguments that returns it, `lambda: scores(x)`: what that raises becomes a verdict too. A wrong answer points to
    `lesson`, such as "lecture 03, Broadcasting and the bias".
    """
    caller = sys._getframe(1)
    name = say("the value") if name == "the value" else name
    expected = expected if isinstance(expected, Mapping | str) else np.array(expected)

    def check() -> Verdict | Finding:
        value = guarded_call.call_learner(actual, (), "it") if isinstance(actual, FunctionType) else actual
        found = value if isinstance(value, Finding) else _find_wrong(value, expected, name, rtol)
        if found and holds_none(actual) and is_unfilled_guess(caller):
            return Verdict("", "not attempted", say("Your guess goes in place of None."), mistakes=("not-attempted",))
        if found and lesson and "wrong-answer" in found.mistakes:
            found = replace(found, words={**found.words, "lesson": lesson})
        return found or Verdict(name, "right", "right.")

    return guard_check(name, check)


def _find_wrong(actual: Any, expected: Any, name: str, rtol: float) -> Finding | None:
    """Find what is wrong with a number, an array, text, or a dict of them."""
    missing = find_placeholder(actual, "it")
    if missing:
        return missing
    if isinstance(expected, Mapping):
        return _find_wrong_key(actual, expected, name, rtol)
    if np.asarray(expected).dtype.kind == "U":
        return _find_wrong_text(actual, expected)
    return _find_wrong_number(actual, np.asarray(expected, dtype=float), rtol)


def _find_wrong_number(actual: Any, target: np.ndarray, rtol: float) -> Finding | None:
    returned = guarded_call.read_numbers("it", actual)
    if isinstance(returned, Finding):
        return returned
    if returned.size == target.size == 1:  # [6] for 6 is a matter of taste
        returned = returned.reshape(target.shape)
    if returned.shape != target.shape:
        return Finding("wrong", describe_shapes(returned, target), ("wrong-answer",), words=NO_TABLE)
    different = guarded_call.find_difference("it", returned.astype(float), target, rtol)
    return replace(different, mistakes=("wrong-answer",)) if different else None


def _find_wrong_key(actual: Any, expected: Mapping[str, Any], name: str, rtol: float) -> Finding | None:
    if not isinstance(actual, Mapping):
        keys = ", ".join(map(str, expected))
        kind = guarded_call.describe_kind(actual)
        return Finding(
            "wrong",
            say("it must be a dict with the keys {keys}; it is {kind}.", keys=keys, kind=kind),
            ("wrong-container",),
        )
    missing = [str(key) for key in expected if key not in actual]
    if missing:
        sentence = say_count(
            "the key is missing: {names}.", "the keys are missing: {names}.", len(missing), names=", ".join(missing)
        )
        return _wrong_keys(sentence, expected)
    extra = [str(key) for key in actual if key not in expected]
    if extra:
        sentence = say_count(
            "the key is too many: {names}.", "the keys are too many: {names}.", len(extra), names=", ".join(extra)
        )
        return _wrong_keys(sentence, expected)
    for key in expected:
        part = f"{name}[{key!r}]"
        finding = _find_wrong(actual[key], expected[key], part, rtol)
        if finding:
            return replace(finding, subject=finding.subject or part)
    return None


def _wrong_keys(sentence: str, expected: Mapping[str, Any]) -> Finding:
    words = {"hint": say("Return a dict with exactly the keys {names}.", names=", ".join(map(str, expected)))}
    return Finding("wrong", sentence, ("wrong-keys",), words=words)


def _find_wrong_text(actual: Any, expected: Any) -> Finding | None:
    """Find a wrong answer where the name, or the list of names, of something is expected."""
    if isinstance(actual, str) != isinstance(expected, str):
        kinds = guarded_call.describe_kind(expected), guarded_call.describe_kind(actual)
        return Finding(
            "wrong",
            say("it must be {expected}, but it is {kind}.", expected=kinds[0], kind=kinds[1]),
            ("wrong-answer",),
            words=NO_TABLE,
        )
    if isinstance(expected, str) or not isinstance(actual, Sequence):
        same = actual == expected
    else:
        same = list(map(str, actual)) == list(map(str, expected))
    if same:
        return None
    return Finding(
        "wrong", say("it {differs}.", differs=describe_names(actual, expected)), ("wrong-answer",), words=NO_TABLE
    )


def partial_credit(points: float, *verdicts: Verdict) -> float:
    """Return the share of `points` that these verdicts earn, for the last line of an nbgrader test cell, and print
    the verdicts: a line for each that passed, as `assert` does, and all of those that did not. Raises TypeError for
    anything that is not a verdict."""
    for verdict in verdicts:
        if not isinstance(verdict, Verdict):
            raise TypeError(f"partial_credit takes what the checks return, not {guarded_call.describe_kind(verdict)}.")
        if verdict.passed:
            bool(verdict)  # says so, as under `assert`
        else:
            announce(verdict)
            print(verdict)
    return points * sum(verdict.passed for verdict in verdicts) / len(verdicts)


def _prepare(function: Any, inputs: Sequence[Any], of: Any = None) -> tuple[tuple[str, ...], tuple[Any, ...] | Finding]:
    """Return the names of the inputs, and the inputs as they are checked or a finding why they cannot be."""
    names = tuple(name_inputs(function, len(inputs)))
    if of is not None and not callable(of):
        return names, Finding(
            "error", say("of= must be a function of the inputs; it is {kind}.", kind=guarded_call.describe_kind(of))
        )
    return names, guarded_call.prepare_inputs(names, inputs)
