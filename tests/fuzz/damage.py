"""Seeded damage to a notebook: its bytes, and its structure. The same notebook and seed give the same bytes.

.venv/bin/python tests/fuzz/damage.py NOTEBOOK SEED > DAMAGED
"""

from __future__ import annotations

import codecs
import copy
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Bytes = Callable[[bytes, random.Random], bytes]
Structure = Callable[[dict[str, Any], random.Random], None]


def damaged(raw: bytes, seed: int) -> bytes:
    """Return the notebook with one to four faults; its structure is damaged first, while it is still JSON."""
    rng = random.Random(seed)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        raw = _in_structure(raw, rng)
    return rng.choice(BYTES)(raw, rng) if rng.random() < 0.4 else raw


# ---- bytes ------------------------------------------------------------------------------------------


def flip(raw: bytes, rng: random.Random) -> bytes:
    hurt = bytearray(raw)
    for _ in range(rng.choice((1, 3, 100))):
        hurt[rng.randrange(len(hurt))] ^= 1 << rng.randrange(8)
    return bytes(hurt)


def cut_off(raw: bytes, rng: random.Random) -> bytes:
    return raw[: rng.randrange(len(raw))]


def beginning_lost(raw: bytes, rng: random.Random) -> bytes:
    return raw[rng.randrange(len(raw)) :]


def gap(raw: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(raw))
    return raw[:start] + raw[start + rng.randrange(2000) :]


def twice(raw: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(raw))
    end = start + rng.randrange(5000)
    return raw[:end] + raw[start:end] + raw[end:]


def inserted(raw: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(raw) + 1)
    what = rng.choice(
        (b"\x00", b'"', b"\\", b"}", b"]", b",", b"\xff\xfe", b"\r\n", b"[" * 200, b'{"a":' * 5000, b"NaN")
    )
    return raw[:at] + what + raw[at:]


def noise(raw: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 10, 5000)))


def no_notebook(raw: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        (b"", b" \n", b"null", b"[]", b"{}", b"3", b'"cells"', b"PK\x03\x04", b"%PDF-1.7", b'{"cells": {}}')
    )


def another_encoding(raw: bytes, rng: random.Random) -> bytes:
    text = raw.decode("utf-8", "replace")
    mark, name = rng.choice(
        (
            (codecs.BOM_UTF8, "utf-8"),
            (codecs.BOM_UTF16_LE, "utf-16-le"),
            (codecs.BOM_UTF16_BE, "utf-16-be"),
            (codecs.BOM_UTF32_LE, "utf-32-le"),
            (b"", "utf-16-le"),
            (b"", "latin-1"),
            (codecs.BOM_UTF16_LE, "utf-8"),
            (codecs.BOM_UTF8, "cp500"),
        )
    )
    return mark + text.encode(name, "replace")


def only_brackets(raw: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"[", b'{"cells":', b'[{"cells":[')) * rng.choice((50, 1000, 100_000))


BYTES: tuple[Bytes, ...] = (
    *(flip, cut_off, beginning_lost, gap, twice, inserted, noise, no_notebook, another_encoding),
    *(only_brackets,),
)


# ---- structure --------------------------------------------------------------------------------------

LARGEST = 2_000_000
"""Characters of a notebook; a larger one is refused for its size alone, which needs no fuzzing."""
DEEP, WIDE = "@deep@", "@wide@"
"""Placeholders for what `json.dumps` cannot write: deeply nested lists, and a number of very many digits."""


def any_value(rng: random.Random) -> Any:
    """Return a value of any type, most likely not the expected one."""
    plain = (None, True, False, 0, -1, 99, 3.5, float("nan"), float("inf"), 10**30, "", "x", [], {}, DEEP, WIDE)
    text = ("\ud800", "a\udfffb", "\x00", "\u202e", "🙂" * 50, "../../etc/passwd", "a" * 5000, "<script>", "\r", "\\")
    nested = ([None], [[["x"]]], {"a": {"b": [1]}}, ["a", 1, None], {"": ""}, [["def f(): pass"]])
    return copy.deepcopy(rng.choice((*plain, *text, *nested)))


def _in_structure(raw: bytes, rng: random.Random) -> bytes:
    """Return the text with its structure damaged, or unchanged if it is no longer a notebook."""
    try:
        notebook = json.loads(raw.decode("utf-8"))
        rng.choice(STRUCTURE)(notebook, rng)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return raw
    text = json.dumps(notebook)  # with `indent` Python's own slow encoder would be used
    if len(text) > LARGEST:
        return raw
    depth = rng.choice((20, 150, 2000))
    text = text.replace(f'"{DEEP}"', "[" * depth + "]" * depth)
    return text.replace(f'"{WIDE}"', "7" * rng.choice((30, 5000))).encode()


