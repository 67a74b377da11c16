"""The verdict explorer without a browser: the numbers of a verdict's entries, and what is said of each."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnkit import view
from nnkit.check import WrongDerivative
from nnkit.check.error_map import ErrorMap
from nnkit.check.verdict import Entry, Verdict
from nnkit.view.explorers.explore_verdict import VerdictActor


def verdict(yours: np.ndarray, expected: np.ndarray) -> Verdict:
    off = ~np.isclose(yours, expected)
    entries = tuple(Entry(f"dw[{i}, {j}]", yours[i, j], expected[i, j]) for i, j in np.argwhere(off)[:4])
    facts = {"headline": "dw is wrong.", "hints": ("First.", "Second."), "lesson": "lecture 3"}
    return Verdict("f", "wrong", entries=entries, error_map=ErrorMap.of("dw", yours, expected, off), **facts)


def test_each_entry_is_described_with_its_numbers() -> None:
    expected = np.array([[1.0, -2.0], [3.0, 0.5]])
    yours = expected * [[1, -1], [1, 1]] + [[0, 0], [0, np.nan]]
    setup, _ = VerdictActor(verdict(yours, expected)).start()
    cells = setup["grid"]["cells"]
    assert [[cell["mark"] for cell in row] for row in cells] == [["·", "✗"], ["·", "!"]]
    assert cells[0][0]["words"] == "dw[0, 0] is right: 1."
    said = "dw[0, 1] is wrong: yours 2, expected −2, a difference of 4; yours is −1 times the expected."
    assert cells[0][1]["words"] == said
    assert [cells[0][1][way] for way in ("yours", "expected", "difference")] == ["2", "−2", "4"]
    assert cells[1][1]["words"] == "dw[1, 1] is wrong: yours nan, expected 0.5, a difference of nan."
    assert setup["grid"]["above"] == "dw (2, 2): 2 of 4 entries wrong"
    assert setup["hints"] == ["First.", "Second."]
    assert setup["notes"] == ["Lesson: lecture 3"]
    json.dumps(setup, allow_nan=False)


def test_a_long_vector_keeps_its_order_and_a_large_array_is_described_in_blocks() -> None:
    expected = np.arange(1.0, 41.0)
    yours = expected.copy()
    yours[37] = 0.0
    off = yours != expected
    long = Verdict("f", "wrong", "db is wrong.", error_map=ErrorMap.of("db", yours, expected, off))
    cells = VerdictActor(long).start()[0]["grid"]["cells"]
    wrong = [cell["words"] for row in cells for cell in row if cell["mark"] == "✗"]
    assert wrong == ["db[37] is wrong: yours 0, expected 38, a difference of −38; yours is 0 times the expected."]
    large = VerdictActor(verdict(np.ones((40, 40)) + np.eye(40), np.ones((40, 40)))).start()[0]["grid"]["cells"]
    assert large[0][0]["words"].startswith("dw[0, 0] to dw[2, 2]: 3 of 9 entries wrong, the first: yours 2, expected 1")
    assert large[0][1]["words"] == "dw[0, 3] to dw[2, 5]: all correct."


def test_it_takes_a_verdict_or_what_was_raised() -> None:
    bad = verdict(np.zeros((2, 2)), np.ones((2, 2)))
    with pytest.raises(WrongDerivative) as raised:
        assert bad
    for one in (view.verdict_explorer(bad), view.verdict_explorer(raised.value)):
        assert one.description == str(bad)
        assert one._repr_html_() == bad._repr_html_()
    assert VerdictActor(Verdict("f", "not attempted", "it is still to be written.")).start()[0]["grid"] is None
    with pytest.raises(TypeError, match="takes what a check returned; this is a bool"):
        view.verdict_explorer(True)  # type: ignore[arg-type]
