"""nbgrader's side of the exchange: two lines of nbgrader_config.py.

    from nnkit_hub.exchange import client
    client.install(c)

`nbgrader list`, `fetch_assignment`, `submit`, `collect` and so on, Assignment List and Formgrader's buttons then use
the exchange. A refusal becomes nbgrader's ExchangeError with one sentence.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError, default

from nnkit.language import say
from nnkit_grader.compat import label_assignments, shorten_list_errors
from nnkit_hub.exchange.archive import FileEntries, Refusal
from nnkit_hub.exchange.assignment_labels import format_label, parse_label
from nnkit_hub.exchange.calls import ExchangeClient
from nnkit_hub.exchange.receipts import find_differences

PACKAGE = "nnkit_hub.exchange"
MAX_LINE_CHARACTERS = 84
"""Length of a line in Assignment List's dialog."""
STEP_CLASSES = {
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
    """Make nbgrader use the exchange in this configuration, with a folder for each course (COURSE/ASSIGNMENT)."""
    for name, path in STEP_CLASSES.items():
        setattr(c.ExchangeFactory, name, f"{PACKAGE}.{path}")
    c.Exchange.path_includes_course = True
    shorten_list_errors(_format_refusal)
    label_assignments(format_label, parse_label)


def _format_refusal(fault: BaseException | None) -> str:
    """Return a refusal in lines that fit in Assignment List's dialog, which does not wrap them; "" for other faults."""
    return textwrap.fill(str(fault), MAX_LINE_CHARACTERS) if isinstance(fault, ExchangeError) else ""


class Exchange(default.Exchange):  # type: ignore[misc]
    """Common base of nbgrader's steps here: the client of the exchange, and refusals in one sentence."""

    client: ExchangeClient

    def start(self) -> Any:
        """Run the step. Raises ExchangeError with a sentence."""
        try:
            with ExchangeClient() as self.client:
                return super().start()
        except Refusal as refusal:
            self.fail(str(refusal))
        except OSError as fault:
            self.fail(f"{fault.strerror}: {fault.filename}." if fault.filename else f"{fault}.")

    def ensure_root(self) -> None:
        """Do nothing: there is no shared folder."""

    @property
    def course(self) -> str:
        """The course's name. Raises Refusal if none is given."""
        if not self.coursedir.course_id:
            raise Refusal(say("No course was given: add --course NAME."))
        return str(self.coursedir.course_id)

    @property
    def assignment(self) -> str:
        """The assignment's name."""
        return str(self.coursedir.assignment_id)

    def get_local_folder(self, course: str, assignment: str) -> Path:
        """Return the folder in which this user has, or will have, an assignment."""
        return Path(self.assignment_dir, course if self.path_includes_course else "", assignment).absolute()

    def list_released(self, course: str) -> list[dict[str, Any]]:
        """Return the receipts of the released assignments."""
        return list(self.client.request("courses", course, "released")["released"])

    def find_released(self) -> dict[str, Any] | None:
        """Return the receipt of this step's assignment, or None if it is not released."""
        return next((one for one in self.list_released(self.course) if one["assignment"] == self.assignment), None)

    def list_submissions(self, course: str, user: str = "", assignment: str = "") -> list[dict[str, Any]]:
        """Return the receipts of submissions, oldest first, each with the hashes of its "feedback"."""
        return list(
            self.client.request("courses", course, "submissions", user=user, assignment=assignment)["submissions"]
        )


@contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """Context manager that yields a path for a new folder, which replaces `target` if the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as folder:
        fresh = Path(folder, "new")
        yield fresh
        if target.exists():
            target.rename(Path(folder, "former"))
        fresh.rename(target)


def has_same_files(files: FileEntries, folder: Path) -> bool:
    """Return True if a folder has these files, by their hashes."""
    return not any(path in files for path, _ in find_differences({"files": files}, folder))
