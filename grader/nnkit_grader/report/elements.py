"""Pieces of HTML. Whatever is not made here goes through `text`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from nnkit.check.verdict import one_line

SHOWN = 10
"""How many students are named before the rest is folded away."""


class Markup(str):
    """HTML that is safe as it stands. What is added to it is made safe; what it is formatted into is not."""

    def __add__(self, other: str) -> Markup:
        return Markup(super().__add__(text(other)))


def text(words: object) -> Markup:
    """Words as HTML, whoever wrote them."""
    return words if isinstance(words, Markup) else Markup(escape(one_line(str(words))))


def element(name: str, content: object, **attributes: object) -> Markup:
    """<name attributes>content</name>; `class_` stands for class, `aria_sort` for aria-sort."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items() if value != ""
    )
    return Markup(f"<{name}{told}>{text(content)}</{name}>")


def joined(parts: Iterable[object], between: str = "") -> Markup:
    return Markup(between.join(text(part) for part in parts))


def heading(level: int, words: object, id: str = "") -> Markup:
    return element(f"h{level}", words, id=id)


def paragraph(words: object, class_: str = "") -> Markup:
    return element("p", words, class_=class_)


def bullets(parts: Iterable[object]) -> Markup:
    return element("ul", joined(element("li", part) for part in parts))


def row_of(head: object, cells: Sequence[object]) -> Markup:
    """A table's row: the first cell names it. Cells that are no <td> yet become one, numbers to the right."""
    return element("tr", element("th", head, scope="row") + joined(cell_of(cell) for cell in cells))


def cell_of(content: object) -> Markup:
    if isinstance(content, Markup) and content.startswith("<td"):
        return content
    return element("td", content, class_="number" if isinstance(content, int | float) else "")


def table(
    caption: object, head: Sequence[object], bodies: Sequence[Iterable[Markup]], class_: str = "", seen: bool = True
) -> Markup:
    """A table with a caption in a region that scrolls sideways by keyboard too; a <tbody> for each of `bodies`.

    A caption that is not `seen`, since a heading says the same, is for screen readers.
    """
    columns = element("tr", joined(part if _is_cell(part) else element("th", part, scope="col") for part in head))
    rows = joined(element("tbody", joined(body)) for body in bodies)
    whole = element("caption", caption, class_="" if seen else "unseen") + element("thead", columns) + rows
    inner = element("table", whole, class_=class_)
    return element("div", inner, class_="wide", tabindex=0, role="region", aria_label=f"table: {caption}")


def _is_cell(part: object) -> bool:
    return isinstance(part, Markup) and part.startswith("<th")


def folded(parts: Sequence[Markup], what: str) -> Markup:
    """A list in one line; of a long one the rest opens at a click, and is there in print."""
    if len(parts) <= SHOWN + 2:
        return joined(parts, ", ")
    rest = element("details", element("summary", f"{len(parts) - SHOWN} more {what}") + joined(parts[SHOWN:], ", "))
    return joined([*parts[:SHOWN], rest], ", ")
