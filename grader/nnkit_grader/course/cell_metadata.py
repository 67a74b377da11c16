"""nbgrader's metadata of a cell, checked by nbgrader's own rules, with sentences that an author can act on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nnkit.check.notebook.cells import NotebookCell

SCHEMA_VERSION = 3
"""The version of nbgrader's metadata that nbgrader itself grades."""
FLAGS = ("grade", "solution", "locked")
"""Keys that must be there, true or false."""
KEYS = {*FLAGS, "task", "schema_version", "grade_id", "points", "checksum", "cell_type"}
GRADE_ID = re.compile(r"[A-Za-z0-9_-]+")
REMEDY = "Mark the cell again (Create Assignment, in JupyterLab's right sidebar)"


def require_valid_metadata(cell: NotebookCell, number: int, path: object) -> None:
    """Raise ValueError, with the file, the cell and what to do, for metadata that nbgrader would refuse.

    `number` is the cell's place in the notebook, from 1.
    """
    mark = cell.mark
    version = mark.get("schema_version", 0)
    if mark and version != SCHEMA_VERSION:
        if isinstance(version, int | float) and version > SCHEMA_VERSION:
            raise ValueError(
                f"{path} was made for a newer nbgrader: nnkit knows metadata up to version {SCHEMA_VERSION}."
            )
        raise ValueError(f"{path} was made for an old nbgrader: run `nbgrader update {path}` once.")
    if any(mark.get(flag) for flag in (*FLAGS, "task")) and not cell.id:
        raise ValueError(f"{path}: {cell.name} is marked for nbgrader, but has no id.")
    for fault in _find_faults(cell.kind, mark) if mark else ():
        raise ValueError(f"{path}, cell {cell.id or number}: {fault}.")


def read_points(mark: Mapping[str, Any]) -> float:
    """Return the points of a cell whose metadata is valid."""
    return float(mark.get("points") or 0.0) if mark.get("grade") or mark.get("task") else 0.0


def _find_faults(cell_type: str, mark: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a cell, as sentences without their full stop."""
    for flag in FLAGS:
        if flag not in mark:
            yield f"its nbgrader metadata does not say {flag!r}. {REMEDY}"
    for flag in (*FLAGS, "task"):
        if not isinstance(mark.get(flag, False), bool):
            yield f"{flag!r} is {mark[flag]!r} in its nbgrader metadata, and must be true or false. {REMEDY}"
    name = mark.get("grade_id", "")
    if not isinstance(name, str) or (name and not GRADE_ID.fullmatch(name)):
        yield f"its id {name!r} must consist of letters, digits, '_' and '-'. Give it another"
    yield from _find_wrong_points(mark)
    if mark.get("task"):
        if cell_type != "markdown":
            yield "a task must be a text cell. Make it one, or mark it as an answer"
    elif cell_type == "markdown" and bool(mark.get("grade")) != bool(mark.get("solution")):
        is_graded = mark.get("grade")
        yield f"it is a text cell and {'graded' if is_graded else 'an answer'}: mark it as a manually graded answer"
    if unknown := sorted(set(mark) - KEYS):
        yield f"nbgrader does not know {', '.join(map(repr, unknown))} in its metadata. Delete it there"


def _find_wrong_points(mark: Mapping[str, Any]) -> Iterator[str]:
    if "points" not in mark:
        if mark.get("grade") or mark.get("task"):
            yield "it is graded, but has no points. Give it points (Create Assignment), or 0"
        return
    points = mark["points"]
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 <= points < math.inf:
        yield f"its points are {points!r}, and must be a number of at least 0. Correct them (Create Assignment)"
