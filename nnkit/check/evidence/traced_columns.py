"""The derivatives of a scalar with respect to many entries, from one backward pass of its graph in place of a forward
for each entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnkit import numerical
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.function_graph import trace_function

MIN_ENTRIES = 200
"""Entries up to which a forward for each is cheap."""
DIRECTIONS = 3
RTOL = 1e-10


def compute_columns(
    function: Callable[..., Any], inputs: tuple[Any, ...], wrt: Sequence[int]
) -> dict[int, numerical.Estimate]:
    """Return the derivatives with respect to each of these inputs, (entries,); none unless the complex step along
    random directions gives the same slopes."""
    if sum(np.size(inputs[i]) for i in wrt) < MIN_ENTRIES:
        return {}
    with np.errstate(all="ignore"):
        graph = trace_function(function, inputs)
        if graph is None or np.shape(graph.nodes[-1].value):
            return {}
        try:
            grads = vjp_with_faults(graph, np.ones(()))
        except Exception:  # a gate that is not defined here
            return {}
    found = {i: np.ravel(np.asarray(grads[graph.wires[i].index], dtype=float)) for i in wrt}
    if not _agrees_along_directions(function, inputs, found):
        return {}
    return {i: numerical.make_exact_estimate(gradient) for i, gradient in found.items()}


def _agrees_along_directions(
    function: Callable[..., Any], inputs: tuple[Any, ...], found: dict[int, np.ndarray]
) -> bool:
    rng = np.random.default_rng(len(found))
    for _ in range(DIRECTIONS):
        ways = {i: rng.normal(size=np.shape(inputs[i])) for i in found}
        slope = numerical.take_complex_step_along(function, inputs, ways)
        terms = [gradient * np.ravel(ways[i]) for i, gradient in found.items()]
        size = sum(float(np.sum(np.abs(term))) for term in terms)
        if slope is None or not abs(float(slope.value) - sum(map(np.sum, terms))) <= RTOL * size:
            return False
    return True
