"""The trusted side of the sandbox: one fork server, and a handle on each child that it forks."""

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

SERVER_MODULE = "nnkit_grader.rpc.server"
MAX_WARM_UP_SECONDS = 120.0
"""Time in which the fork server must be ready; it takes about a second."""
MAX_START_SECONDS = 30.0
"""Time in which a child must have locked itself in; it takes hundredths of a second."""
PRELOADABLE_MODULES = ("matplotlib.pyplot", "jax", "jax.numpy")
"""Large modules that the fork server can import for all its children; they are safe to import before a fork."""
MAX_KILL_SECONDS = 10.0
"""Time in which a killed child must have ended."""
LOST_SANDBOX = "lost its sandbox"
"""The end of a child whose fork server has died."""
PROGRAM = (
    "import sys, json; sys.path.extend(json.loads(sys.argv.pop())); "
    "from nnkit_grader.sandbox import fork_server; fork_server.main()"
)


_CREDENTIALS = struct.Struct("3i")
"""The sender of a message, as the kernel reports it: process, user, group."""


class SandboxError(RuntimeError):
    """No submission can be run here; the message says what is missing."""


class Child:
    """One process that runs a submission."""

    def __init__(self, channel: socket.socket, leash: socket.socket, number: int, walls: dict[str, Any]):
        self.channel = channel
        """Our end of the stream that the process serves; blocking."""
        self.walls = walls
        """Walls around it that not every machine supports: "namespaces", "own_disk", "counted"."""
        self._leash: socket.socket | None = leash
        self._ended: str | None = None
        self._number = number
        self._waited = 0.0

    def check_end(self) -> str | None:
        """Return how it ended ("killed by signal 9", "exit status 3", "wrote more than 64 MiB"); None while it runs."""
        self._listen(0)
        return self._ended

    def measure_wait(self) -> float:
        """Return the seconds for which it waited for a busy machine; 0 if the system does not say."""
        if self._leash is not None:  # otherwise its process id may be in use again
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{self._number}/schedstat") as file:
                self._waited = int(file.read().split()[1]) / 1e9
        return self._waited

    def kill(self) -> None:
        """Kill it with all its threads; do nothing if it has ended. Takes at most `MAX_KILL_SECONDS`."""
        if self._leash is not None:
            with contextlib.suppress(OSError):
                self._leash.shutdown(socket.SHUT_WR)
            self._listen(MAX_KILL_SECONDS)
            self._hang_up("did not end when it was killed")
        self.channel.close()

    def _listen(self, seconds: float) -> None:
        if self._leash is None:
            return
        message = _receive(self._leash, seconds)
        if message is not None:
            self._hang_up(json.loads(message)["ended"] if message else LOST_SANDBOX)

    def _hang_up(self, how: str) -> None:
        if self._leash is not None:
            self._leash.close()
            self._leash, self._ended = None, how


