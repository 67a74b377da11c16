"""The command blocks of a guide, as they are run by tests: those without the remark `<!-- not run: why -->`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A command block of a guide."""

    section: str
    text: str
    why_not: str
    """Why the tests do not run it; "" if they do."""


def read_blocks(guide: Path) -> list[Block]:
    """Return the command blocks of a guide, in order; blocks that show a file have a kind, or no command in them."""
    text = guide.read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        sections = re.findall(r"^#+ (.+)$", text[: block.start()], re.M)
        if not block["kind"]:
            found.append(Block(sections[-1], block["text"], block["why"] or ""))
    return found
