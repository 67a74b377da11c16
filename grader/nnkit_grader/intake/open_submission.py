"""Opening a submission: a folder that may hold anything → Submission, or RefusedSubmission.

submitted/STUDENT/ASSIGNMENT → open_submission (files) → choose_notebook → repair_notebook (bytes)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nnkit.language import say
from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.submission_notes import NBGRADER_NOTES, RECEIPT_FILE
from nnkit_grader.intake.choose_notebook import MAX_NAMED_FILES, Candidate, add_repair, choose_notebook
from nnkit_grader.intake.doubts import doubt_all, doubt_blank_texts
from nnkit_grader.intake.files_beside import FilesBeside, read_files_beside
from nnkit_grader.intake.safe_folder import MAX_FOLDER_DEPTH, SafeFolder, UnreadableSubmission
from nnkit_grader.intake.submission import RefusedSubmission, Submission, hash_submission
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.sanitize.text import list_values, quote_value

MAX_NOTE_BYTES = 10_000
MAX_FOLDERS = 20
"""Folders in a folder in which a notebook is looked for."""


def open_submission(folder: Path, assignment: Assignment) -> Submission | RefusedSubmission:
    """Read submitted/STUDENT/ASSIGNMENT. Never raises, whatever a learner puts there."""
    try:
        with SafeFolder(_find_folder(folder, assignment)) as opened:
            timestamp, unknown_time = opened.read_timestamp()
            chosen, files, beside = next(_search_folder(opened, assignment), (None, {}, FilesBeside()))
            if chosen is not None and opened.path != folder:
                chosen = add_repair(chosen, say("The notebook lay beside the assignment's folder, not in it."))
                beside = FilesBeside()  # what lies there belongs to other assignments
            if chosen is None:
                raise UnreadableSubmission(_describe_lack(opened, f"{assignment.notebook}.ipynb"))
    except UnreadableSubmission as fault:
        return RefusedSubmission(str(fault), hash_submission(str(fault).encode(), {}))
    digest = hash_submission(chosen.raw, files | beside.list_contents())
    if isinstance(chosen.read, RefusedSubmission):
        return replace(chosen.read, digest=digest, timestamp=timestamp)
    return replace(
        chosen.read,
        cells=tuple(_attach_pictures(cell, beside) for cell in chosen.read.cells),
        repairs=(*chosen.read.repairs, *beside.repairs, *([unknown_time] if unknown_time else [])),
        doubts={
            **doubt_all(assignment.cells, beside.doubt),
            **dict(doubt_blank_texts(assignment.cells, chosen.read.cells, beside.unread)),
            **chosen.read.doubts,
        },
        files={**assignment.files, **files, **beside.files},
        digest=digest,
        timestamp=timestamp,
    )


def read_time(folder: Path) -> tuple[str | None, str]:
    """Return when a submission was handed in, or None and a sentence on why that is not known. Never raises."""
    try:
        with SafeFolder(folder) as opened:
            return opened.read_timestamp()
    except UnreadableSubmission:
        return None, ""


def open_with_notes(folder: Path, assignment: Assignment) -> tuple[Submission | RefusedSubmission, dict[str, bytes]]:
    """Return a submission and nbgrader's notes beside it: everything in the folder that a remote worker needs."""
    notes = {}
    with contextlib.suppress(UnreadableSubmission), SafeFolder(folder) as opened:
        for name in NBGRADER_NOTES:
            with contextlib.suppress(UnreadableSubmission):
                if opened.contains(name):
                    notes[name] = opened.read_file(name, most=MAX_NOTE_BYTES)
    return open_submission(folder, assignment), notes


def _find_folder(folder: Path, assignment: Assignment) -> Path:
    """Return the submission's folder, or the student's if the notebook lies there, one folder too high."""
    too_high = not os.path.lexists(folder) and os.path.lexists(folder.parent / f"{assignment.notebook}.ipynb")
    return folder.parent if too_high else folder


def _search_folder(
    opened: SafeFolder, assignment: Assignment, depth: int = 1
) -> Iterator[tuple[Candidate, dict[str, bytes], FilesBeside]]:
    """Yield the notebooks in a folder, or else in those below it, each with the listed files and others beside it."""
    chosen = choose_notebook(opened, assignment)
    if chosen is not None:
        files = {name: opened.read_file(name) for name in assignment.files if opened.contains(name)}
        yield chosen, files, _read_beside(opened, assignment, chosen)
    elif depth < MAX_FOLDER_DEPTH:
        for name in opened.find_folders()[:MAX_FOLDERS]:
            with opened.open_folder(name) as below:
                for found, files, beside in _search_folder(below, assignment, depth + 1):
                    yield (
                        add_repair(found, say("The notebook lay in the folder {name}.", name=quote_value(name))),
                        files,
                        beside,
                    )


def _read_beside(folder: SafeFolder, assignment: Assignment, chosen: Candidate) -> FilesBeside:
    if isinstance(chosen.read, RefusedSubmission):
        return FilesBeside()
    cells = chosen.read.cells
    markdown, code = (
        [cell.source for cell in cells if (cell.cell_type == "code") == is_code] for is_code in (False, True)
    )
    return read_files_beside(folder, assignment, chosen.name, markdown, code)


def _attach_pictures(cell: SubmittedCell, beside: FilesBeside) -> SubmittedCell:
    """Return a Markdown cell with the pictures that it shows of the files beside the notebook."""
    found = beside.choose_pictures(cell.source) if cell.cell_type == "markdown" else {}
    return replace(cell, attachments={**found, **cell.attachments}) if found else cell


def _describe_lack(opened: SafeFolder, right: str) -> str:
    names = sorted(name for name in opened.list_names() if name not in (*NBGRADER_NOTES, RECEIPT_FILE))
    if not names:
        return say("There is no {right} in the submission: its folder is empty.", right=right)
    return say(
        "There is no {right} in the submission: {names} was handed in.",
        right=right,
        names=list_values(names, MAX_NAMED_FILES),
    )
