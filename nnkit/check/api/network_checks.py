"""Checks of networks: the gradients of all parameters, an update, a whole training step, and what training reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.check.context import checking, current_context
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.containers import find_swapped
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import FunctionSubject, StepSubject, Subject
from nnkit.check.forms.parameter_trees import REBOUND, ParameterTree, read_loss
from nnkit.check.pipeline import examine, guard_check
from nnkit.check.verdict import Verdict
from nnkit.gates.base import get_input_names
from nnkit.language import say

Function = Callable[..., Any]
TRAINING_TIMES = 12
"""Multiple of a check's time limit that training may take."""


def check_parameters(
    function: Any,
    parameters: Any,
    *batch: Any,
    of: Function | None = None,
    name: str = "",
    rng: int = 0,
) -> Verdict:
    """Check the gradients of all of a network's parameters.

    `function(parameters, *batch)` returns (loss, gradients), two dicts with the same keys; `of(parameters, *batch)`,
    where it is given, the trusted loss. The batch is held fixed.

    The parameters may also be in a dict of dicts, a list, a tuple, a dataclass or another object; the gradients in a
    container like theirs. `function` may be a pair of functions, (loss, gradient), or a network's method that reads
    its parameters from the network: check_parameters(net.loss, net.params, x, y).
    """
    title = name or get_name(function)

    def check() -> Verdict | Finding:
        asked = read_loss(function, parameters, batch)
        known = get_input_names(function)
        root, *along = known if known and asked is function else ["params", *known]
        network = ParameterTree.read(parameters, batch, along, root)
        if isinstance(network, Finding):
            return network

        def pair(*xs: Any) -> Any:
            given = network.split(xs)
            kept = network.list_arrays(given[0])
            returned = asked(*given)
            if network.is_rebound(given[0], kept):
                return REBOUND
            if not isinstance(returned, tuple | list) or len(returned) != 2:
                kind = guarded_call.describe_kind(returned)
                sentence = say("it must return the pair (loss, gradients); it returned {kind}.", kind=kind)
                return Finding(
                    "wrong", sentence, ("wrong-container",), words={"hint": say("Write `return loss, grads`.")}
                )
            swapped = find_swapped(returned[0], returned[1], "grads")
            if swapped:
                return swapped
            gradients = network.read_gradients(returned[1])
            return gradients if isinstance(gradients, Finding) else (returned[0], gradients)

        subject = FunctionSubject(title, network.names, network.wrt, network.flatten(of), parameters=True, pair=pair)
        return examine(subject, network.inputs, rng)

    return guard_check(title, check)


def check_update(
    update: Function, weights: Any, gradients: Any, step_size: float = 0.1, name: str = "", rng: int = 0
) -> Verdict:
    """Check that `update(weights, gradients, step_size)` returns the new weights, W - step_size · dW.

    Weights and gradients are arrays, or two dicts of arrays with the same keys; both must be left as they are.
    Tried with two step sizes.
    """
    title = name or get_name(update)
    single = not isinstance(weights, Mapping)

    def check() -> Verdict | Finding:
        old, slopes = ({"W": weights}, {"W": gradients}) if single else (weights, gradients)
        network = ParameterTree.read(old, tuple(slopes[key] for key in old), [f"d{key}" for key in old])
        if isinstance(network, Finding):
            return network

        def moved(xs: Sequence[Any], size: float) -> Any:
            new, *along = network.split(xs)
            if single:
                return {"W": update(new["W"], along[0], size)}
            # The gradients come in another order than the weights: they belong together by name.
            kept, named = list(new.values()), dict(reversed(list(zip(new, along))))
            given = network.list_arrays(named)
            returned = update(new, named, size)
            return REBOUND if network.is_rebound(new, kept) or network.is_rebound(named, given) else returned

        def loss(*xs: Any) -> Any:
            count = len(network.wrt)
            return sum(np.sum(w * dw) for w, dw in zip(xs[:count], xs[count:]))

        return _examine_step(title, network, moved, loss, step_size, rng, opaque=True)

    return guard_check(title, check)


def check_step(
    step: Function,
    parameters: Mapping[str, Any],
    *batch: Any,
    of: Function,
    step_size: float = 0.1,
    name: str = "",
    rng: int = 0,
) -> Verdict:
    """Check a whole training step: forward, backward, and then the update.

    `step(parameters, *batch, step_size)` returns the new parameters; expected are
    parameters - step_size · ∇ of(parameters, *batch). Tried with two step sizes.
    """
    title = name or get_name(step)

    def check() -> Verdict | Finding:
        network = ParameterTree.read(parameters, batch, get_input_names(step)[1:-1])
        if isinstance(network, Finding):
            return network

        def moved(xs: Sequence[Any], size: float) -> Any:
            given = network.split(xs)
            kept = network.list_arrays(given[0])
            returned = step(given[0], *given[1:], size)
            return REBOUND if network.is_rebound(given[0], kept) else returned

        loss = network.flatten(of)
        assert loss
        return _examine_step(title, network, moved, loss, step_size, rng)

    return guard_check(title, check)


