"""The bytes of a file that should be a notebook → its cells, or a sentence on why it cannot be read.

The file is a learner's and may be anything. The result is plain and bounded: text without lone surrogates, ids
and nbgrader's metadata as found, nothing else. No input raises anything but `UnreadableNotebook`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from nnkit_grader.sanitize.text import quote_value, replace_unstorable

MAX_FILE_BYTES = 20_000_000
MAX_NOTEBOOK_CELLS = 2_000
MAX_CELL_CHARACTERS = 1_000_000
MAX_NESTED_BRACKETS = 100
"""Depth of nesting; a notebook with interactive plots has about 20."""
MAX_LISTS_AND_OBJECTS = 500_000
"""Lists and objects in the whole file: each takes memory, even an empty one."""
MAX_INTEGER_DIGITS = 18
"""Longer integers are read as infinity: no field of a notebook that matters has more digits."""

ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose byte order mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class UnreadableNotebook(ValueError):
    """A file that is not a usable notebook; the message is a sentence for the learner."""


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


def parse_notebook(raw: bytes) -> tuple[list[RawCell], list[str]]:
    """Return the cells of a notebook, and sentences on what was repaired. Raises UnreadableNotebook."""
    notebook = _parse_json(_decode_text(raw))
    cells, repairs = _find_cell_list(notebook)
    if len(cells) > MAX_NOTEBOOK_CELLS:
        raise UnreadableNotebook(f"The notebook has {len(cells)} cells; at most {MAX_NOTEBOOK_CELLS} are read.")
    objects = [cell for cell in cells if isinstance(cell, dict)]
    if len(objects) < len(cells):
        repairs.append(f"Entries that are not cells were left out ({len(cells) - len(objects)} times).")
    found = [_make_raw_cell(cell) for cell in objects]
    strange = sum(not _is_text(cell.get("source", cell.get("input", ""))) for cell in objects)
    if strange:
        repairs.append(f"Cells whose source is not text were read as empty ({strange} times).")
    return found, repairs


def _decode_text(raw: bytes) -> str:
    if len(raw) > MAX_FILE_BYTES:
        raise UnreadableNotebook(f"The notebook is larger than {MAX_FILE_BYTES // 1_000_000} MB.")
    mark, encoding = next((pair for pair in ENCODINGS if raw.startswith(pair[0])), (b"", "utf-8"))
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as fault:
        named = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise UnreadableNotebook(f"The notebook is not text in {named} (at byte {fault.start + len(mark)}).") from None
    if not text.strip():
        raise UnreadableNotebook("The notebook is empty.")
    return text


def _parse_json(text: str) -> Any:
    _require_shallow(text)
    try:
        return json.loads(text, strict=False, parse_int=_parse_integer)
    except json.JSONDecodeError as fault:
        raise UnreadableNotebook(f"The notebook is not JSON (line {fault.lineno}): was it cut off?") from None
    except (RecursionError, MemoryError):
        raise UnreadableNotebook("The notebook is nested too deeply.") from None


def _require_shallow(text: str) -> None:
    """Refuse deep or numerous brackets before the JSON is parsed, since they cost recursion and memory."""
    # Backslashes occur in strings only, so without escaped quotes every second piece between quotes is a string.
    outside = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    brackets = re.sub(r"[^][{}]+", "", outside)
    if len(brackets) > 2 * MAX_LISTS_AND_OBJECTS:
        raise UnreadableNotebook(f"The notebook has more than {MAX_LISTS_AND_OBJECTS} lists and objects.")
    steps = {"[": 1, "{": 1, "]": -1, "}": -1}
    if max(accumulate(map(steps.__getitem__, brackets)), default=0) > MAX_NESTED_BRACKETS:
        raise UnreadableNotebook(
            f"The notebook is nested too deeply: more than {MAX_NESTED_BRACKETS} brackets within one another."
        )


def _parse_integer(digits: str) -> int | float:
    """Read an integer, a very long one as infinity: Python takes quadratic time, and refuses over 4300 digits."""
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else float("inf")


def _find_cell_list(notebook: Any) -> tuple[list[Any], list[str]]:
    if not isinstance(notebook, dict):
        raise UnreadableNotebook("The file is not a notebook: it has no list of cells.")
    version, cells = notebook.get("nbformat"), notebook.get("cells")
    if not isinstance(cells, list) and isinstance(notebook.get("worksheets"), list):
        return list(_upgrade_version_3(notebook["worksheets"])), [
            "The notebook is in nbformat 3 and was read as nbformat 4."
        ]
    if not isinstance(cells, list):
        raise UnreadableNotebook("The file is not a notebook: it has no list of cells.")
    if version == 4 and isinstance(version, int):
        return cells, []
    return cells, [f"The notebook claims to be in nbformat {quote_value(version)}; it was read as nbformat 4."]


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
        raise UnreadableNotebook(f"A cell has {len(source)} characters; at most {MAX_CELL_CHARACTERS} are read.")
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
