"""The half of the graph explorer that computes: a copy of the graph, the part that is shown, and its steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nnkit.arrays import Array
from nnkit.graph import Graph, Node
from nnkit.language import say
from nnkit.view.drawing.folding import FoldedGate, Group, find_groups, fold
from nnkit.view.drawing.geometry import MAX_DRAWN_NODES
from nnkit.view.drawing.labels import describe_graph, format_title
from nnkit.view.drawing.svg import HtmlText, html
from nnkit.view.explorers.gate_source import describe_gate
from nnkit.view.explorers.graph_scene import PAGE_WIDTH, build_svg_model, frame_groups
from nnkit.view.explorers.graph_sliders import build_sliders, parse_values
from nnkit.view.explorers.graph_steps import compute_steps
from nnkit.view.explorers.protocol import InvalidRequest, Json, describe_failure

NARROW_WIDTH = 330.0
"""The width of the graph on a phone."""

MAX_TAIL_NODES = 60
"""The number of nodes shown, from the end, of a graph that is too large to be drawn."""


@dataclass(frozen=True)
class StillGraph:
    """The drawing of a graph, and its description."""

    graph: Graph

    @property
    def description(self) -> str:
        """Every node with its formula, value and gradient; for a large graph, its table."""
        large = len(self.graph.nodes) > MAX_DRAWN_NODES
        return str(self.graph) if large else f"{format_title(self.graph)}. {describe_graph(self.graph)}"

    def _repr_html_(self) -> HtmlText:
        return html(self.graph)


class GraphActor:
    """An actor that answers {"values": of the sliders, "folded": numbers of groups, "width": of the page} with steps.

    It works on a copy: neither the values nor the gradients of the learner's graph change.
    """

    def __init__(self, graph: Graph, groups: Mapping[str, Iterable[Node]] | None = None, upstream: Array | None = None):
        self.groups: list[Group] = find_groups(graph, groups)
        self.graph, _ = fold(graph)
        self.upstream = upstream
        self.folded: frozenset[int] = frozenset()
        self.widest_labels: dict[int, str] = {}
        self.width = PAGE_WIDTH

    def start(self) -> tuple[Json, Json]:
        return self._build_setup(), self._compute_state()

    def answer(self, request: Json) -> tuple[Json | None, Json]:
        """Return the setup, if it has changed, and the state.

        Raises InvalidRequest if a forward raises; the last values stay.
        """
        self._run_forward(request.get("values", {}))
        folded = frozenset(i for i in request.get("folded", ()) if 0 <= i < len(self.groups))
        width = max(200.0, float(request.get("width", self.width)))
        changed = (folded, width) != (self.folded, self.width)
        self.folded, self.width = folded, width
        state = self._compute_state()
        needs_room = self._record_widest_labels(state)
        return (self._build_setup() if changed or needs_room else None), state

    def list_frozen_requests(self) -> list[Json]:
        """Return each group folded, all and none of them, on a wide and on a narrow page."""
        everything = list(range(len(self.groups)))
        folds = [[], *([i] for i in everything), *([everything] if len(everything) > 1 else [])]
        return [{"folded": folded, "width": width} for width in (PAGE_WIDTH, NARROW_WIDTH) for folded in folds]

    def _run_forward(self, values: dict[str, Any]) -> None:
        before = {node.index: node.value for node in self.graph.nodes if node.gate is None}
        try:
            for index, value in parse_values(self.graph, values).items():
                self.graph.nodes[index].value = value
            self.graph.forward()
        except Exception as error:
            for index, value in before.items():
                self.graph.nodes[index].value = value
            still = say("The picture shows the last inputs that worked.")
            raise InvalidRequest(f"{describe_failure(error)} {still}") from error

    def _fold_shown(self) -> tuple[Graph, list[Node]]:
        first = max(0, len(self.graph.nodes) - MAX_TAIL_NODES) if len(self.graph.nodes) > MAX_DRAWN_NODES else 0
        groups = [group for i, group in enumerate(self.groups) if i in self.folded and group.members[0] >= first]
        return fold(self.graph, groups, first)

    def _compute_state(self) -> Json:
        shown, origins = self._fold_shown()
        state = compute_steps(shown, self.upstream)
        for step in state["steps"]:
            step["time"] = self._find_time(step["phase"], origins[step["node"]].index)
        return state

    def _find_time(self, phase: str, index: int) -> int:
        """Return a number that grows over the steps of both passes and is the same in folded and unfolded graphs.

        A folded gate is done with its backward when the first of its gates is.
        """
        count = len(self.graph.nodes)
        first = {group.members[-1]: group.members[0] for i, group in enumerate(self.groups) if i in self.folded}
        return {"forward": index, "start": count}.get(phase, 2 * count - first.get(index, index))

    def _record_widest_labels(self, state: Json) -> bool:
        """Record labels that are wider than any before them, and return True if there are some."""
        texts = [*state["known"].items()]
        for step in state["steps"]:
            texts += [(str(step["node"]), step.get("value", "")), *step.get("grads", {}).items()]
        wider_labels = {
            int(i): text for i, text in texts if len(text) > max(8, len(self.widest_labels.get(int(i), "")))
        }
        self.widest_labels |= wider_labels
        return bool(wider_labels)

    def _build_setup(self) -> Json:
        shown, origins = self._fold_shown()
        at = {node.index: i for i, node in enumerate(origins)}
        self._record_widest_labels(compute_steps(shown, self.upstream))
        setup = build_svg_model(self._fold_shown()[0], self.widest_labels, self.width)
        is_open = [
            (i, group, [at[m] for m in group.members])
            for i, group in enumerate(self.groups)
            if i not in self.folded and all(m in at for m in group.members)
        ]
        of = {m: i for i, _, members in is_open for m in members}
        of |= {at[g.members[-1]]: i for i, g in enumerate(self.groups) if i in self.folded and g.members[-1] in at}
        source_gates: dict[Any, Any] = {}  # what identifies a source → a gate that has it
        for box in setup["boxes"]:
            gate = shown.nodes[box["id"]].gate
            box["group"], box["source"] = of.get(box["id"]), self._find_source_index(source_gates, gate)
        controls, words = build_sliders(self.graph)
        return {
            **setup,
            "room": self.width,
            "frames": frame_groups(setup["boxes"], is_open),
            "sources": [describe_gate(gate) for gate in source_gates.values()],
            "symbols": [group.symbol for group in self.groups],
            "folded": sorted(self.folded),
            "sliders": controls,
            "notes": [note for note in (self._describe_size(), words) if note],
        }

    @staticmethod
    def _find_source_index(source_gates: dict[Any, Any], gate: Any) -> int | None:
        if gate is None:
            return None
        methods = (getattr(method, "__func__", method) for method in (gate.forward, gate.backward))
        key = (id(gate),) if isinstance(gate, FoldedGate) else tuple(map(id, methods))
        source_gates.setdefault(key, gate)
        return list(source_gates).index(key)

    def _describe_size(self) -> str:
        count = len(self.graph.nodes)
        if count <= MAX_DRAWN_NODES:
            return ""
        gates = sum(node.gate is not None for node in self.graph.nodes)
        return say(
            "{gates:,} gates are too many to draw. These are the last {count} nodes; the sliders act on the whole "
            "graph.",
            gates=gates, count=MAX_TAIL_NODES,
        )  # fmt: skip
