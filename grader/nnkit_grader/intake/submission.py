"""What a learner handed in, made safe to work with: a file that may be anything → Submission, or Refused.

    submitted/STUDENT/ASSIGNMENT → take_in (files) → repair (bytes) → read_cells → claims → order → Submission

Nothing here runs or renders anything. Each fault gets a sentence: a repair where that is safe, a refusal where not.
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
from nnkit_grader.intake.match_cells import claims, order
from nnkit_grader.intake.parse_notebook import RawCell, Unreadable, read_cells
from nnkit_grader.intake.repairs import human, repairs
from nnkit_grader.intake.safe_folder import Folder, Unfit
from nnkit_grader.sanitize.images import pictures

NBGRADER_NOTES = ("timestamp.txt", "submission_secret.txt")
"""Files that nbgrader puts beside a submission, and looks for beside the graded notebook."""
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class SubmittedCell:
    id: str
    """The course's for its cells; their own, and no other's, for added ones."""
    kind: Literal["given", "answer", "test", "written", "text", "added"]
    cell_type: str
    """code or markdown; raw only where the course has it so."""
    source: str
    """The learner's; the course's own for test cells and locked cells. "" for an answer that is missing."""
    attachments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Pictures in markdown: name → type → base64; PNG and JPEG only."""


@dataclass(frozen=True)
class Submission:
    cells: tuple[SubmittedCell, ...]
    """In the order in which they are run: each cell of the course once, and what the learner added."""
    repairs: tuple[str, ...] = ()
    human: tuple[str, ...] = ()
    """Why somebody should look at it."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Those that the assignment lists: the learner's version where there is one, else the course's."""
    digest: str = ""
    """SHA-256 of the notebook's bytes and the learner's files."""
    timestamp: str | None = None
    """When it was handed in, as nbgrader writes it; None where nothing says so."""


@dataclass(frozen=True)
class Refused:
    sentence: str
    digest: str = ""
    timestamp: str | None = None


def take_in(folder: Path, assignment: Assignment) -> Submission | Refused:
    """What lies in submitted/STUDENT/ASSIGNMENT. Never raises for anything that a learner can put there."""
    try:
        with Folder(folder) as opened:
            name, notes = opened.notebook(assignment.notebook)
            raw = opened.read(name)
            files = {listed: opened.read(listed) for listed in assignment.files if opened.has(listed)}
            timestamp = opened.timestamp()
    except Unfit as fault:
        return Refused(str(fault), _digest(str(fault).encode(), {}))
    read = repair(raw, assignment)
    digest = _digest(raw, files)
    if isinstance(read, Refused):
        return replace(read, digest=digest, timestamp=timestamp)
    return replace(
        read,
        repairs=(*notes, *read.repairs),
        files={**assignment.files, **files},
        digest=digest,
        timestamp=timestamp,
    )


def take_in_with_notes(folder: Path, assignment: Assignment) -> tuple[Submission | Refused, dict[str, bytes]]:
    """Return a submission and nbgrader's notes beside it: everything in the folder that a remote worker needs."""
    notes = {}
    with contextlib.suppress(Unfit), Folder(folder) as opened:
        for name in NBGRADER_NOTES:
            with contextlib.suppress(Unfit):
                if opened.has(name):
                    notes[name] = opened.read(name, most=10_000)
    return take_in(folder, assignment), notes


def repair(raw: bytes, assignment: Assignment) -> Submission | Refused:
    """A notebook's bytes as a submission. Never raises, whatever they are."""
    digest = _digest(raw, {})
    try:
        cells, notes = read_cells(raw)
    except Unreadable as fault:
        return Refused(str(fault), digest)
    course = assignment.cells
    claimed = claims(course, cells)
    places = order(course, claimed, len(cells))
    ids = _own_ids(assignment, cells, [index for number, index in places if number is None and index is not None])
    built = [_built(course, cells, ids, number, index) for number, index in places]
    return Submission(
        tuple(built),
        (*notes, *repairs(course, cells, claimed)),
        tuple(human(course, cells, claimed)),
        dict(assignment.files),
        digest,
    )


def _digest(raw: bytes, files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256(raw)
    for name, content in sorted(files.items()):
        total.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _built(
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
        return _added(ids[index], raw)
    own = course[number]
    if raw is None:
        asked = own.kind in ("answer", "written")
        return SubmittedCell(own.id, own.kind, own.cell_type, "" if asked else own.released)
    if own.locked:
        return SubmittedCell(own.id, own.kind, own.cell_type, own.released)
    attached = pictures(raw.attachments) if own.cell_type == "markdown" else {}
    return SubmittedCell(own.id, own.kind, own.cell_type, raw.source, attached)


def _added(id: str, raw: RawCell) -> SubmittedCell:
    """A raw cell is shown as it was typed: nbconvert would put its text into a page as HTML."""
    if raw.cell_type == "raw":
        text = "".join(f"    {line}\n" for line in raw.source.splitlines())
        return SubmittedCell(id, "added", "markdown", text)
    attached = pictures(raw.attachments) if raw.cell_type == "markdown" else {}
    return SubmittedCell(id, "added", raw.cell_type, raw.source, attached)


def _own_ids(assignment: Assignment, cells: Sequence[RawCell], added: Sequence[int]) -> dict[int, str]:
    """Index of an added cell → its id: the learner's where that is one and nobody else's."""
    taken = {cell.id for cell in assignment.cells} | {cell.grade_id for cell in assignment.cells}
    wanted = {cells[index].id for index in added}
    spare = (name for n in range(1, 10**9) if (name := f"added-{n}") not in taken and name not in wanted)
    ids = {}
    for index in added:
        own = cells[index].id
        ids[index] = own if CELL_ID.fullmatch(own) and own not in taken else next(spare)
        taken.add(ids[index])
    return ids
