"""All assignments of a course on one page, and those of another year beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnkit.language import say
from nnkit_grader.course.nbgrader_context import open_course
from nnkit_grader.record.journal import JOURNAL_FOLDER
from nnkit_grader.report import statistics
from nnkit_grader.report.collect import ClassResults, collect_results, make_natural_key
from nnkit_grader.report.elements import SPACE, Markup, join_markup, make_element, make_paragraph, make_row, make_table
from nnkit_grader.report.roster import UNKNOWN, Member
from nnkit_grader.report.tables import format_csv


@dataclass(frozen=True)
class Overview:
    """The results of a course's assignments, by name."""

    assignments: Mapping[str, ClassResults]
    before: Mapping[str, ClassResults]
    """Those of another year; empty if there is none to compare with."""

    def list_members(self) -> dict[str, Member]:
        """Return the students who handed in something, by id."""
        found: dict[str, Member] = {}
        for results in self.assignments.values():
            found |= {row.student: row.member for row in results.rows if found.get(row.student, UNKNOWN) == UNKNOWN}
        return {student: found[student] for student in sorted(found, key=make_natural_key)}

    def list_totals(self) -> dict[str, list[float | None]]:
        """Return student → points in each assignment; None where nothing was handed in."""
        totals = [{row.student: row.total for row in results.rows} for results in self.assignments.values()]
        return {student: [points.get(student) for points in totals] for student in self.list_members()}


def collect_overview(course: Path, url: str = "", before: Path | None = None) -> Overview:
    """Collect all graded assignments. Raises FileNotFoundError if there are none, and what `collect_results` raises."""
    found = _collect_graded(course, url)
    if not found:
        raise FileNotFoundError(
            say(
                "Nothing has been graded in {course}. Run `nnkit autograde` with an assignment first.",
                course=course.resolve(),
            )
        )
    return Overview(found, _collect_graded(before, "") if before else {})


def _collect_graded(course: Path, url: str) -> dict[str, ClassResults]:
    journals = Path(open_course(course, url).coursedir.root) / JOURNAL_FOLDER
    graded = {str(path.parent.parent.relative_to(journals)) for path in journals.glob("**/results/*.json")}
    return {name: collect_results(course, name, url) for name in sorted(graded, key=make_natural_key)}


def render_overview(overview: Overview, address: Callable[[str], str | None]) -> Markup:
    """Return the page's content; `address` gives the link to an assignment's own report, or None."""
    rows = [_render_assignment(name, overview, address(name)) for name in overview.assignments]
    head = [
        *(say("assignment"), say("submissions"), say("mean"), say("points"), say("share"), say("median")),
        say("most frequent mistake"),
    ]
    head[5:5] = [say("share before")] if overview.before else []
    parts = [make_table(say("Assignments"), head, [rows], "sortable")]
    if overview.before:
        parts.insert(
            0,
            make_paragraph(say("Share before: the mean share of points in the course that this one is compared with.")),
        )
    most = [say("of {most:g}", most=results.max_points) for results in overview.assignments.values()]
    names = [
        make_element("th", join_markup([name, Markup("<br>"), of]), scope="col")
        for name, of in zip(overview.assignments, most)
    ]
    members = overview.list_members()
    lines = [_render_student(student, members[student], totals) for student, totals in overview.list_totals().items()]
    caption = say("Points of each student in each assignment; a dash where nothing was handed in")
    parts.append(make_table(caption, [say("student"), *names, say("total")], [lines], "heat sortable filtered"))
    return join_markup(parts)


def _render_assignment(name: str, overview: Overview, link: str | None) -> Markup:
    results = overview.assignments[name]
    spread = statistics.compute_spread([row.total for row in results.rows])
    top = statistics.find_most_frequent(statistics.count_mistakes(results), 1)
    said = (
        say(
            "{mistake}, in {exercise}: {number}",
            mistake=top[0].title,
            exercise=top[0].exercise.title,
            number=len(top[0].rows),
        )
        if top
        else ""
    )
    before = [_format_share(overview.before.get(name))] if overview.before else []
    figures = [str(len(results.rows)), f"{spread.mean:.1f}", f"{results.max_points:g}", _format_share(results)]
    cells = [make_element("td", words, class_="number") for words in (*figures, *before, f"{spread.median:g}")]
    return make_row(make_element("a", name, href=link) if link else name, [*cells, said])


def _format_share(results: ClassResults | None) -> str:
    """Return the mean share of points."""
    if results is None or not results.max_points:
        return "–"
    return f"{statistics.compute_spread([row.total for row in results.rows]).mean / results.max_points:.0%}"


def _render_student(student: str, member: Member, totals: Sequence[float | None]) -> Markup:
    id = SPACE + make_element("small", f"{student} {member.section}".rstrip(), class_="soft") if member.name else ""
    cells = ["–" if points is None else f"{points:g}" for points in totals]
    whole = make_element("td", f"{sum(points or 0.0 for points in totals):g}", class_="total")
    return make_row(join_markup([make_element("bdi", member.name or student), id]), [*cells, whole])


def format_overview_csv(overview: Overview) -> bytes:
    """Return the students' points as CSV."""
    members = overview.list_members()
    rows = [
        [student, members[student].name, members[student].section, *totals]
        for student, totals in overview.list_totals().items()
    ]
    return format_csv([["student", "name", "section", *overview.assignments], *rows])
