"""A map of the wrong entries of an array: a part of it as rows and columns, small enough to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.language import say

MAX_KEPT_ROWS = 64
"""Rows and columns that are kept."""
MAX_SHOWN_ROWS = 16
"""Rows and columns that are shown; where there are more, a cell stands for a block of entries."""

Rows = tuple[tuple[float, ...], ...]
Place = tuple[int, int]  # row and column in the whole array


@dataclass(frozen=True)
class ErrorMap:
    """A wrong array as rows and columns: a vector is one row; leading axes beyond two are stacked as rows.

    Of an array that is larger than 64 × 64, it is the part that holds the first wrong entry.
    """

    name: str
    """The name of the array: "dw"."""
    shape: tuple[int, ...]
    """The shape of the whole array."""
    yours: Rows
    expected: Rows
    wrong: tuple[tuple[bool, ...], ...]
    start: Place = (0, 0)
    """The row and the column of the whole array at which the part begins."""

    @classmethod
    def of(cls, name: str, yours: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> ErrorMap:
        """Return the map of three arrays of one shape, of any rank and size."""
        shape = np.shape(yours)
        height, width = _rows_and_columns(shape)
        flat = [np.reshape(a, (height, width)) for a in (yours, expected, wrong)]
        first = np.argwhere(flat[2])[0] if np.any(flat[2]) else (0, 0)
        top, left = (_begin(int(at), size) for at, size in zip(first, (height, width)))
        mine, right, off = (a[top : top + MAX_KEPT_ROWS, left : left + MAX_KEPT_ROWS] for a in flat)
        rows = tuple(tuple(bool(x) for x in row) for row in off)
        return cls(name, shape, _floats(mine), _floats(right), rows, (top, left))

    @property
    def whole(self) -> bool:
        """True if this is the whole array."""
        return self.entries == math.prod(self.shape)

    @property
    def entries(self) -> int:
        return sum(map(len, self.wrong))

    @property
    def wrongs(self) -> int:
        """The number of wrong entries."""
        return sum(map(sum, self.wrong))

    def place(self, row: int, column: int) -> str:
        """Return an entry of the map as Python spells it: "dw[0, 2]", or "dw" alone for a scalar."""
        index = (*self._leading(row), self.start[1] + column) if self.shape else ()
        return f"{self.name}[{', '.join(map(str, index))}]" if index else self.name

    def grid(self) -> Grid:
        """Return the map as at most 16 × 16 cells: entries where they fit, or else blocks; a vector is wrapped."""
        height, width = len(self.wrong), len(self.wrong[0]) if self.wrong else 0
        if min(height, width) == 1 and max(height, width) > MAX_SHOWN_ROWS:
            return self._wrapped([(r, c) for r in range(height) for c in range(width)])
        block = (-(-height // MAX_SHOWN_ROWS) or 1, -(-width // MAX_SHOWN_ROWS) or 1)
        tops, lefts = range(0, height, block[0]), range(0, width, block[1])
        return Grid(
            tuple(tuple(self._cell(list(self._inside(top, left, block))) for left in lefts) for top in tops),
            tuple(", ".join(map(str, self._leading(top))) for top in tops),
            tuple(str(self.start[1] + left) for left in lefts) if self.shape else ("",),
            block,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; numbers are in strings, because JSON has no NaN."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "start": list(self.start),
            "yours": [[written(x) for x in row] for row in self.yours],
            "expected": [[written(x) for x in row] for row in self.expected],
            "wrong": [list(row) for row in self.wrong],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ErrorMap:
        top, left = data["start"]
        wrong = tuple(tuple(map(bool, row)) for row in data["wrong"])
        return cls(
            data["name"], tuple(data["shape"]), _floats(data["yours"]), _floats(data["expected"]), wrong, (top, left)
        )

    def _leading(self, row: int) -> tuple[int, ...]:
        """Return the index of a row along all axes but the last."""
        return tuple(int(i) for i in np.unravel_index(self.start[0] + row, self.shape[:-1])) if self.shape[:-1] else ()

    def _wrapped(self, line: list[Place]) -> Grid:
        """Wrap a long vector line by line like text: the row "16+" begins at the entry 16."""
        lines = [line[i : i + MAX_SHOWN_ROWS] for i in range(0, len(line), MAX_SHOWN_ROWS)]
        rows = tuple(tuple(self._cell([place]) for place in places) for places in lines)
        indices = [self._leading(r) if len(self.wrong) > 1 else (self.start[1] + c,) for (r, c), *_ in lines]
        labels = tuple(f"{', '.join(map(str, index))}+" for index in indices)
        return Grid(rows, labels, tuple(map(str, range(MAX_SHOWN_ROWS))), (1, 1))

    def _inside(self, top: int, left: int, block: Place) -> Iterator[Place]:
        for row in range(top, min(top + block[0], len(self.wrong))):
            for column in range(left, min(left + block[1], len(self.wrong[row]))):
                yield row, column

    def _cell(self, places: list[Place]) -> Cell:
        wrong = [(r, c) for r, c in places if self.wrong[r][c]]
        pairs = [(self.yours[r][c], self.expected[r][c]) for r, c in wrong]
        first, last = self.place(*places[0]), self.place(*places[-1])
        where = first if len(places) == 1 else f"{first} to {last}"
        error = max((_error(*pair) for pair in pairs), default=0.0)
        return Cell(where, len(places), len(wrong), error, pairs[0] if pairs else None)


@dataclass(frozen=True)
class Cell:
    """One entry, or a block of them."""

    where: str
    entries: int
    wrong: int
    """The number of wrong entries."""
    error: float
    """The largest error of those; infinite for a NaN."""
    first: tuple[float, float] | None
    """Yours and expected of the first wrong one."""

    @property
    def mark(self) -> str:
        """The symbol for its state, which needs no colour."""
        return "·" if not self.wrong else "✗" if math.isfinite(self.error) else "!"

    def words(self) -> str:
        """Return the cell in words, as it is read aloud."""
        if self.first is None:
            return say("right")
        yours, expected = two_numbers(*self.first)
        numbers = say("yours {yours}, expected {expected}", yours=yours, expected=expected)
        if self.entries > 1:
            return say(
                "{where}: {wrong} of {count} entries wrong, the first: {numbers}",
                **{"where": self.where, "wrong": self.wrong, "count": self.entries, "numbers": numbers},
            )
        return say("{where} is wrong: {numbers}", where=self.where, numbers=numbers)


@dataclass(frozen=True)
class Grid:
    """A drawing as rows of cells, and the index at which each row and column begins."""

    rows: tuple[tuple[Cell, ...], ...]
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    block: Place
    """Rows and columns of entries that a cell stands for."""

    @property
    def cells(self) -> list[Cell]:
        return [cell for row in self.rows for cell in row]

    def largest(self) -> float:
        """Return the largest error that is a number."""
        return max((cell.error for cell in self.cells if math.isfinite(cell.error)), default=0.0)


# -- numbers ---------------------------------------------------------------------------------------


def written(number: float) -> str:
    """Return a number exactly, as Python writes it: `float` reads it back, NaN and infinities too."""
    return repr(float(number))


def two_numbers(yours: float, expected: float) -> tuple[str, str]:
    """Return both numbers with six digits, or with as many more as it takes to tell them apart."""
    yours, expected = float(yours) + 0.0, float(expected) + 0.0  # no -0
    for digits in range(6, 18):
        pair = f"{yours:.{digits}g}", f"{expected:.{digits}g}"
        if pair[0] != pair[1]:
            return pair
    return f"{yours:.6g}", f"{expected:.6g}"


def aligned(column: list[str]) -> list[str]:
    """Pad the numbers to one width, their decimal points below one another."""
    heads = [len(text.partition(".")[0].partition("e")[0]) for text in column]
    before = max(heads, default=0)
    after = max((len(text) - head for text, head in zip(column, heads)), default=0)
    return [f"{text[:head]:>{before}}{text[head:]:<{after}}" for text, head in zip(column, heads)]


def _error(yours: float, expected: float) -> float:
    error = abs(yours - expected)
    return math.inf if math.isnan(error) else error


def _floats(rows: Any) -> Rows:
    return tuple(tuple(float(x) for x in row) for row in rows)


def _rows_and_columns(shape: tuple[int, ...]) -> Place:
    return (math.prod(shape[:-1]), shape[-1]) if shape else (1, 1)


def _begin(first: int, size: int) -> int:
    """Return the start of the kept part of an axis, which holds the entry `first`; a multiple of 64 if possible."""
    return max(0, min(first // MAX_KEPT_ROWS * MAX_KEPT_ROWS, size - MAX_KEPT_ROWS))
