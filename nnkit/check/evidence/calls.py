"""Calls of the learner's code: one, or a batch of them that is looked at when all are over.

Where the code runs in another process, a batch is one message there and one back: an examination is hundreds of small
calls, and most of what a message costs is the waiting for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nnkit.check.context import current_context
from nnkit.check.remote import Call, CallResult, ResultRef

MAX_DEPTH = 5
"""Containers inside containers in which arrays are looked for."""


FirstBytes = dict[tuple[int, int], list[bytes]]
"""The arrays in a part of a result, by the call and the item of it, when it was first used."""


def call_once(function: Callable[..., Any], given: tuple[Any, ...]) -> CallResult:
    """Make one call, and catch what it raises."""
    try:
        return CallResult(given, function(*given))
    except (Exception, SystemExit) as fault:
        return CallResult(given, fault=fault)


@contextmanager
def noting_float_faults() -> Iterator[set[str]]:
    """Collect what NumPy notes of the arithmetic in here, "overflow" for example, in a set."""
    seen: set[str] = set()
    with np.errstate(all="call", call=lambda kind, flag: seen.add(kind)):
        yield seen


def call_batch(calls: Sequence[Call]) -> list[CallResult]:
    """Make these calls in order, each whether or not the one before failed."""
    context = current_context()
    remote = context.remote()
    if remote:
        context.calls.start(time.monotonic())
        there = remote.call_batch(calls)
        context.calls.stop(time.monotonic(), len(there or ()))
        if there is not None:
            return there
    meter, now = context.calls, time.monotonic()
    done: list[CallResult] = []
    returned: list[Any] = []
    first: FirstBytes = {}
    for function, given in calls:
        meter.start(now)
        result = _call_resolved(function, given, returned, first)
        now = time.monotonic()
        meter.stop(now)
        returned.append(result.returned)
        result.returned = _copy_arrays(result.returned)  # the next call may write into what this one returned
        done.append(result)
    return done


def _call_resolved(
    function: Callable[..., Any], given: tuple[Any, ...], returned: Sequence[Any], first: FirstBytes
) -> CallResult:
    """Make a call with its `ResultRef`s replaced by what they stand for."""
    try:
        parts = {k: returned[x.call][x.item] for k, x in enumerate(given) if isinstance(x, ResultRef)}
    except Exception as fault:  # that call failed, or returned nothing of the kind
        return CallResult(given, fault=fault)
    for k, part in parts.items():
        if (given[k].call, given[k].item) not in first:
            first[given[k].call, given[k].item] = array_bytes(part)
    before = {k: first[given[k].call, given[k].item] for k in parts}
    result = call_once(function, tuple(parts.get(k, x) for k, x in enumerate(given)))
    result.mutated = max((find_mutation(part, before[k]) for k, part in parts.items()), default="")
    return result


def _copy_arrays(value: Any, depth: int = 0) -> Any:
    """Return the value with fresh copies of its arrays, in tuples, lists and dicts too."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list) and depth < MAX_DEPTH:
        return type(value)(_copy_arrays(part, depth + 1) for part in value)
    if type(value) is dict and depth < MAX_DEPTH:
        return {key: _copy_arrays(part, depth + 1) for key, part in value.items()}
    return value


def array_bytes(value: Any) -> list[bytes]:
    """Return the bytes of the arrays in a value, to be compared later."""
    return [array.tobytes() for array in arrays_in(value)]


def find_mutation(value: Any, before: Sequence[bytes]) -> str:
    """Return what was done to a value since `array_bytes` gave `before`; see `CallResult.mutated`."""
    after = array_bytes(value)
    if len(after) < len(before):
        return "taken"
    return "changed" if after[: len(before)] != list(before) else "added" if len(after) > len(before) else ""


def arrays_in(value: Any) -> list[np.ndarray]:
    """Return the arrays in a value, in tuples, lists and dicts too."""
    return list(_iterate_arrays(value, 0))


def _iterate_arrays(value: Any, depth: int) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        yield value
    elif isinstance(value, dict | list | tuple) and depth < MAX_DEPTH:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _iterate_arrays(part, depth + 1)
