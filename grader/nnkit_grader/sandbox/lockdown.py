"""How a process that is about to run a submission locks itself in. No step can be taken back."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nnkit_grader.sandbox import landlock, mounts, seccomp, system, visible_paths
from nnkit_grader.sandbox.limits import Limits

_NAMESPACES = (
    system.CLONE_NEWUSER | system.CLONE_NEWNS | system.CLONE_NEWNET | system.CLONE_NEWIPC | system.CLONE_NEWUTS
)  # fmt: skip
# A process namespace would need one more fork, which costs more than all else here; the warm process has one, and
# seccomp keeps its children from starting processes and from reaching others.
CPUS = 4
"""Processors that one child uses at most: numerical libraries start some threads for each that they see."""


@dataclass
class Cell:
    """What one process was given, and which of the walls that not every machine has stand around it."""

    scratch: Path
    limits: Limits
    user: int | None
    """The user to become; None: stay who one is."""
    protected: bool = True
    """False: limits only."""
    namespaces: bool = False
    counted: bool = False
    """The kernel counts its threads."""
    own_disk: bool = False
    """The kernel counts its bytes and files."""


def leave(cell: Cell) -> None:
    """Become an ordinary user, and see nobody else's mounts and network, where allowed."""
    if cell.user is not None:
        os.setgroups([])
        os.setresgid(cell.user, cell.user, cell.user)
        os.setresuid(cell.user, cell.user, cell.user)
        system.prctl(system.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root, and its uid_map is not ours
    user, group = os.geteuid(), os.getegid()
    with contextlib.suppress(OSError):
        system.unshare(_NAMESPACES)
        cell.namespaces = True
        mounts.map_self(user, group)
    cell.counted = cell.user is not None or (cell.namespaces and user != 0)


def furnish(cell: Cell) -> None:
    """A folder of its own, the only one that it may write to, as home and working folder; a clean environment."""
    cell.scratch.mkdir(mode=0o700)
    if cell.namespaces:
        with contextlib.suppress(OSError):
            system.mount("", "/", flags=system.MS_REC | system.MS_PRIVATE)
            options = f"size={cell.limits.disk},nr_inodes={cell.limits.entries},mode=0700"
            flags = system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC
            system.mount("scratch", str(cell.scratch), "tmpfs", flags, options)
            cell.own_disk = True
    os.chdir(cell.scratch)
    os.umask(0o077)
    environment = visible_paths.environment(cell.scratch)
    os.environ.clear()
    os.environ.update(environment)


def limit(cell: Cell) -> None:
    """Bounds that the kernel keeps by itself."""
    limits = cell.limits
    for kind, most in {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_CPU: limits.cpu,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        **({resource.RLIMIT_NPROC: limits.threads} if cell.counted else {}),
    }.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, random.sample(usable, min(CPUS, len(usable))))


def close_all_but(kept: Iterable[int]) -> None:
    """Close every open file; stdin, stdout and stderr lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    start = 3
    for number in sorted(kept):
        os.closerange(start, number)
        start = number + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def shut(cell: Cell, readable: list[Path]) -> None:
    """The walls themselves. Raises `OSError` if one of them cannot be put up."""
    system.drop_capabilities()
    own = Path(os.path.realpath("/proc/self"))  # by number: this process's folder and no other's
    about_itself = [own / name for name in ("maps", "stat", "statm", "status")]
    landlock.restrict(
        [*readable, *visible_paths.DEVICES, *visible_paths.ABOUT_THE_MACHINE, *about_itself],
        [cell.scratch, Path("/dev/null")],
    )
    system.prctl(system.PR_SET_DUMPABLE, 0)  # nobody reads its memory, even as the same user
    seccomp.install()
    _lean_against_walls()


def _lean_against_walls() -> None:
    """Some kernels take the orders above and do not carry them out."""
    for forbidden in (lambda: os.listdir("/"), lambda: socket.socket().close(), os.fork):
        try:
            forbidden()
        except PermissionError:
            continue
        raise PermissionError("the kernel accepts Landlock and seccomp, but does not act on them")


def die_with_parent() -> None:
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)


def tell(leash: socket.socket, message: bytes) -> None:
    with contextlib.suppress(OSError):
        leash.send(message)
