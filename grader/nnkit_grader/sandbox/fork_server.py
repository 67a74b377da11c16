"""The fork server: a warm process inside the sandbox that is forked for each submission.

It takes orders from its parent alone: once on the command line, then in messages on an inherited socket. Each request
brings two more sockets: the `channel` that the child will serve, and the `leash`. On the leash the child, and later
this process, report how it went; when the other end is closed, the child is killed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import json
import os
import resource
import secrets
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from nnkit_grader.compat import freeze_heap
from nnkit_grader.sandbox import fork_child, lockdown, mounts, usage, visible_paths
from nnkit_grader.sandbox.limits import Limits

ALWAYS_PRELOADED = ("numpy", "IPython.core.interactiveshell", "nnkit", "nnkit.check", "nnkit.guesses")
"""Modules imported before the first fork, besides those of the settings."""
CHECK_SECONDS = 0.05
"""Time between two checks of what the children have used."""
USERS = range(60_600, 61_100)
"""User ids for children if the server runs as root: outside the ranges of distributions and systemd."""


@dataclass
class ForkServerSettings:
    """The settings of a fork server; their JSON form is the command line's last argument."""

    control: int
    kind: str
    base: str
    """An empty folder, in which children get folders of their own."""
    readable: list[str]
    serves: str
    """Module with `serve(channel, scratch)`, and optionally `prepare()`, which is called once before the first fork."""
    preload: list[str]
    """Modules that the submissions will use; those that are not installed are skipped."""


@dataclass
class RunningChild:
    """One child that has not ended."""

    confinement: lockdown.Confinement
    leash: socket.socket
    group: int
    """Its autogroup file, or -1: `usage.open_autogroup`."""
    reason: str = ""
    """Reason why it was killed, if it was."""
    yielding: bool = False
    """True when its priority has been lowered."""


class ForkServer:
    """Forks a child for each request, watches it, and cleans up after it."""

    def __init__(self, settings: ForkServerSettings):
        self.settings = settings
        self.control = socket.socket(fileno=settings.control)
        self.readable = [Path(path) for path in settings.readable]
        self.base = Path(settings.base)
        self.parent_folder = os.open(self.base.parent, os.O_PATH)
        self.users: Iterator[int | None] = itertools.repeat(None)
        self.running: dict[int, RunningChild] = {}
        self.selector = selectors.DefaultSelector()

    def main(self) -> NoReturn:
        """Warm up, then serve requests until the parent hangs up."""
        if self.settings.kind == "kernel" and mounts.enter_new_root(self.base, self.readable):
            self.base = Path("/tmp")
        self.users = list_users(self.readable) if self.settings.kind != "none" else itertools.repeat(None)
        warm_up(self.settings.serves, self.settings.preload)
        self.control.send(b"ready")
        self.selector.register(self.control, selectors.EVENT_READ, self.handle_request)
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        self.selector.register(woken, selectors.EVENT_READ, lambda: self.reap(woken))
        while True:
            for key, _ in self.selector.select(CHECK_SECONDS if self.running else None):
                key.data()
            self.check_usage()

    # ---- requests

    def handle_request(self) -> None:
        """Start the child that the parent asks for, or end if the parent has hung up."""
        text, numbers, _, _ = socket.recv_fds(self.control, 65536, 2)
        if not text:
            self.exit()
        channel, leash = numbers
        leash_socket = socket.socket(fileno=leash)
        try:
            self.start_child(json.loads(text), channel, leash_socket)
        except (OSError, ValueError, TypeError) as trouble:
            lockdown.send_message(
                leash_socket, json.dumps({"trouble": f"{type(trouble).__name__}: {trouble}"}).encode()
            )
            leash_socket.close()
        finally:
            os.close(channel)

    def start_child(self, limits: dict[str, Any], channel: int, leash: socket.socket) -> None:
        """Fork a child with these limits."""
        scratch = self.base / f"learner-{secrets.token_hex(8)}"
        kind = self.settings.kind
        confinement = lockdown.Confinement(scratch, Limits.from_json(limits), next(self.users), kind != "none")
        if kind == "container":  # where the kernel may not keep children from writing beside their folders
            confinement.contained = True
            scratch.mkdir(mode=0o700)
            if confinement.user is not None:
                os.chown(scratch, confinement.user, confinement.user)
        number, group = fork_child.start_child(
            confinement, channel, leash.fileno(), self.readable, self.settings.serves
        )
        self.running[number] = RunningChild(confinement, leash, group)
        self.selector.register(leash, selectors.EVENT_READ, lambda: self.kill(number, "was ended by the grader"))

    def exit(self) -> NoReturn:
        """Kill and clean up all children, and exit: the parent has hung up."""
        for number, running in self.running.items():
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            remove_scratch(running.confinement)
        with contextlib.suppress(OSError):  # the parent does this, unless it was killed
            os.rmdir(Path(self.settings.base).name, dir_fd=self.parent_folder)
        os._exit(0)

    # ---- ends

    def kill(self, number: int, reason: str) -> None:
        """Kill a child for this reason."""
        running = self.running.get(number)
        if running is None or running.reason:  # it was reaped or killed in this round
            return
        running.reason = reason
        self.selector.unregister(running.leash)
        os.kill(number, signal.SIGKILL)

    def reap(self, woken: int) -> None:
        """Collect the children that have ended."""
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        for number in list(self.running):
            ended, status, used = os.wait4(number, os.WNOHANG)
            if ended:
                self.handle_end(self.running.pop(number), status, used)

    def handle_end(self, running: RunningChild, status: int, used: resource.struct_rusage) -> None:
        """Clean up after a child, and report on its leash how it ended."""
        if not running.reason:
            self.selector.unregister(running.leash)
        if running.group >= 0:
            os.close(running.group)
        remove_scratch(running.confinement)
        lockdown.send_message(running.leash, json.dumps({"ended": describe_end(running, status, used)}).encode())
        running.leash.close()

    def check_usage(self) -> None:
        """Kill the children that exceed a limit, and lower the priority of those that compute for long."""
        for number, running in self.running.items():
            if reason := usage.find_excess(running.confinement, number):
                self.kill(number, reason)
            elif not running.yielding and 1000 * usage.read_cpu_seconds(number) > running.confinement.limits.turn:
                running.yielding = usage.yield_to_others(number, running.group)


