"""The ground on which attacks are run: targets that they must not reach are laid out and watched, and each attack is
graded as by a worker, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import secrets
import select
import signal
import socket
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hostile import course, honest

from helpers.sandboxes import FOR_EVER, SITUATIONS, list_processes
from nnkit_grader.examiner.examiner import TimeLimits, examine_submission, refuse_submission
from nnkit_grader.intake.open_submission import open_submission
from nnkit_grader.intake.submission import RefusedSubmission, Submission, repair_notebook
from nnkit_grader.rpc.connection import Connection
from nnkit_grader.sandbox import Limits
from nnkit_grader.sandbox.sandbox import Child

SECONDS = TimeLimits(cell=1.0, whole=12.0)
"""For attacks: what never ends is given up soon."""
PATIENT = TimeLimits(cell=120.0, whole=600.0)
"""For honest submissions, also on a busy machine."""
LIMITS = Limits(memory=2**30, cpu=20, files=48, file_size=4 * 2**20, disk=8 * 2**20, threads=24, turn=FOR_EVER)
LATE = 120.0
"""Seconds beyond all limits after which grading one submission counts as stuck."""
MEMORY = 700 * 2**20
"""Bytes that the examiner may need on top of this process's memory."""


@dataclass
class Graded:
    result: dict[str, Any] | None
    """None if the examiner itself failed."""
    ended: str
    memory: int
    """Bytes that the examiner needed on top of its memory at the start."""

    @property
    def score(self) -> float:
        assert self.result is not None, self.ended
        return sum(cell["score"] or 0.0 for cell in self.result["cells"])

    def events(self) -> list[str]:
        assert self.result is not None, self.ended
        told: list[str] = self.result["events"]
        return told

    def seen(self) -> str:
        """Return everything in the result that a learner can have put there."""
        if self.result is None:
            return self.ended
        theirs = [cell["outputs"] for cell in self.result["cells"] if cell["kind"] != "test"]
        tests = [[cell["outputs"], cell["verdicts"], cell["trouble"]] for cell in self.result["cells"]]
        return json.dumps([theirs, tests, self.result["events"], self.result["repairs"], self.result["needs_review"]])


class Ground:
    """Files that a submission must neither read nor change, each with the `secret`, and sockets with listeners."""

    def __init__(self, folder: Path):
        self.secret = f"canary-{secrets.token_hex(8)}"
        self.folder = folder
        self.open = contextlib.ExitStack()
        self.gradebook = folder / "gradebook.db"
        with contextlib.closing(sqlite3.connect(self.gradebook)) as book, book:
            book.execute("CREATE TABLE grade (student TEXT, score REAL, note TEXT)")
            book.execute("INSERT INTO grade VALUES ('alice', 3.0, ?)", [self.secret])
        self.solution = self._file("solutions/ps1/ps1.ipynb")
        self.other = self._file("submitted/bob/ps1/ps1.ipynb")
        os.environ["NNKIT_ATTACKED_SECRET"] = self.secret
        self.listeners = [
            self._listener(socket.AF_INET, ("127.0.0.1", 0)),
            self._listener(socket.AF_UNIX, str(folder / "socket")),
            self._listener(socket.AF_UNIX, f"\0{self.secret[:20]}-abstract"),
            self._listener(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM),
        ]
        self.before = self._state()

    def _file(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True)
        path.write_text(self.secret)
        return path

    def _listener(self, family: int, address: Any, kind: int = socket.SOCK_STREAM) -> socket.socket:
        listener = self.open.enter_context(socket.socket(family, kind))
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        return listener

    def places(self) -> dict[str, Any]:
        """Return what an attacker may know."""
        tcp, path, abstract, udp = (listener.getsockname() for listener in self.listeners)
        return {
            "GRADEBOOK": str(self.gradebook),
            "SOLUTION": str(self.solution),
            "OTHER": str(self.other),
            "COURSE": str(self.folder),
            "GRADER": os.getpid(),
            "TCP": tcp[1],
            "UDP": udp[1],
            "UNIX": path,
            "ABSTRACT": abstract.decode(),
            "PACKAGES": str(Path(json.__file__).parents[1] / "site-packages"),
        }

    def _state(self) -> list[Any]:
        paths = sorted(self.folder.rglob("*"))
        states = [(str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_nlink) for path in paths]
        return [states, [path.read_bytes() for path in paths if path.is_file()]]

    def complaints(self, seen: str) -> list[str]:
        """Return a sentence for each target that was reached."""
        told = [] if self.secret not in seen else ["a secret was read"]
        told += ["something forbidden was done"] if "GOT " in seen else []
        if self._state() != self.before:
            told.append("a file was changed")
        ready, _, _ = select.select(self.listeners, [], [], 0)
        told += [f"a connection came to {listener.getsockname()}" for listener in ready]
        planted = [path for place in _importable() for path in place.glob("*nnkit_attack*")]
        return [*told, *(f"{path} was planted" for path in planted)]


