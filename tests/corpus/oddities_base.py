"""Honest submissions that are odd: each a solved notebook, and what an editor, a learner or a mail program did to it.

A kind of oddity is a function of a solved `Notebook`, and of a variant; what it returns is handed in. `FULL` says that
all points are due, `REVIEW` that each exercise has its points or waits for a grader.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nnkit_grader.course.assignment import Assignment, CourseCell

FULL, REVIEW = "full", "review"
Cell = dict[str, Any]
Files = dict[str, bytes]


@dataclass
class Notebook:
    """A solved notebook, as JSON, and the course's cells in it by nbgrader's id."""

    name: str
    cells: list[Cell]
    course: dict[str, CourseCell]
    top: dict[str, Any] = field(default_factory=lambda: {"metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    def list(self, *kinds: str) -> list[Cell]:
        """Return the course's cells of these kinds."""
        ids = {cell.id for cell in self.course.values() if cell.kind in kinds}
        return [cell for cell in self.cells if cell.get("id") in ids]

    def blank(self, cell: Cell) -> str:
        """Return the text of a cell as it was released."""
        return self.course[cell["id"]].released

    def insert(self, beside: Cell, source: str, kind: str = "code", below: bool = True, **more: Any) -> Cell:
        """Add a cell below another, or above it."""
        added = {"cell_type": kind, "id": f"mine-{len(self.cells)}", "metadata": {}, "source": source, **more}
        self.cells.insert(self.cells.index(beside) + below, added)
        return added

    def to_bytes(self) -> bytes:
        whole = {"cells": self.cells, **self.top}
        return json.dumps(
            {name: part for name, part in whole.items() if part is not None}, indent=1, ensure_ascii=False
        ).encode()


@dataclass(frozen=True)
class Oddity:
    """One odd submission."""

    name: str
    due: str
    files: Files


KINDS: list[tuple[Callable[..., Any], str, tuple[Any, ...]]] = []


def odd(due: str, *variants: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a kind of oddity that is made once for each variant."""

    def add(kind: Callable[..., Any]) -> Callable[..., Any]:
        KINDS.append((kind, due, variants or ((),)))
        return kind

    return add


def solve(assignment: Assignment) -> Notebook:
    """Return the notebook that the course's own answers make, with nbgrader's metadata."""
    cells = []
    for own in assignment.cells:
        answered = own.kind in ("answer", "written")
        mark = {"metadata": {"nbgrader": dict(own.metadata)} if own.metadata else {}}
        lines = own.source.splitlines(keepends=True) if answered else own.released.splitlines(keepends=True)
        kept = [line for line in lines if "# BEGIN SOLUTION" not in line and "# END SOLUTION" not in line]
        extra = {"outputs": [], "execution_count": None} if own.cell_type == "code" else {}
        cells.append({"cell_type": own.cell_type, "id": own.id, **mark, "source": "".join(kept), **extra})
    return Notebook(assignment.notebook, cells, {cell.id: cell for cell in assignment.cells})
