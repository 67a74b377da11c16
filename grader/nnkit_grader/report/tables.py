"""The report as CSV files, one table each, for spreadsheets and programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from nnkit.text import join_lines
from nnkit_grader.report import statistics
from nnkit_grader.report.collect import STATES, ClassResults, SubmissionResults
from nnkit_grader.report.flags import Flag
from nnkit_grader.report.similarity import SimilarPair

Value = str | float | int | None
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""Beginnings of cells that a spreadsheet would take for a formula."""
FORMULA_IN_TEXT = re.compile("(; ?)(?=[-=+@＝＋－＠])")
"""A semicolon that may end a cell, before a beginning of a formula."""


def make_csv_files(
    results: ClassResults,
    findings: Sequence[Flag],
    pairs: Sequence[SimilarPair],
    before: ClassResults | None = None,
) -> dict[str, bytes]:
    """Return file name → content; `before` are another year's results."""
    return {
        "scores.csv": format_csv(_list_scores(results)),
        "exercises.csv": format_csv(_list_exercises(results, before)),
        "mistakes.csv": format_csv(_list_mistakes(results)),
        "look.csv": format_csv(_list_flags(findings)),
        "alike.csv": format_csv(_list_pairs(pairs)),
    }


def _list_scores(results: ClassResults) -> Iterable[Sequence[Value]]:
    """Yield a row per student; points that are still to be given are blank."""
    head = ["student", *(exercise.id for exercise in results.exercises), "penalty", "total", "most", "refused"]
    head += ["name", "section", "hours late"]
    yield head
    for row in results.rows:
        scores = [row.scores[exercise.id] for exercise in results.exercises]
        more: list[Value] = [row.member.name, row.member.section, round(row.seconds_late / 3600, 2)]
        yield [row.student, *scores, row.penalty, row.total, results.max_points, row.result.refused, *more]
    for student, member in results.absent.items():
        blank: list[Value] = [None] * (len(results.exercises) + 2)
        yield [student, *blank, results.max_points, "handed in nothing", member.name, member.section, None]


def _list_exercises(results: ClassResults, before: ClassResults | None) -> Iterable[Sequence[Value]]:
    earlier = statistics.find_earlier_shares(results, before) if before else {}
    last = ["share before"] if before else []
    yield ["exercise", "title", "points", "mean", "share", *STATES, "discrimination", "seconds", *last]
    for one in statistics.rank_exercises(results):
        share = None if one.share is None else round(one.share, 4)
        mean = None if one.mean is None else round(one.mean, 4)
        sharp = None if one.discrimination is None else round(one.discrimination, 4)
        row = [one.exercise.id, one.exercise.title, one.exercise.points, mean, share, *one.counts.values()]
        share_before = round(earlier[one.exercise.id], 4) if one.exercise.id in earlier else None
        yield [*row, sharp, round(one.seconds, 3), *([share_before] if before else [])]


def _list_mistakes(results: ClassResults) -> Iterable[Sequence[Value]]:
    yield ["exercise", "title", "mistake", "what", "submissions", "of", "students"]
    for made in statistics.count_mistakes(results):
        students = _list_students(made.rows)
        exercise, counted = made.exercise, (len(made.rows), len(results.ran))
        yield [exercise.id, exercise.title, made.id or "unnamed", made.title, *counted, students]


def _list_flags(findings: Sequence[Flag]) -> Iterable[Sequence[Value]]:
    yield ["student", "why", "what", "other students"]
    for finding in findings:
        other = _list_students(finding.others)
        yield from ([finding.row.student, finding.kind, sentence, other] for sentence in finding.sentences)


def _list_pairs(pairs: Sequence[SimilarPair]) -> Iterable[Sequence[Value]]:
    yield ["student", "other student", "same answers", "of", "share", "rare", "bits", "same file"]
    for pair in pairs:
        numbers = (len(pair.same), pair.answered, round(pair.share, 4))
        same_file = "yes" if pair.same_file else "no"
        yield [pair.one.student, pair.other.student, *numbers, " ".join(pair.rare), round(pair.bits, 1), same_file]


def _list_students(rows: Iterable[SubmissionResults]) -> str:
    """Return the students' ids, separated so that an id with blanks is not read as two."""
    return "; ".join(row.student for row in rows)


def format_csv(rows: Iterable[Sequence[Value]]) -> bytes:
    """Return rows as CSV, in which no cell is a formula; text is quoted, since some spreadsheets begin a new cell at
    each semicolon."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows(["" if value is None else _clean_value(value) for value in row] for row in rows)
    return text.getvalue().encode(errors="replace")


def _clean_value(value: Value) -> Value:
    """Return text on one line that no spreadsheet takes for a formula; numbers as they are."""
    if not isinstance(value, str):
        return value
    text = FORMULA_IN_TEXT.sub(r"\1'", join_lines(value))
    return f"'{text}" if value.startswith(FORMULA_STARTS) or text.startswith(FORMULA_STARTS) else text