def _any_cell(notebook: dict[str, Any], rng: random.Random) -> Any:
    return rng.choice(notebook["cells"])


def cell_deleted(notebook: dict[str, Any], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 5, 40))):
        del notebook["cells"][rng.randrange(len(notebook["cells"]))]


def cell_copied(notebook: dict[str, Any], rng: random.Random) -> None:
    cell = copy.deepcopy(_any_cell(notebook, rng))
    if rng.random() < 0.5:
        cell["id"] = f"copy-{rng.randrange(1000)}"
    if rng.random() < 0.5:
        cell["source"] = "raise SystemExit"
    for _ in range(rng.choice((1, 1, 1, 3, 3, 3, 10, 2500))):
        notebook["cells"].insert(rng.randrange(len(notebook["cells"])), cell)


def cell_moved(notebook: dict[str, Any], rng: random.Random) -> None:
    cell = notebook["cells"].pop(rng.randrange(len(notebook["cells"])))
    notebook["cells"].insert(rng.randrange(len(notebook["cells"]) + 1), cell)


def cells_shuffled(notebook: dict[str, Any], rng: random.Random) -> None:
    rng.shuffle(notebook["cells"])


def cells_nested(notebook: dict[str, Any], rng: random.Random) -> None:
    at = rng.randrange(len(notebook["cells"]))
    notebook["cells"][at:] = rng.choice(([notebook["cells"][at:]], [{"cells": notebook["cells"][at:]}]))


def no_cell(notebook: dict[str, Any], rng: random.Random) -> None:
    notebook["cells"][rng.randrange(len(notebook["cells"]))] = any_value(rng)


def key_changed(notebook: dict[str, Any], rng: random.Random) -> None:
    """Return metadata of the notebook, or of a cell."""
    where = notebook if rng.random() < 0.2 else _any_cell(notebook, rng)
    where[rng.choice((*where, "cell_type", "source", "metadata", "attachments", "outputs"))] = any_value(rng)


def key_lost(notebook: dict[str, Any], rng: random.Random) -> None:
    where = notebook if rng.random() < 0.2 else _any_cell(notebook, rng)
    del where[rng.choice(list(where))]


def mark_changed(notebook: dict[str, Any], rng: random.Random) -> None:
    cell = rng.choice([cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader")])
    mark = cell["metadata"]["nbgrader"]
    changes = ({"points": 100}, {"schema_version": 99}, {"grade": True, "solution": True}, {"locked": False})
    key = rng.choice(list(mark))
    mark.update(rng.choice((*changes, {key: any_value(rng)})))


def mark_made_up(notebook: dict[str, Any], rng: random.Random) -> None:
    marks = [cell["metadata"]["nbgrader"] for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
    made_up = {"grade": True, "grade_id": "mine", "points": 1e9, "locked": True, "schema_version": 3}
    _any_cell(notebook, rng)["metadata"] = {"nbgrader": rng.choice((*marks, made_up, any_value(rng)))}


def ids_changed(notebook: dict[str, Any], rng: random.Random) -> None:
    same, kind = any_value(rng), rng.random()
    for cell in notebook["cells"]:
        if kind < 0.2:
            cell.pop("id")
        elif kind < 0.4:
            cell["id"] = same
        elif rng.random() < 0.2:
            cell["id"] = rng.choice((_any_cell(notebook, rng)["id"], "i" * 100_000, any_value(rng)))


def source_changed(notebook: dict[str, Any], rng: random.Random) -> None:
    long = ("x = 1\n" * 1000, "y" * 1_100_000)
    pieces = [any_value(rng) for _ in range(3)]
    _any_cell(notebook, rng)["source"] = rng.choice((any_value(rng), pieces, rng.choice(long)))


def outputs_made_up(notebook: dict[str, Any], rng: random.Random) -> None:
    output = {"output_type": rng.choice(("stream", "error", "display_data", any_value(rng))), "data": any_value(rng)}
    _any_cell(notebook, rng)["outputs"] = rng.choice((any_value(rng), [output] * 50, [any_value(rng)]))


def version_changed(notebook: dict[str, Any], rng: random.Random) -> None:
    notebook["nbformat"] = rng.choice((1, 2, 3, 5, 99, any_value(rng)))
    if rng.random() < 0.5:
        notebook["worksheets"] = rng.choice(([{"cells": notebook.pop("cells")}], any_value(rng)))


STRUCTURE: tuple[Structure, ...] = (
    *(cell_deleted, cell_copied, cell_moved, cells_shuffled, cells_nested, no_cell, key_changed, key_lost),
    *(mark_changed, mark_made_up, ids_changed, source_changed, outputs_made_up, version_changed),
)


if __name__ == "__main__":
    sys.stdout.buffer.write(damaged(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
