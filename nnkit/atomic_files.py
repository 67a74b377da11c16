"""Write files that are either whole or as they were before, whatever interrupts the writing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

READABLE = 0o644
UNFINISHED = ".new-"
"""Beginning of a file's name while it is written."""


def replace_file(path: Path, content: bytes | str, mode: int = READABLE, lasting: bool = True) -> None:
    """Write a file in one step, and its folder if there is none.

    With `lasting`, the file survives a power cut once this returns. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)
    try:
        with open(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            os.fchmod(handle, mode)
            if lasting:
                file.flush()
                os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    if lasting:
        sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Delete the files that a killed process had begun to write in a folder and below it."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Make a folder's list of files survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
