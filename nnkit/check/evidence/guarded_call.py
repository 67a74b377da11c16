"""Calling a learner's code with care: fresh copies in, a look at what comes out, faults told in a sentence."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import FrameType
from typing import Any

import numpy as np

from nnkit.arrays import ShapeError, get_input_names, get_name
from nnkit.check.evidence import calls
from nnkit.check.evidence.calls import Called
from nnkit.check.evidence.tolerance import table, worst
from nnkit.check.verdict import Entry, Status

LARGEST = 300_000  # entries of one array


class Stop(Exception):
    """Nothing more can be checked; carries the verdict's status, sentence and named mistakes."""

    def __init__(
        self,
        status: Status,
        headline: str,
        mistakes: tuple[str, ...] = (),
        entries: tuple[Entry, ...] = (),
        error: float = 0.0,
        notes: tuple[str, ...] = (),
    ):
        super().__init__(headline)
        self.status: Status = status
        self.mistakes = mistakes
        self.entries = entries
        self.error = error
        self.notes = notes


class Raised(Stop):
    """The learner's code raised; `fault` is what."""

    def __init__(self, headline: str, fault: BaseException, notes: tuple[str, ...] = ()):
        super().__init__("error", headline, notes=notes)
        self.fault = fault


# ---- the inputs of a check --------------------------------------------------------------------------


def arguments(names: Sequence[str], inputs: Sequence[Any]) -> tuple[Any, ...]:
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
    array = _rectangular(name, x, "error")
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


