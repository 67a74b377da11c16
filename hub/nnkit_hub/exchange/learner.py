"""Learners' steps through the exchange: fetch an assignment, submit it, fetch feedback."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from nbgrader.exchange import default

from nnkit_hub.exchange.archive import Refusal, list_files, pack_files, unpack_files
from nnkit_hub.exchange.client import Exchange, has_same_files, replace_folder
from nnkit_hub.exchange.receipts import RECEIPT_FILE


class ExchangeFetchAssignment(default.ExchangeFetchAssignment, Exchange):  # type: ignore[misc]
    """`nbgrader fetch_assignment`"""

    def init_src(self) -> None:
        self.path = ("courses", self.course, "released", self.assignment)

    def copy_files(self) -> None:
        if os.path.isdir(self.dest_path):
            with tempfile.TemporaryDirectory() as folder:
                self.client.download(self.path, Path(folder, "new"))
                self.do_copy(os.path.join(folder, "new"), self.dest_path)
        else:
            with replace_folder(Path(self.dest_path)) as folder:
                self.client.download(self.path, folder)
        self.log.info("Fetched as: %s %s", self.course, self.assignment)


class ExchangeSubmit(default.ExchangeSubmit, Exchange):  # type: ignore[misc]
    """`nbgrader submit`"""

    def init_dest(self) -> None:
        user = self.client.request()["user"]
        if self.coursedir.student_id not in ("*", "", user):
            raise Refusal(f"You are {user}, and can submit only as {user}: leave out --student.")

    def copy_files(self) -> None:
        folder = Path(self.src_path)
        sizes = list_files(folder, self.coursedir.ignore)
        self._check_notebooks(sizes)
        with pack_files(folder, sizes) as archive:
            receipt = self.client.upload("POST", ("courses", self.course, "submissions", self.assignment), archive)
            self.log.info("Submitted as: %s %s %s", self.course, self.assignment, receipt["time"])
            try:
                self.log.info("Your receipt: %s", save_receipt(receipt, archive, folder))
            except OSError as fault:
                self.log.warning(
                    "Your work was handed in, but its receipt could not be saved here: %s.", fault.strerror
                )

    def _check_notebooks(self, sizes: Iterable[str]) -> None:
        """Warn, or with --strict raise Refusal, if notebooks are missing."""
        released = [
            receipt["files"] for receipt in self.list_released(self.course) if receipt["assignment"] == self.assignment
        ]
        expected = [path for files in released for path in files if path.endswith(".ipynb")]
        missing = ", ".join(path for path in expected if path not in sizes)
        if missing and self.strict:
            raise Refusal(f"Nothing was handed in, because {missing} is missing.")
        if missing:
            self.log.warning("Handed in without %s", missing)


def save_receipt(receipt: Mapping[str, Any], archive: IO[bytes], folder: Path) -> Path:
    """Write a receipt and the submitted files below `folder`/receipts, and return the receipt's path."""
    archive.seek(0)
    # Some systems do not allow colons in file names.
    target = folder / "receipts" / str(receipt["time"]).replace(":", ".")
    with replace_folder(target) as fresh:
        unpack_files(archive, fresh, mode=0o444)
        (fresh / RECEIPT_FILE).write_text(json.dumps(receipt, indent=1))
    return target / RECEIPT_FILE


class ExchangeFetchFeedback(default.ExchangeFetchFeedback, Exchange):  # type: ignore[misc]
    """`nbgrader fetch_feedback`"""

    def init_src(self) -> None:
        student = self.coursedir.student_id
        self.user = self.client.request()["user"] if student in ("*", "") else student

    def copy_files(self) -> None:
        receipts = self.list_submissions(self.course, self.user, self.assignment)
        ready = [receipt for receipt in receipts if receipt["feedback"]]
        if not ready:
            self.log.warning("There is no feedback on %s yet.", self.assignment)
        for receipt in ready:
            target = Path(self.dest_path, receipt["time"])
            if not has_same_files(receipt["feedback"], target):
                path = ("courses", self.course, "feedback", self.assignment, self.user, receipt["time"])
                with replace_folder(target) as folder:
                    self.client.download(path, folder)
            self.log.info("Fetched feedback: %s", target)
