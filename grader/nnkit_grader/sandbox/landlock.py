"""Landlock: the kernel refuses every file that was not named, for this process and for good.

https://docs.kernel.org/userspace-api/landlock.html. It needs no privilege. It does not hide the size and times of a
file whose name is guessed, and does not stop its owner from calling `chmod`: `seccomp` and the mounts do.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from nnkit_grader.sandbox import system

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(13, 16))

READ = READ_FILE | READ_DIR
CHANGE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

_UNKNOWN_RIGHTS = {1: IOCTL_DEV | TRUNCATE | REFER, 2: IOCTL_DEV | TRUNCATE, 3: IOCTL_DEV, 4: IOCTL_DEV}
"""Rights that a version of the interface does not know yet."""
_TCP = 0b11  # bind and connect: since version 4
_SCOPES = 0b11  # abstract Unix sockets and signals: since version 6
_VERSION, _PATH_BENEATH = 1, 1


def read_version() -> int:
    """Return the version of the kernel's interface, from 1 on; 0 if there is none."""
    try:
        return system.call_kernel("landlock_create_ruleset", None, 0, _VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[Path], changeable: Iterable[Path]) -> None:
    """Let this thread read only below `readable`, and read and change only below `changeable`, from now on.

    Paths that do not exist or cannot be reached are skipped. Nothing may be executed, no TCP port used, and no process
    outside signalled, as far as the kernel's version supports this. Raises OSError without Landlock.
    """
    known = read_version()
    handled = ((1 << 16) - 1) & ~_UNKNOWN_RIGHTS.get(known, 0)
    attributes = struct.pack("=QQQ", handled, _TCP if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = system.call_kernel("landlock_create_ruleset", attributes, size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, READ & handled)
        for path in changeable:
            _allow(ruleset, path, CHANGE & handled)
        system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
        system.call_kernel("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(file).st_mode):
            rights &= FILE_RIGHTS
        beneath = ctypes.create_string_buffer(struct.pack("=Qi", rights, file), 12)
        system.call_kernel("landlock_add_rule", ruleset, _PATH_BENEATH, beneath, 0)
    finally:
        os.close(file)
