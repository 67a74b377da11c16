"""Bounds around any check: its time, what it prints, and what the checked code raises."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nnkit.check.context import current_context
from nnkit.check.evidence.double_precision import in_double_precision
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.limits import OutOfTime, output_limit, time_limit
from nnkit.check.rendering import messages
from nnkit.check.verdict import Verdict


def guard_check(title: str, check: Callable[[], Verdict | Finding]) -> Verdict:
    """Run a check within bounds of time and output; what the checked code raises becomes a verdict too."""
    with output_limit() as printed:
        found = _run_check(title, check)
    verdict = messages.describe_finding(title, found) if isinstance(found, Finding) else found
    if printed.written > printed.max_chars:
        note = f"It printed {printed.written:,} characters; the first {printed.max_chars} are shown."
        verdict = replace(verdict, notes=(*verdict.notes, note))
    return verdict


def _check_in_double_precision(check: Callable[[], Verdict | Finding]) -> Verdict | None:
    """Return the verdict where JAX computes in float64, if what was rounded is right then."""
    with in_double_precision():
        found = check()
    if isinstance(found, Finding) or not found.passed:
        return None
    note = "It computes in float32, JAX's default; it was checked in float64 (jax_enable_x64)."
    return replace(found, notes=(*found.notes, note))


def _run_check(title: str, check: Callable[[], Verdict | Finding]) -> Verdict | Finding:
    try:
        with time_limit(), np.errstate(all="ignore"):
            found = check()
            is_rounded = "low-precision" in found.mistakes and "jax" in sys.modules
            return (_check_in_double_precision(check) or found) if is_rounded else found
    except OutOfTime:
        seconds = current_context().seconds
        sentence = f"it did not end within {seconds:g} seconds: is there a loop without an end?"
        return Finding("error", sentence, ("endless",))
    except RecursionError:
        return Finding("error", "it calls itself without an end.", ("endless",))
    except MemoryError:
        return Verdict(title, "error", "it needs more memory than there is.")
    except Exception as fault:
        sentence = f"it could not be checked: {type(fault).__name__}: {' '.join(str(fault).split())[:200]}."
        return Finding("error", sentence, ("raised",))
