"""What an executor runs, here or on a cluster: hands a job to a warm worker beside it, and waits for the answer.

A worker is a process of its own, never a fork of this one: an executor's process has threads, and may be a server's.
So a worker that dies takes nothing with it but the job that it had.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PROGRAM = (
    "import sys; sys.path.append(sys.argv.pop()); from nnkit.grading import worker; worker.main(int(sys.argv.pop()))"
)
STARTING = 120.0
"""Seconds in which a worker must be warm; it takes two or three."""
PATIENCE = 120.0
"""Seconds beyond a submission's own limit after which a worker that does not answer is killed."""
ONE_THREAD = {
    name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
}
"""There is a worker a core, so its linear algebra needs no threads; and a process with threads is not to be forked."""


class CannotStart(RuntimeError):
    """No worker can be had here, now or later; says why."""


class WorkerDied(RuntimeError):
    """The worker died with the job that it had."""


class Attendant:
    """A worker, as the one who gives it work sees it."""

    def __init__(self, setup: dict[str, Any]):
        self.key = setup["key"]
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the worker)
        self.patience = setup["seconds"]["whole"] + PATIENCE
        with theirs:
            command = [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), str(Path(__file__).parents[2])]
            self.process = subprocess.Popen(
                command,
                env={"JAX_PLATFORMS": "cpu", **os.environ, **setup["environment"], **ONE_THREAD},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.complaints,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.told: dict[str, str] = {}
        """What the worker says of its sandbox."""

    def greet(self, setup: dict[str, Any]) -> None:
        """Wait until the worker is warm. Raises CannotStart."""
        try:
            self.connection.send(setup)
            told = self.connection.recv() if self.connection.poll(STARTING) else {}
        except (EOFError, OSError):
            told = {}
        if "kind" not in told:
            raise CannotStart(told.get("fault") or f"A worker does not start: {self._complaint()}.")
        self.told = told

    def _complaint(self) -> str:
        """The last line that the worker wrote to stderr."""
        self.process.kill()
        self.process.wait()
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1].rstrip(".") if lines else "it gave no reason"

    def grade(self, job: dict[str, Any]) -> dict[str, Any]:
        """The answer to a job. Raises WorkerDied."""
        try:
            self.connection.send(job)
            if not self.connection.poll(self.patience):
                raise WorkerDied("the worker did not answer")
            answer: dict[str, Any] = json.loads(self.connection.recv_bytes())
        except (EOFError, OSError, ValueError):
            raise WorkerDied("the worker died") from None
        return {**answer, "sandbox": self.told}

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End the worker, and with it what it is at; who waits for its answer gets WorkerDied."""
        self.process.kill()

    def close(self) -> None:
        self.kill()
        self.process.wait()
        self.connection.close()
        self.complaints.close()


_lock = threading.Lock()
_busy: list[Attendant] = []
_idle: list[Attendant] = []
"""Every worker of this process."""


def grade(setup: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """Grade one submission in an idle worker, or in a new one: its answer. Raises WorkerDied or CannotStart."""
    with _engaged(setup) as attendant:
        return attendant.grade(job)


def prepare(setup: dict[str, Any]) -> None:
    """Have one more worker warm and idle. What goes wrong is told when there is a job for it."""
    with contextlib.suppress(CannotStart), _engaged(setup):
        pass


@contextlib.contextmanager
def _engaged(setup: dict[str, Any]) -> Iterator[Attendant]:
    """A warm worker, idle again afterwards unless something went wrong."""
    attendant = _taken(setup["key"]) or Attendant(setup)
    with _lock:
        _busy.append(attendant)
    try:
        if not attendant.told:
            attendant.greet(setup)
        yield attendant
    except BaseException:
        with _lock:
            _busy.remove(attendant)
        attendant.close()
        raise
    with _lock:
        _busy.remove(attendant)
        _idle.append(attendant)


def _taken(key: str) -> Attendant | None:
    """An idle worker that is set up so; the others are let go, since what they know is out of date."""
    with _lock:
        while _idle:
            attendant = _idle.pop()
            if attendant.key == key and attendant.alive:
                return attendant
            attendant.close()
    return None


def dismiss() -> None:
    """End all workers of this process."""
    with _lock:
        for attendant in _busy:
            attendant.kill()
        while _idle:
            _idle.pop().close()
