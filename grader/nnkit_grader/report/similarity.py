"""Pairs of submissions that are too much alike, up to the renaming of what they name themselves.

An answer counts if it is long enough, and neither as it was released nor as the course's own solution has it, up to
renaming. Many right answers are alike, so what decides is how rare the shared ones are: an answer that k of n students
gave in the same form counts log2(n / k), a number of bits, and those of a pair are added up. A pair is told if it has
more bits than one would expect of the likest pair in a class of this size (log2 of the number of pairs) by MARGIN, or
if the two files are the same byte by byte and somebody answered something in them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.report.collect import Gathered, Row
from nnkit_grader.report.normalise import Form, defined, form, words

SHORTEST = 40
"""Nodes of a syntax tree (about five lines), or words, from which on an answer counts."""
MARGIN = 3.0
"""Bits: pairs that are told by chance in a class are one in 2 ** MARGIN classes."""

Forms = Mapping[str, Form]
"""Cell → form of the answer."""


@dataclass(frozen=True)
class Pair:
    """Two submissions."""

    one: Row
    other: Row
    same: tuple[str, ...]
    """Cells that both answered in the same form, common ones too."""
    rare: tuple[str, ...]
    """Those of them that count, the rarest first."""
    answered: int
    """Cells that both answered at length."""
    bits: float
    same_file: bool

    @property
    def share(self) -> float:
        """How much of what both answered is the same, 0 to 1."""
        return len(self.same) / self.answered if self.answered else 0.0


def alike(gathered: Gathered) -> list[Pair]:
    """The pairs that somebody should look at, the likest first."""
    rows = gathered.ran
    answers = [_answers(gathered, row) for row in rows]
    bits = _bits(answers, _own(gathered.assignment))
    wanted = math.log2(max(1, math.comb(len(rows), 2))) + MARGIN
    pairs = []
    for i, k in sorted(_candidates(rows, answers, bits)):
        pair = _pair(rows[i], rows[k], answers[i], answers[k], bits)
        if pair.bits >= wanted or pair.same_file:
            pairs.append(pair)
    return sorted(pairs, key=lambda pair: (-pair.same_file, -pair.share, -pair.bits))


def _answers(gathered: Gathered, row: Row) -> dict[str, Form]:
    """The forms of what a student answered at length."""
    found = {}
    for cell in gathered.assignment.cells:
        source = gathered.own_answer(row, cell.id) if cell.kind in ("answer", "written") else ""
        if source and (own := _form(cell, source)).size >= SHORTEST:
            found[cell.id] = own
    return found


def _form(cell: CourseCell, source: str) -> Form:
    return form(source, defined(cell.source)) if cell.cell_type == "code" else words(source)


def _own(assignment: Assignment) -> set[tuple[str, str]]:
    """What says nothing: the course's own answers, and what it released."""
    asked = [cell for cell in assignment.cells if cell.kind in ("answer", "written")]
    return {(cell.id, _form(cell, text).digest) for cell in asked for text in (cell.source, cell.released)}


def _bits(answers: list[dict[str, Form]], own: set[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """(Cell, form) → how much it says that two have it; those that say nothing are not there."""
    given = Counter((cell, found.digest) for forms in answers for cell, found in forms.items())
    answered = Counter(cell for forms in answers for cell in forms)
    said = {key: math.log2(answered[key[0]] / count) for key, count in given.items() if count > 1 and key not in own}
    return {key: value for key, value in said.items() if value > 0}


def _candidates(
    rows: list[Row], answers: list[dict[str, Form]], bits: Mapping[tuple[str, str], float]
) -> set[tuple[int, int]]:
    """Pairs that share an answer that counts, or a file."""
    groups: dict[object, list[int]] = defaultdict(list)
    for index, (row, forms) in enumerate(zip(rows, answers)):
        for cell, found in forms.items():
            if (cell, found.digest) in bits:
                groups[cell, found.digest].append(index)
        if forms:
            groups[row.result.digest].append(index)
    return {pair for members in groups.values() for pair in combinations(members, 2)}


def _pair(one: Row, other: Row, mine: Forms, theirs: Forms, bits: Mapping[tuple[str, str], float]) -> Pair:
    both = [cell for cell in mine if cell in theirs]
    same = [cell for cell in both if mine[cell].digest == theirs[cell].digest]
    counted = {cell: bits[cell, mine[cell].digest] for cell in same if (cell, mine[cell].digest) in bits}
    rare = sorted(counted, key=lambda cell: -counted[cell])
    same_file = bool(mine) and one.result.digest == other.result.digest
    return Pair(one, other, tuple(same), tuple(rare), len(both), sum(counted.values()), same_file)
