"""The exchange's files, below one folder that no other user can enter.

    FOLDER/key                                                      signs receipts
    FOLDER/courses/COURSE/released/ASSIGNMENT/TIME/                 a TIME folder holds receipt.json and files/
    FOLDER/courses/COURSE/submissions/ASSIGNMENT/USER/TIME/
    FOLDER/courses/COURSE/feedback/ASSIGNMENT/USER/TIME OF THE SUBMISSION/TIME/
    FOLDER/new/                                                     incoming files

Incoming files are written below new/, synced to disk, and moved into place in one step: after a kill or a power cut
they are there completely or not at all. Nothing in place is ever changed; the newest version counts.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nnkit.atomic_files import replace_file, sync_folder
from nnkit_hub.exchange import receipts
from nnkit_hub.exchange.archive import MAX_ARCHIVE_BYTES, Refusal, require_name, unpack_files

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_SUBMISSIONS = 200
"""Submissions of one assignment by one learner."""
MAX_TOTAL_BYTES = 5 * MAX_ARCHIVE_BYTES
"""Size of all submissions of one assignment by one learner."""
TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"
"""nbgrader's time format, as in timestamp.txt; also the name of a TIME folder."""


class StoreLocked(RuntimeError):
    """Another process uses the folder."""


class Store:
    """The folder, used by one process at a time. Raises StoreLocked if another keeps it for `max_wait_seconds`."""

    def __init__(self, folder: Path, max_wait_seconds: float = 30.0) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # a mounted volume's root can belong to another user
            folder.chmod(0o700)
        self.lock_file = open(folder / "lock", "w")  # noqa: SIM115 (open, and so locked, while the process lives)
        self._acquire_lock(time.monotonic() + max_wait_seconds)
        self.incoming = folder / "new"
        shutil.rmtree(self.incoming, ignore_errors=True)
        self.incoming.mkdir()
        self.key = self._load_key()

    def close(self) -> None:
        """Release the folder for another process."""
        self.lock_file.close()

    def _acquire_lock(self, until: float) -> None:
        """Lock the folder, waiting for the exchange of a killed hub to end."""
        while True:
            try:
                fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > until:
                    self.close()
                    raise StoreLocked(f"Another exchange is using {self.folder}: stop it first.") from None
                time.sleep(0.1)

    def _load_key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path = self.folder / "key"
        if not path.exists():
            replace_file(path, Ed25519PrivateKey.generate().private_bytes_raw(), mode=0o600)
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())

    def get_folder(self, course: str, kind: str, *names: str) -> Path:
        """Return the folder of an assignment, a user of it, or a time of theirs."""
        for name, what in zip((course, *names), ("a course", "an assignment", "a user", "a time")):
            require_name(name, what)
        return self.folder.joinpath("courses", course, kind, *names)

    def open_spool(self) -> IO[bytes]:
        """Return an open temporary file for an incoming archive."""
        return tempfile.TemporaryFile(dir=self.incoming)

    def add(self, folder: Path, fields: Mapping[str, Any], archive: IO[bytes]) -> dict[str, Any]:
        """Store an archive and return its receipt: `fields`, files and time. After a Refusal, nothing is stored."""
        fresh = Path(tempfile.mkdtemp(dir=self.incoming))
        try:
            _, files = unpack_files(archive, fresh / "files", mode=0o600)
            with self.lock:
                at = self._choose_time(folder)
                receipt = receipts.sign_receipt({**fields, "time": at, "files": files}, self.key)
                _write_file(fresh / receipts.RECEIPT_FILE, json.dumps(receipt, indent=1).encode())
                self._move_into_place(fresh, folder / at)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return receipt

    def _choose_time(self, folder: Path) -> str:
        """Return the current time, or, after the clock was set back, a time just after the newest."""
        now = datetime.now(UTC)
        for newest in self.list_times(folder)[-1:]:
            now = max(now, datetime.strptime(newest, TIME_FORMAT).replace(tzinfo=UTC) + timedelta(microseconds=1))
        return now.strftime(TIME_FORMAT)

    def _move_into_place(self, fresh: Path, to: Path) -> None:
        """Move a folder in one step, and sync it and its parents to disk."""
        for below, _, _ in os.walk(fresh):
            sync_folder(Path(below))
        to.parent.mkdir(parents=True, exist_ok=True)
        fresh.rename(to)
        for folder in to.parents:
            sync_folder(folder)
            if folder == self.folder:
                return

    def list_times(self, folder: Path) -> list[str]:
        """Return the times of the versions in a folder, oldest first."""
        return _list_names(folder)

    def read_receipt(self, folder: Path, at: str) -> dict[str, Any]:
        """Return the receipt of one version. Raises Refusal if it does not exist."""
        try:
            return dict(json.loads((folder / require_name(at, "a time") / receipts.RECEIPT_FILE).read_bytes()))
        except FileNotFoundError:
            raise Refusal("The exchange has nothing by that name.") from None

    def read_newest(self, folder: Path) -> dict[str, Any] | None:
        """Return the newest receipt in a folder, or None."""
        return next((self.read_receipt(folder, at) for at in self.list_times(folder)[-1:]), None)

    def list_released(self, course: str) -> Iterator[dict[str, Any]]:
        """Yield the newest receipt of each released assignment."""
        for assignment in _list_names(self.get_folder(course, "released")):
            if receipt := self.read_newest(self.get_folder(course, "released", assignment)):
                yield receipt

    def list_submissions(self, course: str, assignment: str = "", user: str = "") -> Iterator[dict[str, Any]]:
        """Yield the receipts of submissions, each with the files of its newest feedback ({} if there is none)."""
        top = self.get_folder(course, "submissions")
        for name in [assignment] if assignment else _list_names(top):
            for who in [user] if user else _list_names(self.get_folder(course, "submissions", name)):
                folder = self.get_folder(course, "submissions", name, who)
                for at in self.list_times(folder):
                    feedback = self.read_newest(self.get_folder(course, "feedback", name, who, at))
                    yield {**self.read_receipt(folder, at), "feedback": feedback["files"] if feedback else {}}

    def require_quota(self, folder: Path) -> None:
        """Raise Refusal if a learner has no room for another submission."""
        times = self.list_times(folder)
        kept = sum(entry["bytes"] for at in times for entry in self.read_receipt(folder, at)["files"].values())
        if len(times) >= MAX_SUBMISSIONS or kept >= MAX_TOTAL_BYTES:
            raise Refusal("You have handed in this assignment too often: ask your teachers for more room.")

    def remove(self, folder: Path) -> None:
        """Remove a folder with all versions in one step. Raises Refusal if it does not exist."""
        gone = Path(tempfile.mkdtemp(dir=self.incoming)) / "gone"
        try:
            folder.rename(gone)
        except FileNotFoundError:
            raise Refusal("The exchange has nothing by that name.") from None
        sync_folder(folder.parent)
        shutil.rmtree(gone.parent, ignore_errors=True)


def _list_names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _write_file(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
