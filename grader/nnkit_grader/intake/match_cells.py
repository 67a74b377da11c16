"""The match between the cells of a submission and of the course, and the order in which they run.

    submitted cells + course cells → match_cells (course cell → submitted cell) → order_cells

The course's order is restored. A cell that a learner added stays behind the cell that it followed, so a helper
above a test is there when the test runs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from nnkit_grader.course.assignment import CourseCell, normalise_source
from nnkit_grader.intake.parse_notebook import RawCell

CellMatches = dict[int, int]
"""Index of a course cell → index of the submitted cell that was matched with it."""

CellPair = tuple[int | None, int | None]
"""Index of a course cell and of a submitted one; one of them is None for an added or a missing cell."""

MatchRule = tuple[Callable[[CourseCell], Hashable], Callable[[RawCell], Hashable]]
"""Two functions that give the key of a course cell and of a submitted one. Equal keys match; None matches nothing."""


def match_cells(course: Sequence[CourseCell], raw: Sequence[RawCell]) -> CellMatches:
    """Match each course cell with at most one submitted cell.

    In order of preference: both ids equal, nbgrader's id equal, the cell's id equal, the source unchanged, and the
    heading of a text. Of several candidates, the first behind the previous course cell's match is taken.
    """
    found: CellMatches = {}
    taken: set[int] = set()
    for key_of_course, key_of_raw in _list_rules({cell.grade_id for cell in course if cell.grade_id}):
        free: dict[Hashable, list[int]] = {}
        for index, cell in enumerate(raw):
            if index not in taken:
                free.setdefault(key_of_raw(cell), []).append(index)
        last = -1
        for number, wanted in enumerate(course):
            key = key_of_course(wanted)
            fit = [i for i in free.get(key, ()) if i not in taken] if number not in found and key is not None else []
            if fit:
                found[number] = next((index for index in fit if index > last), fit[0])
                taken.add(found[number])
            last = found.get(number, last)
    return found


def _list_rules(known: set[str]) -> Iterator[MatchRule]:
    """Yield the rules, the strongest first. `known` are nbgrader's ids in the course; others do not count."""
    yield (lambda c: (c.id, c.grade_id)), (lambda r: (r.id, r.grade_id if r.grade_id in known else ""))
    yield (lambda c: c.grade_id or None), (lambda r: r.grade_id or None)
    yield (lambda c: c.id), (lambda r: r.id or None)
    yield (
        (lambda c: (c.cell_type, normalise_source(c.released))),
        (lambda r: (r.cell_type, normalise_source(r.source)) if r.grade_id not in known else None),
    )
    yield (lambda c: read_heading(c.released) if c.kind == "text" else None), (lambda r: read_heading(r.source))


def read_heading(source: str) -> str | None:
    """Return the heading with which a text begins; None if it begins otherwise."""
    first = source.strip().partition("\n")[0].strip()
    return first if first.startswith("#") else None


def is_edited(cell: CourseCell, source: str) -> bool:
    """Return True if a cell is not as it was released."""
    return normalise_source(cell.released) != normalise_source(source)


def find_unmoved(claimed: Mapping[int, int]) -> set[int]:
    """Return the course cells that the learner did not move: a longest subsequence in the course's order."""
    last: list[int] = []  # the smallest last position of a run of each length, and the course cell there
    cells: list[int] = []
    before: dict[int, int | None] = {}
    for number in sorted(claimed):
        length = bisect_left(last, claimed[number])
        before[number] = cells[length - 1] if length else None
        last[length : length + 1] = [claimed[number]]
        cells[length : length + 1] = [number]
    run: set[int] = set()
    step = cells[-1] if cells else None
    while step is not None:
        run.add(step)
        step = before[step]
    return run


def order_cells(course: Sequence[CourseCell], claimed: Mapping[int, int], count: int) -> list[CellPair]:
    """Return all cells in the order in which they run; `count` is the number of submitted cells."""
    anchors = find_unmoved(claimed)
    added = _group_added_cells(anchors, claimed, count)
    places: list[CellPair] = []
    for anchor, rest in _group_by_anchor(len(course), anchors):
        # Restored cells come first, so that what the learner wrote instead overrides them. Tests come last, since
        # they may need it.
        tests = next((at for at, number in enumerate(rest) if course[number].kind == "test"), len(rest))
        places += [(anchor, claimed[anchor])] if anchor is not None else []
        places += [(number, claimed.get(number)) for number in rest[:tests]]
        places += [(None, index) for index in added[anchor]]
        places += [(number, claimed.get(number)) for number in rest[tests:]]
    return places


def _group_by_anchor(count: int, anchors: set[int]) -> Iterator[tuple[int | None, list[int]]]:
    """Yield each anchor with the course cells between it and the next; first None with those above all anchors."""
    anchor: int | None = None
    rest: list[int] = []
    for number in range(count):
        if number in anchors:
            yield anchor, rest
            anchor, rest = number, []
        else:
            rest.append(number)
    yield anchor, rest


def _group_added_cells(anchors: set[int], claimed: Mapping[int, int], count: int) -> dict[int | None, list[int]]:
    """Group added cells by the anchor that they follow in the submission; None for those above all anchors."""
    places = {claimed[number]: number for number in anchors}
    known = set(claimed.values())
    after: dict[int | None, list[int]] = {number: [] for number in [None, *anchors]}
    last: int | None = None
    for index in range(count):
        last = places.get(index, last)
        if index not in known:
            after[last].append(index)
    return after
