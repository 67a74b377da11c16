"""The progress of a run over a class, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from nnkit_grader.record.score_changes import PenaltyChange, ScoreChange

if TYPE_CHECKING:
    from nnkit_grader.record.results import Result

T = TypeVar("T")


@dataclass
class RunSummary:
    """The progress of a run over a class, and how it ended."""

    total: int = 0
    graded: int = 0
    unchanged: int = 0
    """Submissions that were graded before, by the same tests."""
    refused: dict[str, str] = field(default_factory=dict)
    """Reasons why submissions were not run, by student."""
    needs_review: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Reasons why a grader should look at submissions, by student."""
    ungraded: dict[str, str] = field(default_factory=dict)
    """Reasons why submissions have no result, by student; never a learner's mistake."""
    bad_values: dict[str, list[str]] = field(default_factory=dict)
    """Sentences on values that are no numbers of points, one for each submission, by test: mistakes of the course."""
    score_changes: list[ScoreChange] = field(default_factory=list)
    penalty_changes: list[PenaltyChange] = field(default_factory=list)
    """Late penalties that changed without a grading."""
    unknown_times: dict[str, str] = field(default_factory=dict)
    """Sentences on times of submission that cannot be read, by student."""
    notebook: str = ""
    """The notebook's name without its ending."""
    unit: str = "submission"
    """The thing that is counted: a submission, or one of several notebooks in it."""
    sandbox: str = ""
    """Description of the sandbox that protected the machine."""
    seconds: float = 0.0
    tests: int = 0
    """Test cells of the submissions that were graded."""
    recalled: int = 0
    """Those of them that did not run, since equal replies had been judged before."""
    remembered_bytes: int = 0
    """Memory of the largest tree of conversations."""

    @property
    def done(self) -> int:
        """Number of submissions that need no more work in this run."""
        return self.graded + self.unchanged + len(self.ungraded)

    def collect_bad_values(self, result: Result) -> None:
        """Collect the sentences on a submission's bad values."""
        for cell in result.cells:
            if cell.bad_value:
                self.bad_values.setdefault(cell.grade_id, []).append(cell.bad_value)


def join_summaries(parts: Sequence[RunSummary]) -> RunSummary:
    """Return the summary of a run over several notebooks, in which a student stands with the notebook's name."""
    if len(parts) == 1:
        return parts[0]
    return RunSummary(
        sum(part.total for part in parts),
        sum(part.graded for part in parts),
        sum(part.unchanged for part in parts),
        _join_reasons(parts, [part.refused for part in parts]),
        _join_reasons(parts, [part.needs_review for part in parts]),
        _join_reasons(parts, [part.ungraded for part in parts]),
        _join_reasons(parts, [part.bad_values for part in parts]),
        [change for part in parts for change in part.score_changes],
        [change for part in parts for change in part.penalty_changes],
        {who: why for part in parts for who, why in part.unknown_times.items()},
        unit="notebook",
        sandbox=next((part.sandbox for part in parts if part.sandbox), ""),
        seconds=sum(part.seconds for part in parts),
        tests=sum(part.tests for part in parts),
        recalled=sum(part.recalled for part in parts),
        remembered_bytes=max(part.remembered_bytes for part in parts),
    )


def _join_reasons(parts: Sequence[RunSummary], reasons: Sequence[dict[str, T]]) -> dict[str, T]:
    return {f"{who} ({part.notebook})": why for part, found in zip(parts, reasons) for who, why in found.items()}
