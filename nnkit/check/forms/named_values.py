"""Values that a function knows by name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def list_named_values(function: Any) -> list[Any]:
    """Return what the names in a function stand for: global ones, and those of the functions around it. Nothing for
    code that is not written in Python."""
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    known = [function.__globals__.get(name) for name in code.co_names]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing has been assigned to it yet
            known.append(cell.cell_contents)
    return known
