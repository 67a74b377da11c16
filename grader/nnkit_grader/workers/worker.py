"""A worker: a warm, trusted process that grades submissions, some at a time, each in a fork of its own.

    attendant → setup, then jobs → worker → fork: intake, examiner ⇄ sandbox → answer → attendant

It has imported what test cells use, holds one sandbox, and ends when its attendant does. Only the fork meets what a
learner wrote; what it answers is JSON, and the worker passes it on unread.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.bound_names import find_bound_names
from nnkit_grader.examiner.examiner import Seconds, examine, refuse
from nnkit_grader.examiner.run_cell import compiled
from nnkit_grader.intake.safe_folder import SafeFolder, UnreadableSubmission
from nnkit_grader.intake.submission import RefusedSubmission, Submission, open_submission
from nnkit_grader.record.graded_notebook import notebook_text
from nnkit_grader.sandbox import WARM, Child, Limits, Sandbox, SandboxError, choose
from nnkit_grader.sandbox.limits import BUSY

SLACK = 60.0
"""Seconds beyond a submission's own limit after which its fork is killed: then the examiner itself is stuck."""
IDLE = 900.0
"""Seconds without a job after which a worker ends."""
NO_SANDBOX = 75
"""How a fork ends that lost its sandbox: no cell that failed then says anything about the learner."""
LOST = "lost its sandbox"
"""What a sandbox's child says then."""
NOTES = ("timestamp.txt", "submission_secret.txt")
"""What nbgrader lays beside a submission, and looks for beside the graded notebook."""


@dataclass
class Fork:
    """One submission under way."""

    pid: int
    job: dict[str, Any]
    sandbox: Sandbox
    ends: float
    """When it is stuck, in seconds of time.monotonic()."""
    parts: list[bytes] = field(default_factory=list)
    fault: str = ""


class Worker:
    """Its end of the connection to an attendant, and what it keeps warm."""

    def __init__(self, connection: Connection, setup: dict[str, Any]):
        self.connection = connection
        self.assignment = Assignment.from_json(setup["assignment"])
        self.seconds = Seconds(**setup["seconds"])
        self.memory: int = setup["memory"]
        self.limits = Limits.from_json(setup["limits"])
        self.sandbox: Sandbox = choose(setup["sandbox"], _used(self.assignment))
        self.forks: dict[int, Fork] = {}
        """By the pipe on which each answers."""
        self.children: list[Child] = []
        _warm(self.assignment)

    def serve(self) -> None:
        """Grade until there is nobody to grade for."""
        gc.collect()
        gc.freeze()  # what is warm is shared with the forks, and stays so
        while ready := self.ready():
            for file in ready:
                if file != self.connection.fileno():
                    self.read(file)
                elif not self.begin():
                    return

    def ready(self) -> list[int]:
        """The files that have something to read, as soon as there are any; none when there has been no job for long."""
        while True:
            now = time.monotonic()
            ends = min((fork.ends for fork in self.forks.values()), default=now + IDLE)
            ready, _, _ = select.select([self.connection.fileno(), *self.forks], [], [], max(0.0, ends - now))
            if ready or not self.forks:
                return ready
            for file, fork in list(self.forks.items()):
                if time.monotonic() >= fork.ends:
                    fork.fault = "the examiner was stuck"
                    os.kill(fork.pid, signal.SIGKILL)
                    self.end(file)

    def begin(self) -> bool:
        """Fork for the next job; False if nobody is there any more: then what is under way ends too."""
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
            self.examine(job, writing)
        os.close(writing)
        ends = time.monotonic() + self.seconds.whole + BUSY + SLACK
        self.forks[reading] = Fork(pid, job, self.sandbox, ends)
        return True

    def read(self, file: int) -> None:
        """Some more of an answer, or the end of it."""
        part = os.read(file, 1 << 20)
        if part:
            self.forks[file].parts.append(part)
        else:
            self.end(file)

    def end(self, file: int) -> None:
        """Pass on what a fork has answered; it is gone afterwards."""
        fork = self.forks.pop(file)
        os.close(file)
        _, status = os.waitpid(fork.pid, 0)
        fault = fork.fault or self.how(status, fork.sandbox)
        self.connection.send_bytes(_answer(fork.job, trouble=fault) if fault else b"".join(fork.parts))

    def how(self, status: int, sandbox: Sandbox) -> str:
        """What went wrong with a fork that has ended so; "" if nothing did."""
        if os.WIFSIGNALED(status):
            return f"the examiner was killed by signal {os.WTERMSIG(status)}"
        if os.WEXITSTATUS(status) != NO_SANDBOX:
            return f"the examiner ended with status {os.WEXITSTATUS(status)}" if status else ""
        if sandbox is self.sandbox:  # else another fork has told
            self.sandbox.close()
            self.sandbox = choose(self.sandbox.kind, _used(self.assignment))
        return "the sandbox died"

    def examine(self, job: dict[str, Any], writing: int) -> NoReturn:
        """In the fork: grade, write the answer, end."""
        status = 1
        try:
            _die_with_parent()
            self.bound()
            answer = self.answered(job)
            with open(writing, "wb") as pipe:
                pipe.write(answer)
            status = NO_SANDBOX if any(child.ended() == LOST for child in self.children) else 0
        finally:
            os._exit(status)

    def answered(self, job: dict[str, Any]) -> bytes:
        try:
            taken = job.get("taken") or take_in_all(Path(job["folder"]), self.assignment)
            return self.graded(job, *taken)
        except (SandboxError, OSError) as fault:
            return _answer(job, trouble=str(fault))
        except Exception:
            return _answer(job, trouble="the examiner failed", log=traceback.format_exc().splitlines())

    def graded(self, job: dict[str, Any], submission: Submission | RefusedSubmission, notes: dict[str, bytes]) -> bytes:
        attachments: dict[str, Any] = {}
        files = dict(notes)
        if isinstance(submission, RefusedSubmission):
            result = refuse(self.assignment, submission, job["seed"])
        else:
            result = examine(self.assignment, submission, self.start, job["seed"], self.seconds)
            attachments = {cell.id: cell.attachments for cell in submission.cells if cell.attachments}
            files |= submission.files
        return _answer(
            job,
            result=result.to_json(),
            notebook=notebook_text(result, self.assignment, attachments),
            timestamp=submission.timestamp,
            files={name: base64.b64encode(content).decode() for name, content in files.items()},
        )

    def bound(self) -> None:
        """No flood of replies takes the machine's memory: the test that keeps them ends with a MemoryError."""
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        memory = self.memory if most == resource.RLIM_INFINITY else min(most, self.memory)
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    def start(self) -> Child:
        child = self.sandbox.start(self.limits)
        self.children.append(child)
        return child


