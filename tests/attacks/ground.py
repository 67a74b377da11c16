"""The ground on which attacks are run: what they must not reach is laid out and watched, and each is graded as a
worker would, in a process of its own."""

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

import psutil
from hostile import course, honest

from nnkit.grading.examiner import Seconds, examine, refuse
from nnkit.grading.intake import Refused, Submission, repair, take_in
from nnkit.grading.sandbox import Limits, Sandbox
from nnkit.grading.sandbox.process import Child
from nnkit.grading.standins import Link

SECONDS = Seconds(cell=2.0, whole=15.0)
"""For attacks: what never ends is given up soon."""
PATIENT = Seconds(cell=120.0, whole=600.0)
"""For honest submissions, also on a busy machine."""
LIMITS = Limits(memory=2**30, cpu=20, files=48, file_size=4 * 2**20, disk=8 * 2**20, threads=24)
LATE = 120.0
"""Seconds beyond all limits after which grading one submission counts as stuck."""
MEMORY = 700 * 2**20
"""Bytes that the examiner may need beyond what this process has."""


@dataclass
class Graded:
    result: dict[str, Any] | None
    """None where the examiner itself failed."""
    ended: str
    memory: int
    """Bytes that the examiner needed beyond what it began with."""

    @property
    def score(self) -> float:
        assert self.result is not None, self.ended
        return sum(cell["score"] or 0.0 for cell in self.result["cells"])

    def events(self) -> list[str]:
        assert self.result is not None, self.ended
        told: list[str] = self.result["events"]
        return told

    def seen(self) -> str:
        """All that a learner can have put into the result."""
        if self.result is None:
            return self.ended
        theirs = [cell["outputs"] for cell in self.result["cells"] if cell["kind"] != "test"]
        tests = [[cell["outputs"], cell["verdicts"], cell["trouble"]] for cell in self.result["cells"]]
        return json.dumps([theirs, tests, self.result["events"], self.result["repairs"], self.result["human"]])


class Ground:
    """Places that a submission must neither read nor change, each holding `secret`; and listeners on sockets."""

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
        """What an attacker may know."""
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
        """What has been reached."""
        told = [] if self.secret not in seen else ["a secret was read"]
        told += ["something forbidden was done"] if "GOT " in seen else []
        if self._state() != self.before:
            told.append("a file was changed")
        ready, _, _ = select.select(self.listeners, [], [], 0)
        told += [f"a connection came to {listener.getsockname()}" for listener in ready]
        planted = [path for place in _importable() for path in place.glob("*nnkit_attack*")]
        return [*told, *(f"{path} was planted" for path in planted)]


def _importable() -> list[Path]:
    """Where a planted file would be found by others."""
    places = [Path(place) for place in sys.path if place and Path(place).is_dir()]
    return [*places, Path(sys.modules["nnkit"].__file__ or "").parent, Path("/tmp"), Path("/dev/shm"), Path.home()]


class Arena:
    """One warm sandbox, in which a neighbour lives beside each attack."""

    def __init__(self, kind: str, ground: Ground):
        self.ground = ground
        self.sandbox = Sandbox(kind)
        self.child = self.sandbox.start(LIMITS)
        self.neighbour = Link(self.child.channel)
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

    def _processes(self) -> list[psutil.Process]:
        return psutil.Process(self.sandbox._process.pid).children(recursive=True)

    def grade(self, folder: Path, seconds: Seconds = SECONDS) -> Fork:
        """Begin to grade what lies in `folder`."""
        return Fork(lambda: self._graded(folder, seconds), seconds.whole + LATE)

    def grade_an_honest_exercise(self) -> Fork:
        """Begin to grade a submission of which only the first exercise is run, which it has right."""
        graded = lambda: examine(course(), first_exercise(), self.start, 1, PATIENT).to_json()  # noqa: E731
        return Fork(graded, PATIENT.whole + LATE)

    def _graded(self, folder: Path, seconds: Seconds) -> Any:
        taken = take_in(folder, course())
        if isinstance(taken, Refused):
            return refuse(course(), taken, seed=1).to_json()
        return examine(course(), taken, self.start, 1, seconds).to_json()


@cache
def first_exercise() -> Submission:
    """What is run of an honest submission for its first exercise."""
    whole = repair(honest(), course())
    assert isinstance(whole, Submission)
    return Submission(tuple(cell for cell in whole.cells if cell.id in ("setup", "multiply", "test-multiply")))


class Fork:
    """A process of its own, as a worker makes one for each submission; it sends what `work` returns as JSON."""

    def __init__(self, work: Callable[[], Any], limit: float):
        self.until = time.monotonic() + limit
        self.reading, writing = os.pipe()
        self.number = os.fork()
        if self.number == 0:
            os.close(self.reading)
            _answer(work, writing)
        os.close(writing)

    def graded(self) -> Graded:
        """Wait for it."""
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
