"""Submissions that somebody should look at, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nnkit_grader.record.score_changes import describe_fault
from nnkit_grader.report.collect import Exercise, Gathered, Row
from nnkit_grader.report.finite_differences import measures_slopes
from nnkit_grader.report.similarity import Pair
from nnkit_grader.report.statistics import is_error

KINDS = {
    "not run": "Not run",
    "stopped": "Stopped, or took too long",
    "forged": "Forged metadata",
    "numerical": "Numerical instead of analytic derivatives",
    "alike": "Identical answers, up to renaming",
    "put right": "Put right before it was run",
}
"""Why somebody should look, the most urgent first; the last is for information."""
MEASURED = "numerical-derivative"
"""The catalogue's id."""


@dataclass(frozen=True)
class Finding:
    row: Row
    kind: str
    """One of KINDS."""
    sentences: tuple[str, ...]
    others: tuple[Row, ...] = ()
    """Whom it is like."""


def findings(gathered: Gathered, pairs: Sequence[Pair]) -> list[Finding]:
    """By kind, then by student."""
    found = []
    for row in gathered.rows:
        result = row.result
        told = {
            "not run": [result.refused] if result.refused else [],
            "stopped": list(_stopped(gathered, row)),
            "forged": list(result.needs_review),
            "numerical": list(_numerical(gathered, row)),
            "put right": list(result.repairs),
        }
        found += [Finding(row, kind, tuple(sentences)) for kind, sentences in told.items() if sentences]
    found += _alike(gathered, pairs)
    return sorted(found, key=lambda finding: list(KINDS).index(finding.kind))


def students(findings: Iterable[Finding]) -> set[str]:
    """Whom somebody should look at."""
    urgent = [finding for finding in findings if finding.kind != "put right"]
    return {row.student for finding in urgent for row in (finding.row, *finding.others)}


def _stopped(gathered: Gathered, row: Row) -> Iterator[str]:
    """What happened to the process, and the exercises that lost points by an error."""
    if not row.result.events:
        return
    yield from row.result.events
    for exercise in gathered.exercises:
        cell = row.cell(exercise.id)
        if cell is not None and cell.score is not None and cell.score < cell.points and is_error(cell):
            yield f"{exercise.title}: {describe_fault(cell)}"


def _numerical(gathered: Gathered, row: Row) -> Iterator[str]:
    """By what the checks measured, and by what the source looks like where the course's own does not."""
    for exercise in gathered.exercises:
        cell = row.cell(exercise.id)
        if cell and any(MEASURED in verdict["mistakes"] for verdict in cell.verdicts):
            yield f"{exercise.title}: the check found that it measures slopes with small steps."
        elif any(_looks_numerical(gathered, row, id) for id in exercise.answers):
            points = _points(row, exercise)
            yield f"{exercise.title}: a difference quotient stands in the answer, which {points}."


def _looks_numerical(gathered: Gathered, row: Row, id: str) -> bool:
    own = gathered.assignment.cell(id)
    answer = gathered.own_answer(row, id) if own.cell_type == "code" else ""
    return bool(answer) and measures_slopes(answer) and not measures_slopes(own.source)


def _points(row: Row, exercise: Exercise) -> str:
    score = row.scores[exercise.id]
    return "waits for points" if score is None else f"got {score:g} of {exercise.points:g}"


def _alike(gathered: Gathered, pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Those with the same file together, then pair by pair."""
    titles = {id: exercise.number for exercise in gathered.exercises for id in exercise.answers}
    files: dict[str, dict[str, Row]] = {}
    for pair in pairs:
        if pair.same_file:
            same = files.setdefault(pair.one.result.digest, {})
            same |= {row.student: row for row in (pair.one, pair.other)}
    for same in files.values():
        first, *others = same.values()
        yield Finding(first, "alike", ("The files are the same, byte by byte.",), tuple(others))
    for pair in pairs:
        if not pair.same_file:
            yield Finding(pair.one, "alike", (_told_pair(pair, titles),), (pair.other,))


def _told_pair(pair: Pair, titles: dict[str, str]) -> str:
    rare = ", ".join(titles.get(cell, cell) for cell in pair.rare)
    return (
        f"{len(pair.same)} of the {pair.answered} answers that both gave at length are the same ({pair.share:.0%}); "
        f"seldom in this class: {rare}."
    )
