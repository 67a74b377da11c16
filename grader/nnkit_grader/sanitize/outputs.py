"""Outputs of learners' cells, bounded and sanitised before they go into a notebook or onto a page.

    outputs → bound_outputs: few, small → clean_output: text, images, clean HTML → as nbformat 4 writes them

They come from the sandbox, so nothing about them is trusted: neither that they are outputs, nor that an image is
one. What a page would run is left out, and a line of text says so.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from typing import Any

from nnkit.text import drop_scripts, replace_unprintable
from nnkit_grader.sanitize.budget import CleaningBudget
from nnkit_grader.sanitize.html import BOX, box_html, clean_html, show_drawings, unbox_html
from nnkit_grader.sanitize.images import clean_image
from nnkit_grader.sanitize.markdown import clean_markdown
from nnkit_grader.sanitize.tex import limit_macros

MAX_TEXT_CHARACTERS = 50_000
MAX_HTML_CHARACTERS = 100_000
"""Longer HTML is left out as a whole, since half of it would make no sense."""
MAX_IMAGE_SIDE_PIXELS = 5_000
"""Largest width or height that an image may ask for."""
ANSI = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\)?|.)?", re.DOTALL)
MIN_USEFUL_BYTES = 400
"""Room below which nothing more is kept."""

Output = dict[str, Any]

OUTPUT_TYPES = ("stream", "error", "display_data", "execute_result")
UNKNOWN_OUTPUT: Output = {
    "output_type": "stream",
    "name": "stdout",
    "text": "(An output of an unknown kind is left out.)\n",
}


def bound_outputs(
    outputs: Iterable[Any], most_bytes: int = 200_000, most: int = 100, budget: CleaningBudget | None = None
) -> list[Output]:
    """Return at most `most` clean outputs of at most `most_bytes` bytes of JSON in all, and a note on what is missing.

    Consecutive streams are joined. Text that does not fit is cut, other outputs are left out. Nothing is cleaned for
    which there is no room; `budget` is the submission's.
    """
    kept: list[Output] = []
    room, lost = most_bytes, 0
    budget = budget or CleaningBudget()
    for raw in _join_streams(outputs):
        full = len(kept) >= most or room < MIN_USEFUL_BYTES
        output = None if full else clean_output(raw, budget)
        if output is not None and (output.get("text") == "" or output.get("data") == {}):
            continue
        small = _fit_output(output, room) if output is not None else None
        lost += small is None
        if small is not None:
            kept.append(small)
            room -= _count_bytes(small)
    if lost:
        which = "1 output is" if lost == 1 else f"{lost} outputs are"
        kept.append(_make_stream(f"({which} left out: there is too much output.)\n"))
    return kept


def clean_output(output: Any, budget: CleaningBudget | None = None) -> Output:
    """Return an output without anything that a page would run or load. Never raises; idempotent.

    HTML and Markdown for which the submission's `budget` has no room are left out.
    """
    kind = _find_type(output)
    if kind == "stream":
        return _make_stream(clean_text(output.get("text")), _choose_stream_name(output))
    if kind == "error":
        lines = output.get("traceback")
        traceback = [clean_text(line) for line in lines[:200]] if isinstance(lines, list) else []
        ename, evalue = clean_text(output.get("ename"))[:200], clean_text(output.get("evalue"))
        return {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": traceback}
    return _clean_rich_output(output, kind, budget or CleaningBudget()) if kind else dict(UNKNOWN_OUTPUT)


def clean_text(value: Any) -> str:
    """Return text without colours, control characters and what a carriage return overwrote; cut if very long."""
    text = "".join(part for part in value if isinstance(part, str)) if isinstance(value, list) else value
    if not isinstance(text, str):
        return ""
    text = ANSI.sub("", text[: 4 * MAX_TEXT_CHARACTERS])
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    text = replace_unprintable("\n".join(lines))
    return text if len(text) <= MAX_TEXT_CHARACTERS else f"{text[:MAX_TEXT_CHARACTERS]}\n(cut)\n"


def _find_type(output: Any) -> str:
    """Return the output's type, "" if it is not an output."""
    kind = output.get("output_type") if isinstance(output, Mapping) else None
    return kind if isinstance(kind, str) and kind in OUTPUT_TYPES else ""


def _make_stream(text: str, name: str = "stdout") -> Output:
    return {"output_type": "stream", "name": name, "text": text}


def _choose_stream_name(output: Mapping[str, Any]) -> str:
    return "stderr" if output.get("name") == "stderr" else "stdout"


