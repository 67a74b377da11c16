"""The checks that graded cells call; see `nnkit.check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.arrays import Array, name_of
from nnkit.check import probe
from nnkit.check.compare import place, project, table, worst, wrong_entries
from nnkit.check.mistakes import Trial, diagnose
from nnkit.check.probe import Stop
from nnkit.check.verdict import Verdict
from nnkit.gates.base import names_of

TRIALS = 2
SALT = 4160616  # so that the upstream is not the very numbers that a learner's default_rng(0) drew as inputs


def check_backward(gate: Any, *inputs: Array, of: Callable[..., Any] | None = None, rng: int = 0) -> Verdict:
    """Is `gate.backward` the vector-Jacobian product of `gate.forward` at these inputs?

    Compared with numerical derivatives of the forward (or of the trusted function `of`, with which the
    forward must then agree), for random upstream gradients, in float64. Also: inputs, upstream and cache
    are left alone; a second call gives the same; backward(0) is 0 and backward(2g) is 2 backward(g).
    Integer arrays (labels) are held fixed and may get None.
    """
    subject = f"{name_of(gate)}.backward"
    try:
        with np.errstate(all="ignore"):
            return _check_backward(gate, inputs, of, np.random.default_rng([SALT, rng]), subject)
    except Stop as stop:
        return stop.verdict(subject)


def _check_backward(
    gate: Any, inputs: tuple[Array, ...], of: Callable[..., Any] | None, rng: np.random.Generator, subject: str
) -> Verdict:
    inputs = probe.arguments(names_of(gate, len(inputs)), inputs)
    names = names_of(gate, len(inputs))
    out = probe.forward(gate, inputs)[0]
    if of is not None:
        expected = np.asarray(of(*probe.copies(inputs)), dtype=float)
        probe.same_value(f"{name_of(gate)}.forward", out, expected)
    function = of or (lambda *xs: probe.forward(gate, xs)[0])
    wrt = probe.differentiable(inputs)
    estimates = {i: numerical.jacobian(function, inputs, i) for i in wrt}

    def backward(upstream: np.ndarray) -> tuple[np.ndarray, ...]:
        return probe.gradients(probe.backward(gate, inputs, upstream), names, wrt)

    upstreams = [np.asarray(rng.normal(size=out.shape)) for _ in range(TRIALS)]
    trials, found = [], None
    for upstream in upstreams:
        returned = backward(upstream)
        targets = [project(estimates[i], upstream) for i in wrt]
        trials.append(
            Trial(
                returned=returned,
                right=tuple(target.value for target in targets),
                inputs=tuple(np.asarray(inputs[i]) for i in wrt),
                upstream=upstream,
                unweighted=tuple(project(estimates[i], np.ones(out.shape)).value for i in wrt),
                squared=tuple(project(estimates[i], upstream * upstream).value for i in wrt),
            )
        )
        for i, w, target in zip(wrt, returned, targets):
            wrong = wrong_entries(w, target)
            if found is None and wrong.any():
                found = (f"d{names[i]}", w, target.value, wrong)
    if found is not None:
        return _wrong(subject, *found, trials)
    # The gradients are right; now what a right value alone does not show.
    _linear(backward, upstreams[0], out)
    kinks = sum(project(estimates[i], upstreams[0]).kinks for i in wrt)
    return _right(subject, [f"d{names[i]}" for i in wrt], kinks)


def _linear(backward: Callable[[np.ndarray], Sequence[np.ndarray]], g: np.ndarray, out: np.ndarray) -> None:
    once, twice, zero = backward(g), backward(2 * g), backward(np.zeros(out.shape))
    for w, double, nothing in zip(once, twice, zero):
        if not np.allclose(double, 2 * w, rtol=1e-9, atol=1e-12) or np.any(nothing != 0):
            raise Stop("wrong", "a doubled upstream gradient must double the result, and a zero one give zeros.")


def check_gradient(
    function: Callable[..., Any], *inputs: Array, of: Callable[..., Any] | None = None, name: str = ""
) -> Verdict:
    """Are the gradients of a scalar function right? `function(*inputs)` returns (value, (dx, dy, ...)).

    With one input the gradient may come bare. The gradients are compared with numerical derivatives of
    the function's own value, or of the trusted function `of`, with which the value must then agree.
    """
    subject = name or name_of(function)
    try:
        with np.errstate(all="ignore"):
            return _check_gradient(function, inputs, of, subject)
    except Stop as stop:
        return stop.verdict(subject)


def _check_gradient(
    function: Callable[..., Any], inputs: tuple[Array, ...], of: Callable[..., Any] | None, subject: str
) -> Verdict:
    inputs = probe.arguments(names_of(function, len(inputs)), inputs)
    names, wrt = names_of(function, len(inputs)), probe.differentiable(inputs)

    def value(*xs: Array) -> np.ndarray:
        return probe.value_and_gradients(function, xs)[0]

    own, returned = probe.value_and_gradients(function, inputs)
    if own.shape:
        raise Stop("wrong", f"the value must be a scalar, but it is {own.shape}.")
    if of is not None:
        probe.same_value(f"the value of {subject}", own, np.asarray(of(*probe.copies(inputs)), dtype=float))
    gradients = probe.gradients(probe.checked(subject, returned, names, inputs), names, wrt)
    one, kinks, found, right = np.ones(()), 0, None, []
    for i, w in zip(wrt, gradients):
        target = project(numerical.jacobian(of or value, inputs, i), one)
        right.append(target.value)
        kinks += target.kinks
        wrong = wrong_entries(w, target)
        if found is None and wrong.any():
            found = (f"d{names[i]}", w, target.value, wrong)
    if found is not None:
        xs = tuple(np.asarray(inputs[i]) for i in wrt)
        # An upstream of 1 cannot tell its absence: those two candidates are the right answer itself.
        trial = Trial(gradients, tuple(right), xs, one, tuple(right), tuple(right))
        return _wrong(subject, *found, [trial])
    return _right(subject, [f"d{names[i]}" for i in wrt], kinks)


def check_jacobian(jacobian: Any, *inputs: Array, of: Callable[..., Any], wrt: int = 0, name: str = "") -> Verdict:
    """Is this the Jacobian ∂of/∂inputs[wrt]? `jacobian` is an array of shape (*out, *input), or a function
    of the inputs that returns it."""
    subject = name or (name_of(jacobian) if callable(jacobian) else "the Jacobian")
    try:
        with np.errstate(all="ignore"):
            inputs = probe.arguments(names_of(of, len(inputs)), inputs)
            given = probe.call(jacobian, inputs) if callable(jacobian) else jacobian
            estimate = numerical.jacobian(of, inputs, wrt)
            returned = probe.number_array("the Jacobian", given, estimate.value.shape)
            target = project(estimate, np.ones(()))
            wrong = wrong_entries(returned, target)
            return _wrong(subject, "J", returned, target.value, wrong, []) if wrong.any() else _right(subject, ["J"], 0)
    except Stop as stop:
        return stop.verdict(subject)


def check_value(actual: Any, expected: Any, name: str = "the value", rtol: float = 1e-6) -> Verdict:
    """Is `actual` this number, array, or dict or list of them? `rtol` is relative to the largest entry.

    `expected` may be rounded as a lecture prints it: say so by a larger `rtol`.
    """
    try:
        if isinstance(expected, Mapping):
            return _check_mapping(actual, expected, name, rtol)
        if np.asarray(expected).dtype.kind == "U":
            return _check_names(actual, expected, name)
        returned = probe.number_array(name, actual, np.shape(expected))
        target = np.asarray(expected, dtype=float)
        probe.same_value(name, returned, target, rtol)
        return Verdict(name, "right", "right.")
    except Stop as stop:
        return stop.verdict(name)


def _check_mapping(actual: Any, expected: Mapping[str, Any], name: str, rtol: float) -> Verdict:
    probe.attempted(actual, name)
    if not isinstance(actual, Mapping):
        keys = ", ".join(map(str, expected))
        raise Stop("wrong", f"it must be a dict with the keys {keys}; it is {probe.kind(actual)}.")
    missing = [str(key) for key in expected if key not in actual]
    if missing:
        raise Stop("wrong", f"these keys are missing: {', '.join(missing)}.")
    for key in expected:
        verdict = check_value(actual[key], expected[key], f"{name}[{key!r}]", rtol)
        if not verdict.passed:
            return verdict
    return Verdict(name, "right", "right.")


def _check_names(actual: Any, expected: Any, name: str) -> Verdict:
    probe.attempted(actual, name)
    same = actual == expected if isinstance(expected, str) else list(actual) == list(expected)
    if not same:
        raise Stop("wrong", f"expected {expected!r}; yours is {actual!r}."[:300])
    return Verdict(name, "right", "right.")


def check_order(order: Any, needs: Mapping[str, Sequence[str]], name: str = "the order") -> Verdict:
    """Is `order` a topological order: every key of `needs` once, each after all that it needs?"""
    try:
        probe.attempted(order, name)
        if not isinstance(order, list | tuple):
            raise Stop("wrong", f"it must be a list of node names; it is {probe.kind(order)}.")
        seen: set[str] = set()
        for node in order:
            if node not in needs:
                raise Stop("wrong", f"{node!r} is no node of this graph.")
            if node in seen:
                raise Stop("wrong", f"{node!r} comes twice; every node must come once.")
            early = [x for x in needs[node] if x not in seen]
            if early:
                raise Stop("wrong", f"{node!r} comes before {early[0]!r}, which it needs.")
            seen.add(node)
        if len(seen) < len(needs):
            raise Stop("wrong", f"these nodes are missing: {', '.join(sorted(set(needs) - seen))}.")
        return Verdict(name, "right", "every node comes once, after all that it needs.")
    except Stop as stop:
        return stop.verdict(name)


def partial_credit(points: float, *verdicts: Verdict) -> float:
    """The share of `points` that these verdicts earn, for the last line of an nbgrader test cell; what
    did not pass is printed."""
    for verdict in verdicts:
        if not verdict.passed:
            print(verdict)
    return points * sum(verdict.passed for verdict in verdicts) / len(verdicts)


def _right(subject: str, what: list[str], kinks: int) -> Verdict:
    told = f"{kinks} of the points sit on a kink: there, any slope between the two sides is accepted."
    notes = (told,) if kinks else ()
    verb = "agrees" if len(what) == 1 else "agree"
    return Verdict(subject, "right", f"{' and '.join(what)} {verb} with the numerical derivative.", notes=notes)


def _wrong(
    subject: str, name: str, returned: np.ndarray, expected: np.ndarray, wrong: np.ndarray, trials: Sequence[Trial]
) -> Verdict:
    mistake = diagnose(trials) if trials else None
    index = worst(returned, expected, wrong)
    error = float(np.abs(returned[index] - expected[index]))
    count = f"{int(wrong.sum())} of {wrong.size} entries" if wrong.size > 1 else "it"
    if not np.isfinite(returned[index]):
        headline = f"{name} is {returned[index]} at {place(name, index)}."
    elif mistake:
        headline = f"{name} is wrong: {mistake.title}."
    else:
        verb = "are" if wrong.size > 1 and int(wrong.sum()) > 1 else "is"
        headline = f"{name} is wrong: {count} {verb} off, by up to {error:.3g} (at {place(name, index)})."
    return Verdict(
        subject,
        "wrong",
        headline,
        largest_error=error,
        where=place(name, index),
        entries=table(name, returned, expected, wrong),
        mistake=mistake.id if mistake else "",
        hint=mistake.hint if mistake else "",
    )
