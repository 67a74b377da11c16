"""Names that a test misses: found in a notebook of any size, in bounded time."""

from __future__ import annotations

import time

from nnkit.check.notebook.missing_names import DefiningCell, DefiningCells, explain_missing_names, list_missing_names


def make_cells(*sources: str) -> DefiningCells:
    return DefiningCells([DefiningCell(f"cell {position}", source) for position, source in enumerate(sources)])


def test_names_are_read_at_the_beginning_of_each_text_and_twenty_at_most() -> None:
    many = "; ".join(f"name 'a{i}' is not defined" for i in range(3000))
    assert list_missing_names([many]) == [f"a{i}" for i in range(20)]
    assert list_missing_names(["x" * 10_000 + "name 'far' is not defined", "name 'near' is not defined"]) == ["near"]


def test_many_missing_names_and_cells_take_no_time() -> None:
    texts = [f"name 'half{i}' is not defined: has no method 'half{i}'" for i in range(3000)]
    cells = make_cells(*(f"class C{i}:\n    def other(self): pass\nx{i} = {i}" for i in range(1900)))
    asked = {f"half{i}" for i in range(3000)}
    began = time.process_time()
    for test in range(20):
        assert explain_missing_names(texts, cells, test, {0}, asked).startswith("There is no `half0`")
    for test in range(20):
        assert explain_missing_names(texts, cells, test, set(), asked) == ""
    assert time.process_time() - began < 5


def test_a_name_stands_below_or_is_spelled_in_another_way() -> None:
    cells = make_cells("def Half(x): pass", "class Gate:\n    def foward(self): pass", "", "def part(x): pass")
    part, half = "name 'part' is not defined", "name 'half' is not defined"
    assert explain_missing_names([part], cells, 2, {0}, {"half"}) == "`part` is defined only further down, in cell 3."
    assert explain_missing_names([part], cells, 3, {0}, {"half"}) == ""
    assert explain_missing_names([half], cells, 2, {0}, {"half"}) == "There is no `half`, but cell 0 defines `Half`."
    assert explain_missing_names(["has no method 'forward'"], cells, 2, {0}, {"forward"}) == (
        "There is no method `forward`, but cell 1 has the method `foward`."
    )
