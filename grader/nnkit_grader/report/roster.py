"""The students of a course: nbgrader's gradebook has ids and names, students.csv in the course folder sections too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnkit_grader.course.students_file import STUDENTS_FILE, read_students


@dataclass(frozen=True)
class Member:
    """One student of the course."""

    name: str = ""
    section: str = ""


UNKNOWN = Member()
"""A student of whom no more than the id is known."""


def read_roster(root: Path, names: Mapping[str, str]) -> dict[str, Member]:
    """Return the students by id; `names` are those of the gradebook. Raises ValueError for a malformed students.csv."""
    found = {student: Member(name) for student, name in names.items()}
    path = root / STUDENTS_FILE
    if not path.is_file():
        return found
    for row in read_students(path, errors="replace")[0]:
        if student := row["id"]:
            name = format_name(row.get("first_name"), row.get("last_name")) or names.get(student, "")
            found[student] = Member(name, row.get("section", ""))
    return found


def format_name(first: str | None, last: str | None) -> str:
    """Return a whole name; "" if there is none."""
    return " ".join(part.strip() for part in (first, last) if part and part.strip())
