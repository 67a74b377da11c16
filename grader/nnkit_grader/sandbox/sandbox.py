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
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from nnkit_grader.sandbox import bwrap, container, visible_paths
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.sandbox.usage import ThreadWaits

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
FORK_SERVER_PROGRAM = (
    "import sys, json; sys.path.extend(json.loads(sys.argv.pop())); "
    "from nnkit_grader.sandbox import fork_server; fork_server.main()"
)
RELAY_PROGRAM = (
    "import sys, json; sys.path.extend(json.loads(sys.argv.pop())); "
    "from nnkit_grader.sandbox import relay; relay.serve_host()"
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
        """Walls around it that not every machine supports: "namespaces", "own_disk", "counted", "landlock"."""
        self._leash: socket.socket | None = leash
        self._ended: str | None = None
        self._number = number
        self._waits = ThreadWaits(number) if number else None
        self._waited = 0.0

    def check_end(self) -> str | None:
        """Return how it ended ("killed by signal 9", "exit status 3", "wrote more than 64 MiB"); None while it runs."""
        self._listen(0)
        return self._ended

    def measure_wait(self) -> float:
        """Return the seconds for which it waited for a busy machine (`ThreadWaits`); 0 if the system does not say."""
        if self._waits is None:
            self._listen(0)
        elif self._leash is not None:  # otherwise its process id may be in use again
            self._waited = self._waits.measure()
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
        until = time.monotonic() + seconds
        while self._leash is not None:
            message = _receive(self._leash, max(0.0, until - time.monotonic()))
            if message is None:
                return
            news = json.loads(message) if message else {"ended": LOST_SANDBOX}
            self._waited = float(news.get("waited", self._waited))  # reported where it cannot be measured from here
            if "ended" in news:
                self._hang_up(news["ended"])

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
        self._namespaces = self._landlock = False
        self._base: str | None
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._open()

    @property
    def description(self) -> str:
        """A sentence on what keeps submissions from doing harm."""
        if self.kind == "none":
            return "WARNING: submissions run UNPROTECTED: they can read your files, use the network and forge grades."
        inside = {"bwrap": "a bubblewrap sandbox, ", "container": "a container without network, "}.get(self.kind, "")
        walls = "Landlock and seccomp" if self._landlock else "seccomp, each as a user of its own"
        more = ", in their own namespaces" if self._namespaces else ""
        return f"Submissions run inside {inside}the kernel's {walls}{more}."

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
            leash, their_leash = map(undo.enter_context, self._make_pair())
            if self.kind != "container":
                leash.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            socket.send_fds(control, [request], [theirs.fileno(), their_leash.fileno()])
            their_leash.close()
            theirs.close()
            message, number = (
                (_receive(leash, MAX_START_SECONDS), 0) if self.kind == "container" else receive_first(leash)
            )
            if message == b"":
                raise ConnectionResetError("the fork server has died")
            answer = json.loads(message) if message else {"trouble": f"no answer within {MAX_START_SECONDS:g} seconds"}
            if "pid" not in answer:
                reason = answer.get("trouble") or answer.get("ended")
                raise SandboxError(f"A process for a submission could not be started: {reason}.")
            undo.pop_all()
            self._namespaces, self._landlock = bool(answer["namespaces"]), bool(answer["landlock"])
            return Child(channel, leash, number, answer)

    def _reopen(self, dead: socket.socket) -> None:
        with self._lock:
            if self._control is dead:  # unless another thread was faster
                self.close()
                self._owner = os.getpid()
                self._open()

    def _open(self) -> None:
        self._base = None
        if self.kind in ("kernel", "none"):
            self._base = tempfile.mkdtemp(prefix="nnkit-sandbox-")
            os.chmod(self._base, 0o1733)
        self._control, theirs = self._make_pair()
        with theirs, tempfile.TemporaryFile() as stderr:
            self._process = self._launch(theirs.fileno(), stderr)
            theirs.close()
            if _receive(self._control, MAX_WARM_UP_SECONDS) != b"ready":
                self.close()
                stderr.seek(0)
                lines = stderr.read().decode(errors="replace").strip().splitlines() or ["it gave no reason"]
                raise SandboxError(f"The sandbox ({self.kind}) does not start: {lines[-1]}.")

    def _make_pair(self) -> tuple[socket.socket, socket.socket]:
        """Return a pair of sockets for messages: lines of a stream on systems where only the container is there."""
        kind = socket.SOCK_STREAM if self.kind == "container" else socket.SOCK_SEQPACKET
        return socket.socketpair(socket.AF_UNIX, kind)

    def _launch(self, control: int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        roots = [*visible_paths.list_library_folders(), *map(str, visible_paths.list_import_roots()), *self._modules]
        if self.kind == "container":
            command, environment = self._container_command(control), dict(os.environ)
        else:
            command, environment = self._fork_server_command(control)
        return subprocess.Popen(
            [*command, json.dumps(roots)],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=[control],
            start_new_session=True,  # Ctrl-C is for the grader's main process
        )

    def _container_command(self, control: int) -> list[str]:
        """Return the command of the relay that runs the fork server in a container. Raises SandboxError."""
        engine = container.find_engine()
        if engine is None:
            raise SandboxError("Neither Docker nor Podman answers.")
        settings = {"serves": self._serves, "preload": self._preload, "modules": self._modules}
        run = container.build_command(engine, container.make_environment(), self._modules, [json.dumps(settings)])
        return [sys.executable, "-I", "-c", RELAY_PROGRAM, str(control), json.dumps(run)]

    def _fork_server_command(self, control: int) -> tuple[list[str], dict[str, str]]:
        """Return the command of the fork server within its walls, without the folders it imports from, and its
        environment."""
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
        command = [sys.executable, "-I", "-c", FORK_SERVER_PROGRAM, settings]
        return [*self._wall_command(readable, environment), *command], environment

    def _wall_command(self, readable: list[Path], environment: dict[str, str]) -> list[str]:
        """Return the program, with its arguments, that runs the fork server."""
        return bwrap.build_command(readable, environment) if self.kind == "bwrap" else []


def _receive(leash: socket.socket, seconds: float, flags: int = 0) -> bytes | None:
    """Return the next message; b"" if the other end is closed, None if none came within `seconds`."""
    leash.settimeout(seconds)
    try:
        if leash.type == socket.SOCK_STREAM:
            seen = leash.recv(65536, socket.MSG_PEEK)
            return leash.recv(seen.find(b"\n") + 1 or len(seen)).rstrip()
        return leash.recv(65536, flags)
    except (TimeoutError, BlockingIOError):
        return None
    except OSError:
        return b""


def receive_first(leash: socket.socket) -> tuple[bytes | None, int]:
    """Return a child's first message, as from `_receive`, and its process id as seen from here."""
    message = _receive(leash, MAX_START_SECONDS, socket.MSG_PEEK)
    ancillary: list[tuple[int, int, bytes]] = []
    if message:
        message, ancillary, _, _ = leash.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
    leash.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    numbers = [_CREDENTIALS.unpack(data)[0] for _, kind, data in ancillary if kind == socket.SCM_CREDENTIALS]
    return message, numbers[0] if numbers else 0
