"""The trusted side: one warm process, and a handle on each child that it forks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from nnkit_grader.sandbox import bwrap, visible_paths
from nnkit_grader.sandbox.limits import Limits

LEARNER = "nnkit_grader.rpc.server"
WARMING = 120.0
"""Seconds in which the warm process must be ready; it takes about one."""
STARTING = 30.0
"""Seconds in which a child must have locked itself in; it takes hundredths."""
WARM = ("matplotlib.pyplot", "jax", "jax.numpy")
"""Large modules that the warm process can import for all its children, and which may be imported before a fork."""
KILLING = 10.0
"""Seconds that a killed child may take to be gone."""
PROGRAM = (
    "import sys, json; sys.path.extend(json.loads(sys.argv.pop())); "
    "from nnkit_grader.sandbox import fork_server; fork_server.main()"
)


_CREDENTIALS = struct.Struct("3i")
"""The kernel's word on who sent a message: process, user, group."""


class SandboxError(RuntimeError):
    """No submission can be run here; says what is missing."""


class Child:
    """One process that runs a submission."""

    def __init__(self, channel: socket.socket, leash: socket.socket, number: int, walls: dict[str, Any]):
        self.channel = channel
        """Our end of a stream to what the process serves; blocking."""
        self.walls = walls
        """Which walls stand that not every machine has: "namespaces", "own_disk", "counted"."""
        self._leash: socket.socket | None = leash
        self._ended: str | None = None
        self._number = number
        self._waited = 0.0

    def ended(self) -> str | None:
        """How it ended ("killed by signal 9", "exit status 3", "wrote more than 64 MiB"); None while it runs."""
        self._listen(0)
        return self._ended

    def waited(self) -> float:
        """Seconds in which it could have computed, but the machine was busy; 0 where the system does not say."""
        if self._leash is not None:  # else its number may be another's by now
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{self._number}/schedstat") as told:
                self._waited = int(told.read().split()[1]) / 1e9
        return self._waited

    def kill(self) -> None:
        """End it and everything of it, at once; does nothing if it has ended. Takes at most `KILLING` seconds."""
        if self._leash is not None:
            with contextlib.suppress(OSError):
                self._leash.shutdown(socket.SHUT_WR)
            self._listen(KILLING)
            self._hang_up("did not end when it was killed")
        self.channel.close()

    def _listen(self, seconds: float) -> None:
        if self._leash is None:
            return
        message = _receive(self._leash, seconds)
        if message is not None:
            self._hang_up(json.loads(message)["ended"] if message else "lost its sandbox")

    def _hang_up(self, how: str) -> None:
        if self._leash is not None:
            self._leash.close()
            self._leash, self._ended = None, how


