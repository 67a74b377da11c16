"""A learner's answer, asked again without the checker: what it returns, and what central differences give."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from corpus.right_base import Call

MAX_CALLS = 400
"""Calls that are kept of one check."""
STEP = 2e-4


@contextmanager
def quiet() -> Iterator[None]:
    """Keep NumPy's warnings away: wrong answers overflow and divide by zero."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, eq=False)
class Point:
    """One backward pass: its inputs, the upstream gradient, and the gradients that came back."""

    answer: Answer
    inputs: tuple[Any, ...]
    upstream: np.ndarray
    returned: tuple[np.ndarray, ...]
    whole: frozenset[int] = frozenset()
    """The gradients that came back as whole numbers."""

    @cached_property
    def right(self) -> tuple[np.ndarray, ...]:
        """The vector-Jacobian products by central differences."""
        with quiet():
            return tuple(self._measure(i) for i in self.answer.wrt)

    @cached_property
    def out(self) -> np.ndarray:
        with quiet():
            return np.asarray(self.answer.value(self.inputs), dtype=float)

    def given(self, k: int) -> np.ndarray:
        """Return the input that the k-th gradient belongs to."""
        return np.asarray(self.inputs[self.answer.wrt[k]], dtype=float)

    def measure_closely(self, k: int) -> np.ndarray:
        """Return the k-th vector-Jacobian product by smaller steps, which do not reach a kink that is close by."""
        with quiet():
            return self._measure(self.answer.wrt[k], STEP / 50)

    def _measure(self, i: int, step: float = STEP) -> np.ndarray:
        x = np.asarray(self.inputs[i], dtype=float)
        slopes = np.empty(x.shape)
        steps = step * find_scale(x)
        for entry in range(x.size):
            h = float(steps.flat[entry])
            one, two = (self._difference(i, entry, k * h) for k in (1, 2))
            slopes.flat[entry] = np.sum(self.upstream * (8 * one - two)) / (12 * h)
        return slopes

    def _difference(self, i: int, entry: int, h: float) -> np.ndarray:
        above, below = (self.answer.value(self._moved(i, entry, step)) for step in (h, -h))
        return np.asarray(above, dtype=float) - np.asarray(below, dtype=float)

    def _moved(self, i: int, entry: int, step: float) -> tuple[Any, ...]:
        moved = [np.array(x)[()] for x in self.inputs]
        moved[i] = np.array(moved[i], dtype=float)
        moved[i].flat[entry] += step
        moved[i] = moved[i][()]
        return tuple(moved)

    def error(self, k: int) -> np.ndarray | None:
        """Return |returned − right| of the k-th gradient; None where the shapes differ."""
        w, r = self.returned[k], self.right[k]
        return np.abs(w - r) if w.shape == r.shape else None

    def tolerance(self, k: int) -> float:
        """Return what differences may be off by."""
        scale = max((float(np.max(np.abs(r), initial=0.0)) for r in self.right if np.all(np.isfinite(r))), default=0.0)
        return 1e-6 * max(scale, 1e-3 * float(np.max(np.abs(self.upstream), initial=0.0)), 1e-9)

    def is_wrong(self, k: int) -> bool:
        """Return True if the k-th gradient is clearly off."""
        error = self.error(k)
        return error is None or not np.all(error <= self.tolerance(k))

    def wrong(self, k: int) -> np.ndarray:
        """Return where the k-th gradient is off; everywhere where the shapes differ."""
        error = self.error(k)
        return np.ones(self.right[k].shape, bool) if error is None else ~(error <= self.tolerance(k))


def find_scale(x: np.ndarray) -> np.ndarray:
    """Return the size of each entry, or a tenth of a usual one where it is close to 0."""
    usual = min(1.0, float(np.max(np.abs(x), initial=0.0))) or 1.0
    return np.maximum(np.abs(x), 0.1 * usual)


def is_kinky(point: Point, k: int) -> bool:
    """Return True if a value here lies on a kink, where central differences say nothing."""
    moved = tuple(
        x + 2e-3 * find_scale(x) * np.cos(np.arange(np.size(x)) + i).reshape(np.shape(x))
        if i in point.answer.wrt
        else x
        for i, x in enumerate(point.inputs)
    )
    other = Point(point.answer, moved, point.upstream, point.returned)
    return bool(np.max(np.abs(other.right[k] - point.right[k])) > 0.05 * np.max(np.abs(point.right[k])) + 1e-9)


