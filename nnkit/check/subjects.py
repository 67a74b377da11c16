"""What is checked: a gate, or a function that returns its value and its gradients. Each can say its value at some
inputs, and the gradients that the learner's code gives there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.check import probe
from nnkit.check.probe import Stop
from nnkit.check.trial import Arrays
from nnkit.gates.base import check_pair

Function = Callable[..., Any]


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

    def gradients(self, inputs: Arrays, upstream: np.ndarray) -> Arrays:
        """The learner's gradients of the inputs in `wrt`, as numeric arrays of whatever shape and type."""
        raise NotImplementedError

    def twice(self, inputs: Arrays, upstream: np.ndarray) -> tuple[Arrays, Arrays]:
        """The gradients, and those of a second call; Stop where arguments or cache were changed in place."""
        raise NotImplementedError

    def measures(self, inputs: Arrays, upstream: np.ndarray) -> bool:
        """Whether the learner's code takes small steps of its own to find the gradients."""
        raise NotImplementedError

    @property
    def function(self) -> Function:
        """What is differentiated: the trusted function, or the learner's own value."""
        return self.of or (lambda *inputs: self.plain(inputs))

    def plain(self, inputs: Arrays) -> Any:
        """The learner's value without a look at it: called many times, at moved and at complex inputs."""
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
class GateSubject(Subject):
    """`gate.forward(*inputs) -> (out, cache)`, `gate.backward(upstream, cache)`."""

    gate: Any = None

    def counts(self, inputs: int) -> set[int]:
        return {inputs}  # a graph hands each of them on to its wire

    def value(self, inputs: Arrays) -> np.ndarray:
        out, _ = self._forward(probe.copies(inputs), inputs)
        return probe.double("forward", probe.number_array("forward", out))

    def plain(self, inputs: Arrays) -> Any:
        return self.gate.forward(*inputs)[0]

    def gradients(self, inputs: Arrays, upstream: np.ndarray) -> Arrays:
        _, cache = self._forward(probe.copies(inputs), inputs)
        return self._backward(upstream, cache, inputs)

    def twice(self, inputs: Arrays, upstream: np.ndarray) -> tuple[Arrays, Arrays]:
        given = probe.copies(inputs)
        _, cache = self._forward(given, inputs)
        before = [a.copy() for a in probe.arrays_in(cache)]
        first = self._backward(upstream, cache, inputs)
        probe.unchanged(self.names, given, inputs)
        after = probe.arrays_in(cache)
        probe.unchanged(["its cache"] * len(before), after, before)
        if len(after) != len(before):
            told = "it took something out of its cache: leave it as it is, a second call needs it too."
            raise Stop("wrong", told, ("mutated-input",))
        return first, self._backward(upstream, cache, inputs)

    def measures(self, inputs: Arrays, upstream: np.ndarray) -> bool:
        _, cache = self._forward(probe.copies(inputs), inputs)
        points = [inputs[i] for i in self.wrt]
        return probe.measures(self.gate.backward, (np.array(upstream)[()], cache), points)

    def interleaved(self, inputs: Arrays, others: Arrays, upstream: np.ndarray) -> Arrays:
        """The gradients at `inputs` when another forward came between their forward and backward."""
        _, cache = self._forward(probe.copies(inputs), inputs)
        self._forward(probe.copies(others), others)
        return self._backward(upstream, cache, inputs)

    def _forward(self, given: Arrays, inputs: Arrays) -> tuple[Any, Any]:
        returned = probe.run(self.gate.forward, given, "forward")
        probe.unchanged(self.names, given, inputs)
        try:
            out, cache = check_pair(self.gate, returned)
        except TypeError as fault:
            raise Stop("error", str(fault)) from None
        probe.attempted(out, "forward")
        return out, cache

    def _backward(self, upstream: np.ndarray, cache: Any, inputs: Arrays) -> Arrays:
        handed = np.array(upstream)[()]
        returned = probe.run(self.gate.backward, (handed, cache), "backward")
        probe.unchanged(["the upstream gradient"], (handed,), (upstream,))
        return one_for_each(returned, self, inputs)


