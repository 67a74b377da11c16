"""The executor of a run: where its jobs are graded, on this machine or on a Dask cluster.

On a cluster each Dask worker needs nnkit-grader in the same version as here, and bubblewrap or Landlock: submissions
run in a sandbox there too. The course's folder need not be visible there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.examiner.examiner import TimeLimits
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers.worker_client import CannotStart
from nnkit_grader.workers.worker_pool import WorkerPool

FORWARDED_VARIABLES = ("NNKIT_CHECK_SECONDS",)
"""Environment variables that change how submissions are graded."""
MAX_EXAMINER_BYTES = 4 * 2**30
"""Memory of the trusted process that examines one submission."""


@dataclass(frozen=True)
class Executor:
    """A way to have jobs graded, a number of them at a time."""

    submit: Callable[[dict[str, Any]], Future[dict[str, Any]]]
    """Hands out a job; the future gets the answer, WorkerDied or CannotStart."""
    size: int
    """Jobs that can run at a time."""
    is_local: bool
    """True if the workers see the course's folder."""
    warming: Future[None] | None = None
    """Done when the first worker is warm."""

    def warm_up(self) -> None:
        """Wait until the first worker is warm, or has failed to start."""
        if self.warming is not None:
            self.warming.result()

    @property
    def window(self) -> int:
        """Jobs that are handed out at a time; a cluster gets some in advance, since it is far away."""
        return self.size if self.is_local else 2 * self.size

    @property
    def spare(self) -> int:
        """Further jobs that may run beside long ones: most of those wait for the time limit of an endless loop."""
        return 3 * self.size if self.is_local else 0


def make_setup(
    assignment: Assignment,
    sandbox: str,
    seconds: TimeLimits,
    limits: Limits,
    max_examiner_bytes: int = MAX_EXAMINER_BYTES,
) -> dict[str, Any]:
    """Return what a worker must know before its first job, as plain data.

    `limits` are those of the learner's process, `max_examiner_bytes` is the memory of the examiner.
    """
    return {
        "assignment": assignment.to_json(),
        "sandbox": sandbox,
        "seconds": asdict(seconds),
        "limits": limits.to_json(),
        "memory": max_examiner_bytes,
        "environment": {name: os.environ[name] for name in FORWARDED_VARIABLES if name in os.environ},
    }


@contextlib.contextmanager
def open_local(jobs: int | None, setup: dict[str, Any]) -> Iterator[Executor]:
    """Context manager that gives an executor for `jobs` jobs at a time on this machine; by default one for each core.

    A first worker is started at once, in the background.
    """
    size = jobs or _count_cores()
    pool, threads = WorkerPool(setup), ThreadPoolExecutor(4 * size, "nnkit-worker-client")
    try:
        yield Executor(lambda job: threads.submit(pool.grade, job), size, True, threads.submit(pool.prepare))
    finally:
        pool.close()  # threads that wait for an answer get WorkerDied, and end
        threads.shutdown(cancel_futures=True)


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def open_cluster(scheduler: str, setup: dict[str, Any]) -> Iterator[Executor]:
    """Context manager that gives an executor for all threads of a Dask cluster. Raises CannotStart if it has none."""
    from nnkit_grader.workers import dask_cluster

    with dask_cluster.connect(scheduler) as client:
        size = sum(client.nthreads().values())
        if not size:
            raise CannotStart(f"The Dask scheduler at {scheduler} has no workers.")
        with dask_cluster.open_pools(client, setup) as pool:
            executor = client.get_executor()
            yield Executor(lambda job: executor.submit(dask_cluster.grade_in_pool, pool, job), size, False)
