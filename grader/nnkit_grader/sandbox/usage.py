"""Limits that are watched from outside where the kernel does not enforce them (threads, disk), and priorities."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

from nnkit_grader.sandbox.lockdown import Confinement

NICE_LEVEL = 10
"""Priority that leaves a process a tenth of a processor that others want, too."""


def find_excess(confinement: Confinement, number: int) -> str:
    """Return the limit that process `number` has exceeded, as the rest of a sentence; "" if none.

    A folder on a mount of the process's own looks empty from here.
    """
    limits = confinement.limits
    if count_threads(number) > limits.threads:
        return f"started more than {limits.threads} threads"
    size, entries = measure_folder(confinement.scratch, limits.entries)
    if entries > limits.entries:
        return f"made more than {limits.entries} files"
    return f"wrote more than {limits.disk / 2**20:g} MiB" if size > limits.disk else ""


def read_cpu_seconds(number: int) -> float:
    """Return the computing time of a process in seconds; 0 if it cannot be read."""
    try:
        return time.clock_gettime(~number << 3 | 2)  # Linux: the clock of a process
    except OSError:
        return 0.0


def open_autogroup(number: int) -> int:
    """Open the file that sets the priority of a process's session; -1 if the kernel has no priorities by session."""
    try:
        return os.open(f"/proc/{number}/autogroup", os.O_WRONLY)
    except OSError:
        return -1


def yield_to_others(number: int, group: int) -> bool:
    """Let a process compute only when others leave the machine idle; its time limits allow for it.

    Returns False if the kernel asks to try again a moment later.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, number, NICE_LEVEL)
    try:
        return group < 0 or os.write(group, b"%d" % NICE_LEVEL) > 0
    except OSError as refused:
        return refused.errno != errno.EAGAIN


def count_threads(number: int) -> int:
    """Return the number of threads of a process; 0 if there is no such process."""
    try:
        with open(f"/proc/{number}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("Threads:")), 0)
    except (OSError, ValueError):
        return 0


def measure_folder(folder: Path, most: int) -> tuple[int, int]:
    """Return the bytes on disk and the number of entries below `folder`; counting stops above `most` entries.

    A folder whose path has become too long to open counts as more than `most` entries.
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
        except (FileNotFoundError, PermissionError, NotADirectoryError):  # it changes while it is being read
            continue
        except OSError:
            entries = most + 1
    return size, entries
