"""The result writer: answer → notebook in autograded/ → journal → gradebook, the last in batches."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import cached_property
from typing import Any

from nnkit.atomic_files import remove_unfinished, replace_file
from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.paths import CoursePaths
from nnkit_grader.record.gradebook import CourseGradebook, GradebookUnavailable
from nnkit_grader.record.journal import Journal, JournalEntry
from nnkit_grader.record.results import Result
from nnkit_grader.record.save_grades import AssignmentGrades, Penalty, collect_scores
from nnkit_grader.record.score_changes import PenaltyChange

BATCH_RESULTS = 25
"""Results that fill a transaction."""
MAX_PENDING_SECONDS = 2.0
"""Time after which results are recorded even if they do not fill a transaction."""


class ResultWriter:
    """Writes the results of one assignment.

    The gradebook is left alone until `registration` (of the assignment, in another thread) is done. `penalty` is
    nbgrader's plug-in for late submissions.
    """

    def __init__(
        self,
        assignment: Assignment,
        paths: CoursePaths,
        journal: Journal,
        gradebook: CourseGradebook,
        registration: Future[bool],
        penalty: Penalty | None = None,
    ):
        self.assignment, self.paths, self.journal = assignment, paths, journal
        self.gradebook, self.registration, self.penalty = gradebook, registration, penalty
        self.pending: list[JournalEntry] = []
        """Entries of the journal that are not yet in the gradebook."""
        self.pending_since = 0.0
        self.unavailable: GradebookUnavailable | None = None

    @cached_property
    def _recorded_scores(self) -> dict[str, dict[str, float | None]]:
        """The gradebook's scores before this run, by student and cell."""
        self.registration.result()
        return self.gradebook.run_transaction(lambda session: AssignmentGrades(session, self.assignment).read_scores())

    def accept(self, answer: Mapping[str, Any]) -> JournalEntry:
        """Write a worker's answer to disk and queue it for the gradebook. Raises OSError if the disk is full."""
        student, result = answer["student"], Result.from_json(answer["result"])
        folder = self.paths.autograded_folder(student)
        remove_unfinished(folder)
        files = {name: base64.b64decode(content) for name, content in answer["files"].items()}
        for name, content in {**files, **self.assignment.course_files}.items():
            replace_file(folder / name, content, self.paths.file_mode, lasting=False)
        replace_file(self._notebook_path(student), answer["notebook"], self.paths.file_mode)
        self.journal.log(student, _describe_result(result, answer["sandbox"]["kind"]))
        entry = self.journal.write_entry(student, result, answer["timestamp"])
        self.queue(entry)
        return entry

    def queue(self, entry: JournalEntry) -> None:
        """Queue an entry of the journal for the gradebook."""
        self.pending_since = self.pending_since if self.pending else time.monotonic()
        self.pending.append(entry)

    def queue_unrecorded(self) -> None:
        """Queue the entries that an interrupted run has written to the journal but not to the gradebook."""
        for entry in self.journal.read_entries():
            if entry.result.tests == self.assignment.digest and not self.journal.is_recorded(entry):
                self.queue(entry)

    def find_current(self, student: str, seed: int) -> JournalEntry | None:
        """Return a student's entry if the same tests gave it, with a seed that counts, and its notebook exists."""
        entry, seeds = self.journal.read_entry(student), {seed, *self.journal.earlier_seeds}
        if entry is None or entry.result.tests != self.assignment.digest or entry.result.seed not in seeds:
            return None
        return entry if self._notebook_path(student).exists() else None

    def is_recorded(self, entry: JournalEntry) -> bool:
        """Return whether this gradebook has an entry already: it took the entry, and its scores are the same."""
        scores = self._recorded_scores.get(entry.student, {})
        return self.journal.is_recorded(entry) and collect_scores(entry, self.assignment).items() <= scores.items()

    def flush(self, all: bool = False) -> None:
        """Record the pending entries if they are enough or old enough, or if `all` is set.

        A gradebook that was unavailable once is not tried again: the journal has the results.
        """
        due = self.registration.done() and (
            len(self.pending) >= BATCH_RESULTS or time.monotonic() - self.pending_since > MAX_PENDING_SECONDS
        )
        if not self.pending or not (due or all) or self.unavailable:
            return
        entries = list({entry.student: entry for entry in self.pending}.values())
        try:
            self.registration.result()
            self.gradebook.run_transaction(
                lambda session: AssignmentGrades(session, self.assignment).save(entries, self.penalty)
            )
        except GradebookUnavailable as fault:
            self.unavailable = fault
            return
        self.journal.mark_recorded(entries)
        self.pending.clear()

    def update_times(self, times: Mapping[str, str | None]) -> list[PenaltyChange]:
        """Record the times of submissions that were not graded in this run, and return the late penalties that changed.

        Raises GradebookUnavailable.
        """
        self.registration.result()
        return self.gradebook.run_transaction(
            lambda session: AssignmentGrades(session, self.assignment).update_times(times, self.penalty)
        )

    def _notebook_path(self, student: str) -> Any:
        return self.paths.autograded_folder(student) / f"{self.assignment.notebook}.ipynb"


def _describe_result(result: Result, kind: str) -> Iterator[str]:
    """Yield the lines of a submission's log on its result."""
    yield f"graded in {result.seconds:.2f} s (sandbox: {kind}, seed {result.seed}, submission {result.digest[:12]})"
    for head, sentences in (
        ("refused", (result.refused,) if result.refused else ()),
        ("put right", result.repairs),
        ("happened", result.events),
        ("needs review", result.list_reasons()),
    ):
        yield from (f"{head}: {sentence}" for sentence in sentences)
    for cell in result.cells:
        if cell.score is not None:
            yield f"{cell.grade_id}: {cell.score:g} of {cell.points:g}"
