"""A learner's Markdown made harmless for pages that nbconvert renders without asking (Formgrader, feedback).

    text → no tags, no macros → rendered as the page will → harmless? else without images → without links → words only

nbconvert lets HTML, `javascript:` links and unescaped Mermaid through. So what it makes of the text is looked at, and
the text gives up what it takes until nothing is left to object to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from nnkit_grader.sanitize.html import LINK, MACROS, image_source, without_macros

LONGEST = 20_000
"""Characters; Markdown renderers take quadratic time for some texts."""
CUT = "\n\n(The rest, {} characters, is left out.)"

ELEMENTS = (
    "a blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr img input li ol p pre span strong table tbody td "
    "th thead tr ul"
)
TAGS = frozenset(ELEMENTS.split())
ATTRIBUTES = frozenset(("alt", "checked", "class", "disabled", "id", "start", "style", "title"))
CLASSES = re.compile(r"anchor-link|highlight|task-list-item(-checkbox)?|language-[\w+#.-]+|[a-z]{1,3}[a-z0-9]?")
"""nbconvert's own, and Pygments'."""
STYLE = re.compile(r"text-align:\s?(left|right|center)")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless_markdown(text: str, attachments: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """The text so that no page runs anything of it; `attachments` are those that go with its cell."""
    text = text.replace("\r\n", "\n")
    if len(text) > LONGEST:
        text = text[:LONGEST] + CUT.format(len(text) - LONGEST)
    text = _without_tags(CONTROLS.sub("\ufffd", text))
    if not set("[&").intersection(text):
        return text  # No link, no image, no entity: nothing that could become an attribute.
    for version in (text, _without_images(text), _without_links(_without_images(text))):
        if _renders_harmless(version, attachments or {}):
            return version
    return re.sub(r"[^\w\s.,;?=+()/-]", " ", text)


def _without_tags(text: str) -> str:
    """A blank behind "<" makes it text everywhere: in prose, in code, and in mathematics, where blanks say nothing."""
    text = re.sub(r"<(?=[A-Za-z/!?])", "< ", without_macros(text))
    return re.sub(r"(`{3,}|~{3,})([ \t]*)mermaid", r"\1\2text", text)


def _without_images(text: str) -> str:
    """An image becomes a link."""
    return re.sub(r"!+\\?\[", "[", text)


def _without_links(text: str) -> str:
    return re.sub(r"\](?=[(:[])", "] ", text)


def _renders_harmless(text: str, attachments: Mapping[str, Mapping[str, str]]) -> bool:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    try:
        held: Any = {name: dict(bundle) for name, bundle in attachments.items()}
        html = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=held)).render(text)
    except Exception:  # A renderer that gives up here gives up on the page: a missing attachment does that.
        return False
    look = _Look()
    look.feed(html)
    look.close()
    return look.harmless


class _Look(HTMLParser):
    """Looks at rendered HTML. It is well formed, for all of the text's own `<` have been escaped."""

    def __init__(self) -> None:
        super().__init__()
        self.harmless = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fine = tag in TAGS and all(_fine(tag, name, value or "") for name, value in attrs)
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


def _fine(tag: str, name: str, value: str) -> bool:
    if name == "href":
        return tag == "a" and bool(LINK.fullmatch(value) or re.fullmatch(r"#[^\s:]*", value))
    if name == "src":
        return tag == "img" and image_source(value) is not None and "svg" not in value[:30]
    if name == "class":
        return all(CLASSES.fullmatch(word) for word in value.split())
    if name == "style":
        return bool(STYLE.fullmatch(value.strip().rstrip(";")))
    if name == "type":
        return tag == "input" and value == "checkbox"
    return name in ATTRIBUTES
