"""The course's own notebook as cells: the kind of each, its points, and its text as learners get it.

    solutions/NAME/NAME.ipynb → load_assignment → Assignment → to_json → any worker → from_json

A submission is measured against this and nothing else: ids, points, kinds and tests are read from here, never from
what a learner hands in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnkit.check.notebook.cells import load_notebook, parse_cell
from nnkit_grader.course.bound_names import find_bound_names
from nnkit_grader.course.clear_solutions import ClearSettings, clear_source

Kind = Literal["given", "answer", "test", "written", "text"]

PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
IMPORTABLE_SUFFIXES = (".py", ".pyc", ".pyo", ".pyd", ".pyw", ".so", ".dll", ".dylib", ".pth", ".egg", ".zip", ".ipy")
"""Endings of files that Python may import or run. A submission's data files never have one of them."""


@dataclass(frozen=True)
class CourseCell:
    """One cell of the course's notebook."""

    id: str
    """The notebook's cell id, or nbgrader's id if the cell has none."""
    grade_id: str
    """nbgrader's id, or "" for a cell that nbgrader does not know."""
    kind: Kind
    """`written` cells are graded by hand: words, or code in a cell that is both solution and manually graded."""
    source: str
    """The text as instructors wrote it, with solution and hidden tests."""
    released: str
    """The text as learners get it."""
    points: float = 0.0
    cell_type: str = "code"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """nbgrader's metadata; empty for cells that it does not know."""

    @property
    def locked(self) -> bool:
        """True if the course's version replaces the learner's."""
        return self.kind == "test" or self.cell_type == "raw" or _is_locked(self.metadata)


@dataclass(frozen=True)
class Assignment:
    """A notebook of the course, and the files that its cells read."""

    name: str
    notebook: str
    """The notebook's name without its ending."""
    cells: tuple[CourseCell, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that cells may read, by name; listed in the notebook's metadata, `{"nnkit": {"files": [...]}}`."""
    answer_names: frozenset[str] = frozenset()
    """Names that answer cells bind at top level in the instructor's version."""

    @property
    def max_score(self) -> float:
        """All points, including those given by hand."""
        return sum(cell.points for cell in self.cells)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides a score. A submission is graded again when it changes."""
        parts = [[c.id, c.grade_id, c.kind, c.cell_type, c.source, c.points] for c in self.cells]
        files = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())}
        content = json.dumps([self.name, self.notebook, parts, files, sorted(self.answer_names)])
        return hashlib.sha256(content.encode()).hexdigest()

    def find_cell(self, name: str) -> CourseCell:
        """Return the cell with this id or this nbgrader id. Raises KeyError."""
        for cell in self.cells:
            if name in (cell.id, cell.grade_id):
                return cell
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json.dumps`, which `from_json` reads."""
        return {
            "name": self.name,
            "notebook": self.notebook,
            "cells": [{**vars(cell), "metadata": dict(cell.metadata)} for cell in self.cells],
            "files": {name: base64.b64encode(content).decode() for name, content in self.files.items()},
            "theirs": sorted(self.answer_names),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Assignment:
        """Make an assignment from the result of `to_json`."""
        return cls(
            data["name"],
            data["notebook"],
            tuple(CourseCell(**cell) for cell in data["cells"]),
            {name: base64.b64decode(content) for name, content in data["files"].items()},
            frozenset(data["theirs"]),
        )


def load_assignment(course: Path, name: str) -> Assignment:
    """Read an assignment of a course. Raises FileNotFoundError or ValueError with a sentence on what is wrong."""
    path = _find_only_notebook(course / "solutions" / name, name)
    notebook = load_notebook(path)
    settings = ClearSettings.from_course(course)
    cells = tuple(_make_course_cell(cell, number, settings, path) for number, cell in enumerate(notebook["cells"]))
    _require_unique([cell.id for cell in cells], path)
    _require_unique([cell.grade_id for cell in cells if cell.grade_id], path)
    files = _read_files(notebook.get("metadata", {}).get("nnkit", {}).get("files", []), path)
    return Assignment(name, path.stem, cells, files, _collect_answer_names(cells, path))


def _find_only_notebook(folder: Path, name: str) -> Path:
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise FileNotFoundError(f"There is no notebook in {folder}: is the assignment's name right?")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"{folder} has {len(found)} notebooks ({names}): nnkit grades assignments with one notebook.")
    if found[0].stem != name:
        raise ValueError(f"{found[0]} must be called {name}.ipynb, like its folder.")
    return found[0]


def _make_course_cell(cell: Mapping[str, Any], number: int, settings: ClearSettings, path: Path) -> CourseCell:
    parsed = parse_cell(cell)
    kind, source, mark = parsed.kind, parsed.source, parsed.mark
    try:
        released = clear_source(source, kind, mark, settings)
    except ValueError as fault:
        raise ValueError(f"{path}, cell {parsed.id or number + 1}: {fault}") from None
    id = str(cell.get("id") or parsed.id or f"cell-{number + 1}")
    return CourseCell(id, parsed.id, _find_kind(kind, mark), source, released, _read_points(mark), kind, mark)


def _find_kind(cell_type: str, mark: Mapping[str, Any]) -> Kind:
    if mark.get("grade"):
        return "written" if mark.get("solution") or cell_type != "code" else "test"
    if cell_type == "code":
        return "answer" if mark.get("solution") else "given"
    return "text"


def _read_points(mark: Mapping[str, Any]) -> float:
    return float(mark.get("points") or 0.0) if mark.get("grade") or mark.get("task") else 0.0


def _is_locked(mark: Mapping[str, Any]) -> bool:
    """Return what `nbgrader.utils.is_locked` would: answer cells are never locked, test cells always are."""
    return bool(mark) and not mark.get("solution") and bool(mark.get("grade") or mark.get("locked"))


def _require_unique(ids: Sequence[str], path: Path) -> None:
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise ValueError(f"{path} has more than one cell with the id {twice[0]!r}: each needs its own.")


def _read_files(names: Any, path: Path) -> dict[str, bytes]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: its metadata nnkit.files must be a list of file names.")
    return {name: _read_file(name, path) for name in names}


def _read_file(name: str, path: Path) -> bytes:
    if not PLAIN_FILE_NAME.fullmatch(name) or name.lower().endswith((*IMPORTABLE_SUFFIXES, ".ipynb")):
        raise ValueError(f"{path} lists the file {name!r}: it must be a plain name, and nothing that Python imports.")
    if not (path.parent / name).is_file():
        raise FileNotFoundError(f"{path} lists the file {name!r}, but there is no such file beside it.")
    return (path.parent / name).read_bytes()


def _collect_answer_names(cells: Sequence[CourseCell], path: Path) -> frozenset[str]:
    names: set[str] = set()
    for cell in cells:
        if cell.cell_type == "code" and cell.kind in ("answer", "written"):
            try:
                names |= find_bound_names(cell.source)
            except SyntaxError as fault:
                raise ValueError(f"{path}, cell {cell.id}: it is not Python (line {fault.lineno}).") from None
    return frozenset(names)
