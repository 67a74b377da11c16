"""Sentences on what differs between a submission and the course's notebook: mended here, or for a human eye."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nnkit_grader.course.assignment import CourseCell
from nnkit_grader.intake.match_cells import in_place, plain
from nnkit_grader.intake.parse_notebook import RawCell
from nnkit_grader.sanitize.text import shown

NAMED = 5
"""How many cells a sentence names before it counts the rest."""
SCHEMAS = (1, 2, 3)
"""Versions of nbgrader's metadata that there are."""
FLAGS = ("grade", "solution", "locked", "task")

Pair = tuple[CourseCell, RawCell]


def repairs(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> Iterator[str]:
    """What was put right, a sentence for each kind of fault."""
    pairs = [(course[number], raw[index]) for number, index in sorted(claimed.items())]
    missing = [cell for number, cell in enumerate(course) if number not in claimed]
    kept = in_place(claimed)
    yield from _told("{} missing: nothing was handed in there.", [c.id for c in missing if _asks(c)])
    yield from _told("{} missing and put back.", [c.id for c in missing if not _asks(c)])
    yield from _told("{} moved and put back in place.", [course[n].id for n in sorted(claimed) if n not in kept])
    yield from _told("{} edited: the course's own counts.", [c.id for c, r in pairs if c.locked and _edited(c, r)])
    yield from _told("{} of another type: the course's counts.", [c.id for c, r in pairs if c.cell_type != r.cell_type])
    yield from _told("{} renamed: the course's id counts.", [c.id for c, r in pairs if r.id not in ("", c.id)])
    yield from _told("{} copied: only one of each counts.", sorted(_copied(course, raw, claimed)))
    damaged = [c.id for c, r in pairs if c.grade_id and not isinstance(r.mark, dict)]
    yield from _told("{} without nbgrader's metadata: the course's counts.", damaged)
    yield from _told("{} with other metadata of nbgrader's: the course's counts.", [c.id for c, r in _forged(pairs)])


def human(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> Iterator[str]:
    """What nobody does by accident: metadata of nbgrader's that was changed, or made up."""
    pairs = [(course[number], raw[index]) for number, index in sorted(claimed.items())]
    for cell, other in list(_forged(pairs))[:NAMED]:
        told = ", ".join(f"{key} is {shown(value)}" for key, value in list(_changes(cell, other.mark or {}))[:3])
        yield f"nbgrader's metadata of {cell.id!r} was changed: {told}."
    known = {cell.grade_id for cell in course if cell.grade_id}
    added = [cell for index, cell in enumerate(raw) if index not in set(claimed.values())]
    made_up = [cell for cell in added if cell.mark and cell.mark.get("grade") and cell.grade_id not in known]
    if made_up:
        claim = "claims" if len(made_up) == 1 else "claim"
        yield f"{_count(len(made_up), 'cell')} of its own {claim} points."


def _told(sentence: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        listed = ", ".join(repr(name) for name in names[:NAMED])
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        many = len(names) > 1
        yield f"The cell{'s' if many else ''} {listed}{more} " + sentence.format("were" if many else "was")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _asks(cell: CourseCell) -> bool:
    return cell.kind in ("answer", "written")


def _edited(cell: CourseCell, raw: RawCell) -> bool:
    return plain(cell.released) != plain(raw.source)


def _copied(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> set[str]:
    names = {name: cell.id for cell in course for name in (cell.grade_id, cell.id) if name}
    used = set(claimed.values())
    added = [cell for index, cell in enumerate(raw) if index not in used]
    return {names[name] for cell in added for name in (cell.id, cell.grade_id) if name in names}


def _forged(pairs: Iterable[Pair]) -> Iterator[Pair]:
    return ((cell, other) for cell, other in pairs if other.mark and any(_changes(cell, other.mark)))


def _changes(cell: CourseCell, mark: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a learner's mark says that the course's does not."""
    own = cell.metadata
    if "grade_id" in mark and mark["grade_id"] != cell.grade_id:
        yield "grade_id", mark["grade_id"]
    for flag in FLAGS:
        if flag in mark and mark[flag] is not bool(own.get(flag)):
            yield flag, mark[flag]
    if "points" in mark and mark["points"] != own.get("points"):
        yield "points", mark["points"]
    if "schema_version" in mark and mark["schema_version"] not in SCHEMAS:
        yield "schema_version", mark["schema_version"]
