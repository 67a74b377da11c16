"""A parcel: files on their way between a server and the exchange.

One line of JSON whose "files" names each file and its size in bytes, and then their bytes, one after the other in the
order of the names. Nothing else can be in it: no links, no devices, no owners or times.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from nnkit_grader.course.submission_notes import NBGRADER_NOTES

FILES = 1_000
BYTES = 100_000_000
"""Of all files of a parcel together."""
DEPTH = 8
"""Names in a path, as 2 in data/points.csv."""
HEAD_BYTES = 1_000_000
"""Of the line that names the files."""
CHUNK = 1 << 18

OURS = {*NBGRADER_NOTES, "feedback", "receipt.json", "receipts"}
"""What nbgrader and nnkit lay beside the work: at the top of a folder, such names do not travel."""

Files = dict[str, dict[str, Any]]
"""{"ps1.ipynb": {"bytes": 20113, "sha256": "9f…"}}: what is in a folder, by path."""


class Refused(ValueError):
    """One sentence on why files or a name do not travel."""


def require_name(name: str, what: str) -> str:
    """A course's, assignment's or user's name, which becomes one folder's name. Raises Refused."""
    if not _is_plain(name) or name.startswith(".") or len(name.encode()) > 100:
        raise Refused(f"{_shown(name)} is not a name for {what}.")
    return name


def require_path(path: Any) -> str:
    """A file's path within its folder, such as data/points.csv. Raises Refused."""
    parts = path.split("/") if isinstance(path, str) else []
    if not parts or not all(map(_is_plain, parts)):
        raise Refused(f"{_shown(path)} is not a name for a file.")
    if len(parts) > DEPTH:
        raise Refused(f"{_shown(path)} lies too deep: at most {DEPTH - 1} folders may be around a file.")
    if parts[0] in OURS:
        raise Refused(f"{_shown(path)} has a name that is kept for the exchange: rename it.")
    return str(path)


def _is_plain(name: str) -> bool:
    try:
        fits = 0 < len(name.encode()) <= 255
    except UnicodeEncodeError:
        return False
    return fits and name not in (".", "..") and "/" not in name and "\\" not in name and name.isprintable()


def _shown(name: Any) -> str:
    return ascii(name) if len(str(name)) <= 100 else ascii(str(name)[:100]) + "…"


def require_sizes(sizes: Mapping[str, int]) -> None:
    """That files of these sizes, in bytes, make one parcel. Raises Refused."""
    if not sizes:
        raise Refused("There is no file in it.")
    if len(sizes) > FILES:
        raise Refused(f"These are too many files: at most {FILES} may be handed over at once.")
    if sum(sizes.values()) > BYTES:
        raise Refused(f"These files are too large: together they may have at most {BYTES // 1_000_000} MB.")
    above = {"/".join(parts[:end]) for parts in (path.split("/") for path in sizes) for end in range(1, len(parts))}
    for path in above & set(sizes):
        raise Refused(f"{_shown(path)} is both a file and a folder.")


def found(folder: Path, ignored: Sequence[str] = ()) -> dict[str, int]:
    """The sizes of the files below a folder that travel, by path; `ignored` are patterns of names. Raises Refused."""
    sizes: dict[str, int] = {}
    for path, status in _walk(folder, "", ignored):
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{_shown(path)} is a link or no file at all: put the file itself there, or remove it.")
        sizes[require_path(path)] = status.st_size
        if len(sizes) > FILES:
            break
    require_sizes(sizes)
    return dict(sorted(sizes.items()))


def _walk(folder: Path, above: str, ignored: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if any(fnmatch(entry.name, each) for each in ignored) or (not above and entry.name in OURS):
                continue
            path = f"{above}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
            elif path.count("/") >= DEPTH:
                require_path(f"{path}/…")
            else:
                yield from _walk(folder / entry.name, f"{path}/", ignored)


def head(fields: Mapping[str, Any]) -> bytes:
    """The line that a parcel begins with."""
    return json.dumps(fields).encode() + b"\n"


def pieces(folder: Path, path: str, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a plain file, in pieces. Raises Refused where it has fewer, or is no plain file."""
    try:
        handle = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise Refused(f"{_shown(path)} cannot be read: {fault.strerror}.") from None
    with open(handle, "rb") as file:
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
        left = size
        while is_file and left and (piece := file.read(min(left, CHUNK))):
            left -= len(piece)
            yield piece
        if left or not is_file:
            raise Refused(f"{_shown(path)} changed while it was read: try again.")


@contextmanager
def packed(folder: Path, sizes: Mapping[str, int]) -> Iterator[IO[bytes]]:
    """The parcel of these files, as a nameless file to read. Raises Refused and OSError."""
    with tempfile.TemporaryFile() as parcel:
        parcel.write(head({"files": {path: {"bytes": size} for path, size in sizes.items()}}))
        for path, size in sizes.items():
            for piece in pieces(folder, path, size):
                parcel.write(piece)
        parcel.seek(0)
        yield parcel


def unpack(parcel: IO[bytes], folder: Path, mode: int = 0o644) -> tuple[dict[str, Any], Files]:
    """Write a parcel's files into a new folder. Returns its first line, and what the files are found to be.

    Each file is on the disk when this returns. Raises Refused where anything about the parcel is not as it should be;
    the folder then holds a part of it.
    """
    fields = _read_head(parcel)
    sizes = {require_path(path): told["bytes"] for path, told in fields["files"].items()}
    require_sizes(sizes)
    folder.mkdir(parents=True)
    files: Files = {}
    for path, size in sizes.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
            files[path] = {"bytes": size, "sha256": _copy(parcel, file, size)}
        if files[path]["sha256"] != fields["files"][path].get("sha256", files[path]["sha256"]):
            raise Refused(f"{_shown(path)} arrived changed.")
    if parcel.read(1):
        raise Refused("There is more in the parcel than its first line says.")
    return fields, files


def _read_head(parcel: IO[bytes]) -> dict[str, Any]:
    line = parcel.readline(HEAD_BYTES)
    try:
        fields = json.loads(line)
        sizes = [told["bytes"] for told in fields["files"].values()]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        sizes = [None]
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise Refused("This is no parcel: its first line does not name files and their sizes.")
    return dict(fields)


def _copy(source: IO[bytes], to: IO[bytes], size: int) -> str:
    digest = hashlib.sha256()
    while size and (piece := source.read(min(size, CHUNK))):
        size -= len(piece)
        digest.update(piece)
        to.write(piece)
    if size:
        raise Refused("The parcel ended too early: try again.")
    to.flush()
    os.fsync(to.fileno())
    return digest.hexdigest()
