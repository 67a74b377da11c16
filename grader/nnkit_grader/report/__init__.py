"""`nnkit report`: how a class did on an assignment, as one web page and as CSV files.

    journal, gradebook → collect → statistics, similarity, flags → page, tables

The page needs no network and no script. Everything that learners wrote is escaped in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from nnkit.atomic_files import replace_file
from nnkit_grader.report import flags, similarity, tables
from nnkit_grader.report.collect import collect_results
from nnkit_grader.report.page import render_page

PAGE_NAME = "index.html"


def write_report(course: Path, assignment: str, to: Path | None = None, url: str = "") -> Path:
    """Write the report on the graded submissions of an assignment; return the path of its page.

    `to` is the folder (None: report/ASSIGNMENT in the course), `url` a gradebook other than the course's. Raises
    FileNotFoundError or ValueError if there is nothing to report on, GradebookUnavailable if the gradebook cannot be
    read, OSError if the folder cannot be written.
    """
    results = collect_results(course, assignment, url)
    folder = (to or course / "report" / assignment).resolve()
    pairs = similarity.find_similar(results)
    findings = flags.find_flags(results, pairs)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.make_csv_files(results, findings, pairs).items():
        replace_file(folder / name, content, lasting=False)
    html = render_page(results, findings, pairs, lambda path: quote(os.path.relpath(path, folder)))
    replace_file(folder / PAGE_NAME, html.encode(errors="replace"), lasting=False)
    return folder / PAGE_NAME
