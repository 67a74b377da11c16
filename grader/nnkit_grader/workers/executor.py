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
from pathlib import Path
from typing import Any

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.examiner.examiner import TimeLimits
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers.worker_client import CannotStart
from nnkit_grader.workers.worker_pool import WorkerPool

FORWARDED_VARIABLES = ("NNKIT_CHECK_SECONDS",)
"""Environment variables that change how submissions are graded."""
MEMORY_SHARE = 0.8
"""Part of the machine's memory that all jobs together may hold."""
MIN_JOB_BYTES = 2**30
"""Memory that each job may hold; there are fewer jobs at a time where the machine has too little."""
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
    spare: int = 0
    """Further jobs that may run beside long ones: most of those wait for the time limit of an endless loop."""
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


def make_setup(
    assignment: Assignment,
    sandbox: str,
    seconds: TimeLimits,
    limits: Limits,
    max_examiner_bytes: int = MAX_EXAMINER_BYTES,
    remembers: bool = False,
) -> dict[str, Any]:
    """Return what a worker must know before its first job, as plain data.

    `limits` are those of the learner's process, which gets room for the course's files besides; `max_examiner_bytes` is
    the memory of the examiner. A worker that `remembers` judges equal replies of the class once.
    """
    return {
        "assignment": assignment.to_json(),
        "sandbox": sandbox,
        "seconds": asdict(seconds),
        "limits": limits.make_room(assignment.course_files).to_json(),
        "memory": max_examiner_bytes,
        "remembers": remembers,
        "environment": {name: os.environ[name] for name in FORWARDED_VARIABLES if name in os.environ},
    }


@contextlib.contextmanager
def open_local(jobs: int | None, setup: dict[str, Any]) -> Iterator[Executor]:
    """Context manager that gives an executor for `jobs` jobs at a time on this machine; by default one for each core.

    A first worker is started at once, in the background. All jobs together hold no more than the machine's memory.
    """
    size = jobs or _count_cores()
    most, resident = share_memory(4 * size, measure_memory())
    setup["limits"]["resident"] = min(resident, setup["limits"]["resident"])
    size = min(size, most)
    pool, threads = WorkerPool(setup), ThreadPoolExecutor(most, "nnkit-worker-client")
    try:
        warming = threads.submit(pool.prepare)
        yield Executor(lambda job: threads.submit(pool.grade, job), size, True, most - size, warming)
    finally:
        pool.close()  # threads that wait for an answer get WorkerDied, and end
        threads.shutdown(cancel_futures=True)


def share_memory(jobs: int, total: int) -> tuple[int, int]:
    """Return how many of the jobs may run at a time on a machine with `total` bytes, and the bytes for each."""
    usable = int(MEMORY_SHARE * total)
    most = max(1, min(jobs, usable // MIN_JOB_BYTES))
    return most, usable // most


def measure_memory() -> int:
    """Return the bytes of memory that this machine, or this container, has."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # "max" where a container has no limit
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


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
