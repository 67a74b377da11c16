"""Graders' steps through the exchange: release an assignment, collect submissions, release feedback."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange import default
from nbgrader.utils import parse_utc

from nnkit_grader.course.submission_notes import RECEIPT_FILE, read_timestamp, write_timestamp
from nnkit_hub.exchange.archive import Refusal, list_files, pack_files, require_name
from nnkit_hub.exchange.calls import ExchangeClient
from nnkit_hub.exchange.client import Exchange, has_same_files, replace_folder
from nnkit_hub.exchange.store import TIME_FORMAT


def read_dates(coursedir: Any, assignment: str) -> dict[str, Any]:
    """Return when the gradebook says that an assignment is "due", and "extended": learner → their own due date."""
    with Gradebook(coursedir.db_url, coursedir.course_id) as book:
        try:
            found = book.find_assignment(assignment)
        except MissingEntry:
            return {"due": None, "extended": {}}
        if found.duedate is None:
            return {"due": None, "extended": {}}
        extended = {
            one.student.id: (found.duedate + one.extension).strftime(TIME_FORMAT)
            for one in found.submissions
            if one.extension
        }
        return {"due": found.duedate.strftime(TIME_FORMAT), "extended": extended}


def send_dates(client: ExchangeClient, coursedir: Any, assignment: str) -> None:
    """Tell the exchange when an assignment is due. Raises Refusal."""
    with tempfile.TemporaryFile() as body:
        body.write(json.dumps(read_dates(coursedir, assignment)).encode())
        body.seek(0)
        client.upload("PUT", ("courses", str(coursedir.course_id), "dates", assignment), body)


class ExchangeReleaseAssignment(default.ExchangeReleaseAssignment, Exchange):  # type: ignore[misc]
    """`nbgrader release_assignment`"""

    def ensure_root(self) -> None:
        """Do nothing: there is no shared folder."""

    def init_dest(self) -> None:
        if not self.force and any(
            receipt["assignment"] == self.assignment for receipt in self.list_released(self.course)
        ):
            raise Refusal(f"{self.assignment} is already released: add --force to replace it.")

    def copy_files(self) -> None:
        folder = Path(self.src_path)
        path = ("courses", self.course, "released", self.assignment)
        with pack_files(folder, list_files(folder, self.coursedir.ignore)) as archive:
            self.client.upload("PUT", path, archive)
        send_dates(self.client, self.coursedir, self.assignment)
        self.log.info("Released as: %s %s", self.course, self.assignment)


class ExchangeCollect(default.ExchangeCollect, Exchange):  # type: ignore[misc]
    """`nbgrader collect`"""

    def init_src(self) -> None:
        chosen = self.coursedir.student_id
        receipts = self.list_submissions(self.course, "" if chosen == "*" else chosen, self.assignment)
        dates = read_dates(self.coursedir, self.assignment)
        send_dates(self.client, self.coursedir, self.assignment)  # a due date may have changed since the release
        self.src_records: dict[str, Mapping[str, Any]] = {}
        for receipt in receipts:
            former = self.src_records.get(receipt["user"])
            own = dates["extended"].get(receipt["user"], dates["due"]) if self.before_duedate else None
            due = own and parse_utc(own)
            if former is None or due is None or parse_utc(receipt["time"]) <= due or parse_utc(former["time"]) > due:
                self.src_records[receipt["user"]] = receipt

    def copy_files(self) -> None:
        if not self.src_records:
            self.log.warning("No submissions of %s in %s to collect", self.assignment, self.course)
        for user, receipt in sorted(self.src_records.items()):
            step = self.coursedir.submitted_directory
            target = Path(self.coursedir.format_path(step, require_name(user, "a user"), self.assignment))
            if not target.exists() or self._should_replace(self.coursedir.get_existing_timestamp(str(target)), receipt):
                self._collect_submission(receipt, target)
            else:
                self.log.info("Nothing newer to collect, or --update was not given: %s %s", user, self.assignment)

    def _should_replace(self, existing: Any, receipt: Mapping[str, Any]) -> bool:
        """Return True if a submission should replace one with another time that was collected before."""
        at = parse_utc(receipt["time"])
        return bool((self.update and (existing is None or at > existing)) or (self.before_duedate and existing != at))

    def _collect_submission(self, receipt: Mapping[str, Any], target: Path) -> None:
        path = ("courses", self.course, "submissions", self.assignment, receipt["user"], receipt["time"])
        with replace_folder(target) as folder:
            receipt = self.client.download(path, folder)
            # The time of submission for nbgrader, and the proof of it.
            write_timestamp(folder, receipt["time"])
            (folder / RECEIPT_FILE).write_text(json.dumps(receipt, indent=1))
        self.log.info("Collected: %s %s %s", receipt["user"], self.assignment, receipt["time"])


class ExchangeReleaseFeedback(default.ExchangeReleaseFeedback, Exchange):  # type: ignore[misc]
    """`nbgrader release_feedback`"""

    def init_dest(self) -> None:
        receipts = self.list_submissions(self.course, assignment=self.assignment)
        self.known = {(receipt["user"], receipt["time"]): receipt["feedback"] for receipt in receipts}

    def copy_files(self) -> None:
        unknown = []
        for user, folder in self._list_feedback_folders():
            at = read_timestamp(folder) or ""
            if (user, at) not in self.known:
                unknown.append(user)
                continue
            sizes = {page.name: page.stat().st_size for page in sorted(folder.glob("*.html"))}
            there = self.known[user, at]
            if set(there) != set(sizes) or not has_same_files(there, folder):
                with pack_files(folder, sizes) as archive:
                    self.client.upload("PUT", ("courses", self.course, "feedback", self.assignment, user, at), archive)
            self.log.info("Released feedback on %s for %s", self.assignment, user)
        if unknown:
            raise Refusal(f"No feedback on submissions that did not come through the exchange: {', '.join(unknown)}.")

    def _list_feedback_folders(self) -> Iterator[tuple[str, Path]]:
        """Yield each learner with feedback, and its folder."""
        excluded = self.coursedir.student_id_exclude.split(",")
        step = self.coursedir.feedback_directory
        user = re.compile(self.coursedir.format_path(step, "(?P<user>[^/]+)", re.escape(self.assignment), escape=True))
        for folder in sorted(glob(self.src_path)):
            match = user.fullmatch(folder)
            if match and match["user"] not in excluded:
                yield match["user"], Path(folder)
