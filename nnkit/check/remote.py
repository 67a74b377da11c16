"""Calls of the learner's code as plain values, and the other process that can make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

FLOAT_FAULTS = frozenset(("overflow", "underflow", "divide by zero", "invalid value"))


class RemoteObject:
    """Base class of what stands here for a learner's object in another process."""

    __slots__ = ()


@dataclass(frozen=True)
class ResultRef:
    """Placeholder argument: item `item` of the result of call `call` in the same batch."""

    call: int
    item: int


@dataclass
class CallResult:
    """The outcome of a call."""

    given: tuple[Any, ...]
    """The arguments, as the call left them."""
    returned: Any = None
    fault: BaseException | None = None
    mutated: str = ""
    """Its effect on the object behind a `ResultRef`: "changed" an array in it, "taken" or "added" one; else ""."""
    float_faults: frozenset[str] = frozenset()
    """NumPy's notes on its arithmetic in another process: some of `FLOAT_FAULTS`."""


Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments."""


class RemoteBackend(Protocol):
    """Another process, in which the learner's code runs (`nnkit_grader.rpc.connection`)."""

    seen_measuring: bool
    """Set where a call under `watching` was found to measure a derivative."""

    def watching(self, points: Sequence[Any]) -> AbstractContextManager[None]:
        """Watch each call for evaluations close to these points; see `guarded_call.measures_derivative`."""

    def call_batch(self, calls: Sequence[Call]) -> list[CallResult] | None:
        """Make these calls there, in order; None where one is of a function that is not there."""
