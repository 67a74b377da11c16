"""The web page: head, summary, and the sections in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nnkit_grader.report import charts, statistics
from nnkit_grader.report.collect import ClassResults
from nnkit_grader.report.elements import (
    Markup,
    escape_text,
    join_markup,
    make_bullets,
    make_element,
    make_heading,
    make_paragraph,
    make_row,
    make_table,
)
from nnkit_grader.report.flags import Flag, list_flagged
from nnkit_grader.report.sections import StudentLinks, render_flags, render_heat_map, render_mistakes
from nnkit_grader.report.similarity import SimilarPair
from nnkit_grader.report.style import SCRIPT, STYLE, make_policy

SECTIONS = {
    "scores": "Scores",
    "exercises": "Exercises by difficulty",
    "mistakes": "Mistakes by exercise",
    "look": "Needs review",
    "heat": "Students and exercises",
}
STATE_LEGEND = {
    "full": "all points",
    "part": "some points",
    "none": "tried, no points",
    "blank": "not attempted",
    "waiting": "waits for points by hand",
}


def render_page(
    results: ClassResults, findings: Sequence[Flag], pairs: Sequence[SimilarPair], address: Callable[[Path], str]
) -> str:
    """Return the whole page; `address` turns a path into the address of a link."""
    name = results.assignment.name
    linked = StudentLinks(address)
    made = statistics.count_mistakes(results)
    contents = {
        "scores": _render_scores(results),
        "exercises": _render_exercises(results),
        "mistakes": render_mistakes(results, made, linked),
        "look": render_flags(findings, linked),
        "heat": render_heat_map(results, findings, linked),
    }
    links = make_bullets(make_element("a", title, href=f"#{id}") for id, title in SECTIONS.items())
    main = join_markup(
        make_element(
            "section",
            make_heading(2, title, f"{id}-title") + contents[id],
            id=id,
            aria_labelledby=f"{id}-title",
            class_="across" if id == "heat" else "",
        )
        for id, title in SECTIONS.items()
    )
    top = make_element("header", make_heading(1, f"Report on {name}") + _render_summary(results, findings, made))
    nav = make_element("nav", links, aria_label="Sections")
    body = charts.PATTERNS + make_element("a", "Skip to the report", href="#report", class_="skip")
    body += make_element("main", top + nav + main, id="report", tabindex=-1)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{make_policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape_text(f'Report on {name}')}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _render_summary(results: ClassResults, findings: Sequence[Flag], made: Sequence[statistics.MistakeCount]) -> Markup:
    """Return the summary: the main figures, warnings, and the most frequent mistakes."""
    rows = results.rows
    spread = statistics.compute_spread([row.total for row in rows])
    waiting = any(results.is_waiting(row) for row in rows)
    facts = {
        "submissions": len(rows),
        f"mean points, of {results.max_points:g}": f"{spread.mean:.1f}",
        "median points": f"{spread.median:g}",
        "with all points so far" if waiting else "with all points": sum(results.has_all_points(row) for row in rows),
        "need review": len(list_flagged(findings)),
    }
    entries = join_markup(
        make_element("div", make_element("dt", what) + make_element("dd", value)) for what, value in facts.items()
    )
    parts = [make_element("dl", entries, class_="facts"), *_render_warnings(results)]
    if top := statistics.find_most_frequent(made):
        top_lines = (f"{len(one.rows)} of {len(results.ran)}: {one.title}, in {one.exercise.title}." for one in top)
        parts += [make_heading(2, "The most frequent mistakes"), make_bullets(top_lines)]
    return join_markup(parts)


def _render_warnings(results: ClassResults) -> list[Markup]:
    """Return warnings on submissions that are missing from the report, or are out of date."""
    name = results.assignment.name
    sentences = []
    if results.ungraded:
        who = _format_students(results.ungraded)
        sentences.append(f"Handed in but not graded, so not in this report: {who}. Run `nnkit autograde {name}`.")
    if results.stale:
        who = _format_students(results.stale)
        sentences.append(f"Graded by an older version of the tests: {who}. `nnkit autograde {name}` grades them again.")
    return [make_paragraph(sentence, "warning") for sentence in sentences]


def _format_students(students: Sequence[str], most: int = 20) -> str:
    more = f" and {len(students) - most} more" if len(students) > most else ""
    return ", ".join(students[:most]) + more


def _render_scores(results: ClassResults) -> Markup:
    totals = [row.total for row in results.rows]
    spread, bars = statistics.compute_spread(totals), statistics.count_bars(totals, results.max_points)
    figures = (
        f"From {spread.low:g} to {spread.high:g} points of {results.max_points:g}; half of the class has "
        f"{spread.quarter:g} to {spread.three_quarters:g}."
    )
    rows = [make_row(charts.format_range(bar, bar is bars[-1]), [bar.count]) for bar in bars]
    numbers = make_table("Submissions by points", ["points", "submissions"], [rows])
    return join_markup(
        [
            make_paragraph(figures + _describe_left_out(results)),
            charts.draw_histogram(bars, spread),
            make_element("details", make_element("summary", "The same as a table") + numbers, class_="screen"),
        ]
    )


def _describe_left_out(results: ClassResults) -> str:
    """Describe what the totals leave out: refused submissions, penalties, points by hand."""
    refused, late = len(results.rows) - len(results.ran), sum(row.penalty > 0 for row in results.rows)
    sentences = [f" Not run, so without points: {refused}."] if refused else []
    sentences += [f" Late, so with points deducted: {late}."] if late else []
    for exercise in results.exercises:
        waiting = sum(results.find_state(row, exercise) == "waiting" for row in results.rows)
        if waiting:
            sentences.append(f" Waiting for points by hand in “{exercise.title}” ({exercise.points:g}): {waiting}.")
    return "".join(sentences)


def _render_exercises(results: ClassResults) -> Markup:
    """Return a table with a row per exercise, the hardest first."""
    found = statistics.rank_exercises(results)
    states = [state for state in STATE_LEGEND if state != "waiting" or any(one.counts[state] for one in found)]
    numbered = ["points", "mean", "share", *(STATE_LEGEND[state] for state in states)]
    head = ["exercise", *(make_element("th", words, scope="col", class_="number") for words in numbered), "outcomes"]
    rows = []
    for one in found:
        mean = "–" if one.mean is None else f"{one.mean:.2f}"
        share = "–" if one.share is None else f"{one.share:.0%}"
        numbers = [make_element("td", words, class_="number") for words in (f"{one.exercise.points:g}", mean, share)]
        counts = [one.counts[state] for state in states]
        rows.append(make_row(one.exercise.title, [*numbers, *counts, charts.draw_stack(one.counts)]))
    legend = make_element(
        "ul",
        join_markup(make_element("li", charts.draw_key(state) + STATE_LEGEND[state]) for state in states),
        class_="legend",
    )
    caption = f"Outcomes of the {len(results.ran)} submissions that ran, the hardest exercise first"
    return legend + make_table(caption, head, [rows], "sortable")
