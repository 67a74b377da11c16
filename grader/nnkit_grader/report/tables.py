"""The report as CSV files, one table each, for spreadsheets and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from nnkit.text import join_lines
from nnkit_grader.report import statistics
from nnkit_grader.report.collect import STATES, ClassResults
from nnkit_grader.report.flags import Flag
from nnkit_grader.report.similarity import SimilarPair

Value = str | float | int | None
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of cells that a spreadsheet would take for a formula."""


def make_csv_files(results: ClassResults, findings: Sequence[Flag], pairs: Sequence[SimilarPair]) -> dict[str, bytes]:
    """Return file name → content."""
    return {
        "scores.csv": _format_csv(_list_scores(results)),
        "exercises.csv": _format_csv(_list_exercises(results)),
        "mistakes.csv": _format_csv(_list_mistakes(results)),
        "look.csv": _format_csv(_list_flags(findings)),
        "alike.csv": _format_csv(_list_pairs(pairs)),
    }


def _list_scores(results: ClassResults) -> Iterable[Sequence[Value]]:
    """Yield a row per student; points that are still to be given are blank."""
    yield ["student", *(exercise.id for exercise in results.exercises), "penalty", "total", "most", "refused"]
    for row in results.rows:
        scores = [row.scores[exercise.id] for exercise in results.exercises]
        yield [row.student, *scores, row.penalty, row.total, results.max_points, row.result.refused]


def _list_exercises(results: ClassResults) -> Iterable[Sequence[Value]]:
    yield ["exercise", "title", "points", "mean", "share", *STATES]
    for one in statistics.rank_exercises(results):
        share = None if one.share is None else round(one.share, 4)
        mean = None if one.mean is None else round(one.mean, 4)
        yield [one.exercise.id, one.exercise.title, one.exercise.points, mean, share, *one.counts.values()]


def _list_mistakes(results: ClassResults) -> Iterable[Sequence[Value]]:
    yield ["exercise", "title", "mistake", "what", "submissions", "of", "students"]
    for made in statistics.count_mistakes(results):
        students = " ".join(row.student for row in made.rows)
        exercise, counted = made.exercise, (len(made.rows), len(results.ran))
        yield [exercise.id, exercise.title, made.id or "unnamed", made.title, *counted, students]


def _list_flags(findings: Sequence[Flag]) -> Iterable[Sequence[Value]]:
    yield ["student", "why", "what", "other students"]
    for finding in findings:
        other = " ".join(row.student for row in finding.others)
        yield from ([finding.row.student, finding.kind, sentence, other] for sentence in finding.sentences)


def _list_pairs(pairs: Sequence[SimilarPair]) -> Iterable[Sequence[Value]]:
    yield ["student", "other student", "same answers", "of", "share", "rare", "bits", "same file"]
    for pair in pairs:
        numbers = (len(pair.same), pair.answered, round(pair.share, 4))
        same_file = "yes" if pair.same_file else "no"
        yield [pair.one.student, pair.other.student, *numbers, " ".join(pair.rare), round(pair.bits, 1), same_file]


def _format_csv(rows: Iterable[Sequence[Value]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_clean_value(value) for value in row] for row in rows)
    return text.getvalue().encode(errors="replace")


def _clean_value(value: Value) -> Value:
    """Return text on one line that no spreadsheet takes for a formula; numbers as they are."""
    if not isinstance(value, str):
        return value
    text = join_lines(value)
    return f"'{text}" if value.startswith(FORMULA_STARTS) or text.startswith(FORMULA_STARTS) else text
