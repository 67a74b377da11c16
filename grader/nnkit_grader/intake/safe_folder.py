"""Reading a learner's folder, in which each name may be a link, a pipe, a device, or gone a moment later."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from types import TracebackType

from nnkit_grader.intake.parse_notebook import FILE_BYTES
from nnkit_grader.sanitize.text import shown

NAMES = 10_000
"""How many names of a folder are looked at."""
STAMP = "timestamp.txt"
STAMP_FORM = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?( [\w/+-]{1,40})?", re.ASCII)
"""As nbgrader writes it: "2026-11-24 15:58:23.948203 UTC"."""

LINK = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}
TYPES = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


class Unfit(ValueError):
    """One sentence on why a submission cannot be read."""


class Folder:
    """An opened submitted/STUDENT/ASSIGNMENT. No link is followed, in the last two parts of its path or below it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Folder:
        # An absolute path, since "." and ".." have no name to look at.
        path = Path(os.path.abspath(self.path))
        outer = self._opened(path.parent, None)
        try:
            self.fd = self._opened(Path(path.name), outer)
        finally:
            os.close(outer)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        os.close(self.fd)

    def _opened(self, path: Path, within: int | None) -> int:
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        except FileNotFoundError:
            raise Unfit("There is no submission: the folder is missing.") from None
        except OSError as fault:
            if fault.errno in LINK:
                raise Unfit("The submission's folder is a link or a file.") from None
            raise Unfit(f"The submission's folder cannot be opened: {fault.strerror}.") from None

    def notebook(self, wanted: str) -> tuple[str, list[str]]:
        """The name of the notebook that counts, and sentences on others. Unfit if none does."""
        right = f"{wanted}.ipynb"
        others = sorted(name for name in self._names() if name.lower().endswith(".ipynb") and name != right)
        told = ", ".join(shown(name) for name in others[:3]) + (f" and {len(others) - 3} more" if others[3:] else "")
        if self.has(right):
            return right, [f"Only {right} counts, not {told}."] if others else []
        if not others:
            raise Unfit(f"There is no {right} in the submission.")
        if len(others) > 1:
            raise Unfit(f"There is no {right} in the submission, but several other notebooks: {told}.")
        return others[0], [f"The notebook is called {told}; it was read as {right}."]

    def _names(self) -> list[str]:
        names = []
        with os.scandir(self.fd) as entries:
            for entry, _ in zip(entries, range(NAMES)):
                names.append(entry.name)
        return names

    def has(self, name: str) -> bool:
        """Whether there is something of this name, whatever it is."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except OSError:
            return False
        return True

    def read(self, name: str, most: int = FILE_BYTES) -> bytes:
        """A plain file's content. Unfit if it is anything else, or larger than `most` bytes."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            # Looked at first, since opening a device can do something; and again, since it may have been replaced.
            self._require_file(name, os.stat(name, dir_fd=self.fd, follow_symlinks=False))
            with open(os.open(name, flags, dir_fd=self.fd), "rb", buffering=0) as file:
                self._require_file(name, os.fstat(file.fileno()))
                return self._content(name, file.fileno(), most)
        except OSError as fault:
            if fault.errno in LINK:
                raise Unfit(f"{shown(name)} is a symbolic link.") from None
            raise Unfit(f"{shown(name)} cannot be read: {fault.strerror}.") from None

    @staticmethod
    def _require_file(name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = next((told for is_one, told in TYPES if is_one(status.st_mode)), "a device")
            raise Unfit(f"{shown(name)} is {kind}, not a file.")

    @staticmethod
    def _content(name: str, fd: int, most: int) -> bytes:
        content = bytearray()
        while chunk := os.read(fd, 1 << 20):
            content += chunk
            if len(content) > most:
                size = f"{most // 1_000_000} MB" if most >= 1_000_000 else f"{most} bytes"
                raise Unfit(f"{shown(name)} is larger than {size}.")
        return bytes(content)

    def timestamp(self) -> str | None:
        """When it was handed in, as nbgrader noted; None where there is no such note, or none that can be read."""
        try:
            text = self.read(STAMP, most=200).decode("ascii").strip() if self.has(STAMP) else ""
        except (Unfit, UnicodeDecodeError):
            return None
        return text if STAMP_FORM.fullmatch(text) else None
