"""Sentences on what differs between a submission and the course's notebook: repairs, and signs of tampering."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from nnkit.check.notebook.cells import NotebookCell
from nnkit.language import say, say_count, to_say
from nnkit_grader.course.assignment import CourseCell
from nnkit_grader.intake.match_cells import find_unmoved, is_edited
from nnkit_grader.intake.parse_notebook import RawCell
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.sanitize.text import list_values, quote_value

MAX_NAMED_CELLS = 5
"""Cells that a sentence names before it counts the rest."""
SCHEMA_VERSIONS = (1, 2, 3)
"""Existing versions of nbgrader's metadata."""
FLAGS = ("grade", "solution", "locked", "task")

Pair = tuple[CourseCell, RawCell]


def describe_repairs(
    course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int], found: Mapping[int, int]
) -> Iterator[str]:
    """Yield what was repaired, a sentence for each kind of fault. `found` has the answers that no id names."""
    pairs = [(course[number], raw[index]) for number, index in sorted(claimed.items())]
    missing = [cell for number, cell in enumerate(course) if number not in claimed and number not in found]
    kept = find_unmoved(claimed)
    yield from _format_sentence(
        to_say("The cell {cells} was missing."),
        to_say("The cells {cells} were missing."),
        [c.id for c in missing if _asks_for_answer(c)],
    )
    lost = [course[number].id for number in sorted(found) if number not in claimed]
    yield from _format_sentence(
        to_say("The cell {cells} was found by what stands there, without an id."),
        to_say("The cells {cells} were found by what stands there, without an id."),
        lost,
    )
    yield from _format_sentence(
        to_say("The cell {cells} was missing and put back."),
        to_say("The cells {cells} were missing and put back."),
        [c.id for c in missing if not _asks_for_answer(c)],
    )
    yield from _format_sentence(
        to_say("The cell {cells} was moved and put back in place."),
        to_say("The cells {cells} were moved and put back in place."),
        [course[n].id for n in sorted(claimed) if n not in kept],
    )
    yield from _format_sentence(
        to_say("The cell {cells} was edited: the course's version counts."),
        to_say("The cells {cells} were edited: the course's version counts."),
        [c.id for c, r in pairs if c.locked and is_edited(c, r.source)],
    )
    yield from _format_sentence(
        to_say("The cell {cells} was changed to another type: the course's type counts."),
        to_say("The cells {cells} were changed to another type: the course's type counts."),
        [c.id for c, r in pairs if c.cell_type != r.cell_type],
    )
    yield from _format_sentence(
        to_say("The cell {cells} was renamed: the course's id counts."),
        to_say("The cells {cells} were renamed: the course's id counts."),
        [c.id for c, r in pairs if r.id not in ("", c.id)],
    )
    copied = _find_copied(course, raw, {*claimed.values(), *found.values()})
    yield from _format_sentence(
        to_say("The cell {cells} was duplicated: only one copy counts."),
        to_say("The cells {cells} were duplicated: only one copy counts."),
        sorted(copied),
    )
    damaged = [c.id for c, r in pairs if c.grade_id and not isinstance(r.mark, dict)]
    yield from _format_sentence(
        to_say("The cell {cells} was handed in without nbgrader's metadata: the course's metadata counts."),
        to_say("The cells {cells} were handed in without nbgrader's metadata: the course's metadata counts."),
        damaged,
    )
    gone = [c.grade_id for c in _find_unknown(course, raw, claimed) if _is_as_released(c)]
    yield from _format_sentence(
        to_say("The cell {cells} was of another assignment or version: no points are given there."),
        to_say("The cells {cells} were of another assignment or version: no points are given there."),
        gone,
    )
    yield from _format_sentence(
        to_say("The cell {cells} was handed in with changed nbgrader metadata: the course's metadata counts."),
        to_say("The cells {cells} were handed in with changed nbgrader metadata: the course's metadata counts."),
        [c.id for c, r in _find_forged(pairs)],
    )


def describe_code_repairs(cells: Sequence[SubmittedCell]) -> Iterator[str]:
    """Yield what was left out of the learner's code."""
    if stubs := sum(cell.repaired == "" for cell in cells):
        yield say_count(
            "{number} stub was not run: its answer stands above it.",
            "{number} stubs were not run: their answers stand above them.",
            stubs,
        )
    yield from _format_sentence(
        to_say("The cell {cells} was run without a stub, or without merge markers, beside the answer."),
        to_say("The cells {cells} were run without a stub, or without merge markers, beside the answer."),
        [c.id for c in cells if c.repaired],
    )