def differentiable(inputs: Sequence[Any]) -> tuple[int, ...]:
    """The positions of the inputs that are not integer arrays."""
    return tuple(i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f")


def copies(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Fresh copies; a 0-d array becomes a NumPy scalar, which is what learners get from their own arithmetic."""
    return tuple(np.array(x)[()] for x in inputs)


# ---- calling ----------------------------------------------------------------------------------------


def run(function: Callable[..., Any], given: Sequence[Any], method: str) -> Any:
    """What the call returned; Stop with a sentence where it raised or returned a placeholder."""
    return answer(calls.called(function, tuple(given)), method)


def answer(called: Called, method: str) -> Any:
    """What this call returned; Stop as `run`."""
    fault = called.fault
    if isinstance(fault, Stop):
        raise fault
    if isinstance(fault, NotImplementedError):
        raise Stop("not attempted", "not attempted yet.", ("not-attempted",)) from None
    if isinstance(fault, ShapeError):
        raise Raised(str(fault), fault) from fault
    if fault is not None:
        said = _said(fault)
        raise Raised(f"{method} raised {type(fault).__name__}{said}{_line(fault)}", fault) from fault
    attempted(called.returned, method)
    return called.returned


def _said(fault: BaseException) -> str:
    try:
        text = str(fault)
    except Exception:  # an exception can fail even to say what it is
        return ""
    return f": {_shortened(text)}" if text else ""


def call(function: Callable[..., Any], inputs: Sequence[Any], method: str) -> Any:
    """`function(*inputs)` on copies; Stop where it raises, returns a placeholder or changes an input."""
    given = copies(inputs)
    returned = run(function, given, method)
    unchanged(get_input_names(function), given, inputs)
    return returned


def _line(fault: BaseException) -> str:
    """Where in the learner's code: the last frame outside the packages, as " (line 3: `dx = g * y`)"."""
    line = getattr(fault, "learners_line", None)  # where the learner's code ran in another process, it says so itself
    if line is None:
        frames = [f for f in traceback.extract_tb(fault.__traceback__)[1:] if not _in_package(f.filename)]
        line = frames[-1].line if frames else ""
    return f", in the line `{_shortened(line, 80)}`." if line else "."


def _in_package(filename: str) -> bool:
    return "site-packages" in filename or "/nnkit/check/" in filename or filename.startswith("<frozen")


def unchanged(labels: Sequence[str], given: Sequence[Any], original: Sequence[Any]) -> None:
    """Stop unless the arguments are what they were."""
    for position, (after, before) in enumerate(zip(given, original)):
        if not equal(np.asarray(after), np.asarray(before)):
            label = labels[position] if position < len(labels) else f"input {position + 1}"
            raise Stop(
                "wrong",
                f"it changed {label} in place: make a new array, others still need the old values.",
                ("mutated-input",),
            )


def equal(a: Any, b: Any) -> bool:
    """Equal shapes and numbers, NaN included."""
    a, b = np.asarray(a), np.asarray(b)
    return np.array_equal(a, b, equal_nan="f" == a.dtype.kind == b.dtype.kind)


def measures(function: Callable[..., Any], given: Sequence[Any], points: Sequence[Any]) -> bool:
    """Whether `function(*given)` calls some function at two points that are close to one of these (itself, or a
    small step away): that is how a derivative is measured, not how it is computed."""
    seen: dict[tuple[Any, int], set[bytes]] = {}

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event != "call" or "site-packages" in code.co_filename:
            return
        for value in [frame.f_locals.get(name) for name in (*code.co_varnames[: code.co_argcount], *code.co_freevars)]:
            for i, x in enumerate(points):
                if _close(value, x):
                    seen.setdefault((code, i), set()).add(np.asarray(value).tobytes())

    if sys.getprofile():  # somebody else is watching; there is room for one
        return False
    elsewhere = calls.elsewhere
    with elsewhere.watching(points) if elsewhere else nullcontext():
        sys.setprofile(watch)
        try:
            function(*given)
        finally:
            sys.setprofile(None)
    return any(len(different) > 1 for different in seen.values()) or bool(elsewhere and elsewhere.seen_measuring)


def _close(value: Any, x: Any) -> bool:
    if not isinstance(value, float | np.ndarray) or np.shape(value) != np.shape(x) or np.asarray(value).dtype != float:
        return False
    return bool(np.max(np.abs(value - x)) <= 2e-3 * np.max(np.abs(x)))


# ---- what came back ---------------------------------------------------------------------------------


def attempted(value: Any, name: str) -> None:
    """Stop with "not attempted" for the placeholders None, NotImplemented and Ellipsis."""
    if value is None:
        raise Stop(
            "not attempted", f"{name} gives None: not attempted yet, or a `return` is missing.", ("not-attempted",)
        )
    if value is NotImplemented or value is Ellipsis:
        raise Stop("not attempted", "not attempted yet.", ("not-attempted",))


def number_array(name: str, value: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """`value` as an array of numbers in the type it came in, of this shape (None: any)."""
    attempted(value, name)
    array = _rectangular(name, value)
    if array.dtype.kind not in "biuf":
        raise Stop("wrong", f"{name} must hold numbers, not {kind(value)}.")
    if array.size > 10 * LARGEST:
        raise Stop("wrong", f"{name} has {array.size} entries, far too many.", ("wrong-shape",))
    if shape is not None and array.shape != shape:
        raise Stop("wrong", f"{name} is {array.shape}, but it should be {shape}.", ("wrong-shape",))
    return array


def double(name: str, array: np.ndarray) -> np.ndarray:
    """The array in float64; Stop where it is of a smaller type, in which a small error could not be seen."""
    if array.dtype in (np.float16, np.float32):
        told = f"{name} is {array.dtype}: compute in float64, the type of the inputs"
        hint = " (JAX: jax.config.update('jax_enable_x64', True))."
        raise Stop("wrong", told + (hint if array.dtype == np.float32 else "."), ("low-precision",))
    return array.astype(float)


def _rectangular(name: str, value: Any, status: Status = "wrong") -> np.ndarray:
    if isinstance(value, str | bytes | dict | set) or hasattr(value, "__next__"):
        raise Stop(status, f"{name} must hold numbers, not {kind(value)}.")
    try:
        return np.asarray(value)
    except Exception:  # ragged lists, or an object whose __array__ fails
        raise Stop(status, f"{name} must be a rectangular array of numbers.") from None


def same_value(name: str, value: np.ndarray, expected: np.ndarray, rtol: float = 1e-6, floor: float = 1e-18) -> None:
    """Stop unless the arrays agree to `rtol` of the largest expected entry, or to `floor`."""
    if value.shape != expected.shape:
        raise Stop("wrong", f"{name} is {value.shape}, but it should be {expected.shape}.", ("wrong-shape",))
    finite = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    with np.errstate(invalid="ignore"):
        near = np.abs(value - expected) <= max(rtol * float(np.max(finite, initial=0.0)), floor)
    wrong = ~((near & np.isfinite(expected)) | (value == expected))
    if wrong.any():
        index = worst(value, expected, wrong)
        error = float(abs(value[index] - expected[index]))
        raise Stop("wrong", f"{name} is not what it should be.", (), table("value", value, expected, wrong), error)


def kind(value: Any) -> str:
    """What a value is, in words for a sentence."""
    if isinstance(value, str):
        return f"the text {_shortened(value, 20)!r}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of type {value.dtype.name}"
    if isinstance(value, type):
        return f"the class {value.__name__} (write {value.__name__}() for one of it)"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _shortened(text: str, most: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."


def gate_name(gate: Any) -> str:
    """What to call a gate; Stop for a class in place of one of its objects."""
    if isinstance(gate, type):
        raise Stop("error", f"this is {kind(gate)}.")
    for method in ("forward", "backward"):
        if not callable(getattr(gate, method, None)):
            raise Stop("error", f"{get_name(gate)} has no method {method!r}.")
    return get_name(gate)
