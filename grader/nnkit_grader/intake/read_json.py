"""The bytes of a file that should be a notebook → the JSON in it, repaired where that is safe.

    bytes → drop_outputs → decode → merge markers, commas, what stands before and behind → JSON

Outputs are dropped before any size counts, since nothing reads them. No input raises anything but `UnreadableNotebook`.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from nnkit.language import say, say_count
from nnkit_grader.intake.merge_marks import has_conflict, resolve_conflicts
from nnkit_grader.sanitize.text import quote_value

MAX_FILE_BYTES = 100_000_000
MAX_NOTEBOOK_BYTES = 20_000_000
"""Size of a notebook without its outputs."""
MAX_OUTPUT_TOKENS = 3_000_000
"""Strings and brackets of outputs that are passed over, which takes half a second."""
MAX_NESTED_BRACKETS = 100
"""Depth of nesting; a notebook with interactive plots has about 20."""
MAX_LISTS_AND_OBJECTS = 500_000
"""Lists and objects in the whole file: each takes memory, even an empty one."""
MAX_INTEGER_DIGITS = 18
"""Longer integers are read as infinity: no field of a notebook that matters has more digits."""
MAX_COMMA_REPAIRS = 10
MAX_QUOTED_CHARACTERS = 20
"""Characters of a file that is no notebook that a sentence quotes."""
OTHER_FILES = (
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "RAR"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
)
"""First bytes of files that are handed in under a notebook's name, and what the files are."""

ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose byte order mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
OUTPUTS = re.compile(rb'"outputs"\s*:\s*\[')
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][]', re.DOTALL)
TEXT_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)
STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class UnreadableNotebook(ValueError):
    """A file that is not a usable notebook; the message is a sentence for the learner."""


class NotJson(UnreadableNotebook):
    """A file of which no part could be read as JSON."""


@dataclass
class ReadJson:
    """JSON that was read from a file."""

    value: Any
    repairs: list[str] = field(default_factory=list)
    """Sentences on what was repaired."""
    doubt: str = ""
    """A sentence, if the file may hold more than was read."""


def read_json(raw: bytes) -> ReadJson:
    """Return the first JSON object of a file, with what was repaired. Raises UnreadableNotebook."""
    read = ReadJson(None)
    text = _resolve_conflicts(_decode_text(raw, read), read)
    start = max(text.find("{"), 0)
    if text[:start].strip():
        read.repairs.append(say("Text above the notebook was left out."))
    try:
        read.value, rest = _parse_object(text[start:], read)
    except NotJson as fault:
        raise UnreadableNotebook(_describe_other(raw, text.lstrip()) or str(fault)) from None
    if rest.strip():
        read.repairs.append(say("Text below the notebook's last brace was left out."))
        read.doubt = say("Another notebook stands below it in the file.") if '"cells"' in rest else read.doubt
    return read


def _describe_other(raw: bytes, text: str) -> str:
    """Return a sentence on a file that is no notebook, by how it begins; "" if it begins as a notebook does."""
    if kind := next((kind for mark, kind in OTHER_FILES if raw.startswith(mark)), ""):
        return say("The file is not a notebook, but a {kind} file.", kind=kind)
    begins = quote_value(text[:MAX_QUOTED_CHARACTERS])
    return "" if text.startswith("{") else say("The file is not a notebook: it begins with {begins}.", begins=begins)


def drop_outputs(raw: bytes) -> bytes:
    """Return a notebook's bytes with empty lists for its outputs; an end that is not found is left as it is."""
    kept: list[bytes] = []
    done = tokens = 0
    while (found := OUTPUTS.search(raw, done)) and tokens < MAX_OUTPUT_TOKENS:
        depth, end = 1, 0
        for token in TOKEN.finditer(raw, found.end()):
            tokens += 1
            depth += {b"[": 1, b"]": -1}.get(token[0], 0)
            if depth == 0 or tokens >= MAX_OUTPUT_TOKENS:
                end = token.end() if depth == 0 else 0
                break
        if not end:
            break
        kept += [raw[done : found.end()], b"]"]
        done = end
    return b"".join([*kept, raw[done:]])


