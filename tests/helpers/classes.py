"""A small course for tests: one assignment of two exercises and a question, and submissions of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.paths import ROOT

NAME = "hw"

DOUBLE = "def double(x):\n    return 2 * x"
TRIPLE = "def triple(x):\n    return 3 * x"
HIDDEN = "    ### BEGIN HIDDEN TESTS\n    assert double(n - 20) == 2 * n - 40\n    ### END HIDDEN TESTS"
TEST_DOUBLE = f"for n in (1, 13):\n    assert double(n) == 2 * n, 'double is wrong'\n{HIDDEN}"
TEST_TRIPLE = "float(sum(triple(n) == 3 * n for n in (1, 2, -5)))"
BLANK = "# YOUR CODE HERE\nraise NotImplementedError"
RIGHT = {"double": DOUBLE, "triple": TRIPLE, "why": "Because."}
"""Right answers: 2 and 3 points by tests, and 1 by hand for the question."""


def cell(grade_id: str, source: str, points: float | None = None, solution: bool = False, kind: str = "code") -> Any:
    """Return a cell as an instructor writes it."""
    mark: dict[str, Any] = {"grade_id": grade_id, "grade": points is not None, "solution": solution, "task": False}
    mark |= {"locked": not solution, "schema_version": 3, "points": points or 0.0, "cell_type": kind}
    if points is None:
        del mark["points"]
    written = {"cell_type": kind, "id": grade_id, "metadata": {"nbgrader": mark}, "source": source}
    return {**written, "execution_count": None, "outputs": []} if kind == "code" else written


def solved(source: str) -> str:
    return f"### BEGIN SOLUTION\n{source}\n### END SOLUTION"


def notebook(test_triple: str = TEST_TRIPLE, points: float = 2.0) -> dict[str, Any]:
    """Return the assignment as an instructor writes it."""
    cells = [
        cell("given", "import numpy as np"),
        cell("double", solved(DOUBLE), solution=True),
        cell("test-double", TEST_DOUBLE, points),
        cell("triple", solved(TRIPLE), solution=True),
        cell("test-triple", test_triple, 3.0),
        cell("why", "Because.", 1.0, solution=True, kind="markdown"),
    ]
    kernel = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
    return {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def course(folder: Path, *more: str) -> Path:
    """Make a course folder with this course's nbgrader_config.py and `more` lines in it."""
    (folder / "solutions" / NAME).mkdir(parents=True)
    write_solution(folder, notebook())
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write("".join(f"{line}\n" for line in more))
    return folder


def write_solution(folder: Path, written: Any) -> None:
    (folder / "solutions" / NAME / f"{NAME}.ipynb").write_text(json.dumps(written))


def hand_in(folder: Path, student: str, answers: Mapping[str, str], timestamp: str = "") -> Path:
    """Hand in these answers, with the rest as it was released; return the notebook's path."""
    from nnkit_grader.course.assignment import load_assignment

    written = notebook()
    for one, own in zip(written["cells"], load_assignment(folder, NAME).cells):
        one["source"] = answers.get(own.grade_id, own.released)
    return hand_in_bytes(folder, student, json.dumps(written).encode(), timestamp)


def hand_in_bytes(folder: Path, student: str, content: bytes, timestamp: str = "") -> Path:
    place = folder / "submitted" / student / NAME
    place.mkdir(parents=True, exist_ok=True)
    if timestamp:
        (place / "timestamp.txt").write_text(timestamp)
    (place / f"{NAME}.ipynb").write_bytes(content)
    return place / f"{NAME}.ipynb"