def take_in_all(folder: Path, assignment: Assignment) -> tuple[Submission | RefusedSubmission, dict[str, bytes]]:
    """A submission, and nbgrader's notes beside it: all that a worker elsewhere needs of the folder."""
    notes = {}
    with contextlib.suppress(UnreadableSubmission), SafeFolder(folder) as opened:
        for name in NOTES:
            with contextlib.suppress(UnreadableSubmission):
                if opened.contains(name):
                    notes[name] = opened.read_file(name, most=10_000)
    return open_submission(folder, assignment), notes


def _answer(job: dict[str, Any], **told: Any) -> bytes:
    return json.dumps({"student": job["student"], "number": job["number"], **told}).encode()


def _used(assignment: Assignment) -> list[str]:
    """The large modules that the course's own cells name."""
    text = "\n".join(cell.source for cell in assignment.cells if cell.cell_type == "code")
    return [name for name in WARM if name.partition(".")[0] in text]


def _warm(assignment: Assignment) -> None:
    """Import and compile what test cells would in each fork. No backend of JAX is started: forks of one deadlock."""
    for name in _used(assignment):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    for cell in assignment.cells:
        if cell.kind in ("given", "test"):
            compiled(cell.source, f"<{cell.kind} {cell.id}>")
        if cell.cell_type == "code":
            find_bound_names(cell.source), find_bound_names(cell.released)


def _die_with_parent() -> None:
    """A fork whose worker is killed ends with it; elsewhere than on Linux, when it writes its answer."""
    if sys.platform == "linux":
        from nnkit_grader.sandbox import lockdown

        lockdown.die_with_parent()


def main(descriptor: int) -> None:
    """Serve the attendant at the other end of this socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    with Connection(descriptor) as connection:
        try:
            worker = Worker(connection, connection.recv())
        except SandboxError as fault:
            connection.send({"fault": str(fault)})
            return
        connection.send({"kind": worker.sandbox.kind, "told": worker.sandbox.told})
        with worker.sandbox:
            worker.serve()
