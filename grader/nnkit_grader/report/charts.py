"""Inline SVG: a histogram, and a bar in parts. Each says in words what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnkit_grader.report.elements import Markup, element, joined, text
from nnkit_grader.report.statistics import Bar, Spread

WIDTH, HEIGHT, FOOT, TOP, SIDE = 680, 230, 40, 34, 12
"""Of the histogram, in pixels."""
PARTS = ("full", "part", "none", "blank", "waiting")
"""States in a bar, from left to right; each has its own filling in the style sheet."""
PATTERNS = Markup(
    '<svg class="unseen" aria-hidden="true" width="0" height="0"><defs><pattern id="part" width="6" height="6" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6"/><path d="M0 0V6"/>'
    '</pattern><pattern id="waiting" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5"/>'
    '<circle cx="2.5" cy="2.5" r="1"/></pattern></defs></svg>'
)
"""What fillings refer to; once in a page."""


def histogram(bars: Sequence[Bar], spread: Spread) -> Markup:
    """Bars with their counts above, the points below, and the median as a dashed line."""
    high, last = max(bar.count for bar in bars), bars[-1].high
    scale, step = (WIDTH - 2 * SIDE) / last, (HEIGHT - FOOT - TOP) / (high or 1)
    ground = HEIGHT - FOOT
    parts = [_line(SIDE, ground, WIDTH - SIDE, ground)]
    for bar in bars:
        left, wide, tall = SIDE + bar.low * scale, (bar.high - bar.low) * scale, bar.count * step
        if bar.count:
            parts.append(_rect(left + 2, ground - tall, wide - 4, tall, "bar"))
            parts.append(_text(left + wide / 2, ground - tall - 5, bar.count))
        parts.append(_text(left, ground + 17, f"{bar.low:g}", "soft"))
    parts.append(_text(SIDE + last * scale, ground + 17, f"{last:g}", "soft"))
    parts.append(_text(WIDTH / 2, HEIGHT - 4, "points", "soft"))
    at = SIDE + spread.median * scale
    parts += [_line(at, 16, at, ground, "median"), _text(at, 11, f"median {spread.median:g}", anchor=_anchor(at))]
    label = "Histogram of points: " + ", ".join(f"{told_bar(bar, bar is bars[-1])}: {bar.count}" for bar in bars)
    box = f"0 0 {WIDTH} {HEIGHT}"
    return element("svg", joined(parts), viewBox=box, width=WIDTH, height=HEIGHT, role="img", aria_label=label)


def told_bar(bar: Bar, is_last: bool) -> str:
    return f"{bar.low:g} to {bar.high:g}" if is_last else f"{bar.low:g} to less than {bar.high:g}"


def stack(counts: Mapping[str, int]) -> Markup:
    """How many submissions are in which state, as parts of one bar; the numbers stand beside it."""
    whole, at, parts = sum(counts[part] for part in PARTS) or 1, 0.0, []
    for part in PARTS:
        wide = 176 * counts[part] / whole
        parts += [_rect(at, 0.5, wide, 15, part)] if counts[part] else []
        at += wide
    return element("svg", joined(parts), class_="stack", viewBox="0 0 176 16", aria_hidden="true")


def key(part: str) -> Markup:
    """The filling of a state, for a legend."""
    filling = _rect(0.5, 0.5, 21, 14, part)
    return element("svg", filling, class_="stack key", viewBox="0 0 22 15", aria_hidden="true")


def _anchor(at: float) -> str:
    """So that words stay within the picture."""
    return "start" if at < WIDTH / 8 else "end" if at > WIDTH * 7 / 8 else "middle"


def _rect(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    return Markup(f'<rect class="{class_}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>')


def _line(x1: float, y1: float, x2: float, y2: float, class_: str = "") -> Markup:
    return Markup(f'<line class="{class_}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')


def _text(x: float, y: float, words: object, class_: str = "", anchor: str = "middle") -> Markup:
    said = text(words)
    return Markup(f'<text class="{class_}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{said}</text>')