def warm_up(serves: str, preload: Sequence[str]) -> None:
    """Import what submissions use. Raises RuntimeError if forks would not be safe: threads, or a JAX backend."""
    gc.disable()
    for name in (*ALWAYS_PRELOADED, *preload):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    getattr(importlib.import_module(serves), "prepare", lambda: None)()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the warm process has {threads} threads after its imports, and cannot be forked safely")
    if is_backend_started():
        raise RuntimeError("an import has started a JAX backend, for which a forked process would wait for ever")
    gc.enable()
    freeze_heap()


def list_users(readable: list[Path]) -> Iterator[int | None]:
    """Return an endless iterator over users for the children; None (no change of user) if users cannot be changed,
    or could not read Python."""
    with open("/proc/self/uid_map") as mapped:
        known = [range(int(start), int(start) + int(count)) for start, _, count in map(str.split, mapped)]
    first = os.getpid() % len(USERS)
    users = [user for user in (*USERS[first:], *USERS[:first]) if any(user in numbers for numbers in known)]
    able = os.geteuid() == 0 and visible_paths.are_reachable_by_all(readable)
    return itertools.cycle(users if users and able else [None])


def is_backend_started() -> bool:
    """Return whether a JAX backend was started in this process."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bool(bridge.backends_are_initialized())


def describe_end(running: RunningChild, status: int, used: resource.struct_rusage) -> str:
    """Return how a process ended, as the rest of a sentence."""
    if running.reason:
        return running.reason
    if os.WIFEXITED(status):
        return f"exit status {os.WEXITSTATUS(status)}"
    if os.WTERMSIG(status) == signal.SIGKILL and used.ru_utime + used.ru_stime > running.confinement.limits.cpu - 0.5:
        return f"used up its {running.confinement.limits.cpu} seconds of computing time"
    return f"killed by signal {os.WTERMSIG(status)}"


def remove_scratch(confinement: lockdown.Confinement) -> None:
    """Remove a child's folder: an empty one if the files were on a mount of its own."""
    try:
        confinement.scratch.rmdir()
    except FileNotFoundError:
        return
    except OSError:  # rm can remove folders nested too deep for Python
        subprocess.run(["rm", "-rf", "--", str(confinement.scratch)], stderr=subprocess.DEVNULL, check=False)


def main() -> NoReturn:
    """Run a fork server with the settings on the command line."""
    settings = ForkServerSettings(**json.loads(sys.argv.pop()))
    try:
        ForkServer(settings).main()
    except BaseException as trouble:
        print(f"{type(trouble).__name__}: {trouble}", file=sys.stderr, flush=True)
        os._exit(fork_child.EXIT_NOT_LOCKED)
