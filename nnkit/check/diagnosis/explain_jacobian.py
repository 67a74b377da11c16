"""Explanation of a wrong Jacobian: each row is a gradient, and the whole an array that can be transposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit.check.diagnosis.diagnose import find_mistakes, list_explanations
from nnkit.check.diagnosis.explanations.jacobian_entries import describe_jacobian, say_of_jacobian
from nnkit.check.evidence.comparison import Comparison
from nnkit.check.evidence.finding import Explanation
from nnkit.check.evidence.tolerance import Target

MAX_ROWS_TO_NAME = 16
"""Rows of a Jacobian up to which each is searched for a mistake."""


def explain_jacobian(
    returned: np.ndarray,
    target: Target,
    of: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    names: Sequence[str],
) -> tuple[Explanation, ...]:
    """Return the mistake, or a description of what came back. Search row by row, each being what a backward gives for
    a one-hot upstream gradient; then the Jacobian as an array of its own, which can be transposed."""
    out = np.asarray(of(*inputs), dtype=float)
    if returned.shape == target.value.shape and out.size <= MAX_ROWS_TO_NAME:
        rows = [_compare_row(returned, target, of, inputs, wrt, out, k, tuple(names)) for k in range(out.size)]
        found = say_of_jacobian(list_explanations(find_mistakes(rows)))
        if found:
            return found
    right, one = (target.value,), np.ones(())
    whole = Comparison(
        lambda *xs: None, right, (0,), one, one, (returned,), (target,), right, right, opaque=True, names=("J",)
    )
    found = say_of_jacobian(list_explanations(find_mistakes([whole])))
    return found or (describe_jacobian(returned, target.value, out, inputs[wrt]),)


def _compare_row(
    returned: np.ndarray,
    target: Target,
    of: Callable[..., Any],
    inputs: tuple[Any, ...],
    wrt: int,
    out: np.ndarray,
    k: int,
    names: tuple[str, ...],
) -> Comparison:
    i = np.unravel_index(k, out.shape)
    onehot = np.zeros(out.shape)
    onehot[i] = 1.0
    part = replace(
        target, value=target.value[i], low=target.low[i], high=target.high[i], error_bound=target.error_bound[i]
    )
    right = (part.value,)
    row = (np.asarray(returned[i]),)
    return Comparison(of, inputs, (wrt,), onehot, out, row, (part,), right, right, names=names)
