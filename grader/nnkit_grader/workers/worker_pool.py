"""The pool of warm workers that belongs to one run, or on a cluster to one run in one Dask worker."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from nnkit_grader.workers.worker_client import CannotStart, WorkerClient

MAX_WORKER_JOBS = 8
"""Jobs of one worker at a time; it forks for each."""


class WorkerPool:
    """Warm workers with the same setup, for any number of threads; they are started when they are needed."""

    def __init__(self, setup: dict[str, Any]):
        self.setup = setup
        self._lock = threading.Lock()
        self._jobs: dict[WorkerClient, int] = {}
        """Number of jobs under way, by worker."""
        self._reserved: set[WorkerClient] = set()
        """Workers for one job alone."""
        self._closed = threading.Event()

    def grade(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return a worker's answer to one job. Raises WorkerDied or CannotStart.

        A job that is "alone" gets a worker of its own, so that neither can be lost with another submission.
        """
        with self._use_worker(job.get("alone", False)) as client:
            return client.grade(job)

    def prepare(self) -> None:
        """Wait until a worker is warm. If none can be started, the first job raises the error."""
        with contextlib.suppress(CannotStart), self._use_worker() as client:
            client.sandbox.result()

    def close(self) -> None:
        """Kill all workers; threads that wait for an answer get WorkerDied. No worker is started after this."""
        with self._lock:
            self._closed.set()
            for client in self._jobs:
                client.kill()
            self._close_idle()

    @contextlib.contextmanager
    def _use_worker(self, alone: bool = False) -> Iterator[WorkerClient]:
        """Context manager that gives the worker with the fewest jobs, or a new one, and counts one job more for it."""
        with self._lock:
            if self._closed.is_set():
                raise CannotStart("The run has ended.")
            self._close_idle()
            client = self._choose(alone)
            self._jobs[client] = self._jobs.get(client, 0) + 1
        try:
            yield client
        finally:
            with self._lock:
                self._jobs[client] -= 1
                if self._closed.is_set():
                    self._close_idle()

    def _choose(self, alone: bool) -> WorkerClient:
        shared = (client for client in self._jobs if client.is_alive and client not in self._reserved)
        able = [client for client in shared if self._jobs[client] < MAX_WORKER_JOBS]
        if able and not alone:
            return min(able, key=self._jobs.__getitem__)
        client = WorkerClient(self.setup)
        if alone:
            self._reserved.add(client)
        return client

    def _close_idle(self) -> None:
        """Close the workers that have no job and will get none."""
        for client in [client for client, jobs in self._jobs.items() if not jobs]:
            if self._closed.is_set() or client in self._reserved or not client.is_alive:
                del self._jobs[client]
                self._reserved.discard(client)
                client.close()
