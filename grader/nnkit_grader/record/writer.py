"""The one writer: an answer → notebook in autograded/ → journal → gradebook, the last for many at a time."""

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
from nnkit_grader.record.gradebook import Book, BookUnavailable
from nnkit_grader.record.journal import Entry, Journal
from nnkit_grader.record.results import Result
from nnkit_grader.record.save_grades import Penalty, Record, auto_scores

BATCH = 25
"""Results in one transaction."""
LATEST = 2.0
"""Seconds after which a result is recorded, however few there are."""


class Keeper:
    """Keeps the results of one assignment. The gradebook is left alone until the assignment is `entered` into it;
    `penalty` is nbgrader's plug-in for late submissions."""

    def __init__(
        self,
        assignment: Assignment,
        rooms: CoursePaths,
        journal: Journal,
        book: Book,
        entered: Future[bool],
        penalty: Penalty | None = None,
    ):
        self.assignment, self.rooms, self.journal = assignment, rooms, journal
        self.book, self.entered, self.penalty = book, entered, penalty
        self.pending: list[Entry] = []
        """In the journal, and not yet in the gradebook."""
        self.since = 0.0
        self.unavailable: BookUnavailable | None = None

    @cached_property
    def _scores(self) -> dict[str, dict[str, float | None]]:
        """The gradebook's, before anything is graded."""
        self.entered.result()
        return self.book.transaction(lambda session: Record(session, self.assignment).scores())

    def accept(self, answer: Mapping[str, Any]) -> Entry:
        """Keep the answer of a worker, for good. Raises OSError where the disk is full."""
        student, result = answer["student"], Result.from_json(answer["result"])
        folder = self.rooms.autograded_folder(student)
        remove_unfinished(folder)
        for name, content in answer["files"].items():
            replace_file(folder / name, base64.b64decode(content), self.rooms.file_mode, lasting=False)
        replace_file(self._notebook(student), answer["notebook"], self.rooms.file_mode)
        self.journal.log(student, _told(result, answer["sandbox"]["kind"]))
        entry = self.journal.keep(student, result, answer["timestamp"])
        self.add(entry)
        return entry

    def add(self, entry: Entry) -> None:
        """Have an entry of the journal recorded."""
        self.since = self.since if self.pending else time.monotonic()
        self.pending.append(entry)

    def catch_up(self) -> None:
        """Have recorded what the journal holds and no gradebook took: one that was broken off in between."""
        for entry in self.journal.entries():
            if entry.result.tests == self.assignment.digest and not self.journal.is_recorded(entry):
                self.add(entry)

    def standing(self, student: str, seed: int) -> Entry | None:
        """The journal's entry that the same tests with the same numbers gave, and whose notebook is there."""
        entry = self.journal.entry(student)
        if entry is None or (entry.result.tests, entry.result.seed) != (self.assignment.digest, seed):
            return None
        return entry if self._notebook(student).exists() else None

    def is_recorded(self, entry: Entry) -> bool:
        """Whether this gradebook has an entry already: it took it, and its scores are these."""
        scores = self._scores.get(entry.student, {})
        return self.journal.is_recorded(entry) and auto_scores(entry, self.assignment).items() <= scores.items()

    def flush(self, all: bool = False) -> None:
        """Record what is pending, if it is enough, old enough, or `all`. A gradebook that is not to be had is tried no
        more: the journal holds the results."""
        due = self.entered.done() and (len(self.pending) >= BATCH or time.monotonic() - self.since > LATEST)
        if not self.pending or not (due or all) or self.unavailable:
            return
        entries = list({entry.student: entry for entry in self.pending}.values())
        try:
            self.entered.result()
            self.book.transaction(lambda session: Record(session, self.assignment).save(entries, self.penalty))
        except BookUnavailable as fault:
            self.unavailable = fault
            return
        self.journal.mark_recorded(entries)
        self.pending.clear()

    def _notebook(self, student: str) -> Any:
        return self.rooms.autograded_folder(student) / f"{self.assignment.notebook}.ipynb"


def _told(result: Result, kind: str) -> Iterator[str]:
    """What a submission's log says of a result."""
    yield f"graded in {result.seconds:.2f} s (sandbox: {kind}, seed {result.seed}, submission {result.digest[:12]})"
    for head, sentences in (
        ("refused", (result.refused,) if result.refused else ()),
        ("put right", result.repairs),
        ("happened", result.events),
        ("look at it", result.human),
    ):
        yield from (f"{head}: {sentence}" for sentence in sentences)
    for cell in result.cells:
        if cell.score is not None:
            yield f"{cell.grade_id}: {cell.score:g} of {cell.points:g}"
