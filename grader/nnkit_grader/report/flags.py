"""Flags: submissions that a grader should review, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnkit.language import say, to_say
from nnkit.text import join_words
from nnkit_grader.record.score_changes import describe_fault
from nnkit_grader.report.collect import ClassResults, Exercise, SubmissionResults
from nnkit_grader.report.shortcuts import ShortcutFinder, say_shortcut
from nnkit_grader.report.similarity import SimilarPair, SolutionCopy, find_solution_copies
from nnkit_grader.report.statistics import is_error

FLAG_TITLES = {
    "not run": to_say("Not run"),
    "stopped": to_say("Stopped, or took too long"),
    "doubts": to_say("Answers that may stand elsewhere"),
    "forged": to_say("Forged metadata"),
    "numerical": to_say("Derivatives by differences or by a library"),
    "alike": to_say("Identical answers, up to renaming"),
    "solution": to_say("Answers like the course's own solution"),
    "put right": to_say("Repaired before it was run"),
}
"""Kinds of flags, the most urgent first; the last is for information."""
NUMERICAL_MISTAKE = "numerical-derivative"
"""Id of the mistake in the catalogue."""


@dataclass(frozen=True)
class Flag:
    """One reason to review a submission."""

    row: SubmissionResults
    kind: str
    """One of FLAG_TITLES."""
    sentences: tuple[str, ...]
    others: tuple[SubmissionResults, ...] = ()
    """The submissions that are similar to it."""


def find_flags(results: ClassResults, pairs: Sequence[SimilarPair]) -> list[Flag]:
    """Return the flags of a class, by kind, then by student."""
    found = []
    finder = ShortcutFinder(results)
    for row in results.rows:
        result = row.result
        sentences_by_kind = {
            "not run": [result.refused] if result.refused else [],
            "stopped": list(_describe_stop(results, row)),
            "doubts": [] if result.refused else list(dict.fromkeys(result.doubts.values())),
            "forged": list(result.needs_review),
            "numerical": list(_describe_numerical(results, row, finder.find_shortcuts(row))),
            "put right": list(result.repairs),
        }
        found += [Flag(row, kind, tuple(sentences)) for kind, sentences in sentences_by_kind.items() if sentences]
    found += _flag_similar(results, pairs)
    found += [Flag(copy.row, "solution", (_describe_copy(results, copy),)) for copy in find_solution_copies(results)]
    return sorted(found, key=lambda finding: list(FLAG_TITLES).index(finding.kind))


def list_flagged(findings: Iterable[Flag]) -> set[str]:
    """Return the students whose submissions need review."""
    urgent = [finding for finding in findings if finding.kind != "put right"]
    return {row.student for finding in urgent for row in (finding.row, *finding.others)}


def _describe_stop(results: ClassResults, row: SubmissionResults) -> Iterator[str]:
    """Yield what happened to the process, and the exercises that lost points by an error."""
    if not row.result.events:
        return
    yield from row.result.events
    for exercise in results.exercises:
        cell = row.find_cell(exercise.id)
        if cell is not None and cell.score is not None and cell.score < cell.points and is_error(cell):
            yield f"{exercise.title}: {describe_fault(cell)}"


def _describe_numerical(
    results: ClassResults, row: SubmissionResults, shortcuts: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield exercises with derivatives that are not the learner's own, by a check's verdict or by the source."""
    for exercise in results.exercises:
        cell = row.find_cell(exercise.id)
        if cell and any(NUMERICAL_MISTAKE in verdict["mistakes"] for verdict in cell.verdicts):
            yield say("{exercise}: the check found that it uses finite differences.", exercise=exercise.title)
        elif phrases := shortcuts.get(exercise.id):
            yield say(
                "{exercise}: the answer {shortcuts}, and {points}.",
                exercise=exercise.title,
                shortcuts=join_words([say_shortcut(phrase) for phrase in phrases]),
                points=_describe_points(row, exercise),
            )


def _describe_points(row: SubmissionResults, exercise: Exercise) -> str:
    score = row.scores[exercise.id]
    if score is None:
        return say("waits for points")
    return say("got {score:g} of {most:g} points", score=score, most=exercise.points)


def _flag_similar(results: ClassResults, pairs: Sequence[SimilarPair]) -> Iterator[Flag]:
    """Yield one flag for all that share a file, then one for each other pair."""
    titles = {id: exercise.number for exercise in results.exercises for id in exercise.answers}
    files: dict[str, dict[str, SubmissionResults]] = {}
    for pair in pairs:
        if pair.same_file:
            same = files.setdefault(pair.one.result.digest, {})
            same |= {row.student: row for row in (pair.one, pair.other)}
    for same in files.values():
        first, *others = same.values()
        yield Flag(first, "alike", (say("The files are the same, byte by byte."),), tuple(others))
    for pair in pairs:
        if not pair.same_file:
            yield Flag(pair.one, "alike", (_describe_pair(pair, titles),), (pair.other,))


def _describe_copy(results: ClassResults, copy: SolutionCopy) -> str:
    numbers = {id: exercise.number for exercise in results.exercises for id in exercise.answers}
    named = ", ".join(numbers.get(cell, cell) for cell in copy.cells)
    return say(
        "Equal to the course's solution up to renaming, and rare in this class: {exercises} "
        "(of {number} longer answers).",
        exercises=named,
        number=copy.answered,
    )


def _describe_pair(pair: SimilarPair, titles: dict[str, str]) -> str:
    rare = ", ".join(titles.get(cell, cell) for cell in pair.rare)
    return say(
        "{same} of the {answered} longer answers that both gave are the same ({share:.0%}); "
        "rare in this class: {rare}.",
        same=len(pair.same),
        answered=pair.answered,
        share=pair.share,
        rare=rare,
    )