def _importable() -> list[Path]:
    """Return folders in which others would find a planted file."""
    places = [Path(place) for place in sys.path if place and Path(place).is_dir()]
    packages = [Path(sys.modules[name].__file__ or "").parent for name in ("nnkit", "nnkit_grader")]
    return [*places, *packages, Path("/tmp"), Path("/dev/shm"), Path.home()]


class Arena:
    """One warm sandbox, with a neighbour that runs beside each attack."""

    def __init__(self, situation: str, ground: Ground):
        self.situation, self.ground = situation, ground
        make, kind = SITUATIONS[situation]
        self.sandbox = make(kind)
        self.child = self.sandbox.start(LIMITS)
        self.neighbour = Connection(self.child.channel)
        self.neighbour.run_cell(1, f"open('answer', 'w').write({ground.secret!r})")
        (shown,) = self.neighbour.run_cell(2, "import os; print(os.getcwd())")
        self.beside = shown["text"].strip()
        self.processes = len(self._processes())

    def close(self) -> None:
        self.child.kill()
        self.sandbox.close()

    def start(self) -> Child:
        return self.sandbox.start(LIMITS)

    def places(self) -> dict[str, Any]:
        return {**self.ground.places(), "NEIGHBOUR": self.beside}

    def neighbour_is_well(self) -> bool:
        code = "print(open('answer').read(), sorted(os.listdir('.')))"
        outputs = self.neighbour.run_cell(3, code)
        return outputs == [{"output_type": "stream", "name": "stdout", "text": f"{self.ground.secret} ['answer']\n"}]

    def is_alone_with_its_neighbour(self) -> bool:
        """Whether nothing of what was graded here still runs."""
        until = time.monotonic() + LATE
        while len(self._processes()) > self.processes and time.monotonic() < until:
            time.sleep(0.01)
        return len(self._processes()) == self.processes

    def _processes(self) -> set[int]:
        return list_processes(self.sandbox)

    def grade(self, folder: Path, seconds: TimeLimits = SECONDS) -> Fork:
        """Begin to grade what lies in `folder`."""
        return Fork(lambda: self._graded(folder, seconds), seconds.whole + LATE)

    def grade_an_honest_exercise(self) -> Fork:
        """Begin to grade a submission of which only the first exercise is run, which it has right."""
        graded = lambda: examine_submission(course(), first_exercise(), self.start, 1, PATIENT).to_json()  # noqa: E731
        return Fork(graded, PATIENT.whole + LATE)

    def _graded(self, folder: Path, seconds: TimeLimits) -> Any:
        taken = open_submission(folder, course())
        if isinstance(taken, RefusedSubmission):
            return refuse_submission(course(), taken, seed=1).to_json()
        return examine_submission(course(), taken, self.start, 1, seconds).to_json()


@cache
def first_exercise() -> Submission:
    """Return the part of an honest submission that its first exercise needs."""
    whole = repair_notebook(honest(), course())
    assert isinstance(whole, Submission)
    return Submission(tuple(cell for cell in whole.cells if cell.id in ("setup", "multiply", "test-multiply")))


class Fork:
    """A process like a worker's fork for one submission; it sends the result of `work` as JSON."""

    def __init__(self, work: Callable[[], Any], limit: float):
        self.until = time.monotonic() + limit
        self.reading, writing = os.pipe()
        self.number = os.fork()
        if self.number == 0:
            os.close(self.reading)
            _answer(work, writing)
        os.close(writing)

    def graded(self) -> Graded:
        """Wait for its end and return the result."""
        parts, stuck = list(_parts(self.reading, self.until)), time.monotonic() >= self.until
        os.close(self.reading)
        if stuck:
            os.kill(self.number, signal.SIGKILL)
        _, status = os.waitpid(self.number, 0)
        if stuck or status:
            return Graded(None, "it was stuck" if stuck else f"it ended with {status}", 0)
        answer = json.loads(b"".join(parts))
        return Graded(answer["result"], answer["fault"], answer["memory"])


def _answer(work: Callable[[], Any], writing: int) -> None:
    status = 1
    try:
        before = _peak()
        result, fault = None, ""
        try:
            result = work()
        except BaseException:
            fault = traceback.format_exc()
        answer = {"result": result, "fault": fault, "memory": _peak() - before}
        with open(writing, "w") as pipe:
            json.dump(answer, pipe)
        status = 0
    finally:
        os._exit(status)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _parts(reading: int, until: float) -> Iterator[bytes]:
    while (left := until - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            part = os.read(reading, 1 << 20)
            if not part:
                return
            yield part
