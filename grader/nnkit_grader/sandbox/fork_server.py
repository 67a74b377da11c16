"""A warm process inside the sandbox, forked for each submission: `python -c … nnkit_grader.sandbox.fork_server.main()`.

It is told everything by its parent alone: once on the command line, then by messages on an inherited socket. With
each request come two more: the `channel` that the child will serve, and the `leash`. On the leash the child, and
later this process, tell how it went; when the other end is shut, the child is killed.
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

from nnkit_grader.sandbox import fork_child, lockdown, mounts, usage, visible_paths
from nnkit_grader.sandbox.limits import Limits

ALWAYS = ("numpy", "IPython.core.interactiveshell", "nnkit", "nnkit.check")
"""Imported before the first fork; and what the order says, where it is installed."""
LOOK = 0.05
"""Seconds between looks at what the children have used."""
YIELDS = 0.5
"""Seconds of computing after which a child leaves the machine to the others: most likely it is in a loop."""
USERS = range(60_600, 61_100)
"""User numbers for children where we are root: in no distribution's or systemd's range of users."""


@dataclass
class Order:
    """What the parent wants; its JSON form is the command line's last argument."""

    control: int
    kind: str
    place: str
    """An empty folder; children get folders in it."""
    readable: list[str]
    serves: str
    """Module with `serve(channel, scratch)`, and maybe `prepare()`, which is called once before the first fork."""
    warm: list[str]
    """Modules that the submissions will use."""


@dataclass
class Running:
    cell: lockdown.Cell
    leash: socket.socket
    group: int
    """A hold on how it shares the machine: `usage.hold`."""
    reason: str = ""
    """Why it was killed, if it was."""
    yields: bool = False
    """Whether it has been told to leave the machine to others who want it."""


class Zygote:
    def __init__(self, order: Order):
        self.order = order
        self.control = socket.socket(fileno=order.control)
        self.readable = [Path(place) for place in order.readable]
        self.place = Path(order.place)
        self.beside = os.open(self.place.parent, os.O_PATH)
        self.users: Iterator[int | None] = itertools.repeat(None)
        self.running: dict[int, Running] = {}
        self.selector = selectors.DefaultSelector()

    def main(self) -> NoReturn:
        if self.order.kind == "kernel" and mounts.enter(self.place, self.readable):
            self.place = Path("/tmp")
        self.users = ordinary_users(self.readable) if self.order.kind != "none" else itertools.repeat(None)
        warm_up(self.order.serves, self.order.warm)
        self.control.send(b"ready")
        self.selector.register(self.control, selectors.EVENT_READ, self.requested)
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        self.selector.register(woken, selectors.EVENT_READ, lambda: self.reap(woken))
        while True:
            for key, _ in self.selector.select(LOOK if self.running else None):
                key.data()
            self.look()

    # ---- requests

    def requested(self) -> None:
        text, numbers, _, _ = socket.recv_fds(self.control, 65536, 2)
        if not text:
            self.leave()
        channel, leash = numbers
        wire = socket.socket(fileno=leash)
        try:
            self.start(json.loads(text), channel, wire)
        except (OSError, ValueError, TypeError) as trouble:
            lockdown.tell(wire, json.dumps({"trouble": f"{type(trouble).__name__}: {trouble}"}).encode())
            wire.close()
        finally:
            os.close(channel)

    def start(self, limits: dict[str, Any], channel: int, leash: socket.socket) -> None:
        scratch = self.place / f"learner-{secrets.token_hex(8)}"
        cell = lockdown.Cell(scratch, Limits.from_json(limits), next(self.users), self.order.kind != "none")
        number, group = fork_child.fork(cell, channel, leash.fileno(), self.readable, self.order.serves)
        self.running[number] = Running(cell, leash, group)
        self.selector.register(leash, selectors.EVENT_READ, lambda: self.kill(number, "was ended by the grader"))

    def leave(self) -> NoReturn:
        """End, since nobody is left who could ask for anything; leave nothing behind."""
        for number, running in self.running.items():
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            clear(running.cell)
        with contextlib.suppress(OSError):  # the parent does this, unless it was killed
            os.rmdir(Path(self.order.place).name, dir_fd=self.beside)
        os._exit(0)

    # ---- ends

    def kill(self, number: int, reason: str) -> None:
        running = self.running.get(number)
        if running is None or running.reason:  # it was reaped, or killed, in this very round
            return
        running.reason = reason
        self.selector.unregister(running.leash)
        os.kill(number, signal.SIGKILL)

    def reap(self, woken: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        for number in list(self.running):
            ended, status, used = os.wait4(number, os.WNOHANG)
            if ended:
                self.ended(self.running.pop(number), status, used)

    def ended(self, running: Running, status: int, used: resource.struct_rusage) -> None:
        if not running.reason:
            self.selector.unregister(running.leash)
        if running.group >= 0:
            os.close(running.group)
        clear(running.cell)
        lockdown.tell(running.leash, json.dumps({"ended": how(running, status, used)}).encode())
        running.leash.close()

    def look(self) -> None:
        for number, running in self.running.items():
            if reason := usage.excess(running.cell, number):
                self.kill(number, reason)
            elif not running.yields and usage.computed(number) > YIELDS:
                running.yields = usage.yield_to_others(number, running.group)


def warm_up(serves: str, warm: Sequence[str]) -> None:
    """Import what submissions use, and see to it that a fork is safe: one thread, no JAX backend."""
    gc.disable()
    for name in (*ALWAYS, *warm):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    getattr(importlib.import_module(serves), "prepare", lambda: None)()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"after its imports the warm process has {threads} threads; it must not be forked then")
    if backend_started():
        raise RuntimeError("something has started a JAX backend on import; a forked process would wait for it for ever")
    gc.enable()
    gc.collect()
    gc.freeze()  # else each child's first collection copies every page