@dataclass(eq=False)
class Answer:
    """The learner's code of one call of a check, and every backward pass that the check made."""

    check: str
    call: Call
    points: list[Point] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What the code raised, by its type's name."""

    @cached_property
    def inputs(self) -> tuple[Any, ...]:
        """The inputs as the check was given them; a dict of parameters is spread out."""
        args = self.call.args[1:]
        spread = tuple(args[0].values()) if self.is_network else ()
        return tuple(_ready(x) for x in (*spread, *args[self.is_network :]))

    @property
    def is_network(self) -> bool:
        return self.check in ("check_parameters", "check_step")

    @cached_property
    def wrt(self) -> tuple[int, ...]:
        """The positions of the inputs that are differentiated."""
        if self.is_network:
            return tuple(range(len(self.call.args[1])))
        if self.check == "check_loss":
            return (0,)
        return tuple(i for i, x in enumerate(self.inputs) if np.asarray(x).dtype.kind == "f")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the gradients."""
        before = "the new " if self.check == "check_step" else "d"
        return tuple(f"{before}{self.input_names[i]}" for i in self.wrt)

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """The names of all inputs; parameters go by their keys."""
        function = self.call.args[0].forward if self.check == "check_backward" else self.call.args[0]
        own = list(inspect.signature(function).parameters)
        if self.is_network:
            own = [*self.call.args[1], *own[1:]]
        count = len(self.inputs)
        return tuple(own if len(own) == count else [f"x{i + 1}" if count > 1 else "x" for i in range(count)])

    def value(self, inputs: tuple[Any, ...]) -> Any:
        """Return the trusted value, or the learner's own."""
        of = self.call.kwargs.get("of")
        given = tuple(np.array(x)[()] for x in inputs)
        if self.is_network:
            keys = list(self.call.args[1])
            given = (dict(zip(keys, given)), *given[len(keys) :])
        if of is not None:
            return of(*given)
        function = self.call.args[0].forward if self.check == "check_backward" else self.call.args[0]
        return function(*given)[0]

    def recorded(self) -> Call:
        """Return the call with the answer wrapped: each backward pass becomes a `Point`."""
        answer = self.call.args[0]
        wrapped = self._gate(answer) if self.check == "check_backward" else self._function(answer)
        return Call((wrapped, *self.call.args[1:]), self.call.kwargs)

    def ask(self, inputs: tuple[Any, ...], upstream: np.ndarray) -> Point | None:
        """Return a backward pass of the code here; None where it raises or returns no gradients."""
        given = tuple(np.array(x)[()] for x in inputs)
        try:
            with quiet():
                if self.check == "check_backward":
                    _, cache = self.call.args[0].forward(*given)
                    return self._point(inputs, upstream, self.call.args[0].backward(np.array(upstream)[()], cache))
                keys = list(self.call.args[1]) if self.is_network else []
                given = (dict(zip(keys, given)), *given[len(keys) :]) if keys else given
                return self._point(inputs, np.ones(()), self.call.args[0](*given)[1])
        except Exception:
            return None

    def _gate(self, gate: Any) -> Any:
        asked: list[tuple[Any, ...]] = []

        @_like(gate.forward)
        def forward(*inputs: Any) -> Any:
            copies = tuple(map(_ready, inputs))
            returned = gate.forward(*inputs)
            if not isinstance(returned, tuple) or len(returned) != 2:
                return returned
            asked.append(copies)
            return returned[0], (len(asked) - 1, returned[1])

        @_like(gate.backward)
        def backward(upstream: Any, cache: Any) -> Any:
            number, own = cache
            copy = np.array(upstream, dtype=float)
            try:
                returned = gate.backward(upstream, own)
            except Exception as fault:
                self.faults.append(type(fault).__name__)
                raise
            self._keep(asked[number], copy, returned)
            return returned

        kind = type(type(gate).__name__, (), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
        return kind()

    def _function(self, function: Any) -> Any:
        @_like(function)
        def wrapped(*inputs: Any) -> Any:
            spread = (*inputs[0].values(), *inputs[1:]) if self.is_network else inputs
            copies = tuple(map(_ready, spread))
            try:
                returned = function(*inputs)
            except Exception as fault:
                self.faults.append(type(fault).__name__)
                raise
            if isinstance(returned, tuple) and len(returned) == 2:
                self._keep(copies, np.ones(()), returned[1])
            return returned

        return wrapped

    def _keep(self, inputs: tuple[Any, ...], upstream: np.ndarray, returned: Any) -> None:
        numbers = all(isinstance(x, np.ndarray | np.generic | float | int) for x in inputs)
        if not numbers or any(np.asarray(x).dtype.kind not in "fiub" for x in inputs) or len(self.points) >= MAX_CALLS:
            return
        point = self._point(inputs, upstream, returned)
        if point is not None:
            self.points.append(point)

    def _point(self, inputs: tuple[Any, ...], upstream: Any, returned: Any) -> Point | None:
        if isinstance(returned, dict):
            own = [self.input_names[i] for i in self.wrt]
            keys = list(self.call.args[1]) if self.is_network else own if set(returned) == set(own) else []
            returned = tuple(returned.get(key) for key in keys)
        several = isinstance(returned, tuple) or (isinstance(returned, list | np.ndarray) and len(self.wrt) > 1)
        if isinstance(returned, list) and len(self.wrt) == 1:
            shape = np.shape(inputs[self.wrt[0]])
            several = any(part is None or np.shape(part) == shape for part in returned) and len(returned) <= len(inputs)
        parts = list(returned) if several else [returned]
        if len(parts) == len(self.inputs) != len(self.wrt):
            parts = [parts[i] for i in self.wrt]
        try:
            arrays = tuple(np.array(part, dtype=float) for part in parts)
        except (TypeError, ValueError):
            return None
        if len(arrays) != len(self.wrt) or any(part is None for part in parts):
            return None
        whole = frozenset(k for k, part in enumerate(parts) if np.asarray(part).dtype.kind in "iub")
        return Point(self, inputs, np.array(upstream, dtype=float), arrays, whole)


def _ready(x: Any) -> Any:
    if isinstance(x, int | float) and not isinstance(x, bool):
        return float(x)
    return np.array(x)[()] if isinstance(x, np.ndarray | np.generic | list) else x


def _like(function: Callable[..., Any]) -> Any:
    """Decorate a wrapper so that it has the function's name and parameters."""

    def decorate(wrapper: Any) -> Any:
        wrapper.__name__ = getattr(function, "__name__", "it")
        wrapper.__signature__ = inspect.signature(function)
        return wrapper

    return decorate
