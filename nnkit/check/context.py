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
from dataclasses import dataclass, replace
from typing import Any

from nnkit.check.remote import RemoteBackend

DEFAULT_SECONDS = float(os.environ.get("NNKIT_CHECK_SECONDS", "10"))
"""Time limit of one check; 0 or less: none."""


@dataclass(frozen=True)
class CheckContext:
    """The surroundings of a check."""

    remote: Callable[[], RemoteBackend | None] = lambda: None
    """Returns the process in which the learner's code runs at the moment; None: this one."""
    clock: Callable[[], float] = time.monotonic
    """Counts the time limit. A remote process may have to wait for a busy machine; its clock can stand still."""
    seconds: float = DEFAULT_SECONDS
    """Time limit of one check; 0 or less: none."""
    max_printed_chars: int = 500
    """Characters that the checked code may print; the rest is dropped."""
    listeners: tuple[Callable[[Any], Any], ...] = ()
    """Called with each verdict that is asserted, or counted by `partial_credit`."""


DEFAULT_CONTEXT = CheckContext()
_CONTEXT: ContextVar[CheckContext] = ContextVar("nnkit.check", default=DEFAULT_CONTEXT)


def current_context() -> CheckContext:
    """Return the surroundings of a check that starts now."""
    return _CONTEXT.get()


@contextmanager
def checking(**changes: Any) -> Iterator[CheckContext]:
    """Run checks in other surroundings: the current ones with these fields of `CheckContext` changed."""
    token = _CONTEXT.set(replace(current_context(), **changes))
    try:
        yield current_context()
    finally:
        _CONTEXT.reset(token)
