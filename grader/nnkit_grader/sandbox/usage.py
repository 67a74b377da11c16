"""Limits that are watched from outside where the kernel does not enforce them (threads, disk), and priorities."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
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
    if read_resident_bytes(number) > limits.resident:
        return f"used more than {limits.resident / 2**20:g} MiB of memory"
    if count_threads(number) > limits.threads:
        return f"started more than {limits.threads} threads"
    size, entries = measure_folder(confinement.scratch, limits.entries)
    if entries > limits.entries:
        return f"made more than {limits.entries} files"
    return f"wrote more than {limits.disk / 2**20:g} MiB" if size > limits.disk else ""


def read_wait_seconds(process: int | str) -> float | None:
    """Return the seconds for which a process ("self": this one) waited for a busy machine; None if it is not said."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{process}/schedstat") as file:
        return int(file.read().split()[1]) / 1e9
    return None


def read_thread_waits(number: int) -> dict[str, float]:
    """Return thread → seconds for which it waited for a busy machine; none where the system does not say."""
    waits = {}
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{number}/task"):
            waits[thread] = read_wait_seconds(f"{number}/task/{thread}") or 0.0
    return waits


class ThreadWaits:
    """The time for which a process waited for a busy machine: that of the thread that waited longest since the last
    measurement, as JAX compiles in another than the first."""

    def __init__(self, number: int):
        self._number = number
        self._seconds = 0.0
        self._by_thread: dict[str, float] = {}

    def measure(self) -> float:
        """Return the seconds until now; 0 where the system does not say."""
        waits = read_thread_waits(self._number)
        longer = (wait - self._by_thread.get(thread, 0.0) for thread, wait in waits.items())
        self._seconds += max(longer, default=0.0)
        self._by_thread = waits or self._by_thread
        return self._seconds


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
    """Let all threads of a process compute only when others leave the machine idle; its time limits allow for it.

    Returns False if the kernel asks to try again a moment later.
    """
    lower_priorities(number)
    try:
        return group < 0 or os.write(group, b"%d" % NICE_LEVEL) > 0
    except OSError as refused:
        return refused.errno != errno.EAGAIN


def lower_priorities(number: int) -> None:
    """Lower the priority of each thread of a process: Linux keeps one for each, and new threads take their parent's."""
    done: set[int] = set()
    with contextlib.suppress(OSError):
        while new := {int(thread) for thread in os.listdir(f"/proc/{number}/task")} - done:
            for thread in new:
                with contextlib.suppress(ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, thread, NICE_LEVEL)
            done |= new


def read_resident_bytes(number: int) -> int:
    """Return the memory that a process holds; 0 if it cannot be read."""
    try:
        with open(f"/proc/{number}/statm") as sizes:
            return int(sizes.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


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
