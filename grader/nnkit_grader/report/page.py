"""The web page: head, summary, and the sections in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nnkit.language import current_language, say, to_say
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
    "scores": to_say("Scores"),
    "exercises": to_say("Exercises by difficulty"),
    "mistakes": to_say("Mistakes by exercise"),
    "look": to_say("Needs review"),
    "heat": to_say("Students and exercises"),
}
MAX_LISTED_STUDENTS, MAX_LISTED_ABSENT = 20, 200
STATE_LEGEND = {
    "full": to_say("all points"),
    "part": to_say("some points"),
    "none": to_say("tried, no points"),
    "blank": to_say("not attempted"),
    "waiting": to_say("waits for points by hand"),
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
    links = make_bullets(make_element("a", say(title), href=f"#{id}") for id, title in SECTIONS.items())
    main = join_markup(
        make_element(
            "section",
            make_heading(2, say(title), f"{id}-title") + contents[id],
            id=id,
            aria_labelledby=f"{id}-title",
            class_="across" if id == "heat" else "",
        )
        for id, title in SECTIONS.items()
    )
    top = make_element(
        "header", make_heading(1, say("Report on {name}", name=name)) + _render_summary(results, findings, made)
    )
    nav = make_element("nav", links, aria_label=say("Sections"))
    body = charts.PATTERNS + make_element("a", say("Skip to the report"), href="#report", class_="skip")
    body += make_element("main", top + nav + main, id="report", tabindex=-1)
    return render_document(say("Report on {name}", name=name), body)


def render_index(assignment: str, links: Sequence[tuple[str, str]]) -> str:
    """Return a page with links, (title, address), to the reports on an assignment's notebooks."""
    bullets = make_bullets(make_element("a", title, href=address) for title, address in links)
    return render_document(
        say("Report on {name}", name=assignment), make_element("main", make_heading(1, assignment) + bullets)
    )


