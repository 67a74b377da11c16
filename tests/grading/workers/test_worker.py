"""One worker, its client and its pool, without a class around them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helpers import classes
from nnkit_grader.course.assignment import load_assignment
from nnkit_grader.course.bound_names import find_global_reads
from nnkit_grader.examiner.borrowed_names import find_borrowed
from nnkit_grader.examiner.examiner import TimeLimits
from nnkit_grader.intake.open_submission import open_submission
from nnkit_grader.intake.stub_code import find_implemented_names, find_imported_names, is_stub
from nnkit_grader.intake.submission import Submission
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers import worker_client
from nnkit_grader.workers.executor import make_setup
from nnkit_grader.workers.worker import warm_up
from nnkit_grader.workers.worker_client import CannotStart, WorkerClient, WorkerDied
from nnkit_grader.workers.worker_pool import WorkerPool

pytestmark = pytest.mark.slow
FLOOD = "import numpy as np\ndef double(x):\n    return np.full(6_000_000, float(x))"
KEEPS = "kept = [double(n) for n in range(30)]\nassert len(kept) == 30"
MEMORY = 500 * 2**20


@contextlib.contextmanager
def opened(setup: dict[str, Any]) -> Iterator[WorkerPool]:
    pool = WorkerPool(setup)
    try:
        yield pool
    finally:
        pool.close()
        assert pool._jobs == {}


CODE: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}


def prepared(folder: Path, test_triple: str = classes.TEST_TRIPLE, sandbox: str = "auto", memory: int = 2**32) -> Any:
    """Make a course, and return the setup of a worker for it."""
    classes.course(folder)
    notebook = classes.notebook(test_triple)
    notebook["cells"].append({"id": "shell", "source": "%%bash\necho hi there", **CODE})
    classes.write_solution(folder, notebook)
    return make_setup(load_assignment(folder, classes.NAME), sandbox, TimeLimits(), Limits(), memory)


def job(path: Path, **more: Any) -> dict[str, Any]:
    return {"student": "ada", "folder": str(path.parent), "seed": 1, **more}


def scores(answer: dict[str, Any]) -> dict[str, float]:
    cells = answer["result"]["cells"]
    return {cell["grade_id"]: cell["score"] for cell in cells if cell["score"] is not None}


def test_a_worker_grades_one_after_the_other_in_one_process(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    with opened(setup) as pool:
        first = pool.grade(job(path))
        (worker,) = pool._jobs
        again = pool.grade(job(path))
        assert pool._jobs == {worker: 0}
    assert scores(first) == scores(again) == {"test-double": 2.0, "test-triple": 3.0}
    assert not worker.is_alive


def test_a_warm_worker_has_searched_the_courses_own_cells(tmp_path: Path) -> None:
    folder = classes.course(tmp_path / "course")
    assignment = load_assignment(folder, classes.NAME)
    searches = (find_implemented_names, find_imported_names, is_stub, find_global_reads)
    for search in searches:
        search.cache_clear()
    warm_up(assignment)
    before = [search.cache_info().misses for search in searches]
    submission = open_submission(classes.hand_in(folder, "ada", {}).parent, assignment)
    assert isinstance(submission, Submission)
    find_borrowed(assignment, submission)
    assert [search.cache_info().misses for search in searches] == before


def test_a_flood_of_replies_costs_its_own_test_and_no_memory(tmp_path: Path) -> None:
    setup = prepared(tmp_path, KEEPS, memory=MEMORY)
    path = classes.hand_in(tmp_path, "ada", {**classes.RIGHT, "double": FLOOD})
    right = classes.hand_in(tmp_path, "bo", classes.RIGHT)
    with opened(setup) as pool:
        answer = pool.grade(job(path))
        assert scores(answer) == {"test-double": 0.0, "test-triple": 0.0}
        (test,) = [cell for cell in answer["result"]["cells"] if cell["id"] == "test-triple"]
        assert "MemoryError" in test["trouble"]
        assert scores(pool.grade(job(right))) == {"test-double": 2.0, "test-triple": 3.0}


def test_pools_with_different_setups_do_not_share_a_worker(tmp_path: Path) -> None:
    """Two runs in one process grade by their own tests, and neither ends the other's workers."""
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    with opened(setup) as pool:
        pool.grade(job(path))
        (worker,) = pool._jobs
        classes.write_solution(tmp_path, classes.notebook("assert triple(1) == 4"))
        changed = make_setup(load_assignment(tmp_path, classes.NAME), "auto", TimeLimits(), Limits())
        with opened(changed) as another:
            assert scores(another.grade(job(path)))["test-triple"] == 0.0
            assert worker not in another._jobs
        assert worker.is_alive
        assert scores(pool.grade(job(path)))["test-triple"] == 3.0


