"""The notebook to grade among several: the one with the right name, unless it is blank and another one is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nnkit.language import say
from nnkit_grader.course.assignment import Assignment
from nnkit_grader.intake.doubts import doubt_all
from nnkit_grader.intake.find_answers import is_unanswered
from nnkit_grader.intake.safe_folder import SafeFolder, UnreadableSubmission
from nnkit_grader.intake.submission import RefusedSubmission, Submission, repair_notebook
from nnkit_grader.sanitize.text import list_values, quote_value

MAX_NOTEBOOKS = 5
"""Notebooks of one submission that are read."""
MAX_NAMED_FILES = 3
"""Files that a sentence names before it counts the rest."""


@dataclass(frozen=True)
class Candidate:
    """A notebook that may be the one to grade."""

    name: str
    raw: bytes
    read: Submission | RefusedSubmission
    answers: int
    """Number of its answers; -1 if it cannot be read."""


def choose_notebook(opened: SafeFolder, assignment: Assignment) -> Candidate | None:
    """Return the notebook of a folder that counts, with sentences on others; None if there is none."""
    right = f"{assignment.notebook}.ipynb"
    siblings = {f"{name}.ipynb" for name in assignment.siblings}
    names = [name for name in opened.find_notebooks(assignment.notebook) if name not in siblings]
    found = [_read_candidate(opened, name, assignment) for name in names[:MAX_NOTEBOOKS]]
    if not found:
        return None
    best = max(found, key=lambda one: one.answers)
    chosen = found[0] if found[0].name == right and (found[0].answers > 0 or best.answers <= 0) else best
    return _add_sentences(chosen, [one for one in found if one is not chosen], names[MAX_NOTEBOOKS:], assignment)


def count_answers(submission: Submission, assignment: Assignment) -> int:
    """Return the number of a submission's answers."""
    course = {cell.id: cell for cell in assignment.cells if cell.kind in ("answer", "written")}
    return sum(cell.id in course and not is_unanswered(course[cell.id], cell.source) for cell in submission.cells)


def _read_candidate(opened: SafeFolder, name: str, assignment: Assignment) -> Candidate:
    try:
        raw = opened.read_file(name)
    except UnreadableSubmission as fault:
        return Candidate(name, str(fault).encode(), RefusedSubmission(str(fault)), -1)
    read = repair_notebook(raw, assignment)
    return Candidate(name, raw, read, -1 if isinstance(read, RefusedSubmission) else count_answers(read, assignment))


def _add_sentences(
    chosen: Candidate, others: Sequence[Candidate], unread: Sequence[str], assignment: Assignment
) -> Candidate:
    """Return the chosen notebook with sentences on its name and on the others."""
    if isinstance(chosen.read, RefusedSubmission):
        return chosen
    name, right = quote_value(chosen.name), f"{assignment.notebook}.ipynb"
    listed = list_values([*(one.name for one in others), *unread], MAX_NAMED_FILES)
    notes = (
        [say("The notebook is called {name}; it was read as {right}.", name=name, right=right)]
        if chosen.name != right
        else []
    )
    notes += [say("Only {name} counts, not {listed}.", name=name, listed=listed)] if others else []
    doubts = chosen.read.doubts
    if unread or any(one.answers > 0 and one.raw != chosen.raw for one in others):
        doubts = {
            **doubt_all(
                assignment.cells, say("There are answers in {listed}, too, beside {name}.", listed=listed, name=name)
            ),
            **doubts,
        }
    return replace(chosen, read=replace(chosen.read, repairs=(*notes, *chosen.read.repairs), doubts=doubts))


def add_repair(chosen: Candidate, sentence: str) -> Candidate:
    """Return the notebook with one more sentence on what was repaired; a refused one as it is."""
    if isinstance(chosen.read, RefusedSubmission):
        return chosen
    return replace(chosen, read=replace(chosen.read, repairs=(sentence, *chosen.read.repairs)))
