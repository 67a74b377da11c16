"""Calls of a learner's code with care: fresh copies in, a look at what comes out, each fault a `Finding`."""

from __future__ import annotations

import dis
import inspect
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import CodeType, FrameType
from typing import Any

import numpy as np

from nnkit.arrays import ShapeError, get_input_names, get_name
from nnkit.check.context import current_context
from nnkit.check.evidence.calls import call_once
from nnkit.check.evidence.finding import NOT_ATTEMPTED, CallFault, Finding, WrongValue, find_placeholder, say_it
from nnkit.check.evidence.tolerance import find_worst, make_table
from nnkit.check.evidence.value_difference import describe_difference
from nnkit.check.remote import CallResult
from nnkit.check.verdict import Status
from nnkit.language import say
from nnkit.own_lines import find_own_line

MAX_INPUT_ENTRIES = 20_000_000
MAX_RESULT_ENTRIES = 3_000_000
MAX_RATIO = 10
"""Entries of a result for each of the inputs, where these have many."""


# ---- the inputs of a check --------------------------------------------------------------------------


def prepare_inputs(names: Sequence[str], inputs: Sequence[Any], fixed: bool = False) -> tuple[Any, ...] | Finding:
    """Return the inputs in float64; integer arrays (labels) stay as they are. A finding where one cannot be checked, or
    where none can be differentiated; unless, with `fixed`, none need be."""
    if not inputs and not fixed:
        return Finding("error", say("there is nothing to differentiate: give the inputs, check_backward(gate, x, y)."))
    ready: list[Any] = []
    for name, x in zip(names, inputs):
        prepared = _prepare_input(name, x)
        if isinstance(prepared, Finding):
            return prepared
        ready.append(prepared)
    if not fixed and not differentiable_positions(ready):
        return Finding(
            "error", say("every input is an array of integers, which has no derivative: write x.astype(float).")
        )
    return tuple(ready)


def _prepare_input(name: str, x: Any) -> Any:
    array = _read_rectangular(name, float(x) if isinstance(x, int | float) else x, "error")
    if isinstance(array, Finding):
        return array
    if array.dtype.kind == "c":
        sentence = say(
            "{name} is complex: give its real and its imaginary part as two inputs, for these have derivatives.",
            name=name,
        )
        return Finding("error", sentence)
    if array.dtype.kind not in "biuf":
        return Finding("error", say("{name} must hold numbers, not {kind}.", name=name, kind=describe_kind(x)))
    if array.size == 0:
        return Finding(
            "error",
            say(
                "{name} is empty (shape {shape}): there is nothing to differentiate.",
                name=name,
                shape=array.shape,
            ),
        )
    if array.size > MAX_INPUT_ENTRIES:
        sentence = say(
            "{name} has {count} entries; a check takes at most {most}. Use a smaller example.",
            **{"name": name, "count": array.size, "most": MAX_INPUT_ENTRIES},
        )
        return Finding("error", sentence)
    if array.dtype.kind in "biu":
        return array.copy()
    if not np.all(np.isfinite(array)):
        return Finding(
            "error", say("{name} holds NaN or infinity: choose an input at which the function is finite.", name=name)
        )
    return np.asarray(array, dtype=float).copy()[()]


