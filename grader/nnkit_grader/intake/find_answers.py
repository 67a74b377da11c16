"""Answers that stand in another cell than their own: found by the names that they define, or by their place.

    match_cells (by id) → find_answers (what no id says) → order_cells

An answer's cell may have lost its metadata, or it still holds the stub while the answer stands below it, below its
test, in a Markdown cell, or in a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nnkit_grader.course.assignment import CourseCell, normalise_source
from nnkit_grader.course.bound_names import find_used_names
from nnkit_grader.intake.match_cells import CellMatches, is_edited
from nnkit_grader.intake.parse_notebook import RawCell
from nnkit_grader.intake.stub_code import find_implemented_names, find_imported_names, is_stub, read_code


def find_answers(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> CellMatches:
    """Return the submitted cells that hold the answers to unanswered cells of the course, where there are any."""
    found = _find_exchanged(course, raw, claimed)
    for number, own in enumerate(course):
        if number in found:
            continue
        if own.kind in ("answer", "written") and not _is_answered(own, raw, claimed.get(number)):
            choose = _choose_code if own.cell_type == "code" else _choose_text
            index = choose(number, course, raw, {**claimed, **found})
            if index is not None:
                found[number] = index
    return found


def _find_exchanged(course: Sequence[CourseCell], raw: Sequence[RawCell], claimed: Mapping[int, int]) -> CellMatches:
    """Return the answers that stand in each other's cells: each cell defines what another of them should."""
    asked = {number: find_answer_names(course[number], course) for number in claimed if course[number].kind == "answer"}
    defined = {n: find_implemented_names(read_code(raw[claimed[n]].cell_type, raw[claimed[n]].source)) for n in asked}
    wrong = [number for number, names in asked.items() if names and defined[number] and not names & defined[number]]
    holders = {n: [other for other in wrong if asked[n] <= defined[other]] for n in wrong}
    exchanged = {number: found[0] for number, found in holders.items() if len(found) == 1}
    while set(exchanged) != set(exchanged.values()):  # only whole rounds: no answer is left without its cell
        exchanged = {n: m for n, m in exchanged.items() if n in exchanged.values() and m in exchanged}
    return {number: claimed[other] for number, other in exchanged.items()}


def find_answer_names(own: CourseCell, course: Sequence[CourseCell]) -> frozenset[str]:
    """Return the names that an answer must define: those that the course's answer defines and a test cell uses."""
    names = find_implemented_names(own.source)
    used = frozenset[str]().union(*(find_used_names(cell.source) for cell in course if cell.kind == "test"))
    return names & used or names


def is_unanswered(own: CourseCell, source: str) -> bool:
    """Return True if a cell of the course holds no answer: it is blank, or as it was released."""
    if own.cell_type == "code":
        imported = find_imported_names(source) - find_imported_names(own.released)
        return is_stub(source, own.released) and not imported & {"*", *find_implemented_names(own.source)}
    return normalise_source(source) in ("", normalise_source(own.released))


def _is_answered(own: CourseCell, raw: Sequence[RawCell], index: int | None) -> bool:
    return index is not None and not is_unanswered(own, read_code(raw[index].cell_type, raw[index].source))


def _choose_code(
    number: int, course: Sequence[CourseCell], raw: Sequence[RawCell], matches: Mapping[int, int]
) -> int | None:
    """Return the last cell above the test that defines the answer's names, else the last below it."""
    names = find_answer_names(course[number], course)
    fit = [
        index
        for index in _find_free(course, raw, matches)
        if names and names <= find_implemented_names(read_code(raw[index].cell_type, raw[index].source))
    ]
    tests = (matches[n] for n in range(number, len(course)) if course[n].kind == "test" and n in matches)
    test = next(tests, len(raw))
    return max((index for index in fit if index <= test), default=max(fit, default=None))


def _choose_text(
    number: int, course: Sequence[CourseCell], raw: Sequence[RawCell], matches: Mapping[int, int]
) -> int | None:
    """Return a copy of the cell with text in it; if the cell is missing, the first text in its place."""
    own, taken = course[number], set(matches.values())
    texts = [
        index
        for index, cell in enumerate(raw)
        if index not in taken and cell.cell_type != "code" and not is_unanswered(own, cell.source)
    ]
    copies = [i for i in texts if raw[i].id == own.id or (own.grade_id and raw[i].grade_id == own.grade_id)]
    if copies or number in matches:
        return copies[0] if copies else None
    above = max((matches[n] for n in range(number) if n in matches), default=-1)
    below = min((matches[n] for n in range(number, len(course)) if n in matches), default=len(raw))
    return next((index for index in texts if above < index < below), None)


def _find_free(course: Sequence[CourseCell], raw: Sequence[RawCell], matches: Mapping[int, int]) -> Iterator[int]:
    """Yield the cells that may hold an answer to another: added ones, edited texts, and edited test cells."""
    owners = {index: course[number] for number, index in matches.items()}
    for index, cell in enumerate(raw):
        own = owners.get(index)
        if own is None or (own.kind in ("text", "test") and is_edited(own, cell.source)):
            yield index
