"""The client of one worker: starts the process, sends it jobs and hands out its answers.

A worker is a fresh process and never a fork of this one: this process has threads, and may be a server's.
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
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from nnkit_grader.sandbox.limits import MAX_BUSY_SECONDS
from nnkit_grader.sandbox.visible_paths import list_import_roots

PROGRAM = (
    "import sys; sys.path.extend(sys.argv.pop().splitlines()); "
    "from nnkit_grader.workers import worker; worker.main(int(sys.argv.pop()))"
)
MAX_START_SECONDS = 120.0
"""Time in which a worker must be warm; it takes two or three seconds."""
MAX_OVERTIME_SECONDS = 120.0
"""Time beyond a submission's own limit after which a worker that does not answer is killed."""
ONE_THREAD = {
    name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
}
"""Environment for linear algebra with one thread: there is a job for each core, and a process with threads must not be
forked."""


class CannotStart(RuntimeError):
    """No worker can be started here, now or later; the message says why."""


class WorkerDied(RuntimeError):
    """The worker died before it had answered."""


class WorkerClient:
    """One worker, as seen by the threads that give it work."""

    def __init__(self, setup: dict[str, Any]):
        self.max_seconds = setup["seconds"]["whole"] + MAX_BUSY_SECONDS + MAX_OVERTIME_SECONDS
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the worker)
        with theirs:
            roots = "\n".join(map(str, list_import_roots()))
            command = [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), roots]
            self.process = subprocess.Popen(
                command,
                env={"JAX_PLATFORMS": "cpu", **os.environ, **setup["environment"], **ONE_THREAD},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.stderr,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.sandbox: Future[dict[str, str]] = Future()
        """Kind and description of the worker's sandbox; CannotStart if the worker does not become warm."""
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.waiting: dict[int, Future[dict[str, Any]]] = {}
        self.hung_up = False
        self.listener = threading.Thread(target=self._listen, args=(setup,), name="nnkit-listener", daemon=True)
        self.listener.start()

    def grade(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a job. Raises WorkerDied or CannotStart."""
        sandbox = self.sandbox.result()
        answer: Future[dict[str, Any]] = Future()
        with self.lock:
            if self.hung_up:
                raise WorkerDied("the worker died")
            number = next(self.numbers)
            self.waiting[number] = answer
            with contextlib.suppress(OSError):  # the listener finds out and sets an exception
                self.connection.send({**job, "number": number})
        try:
            return {**answer.result(self.max_seconds), "sandbox": sandbox}
        except TimeoutError:
            self.kill()
            raise WorkerDied("the worker did not answer") from None

    def _listen(self, setup: dict[str, Any]) -> None:
        """Send the setup, then hand each answer to the thread that waits for it; runs in a thread of its own."""
        greeting: dict[str, str] = {}
        with contextlib.suppress(EOFError, OSError, ValueError):
            self.connection.send(setup)
            greeting = self.connection.recv() if self.connection.poll(MAX_START_SECONDS) else {}
            if "kind" in greeting:
                self.sandbox.set_result(greeting)
            while "kind" in greeting:
                answer = json.loads(self.connection.recv_bytes())
                self.waiting.pop(answer.pop("number")).set_result(answer)
        with self.lock:
            self.hung_up = True
        if "kind" not in greeting:
            reason = greeting.get("fault") or f"A worker does not start: {self._read_error()}."
            self.sandbox.set_exception(CannotStart(reason))
        while self.waiting:
            self.waiting.popitem()[1].set_exception(WorkerDied("the worker died"))

    def _read_error(self) -> str:
        """Return the last line that the worker wrote to stderr."""
        self.process.kill()
        self.process.wait()
        self.stderr.seek(0)
        lines = self.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1].rstrip(".") if lines else "it gave no reason"

    @property
    def is_alive(self) -> bool:
        """True if the worker can take another job."""
        return not self.hung_up and self.process.poll() is None

    def kill(self) -> None:
        """Kill the worker and all its jobs; the threads that wait for an answer get WorkerDied."""
        self.process.kill()

    def close(self) -> None:
        """Kill the worker and release what belongs to it."""
        self.kill()
        self.process.wait()
        self.listener.join()
        self.connection.close()
        self.stderr.close()
