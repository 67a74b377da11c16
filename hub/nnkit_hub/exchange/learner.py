"""What learners do through the exchange: fetch an assignment, hand it in, fetch feedback."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from nbgrader.exchange import default

from nnkit_hub.exchange.archive import Refused, found, packed, unpack
from nnkit_hub.exchange.client import Exchange, arriving, same
from nnkit_hub.exchange.receipts import NAME


class ExchangeFetchAssignment(default.ExchangeFetchAssignment, Exchange):  # type: ignore[misc]
    """`nbgrader fetch_assignment`"""

    def init_src(self) -> None:
        self.path = ("courses", self.course, "released", self.assignment)

    def copy_files(self) -> None:
        if os.path.isdir(self.dest_path):
            with tempfile.TemporaryDirectory() as folder:
                self.desk.fetch(self.path, Path(folder, "new"))
                self.do_copy(os.path.join(folder, "new"), self.dest_path)
        else:
            with arriving(Path(self.dest_path)) as folder:
                self.desk.fetch(self.path, folder)
        self.log.info("Fetched as: %s %s", self.course, self.assignment)


class ExchangeSubmit(default.ExchangeSubmit, Exchange):  # type: ignore[misc]
    """`nbgrader submit`"""

    def init_dest(self) -> None:
        asker = self.desk.ask()["user"]
        if self.coursedir.student_id not in ("*", "", asker):
            raise Refused(f"You are {asker}, and can hand in as {asker} only: leave --student out.")

    def copy_files(self) -> None:
        folder = Path(self.src_path)
        sizes = found(folder, self.coursedir.ignore)
        self._compare(sizes)
        with packed(folder, sizes) as parcel:
            receipt = self.desk.send("POST", ("courses", self.course, "submissions", self.assignment), parcel)
            self.log.info("Submitted as: %s %s %s", self.course, self.assignment, receipt["time"])
            try:
                self.log.info("Your receipt: %s", keep_receipt(receipt, parcel, folder))
            except OSError as fault:
                self.log.warning("It was handed in, but the receipt cannot be written here: %s.", fault.strerror)

    def _compare(self, sizes: Iterable[str]) -> None:
        """Say, or with --strict refuse, that notebooks are missing."""
        told = [told["files"] for told in self.released(self.course) if told["assignment"] == self.assignment]
        expected = [path for files in told for path in files if path.endswith(".ipynb")]
        missing = ", ".join(path for path in expected if path not in sizes)
        if missing and self.strict:
            raise Refused(f"Nothing was handed in, since {missing} is missing.")
        if missing:
            self.log.warning("Handed in without %s", missing)


def keep_receipt(receipt: Mapping[str, Any], parcel: IO[bytes], folder: Path) -> Path:
    """Write a receipt, and the files as they were handed in, below `folder`/receipts; returns the receipt's path."""
    parcel.seek(0)
    # Colons are no part of a file's name on every system.
    place = folder / "receipts" / str(receipt["time"]).replace(":", ".")
    with arriving(place) as fresh:
        unpack(parcel, fresh, mode=0o444)
        (fresh / NAME).write_text(json.dumps(receipt, indent=1))
    return place / NAME


class ExchangeFetchFeedback(default.ExchangeFetchFeedback, Exchange):  # type: ignore[misc]
    """`nbgrader fetch_feedback`"""

    def init_src(self) -> None:
        asked = self.coursedir.student_id
        self.user = self.desk.ask()["user"] if asked in ("*", "") else asked

    def copy_files(self) -> None:
        told = self.submissions(self.course, self.user, self.assignment)
        ready = [receipt for receipt in told if receipt["feedback"]]
        if not ready:
            self.log.warning("There is no feedback on %s yet.", self.assignment)
        for receipt in ready:
            place = Path(self.dest_path, receipt["time"])
            if not same(receipt["feedback"], place):
                path = ("courses", self.course, "feedback", self.assignment, self.user, receipt["time"])
                with arriving(place) as folder:
                    self.desk.fetch(path, folder)
            self.log.info("Fetched feedback: %s", place)
