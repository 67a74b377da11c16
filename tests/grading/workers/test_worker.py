"""One worker and its attendant, without a class around them."""

from __future__ import annotations

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
from nnkit_grader.examiner.examiner import Seconds
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.workers import executor, worker_client
from nnkit_grader.workers.worker_client import Attendant, CannotStart, WorkerDied

FLOOD = "import numpy as np\ndef double(x):\n    return np.full(6_000_000, float(x))"
KEEPS = "kept = [double(n) for n in range(30)]\nassert len(kept) == 30"
MEMORY = 500 * 2**20


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    yield
    worker_client.dismiss()


def prepared(folder: Path, test_triple: str = classes.TEST_TRIPLE, sandbox: str = "auto", memory: int = 2**32) -> Any:
    """A course with a submission, and the setup of a worker for it."""
    classes.course(folder)
    classes.write_solution(folder, classes.notebook(test_triple))
    return executor.setup(load_assignment(folder, classes.NAME), sandbox, Seconds(), Limits(), memory)


def job(path: Path, **more: Any) -> dict[str, Any]:
    return {"student": "ada", "folder": str(path.parent), "seed": 1, **more}


def scores(answer: dict[str, Any]) -> dict[str, float]:
    cells = answer["result"]["cells"]
    return {cell["grade_id"]: cell["score"] for cell in cells if cell["score"] is not None}


def test_a_worker_grades_one_after_the_other_in_one_process(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    first = worker_client.grade(setup, job(path))
    (worker,) = worker_client._workers
    began = time.monotonic()
    again = worker_client.grade(setup, job(path))
    assert worker_client._workers == {worker: 0}
    assert time.monotonic() - began < 2  # it is warm
    assert scores(first) == scores(again) == {"test-double": 2.0, "test-triple": 3.0}


def test_a_flood_of_replies_costs_its_own_test_and_no_memory(tmp_path: Path) -> None:
    setup = prepared(tmp_path, KEEPS, memory=MEMORY)
    path = classes.hand_in(tmp_path, "ada", {**classes.RIGHT, "double": FLOOD})
    answer = worker_client.grade(setup, job(path))
    assert scores(answer) == {"test-double": 0.0, "test-triple": 0.0}
    (test,) = [cell for cell in answer["result"]["cells"] if cell["id"] == "test-triple"]
    assert "MemoryError" in test["trouble"]
    right = classes.hand_in(tmp_path, "bo", classes.RIGHT)
    assert scores(worker_client.grade(setup, job(right))) == {"test-double": 2.0, "test-triple": 3.0}


def test_another_setup_gets_another_worker_and_the_old_one_is_let_go(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    worker_client.grade(setup, job(path))
    (old,) = worker_client._workers
    classes.write_solution(tmp_path, classes.notebook("assert triple(1) == 4"))
    changed = executor.setup(load_assignment(tmp_path, classes.NAME), "auto", Seconds(), Limits())
    assert changed["key"] != setup["key"]
    assert scores(worker_client.grade(changed, job(path)))["test-triple"] == 0.0
    assert not old.alive
    assert old not in worker_client._workers
    assert len(worker_client._workers) == 1


def test_an_examiner_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    answer = worker_client.grade(setup, {"student": "ada", "folder": str(path.parent)})  # no seed
    assert answer["trouble"] == "the examiner failed"
    assert answer["log"][-1] == "KeyError: 'seed'"


def test_a_worker_that_is_killed_is_told_and_replaced(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    helper = Attendant(setup)
    helper.told.result()
    os.kill(helper.process.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="the worker died"):
        helper.grade(job(path))
    helper.close()
    worker_client.grade(setup, job(path))
    (worker,) = worker_client._workers
    worker.kill()
    worker.process.wait()
    assert scores(worker_client.grade(setup, job(path)))["test-double"] == 2.0


def test_no_sandbox_and_no_worker_are_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepared(tmp_path, sandbox="padded cell")
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    with pytest.raises(CannotStart, match="There is no sandbox 'padded cell'"):
        worker_client.grade(setup, job(path))
    monkeypatch.setattr(worker_client, "PROGRAM", "raise SystemExit('no Python here')")
    with pytest.raises(CannotStart, match=r"A worker does not start: no Python here\."):
        worker_client.grade(setup, job(path))
    worker_client.dismiss()
    assert worker_client._workers == {}


def test_a_worker_ends_with_its_attendant_although_it_has_work(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    slow = {**classes.RIGHT, "double": "import time\ntime.sleep(20)\n" + classes.DOUBLE}
    path = classes.hand_in(tmp_path, "ada", slow)
    helper = Attendant(setup)
    helper.told.result()
    threading.Thread(target=pytest.raises, args=(WorkerDied, helper.grade, job(path))).start()
    time.sleep(1)
    with socket.socket(fileno=os.dup(helper.connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
    assert helper.process.wait(10) == 0
    helper.close()


def test_jobs_share_a_worker_and_one_that_is_alone_has_its_own(tmp_path: Path) -> None:
    """Each ends when it ends: none waits for one that was there before."""
    setup = prepared(tmp_path)
    sleeps = {**classes.RIGHT, "double": "import time\ntime.sleep(4)\n" + classes.DOUBLE}
    slow = classes.hand_in(tmp_path, "ada", sleeps)
    path = classes.hand_in(tmp_path, "bo", classes.RIGHT)
    worker_client.prepare(setup)
    (worker,) = worker_client._workers
    with ThreadPoolExecutor(1) as executor:
        first = executor.submit(worker_client.grade, setup, job(slow))
        time.sleep(0.5)
        assert scores(worker_client.grade(setup, job(path)))["test-double"] == 2.0
        assert worker_client._workers == {worker: 1}
        assert not first.done()
        alone = executor.submit(worker_client.grade, setup, job(path, alone=True))
        assert scores(first.result()) == {"test-double": 2.0, "test-triple": 3.0}
        assert scores(alone.result()) == {"test-double": 2.0, "test-triple": 3.0}
    assert len(worker_client._workers) == 2
    worker_client.prepare(setup)
    assert worker_client._workers == {worker: 0}
