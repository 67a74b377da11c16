"""The lines of an instructors' notebook that learners must not get to see."""

from __future__ import annotations

import json
import re
from pathlib import Path


def secret_lines(cell: dict) -> list[str]:
    """The lines between solution and hidden-test markers."""
    found, inside = [], False
    for line in "".join(cell["source"]).splitlines():
        if line.strip().startswith("### "):
            inside = "BEGIN" in line
        elif inside and len(line.strip()) > 12 and not line.startswith("@"):  # a decorator is given beside the answer
            found.append(line)
    return found


def hidden_lines(path: Path) -> list[str]:
    """The lines of hidden tests of an instructors' notebook, but for imports, which give nothing away."""
    source = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
    regions = re.findall(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", source, re.DOTALL)
    lines = [line.strip() for region in regions for line in region.splitlines()]
    return [line for line in lines if len(line) > 12 and not line.startswith(("import ", "from "))]
