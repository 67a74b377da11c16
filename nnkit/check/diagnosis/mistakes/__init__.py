"""The catalogue of mistakes: what learners get wrong in a backward pass, and what each would have returned.

An entry is text (what happened, why it is wrong, two hints, where the course explains it) and a small pure function
from a `Comparison` to the gradients that the mistake would have given there. `nnkit.check.diagnosis.diagnose` names one
only if exactly one entry explains every comparison. To add a mistake is to add one entry to the `MISTAKES` of the file
where it belongs; docs/mistakes.md has the steps.
"""

from nnkit.check.diagnosis.mistakes import behaviour, local, measuring, network, products, shapes, unfilled, upstream
from nnkit.check.diagnosis.mistakes.base import Mistake, Variants

CATALOGUE: tuple[Mistake, ...] = (
    *upstream.MISTAKES,
    *shapes.MISTAKES,
    *products.MISTAKES,
    *local.MISTAKES,
    *network.MISTAKES,
    *behaviour.MISTAKES,
    *measuring.MISTAKES,
    *unfilled.MISTAKES,
)
BY_ID: dict[str, Mistake] = {mistake.id: mistake for mistake in CATALOGUE}
UNDO = (*((m.id, m.undo) for m in CATALOGUE if m.undo), *upstream.UNDO_MORE)
"""Each mistake that is looked for on top of another, as (id, function that undoes it)."""

__all__ = ["BY_ID", "CATALOGUE", "UNDO", "Mistake", "Variants"]
