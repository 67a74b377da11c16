"""Subjects of a check: a gate, or a function that returns its value and its gradients. Each gives its value at some
inputs, and the gradients that the learner's code returns there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.calls import call_batch, noting_float_faults
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.complex_arrays import WIDENED
from nnkit.check.evidence.containers import find_several_outputs, find_wrong_forward, find_wrong_pair, read_gradients
from nnkit.check.evidence.finding import Finding, find_placeholder
from nnkit.check.evidence.tolerance import format_place
from nnkit.check.remote import Call, CallResult, ResultRef
from nnkit.gates.base import check_pair
from nnkit.language import say, to_say
from nnkit.numerical import draw_signs
from nnkit.rebinding import rebind

Function = Callable[..., Any]
MAX_BATCH_NUMBERS = 100_000
"""Numbers in the arguments of one batch of calls."""
CACHE_MUTATIONS = {
    "changed": to_say("it changed its cache in place: make a new array, for others still need the old values."),
    "taken": to_say("it took something out of its cache: leave the cache as it is, for a second call needs it too."),
    "added": to_say("it put something into its cache: leave the cache as it is, and keep results in variables."),
}


class Answers(Protocol):
    """The learner's answers to one batch of calls; each is read when wanted, and may be a finding."""

    results: Sequence[CallResult]

    @property
    def takes_other_signs(self) -> bool:
        """Return False if the code is known not to take the inputs with another sign."""
        return True

    @property
    def float_faults(self) -> frozenset[str]:
        """NumPy's notes on the arithmetic of these calls in another process; see `CallResult.float_faults`."""
        return frozenset().union(*(result.float_faults for result in self.results))

    def value(self) -> np.ndarray | Finding:
        """Return the learner's value in float64."""

    def gradients(self, k: int) -> Arrays | Finding:
        """Return the gradients for the k-th upstream gradient, as numeric arrays of whatever shape and type. A finding
        where arguments or cache were changed in place."""


