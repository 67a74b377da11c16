"""Descriptions of a wrong answer that has no name in the catalogue: which factor, path or slope is wrong.

An entry of `EXPLANATIONS` is a `Mistake` whose variants are `Explanation`s: each says in words what it is that gives
its numbers. They are tried in this order, and the first that explains every comparison is shown. It names no mistake: a
verdict lists its id under `explained_as`. What code raises or does in place of returning gradients is described by the
tables in `faults.py` and `conduct.py`.
"""

from nnkit.check.diagnosis.explanations.conduct import CONDUCT
from nnkit.check.diagnosis.explanations.faults import FAULTS, explain_fault
from nnkit.check.diagnosis.mistakes.base import Mistake
from nnkit.check.diagnosis.mistakes.unfilled import CONSTANT
from nnkit.check.evidence.finding import Explanation

EXPLANATIONS: tuple[Mistake, ...] = (CONSTANT,)
DESCRIPTIONS: dict[str, Explanation] = {entry.id: entry for entry in (*EXPLANATIONS, *CONDUCT, *FAULTS)}
"""All descriptions, by id."""

__all__ = ["DESCRIPTIONS", "EXPLANATIONS", "explain_fault"]
