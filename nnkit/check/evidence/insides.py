"""Gates that are parts of one which people differentiate in one step: the exp in a sigmoid, or in a softmax."""

from __future__ import annotations

from nnkit import gates
from nnkit.check.evidence.array_gates import Softmax
from nnkit.check.evidence.function_graph import Place, Trace
from nnkit.check.evidence.wire_text import list_descendants

WRITTEN_IN_PARTS = (gates.Sigmoid, gates.Tanh, Softmax)
"""Gates that people write in several steps and differentiate in one."""


def find_insides(graph: Trace) -> set[int]:
    """Return the indices of the nodes that are parts of such a gate, and of no other; its last one included."""
    if "insides" not in graph.known:
        parts = [_list_parts(graph, place) for place in graph.places if _is_written_in_parts(place)]
        graph.known["insides"] = set().union(*parts)
    found: set[int] = graph.known["insides"]
    return found


def _is_written_in_parts(place: Place) -> bool:
    known = isinstance(place.gate, WRITTEN_IN_PARTS) or getattr(place.gate, "name", "") == "softplus"
    return known and place.gate is not place.node.gate


def _list_parts(graph: Trace, place: Place) -> set[int]:
    below, own = list_descendants(graph, place.inputs[0]), {place.node.index}
    for node in reversed(graph.nodes[: place.node.index]):
        users = [other.index for other in graph.nodes if node in other.inputs]
        if node.index in below and node is not place.inputs[0] and users and own.issuperset(users):
            own.add(node.index)
    return own
