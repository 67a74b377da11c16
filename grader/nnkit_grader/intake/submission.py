"""A learner's submission, made safe to work with: a file that may be anything → Submission, or RefusedSubmission.

    submitted/STUDENT/ASSIGNMENT → open_submission (files) → repair_notebook (bytes)
        → parse_notebook → match_cells → order_cells → Submission

Nothing here runs or renders anything. Each fault gets a sentence: a repair where that is safe, else a refusal.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.submission_notes import NBGRADER_NOTES
from nnkit_grader.intake.match_cells import match_cells, order_cells
from nnkit_grader.intake.parse_notebook import RawCell, UnreadableNotebook, parse_notebook
from nnkit_grader.intake.repairs import describe_repairs, describe_tampering
from nnkit_grader.intake.safe_folder import SafeFolder, UnreadableSubmission
from nnkit_grader.sanitize.images import clean_attachments

MAX_NOTE_BYTES = 10_000
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class SubmittedCell:
    """One cell as it will run: the learner's or the course's."""

    id: str
    """The course's id for its cells; a unique one for added cells."""
    kind: Literal["given", "answer", "test", "written", "text", "added"]
    cell_type: str
    """code or markdown; raw only if the course's cell is raw."""
    source: str
    """The learner's text, or the course's for test cells and locked cells; "" for a missing answer."""
    attachments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Images in Markdown: name → type → base64; PNG and JPEG only."""


@dataclass(frozen=True)
class Submission:
    """A submission that can be run."""

    cells: tuple[SubmittedCell, ...]
    """The cells in the order in which they run: each of the course once, and those that the learner added."""
    repairs: tuple[str, ...] = ()
    """Sentences on what was repaired."""
    needs_review: tuple[str, ...] = ()
    """Sentences on why a grader should review it."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The files that the assignment lists: the learner's version if there is one, else the course's."""
    digest: str = ""
    """SHA-256 of the notebook's bytes and the learner's files."""
    timestamp: str | None = None
    """The time of submission as nbgrader writes it; None if there is no valid timestamp."""


@dataclass(frozen=True)
class RefusedSubmission:
    """A submission that cannot be run, and the reason in a sentence."""

    sentence: str
    digest: str = ""
    timestamp: str | None = None


def open_submission(folder: Path, assignment: Assignment) -> Submission | RefusedSubmission:
    """Read submitted/STUDENT/ASSIGNMENT. Never raises, whatever a learner puts there."""
    try:
        with SafeFolder(folder) as opened:
            name, notes = opened.find_notebook(assignment.notebook)
            raw = opened.read_file(name)
            files = {listed: opened.read_file(listed) for listed in assignment.files if opened.contains(listed)}
            timestamp = opened.read_timestamp()
    except UnreadableSubmission as fault:
        return RefusedSubmission(str(fault), _hash_submission(str(fault).encode(), {}))
    read = repair_notebook(raw, assignment)
    digest = _hash_submission(raw, files)
    if isinstance(read, RefusedSubmission):
        return replace(read, digest=digest, timestamp=timestamp)
    return replace(
        read,
        repairs=(*notes, *read.repairs),
        files={**assignment.files, **files},
        digest=digest,
        timestamp=timestamp,
    )


def open_with_notes(folder: Path, assignment: Assignment) -> tuple[Submission | RefusedSubmission, dict[str, bytes]]:
    """Return a submission and nbgrader's notes beside it: everything in the folder that a remote worker needs."""
    notes = {}
    with contextlib.suppress(UnreadableSubmission), SafeFolder(folder) as opened:
        for name in NBGRADER_NOTES:
            with contextlib.suppress(UnreadableSubmission):
                if opened.contains(name):
                    notes[name] = opened.read_file(name, most=MAX_NOTE_BYTES)
    return open_submission(folder, assignment), notes


def repair_notebook(raw: bytes, assignment: Assignment) -> Submission | RefusedSubmission:
    """Turn the bytes of a notebook into a submission. Never raises, whatever they are."""
    digest = _hash_submission(raw, {})
    try:
        cells, notes = parse_notebook(raw)
    except UnreadableNotebook as fault:
        return RefusedSubmission(str(fault), digest)
    course = assignment.cells
    claimed = match_cells(course, cells)
    places = order_cells(course, claimed, len(cells))
    ids = _choose_ids(assignment, cells, [index for number, index in places if number is None and index is not None])
    built = [_make_cell(course, cells, ids, number, index) for number, index in places]
    return Submission(
        tuple(built),
        (*notes, *describe_repairs(course, cells, claimed)),
        tuple(describe_tampering(course, cells, claimed)),
        dict(assignment.files),
        digest,
    )


def _hash_submission(raw: bytes, files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256(raw)
    for name, content in sorted(files.items()):
        total.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _make_cell(
    course: Sequence[CourseCell],
    cells: Sequence[RawCell],
    ids: Mapping[int, str],
    number: int | None,
    index: int | None,
) -> SubmittedCell:
    raw = cells[index] if index is not None else None
    if number is None:
        assert raw is not None
        assert index is not None
        return _make_added_cell(ids[index], raw)
    own = course[number]
    if raw is None:
        asked = own.kind in ("answer", "written")
        return SubmittedCell(own.id, own.kind, own.cell_type, "" if asked else own.released)
    if own.locked:
        return SubmittedCell(own.id, own.kind, own.cell_type, own.released)
    attached = clean_attachments(raw.attachments) if own.cell_type == "markdown" else {}
    return SubmittedCell(own.id, own.kind, own.cell_type, raw.source, attached)


def _make_added_cell(id: str, raw: RawCell) -> SubmittedCell:
    """Make a cell that the learner added. A raw cell becomes a code block: nbconvert would put it on a page as HTML."""
    if raw.cell_type == "raw":
        text = "".join(f"    {line}\n" for line in raw.source.splitlines())
        return SubmittedCell(id, "added", "markdown", text)
    attached = clean_attachments(raw.attachments) if raw.cell_type == "markdown" else {}
    return SubmittedCell(id, "added", raw.cell_type, raw.source, attached)


def _choose_ids(assignment: Assignment, cells: Sequence[RawCell], added: Sequence[int]) -> dict[int, str]:
    """Return an id for each added cell, by its index: the learner's if it is valid and unique, else a new one."""
    taken = {cell.id for cell in assignment.cells} | {cell.grade_id for cell in assignment.cells}
    wanted = {cells[index].id for index in added}
    spare = (name for n in range(1, 10**9) if (name := f"added-{n}") not in taken and name not in wanted)
    ids = {}
    for index in added:
        own = cells[index].id
        ids[index] = own if CELL_ID.fullmatch(own) and own not in taken else next(spare)
        taken.add(ids[index])
    return ids
