"""Archives: the format in which files travel between a server and the exchange.

An archive is one line of JSON (its header), whose "files" gives each file's name and size in bytes, and then the bytes
of the files in the same order. It can hold nothing else: no links, no devices, no owners or times.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from nnkit.language import say
from nnkit_grader.course.submission_notes import NBGRADER_NOTES, RECEIPT_FILE

MAX_ARCHIVE_FILES = 1_000
MAX_ARCHIVE_BYTES = 100_000_000
"""Size of all files of an archive together."""
MAX_PATH_PARTS = 8
"""Number of names in a path: 2 in data/points.csv."""
MAX_HEADER_BYTES = 1_000_000
"""Length of the header line."""
CHUNK_BYTES = 1 << 18

RESERVED_NAMES = {*NBGRADER_NOTES, "feedback", RECEIPT_FILE, "receipts"}
"""Names that nbgrader and nnkit use beside the work: such files at the top of a folder do not travel."""

SETTINGS_FILE = re.compile(r"\..*|(?:nbgrader|jupyter\w*|ipython\w*)_config\.(?:py|json)", re.ASCII | re.IGNORECASE)
"""Names of files and folders that a program reads without being asked: `.git/config` runs a command at the grader's
next `git status`, nbgrader_config.py at the next `nbgrader`. They do not travel."""

FileEntries = dict[str, dict[str, Any]]
"""Path → size and hash: {"ps1.ipynb": {"bytes": 20113, "sha256": "9f…"}}."""


class Refusal(ValueError):
    """A refusal, with one sentence for the user."""


def require_name(name: str, what: str) -> str:
    """Return a course's, assignment's or user's name if it is safe as a folder's name. Raises Refusal."""
    if not _is_plain_name(name) or name.startswith(".") or len(name.encode()) > 100:
        raise Refusal(f"{_quote(name)} is not a valid name for {what}.")
    return name


def require_path(path: Any) -> str:
    """Return a file's path within its folder, such as data/points.csv, if it is safe. Raises Refusal."""
    parts = path.split("/") if isinstance(path, str) else []
    if not parts or not all(map(_is_plain_name, parts)):
        raise Refusal(say("{path} is not a valid file name.", path=_quote(path)))
    if len(parts) > MAX_PATH_PARTS:
        raise Refusal(
            say(
                "{path} is nested too deep: a file may be in at most {most} folders.",
                path=_quote(path),
                most=MAX_PATH_PARTS - 1,
            )
        )
    if parts[0] in RESERVED_NAMES:
        raise Refusal(say("{path} has a name that the exchange uses itself: rename it.", path=_quote(path)))
    return str(path)


def is_settings_file(path: str) -> bool:
    """Return True if a part of a file's path is hidden, or a program's settings."""
    return any(map(SETTINGS_FILE.fullmatch, path.split("/")))


def _is_plain_name(name: str) -> bool:
    try:
        fits = 0 < len(name.encode()) <= 255
    except UnicodeEncodeError:
        return False
    return fits and name not in (".", "..") and "/" not in name and "\\" not in name and name.isprintable()


def _quote(name: Any) -> str:
    return ascii(name) if len(str(name)) <= 100 else ascii(str(name)[:100]) + "…"


def require_sizes(sizes: Mapping[str, int]) -> None:
    """Raise Refusal unless files of these sizes in bytes may form an archive."""
    if not sizes:
        raise Refusal(say("There are no files in it."))
    if len(sizes) > MAX_ARCHIVE_FILES:
        raise Refusal(say("These are too many files: at most {most} are allowed at once.", most=MAX_ARCHIVE_FILES))
    if sum(sizes.values()) > MAX_ARCHIVE_BYTES:
        raise Refusal(
            say(
                "These files are too large: together they may have at most {most} MB.",
                most=MAX_ARCHIVE_BYTES // 1000000,
            )
        )
    above = {"/".join(parts[:end]) for parts in (path.split("/") for path in sizes) for end in range(1, len(parts))}
    for path in above & set(sizes):
        raise Refusal(say("{path} is both a file and a folder.", path=_quote(path)))


