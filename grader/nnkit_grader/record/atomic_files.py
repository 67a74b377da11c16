"""Files that are either whole or as they were before, whatever happens meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

READABLE = 0o644
UNFINISHED = ".new-"
"""What the name of a file begins with while it is written."""


def replace(path: Path, content: bytes | str, mode: int = READABLE, lasting: bool = True) -> None:
    """Write a file in one step, and its folder where there is none; `lasting` survives a power cut. Raises OSError."""
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


def clear(folder: Path) -> None:
    """Remove what somebody who was killed had begun to write in a folder, and in those within."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Have what a folder says of its files survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
