"""The names that a course's cells read and bind, and which cells depend on which by them."""

from __future__ import annotations

import pytest

from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_global_reads, list_early_reads, list_names
from nnkit_grader.course.cell_dependencies import find_cells_to_run


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("n += 1", {"n"}),
        ("del n", {"n"}),
        ("n = 1\nn += 1", set()),
        ("x = f(x)", {"f", "x"}),
        ("for n in cases:\n    total += n", {"cases", "total"}),
        ("for a, b in a:\n    c = a\nelse:\n    b", {"a", "b"}),
        ("for part[k] in cases:\n    k = 1", {"part", "k", "cases"}),
        ("def count():\n    global n\n    n += 1", {"n"}),
        ("def count():\n    n = 0\n    n += 1", set()),
        ("if ready:\n    n = 1\nn", {"ready", "n"}),
    ],
)
def test_what_a_cell_reads_before_it_binds_it(source: str, read: set[str]) -> None:
    assert list_early_reads(source) == read


@pytest.mark.parametrize("source", ["def f(:", "-" * 100_000 + "1", "\0"])
def test_no_names_are_found_in_what_is_not_python(source: str) -> None:
    assert list_names(find_global_reads, source) == set()


@pytest.mark.parametrize("test", ["x = f(x)\nassert x == 5", "x += f(1)\nassert x == 6"])
def test_a_given_value_that_a_test_changes_is_needed(test: str) -> None:
    cells = [("x", "given", "x = 5"), ("y", "given", "y = 1"), ("f", "answer", "def f(v):\n    return v")]
    made = [CourseCell(name, name, kind, source, source) for name, kind, source in [*cells, ("test", "test", test)]]  # type: ignore[arg-type]
    course = Assignment("ps", "ps", tuple(made), {})
    assert find_cells_to_run(course, made[2], made[2].source, ["test"]) == {"x", "f", "test"}


def test_names_that_are_bound_before_they_are_read_are_no_early_reads() -> None:
    assert list_early_reads("x = f(1)\nfor y in x:\n    z = y + x\n    g(z)") == {"f", "g"}
    assert list_early_reads("n += 1\ndel m\nfor i in []: k = i\nk") == {"n", "m", "k"}
    assert list_early_reads("x = 1\ndel x\nx") == {"x"}
