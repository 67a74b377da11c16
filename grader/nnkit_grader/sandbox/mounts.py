"""A root folder that holds what a submission may see and nothing else, made by mounts; as bubblewrap would."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from nnkit_grader.sandbox import system, visible_paths


def enter(base: Path, readable: list[Path]) -> bool:
    """Move this process into such a root, built on the empty folder `base`; /tmp is new, and writable to all.

    It is then the first process of its process namespace: with it everything ends that it has started. The process
    that called stays behind, waits for its end, and ends likewise. Returns False, and changes nothing that would
    be noticed, where the machine does not allow it, as in most containers.
    """
    try:
        _leave()
        _fork()
        system.mount("", "/", flags=system.MS_REC | system.MS_PRIVATE)
        system.mount("nnkit", str(base), "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=0755")
        _fill(base, readable)
    except OSError:
        return False
    os.chdir(base)
    system.call("pivot_root", b".", b".")
    system.call("umount2", b".", system.MNT_DETACH)
    os.chdir("/")
    return True


def map_self(user: int, group: int) -> None:
    """In a new user namespace: be who one was."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(text)


def _leave() -> None:
    user, group = os.geteuid(), os.getegid()
    wanted = system.CLONE_NEWNS | system.CLONE_NEWPID
    try:
        system.unshare(wanted)  # root needs no user namespace, and could not change user in one
    except PermissionError:
        system.unshare(system.CLONE_NEWUSER | wanted)
        map_self(user, group)


def _fork() -> None:
    number = os.fork()
    if number:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _, status = os.waitpid(number, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)


def _fill(base: Path, readable: list[Path]) -> None:
    os.umask(0o022)
    (base / "tmp").mkdir()
    (base / "tmp").chmod(0o1777)
    links = dict(visible_paths.top_links(readable))
    for place in (*readable, *visible_paths.DEVICES):
        inside = base / place.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        if place in links:
            inside.symlink_to(links[place])
        elif place.exists():
            inside.mkdir(exist_ok=True) if place.is_dir() else inside.touch()
            system.mount(str(place), str(inside), flags=system.MS_BIND | system.MS_REC)
    (base / "proc").mkdir()
    try:
        system.mount("proc", str(base / "proc"), "proc", system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC)
    except PermissionError:  # parts of the machine's are covered, as in containers
        system.mount("/proc", str(base / "proc"), flags=system.MS_BIND | system.MS_REC)
