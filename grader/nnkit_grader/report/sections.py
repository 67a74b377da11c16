"""The page's sections that name students: mistakes, what needs review, and the heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from nnkit.language import say, to_say
from nnkit_grader.report.collect import ClassResults, Exercise, SubmissionResults
from nnkit_grader.report.elements import (
    SPACE,
    Markup,
    fold_list,
    join_markup,
    make_bullets,
    make_element,
    make_heading,
    make_paragraph,
    make_row,
    make_table,
)
from nnkit_grader.report.flags import FLAG_TITLES, Flag, list_flagged
from nnkit_grader.report.statistics import MAX_SHOWN_SENTENCES, MistakeCount

MAX_SHOWN_FLAGS = 200
"""Flags of one kind that the page shows; the CSV file has all."""
FLAG_NOTES = {
    "not run": to_say("The file could not be read, so it has 0 points."),
    "stopped": to_say(
        "Other cells keep their points. An endless loop is a common mistake; a process that died may be more."
    ),
    "forged": to_say("Changing nbgrader's metadata has no effect on the score, but it does not happen by accident."),
    "numerical": to_say(
        "The exercise asks for the learner's own derivative, and the course's solution has no such thing. "
        "Only what the asked-for functions need is looked at: a quotient that is printed beside an answer does not "
        "count. "
        "Answers that passed the tests are listed too."
    ),
    "alike": to_say(
        "The comparison ignores names, comments, docstrings and layout. Short answers, the course's own "
        "solutions and answers that many in this class gave do not count. Similarity is a reason to look, not a proof."
    ),
    "solution": to_say(
        "A right answer may well look like the course's. Listed are those who have more such answers, in forms "
        "that few others gave, than one in the class has by chance."
    ),
    "doubts": to_say(
        "Points were lost where an answer may stand elsewhere, or where something that it needs is not here."
    ),
    "put right": to_say(
        "For information: where a submission changed something that belongs to the course, the course's version counts."
    ),
}
STATE_MARKS = {"blank": "○", "waiting": "…", "not run": "–"}
STATE_WORDS = {
    "blank": to_say("not attempted"),
    "waiting": to_say("waits for points by hand"),
    "not run": to_say("not run"),
}
LATE, PENALTY = to_say("hours late"), to_say("penalty")
"""Columns of the heat map that are there only where a number is."""
HEAT_SHADES = 4
"""Number of shades in the heat map, besides none."""


class StudentLinks:
    """Students' names with links to their graded notebooks and feedback."""

    def __init__(self, address: Callable[[Path], str]):
        self.address = address

    def link_notebook(self, row: SubmissionResults) -> Markup:
        """Return the name, which links to the graded notebook."""
        return self._link(row, row.notebook, "")

    def link_exercise(self, row: SubmissionResults, exercise: Exercise) -> Markup:
        """Return the name, which links to the exercise on the feedback page, or to the graded notebook."""
        return self._link(row, row.feedback or row.notebook, f"#{quote(exercise.id)}" if row.feedback else "")

    def _link(self, row: SubmissionResults, path: Path | None, anchor: str) -> Markup:
        name = make_element("bdi", row.member.name or row.student)
        id = SPACE + make_element("small", row.student, class_="soft") if row.member.name else Markup()
        if path is None:
            return name + id
        return make_element("a", name, href=self.address(path) + anchor) + id

    def link_notebook_and_feedback(self, row: SubmissionResults) -> Markup:
        """Return the name, and a link to the feedback page if there is one."""
        if row.feedback is None:
            return self.link_notebook(row)
        label = say("feedback of {student}", student=row.student)
        more = make_element("a", say("feedback"), href=self.address(row.feedback), aria_label=label, class_="screen")
        return self.link_notebook(row) + SPACE + make_element("small", more)


def render_mistakes(results: ClassResults, made: Sequence[MistakeCount], linked: StudentLinks) -> Markup:
    """Return a table of mistakes with a group of rows per exercise."""
    if not made:
        return make_paragraph(say("No mistakes were made."))
    ran = len(results.ran)
    head = [say("mistake"), say("of {number}", number=ran), say("description"), say("students")]
    bodies = [
        [_render_group(exercise, len(head)), *(_render_mistake(one, ran, linked) for one in ones)]
        for exercise, ones in groupby(made, key=lambda one: one.exercise)
    ]
    note = make_paragraph(
        say(
            "Of the {number} submissions that ran. A mistake is named if it alone explains what the answer returned; "
            "where no name fits, the answer is described, with the checks' sentences. A student who made two at once "
            "counts for both.",
            number=ran,
        )
    )
    return note + make_table(say("Mistakes by exercise, the most frequent of each first"), head, bodies, "groups")


def _render_group(exercise: Exercise, columns: int) -> Markup:
    return make_element("tr", make_element("th", exercise.title, scope="rowgroup", colspan=columns, class_="group"))


def _render_mistake(one: MistakeCount, ran: int, linked: StudentLinks) -> Markup:
    what = [make_paragraph(f"{one.title}.")]
    if said := one.sentences.most_common(MAX_SHOWN_SENTENCES):
        more = len(one.sentences) - len(said)
        what += [make_paragraph(f"“{sentence}” ({count})", "soft") for sentence, count in said]
        what += [make_paragraph(say("and {number} other sentences", number=more), "soft")] if more else []
    share = make_element("td", f"{len(one.rows)} ({len(one.rows) / ran:.0%})", class_="number")
    who = make_element("td", fold_list([linked.link_exercise(row, one.exercise) for row in one.rows]), class_="words")
    name = make_element("code", one.head) if one.named or one.described else one.head
    return make_row(name, [share, make_element("td", join_markup(what), class_="words"), who])