def render_document(title: str, body: Markup) -> str:
    """Return a whole page with this body."""
    return (
        f'<!DOCTYPE html>\n<html lang="{current_language()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{make_policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body{_write_script_words()}>\n{body}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _write_script_words() -> str:
    """Return the attributes of the page's body from which its script reads its words."""
    words = {
        "filter": say("Show only"),
        "hint": say("name, id, section, late, review"),
        "count": say("{found} of {all}"),
    }
    return "".join(f' data-{name}="{escape_text(sentence)}"' for name, sentence in words.items())


def _render_summary(results: ClassResults, findings: Sequence[Flag], made: Sequence[statistics.MistakeCount]) -> Markup:
    """Return the summary: the main figures, warnings, and the most frequent mistakes."""
    rows = results.rows
    spread = statistics.compute_spread([row.total for row in rows])
    waiting = any(results.is_waiting(row) for row in rows)
    facts = {
        say("submissions"): len(rows),
        say("mean points, of {most:g}", most=results.max_points): f"{spread.mean:.1f}",
        say("median points"): f"{spread.median:g}",
        say("with all points so far" if waiting else "with all points"): sum(
            results.has_all_points(row) for row in rows
        ),
        say("need review"): len(list_flagged(findings)),
    }
    entries = join_markup(
        make_element("div", make_element("dt", what) + make_element("dd", value)) for what, value in facts.items()
    )
    parts = [make_element("dl", entries, class_="facts"), *_render_warnings(results)]
    if top := statistics.find_most_frequent(made):
        top_lines = (
            say(
                "{number} of {ran}: {mistake}, in {exercise}.",
                number=len(one.rows),
                ran=len(results.ran),
                mistake=one.title,
                exercise=one.exercise.title,
            )
            for one in top
        )
        parts += [make_heading(2, say("The most frequent mistakes")), make_bullets(top_lines)]
    return join_markup(parts)


def _render_warnings(results: ClassResults) -> list[Markup]:
    """Return warnings on submissions that are missing from the report, or are out of date."""
    name = results.assignment.name
    sentences = []
    if results.ungraded:
        who = _format_students(results.ungraded)
        sentences.append(
            say(
                "Handed in but not graded, so not in this report: {students}. Run `nnkit autograde {assignment}`.",
                students=who,
                assignment=name,
            )
        )
    if results.stale:
        who = _format_students(results.stale)
        sentences.append(
            say(
                "Graded by an older version of the tests: {students}. `nnkit autograde {assignment}` grades "
                "them again.",
                students=who,
                assignment=name,
            )
        )
    inside = [exercise.title for exercise in results.exercises if results.assignment.find_cell(exercise.id).inside]
    if inside:
        sentences.append(
            say(
                "Tests that ran beside the learner's code, so that their scores are only as safe as nbgrader's: "
                "{exercises}.",
                exercises=", ".join(inside),
            )
        )
    parts = [make_paragraph(sentence, "warning") for sentence in sentences]
    if results.absent:
        named = [_render_member(id, member.name) for id, member in list(results.absent.items())[:MAX_LISTED_ABSENT]]
        more = len(results.absent) - len(named)
        rest = SPACE + say("and {number} more.", number=more) if more else "."
        head = escape_text(say("Handed in nothing ({number}):", number=len(results.absent))) + SPACE
        parts.append(make_paragraph(head + join_markup(named, ", ") + rest))
    return parts


def _render_member(id: str, name: str) -> Markup:
    """Return a name and an id that keep their order, whichever way the name is written."""
    return make_element("bdi", name) + SPACE + f"({id})" if name else make_element("bdi", id)


def _format_students(students: Sequence[str]) -> str:
    left = len(students) - MAX_LISTED_STUDENTS
    listed = ", ".join(students[:MAX_LISTED_STUDENTS])
    return say("{students} and {number} more", students=listed, number=left) if left > 0 else listed


def _render_scores(results: ClassResults) -> Markup:
    totals = [row.total for row in results.rows]
    spread, bars = statistics.compute_spread(totals), statistics.count_bars(totals, results.max_points)
    figures = say(
        "From {low:g} to {high:g} points of {most:g}; half of the class has {quarter:g} to {three_quarters:g}.",
        low=spread.low,
        high=spread.high,
        most=results.max_points,
        quarter=spread.quarter,
        three_quarters=spread.three_quarters,
    )
    rows = [make_row(charts.format_range(bar, bar is bars[-1]), [bar.count]) for bar in bars]
    numbers = make_table(say("Submissions by points"), [say("points"), say("submissions")], [rows])
    return join_markup(
        [
            make_paragraph(figures + _describe_left_out(results)),
            charts.draw_histogram(bars, spread),
            make_element("details", make_element("summary", say("The same as a table")) + numbers, class_="screen"),
        ]
    )


def _describe_left_out(results: ClassResults) -> str:
    """Describe what the totals leave out: refused submissions, penalties, points by hand."""
    refused, late = len(results.rows) - len(results.ran), sum(row.penalty > 0 for row in results.rows)
    sentences = [say("Not run, so without points: {number}.", number=refused)] if refused else []
    sentences += [say("Late, so with points deducted: {number}.", number=late)] if late else []
    for exercise in results.exercises:
        waiting = sum(results.find_state(row, exercise) == "waiting" for row in results.rows)
        if waiting:
            sentences.append(
                say(
                    "Waiting for points by hand in “{title}” ({points:g}): {number}.",
                    title=exercise.title,
                    points=exercise.points,
                    number=waiting,
                )
            )
    return "".join(f" {sentence}" for sentence in sentences)


def _render_exercises(results: ClassResults, before: ClassResults | None) -> Markup:
    """Return a table with a row per exercise, the hardest first; with another year's shares if there are some."""
    found = statistics.rank_exercises(results)
    states = [state for state in STATE_LEGEND if state != "waiting" or any(one.counts[state] for one in found)]
    earlier = statistics.find_earlier_shares(results, before) if before else {}
    shares = [say("share"), say("share before")] if before else [say("share")]
    numbered = [say("points"), say("mean"), *shares, say("discrimination"), say("seconds")]
    numbered += [say(STATE_LEGEND[state]) for state in states]
    numbers = [make_element("th", words, scope="col", class_="number") for words in numbered]
    head = [say("exercise"), *numbers, say("outcomes")]
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
        join_markup(make_element("li", charts.draw_key(state) + say(STATE_LEGEND[state])) for state in states),
        class_="legend",
    )
    caption = say("Outcomes of the {number} submissions that ran, the hardest exercise first", number=len(results.ran))
    note = make_paragraph(
        say(
            "Discrimination is the correlation of the points in an exercise with those in all others: near 0, or "
            "below, its points say little about the rest. Seconds are the median time that an answer and its tests ran."
        ),
        "soft",
    )
    if before:
        count = len(before.ran)
        note += make_paragraph(
            say("Share before: among the {number} submissions of the course compared with.", number=count), "soft"
        )
    return legend + note + make_table(caption, head, [rows], "sortable")
