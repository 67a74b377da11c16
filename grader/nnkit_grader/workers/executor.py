"""Who grades: an executor of `concurrent.futures`, on this machine or on a Dask cluster.

On a cluster each Dask worker needs nnkit with its `grading` extra, in the version of the one who asks, and bubblewrap
or Landlock: submissions run in a sandbox there as they do here. The course's folder need not be there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.examiner.examiner import Seconds
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers import worker_client

PASSED_ON = ("NNKIT_CHECK_SECONDS",)
"""What of the environment decides how submissions are graded."""
EXAMINER = 4 * 2**30
"""Bytes that the examination of one submission may take on the trusted side."""


class Crew:
    """An executor, and what all its jobs have in common."""

    def __init__(
        self, executor: Executor, size: int, setup: dict[str, Any], near: bool, warming: Future[None] | None = None
    ):
        self.executor, self.size, self.setup, self.near, self.warming = executor, size, setup, near, warming
        """`near`: whether workers see the course's folder. `warming`: done when there is a warm one to begin with."""
        self.spare = 3 * size if near else 0
        """How many more, in place of jobs that take long: most of those wait for a loop to be given up."""

    def warm_up(self) -> None:
        """Wait until the first worker is warm, or has failed to be."""
        if self.warming is not None:
            self.warming.result()

    @property
    def window(self) -> int:
        """How many jobs are handed out at a time. A cluster gets some ahead, since it is far."""
        return self.size if self.near else 2 * self.size

    def grade(self, job: dict[str, Any]) -> Future[dict[str, Any]]:
        return self.executor.submit(worker_client.grade, self.setup, job)


def setup(
    assignment: Assignment, sandbox: str, seconds: Seconds, limits: Limits, memory: int = EXAMINER
) -> dict[str, Any]:
    """What a worker must know before its first job: plain data, with a key that tells one setup from another.

    `limits` are those of the learner's process, `memory` is what the examiner may take, in bytes.
    """
    told = {
        "assignment": assignment.to_json(),
        "sandbox": sandbox,
        "seconds": asdict(seconds),
        "limits": limits.to_json(),
        "memory": memory,
        "environment": {name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }
    return {**told, "key": hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}


@contextlib.contextmanager
def here(jobs: int | None, setup: dict[str, Any]) -> Iterator[Crew]:
    """A job for each core, or `jobs` of them, at a time. Their worker starts at once, in the background."""
    size = jobs or _cores()
    executor = ThreadPoolExecutor(4 * size, "nnkit-attendant")
    try:
        yield Crew(executor, size, setup, near=True, warming=executor.submit(worker_client.prepare, setup))
    finally:
        worker_client.dismiss()  # a thread that waits for an answer gets none, and ends
        executor.shutdown(cancel_futures=True)
        worker_client.dismiss()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def cluster(scheduler: str, setup: dict[str, Any]) -> Iterator[Crew]:
    """All threads of all workers of a Dask cluster. Raises CannotStart where there is none."""
    import distributed

    connect: Any = distributed.Client
    try:
        client = connect(scheduler, timeout=10)
    except (OSError, TimeoutError, ValueError) as fault:
        raise worker_client.CannotStart(f"There is no Dask scheduler at {scheduler}: {fault}") from None
    with client:
        size = sum(client.nthreads().values())
        if not size:
            raise worker_client.CannotStart(f"The Dask scheduler at {scheduler} has no workers.")
        yield Crew(client.get_executor(), size, setup, near=False)
