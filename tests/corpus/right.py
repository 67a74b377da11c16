"""The corpus of right answers: what the checker must never reject.

`RIGHT` lists derivatives as different people write them; each is right at every input that its `make` draws,
kinks included (there any slope between the two sides is). `benchmarks/right_answers.py` measures.
"""

from __future__ import annotations

from corpus import (
    right_activations,
    right_arithmetic,
    right_elementwise,
    right_functions,
    right_graphs,
    right_jacobians,
    right_layers,
    right_library,
    right_losses,
    right_multiply,
    right_networks,
    right_norms,
    right_places,
    right_reductions,
    right_sigmoids,
)
from corpus.right_base import REGISTERED, Call, Right

MODULES = (
    right_activations, right_arithmetic, right_elementwise, right_functions, right_graphs,
    right_jacobians, right_layers, right_library, right_losses, right_multiply,
    right_networks, right_norms, right_places, right_reductions, right_sigmoids,
)  # fmt: skip
"""Importing them fills the list."""

RIGHT: list[Right] = list(REGISTERED)

__all__ = ["MODULES", "RIGHT", "Call", "Right"]
