"""The Dask side of grading: each Dask worker has a worker pool of its own for as long as a run lasts."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import distributed

from nnkit_grader.workers.worker_client import CannotStart
from nnkit_grader.workers.worker_pool import WorkerPool


class PoolPlugin(distributed.WorkerPlugin):
    """Dask plugin that opens a worker pool in each Dask worker, and closes it when the run ends."""

    def __init__(self, name: str, pool_setup: dict[str, Any]):
        self.name, self.pool_setup = name, pool_setup
        self.pool: WorkerPool | None = None

    def setup(self, worker: distributed.Worker) -> None:
        """Open the pool; it starts its processes with the first job."""
        self.pool = WorkerPool(self.pool_setup)

    def teardown(self, worker: distributed.Worker) -> None:
        """Close the pool."""
        if self.pool is not None:
            self.pool.close()


def grade_in_pool(name: str, job: dict[str, Any]) -> dict[str, Any]:
    """Grade one submission with the pool of the Dask worker that runs this. Raises WorkerDied or CannotStart."""
    plugin: Any = distributed.get_worker().plugins[name]
    answer: dict[str, Any] = plugin.pool.grade(job)
    return answer


@contextlib.contextmanager
def connect(scheduler: str) -> Iterator[Any]:
    """Context manager that gives a Dask client. Raises CannotStart if there is no scheduler at this address."""
    client_class: Any = distributed.Client
    try:
        client = client_class(scheduler, timeout=10)
    except (OSError, TimeoutError, ValueError) as fault:
        raise CannotStart(f"There is no Dask scheduler at {scheduler}: {fault}") from None
    with client:
        yield client


@contextlib.contextmanager
def open_pools(client: Any, pool_setup: dict[str, Any]) -> Iterator[str]:
    """Context manager that gives the name under which each Dask worker has a pool; they are closed at the end."""
    plugin = PoolPlugin(f"nnkit-{uuid.uuid4().hex}", pool_setup)
    client.register_plugin(plugin)
    try:
        yield plugin.name
    finally:
        with contextlib.suppress(Exception):  # where the scheduler is gone, so are its workers' plugins
            client.unregister_worker_plugin(plugin.name)
