"""A notebook file as cells, and its graded exercises."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnkit.language import say, to_say


@dataclass(frozen=True)
class NotebookCell:
    """A cell of a notebook file."""

    kind: str
    source: str
    mark: Mapping[str, Any]
    """nbgrader's metadata; empty for other cells."""

    @property
    def id(self) -> str:
        return str(self.mark.get("grade_id", ""))

    @property
    def name(self) -> str:
        """The cell's name in a sentence."""
        first = next((line for line in self.source.splitlines() if line.strip()), "")
        return (
            say("the cell {id!r}", id=self.id)
            if self.id
            else say("the cell that begins {text!r}", text=first.strip()[:50])
        )

    @property
    def changed(self) -> bool | None:
        """True if it differs from what was handed out; None if nbgrader left no checksum."""
        return None if "checksum" not in self.mark else self.mark["checksum"] != compute_checksum(self)


def read(path: Path) -> list[NotebookCell]:
    """Return the notebook's cells. Raises FileNotFoundError or ValueError with a sentence on what is wrong."""
    return [parse_cell(cell) for cell in load_notebook(path)["cells"]]


def load_notebook(path: Path) -> dict[str, Any]:
    """Return a notebook of nbformat 4 as plain data, in which `cells` is a list of objects.

    Raises FileNotFoundError or ValueError with a sentence on what is wrong.
    """
    if not path.exists():
        raise FileNotFoundError(say("There is no file {path}.", path=path))
    if path.is_dir():
        raise ValueError(say("{path} is a folder: name the notebook in it, a file that ends in .ipynb.", path=path))
    try:
        notebook: Any = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as fault:
        raise ValueError(
            say(
                "{path} is not a notebook: it is not JSON (line {line}). Was it cut off?",
                path=path,
                line=fault.lineno,
            )
        ) from None
    except UnicodeDecodeError:
        raise ValueError(say("{path} is not a notebook: it is not text in UTF-8.", path=path)) from None
    if not isinstance(notebook, dict):
        raise ValueError(say("{path} is not a notebook: it has no list of cells.", path=path))
    if "worksheets" in notebook:
        raise ValueError(say("{path} is in an old format: open it in Jupyter and save it.", path=path))
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError(say("{path} is not a notebook: it has no list of cells.", path=path))
    return notebook


def parse_cell(cell: Mapping[str, Any]) -> NotebookCell:
    """Return the type, source and nbgrader's metadata of a cell; for what is missing or malformed, empty ones."""
    source = cell.get("source", "")
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return NotebookCell(str(cell.get("cell_type", "raw")), text, mark if isinstance(mark, dict) else {})


def compute_checksum(cell: NotebookCell) -> str:
    """Return the same as `nbgrader.utils.compute_checksum`."""
    grade, solution = bool(cell.mark.get("grade")), bool(cell.mark.get("solution"))
    locked = not solution and (grade or bool(cell.mark.get("locked")))
    parts = [cell.source, cell.kind, str(grade), str(solution), str(locked), cell.id]
    parts += [str(_points(cell))] if grade else []
    return hashlib.md5("".join(parts).encode(errors="replace"), usedforsecurity=False).hexdigest()


def _points(cell: NotebookCell) -> float:
    points = cell.mark.get("points", 0)
    return float(points) if isinstance(points, int | float) else 0.0


@dataclass(frozen=True)
class Exercise:
    """A graded cell, and the answer cells above it."""

    id: str
    """Its name on the command line: that of its one answer cell, else of its test cell."""
    names: frozenset[str]
    """The ids of all its cells."""
    title: str
    cell: int
    answers: tuple[int, ...]
    points: float
    when_graded: str = ""
    """Why nothing can be checked now: "graded by hand", or "its tests run when it is graded"; else ""."""


def exercises(cells: Sequence[NotebookCell]) -> list[Exercise]:
    """Return the exercises in order, each under the last heading above it."""
    found: list[Exercise] = []
    answers: list[int] = []
    heading = ""
    for index, cell in enumerate(cells):
        if cell.kind == "markdown":
            heading = _heading(cell.source) or heading
        if cell.mark.get("grade") or cell.mark.get("task"):
            names = [cells[answer].id for answer in answers]
            name = names[0] if len(names) == 1 else cell.id
            ids = frozenset([*names, cell.id])
            found.append(Exercise(name, ids, heading or name, index, tuple(answers), _points(cell), _later(cell)))
            answers = []
        elif cell.mark.get("solution") and cell.kind == "code":
            answers.append(index)
    return found


def _heading(markdown: str) -> str:
    """Return the text of the last heading outside of code fences, or ""."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", prose, flags=re.MULTILINE)
    return re.sub(r"[*`]", "", headings[-1]) if headings else ""


def _later(cell: NotebookCell) -> str:
    if cell.kind != "code" or cell.mark.get("solution") or cell.mark.get("task"):
        return to_say("graded by hand")
    with contextlib.suppress(SyntaxError, ValueError):
        if not any(map(_does_something, ast.parse(cell.source).body)):
            return to_say("its tests run when it is graded")
    return ""


def _does_something(statement: ast.stmt) -> bool:
    """Return False for text that stands alone, which is what remains of a cell without its hidden tests."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return True
    return not isinstance(statement.value.value, str)
