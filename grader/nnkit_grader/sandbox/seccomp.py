"""seccomp: the kernel allows system calls by their number and arguments, for this process and for good.

A call that is on no list is refused: one of a newer kernel, or one that no library here needs.

https://docs.kernel.org/userspace-api/seccomp_filter.html. The filter is a program for the kernel's small BPF
machine: it reads the machine, number and arguments of a call, and its return value decides about the call.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable
from itertools import groupby

from nnkit_grader.sandbox import system
from nnkit_grader.sandbox.syscalls import ALLOWED, BY_ARGUMENT, DENIED

Program = list[tuple[int, int, int, int]]
"""Instructions: code, steps to jump if true, steps to jump if false, operand."""

_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in `struct seccomp_data`
_AUDIT_NAMES = (0xC000003E, 0xC00000B7)  # AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64
_X32 = 0x40000000  # set in numbers of x86_64's other set of calls

_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_DENY = _FAIL | errno.EPERM
_UNKNOWN = _FAIL | errno.ENOSYS  # libraries then fall back to an older call
_SET_MODE_FILTER = 1

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # namespaces of every kind
_FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX, _TCGETS, _TIOCGWINSZ = 0x541B, 0x5421, 0x5450, 0x5451, 0x5401, 0x5413
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_NOTIFY = 8, 10, 15, 1026  # these send signals to others, or watch folders
_F_SETLEASE, _F_SETPIPE_SZ = 1024, 1031  # these delay others who open a file, and take the kernel's memory
_REFUSED_FCNTL = (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_NOTIFY, _F_SETLEASE, _F_SETPIPE_SZ)
_PLAIN_PAIRS = [socket.SOCK_STREAM | more for more in (0, 0o4000, 0o2000000, 0o2004000)]  # NONBLOCK, CLOEXEC


def build_filter(pid: int) -> Program:
    """Return the filter for a process with this id in its own namespace. Raises OSError on an unknown machine."""
    column = system.find_column()
    if column is None:
        raise OSError(errno.ENOSYS, "this machine's system calls are not known", "seccomp")
    number = {name: numbers[column] for name, numbers in {**DENIED, **BY_ARGUMENT}.items()}
    return [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, _AUDIT_NAMES[column]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        *_decide_if(_GREATER, _X32 - 1, _KILL),
        *_allow_ranges(numbers[column] for numbers in ALLOWED.values()),
        *(step for name in DENIED if number[name] is not None for step in _decide_if(_EQUAL, number[name], _DENY)),
        # A new thread, never a new process. clone3 hides its flags behind a pointer; without it glibc uses clone.
        *_decide_if(_EQUAL, number["clone3"], _UNKNOWN),
        *_decide_by_argument(number["clone"], 0, _check_bits(without=_CLONE_NEW, having=_CLONE_THREAD)),
        *_decide_by_argument(number["kill"], 0, _allow_only([pid])),
        *_decide_by_argument(number["tgkill"], 0, _allow_only([pid])),
        *_decide_by_argument(number["prlimit64"], 0, _allow_only([0, pid])),
        # A pair of stream sockets reaches no other process (asyncio needs one); out-of-band data is a known hole.
        *_decide_by_argument(number["socketpair"], 1, _allow_only(_PLAIN_PAIRS)),
        *_decide_by_argument(number["sendto"], 3, _check_bits(without=socket.MSG_OOB)),
        *_decide_by_argument(number["recvfrom"], 3, _check_bits(without=socket.MSG_OOB)),
        *_decide_by_argument(
            number["ioctl"], 1, _allow_only([_FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX, _TCGETS, _TIOCGWINSZ])
        ),
        *_decide_by_argument(number["fcntl"], 1, _deny_only(_REFUSED_FCNTL)),
        *_decide_by_argument(number["prctl"], 0, _deny_only([system.PR_SET_PDEATHSIG, system.PR_SET_DUMPABLE])),
        (_RETURN, 0, 0, _UNKNOWN),
    ]


def install_filter(pid: int | None = None) -> None:
    """Filter the system calls of this thread and of those that it starts. This cannot be undone."""
    steps = build_filter(os.getpid() if pid is None else pid)
    text = b"".join(struct.pack("=HBBI", *step) for step in steps)
    instructions = ctypes.create_string_buffer(text, len(text))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))

    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
    system.call_kernel("seccomp", _SET_MODE_FILTER, 0, Filter(len(steps), ctypes.addressof(instructions)))


def _decide_if(test: int, operand: int | None, decision: int) -> Program:
    assert operand is not None
    return [(test, 0, 1, operand), (_RETURN, 0, 0, decision)]


def _allow_ranges(numbers: Iterable[int | None]) -> Program:
    """Return steps that allow these calls, with one comparison for each range of numbers."""
    steps: Program = []
    ordered = sorted(number for number in numbers if number is not None)
    for _, group in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0]):
        (_, first), *_, (_, last) = 2 * list(group)
        steps += [(_AT_LEAST, 0, 2, first), (_GREATER, 1, 0, last), (_RETURN, 0, 0, _ALLOW)]
    return steps


def _decide_by_argument(number: int | None, argument: int, rest: Program) -> Program:
    """Return steps that, for this call, let `rest` decide by the low half of one of its arguments."""
    assert number is not None
    return [(_EQUAL, 0, len(rest) + 1, number), (_LOAD, 0, 0, _ARGUMENTS + 8 * argument), *rest]


def _allow_only(values: Iterable[int]) -> Program:
    return [step for value in values for step in _decide_if(_EQUAL, value, _ALLOW)] + [(_RETURN, 0, 0, _DENY)]


def _deny_only(values: Iterable[int]) -> Program:
    return [step for value in values for step in _decide_if(_EQUAL, value, _DENY)] + [(_RETURN, 0, 0, _ALLOW)]


def _check_bits(*, without: int, having: int = 0) -> Program:
    needed = [(_ANY_BIT, 1, 0, having), (_RETURN, 0, 0, _DENY)] if having else []
    return [*_decide_if(_ANY_BIT, without, _DENY), *needed, (_RETURN, 0, 0, _ALLOW)]
