"""The course's own notebook as cells: the kind of each, its points, and its text as learners get it.

    source/NAME/NOTEBOOK.ipynb → load_assignments → Assignment → to_json → any worker → from_json

A submission is measured against this and nothing else: ids, points, kinds and tests are read from here, never from
what a learner hands in.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from nnkit.check.notebook.cells import load_notebook, parse_cell
from nnkit.language import ENGLISH, read_notebook_language
from nnkit_grader.course.bound_names import find_bound_names, find_operators
from nnkit_grader.course.cell_metadata import read_points, require_valid_metadata
from nnkit_grader.course.clear_solutions import ClearSettings, clear_source
from nnkit_grader.course.config import read_settings, require_course
from nnkit_grader.course.layout import CourseLayout
from nnkit_grader.course.syntax_errors import require_python

Kind = Literal["given", "answer", "test", "written", "text"]

INSIDE_COMMENT = re.compile(r"^[ \t]*#+[ \t]*nnkit:[ \t]*inside\b", re.MULTILINE)
"""The comment in a test cell that has it run in the learner's process."""
AUTOTEST = re.compile(r"^[ \t]*#+ ?(?:HASHED )?AUTOTEST\b", re.MULTILINE)
"""nbgrader's line for tests that it makes from the solution when an assignment is released."""
KERNEL_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""Metadata of the notebooks that are written here."""
PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
MAX_COURSE_BYTES = 50_000_000
"""Size of all files beside an assignment's notebooks: each submission gets a copy of them."""
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
    inside: bool = False
    """True for a test cell that runs in the learner's process, since it needs what cannot leave it."""

    @property
    def locked(self) -> bool:
        """True if the course's version replaces the learner's."""
        return self.kind == "test" or self.cell_type == "raw" or _is_locked(self.metadata)


