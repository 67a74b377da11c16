"""A learner's notebook, made safe to work with: bytes that may be anything → Submission, or RefusedSubmission.

    parse_notebook → match_cells → find_answers → order_cells → Submission

Nothing here runs or renders anything. Each fault gets a sentence: a repair where that is safe, else a refusal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nnkit.language import say
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.intake.doubts import PlacedCell, doubt_all, find_doubts
from nnkit_grader.intake.find_answers import find_answers
from nnkit_grader.intake.match_cells import CellPair, is_edited, match_cells, order_cells
from nnkit_grader.intake.parse_notebook import RawCell, parse_notebook
from nnkit_grader.intake.read_json import UnreadableNotebook
from nnkit_grader.intake.repair_code import disarm_stubs
from nnkit_grader.intake.repairs import (
    describe_code_repairs,
    describe_moved,
    describe_repairs,
    describe_tampering,
    is_of_another,
)
from nnkit_grader.intake.stub_code import read_code
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.sanitize.images import clean_attachments

MAX_SEARCHED_NOTEBOOK_CHARACTERS = 500_000
"""Characters of a notebook's cells in which answers, stubs and names are looked for, which takes a second."""
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Submission:
    """A submission that can be run."""

    cells: tuple[SubmittedCell, ...]
    """The cells in the order in which they run: each of the course once, and those that the learner added."""
    repairs: tuple[str, ...] = ()
    """Sentences on what was repaired."""
    needs_review: tuple[str, ...] = ()
    """Sentences on why a grader should review it."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Sentences on answers that run in their place but stood elsewhere, by nbgrader's id of the graded cell."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """Sentences on answers that may stand elsewhere, by nbgrader's id of the graded cell."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The files that the assignment lists, in the learner's version if there is one, and pictures that code opens."""
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


def repair_notebook(raw: bytes, assignment: Assignment) -> Submission | RefusedSubmission:
    """Turn the bytes of a notebook into a submission. Never raises, whatever they are."""
    digest = hash_submission(raw, {})
    try:
        parsed = parse_notebook(raw)
    except UnreadableNotebook as fault:
        return RefusedSubmission(str(fault), digest)
    course, cells = assignment.cells, parsed.cells
    claimed = match_cells(course, cells)
    is_short = sum(len(cell.source) for cell in cells) <= MAX_SEARCHED_NOTEBOOK_CHARACTERS
    found = find_answers(course, cells, claimed) if is_short else {}
    matches = {**claimed, **found}
    strange = _doubt_match(course, cells, matches) or _doubt_version(course, cells, claimed)
    places = list(_keep_edited_texts(course, cells, order_cells(course, matches, len(cells))))
    ids = _choose_ids(assignment, cells, [index for number, index in places if number is None and index is not None])
    built = tuple(_make_cell(course, cells, ids, number, index) for number, index in places)
    given = {cell.id: cell.released for cell in course if cell.kind == "given"}
    built = tuple(disarm_stubs(built, given)) if is_short else built
    placed = [_make_placed(course, cells, number, index) for number, index in places]
    doubts = (
        find_doubts(course, placed) if is_short else doubt_all(course, say("The notebook is too long to be searched."))
    )
    moved = describe_moved(course, cells, claimed, found)
    repairs = *describe_repairs(course, cells, claimed, found), *moved.values()
    return Submission(
        built,
        (*parsed.repairs, *repairs, *describe_code_repairs(built)),
        tuple(describe_tampering(course, cells, claimed)),
        moved,
        {**doubt_all(course, parsed.doubt), **doubts, **doubt_all(course, strange)},
        dict(assignment.files),
        digest,
    )


def _doubt_match(course: Sequence[CourseCell], cells: Sequence[RawCell], matches: Mapping[int, int]) -> str:
    """Return a doubt about a notebook that has no cell of the assignment; a text may be any notebook's."""
    known = any(course[number].kind != "written" for number in matches)
    return "" if known or not cells else say("None of the notebook's cells is one of the assignment's.")


def _doubt_version(course: Sequence[CourseCell], cells: Sequence[RawCell], claimed: Mapping[int, int]) -> str:
    another = is_of_another(course, cells, claimed)
    return say("Most of the notebook's tests are of another assignment, or another version of it.") if another else ""


def _keep_edited_texts(
    course: Sequence[CourseCell], cells: Sequence[RawCell], places: Sequence[CellPair]
) -> Iterator[CellPair]:
    """Yield the places, and below a locked text that the learner edited their version of it: it may hold an answer."""
    for number, index in places:
        yield number, index
        own = course[number] if number is not None and index is not None else None
        if own and index is not None and own.locked and own.cell_type == "markdown" and _is_edited(own, cells[index]):
            yield None, index


def _is_edited(own: CourseCell, raw: RawCell) -> bool:
    return bool(raw.source.strip()) and is_edited(own, raw.source)


def hash_submission(raw: bytes, files: Mapping[str, bytes]) -> str:
    """Return SHA-256 of a notebook's bytes and the files beside it."""
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
    source = read_code(raw.cell_type, raw.source) if own.cell_type == "code" else raw.source
    return SubmittedCell(own.id, own.kind, own.cell_type, source, attached)


def _make_placed(
    course: Sequence[CourseCell], cells: Sequence[RawCell], number: int | None, index: int | None
) -> PlacedCell:
    own = course[number] if number is not None else None
    if index is None:
        return PlacedCell(own, own.cell_type if own else "", None)
    return PlacedCell(own, cells[index].cell_type, cells[index].source)


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
