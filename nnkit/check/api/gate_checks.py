"""Checks of derivatives: a gate, a function, a loss, a Jacobian; and of plain values. See `nnkit.check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.arrays import Array, get_name
from nnkit.check.diagnosis.diagnose import diagnose
from nnkit.check.error_map import ErrorMap
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.comparison import Trial
from nnkit.check.evidence.guarded_call import Stop
from nnkit.check.evidence.subjects import FunctionSubject, GateSubject
from nnkit.check.evidence.tolerance import Target, jacobian_target, place, table, worst
from nnkit.check.pipeline import examine, guarded
from nnkit.check.rendering.messages import titles, told_of, verdict_of
from nnkit.check.verdict import Verdict, heard
from nnkit.gates.base import name_inputs

Function = Callable[..., Any]
MOST_ROWS = 16


def check_backward(gate: Any, *inputs: Array, of: Function | None = None, rng: int = 0) -> Verdict:
    """Is `gate.backward` the vector-Jacobian product of `gate.forward` at these inputs?

    Compared with numerical derivatives of the forward (or of the trusted function `of`, with which the
    forward must then agree), for random upstream gradients, in float64: at these inputs and at some nearby.
    Also: inputs, upstream and cache are left alone; a second call gives the same; backward(0) is 0 and
    backward(2g) is 2 backward(g); another forward in between changes nothing. Integer arrays (labels) are
    held fixed and may get None.
    """
    title = f"{get_name(gate)}.backward"

    def check() -> Verdict:
        guarded_call.gate_name(gate)
        names, xs = _inputs(gate, inputs, of)
        return examine(GateSubject(title, names, guarded_call.differentiable(xs), of, gate=gate), xs, rng)

    return guarded(title, check)


def check_gradient(
    function: Function, *inputs: Array, of: Function | None = None, name: str = "", rng: int = 0
) -> Verdict:
    """Are the gradients of a scalar function right? `function(*inputs)` returns (value, (dx, dy, ...)).

    With one input the gradient may come bare. The gradients are compared with numerical derivatives of
    the function's own value, or of the trusted function `of`, with which the value must then agree.
    """
    title = name or get_name(function)

    def check() -> Verdict:
        names, xs = _inputs(function, inputs, of)
        return examine(FunctionSubject(title, names, guarded_call.differentiable(xs), of, pair=function), xs, rng)

    return guarded(title, check)


def check_loss(
    loss: Function, prediction: Array, target: Array, of: Function | None = None, name: str = "", rng: int = 0
) -> Verdict:
    """Is the gradient of a loss right? `loss(prediction, target)` returns (value, dprediction).

    The target (labels, or numbers like the prediction) is held fixed. Where the value ignores which
    prediction belongs to which target, (N,) has met (N, 1) and made an (N, N).
    """
    title = name or get_name(loss)

    def check() -> Verdict:
        names, xs = _inputs(loss, (prediction, target), of)
        subject = FunctionSubject(title, names, (0,), of, pair=loss)
        try:
            verdict = examine(subject, xs, rng)
        except Stop as stop:
            raise (_paired(subject, xs, rng, stop) if not stop.mistakes else None) or stop from None
        paired = None if of else _paired(subject, xs, rng)
        if paired:
            raise paired
        return verdict

    return guarded(title, check)


def _paired(subject: FunctionSubject, inputs: tuple[Any, ...], rng: int, stop: Stop | None = None) -> Stop | None:
    """The fault of comparing every prediction with every target, where the value shows it: whatever the prediction,
    the value stays the same when the targets change places."""
    prediction, target = inputs
    alike = np.shape(prediction) == np.shape(target) and stop is None  # nothing hints at it
    if alike or np.ndim(target) == 0 or len(target) < 2 or np.size(prediction) != np.size(target):
        return None
    if np.array_equal(target, np.roll(target, 1, axis=0)):
        return None
    draw = np.random.default_rng(rng)
    for _ in range(3):
        other = prediction * draw.normal(0, 3, size=np.shape(prediction))
        try:
            kept, moved = subject.plain([(other, target), (other, np.roll(target, 1, axis=0))])
        except Exception:  # outside of where the loss is defined
            return None
        if not np.allclose(kept, moved, rtol=1e-9, atol=0.0):
            return None
    told = "the value stays the same when the targets change places: every prediction was compared with every target."
    return Stop("wrong", told, ("broadcast-pair",), stop.entries if stop else (), stop.error if stop else 0.0)


def check_jacobian(jacobian: Any, *inputs: Array, of: Function, wrt: int = 0, name: str = "") -> Verdict:
    """Is this the Jacobian ∂of/∂inputs[wrt]? `jacobian` is an array of shape (*out, *input), or a function
    of the inputs that returns it."""
    title = name or (get_name(jacobian) if callable(jacobian) else "the Jacobian")

    def check() -> Verdict:
        _, xs = _inputs(of, inputs)
        given = guarded_call.call(jacobian, xs, "it") if callable(jacobian) else jacobian
        returned = guarded_call.number_array("it", given)
        target = jacobian_target(of, xs, wrt, returned)
        if returned.shape == target.value.shape and not target.misses(returned).any():
            return Verdict(title, "right", "J agrees with the numerical derivative.")
        return _wrong_jacobian(title, returned, target, _jacobian_mistakes(returned, target, of, xs, wrt))

    return guarded(title, check)


def _jacobian_mistakes(
    returned: np.ndarray, target: Target, of: Function, inputs: tuple[Any, ...], wrt: int
) -> tuple[str, ...]:
    """Row by row, a Jacobian is what a backward gives for a one-hot upstream gradient; and it is an array of its own,
    which can be transposed."""
    out = np.asarray(of(*inputs), dtype=float)
    if returned.shape == target.value.shape and out.size <= MOST_ROWS:
        named = diagnose([_row(returned, target, of, inputs, wrt, out, k) for k in range(out.size)]).mistakes
        if named:
            return named
    right, one = (target.value,), np.ones(())
    whole = Trial(lambda *xs: None, right, (0,), one, one, (returned,), (target,), right, right, opaque=True)
    return diagnose([whole]).mistakes


def _row(
    returned: np.ndarray, target: Target, of: Function, inputs: tuple[Any, ...], wrt: int, out: np.ndarray, k: int
) -> Trial:
    i = np.unravel_index(k, out.shape)
    onehot = np.zeros(out.shape)
    onehot[i] = 1.0
    part = replace(target, value=target.value[i], low=target.low[i], high=target.high[i], sharp=target.sharp[i])
    right = (part.value,)
    return Trial(of, inputs, (wrt,), onehot, out, (np.asarray(returned[i]),), (part,), right, right)


def _wrong_jacobian(title: str, returned: np.ndarray, target: Target, mistakes: tuple[str, ...]) -> Verdict:
    right = target.value
    if returned.shape != right.shape:
        told = f"J is {returned.shape}, but it should be {right.shape}: the output's shape, then the input's."
        named = mistakes or ("wrong-shape",)
        return Verdict(title, "wrong", told, mistakes=named, **told_of(named))
    wrong = target.misses(returned)
    index = worst(returned, right, wrong)
    error = float(np.abs(returned[index] - right[index]))
    headline = (
        f"J is wrong: {titles(mistakes)}."
        if mistakes
        else f"J is wrong: {int(wrong.sum())} of {wrong.size} entries are off."
    )
    return Verdict(
        title, "wrong", headline, error, place("J", index), table("J", returned, right, wrong),
        ErrorMap.of("J", returned, right, wrong), mistakes, **told_of(mistakes),
    )  # fmt: skip


def check_value(actual: Any, expected: Any, name: str = "the value", rtol: float = 1e-6) -> Verdict:
    """Is `actual` this number, array, or dict or list of them? `rtol` is relative to the largest entry.

    `expected` may be rounded as a lecture prints it: say so by a larger `rtol`.
    """
    expected = _kept(expected)
    return guarded(name, lambda: _check_value(actual, expected, name, rtol))


def _check_value(actual: Any, expected: Any, name: str, rtol: float) -> Verdict:
    guarded_call.attempted(actual, name)
    if isinstance(expected, Mapping):
        return _check_mapping(actual, expected, name, rtol)
    if np.asarray(expected).dtype.kind == "U":
        return _check_names(actual, expected, name)
    target = np.asarray(expected, dtype=float)
    returned = guarded_call.number_array("it", actual)
    if returned.size == target.size == 1:  # [6] for 6 is a matter of taste
        returned = returned.reshape(target.shape)
    if returned.shape != target.shape:
        raise Stop("wrong", _other_shape(returned.shape, target.shape))
    guarded_call.same_value("it", returned.astype(float), target, rtol)
    return Verdict(name, "right", "right.")


def _other_shape(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """In words of lists where both are lists: a value is not always a gradient."""
    if len(got) == len(wanted) == 1:
        return f"it has {got[0]} entries, but there should be {wanted[0]}."
    return f"its shape is {got}, but it should be {wanted}."


def _kept(expected: Any) -> Any:
    return expected if isinstance(expected, Mapping | str) else np.array(expected)


def _check_mapping(actual: Any, expected: Mapping[str, Any], name: str, rtol: float) -> Verdict:
    if not isinstance(actual, Mapping):
        keys = ", ".join(map(str, expected))
        raise Stop("wrong", f"it must be a dict with the keys {keys}; it is {guarded_call.kind(actual)}.")
    missing = [str(key) for key in expected if key not in actual]
    if missing:
        raise Stop("wrong", f"these keys are missing: {', '.join(missing)}.")
    extra = [str(key) for key in actual if key not in expected]
    if extra:
        raise Stop("wrong", f"these keys are too many: {', '.join(extra)}.")
    for key in expected:
        try:
            verdict = _check_value(actual[key], expected[key], f"{name}[{key!r}]", rtol)
        except Stop as stop:
            return verdict_of(f"{name}[{key!r}]", stop)
        if not verdict.passed:
            return verdict
    return Verdict(name, "right", "right.")


def _check_names(actual: Any, expected: Any, name: str) -> Verdict:
    """Text answers: the name or the names that were asked for."""
    if isinstance(actual, str) != isinstance(expected, str):
        raise Stop("wrong", f"it must be {guarded_call.kind(expected)}, but it is {guarded_call.kind(actual)}.")
    if isinstance(expected, str) or not isinstance(actual, Sequence):
        same = actual == expected
    else:
        same = list(map(str, actual)) == list(map(str, expected))
    if not same:
        raise Stop("wrong", "it is not what it should be.")
    return Verdict(name, "right", "right.")


def partial_credit(points: float, *verdicts: Verdict) -> float:
    """The share of `points` that these verdicts earn, for the last line of an nbgrader test cell; what
    did not pass is printed. Raises TypeError for anything that is not a verdict."""
    for verdict in verdicts:
        if not isinstance(verdict, Verdict):
            raise TypeError(f"partial_credit takes what the checks return, not {guarded_call.kind(verdict)}.")
        heard(verdict)
        if not verdict.passed:
            print(verdict)
    return points * sum(verdict.passed for verdict in verdicts) / len(verdicts)


def _inputs(function: Any, inputs: Sequence[Any], of: Any = None) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    if of is not None and not callable(of):
        raise Stop("error", f"of= must be a function of the inputs; it is {guarded_call.kind(of)}.")
    names = tuple(name_inputs(function, len(inputs)))
    return names, guarded_call.arguments(names, inputs)