@dataclass(frozen=True)
class FunctionSubject(Subject):
    """`pair(*inputs) -> (value, gradients)`, a scalar value; the upstream gradient is 1."""

    pair: Function = tuple

    def value(self, inputs: Arrays) -> np.ndarray:
        value = probe.double("the value", probe.number_array("the value", self._call(inputs)[0]))
        if value.shape:
            raise Stop("wrong", f"the value must be a scalar, but it is {value.shape}.", ("wrong-shape",))
        return value

    def plain(self, inputs: Arrays) -> Any:
        return self.pair(*inputs)[0]

    def gradients(self, inputs: Arrays, upstream: np.ndarray) -> Arrays:
        return one_for_each(self._call(inputs)[1], self, inputs)

    def twice(self, inputs: Arrays, upstream: np.ndarray) -> tuple[Arrays, Arrays]:
        return self.gradients(inputs, upstream), self.gradients(inputs, upstream)

    def measures(self, inputs: Arrays, upstream: np.ndarray) -> bool:
        return probe.measures(self.pair, probe.copies(inputs), [inputs[i] for i in self.wrt])

    def upstream(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.ones(shape)

    def _call(self, inputs: Arrays) -> tuple[Any, Any]:
        given = probe.copies(inputs)
        returned = probe.run(self.pair, given, "it")
        probe.unchanged(self.names, given, inputs)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            what = probe.kind(returned)
            raise Stop("error", f"it must return the pair (value, gradients); it returned {what}.")
        probe.attempted(returned[0], "the value")
        probe.attempted(returned[1], "the gradient")
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


def one_for_each(returned: Any, subject: Subject, inputs: Arrays) -> Arrays:
    """The gradients in `wrt`, out of a tuple or list with one for each input (or for each in `wrt`), or, for one
    input, out of a bare gradient. Stop where the count or the kind is wrong; shapes are looked at later."""
    count, shape = len(inputs), np.shape(inputs[subject.wrt[0]])
    if len(subject.wrt) == 1 and not isinstance(returned, tuple):
        returned = returned if _listed(returned, count, shape) else [returned]
    if not isinstance(returned, tuple | list):
        raise Stop("wrong", f"{_wanted(subject)}; it returned {probe.kind(returned)}.", ("wrong-count",))
    if len(returned) not in subject.counts(count):
        raise Stop("wrong", f"{_wanted(subject)}; it returned {len(returned)}.", ("wrong-count",))
    if all(g is None for g in returned):
        probe.attempted(None, "every gradient")
    chosen = [returned[i] for i in subject.wrt] if len(returned) == count else list(returned)
    for i in [i for i in range(count) if i not in subject.wrt and len(returned) == count]:
        zeros = np.shape(returned[i]) == np.shape(inputs[i]) and not np.any(np.asarray(returned[i]) != 0)
        if returned[i] is not None and not zeros:
            told = f"{subject.names[i]} is held fixed and has no derivative: return None for it."
            raise Stop("wrong", told, ("wrong-count",))
    for i, gradient in zip(subject.wrt, chosen):
        if gradient is None:
            raise Stop("wrong", f"{_wanted(subject)}; {subject.name(i)} is None.", ("wrong-count",))
    arrays = [np.array(probe.number_array(subject.name(i), g)) for i, g in zip(subject.wrt, chosen)]
    return tuple(a.astype(float) if a.dtype.kind == "b" else a for a in arrays)


def _listed(returned: Any, count: int, shape: tuple[int, ...]) -> bool:
    """Whether a list is one of gradients, and not itself the gradient of the only input that has one."""
    if not isinstance(returned, list) or len(returned) not in (1, count):
        return False
    return any(g is None for g in returned) or any(np.shape(g) == shape for g in returned if not isinstance(g, list))


def _wanted(subject: Subject) -> str:
    names = ", ".join(subject.names)
    return f"there must be one gradient for each input ({names}), in a tuple"
