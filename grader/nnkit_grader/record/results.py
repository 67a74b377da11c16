"""The result of grading one submission: plain data that is sent between processes, kept in the journal and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nnkit.language import ENGLISH

FORMAT = 5
"""Version of the JSON form and of the rule for points; a journal of another version is graded again."""


@dataclass
class CellResult:
    """One cell of a submission, after it was run."""

    id: str
    grade_id: str
    """nbgrader's id; "" for a cell that nbgrader does not know."""
    kind: str
    """given, answer, test, written, text or added."""
    cell_type: str
    source: str
    points: float = 0.0
    """Maximum points of a test cell."""
    score: float | None = None
    """Points that it gave; None for a cell that is not a test."""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    """Outputs in nbformat's form, bounded in size and made harmless."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """Verdicts of the checks that did not pass: `Verdict.to_dict`, with the text under "text"."""
    trouble: str = ""
    """The error that ended a test cell, if it was not a verdict; else `bad_value`."""
    bad_value: str = ""
    """A sentence on a test cell's value that is no number of points, so that it gave none."""
    seconds: float = 0.0
    execution_count: int | None = None

    def describe_loss(self) -> str:
        """Return why a test cell gave too few points, in a line without its full stop: its error, or a verdict's."""
        verdicts = (f"{one['subject']}: {one['headline']}".removeprefix(": ") for one in self.verdicts)
        return (self.trouble or next(verdicts, "")).strip().partition("\n")[0].rstrip(".: ")


@dataclass
class Result:
    """One submission, graded."""

    assignment: str
    digest: str
    """Digest of the submission."""
    tests: str
    """Digest of the assignment that graded it."""
    seed: int
    cells: tuple[CellResult, ...]
    events: tuple[str, ...] = ()
    """Sentences on what happened to the learner's process."""
    repairs: tuple[str, ...] = ()
    needs_review: tuple[str, ...] = ()
    """Reasons why a grader should look at it."""
    doubts: dict[str, str] = field(default_factory=dict)
    """Reasons why exercises may deserve more points than they got, by nbgrader's id of the graded cell."""
    seconds: float = 0.0
    refused: str = ""
    """Reason why it was not run."""
    language: str = ENGLISH
    """Code of the language of its sentences and verdicts."""
    format: int = FORMAT

    @property
    def score(self) -> float:
        """The sum of the points that the tests gave."""
        return sum(cell.score or 0.0 for cell in self.cells)

    def scores(self) -> dict[str, float]:
        """Return the points by test cell."""
        return {cell.grade_id: cell.score for cell in self.cells if cell.score is not None}

    def list_reasons(self) -> tuple[str, ...]:
        """Return the reasons for a review, each once; none for a submission that was not run."""
        return () if self.refused else tuple(dict.fromkeys([*self.needs_review, *self.doubts.values()]))

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data, without copying it (`asdict` copies, which takes milliseconds)."""
        return {**vars(self), "cells": [vars(cell) for cell in self.cells]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """Return the result that `to_json` wrote. Raises ValueError if it is of another format."""
        if data.get("format") != FORMAT or set(data) != {f.name for f in fields(cls)}:
            raise ValueError(f"This result is not of format {FORMAT}.")
        texts = {name: tuple(data[name]) for name in ("events", "repairs", "needs_review")}
        return cls(**{**data, **texts, "cells": tuple(CellResult(**cell) for cell in data["cells"])})
