"""Lists of assignments, submissions and feedback: `nbgrader list`, Assignment List, Formgrader's "released"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from nbgrader.exchange import abc

from nnkit_hub.exchange.archive import Refusal
from nnkit_hub.exchange.assignment_labels import describe_dates
from nnkit_hub.exchange.client import Exchange, has_same_files

ListEntry = dict[str, Any]


class ExchangeList(Exchange, abc.ExchangeList):  # type: ignore[misc]
    """`nbgrader list`: released assignments; `--cached`: the user's submissions; `--inbound`: the course's."""

    def init_src(self) -> None:
        identity = self.client.request()
        self.user = identity["user"]
        course = self.coursedir.course_id
        self.courses = [course] if course and course != "*" else sorted(identity["courses"])

    def init_dest(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def copy_files(self) -> None:
        """Do nothing: there is nothing to copy."""

    def list_files(self) -> list[ListEntry]:
        """Return the entries in the form that nbgrader's extensions expect."""
        if self.cached or self.inbound:
            return self._describe_submissions()
        entries = [self._describe_assignment(receipt) for receipt in self._list_chosen()]
        for entry in entries:
            facts = ", ".join([entry["status"], *describe_dates(entry)])
            self.log.info("%s %s (%s)", entry["course_id"], entry["assignment_id"], facts)
        return entries

    def remove_files(self) -> list[ListEntry]:
        """Withdraw released assignments. Submissions stay, because their learners have receipts for them."""
        if self.cached or self.inbound:
            raise Refusal("Submissions stay in the exchange, because their learners have receipts for them.")
        entries = [self._describe_assignment(receipt) for receipt in self._list_chosen()]
        for entry in entries:
            self.client.request("courses", entry["course_id"], "released", entry["assignment_id"], method="DELETE")
            self.log.info("Withdrawn: %s %s", entry["course_id"], entry["assignment_id"])
        return [{**entry, "status": "removed"} for entry in entries]

    def _matches_assignment(self, assignment: str) -> bool:
        return self.assignment in ("", "*", assignment)

    def _list_chosen(self) -> Iterator[Mapping[str, Any]]:
        for course in self.courses:
            yield from (
                receipt for receipt in self.list_released(course) if self._matches_assignment(receipt["assignment"])
            )

    def _describe_assignment(self, receipt: Mapping[str, Any]) -> ListEntry:
        own = self.get_local_folder(receipt["course"], receipt["assignment"])
        here = own.exists()
        notebooks = [path.name for path in own.glob("*.ipynb")] if here else _list_notebooks(receipt)
        return {
            "course_id": receipt["course"],
            "assignment_id": receipt["assignment"],
            "status": "fetched" if here else "released",
            "due": receipt.get("due"),
            "left": receipt.get("left"),
            "path": str(own),
            "notebooks": [{"notebook_id": name[:-6], "path": str(own / name)} for name in sorted(notebooks)],
        }

    def _describe_submissions(self) -> list[ListEntry]:
        whose = self.coursedir.student_id if self.inbound else self.user
        entries = [
            self._describe_submission(receipt)
            for course in self.courses
            for receipt in self.list_submissions(course, "" if whose == "*" else whose)
            if self._matches_assignment(receipt["assignment"])
        ]
        groups = groupby(entries, lambda entry: (entry["course_id"], entry["student_id"], entry["assignment_id"]))
        return [_group_submissions(list(submissions)) for _, submissions in groups]

    def _describe_submission(self, receipt: Mapping[str, Any]) -> ListEntry:
        folder = self.get_local_folder(receipt["course"], receipt["assignment"]) / "feedback" / receipt["time"]
        notebooks = [self._describe_notebook(name, receipt, folder) for name in _list_notebooks(receipt)]
        is_here = bool(notebooks) and all(notebook["has_local_feedback"] for notebook in notebooks)
        is_there = bool(notebooks) and all(notebook["has_exchange_feedback"] for notebook in notebooks)
        feedback = "already fetched" if is_here else "ready to fetch" if is_there else "not available yet"
        names = (receipt["course"], receipt["user"], receipt["assignment"], receipt["time"])
        self.log.info("%s %s %s %s (feedback is %s)", *names, feedback)
        return {
            **dict(zip(("course_id", "student_id", "assignment_id", "timestamp"), names)),
            "status": "submitted",
            "path": str(self.get_local_folder(receipt["course"], receipt["assignment"])),
            "notebooks": notebooks,
            "has_local_feedback": is_here,
            "has_exchange_feedback": is_there,
            "feedback_updated": any(notebook["feedback_updated"] for notebook in notebooks),
            "local_feedback_path": str(folder) if is_here else None,
        }

    def _describe_notebook(self, name: str, receipt: Mapping[str, Any], folder: Path) -> ListEntry:
        page = f"{name[:-6]}.html"
        there = {page: receipt["feedback"][page]} if page in receipt["feedback"] else {}
        is_here = (folder / page).is_file()
        return {
            "notebook_id": name[:-6],
            "path": str(self.get_local_folder(receipt["course"], receipt["assignment"]) / name),
            "has_local_feedback": is_here,
            "has_exchange_feedback": bool(there),
            "local_feedback_path": str(folder / page) if is_here else None,
            "feedback_updated": is_here and bool(there) and not has_same_files(there, folder),
        }


def _list_notebooks(receipt: Mapping[str, Any]) -> list[str]:
    return [path for path in receipt["files"] if path.endswith(".ipynb") and "/" not in path]


def _group_submissions(submissions: list[ListEntry]) -> ListEntry:
    """Return the entry of one learner's submissions of one assignment."""
    names = ("course_id", "student_id", "assignment_id", "status")
    return {**{name: submissions[0][name] for name in names}, "submissions": submissions}
