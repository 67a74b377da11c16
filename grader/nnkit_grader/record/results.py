"""What grading one submission gave: plain data, which is sent, kept in the journal and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

FORMAT = 1
"""Of the JSON form; a journal of another format is graded again."""


@dataclass
class CellResult:
    """One cell of a submission, after it was run."""

    id: str
    grade_id: str
    """nbgrader's; "" for a cell that is not nbgrader's."""
    kind: str
    """given, answer, test, written, text or added."""
    cell_type: str
    source: str
    points: float = 0.0
    """The most that a test cell gives."""
    score: float | None = None
    """What it gave; None for a cell that is not a test."""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    """nbformat's, bounded and harmless."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """Of the checks that did not pass: `Verdict.to_dict`, and the text under "text"."""
    trouble: str = ""
    """What ended a test cell, where no verdict did."""
    seconds: float = 0.0
    execution_count: int | None = None


@dataclass
class Result:
    """One submission, graded."""

    assignment: str
    digest: str
    """Of what was submitted."""
    tests: str
    """Of the assignment that graded it."""
    seed: int
    cells: tuple[CellResult, ...]
    events: tuple[str, ...] = ()
    """Sentences on what happened to the learner's process."""
    repairs: tuple[str, ...] = ()
    human: tuple[str, ...] = ()
    """Why somebody should look at it."""
    seconds: float = 0.0
    refused: str = ""
    """Why it was not run."""
    format: int = FORMAT

    @property
    def score(self) -> float:
        return sum(cell.score or 0.0 for cell in self.cells)

    def scores(self) -> dict[str, float]:
        """Test cell → points."""
        return {cell.grade_id: cell.score for cell in self.cells if cell.score is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain data, not copied (`asdict` copies, for milliseconds)."""
        return {**vars(self), "cells": [vars(cell) for cell in self.cells]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """The result that `to_json` wrote. Raises ValueError for one of another format."""
        if data.get("format") != FORMAT or set(data) != {f.name for f in fields(cls)}:
            raise ValueError(f"This result is not of format {FORMAT}.")
        texts = {name: tuple(data[name]) for name in ("events", "repairs", "human")}
        return cls(**{**data, **texts, "cells": tuple(CellResult(**cell) for cell in data["cells"])})