@dataclass(frozen=True)
class Subject:
    """A piece of the learner's code with inputs, a value, and gradients of it."""

    title: str
    names: tuple[str, ...]
    """The names of all inputs."""
    wrt: tuple[int, ...]
    """The inputs whose gradients are checked."""
    of: Function | None
    """The trusted function, if there is one."""
    parameters: bool = False
    """The inputs in `wrt` are a network's parameters: their sizes stay when a batch of another size is tried."""
    step_size: float = 0.0
    opaque: bool = False
    """The trusted function is not one that the learner differentiated: its graph says nothing."""
    engine: bool = False
    """An engine of values is checked, in which each use of a value adds its share to that value's gradient."""
    gradient_names: tuple[str, ...] = ()
    """The names of the gradients of all inputs; empty: dx for x."""

    takes_upstream: ClassVar[bool] = False
    """The learner's code is handed an upstream gradient; else it is 1."""
    output: ClassVar[str] = to_say("the value")
    """Name of the output in a sentence."""

    def value(self, inputs: Arrays) -> np.ndarray | Finding:
        """Return the learner's value in float64."""
        raise NotImplementedError

    def run_calls(self, inputs: Arrays, upstreams: Sequence[np.ndarray], between: Sequence[Arrays] = ()) -> Answers:
        """Ask for the value, and for the gradients for each of these upstream gradients; for the first of them again
        after the value at each of the inputs in `between`. All in one batch."""
        raise NotImplementedError

    def gradients(self, inputs: Arrays, upstream: np.ndarray) -> Arrays | Finding:
        """Return the learner's gradients of the inputs in `wrt`, as numeric arrays of whatever shape and type."""
        return self.run_calls(inputs, [upstream]).gradients(0)

    def list_float_faults(self, inputs: Arrays, upstream: np.ndarray) -> frozenset[str]:
        """Return what NumPy notes of the arithmetic of a forward and a backward; see `CallResult.float_faults`."""
        with noting_float_faults() as seen:
            answers = self.run_calls(inputs, [upstream])
        return answers.float_faults | seen

    def measures_derivative(self, inputs: Arrays, upstream: np.ndarray) -> bool | Finding:
        """Return True if the learner's code takes small steps of its own to find the gradients."""
        raise NotImplementedError

    @property
    def function(self) -> Function:
        """The function that is differentiated: the trusted one, or the learner's own value."""
        return self.of or LearnersValue(self)

    def raw_values(self, points: Iterable[Arrays]) -> Iterator[Any]:
        """Yield the learner's value at each of these inputs as it is, moved and complex ones; raises what it raises."""
        raise NotImplementedError

    @cached_property
    def widened(self) -> Subject | None:
        """The subject with arrays for complex numbers where its code makes arrays; None where it makes none."""
        raise NotImplementedError

    def upstream(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw a random upstream gradient; short numbers, so that a learner can check a small one by hand."""
        g = rng.uniform(0.3, 2.0, size=shape) * draw_signs(shape, rng)
        return np.asarray(np.round(g, 2) if g.size <= 12 else g)

    def counts(self, inputs: int) -> set[int]:
        """Return how many gradients may come back: one for each input, or only those in `wrt`."""
        return {inputs, len(self.wrt)}

    def name(self, i: int) -> str:
        """Return the name of the gradient of input i."""
        return self.gradient_names[i] if self.gradient_names else f"d{self.names[i]}"

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, where there are several, which stand one after the other in the value."""
        return ()

    def format_output(self, index: tuple[int, ...]) -> str:
        """Return an entry of the output as Python spells it."""
        return format_place(self.output, index)

    def shown(self, i: int, inputs: Arrays, gradient: np.ndarray) -> np.ndarray:
        """Return what a learner is shown for a gradient of input i: itself."""
        return gradient

    def rounding(self, i: int, inputs: Arrays) -> Any:
        """Return what rounding adds to a gradient before it is seen."""
        return 0.0

    def variations(self) -> tuple[Subject, ...]:
        """Return the subject with other settings, which must be right too."""
        return ()


@dataclass(frozen=True)
class LearnersValue:
    """The learner's value as a function to be differentiated."""

    subject: Subject

    def __call__(self, *inputs: Any) -> Any:
        return self._compute([inputs])[0]

    def at_each(self, points: Iterable[Arrays]) -> Iterator[Any]:
        """Yield the values at these points, in batches of moderate size."""
        batch: list[Arrays] = []
        for point in points:
            batch.append(point)
            if len(batch) * sum(map(np.size, point)) >= MAX_BATCH_NUMBERS:
                yield from self._compute(batch)
                batch = []
        if batch:
            yield from self._compute(batch)

    def _compute(self, points: Sequence[Arrays]) -> list[Any]:
        """Return the values; where an array that the code makes has no room for complex numbers, of widened code."""
        was_widened = "widened" in self.subject.__dict__ and any(map(np.iscomplexobj, points[0]))
        subject = (self.subject.widened if was_widened else None) or self.subject
        try:
            return list(subject.raw_values(points))
        except np.exceptions.ComplexWarning:  # raised by those that take complex steps
            if was_widened or self.subject.widened is None:
                raise
            return list(self.subject.widened.raw_values(points))


@dataclass(frozen=True)
class GateSubject(Subject):
    """`gate.forward(*inputs) -> (out, cache)`, `gate.backward(upstream, cache)`."""

    gate: Any = None
    takes_upstream: ClassVar[bool] = True
    output: ClassVar[str] = "out"

    def counts(self, inputs: int) -> set[int]:
        return {inputs}  # a graph hands each of them on to its wire

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.gate.output_names if hasattr(type(self.gate), "output_names") else ()

    def format_output(self, index: tuple[int, ...]) -> str:
        if not self.output_names:
            return super().format_output(index)
        (left,) = index
        for name, shape in zip(self.output_names, self.gate.shapes):
            size = int(np.prod(shape))
            if left < size:
                return format_place(name, tuple(int(n) for n in np.unravel_index(left, shape)) if shape else ())
            left -= size
        return super().format_output(index)

    def value(self, inputs: Arrays) -> np.ndarray | Finding:
        return self.run_calls(inputs, []).value()

    @cached_property
    def widened(self) -> Subject | None:
        gate = rebind(self.gate, WIDENED)
        return None if gate is self.gate else replace(self, gate=gate)

    def raw_values(self, points: Iterable[Arrays]) -> Iterator[Any]:
        return _first_results(self.gate.forward, points)

    def run_calls(self, inputs: Arrays, upstreams: Sequence[np.ndarray], between: Sequence[Arrays] = ()) -> GateAnswers:
        def forward(given: Arrays) -> Call:
            return self.gate.forward, guarded_call.copy_inputs(given)

        def backward(upstream: np.ndarray) -> Call:
            return self.gate.backward, (np.array(upstream)[()], ResultRef(0, 1))

        calls = [forward(inputs), *map(backward, upstreams)]
        calls += [call for others in between for call in (forward(others), backward(upstreams[0]))]
        return GateAnswers(self, inputs, upstreams, call_batch(calls))

    def measures_derivative(self, inputs: Arrays, upstream: np.ndarray) -> bool | Finding:
        returned = guarded_call.call_on_copies(self.gate.forward, inputs, "forward")
        if isinstance(returned, Finding):
            return returned
        _, cache = check_pair(self.gate, returned)
        points = [inputs[i] for i in self.wrt]
        return guarded_call.measures_derivative(self.gate.backward, (np.array(upstream)[()], cache), points)


@dataclass(frozen=True)
class GateAnswers(Answers):
    """The answers of one forward, and of backwards with its cache."""

    subject: GateSubject
    inputs: Arrays
    upstreams: Sequence[np.ndarray]
    results: Sequence[CallResult]

    def value(self) -> np.ndarray | Finding:
        return self._value

    @cached_property
    def _value(self) -> np.ndarray | Finding:
        forward = self.results[0]
        returned = guarded_call.read_result(forward, "forward", self.subject.gate.forward)
        found = returned if isinstance(returned, Finding) else None
        found = found or guarded_call.find_changed(self.subject.names, forward.given, self.inputs)
        if found:
            return found
        wrong = find_wrong_forward(self.subject, returned) or find_several_outputs(returned[0])
        return wrong or guarded_call.read_float64(say("forward's output"), returned[0], self.inputs)

    def gradients(self, k: int) -> Arrays | Finding:
        return self._read_backward(self.results[1 + k], self.upstreams[k])

    @property
    def takes_other_signs(self) -> bool:
        """Return False if the value at the last inputs in between, which are the negative ones, is not finite."""
        last = self.results[-2]
        value = last.returned[0] if isinstance(last.returned, tuple) and last.returned else None
        if not isinstance(value, float | np.ndarray) or np.asarray(value).dtype.kind != "f":
            return False
        return bool(np.all(np.isfinite(value)))

    def after_others(self) -> Iterator[Arrays]:
        """Yield the gradients for the first upstream gradient, after each forward in between that allowed it."""
        for result in self.results[2 + len(self.upstreams) :: 2]:
            gradients = self._read_backward(result, self.upstreams[0])
            if not isinstance(gradients, Finding):
                yield gradients

    def _read_backward(self, result: CallResult, upstream: np.ndarray) -> Arrays | Finding:
        value = self.value()
        if isinstance(value, Finding):
            return value
        returned = guarded_call.read_result(result, "backward", self.subject.gate.backward)
        if isinstance(returned, Finding):
            return returned
        changed = guarded_call.find_changed([say("the upstream gradient")], result.given, (upstream,))
        if changed:
            return changed
        if result.mutated:
            return Finding("wrong", CACHE_MUTATIONS[result.mutated], ("mutated-input",))
        return read_gradients(returned, self.subject, self.inputs)


@dataclass(frozen=True)
class FunctionSubject(Subject):
    """`pair(*inputs) -> (value, gradients)`, a scalar value; the upstream gradient is 1."""

    pair: Function = tuple

    @cached_property
    def widened(self) -> Subject | None:
        pair = rebind(self.pair, WIDENED)
        return None if pair is self.pair else replace(self, pair=pair)

    def value(self, inputs: Arrays) -> np.ndarray | Finding:
        return self.run_calls(inputs, [np.ones(())]).value()

    def raw_values(self, points: Iterable[Arrays]) -> Iterator[Any]:
        values = _first_results(self.pair, points)
        return (np.reshape(value, ())[()] if np.ndim(value) and np.size(value) == 1 else value for value in values)

    def run_calls(
        self, inputs: Arrays, upstreams: Sequence[np.ndarray], between: Sequence[Arrays] = ()
    ) -> FunctionAnswers:
        """Make one call for each upstream gradient, all of which are 1."""
        calls = [(self.pair, guarded_call.copy_inputs(inputs)) for _ in upstreams]
        return FunctionAnswers(self, inputs, call_batch(calls))

    def measures_derivative(self, inputs: Arrays, upstream: np.ndarray) -> bool | Finding:
        points = [inputs[i] for i in self.wrt]
        return guarded_call.measures_derivative(self.pair, guarded_call.copy_inputs(inputs), points)

    def upstream(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.ones(shape)


@dataclass(frozen=True)
class FunctionAnswers(Answers):
    """The answers of one call for each upstream gradient."""

    subject: FunctionSubject
    inputs: Arrays
    results: Sequence[CallResult]

    def value(self) -> np.ndarray | Finding:
        pair = self._read_pair(0)
        value = pair if isinstance(pair, Finding) else guarded_call.read_float64(say("the value"), pair[0])
        if not isinstance(value, Finding) and value.size != 1:
            return _find_array(value.shape)
        return value if isinstance(value, Finding) else value.reshape(())

    def gradients(self, k: int) -> Arrays | Finding:
        pair = self._read_pair(k)
        return pair if isinstance(pair, Finding) else read_gradients(pair[1], self.subject, self.inputs)

    def _read_pair(self, k: int) -> tuple[Any, Any] | Finding:
        returned = guarded_call.read_result(self.results[k], "it", self.subject.pair)
        if isinstance(returned, Finding):
            return returned
        changed = guarded_call.find_changed(self.subject.names, self.results[k].given, self.inputs)
        if changed:
            return changed
        wrong = find_wrong_pair(self.subject, returned)
        if wrong:
            return wrong
        value, gradients = returned
        missing = find_placeholder(value, say("the value")) or find_placeholder(gradients, say("the gradient"))
        return missing or (value, gradients)


def _find_array(shape: tuple[int, ...]) -> Finding:
    """Return the finding on a value that is an array, and so has no gradient."""
    sentence = say(
        "the value must be one number, but it has shape {shape}: an array has no gradient, but a Jacobian.", shape=shape
    )
    words = {
        "why": say("Only one number has one slope for each entry of the input."),
        "nudge": say("Print the shape of the value. Which operation should make one number of it?"),
        "hint": say(
            "For a function that works entry by entry, f with its slope f1: `check_backward((f, lambda dout, x: "
            "dout * f1(x)), x)`, or check it at one number."
        ),
    }
    return Finding("wrong", sentence, ("wrong-shape",), words=words)


@dataclass(frozen=True)
class StepSubject(FunctionSubject):
    """A step W ↦ W - step_size · dW, seen as the gradient that it followed: (W - new W) / step_size."""

    def name(self, i: int) -> str:
        return say("the new {name}", name=self.names[i])

    def rounding(self, i: int, inputs: Arrays) -> Any:
        return 4 * np.finfo(float).eps * np.abs(inputs[i]) / self.step_size

    def shown(self, i: int, inputs: Arrays, gradient: np.ndarray) -> np.ndarray:
        return np.asarray(inputs[i] - self.step_size * gradient)


def _first_results(function: Function, points: Iterable[Arrays]) -> Iterator[Any]:
    """Yield the first of what a function returns at each of these points; raises what it raises."""
    for result in call_batch([(function, tuple(point)) for point in points]):
        if result.fault is not None:
            raise result.fault
        if isinstance(result.returned, Finding):
            raise ValueError(result.returned.headline)
        yield result.returned[0]
