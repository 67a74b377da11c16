"""What graders do through the exchange: release an assignment, collect what was handed in, release feedback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange import default
from nbgrader.utils import parse_utc

from nnkit_grader.course.submission_notes import read_timestamp, write_timestamp
from nnkit_hub.exchange.archive import Refused, found, packed, require_name
from nnkit_hub.exchange.client import Exchange, arriving, same
from nnkit_hub.exchange.receipts import NAME


class ExchangeReleaseAssignment(default.ExchangeReleaseAssignment, Exchange):  # type: ignore[misc]
    """`nbgrader release_assignment`"""

    def ensure_root(self) -> None:
        """There is no shared folder."""

    def init_dest(self) -> None:
        if not self.force and any(told["assignment"] == self.assignment for told in self.released(self.course)):
            raise Refused(f"{self.assignment} is released already: add --force to replace it.")

    def copy_files(self) -> None:
        folder = Path(self.src_path)
        path = ("courses", self.course, "released", self.assignment)
        with packed(folder, found(folder, self.coursedir.ignore)) as parcel:
            self.desk.send("PUT", path, parcel)
        self.log.info("Released as: %s %s", self.course, self.assignment)


class ExchangeCollect(default.ExchangeCollect, Exchange):  # type: ignore[misc]
    """`nbgrader collect`"""

    def init_src(self) -> None:
        chosen = self.coursedir.student_id
        told = self.submissions(self.course, "" if chosen == "*" else chosen, self.assignment)
        due = self._due() if self.before_duedate else None
        self.src_records: dict[str, Mapping[str, Any]] = {}
        for receipt in told:
            former = self.src_records.get(receipt["user"])
            if former is None or due is None or parse_utc(receipt["time"]) <= due or parse_utc(former["time"]) > due:
                self.src_records[receipt["user"]] = receipt

    def _due(self) -> Any:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as book:
            try:
                return book.find_assignment(self.assignment).duedate
            except MissingEntry:
                return None

    def copy_files(self) -> None:
        if not self.src_records:
            self.log.warning("No submissions of %s in %s to collect", self.assignment, self.course)
        for user, receipt in sorted(self.src_records.items()):
            step = self.coursedir.submitted_directory
            place = Path(self.coursedir.format_path(step, require_name(user, "a user"), self.assignment))
            if not place.exists() or self._is_wanted(self.coursedir.get_existing_timestamp(str(place)), receipt):
                self._collect(receipt, place)
            else:
                self.log.info("Nothing newer to collect, or --update is not given: %s %s", user, self.assignment)

    def _is_wanted(self, existing: Any, receipt: Mapping[str, Any]) -> bool:
        """Whether a submission should take the place of one of another time that was collected before."""
        at = parse_utc(receipt["time"])
        return bool((self.update and (existing is None or at > existing)) or (self.before_duedate and existing != at))

    def _collect(self, receipt: Mapping[str, Any], place: Path) -> None:
        path = ("courses", self.course, "submissions", self.assignment, receipt["user"], receipt["time"])
        with arriving(place) as folder:
            told = self.desk.fetch(path, folder)
            # What nbgrader takes for the time of handing in; and the proof of it.
            write_timestamp(folder, told["time"])
            (folder / NAME).write_text(json.dumps(told, indent=1))
        self.log.info("Collected: %s %s %s", receipt["user"], self.assignment, receipt["time"])


class ExchangeReleaseFeedback(default.ExchangeReleaseFeedback, Exchange):  # type: ignore[misc]
    """`nbgrader release_feedback`"""

    def init_dest(self) -> None:
        told = self.submissions(self.course, assignment=self.assignment)
        self.known = {(receipt["user"], receipt["time"]): receipt["feedback"] for receipt in told}

    def copy_files(self) -> None:
        strangers = []
        for user, folder in self._folders():
            at = read_timestamp(folder) or ""
            if (user, at) not in self.known:
                strangers.append(user)
                continue
            sizes = {page.name: page.stat().st_size for page in sorted(folder.glob("*.html"))}
            there = self.known[user, at]
            if set(there) != set(sizes) or not same(there, folder):
                with packed(folder, sizes) as parcel:
                    self.desk.send("PUT", ("courses", self.course, "feedback", self.assignment, user, at), parcel)
            self.log.info("Released feedback on %s for %s", self.assignment, user)
        if strangers:
            raise Refused(f"No feedback for what did not come through the exchange: {', '.join(strangers)}.")

    def _folders(self) -> Iterator[tuple[str, Path]]:
        """Learners with feedback, and where it is."""
        excluded = self.coursedir.student_id_exclude.split(",")
        step = self.coursedir.feedback_directory
        user = re.compile(self.coursedir.format_path(step, "(?P<user>[^/]+)", re.escape(self.assignment), escape=True))
        for folder in sorted(glob(self.src_path)):
            match = user.fullmatch(folder)
            if match and match["user"] not in excluded:
                yield match["user"], Path(folder)
