"""A worker: a warm, trusted process that grades submissions, several at a time, each in a fork of its own.

    worker client → setup, then jobs → worker → fork: intake, examiner ⇄ sandbox → answer → worker client

It has imported what test cells use, holds one sandbox, and ends when its client does. Only the fork handles what a
learner wrote; its answer is JSON, which the worker passes on unread.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import msgpack

from nnkit.language import current_language, speaking
from nnkit_grader.compat import freeze_heap
from nnkit_grader.conversations.memorable import find_memorable
from nnkit_grader.conversations.memory import ConversationMemory
from nnkit_grader.conversations.tree import ConversationTree, pack, unpack
from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.bound_names import find_bound_names, find_used_names
from nnkit_grader.course.source_warnings import find_drawing_cells
from nnkit_grader.examiner.borrowed_names import find_borrowed
from nnkit_grader.examiner.examiner import TimeLimits, examine_submission, refuse_submission
from nnkit_grader.examiner.run_cell import compile_cell
from nnkit_grader.intake.open_submission import open_with_notes
from nnkit_grader.intake.submission import RefusedSubmission, Submission, repair_notebook
from nnkit_grader.record.graded_notebook import format_notebook
from nnkit_grader.sandbox import PRELOADABLE_MODULES, Child, Limits, Sandbox, SandboxError, choose_sandbox
from nnkit_grader.sandbox.limits import MAX_BUSY_SECONDS
from nnkit_grader.sandbox.sandbox import LOST_SANDBOX
from nnkit_grader.sanitize.budget import CleaningBudget

MAX_OVERTIME_SECONDS = 60.0
"""Time beyond a submission's own limit after which its fork is killed: the examiner itself must be stuck."""
MAX_IDLE_SECONDS = 900.0
"""Time without a job after which a worker ends."""
END_OF_ANSWER = b"\0"
"""The byte behind the answer on a fork's pipe, which JSON never has; then comes what the fork has learned."""
EXIT_NO_SANDBOX = 75
"""Exit status of a fork that lost its sandbox. Its answer is discarded: failed cells would say nothing about the
learner."""


@dataclass
class Fork:
    """One submission under way."""

    pid: int
    job: dict[str, Any]
    sandbox: Sandbox
    ends: float
    """When it counts as stuck, in seconds of time.monotonic()."""
    parts: list[bytes] = field(default_factory=list)
    fault: str = ""