class Sandbox:
    """One fork server inside the walls of `kind`; started at once, and again whenever it has died.

    A process forked from this one may go on using it. (With bubblewrap the fork server ends with the thread that
    started it, and the next `start` takes a second longer.) `modules` are folders with modules that submissions may
    import besides what is installed; `preload` are those of `PRELOADABLE_MODULES` that they will use. Raises
    SandboxError if it cannot be started.
    """

    def __init__(
        self,
        kind: str,
        serves: str = SERVER_MODULE,
        modules: Sequence[Path] = (),
        preload: Sequence[str] = PRELOADABLE_MODULES,
    ):
        self.kind = kind
        self._preload = list(preload)
        self._serves = serves
        self._modules = [str(folder.absolute()) for folder in modules]
        self._namespaces = False
        self._base: str | None
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._open()

    @property
    def description(self) -> str:
        """A sentence on what keeps submissions from doing harm."""
        inside = "a bubblewrap sandbox, " if self.kind == "bwrap" else ""
        more = ", in their own namespaces" if self._namespaces else ""
        if self.kind != "none":
            return f"Submissions run inside {inside}the kernel's Landlock and seccomp{more}."
        return "WARNING: submissions run UNPROTECTED: they can read your files, use the network and forge grades."

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, limits: Limits | None = None) -> Child:
        """Start a process that serves its channel; takes hundredths of a second. Raises SandboxError."""
        request = json.dumps((limits or Limits()).to_json()).encode()
        for _ in range(2):
            control = self._control
            with contextlib.suppress(ConnectionError):
                return self._request_child(control, request)
            self._reopen(control)
        raise SandboxError(f"The sandbox ({self.kind}) dies whenever it is used.")

    def close(self) -> None:
        """End the fork server and with it every child. Idempotent."""
        self._control.close()
        if os.getpid() == self._owner:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            self._process.kill()
            self._process.wait()
            if self._base is not None:
                shutil.rmtree(self._base, ignore_errors=True)

    def _request_child(self, control: socket.socket, request: bytes) -> Child:
        with contextlib.ExitStack() as undo:
            channel, theirs = map(undo.enter_context, socket.socketpair())
            leash, their_leash = map(undo.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            leash.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            socket.send_fds(control, [request], [theirs.fileno(), their_leash.fileno()])
            their_leash.close()
            theirs.close()
            message, number = _receive_first(leash)
            if message == b"":
                raise ConnectionResetError("the fork server has died")
            answer = json.loads(message) if message else {"trouble": f"no answer within {MAX_START_SECONDS:g} seconds"}
            if "pid" not in answer:
                reason = answer.get("trouble") or answer.get("ended")
                raise SandboxError(f"A process for a submission could not be started: {reason}.")
            undo.pop_all()
            self._namespaces = bool(answer["namespaces"])
            return Child(channel, leash, number, answer)

    def _reopen(self, dead: socket.socket) -> None:
        with self._lock:
            if self._control is dead:  # unless another thread was faster
                self.close()
                self._owner = os.getpid()
                self._open()

    def _open(self) -> None:
        self._base = None
        if self.kind != "bwrap":
            self._base = tempfile.mkdtemp(prefix="nnkit-sandbox-")
            os.chmod(self._base, 0o1733)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as stderr:
            self._process = self._launch(theirs.fileno(), stderr)
            theirs.close()
            if _receive(self._control, MAX_WARM_UP_SECONDS) != b"ready":
                self.close()
                stderr.seek(0)
                lines = stderr.read().decode(errors="replace").strip().splitlines() or ["it gave no reason"]
                raise SandboxError(f"The sandbox ({self.kind}) does not start: {lines[-1]}.")

    def _launch(self, control: int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        readable = [*visible_paths.list_readable(), *map(Path, self._modules)]
        base = self._base or "/tmp"  # a new folder inside bubblewrap
        environment = visible_paths.make_environment(Path(base))
        settings = json.dumps(
            {
                "control": control,
                "kind": self.kind,
                "base": base,
                "readable": [str(path) for path in readable],
                "serves": self._serves,
                "preload": self._preload,
            }
        )
        roots = [*visible_paths.list_library_folders(), *map(str, visible_paths.list_import_roots()), *self._modules]
        command = [sys.executable, "-I", "-c", PROGRAM, settings, json.dumps(roots)]
        return subprocess.Popen(
            [*self._wall_command(readable, environment), *command],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=[control],
            start_new_session=True,  # Ctrl-C is for the grader's main process
        )

    def _wall_command(self, readable: list[Path], environment: dict[str, str]) -> list[str]:
        """Return the program, with its arguments, that runs the fork server."""
        return bwrap.build_command(readable, environment) if self.kind == "bwrap" else []


def _receive(leash: socket.socket, seconds: float, flags: int = 0) -> bytes | None:
    """Return the next message; b"" if the other end is closed, None if none came within `seconds`."""
    leash.settimeout(seconds)
    try:
        return leash.recv(65536, flags)
    except (TimeoutError, BlockingIOError):
        return None
    except OSError:
        return b""


def _receive_first(leash: socket.socket) -> tuple[bytes | None, int]:
    """Return a child's first message, as from `_receive`, and its process id as seen from here."""
    message = _receive(leash, MAX_START_SECONDS, socket.MSG_PEEK)
    ancillary: list[tuple[int, int, bytes]] = []
    if message:
        message, ancillary, _, _ = leash.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
    leash.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    numbers = [_CREDENTIALS.unpack(data)[0] for _, kind, data in ancillary if kind == socket.SCM_CREDENTIALS]
    return message, numbers[0] if numbers else 0
