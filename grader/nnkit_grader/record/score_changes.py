"""Score changes: whose score changed when a submission was graded again, or its late penalty, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnkit_grader.record.results import CellResult, Result


@dataclass(frozen=True)
class ScoreChange:
    """The change of one student's score."""

    student: str
    before: float
    after: float
    cells: tuple[str, ...]
    """A line for each test cell whose score changed."""
    cause: str
    """Other changes since the last grading."""

    def __str__(self) -> str:
        return "\n".join([f"{self.student}: {self.before:g} → {self.after:g} ({self.cause})", *self.cells])


@dataclass(frozen=True)
class PenaltyChange:
    """The change of one student's late penalty."""

    student: str
    before: float
    after: float
    seconds_late: float

    def __str__(self) -> str:
        late = f"{self.seconds_late / 3600:.1f} h late" if self.seconds_late > 0 else "not late"
        return f"{self.student}: {self.before:g} → {self.after:g} points off ({late})"


def compare_results(student: str, old: Result, new: Result) -> ScoreChange | None:
    """Return how a student's score changed; None if no cell's score did."""
    cells = tuple(_describe_cells(old, new))
    return ScoreChange(student, old.score, new.score, cells, _describe_cause(old, new)) if cells else None


def _describe_cells(old: Result, new: Result) -> Iterator[str]:
    before, after = _test_cells(old), _test_cells(new)
    for name in sorted({**before, **after}):
        was, now = before.get(name), after.get(name)
        if (was and was.score) != (now and now.score):
            yield f"  {name}: {_format_score(was)} → {_format_score(now)}{_describe_reason(was, now)}"


def _test_cells(result: Result) -> dict[str, CellResult]:
    return {cell.grade_id: cell for cell in result.cells if cell.score is not None}


def _format_score(cell: CellResult | None) -> str:
    return "no such test" if cell is None or cell.score is None else f"{cell.score:g}"


def _describe_reason(was: CellResult | None, now: CellResult | None) -> str:
    """Return what the new verdict says; if there is none any more, what the old one said."""
    if now is not None and (fault := describe_fault(now)):
        return f", {fault}"
    return f", no longer: {fault}" if was is not None and now is not None and (fault := describe_fault(was)) else ""


def describe_fault(cell: CellResult) -> str:
    """Return the first line on why a test cell did not give all its points; "" if nothing says why."""
    texts = [str(verdict.get("headline") or verdict.get("text") or "") for verdict in cell.verdicts]
    lines = [text.strip().splitlines()[0] for text in [*texts, cell.trouble] if text.strip()]
    return lines[0] if lines else ""


def _describe_cause(old: Result, new: Result) -> str:
    changed = [
        cause
        for cause, differs in (
            ("another submission", old.digest != new.digest),
            ("the tests have changed", old.tests != new.tests),
            ("other random numbers", old.seed != new.seed),
            ("not run this time", bool(new.refused and not old.refused)),
        )
        if differs
    ]
    return ", ".join(changed) or "nothing has changed"
