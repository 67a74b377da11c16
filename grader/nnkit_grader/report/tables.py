"""The report as CSV files: one table a file, for spreadsheets and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from nnkit.check.verdict import one_line
from nnkit_grader.report import statistics
from nnkit_grader.report.collect import STATES, Gathered
from nnkit_grader.report.flags import Finding
from nnkit_grader.report.similarity import Pair

Value = str | float | int | None
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How cells begin that a spreadsheet would compute."""


def files(gathered: Gathered, findings: Sequence[Finding], pairs: Sequence[Pair]) -> dict[str, bytes]:
    """File name → content."""
    return {
        "scores.csv": _csv(_scores(gathered)),
        "exercises.csv": _csv(_exercises(gathered)),
        "mistakes.csv": _csv(_mistakes(gathered)),
        "look.csv": _csv(_look(findings)),
        "alike.csv": _csv(_alike(pairs)),
    }


def _scores(gathered: Gathered) -> Iterable[Sequence[Value]]:
    """A row a student; blank where points are still to be given."""
    yield ["student", *(exercise.id for exercise in gathered.exercises), "penalty", "total", "most", "refused"]
    for row in gathered.rows:
        scores = [row.scores[exercise.id] for exercise in gathered.exercises]
        yield [row.student, *scores, row.penalty, row.total, gathered.most, row.result.refused]


def _exercises(gathered: Gathered) -> Iterable[Sequence[Value]]:
    yield ["exercise", "title", "points", "mean", "share", *STATES]
    for one in statistics.difficulties(gathered):
        share = None if one.share is None else round(one.share, 4)
        mean = None if one.mean is None else round(one.mean, 4)
        yield [one.exercise.id, one.exercise.title, one.exercise.points, mean, share, *one.counts.values()]


def _mistakes(gathered: Gathered) -> Iterable[Sequence[Value]]:
    yield ["exercise", "title", "mistake", "what", "submissions", "of", "students"]
    for made in statistics.mistakes(gathered):
        students = " ".join(row.student for row in made.rows)
        exercise, counted = made.exercise, (len(made.rows), len(gathered.ran))
        yield [exercise.id, exercise.title, made.id or "unnamed", made.title, *counted, students]


def _look(findings: Sequence[Finding]) -> Iterable[Sequence[Value]]:
    yield ["student", "why", "what", "other students"]
    for finding in findings:
        other = " ".join(row.student for row in finding.others)
        yield from ([finding.row.student, finding.kind, sentence, other] for sentence in finding.sentences)


def _alike(pairs: Sequence[Pair]) -> Iterable[Sequence[Value]]:
    yield ["student", "other student", "same answers", "of", "share", "seldom", "bits", "same file"]
    for pair in pairs:
        numbers = (len(pair.same), pair.answered, round(pair.share, 4))
        same_file = "yes" if pair.same_file else "no"
        yield [pair.one.student, pair.other.student, *numbers, " ".join(pair.rare), round(pair.bits, 1), same_file]


def _csv(rows: Iterable[Sequence[Value]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue().encode(errors="replace")


def _harmless(value: Value) -> Value:
    """Text in one line that no spreadsheet takes for a formula; numbers as they are."""
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if value.startswith(FORMULA) or text.startswith(FORMULA) else text
