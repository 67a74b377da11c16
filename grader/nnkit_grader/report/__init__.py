"""`nnkit report`: what a class made of an assignment, as one web page and as CSV.

    journal, gradebook → gather → tally, eye, likeness → page, tables

The page needs no network and no script, and everything that learners wrote is escaped in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from nnkit.atomic_files import replace_file
from nnkit_grader.report import flags, similarity, tables
from nnkit_grader.report.collect import gather
from nnkit_grader.report.page import page

PAGE = "index.html"


def write(course: Path, assignment: str, to: Path | None = None, url: str = "") -> Path:
    """Write the report on what has been graded of an assignment; returns the page's path.

    `to` is the folder (report/ASSIGNMENT in the course where None), `url` another gradebook than the course's.
    Raises FileNotFoundError or ValueError where there is nothing to report on, GradebookUnavailable where the gradebook
    cannot be read, OSError where the folder cannot be written.
    """
    gathered = gather(course, assignment, url)
    folder = (to or course / "report" / assignment).resolve()
    pairs = similarity.alike(gathered)
    findings = flags.findings(gathered, pairs)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.files(gathered, findings, pairs).items():
        replace_file(folder / name, content, lasting=False)
    told = page(gathered, findings, pairs, lambda path: quote(os.path.relpath(path, folder)))
    replace_file(folder / PAGE, told.encode(errors="replace"), lasting=False)
    return folder / PAGE
