"""The steps by which a process locks itself in before it runs a submission. None of them can be undone."""

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
MAX_CPUS = 4
"""Processors that one child uses: numerical libraries start threads for each processor that they see."""


@dataclass
class Confinement:
    """The resources of one process, and the walls around it that not every machine supports."""

    scratch: Path
    limits: Limits
    user: int | None
    """The user to become; None to stay the same user."""
    protected: bool = True
    """True for walls and limits, False for limits only."""
    namespaces: bool = False
    counted: bool = False
    """True if the kernel counts its threads."""
    own_disk: bool = False
    """True if the kernel counts its bytes and files."""
    landlock: bool = False
    contained: bool = False
    """True in a container of its own, which stands in for Landlock where the kernel has none."""


def drop_identity(confinement: Confinement) -> None:
    """Become an ordinary user, and leave the mounts and network of other processes, if the machine allows it."""
    if confinement.user is not None:
        os.setgroups([])
        os.setresgid(confinement.user, confinement.user, confinement.user)
        os.setresuid(confinement.user, confinement.user, confinement.user)
        system.prctl(system.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root, and its uid_map is not ours
    user, group = os.geteuid(), os.getegid()
    with contextlib.suppress(OSError):
        system.unshare(_NAMESPACES)
        confinement.namespaces = True
        mounts.map_own_ids(user, group)
    confinement.counted = confinement.user is not None or (confinement.namespaces and user != 0)


def make_home(confinement: Confinement) -> None:
    """Make a scratch folder, the only writable one, as home and working folder, and clean the environment."""
    confinement.scratch.mkdir(mode=0o700, exist_ok=confinement.contained)
    if confinement.namespaces:
        with contextlib.suppress(OSError):
            system.mount("", "/", flags=system.MS_REC | system.MS_PRIVATE)
            options = f"size={confinement.limits.disk},nr_inodes={confinement.limits.entries},mode=0700"
            flags = system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC
            system.mount("scratch", str(confinement.scratch), "tmpfs", flags, options)
            confinement.own_disk = True
    os.chdir(confinement.scratch)
    os.umask(0o077)
    environment = visible_paths.make_environment(confinement.scratch)
    os.environ.clear()
    os.environ.update(environment)


def set_limits(confinement: Confinement) -> None:
    """Set the limits that the kernel enforces by itself."""
    limits = confinement.limits
    for kind, most in {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_CPU: limits.cpu,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        **({resource.RLIMIT_NPROC: limits.threads} if confinement.counted else {}),
    }.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, random.sample(usable, min(MAX_CPUS, len(usable))))


def close_files(kept: Iterable[int]) -> None:
    """Close every open file but those in `kept`; stdin, stdout and stderr become /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    start = 3
    for number in sorted(kept):
        os.closerange(start, number)
        start = number + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def raise_walls(confinement: Confinement, readable: list[Path]) -> None:
    """Put up the walls. Raises OSError if one of them cannot be put up."""
    system.drop_capabilities()
    own = Path(os.path.realpath("/proc/self"))  # by number: this process's folder and no other's
    about_itself = [own / name for name in ("maps", "stat", "statm", "status")]
    confinement.landlock = landlock.read_version() > 0
    if confinement.contained and not confinement.landlock:
        if confinement.user is None:
            raise PermissionError("this kernel has no Landlock, and the container no users to tell submissions apart")
    else:
        landlock.restrict(
            [*readable, *visible_paths.DEVICES, *visible_paths.MACHINE_INFO, *about_itself],
            [confinement.scratch, Path("/dev/null")],
        )
    system.prctl(system.PR_SET_DUMPABLE, 0)  # no process reads its memory, even as the same user
    seccomp.install_filter()
    _test_walls(confinement)


def _test_walls(confinement: Confinement) -> None:
    """Raise PermissionError if the kernel accepts the calls above but does not act on them, as some do."""
    look = (lambda: os.listdir("/")) if confinement.landlock else (lambda: os.mkdir(confinement.scratch.parent / "new"))
    for forbidden in (look, lambda: socket.socket().close(), os.fork):
        try:
            forbidden()
        except PermissionError:
            continue
        raise PermissionError("the kernel accepts Landlock and seccomp, but does not act on them")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)


def send_message(leash: socket.socket, message: bytes) -> None:
    """Send a message on a leash, unless its other end is closed."""
    with contextlib.suppress(OSError):
        leash.send(message)