def ordinary_users(readable: list[Path]) -> Iterator[int | None]:
    """A user for each child in turn; None (who we are) if we cannot change, or they could not read Python."""
    with open("/proc/self/uid_map") as mapped:
        known = [range(int(start), int(start) + int(count)) for start, _, count in map(str.split, mapped)]
    first = os.getpid() % len(USERS)
    users = [user for user in (*USERS[first:], *USERS[:first]) if any(user in numbers for numbers in known)]
    able = os.geteuid() == 0 and visible_paths.reachable_by_all(readable)
    return itertools.cycle(users if users and able else [None])


def backend_started() -> bool:
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bool(bridge.backends_are_initialized())


def how(running: Running, status: int, used: resource.struct_rusage) -> str:
    """How a process ended, as the rest of a sentence."""
    if running.reason:
        return running.reason
    if os.WIFEXITED(status):
        return f"exit status {os.WEXITSTATUS(status)}"
    if os.WTERMSIG(status) == signal.SIGKILL and used.ru_utime + used.ru_stime > running.cell.limits.cpu - 0.5:
        return f"used up its {running.cell.limits.cpu} seconds of computing time"
    return f"killed by signal {os.WTERMSIG(status)}"


def clear(cell: lockdown.Cell) -> None:
    """Remove what it left behind: an empty folder, where its files went with its own mount."""
    try:
        cell.scratch.rmdir()
    except FileNotFoundError:
        return
    except OSError:  # rm does not stumble over folders in folders in folders
        subprocess.run(["rm", "-rf", "--", str(cell.scratch)], stderr=subprocess.DEVNULL, check=False)


def main() -> NoReturn:
    order = Order(**json.loads(sys.argv.pop()))
    try:
        Zygote(order).main()
    except BaseException as trouble:
        print(f"{type(trouble).__name__}: {trouble}", file=sys.stderr, flush=True)
        os._exit(fork_child.TROUBLE)
