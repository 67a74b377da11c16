"""Outputs of learners' cells, made bounded and harmless before they go into a notebook or onto a page.

    outputs → bounded: few, small → harmless: text, pictures, cleaned HTML → as nbformat 4 writes them

They come from the sandbox, so nothing about them is believed: neither that they are outputs, nor that a picture is
one. What a page would run is left out, and a line of text says so.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nnkit_grader.sanitize.html import cleaned, without_macros
from nnkit_grader.sanitize.images import picture
from nnkit_grader.sanitize.markdown import harmless_markdown

__all__ = ["bounded", "harmless", "harmless_markdown"]

TEXT = 50_000
"""Characters of one text."""
HTML = 100_000
"""Characters of one piece of HTML; what is longer is left out, for half of it would make no sense."""
SIDE = 5_000
"""Pixels, at most, of a picture's side that is asked for."""
ANSI = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\)?|.)?", re.DOTALL)
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Besides control characters, those that turn the direction of text around."""
MATH_FREE = '<div class="tex2jax_ignore mathjax_ignore">'
"""MathJax leaves alone what is in it."""

Output = dict[str, Any]

KINDS = ("stream", "error", "display_data", "execute_result")
UNKNOWN: Output = {"output_type": "stream", "name": "stdout", "text": "(An output of an unknown kind is left out.)\n"}


def bounded(outputs: Iterable[Any], most_bytes: int = 200_000, most: int = 100) -> list[Output]:
    """At most `most` harmless outputs of at most `most_bytes` bytes of JSON in all, and one that says what is missing.

    Streams that follow one another are joined. What does not fit is left out, text cut.
    """
    kept: list[Output] = []
    room, lost = most_bytes, 0
    for output in map(harmless, _joined(outputs)):
        if output.get("text") == "":
            continue
        small = _fitted(output, room) if len(kept) < most else None
        lost += small is None
        if small is not None:
            kept.append(small)
            room -= _size(small)
    if lost:
        told = "1 output is" if lost == 1 else f"{lost} outputs are"
        kept.append(_stream(f"({told} left out: there is too much of it.)\n"))
    return kept


def harmless(output: Any) -> Output:
    """One output with nothing in it that a page would run or load. Never raises; changes nothing the second time."""
    kind = _kind(output)
    if kind == "stream":
        return _stream(plain_text(output.get("text")), _stream_name(output))
    if kind == "error":
        lines = output.get("traceback")
        told = [plain_text(line) for line in lines[:200]] if isinstance(lines, list) else []
        ename, evalue = plain_text(output.get("ename"))[:200], plain_text(output.get("evalue"))
        return {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": told}
    return _shown(output, kind) if kind else dict(UNKNOWN)


def plain_text(value: Any) -> str:
    """Text without colours, control characters, and what a carriage return has written over; cut if very long."""
    text = "".join(part for part in value if isinstance(part, str)) if isinstance(value, list) else value
    if not isinstance(text, str):
        return ""
    text = ANSI.sub("", text[: 4 * TEXT])
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    text = CONTROLS.sub("\ufffd", "\n".join(lines))
    return text if len(text) <= TEXT else f"{text[:TEXT]}\n(cut)\n"


def _kind(output: Any) -> str:
    """What kind of output it says it is, "" if it is none."""
    kind = output.get("output_type") if isinstance(output, Mapping) else None
    return kind if isinstance(kind, str) and kind in KINDS else ""


def _stream(text: str, name: str = "stdout") -> Output:
    return {"output_type": "stream", "name": name, "text": text}


def _stream_name(output: Mapping[str, Any]) -> str:
    return "stderr" if output.get("name") == "stderr" else "stdout"


def _joined(outputs: Iterable[Any]) -> Iterator[Any]:
    """Streams that follow one another as one: a loop that prints makes thousands."""
    last: Output | None = None
    for output in outputs:
        output = output if _kind(output) else UNKNOWN
        if _kind(output) != "stream":
            yield from () if last is None else (last,)
            last = None
            yield output
            continue
        text, name = _text(output.get("text")), _stream_name(output)
        if last is not None and last["name"] == name:
            last["text"].append(text)
        elif text:
            yield from () if last is None else (last,)
            last = {"output_type": "stream", "name": name, "text": [text]}
    yield from () if last is None else (last,)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _size(output: Output) -> int:
    return len(json.dumps(output, ensure_ascii=False).encode())


def _fitted(output: Output, room: int) -> Output | None:
    """The output in so many bytes: text cut, pictures and HTML left out; None if there is no room at all."""
    if _size(output) <= room:
        return output
    if room < 400:
        return None
    length = (room - 200) // 4  # a character takes four bytes, at most
    if output["output_type"] == "stream":
        return {**output, "text": output["text"][:length] + "\n(cut)\n"}
    if output["output_type"] == "error":
        return {**output, "evalue": output["evalue"][: length // 2], "traceback": ["(The traceback is too long.)"]}
    told = output["data"].get("text/plain", "")[: length // 2]
    return {**output, "data": {"text/plain": f"{told}\n(The rest is too large and left out.)"}, "metadata": {}}


# ---- rich outputs -----------------------------------------------------------------------------------


def _shown(output: Mapping[str, Any], kind: str) -> Output:
    data = output.get("data")
    bundle = data if isinstance(data, Mapping) else {}
    kept = {name: told for name, make in _MAKERS.items() if name in bundle and (told := make(bundle[name]))}
    if "text/html" not in kept and (drawing := _svg(bundle.get("image/svg+xml"))):
        kept["text/html"] = drawing
    dropped = [name for name in bundle if name not in kept and name not in ("text/plain", "image/svg+xml")]
    if not set(kept) - {"text/plain"} and dropped:
        names = ", ".join(re.sub(r"[^\w.+/-]", "?", str(name)[:60], flags=re.ASCII) for name in dropped[:3])
        told = f"({names} is left out: it cannot be shown safely.)"
        kept["text/plain"] = f"{kept['text/plain']}\n{told}" if kept.get("text/plain") else told
    metadata = {name: sizes for name in kept if (sizes := _sizes(output.get("metadata"), name))}
    result: Output = {"output_type": kind, "data": kept, "metadata": metadata}
    if kind == "execute_result":
        count = output.get("execution_count")
        result["execution_count"] = count if type(count) is int and 0 < count < 1_000_000 else None
    return result


def _html(value: Any) -> str:
    text = _text(value)
    if len(text) > HTML:
        return ""
    inner = text.removeprefix(MATH_FREE).removesuffix("</div>") if text.startswith(MATH_FREE) else text
    return f"{MATH_FREE}{cleaned(CONTROLS.sub('', inner))}</div>"


def _svg(value: Any) -> str:
    """A drawing as a picture in HTML: a page runs no script in it, and it loads nothing."""
    text = _text(value)
    if not text or len(text) > HTML:
        return ""
    content = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return _html(f'<img alt="a drawing" src="data:image/svg+xml;base64,{content}">')


def _sizes(metadata: Any, name: str) -> dict[str, int]:
    """Width and height only, and only as numbers: nbconvert writes them into its page as they are."""
    own = metadata.get(name) if isinstance(metadata, Mapping) else None
    if not isinstance(own, Mapping) or not name.startswith("image/"):
        return {}
    asked = {side: own.get(side) for side in ("width", "height")}
    return {side: int(n) for side, n in asked.items() if isinstance(n, int | float) and 1 <= n <= SIDE}


_MAKERS: dict[str, Callable[[Any], str | None]] = {
    "text/plain": plain_text,
    "text/html": _html,
    "text/markdown": lambda value: harmless_markdown(_text(value)),
    "text/latex": lambda value: without_macros(plain_text(value)),
    "image/png": lambda value: picture("image/png", value),
    "image/jpeg": lambda value: picture("image/jpeg", value),
}
"""What is kept of a bundle, and how."""
