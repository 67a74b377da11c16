"""A verdict as a card for notebooks and feedback pages.

Static HTML that is XML as well: no scripts, no style sheets, and only what JupyterLab's sanitizer lets through in a
notebook that is not trusted. (It drops `aria-label`; the tables' own headers, marks and titles say the same.) Colours
mix with whatever background and text colour the page has, light or dark, and say nothing that a mark does not.
"""

from __future__ import annotations

import math
import re
from html import escape

from nnkit.check.error_map import Cell, ErrorMap
from nnkit.check.verdict import MARKS, Status, Verdict, legend, map_sentences
from nnkit.language import ENGLISH, current_language, say, to_say
from nnkit.text import join_lines, replace_unprintable

# Okabe-Ito: bluish green and vermillion; grey for what says nothing yet. 3:1 or more on white and on black.
_COLOURS = {"right": "#009e73", "wrong": "#d55e00", "not attempted": "#808080", "error": "#d55e00"}
_COLOURS["cannot check"] = _COLOURS["not attempted"]
_MEANINGS: dict[Status, str] = {
    **{"right": to_say("right"), "wrong": to_say("wrong"), "not attempted": to_say("not attempted")},
    **{"error": to_say("error"), "cannot check": to_say("cannot check")},
}
_FAINT = "#8886"
# From a small error to the largest: the cell's colour, ever denser, and how large its mark is.
_STEPS = (("#d55e0029", 9), ("#d55e005c", 11), ("#d55e009e", 14), ("#d55e00e6", 17))
_CODE = re.compile("`([^`\n]+)`")
_MONO = "font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:.92em"


def card(verdict: Verdict) -> str:
    """Return the whole card, one `div`."""
    colour = _COLOURS[verdict.status]
    style = f"border:1px solid {_FAINT};border-left:5px solid {colour};border-radius:4px;padding:.6em 1em;margin:.4em 0"
    parts = [_headline(verdict, colour), _evidence(verdict)]
    parts += [_line(_text(sentence)) for sentence in (*verdict.explanation, *verdict.notes)]
    parts += [_line(f"<b>{say('Lesson')}:</b> {_text(verdict.lesson)}")] if verdict.lesson else []
    parts += [_hints(verdict.hints)]
    style += ";max-width:62em;overflow-x:auto;line-height:1.5;text-align:left"
    language = current_language()
    spoken = "" if language == ENGLISH else f' lang="{language}"'
    style += "" if language == ENGLISH else ";word-break:keep-all"  # lines break between words, not inside them
    return f'<div class="nnkit-verdict"{spoken} style="{style}">{"".join(parts)}</div>'


def _headline(verdict: Verdict, colour: str) -> str:
    meaning, style = say(_MEANINGS[verdict.status]), f"color:{colour};font-size:1.25em"
    mark = f'<span title="{meaning}" style="{style}">{MARKS[verdict.status]}</span>'
    subject, sentence = escape(join_lines(verdict.subject)), _text(join_lines(verdict.headline))
    start = f'<b><span style="{_MONO}">{subject}</span></b>: ' if subject else ""
    return f"<div>{mark} {start}{sentence}</div>"


def _evidence(verdict: Verdict) -> str:
    """Put the map and the table side by side where there is room."""
    parts = [_map(verdict.error_map)] if verdict.error_map and verdict.error_map.entries > 1 else []
    parts += [_table(verdict)] if verdict.entries else []
    beside = "display:inline-block;vertical-align:top;margin:.5em 2em .3em 0;max-width:100%"
    return "".join(f'<div style="{beside}">{part}</div>' for part in parts)


def _line(markup: str) -> str:
    return f'<div style="margin-top:.4em;white-space:pre-wrap">{markup}</div>'


def _text(words: str) -> str:
    """Return the words as HTML, code between backticks as code."""
    return _CODE.sub(rf'<code style="{_MONO}">\1</code>', escape(replace_unprintable(words)))


# -- the table -------------------------------------------------------------------------------------


def _table(verdict: Verdict) -> str:
    head, *rows = verdict.table()
    lines = [_row("th", head, "bottom")] + [_row("td", row) for row in rows]
    return _framed(say("First wrong entries") if len(rows) > 1 else "", lines)


