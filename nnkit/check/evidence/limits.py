"""Bounds on the code that is checked: its time, and the characters that it prints."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from types import FrameType

from nnkit.check.context import checking, current_context
from nnkit.streams import BoundedStream, OutputBudget


class OutOfTime(BaseException):
    """Raised inside the checked code when its time is up; not an Exception, so that `except Exception` lets it pass."""


@contextmanager
def time_limit(share: float = 1.0) -> Iterator[None]:
    """Raise `OutOfTime` in this thread after this share of the context's `seconds`; if it is caught, again every tenth
    of it."""
    seconds = share * current_context().seconds
    if seconds <= 0:
        yield
    elif hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with alarm(seconds, OutOfTime, seconds / 10):  # a timer's signal also ends a sleep or a wait
            yield
    else:
        with _alarm_thread(seconds):
            yield


@contextmanager
def working_time_limit(share: float = 1.0, patience: float = 10.0) -> Iterator[None]:
    """Do as `time_limit`, but count computing time where the code runs here, so that what is done within the limit does
    not depend on how busy the machine is. `patience` times as long by the clock on the wall is too long anyway."""
    local = current_context().clock is time.monotonic
    begun = time.process_time(), time.monotonic()

    def worked() -> float:
        return max(time.process_time() - begun[0], (time.monotonic() - begun[1]) / patience)

    with checking(clock=worked) if local else nullcontext(), time_limit(share):
        yield


@contextmanager
def alarm(seconds: float, fault: type[BaseException], every: float = 0.0) -> Iterator[None]:
    """Raise `fault` in this thread, the main one, after so many seconds of the context's clock; and again after `every`
    more if it is caught (0: once)."""
    clock = current_context().clock
    ends = clock() + seconds

    def ring(signum: int, frame: FrameType | None) -> None:
        if (left := ends - clock()) <= 0:
            current_context().on_limit()
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
def _alarm_thread(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` where there are no signals: from a second thread, at this one's next Python instruction."""
    here, done = threading.get_ident(), threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(OutOfTime))
            wait = seconds / 10

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextmanager
def output_limit() -> Iterator[OutputBudget]:
    """Pass on the first `max_printed_chars` of what is printed; yields the budget, which counts all of it."""
    budget = OutputBudget(current_context().max_printed_chars)
    out, err = (BoundedStream(stream.write, budget) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        yield budget
