"""The corpus of wrong answers: what the checker must not accept, each with the name that it should give.

Adding one is adding one entry to a `wrong_*.py` file; `tests/test_mistakes.py` asks about each.
"""

from __future__ import annotations

from corpus import (
    wrong_branches,
    wrong_care,
    wrong_checkers,
    wrong_gates,
    wrong_networks,
    wrong_pairs,
    wrong_shapes,
    wrong_softmax,
    wrong_unnamed,
    wrong_upstream,
)
from corpus.wrong_base import REGISTERED, Wrong
from corpus.wrong_behaviour import BEHAVIOUR

MODULES = (
    wrong_branches, wrong_care, wrong_checkers, wrong_gates, wrong_networks, wrong_pairs, wrong_shapes, wrong_softmax,
    wrong_unnamed, wrong_upstream,
)  # fmt: skip
"""Importing them fills the list."""

WRONG: tuple[Wrong, ...] = tuple(REGISTERED)

__all__ = ["BEHAVIOUR", "MODULES", "WRONG", "Wrong"]
