"""All descriptions of wrong answers that have no name in the catalogue: of gradients, of exceptions, of behaviour."""

from __future__ import annotations

from nnkit.check.diagnosis.explanations import EXPLANATIONS
from nnkit.check.diagnosis.explanations.conduct import CONDUCT
from nnkit.check.diagnosis.explanations.faults import FAULTS
from nnkit.check.diagnosis.explanations.jacobian_entries import ENTRIES as JACOBIAN
from nnkit.check.diagnosis.explanations.tape_faults import BROKEN_TAPE
from nnkit.check.diagnosis.measured import MEASURED
from nnkit.check.diagnosis.mistakes import BY_ID
from nnkit.check.diagnosis.mistakes.sizes import HERE
from nnkit.check.diagnosis.mistakes.tied import NONE
from nnkit.check.evidence.finding import Explanation

DESCRIPTIONS: dict[str, Explanation] = {
    entry.id: entry
    for entry in (NONE, *EXPLANATIONS, JACOBIAN, HERE, MEASURED, *FAULTS, BROKEN_TAPE, *CONDUCT)
    if entry.id not in BY_ID
}
ENTRIES: dict[str, Explanation] = {**DESCRIPTIONS, **BY_ID}
"""All that an id can stand for."""
