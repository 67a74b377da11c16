"""students.csv in the course folder: ids, and what else is known of students, as for `nbgrader db student import`."""

from __future__ import annotations

import csv
from itertools import zip_longest
from pathlib import Path

from nnkit.language import find_code

STUDENTS_FILE = "students.csv"
"""Columns id, first_name, last_name, section, language and others, of which the first is required."""


def read_students(path: Path, errors: str = "strict") -> tuple[list[dict[str, str]], list[str]]:
    """Return the lines of students.csv by column, and the columns; `errors` is as for `open`.

    Raises ValueError if it has no ids.
    """
    with path.open(newline="", encoding="utf-8-sig", errors=errors) as file:
        lines = [[field.strip() for field in row] for row in csv.reader(file, skipinitialspace=True)]
    columns = lines[0] if lines else []
    if "id" not in columns:
        raise ValueError(f"{path} has no column named id in its first line.")
    rows = [row for row in lines[1:] if any(row)]
    return [dict(zip_longest(columns, row[: len(columns)], fillvalue="")) for row in rows], columns


def read_languages(root: Path) -> dict[str, str]:
    """Return student → code of the language that students.csv in a course folder names; none for an empty field.

    Raises ValueError for a malformed file.
    """
    path = root / STUDENTS_FILE
    rows = read_students(path, errors="replace")[0] if path.is_file() else []
    return {row["id"]: code for row in rows if (code := find_code(row.get("language", "")))}
