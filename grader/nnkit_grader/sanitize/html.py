"""Sanitised HTML: what is on a list of allowed tags and attributes stays (nh3), in a box that it cannot leave.

html → too intricate? → nh3 → too deep? → allowed TeX macros → in a box
"""

from __future__ import annotations

import base64
import re
from functools import cache
from html import escape, unescape

import nh3

from nnkit_grader.sanitize.images import clean_image
from nnkit_grader.sanitize.tex import limit_macros_in_html


def _split_words(text: str) -> set[str]:
    return set(text.split())


ALLOWED_TAGS = _split_words(
    "a abbr b blockquote br caption center code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 "
    "h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead "
    "tr tt u ul var"
)
"""No `wbr`: MathJax joins the text on both sides of it."""
DROPPED_TAGS = _split_words(
    "script style title template noscript iframe object textarea select svg math noembed noframes xmp plaintext head"
)
"""Elements that are dropped with their content. Other tags that are not allowed leave their text behind."""
FORMATTING_TAG = re.compile(r"<(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)\b[^<>]*+", re.IGNORECASE)
"""Tags that a browser opens again in each new paragraph if they were not closed."""
MAX_REOPENED_ELEMENTS = 300_000
"""Elements that formatting tags may turn into: a thousand of them before a thousand paragraphs become a million."""
MAX_OPEN_ELEMENTS = 60
"""Depth of nested elements."""

ALLOWED_ATTRIBUTES = _split_words(
    "align alt aria-label border class colspan dir height lang open rowspan scope span style"
)
ALLOWED_ATTRIBUTES |= _split_words("start title width")
ALLOWED_CLASSES = frozenset(("dataframe", "nnkit-verdict"))
NUMBERS = frozenset(("border", "colspan", "height", "rowspan", "span", "start", "width"))
NUMBER = re.compile(r"[1-4]?\d{1,3}(?:px|%)?", re.ASCII)
ALLOWED_STYLES = _split_words(
    "background background-color border border-bottom border-collapse border-left border-radius border-right "
    "border-top color display font-family font-size font-style font-weight height line-height margin margin-bottom "
    "margin-left margin-right margin-top max-width min-width overflow-x padding padding-bottom padding-left "
    "padding-right padding-top table-layout text-align text-decoration vertical-align white-space width"
)
STYLE_WORD = re.compile(
    r"#[0-9a-fA-F]{3,8}|[a-zA-Z]+(?:-[a-zA-Z]+)*|\d{0,3}(?:\.\d{1,9})?(?:px|pt|%)?|\d{0,2}(?:\.\d{1,9})?(?:r?em|ex|ch)"
    r"|'[\w ]*'|\"[\w ]*\"",
    re.ASCII,
)
"""No parentheses, so no url(); no minus before a number, and no more than three digits: nothing moves far."""
STYLE_WORDS = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s,]+")
LINK = re.compile(r"(?:https?://|mailto:)[!-~]+", re.IGNORECASE)
TAG = re.compile(r"<(/?)([a-z0-9]+)")
SVG_TAG = re.compile(r"<(/?)svg\b[^<>]*>", re.IGNORECASE)
SVG_TITLE = re.compile(r"<title>([^<>]{1,300})</title>")
HTML_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)\w+;", re.ASCII)
"""An entity that HTML knows and XML does not."""
VOID_TAGS = frozenset(("br", "col", "hr", "img"))

_KEPT_INSIDE = "overflow:auto;contain:paint"
BOX = f'<div style="{_KEPT_INSIDE}">'
"""Opening tag of a box that nothing leaves; MathJax typesets its TeX."""
MATH_FREE_BOX = f'<div class="tex2jax_ignore mathjax_ignore" style="{_KEPT_INSIDE}">'
"""Opening tag of a box that MathJax leaves alone."""


