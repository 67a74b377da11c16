"""Pictures of learners: base64 that is what it says, PNG or JPEG, written anew."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from nnkit_grader.sanitize.text import clean

MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
NAME = 200
"""Characters of an attachment's name."""


def picture(kind: str, data: Any) -> str | None:
    """The picture's base64 in one line; None if it is not base64, or not of this kind."""
    if isinstance(data, list) and all(isinstance(line, str) for line in data):
        data = "".join(data)
    if kind not in MAGIC or not isinstance(data, str):
        return None
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(content).decode() if content.startswith(MAGIC[kind]) else None


def pictures(attachments: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Those attachments of a markdown cell that are pictures: name → kind → base64."""
    found: dict[str, dict[str, str]] = {}
    for name, bundle in attachments.items():
        if isinstance(bundle, dict) and len(name) <= NAME:
            good = {kind: told for kind, data in bundle.items() if (told := picture(kind, data)) is not None}
            if good:
                found[clean(name)] = good
    return found
