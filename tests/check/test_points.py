"""Points for every value that a test cell can end with: ours beside nbgrader's, on cells that a kernel has run."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade

import jax
from helpers.cell_values import ANSWER, CELL_ENDS, POINTS, REFUSED, SETUP
from helpers.kernels import Client
from nnkit.check.notebook.runner import run
from nnkit.check.points import describe_bad_value, earn_points, read_value

SOURCES = [end.source for end in CELL_ENDS]


@pytest.fixture(scope="module")
def executed() -> list[Any]:
    """The cells as a kernel has run them."""
    cells = [new_code_cell(source) for source in (SETUP, ANSWER, *SOURCES)]
    notebook = new_notebook(cells=cells)
    Client(notebook, allow_errors=True, timeout=300, kernel_name="python3").execute()
    executed_cells: list[Any] = notebook.cells[2:]
    return executed_cells


@pytest.mark.parametrize("number", range(len(CELL_ENDS)), ids=SOURCES)
def test_nbgrader_gives_what_the_table_says(executed: list[Any], number: int) -> None:
    cell, end = executed[number], CELL_ENDS[number]
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "points": POINTS}
    if end.nbgrader == REFUSED:
        with pytest.raises(ValueError, match="cannot be greater than maximum points"):
            determine_grade(cell)
    else:
        assert determine_grade(cell)[0] == (end.points if end.nbgrader is None else end.nbgrader)


def test_each_difference_has_its_reason() -> None:
    assert all(bool(end.reason) == (end.nbgrader is not None) for end in CELL_ENDS)
    assert all(end.nbgrader != end.points for end in CELL_ENDS)


def test_we_give_what_the_table_says(tmp_path: Path) -> None:
    outcomes = run([SETUP, ANSWER, *SOURCES], tmp_path)[2:]
    earned = {
        end.source: 0.0 if outcome.error else earn_points(outcome.value, POINTS)
        for end, outcome in zip(CELL_ENDS, outcomes, strict=True)
    }
    assert earned == {end.source: end.points for end in CELL_ENDS}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (True, "its test ends with a bool, and should end with an assertion or a number of points"),
        (np.ones(2), "its test ends with an array of type float64, and should end with an assertion or a number"),
        (5, "its test gives 5 points, and should give a number from 0 to 4"),
        (jax.numpy.ones(2), "its test ends with an ArrayImpl, and should end with"),
        (Fraction(9, 2), "its test gives 4.5 points, and should give a number from 0 to 4"),
        (float("nan"), "its test gives nan points, and should give a number from 0 to 4"),
    ],
)
def test_a_bad_value_is_described(value: Any, sentence: str) -> None:
    assert describe_bad_value(read_value(value), POINTS).startswith(sentence)


@pytest.mark.parametrize("value", [None, 0, 4, 1.5, np.float32(0.5), np.array(2), "passed", Fraction(7, 2)])
def test_a_value_that_earns_points_is_not_described(value: Any) -> None:
    assert describe_bad_value(read_value(value), POINTS) == ""


@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64, jax.numpy.bfloat16, jax.numpy.float32])
@pytest.mark.parametrize("points", [0.3, 2 / 3, 0.7])
def test_full_marks_in_any_type_are_full_marks(type_: Any, points: float) -> None:
    assert earn_points(read_value(type_(points)), points) == pytest.approx(points, rel=1e-2)
    assert earn_points(read_value(type_(1.25 * points)), points) == 0.0


def test_a_tensor_is_a_number_if_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch is no dependency, so a stand-in has the part of its interface that is used."""

    class Tensor:
        def __init__(self, value: Any):
            self.value = np.asarray(value)
            self.ndim, self.dtype, self.item = self.value.ndim, self.value.dtype, self.value.item

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(Tensor=Tensor, finfo=np.finfo))
    values = [Tensor(np.float32(4) + np.float32(1e-6)), Tensor(3), Tensor(True), Tensor([1.0, 2.0]), Tensor(2j)]
    assert [earn_points(read_value(value), POINTS) for value in values] == [4.0, 3.0, 0.0, 0.0, 0.0]


def test_a_subclass_of_a_number_is_none() -> None:
    class Claims(np.float64):
        dtype = np.dtype(float)

    assert earn_points(read_value(Claims(3.0)), POINTS) == 0.0
