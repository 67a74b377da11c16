"""The folders of submissions and of graded notebooks, as nbgrader's configuration names them."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class CoursePaths:
    """The folders of one assignment. `coursedir` is nbgrader's CourseDirectory."""

    def __init__(self, coursedir: Any, assignment: str):
        self.coursedir = coursedir
        self.assignment = assignment
        self.root = Path(coursedir.root)

    def submitted_folder(self, student: str) -> Path:
        """Return the folder of a submission."""
        return self._format_path(self.coursedir.submitted_directory, student)

    def autograded_folder(self, student: str) -> Path:
        """Return the folder of a graded submission."""
        return self._format_path(self.coursedir.autograded_directory, student)

    def find_feedback_time(self) -> float:
        """Return when the newest feedback on the assignment was written, in seconds since 1970; 0 if there is none."""
        pages = self._format_path(self.coursedir.feedback_directory, "*")
        return max((os.path.getmtime(path) for path in glob.glob(f"{pages}/*.html")), default=0.0)

    @property
    def file_mode(self) -> int:
        """Permissions of graded files, as nbgrader sets them."""
        return 0o664 if self.coursedir.groupshared else 0o444

    def _format_path(self, step: str, student: str) -> Path:
        return Path(self.coursedir.format_path(step, student, self.assignment))

    def find_students(self, wanted: Sequence[str] = ("*",)) -> list[str]:
        """Return the ids of submitting students that match the patterns. Raises FileNotFoundError for no match."""
        everyone = sorted(self._find_all_students())
        excluded = [name for name in self.coursedir.student_id_exclude.split(",") if name]
        chosen: set[str] = set()
        for pattern in wanted:
            found = [s for s in everyone if s == pattern or fnmatch.fnmatchcase(s, pattern)]
            if not found:
                who = "No student" if pattern == "*" else f"No student {pattern!r}"
                place = f"{self.submitted_folder(pattern)}{self._describe_others(pattern)}"
                raise FileNotFoundError(f"{who} handed in {self.assignment}: there is no {place}.")
            chosen.update(found)
        return [student for student in everyone if student in chosen and student not in excluded]

    def _describe_others(self, pattern: str) -> str:
        """Return a hint that names other assignments with submissions, or ""."""
        if pattern != "*":
            return ""
        found = glob.glob(str(CoursePaths(self.coursedir, "*").submitted_folder("*")))
        names = {os.path.basename(path) for path in found if os.path.isdir(path)}
        return f" (there are submissions of {', '.join(sorted(names)[:5])})" if names else ""

    def _find_all_students(self) -> set[str]:
        """Return the students with a folder for the assignment, or with its notebook where that folder should be."""
        return self._find_students_with(self.assignment) | self._find_students_with(f"{self.assignment}.ipynb")

    def _find_students_with(self, name: str) -> set[str]:
        step = self.coursedir.submitted_directory
        structure = self.coursedir.directory_structure
        within = structure.format(nbgrader_step=step, student_id="*", assignment_id=glob.escape(name))
        found = glob.glob(os.path.join(glob.escape(str(self.root)), within))
        form = re.compile(
            self.coursedir.format_path(step, "(?P<student>.*)", f"(?P<name>{re.escape(name)})", escape=True),
            re.DOTALL,
        )
        return {match["student"] for path in found if (match := form.fullmatch(path))}
