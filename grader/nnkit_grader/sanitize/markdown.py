"""Sanitised Markdown, for pages on which nbconvert renders it (Formgrader, feedback).

    text → rendered here (markdown-it) → clean HTML (nh3) → one line of HTML in a box, which nbconvert passes on

nbconvert's own renderer lets HTML, `javascript:` links and unescaped Mermaid through, and takes quadratic time for some
texts. Plain words stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote

from nnkit.text import replace_unprintable
from nnkit_grader.sanitize.budget import CleaningBudget
from nnkit_grader.sanitize.html import BOX, box_html, clean_html, unbox_html

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

MAX_MARKDOWN_CHARACTERS = 20_000
CUT_NOTE = "\n\n(The rest, {} characters, is left out.)"
PLAIN_NOTE = "(Shown as plain text: there is too much of it to be typeset.)"
PLAIN_WORDS = re.compile(r"(?:[\w\s.,;?=+()/'\"-]|:(?!/))*")
"""Text in which Markdown, HTML and TeX have no meaning beyond paragraphs, lists and rules."""

ATTACHED_IMAGE = re.compile(r'src="(?:attachment:|\./)?([^":]*)"')
"""An image that is attached to the cell, or that lay beside the notebook."""
IMAGE_TAG = re.compile(
    r"<img\b(?:[^<>]*?\s)?src\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\s\"'<>]+))[^<>]*>", re.IGNORECASE
)
"""An image in HTML, which Markdown may hold."""
REMOTE_IMAGE = re.compile(r'<img src="(https?:[^"]*)" alt="([^"]*)"[^>]*>')
"""An image of another site, which becomes a link."""

Attachments = Mapping[str, Mapping[str, str]]
"""File name → MIME type → base64."""


def clean_markdown(text: str, attachments: Attachments | None = None, budget: CleaningBudget | None = None) -> str:
    """Return Markdown that shows this text and runs nothing of it; `attachments` are those of its cell."""
    text = replace_unprintable(text)
    if PLAIN_WORDS.fullmatch(text) and len(text) <= MAX_MARKDOWN_CHARACTERS:
        return text
    budget = budget or CleaningBudget()
    if text.startswith(BOX):  # it has been cleaned before, or claims it
        html = budget.clean(clean_html, unbox_html(text)[0])
    else:
        if len(text) > MAX_MARKDOWN_CHARACTERS:
            text = text[:MAX_MARKDOWN_CHARACTERS] + CUT_NOTE.format(len(text) - MAX_MARKDOWN_CHARACTERS)
        html = budget.clean(lambda text: _render(text, attachments or {}), text)
    return box_html(_join_lines(html if html else _show_source(text)), BOX)


def _render(text: str, attachments: Attachments) -> str:
    text = IMAGE_TAG.sub(lambda found: _write_image(found[0], found[1] or found[2] or found[3], attachments), text)
    html = REMOTE_IMAGE.sub(r'<a href="\1">\2</a>', _make_parser().render(text))
    return clean_html(ATTACHED_IMAGE.sub(lambda found: _find_attached(found[1], attachments), html))


def _find_attached(address: str, attachments: Attachments) -> str:
    bundle = attachments.get(_read_address(unescape(address)), {})
    return next((f'src="data:{kind};base64,{data}"' for kind, data in bundle.items()), "")


def _write_image(tag: str, address: str | None, attachments: Attachments) -> str:
    """Return an image in HTML as one in Markdown, if it is attached; else as it is."""
    name = _read_address(unescape(address or "").removeprefix("attachment:").removeprefix("./"))
    return f"![{name}](<{name}>)" if name in attachments else tag


def _read_address(address: str) -> str:
    return unquote(address).replace("\\", "/").removeprefix("./")


def _show_source(text: str) -> str:
    return f"<p>{PLAIN_NOTE}</p><pre>{escape(text[: 2 * MAX_MARKDOWN_CHARACTERS])}</pre>"


def _join_lines(html: str) -> str:
    """Return the HTML on one line: for Markdown, a blank line ends HTML."""
    return html.strip().replace("\r", "").replace("\n", "&#10;")


@cache
def _make_parser() -> MarkdownIt:
    """Return the parser: tables, strikethrough and mathematics, and no HTML."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return parser.use(
        dollarmath_plugin, allow_labels=False, allow_blank_lines=False, double_inline=True, renderer=_format_math
    ).use(amsmath_plugin)


def _format_math(content: str, options: Mapping[str, bool]) -> str:
    mark = "$$" if options["display_mode"] else "$"
    return f"{mark}{escape(content)}{mark}"
