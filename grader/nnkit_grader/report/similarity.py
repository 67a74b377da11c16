"""Pairs of submissions that are suspiciously similar, up to renaming.

An answer counts if it is long enough and equals, up to renaming, neither the released cell nor the course's solution.
Many right answers are alike, so the rarity of the shared ones decides: an answer that k of n students gave in the same
form counts log2(n / k) bits, and the bits of a pair are added up. A pair is flagged if its bits exceed those expected
of the most similar pair in a class of this size (log2 of the number of pairs) by MARGIN_BITS, or if the two files are
identical and contain an answer.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.report.collect import ClassResults, SubmissionResults
from nnkit_grader.report.normalise import NormalForm, find_definitions, normalise_code, normalise_words

MIN_ANSWER_NODES = 40
"""Smallest size of an answer that counts: nodes of its syntax tree (about five lines), or words."""
MARGIN_BITS = 3.0
"""With this margin, about one class in 2 ** MARGIN_BITS has a pair that is flagged by chance."""

CellForms = Mapping[str, NormalForm]
"""Cell → normal form of the answer."""


@dataclass(frozen=True)
class SimilarPair:
    """Two similar submissions."""

    one: SubmissionResults
    other: SubmissionResults
    same: tuple[str, ...]
    """Cells that both answered in the same form, including common forms."""
    rare: tuple[str, ...]
    """The cells in `same` that count, the rarest first."""
    answered: int
    """Number of cells to which both gave an answer that is long enough."""
    bits: float
    same_file: bool

    @property
    def share(self) -> float:
        """Fraction of the answers that are the same, 0 to 1."""
        return len(self.same) / self.answered if self.answered else 0.0


def find_similar(results: ClassResults) -> list[SimilarPair]:
    """Return the pairs that need review, the most similar first."""
    rows = results.ran
    answers = [_normalise_answers(results, row) for row in rows]
    bits = _count_bits(answers, _find_course_forms(results.assignment))
    wanted = math.log2(max(1, math.comb(len(rows), 2))) + MARGIN_BITS
    pairs = []
    for i, k in sorted(_find_candidates(rows, answers, bits)):
        pair = _compare_pair(rows[i], rows[k], answers[i], answers[k], bits)
        if pair.bits >= wanted or pair.same_file:
            pairs.append(pair)
    return sorted(pairs, key=lambda pair: (-pair.same_file, -pair.share, -pair.bits))


@dataclass(frozen=True)
class SolutionCopy:
    """A submission whose answers equal the course's own, where few in the class gave that form."""

    row: SubmissionResults
    cells: tuple[str, ...]
    """The cells that count, the rarest first."""
    answered: int
    """Number of answers that are long enough."""


def find_solution_copies(results: ClassResults) -> list[SolutionCopy]:
    """Return the submissions with more of the course's own answers than one in the class has by chance."""
    answers = [_normalise_answers(results, row) for row in results.ran]
    solution = _find_course_forms(results.assignment)
    given = Counter((cell, form.digest) for forms in answers for cell, form in forms.items())
    answered = Counter(cell for forms in answers for cell in forms)
    wanted = math.log2(max(1, len(answers))) + MARGIN_BITS
    found = []
    for row, forms in zip(results.ran, answers):
        same = {cell: (cell, form.digest) for cell, form in forms.items() if (cell, form.digest) in solution}
        bits = {cell: math.log2(answered[cell] / given[key]) for cell, key in same.items()}
        rare = {cell: value for cell, value in bits.items() if value >= MARGIN_BITS}  # one in eight gave it, at most
        if sum(rare.values()) >= wanted:
            found.append(SolutionCopy(row, tuple(sorted(rare, key=lambda cell: -rare[cell])), len(forms)))
    return found


def _normalise_answers(results: ClassResults, row: SubmissionResults) -> dict[str, NormalForm]:
    """Return the normal forms of a student's answers that are long enough."""
    found = {}
    for cell in results.assignment.cells:
        source = results.find_answer(row, cell.id) if cell.kind in ("answer", "written") else ""
        if source and (own := _normalise_answer(cell, source)).size >= MIN_ANSWER_NODES:
            found[cell.id] = own
    return found


def _normalise_answer(cell: CourseCell, source: str) -> NormalForm:
    return (
        normalise_code(source, find_definitions(cell.source)) if cell.cell_type == "code" else normalise_words(source)
    )


def _find_course_forms(assignment: Assignment) -> set[tuple[str, str]]:
    """Return the forms of the course's own solutions and released cells, which do not count."""
    asked = [cell for cell in assignment.cells if cell.kind in ("answer", "written")]
    return {(cell.id, _normalise_answer(cell, text).digest) for cell in asked for text in (cell.source, cell.released)}


def _count_bits(answers: list[dict[str, NormalForm]], own: set[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Return (cell, form) → bits for sharing it; forms that do not count are left out."""
    given = Counter((cell, found.digest) for forms in answers for cell, found in forms.items())
    answered = Counter(cell for forms in answers for cell in forms)
    said = {key: math.log2(answered[key[0]] / count) for key, count in given.items() if count > 1 and key not in own}
    return {key: value for key, value in said.items() if value > 0}


def _find_candidates(
    rows: list[SubmissionResults], answers: list[dict[str, NormalForm]], bits: Mapping[tuple[str, str], float]
) -> set[tuple[int, int]]:
    """Return the pairs that share an answer that counts, or a file."""
    groups: dict[object, list[int]] = defaultdict(list)
    for index, (row, forms) in enumerate(zip(rows, answers)):
        for cell, found in forms.items():
            if (cell, found.digest) in bits:
                groups[cell, found.digest].append(index)
        if forms:
            groups[row.result.digest].append(index)
    return {pair for members in groups.values() for pair in combinations(members, 2)}


def _compare_pair(
    one: SubmissionResults,
    other: SubmissionResults,
    mine: CellForms,
    theirs: CellForms,
    bits: Mapping[tuple[str, str], float],
) -> SimilarPair:
    both = [cell for cell in mine if cell in theirs]
    same = [cell for cell in both if mine[cell].digest == theirs[cell].digest]
    counted = {cell: bits[cell, mine[cell].digest] for cell in same if (cell, mine[cell].digest) in bits}
    rare = sorted(counted, key=lambda cell: -counted[cell])
    same_file = bool(mine) and one.result.digest == other.result.digest
    return SimilarPair(one, other, tuple(same), tuple(rare), len(both), sum(counted.values()), same_file)
