"""The web page: head, summary, and the sections in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nnkit_grader.report import charts, statistics
from nnkit_grader.report.collect import Gathered
from nnkit_grader.report.elements import Markup, bullets, element, heading, joined, paragraph, row_of, table, text
from nnkit_grader.report.flags import Finding, students
from nnkit_grader.report.sections import Linked, eye_section, heat_section, mistakes_section
from nnkit_grader.report.similarity import Pair
from nnkit_grader.report.style import SCRIPT, STYLE, policy

SECTIONS = {
    "scores": "Scores",
    "exercises": "Exercises by difficulty",
    "mistakes": "Mistakes by exercise",
    "look": "For a human eye",
    "heat": "Students and exercises",
}
LEGEND = {
    "full": "all points",
    "part": "some points",
    "none": "tried, no points",
    "blank": "not attempted",
    "waiting": "waits for points by hand",
}


def page(gathered: Gathered, findings: Sequence[Finding], pairs: Sequence[Pair], address: Callable[[Path], str]) -> str:
    """The whole page; `address` makes a link's address of a path."""
    name = gathered.assignment.name
    linked = Linked(address)
    made = statistics.mistakes(gathered)
    contents = {
        "scores": _scores(gathered),
        "exercises": _exercises(gathered),
        "mistakes": mistakes_section(gathered, made, linked),
        "look": eye_section(findings, linked),
        "heat": heat_section(gathered, findings, linked),
    }
    links = bullets(element("a", title, href=f"#{id}") for id, title in SECTIONS.items())
    main = joined(
        element(
            "section",
            heading(2, title, f"{id}-title") + contents[id],
            id=id,
            aria_labelledby=f"{id}-title",
            class_="across" if id == "heat" else "",
        )
        for id, title in SECTIONS.items()
    )
    top = element("header", heading(1, f"Report on {name}") + _summary(gathered, findings, made))
    nav = element("nav", links, aria_label="Sections")
    body = charts.PATTERNS + element("a", "Skip to the report", href="#report", class_="skip")
    body += element("main", top + nav + main, id="report", tabindex=-1)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(f'Report on {name}')}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _summary(gathered: Gathered, findings: Sequence[Finding], made: Sequence[statistics.Made]) -> Markup:
    """What somebody who has a minute should know."""
    rows = gathered.rows
    spread = statistics.spread([row.total for row in rows])
    waiting = any(gathered.waiting(row) for row in rows)
    facts = {
        "submissions": len(rows),
        f"points, mean of {gathered.most:g}": f"{spread.mean:.1f}",
        "points, median": f"{spread.median:g}",
        "with all points so far" if waiting else "with all points": sum(gathered.has_all(row) for row in rows),
        "for a human eye": len(students(findings)),
    }
    told = joined(element("div", element("dt", what) + element("dd", value)) for what, value in facts.items())
    parts = [element("dl", told, class_="facts"), *_warnings(gathered)]
    if top := statistics.most_frequent(made):
        told_top = (f"{len(one.rows)} of {len(gathered.ran)}: {one.title}, in {one.exercise.title}." for one in top)
        parts += [heading(2, "The most frequent mistakes"), bullets(told_top)]
    return joined(parts)


def _warnings(gathered: Gathered) -> list[Markup]:
    """What makes the numbers less than whole."""
    name = gathered.assignment.name
    told = []
    if gathered.ungraded:
        who = _named(gathered.ungraded)
        told.append(f"Handed in and not graded, so not in this report: {who}. Run `nnkit autograde {name}`.")
    if gathered.stale:
        who = _named(gathered.stale)
        told.append(f"Graded by other tests than those of today: {who}. `nnkit autograde {name}` grades them again.")
    return [paragraph(sentence, "warning") for sentence in told]


def _named(students: Sequence[str], most: int = 20) -> str:
    more = f" and {len(students) - most} more" if len(students) > most else ""
    return ", ".join(students[:most]) + more


def _scores(gathered: Gathered) -> Markup:
    totals = [row.total for row in gathered.rows]
    spread, bars = statistics.spread(totals), statistics.histogram(totals, gathered.most)
    figures = (
        f"From {spread.low:g} to {spread.high:g} points of {gathered.most:g}; half of the class has "
        f"{spread.quarter:g} to {spread.three_quarters:g}."
    )
    rows = [row_of(charts.told_bar(bar, bar is bars[-1]), [bar.count]) for bar in bars]
    numbers = table("Submissions by points", ["points", "submissions"], [rows])
    return joined(
        [
            paragraph(figures + _left_out(gathered)),
            charts.histogram(bars, spread),
            element("details", element("summary", "The same as a table") + numbers, class_="screen"),
        ]
    )


def _left_out(gathered: Gathered) -> str:
    """What the totals do not hold, or hold besides points by tests."""
    refused, late = len(gathered.rows) - len(gathered.ran), sum(row.penalty > 0 for row in gathered.rows)
    told = [f" Not run, so without points: {refused}."] if refused else []
    told += [f" Late, so with points taken off: {late}."] if late else []
    for exercise in gathered.exercises:
        waiting = sum(gathered.state(row, exercise) == "waiting" for row in gathered.rows)
        if waiting:
            told.append(f" Waiting for points by hand in “{exercise.title}” ({exercise.points:g}): {waiting}.")
    return "".join(told)


def _exercises(gathered: Gathered) -> Markup:
    """A row an exercise, the hardest first."""
    found = statistics.difficulties(gathered)
    states = [state for state in LEGEND if state != "waiting" or any(one.counts[state] for one in found)]
    numbered = ["points", "mean", "share", *(LEGEND[state] for state in states)]
    head = ["exercise", *(element("th", words, scope="col", class_="number") for words in numbered), "how it went"]
    rows = []
    for one in found:
        mean = "–" if one.mean is None else f"{one.mean:.2f}"
        share = "–" if one.share is None else f"{one.share:.0%}"
        numbers = [element("td", words, class_="number") for words in (f"{one.exercise.points:g}", mean, share)]
        counts = [one.counts[state] for state in states]
        rows.append(row_of(one.exercise.title, [*numbers, *counts, charts.stack(one.counts)]))
    legend = element(
        "ul",
        joined(element("li", charts.key(state) + LEGEND[state]) for state in states),
        class_="legend",
    )
    caption = f"Exercises, the hardest first: how many of the {len(gathered.ran)} submissions that ran"
    return legend + table(caption, head, [rows], "sortable")