def _decode_text(raw: bytes, read: ReadJson) -> str:
    if len(raw) > MAX_FILE_BYTES:
        raise UnreadableNotebook(say("The notebook is larger than {size} MB.", size=MAX_FILE_BYTES // 1000000))
    mark, encoding = next((pair for pair in ENCODINGS if raw.startswith(pair[0])), (b"", _guess_encoding(raw)))
    content = drop_outputs(raw[len(mark) :])
    if len(content) > MAX_NOTEBOOK_BYTES:
        size = MAX_NOTEBOOK_BYTES // 1_000_000
        raise UnreadableNotebook(say("The notebook is larger than {size} MB without its outputs.", size=size))
    try:
        text = content.decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as fault:
        named = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise UnreadableNotebook(
            say(
                "The notebook is not text in {encoding} (at byte {place}).",
                encoding=named,
                place=fault.start + len(mark),
            )
        ) from None
    if not text.strip():
        raise UnreadableNotebook(say("The notebook is empty."))
    return _read_latin_1(text, read)


def _guess_encoding(raw: bytes) -> str:
    """Return the encoding of JSON without a byte order mark."""
    return json.detect_encoding(raw[:4]) if b"\0" in raw[:4] else "utf-8"


def _read_latin_1(text: str, read: ReadJson) -> str:
    """Return the text with bytes that are not UTF-8 read as Latin-1, as an editor may have written them."""
    fixed, count = re.subn("[\udc80-\udcff]", lambda found: chr(ord(found[0]) - 0xDC00), text)
    if count:
        read.repairs.append(
            say_count(
                "The notebook is not text in UTF-8: {number} byte read as Latin-1.",
                "The notebook is not text in UTF-8: {number} bytes read as Latin-1.",
                count,
            )
        )
    return fixed


def _resolve_conflicts(text: str, read: ReadJson) -> str:
    """Return the text with one side of each merge conflict: the first, or the second if the first is not JSON."""
    if not has_conflict(text):
        return text
    read.repairs.append(say("The notebook has merge markers: one version of each conflict was read."))
    read.doubt = say("The notebook has merge markers, and only one version of each conflict was read.")
    return resolve_conflicts(text, _is_json)


def _is_json(text: str) -> bool:
    try:
        _parse_object(text, ReadJson(None))
    except UnreadableNotebook:
        return False
    return True


def _parse_object(text: str, read: ReadJson) -> tuple[Any, str]:
    """Return the first JSON value, with commas repaired or what was cut off left out, and the text behind it."""
    _require_shallow(text)
    decoder = json.JSONDecoder(strict=False, parse_int=_parse_integer)
    repaired = text
    try:
        for _ in range(MAX_COMMA_REPAIRS):
            try:
                value, end = decoder.raw_decode(repaired)
            except json.JSONDecodeError as fault:
                repaired = _repair_comma(repaired, fault)
            else:
                if repaired is not text:
                    read.repairs.append(say("The notebook is not JSON: commas were put right."))
                return value, repaired[end:]
        raise json.JSONDecodeError("Too many faults", repaired, 0)
    except json.JSONDecodeError as fault:
        return _parse_cut_off(text, decoder, fault, read), ""
    except (RecursionError, MemoryError):
        raise UnreadableNotebook(say("The notebook is nested too deeply.")) from None


def _repair_comma(text: str, fault: json.JSONDecodeError) -> str:
    """Return the text with the missing comma, or without the one too many. Raises the fault if it is another one."""
    before, behind = text[: fault.pos].rstrip(), text[fault.pos :].lstrip()
    if fault.msg == "Expecting ',' delimiter" and behind[:1] in ('"', "{", "["):
        return f"{before},{text[fault.pos :]}"
    if before.endswith(",") and behind[:1] in ("}", "]"):
        return before[:-1] + behind
    if before.endswith((",", "[", "{")) and behind.startswith(","):
        return before + behind[1:]
    if fault.msg.startswith("Illegal trailing comma") and text[fault.pos] == ",":
        return text[: fault.pos] + text[fault.pos + 1 :]
    raise fault


def _parse_cut_off(text: str, decoder: json.JSONDecoder, fault: json.JSONDecodeError, read: ReadJson) -> Any:
    """Return a notebook that was cut off, up to its last complete cell. Raises UnreadableNotebook."""
    depth, end = 0, 0
    for token in TEXT_TOKEN.finditer(text):
        depth += STEPS.get(token[0], 0)
        if token[0] == "}" and depth == 2:
            end = token.end()
    try:
        value, _ = decoder.raw_decode(text[:end] + "]}") if end and depth > 0 else (None, 0)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise NotJson(say("The notebook is not JSON (line {line}): was it cut off?", line=fault.lineno)) from None
    read.repairs.append(
        say("The notebook was cut off, or is not JSON (line {line}): its complete cells were read.", line=fault.lineno)
    )
    read.doubt = say("The notebook was cut off, or is not JSON: only its complete cells were read.")
    return value


def _require_shallow(text: str) -> None:
    """Refuse deep or numerous brackets before the JSON is parsed, since they cost recursion and memory."""
    # Backslashes occur in strings only, so without escaped quotes every second piece between quotes is a string.
    outside = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    brackets = re.sub(r"[^][{}]+", "", outside)
    if len(brackets) > 2 * MAX_LISTS_AND_OBJECTS:
        raise UnreadableNotebook(
            say("The notebook has more than {number} lists and objects.", number=MAX_LISTS_AND_OBJECTS)
        )
    if max(accumulate(map(STEPS.__getitem__, brackets)), default=0) > MAX_NESTED_BRACKETS:
        raise UnreadableNotebook(
            say(
                "The notebook is nested too deeply: more than {number} brackets within one another.",
                number=MAX_NESTED_BRACKETS,
            )
        )


def _parse_integer(digits: str) -> int | float:
    """Read an integer, a very long one as infinity: Python takes quadratic time, and refuses over 4300 digits."""
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else float("inf")
