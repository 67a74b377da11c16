"""Descriptions of the learner's objects and exceptions in plain words, for the examiner's `signatures`."""

from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Iterator
from typing import Any

MAX_METHODS = 400
MAX_PARAMETERS = 100


def describe_object(value: Any) -> list[Any]:
    """Return [kind, name, [[method, parameters], ...]]; a function's own parameters have the name ""."""
    if isinstance(value, type):
        return ["class", value.__name__, [["", _describe_parameters(value)]]]
    if inspect.isroutine(value) or (hasattr(value, "__name__") and callable(value)):
        return ["function", str(getattr(value, "__name__", "function")), [["", _describe_parameters(value)]]]
    kind = type(value)
    names = [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name, None))]
    methods = [[name, _describe_parameters(getattr(value, name, None))] for name in names[:MAX_METHODS]]
    return ["iterator" if hasattr(kind, "__next__") else "object", kind.__name__, methods]


def _describe_parameters(function: Any) -> list[Any]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [[p.name, int(p.kind), p.default is not p.empty] for p in list(parameters)[:MAX_PARAMETERS]]


def describe_exception(fault: BaseException) -> tuple[str, str, str, str, str]:
    """Return an exception as texts: its name, nearest built-in kind, message, the learner's line, the trace."""
    kinds = [kind for kind in type(fault).__mro__ if kind.__module__ == "builtins"]
    line, trace = "", []
    for frame, number in _find_frames(fault):
        line = linecache.getline(frame.f_code.co_filename, number).strip()
        trace.append(f"line {number} of {frame.f_code.co_name}: {line}")
    try:
        text = str(fault)
    except Exception:
        text = "(its message cannot be read)"
    return type(fault).__name__, kinds[0].__name__, text[:2000], line[:200], "\n".join(trace[-20:])


def _find_frames(fault: BaseException) -> Iterator[tuple[Any, int]]:
    """Yield the frames of the learner's own cells through which an exception went, with line numbers."""
    trace = fault.__traceback__
    while trace is not None:
        if re.match(r"<ipython-input-|<cell ", trace.tb_frame.f_code.co_filename):
            yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
