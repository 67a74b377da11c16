"""Calling a learner's code with care: fresh copies in, a look at what comes out, faults told in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnkit.arrays import ShapeError, input_names, name_of
from nnkit.check.compare import table, worst
from nnkit.check.verdict import Entry, Status, Verdict
from nnkit.gates.base import check_gradients, check_pair, names_of

LARGEST = 2000  # entries of one input that are checked one by one


class Stop(Exception):
    """Nothing more can be checked; carries the verdict's status and sentence."""

    def __init__(self, status: Status, headline: str, entries: tuple[Entry, ...] = (), error: float = 0.0):
        super().__init__(headline)
        self.status: Status = status
        self.entries = entries
        self.error = error

    def verdict(self, subject: str) -> Verdict:
        where = self.entries[0].where if self.entries else ""
        return Verdict(subject, self.status, str(self), largest_error=self.error, where=where, entries=self.entries)


# ---- the inputs of a check --------------------------------------------------------------------------


def arguments(names: list[str], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs in float64; integer arrays stay as they are (labels). Stop where one is not fit to check."""
    if not inputs:
        raise Stop("error", "there is nothing to differentiate: give the inputs, check_backward(gate, x, y).")
    ready = tuple(_argument(name, x) for name, x in zip(names, inputs))
    if not differentiable(ready):
        raise Stop("error", "every input is an array of integers, which has no derivative: write x.astype(float).")
    return ready


def _argument(name: str, x: Any) -> Any:
    if isinstance(x, int | float):
        x = float(x)
    try:
        array = np.asarray(x)
    except ValueError:
        raise Stop("error", f"{name} must be a rectangular array of numbers.") from None
    if array.dtype.kind not in "biuf":
        raise Stop("error", f"{name} must hold numbers, not {kind(x)}.")
    if array.size == 0:
        raise Stop("error", f"{name} is empty (shape {array.shape}): there is nothing to differentiate.")
    if array.size > LARGEST:
        raise Stop("error", f"{name} has {array.size} entries; a check takes at most {LARGEST}. Use a smaller example.")
    if array.dtype.kind in "biu":
        return array.copy()
    if not np.all(np.isfinite(array)):
        raise Stop("error", f"{name} holds NaN or infinity: choose an input at which the function is finite.")
    return np.asarray(array, dtype=float).copy()[()]


def differentiable(inputs: Sequence[Any]) -> list[int]:
    """The positions of the inputs that are not integer arrays."""
    return [i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]


def copies(inputs: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(np.array(x)[()] for x in inputs)


# ---- calling ----------------------------------------------------------------------------------------


def call(function: Callable[..., Any], inputs: Sequence[Any], method: str = "it") -> Any:
    """`function(*inputs)` on copies; Stop where it raises, returns nothing or changes an input."""
    given = copies(inputs)
    returned = _run(function, given, method)
    _unchanged(input_names(function), given, inputs)
    return returned


def forward(gate: Any, inputs: Sequence[Any]) -> tuple[np.ndarray, Any]:
    """The gate's output in float64, and its cache."""
    for method in ("forward", "backward"):
        if not callable(getattr(gate, method, None)):
            raise Stop("error", f"{name_of(gate)} has no method {method!r}.")
    out, cache = checked_pair(gate, call(gate.forward, inputs, "forward"))
    return number_array(f"{name_of(gate)}.forward", out, None), cache


def backward(gate: Any, inputs: Sequence[Any], upstream: np.ndarray) -> tuple[Any, ...]:
    """The gate's gradients, called twice on one cache: the answers must be equal, the arguments unchanged."""
    given = copies(inputs)
    _, cache = checked_pair(gate, _run(gate.forward, given, "forward"))
    handed = np.array(upstream)[()]
    subject, names = f"{name_of(gate)}.backward", names_of(gate, len(inputs))

    def run() -> tuple[Any, ...]:
        returned = checked(subject, _run(gate.backward, (handed, cache), "backward"), names, given)
        return tuple(None if g is None else np.array(g) for g in returned)

    first = run()
    _unchanged(["the upstream gradient"], (handed,), (upstream,))
    _unchanged(names, given, inputs)
    for a, b in zip(first, run()):
        if a is not None and not _equal(a, b):
            raise Stop("wrong", "a second call with the same arguments gives something else: what is kept, or changed?")
    return first


def checked_pair(gate: Any, returned: Any) -> tuple[Any, Any]:
    try:
        out, cache = check_pair(gate, returned)
    except TypeError as fault:
        raise Stop("error", str(fault)) from None
    attempted(out, "out")
    return out, cache


def checked(subject: str, returned: Any, names: list[str], inputs: Sequence[Any]) -> tuple[Any, ...]:
    """One gradient for each input, or Stop with the sentence that says what is amiss."""
    if isinstance(returned, tuple | list) and len(returned) and all(g is None for g in returned):
        attempted(None, subject)
    try:
        return check_gradients(subject, returned, lambda: names, tuple(inputs))
    except (TypeError, ValueError) as fault:
        raise Stop("wrong", str(fault)) from None


def value_and_gradients(function: Callable[..., Any], inputs: Sequence[Any]) -> tuple[np.ndarray, Any]:
    """What a function that returns (value, gradients) returned, the value in float64."""
    returned = call(function, inputs)
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise Stop("error", f"it must return the pair (value, gradients); it returned {kind(returned)}.")
    attempted(returned[0], "value")
    attempted(returned[1], "gradients")
    return number_array("the value", returned[0], None), returned[1]


def _run(function: Callable[..., Any], given: tuple[Any, ...], method: str) -> Any:
    """What the call returned; Stop with a sentence where it raised or returned a placeholder."""
    try:
        returned = function(*given)
    except NotImplementedError:
        raise Stop("not attempted", "not attempted yet.") from None
    except ShapeError as fault:
        raise Stop("error", str(fault)) from fault
    except Exception as fault:
        raise Stop("error", f"{method} raised {type(fault).__name__}: {fault}") from fault
    attempted(returned, method)
    return returned


def _unchanged(labels: list[str], given: Sequence[Any], original: Sequence[Any]) -> None:
    for position, (after, before) in enumerate(zip(given, original)):
        if not _equal(np.asarray(after), np.asarray(before)):
            label = labels[position] if position < len(labels) else f"input {position + 1}"
            raise Stop("wrong", f"it changed {label} in place: make a new array, others still need the old values.")


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan="f" == a.dtype.kind == b.dtype.kind)


