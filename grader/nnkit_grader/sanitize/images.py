"""Learners' images: base64 of what really is an image of its type, encoded anew.

SVG is shown as an image only (`<img>` with a `data:` address), in which it runs no script and loads nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from nnkit_grader.sanitize.text import replace_unstorable

SVG = "image/svg+xml"
FIRST_BYTES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    SVG: re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:[^<]|<[?!]){0,2000}?<?svg[\s>]", re.IGNORECASE),
}
"""Beginning of an image, by its type."""
TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": SVG,
}
"""Ending of a file's name → type."""
MAX_NAME_CHARACTERS = 200


def find_image_type(name: str) -> str:
    """Return the type of image that a file's name says; "" if it says none."""
    return TYPES.get(name.rpartition(".")[2].lower(), "")


def make_image(kind: str, content: bytes) -> dict[str, str]:
    """Return an image as type → base64; empty if the content is not of this type."""
    return (
        {kind: base64.b64encode(content).decode()} if kind in FIRST_BYTES and FIRST_BYTES[kind].match(content) else {}
    )


def clean_image(kind: str, data: Any) -> str | None:
    """Return the image's base64 on one line; None if it is not base64, or not of this type. SVG may be text."""
    if isinstance(data, list) and all(isinstance(line, str) for line in data):
        data = "".join(data)
    if kind not in FIRST_BYTES or not isinstance(data, str):
        return None
    if kind == SVG and data.lstrip("\ufeff \t\r\n").startswith("<"):
        return make_image(kind, data.encode("utf-8", "replace")).get(kind)
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return make_image(kind, content).get(kind)


def clean_attachments(attachments: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the attachments of a Markdown cell that are images: name → type → base64."""
    found: dict[str, dict[str, str]] = {}
    for name, bundle in attachments.items():
        if isinstance(bundle, dict) and len(name) <= MAX_NAME_CHARACTERS:
            good = {kind: image for kind, data in bundle.items() if (image := clean_image(kind, data)) is not None}
            if good:
                found[replace_unstorable(name)] = good
    return found
