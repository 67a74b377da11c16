"""A root folder made by mounts, which holds only what a submission may see; the equivalent of bubblewrap."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from nnkit_grader.sandbox import system, visible_paths


def enter_new_root(base: Path, readable: list[Path]) -> bool:
    """Move this process into a new root, built on the empty folder `base`; /tmp is new, and writable by all.

    The process becomes the first of a new process namespace, so that everything it starts ends with it. The calling
    process stays outside, waits for its end, and exits with the same status. Returns False, without a noticeable
    change, if the machine does not allow it, as in most containers.
    """
    try:
        _leave_namespaces()
        _fork_into_namespace()
        system.mount("", "/", flags=system.MS_REC | system.MS_PRIVATE)
        system.mount("nnkit", str(base), "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=0755")
        _mount_all(base, readable)
    except OSError:
        return False
    os.chdir(base)
    system.call_kernel("pivot_root", b".", b".")
    system.call_kernel("umount2", b".", system.MNT_DETACH)
    os.chdir("/")
    return True


def map_own_ids(user: int, group: int) -> None:
    """Keep one's user and group in a new user namespace."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(text)


def _leave_namespaces() -> None:
    user, group = os.geteuid(), os.getegid()
    wanted = system.CLONE_NEWNS | system.CLONE_NEWPID
    try:
        system.unshare(wanted)  # root needs no user namespace, and could not change user in one
    except PermissionError:
        system.unshare(system.CLONE_NEWUSER | wanted)
        map_own_ids(user, group)


def _fork_into_namespace() -> None:
    number = os.fork()
    if number:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _, status = os.waitpid(number, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)


def _mount_all(base: Path, readable: list[Path]) -> None:
    os.umask(0o022)
    (base / "tmp").mkdir()
    (base / "tmp").chmod(0o1777)
    links = dict(visible_paths.list_links(readable))
    for path in (*readable, *visible_paths.DEVICES):
        inside = base / path.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        if path in links:
            inside.symlink_to(links[path])
        elif path.exists():
            inside.mkdir(exist_ok=True) if path.is_dir() else inside.touch()
            system.mount(str(path), str(inside), flags=system.MS_BIND | system.MS_REC)
    (base / "proc").mkdir()
    try:
        system.mount("proc", str(base / "proc"), "proc", system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC)
    except PermissionError:  # parts of the machine's /proc are covered, as in containers
        system.mount("/proc", str(base / "proc"), flags=system.MS_BIND | system.MS_REC)
