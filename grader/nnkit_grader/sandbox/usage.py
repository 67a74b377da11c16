"""Bounds that are looked after from outside, where the kernel does not keep them: threads, disk; and who goes first."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

from nnkit_grader.sandbox.lockdown import Cell

NICE = 10
"""Beside one who wants it too, a tenth of the machine is left."""


def excess(cell: Cell, number: int) -> str:
    """What process `number` has used too much of, as the rest of a sentence; "" if nothing.

    A folder on a mount of the process's own looks empty from here.
    """
    limits = cell.limits
    if threads(number) > limits.threads:
        return f"started more than {limits.threads} threads"
    size, entries = usage(cell.scratch, limits.entries)
    if entries > limits.entries:
        return f"made more than {limits.entries} files"
    return f"wrote more than {limits.disk / 2**20:g} MiB" if size > limits.disk else ""


def computed(number: int) -> float:
    """Seconds of computing that a process has had."""
    try:
        return time.clock_gettime(~number << 3 | 2)  # Linux: the clock of a process
    except OSError:
        return 0.0


def hold(number: int) -> int:
    """Where it can be said how the process, with its session, shares the machine with others: an open file; -1 where
    the kernel does not share by session."""
    try:
        return os.open(f"/proc/{number}/autogroup", os.O_WRONLY)
    except OSError:
        return -1


def yield_to_others(number: int, group: int) -> bool:
    """Let a process compute only where others leave the machine idle; its time limits know (`Child.waited`). False if
    that is to be tried again a moment later."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, number, NICE)
    try:
        return group < 0 or os.write(group, b"%d" % NICE) > 0
    except OSError as refused:
        return refused.errno != errno.EAGAIN


def threads(number: int) -> int:
    """How many threads a process has; 0 if there is no such process."""
    try:
        with open(f"/proc/{number}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("Threads:")), 0)
    except (OSError, ValueError):
        return 0


def usage(folder: Path, most: int) -> tuple[int, int]:
    """Bytes on disk and number of entries below `folder`; stops counting above `most` entries.

    A folder whose path has become too long to look into counts as `most` entries and more.
    """
    size, entries, left = 0, 0, [str(folder)]
    while left and entries <= most:
        try:
            with os.scandir(left.pop()) as found:
                for entry in found:
                    entries += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    if entries > most:
                        break
        except (FileNotFoundError, PermissionError, NotADirectoryError):  # it changes while we look
            continue
        except OSError:
            entries = most + 1
    return size, entries