class Sandbox:
    """One warm process inside the walls of `kind`; started at once, and again whenever it has died.

    A process forked from this one may go on using it. (With bubblewrap, the end of the thread that made it ends the
    warm process too, and the next `start` takes a second longer.) `modules` are folders with modules that submissions
    may import besides what is installed; `warm` are those of `WARM` that they will use. Raises `SandboxError` if it
    cannot be started.
    """

    def __init__(self, kind: str, serves: str = LEARNER, modules: Sequence[Path] = (), warm: Sequence[str] = WARM):
        self.kind = kind
        self._warm = list(warm)
        self._serves = serves
        self._modules = [str(folder.absolute()) for folder in modules]
        self._namespaces = False
        self._place: str | None
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._open()

    @property
    def told(self) -> str:
        """One sentence: what keeps submissions from doing harm."""
        inside = "a bubblewrap sandbox, " if self.kind == "bwrap" else ""
        more = ", in namespaces of their own" if self._namespaces else ""
        if self.kind != "none":
            return f"Submissions run inside {inside}the kernel's Landlock and seccomp{more}."
        return "WARNING: submissions run UNPROTECTED: they can read your files, use the network and forge grades."

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, limits: Limits | None = None) -> Child:
        """A new process that serves its channel; takes hundredths of a second. Raises `SandboxError`."""
        request = json.dumps((limits or Limits()).to_json()).encode()
        for _ in range(2):
            control = self._control
            with contextlib.suppress(ConnectionError):
                return self._ask(control, request)
            self._again(control)
        raise SandboxError(f"The sandbox ({self.kind}) dies whenever it is used.")

    def close(self) -> None:
        """End the warm process and with it every child. Idempotent."""
        self._control.close()
        if os.getpid() == self._owner:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            self._process.kill()
            self._process.wait()
            if self._place is not None:
                shutil.rmtree(self._place, ignore_errors=True)

    def _ask(self, control: socket.socket, request: bytes) -> Child:
        with contextlib.ExitStack() as undo:
            channel, theirs = map(undo.enter_context, socket.socketpair())
            leash, its_end = map(undo.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            leash.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            socket.send_fds(control, [request], [theirs.fileno(), its_end.fileno()])
            its_end.close()
            theirs.close()
            message, number = _first(leash)
            if message == b"":
                raise ConnectionResetError("the warm process has died")
            answer = json.loads(message) if message else {"trouble": f"nothing came within {STARTING:g} seconds"}
            if "pid" not in answer:
                told = answer.get("trouble") or answer.get("ended")
                raise SandboxError(f"A process for a submission could not be started: {told}.")
            undo.pop_all()
            self._namespaces = bool(answer["namespaces"])
            return Child(channel, leash, number, answer)

    def _again(self, dead: socket.socket) -> None:
        with self._lock:
            if self._control is dead:  # no other thread was faster
                self.close()
                self._owner = os.getpid()
                self._open()

    def _open(self) -> None:
        self._place = None
        if self.kind != "bwrap":
            self._place = tempfile.mkdtemp(prefix="nnkit-sandbox-")
            os.chmod(self._place, 0o1733)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as complaints:
            self._process = self._launch(theirs.fileno(), complaints)
            theirs.close()
            if _receive(self._control, WARMING) != b"ready":
                self.close()
                complaints.seek(0)
                lines = complaints.read().decode(errors="replace").strip().splitlines() or ["it gave no reason"]
                raise SandboxError(f"The sandbox ({self.kind}) does not start: {lines[-1]}.")

    def _launch(self, control: int, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
        readable = [*visible_paths.readable(), *map(Path, self._modules)]
        place = self._place or "/tmp"  # bubblewrap makes a new one
        environment = visible_paths.environment(Path(place))
        order = json.dumps(
            {
                "control": control,
                "kind": self.kind,
                "place": place,
                "readable": [str(path) for path in readable],
                "serves": self._serves,
                "warm": self._warm,
            }
        )
        libraries = json.dumps([*visible_paths.libraries(), *map(str, visible_paths.import_roots()), *self._modules])
        return subprocess.Popen(
            [*self._wall(readable, environment), sys.executable, "-I", "-c", PROGRAM, order, libraries],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=[control],
            start_new_session=True,  # Ctrl-C is the grader's to handle
        )

    def _wall(self, readable: list[Path], environment: dict[str, str]) -> list[str]:
        """The program, with its arguments, that runs the warm process."""
        return bwrap.command(readable, environment) if self.kind == "bwrap" else []


def _receive(leash: socket.socket, seconds: float, flags: int = 0) -> bytes | None:
    """The next message; b"" if the other end is closed, None if nothing came within `seconds`."""
    leash.settimeout(seconds)
    try:
        return leash.recv(65536, flags)
    except (TimeoutError, BlockingIOError):
        return None
    except OSError:
        return b""


def _first(leash: socket.socket) -> tuple[bytes | None, int]:
    """What a child says first, as `_receive` gives it, and the number of its process as it is seen from here."""
    message = _receive(leash, STARTING, socket.MSG_PEEK)
    said: list[tuple[int, int, bytes]] = []
    if message:
        message, said, _, _ = leash.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
    leash.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    numbers = [_CREDENTIALS.unpack(data)[0] for _, kind, data in said if kind == socket.SCM_CREDENTIALS]
    return message, numbers[0] if numbers else 0
