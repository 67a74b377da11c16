"""The doubts that count once the tests have run: an exercise that has all its points leaves none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nnkit.language import say
from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.bound_names import find_used_names
from nnkit_grader.intake.stub_code import STUB_ERROR, is_stub
from nnkit_grader.intake.submission import Submission
from nnkit_grader.record.results import CellResult

MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]{1,100})'")
UNFINISHED = ("NameError", STUB_ERROR)
"""Errors of an answer that needs another one, which is missing."""


def weigh_doubts(
    assignment: Assignment,
    submission: Submission,
    lacking: Mapping[str, str],
    misnamed: Mapping[str, str],
    cells: Sequence[CellResult],
) -> Iterator[tuple[str, str]]:
    """Yield the doubts that count, by nbgrader's id of the graded cell: those about tests only if points were lost.

    `lacking` has a sentence on each name that is missing since its cell needs what is not here, `misnamed` one on each
    test, by nbgrader's id, that missed a name which the notebook has after all, or something that is not here.
    """
    attempted, earlier = _find_attempted(assignment, submission), ""
    for cell in cells:
        if cell.kind != "written" and (cell.score is None or cell.score >= cell.points):
            continue
        sentence = submission.moved.get(cell.grade_id) or submission.doubts.get(cell.grade_id, "")
        sentence = sentence or _doubt_lacks(cell, lacking) or misnamed.get(cell.grade_id, "")
        if not sentence and earlier and cell.id in attempted and cell.trouble.startswith(UNFINISHED):
            sentence = say("It may have failed because of an earlier exercise. {earlier}", earlier=earlier)
        if sentence:
            yield cell.grade_id, sentence
            earlier = earlier or sentence


def _find_attempted(assignment: Assignment, submission: Submission) -> set[str]:
    """Return the ids of the graded cells for which there is an answer."""
    answered = {cell.id for cell in submission.cells if not is_stub(cell.source)}
    return {graded.id for answer, graded in assignment.pair_answers() if answer.id in answered}


def _doubt_lacks(cell: CellResult, lacking: Mapping[str, str]) -> str:
    if module := MISSING_MODULE.match(cell.trouble):
        return say("The answer imports {module!r}, which is not here.", module=module[1])
    names = find_used_names(cell.source) & lacking.keys() if cell.kind == "test" else set()
    return lacking[min(names)] if names else ""
