"""The bytes of a file that should be a notebook → its cells, or one sentence on why not.

The file is a learner's and may be anything. What is returned is plain and bounded: text without lone surrogates,
ids and marks as they were found, nothing else. No byte raises anything but `Unreadable`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from nnkit_grader.sanitize.text import clean, shown

FILE_BYTES = 20_000_000
"""Of one file."""
CELLS = 2_000
SOURCE = 1_000_000
"""Characters of one cell."""
DEPTH = 100
"""Brackets within brackets; a notebook with interactive plots has about 20."""
BRACKETS = 500_000
"""Lists and objects in all: each costs memory, however short it is written."""
DIGITS = 18
"""Of a whole number that is read as one; nothing in a notebook that matters has more."""

ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Unreadable(ValueError):
    """One sentence for the learner."""


@dataclass(frozen=True)
class RawCell:
    id: str
    """As found, "" where there is none that is text."""
    cell_type: str
    """code, markdown or raw."""
    source: str
    mark: Mapping[str, Any] | None
    """nbgrader's metadata as found; None where there is none that is an object."""
    attachments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grade_id(self) -> str:
        found = (self.mark or {}).get("grade_id")
        return found if isinstance(found, str) else ""


def read_cells(raw: bytes) -> tuple[list[RawCell], list[str]]:
    """The cells of a notebook, and sentences on what was mended. Raises Unreadable."""
    notebook = _parsed(_text(raw))
    cells, repairs = _cell_list(notebook)
    if len(cells) > CELLS:
        raise Unreadable(f"The notebook has {len(cells)} cells; at most {CELLS} are read.")
    objects = [cell for cell in cells if isinstance(cell, dict)]
    if len(objects) < len(cells):
        repairs.append(f"What is no cell was left out ({len(cells) - len(objects)} times).")
    found = [_cell(cell) for cell in objects]
    strange = sum(not _is_text(cell.get("source", cell.get("input", ""))) for cell in objects)
    if strange:
        repairs.append(f"Cells whose source is not text were read without it ({strange} times).")
    return found, repairs


def _text(raw: bytes) -> str:
    if len(raw) > FILE_BYTES:
        raise Unreadable(f"The notebook is larger than {FILE_BYTES // 1_000_000} MB.")
    mark, encoding = next((pair for pair in ENCODINGS if raw.startswith(pair[0])), (b"", "utf-8"))
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as fault:
        named = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise Unreadable(f"The notebook is not text in {named} (at byte {fault.start + len(mark)}).") from None
    if not text.strip():
        raise Unreadable("The notebook is empty.")
    return text


def _parsed(text: str) -> Any:
    _require_shallow(text)
    try:
        return json.loads(text, strict=False, parse_int=_whole_number)
    except json.JSONDecodeError as fault:
        raise Unreadable(f"The notebook is not JSON (line {fault.lineno}): was it cut off?") from None
    except (RecursionError, MemoryError):
        raise Unreadable("The notebook is nested too deep.") from None


def _require_shallow(text: str) -> None:
    """Before it is parsed: what is parsed takes memory and recursion by its brackets."""
    # Backslashes stand in strings only, so with escaped quotes gone every second piece between quotes is a string.
    outside = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    brackets = re.sub(r"[^][{}]+", "", outside)
    if len(brackets) > 2 * BRACKETS:
        raise Unreadable(f"The notebook has more than {BRACKETS} lists and objects.")
    steps = {"[": 1, "{": 1, "]": -1, "}": -1}
    if max(accumulate(map(steps.__getitem__, brackets)), default=0) > DEPTH:
        raise Unreadable(f"The notebook is nested too deep: more than {DEPTH} brackets within one another.")


def _whole_number(digits: str) -> int | float:
    """Python takes quadratic time for very many digits, and refuses more than 4300."""
    return int(digits) if len(digits) <= DIGITS else float("inf")


def _cell_list(notebook: Any) -> tuple[list[Any], list[str]]:
    if not isinstance(notebook, dict):
        raise Unreadable("The file is no notebook: it has no list of cells.")
    version, cells = notebook.get("nbformat"), notebook.get("cells")
    if not isinstance(cells, list) and isinstance(notebook.get("worksheets"), list):
        return list(_cells_of_version_3(notebook["worksheets"])), ["It is of nbformat 3 and was read as nbformat 4."]
    if not isinstance(cells, list):
        raise Unreadable("The file is no notebook: it has no list of cells.")
    if version == 4 and isinstance(version, int):
        return cells, []
    return cells, [f"It says that it is of nbformat {shown(version)}; it was read as nbformat 4."]


def _cells_of_version_3(worksheets: list[Any]) -> Iterator[Any]:
    """As `nbformat.v4.upgrade` reads them."""
    for sheet in worksheets:
        cells = sheet.get("cells") if isinstance(sheet, dict) else None
        for cell in cells if isinstance(cells, list) else []:
            if isinstance(cell, dict) and cell.get("cell_type") == "heading":
                level = cell.get("level")
                hashes = "#" * level if isinstance(level, int) and 1 <= level <= 6 else "#"
                yield {**cell, "cell_type": "markdown", "source": f"{hashes} {_joined(cell.get('source'))}"}
            else:
                yield cell


def _cell(cell: Mapping[str, Any]) -> RawCell:
    id, kind, metadata = cell.get("id"), cell.get("cell_type"), cell.get("metadata")
    source = _joined(cell.get("source", cell.get("input", "")))
    if len(source) > SOURCE:
        raise Unreadable(f"A cell has {len(source)} characters; at most {SOURCE} are read.")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    attachments = cell.get("attachments")
    return RawCell(
        id if isinstance(id, str) else "",
        kind if isinstance(kind, str) and kind in ("code", "markdown") else "raw",
        clean(source),
        mark if isinstance(mark, dict) else None,
        attachments if isinstance(attachments, dict) else {},
    )


def _is_text(source: Any) -> bool:
    return isinstance(source, str) or (isinstance(source, list) and all(isinstance(line, str) for line in source))


def _joined(source: Any) -> str:
    """The text of a source, a string or a list of them; "" for anything else."""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""
