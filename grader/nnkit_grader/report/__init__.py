"""`nnkit report`: how a class did on an assignment, as one web page and as CSV files.

    journal, gradebook → collect → statistics, similarity, flags → page, tables

The page needs no network and no script. Everything that learners wrote is escaped in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from nnkit.atomic_files import replace_file
from nnkit.language import say
from nnkit_grader.course.assignment import load_assignments
from nnkit_grader.report import flags, overview, similarity, tables
from nnkit_grader.report.collect import ClassResults, collect_results
from nnkit_grader.report.elements import make_element, make_heading
from nnkit_grader.report.page import render_document, render_index, render_page

PAGE_NAME = "index.html"


def write_report(
    course: Path, assignment: str, to: Path | None = None, url: str = "", before: Path | None = None
) -> Path:
    """Write the report on the graded submissions of an assignment; return the path of its page.

    `to` is the folder (None: report/ASSIGNMENT in the course), `url` a gradebook other than the course's, `before` the
    folder of another year's course, whose shares of points stand beside this one's. An assignment of several notebooks
    gets a page for each, and one with links to them. Raises FileNotFoundError or ValueError if there is nothing to
    report on, GradebookUnavailable if the gradebook cannot be read, OSError if the folder cannot be written.
    """
    folder = (to or course / "report" / assignment).resolve()
    notebooks = load_assignments(course, assignment)
    if len(notebooks) == 1:
        return _write_page(collect_results(course, assignment, url), folder, _collect(before, assignment))
    for one in notebooks:
        _write_page(collect_results(course, one.label, url), folder / one.notebook, _collect(before, one.label))
    links = [(one.notebook, f"{quote(one.notebook)}/{PAGE_NAME}") for one in notebooks]
    replace_file(folder / PAGE_NAME, render_index(assignment, links), lasting=False)
    return folder / PAGE_NAME


def write_overview(course: Path, to: Path | None = None, url: str = "", before: Path | None = None) -> Path:
    """Write one page on all graded assignments, and overview.csv; return the path of the page.

    `before` is the folder of another year's course, to compare with. `to` is the folder (None: report/ in the course),
    the errors are those of `write_report`.
    """
    found = overview.collect_overview(course, url, before)
    folder = (to or course / "report").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    pages = {name: f"{quote(name)}/{PAGE_NAME}" for name in found.assignments if (folder / name / PAGE_NAME).is_file()}
    content = make_heading(1, say("All assignments")) + overview.render_overview(found, pages.get)
    html = render_document(say("All assignments"), make_element("main", content))
    replace_file(folder / "overview.csv", overview.format_overview_csv(found), lasting=False)
    replace_file(folder / PAGE_NAME, html.encode(errors="replace"), lasting=False)
    return folder / PAGE_NAME


def _collect(course: Path | None, name: str) -> ClassResults | None:
    """Return the results of another year's course; None without a course to compare with."""
    return collect_results(course, name) if course else None


def _write_page(results: ClassResults, folder: Path, before: ClassResults | None) -> Path:
    """Write the page on these results, and the CSV files beside it; return the page's path."""
    pairs = similarity.find_similar(results)
    findings = flags.find_flags(results, pairs)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.make_csv_files(results, findings, pairs, before).items():
        replace_file(folder / name, content, lasting=False)
    html = render_page(results, findings, pairs, lambda path: quote(os.path.relpath(path, folder)), before)
    replace_file(folder / PAGE_NAME, html.encode(errors="replace"), lasting=False)
    return folder / PAGE_NAME
