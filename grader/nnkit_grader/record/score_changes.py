"""Whose score moved when a submission was graded again, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnkit_grader.record.results import CellResult, Result


@dataclass(frozen=True)
class Move:
    student: str
    before: float
    after: float
    cells: tuple[str, ...]
    """A line for each test cell whose score moved."""
    cause: str
    """What else has changed since."""

    def __str__(self) -> str:
        return "\n".join([f"{self.student}: {self.before:g} → {self.after:g} ({self.cause})", *self.cells])


def move(student: str, old: Result, new: Result) -> Move | None:
    """How a score moved; None where no cell's did."""
    cells = tuple(_cells(old, new))
    return Move(student, old.score, new.score, cells, _cause(old, new)) if cells else None


def _cells(old: Result, new: Result) -> Iterator[str]:
    before, after = _tests(old), _tests(new)
    for name in sorted({**before, **after}):
        was, now = before.get(name), after.get(name)
        if (was and was.score) != (now and now.score):
            yield f"  {name}: {_score(was)} → {_score(now)}{_why(was, now)}"


def _tests(result: Result) -> dict[str, CellResult]:
    return {cell.grade_id: cell for cell in result.cells if cell.score is not None}


def _score(cell: CellResult | None) -> str:
    return "no such test" if cell is None or cell.score is None else f"{cell.score:g}"


def _why(was: CellResult | None, now: CellResult | None) -> str:
    """What the new verdict says; where there is none any more, what the old one said."""
    if now is not None and (said := fault(now)):
        return f", {said}"
    return f", no longer: {said}" if was is not None and now is not None and (said := fault(was)) else ""


def fault(cell: CellResult) -> str:
    """The first line on why a test cell did not give all its points; "" where nothing says so."""
    told = [str(verdict.get("headline") or verdict.get("text") or "") for verdict in cell.verdicts]
    lines = [text.strip().splitlines()[0] for text in [*told, cell.trouble] if text.strip()]
    return lines[0] if lines else ""


def _cause(old: Result, new: Result) -> str:
    changed = [
        what
        for what, differs in (
            ("another submission", old.digest != new.digest),
            ("the tests have changed", old.tests != new.tests),
            ("other random numbers", old.seed != new.seed),
            ("not run this time", bool(new.refused and not old.refused)),
        )
        if differs
    ]
    return ", ".join(changed) or "nothing has changed"
