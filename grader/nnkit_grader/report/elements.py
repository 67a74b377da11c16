"""Pieces of HTML. All text that is not made here goes through `escape_text`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from nnkit.language import say
from nnkit.text import join_lines

MAX_NAMED_STUDENTS = 10
"""Students that a list names before the rest is folded away."""


class Markup(str):
    """HTML that is safe as it stands. What is added to it is escaped; formatting it into a string gives no Markup."""

    def __add__(self, other: str) -> Markup:
        return Markup(super().__add__(escape_text(other)))


SPACE = Markup(" ")
"""A space beside an element, which `escape_text` would take away."""


def escape_text(words: object) -> Markup:
    """Return words as HTML: escaped, on one line, unless they are Markup already."""
    return words if isinstance(words, Markup) else Markup(escape(join_lines(str(words))))


def make_element(name: str, content: object, **attributes: object) -> Markup:
    """Return <name attributes>content</name>; `class_` stands for class, `aria_sort` for aria-sort."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape_text(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    return Markup(f"<{name}{written}>{escape_text(content)}</{name}>")


def join_markup(parts: Iterable[object], between: str = "") -> Markup:
    """Join parts, escaped unless they are Markup."""
    return Markup(between.join(escape_text(part) for part in parts))


def make_heading(level: int, words: object, id: str = "") -> Markup:
    """Return a heading of level 1 to 6."""
    return make_element(f"h{level}", words, id=id)


def make_paragraph(words: object, class_: str = "") -> Markup:
    """Return a paragraph."""
    return make_element("p", words, class_=class_)


def make_bullets(parts: Iterable[object]) -> Markup:
    """Return a bulleted list."""
    return make_element("ul", join_markup(make_element("li", part) for part in parts))


def make_row(head: object, cells: Sequence[object], words: str = "") -> Markup:
    """Return a table row, named by its first cell. What is not a <td> yet becomes one, numbers right-aligned.

    `words` are others under which a search finds the row.
    """
    inner = make_element("th", head, scope="row") + join_markup(make_cell(cell) for cell in cells)
    return make_element("tr", inner, data_words=words.strip())


def make_cell(content: object) -> Markup:
    """Return a table cell; a <td> stays as it is."""
    if isinstance(content, Markup) and content.startswith("<td"):
        return content
    return make_element("td", content, class_="number" if isinstance(content, int | float) else "")


def make_table(
    caption: object, head: Sequence[object], bodies: Sequence[Iterable[Markup]], class_: str = "", seen: bool = True
) -> Markup:
    """Return a table with a caption and a <tbody> for each of `bodies`, in a region that the keyboard can scroll.

    With `seen` false, since a heading says the same, the caption is for screen readers only.
    """
    columns = make_element(
        "tr", join_markup(part if _is_cell(part) else make_element("th", part, scope="col") for part in head)
    )
    rows = join_markup(make_element("tbody", join_markup(body)) for body in bodies)
    whole = make_element("caption", caption, class_="" if seen else "unseen") + make_element("thead", columns) + rows
    inner = make_element("table", whole, class_=class_)
    return make_element(
        "div", inner, class_="wide", tabindex=0, role="region", aria_label=say("table: {caption}", caption=caption)
    )


def _is_cell(part: object) -> bool:
    return isinstance(part, Markup) and part.startswith("<th")


def fold_list(parts: Sequence[Markup]) -> Markup:
    """Return a list of students on one line. The rest of a long one opens at a click, and is printed."""
    if len(parts) <= MAX_NAMED_STUDENTS + 2:
        return join_markup(parts, ", ")
    rest = make_element(
        "details",
        make_element("summary", say("{number} more students", number=len(parts) - MAX_NAMED_STUDENTS))
        + join_markup(parts[MAX_NAMED_STUDENTS:], ", "),
    )
    return join_markup([*parts[:MAX_NAMED_STUDENTS], rest], ", ")
