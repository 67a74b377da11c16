"""The web page: head, summary, and the sections in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nnkit_grader.report import charts, statistics
from nnkit_grader.report.collect import ClassResults
from nnkit_grader.report.elements import (
    SPACE,
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
MAX_LISTED_STUDENTS, MAX_LISTED_ABSENT = 20, 200
STATE_LEGEND = {
    "full": "all points",
    "part": "some points",
    "none": "tried, no points",
    "blank": "not attempted",
    "waiting": "waits for points by hand",
}


def render_page(
    results: ClassResults,
    findings: Sequence[Flag],
    pairs: Sequence[SimilarPair],
    address: Callable[[Path], str],
    before: ClassResults | None = None,
) -> str:
    """Return the whole page; `address` turns a path into the address of a link, `before` are another year's results."""
    name = results.assignment.label
    linked = StudentLinks(address)
    made = statistics.count_mistakes(results)
    contents = {
        "scores": _render_scores(results),
        "exercises": _render_exercises(results, before),
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
    return render_document(f"Report on {name}", body)


def render_index(assignment: str, links: Sequence[tuple[str, str]]) -> str:
    """Return a page with links, (title, address), to the reports on an assignment's notebooks."""
    bullets = make_bullets(make_element("a", title, href=address) for title, address in links)
    return render_document(f"Report on {assignment}", make_element("main", make_heading(1, assignment) + bullets))


def render_document(title: str, body: Markup) -> str:
    """Return a whole page with this body."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{make_policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
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
    inside = [exercise.title for exercise in results.exercises if results.assignment.find_cell(exercise.id).inside]
    if inside:
        sentences.append(
            f"Tests that ran beside the learner's code, so that their scores are only as safe as nbgrader's: "
            f"{', '.join(inside)}."
        )
    parts = [make_paragraph(sentence, "warning") for sentence in sentences]
    if results.absent:
        named = [_render_member(id, member.name) for id, member in list(results.absent.items())[:MAX_LISTED_ABSENT]]
        more = len(results.absent) - len(named)
        rest = SPACE + f"and {more} more." if more else "."
        head = escape_text(f"Handed in nothing ({len(results.absent)}):") + SPACE
        parts.append(make_paragraph(head + join_markup(named, ", ") + rest))
    return parts


def _render_member(id: str, name: str) -> Markup:
    """Return a name and an id that keep their order, whichever way the name is written."""
    return make_element("bdi", name) + SPACE + f"({id})" if name else make_element("bdi", id)


def _format_students(students: Sequence[str]) -> str:
    left = len(students) - MAX_LISTED_STUDENTS
    return ", ".join(students[:MAX_LISTED_STUDENTS]) + (f" and {left} more" if left > 0 else "")


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


def _render_exercises(results: ClassResults, before: ClassResults | None) -> Markup:
    """Return a table with a row per exercise, the hardest first; with another year's shares if there are some."""
    found = statistics.rank_exercises(results)
    states = [state for state in STATE_LEGEND if state != "waiting" or any(one.counts[state] for one in found)]
    earlier = statistics.find_earlier_shares(results, before) if before else {}
    shares = ["share", "share before"] if before else ["share"]
    numbered = ["points", "mean", *shares, "discrimination", "seconds", *(STATE_LEGEND[state] for state in states)]
    head = ["exercise", *(make_element("th", words, scope="col", class_="number") for words in numbered), "outcomes"]
    rows = []
    for one in found:
        mean = "–" if one.mean is None else f"{one.mean:.2f}"
        share = "–" if one.share is None else f"{one.share:.0%}"
        sharp = "–" if one.discrimination is None else f"{one.discrimination:.2f}".replace("-", "−")
        last = [f"{earlier[one.exercise.id]:.0%}" if one.exercise.id in earlier else "–"] if before else []
        words = (f"{one.exercise.points:g}", mean, share, *last, sharp, f"{one.seconds:.2f}")
        numbers = [make_element("td", word, class_="number") for word in words]
        counts = [one.counts[state] for state in states]
        rows.append(make_row(one.exercise.title, [*numbers, *counts, charts.draw_stack(one.counts)]))
    legend = make_element(
        "ul",
        join_markup(make_element("li", charts.draw_key(state) + STATE_LEGEND[state]) for state in states),
        class_="legend",
    )
    caption = f"Outcomes of the {len(results.ran)} submissions that ran, the hardest exercise first"
    note = make_paragraph(
        "Discrimination is the correlation of the points in an exercise with those in all others: near 0, or below, "
        "its points say little about the rest. Seconds are the median time that an answer and its tests ran.",
        "soft",
    )
    if before:
        count = len(before.ran)
        note += make_paragraph(f"Share before: among the {count} submissions of the course compared with.", "soft")
    return legend + note + make_table(caption, head, [rows], "sortable")
