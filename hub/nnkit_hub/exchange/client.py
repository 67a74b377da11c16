"""nbgrader's side of the exchange: two lines of nbgrader_config.py.

    from nnkit_hub.exchange import client
    client.install(c)

`nbgrader list`, `fetch_assignment`, `submit`, `collect` and so on, Assignment List and Formgrader's buttons then go
through the exchange. A refusal is nbgrader's ExchangeError with one sentence.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError, default

from nnkit_grader.compat import shorten_list_errors
from nnkit_hub.exchange.archive import Files, Refused
from nnkit_hub.exchange.calls import Desk
from nnkit_hub.exchange.receipts import differences

ROOM = "nnkit_hub.exchange"
CLASSES = {
    "exchange": "client.Exchange",
    "list": "lister.ExchangeList",
    "fetch_assignment": "learner.ExchangeFetchAssignment",
    "submit": "learner.ExchangeSubmit",
    "fetch_feedback": "learner.ExchangeFetchFeedback",
    "release_assignment": "grader.ExchangeReleaseAssignment",
    "collect": "grader.ExchangeCollect",
    "release_feedback": "grader.ExchangeReleaseFeedback",
}


def install(c: Any) -> None:
    """Have nbgrader use the exchange in this configuration, with a folder for each course (COURSE/ASSIGNMENT)."""
    for name, path in CLASSES.items():
        setattr(c.ExchangeFactory, name, f"{ROOM}.{path}")
    c.Exchange.path_includes_course = True
    shorten_list_errors(_told)


def _told(fault: BaseException | None) -> str:
    return str(fault) if isinstance(fault, ExchangeError) else ""


class Exchange(default.Exchange):  # type: ignore[misc]
    """What all of nbgrader's steps have in common here: the way to the exchange, and refusals in one sentence."""

    desk: Desk

    def start(self) -> Any:
        """Do the step. Raises ExchangeError with a sentence."""
        try:
            with Desk() as self.desk:
                return super().start()
        except Refused as refusal:
            self.fail(str(refusal))
        except OSError as fault:
            self.fail(f"{fault.strerror}: {fault.filename}." if fault.filename else f"{fault}.")

    def ensure_root(self) -> None:
        """There is no shared folder."""

    @property
    def course(self) -> str:
        """The course's name. Raises Refused where none is given."""
        if not self.coursedir.course_id:
            raise Refused("No course is named: add --course NAME.")
        return str(self.coursedir.course_id)

    @property
    def assignment(self) -> str:
        """The assignment's name."""
        return str(self.coursedir.assignment_id)

    def own(self, course: str, assignment: str) -> Path:
        """Where this user has, or will have, an assignment."""
        return Path(self.assignment_dir, course if self.path_includes_course else "", assignment).absolute()

    def released(self, course: str) -> list[dict[str, Any]]:
        """The receipts of the assignments that are released."""
        return list(self.desk.ask("courses", course, "released")["released"])

    def submissions(self, course: str, user: str = "", assignment: str = "") -> list[dict[str, Any]]:
        """The receipts of submissions, oldest first, each with the hashes of its "feedback"."""
        return list(self.desk.ask("courses", course, "submissions", user=user, assignment=assignment)["submissions"])


@contextmanager
def arriving(place: Path) -> Iterator[Path]:
    """A path for a new folder, which takes the place of whatever is there once the block has ended well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as folder:
        fresh = Path(folder, "new")
        yield fresh
        if place.exists():
            place.rename(Path(folder, "former"))
        fresh.rename(place)


def same(files: Files, folder: Path) -> bool:
    """Whether a folder has these files, by their hashes."""
    return not any(path in files for path, _ in differences({"files": files}, folder))
