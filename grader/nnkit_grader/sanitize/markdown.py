"""Sanitised Markdown, for pages on which nbconvert renders it (Formgrader, feedback).

    text → no tags, no macros → rendered as the page will → harmless? else without images → without links → words only

nbconvert lets HTML, `javascript:` links and unescaped Mermaid through. So the rendered result is checked, and more
and more of the text is removed until nothing harmful is left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from nnkit.text import replace_unprintable
from nnkit_grader.sanitize.html import LINK, MACROS, check_image_source, remove_macros

MAX_MARKDOWN_CHARACTERS = 20_000
"""Markdown renderers take quadratic time for some texts."""
CUT_NOTE = "\n\n(The rest, {} characters, is left out.)"

ELEMENTS = (
    "a blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr img input li ol p pre span strong table tbody td "
    "th thead tr ul"
)
TAGS = frozenset(ELEMENTS.split())
ATTRIBUTES = frozenset(("alt", "checked", "class", "disabled", "id", "start", "style", "title"))
CLASSES = re.compile(r"anchor-link|highlight|task-list-item(-checkbox)?|language-[\w+#.-]+|[a-z]{1,3}[a-z0-9]?")
"""Classes that nbconvert and Pygments write."""
STYLE = re.compile(r"text-align:\s?(left|right|center)")


def clean_markdown(text: str, attachments: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """Return the text so that a page runs nothing of it; `attachments` are those of its cell."""
    text = replace_unprintable(text)
    if len(text) > MAX_MARKDOWN_CHARACTERS:
        text = text[:MAX_MARKDOWN_CHARACTERS] + CUT_NOTE.format(len(text) - MAX_MARKDOWN_CHARACTERS)
    text = _neutralise_tags(text)
    if not set("[&").intersection(text):
        return text  # No link, image or entity, so nothing that could become an attribute.
    for version in (text, _turn_images_into_links(text), _neutralise_links(_turn_images_into_links(text))):
        if _is_harmless_when_rendered(version, attachments or {}):
            return version
    return re.sub(r"[^\w\s.,;?=+()/-]", " ", text)


def _neutralise_tags(text: str) -> str:
    """Put a blank behind the "<" of each tag, which makes it text: in prose, in code and in mathematics."""
    text = re.sub(r"<(?=[A-Za-z/!?])", "< ", remove_macros(text))
    return re.sub(r"(`{3,}|~{3,})([ \t]*)mermaid", r"\1\2text", text)


def _turn_images_into_links(text: str) -> str:
    """Turn each image into a link."""
    return re.sub(r"!+\\?\[", "[", text)


def _neutralise_links(text: str) -> str:
    return re.sub(r"\](?=[(:[])", "] ", text)


def _is_harmless_when_rendered(text: str, attachments: Mapping[str, Mapping[str, str]]) -> bool:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    try:
        held: Any = {name: dict(bundle) for name, bundle in attachments.items()}
        html = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=held)).render(text)
    except Exception:  # If the renderer fails here it fails on the page too; a missing attachment has that effect.
        return False
    look = _HarmChecker()
    look.feed(html)
    look.close()
    return look.harmless


class _HarmChecker(HTMLParser):
    """Checker of rendered HTML. It is well formed, since all `<` of the text have been escaped."""

    def __init__(self) -> None:
        super().__init__()
        self.harmless = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fine = tag in TAGS and all(_is_allowed(tag, name, value or "") for name, value in attrs)
        self.harmless = self.harmless and fine

    def handle_data(self, data: str) -> None:
        self.harmless = self.harmless and not MACROS.search(data)

    def handle_comment(self, data: str) -> None:
        self.harmless = False

    def handle_decl(self, decl: str) -> None:
        self.harmless = False

    def handle_pi(self, data: str) -> None:
        self.harmless = False

    def unknown_decl(self, data: str) -> None:
        self.harmless = False


def _is_allowed(tag: str, name: str, value: str) -> bool:
    if name == "href":
        return tag == "a" and bool(LINK.fullmatch(value) or re.fullmatch(r"#[^\s:]*", value))
    if name == "src":
        return tag == "img" and check_image_source(value) is not None and "svg" not in value[:30]
    if name == "class":
        return all(CLASSES.fullmatch(word) for word in value.split())
    if name == "style":
        return bool(STYLE.fullmatch(value.strip().rstrip(";")))
    if name == "type":
        return tag == "input" and value == "checkbox"
    return name in ATTRIBUTES
