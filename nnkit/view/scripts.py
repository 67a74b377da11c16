"""The scripts and the style sheet of `static/`, as single texts that fetch nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"


@cache
def bundle_script(module: str) -> str:
    """Return an ES module with everything that it imports from `static/` inlined."""
    return "\n".join(_collect_modules(module, {}).values())


def read_style() -> str:
    """Return the style sheet that all explorers share."""
    return (STATIC / "explorers.css").read_text(encoding="utf-8")


def _collect_modules(name: str, collected: dict[str, str]) -> Mapping[str, str]:
    text = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    for imported in re.findall(r'^import .*? from "\./(\w+)\.js";$', text, re.MULTILINE):
        if imported not in collected:
            _collect_modules(imported, collected)
    text = re.sub(r'^import .*? from "\./\w+\.js";\n', "", text, flags=re.MULTILINE)
    collected[name] = re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)
    return collected
