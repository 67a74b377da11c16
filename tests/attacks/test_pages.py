"""Attacks on the pages that graders open: the time that it takes to clean and to render them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hostile import course

from nnkit_grader.course.assignment import Assignment
from nnkit_grader.record.graded_notebook import format_notebook
from nnkit_grader.record.results import CellResult, Result
from nnkit_grader.sanitize.budget import CleaningBudget
from nnkit_grader.sanitize.markdown import clean_markdown
from nnkit_grader.sanitize.outputs import bound_outputs

pytestmark = pytest.mark.escape
ROWS = "\\\\["
"""Markdown for which nbconvert looks for the end of a formula at each of its letters."""


def measure(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def test_a_page_of_brackets_takes_nbconvert_long_and_us_not() -> None:
    from nbconvert.filters import markdown2html

    text = ROWS * 4_000
    cleaned = clean_markdown(text)
    theirs = measure(lambda: markdown2html(text))
    assert measure(lambda: clean_markdown(text)) < theirs / 3
    assert measure(lambda: markdown2html(cleaned)) < theirs / 3


def test_many_such_pages_end_with_the_budget() -> None:
    text = ROWS * 5_000
    page = {"output_type": "display_data", "data": {"text/markdown": text, "text/plain": "x"}, "metadata": {}}
    cells = tuple(CellResult(f"a{n}", "", "added", "markdown", text) for n in range(300))
    result = Result("ps1", "", "", 1, cells)
    empty = Assignment("ps1", "ps1", course().cells[:0])

    budget = CleaningBudget(seconds=0.3)
    assert measure(lambda: bound_outputs([page] * 100, budget=budget)) < 3
    assert budget.seconds <= 0
    assert measure(lambda: format_notebook(result, empty, budget=budget)) < 3
