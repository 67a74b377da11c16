"""Learners' steps through the exchange: fetch an assignment, submit it, fetch feedback."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from jupyter_core.paths import jupyter_runtime_dir
from nbgrader.exchange import default
from nbgrader.utils import parse_utc

from nnkit.language import say, say_count
from nnkit_grader.course.submission_notes import RECEIPT_FILE
from nnkit_hub.exchange.archive import Refusal, list_files, pack_files, unpack_files
from nnkit_hub.exchange.assignment_labels import describe_dates
from nnkit_hub.exchange.calls import ExchangeClient
from nnkit_hub.exchange.client import Exchange, has_same_files, replace_folder

MAX_ANSWER_SECONDS = 300
"""Time for a learner to confirm that they hand in late, by doing it again."""


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
        self.log.info(say("Fetched as: {course} {assignment}", course=self.course, assignment=self.assignment))
        if facts := describe_dates(self.find_released() or {}):
            self.log.info("%s: %s", self.assignment, ", ".join(facts))


class ExchangeSubmit(default.ExchangeSubmit, Exchange):  # type: ignore[misc]
    """`nbgrader submit`"""

    def init_dest(self) -> None:
        user = self.client.request()["user"]
        if self.coursedir.student_id not in ("*", "", user):
            raise Refusal(say("You are {user}, and can submit only as {user}: leave out --student.", user=user))

    def copy_files(self) -> None:
        folder = Path(self.src_path)
        sizes = list_files(folder, self.coursedir.ignore)
        released = self.find_released()
        self._check_notebooks(sizes, released)
        self._ask_before_late(released)
        with pack_files(folder, sizes) as archive:
            receipt = self.client.upload("POST", ("courses", self.course, "submissions", self.assignment), archive)
            self.log.info(say("Submitted as: {course} {assignment} {time}", **receipt))
            if released and "left" in released:
                self.log.info(
                    say_count(
                        "You may hand in {assignment} {number} more time.",
                        "You may hand in {assignment} {number} more times.",
                        max(released["left"] - 1, 0),
                        assignment=self.assignment,
                    )
                )
            try:
                self.log.info(say("Your receipt: {path}", path=save_receipt(receipt, archive, folder)))
            except OSError as fault:
                self.log.warning(
                    say(
                        "Your work was handed in, but its receipt could not be saved here: {reason}. Make room, then "
                        "fetch it with: nnkit receipt --fetch {course}/{assignment}",
                        reason=fault.strerror,
                        course=self.course,
                        assignment=self.assignment,
                    )
                )

    def _ask_before_late(self, released: Mapping[str, Any] | None) -> None:
        """Raise Refusal at the first attempt to hand in late; a second one within a few minutes is the answer "yes"."""
        due = released.get("due") if released else None
        if not due or parse_utc(due) >= parse_utc(datetime.now(UTC)):
            return
        asked = Path(jupyter_runtime_dir(), f"nnkit-late-{self.course}-{self.assignment}")
        if asked.exists() and time.time() - asked.stat().st_mtime < MAX_ANSWER_SECONDS:
            return
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.touch()
        raise Refusal(
            say(
                "{assignment} was due on {due} UTC, so it would count as late, even if you have handed it in in "
                "time before. To hand it in all the same, submit it again within {minutes} minutes.",
                assignment=self.assignment,
                due=due[:16],
                minutes=MAX_ANSWER_SECONDS // 60,
            )
        )

    def _check_notebooks(self, sizes: Iterable[str], released: Mapping[str, Any] | None) -> None:
        """Warn, or with --strict raise Refusal, if notebooks are missing."""
        expected = [path for path in (released or {"files": {}})["files"] if path.endswith(".ipynb")]
        missing = ", ".join(path for path in expected if path not in sizes)
        if missing and self.strict:
            raise Refusal(say("Nothing was handed in, because {missing} is missing.", missing=missing))
        if missing:
            self.log.warning(say("Handed in without {missing}", missing=missing))


def save_receipt(receipt: Mapping[str, Any], archive: IO[bytes], folder: Path) -> Path:
    """Write a receipt and the submitted files below `folder`/receipts, and return the receipt's path."""
    archive.seek(0)
    target = folder / "receipts" / format_folder_name(str(receipt["time"]))
    with replace_folder(target) as fresh:
        unpack_files(archive, fresh, mode=0o444)
        (fresh / RECEIPT_FILE).write_text(json.dumps(receipt, indent=1))
    return target / RECEIPT_FILE


def fetch_receipts(course: str, assignment: str, folder: Path) -> list[Path]:
    """Write the user's receipts that are missing below `folder`/receipts, with what was handed in; return their paths.

    Raises Refusal or OSError.
    """
    saved = []
    with ExchangeClient() as exchange, tempfile.TemporaryDirectory() as scratch:
        user = exchange.request()["user"]
        found = exchange.request("courses", course, "submissions", user=user, assignment=assignment)["submissions"]
        for number, at in enumerate(receipt["time"] for receipt in found):
            target = folder / "receipts" / format_folder_name(at)
            if not (target / RECEIPT_FILE).exists():
                path = ("courses", course, "submissions", assignment, user, at)
                receipt = exchange.download(path, Path(scratch, str(number)))
                with replace_folder(target) as fresh:
                    shutil.copytree(Path(scratch, str(number)), fresh)
                    (fresh / RECEIPT_FILE).write_text(json.dumps(receipt, indent=1))
                saved.append(target / RECEIPT_FILE)
    return saved


def format_folder_name(at: str) -> str:
    """Return the name of a receipt's folder. Some systems do not allow colons in file names."""
    return at.replace(":", ".")


class ExchangeFetchFeedback(default.ExchangeFetchFeedback, Exchange):  # type: ignore[misc]
    """`nbgrader fetch_feedback`"""

    def init_src(self) -> None:
        student = self.coursedir.student_id
        self.user = self.client.request()["user"] if student in ("*", "") else student

    def copy_files(self) -> None:
        receipts = self.list_submissions(self.course, self.user, self.assignment)
        ready = [receipt for receipt in receipts if receipt["feedback"]]
        if not ready:
            self.log.warning(say("There is no feedback on {assignment} yet.", assignment=self.assignment))
        for receipt in ready:
            target = Path(self.dest_path, receipt["time"])
            if not has_same_files(receipt["feedback"], target):
                path = ("courses", self.course, "feedback", self.assignment, self.user, receipt["time"])
                with replace_folder(target) as folder:
                    self.client.download(path, folder)
            self.log.info(say("Fetched feedback: {path}", path=target))
