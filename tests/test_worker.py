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

import classes
import pytest

from nnkit.grading import attendant, crew
from nnkit.grading.assignment import load
from nnkit.grading.attendant import Attendant, CannotStart, WorkerDied
from nnkit.grading.examiner import Seconds
from nnkit.grading.sandbox.limits import Limits

pytestmark = pytest.mark.slow
FLOOD = "import numpy as np\ndef double(x):\n    return np.full(6_000_000, float(x))"
KEEPS = "kept = [double(n) for n in range(30)]\nassert len(kept) == 30"
MEMORY = 500 * 2**20


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    yield
    attendant.dismiss()


def prepared(folder: Path, test_triple: str = classes.TEST_TRIPLE, sandbox: str = "auto", memory: int = 2**32) -> Any:
    """A course with a submission, and the setup of a worker for it."""
    classes.course(folder)
    classes.write_solution(folder, classes.notebook(test_triple))
    return crew.setup(load(folder, classes.NAME), sandbox, Seconds(), Limits(), memory)


def job(path: Path, **more: Any) -> dict[str, Any]:
    return {"student": "ada", "folder": str(path.parent), "seed": 1, **more}


def scores(answer: dict[str, Any]) -> dict[str, float]:
    cells = answer["result"]["cells"]
    return {cell["grade_id"]: cell["score"] for cell in cells if cell["score"] is not None}


def test_a_worker_grades_one_after_the_other_in_one_process(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    began = time.monotonic()
    first = attendant.grade(setup, job(path))
    warm = time.monotonic()
    (worker,) = attendant._workers
    again = attendant.grade(setup, job(path))
    assert attendant._workers == {worker: 0}
    assert time.monotonic() - warm < warm - began
    assert scores(first) == scores(again) == {"test-double": 2.0, "test-triple": 3.0}


def test_a_flood_of_replies_costs_its_own_test_and_no_memory(tmp_path: Path) -> None:
    setup = prepared(tmp_path, KEEPS, memory=MEMORY)
    path = classes.hand_in(tmp_path, "ada", {**classes.RIGHT, "double": FLOOD})
    answer = attendant.grade(setup, job(path))
    assert scores(answer) == {"test-double": 0.0, "test-triple": 0.0}
    (test,) = [cell for cell in answer["result"]["cells"] if cell["id"] == "test-triple"]
    assert "MemoryError" in test["trouble"]
    right = classes.hand_in(tmp_path, "bo", classes.RIGHT)
    assert scores(attendant.grade(setup, job(right))) == {"test-double": 2.0, "test-triple": 3.0}


def test_another_setup_gets_another_worker_and_the_old_one_is_let_go(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    attendant.grade(setup, job(path))
    (old,) = attendant._workers
    classes.write_solution(tmp_path, classes.notebook("assert triple(1) == 4"))
    changed = crew.setup(load(tmp_path, classes.NAME), "auto", Seconds(), Limits())
    assert changed["key"] != setup["key"]
    assert scores(attendant.grade(changed, job(path)))["test-triple"] == 0.0
    assert not old.alive
    assert old not in attendant._workers
    assert len(attendant._workers) == 1


def test_an_examiner_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    setup = prepared(tmp_path)
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    answer = attendant.grade(setup, {"student": "ada", "folder": str(path.parent)})  # no seed
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
    attendant.grade(setup, job(path))
    (worker,) = attendant._workers
    worker.kill()
    worker.process.wait()
    assert scores(attendant.grade(setup, job(path)))["test-double"] == 2.0


def test_no_sandbox_and_no_worker_are_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepared(tmp_path, sandbox="padded cell")
    path = classes.hand_in(tmp_path, "ada", classes.RIGHT)
    with pytest.raises(CannotStart, match="There is no sandbox 'padded cell'"):
        attendant.grade(setup, job(path))
    monkeypatch.setattr(attendant, "PROGRAM", "raise SystemExit('no Python here')")
    with pytest.raises(CannotStart, match=r"A worker does not start: no Python here\."):
        attendant.grade(setup, job(path))
    attendant.dismiss()
    assert attendant._workers == {}


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
    assert helper.process.wait(300) == 0
    helper.close()


def test_jobs_share_a_worker_and_one_that_is_alone_has_its_own(tmp_path: Path) -> None:
    """Each ends when it ends: none waits for one that was there before."""
    setup = prepared(tmp_path)
    sleeps = {**classes.RIGHT, "double": "import time\ntime.sleep(4)\n" + classes.DOUBLE}
    slow = classes.hand_in(tmp_path, "ada", sleeps)
    path = classes.hand_in(tmp_path, "bo", classes.RIGHT)
    attendant.prepare(setup)
    (worker,) = attendant._workers
    with ThreadPoolExecutor(1) as executor:
        first = executor.submit(attendant.grade, setup, job(slow))
        time.sleep(0.5)
        assert scores(attendant.grade(setup, job(path)))["test-double"] == 2.0
        assert attendant._workers == {worker: 1}
        assert not first.done()
        alone = executor.submit(attendant.grade, setup, job(path, alone=True))
        assert scores(first.result()) == {"test-double": 2.0, "test-triple": 3.0}
        assert scores(alone.result()) == {"test-double": 2.0, "test-triple": 3.0}
    assert len(attendant._workers) == 2
    attendant.prepare(setup)
    assert attendant._workers == {worker: 0}