class Worker:
    """One worker: its end of the connection to a client, and what it keeps warm."""

    def __init__(self, connection: Connection, setup: dict[str, Any]):
        self.connection = connection
        self.assignment = Assignment.from_json(setup["assignment"])
        self.seconds = TimeLimits(**setup["seconds"])
        self.max_bytes: int = setup["memory"]
        self.limits = Limits.from_json(setup["limits"])
        self.sandbox: Sandbox = choose_sandbox(setup["sandbox"], _find_used_modules(self.assignment))
        self.forks: dict[int, Fork] = {}
        """The forks, by the pipe on which each of them answers."""
        self.children: list[Child] = []
        self.tree = ConversationTree() if setup["remembers"] else None
        warm_up(self.assignment)

    def serve(self) -> None:
        """Grade until the client hangs up, or until no job has come for `MAX_IDLE_SECONDS`."""
        freeze_heap()  # the memory that is warm now stays shared with the forks
        while ready := self.wait_for_input():
            for file in ready:
                if file != self.connection.fileno():
                    self.read_answer(file)
                elif not self.start_job():
                    return

    def wait_for_input(self) -> list[int]:
        """Return the files that have something to read; none if the worker has been idle for too long."""
        while True:
            now = time.monotonic()
            ends = min((fork.ends for fork in self.forks.values()), default=now + MAX_IDLE_SECONDS)
            ready, _, _ = select.select([self.connection.fileno(), *self.forks], [], [], max(0.0, ends - now))
            if ready or not self.forks:
                return ready
            for file, fork in list(self.forks.items()):
                if time.monotonic() >= fork.ends:
                    fork.fault = "the examiner was stuck"
                    os.kill(fork.pid, signal.SIGKILL)
                    self.finish_fork(file)

    def start_job(self) -> bool:
        """Fork for the next job. Returns False, and kills what is under way, if the client has hung up."""
        try:
            job = self.connection.recv()
        except (EOFError, OSError):
            for fork in self.forks.values():
                os.kill(fork.pid, signal.SIGKILL)
            return False
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self.run_fork(job, writing)
        os.close(writing)
        ends = time.monotonic() + self.seconds.whole + MAX_BUSY_SECONDS + MAX_OVERTIME_SECONDS
        self.forks[reading] = Fork(pid, job, self.sandbox, ends)
        return True

    def read_answer(self, file: int) -> None:
        """Read some more of an answer, or the end of it."""
        part = os.read(file, 1 << 20)
        if part:
            self.forks[file].parts.append(part)
        else:
            self.finish_fork(file)

    def finish_fork(self, file: int) -> None:
        """Wait for a fork's end and pass on its answer."""
        fork = self.forks.pop(file)
        os.close(file)
        _, status = os.waitpid(fork.pid, 0)
        fault = fork.fault or self.describe_failure(status, fork.sandbox)
        answer, _, learned = b"".join(fork.parts).partition(END_OF_ANSWER)
        self.connection.send_bytes(_format_answer(fork.job, trouble=fault) if fault else answer)
        if self.tree is not None and learned and not fault:
            for conversation in unpack(msgpack.unpackb(learned)):
                self.tree.add(conversation)
            freeze_heap()

    def describe_failure(self, status: int, sandbox: Sandbox) -> str:
        """Return what went wrong with a fork that ended with this status; "" if nothing did."""
        if os.WIFSIGNALED(status):
            return f"the examiner was killed by signal {os.WTERMSIG(status)}"
        if os.WEXITSTATUS(status) != EXIT_NO_SANDBOX:
            return f"the examiner ended with status {os.WEXITSTATUS(status)}" if status else ""
        if sandbox is self.sandbox:  # else it was replaced when another fork ended
            self.sandbox.close()
            self.sandbox = choose_sandbox(self.sandbox.kind, _find_used_modules(self.assignment))
        return "the sandbox died"

    def run_fork(self, job: dict[str, Any], writing: int) -> NoReturn:
        """Grade in the fork, write the answer, and exit."""
        status = 1
        try:
            _die_with_parent()
            self.limit_memory()
            memory = ConversationMemory(self.tree)
            answer = self.try_grading(job, memory)
            with open(writing, "wb") as pipe:
                pipe.write(answer)
                pipe.write(END_OF_ANSWER)
                pipe.write(msgpack.packb(pack(memory.learned)))
            status = EXIT_NO_SANDBOX if any(child.check_end() == LOST_SANDBOX for child in self.children) else 0
        finally:
            os._exit(status)

    def try_grading(self, job: dict[str, Any], memory: ConversationMemory) -> bytes:
        """Return the answer to a job, or one that says why there is no result."""
        try:
            with speaking(job.get("language") or self.assignment.language or current_language()):
                taken = job.get("submission") or open_with_notes(Path(job["folder"]), self.assignment)
                return self.grade(job, memory, *taken)
        except (SandboxError, OSError) as fault:
            return _format_answer(job, trouble=str(fault))
        except Exception:
            return _format_answer(job, trouble="the examiner failed", log=traceback.format_exc().splitlines())

    def grade(
        self,
        job: dict[str, Any],
        memory: ConversationMemory,
        submission: Submission | RefusedSubmission,
        notes: dict[str, bytes],
    ) -> bytes:
        """Return the answer with a submission's result, its graded notebook, and the files that go beside it."""
        attachments: dict[str, Any] = {}
        files, budget = dict(notes), CleaningBudget()
        seconds = self.seconds.shorten(job["most_seconds"]) if job.get("most_seconds") else self.seconds
        if isinstance(submission, RefusedSubmission):
            result = refuse_submission(self.assignment, submission, job["seed"])
        else:
            start = self.start_child
            result = examine_submission(self.assignment, submission, start, job["seed"], seconds, budget, memory)
            attachments = {cell.id: cell.attachments for cell in submission.cells if cell.attachments}
            files |= submission.files
        return _format_answer(
            job,
            result=result.to_json(),
            notebook=format_notebook(result, self.assignment, attachments, budget),
            timestamp=submission.timestamp,
            unfinished=seconds != self.seconds and result.seconds >= seconds.whole,
            recalled=memory.recalled,
            remembered_bytes=self.tree.size if self.tree is not None else 0,
            files={name: base64.b64encode(content).decode() for name, content in files.items()},
        )

    def limit_memory(self) -> None:
        """Bound this process's memory: a test that keeps a flood of replies ends with a MemoryError."""
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = self.max_bytes if hard == resource.RLIM_INFINITY else min(hard, self.max_bytes)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))

    def start_child(self) -> Child:
        """Start a process of the sandbox for the learner's code."""
        child = self.sandbox.start(self.limits)
        self.children.append(child)
        return child


def _format_answer(job: dict[str, Any], **parts: Any) -> bytes:
    return json.dumps({"student": job["student"], "number": job["number"], **parts}).encode()


def _find_used_modules(assignment: Assignment) -> list[str]:
    """Return the large modules that the course's own cells name."""
    text = "\n".join(cell.source for cell in assignment.cells if cell.cell_type == "code")
    return [name for name in PRELOADABLE_MODULES if name.partition(".")[0] in text]


def warm_up(assignment: Assignment) -> None:
    """Import and compile what each fork would need. No JAX backend is started: forks of one deadlock."""
    for name in _find_used_modules(assignment):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    for cell in assignment.cells:
        with contextlib.suppress(SyntaxError):  # a cell in another language, as %%bash
            if cell.kind in ("given", "test"):
                compile_cell(cell.source, f"<{cell.kind} {cell.id}>")
            if cell.cell_type == "code":
                find_bound_names(cell.source), find_bound_names(cell.released), find_used_names(cell.source)
    find_drawing_cells(assignment)
    find_memorable(assignment)
    for texts in ([cell.released for cell in assignment.cells], [cell.source for cell in assignment.cells]):
        taken = repair_notebook(_format_cells(assignment, texts), assignment)
        if isinstance(taken, Submission):
            find_borrowed(assignment, taken)


def _format_cells(assignment: Assignment, texts: Sequence[str]) -> bytes:
    """Return a notebook of the course's cells with these texts, as one might be handed in."""
    cells = [
        {"cell_type": cell.cell_type, "id": cell.id, "source": text} for cell, text in zip(assignment.cells, texts)
    ]
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}).encode()


def _die_with_parent() -> None:
    """Have this fork killed when its worker dies; on other systems than Linux it ends when it writes its answer."""
    if sys.platform == "linux":
        from nnkit_grader.sandbox import lockdown

        lockdown.die_with_parent()


def main(descriptor: int) -> None:
    """Serve the client at the other end of this socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the grader's main process
    with Connection(descriptor) as connection:
        try:
            worker = Worker(connection, connection.recv())
        except SandboxError as fault:
            connection.send({"fault": str(fault)})
            return
        connection.send({"kind": worker.sandbox.kind, "description": worker.sandbox.description})
        with worker.sandbox:
            worker.serve()
