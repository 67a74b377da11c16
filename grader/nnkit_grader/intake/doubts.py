"""Doubts: reasons why an exercise may deserve more points than it gets, so that a grader should look at it.

A learner may have answered in another cell than the one that is graded. Where nothing can be repaired with certainty, a
doubt says what there is to see. A doubt about a test counts only if the test takes points off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nnkit.language import say
from nnkit_grader.course.assignment import CourseCell
from nnkit_grader.course.bound_names import find_bound_names
from nnkit_grader.intake.find_answers import find_answer_names, is_unanswered
from nnkit_grader.intake.loose_text import holds_text, list_released_lines
from nnkit_grader.intake.match_cells import is_edited
from nnkit_grader.intake.merge_marks import has_conflict
from nnkit_grader.intake.stub_code import find_implemented_names, is_stub
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.sanitize.text import list_values

MAX_NAMED_NAMES = 5
"""Names that a sentence has before it counts the rest."""
MIN_COMMENT_LINES = 2
"""Lines of comments that may be an answer."""


@dataclass(frozen=True)
class PlacedCell:
    """A cell in the order in which the submission runs: the course's cell, and what the learner wrote there."""

    own: CourseCell | None
    """None for an added cell."""
    cell_type: str
    source: str | None
    """None for a cell of the course that is missing."""

    @property
    def text(self) -> str:
        """The learner's text; "" if the cell is missing."""
        return self.source or ""

    @cached_property
    def is_extra(self) -> bool:
        """True for text or code where the course asks for none."""
        if self.own is not None:
            return self.own.kind in ("text", "given") and self.source is not None and is_edited(self.own, self.text)
        return bool(self.text.strip()) and not self._is_copied_stub

    @property
    def _is_copied_stub(self) -> bool:
        return self.cell_type == "code" and is_stub(self.text) and bool(find_bound_names(self.text))

    @property
    def may_answer(self) -> bool:
        """True for a cell in which an answer to another exercise may stand, too."""
        return self.is_extra or (self.own is not None and self.own.kind == "answer" and not self.is_unanswered)

    @cached_property
    def is_unanswered(self) -> bool:
        """True for a cell of the course that asks for an answer and holds none."""
        return self.own is not None and (self.source is None or is_unanswered(self.own, self.text))


def find_doubts(course: Sequence[CourseCell], placed: Sequence[PlacedCell]) -> dict[str, str]:
    """Return a sentence on each exercise whose answer may stand elsewhere, by nbgrader's id of its graded cell."""
    graded = [place for place, cell in enumerate(placed) if cell.own is not None and _is_graded(cell.own)]
    doubts = {}
    for before, place, after in zip([-1, *graded], graded, [*graded[1:], len(placed)]):
        cell = placed[place]
        assert cell.own is not None
        near = [*placed[before + 1 : place], *placed[place + 1 : after]]
        if cell.own.kind == "written":
            sentence = _doubt_written(cell, near, placed, course)
        else:
            answers = [one for one in placed[before + 1 : place] if one.own is not None and one.own.kind == "answer"]
            reasons = (_doubt_answer(one, course, near, placed, place) for one in answers)
            sentence = next(filter(None, reasons), "")
        if sentence:
            doubts[cell.own.grade_id] = sentence
    return doubts


def doubt_all(course: Sequence[CourseCell], sentence: str) -> dict[str, str]:
    """Return a doubt about the whole submission as one about each graded cell; none if the sentence is empty."""
    return {cell.grade_id: sentence for cell in course if _is_graded(cell)} if sentence else {}


def _is_graded(cell: CourseCell) -> bool:
    return cell.kind in ("test", "written")


def doubt_blank_texts(
    course: Sequence[CourseCell], cells: Iterable[SubmittedCell], file_names: str
) -> Iterator[tuple[str, str]]:
    """Yield a sentence on each written answer that is blank, by nbgrader's id, if there are files beside the notebook.

    `file_names` are their names, as a sentence has them.
    """
    asked = {cell.id: cell for cell in course if cell.kind == "written"}
    for cell in cells if file_names else ():
        if cell.id in asked and is_unanswered(asked[cell.id], cell.source):
            sentence = say(
                "The cell {cell!r} has no answer, but there are files beside the notebook: {file_names}.",
                cell=cell.id,
                file_names=file_names,
            )
            yield asked[cell.id].grade_id, sentence


def _doubt_written(
    cell: PlacedCell, near: Sequence[PlacedCell], placed: Sequence[PlacedCell], course: Sequence[CourseCell]
) -> str:
    assert cell.own is not None
    if cell.source is None:
        return say("The cell {cell!r} is missing.", cell=cell.own.id)
    if not cell.is_unanswered:
        return ""
    if any(other.is_extra for other in near):
        return say("The cell {cell!r} has no answer, but something was added or edited near it.", cell=cell.own.id)
    released = list_released_lines(course)
    for other in placed:
        if other is not cell and holds_text(other.cell_type, other.text, released):
            if other.own is None:
                return say(
                    "The cell {cell!r} has no answer, but an added cell has text that may be one.", cell=cell.own.id
                )
            return say(
                "The cell {cell!r} has no answer, but the cell {other!r} has text that may be one.",
                cell=cell.own.id,
                other=other.own.id,
            )
    return ""


def _doubt_answer(
    answer: PlacedCell,
    course: Sequence[CourseCell],
    near: Sequence[PlacedCell],
    placed: Sequence[PlacedCell],
    test: int,
) -> str:
    assert answer.own is not None
    id = answer.own.id
    names = find_answer_names(answer.own, course)
    if any(names & find_implemented_names(cell.text) for cell in placed[test + 1 :] if cell.may_answer):
        if answer.is_unanswered:
            return say("The cell {cell!r} has no answer, but a cell below the test has one.", cell=id)
        if names & find_implemented_names(answer.text):
            return say(
                "The cell {cell!r} is not the only one with an answer: there is another below the test.", cell=id
            )
        return say(
            "The cell {cell!r} does not define {names}, but a cell below the test does.",
            cell=id,
            names=list_values(sorted(names), MAX_NAMED_NAMES),
        )
    if has_conflict(answer.text):
        return say("The cell {cell!r} has merge markers, and only one version of each conflict was run.", cell=id)
    if not answer.is_unanswered:
        return ""
    if any(cell.own is None and cell.cell_type == "code" and cell.is_extra for cell in near):
        return say("The cell {cell!r} has no answer, but code was added near it.", cell=id)
    if any(cell.is_extra and _mentions(cell.text, names) for cell in placed):
        return say("The cell {cell!r} has no answer, but one seems to stand in another cell.", cell=id)
    if _count_comments(answer.text) >= _count_comments(answer.own.released) + MIN_COMMENT_LINES:
        return say("The cell {cell!r} has no answer but in its comments.", cell=id)
    return ""


def _mentions(text: str, names: frozenset[str]) -> bool:
    """Return True if a text defines one of the names, as code or not."""
    either = "|".join(map(re.escape, sorted(names)))
    return bool(names) and bool(re.search(rf"\b(?:def|class)\s+(?:{either})\b|\b(?:{either})\s*=", text))


def _count_comments(source: str) -> int:
    return sum(line.lstrip().startswith("#") for line in source.splitlines())
