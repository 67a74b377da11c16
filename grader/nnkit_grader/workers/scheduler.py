"""Grade a class: independent submissions, handed to an executor, and one writer of all that is kept.

    submissions → crew (threads here, or Dask) → attendant → worker → answers
                                                                        ↓
                     gradebook ← in batches ← journal ← notebook in autograded/

The order of the last three is what makes a grader that is killed at any point go on where it was.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nnkit_grader.intake.submission import open_submission
from nnkit_grader.record.journal import unfit
from nnkit_grader.record.score_changes import Move, move
from nnkit_grader.workers.executor import Crew
from nnkit_grader.workers.worker import take_in_all
from nnkit_grader.workers.worker_client import CannotStart, WorkerDied

if TYPE_CHECKING:
    from nnkit_grader.record.writer import Keeper

TRIES = 2
"""How often a submission is given to a worker whose examiner fails at it."""
DEATHS = 3
"""How many workers may die with a submission."""
LONG = 1.0
"""Seconds after which a submission no longer keeps another one waiting; by then it leaves the machine to others."""


@dataclass
class Tally:
    """How far a class is, and how it ended."""

    total: int = 0
    graded: int = 0
    standing: int = 0
    """Graded before, by the same tests."""
    refused: dict[str, str] = field(default_factory=dict)
    """Student → why the submission was not run."""
    human: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Student → why somebody should look at it."""
    troubles: dict[str, str] = field(default_factory=dict)
    """Student → why there is no result; never a learner's mistake."""
    moves: list[Move] = field(default_factory=list)
    sandbox: str = ""
    """What protected the machine that graded."""
    seconds: float = 0.0

    @property
    def done(self) -> int:
        return self.graded + self.standing + len(self.troubles)


@dataclass
class Job:
    student: str
    failed: int = 0
    died: int = 0
    since: float = 0.0
    """When it was handed out last, in seconds of time.monotonic()."""


class Engine:
    """One run over a class."""

    def __init__(self, crew: Crew, keeper: Keeper, seed: int, progress: Callable[[Tally], None] = lambda tally: None):
        self.crew, self.keeper, self.seed, self.progress = crew, keeper, seed, progress
        self.tally = Tally()
        self.waiting: deque[Job] = deque()
        self.running: dict[Future[dict[str, Any]], Job] = {}

    def grade(self, students: Sequence[str], regrade: bool = False) -> Tally:
        """Grade these students, those again that have a result only if `regrade`.

        Raises CannotStart where no submission can be run at all, BookUnavailable where the gradebook could not be
        written, OSError where the disk is full. What has been graded by then is in the journal, and recorded where
        that is possible.
        """
        began = time.monotonic()
        self.tally.total = len(students)
        try:
            for student in students:
                self.admit(student, regrade)
            if self.waiting:
                self.crew.warm_up()
            while self.waiting or self.running:
                self.step()
        except BaseException:
            self.harvest()
            self.keeper.catch_up()
            raise
        finally:
            self.keeper.flush(all=True)
            self.tally.seconds = time.monotonic() - began
        if self.keeper.unavailable:
            raise self.keeper.unavailable
        return self.tally

    def admit(self, student: str, regrade: bool) -> None:
        """Take a student into the queue, unless there is nothing to do."""
        if fault := unfit(student):
            self.tally.troubles[ascii(student)] = fault
            return
        entry = None if regrade else self.keeper.standing(student, self.seed)
        if entry is None or entry.result.digest != open_submission(self.folder(student), self.keeper.assignment).digest:
            self.waiting.append(Job(student))
            return
        self.tally.standing += 1
        if not self.keeper.is_recorded(entry):
            self.keeper.add(entry)
        self.progress(self.tally)

    def folder(self, student: str) -> Any:
        return self.keeper.rooms.submitted_folder(student)

    def step(self) -> None:
        """Wait for an answer, hand out a job in place of it, keep it: no worker waits for the disk."""
        done, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED)
        while self.waiting and self.has_room():
            job = self.waiting.popleft()
            job.since = time.monotonic()
            self.running[self.crew.grade(self.order(job))] = job
        for future in done:
            self.take(self.running.pop(future), future)
        self.keeper.flush()
        self.progress(self.tally)

    def has_room(self) -> bool:
        """Whether one more job may run now."""
        busy = [job for future, job in self.running.items() if not future.done()]
        long = sum(time.monotonic() - job.since > LONG for job in busy)
        return len(busy) < self.crew.window + min(long, self.crew.spare)

    def order(self, job: Job) -> dict[str, Any]:
        """What a worker needs to know; one that does not see the folder gets what is in it."""
        told: dict[str, Any] = {"student": job.student, "seed": self.seed, "alone": job.died > 0}
        folder = self.folder(job.student)
        return {**told, "folder": str(folder)} if self.crew.near else {**told, "taken": self.taken(folder)}

    def taken(self, folder: Any) -> Any:
        return take_in_all(folder, self.keeper.assignment)

    def take(self, job: Job, future: Future[dict[str, Any]]) -> None:
        """Keep an answer, or try again where there is none."""
        try:
            answer = future.result()
        except WorkerDied as fault:
            job.died += 1
            self.again(job, job.died < DEATHS, f"{fault}, {job.died} times")
        except CannotStart:
            raise
        except Exception as fault:  # a cluster's own: it lost the job, or its worker
            job.died += 1
            self.again(job, job.died < DEATHS, f"{type(fault).__name__}: {fault}")
        else:
            self.keep(job, answer)

    def keep(self, job: Job, answer: dict[str, Any]) -> None:
        self.tally.sandbox = answer["sandbox"]["told"]
        if "trouble" in answer:
            job.failed += 1
            self.keeper.journal.log(job.student, [answer["trouble"], *answer.get("log", ())])
            self.again(job, job.failed < TRIES, answer["trouble"])
            return
        before = self.keeper.journal.entry(job.student)
        result = self.keeper.accept(answer).result
        self.tally.graded += 1
        if result.refused:
            self.tally.refused[job.student] = result.refused
        if result.human:
            self.tally.human[job.student] = result.human
        if before and (moved := move(job.student, before.result, result)):
            self.tally.moves.append(moved)
            self.keeper.journal.log(job.student, str(moved).splitlines())

    def again(self, job: Job, hope: bool, trouble: str) -> None:
        if hope:
            self.waiting.append(job)
        else:
            self.tally.troubles[job.student] = trouble
            self.keeper.journal.log(job.student, [f"not graded: {trouble}"])

    def harvest(self) -> None:
        """Keep the answers that have come when a run is broken off."""
        for future, job in self.running.items():
            future.cancel()
            if future.done() and not future.cancelled() and not future.exception():
                with contextlib.suppress(OSError):
                    self.keep(job, future.result())
