"""The scheduler: grades a class of independent submissions with an executor, and has the results written.

    submissions → executor (threads here, or Dask) → worker client → worker → answers
                                                                                 ↓
                              gradebook ← in batches ← journal ← notebook in autograded/

The order of the last three lets a grader that was killed at any point go on where it was.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnkit.language import current_language, speaking
from nnkit_grader.course.students_file import read_languages
from nnkit_grader.intake.open_submission import open_submission, open_with_notes, read_time
from nnkit_grader.record.journal import check_student_id
from nnkit_grader.record.score_changes import compare_results
from nnkit_grader.workers.executor import Executor
from nnkit_grader.workers.run_summary import RunSummary
from nnkit_grader.workers.worker_client import CannotStart, WorkerDied

if TYPE_CHECKING:
    from nnkit_grader.record.results import Result
    from nnkit_grader.record.writer import ResultWriter

MAX_EXAMINER_FAILURES = 2
"""Times that the examiner may fail at a submission before it is given up."""
MAX_WORKER_DEATHS = 3
"""Times that a worker may die with a submission before it is given up."""
MAX_QUICK_SECONDS = 20.0
"""Time for a submission while others wait; one that needs more is run again when no other is left."""
LONG_JOB_SECONDS = 1.0
"""Time after which a job no longer keeps another one waiting; by then it leaves the machine to others."""


@dataclass
class GradingJob:
    """One submission to be graded, with its failures so far."""

    student: str
    failures: int = 0
    deaths: int = 0
    started: float = 0.0
    """When it was last handed out, in seconds of time.monotonic()."""
    patient: bool = False
    """True if it needs more time than it gets while others wait."""


class Scheduler:
    """One run over a class."""

    def __init__(
        self,
        executor: Executor,
        writer: ResultWriter,
        seed: int,
        show_progress: Callable[[RunSummary], None] = lambda summary: None,
    ):
        self.executor, self.writer, self.seed, self.show_progress = executor, writer, seed, show_progress
        self.summary = RunSummary(notebook=writer.assignment.notebook)
        self.languages = read_languages(writer.paths.root)
        self.unchanged: dict[str, str | None] = {}
        """Times of submissions that need no grading, by student."""
        self.waiting: deque[GradingJob] = deque()
        self.running: dict[Future[dict[str, Any]], GradingJob] = {}

    def grade(self, students: Sequence[str], regrade: bool = False) -> RunSummary:
        """Grade these students; those with a current result only if `regrade` is set.

        Raises CannotStart if no submission can be run at all, GradebookUnavailable if the gradebook could not be
        written, OSError if the disk is full. Results obtained by then are in the journal, and in the gradebook if
        that is possible.
        """
        started = time.monotonic()
        self.summary.total = len(students)
        try:
            for student in students:
                self.admit(student, regrade)
            if self.waiting:
                self.executor.warm_up()
            while self.waiting or self.running:
                self.step()
        except BaseException:
            self.save_finished()
            self.writer.queue_unrecorded()
            raise
        finally:
            self.writer.flush(all=True)
            self.summary.seconds = time.monotonic() - started
        if self.writer.unavailable:
            raise self.writer.unavailable
        if self.unchanged:
            self.summary.penalty_changes = self.writer.update_times(self.unchanged)
        return self.summary

    def admit(self, student: str, regrade: bool) -> None:
        """Put a student into the queue, unless there is nothing to do."""
        if fault := check_student_id(student):
            self.summary.ungraded[ascii(student)] = fault
            return
        handed_in, fault = read_time(self.folder(student))
        if fault:
            self.summary.unknown_times[student] = fault
        entry = None if regrade else self.writer.find_current(student, self.seed)
        if entry is None or not self.is_up_to_date(entry.result, student):
            self.waiting.append(GradingJob(student))
            return
        self.unchanged[student] = handed_in
        self.summary.unchanged += 1
        self.summary.collect_bad_values(entry.result)
        if not self.writer.is_recorded(entry):
            self.writer.queue(entry)
        self.show_progress(self.summary)

    def is_up_to_date(self, result: Result, student: str) -> bool:
        """Return True if a result is that of what was handed in, in the student's language."""
        with speaking(self.choose_language(student)):
            opened = open_submission(self.folder(student), self.writer.assignment)
            return (result.digest, result.language) == (opened.digest, current_language())

    def choose_language(self, student: str) -> str:
        """Return a student's language: that in students.csv, else the assignment's, else this process's."""
        return self.languages.get(student) or self.writer.assignment.language or current_language()

    def folder(self, student: str) -> Any:
        """Return the folder of a student's submission."""
        return self.writer.paths.submitted_folder(student)

    def step(self) -> None:
        """Wait for an answer, hand out a job in place of it, then save the answer: no worker waits for the disk."""
        done, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED)
        while self.waiting and self.has_room():
            job = self.waiting.popleft()
            job.started = time.monotonic()
            self.running[self.executor.submit(self.describe_job(job))] = job
        for future in done:
            self.handle_answer(self.running.pop(future), future)
        self.writer.flush()
        self.show_progress(self.summary)

    def has_room(self) -> bool:
        """Return whether one more job may run now."""
        busy = [job for future, job in self.running.items() if not future.done()]
        long = sum(time.monotonic() - job.started > LONG_JOB_SECONDS for job in busy)
        return len(busy) < self.executor.window + min(long, self.executor.spare)

    def describe_job(self, job: GradingJob) -> dict[str, Any]:
        """Return a job as plain data for a worker; one that cannot see the submission's folder gets its content."""
        language = self.choose_language(job.student)
        data: dict[str, Any] = {
            "student": job.student,
            "seed": self.seed,
            "alone": job.deaths > 0,
            "language": language,
        }
        if self.waiting and not job.patient:
            data["most_seconds"] = MAX_QUICK_SECONDS
        folder = self.folder(job.student)
        if self.executor.is_local:
            return {**data, "folder": str(folder)}
        with speaking(language):
            return {**data, "submission": open_with_notes(folder, self.writer.assignment)}

    def handle_answer(self, job: GradingJob, future: Future[dict[str, Any]]) -> None:
        """Save an answer, or try again if there is none."""
        try:
            answer = future.result()
        except WorkerDied as fault:
            job.deaths += 1
            self.retry(job, job.deaths < MAX_WORKER_DEATHS, f"{fault}, {job.deaths} times")
        except CannotStart:
            raise
        except Exception as fault:  # a cluster's own: it lost the job, or its worker
            job.deaths += 1
            self.retry(job, job.deaths < MAX_WORKER_DEATHS, f"{type(fault).__name__}: {fault}")
        else:
            self.save(job, answer)

    def save(self, job: GradingJob, answer: dict[str, Any]) -> None:
        """Write an answer and count it."""
        self.summary.sandbox = answer["sandbox"]["description"]
        if "trouble" in answer:
            job.failures += 1
            self.writer.journal.log(job.student, [answer["trouble"], *answer.get("log", ())])
            self.retry(job, job.failures < MAX_EXAMINER_FAILURES, answer["trouble"])
            return
        if answer.get("unfinished"):
            job.patient = True
            self.waiting.append(job)
            return
        before = self.writer.journal.read_entry(job.student)
        result = self.writer.accept(answer).result
        self.summary.graded += 1
        self.summary.tests += sum(cell.kind == "test" for cell in result.cells)
        self.summary.recalled += answer["recalled"]
        self.summary.remembered_bytes = max(self.summary.remembered_bytes, answer["remembered_bytes"])
        self.summary.collect_bad_values(result)
        if result.refused:
            self.summary.refused[job.student] = result.refused
        if reasons := result.list_reasons():
            self.summary.needs_review[job.student] = reasons
        if before and (change := compare_results(job.student, before.result, result)):
            self.summary.score_changes.append(change)
            self.writer.journal.log(job.student, str(change).splitlines())

    def retry(self, job: GradingJob, may_retry: bool, reason: str) -> None:
        """Put a job back into the queue, or give it up."""
        if may_retry:
            self.waiting.append(job)
        else:
            self.summary.ungraded[job.student] = reason
            self.writer.journal.log(job.student, [f"not graded: {reason}"])

    def save_finished(self) -> None:
        """Save the answers that have arrived when a run is interrupted."""
        for future, job in self.running.items():
            future.cancel()
            if future.done() and not future.cancelled() and not future.exception():
                with contextlib.suppress(OSError):
                    self.save(job, future.result())
