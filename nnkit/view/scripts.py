"""The scripts and the style sheet of `static/`, as single texts that fetch nothing, and the sentences in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nnkit.language import ENGLISH, current_language, say

STATIC = Path(__file__).parent / "static"

JOINT = re.compile(r'"\s*\+\s*"')
"""The place where a literal of two lines goes on."""

SAYING = re.compile(r'\bsay\(\s*("(?:[^"\\]|\\.)*")')
"""A sentence that a script looks up."""


@cache
def bundle_script(module: str) -> str:
    """Return an ES module with everything that it imports from `static/` inlined."""
    return "\n".join(_collect_modules(module, {}).values())


@cache
def bundle_frozen_script(module: str) -> str:
    """Return the text of an ES module with `explorer`, the default export of `module`, and `showFrozen`."""
    collected: dict[str, str] = {}
    for name in (module, "frozen"):
        _collect_modules(name, collected)
    return "\n".join(collected.values()).replace("export default {", "const explorer = {")


def translate_script(module: str) -> dict[str, Any]:
    """Return {"code", "sentences"}: the reader's language, and each sentence of a module with its translation."""
    language = current_language()
    found = find_sentences(bundle_script(module)) if language != ENGLISH else ()
    return {"code": language, "sentences": {sentence: say(sentence) for sentence in found}}


def find_sentences(script: str) -> Iterator[str]:
    """Yield the sentences that a script looks up, each a literal in double quotes: say("...", {...})."""
    for literal in SAYING.findall(JOINT.sub("", script)):
        yield json.loads(literal)


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