def clean_html(html: str) -> str:
    """Return the HTML without anything that runs, loads, or links within the site; "" if it is too intricate."""
    tags = html.count("<")
    if tags > 1 and _count_formatting(html) * tags > MAX_REOPENED_ELEMENTS:
        return ""
    clean = _make_cleaner().clean(html)
    if "<a " in clean:  # a link that lost an attribute has the others in another order than the second time
        clean = _make_cleaner().clean(clean)
    return limit_macros_in_html(clean) if _measure_depth(clean) <= MAX_OPEN_ELEMENTS else ""


def show_drawings(html: str) -> str:
    """Return HTML with each SVG drawing as an image, in which it runs and loads nothing; otherwise it is dropped."""
    kept, start, opened, depth = [], 0, 0, 0
    for tag in SVG_TAG.finditer(html):
        if tag[0].endswith("/>"):
            continue
        if not tag[1]:
            opened = tag.start() if depth == 0 else opened
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                kept += [html[start:opened], _make_image(html[opened : tag.end()])]
                start = tag.end()
    return "".join(kept) + html[start:]


def _make_image(drawing: str) -> str:
    """Return an `img` that shows a drawing from HTML, which may say less than XML has to."""
    if "xmlns=" not in drawing.partition(">")[0]:
        drawing = f'<svg xmlns="http://www.w3.org/2000/svg"{drawing[4:]}'
    drawing = HTML_ENTITY.sub(lambda name: unescape(name[0]), drawing)
    title = SVG_TITLE.search(drawing)
    alt = escape(unescape(title[1])) if title else "a drawing"
    content = base64.b64encode(drawing.encode("utf-8", "replace")).decode()
    return f'<img alt="{alt}" style="max-width:100%" src="data:image/svg+xml;base64,{content}">'


def box_html(clean: str, box: str = MATH_FREE_BOX) -> str:
    """Return clean HTML in a box."""
    return f"{box}{clean}</div>"


def unbox_html(html: str) -> tuple[str, str]:
    """Return the inner HTML and the box of HTML that has been cleaned before, or claims it."""
    for box in (BOX, MATH_FREE_BOX):
        if html.startswith(box):
            return html.removeprefix(box).removesuffix("</div>"), box
    return html, MATH_FREE_BOX


@cache
def _make_cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=ALLOWED_TAGS,
        clean_content_tags=DROPPED_TAGS,
        attributes={"*": ALLOWED_ATTRIBUTES, "a": {"href"}, "img": {"src"}},
        attribute_filter=_filter_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _count_formatting(html: str) -> int:
    """Return the most formatting elements that can be open at a time; of equal ones a browser opens three again."""
    found: list[str] = FORMATTING_TAG.findall(html)
    bare = sum(tag[1:].isalnum() for tag in found)
    return len(found) - bare + min(bare, 40)


def _measure_depth(clean: str) -> int:
    """Return the depth of elements in well-formed HTML."""
    depth = deepest = 0
    for closing, name in TAG.findall(clean):
        if name not in VOID_TAGS:
            depth += -1 if closing else 1
            deepest = max(deepest, depth)
    return deepest


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    """Return the attribute's value, or None to drop it."""
    if name == "style":
        return _clean_style(value)
    if name == "class":
        return " ".join(word for word in value.split() if word in ALLOWED_CLASSES) or None
    if name == "href":
        return value if LINK.fullmatch(value) else None
    if name == "src":
        return check_image_source(value)
    return value if name not in NUMBERS or NUMBER.fullmatch(value) else None


def check_image_source(value: str) -> str | None:
    """Return the `data:` URL of an image, or None. SVG is allowed: in an `img` it runs and loads nothing."""
    head, _, data = value.partition(",")
    kind = head.removeprefix("data:").removesuffix(";base64")
    if head != f"data:{kind};base64":
        return None
    content = clean_image(kind, data)
    return f"{head},{content}" if content else None


def _clean_style(text: str) -> str | None:
    kept = []
    for part in text.split(";"):
        name, _, value = (word.strip() for word in part.partition(":"))
        words = STYLE_WORDS.findall(value)
        if name.lower() in ALLOWED_STYLES and words and all(map(STYLE_WORD.fullmatch, words)):
            kept.append(f"{name.lower()}:{value}")
    return ";".join(kept) or None
