"""Sentences on what differs between a submission and the course's notebook: repairs, and signs of tampering."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nnkit.text import format_count
from nnkit_grader.course.assignment import CourseCell
from nnkit_grader.intake.match_cells import find_unmoved, normalise_source
from nnkit_grader.intake.parse_notebook import RawCell
from nnkit_grader.sanitize.text import quote_value

MAX_NAMED_CELLS = 5
"""Cells that a sentence names before it counts the rest."""
SCHEMA_VERSIONS = (1, 2, 3)
"""Existing versions of nbgrader's metadata."""
FLAGS = ("grade", "solution", "locked", "task")

Pair = tuple[CourseCell, RawCell]


def describe_repairs(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> Iterator[str]:
    """Yield what was repaired, a sentence for each kind of fault."""
    pairs = [(course[number], raw[index]) for number, index in sorted(claimed.items())]
    missing = [cell for number, cell in enumerate(course) if number not in claimed]
    kept = find_unmoved(claimed)
    yield from _format_sentence(
        "{} missing: no answer was handed in there.", [c.id for c in missing if _asks_for_answer(c)]
    )
    yield from _format_sentence("{} missing and put back.", [c.id for c in missing if not _asks_for_answer(c)])
    yield from _format_sentence(
        "{} moved and put back in place.", [course[n].id for n in sorted(claimed) if n not in kept]
    )
    yield from _format_sentence(
        "{} edited: the course's version counts.", [c.id for c, r in pairs if c.locked and _is_edited(c, r)]
    )
    yield from _format_sentence(
        "{} changed to another type: the course's type counts.", [c.id for c, r in pairs if c.cell_type != r.cell_type]
    )
    yield from _format_sentence(
        "{} renamed: the course's id counts.", [c.id for c, r in pairs if r.id not in ("", c.id)]
    )
    yield from _format_sentence("{} duplicated: only one copy counts.", sorted(_find_copied(course, raw, claimed)))
    damaged = [c.id for c, r in pairs if c.grade_id and not isinstance(r.mark, dict)]
    yield from _format_sentence("{} handed in without nbgrader's metadata: the course's metadata counts.", damaged)
    yield from _format_sentence(
        "{} handed in with changed nbgrader metadata: the course's metadata counts.",
        [c.id for c, r in _find_forged(pairs)],
    )


def describe_tampering(
    course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]
) -> Iterator[str]:
    """Yield sentences on nbgrader's metadata that was changed or invented, which does not happen by accident."""
    pairs = [(course[number], raw[index]) for number, index in sorted(claimed.items())]
    for cell, other in list(_find_forged(pairs))[:MAX_NAMED_CELLS]:
        changes = ", ".join(
            f"{key} is {quote_value(value)}" for key, value in list(_find_changes(cell, other.mark or {}))[:3]
        )
        yield f"nbgrader's metadata of {cell.id!r} was changed: {changes}."
    known = {cell.grade_id for cell in course if cell.grade_id}
    added = [cell for index, cell in enumerate(raw) if index not in set(claimed.values())]
    made_up = [cell for cell in added if cell.mark and cell.mark.get("grade") and cell.grade_id not in known]
    if made_up:
        claim = "claims" if len(made_up) == 1 else "claim"
        yield f"{format_count(len(made_up), 'cell')} that the course does not have {claim} points."


def _format_sentence(sentence: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        listed = ", ".join(repr(name) for name in names[:MAX_NAMED_CELLS])
        more = f" and {len(names) - MAX_NAMED_CELLS} more" if len(names) > MAX_NAMED_CELLS else ""
        many = len(names) > 1
        yield f"The cell{'s' if many else ''} {listed}{more} " + sentence.format("were" if many else "was")


def _asks_for_answer(cell: CourseCell) -> bool:
    return cell.kind in ("answer", "written")


def _is_edited(cell: CourseCell, raw: RawCell) -> bool:
    return normalise_source(cell.released) != normalise_source(raw.source)


def _find_copied(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> set[str]:
    names = {name: cell.id for cell in course for name in (cell.grade_id, cell.id) if name}
    used = set(claimed.values())
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
