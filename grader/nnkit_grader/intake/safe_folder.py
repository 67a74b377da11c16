"""Safe reading of a learner's folder, in which each name may be a link, a pipe, a device, or gone a moment later."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType

from nnkit.language import say, to_say
from nnkit_grader.course.submission_notes import MAX_TIMESTAMP_BYTES, TIMESTAMP_FILE, parse_timestamp
from nnkit_grader.intake.read_json import MAX_FILE_BYTES
from nnkit_grader.sanitize.text import quote_value

MAX_FOLDER_NAMES = 10_000
MAX_FOLDER_DEPTH = 3

CHECKPOINT = "-checkpoint."
"""Part of the names of the copies that Jupyter makes by itself."""

LINK_ERRORS = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}
FILE_TYPES = (
    (stat.S_ISLNK, to_say("a symbolic link")),
    (stat.S_ISDIR, to_say("a folder")),
    (stat.S_ISFIFO, to_say("a pipe")),
    (stat.S_ISSOCK, to_say("a socket")),
)
UNKNOWN_TIME = to_say("So the time of submission is not known, and it does not count as late.")


class UnreadableSubmission(ValueError):
    """A submission that cannot be read; the message is a sentence for the learner."""


class SafeFolder:
    """A folder submitted/STUDENT/ASSIGNMENT. No link is followed in the last two parts of its path, nor below it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> SafeFolder:
        # Made absolute, since "." and ".." have no name to check.
        path = Path(os.path.abspath(self.path))
        outer = self._open_folder(path.parent, None)
        try:
            self.fd = self._open_folder(Path(path.name), outer)
        finally:
            os.close(outer)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        os.close(self.fd)

    def _open_folder(self, path: Path, within: int | None) -> int:
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        except FileNotFoundError:
            raise UnreadableSubmission(say("There is no submission: the folder is missing.")) from None
        except OSError as fault:
            if fault.errno in LINK_ERRORS:
                raise UnreadableSubmission(say("The submission's folder is a link or a file.")) from None
            raise UnreadableSubmission(
                say("The submission's folder cannot be opened: {reason}.", reason=fault.strerror)
            ) from None

    def find_notebooks(self, wanted: str) -> list[str]:
        """Return the names of the notebooks, the one with the wanted name first; none of an editor's own copies."""
        names = [name for name in sorted(self.list_names()) if name[0] != "." and CHECKPOINT not in name]
        found = [name for name in names if name.lower().endswith(".ipynb")]
        found = found or [name for name in names if ".ipynb" in name.lower() or name == f"{wanted}.json"]
        return sorted(found, key=lambda name: name != f"{wanted}.ipynb")

    def find_folders(self) -> list[str]:
        """Return the names of the folders in which a notebook may lie."""
        names = (name for name in sorted(self.list_names()) if not name.startswith((".", "__")))
        return [name for name in names if self._is_folder(name)]

    def _is_folder(self, name: str) -> bool:
        try:
            return stat.S_ISDIR(os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode)
        except OSError:
            return False

    def list_names(self) -> list[str]:
        """Return the names of all that is in the folder, or of its first 10,000 entries."""
        with os.scandir(self.fd) as entries:
            return [entry.name for entry in islice(entries, MAX_FOLDER_NAMES)]

    def contains(self, name: str) -> bool:
        """Return True if there is an entry of this name, of any type."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except OSError:
            return False
        return True

    def list_files(self, depth: int = MAX_FOLDER_DEPTH) -> Iterator[str]:
        """Yield the paths of plain files in this folder and below; what begins with a dot is left out."""
        for name in sorted(self.list_names()):
            if name.startswith("."):
                continue
            if not self._is_folder(name):
                yield name
            elif depth:
                with contextlib.suppress(UnreadableSubmission), self.open_folder(name) as inner:
                    yield from (f"{name}/{path}" for path in inner.list_files(depth - 1))

    @contextlib.contextmanager
    def open_folder(self, name: str) -> Iterator[SafeFolder]:
        """Context manager with a folder in this one. Raises UnreadableSubmission if it is a link, or gone."""
        inner = SafeFolder(self.path / name)
        inner.fd = self._open_folder(Path(name), self.fd)
        try:
            yield inner
        finally:
            os.close(inner.fd)

    def read_path(self, path: str, most: int) -> bytes:
        """Return the content of a plain file in this folder or below. Raises UnreadableSubmission."""
        first, _, rest = path.partition("/")
        if not rest:
            return self.read_file(first, most)
        with self.open_folder(first) as inner:
            return inner.read_path(rest, most)

    def read_file(self, name: str, most: int = MAX_FILE_BYTES) -> bytes:
        """Return the content of a plain file. Raises UnreadableSubmission if it is no plain file, or too large."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            # Checked before it is opened, since that can have effects on a device; and after, since it may be another.
            self._require_file(name, os.stat(name, dir_fd=self.fd, follow_symlinks=False))
            with open(os.open(name, flags, dir_fd=self.fd), "rb", buffering=0) as file:
                self._require_file(name, os.fstat(file.fileno()))
                return self._read_content(name, file.fileno(), most)
        except OSError as fault:
            if fault.errno in LINK_ERRORS:
                raise UnreadableSubmission(say("{name} is a symbolic link.", name=quote_value(name))) from None
            raise UnreadableSubmission(
                say("{name} cannot be read: {reason}.", name=quote_value(name), reason=fault.strerror)
            ) from None

    @staticmethod
    def _require_file(name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for is_type, name in FILE_TYPES if is_type(status.st_mode)), to_say("a device"))
            raise UnreadableSubmission(say("{name} is {kind}, not a file.", name=quote_value(name), kind=say(kind)))

    @staticmethod
    def _read_content(name: str, fd: int, most: int) -> bytes:
        content = bytearray()
        while chunk := os.read(fd, 1 << 20):
            content += chunk
            if len(content) > most:
                size = f"{most // 1_000_000} MB" if most >= 1_000_000 else say("{number} bytes", number=most)
                raise UnreadableSubmission(say("{name} is larger than {size}.", name=quote_value(name), size=size))
        return bytes(content)

    def read_timestamp(self) -> tuple[str | None, str]:
        """Return the time of submission, or None and a sentence on why its note cannot be read ("" without a note)."""
        if not self.contains(TIMESTAMP_FILE):
            return None, ""
        try:
            content = self.read_file(TIMESTAMP_FILE, most=MAX_TIMESTAMP_BYTES)
        except UnreadableSubmission as fault:
            return None, f"{fault} {say(UNKNOWN_TIME)}"
        time = parse_timestamp(content)
        said = quote_value(content.decode("utf-8", "replace").strip())
        if time:
            return time, ""
        wrong = say("{file} says {said}, which is no full date and time.", file=TIMESTAMP_FILE, said=said)
        return None, f"{wrong} {say(UNKNOWN_TIME)}"
