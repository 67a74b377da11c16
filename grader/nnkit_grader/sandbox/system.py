"""System calls that Python has no function for, made through the C library."""

from __future__ import annotations

import ctypes
import os
import platform

MACHINES = ("x86_64", "aarch64")
"""Machines whose system call numbers are known here; tables give the numbers in this order."""

NUMBERS = {
    "capset": (126, 91),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
    "mount": (165, 40),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "umount2": (166, 39),
    "unshare": (272, 97),
}

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def find_column() -> int | None:
    """Return the column of the tables that has this machine's numbers; None for an unknown machine."""
    name = platform.machine()
    known = platform.system() == "Linux" and name in MACHINES and ctypes.sizeof(ctypes.c_void_p) == 8
    return MACHINES.index(name) if known else None


def call_kernel(name: str, *arguments: int | bytes | ctypes.Array | ctypes.Structure | None) -> int:
    """Make a system call. Raises OSError with the call's name if the kernel refuses."""
    column = find_column()
    if column is None:
        raise OSError(38, f"system calls of {platform.system()} on {platform.machine()} are not known", name)
    result: int = _libc.syscall(ctypes.c_long(NUMBERS[name][column]), *map(_convert_argument, arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def _convert_argument(value: int | bytes | ctypes.Array | ctypes.Structure | None) -> object:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, bytes):
        return ctypes.c_char_p(value)
    if isinstance(value, int):
        return ctypes.c_long(value)
    return ctypes.byref(value)


def prctl(option: int, value: int = 0) -> None:
    """Call `prctl(2)`."""
    call_kernel("prctl", option, value, 0, 0, 0)


def unshare(flags: int) -> None:
    """Call `unshare(2)`: leave the namespaces named by `flags` for new ones."""
    call_kernel("unshare", flags)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Call `mount(2)`; an empty string means no value."""
    call_kernel("mount", *(os.fsencode(text) if text else None for text in (source, target, kind)), flags,
         os.fsencode(options) if options else None)  # fmt: skip


def drop_capabilities() -> None:
    """Give up every privilege of root over this process's namespaces."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    call_kernel("capset", header, (ctypes.c_uint32 * 6)())