def _join_streams(outputs: Iterable[Any]) -> Iterator[Any]:
    """Join consecutive streams: a loop that prints makes thousands."""
    last: Output | None = None
    for output in outputs:
        output = output if _find_type(output) else UNKNOWN_OUTPUT
        if _find_type(output) != "stream":
            yield from () if last is None else (last,)
            last = None
            yield output
            continue
        text, name = _join_text(output.get("text")), _choose_stream_name(output)
        if last is not None and last["name"] == name:
            last["text"].append(text)
        elif text:
            yield from () if last is None else (last,)
            last = {"output_type": "stream", "name": name, "text": [text]}
    yield from () if last is None else (last,)


def _join_text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _count_bytes(output: Output) -> int:
    return len(json.dumps(output, ensure_ascii=False).encode())


def _fit_output(output: Output, room: int) -> Output | None:
    """Cut the output to `room` bytes, dropping images and HTML; return None if there is too little room."""
    if _count_bytes(output) <= room:
        return output
    if room < MIN_USEFUL_BYTES:
        return None
    length = (room - 200) // 4  # a character takes four bytes, at most
    if output["output_type"] == "stream":
        return {**output, "text": output["text"][:length] + "\n(cut)\n"}
    if output["output_type"] == "error":
        return {**output, "evalue": output["evalue"][: length // 2], "traceback": ["(The traceback is too long.)"]}
    text = output["data"].get("text/plain", "")[: length // 2]
    return {**output, "data": {"text/plain": f"{text}\n(The rest is too large and left out.)"}, "metadata": {}}


# ---- rich outputs -----------------------------------------------------------------------------------


def _clean_rich_output(output: Mapping[str, Any], kind: str, budget: CleaningBudget) -> Output:
    data = output.get("data")
    bundle = data if isinstance(data, Mapping) else {}
    kept = {name: clean for name, make in _CLEANERS.items() if name in bundle and (clean := make(bundle[name], budget))}
    if "text/html" not in kept and (drawn := _draw(bundle, budget)):
        kept["text/html"] = drawn
    dropped = [name for name in bundle if name not in kept and name not in ("text/plain", *_DRAWN)]
    if not set(kept) - {"text/plain"} and dropped:
        names = ", ".join(re.sub(r"[^\w.+/-]", "?", str(name)[:60], flags=re.ASCII) for name in dropped[:3])
        note = f"({names} is left out: it cannot be shown safely.)"
        kept["text/plain"] = f"{kept['text/plain']}\n{note}" if kept.get("text/plain") else note
    metadata = {name: sizes for name in kept if (sizes := _clean_sizes(output.get("metadata"), name))}
    result: Output = {"output_type": kind, "data": kept, "metadata": metadata}
    if kind == "execute_result":
        count = output.get("execution_count")
        result["execution_count"] = count if type(count) is int and 0 < count < 1_000_000 else None
    return result


def _clean_html(value: Any, budget: CleaningBudget) -> str:
    text = show_drawings(drop_scripts(_join_text(value)))
    if len(text) > MAX_HTML_CHARACTERS * 4 // 3:  # a drawing is a third longer as an image
        return ""
    inner, box = unbox_html(replace_unprintable(text, ""))
    clean = budget.clean(clean_html, inner)
    return box_html(clean, box) if clean else ""


def _draw(bundle: Mapping[str, Any], budget: CleaningBudget) -> str:
    """Return a formula or an SVG drawing as HTML; the drawing as an image, in which it runs and loads nothing."""
    if formula := clean_text(bundle.get("text/latex")):
        return box_html(escape(limit_macros(formula), quote=False), BOX)
    text = _join_text(bundle.get("image/svg+xml"))
    if not text or len(text) > MAX_HTML_CHARACTERS:
        return ""
    content = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return _clean_html(f'<img alt="a drawing" src="data:image/svg+xml;base64,{content}">', budget)


def _clean_sizes(metadata: Any, name: str) -> dict[str, int]:
    """Keep width and height only, and only as numbers: nbconvert writes them into its page unescaped."""
    own = metadata.get(name) if isinstance(metadata, Mapping) else None
    if not isinstance(own, Mapping) or not name.startswith("image/"):
        return {}
    asked = {side: own.get(side) for side in ("width", "height")}
    return {side: int(n) for side, n in asked.items() if isinstance(n, int | float) and 1 <= n <= MAX_IMAGE_SIDE_PIXELS}


_CLEANERS: dict[str, Callable[[Any, CleaningBudget], str | None]] = {
    "text/plain": lambda value, budget: clean_text(value),
    "text/html": _clean_html,
    "text/markdown": lambda value, budget: clean_markdown(_join_text(value), budget=budget),
    "image/png": lambda value, budget: clean_image("image/png", value),
    "image/jpeg": lambda value, budget: clean_image("image/jpeg", value),
}
"""MIME types that are kept of a bundle, and the function that cleans each."""
_DRAWN = ("text/latex", "image/svg+xml")
"""MIME types that become HTML."""
