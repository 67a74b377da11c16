"""Safe reading of a learner's folder, in which each name may be a link, a pipe, a device, or gone a moment later."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType

from nnkit_grader.course.submission_notes import MAX_TIMESTAMP_BYTES, TIMESTAMP_FILE, parse_timestamp
from nnkit_grader.intake.parse_notebook import MAX_FILE_BYTES
from nnkit_grader.sanitize.text import quote_value

MAX_FOLDER_NAMES = 10_000

LINK_ERRORS = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}
FILE_TYPES = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


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
            raise UnreadableSubmission("There is no submission: the folder is missing.") from None
        except OSError as fault:
            if fault.errno in LINK_ERRORS:
                raise UnreadableSubmission("The submission's folder is a link or a file.") from None
            raise UnreadableSubmission(f"The submission's folder cannot be opened: {fault.strerror}.") from None

    def find_notebook(self, wanted: str) -> tuple[str, list[str]]:
        """Return the name of the notebook to grade, and sentences on others. Raises UnreadableSubmission."""
        right = f"{wanted}.ipynb"
        others = sorted(name for name in self._list_names() if name.lower().endswith(".ipynb") and name != right)
        listed = ", ".join(quote_value(name) for name in others[:3]) + (
            f" and {len(others) - 3} more" if others[3:] else ""
        )
        if self.contains(right):
            return right, [f"Only {right} counts, not {listed}."] if others else []
        if not others:
            raise UnreadableSubmission(f"There is no {right} in the submission.")
        if len(others) > 1:
            raise UnreadableSubmission(f"There is no {right} in the submission, but several other notebooks: {listed}.")
        return others[0], [f"The notebook is called {listed}; it was read as {right}."]

    def _list_names(self) -> list[str]:
        names = []
        with os.scandir(self.fd) as entries:
            for entry, _ in zip(entries, range(MAX_FOLDER_NAMES)):
                names.append(entry.name)
        return names

    def contains(self, name: str) -> bool:
        """Return True if there is an entry of this name, of any type."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except OSError:
            return False
        return True

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
                raise UnreadableSubmission(f"{quote_value(name)} is a symbolic link.") from None
            raise UnreadableSubmission(f"{quote_value(name)} cannot be read: {fault.strerror}.") from None

    @staticmethod
    def _require_file(name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for is_type, name in FILE_TYPES if is_type(status.st_mode)), "a device")
            raise UnreadableSubmission(f"{quote_value(name)} is {kind}, not a file.")

    @staticmethod
    def _read_content(name: str, fd: int, most: int) -> bytes:
        content = bytearray()
        while chunk := os.read(fd, 1 << 20):
            content += chunk
            if len(content) > most:
                size = f"{most // 1_000_000} MB" if most >= 1_000_000 else f"{most} bytes"
                raise UnreadableSubmission(f"{quote_value(name)} is larger than {size}.")
        return bytes(content)

    def read_timestamp(self) -> str | None:
        """Return the time of submission as nbgrader noted it; None if the note is missing or malformed."""
        try:
            content = self.read_file(TIMESTAMP_FILE, most=MAX_TIMESTAMP_BYTES) if self.contains(TIMESTAMP_FILE) else b""
        except UnreadableSubmission:
            return None
        return parse_timestamp(content)
