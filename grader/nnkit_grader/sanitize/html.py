"""A learner's HTML made harmless: what is on a list is written anew, all else is text or gone.

    html → pieces between "<" → tag or text → allowed tags and attributes → balanced HTML

Nothing is copied: each tag is spelt from the list, each attribute and text escaped, each element closed. Each
character is looked at a bounded number of times, whatever the input (`html.parser` and html5lib take minutes for
some).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape

from nnkit_grader.sanitize.images import picture


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TAGS = _words(
    "a abbr b blockquote br caption center code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 "
    "h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead "
    "tr tt u ul var wbr"
)
VOID = _words("br col hr img wbr")
GONE = _words(
    "script style title template noscript iframe object textarea select svg math noembed noframes xmp plaintext head"
)
"""These go with all that is in them; other tags that are not on the list leave their text behind."""
DEPTH = 60
"""Elements within elements."""

ATTRIBUTES = _words("align alt aria-label border colspan dir height lang open rowspan scope span title width")
CLASSES = _words("dataframe nnkit-verdict")
STYLES = _words(
    "background background-color border border-bottom border-collapse border-left border-radius border-right "
    "border-top color display font-family font-size font-style font-weight height line-height margin margin-bottom "
    "margin-left margin-right margin-top max-width min-width overflow-x padding padding-bottom padding-left "
    "padding-right padding-top table-layout text-align text-decoration vertical-align white-space width"
)
STYLE_VALUE = re.compile(r"(?:[\w #%.,'\"]|(?<=[a-z])-(?=[a-z]))*", re.ASCII)
"""No brackets, so no url(); no backslash; a minus only within a word, so nothing is moved over its neighbours."""

TAG = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9]*+)((?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>", re.ASCII)
ATTRIBUTE = re.compile(r"([a-zA-Z-]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++)))?", re.ASCII)
LINK = re.compile(r"(?:https?://|mailto:)[!-~]+", re.IGNORECASE)
MACROS = re.compile(
    r"(?<!\\)\\++(?=(?:href|require|cssId|class|style|html[a-z]*|data|includegraphics|url)(?![a-z]))", re.IGNORECASE
)
"""What MathJax makes links, ids and styles of."""


def cleaned(html: str) -> str:
    """The HTML without anything that runs, loads, links within the site, or leaves its place."""
    # At the end, for what two pieces make together: "\</x>href".
    return without_macros("".join(_Cleaner().pieces(_without_comments(html))))


def without_macros(text: str) -> str:
    r"""Mathematics without \href and the like."""
    return MACROS.sub("", text)


def _without_comments(html: str) -> str:
    first, *others = html.split("<!--")
    return first + "".join(piece.partition("-->")[2] for piece in others)


class _Cleaner:
    def __init__(self) -> None:
        self.open: list[str] = []
        self.gone = ""

    def pieces(self, html: str) -> Iterator[str]:
        text, *rest = html.split("<")
        yield _text(text)
        for piece in rest:
            found = TAG.match(piece)
            if found:
                closing, name, attributes = found.groups()
                yield self._tag(bool(closing), name.lower(), attributes)
                piece = piece[found.end() :]
            elif piece.startswith(("!", "?", "/")):
                piece = piece.partition(">")[2]
            elif not self.gone:
                yield "&lt;"
            yield "" if self.gone else _text(piece)
        yield from (f"</{name}>" for name in reversed(self.open))

    def _tag(self, closing: bool, name: str, attributes: str) -> str:
        if self.gone:
            self.gone = "" if closing and name == self.gone else self.gone
            return ""
        if name in GONE:
            self.gone = "" if closing or attributes.endswith("/") else name
            return ""
        if name not in TAGS or (closing and name not in self.open):
            return ""
        if closing:
            at = len(self.open) - 1 - self.open[::-1].index(name)
            ended, self.open = self.open[at:], self.open[:at]
            return "".join(f"</{inner}>" for inner in reversed(ended))
        if name not in VOID:
            if len(self.open) == DEPTH:
                return ""
            self.open.append(name)
        return f"<{name}{''.join(_attributes(name, attributes))}>"


def _text(text: str) -> str:
    """Entities are decoded and written anew, so that nothing hides in them."""
    return escape(unescape(text), quote=False) if text else ""


def _attributes(tag: str, text: str) -> Iterator[str]:
    seen: set[str] = set()
    for found in ATTRIBUTE.finditer(text):
        name = found[1].lower()
        value = _value(tag, name, unescape(found[2] or found[3] or found[4] or ""))
        if value is not None and name not in seen:
            seen.add(name)
            yield f' {name}="{escape(value)}"'
    if tag == "a" and "href" in seen:
        yield ' rel="noopener noreferrer nofollow" target="_blank"'


def _value(tag: str, name: str, value: str) -> str | None:
    """What stands in the attribute, None if it must not be there."""
    if name == "style":
        return _style(value)
    if name == "class":
        return " ".join(word for word in value.split() if word in CLASSES) or None
    if name == "href" and tag == "a":
        return value if LINK.fullmatch(value) else None
    if name == "src" and tag == "img":
        return image_source(value)
    return value if name in ATTRIBUTES else None


def image_source(value: str) -> str | None:
    """A `data:` address that holds a picture, or SVG: in an `img`, its scripts do not run and it loads nothing."""
    head, _, data = value.partition(",")
    kind = head.removeprefix("data:").removesuffix(";base64")
    if head != f"data:{kind};base64":
        return None
    if kind == "image/svg+xml":
        return value if re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", data) else None
    content = picture(kind, data)
    return f"{head},{content}" if content else None


def _style(text: str) -> str | None:
    kept = []
    for part in text.split(";"):
        name, _, value = (word.strip() for word in part.partition(":"))
        if name.lower() in STYLES and STYLE_VALUE.fullmatch(value):
            kept.append(f"{name.lower()}:{value}")
    return ";".join(kept) or None
