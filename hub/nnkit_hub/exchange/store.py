"""The exchange's files, below one folder that no other user can enter.

    FOLDER/key                                                      signs receipts
    FOLDER/courses/COURSE/released/ASSIGNMENT/TIME/                 a TIME folder holds receipt.json and files/
    FOLDER/courses/COURSE/submissions/ASSIGNMENT/USER/TIME/
    FOLDER/courses/COURSE/feedback/ASSIGNMENT/USER/TIME OF THE SUBMISSION/TIME/
    FOLDER/courses/COURSE/dates/ASSIGNMENT                          due date: {"due": TIME, "extended": {USER: TIME}}
    FOLDER/new/                                                     incoming files

Incoming files are written below new/, synced to disk, and moved into place in one step: after a kill or a power cut
they are there completely or not at all. Nothing in place is ever changed, but for the dates; the newest version counts.
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
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nnkit.atomic_files import replace_file, sync_folder
from nnkit_grader.course.submission_notes import RECEIPT_FILE
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
        self.lock, self.room_lock = threading.Lock(), threading.Lock()
        self.rooms: dict[Path, list[Room]] = {}
        self.refused: Counter[Path] = Counter()
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

    def add(
        self, folder: Path, fields: Mapping[str, Any], archive: IO[bytes], received: datetime | None = None
    ) -> dict[str, Any]:
        """Store an archive and return its receipt: `fields`, files and time. After a Refusal, nothing is stored.

        The time is that at which the archive was `received`, however long it takes to store it; by default, now.
        """
        fresh = Path(tempfile.mkdtemp(dir=self.incoming))
        try:
            _, files = unpack_files(archive, fresh / "files", mode=0o600, refuses_settings=True)
            with self.lock:
                at = self._choose_time(folder, received)
                receipt = receipts.sign_receipt({**fields, "time": at, "files": files}, self.key)
                _write_file(fresh / RECEIPT_FILE, json.dumps(receipt, indent=1).encode())
                self._move_into_place(fresh, folder / at)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return receipt

    def _choose_time(self, folder: Path, received: datetime | None) -> str:
        """Return the time of arrival, or, after the clock was set back, a time just after the newest."""
        now = received or datetime.now(UTC)
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
            return dict(json.loads((folder / require_name(at, "a time") / RECEIPT_FILE).read_bytes()))
        except FileNotFoundError:
            raise Refusal("The exchange has nothing by that name.") from None

    def read_newest(self, folder: Path) -> dict[str, Any] | None:
        """Return the newest receipt in a folder, or None."""
        return next((self.read_receipt(folder, at) for at in self.list_times(folder)[-1:]), None)

    def list_released(self, course: str, user: str = "") -> Iterator[dict[str, Any]]:
        """Yield the newest receipt of each released assignment, when it is "due" for this user, and tries "left"."""
        for assignment in _list_names(self.get_folder(course, "released")):
            if receipt := self.read_newest(self.get_folder(course, "released", assignment)):
                own = self.get_folder(course, "submissions", assignment, user) if user else None
                left = MAX_SUBMISSIONS - len(self.list_times(own)) - self.refused[own] if own else MAX_SUBMISSIONS
                yield {**receipt, "due": self.read_due_date(course, assignment, user), "left": max(left, 0)}

    def write_dates(self, course: str, assignment: str, dates: Mapping[str, Any]) -> None:
        """Store when an assignment is "due", and for whom that is "extended". Raises Refusal if these are no times."""
        due, extended = dates.get("due"), dates.get("extended", {})
        times = [*([due] if due else []), *(extended.values() if isinstance(extended, dict) else [None])]
        if not all(isinstance(time, str) and _is_time(time) for time in times):
            raise Refusal("These are not dates: times look like 2026-12-01 18:00:00.000000 UTC.")
        content = json.dumps(
            {"due": due, "extended": {require_name(user, "a user"): extended[user] for user in extended}}
        )
        replace_file(self.get_folder(course, "dates", assignment), content, mode=0o600)

    def read_due_date(self, course: str, assignment: str, user: str = "") -> str | None:
        """Return when an assignment is due for this user, or None."""
        try:
            dates = json.loads(self.get_folder(course, "dates", assignment).read_bytes())
        except FileNotFoundError:
            return None
        return dates["extended"].get(user, dates["due"])  # type: ignore[no-any-return]

    def list_submissions(self, course: str, assignment: str = "", user: str = "") -> Iterator[dict[str, Any]]:
        """Yield the receipts of submissions, each with the files of its newest feedback ({} if there is none)."""
        top = self.get_folder(course, "submissions")
        for name in [assignment] if assignment else _list_names(top):
            for who in [user] if user else _list_names(self.get_folder(course, "submissions", name)):
                folder = self.get_folder(course, "submissions", name, who)
                for at in self.list_times(folder):
                    feedback = self.read_newest(self.get_folder(course, "feedback", name, who, at))
                    # A learner who was renamed since then is found by the new name; the receipt has the former one.
                    known = {"user": who, "feedback": feedback["files"] if feedback else {}}
                    yield {**self.read_receipt(folder, at), **known}

    def reserve(self, folder: Path, size: int) -> Room:
        """Reserve room for one more submission of at most `size` bytes. Raises Refusal if the learner has none left.

        Refused archives count as submissions, until the exchange is started again.
        """
        with self.room_lock:
            times, rooms = self.list_times(folder), self.rooms.setdefault(folder, [])
            kept = sum(entry["bytes"] for at in times for entry in self.read_receipt(folder, at)["files"].values())
            number = len(times) + len(rooms) + self.refused[folder]
            if number >= MAX_SUBMISSIONS or kept + sum(room.size for room in rooms) + size > MAX_TOTAL_BYTES:
                raise Refusal("You have handed in this assignment too often: ask your teachers for more room.")
            return Room(rooms, size)

    def count_refused(self, folder: Path) -> None:
        """Count an archive that was refused as one more submission."""
        self.refused[folder] += 1

    def remove(self, folder: Path) -> None:
        """Remove a folder with all versions in one step. Raises Refusal if it does not exist."""
        gone = Path(tempfile.mkdtemp(dir=self.incoming)) / "gone"
        try:
            folder.rename(gone)
        except FileNotFoundError:
            raise Refusal("The exchange has nothing by that name.") from None
        sync_folder(folder.parent)
        shutil.rmtree(gone.parent, ignore_errors=True)


class Room:
    """Room that is reserved for an upload, until it is given back."""

    def __init__(self, rooms: list[Room], size: int) -> None:
        self.rooms, self.size = rooms, size
        rooms.append(self)

    def give_back(self) -> None:
        """Release the room; the second time, do nothing."""
        with contextlib.suppress(ValueError):
            self.rooms.remove(self)


def _is_time(text: str) -> bool:
    try:
        datetime.strptime(text, TIME_FORMAT)
    except ValueError:
        return False
    return True


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