def test_a_closed_pool_starts_no_worker(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    pool = WorkerPool(setup)
    pool.close()
    with pytest.raises(CannotStart, match="The run has ended"):
        pool.grade(job(path))
    assert pool._jobs == {}


def test_an_examiner_that_fails_is_reported_with_its_error(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    with opened(setup) as pool:
        answer = pool.grade({"student": "ada", "folder": str(path.parent)})  # no seed
    assert answer["trouble"] == "the examiner failed"
    assert answer["log"][-1] == "KeyError: 'seed'"


def test_a_worker_that_is_killed_is_reported_and_replaced(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    client = WorkerClient(setup)
    client.sandbox.result()
    os.kill(client.process.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="the worker died"):
        client.grade(job(path))
    client.close()
    with opened(setup) as pool:
        pool.grade(job(path))
        (worker,) = pool._jobs
        worker.kill()
        worker.process.wait()
        assert scores(pool.grade(job(path)))["test-double"] == 2.0


def test_no_sandbox_and_no_worker_are_reported_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepared(tmp_path, sandbox="padded cell")
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    with opened(setup) as pool:
        with pytest.raises(CannotStart, match="There is no sandbox 'padded cell'"):
            pool.grade(job(path))
        monkeypatch.setattr(worker_client, "PROGRAM", "raise SystemExit('no Python here')")
        with pytest.raises(CannotStart, match=r"A worker does not start: no Python here\."):
            pool.grade(job(path))


def test_a_worker_ends_with_its_client_although_it_has_work(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    slow = {**classes.RIGHT, "double": "import time\ntime.sleep(20)\n" + classes.DOUBLE}
    path = classes.hand_in(tmp_path, "ada", slow)
    client = WorkerClient(setup)
    client.sandbox.result()
    threading.Thread(target=pytest.raises, args=(WorkerDied, client.grade, job(path))).start()
    time.sleep(1)
    with socket.socket(fileno=os.dup(client.connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
    assert client.process.wait(300) == 0
    client.close()


def test_jobs_share_a_worker_and_one_that_is_alone_has_its_own(tmp_path: Path) -> None:
    """No job waits for one that was there before."""
    setup = prepared(tmp_path)
    sleeps = {**classes.RIGHT, "double": "import time\ntime.sleep(4)\n" + classes.DOUBLE}
    slow = classes.hand_in(tmp_path, "ada", sleeps)
    path = classes.hand_in(tmp_path, "bo", classes.RIGHT)
    with opened(setup) as pool, ThreadPoolExecutor(1) as threads:
        pool.prepare()
        (worker,) = pool._jobs
        first = threads.submit(pool.grade, job(slow))
        time.sleep(0.5)
        assert scores(pool.grade(job(path)))["test-double"] == 2.0
        assert pool._jobs == {worker: 1}
        assert not first.done()
        alone = threads.submit(pool.grade, job(path, alone=True))
        assert scores(first.result()) == {"test-double": 2.0, "test-triple": 3.0}
        assert scores(alone.result()) == {"test-double": 2.0, "test-triple": 3.0}
        assert len(pool._jobs) == 2
        pool.prepare()
        assert pool._jobs == {worker: 0}
