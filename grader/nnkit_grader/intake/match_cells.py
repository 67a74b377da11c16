"""Which cell of a submission is which of the course, and the order in which all of them are run.

    raw cells + course cells → claims (course cell → raw cell) → order

A submission is put back into the course's order. What a learner added stays behind the cell that it followed, so a
helper above a test is there when the test runs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from nnkit_grader.course.assignment import CourseCell
from nnkit_grader.intake.parse_notebook import RawCell

Claims = dict[int, int]
"""Index of a course cell → index of the submitted cell that counts as it."""

Place = tuple[int | None, int | None]
"""Index of a course cell and of a submitted one; None where it is missing, or added."""

Rule = tuple[Callable[[CourseCell], Hashable], Callable[[RawCell], Hashable]]
"""What a course cell and a submitted one must have in common; None has nothing in common with anything."""


def claims(course: Sequence[CourseCell], raw: Sequence[RawCell]) -> Claims:
    """Which submitted cell counts as which of the course's: each at most once.

    Both ids count more than nbgrader's, which counts more than the cell's; without ids an unchanged cell is
    known by its source. Of several, the first at the right place counts: behind the course's cell before.
    """
    found: Claims = {}
    taken: set[int] = set()
    for key_of_course, key_of_raw in _rules({cell.grade_id for cell in course if cell.grade_id}):
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


def _rules(known: set[str]) -> Iterator[Rule]:
    """`known` are nbgrader's ids in the course; others that a learner's cell carries say nothing."""
    yield (lambda c: (c.id, c.grade_id)), (lambda r: (r.id, r.grade_id if r.grade_id in known else ""))
    yield (lambda c: c.grade_id or None), (lambda r: r.grade_id or None)
    yield (lambda c: c.id), (lambda r: r.id or None)
    yield (lambda c: (c.cell_type, plain(c.released))), (lambda r: None if r.id else (r.cell_type, plain(r.source)))


def plain(source: str) -> str:
    """A source without what editors change unasked: line ends, and blank lines around it."""
    return source.replace("\r\n", "\n").strip()


def in_place(claimed: Mapping[int, int]) -> set[int]:
    """The course cells that the learner left in the course's order: the longest such run."""
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


def order(course: Sequence[CourseCell], claimed: Mapping[int, int], count: int) -> list[Place]:
    """All cells in the order in which they are run; `count` is the number of submitted cells."""
    anchors = in_place(claimed)
    added = _added_after(anchors, claimed, count)
    places: list[Place] = []
    for anchor, rest in _groups(len(course), anchors):
        # What is put back comes first, so that what the learner wrote instead of it has the last word; but a test
        # comes behind that, since it may need it.
        tests = next((at for at, number in enumerate(rest) if course[number].kind == "test"), len(rest))
        places += [(anchor, claimed[anchor])] if anchor is not None else []
        places += [(number, claimed.get(number)) for number in rest[:tests]]
        places += [(None, index) for index in added[anchor]]
        places += [(number, claimed.get(number)) for number in rest[tests:]]
    return places


def _groups(count: int, anchors: set[int]) -> Iterator[tuple[int | None, list[int]]]:
    """Each anchor with the course cells behind it until the next; first those above all anchors."""
    anchor: int | None = None
    rest: list[int] = []
    for number in range(count):
        if number in anchors:
            yield anchor, rest
            anchor, rest = number, []
        else:
            rest.append(number)
    yield anchor, rest


def _added_after(anchors: set[int], claimed: Mapping[int, int], count: int) -> dict[int | None, list[int]]:
    """Added cells by the anchor that they follow in the submission; None for those above all anchors."""
    places = {claimed[number]: number for number in anchors}
    known = set(claimed.values())
    after: dict[int | None, list[int]] = {number: [] for number in [None, *anchors]}
    last: int | None = None
    for index in range(count):
        last = places.get(index, last)
        if index not in known:
            after[last].append(index)
    return after
