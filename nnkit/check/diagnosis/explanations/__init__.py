"""Descriptions of a wrong gradient that has no name in the catalogue: which factor, path or slope is wrong.

An entry is a `Mistake` whose variants are `Explanation`s: each says in words what it is that gives its numbers. They
are tried in this order, and the first that explains every comparison is shown. It names no mistake: a verdict lists
its id under `explained_as`.
"""

from nnkit.check.diagnosis.explanations import (
    array_slips,
    axes,
    chains,
    changed_upstream,
    exchanged,
    factors,
    normalisation,
    other_factors,
    other_functions,
    other_losses,
    overlaps,
    paths,
    pooling,
    recurrence,
    slopes,
    steps,
    windows,
)
from nnkit.check.diagnosis.mistakes.base import Mistake
from nnkit.check.diagnosis.mistakes.shapes import RESHAPED
from nnkit.check.diagnosis.mistakes.tied import UNEVEN
from nnkit.check.diagnosis.mistakes.unfilled import CANCELLED, CONSTANT

EXPLANATIONS: tuple[Mistake, ...] = (
    CANCELLED,
    UNEVEN,
    axes.DIVIDED,
    CONSTANT,
    *steps.EXPLANATIONS,
    *normalisation.EXPLANATIONS,
    chains.FROM_LOSS,
    *other_functions.EXPLANATIONS,
    *other_losses.EXPLANATIONS,
    *pooling.EXPLANATIONS,
    RESHAPED,
    *axes.EXPLANATIONS,
    *recurrence.EXPLANATIONS,
    overlaps.REPLACED,
    *windows.EXPLANATIONS,
    overlaps.LEFT_OUT,
    paths.MISSING,
    *exchanged.EXPLANATIONS,
    slopes.SLOPES,
    array_slips.SLIPS,
    *chains.EXPLANATIONS,
    *paths.EXPLANATIONS,
    slopes.POINTS,
    *other_factors.EXPLANATIONS,
    *factors.EXPLANATIONS,
    *changed_upstream.EXPLANATIONS,
    slopes.ARITHMETIC,
    overlaps.DIAGONAL,
    chains.VALUE,
)
BY_ID: dict[str, Mistake] = {entry.id: entry for entry in EXPLANATIONS}

__all__ = ["BY_ID", "EXPLANATIONS"]
