"""Sanitised HTML: what is on a list of allowed tags is written anew, all else becomes text or is dropped.

    html → pieces between "<" → tag or text → allowed tags and attributes → balanced HTML

Nothing is copied: each tag is spelt from the list, each attribute and text escaped, each element closed. The time
is linear in the input, whatever it is (`html.parser` and html5lib take minutes for some).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape

from nnkit_grader.sanitize.images import clean_image


def _split_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED_TAGS = _split_words(
    "a abbr b blockquote br caption center code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 "
    "h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead "
    "tr tt u ul var wbr"
)
VOID_TAGS = _split_words("br col hr img wbr")
DROPPED_TAGS = _split_words(
    "script style title template noscript iframe object textarea select svg math noembed noframes xmp plaintext head"
)
"""Elements that are dropped with their content. Other tags that are not allowed leave their text behind."""
MAX_OPEN_ELEMENTS = 60
"""Depth of nested elements."""

ALLOWED_ATTRIBUTES = _split_words(
    "align alt aria-label border colspan dir height lang open rowspan scope span title width"
)
ALLOWED_CLASSES = _split_words("dataframe nnkit-verdict")
ALLOWED_STYLES = _split_words(
    "background background-color border border-bottom border-collapse border-left border-radius border-right "
    "border-top color display font-family font-size font-style font-weight height line-height margin margin-bottom "
    "margin-left margin-right margin-top max-width min-width overflow-x padding padding-bottom padding-left "
    "padding-right padding-top table-layout text-align text-decoration vertical-align white-space width"
)
STYLE_VALUE = re.compile(r"(?:[\w #%.,'\"]|(?<=[a-z])-(?=[a-z]))*", re.ASCII)
"""No parentheses, so no url(); no backslash; a minus only within a word, so nothing is moved over its neighbours."""

TAG = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9]*+)((?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>", re.ASCII)
ATTRIBUTE = re.compile(r"([a-zA-Z-]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++)))?", re.ASCII)
LINK = re.compile(r"(?:https?://|mailto:)[!-~]+", re.IGNORECASE)
MACROS = re.compile(
    r"(?<!\\)\\++(?=(?:href|require|cssId|class|style|html[a-z]*|data|includegraphics|url)(?![a-z]))", re.IGNORECASE
)
"""Backslashes of the macros that MathJax turns into links, ids and styles."""


def clean_html(html: str) -> str:
    """Return the HTML without anything that runs, loads, links within the site, or leaves its place on the page."""
    # Done last, since removing a tag can join a macro: "\</x>href".
    return remove_macros("".join(_HtmlCleaner().clean_pieces(_remove_comments(html))))


def remove_macros(text: str) -> str:
    r"""Take the backslash from \href and similar macros in mathematics."""
    return MACROS.sub("", text)


def _remove_comments(html: str) -> str:
    first, *others = html.split("<!--")
    return first + "".join(piece.partition("-->")[2] for piece in others)


class _HtmlCleaner:
    def __init__(self) -> None:
        self.open: list[str] = []
        self.gone = ""

    def clean_pieces(self, html: str) -> Iterator[str]:
        """Yield the clean HTML, piece by piece."""
        text, *rest = html.split("<")
        yield _clean_text(text)
        for piece in rest:
            found = TAG.match(piece)
            if found:
                closing, name, attributes = found.groups()
                yield self._clean_tag(bool(closing), name.lower(), attributes)
                piece = piece[found.end() :]
            elif piece.startswith(("!", "?", "/")):
                piece = piece.partition(">")[2]
            elif not self.gone:
                yield "&lt;"
            yield "" if self.gone else _clean_text(piece)
        yield from (f"</{name}>" for name in reversed(self.open))

    def _clean_tag(self, closing: bool, name: str, attributes: str) -> str:
        if self.gone:
            self.gone = "" if closing and name == self.gone else self.gone
            return ""
        if name in DROPPED_TAGS:
            self.gone = "" if closing or attributes.endswith("/") else name
            return ""
        if name not in ALLOWED_TAGS or (closing and name not in self.open):
            return ""
        if closing:
            at = len(self.open) - 1 - self.open[::-1].index(name)
            ended, self.open = self.open[at:], self.open[:at]
            return "".join(f"</{inner}>" for inner in reversed(ended))
        if name not in VOID_TAGS:
            if len(self.open) == MAX_OPEN_ELEMENTS:
                return ""
            self.open.append(name)
        return f"<{name}{''.join(_clean_attributes(name, attributes))}>"


def _clean_text(text: str) -> str:
    """Decode entities and escape the text anew, so that nothing hides in them."""
    return escape(unescape(text), quote=False) if text else ""


def _clean_attributes(tag: str, text: str) -> Iterator[str]:
    seen: set[str] = set()
    for found in ATTRIBUTE.finditer(text):
        name = found[1].lower()
        value = _clean_value(tag, name, unescape(found[2] or found[3] or found[4] or ""))
        if value is not None and name not in seen:
            seen.add(name)
            yield f' {name}="{escape(value)}"'
    if tag == "a" and "href" in seen:
        yield ' rel="noopener noreferrer nofollow" target="_blank"'


def _clean_value(tag: str, name: str, value: str) -> str | None:
    """Return the attribute's value, or None if the attribute is not allowed."""
    if name == "style":
        return _clean_style(value)
    if name == "class":
        return " ".join(word for word in value.split() if word in ALLOWED_CLASSES) or None
    if name == "href" and tag == "a":
        return value if LINK.fullmatch(value) else None
    if name == "src" and tag == "img":
        return check_image_source(value)
    return value if name in ALLOWED_ATTRIBUTES else None


def check_image_source(value: str) -> str | None:
    """Return the `data:` URL of an image, or None. SVG is allowed: in an `img` it runs and loads nothing."""
    head, _, data = value.partition(",")
    kind = head.removeprefix("data:").removesuffix(";base64")
    if head != f"data:{kind};base64":
        return None
    if kind == "image/svg+xml":
        return value if re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", data) else None
    content = clean_image(kind, data)
    return f"{head},{content}" if content else None


def _clean_style(text: str) -> str | None:
    kept = []
    for part in text.split(";"):
        name, _, value = (word.strip() for word in part.partition(":"))
        if name.lower() in ALLOWED_STYLES and STYLE_VALUE.fullmatch(value):
            kept.append(f"{name.lower()}:{value}")
    return ";".join(kept) or None