# ---- what came back ---------------------------------------------------------------------------------


def attempted(value: Any, name: str) -> None:
    """Stop with "not attempted" for the placeholders None, NotImplemented and Ellipsis."""
    if value is None or value is NotImplemented or value is Ellipsis:
        raise Stop("not attempted", "not attempted yet.")


def number_array(name: str, value: Any, shape: tuple[int, ...] | None) -> np.ndarray:
    """`value` as a float64 array of this shape (None: any)."""
    attempted(value, name)
    try:
        array = np.asarray(value)
    except ValueError:
        raise Stop("error", f"{name} must be a rectangular array of numbers.") from None
    if array.dtype.kind not in "biuf":
        raise Stop("error", f"{name} must hold numbers, not {kind(value)}.")
    if shape is not None and array.shape != shape:
        raise Stop("wrong", f"{name} is {array.shape}, but it should be {shape}.")
    return array.astype(float)


def gradients(returned: Sequence[Any], names: list[str], wrt: list[int]) -> tuple[np.ndarray, ...]:
    """The gradients of the differentiable inputs, in float64; float32 is told, since it hides small errors."""
    for i in wrt:
        if getattr(returned[i], "dtype", np.dtype(float)) in (np.float16, np.float32):
            raise Stop("wrong", f"d{names[i]} is {returned[i].dtype}: compute in float64, the type of the inputs.")
    return tuple(number_array(f"d{names[i]}", returned[i], None) for i in wrt)


def same_value(name: str, value: np.ndarray, expected: np.ndarray, rtol: float = 1e-6) -> None:
    """Stop unless the arrays agree to `rtol` of the largest expected entry."""
    if value.shape != expected.shape:
        raise Stop("wrong", f"{name} is {value.shape}, but it should be {expected.shape}.")
    wrong = ~(np.abs(value - expected) <= rtol * max(float(np.max(np.abs(expected))), 1e-12))
    if wrong.any():
        index = worst(value, expected, wrong)
        error = float(abs(value[index] - expected[index]))
        raise Stop("wrong", f"{name} is not what it should be.", table("value", value, expected, wrong), error)


def kind(value: Any) -> str:
    """What a value is, in words for a sentence."""
    if isinstance(value, str):
        return f"the text {value[:20]!r}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
