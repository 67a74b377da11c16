"""Course folders with one assignment of a few cells, made for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def mark(**changes: Any) -> dict[str, Any]:
    plain = {"grade": False, "grade_id": "x", "locked": False, "schema_version": 3, "solution": False, "task": False}
    return {"nbgrader": {**plain, **changes}}


def cell(source: str, id: str, cell_type: str = "code", **changes: Any) -> dict[str, Any]:
    extra = {"outputs": [], "execution_count": None} if cell_type == "code" else {}
    metadata = mark(grade_id=id, **changes) if changes else {}
    return {"cell_type": cell_type, "id": id, "metadata": metadata, "source": source, **extra}


ANSWER = cell("def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", "f", solution=True)
TEST = cell(
    "assert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(2) == 2\n### END HIDDEN TESTS", "t", grade=True, points=3
)
WORDS = cell("Because.", "w", "markdown", grade=True, solution=True, points=2)


CONFIG = "c = get_config()\nc.CourseDirectory.source_directory = 'solutions'\n"


def made(folder: Path, *cells: dict[str, Any], name: str = "hw", **metadata: Any) -> Path:
    """A course folder with one assignment of these cells."""
    notebook = {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (folder / "solutions" / name).mkdir(parents=True, exist_ok=True)
    if not (folder / "nbgrader_config.py").exists():
        (folder / "nbgrader_config.py").write_text(CONFIG)
    (folder / "solutions" / name / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return folder
