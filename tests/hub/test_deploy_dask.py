"""The Dask cluster of hub/deploy/kubernetes: its scheduler and a worker run as their manifests say, and grade."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from distributed import Client

from helpers import clusters

pytestmark = pytest.mark.slow
DASK = shutil.which("dask", path=Path(sys.executable).parent)


def command(name: str, here: dict[str, str]) -> list[str]:
    """Return the command of the manifest's container, with the ports and folders of this machine."""
    (container,) = clusters.list_templates(clusters.load_manifests())[name]["spec"]["containers"]
    assert here.keys() <= set(container["args"])
    return [here.get(word, word) for word in container["args"]] + ["--host", "127.0.0.1"]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    port, worker, nanny = (str(one.getsockname()[1]) for one in held)
    for one in held:
        one.close()
    address = f"tcp://127.0.0.1:{port}"
    assert DASK
    there = {"tcp://dask-scheduler:8786": address, "8788": worker, "8789": nanny, "/tmp": str(tmp_path)}
    with ExitStack() as stack:
        for name, here in (("dask-scheduler", {"8786": port}), ("dask-worker", there)):
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                command(name, {"dask": DASK, **here}), cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        yield address


@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_class_is_graded_by_the_cluster_of_the_manifests(scheduler: str, tmp_path: Path) -> None:
    course = tmp_path / "course"
    course.mkdir()
    shutil.copytree(clusters.ROOT / "solutions", course / "solutions")
    shutil.copy(clusters.ROOT / "nbgrader_config.py", course)
    handed_in = course / "submitted" / "ada" / "ps1"
    shutil.copytree(clusters.ROOT / "assignments" / "ps1", handed_in)
    with Client(scheduler, timeout=60) as client:
        client.wait_for_workers(1, timeout=60)
    nnkit = [sys.executable, "-m", "nnkit.cli"]
    graded = subprocess.run(
        [*nnkit, "autograde", "ps1", "--scheduler", scheduler],
        cwd=course, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert graded.returncode == 0, graded.stdout + graded.stderr
    assert (course / "autograded" / "ada" / "ps1" / "ps1.ipynb").is_file()
