"""Markdown as it is read: its prose, its headings, and where its links lead."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote


def markdown(path: Path) -> str:
    """The Markdown of a file; of a notebook, that of its cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def without_code(text: str) -> str:
    """Without fenced blocks, `code`, comments and formulas, in their place a dot; lines stay lines."""
    for pattern in (
        r"^ *(```+|~~~+).*?^ *\1 *$",
        r"<!--.*?-->",
        r"(`+)(?!`).+?(?<!`)\1(?!`)",
        r"\$\$.*?\$\$",
        r"(?<![\\\w$])\$(?![\s$])(?:[^$\n]|\n(?!\n))+?(?<![\s\\])\$(?!\d)",
    ):
        text = re.sub(pattern, lambda found: "·" + "\n" * found[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    return text


def headings(text: str) -> list[tuple[int, str]]:
    """(level, text) of each heading; a # in code is none."""
    fenceless = re.sub(r"^ *(```+|~~~+).*?^ *\1 *$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [(len(marks), title.strip()) for marks, title in re.findall(r"^(#{1,6}) +(.+?)#*$", fenceless, re.MULTILINE)]


def targets(text: str) -> list[str]:
    """Where links and images go: inline, by reference, and in HTML."""
    text = without_code(text)
    inline = re.findall(r"\]\(\s*<?([^)\s>]*)>?(?:\s+[\"'][^)]*)?\)", text)
    by_name = re.findall(r"^ {0,3}\[[^\]^]+\]:\s+<?([^\s>]+)", text, re.MULTILINE)
    return inline + by_name + re.findall(r"<(?:a|img)\b[^>]*?\b(?:href|src)=[\"']([^\"']*)", text)


def anchors(path: Path) -> set[str]:
    """What a #fragment may name: as GitHub makes it of a heading, as JupyterLab does in a notebook, and <a id=...>."""
    text = markdown(path)
    titles = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", title) for _, title in headings(text)]
    if path.suffix == ".ipynb":
        slugs = [title.replace(" ", "-") for title in titles]
    else:
        slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    return {*slugs, *re.findall(r"<\w+\b[^>]*?\b(?:id|name)=[\"']([^\"']+)", text)}


def broken_links(path: Path, root: Path, text: str | None = None) -> list[str]:
    """The relative links of a file that lead to no file below `root`, or to no heading there; others pass."""
    broken = []
    for target in targets(markdown(path) if text is None else text):
        if re.match(r"https?://|mailto:|data:|attachment:", target):
            continue
        name, _, fragment = unquote(target).partition("#")
        file = (path.parent / name).resolve() if name else path
        lost = not target or name.startswith("/") or not file.is_relative_to(root) or not file.exists()
        if lost or (fragment and fragment not in anchors(file)):
            broken.append(target)
    return broken
