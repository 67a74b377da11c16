"""Shares of equal inputs of a maximum that do not add up."""

from nnkit.check.diagnosis.mistakes.base import Mistake
from nnkit.check.diagnosis.mistakes.tied import UNEVEN, lost_at_ties

EXPLANATIONS = (
    Mistake(
        "tie-shares", UNEVEN.title, UNEVEN.why, UNEVEN.nudge, UNEVEN.hint, UNEVEN.lesson, lost_at_ties, named=False
    ),
)  # fmt: skip
