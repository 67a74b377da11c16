"""The surroundings of a check: where the learner's code runs, by which clock, for how long, and who hears verdicts.

    with checking(remote=lambda: connection, clock=process.clock):
        assert check_backward(gate, x)

A check reads them from `current_context()`. Without `checking`, everything runs in this process, for 10 seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from nnkit.check.remote import RemoteBackend

DEFAULT_SECONDS = float(os.environ.get("NNKIT_CHECK_SECONDS", "10"))
"""Time limit of one check; 0 or less: none."""
STRICT = bool(os.environ.get("NNKIT_CHECK_STRICT"))
"""Set where the checks themselves are tested: what an explanation raises is not kept silent."""


@dataclass
class CallMeter:
    """The calls of the checked code in one check, and the time that they took by the clock on the wall, which costs
    less to look at than others."""

    count: int = 0
    seconds: float = 0.0
    began: float | None = None
    """When the call that is under way began."""

    def start(self, now: float) -> None:
        """Note that a call begins."""
        self.began = now

    def stop(self, now: float, count: int = 1) -> None:
        """Count what began last: one call, or so many in one message."""
        self.seconds += now - (now if self.began is None else self.began)
        self.count, self.began = self.count + count, None


@dataclass(frozen=True)
class CheckContext:
    """The surroundings of a check."""

    remote: Callable[[], RemoteBackend | None] = lambda: None
    """Returns the process in which the learner's code runs at the moment; None: this one."""
    clock: Callable[[], float] = time.monotonic
    """Counts the time limit. A remote process may have to wait for a busy machine; its clock can stand still."""
    seconds: float = DEFAULT_SECONDS
    """Time limit of one check; 0 or less: none."""
    strict: bool = STRICT
    """Raise what an explanation raises; else the verdict comes without that explanation."""
    max_printed_chars: int = 500
    """Characters that the checked code may print; the rest is dropped."""
    calls: CallMeter = field(default_factory=CallMeter)
    """Counts the calls of the check under way."""
    on_limit: Callable[[], None] = lambda: None
    """Called when time or memory has ended or shortened a piece of a check: the machine has a say in its verdict."""
    listeners: tuple[Callable[[Any], Any], ...] = ()
    """Called with each verdict that is asserted, or counted by `partial_credit`."""


_CONTEXT: ContextVar[CheckContext | None] = ContextVar("nnkit.check", default=None)
_process_context = CheckContext()
"""The surroundings in a thread that has none of its own."""


def current_context() -> CheckContext:
    """Return the surroundings of a check that starts now."""
    return _CONTEXT.get() or _process_context


@contextmanager
def checking(**changes: Any) -> Iterator[CheckContext]:
    """Run checks in other surroundings: the current ones with these fields of `CheckContext` changed."""
    token = _CONTEXT.set(replace(current_context(), **changes))
    try:
        yield current_context()
    finally:
        _CONTEXT.reset(token)


@contextmanager
def sharing_context() -> Iterator[None]:
    """Use the current surroundings in all threads of this process, also in those that start meanwhile.

    Meant for a process that runs one test cell at a time: a new thread does not inherit what `checking` sets.
    """
    global _process_context
    before, _process_context = _process_context, current_context()
    try:
        yield
    finally:
        _process_context = before
