"""The page's sections that name students: mistakes, what somebody should look at, and the heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from nnkit_grader.report.collect import Exercise, Gathered, Row
from nnkit_grader.report.elements import (
    Markup,
    bullets,
    element,
    folded,
    heading,
    joined,
    paragraph,
    row_of,
    table,
)
from nnkit_grader.report.flags import KINDS, Finding, students
from nnkit_grader.report.statistics import SAID, Made

MOST = 200
"""The most findings of a kind that the page tells; the CSV file has all."""
EXPLAINED = {
    "not run": "The file could not be read, so it has 0 points.",
    "stopped": "Other cells keep their points. An endless loop is a common mistake; a process that died may be more.",
    "forged": "Changed metadata of nbgrader's changes no score here. It does not come about by accident.",
    "numerical": "A slope that is measured with small steps, where the derivative was to be written. What the tests "
    "let pass is told too, if the answer's source looks so.",
    "alike": "Names, comments, docstrings and layout are left out of the comparison. Short answers do not count, nor "
    "what the course itself has, nor forms that many in this class gave. It is a reason to look, and no proof.",
    "put right": "For information: where something was changed that is the course's, the course's own counts.",
}
MARKS = {"blank": "○", "waiting": "…", "not run": "–"}
SAYINGS = {"blank": "not attempted", "waiting": "waits for points by hand", "not run": "not run"}
SPACE = Markup(" ")
STEPS = 4
"""How many shades a heat map has beside none."""


class Linked:
    """Students with links to what was graded."""

    def __init__(self, address: Callable[[Path], str]):
        self.address = address

    def student(self, row: Row) -> Markup:
        """The name, which leads to the graded notebook."""
        if row.notebook is None:
            return element("span", row.student)
        return element("a", row.student, href=self.address(row.notebook))

    def both(self, row: Row) -> Markup:
        """The name, and a link to the feedback page where there is one."""
        if row.feedback is None:
            return self.student(row)
        label = f"feedback of {row.student}"
        more = element("a", "feedback", href=self.address(row.feedback), aria_label=label, class_="screen")
        return self.student(row) + SPACE + element("small", more)


def mistakes_section(gathered: Gathered, made: Sequence[Made], linked: Linked) -> Markup:
    """A group of rows an exercise."""
    if not made:
        return paragraph("Nobody made a mistake.")
    ran = len(gathered.ran)
    head = ["mistake", f"of {ran}", "what", "who"]
    bodies = [
        [_group(exercise, len(head)), *(_made(one, ran, linked) for one in ones)]
        for exercise, ones in groupby(made, key=lambda one: one.exercise)
    ]
    said = paragraph(
        f"Of the {ran} submissions that ran. A mistake has a name if it alone explains what the answer returned; who "
        "made two at once counts for both."
    )
    return said + table("Mistakes by exercise, the most frequent of each first", head, bodies, "groups")


def _group(exercise: Exercise, columns: int) -> Markup:
    return element("tr", element("th", exercise.title, scope="rowgroup", colspan=columns, class_="group"))


def _made(one: Made, ran: int, linked: Linked) -> Markup:
    what = [paragraph(f"{one.title}.")]
    if said := one.said.most_common(SAID):
        more = len(one.said) - len(said)
        what += [paragraph(f"“{sentence}” ({count})", "soft") for sentence, count in said]
        what += [paragraph(f"and {more} other sentences", "soft")] if more else []
    share = element("td", f"{len(one.rows)} ({len(one.rows) / ran:.0%})", class_="number")
    who = element("td", folded([linked.student(row) for row in one.rows], "students"), class_="words")
    name = element("code", one.head) if one.named else one.head
    return row_of(name, [share, element("td", joined(what), class_="words"), who])


def eye_section(findings: Sequence[Finding], linked: Linked) -> Markup:
    """A table for each reason to look."""
    if not findings:
        return paragraph("There is nothing that somebody should look at.")
    parts = []
    for kind, ones in groupby(findings, key=lambda finding: finding.kind):
        rows = list(ones)
        parts += [heading(3, f"{KINDS[kind]} ({len(rows)})"), paragraph(EXPLAINED[kind], "soft")]
        head = ["student", "like", "what"] if kind == "alike" else ["student", "what"]
        parts.append(table(KINDS[kind], head, [(_found(finding, linked) for finding in rows[:MOST])], seen=False))
        parts += [paragraph(f"{len(rows) - MOST} more are in look.csv.")] if len(rows) > MOST else []
    return joined(parts)


def _found(finding: Finding, linked: Linked) -> Markup:
    one = len(finding.sentences) == 1
    told = paragraph(finding.sentences[0]) if one else bullets(finding.sentences)
    others = folded([linked.both(row) for row in finding.others], "students")
    who = [element("td", others, class_="who")] if others else []
    return row_of(linked.both(finding.row), [*who, element("td", told, class_="words")])


def heat_section(gathered: Gathered, findings: Sequence[Finding], linked: Linked) -> Markup:
    """Students × exercises; each cell says its points, on the more colour the more are missing."""
    looked = students(findings)
    head = ["student", *(_column(exercise) for exercise in gathered.exercises), "late", "total"]
    if not any(row.penalty for row in gathered.rows):
        head.remove("late")
    rows = [_heat_row(gathered, row, row.student in looked, "late" in head, linked) for row in gathered.rows]
    legend = element("ul", joined(_legend()), class_="legend")
    caption = f"Points of each student in each exercise; all together {gathered.most:g}"
    return legend + table(caption, head, [rows], "heat sortable")


def _column(exercise: Exercise) -> Markup:
    of = element("span", f"of {exercise.points:g}", class_="soft")
    words = element("span", exercise.number, aria_hidden="true") + element("span", exercise.title, class_="unseen")
    return element("th", words + Markup("<br>") + of, scope="col", title=exercise.title)


def _heat_row(gathered: Gathered, row: Row, look: bool, late: bool, linked: Linked) -> Markup:
    cells = [_heat_cell(gathered, row, exercise) for exercise in gathered.exercises]
    cells += [element("td", f"−{row.penalty:g}" if row.penalty else "", data_key=-row.penalty)] if late else []
    cells += [element("td", f"{row.total:g}", class_="total", data_key=row.total)]
    mark = element("a", "look", href="#look", aria_label=f"why to look at {row.student}") if look else Markup()
    return row_of(linked.both(row) + SPACE + element("small", mark), cells)


def _heat_cell(gathered: Gathered, row: Row, exercise: Exercise) -> Markup:
    state, score = gathered.state(row, exercise), row.scores[exercise.id]
    key = -1 if score is None else score
    if state in MARKS:
        seen = element("span", MARKS[state], aria_hidden="true") + element("span", SAYINGS[state], class_="unseen")
        return element("td", seen, title=SAYINGS[state], data_key=key)
    return element("td", f"{score:g}", class_=shade(score or 0.0, exercise.points), data_key=key)


def shade(score: float, points: float) -> str:
    """The class of a cell's background: "" for all points, l4 for none."""
    lost = 0.0 if points <= 0 else min(1.0, max(0.0, 1 - score / points))
    return f"l{max(1, round(STEPS * lost))}" if lost else ""


def _legend() -> Iterator[Markup]:
    samples: Iterable[tuple[str, str, str]] = (
        ("2", "", "all points"),
        ("1", "l2", "some: the stronger the colour, the more are missing"),
        ("0", "l4", "tried, no points"),
        *((MARKS[state], "", SAYINGS[state]) for state in MARKS),
    )
    for mark, step, words in samples:
        yield element("li", element("i", mark, class_=step) + words)
