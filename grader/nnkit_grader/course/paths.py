"""Where a course keeps what is handed in and what is graded, as nbgrader's configuration has it."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Rooms:
    """Of one assignment. `coursedir` is nbgrader's CourseDirectory."""

    def __init__(self, coursedir: Any, assignment: str):
        self.coursedir = coursedir
        self.assignment = assignment
        self.root = Path(coursedir.root)

    def submitted(self, student: str) -> Path:
        return self._room(self.coursedir.submitted_directory, student)

    def autograded(self, student: str) -> Path:
        return self._room(self.coursedir.autograded_directory, student)

    @property
    def mode(self) -> int:
        """Permissions of graded files: nbgrader's."""
        return 0o664 if self.coursedir.groupshared else 0o444

    def _room(self, step: str, student: str) -> Path:
        return Path(self.coursedir.format_path(step, student, self.assignment))

    def students(self, wanted: Sequence[str] = ("*",)) -> list[str]:
        """Who handed it in and is wanted: ids or patterns, as in a shell. FileNotFoundError if one fits nobody."""
        everybody = sorted(self._everybody())
        excluded = [name for name in self.coursedir.student_id_exclude.split(",") if name]
        chosen: set[str] = set()
        for pattern in wanted:
            found = [s for s in everybody if s == pattern or fnmatch.fnmatchcase(s, pattern)]
            if not found:
                who = "Nobody" if pattern == "*" else f"No student {pattern!r}"
                raise FileNotFoundError(
                    f"{who} handed in {self.assignment}: there is no {self.submitted(pattern)}{self._meant(pattern)}."
                )
            chosen.update(found)
        return [student for student in everybody if student in chosen and student not in excluded]

    def _meant(self, pattern: str) -> str:
        """A hint where there are submissions of other assignments."""
        if pattern != "*":
            return ""
        found = glob.glob(str(Rooms(self.coursedir, "*").submitted("*")))
        names = {os.path.basename(path) for path in found if os.path.isdir(path)}
        return f" (there are submissions of {', '.join(sorted(names)[:5])})" if names else ""

    def _everybody(self) -> set[str]:
        step = self.coursedir.submitted_directory
        structure = self.coursedir.directory_structure
        within = structure.format(nbgrader_step=step, student_id="*", assignment_id=glob.escape(self.assignment))
        found = glob.glob(os.path.join(glob.escape(str(self.root)), within))
        form = re.compile(
            self.coursedir.format_path(step, "(?P<student>.*)", f"(?P<name>{re.escape(self.assignment)})", escape=True),
            re.DOTALL,
        )
        return {match["student"] for path in found if (match := form.fullmatch(path))}