def list_files(folder: Path, ignored: Sequence[str] = ()) -> dict[str, int]:
    """Return path → size of the files below a folder that travel; `ignored` are patterns of names. Raises Refusal."""
    sizes: dict[str, int] = {}
    for path, status in _walk_folder(folder, "", ignored):
        if not stat.S_ISREG(status.st_mode):
            raise Refusal(
                say(
                    "{path} is a link or not a regular file: put the file itself there, or remove it.",
                    path=_quote(path),
                )
            )
        sizes[require_path(path)] = status.st_size
        if len(sizes) > MAX_ARCHIVE_FILES:
            break
    require_sizes(sizes)
    return dict(sorted(sizes.items()))


def _walk_folder(folder: Path, above: str, ignored: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            reserved = SETTINGS_FILE.fullmatch(entry.name) or (not above and entry.name in RESERVED_NAMES)
            if reserved or any(fnmatch(entry.name, each) for each in ignored):
                continue
            path = f"{above}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
            elif path.count("/") >= MAX_PATH_PARTS:
                require_path(f"{path}/…")
            else:
                yield from _walk_folder(folder / entry.name, f"{path}/", ignored)


def encode_header(fields: Mapping[str, Any]) -> bytes:
    """Return the header line of an archive."""
    return json.dumps(fields).encode() + b"\n"


def read_chunks(folder: Path, path: str, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of a regular file, in chunks.

    Raises Refusal if the file is shorter or not a regular file.
    """
    try:
        handle = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise Refusal(say("{path} cannot be read: {reason}.", path=_quote(path), reason=fault.strerror)) from None
    with open(handle, "rb") as file:
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
        left = size
        while is_file and left and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
        if left or not is_file:
            raise Refusal(say("{path} changed while it was read: try again.", path=_quote(path)))


@contextmanager
def pack_files(folder: Path, sizes: Mapping[str, int]) -> Iterator[IO[bytes]]:
    """Context manager that yields the archive of these files as an open temporary file. Raises Refusal and OSError."""
    with tempfile.TemporaryFile() as archive:
        archive.write(encode_header({"files": {path: {"bytes": size} for path, size in sizes.items()}}))
        for path, size in sizes.items():
            for chunk in read_chunks(folder, path, size):
                archive.write(chunk)
        archive.seek(0)
        yield archive


def unpack_files(
    archive: IO[bytes], folder: Path, mode: int = 0o644, refuses_settings: bool = False
) -> tuple[dict[str, Any], FileEntries]:
    """Write an archive's files into a new folder; return its header, and the files' sizes and hashes.

    Each file is on disk when this returns; hidden files and programs' settings are left out, or refused. Raises
    Refusal if anything in the archive is wrong; the folder then holds a part of it.
    """
    fields = _read_header(archive)
    sizes = {require_path(path): entry["bytes"] for path, entry in fields["files"].items()}
    require_sizes(sizes)
    folder.mkdir(parents=True)
    files: FileEntries = {}
    for path, size in sizes.items():
        if is_settings_file(path):
            if refuses_settings:
                raise Refusal(f"{_quote(path)} is hidden, or holds a program's settings: such files do not travel.")
            _copy_bytes(archive, None, size)
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
            files[path] = {"bytes": size, "sha256": _copy_bytes(archive, file, size)}
        if files[path]["sha256"] != fields["files"][path].get("sha256", files[path]["sha256"]):
            raise Refusal(f"{_quote(path)} was damaged on the way: try again.")
    if archive.read(1):
        raise Refusal("The archive is longer than its first line says.")
    return fields, files


def _read_header(archive: IO[bytes]) -> dict[str, Any]:
    line = archive.readline(MAX_HEADER_BYTES)
    try:
        fields = json.loads(line)
        sizes = [entry["bytes"] for entry in fields["files"].values()]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        sizes = [None]
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise Refusal("This is not an archive: its first line does not list files and their sizes.")
    return dict(fields)


def _copy_bytes(source: IO[bytes], to: IO[bytes] | None, size: int) -> str:
    """Copy bytes to a file on disk, or to nowhere, and return their SHA-256."""
    digest = hashlib.sha256()
    while size and (chunk := source.read(min(size, CHUNK_BYTES))):
        size -= len(chunk)
        digest.update(chunk)
        if to:
            to.write(chunk)
    if size:
        raise Refusal("The archive ended too early: try again.")
    if to:
        to.flush()
        os.fsync(to.fileno())
    return digest.hexdigest()
