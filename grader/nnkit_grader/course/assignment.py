"""The course's own notebook as cells: what each of them is, what it is worth, and what learners get of it.

    solutions/NAME/NAME.ipynb → load → Assignment → to_json → any worker → from_json

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

from nnkit_grader.course.bound_names import bound_names
from nnkit_grader.course.clear_solutions import Stubs, released_source

Kind = Literal["given", "answer", "test", "written", "text"]

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
MODULES = (".py", ".pyc", ".pyo", ".pyd", ".pyw", ".so", ".dll", ".dylib", ".pth", ".egg", ".zip", ".ipy")
"""Endings of what Python may import or run; no file that a submission brings along has one."""


@dataclass(frozen=True)
class CourseCell:
    id: str
    """The notebook's own cell id; nbgrader's where there is none."""
    grade_id: str
    """nbgrader's id, or ""."""
    kind: Kind
    """`written` is what is graded by hand: words, or code in a cell that is both solution and manually graded."""
    source: str
    """As instructors wrote it, with solution and hidden tests."""
    released: str
    """As learners get it."""
    points: float = 0.0
    cell_type: str = "code"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """nbgrader's mark; empty for cells that it does not know."""

    @property
    def locked(self) -> bool:
        """Whether a learner's version of it counts for nothing."""
        return self.kind == "test" or self.cell_type == "raw" or _locked(self.metadata)


@dataclass(frozen=True)
class Assignment:
    name: str
    notebook: str
    """The notebook's name without its ending."""
    cells: tuple[CourseCell, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What cells may read, by name: listed in the notebook's metadata, `{"nnkit": {"files": [...]}}`."""
    theirs: frozenset[str] = frozenset()
    """Names that answer cells bind at top level in the instructor's version."""

    @property
    def max_score(self) -> float:
        """All points, those given by hand included."""
        return sum(cell.points for cell in self.cells)

    @property
    def digest(self) -> str:
        """SHA-256 over what decides a score: another digest, another grade."""
        parts = [[c.id, c.grade_id, c.kind, c.cell_type, c.source, c.points] for c in self.cells]
        files = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())}
        told = json.dumps([self.name, self.notebook, parts, files, sorted(self.theirs)])
        return hashlib.sha256(told.encode()).hexdigest()

    def cell(self, name: str) -> CourseCell:
        """The cell with this id, or this id of nbgrader's. Raises KeyError."""
        for cell in self.cells:
            if name in (cell.id, cell.grade_id):
                return cell
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `json.dumps` takes and `from_json` reads."""
        return {
            "name": self.name,
            "notebook": self.notebook,
            "cells": [{**vars(cell), "metadata": dict(cell.metadata)} for cell in self.cells],
            "files": {name: base64.b64encode(content).decode() for name, content in self.files.items()},
            "theirs": sorted(self.theirs),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Assignment:
        """What `to_json` made."""
        return cls(
            data["name"],
            data["notebook"],
            tuple(CourseCell(**cell) for cell in data["cells"]),
            {name: base64.b64decode(content) for name, content in data["files"].items()},
            frozenset(data["theirs"]),
        )


def load(course: Path, name: str) -> Assignment:
    """The assignment of this name. Raises FileNotFoundError or ValueError with a sentence on what is amiss."""
    path = _only_notebook(course / "solutions" / name, name)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is no notebook: it is not JSON in UTF-8.") from None
    raw = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(raw, list):
        raise ValueError(f"{path} is no notebook: it has no list of cells.")
    stubs = Stubs.of(course)
    cells = tuple(_cell(cell, number, stubs, path) for number, cell in enumerate(raw))
    _require_unique([cell.id for cell in cells], path)
    _require_unique([cell.grade_id for cell in cells if cell.grade_id], path)
    files = _files(notebook.get("metadata", {}).get("nnkit", {}).get("files", []), path)
    return Assignment(name, path.stem, cells, files, _theirs(cells, path))


def _only_notebook(folder: Path, name: str) -> Path:
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise FileNotFoundError(f"There is no notebook in {folder}: is the assignment's name right?")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"{folder} has {len(found)} notebooks ({names}): nnkit grades assignments of one notebook.")
    if found[0].stem != name:
        raise ValueError(f"{found[0]} must be called {name}.ipynb, as its folder is.")
    return found[0]


def _cell(cell: Mapping[str, Any], number: int, stubs: Stubs, path: Path) -> CourseCell:
    text, metadata = cell.get("source", ""), cell.get("metadata", {})
    source = "".join(text) if isinstance(text, list) else str(text)
    mark = metadata.get("nbgrader") or {}
    grade_id = str(mark.get("grade_id", ""))
    cell_type = str(cell.get("cell_type", "raw"))
    try:
        released = released_source(source, cell_type, mark, stubs)
    except ValueError as fault:
        raise ValueError(f"{path}, cell {grade_id or number + 1}: {fault}") from None
    id = str(cell.get("id") or grade_id or f"cell-{number + 1}")
    return CourseCell(id, grade_id, _kind(cell_type, mark), source, released, _points(mark), cell_type, mark)


def _kind(cell_type: str, mark: Mapping[str, Any]) -> Kind:
    if mark.get("grade"):
        return "written" if mark.get("solution") or cell_type != "code" else "test"
    if cell_type == "code":
        return "answer" if mark.get("solution") else "given"
    return "text"


def _points(mark: Mapping[str, Any]) -> float:
    return float(mark.get("points") or 0.0) if mark.get("grade") or mark.get("task") else 0.0


def _locked(mark: Mapping[str, Any]) -> bool:
    """As `nbgrader.utils.is_locked`: what learners answer in is never locked, what grades always is."""
    return bool(mark) and not mark.get("solution") and bool(mark.get("grade") or mark.get("locked"))


def _require_unique(ids: Sequence[str], path: Path) -> None:
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise ValueError(f"{path} has more than one cell with the id {twice[0]!r}: each needs its own.")


def _files(names: Any, path: Path) -> dict[str, bytes]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: its metadata nnkit.files must be a list of file names.")
    return {name: _file(name, path) for name in names}


def _file(name: str, path: Path) -> bytes:
    if not FILE_NAME.fullmatch(name) or name.lower().endswith((*MODULES, ".ipynb")):
        raise ValueError(f"{path} lists the file {name!r}: it must be a plain name, and nothing that Python imports.")
    if not (path.parent / name).is_file():
        raise FileNotFoundError(f"{path} lists the file {name!r}, but it does not lie beside it.")
    return (path.parent / name).read_bytes()


def _theirs(cells: Sequence[CourseCell], path: Path) -> frozenset[str]:
    names: set[str] = set()
    for cell in cells:
        if cell.cell_type == "code" and cell.kind in ("answer", "written"):
            try:
                names |= bound_names(cell.source)
            except SyntaxError as fault:
                raise ValueError(f"{path}, cell {cell.id}: it is not Python (line {fault.lineno}).") from None
    return frozenset(names)
