"""What has been graded, on disk: a grader that is killed at any point goes on where it was.

    .nnkit/ASSIGNMENT/results/STUDENT.json    an Entry, written in one step as soon as there is one
    .nnkit/ASSIGNMENT/logs/STUDENT.log        what happened, a paragraph each time
    .nnkit/ASSIGNMENT/run.json                the seed of the tests' random numbers
    .nnkit/ASSIGNMENT/recorded.json           which entries the gradebook has
    .nnkit/ASSIGNMENT/lock                    held by the grader that is at work

A result is in the journal before it is in the gradebook, and the notebook in autograded/ before it is in the journal.
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
from nnkit_grader.record.results import Result

FOLDER = ".nnkit"


class Busy(RuntimeError):
    """Another grader is at work on this assignment."""


@dataclass(frozen=True)
class Entry:
    student: str
    result: Result
    timestamp: str | None = None
    """When it was handed in, as nbgrader writes it."""
    stamp: str = ""
    """Of this very grading."""


class Journal:
    """Of one assignment of the course in `root`."""

    def __init__(self, root: Path, assignment: str):
        self.folder = root / FOLDER / assignment
        self.assignment = assignment
        self._marks: dict[str, str] = self._read(self.folder / "recorded.json") or {}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Meanwhile no other grader works on this assignment. Raises Busy if one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(
                    f"Another `nnkit autograde` of {self.assignment} is at work here: wait until it has ended."
                ) from None
            remove_unfinished(self.folder)
            yield

    def seed(self, wanted: int | None = None) -> int:
        """The seed of this assignment's tests: `wanted`, else that of the last run, else a new one."""
        path = self.folder / "run.json"
        kept = (self._read(path) or {}).get("seed")
        seed = wanted if wanted is not None else kept if isinstance(kept, int) else secrets.randbits(32)
        if seed != kept:
            replace_file(path, json.dumps({"seed": seed}) + "\n")
        return seed

    def keep(self, student: str, result: Result, timestamp: str | None) -> Entry:
        """Write down a result, for good."""
        entry = Entry(student, result, timestamp, uuid.uuid4().hex)
        told = {"student": student, "timestamp": timestamp, "stamp": entry.stamp, "result": result.to_json()}
        replace_file(self._path(student), json.dumps(told))
        return entry

    def entry(self, student: str) -> Entry | None:
        """What was written down last; None where there is nothing, or nothing that this version reads."""
        told = self._read(self._path(student))
        try:
            return Entry(student, Result.from_json(told["result"]), told["timestamp"], told["stamp"]) if told else None
        except (KeyError, TypeError, ValueError):
            return None

    def entries(self) -> Iterator[Entry]:
        """All of them, in the order of the students' names."""
        for path in sorted((self.folder / "results").glob("*.json")):
            entry = self.entry(path.name.removesuffix(".json"))
            if entry is not None:
                yield entry

    def is_recorded(self, entry: Entry) -> bool:
        """Whether a gradebook has taken this entry."""
        return self._marks.get(entry.student) == entry.stamp

    def mark_recorded(self, entries: Iterable[Entry]) -> None:
        self._marks |= {entry.student: entry.stamp for entry in entries}
        replace_file(self.folder / "recorded.json", json.dumps(self._marks), lasting=False)

    def log_file(self, student: str) -> Path:
        return self.folder / "logs" / f"{student}.log"

    def log(self, student: str, lines: Iterable[str]) -> None:
        """Add a paragraph to a submission's log."""
        path = self.log_file(student)
        path.parent.mkdir(parents=True, exist_ok=True)
        now = time.strftime("%Y-%m-%d %H:%M:%S %z")
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join([now, *(f"  {line}" for line in lines)]) + "\n")

    def _path(self, student: str) -> Path:
        return self.folder / "results" / f"{student}.json"

    @staticmethod
    def _read(path: Path) -> Any:
        try:
            told = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None


def unfit(student: str) -> str:
    """Why a folder's name cannot be a student's id; "" if it can."""
    try:
        length = len(student.encode())
    except UnicodeEncodeError:
        return "the name of its folder is not UTF-8"
    if length > 240 or len(student) > 128:
        return "the name of its folder is longer than nbgrader's gradebook takes (128 characters)"
    return "" if student.isprintable() and os.sep not in student else "the name of its folder has control characters"
