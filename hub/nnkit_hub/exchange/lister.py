"""What there is to fetch, to hand in, and to read: `nbgrader list`, Assignment List, and Formgrader's "released"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from nbgrader.exchange import abc

from nnkit_hub.exchange.archive import Refused
from nnkit_hub.exchange.client import Exchange, same

Told = dict[str, Any]


class ExchangeList(Exchange, abc.ExchangeList):  # type: ignore[misc]
    """`nbgrader list`: released assignments; `--cached`: one's own submissions; `--inbound`: those of the course."""

    def init_src(self) -> None:
        asker = self.desk.ask()
        self.user = asker["user"]
        course = self.coursedir.course_id
        self.courses = [course] if course and course != "*" else sorted(asker["courses"])

    def init_dest(self) -> None:
        """Nothing to prepare."""

    def copy_files(self) -> None:
        """Nothing is copied."""

    def list_files(self) -> list[Told]:
        """What nbgrader's extensions need to know of each, in their words."""
        if self.cached or self.inbound:
            return self._submissions()
        found = [self._assignment(receipt) for receipt in self._released()]
        for told in found:
            self.log.info("%s %s (%s)", told["course_id"], told["assignment_id"], told["status"])
        return found

    def remove_files(self) -> list[Told]:
        """Withdraw released assignments. What was handed in stays, since receipts were given for it."""
        if self.cached or self.inbound:
            raise Refused("Submissions stay in the exchange, since receipts were given for them.")
        found = [self._assignment(receipt) for receipt in self._released()]
        for told in found:
            self.desk.ask("courses", told["course_id"], "released", told["assignment_id"], method="DELETE")
            self.log.info("Withdrawn: %s %s", told["course_id"], told["assignment_id"])
        return [{**told, "status": "removed"} for told in found]

    def _is_asked_for(self, assignment: str) -> bool:
        return self.assignment in ("", "*", assignment)

    def _released(self) -> Iterator[Mapping[str, Any]]:
        for course in self.courses:
            yield from (told for told in self.released(course) if self._is_asked_for(told["assignment"]))

    def _assignment(self, receipt: Mapping[str, Any]) -> Told:
        own = self.own(receipt["course"], receipt["assignment"])
        here = own.exists()
        notebooks = [path.name for path in own.glob("*.ipynb")] if here else _notebooks(receipt)
        return {
            "course_id": receipt["course"],
            "assignment_id": receipt["assignment"],
            "status": "fetched" if here else "released",
            "path": str(own),
            "notebooks": [{"notebook_id": name[:-6], "path": str(own / name)} for name in sorted(notebooks)],
        }

    def _submissions(self) -> list[Told]:
        whose = self.coursedir.student_id if self.inbound else self.user
        found = [
            self._submission(receipt)
            for course in self.courses
            for receipt in self.submissions(course, "" if whose == "*" else whose)
            if self._is_asked_for(receipt["assignment"])
        ]
        groups = groupby(found, lambda told: (told["course_id"], told["student_id"], told["assignment_id"]))
        return [_group(list(submissions)) for _, submissions in groups]

    def _submission(self, receipt: Mapping[str, Any]) -> Told:
        place = self.own(receipt["course"], receipt["assignment"]) / "feedback" / receipt["time"]
        notebooks = [self._notebook(name, receipt, place) for name in _notebooks(receipt)]
        is_here = bool(notebooks) and all(notebook["has_local_feedback"] for notebook in notebooks)
        is_there = bool(notebooks) and all(notebook["has_exchange_feedback"] for notebook in notebooks)
        what = "fetched already" if is_here else "ready to be fetched" if is_there else "not there yet"
        names = (receipt["course"], receipt["user"], receipt["assignment"], receipt["time"])
        self.log.info("%s %s %s %s (feedback is %s)", *names, what)
        return {
            **dict(zip(("course_id", "student_id", "assignment_id", "timestamp"), names)),
            "status": "submitted",
            "path": str(self.own(receipt["course"], receipt["assignment"])),
            "notebooks": notebooks,
            "has_local_feedback": is_here,
            "has_exchange_feedback": is_there,
            "feedback_updated": any(notebook["feedback_updated"] for notebook in notebooks),
            "local_feedback_path": str(place) if is_here else None,
        }

    def _notebook(self, name: str, receipt: Mapping[str, Any], place: Path) -> Told:
        page = f"{name[:-6]}.html"
        there = {page: receipt["feedback"][page]} if page in receipt["feedback"] else {}
        is_here = (place / page).is_file()
        return {
            "notebook_id": name[:-6],
            "path": str(self.own(receipt["course"], receipt["assignment"]) / name),
            "has_local_feedback": is_here,
            "has_exchange_feedback": bool(there),
            "local_feedback_path": str(place / page) if is_here else None,
            "feedback_updated": is_here and bool(there) and not same(there, place),
        }


def _notebooks(receipt: Mapping[str, Any]) -> list[str]:
    return [path for path in receipt["files"] if path.endswith(".ipynb") and "/" not in path]


def _group(submissions: list[Told]) -> Told:
    """What one learner handed in for one assignment."""
    names = ("course_id", "student_id", "assignment_id", "status")
    return {**{name: submissions[0][name] for name in names}, "submissions": submissions}