def render_flags(findings: Sequence[Flag], linked: StudentLinks) -> Markup:
    """Return a table for each kind of flag."""
    if not findings:
        return make_paragraph(say("Nothing needs review."))
    parts = []
    for kind, ones in groupby(findings, key=lambda finding: finding.kind):
        rows = list(ones)
        parts += [
            make_heading(3, f"{say(FLAG_TITLES[kind])} ({len(rows)})"),
            make_paragraph(say(FLAG_NOTES[kind]), "soft"),
        ]
        head = [say("student"), *([say("similar to")] if kind == "alike" else []), say("reason")]
        parts.append(
            make_table(
                say(FLAG_TITLES[kind]),
                head,
                [(_render_flag(finding, linked) for finding in rows[:MAX_SHOWN_FLAGS])],
                "groups",
                seen=False,
            )
        )
        parts += (
            [make_paragraph(say("{number} more are in look.csv.", number=len(rows) - MAX_SHOWN_FLAGS))]
            if len(rows) > MAX_SHOWN_FLAGS
            else []
        )
    return join_markup(parts)


def _render_flag(finding: Flag, linked: StudentLinks) -> Markup:
    one = len(finding.sentences) == 1
    reasons = make_paragraph(finding.sentences[0]) if one else make_bullets(finding.sentences)
    others = fold_list([linked.link_notebook_and_feedback(row) for row in finding.others])
    who = [make_element("td", others, class_="who")] if others else []
    return make_row(linked.link_notebook_and_feedback(finding.row), [*who, make_element("td", reasons, class_="words")])


def render_heat_map(results: ClassResults, findings: Sequence[Flag], linked: StudentLinks) -> Markup:
    """Return a table of students × exercises; the stronger a cell's colour, the more points are missing."""
    looked = list_flagged(findings)
    extra = {
        LATE: any(row.seconds_late for row in results.rows),
        PENALTY: any(row.penalty for row in results.rows),
    }
    shown = [name for name, has in extra.items() if has]
    exercises = [_render_column_head(exercise) for exercise in results.exercises]
    head = [say("student"), *exercises, *map(say, shown), say("total")]
    rows = [_render_heat_row(results, row, row.student in looked, shown, linked) for row in results.rows]
    legend = make_element("ul", join_markup(_render_legend()), class_="legend")
    caption = say("Points of each student in each exercise; {most:g} in all", most=results.max_points)
    return legend + make_table(caption, head, [rows], "heat sortable filtered")


def _render_column_head(exercise: Exercise) -> Markup:
    of = make_element("span", say("of {most:g}", most=exercise.points), class_="soft")
    words = make_element("span", exercise.number, aria_hidden="true") + make_element(
        "span", exercise.title, class_="unseen"
    )
    return make_element("th", words + Markup("<br>") + of, scope="col", title=exercise.title)


def _render_heat_row(
    results: ClassResults, row: SubmissionResults, look: bool, extra: Sequence[str], linked: StudentLinks
) -> Markup:
    cells = [_render_heat_cell(results, row, exercise) for exercise in results.exercises]
    hours, penalty = row.seconds_late / 3600, row.penalty
    more = {
        LATE: make_element("td", f"{hours:.1f}" if hours else "", data_key=hours),
        PENALTY: make_element("td", f"−{penalty:g}" if penalty else "", data_key=-penalty),
    }
    cells += [more[name] for name in extra]
    cells += [make_element("td", f"{row.total:g}", class_="total", data_key=row.total)]
    mark = (
        make_element(
            "a", say("review"), href="#look", aria_label=say("why {student} needs review", student=row.student)
        )
        if look
        else Markup()
    )
    words = say("late") if hours > 0 else ""
    section = make_element("small", row.member.section, class_="soft") + SPACE if row.member.section else Markup()
    head = linked.link_notebook_and_feedback(row) + SPACE + section + make_element("small", mark)
    return make_row(head, cells, words)


def _render_heat_cell(results: ClassResults, row: SubmissionResults, exercise: Exercise) -> Markup:
    state, score = results.find_state(row, exercise), row.scores[exercise.id]
    key = -1 if score is None else score
    if state in STATE_MARKS:
        seen = make_element("span", STATE_MARKS[state], aria_hidden="true") + make_element(
            "span", say(STATE_WORDS[state]), class_="unseen"
        )
        return make_element("td", seen, title=say(STATE_WORDS[state]), data_key=key)
    return make_element("td", f"{score:g}", class_=choose_shade(score or 0.0, exercise.points), data_key=key)


def choose_shade(score: float, points: float) -> str:
    """Return the class of a cell's background: "" for all points, l4 for none."""
    lost = 0.0 if points <= 0 else min(1.0, max(0.0, 1 - score / points))
    return f"l{max(1, round(HEAT_SHADES * lost))}" if lost else ""


def _render_legend() -> Iterator[Markup]:
    samples: Iterable[tuple[str, str, str]] = (
        ("2", "", to_say("all points")),
        ("1", "l2", to_say("some points: the stronger the colour, the more are missing")),
        ("0", "l4", to_say("tried, no points")),
        *((STATE_MARKS[state], "", STATE_WORDS[state]) for state in STATE_MARKS),
    )
    for mark, step, words in samples:
        yield make_element("li", make_element("i", mark, class_=step) + say(words))
