"""The bytes of a file that should be a notebook → its cells, or a sentence on why it cannot be read.

The file is a learner's and may be anything. The result is plain and bounded: text without lone surrogates, ids
and nbgrader's metadata as found, nothing else. No input raises anything but `UnreadableNotebook`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nnkit.language import say
from nnkit_grader.intake.read_json import UnreadableNotebook, read_json
from nnkit_grader.sanitize.text import quote_value, replace_unstorable

MAX_NOTEBOOK_CELLS = 2_000
MAX_CELL_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class RawCell:
    """A cell as submitted, with its fields checked for their type only."""

    id: str
    """The cell's id as found; "" if it is missing or not text."""
    cell_type: str
    """code, markdown or raw."""
    source: str
    mark: Mapping[str, Any] | None
    """nbgrader's metadata as found; None if it is missing or not an object."""
    attachments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grade_id(self) -> str:
        """nbgrader's id; "" if it is missing or not text."""
        found = (self.mark or {}).get("grade_id")
        return found if isinstance(found, str) else ""


@dataclass(frozen=True)
class ParsedNotebook:
    """The cells of a notebook file."""

    cells: list[RawCell]
    repairs: list[str]
    """Sentences on what was repaired."""
    doubt: str = ""
    """A sentence, if the file may hold more than was read."""


def parse_notebook(raw: bytes) -> ParsedNotebook:
    """Return the cells of a notebook, and what was repaired. Raises UnreadableNotebook."""
    read = read_json(raw)
    cells, repairs = _find_cell_list(read.value)
    if len(cells) > MAX_NOTEBOOK_CELLS:
        raise UnreadableNotebook(
            say("The notebook has {number} cells; at most {most} are read.", number=len(cells), most=MAX_NOTEBOOK_CELLS)
        )
    objects = [cell for cell in cells if isinstance(cell, dict)]
    if len(objects) < len(cells):
        repairs.append(
            say("Entries that are not cells were left out ({number} times).", number=len(cells) - len(objects))
        )
    found = [_make_raw_cell(cell) for cell in objects]
    strange = sum(not _is_text(cell.get("source", cell.get("input", ""))) for cell in objects)
    if strange:
        repairs.append(say("Cells whose source is not text were read as empty ({number} times).", number=strange))
    return ParsedNotebook(found, [*read.repairs, *repairs], read.doubt)


def _find_cell_list(notebook: Any) -> tuple[list[Any], list[str]]:
    if not isinstance(notebook, dict):
        raise UnreadableNotebook(say("The file is not a notebook: it has no list of cells."))
    version, cells = notebook.get("nbformat"), notebook.get("cells")
    if not isinstance(cells, list) and isinstance(notebook.get("worksheets"), list):
        return list(_upgrade_version_3(notebook["worksheets"])), [
            say("The notebook is in nbformat 3 and was read as nbformat 4.")
        ]
    if not isinstance(cells, list):
        raise UnreadableNotebook(say("The file is not a notebook: it has no list of cells."))
    if version == 4 and isinstance(version, int):
        return cells, []
    return cells, [
        say("The notebook claims to be in nbformat {version}; it was read as nbformat 4.", version=quote_value(version))
    ]


def _upgrade_version_3(worksheets: list[Any]) -> Iterator[Any]:
    """Yield the cells of nbformat 3 as `nbformat.v4.upgrade` converts them."""
    for sheet in worksheets:
        cells = sheet.get("cells") if isinstance(sheet, dict) else None
        for cell in cells if isinstance(cells, list) else []:
            if isinstance(cell, dict) and cell.get("cell_type") == "heading":
                level = cell.get("level")
                hashes = "#" * level if isinstance(level, int) and 1 <= level <= 6 else "#"
                yield {**cell, "cell_type": "markdown", "source": f"{hashes} {_join_source(cell.get('source'))}"}
            else:
                yield cell


def _make_raw_cell(cell: Mapping[str, Any]) -> RawCell:
    id, kind, metadata = cell.get("id"), cell.get("cell_type"), cell.get("metadata")
    source = _join_source(cell.get("source", cell.get("input", "")))
    if len(source) > MAX_CELL_CHARACTERS:
        raise UnreadableNotebook(
            say(
                "A cell has {number} characters; at most {most} are read.", number=len(source), most=MAX_CELL_CHARACTERS
            )
        )
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    attachments = cell.get("attachments")
    return RawCell(
        id if isinstance(id, str) else "",
        kind if isinstance(kind, str) and kind in ("code", "markdown") else "raw",
        replace_unstorable(source),
        mark if isinstance(mark, dict) else None,
        attachments if isinstance(attachments, dict) else {},
    )


def _is_text(source: Any) -> bool:
    return isinstance(source, str) or (isinstance(source, list) and all(isinstance(line, str) for line in source))


def _join_source(source: Any) -> str:
    """Return the text of a source, which is a string or a list of strings; "" for anything else."""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""
