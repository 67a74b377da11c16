"""Atomic writing of files: a file is complete or as it was before, whatever interrupts the writing."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

UNFINISHED = ".new-"
"""Prefix of a file's name while it is being written."""
UNSUPPORTED_ERRNOS = {errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
"""Errors of systems that can write a file, but not set its permissions, or not open or sync a folder: Windows, CIFS."""


def replace_file(path: Path, content: bytes | str, mode: int | None = None, lasting: bool = True) -> None:
    """Replace a file in one step; its folder is made if it does not exist.

    Its permissions are `mode`, by default what the umask allows. With `lasting`, the file survives a power cut once
    this returns. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_replacement(path, mode, lasting) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_replacement(
    path: Path, mode: int | None = None, lasting: bool = True, prefix: str = UNFINISHED
) -> Iterator[IO[bytes]]:
    """Context manager that yields a binary file, which replaces `path` in one step if the block succeeds.

    Its permissions are `mode`, by default what the umask allows; until then its name starts with `prefix`. With
    `lasting`, the file survives a power cut after the block. Raises OSError.
    """
    fresh = path.with_name(prefix + secrets.token_hex(8))
    created = 0o666 if mode is None else mode
    try:
        with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, created)) as file:
            yield file
            file.flush()
            if mode is not None and hasattr(os, "fchmod"):  # what the umask took away; Windows has no such permissions
                with _ignore_unsupported():
                    os.fchmod(file.fileno(), mode)
            if lasting:
                os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if lasting:
        sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Delete the partial files that a killed process left in a folder and below it."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Make a folder's list of files survive a power cut, where the system can. Raises OSError if the disk fails."""
    with _ignore_unsupported():
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _ignore_unsupported() -> Iterator[None]:
    """Context manager that ignores errors which mean that the system cannot do this at all."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNSUPPORTED_ERRNOS:
            raise
