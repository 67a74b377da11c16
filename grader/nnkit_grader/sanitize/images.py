"""Learners' images: base64 that really is PNG or JPEG, encoded anew."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from nnkit_grader.sanitize.text import replace_unstorable

FIRST_BYTES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
MAX_NAME_CHARACTERS = 200


def clean_image(kind: str, data: Any) -> str | None:
    """Return the image's base64 on one line; None if it is not base64, or not of this type."""
    if isinstance(data, list) and all(isinstance(line, str) for line in data):
        data = "".join(data)
    if kind not in FIRST_BYTES or not isinstance(data, str):
        return None
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(content).decode() if content.startswith(FIRST_BYTES[kind]) else None


def clean_attachments(attachments: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the attachments of a Markdown cell that are images: name → type → base64."""
    found: dict[str, dict[str, str]] = {}
    for name, bundle in attachments.items():
        if isinstance(bundle, dict) and len(name) <= MAX_NAME_CHARACTERS:
            good = {kind: image for kind, data in bundle.items() if (image := clean_image(kind, data)) is not None}
            if good:
                found[replace_unstorable(name)] = good
    return found
