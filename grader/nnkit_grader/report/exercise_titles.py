"""The titles of a notebook's exercises: the last heading above each graded cell, without its points."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnkit.check.notebook.cells import Exercise, NotebookCell, exercises

POINTS_IN_TITLE = re.compile(r"\s*\([^()]*(?:\bpoints?\b|\d점)[^()]*\)\s*$")
"""End of a heading, in English or Korean: (4 points, in two halves), (4점)."""
NUMBER = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True)
class NamedExercise:
    """An exercise of a notebook with its title."""

    exercise: Exercise
    number: str
    """"2.3" as in the heading; the id if the heading has no number."""
    title: str
    """The heading; with the id if several exercises share it."""


def name_exercises(cells: Sequence[NotebookCell]) -> Iterator[NamedExercise]:
    """Yield the exercises in the notebook's order."""
    found = exercises(cells)
    headings = Counter(exercise.title for exercise in found)
    for exercise in found:
        title = POINTS_IN_TITLE.sub("", exercise.title)
        alone = headings[exercise.title] == 1
        number = NUMBER.match(title) if alone else None
        whole = title if alone else f"{title}: {exercise.id}"
        yield NamedExercise(exercise, number[0] if number else exercise.id, whole)
