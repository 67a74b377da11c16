"""Bounds on the code that is checked: seconds, and characters printed."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import FrameType
from typing import Any

SECONDS = float(os.environ.get("NNKIT_CHECK_SECONDS", "10"))
"""How long one check may take."""
SHOWN = 500
"""How many of the characters that the checked code prints are passed on."""

clock: Callable[[], float] = time.monotonic
"""By which SECONDS are counted. Set where the checked code runs in another process, which may have to wait for the
machine: then this clock stands still."""


class OutOfTime(BaseException):
    """Raised inside the checked code when its time is up; not an Exception, so that `except Exception` lets it pass."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Raise `OutOfTime` in this thread after SECONDS, and again every tenth of them, should it be caught."""
    if SECONDS <= 0:
        yield
    elif hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with alarm(SECONDS, OutOfTime, SECONDS / 10):  # a timer's signal also ends a sleep or a wait
            yield
    else:
        with _by_thread():
            yield


@contextmanager
def alarm(seconds: float, fault: type[BaseException], every: float = 0.0) -> Iterator[None]:
    """Raise `fault` in this thread, the main one, when `clock` has gone so many seconds on; `every` so many more again,
    should it be caught (0: once)."""
    ends = clock() + seconds

    def ring(signum: int, frame: FrameType | None) -> None:
        if (left := ends - clock()) <= 0:
            raise fault
        signal.setitimer(signal.ITIMER_REAL, max(1e-3, left), every)

    old_handler = signal.signal(signal.SIGALRM, ring)
    old_timer = signal.setitimer(signal.ITIMER_REAL, seconds, every)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *old_timer)
        signal.signal(signal.SIGALRM, old_handler)


@contextmanager
def _by_thread() -> Iterator[None]:
    """Where there are no signals: a second thread raises in this one, at its next Python instruction."""
    here, done = threading.get_ident(), threading.Event()

    def watch() -> None:
        wait = SECONDS
        while not done.wait(wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(OutOfTime))
            wait = SECONDS / 10

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


class _Bounded(io.TextIOBase):
    """Passes the first characters on, and counts the rest."""

    def __init__(self, out: Any, written: list[int]):
        self.out = out
        self.written = written

    def write(self, text: str) -> int:
        room = max(0, SHOWN - self.written[0])
        if room:
            self.out.write(text[:room])
        self.written[0] += len(text)
        return len(text)

    def flush(self) -> None:
        self.out.flush()

    def writable(self) -> bool:
        return True


@contextmanager
def output_limit() -> Iterator[list[int]]:
    """Bound what is printed; yields a list whose one entry is how many characters were printed so far."""
    written = [0]
    with redirect_stdout(_Bounded(sys.stdout, written)), redirect_stderr(_Bounded(sys.stderr, written)):
        yield written
