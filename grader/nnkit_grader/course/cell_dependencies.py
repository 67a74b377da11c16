"""The cells of an assignment that depend on one of them, by the names that they bind and read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_bound_names, find_global_reads, list_early_reads, list_names


def find_cells_to_run(assignment: Assignment, changed: CourseCell, source: str, tests: Iterable[str]) -> frozenset[str]:
    """Return the ids of the cells that show what another `source` of an answer cell changes.

    These are the tests that depend on it, those named in `tests`, what both need, and all cells that bind nothing: they
    may have side effects.
    """
    code = [cell for cell in assignment.cells if cell.cell_type == "code"]
    reached = _follow(code, changed, _find_bound(changed.source) | _find_bound(source))
    chosen = [cell for cell in code if cell.kind == "test" and (cell.id in reached or cell.grade_id in set(tests))]
    return _add_needed(code, [*chosen, changed], source)


def _follow(code: Sequence[CourseCell], changed: CourseCell, names: Set[str]) -> set[str]:
    """Return the ids of the cells to which a change of these names spreads."""
    reached, before, spread = {changed.id}, -1, set(names)
    while len(reached) > before:
        before = len(reached)
        for cell in code:
            if cell.id not in reached and _find_needed(cell.source) & spread:
                reached.add(cell.id)
                spread |= _find_bound(cell.source)
    return reached


def _add_needed(code: Sequence[CourseCell], chosen: Sequence[CourseCell], source: str) -> frozenset[str]:
    """Return the ids of these cells, and of those that bind what they read: other tests only if no other cell does."""
    found = {cell.id for cell in chosen} | {c.id for c in code if c.kind != "test" and not _find_bound(c.source)}
    by_others = set().union(*(_find_bound(cell.source) for cell in code if cell.kind != "test"))
    waiting = set().union(_find_needed(source), *(_find_needed(cell.source) for cell in code if cell.id in found))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for cell in code:
            if (
                cell.id not in found
                and name in _find_bound(cell.source)
                and (cell.kind != "test") == (name in by_others)
            ):
                found.add(cell.id)
                waiting |= _find_needed(cell.source) - seen
    return frozenset(found)


def _find_needed(source: str) -> Set[str]:
    """Return the names that a cell reads before it binds them, or does not bind."""
    reads, early = list_names(find_global_reads, source), list_names(list_early_reads, source)
    return (reads - _find_bound(source)) | early


def _find_bound(source: str) -> Set[str]:
    return list_names(find_bound_names, source)
