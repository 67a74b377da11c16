"""Atomic writing of files: a file is complete or as it was before, whatever interrupts the writing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

READABLE = 0o644
UNFINISHED = ".new-"
"""Prefix of a file's name while it is being written."""


def replace_file(path: Path, content: bytes | str, mode: int = READABLE, lasting: bool = True) -> None:
    """Replace a file in one step; its folder is made if it does not exist.

    With `lasting`, the file survives a power cut once this returns. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_replacement(path, mode, lasting) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_replacement(path: Path, mode: int = READABLE, lasting: bool = True) -> Iterator[IO[bytes]]:
    """Context manager that yields a binary file, which replaces `path` in one step if the block succeeds.

    With `lasting`, the file survives a power cut after the block. Raises OSError.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)
    try:
        with open(handle, "wb") as file:
            yield file
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
    """Delete the partial files that a killed process left in a folder and below it."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Make a folder's list of files survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
