"""Bounds around any check: its time, what it prints, and what the checked code raises."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nnkit.check.context import CallMeter, checking, current_context
from nnkit.check.evidence.double_precision import in_double_precision
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.limits import OutOfTime, output_limit, working_time_limit
from nnkit.check.rendering import messages
from nnkit.check.verdict import Verdict
from nnkit.language import say, to_say

PATIENCE = 6.0
"""Times that a check may take longer than its limit by the clock on the wall: the machine may be busy."""
GIVE_TIME = to_say(
    "Choose smaller inputs (a few entries on each axis show the same mistakes), or give it more time: "
    "`with checking(seconds=60):`, with `checking` from `nnkit.check`."
)


def guard_check(title: str, check: Callable[[], Verdict | Finding]) -> Verdict:
    """Run a check within bounds of time and output; what the checked code raises becomes a verdict too."""
    with output_limit() as printed:
        found = _run_check(title, check)
    verdict = messages.describe_finding(title, found) if isinstance(found, Finding) else found
    if printed.written > printed.max_chars:
        note = say(
            "It printed {written:,} characters; the first {shown} are shown.",
            written=printed.written,
            shown=printed.max_chars,
        )
        verdict = replace(verdict, notes=(*verdict.notes, note))
    return verdict


def _check_in_double_precision(check: Callable[[], Verdict | Finding]) -> Verdict | Finding | None:
    """Return what is found where JAX computes in float64; None if that is no answer, or rounded there too."""
    with in_double_precision():
        found = check()
    if found.status not in ("right", "wrong") or "low-precision" in found.mistakes:
        return None
    note = say("It computes in float32, JAX's default; it was checked in float64 (jax_enable_x64).")
    return replace(found, notes=(*found.notes, note))


def _run_check(title: str, check: Callable[[], Verdict | Finding]) -> Verdict | Finding:
    meter, began = CallMeter(), time.monotonic()
    try:
        with checking(calls=meter), working_time_limit(patience=PATIENCE), np.errstate(all="ignore"):
            found = check()
            is_rounded = "low-precision" in found.mistakes and "jax" in sys.modules
            exact = _check_in_double_precision(check) if is_rounded else None
            return found if exact is None else exact
    except OutOfTime:
        return _explain_time(meter, time.monotonic() - began)
    except RecursionError:
        return Finding("error", say("it calls itself without an end."), ("endless",))
    except MemoryError:
        current_context().on_limit()
        return Verdict(title, "error", say("it needs more memory than there is."))
    except Exception as fault:
        sentence = say(
            "it could not be checked: {exception}: {message}.",
            exception=type(fault).__name__,
            message=" ".join(str(fault).split())[:200],
        )
        return Finding("error", sentence, ("raised",))


def _explain_time(meter: CallMeter, elapsed: float) -> Finding:
    """Return the finding for a check that ran out of time: a call that never returned, or too many of them."""
    limit = current_context().seconds
    if meter.began is not None and time.monotonic() - meter.began > elapsed / 2:
        sentence = say("it did not end within {limit:g} seconds: is there a loop without an end?", limit=limit)
        return Finding("error", sentence, ("endless",))
    seconds = meter.seconds * limit / elapsed  # on a busy machine, the clock on the wall shows more than the limit
    each = _format_time(seconds / max(1, meter.count))
    took = say("{count:,} calls of {each} each took {time}", count=meter.count, each=each, time=_format_time(seconds))
    if seconds <= limit / 2:
        took = say("{took}, and to compare what they gave took the rest", took=took)
    sentence = say("this was not checked within {limit:g} seconds: {took}.", limit=limit, took=took)
    return Finding("cannot check", sentence, notes=(GIVE_TIME,))


def _format_time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.2g} ms"
