"""What is checked: a gate, or a function that returns its value and its gradients. Each can say its value at some
inputs, and the gradients that the learner's code gives there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.calls import Call, Called, Part, in_a_row
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.guarded_call import Stop
from nnkit.gates.base import check_pair

Function = Callable[..., Any]
ROW = 100_000
"""Numbers in the arguments of as many calls as are made in a row."""
SPOILT = {
    "changed": "it changed its cache in place: make a new array, others still need the old values.",
    "taken": "it took something out of its cache: leave it as it is, a second call needs it too.",
}


class Answers(Protocol):
    """What the learner's code said when it was asked; an answer is looked at when it is wanted, and then may Stop."""

    def value(self) -> np.ndarray:
        """The learner's value in float64."""

    def gradients(self, k: int) -> Arrays:
        """The gradients for the k-th upstream gradient, as numeric arrays of whatever shape and type. Stop where
        arguments or cache were changed in place."""


@dataclass(frozen=True)
class Subject:
    """Something of the learner's with inputs, a value, and gradients of it."""

    title: str
    names: tuple[str, ...]
    """Of all inputs."""
    wrt: tuple[int, ...]
    """The inputs whose gradients are checked."""
    of: Function | None
    """The trusted function, if there is one."""
    parameters: bool = False
    """The inputs in `wrt` are a network's parameters: their sizes stay when a batch of another size is tried."""
    step_size: float = 0.0
    opaque: bool = False
    """The trusted function is not one that the learner differentiated: its graph tells nothing."""

    def value(self, inputs: Arrays) -> np.ndarray:
        """The learner's value in float64."""
        raise NotImplementedError

    def asked(self, inputs: Arrays, upstreams: Sequence[np.ndarray], between: Sequence[Arrays] = ()) -> Answers:
        """The learner's value and its gradients for each of these upstream gradients; for the first of them again
        after the value at each of the inputs in `between`. All in one go."""
        raise NotImplementedError

    def gradients(self, inputs: Arrays, upstream: np.ndarray) -> Arrays:
        """The learner's gradients of the inputs in `wrt`, as numeric arrays of whatever shape and type."""
        return self.asked(inputs, [upstream]).gradients(0)

    def measures(self, inputs: Arrays, upstream: np.ndarray) -> bool:
        """Whether the learner's code takes small steps of its own to find the gradients."""
        raise NotImplementedError

    @property
    def function(self) -> Function:
        """What is differentiated: the trusted function, or the learner's own value."""
        return self.of or Plain(self)

    def plain(self, points: Iterable[Arrays]) -> Iterator[Any]:
        """The learner's value at each of these inputs, without a look at it: moved and complex ones."""
        raise NotImplementedError

    def upstream(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """A random upstream gradient; short numbers, so that a learner can check a small one by hand."""
        g = rng.uniform(0.3, 2.0, size=shape) * rng.choice([-1.0, 1.0], size=shape)
        return np.asarray(np.round(g, 2) if g.size <= 12 else g)

    def counts(self, inputs: int) -> set[int]:
        """How many gradients may come back: one for each input, or only those in `wrt`."""
        return {inputs, len(self.wrt)}

    def name(self, i: int) -> str:
        """What the gradient of input i is called."""
        return f"d{self.names[i]}"

    def shown(self, i: int, inputs: Arrays, gradient: np.ndarray) -> np.ndarray:
        """What a learner is shown for a gradient of input i: itself."""
        return gradient

    def rounding(self, i: int, inputs: Arrays) -> Any:
        """What rounding adds to a gradient before it is seen."""
        return 0.0

    def variations(self) -> tuple[Subject, ...]:
        """The same with other settings, which must be right too."""
        return ()


@dataclass(frozen=True)
class Plain:
    """The learner's value as a function to be differentiated."""

    subject: Subject

    def __call__(self, *inputs: Any) -> Any:
        return next(self.subject.plain([inputs]))

    def at_each(self, points: Iterable[Arrays]) -> Iterator[Any]:
        """The values at these points, a row of calls for as many of them as make a message of moderate size."""
        row: list[Arrays] = []
        for point in points:
            row.append(point)
            if len(row) * sum(map(np.size, point)) >= ROW:
                yield from self.subject.plain(row)
                row = []
        if row:
            yield from self.subject.plain(row)


@dataclass(frozen=True)
class GateSubject(Subject):
    """`gate.forward(*inputs) -> (out, cache)`, `gate.backward(upstream, cache)`."""

    gate: Any = None

    def counts(self, inputs: int) -> set[int]:
        return {inputs}  # a graph hands each of them on to its wire

    def value(self, inputs: Arrays) -> np.ndarray:
        return self.asked(inputs, []).value()

    def plain(self, points: Iterable[Arrays]) -> Iterator[Any]:
        return _firsts(self.gate.forward, points)

    def asked(self, inputs: Arrays, upstreams: Sequence[np.ndarray], between: Sequence[Arrays] = ()) -> GateAnswers:
        def back(upstream: np.ndarray) -> Call:
            return self.gate.backward, (np.array(upstream)[()], Part(0, 1))

        def forward(given: Arrays) -> Call:
            return self.gate.forward, guarded_call.copies(given)

        row = [forward(inputs), *map(back, upstreams)]
        row += [call for others in between for call in (forward(others), back(upstreams[0]))]
        return GateAnswers(self, inputs, upstreams, in_a_row(row))

    def measures(self, inputs: Arrays, upstream: np.ndarray) -> bool:
        _, cache = check_pair(self.gate, guarded_call.call(self.gate.forward, inputs, "forward"))
        points = [inputs[i] for i in self.wrt]
        return guarded_call.measures(self.gate.backward, (np.array(upstream)[()], cache), points)


@dataclass(frozen=True)
class GateAnswers(Answers):
    """Of one forward, and of backwards with its cache."""

    subject: GateSubject
    inputs: Arrays
    upstreams: Sequence[np.ndarray]
    row: Sequence[Called]

    def value(self) -> np.ndarray:
        return self._value

    @cached_property
    def _value(self) -> np.ndarray:
        returned = guarded_call.answer(self.row[0], "forward")
        guarded_call.unchanged(self.subject.names, self.row[0].given, self.inputs)
        try:
            out, _ = check_pair(self.subject.gate, returned)
        except TypeError as fault:
            raise Stop("error", str(fault)) from None
        guarded_call.attempted(out, "forward")
        return guarded_call.double("forward", guarded_call.number_array("forward", out))

    def gradients(self, k: int) -> Arrays:
        return self._backward(self.row[1 + k], self.upstreams[k])

    def after_others(self) -> Iterator[Arrays]:
        """The gradients for the first upstream gradient, after each forward in between that allowed it."""
        for called in self.row[2 + len(self.upstreams) :: 2]:
            with suppress(Stop):
                yield self._backward(called, self.upstreams[0])

    def _backward(self, called: Called, upstream: np.ndarray) -> Arrays:
        self.value()
        returned = guarded_call.answer(called, "backward")
        guarded_call.unchanged(["the upstream gradient"], called.given, (upstream,))
        if called.spoilt:
            raise Stop("wrong", SPOILT[called.spoilt], ("mutated-input",))
        return one_for_each(returned, self.subject, self.inputs)


@dataclass(frozen=True)
class FunctionSubject(Subject):
    """`pair(*inputs) -> (value, gradients)`, a scalar value; the upstream gradient is 1."""

    pair: Function = tuple

    def value(self, inputs: Arrays) -> np.ndarray:
        return self.asked(inputs, [np.ones(())]).value()

    def plain(self, points: Iterable[Arrays]) -> Iterator[Any]:
        return _firsts(self.pair, points)

    def asked(self, inputs: Arrays, upstreams: Sequence[np.ndarray], between: Sequence[Arrays] = ()) -> FunctionAnswers:
        """One call for each upstream gradient, all of which are 1."""
        return FunctionAnswers(self, inputs, in_a_row([(self.pair, guarded_call.copies(inputs)) for _ in upstreams]))

    def measures(self, inputs: Arrays, upstream: np.ndarray) -> bool:
        return guarded_call.measures(self.pair, guarded_call.copies(inputs), [inputs[i] for i in self.wrt])

    def upstream(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.ones(shape)


@dataclass(frozen=True)
class FunctionAnswers(Answers):
    """Of one call for each upstream gradient."""

    subject: FunctionSubject
    inputs: Arrays
    row: Sequence[Called]

    def value(self) -> np.ndarray:
        value = guarded_call.double("the value", guarded_call.number_array("the value", self._pair(0)[0]))
        if value.shape:
            raise Stop("wrong", f"the value must be a scalar, but it is {value.shape}.", ("wrong-shape",))
        return value

    def gradients(self, k: int) -> Arrays:
        return one_for_each(self._pair(k)[1], self.subject, self.inputs)

    def _pair(self, k: int) -> tuple[Any, Any]:
        returned = guarded_call.answer(self.row[k], "it")
        guarded_call.unchanged(self.subject.names, self.row[k].given, self.inputs)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            what = guarded_call.kind(returned)
            raise Stop("error", f"it must return the pair (value, gradients); it returned {what}.")
        guarded_call.attempted(returned[0], "the value")
        guarded_call.attempted(returned[1], "the gradient")
        return returned[0], returned[1]


@dataclass(frozen=True)
class StepSubject(FunctionSubject):
    """A step W ↦ W - step_size · dW, looked at as the gradient that it went along: (W - new W) / step_size."""

    def name(self, i: int) -> str:
        return f"the new {self.names[i]}"

    def rounding(self, i: int, inputs: Arrays) -> Any:
        return 4 * np.finfo(float).eps * np.abs(inputs[i]) / self.step_size

    def shown(self, i: int, inputs: Arrays, gradient: np.ndarray) -> np.ndarray:
        return np.asarray(inputs[i] - self.step_size * gradient)


def _firsts(function: Function, points: Iterable[Arrays]) -> Iterator[Any]:
    """The first of what a function returns at each of these points; raises what it raises."""
    for called in in_a_row([(function, tuple(point)) for point in points]):
        if called.fault is not None:
            raise called.fault
        yield called.returned[0]


def one_for_each(returned: Any, subject: Subject, inputs: Arrays) -> Arrays:
    """The gradients in `wrt`, out of a tuple or list with one for each input (or for each in `wrt`), or, for one
    input, out of a bare gradient. Stop where the count or the kind is wrong; shapes are looked at later."""
    count, shape = len(inputs), np.shape(inputs[subject.wrt[0]])
    if len(subject.wrt) == 1 and not isinstance(returned, tuple):
        returned = returned if _listed(returned, count, shape) else [returned]
    if not isinstance(returned, tuple | list):
        raise Stop("wrong", f"{_wanted(subject)}; it returned {guarded_call.kind(returned)}.", ("wrong-count",))
    if len(returned) not in subject.counts(count):
        raise Stop("wrong", f"{_wanted(subject)}; it returned {len(returned)}.", ("wrong-count",))
    if all(g is None for g in returned):
        guarded_call.attempted(None, "every gradient")
    chosen = [returned[i] for i in subject.wrt] if len(returned) == count else list(returned)
    for i in [i for i in range(count) if i not in subject.wrt and len(returned) == count]:
        zeros = np.shape(returned[i]) == np.shape(inputs[i]) and not np.any(np.asarray(returned[i]) != 0)
        if returned[i] is not None and not zeros:
            told = f"{subject.names[i]} is held fixed and has no derivative: return None for it."
            raise Stop("wrong", told, ("wrong-count",))
    for i, gradient in zip(subject.wrt, chosen):
        if gradient is None:
            raise Stop("wrong", f"{_wanted(subject)}; {subject.name(i)} is None.", ("wrong-count",))
    arrays = [np.array(guarded_call.number_array(subject.name(i), g)) for i, g in zip(subject.wrt, chosen)]
    return tuple(a.astype(float) if a.dtype.kind == "b" else a for a in arrays)


def _listed(returned: Any, count: int, shape: tuple[int, ...]) -> bool:
    """Whether a list is one of gradients, and not itself the gradient of the only input that has one."""
    if not isinstance(returned, list) or len(returned) not in (1, count):
        return False
    return any(g is None for g in returned) or any(np.shape(g) == shape for g in returned if not isinstance(g, list))


def _wanted(subject: Subject) -> str:
    names = ", ".join(subject.names)
    return f"there must be one gradient for each input ({names}), in a tuple"
