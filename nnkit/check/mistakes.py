"""The catalogue of mistakes: what learners get wrong in a backward pass, and what each would have returned.

An entry is an id, a title, a hint, and a small pure function from the evidence to the gradients that the
mistake would give. `diagnose` names a mistake only if exactly one entry explains every trial. To add a
mistake is to add one entry to `CATALOGUE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Trial:
    """One backward pass: what came back, what is right, and what there was to make mistakes with."""

    returned: Arrays
    right: Arrays
    inputs: Arrays
    upstream: np.ndarray
    unweighted: Arrays
    """The right gradients for an upstream of ones."""
    squared: Arrays
    """The right gradients for the upstream multiplied by itself."""


@dataclass(frozen=True)
class Mistake:
    id: str
    title: str
    hint: str
    would_return: Callable[[Trial], Arrays]
    """The gradients that this mistake gives; arrays of any shape."""


def _own_input(t: Trial) -> Arrays:
    if len(t.inputs) != 2 or any(x.shape != t.upstream.shape for x in t.inputs):
        return ()
    return tuple(t.upstream * x for x in t.inputs)


def _swapped(t: Trial) -> Arrays:
    """The right gradients in the other order; for x · y that is `own-input`, the more telling name."""
    swapped = t.right[::-1] if len(t.right) == 2 else ()
    return () if all(_same(a, b) for a, b in zip(swapped, _own_input(t))) else swapped


CATALOGUE: tuple[Mistake, ...] = (
    Mistake(
        "no-upstream",
        "the upstream gradient was left out",
        "A gate only knows its local derivative. What must it be multiplied by before it is passed on?",
        lambda t: t.unweighted,
    ),
    Mistake(
        "upstream-twice",
        "the upstream gradient was multiplied in twice",
        "The chain rule has one factor for each gate on the way: local × upstream, once.",
        lambda t: t.squared,
    ),
    Mistake(
        "sign",
        "the sign is wrong",
        "Every entry has the right size and the wrong sign. Differentiate again, slowly, and mind the minus.",
        lambda t: tuple(-r for r in t.right),
    ),
    Mistake(
        "factor-2",
        "it is twice what it should be",
        "Every entry is exactly doubled. Which constant came in, or which branch was counted two times?",
        lambda t: tuple(2 * r for r in t.right),
    ),
    Mistake(
        "factor-half",
        "it is half of what it should be",
        "Every entry is exactly halved. Which constant is missing? The derivative of x² is 2x.",
        lambda t: tuple(r / 2 for r in t.right),
    ),
    Mistake(
        "swapped-inputs",
        "the gradients of the two inputs changed places",
        "Each value is right, but for the other input. In which order must they be returned?",
        _swapped,
    ),
    Mistake(
        "own-input",
        "each input was multiplied by itself, not by the other one",
        "For x · y, how much does the product grow when x grows a little? It depends on y.",
        _own_input,
    ),
    Mistake(
        "transposed",
        "it is the transpose of the right gradient",
        "A gradient has its input's shape. Which order of the factors gives that shape?",
        lambda t: tuple(r.T for r in t.right),
    ),
)


def diagnose(trials: Sequence[Trial]) -> Mistake | None:
    """The one mistake that explains every trial, or None: then the checker does not guess."""
    # A mistake can be invisible in one trial (a symmetric product hides a transpose): ask for the
    # gradients that are wrong in any trial, in all of them.
    wrong = {i for t in trials for i, (w, r) in enumerate(zip(t.returned, t.right)) if not _same(w, r)}
    candidates = [m for m in CATALOGUE if wrong and all(_explains(m, trial, wrong) for trial in trials)]
    return candidates[0] if len(candidates) == 1 else None


def _explains(mistake: Mistake, trial: Trial, wrong: set[int]) -> bool:
    """Whether the mistake gives what was returned, in every gradient that is wrong."""
    would = mistake.would_return(trial)
    return len(would) == len(trial.returned) and all(_same(trial.returned[i], would[i]) for i in wrong)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-6, atol=1e-9)
