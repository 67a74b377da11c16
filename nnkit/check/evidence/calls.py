"""Calls of the learner's code: one, or several in a row that are looked at when all are over.

Where the code runs in another process, a row is one message there and one back: an examination is hundreds of small
calls, and what a message costs is mostly the waiting for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

DEEP = 5
"""Containers inside containers in which arrays are looked for."""


@dataclass(frozen=True)
class Part:
    """In place of an argument: this item of what an earlier call of the row has returned."""

    call: int
    item: int


@dataclass
class Called:
    """How a call ended."""

    given: tuple[Any, ...]
    """The arguments, as calls have left them."""
    returned: Any = None
    fault: BaseException | None = None
    spoilt: str = ""
    """What it did to a `Part` that it was given: "changed" an array in it, or has "taken" one out."""


Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Elsewhere(Protocol):
    """Another process, in which the learner's code runs (`nnkit_grader.rpc.proxies`)."""

    seen_measuring: bool

    def watching(self, points: Sequence[Any]) -> AbstractContextManager[None]: ...

    def in_a_row(self, calls: Sequence[Call]) -> list[Called] | None:
        """None where they are not all calls of what runs there."""


elsewhere: Elsewhere | None = None
"""Set where calls of the learner's code leave this process; there they are watched too."""


def called(function: Callable[..., Any], given: tuple[Any, ...]) -> Called:
    """One call, whatever it raises."""
    try:
        return Called(given, function(*given))
    except (Exception, SystemExit) as fault:
        return Called(given, fault=fault)


def in_a_row(calls: Sequence[Call]) -> list[Called]:
    """These calls, each after the one before, whether or not that failed."""
    there = elsewhere.in_a_row(calls) if elsewhere else None
    if there is not None:
        return there
    done: list[Called] = []
    returned: list[Any] = []
    for function, given in calls:
        found = _next(function, given, returned)
        returned.append(found.returned)
        found.returned = _copied(found.returned)  # the next call may write into what this one has returned
        done.append(found)
    return done


def _next(function: Callable[..., Any], given: tuple[Any, ...], returned: Sequence[Any]) -> Called:
    try:
        parts = {k: returned[x.call][x.item] for k, x in enumerate(given) if isinstance(x, Part)}
    except Exception as fault:  # that call has failed, or returned nothing of the kind
        return Called(given, fault=fault)
    before = {k: kept(part) for k, part in parts.items()}
    found = called(function, tuple(parts.get(k, x) for k, x in enumerate(given)))
    found.spoilt = max((spoilt(part, before[k]) for k, part in parts.items()), default="")
    return found


def _copied(value: Any, depth: int = 0) -> Any:
    """The value with arrays of its own, in tuples, lists and dicts too."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list) and depth < DEEP:
        return type(value)(_copied(part, depth + 1) for part in value)
    if type(value) is dict and depth < DEEP:
        return {key: _copied(part, depth + 1) for key, part in value.items()}
    return value


def kept(value: Any) -> list[bytes]:
    """The numbers in the arrays of a value, to be compared later."""
    return [array.tobytes() for array in arrays_in(value)]


def spoilt(value: Any, before: Sequence[bytes]) -> str:
    """What has been done to a value since (see `Called.spoilt`)."""
    after = kept(value)
    return "taken" if len(after) != len(before) else "changed" if after != before else ""


def arrays_in(value: Any) -> list[np.ndarray]:
    """The arrays of a cache, in tuples, lists and dicts too."""
    return list(_arrays(value, 0))


def _arrays(value: Any, depth: int) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        yield value
    elif isinstance(value, dict | list | tuple) and depth < DEEP:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _arrays(part, depth + 1)