def describe_moved(
    course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int], found: Mapping[int, int]
) -> dict[str, str]:
    """Return a sentence by nbgrader's id of the test on each answer that runs in its place but stood elsewhere."""
    owners = {index: course[number] for number, index in claimed.items()}
    moved = {}
    for number, index in sorted(found.items()):
        test = next((n for n in range(number, len(course)) if course[n].kind == "test"), None)
        if course[number].kind != "answer" or test is None:
            continue
        cell = course[number].id
        if index in owners:
            sentence = say(
                "The answer to {cell!r} stood in the cell {other!r}: it was run in its place.",
                cell=cell,
                other=owners[index].id,
            )
        elif raw[index].cell_type != "code":
            sentence = say("The answer to {cell!r} stood in a text cell: it was run in its place.", cell=cell)
        elif index > claimed.get(test, len(raw)) and raw[index].grade_id != course[number].grade_id:
            sentence = say("The answer to {cell!r} stood below its test: it was run in its place.", cell=cell)
        else:
            continue
        moved[course[test].grade_id] = sentence
    return moved


def describe_tampering(
    course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]
) -> Iterator[str]:
    """Yield sentences on nbgrader's metadata that was changed or invented, which does not happen by accident.

    Cells of another release of the assignment are no sign of it: nbgrader's checksum shows that they are as released.
    """
    pairs = [(course[number], raw[index]) for number, index in sorted(claimed.items())]
    older = any(map(_is_as_released, _find_unknown(course, raw, claimed)))
    forged = [(cell, other) for cell, other in _find_forged(pairs) if not _is_from_release(other, older)]
    for cell, other in forged[:MAX_NAMED_CELLS]:
        changes = ", ".join(
            say("{key} is {value}", key=key, value=quote_value(value))
            for key, value in list(_find_changes(cell, other.mark or {}))[:3]
        )
        yield say("nbgrader's metadata of {cell!r} was changed: {changes}.", cell=cell.id, changes=changes)
    made_up = [cell for cell in _find_unknown(course, raw, claimed) if not _is_from_release(cell, older)]
    if made_up:
        yield say_count(
            "{number} cell that the course does not have claims points.",
            "{number} cells that the course does not have claim points.",
            len(made_up),
        )


def _find_unknown(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> list[RawCell]:
    """Return the cells with points that the course does not have."""
    known = {cell.grade_id for cell in course if cell.grade_id}
    used = set(claimed.values())
    added = [cell for index, cell in enumerate(raw) if index not in used]
    return [cell for cell in added if cell.mark and cell.mark.get("grade") and cell.grade_id not in known]


def is_of_another(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> bool:
    """Return True if more of the tests, as some release had them, are unknown here than known."""
    known = sum(course[number].kind == "test" for number in claimed)
    return sum(map(_is_as_released, _find_unknown(course, raw, claimed))) > known


def _is_as_released(cell: RawCell) -> bool:
    """Return True if nbgrader's checksum says that the cell is as some release had it."""
    return NotebookCell(cell.cell_type, cell.source, cell.mark or {}).changed is False


def _is_from_release(cell: RawCell, older: bool) -> bool:
    """Return True for a cell of a release; `older` says that others of another release are there, too."""
    return _is_as_released(cell) or (older and bool((cell.mark or {}).get("solution")))


def _format_sentence(singular: str, plural: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield say(plural if len(names) > 1 else singular, cells=list_values(names, MAX_NAMED_CELLS))


def _asks_for_answer(cell: CourseCell) -> bool:
    return cell.kind in ("answer", "written")


def _find_copied(course: Sequence[CourseCell], raw: Sequence[RawCell], used: Set[int]) -> set[str]:
    names = {name: cell.id for cell in course for name in (cell.grade_id, cell.id) if name}
    added = [cell for index, cell in enumerate(raw) if index not in used]
    return {names[name] for cell in added for name in (cell.id, cell.grade_id) if name in names}


def _find_forged(pairs: Iterable[Pair]) -> Iterator[Pair]:
    return ((cell, other) for cell, other in pairs if other.mark and any(_find_changes(cell, other.mark)))


def _find_changes(cell: CourseCell, mark: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values in which a learner's metadata differ from the course's."""
    own = cell.metadata
    if "grade_id" in mark and mark["grade_id"] != cell.grade_id:
        yield "grade_id", mark["grade_id"]
    for flag in FLAGS:
        if flag in mark and mark[flag] is not bool(own.get(flag)):
            yield flag, mark[flag]
    if "points" in mark and mark["points"] != own.get("points"):
        yield "points", mark["points"]
    if "schema_version" in mark and mark["schema_version"] not in SCHEMA_VERSIONS:
        yield "schema_version", mark["schema_version"]
