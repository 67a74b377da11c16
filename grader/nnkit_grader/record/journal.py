"""The journal: what has been graded, on disk, so that a grader killed at any point goes on where it was.

    .nnkit/ASSIGNMENT/results/STUDENT.json    a JournalEntry, written atomically as soon as there is a result
    .nnkit/ASSIGNMENT/logs/STUDENT.log        what happened, one paragraph for each run
    .nnkit/ASSIGNMENT/run.json                the seed of the tests' random numbers, and those before feedback went out
    .nnkit/ASSIGNMENT/recorded.json           which entries the gradebook has
    .nnkit/ASSIGNMENT/lock                    held by the grader that is running

The notebook is written to autograded/ before the result is in the journal, and the journal before the gradebook.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnkit.atomic_files import remove_unfinished, replace_file
from nnkit.text import replace_unprintable
from nnkit_grader.record.results import Result

JOURNAL_FOLDER = ".nnkit"


class AssignmentBusy(RuntimeError):
    """Another grader is working on this assignment."""


@dataclass(frozen=True)
class JournalEntry:
    """The result of one student's last grading."""

    student: str
    result: Result
    timestamp: str | None = None
    """When it was handed in, in nbgrader's format."""
    stamp: str = ""
    """A random id of this grading."""


class Journal:
    """The journal of one assignment of the course in `root`."""

    def __init__(self, root: Path, assignment: str):
        self.folder = root / JOURNAL_FOLDER / assignment
        self.assignment = assignment
        self.earlier_seeds: list[int] = []
        """Seeds of what was graded before feedback was written."""
        self._recorded: dict[str, str] = self._read_object(self.folder / "recorded.json") or {}

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Context manager that keeps other graders off this assignment. Raises AssignmentBusy if one is running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AssignmentBusy(
                    f"Another `nnkit autograde` of {self.assignment} is running here: wait until it has finished."
                ) from None
            remove_unfinished(self.folder)
            yield

    def choose_seed(self, wanted: int | None = None, feedback: float = 0.0) -> int:
        """Return and keep the seed of this assignment's tests: `wanted`, else that of the last run, else a new one.

        `feedback` is when the newest feedback was written. If that was after the last seed was chosen, the next is new:
        feedback may show the numbers that a test asked about. What was graded before it counts as current.
        """
        last = self._read_object(self.folder / "run.json") or {}
        known, seed = last.get("seed"), wanted
        self.earlier_seeds = [] if wanted not in (None, known) else list(last.get("earlier", []))
        if seed is None and isinstance(known, int):
            shown = feedback > last.get("feedback", 0.0)
            self.earlier_seeds += [known] if shown else []
            seed = None if shown else known
        seed = secrets.randbits(32) if seed is None else seed
        run = {"seed": seed, "earlier": self.earlier_seeds, "feedback": feedback}
        if run != last:
            replace_file(self.folder / "run.json", json.dumps(run) + "\n")
        return seed

    def write_entry(self, student: str, result: Result, timestamp: str | None) -> JournalEntry:
        """Write a result to disk; it is safe there when this returns."""
        entry = JournalEntry(student, result, timestamp, uuid.uuid4().hex)
        data = {"student": student, "timestamp": timestamp, "stamp": entry.stamp, "result": result.to_json()}
        replace_file(self._entry_path(student), json.dumps(data))
        return entry

    def read_entry(self, student: str) -> JournalEntry | None:
        """Return a student's last entry; None if there is none, or none that this version can read."""
        data = self._read_object(self._entry_path(student))
        try:
            return (
                JournalEntry(student, Result.from_json(data["result"]), data["timestamp"], data["stamp"])
                if data
                else None
            )
        except (KeyError, TypeError, ValueError):
            return None

    def read_entries(self) -> Iterator[JournalEntry]:
        """Yield all entries in the order of the students' ids."""
        for path in sorted((self.folder / "results").glob("*.json")):
            entry = self.read_entry(path.name.removesuffix(".json"))
            if entry is not None:
                yield entry

    def is_recorded(self, entry: JournalEntry) -> bool:
        """Return whether a gradebook has taken this entry."""
        return self._recorded.get(entry.student) == entry.stamp

    def mark_recorded(self, entries: Iterable[JournalEntry]) -> None:
        """Remember that the gradebook has these entries."""
        self._recorded |= {entry.student: entry.stamp for entry in entries}
        replace_file(self.folder / "recorded.json", json.dumps(self._recorded), lasting=False)

    def log_path(self, student: str) -> Path:
        """Return the path of a submission's log."""
        return self.folder / "logs" / f"{student}.log"

    def log(self, student: str, lines: Iterable[str]) -> None:
        """Add a paragraph to a submission's log, without codes that a terminal would obey."""
        path = self.log_path(student)
        path.parent.mkdir(parents=True, exist_ok=True)
        now = time.strftime("%Y-%m-%d %H:%M:%S %z")
        clean = (replace_unprintable(line).replace("\n", " ") for line in lines)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join([now, *(f"  {line}" for line in clean)]) + "\n")

    def _entry_path(self, student: str) -> Path:
        return self.folder / "results" / f"{student}.json"

    @staticmethod
    def _read_object(path: Path) -> Any:
        """Return the JSON object in a file; None if the file has none."""
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return data if isinstance(data, dict) else None


def check_student_id(student: str) -> str:
    """Return why a folder's name cannot be a student's id; "" if it can."""
    try:
        length = len(student.encode())
    except UnicodeEncodeError:
        return "the name of its folder is not UTF-8"
    if length > 240 or len(student) > 128:
        return "the name of its folder is longer than nbgrader's gradebook takes (128 characters)"
    return "" if student.isprintable() and os.sep not in student else "the name of its folder has control characters"