def differentiable_positions(inputs: Sequence[Any]) -> tuple[int, ...]:
    """Return the positions of the inputs that are not integer arrays."""
    return tuple(i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f")


def copy_inputs(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return fresh copies; a 0-d array becomes a NumPy scalar, which is what learners get from their own arithmetic."""
    return tuple(np.array(x)[()] for x in inputs)


# ---- calling ----------------------------------------------------------------------------------------


def call_learner(function: Callable[..., Any], given: Sequence[Any], method: str) -> Any:
    """Return what the call returned, or a finding where it raised or returned a placeholder."""
    meter = current_context().calls
    meter.start(time.monotonic())
    result = call_once(function, tuple(given))
    meter.stop(time.monotonic())
    return read_result(result, method, function)


def read_result(result: CallResult, method: str, function: Callable[..., Any] | None = None) -> Any:
    """Return what this call of `function` returned, or a finding as `call_learner` does."""
    fault = result.fault
    if isinstance(fault, NotImplementedError):
        return NOT_ATTEMPTED
    if isinstance(fault, ShapeError):
        return CallFault("error", str(fault), fault=fault, method=method, message=str(fault))
    if fault is not None:
        message, line = _shorten(_read_message(fault), 400), _find_line(fault)
        return CallFault(
            "error",
            say("{method} failed.", method=say_it(method)),
            fault=fault,
            method=method,
            message=message,
            line=line,
        )
    if result.returned is None and never_returns(function):
        return Finding(
            "wrong", say("{method} computes something, but does not return it.", method=say_it(method)), ("no-return",)
        )
    return find_placeholder(result.returned, method) or result.returned


def _read_message(fault: BaseException) -> str:
    try:
        return str(fault)
    except Exception:  # an exception can fail even to say what it is
        return ""


def never_returns(function: Callable[..., Any] | None) -> bool:
    """Return True for Python code that computes something and has no `return` with a value: no placeholder."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or code.co_flags & inspect.CO_GENERATOR:
        return False
    steps = list(dis.get_instructions(code))
    names = [step.opname for step in steps]
    computes = any(name in ("BINARY_OP", "COMPARE_OP", "FOR_ITER", "STORE_SUBSCR") for name in names)
    ends = [k for k, name in enumerate(names) if name in ("RETURN_VALUE", "RETURN_CONST")]
    empty = all((steps[k] if names[k] == "RETURN_CONST" else steps[k - 1]).argval is None for k in ends)
    return computes and empty and all(names[k] == "RETURN_CONST" or names[k - 1] == "LOAD_CONST" for k in ends)


def call_on_copies(function: Callable[..., Any], inputs: Sequence[Any], method: str) -> Any:
    """Return `function(*inputs)`, called with copies; a finding also where it changes an input."""
    given = copy_inputs(inputs)
    returned = call_learner(function, given, method)
    if isinstance(returned, Finding):
        return returned
    return find_changed(get_input_names(function), given, inputs) or returned


def _find_line(fault: BaseException) -> str:
    """Return the learner's line that raised: the last frame outside the packages."""
    line = getattr(fault, "learners_line", None)  # where the learner's code ran in another process, it says so itself
    if line is None:
        line = find_own_line(fault, lambda frame: not _is_in_package(frame.f_code.co_filename)).text
    return _shorten(line, 80)


def _is_in_package(filename: str) -> bool:
    return "site-packages" in filename or "/nnkit/check/" in filename or filename.startswith("<frozen")


def find_changed(labels: Sequence[str], given: Sequence[Any], original: Sequence[Any]) -> Finding | None:
    """Return a finding if an argument is not what it was before the call."""
    for position, (after, before) in enumerate(zip(given, original)):
        if not equal_arrays(np.asarray(after), np.asarray(before)):
            label = labels[position] if position < len(labels) else say("input {position}", position=position + 1)
            sentence = say(
                "it changed {label} in place: make a new array, for others still need the old values.", label=label
            )
            return Finding("wrong", sentence, ("mutated-input",))
    return None


def equal_arrays(a: Any, b: Any) -> bool:
    """Compare shapes and numbers; NaN equals NaN."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    return bool((a == b).all()) or ("f" == a.dtype.kind == b.dtype.kind and np.array_equal(a, b, equal_nan=True))


def repeats_result(a: Any, b: Any) -> bool:
    """Return True if two calls gave the same, up to rounding: sums may be taken in any order."""
    a, b = np.asarray(a), np.asarray(b)
    if equal_arrays(a, b):
        return True
    if a.shape != b.shape or a.dtype.kind != "f" or b.dtype.kind != "f":
        return False
    scale = float(np.max(np.abs(a), initial=0.0))
    return bool(np.allclose(a, b, rtol=1e-13, atol=1e-14 * scale, equal_nan=True)) if np.isfinite(scale) else False


def measures_derivative(function: Callable[..., Any], given: Sequence[Any], points: Sequence[Any]) -> bool:
    """Return True if `function(*given)` calls some function at two points that are close to one of these (itself, or a
    small step away): that is how a derivative is measured, not how it is computed."""
    seen: dict[tuple[Any, int], set[bytes]] = {}
    remote = current_context().remote()
    wire = type(remote).__module__.partition(".")[0] if remote else None  # its functions only carry arrays across

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event != "call" or "site-packages" in code.co_filename:
            return
        if str(frame.f_globals.get("__name__")).partition(".")[0] == wire:
            return
        for value in [frame.f_locals.get(name) for name in (*code.co_varnames[: code.co_argcount], *code.co_freevars)]:
            for i, x in enumerate(points):
                if _is_close(value, x):
                    seen.setdefault((code, i), set()).add(np.asarray(value).tobytes())

    if sys.getprofile():  # a profiler runs already, and there is room for one
        return False
    with remote.watching(points) if remote else nullcontext():
        sys.setprofile(watch)
        try:
            function(*given)
        finally:
            sys.setprofile(None)
    return any(len(different) > 1 for different in seen.values()) or bool(remote and remote.seen_measuring)


def _is_close(value: Any, x: Any) -> bool:
    if not isinstance(value, float | np.ndarray) or np.shape(value) != np.shape(x) or np.asarray(value).dtype != float:
        return False
    return bool(np.max(np.abs(value - x)) <= 2e-3 * np.max(np.abs(x)))


# ---- what came back ---------------------------------------------------------------------------------


def read_numbers(
    name: str, value: Any, shape: tuple[int, ...] | None = None, inputs: Sequence[Any] = ()
) -> np.ndarray | Finding:
    """Return `value` as an array of numbers in its own type, of this shape (None: any); else a finding, also where it
    has far more entries than these inputs."""
    array = find_placeholder(value, name) or _read_rectangular(name, value)
    if isinstance(array, Finding):
        return array
    if array.dtype.kind not in "biuf":
        return Finding(
            "wrong",
            say("{name} must hold numbers, not {kind}.", name=name, kind=describe_kind(value)),
            ("not-numbers",),
        )
    if array.size > MAX_RESULT_ENTRIES and array.size > MAX_RATIO * sum(map(np.size, inputs)):
        return Finding(
            "wrong",
            say("{name} has {count} entries, far too many.", name=name, count=array.size),
            ("wrong-shape",),
        )
    if shape is not None and array.shape != shape:
        return Finding(
            "wrong",
            say("{name} is {shape}, but it should be {expected}.", name=name, shape=array.shape, expected=shape),
            ("wrong-shape",),
        )
    return array


def read_float64(name: str, value: Any, inputs: Sequence[Any] = ()) -> np.ndarray | Finding:
    """Return `value` as an array in float64; a finding also for a smaller type, in which a small error is lost."""
    array = read_numbers(name, value, inputs=inputs)
    if isinstance(array, Finding):
        return array
    if array.dtype in (np.float16, np.float32):
        sentence = say(
            "{name} is {dtype}: compute in float64, the type of the inputs (JAX: jax.config.update('jax_enable_x64', "
            "True))."
            if array.dtype == np.float32
            else "{name} is {dtype}: compute in float64, the type of the inputs.",
            **{"name": name, "dtype": array.dtype},
        )
        return Finding("wrong", sentence, ("low-precision",))
    return array.astype(float)


def _read_rectangular(name: str, value: Any, status: Status = "wrong") -> np.ndarray | Finding:
    mistakes = ("not-numbers",) if status == "wrong" else ()
    if isinstance(value, str | bytes | dict | set) or hasattr(value, "__next__"):
        return Finding(
            status, say("{name} must hold numbers, not {kind}.", name=name, kind=describe_kind(value)), mistakes
        )
    try:
        return np.asarray(value)
    except Exception:  # ragged lists, or an object whose __array__ fails
        return Finding(status, say("{name} must be a rectangular array of numbers.", name=name), mistakes)


def find_difference(
    name: str, value: np.ndarray, expected: np.ndarray, rtol: float = 1e-6, floor: float = 1e-18
) -> Finding | None:
    """Return a finding unless the arrays agree to `rtol` of the largest expected entry, or to `floor`."""
    if value.shape != expected.shape:
        return Finding(
            "wrong",
            say(
                "{name} is {shape}, but it should be {expected}.",
                **{"name": say_it(name), "shape": value.shape, "expected": expected.shape},
            ),
            ("wrong-shape",),
        )
    finite = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    with np.errstate(invalid="ignore"):
        near = np.abs(value - expected) <= max(rtol * float(np.max(finite, initial=0.0)), floor)
    wrong = ~((near & np.isfinite(expected)) | (value == expected))
    if not wrong.any():
        return None
    index = find_worst(value, expected, wrong)
    error = float(abs(value[index] - expected[index]))
    entries = make_table("value", value, expected, wrong)
    differs = describe_difference(value, expected, wrong)
    sentence = (
        say("it {differs}.", differs=differs) if name == "it" else say("{name} {differs}.", name=name, differs=differs)
    )
    return WrongValue("wrong", sentence, ("wrong-value",), entries=entries, error=error, value=value)


def describe_kind(value: Any) -> str:
    """Return what kind of thing a value is, in words for a sentence."""
    if isinstance(value, str):
        return say("the text {text!r}", text=_shorten(value, 20))
    if isinstance(value, tuple | list):
        return say("a {type} of {count}", type=type(value).__name__, count=len(value))
    if isinstance(value, np.ndarray):
        return say("an array of type {name}", name=value.dtype.name)
    if isinstance(value, type):
        return say("the class {name} (write {name}() for one of it)", name=value.__name__)
    name = type(value).__name__
    return say("an {type}" if name[0] in "aeioAEIO" else "a {type}", type=name)


def _shorten(text: str, max_chars: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= max_chars else text[: max_chars - 3] + "..."


def find_missing_method(gate: Any) -> Finding | None:
    """Return a finding for what is no gate: a class in place of one of its objects, or an object without a method."""
    if isinstance(gate, type):
        return Finding("error", say("this is {kind}.", kind=describe_kind(gate)))
    for method in ("forward", "backward"):
        if not callable(getattr(gate, method, None)):
            return Finding("error", say("{name} has no method {method!r}.", name=get_name(gate), method=method))
    return None