@dataclass(frozen=True)
class Assignment:
    """A notebook of the course, and the files that its cells read.

    An assignment of several notebooks is several of these, which are graded one after the other.
    """

    name: str
    notebook: str
    """The notebook's name without its ending."""
    cells: tuple[CourseCell, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that learners may change, by name; listed in the notebook's metadata, `{"nnkit": {"files": [...]}}`."""
    answer_names: frozenset[str] = frozenset()
    """Names that answer cells bind at top level in the instructor's version."""
    course_files: Mapping[str, bytes] = field(default_factory=dict)
    """The other files beside the notebook and below, by path: data and modules, the same for all learners."""
    operators: frozenset[str] = frozenset()
    """Special methods of classes in the instructor's version, as "__add__"."""
    siblings: tuple[str, ...] = ()
    """The names of the assignment's other notebooks."""
    language: str = ""
    """Code of the language in which its learners read; "" for that of the process that grades."""

    @property
    def label(self) -> str:
        """The assignment's name, and the notebook's where there are several."""
        return f"{self.name}/{self.notebook}" if self.siblings else self.name

    @property
    def has_modules(self) -> bool:
        """True if cells may import a file of the course."""
        return any(name.endswith(".py") for name in self.course_files)

    @property
    def max_score(self) -> float:
        """All points, including those given by hand."""
        return sum(cell.points for cell in self.cells)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides a score. A submission is graded again when it changes."""
        parts = [[c.id, c.grade_id, c.kind, c.cell_type, c.source, c.points, c.inside] for c in self.cells]
        contents = {**self.files, **self.course_files}
        files = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
        content = json.dumps([self.name, self.notebook, parts, files, sorted(self.answer_names)])
        return hashlib.sha256(content.encode()).hexdigest()

    def find_cell(self, name: str) -> CourseCell:
        """Return the cell with this id or this nbgrader id. Raises KeyError."""
        for cell in self.cells:
            if name in (cell.id, cell.grade_id):
                return cell
        raise KeyError(name)

    def pair_answers(self) -> Iterator[tuple[CourseCell, CourseCell]]:
        """Yield each cell that learners fill in, with the graded cell that it counts for."""
        waiting: list[CourseCell] = []
        for cell in self.cells:
            if cell.metadata.get("solution"):
                waiting.append(cell)
            if cell.kind in ("test", "written"):
                yield from ((answer, cell) for answer in waiting)
                waiting = []

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json.dumps`, which `from_json` reads."""
        return {
            "name": self.name,
            "notebook": self.notebook,
            "cells": [{**vars(cell), "metadata": dict(cell.metadata)} for cell in self.cells],
            "files": _encode_files(self.files),
            "theirs": sorted(self.answer_names),
            "fixed": _encode_files(self.course_files),
            "operators": sorted(self.operators),
            "siblings": list(self.siblings),
            "language": self.language,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Assignment:
        """Make an assignment from the result of `to_json`."""
        return cls(
            data["name"],
            data["notebook"],
            tuple(CourseCell(**cell) for cell in data["cells"]),
            _decode_files(data["files"]),
            frozenset(data["theirs"]),
            _decode_files(data["fixed"]),
            frozenset(data["operators"]),
            tuple(data["siblings"]),
            data["language"],
        )


def normalise_source(source: str) -> str:
    """Undo what editors change by themselves: line ends, and blank lines around the source."""
    return source.replace("\r\n", "\n").strip()


def _encode_files(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


def _decode_files(files: Mapping[str, str]) -> dict[str, bytes]:
    return {name: base64.b64decode(content) for name, content in files.items()}


def load_assignments(course: Path, name: str, config: Any = None) -> tuple[Assignment, ...]:
    """Read an assignment of a course, a result for each notebook in it.

    `config` is the course's configuration (None: that of its folder). Raises FileNotFoundError or ValueError with a
    sentence on what is wrong.
    """
    config = read_settings(course) if config is None else config
    layout = CourseLayout.from_config(config)
    require_assignment(course, layout, name)
    notebooks = layout.list_notebooks(name)
    beside = read_course_files(layout, name)
    settings = ClearSettings.from_config(config)
    found = [_load_notebook(path, name, layout, settings, beside) for path in notebooks]
    stems = [path.stem for path in notebooks]
    return tuple(replace(one, siblings=tuple(s for s in stems if s != one.notebook)) for one in found)


def load_assignment(course: Path, label: str) -> Assignment:
    """Read an assignment that has one notebook, or one of several ("ps1/problem2").

    Raises what `load_assignments` does, and ValueError for several.
    """
    name, _, notebook = label.partition("/")
    found = [one for one in load_assignments(course, name) if notebook in ("", one.notebook)]
    if not found:
        raise FileNotFoundError(f"There is no notebook {notebook}.ipynb in {name}.")
    if len(found) > 1:
        names = ", ".join(f"{one.notebook}.ipynb" for one in found)
        raise ValueError(f"{name} has {len(found)} notebooks ({names}), and this works with one only.")
    return found[0]


def require_assignment(course: Path, layout: CourseLayout, name: str) -> None:
    """Raise FileNotFoundError with a sentence for a name that is no assignment, or a folder that is no course."""
    if not layout.list_notebooks(name):
        if not layout.source_root.exists():
            require_course(course)
        known = ", ".join(layout.list_assignments())
        others = f" The assignments here are: {known}." if known else ""
        raise FileNotFoundError(
            f"There is no notebook in {layout.source_folder(name)}: is the assignment's name right?{others}"
        )


def _load_notebook(
    path: Path,
    name: str,
    layout: CourseLayout,
    settings: ClearSettings,
    beside: Mapping[str, bytes],
) -> Assignment:
    notebook = load_notebook(path)
    metadata = notebook.get("metadata", {})
    _require_python(metadata, path)
    found = _join_surroundings(notebook["cells"], layout)
    cells = tuple(_make_course_cell(cell, number, settings, path) for number, cell in enumerate(found))
    if layout.inside or _says_inside(metadata):
        cells = tuple(replace(cell, inside=cell.kind == "test") for cell in cells)
    _require_unique([cell.id for cell in cells], path)
    _require_unique([cell.grade_id for cell in cells if cell.grade_id], path)
    for cell in cells:
        if cell.cell_type == "code" and cell.kind in ("test", "answer", "written"):
            require_python(cell.kind, cell.grade_id, cell.source, cell.released, cell.inside, path)
    files = _read_files(metadata.get("nnkit", {}).get("files", []), path)
    fixed = {place: content for place, content in beside.items() if place not in files}
    operators = frozenset().union(
        *(find_operators(c.source) for c in cells if c.kind in ("answer", "given", "written"))
    )
    language = read_notebook_language(metadata) or ENGLISH
    return Assignment(name, path.stem, cells, files, _collect_answer_names(cells), fixed, operators, language=language)


def _require_python(metadata: Mapping[str, Any], path: Path) -> None:
    """Refuse notebooks in other languages. Raises ValueError."""
    language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name")
    if language and str(language).lower() not in ("python", "ipython"):
        raise ValueError(f"{path} is in {language}: nnkit grades notebooks in Python, and nbgrader grades others.")


def _join_surroundings(cells: list[Any], layout: CourseLayout) -> list[Any]:
    """Return a notebook's cells with those that nbgrader puts before and behind them, as `IncludeHeaderFooter` does."""
    before, behind = (load_notebook(path)["cells"] if path else [] for path in layout.surroundings)
    taken = {cell.get("id") for cell in cells}
    fresh = [{**cell, "id": ""} if cell.get("id") in taken else cell for cell in before + behind]
    return [*fresh[: len(before)], *cells, *fresh[len(before) :]]


def read_course_files(layout: CourseLayout, assignment: str) -> dict[str, bytes]:
    """Read the files beside an assignment's notebooks, and below, by path. Raises ValueError if they are too large."""
    folder = layout.source_folder(assignment)
    paths = list(layout.list_files(assignment))
    size = sum(path.stat().st_size for path in paths)
    if size > MAX_COURSE_BYTES:
        raise ValueError(
            f"The files in {folder} have {size / 1e6:.0f} MB together: at most {MAX_COURSE_BYTES / 1e6:.0f} MB are "
            "carried into the sandbox. Have tests use a smaller part of the data."
        )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _make_course_cell(cell: Mapping[str, Any], number: int, settings: ClearSettings, path: Path) -> CourseCell:
    parsed = parse_cell(cell)
    kind, source, mark = parsed.kind, parsed.source, parsed.mark
    require_valid_metadata(parsed, number + 1, path)
    if (autotest := AUTOTEST.search(source)) and mark.get("grade"):
        raise ValueError(
            f"{path}, cell {parsed.id}: nnkit does not make tests from {autotest[0].strip()}. "
            "Take the test that nbgrader makes of it from source_with_tests/ (`nbgrader generate_assignment "
            "--source_with_tests`), or write assertions."
        )
    try:
        released = clear_source(source, kind, mark, settings)
    except ValueError as fault:
        raise ValueError(f"{path}, cell {parsed.id or number + 1}: {fault}") from None
    id = str(cell.get("id") or parsed.id or f"cell-{number + 1}")
    sort = _find_kind(kind, mark)
    inside = sort == "test" and bool(INSIDE_COMMENT.search(source) or _says_inside(cell.get("metadata", {})))
    return CourseCell(id, parsed.id, sort, source, released, read_points(mark), kind, mark, inside)


def _says_inside(metadata: Mapping[str, Any]) -> bool:
    """Return whether the metadata of a cell or a notebook has `{"nnkit": {"inside": true}}`, or a cell such a tag."""
    own, tags = metadata.get("nnkit"), metadata.get("tags")
    said = own == "inside" or (isinstance(own, Mapping) and own.get("inside") is True)
    return said or (isinstance(tags, list) and bool({"nnkit: inside", "nnkit:inside"} & set(map(str, tags))))


def _find_kind(cell_type: str, mark: Mapping[str, Any]) -> Kind:
    if mark.get("grade"):
        return "written" if mark.get("solution") or cell_type != "code" else "test"
    if cell_type == "code":
        return "answer" if mark.get("solution") else "given"
    return "text"


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


def _collect_answer_names(cells: Sequence[CourseCell]) -> frozenset[str]:
    names: set[str] = set()
    for cell in cells:
        if cell.cell_type == "code" and cell.kind in ("answer", "written"):
            with contextlib.suppress(SyntaxError):  # a cell in another language
                names |= find_bound_names(cell.source)
    return frozenset(names)
