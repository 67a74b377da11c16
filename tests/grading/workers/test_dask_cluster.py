"""The pools in a Dask cluster's workers: a worker that cannot grade is named, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import distributed
import pytest

from nnkit_grader.workers.dask_cluster import PLUGIN_PREFIX, PoolPlugin, connect, open_pools
from nnkit_grader.workers.worker_client import CannotStart

pytestmark = pytest.mark.filterwarnings("default")  # Dask's own


class LoadsOnce:
    """Part of a setup that only the first worker can read."""

    loads = 0

    def __reduce__(self) -> Any:
        return LoadsOnce.load, ()

    @staticmethod
    def load() -> LoadsOnce:
        LoadsOnce.loads += 1
        if LoadsOnce.loads > 1:
            raise ModuleNotFoundError("No module named 'nnkit_grader'")
        return LoadsOnce()


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A scheduler and two workers in this process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp://", **options) as cluster:
        yield cluster


def list_plugins(cluster: Any) -> list[str]:
    return [name for name in cluster.scheduler.worker_plugins if name.startswith(PLUGIN_PREFIX)]


def test_a_worker_that_cannot_open_its_pool_is_named(cluster: Any) -> None:
    LoadsOnce.loads = 0
    with connect(cluster.scheduler_address) as client:
        with pytest.raises(CannotStart) as caught, open_pools(client, {"part": LoadsOnce()}):
            raise AssertionError("it was opened")
        sentence = str(caught.value)
    assert sentence.endswith(""" cannot grade: ModuleNotFoundError("No module named 'nnkit_grader'")""")
    assert sum(worker.address in sentence for worker in cluster.workers.values()) == 1
    assert list_plugins(cluster) == []


def test_plugins_of_runs_that_were_killed_are_removed(cluster: Any) -> None:
    with connect(cluster.scheduler_address) as living, open_pools(living, {}) as name:
        living.register_plugin(PoolPlugin(f"{PLUGIN_PREFIX}Client-that-was-killed", {}))
        assert len(list_plugins(cluster)) == 2
        with connect(cluster.scheduler_address):
            assert list_plugins(cluster) == [name]
    assert list_plugins(cluster) == []
