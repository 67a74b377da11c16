"""Bounds that are looked after from outside, where the kernel does not keep them: threads, disk."""

from __future__ import annotations

import os
from pathlib import Path

from nnkit.grading.sandbox.lockdown import Cell


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