def _row(tag: str, texts: tuple[str, ...], rule: str = "") -> str:
    """Return a row whose number columns are padded, so that decimal points stand below one another."""
    style = f"{_MONO};padding:.1em .7em .1em 0;white-space:pre;text-align:left;border:0"
    style += f";border-{rule}:1px solid {_FAINT}" if rule else ""
    first, *others = (escape(text) for text in texts)
    first = f'<th scope="{"col" if tag == "th" else "row"}" style="{style};font-weight:normal">{first.rstrip()}</th>'
    scope = ' scope="col"' if tag == "th" else ""
    cells = (f'<{tag}{scope} style="{style};font-weight:normal">{text}</{tag}>' for text in others)
    return f'<tr style="background:transparent">{first}{"".join(cells)}</tr>'


def _framed(caption: str, rows: list[str], after: str = "") -> str:
    """Return a table that looks the same whatever the page's style sheet does to tables, with words above and below.

    The words are a figure's caption, for a table's own caption would widen its cells.
    """
    said = "padding:0 0 .3em;font-size:.92em;font-style:normal;text-align:left"
    head = f'<figcaption style="{said}">{escape(caption)}</figcaption>' if caption else ""
    style = "border-collapse:collapse;border:0;margin:0;width:auto;table-layout:auto"
    name = f' aria-label="{escape(caption)}"' if caption else ""
    table = f'<table{name} style="{style}"><tbody>{"".join(rows)}</tbody></table>'
    return f'<figure style="margin:0">{head}{table}{after}</figure>'


# -- the map ---------------------------------------------------------------------------------------


def _map(error_map: ErrorMap) -> str:
    grid = error_map.grid()
    above, below = map_sentences(error_map)
    largest = grid.largest()
    corner = [_label("", "col")] if any(grid.row_labels) else []
    rows = ["".join(corner + [_label(text, "col") for text in grid.column_labels])]
    for name, row in zip(grid.row_labels, grid.rows):
        head = [_label(name, "row")] if corner else []
        rows.append("".join(head + [_cell(cell, largest) for cell in row]))
    marked = [f'<tr style="background:transparent">{row}</tr>' for row in rows]
    return _framed(above, marked, _legend(error_map, largest) + (_small(below) if below else ""))


def _label(text: str, scope: str) -> str:
    place = "center;min-width:22px" if scope == "col" else "right;padding-right:5px"
    style = f"padding:0 1px;font-weight:normal;font-size:.8em;border:0;white-space:nowrap;text-align:{place}"
    return f'<th scope="{scope}" style="{style}">{text}</th>'


def _cell(cell: Cell, largest: float) -> str:
    style = f"padding:0;height:23px;text-align:center;border:1px solid {_FAINT}"
    if not cell.wrong:
        return f'<td aria-label="{cell.words()}" style="{style}">{cell.mark}</td>'
    colour, size = _STEPS[_step(cell.error, largest)]
    style += f";background:{colour};font-weight:bold;font-size:{size}px;line-height:1"
    words = escape(join_lines(cell.words()))
    return f'<td title="{words}" aria-label="{words}" style="{style}">{cell.mark}</td>'


def _step(error: float, largest: float) -> int:
    """Return the step, of four, of an error: above a half, a tenth, a hundredth of the largest, or below."""
    if not math.isfinite(error) or error == largest:
        return 3
    return sum(error > part * largest for part in (0.01, 0.1, 0.5))


def _legend(error_map: ErrorMap, largest: float) -> str:
    parts = []
    for mark, meaning in legend(error_map):
        if mark == "✗":
            meaning = say("wrong: the stronger, the further off (at most {largest:.3g})", largest=largest)
        parts.append(f'<span style="white-space:nowrap;margin-right:1em"><b>{mark}</b> {meaning}</span>')
    return f'<div style="font-size:.85em;margin-top:.3em;max-width:34em">{" ".join(parts)}</div>'


def _small(words: str) -> str:
    return f'<div style="font-size:.85em;max-width:34em">{escape(words)}</div>'


# -- hints -----------------------------------------------------------------------------------------


def _hints(hints: tuple[str, ...]) -> str:
    """Fold the hints, each inside the one before it, so that it is offered only when that is open."""
    folded = ""
    for number, hint in reversed(list(enumerate(hints))):
        summary = say("Another hint") if number else say("Hint")
        said = f'<div style="margin:.2em 0 .2em 1.2em;white-space:pre-wrap">{_text(hint)}</div>'
        nested = f'<div style="margin-left:1.2em">{folded}</div>' if folded else ""
        # Style sheets of feedback pages take the triangle away; list-item brings it back.
        head = f'<summary style="display:list-item;cursor:pointer">{summary}</summary>'
        folded = f'<details style="margin-top:.4em">{head}{said}{nested}</details>'
    return folded
