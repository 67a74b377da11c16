"""How the two halves of a live explorer talk: an ES module of `static/` draws, an actor in the kernel computes.

The module gets the actor's scene (what stands still) and film (what moves); it asks, and the actor answers with another
film. A player answers in messages instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

STATIC = Path(__file__).parents[1] / "static"

Json = dict[str, Any]


class Actor(Protocol):
    """The half of a live explorer that computes."""

    def start(self) -> tuple[Json, Json]:
        """The first scene and film."""

    def answer(self, ask: Json) -> tuple[Json | None, Json]:
        """The film for what was asked, and a new scene if it has changed."""


@runtime_checkable
class Player(Protocol):
    """The half of an explorer that moves on its own, many times a second: in messages, with buffers of bytes."""

    def start(self) -> tuple[Json, Json]:
        """The first scene, and as its film the first {"content", "buffers"}."""

    def reply(self, asked: Json) -> tuple[Json, list[bytes]]:
        """The content and the buffers for what was asked. Raises nothing."""


class Refused(ValueError):
    """What a page asked for and cannot get, in words for whoever asked."""


@cache
def script(module: str) -> str:
    """One ES module with all that it imports from `static/` written into it: anywidget takes a single text."""
    return "\n".join(_modules(module, {}).values())


def style() -> str:
    """The style sheet that all explorers share."""
    return (STATIC / "explorers.css").read_text(encoding="utf-8")


def _modules(name: str, seen: dict[str, str]) -> Mapping[str, str]:
    text = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    for other in re.findall(r'^import .*? from "\./(\w+)\.js";$', text, re.MULTILINE):
        if other not in seen:
            _modules(other, seen)
    text = re.sub(r'^import .*? from "\./\w+\.js";\n', "", text, flags=re.MULTILINE)
    seen[name] = re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE)
    return seen
