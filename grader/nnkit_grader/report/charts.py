"""Inline SVG: a histogram, and a stacked bar. Each has a description in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnkit.language import say
from nnkit_grader.report.elements import Markup, escape_text, join_markup, make_element
from nnkit_grader.report.statistics import HistogramBar, ScoreSpread

CHART_WIDTH, CHART_HEIGHT, FOOT_HEIGHT, TOP_HEIGHT, SIDE_WIDTH = 680, 248, 40, 52, 12
"""Sizes of the histogram and its margins, in pixels."""
BAR_STATES = ("full", "part", "none", "blank", "waiting")
"""States in a stacked bar, from left to right; each has its own pattern in the style sheet."""
PATTERNS = Markup(
    '<svg class="unseen" aria-hidden="true" width="0" height="0"><defs><pattern id="part" width="6" height="6" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6"/><path d="M0 0V6"/>'
    '</pattern><pattern id="waiting" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5"/>'
    '<circle cx="2.5" cy="2.5" r="1"/></pattern></defs></svg>'
)
"""Definitions of the patterns; once per page."""


def draw_histogram(bars: Sequence[HistogramBar], spread: ScoreSpread) -> Markup:
    """Draw bars with their counts above, the points below, and the median as a dashed line."""
    high, last = max(bar.count for bar in bars), bars[-1].high
    scale, step = (CHART_WIDTH - 2 * SIDE_WIDTH) / last, (CHART_HEIGHT - FOOT_HEIGHT - TOP_HEIGHT) / (high or 1)
    ground = CHART_HEIGHT - FOOT_HEIGHT
    parts = [_draw_line(SIDE_WIDTH, ground, CHART_WIDTH - SIDE_WIDTH, ground)]
    for bar in bars:
        left, wide, tall = SIDE_WIDTH + bar.low * scale, (bar.high - bar.low) * scale, bar.count * step
        if bar.count:
            parts.append(_draw_rect(left + 2, ground - tall, wide - 4, tall, "bar"))
            parts.append(_draw_text(left + wide / 2, ground - tall - 5, bar.count))
        parts.append(_draw_text(left, ground + 17, f"{bar.low:g}", "soft"))
    parts.append(_draw_text(SIDE_WIDTH + last * scale, ground + 17, f"{last:g}", "soft"))
    parts.append(_draw_text(CHART_WIDTH / 2, CHART_HEIGHT - 4, say("points"), "soft"))
    at = SIDE_WIDTH + spread.median * scale
    parts += [
        _draw_line(at, 24, at, ground, "median"),
        _draw_text(at, 18, say("median {points:g}", points=spread.median), anchor=_choose_anchor(at)),
    ]
    counts = ", ".join(f"{format_range(bar, bar is bars[-1])}: {bar.count}" for bar in bars)
    label = say("Histogram of points: {counts}", counts=counts)
    box = f"0 0 {CHART_WIDTH} {CHART_HEIGHT}"
    return make_element(
        "svg", join_markup(parts), viewBox=box, width=CHART_WIDTH, height=CHART_HEIGHT, role="img", aria_label=label
    )


def format_range(bar: HistogramBar, is_last: bool) -> str:
    """Format the range of a bar: only the last bar includes its upper end."""
    return (
        say("{low:g} to {high:g}", low=bar.low, high=bar.high)
        if is_last
        else say("{low:g} to less than {high:g}", low=bar.low, high=bar.high)
    )


def draw_stack(counts: Mapping[str, int]) -> Markup:
    """Draw one bar with a part for each state, as wide as its share of submissions. The numbers stand beside it."""
    whole, at, parts = sum(counts[part] for part in BAR_STATES) or 1, 0.0, []
    for part in BAR_STATES:
        wide = 176 * counts[part] / whole
        parts += [_draw_rect(at, 0.5, wide, 15, part)] if counts[part] else []
        at += wide
    return make_element("svg", join_markup(parts), class_="stack", viewBox="0 0 176 16", aria_hidden="true")


def draw_key(part: str) -> Markup:
    """Draw the pattern of a state, for a legend."""
    filling = _draw_rect(0.5, 0.5, 21, 14, part)
    return make_element("svg", filling, class_="stack key", viewBox="0 0 22 15", aria_hidden="true")


def _choose_anchor(at: float) -> str:
    """Return the `text-anchor` with which words at `at` stay within the chart."""
    return "start" if at < CHART_WIDTH / 8 else "end" if at > CHART_WIDTH * 7 / 8 else "middle"


def _draw_rect(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    return Markup(f'<rect class="{class_}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>')


def _draw_line(x1: float, y1: float, x2: float, y2: float, class_: str = "") -> Markup:
    return Markup(f'<line class="{class_}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')


def _draw_text(x: float, y: float, words: object, class_: str = "", anchor: str = "middle") -> Markup:
    escaped = escape_text(words)
    return Markup(f'<text class="{class_}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped}</text>')
