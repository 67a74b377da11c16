"""The Dask side of grading: each Dask worker has a worker pool of its own for as long as a run lasts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import distributed

from nnkit_grader.workers.worker_client import CannotStart
from nnkit_grader.workers.worker_pool import WorkerPool

PLUGIN_PREFIX = "nnkit-"
"""Start of a plugin's name; the rest is its client's id."""


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
        with contextlib.suppress(Exception):  # a scheduler may refuse to run functions; the plugins only use memory
            _remove_stale_plugins(client)
        yield client


def _remove_stale_plugins(client: Any) -> None:
    """Remove the plugins of runs that were killed: those of clients that the scheduler no longer has."""

    def find_stale(prefix: str, dask_scheduler: Any) -> list[str]:  # sent by value: a scheduler need not have nnkit
        named = [name for name in dask_scheduler.worker_plugins if name.startswith(prefix)]
        return [name for name in named if name.removeprefix(prefix) not in dask_scheduler.clients]

    for name in client.run_on_scheduler(find_stale, PLUGIN_PREFIX):
        client.unregister_worker_plugin(name)


@contextlib.contextmanager
def open_pools(client: Any, pool_setup: dict[str, Any]) -> Iterator[str]:
    """Context manager that gives the name under which each Dask worker has a pool; they are closed at the end.

    Raises CannotStart if a worker cannot open one.
    """
    plugin = PoolPlugin(f"{PLUGIN_PREFIX}{client.id}", pool_setup)
    try:
        _register(client, plugin)
        yield plugin.name
    finally:
        with contextlib.suppress(Exception):  # where the scheduler is gone, so are its workers' plugins
            client.unregister_worker_plugin(plugin.name)


def _register(client: Any, plugin: PoolPlugin) -> None:
    try:
        client.register_plugin(plugin)
    except Exception as fault:  # whatever one of the workers raised
        workers = " and ".join(_find_without_pool(client, plugin.name)) or "an address that is not known"
        text = f"{fault}" if type(fault) is Exception else f"{fault!r}"  # Dask's own has the text of another
        raise CannotStart(f"The Dask worker at {workers} cannot grade: {text}") from None


def _find_without_pool(client: Any, name: str) -> list[str]:
    """Return the addresses of workers that have no pool of this name, or cannot say."""
    try:
        answers = client.run(has_pool, name, on_error="return")
    except Exception:
        return []
    return sorted(address for address, answer in answers.items() if answer is not True)


def has_pool(name: str, dask_worker: Any) -> bool:
    """Return True in a Dask worker that has opened its pool of this name."""
    plugin = dask_worker.plugins.get(name)
    return plugin is not None and plugin.pool is not None
