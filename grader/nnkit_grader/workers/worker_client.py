"""What an executor runs, here or on a cluster: hands a job to a warm worker beside it, and waits for the answer.

A worker is a process of its own, never a fork of this one: an executor's process has threads, and may be a server's.
It is shared by all threads of that process; what dies with it is handed to a worker that is not.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from nnkit_grader.sandbox.limits import BUSY
from nnkit_grader.sandbox.visible_paths import import_roots

PROGRAM = (
    "import sys; sys.path.extend(sys.argv.pop().splitlines()); "
    "from nnkit_grader.workers import worker; worker.main(int(sys.argv.pop()))"
)
STARTING = 120.0
"""Seconds in which a worker must be warm; it takes two or three."""
PATIENCE = 120.0
"""Seconds beyond a submission's own limit after which a worker that does not answer is killed."""
CROWD = 8
"""Jobs, at most, that one worker is at; it forks for each, and answers."""
ONE_THREAD = {
    name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
}
"""There is a job a core, so its linear algebra needs no threads; and a process with threads is not to be forked."""


class CannotStart(RuntimeError):
    """No worker can be had here, now or later; says why."""


class WorkerDied(RuntimeError):
    """The worker died with the job that it had."""


class Attendant:
    """A worker, as those who give it work see it; any thread may."""

    def __init__(self, setup: dict[str, Any]):
        self.key = setup["key"]
        self.patience = setup["seconds"]["whole"] + BUSY + PATIENCE
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the worker)
        with theirs:
            roots = "\n".join(map(str, import_roots()))
            command = [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), roots]
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
        self.told: Future[dict[str, str]] = Future()
        """What the worker says of its sandbox; CannotStart where it cannot be warm."""
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.waiting: dict[int, Future[dict[str, Any]]] = {}
        self.hung_up = False
        self.listener = threading.Thread(target=self._listen, args=(setup,), name="nnkit-listener", daemon=True)
        self.listener.start()

    def grade(self, job: dict[str, Any]) -> dict[str, Any]:
        """The answer to a job. Raises WorkerDied or CannotStart."""
        told = self.told.result()
        answer: Future[dict[str, Any]] = Future()
        with self.lock:
            if self.hung_up:
                raise WorkerDied("the worker died")
            number = next(self.numbers)
            self.waiting[number] = answer
            with contextlib.suppress(OSError):  # the listener tells
                self.connection.send({**job, "number": number})
        try:
            return {**answer.result(self.patience), "sandbox": told}
        except TimeoutError:
            self.kill()
            raise WorkerDied("the worker did not answer") from None

    def _listen(self, setup: dict[str, Any]) -> None:
        """In a thread of its own: greet the worker, then hand each answer to the one who waits for it."""
        told: dict[str, str] = {}
        with contextlib.suppress(EOFError, OSError, ValueError):
            self.connection.send(setup)
            told = self.connection.recv() if self.connection.poll(STARTING) else {}
            if "kind" in told:
                self.told.set_result(told)
            while "kind" in told:
                answer = json.loads(self.connection.recv_bytes())
                self.waiting.pop(answer.pop("number")).set_result(answer)
        with self.lock:
            self.hung_up = True
        if "kind" not in told:
            self.told.set_exception(CannotStart(told.get("fault") or f"A worker does not start: {self._complaint()}."))
        while self.waiting:
            self.waiting.popitem()[1].set_exception(WorkerDied("the worker died"))

    def _complaint(self) -> str:
        """The last line that the worker wrote to stderr."""
        self.process.kill()
        self.process.wait()
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1].rstrip(".") if lines else "it gave no reason"

    @property
    def alive(self) -> bool:
        return not self.hung_up and self.process.poll() is None

    def kill(self) -> None:
        """End the worker, and with it all that it is at; who waits for an answer gets WorkerDied."""
        self.process.kill()

    def close(self) -> None:
        self.kill()
        self.process.wait()
        self.listener.join()
        self.connection.close()
        self.complaints.close()


_lock = threading.Lock()
_workers: dict[Attendant, int] = {}
"""Every worker of this process, and how many jobs it has."""


def grade(setup: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """Grade one submission: a worker's answer. Raises WorkerDied or CannotStart.

    A job that is "alone" has a worker of its own, so that nobody dies with it, nor it with anybody else.
    """
    with _engaged(setup, job.get("alone", False)) as attendant:
        return attendant.grade(job)


def prepare(setup: dict[str, Any]) -> None:
    """Have a worker warm. What goes wrong is told when there is a job for it."""
    with contextlib.suppress(CannotStart), _engaged(setup) as attendant:
        attendant.told.result()


@contextlib.contextmanager
def _engaged(setup: dict[str, Any], alone: bool = False) -> Iterator[Attendant]:
    """The worker that is set up so and has the fewest jobs, or a new one, with one job more meanwhile. Those that have
    died, know what is out of date, or were for one job alone, are let go when they have none."""
    with _lock:
        for attendant in [each for each, jobs in _workers.items() if not jobs]:
            if attendant.key != setup["key"] or not attendant.alive:
                del _workers[attendant]
                attendant.close()
        able = [each for each in _workers if each.key == setup["key"] and each.alive and _workers[each] < CROWD]
        attendant = min(able, key=_workers.__getitem__) if able and not alone else Attendant(setup)
        if alone:
            attendant.key = ""
        _workers[attendant] = _workers.get(attendant, 0) + 1
    try:
        yield attendant
    finally:
        with _lock:
            _workers[attendant] -= 1


def dismiss() -> None:
    """End all workers of this process."""
    with _lock:
        for attendant, jobs in list(_workers.items()):
            attendant.kill()
            if not jobs:
                del _workers[attendant]
                attendant.close()