def check_training(
    losses: Sequence[float] | Callable[[], Any],
    accuracy: float | Callable[[], Any] | None = None,
    at_least: float | None = None,
    name: str = "training",
) -> Verdict:
    """Check that training worked: the losses are finite and fell, and the accuracy reached `at_least`.

    Both may be functions without arguments that return them, `lambda: train(...)`: what these raise becomes a verdict
    too, and they may take twelve times as long as another check.
    """

    def check() -> Verdict | Finding:
        numbers = _read_numbers(say("the list of losses"), losses)
        if isinstance(numbers, Finding):
            return numbers
        history = numbers.astype(float)
        if history.ndim != 1 or history.size < 2:
            sentence = say(
                "the losses must be a list of at least two numbers; their shape is {shape}.", shape=history.shape
            )
            return Finding("wrong", sentence, ("wrong-container",))
        odd = np.flatnonzero(~np.isfinite(history))
        if odd.size:
            sentence = say(
                "the loss is {loss} at step {step}: try a smaller step size, and look for an overflow.",
                **{"loss": history[odd[0]], "step": odd[0]},
            )
            return Finding("wrong", sentence, ("training-failed",))
        return _check_fall(name, history, accuracy, at_least)

    with checking(seconds=TRAINING_TIMES * current_context().seconds):
        return guard_check(name, check)


def _read_numbers(title: str, given: Any, shape: tuple[int, ...] | None = None) -> np.ndarray | Finding:
    """Return these numbers, or those that a function returns; a finding where it raises or returns something else."""
    value = guarded_call.call_learner(given, (), "it") if isinstance(given, FunctionType) else given
    return value if isinstance(value, Finding) else guarded_call.read_numbers(title, value, shape)


def _check_fall(name: str, history: np.ndarray, accuracy: Any, at_least: float | None) -> Verdict | Finding:
    """Compare the first tenth of the losses with the last, and the accuracy with `at_least`."""
    tenth = max(1, history.size // 10)
    start, end = float(history[:tenth].mean()), float(history[-tenth:].mean())
    if not end < start:
        sentence = say(
            "the loss rose, from {start:.4g} to {end:.4g}: is the gradient subtracted?"
            if end > start
            else "the loss stayed, from {start:.4g} to {end:.4g}: is the gradient subtracted?",
            **{"start": start, "end": end},
        )
        return Finding("wrong", sentence, ("training-failed",))
    loss = say("the loss fell from {start:.4g} to {end:.4g}", start=start, end=end)
    if at_least is None:
        return Verdict(name, "right", f"{loss}.")
    number = _read_numbers(say("the accuracy"), accuracy, ())
    if isinstance(number, Finding):
        return number
    got = float(number)
    if not 0 <= got <= 1:
        return Finding(
            "wrong", say("the accuracy must be a share between 0 and 1; it is {got:.4g}.", got=got), ("wrong-answer",)
        )
    if got < at_least:
        sentence = say(
            "{loss}, but the accuracy is {got:.1%}; it should reach {at_least:.1%}.",
            loss=loss,
            got=got,
            at_least=at_least,
        )
        return Finding("wrong", sentence, ("training-failed",))
    return Verdict(name, "right", say("{loss}, and the accuracy is {got:.1%}.", loss=loss, got=got))


def _examine_step(
    title: str,
    network: ParameterTree,
    moved: Callable[[Sequence[Any], float], Any],
    loss: Function,
    step_size: float,
    rng: int,
    opaque: bool = False,
) -> Verdict:
    """Examine a step with this step size, and with a smaller one."""

    def pair_with(size: float) -> Function:
        def pair(*xs: Any) -> Any:
            old = [np.array(x) for x in xs[: len(network.wrt)]]
            returned = guarded_call.call_learner(lambda *given: moved(given, size), xs, "it")
            new = returned if isinstance(returned, Finding) else network.read_gradients(returned)
            arrays = new if isinstance(new, Finding) else _read_all(network.names, new)
            if isinstance(arrays, Finding):
                return arrays
            return loss(*old, *xs[len(network.wrt) :]), tuple((o - n) / size for o, n in zip(old, arrays))

        return pair

    subjects = [
        _Step(title, network.names, network.wrt, loss, True, size, opaque, pair=pair_with(size))
        for size in (step_size, step_size / 4)
    ]
    first, second = (replace(subjects[k], others=(subjects[1 - k],)) for k in (0, 1))
    verdict = examine(first, network.inputs, rng)
    return verdict if not verdict.passed else _describe_step(examine(second, network.inputs, rng))


def _read_all(keys: Sequence[str], new: Sequence[Any]) -> list[np.ndarray] | Finding:
    arrays = []
    for key, value in zip(keys, new):
        array = guarded_call.read_numbers(say("the new {key}", key=key), value)
        if isinstance(array, Finding):
            return array
        arrays.append(array)
    return arrays


@dataclass(frozen=True)
class _Step(StepSubject):
    """A training step, and the same with other step sizes."""

    others: tuple[Subject, ...] = ()

    def variations(self) -> tuple[Subject, ...]:
        return self.others


def _describe_step(verdict: Verdict) -> Verdict:
    if not verdict.passed:
        return verdict
    return replace(verdict, headline=say("the new parameters are the old ones minus step_size times the gradient."))
