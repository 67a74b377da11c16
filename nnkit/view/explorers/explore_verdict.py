"""The half of the verdict explorer that computes: the entries of a verdict, with a sentence on each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nnkit.check.error_map import Cell, ErrorMap, two_numbers
from nnkit.check.verdict import Entry, Verdict, map_sentences
from nnkit.graphtext import format_value
from nnkit.language import say
from nnkit.text import join_lines, replace_unprintable
from nnkit.view.explorers.protocol import Json


@dataclass(frozen=True)
class StillVerdict:
    """The HTML card of a verdict, and its text."""

    verdict: Verdict

    @property
    def description(self) -> str:
        """The text of the verdict, hints included."""
        return str(self.verdict)

    def _repr_html_(self) -> str:
        return self.verdict._repr_html_() or ""


class VerdictActor:
    """An actor that sends the whole verdict at the start; there are no requests."""

    def __init__(self, verdict: Verdict):
        self.verdict = verdict

    def start(self) -> tuple[Json, Json]:
        verdict = self.verdict
        setup = {
            "headline": verdict.first_line(),
            "grid": _build_grid(verdict),
            "hints": [replace_unprintable(hint) for hint in verdict.hints],
            "notes": [
                *map(replace_unprintable, (*verdict.explanation, *verdict.notes)),
                *([say("Lesson: {lesson}", lesson=replace_unprintable(verdict.lesson))] if verdict.lesson else []),
            ],
        }
        return setup, {}

    def answer(self, request: Json) -> tuple[Json | None, Json]:
        return None, {}

    def list_frozen_requests(self) -> list[Json]:
        return [{}]


def _build_grid(verdict: Verdict) -> Json | None:
    """Return rows of cells; None if the verdict compared no numbers."""
    error_map = verdict.error_map
    if error_map is not None and error_map.entries > 1:
        grid = error_map.grid()
        above, below = map_sentences(error_map)
        entries = iter(_pair_entries(error_map, grid.block == (1, 1)))
        rows = [[_describe_cell(cell, next(entries)) for cell in row] for row in grid.rows]
        labels = {"rows": list(grid.row_labels), "columns": list(grid.column_labels)}
        return {**labels, "cells": rows, "above": above, "below": below}
    if not verdict.entries:
        return None
    row = [_describe_entry(entry) for entry in verdict.entries]
    labels = {"rows": [""], "columns": [join_lines(entry.where) for entry in verdict.entries]}
    return {**labels, "cells": [row], "above": say("The entries that differ:"), "below": ""}


def _pair_entries(error_map: ErrorMap, single: bool) -> list[tuple[float, float] | None]:
    """Return (yours, expected) for each cell in order; None for cells that are blocks of entries."""
    if not single:
        return [None] * len(error_map.grid().cells)
    flat: Any = zip(sum(error_map.yours, ()), sum(error_map.expected, ()))
    return list(flat)


def _describe_cell(cell: Cell, pair: tuple[float, float] | None) -> Json:
    if pair is None:
        words = cell.words() if cell.wrong else say("{where}: all correct.", where=cell.where)
        return {"mark": cell.mark, "words": words}
    where = join_lines(cell.where)
    if not cell.wrong:
        yours, expected = (format_value(number) for number in pair)
        words = say("{where} is right: {yours}.", where=where, yours=yours)
        return {"mark": cell.mark, "yours": yours, "expected": expected, "difference": "0", "words": words}
    return {**_describe_entry(Entry(where, *pair)), "mark": cell.mark}


def _describe_entry(entry: Entry) -> Json:
    """Return one wrong entry: its numbers, with enough digits to tell them apart, and their difference."""
    yours, expected = (text.replace("-", "−") for text in two_numbers(entry.yours, entry.expected))
    difference = format_value(entry.yours - entry.expected)
    ratio = entry.yours / entry.expected if entry.expected else math.nan
    numbers = {"yours": yours, "expected": expected, "difference": difference}
    words = say(
        "{where} is wrong: yours {yours}, expected {expected}, a difference of {difference}; yours is {ratio} times "
        "the expected."
        if math.isfinite(ratio)
        else "{where} is wrong: yours {yours}, expected {expected}, a difference of {difference}.",
        where=join_lines(entry.where), ratio=format_value(ratio), **numbers,
    )  # fmt: skip
    return {"mark": "✗", **numbers, "words": words}
