"""Where the exchange keeps what it was given: plain files below one folder that nobody else may enter.

    FOLDER/key                                                      signs receipts
    FOLDER/courses/COURSE/released/ASSIGNMENT/TIME/                 a TIME folder holds receipt.json and files/
    FOLDER/courses/COURSE/submissions/ASSIGNMENT/USER/TIME/
    FOLDER/courses/COURSE/feedback/ASSIGNMENT/USER/TIME OF THE SUBMISSION/TIME/
    FOLDER/new/                                                     on its way in

What comes in is written below new/, brought to the disk, and moved to its place in one step: a killed service, or a
power cut, leaves it there whole or not at all. Nothing in its place is ever changed, and the newest of several counts.
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
from nnkit_hub.exchange.archive import BYTES, Refused, require_name, unpack

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ATTEMPTS = 200
"""How often one learner may hand in one assignment."""
TOTAL_BYTES = 5 * BYTES
"""Of all that one learner hands in for one assignment."""
FORM = "%Y-%m-%d %H:%M:%S.%f UTC"
"""nbgrader's form of a time, as in timestamp.txt; and a TIME folder's name."""


class Busy(RuntimeError):
    """Another exchange works in the folder."""


class Store:
    """The folder, for one process at a time. Raises Busy after `patience` seconds in which another has it."""

    def __init__(self, folder: Path, patience: float = 30.0) -> None:
        self.folder = folder
        self.turn = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(
            PermissionError
        ):  # a volume's folder can be another's; what we make in it is ours alone
            folder.chmod(0o700)
        self.claim = open(folder / "lock", "w")  # noqa: SIM115 (held, and so locked, as long as the process lives)
        self._wait(time.monotonic() + patience)
        self.new = folder / "new"
        shutil.rmtree(self.new, ignore_errors=True)
        self.new.mkdir()
        self.key = self._key()

    def close(self) -> None:
        """Leave the folder to another process."""
        self.claim.close()

    def _wait(self, until: float) -> None:
        """A hub that was killed and started again has its exchange wait here for the end of the former one."""
        while True:
            try:
                fcntl.flock(self.claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > until:
                    self.close()
                    raise Busy(f"Another exchange is at work in {self.folder}: stop it first.") from None
                time.sleep(0.1)

    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path = self.folder / "key"
        if not path.exists():
            replace_file(path, Ed25519PrivateKey.generate().private_bytes_raw(), mode=0o600)
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())

    def place(self, course: str, kind: str, *names: str) -> Path:
        """The folder of what is kept under these names: an assignment, then a user, then a submission's time."""
        for name, what in zip((course, *names), ("a course", "an assignment", "a user", "a time")):
            require_name(name, what)
        return self.folder.joinpath("courses", course, kind, *names)

    def spool(self) -> IO[bytes]:
        """A nameless file for what is coming in."""
        return tempfile.TemporaryFile(dir=self.new)

    def add(self, place: Path, fields: Mapping[str, Any], parcel: IO[bytes]) -> dict[str, Any]:
        """Keep a parcel, and return its receipt: `fields`, the files and the time. Raises Refused, keeping nothing."""
        fresh = Path(tempfile.mkdtemp(dir=self.new))
        try:
            _, files = unpack(parcel, fresh / "files", mode=0o600)
            with self.turn:
                at = self._time(place)
                receipt = receipts.sign({**fields, "time": at, "files": files}, self.key)
                _write(fresh / receipts.NAME, json.dumps(receipt, indent=1).encode())
                self._move(fresh, place / at)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return receipt

    def _time(self, place: Path) -> str:
        """Now; or just after the newest, should the clock have been set back, since the newest has to count."""
        now = datetime.now(UTC)
        for newest in self.times(place)[-1:]:
            now = max(now, datetime.strptime(newest, FORM).replace(tzinfo=UTC) + timedelta(microseconds=1))
        return now.strftime(FORM)

    def _move(self, fresh: Path, to: Path) -> None:
        """In one step, and on the disk, with the folders that lead there."""
        for below, _, _ in os.walk(fresh):
            sync_folder(Path(below))
        to.parent.mkdir(parents=True, exist_ok=True)
        fresh.rename(to)
        for folder in to.parents:
            sync_folder(folder)
            if folder == self.folder:
                return

    def times(self, place: Path) -> list[str]:
        """When something was kept in a place, oldest first."""
        return _names(place)

    def receipt(self, place: Path, at: str) -> dict[str, Any]:
        """The receipt of what was kept in a place at that time. Raises Refused where there is none."""
        try:
            return dict(json.loads((place / require_name(at, "a time") / receipts.NAME).read_bytes()))
        except FileNotFoundError:
            raise Refused("There is no such thing in the exchange.") from None

    def newest(self, place: Path) -> dict[str, Any] | None:
        """The receipt of what counts in a place."""
        return next((self.receipt(place, at) for at in self.times(place)[-1:]), None)

    def released(self, course: str) -> Iterator[dict[str, Any]]:
        """The receipts of the assignments that count now."""
        for assignment in _names(self.place(course, "released")):
            if receipt := self.newest(self.place(course, "released", assignment)):
                yield receipt

    def submissions(self, course: str, assignment: str = "", user: str = "") -> Iterator[dict[str, Any]]:
        """The receipts of submissions, with the newest feedback's files for each ({} where there is none)."""
        top = self.place(course, "submissions")
        for name in [assignment] if assignment else _names(top):
            for who in [user] if user else _names(self.place(course, "submissions", name)):
                place = self.place(course, "submissions", name, who)
                for at in self.times(place):
                    feedback = self.newest(self.place(course, "feedback", name, who, at))
                    yield {**self.receipt(place, at), "feedback": feedback["files"] if feedback else {}}

    def require_room(self, place: Path) -> None:
        """That one more submission may come to a place. Raises Refused."""
        times = self.times(place)
        kept = sum(told["bytes"] for at in times for told in self.receipt(place, at)["files"].values())
        if len(times) >= ATTEMPTS or kept >= TOTAL_BYTES:
            raise Refused("You have handed in this assignment too often: ask your teachers for room.")

    def remove(self, place: Path) -> None:
        """Take away all that is kept in a place, in one step. Raises Refused where there is nothing."""
        gone = Path(tempfile.mkdtemp(dir=self.new)) / "gone"
        try:
            place.rename(gone)
        except FileNotFoundError:
            raise Refused("There is no such thing in the exchange.") from None
        sync_folder(place.parent)
        shutil.rmtree(gone.parent, ignore_errors=True)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _write(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
