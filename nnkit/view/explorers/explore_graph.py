"""The half of the graph explorer that computes: a copy of the graph, what of it is shown, and its film."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nnkit.arrays import Array
from nnkit.graph import Graph, Node
from nnkit.graphtext import format_value
from nnkit.view.drawing.folding import Folded, Group, fold, groups_of
from nnkit.view.drawing.svg import MOST, Page, _description, _title, html
from nnkit.view.errors import describe_error
from nnkit.view.explorers.graph_scene import frames, geometry
from nnkit.view.explorers.graph_sliders import placed, sliders
from nnkit.view.explorers.graph_steps import film, source
from nnkit.view.explorers.protocol import Json, Refused

TAIL = 60
"""Of a graph that is too large to be drawn, so many of the last nodes are shown."""


@dataclass(frozen=True)
class StillGraph:
    """The drawing of a graph, and its sentences."""

    graph: Graph

    @property
    def words(self) -> str:
        """Every node with its formula, value and gradient; of a large graph, its table."""
        large = len(self.graph.nodes) > MOST
        return str(self.graph) if large else f"{_title(self.graph)}. {_description(self.graph)}"

    def _repr_html_(self) -> Page:
        return html(self.graph)


class GraphActor:
    """Answers {"values": the sliders, "folded": the groups' numbers} with the film of that graph.

    The learner's graph is copied: neither its values nor its gradients change.
    """

    def __init__(self, graph: Graph, groups: Mapping[str, Iterable[Node]] | None = None, upstream: Array | None = None):
        self.groups: list[Group] = groups_of(graph, groups)
        self.graph, _ = fold(graph)
        self.upstream = upstream
        self.folded: frozenset[int] = frozenset()
        self.rooms: dict[int, str] = {}

    def start(self) -> tuple[Json, Json]:
        return self._scene(), self._film()

    def answer(self, ask: Json) -> tuple[Json | None, Json]:
        """Raises whatever a forward raises for these values; the last values stay."""
        self._forward(ask.get("values", {}))
        folded = frozenset(i for i in ask.get("folded", ()) if 0 <= i < len(self.groups))
        changed, self.folded = folded != self.folded, folded
        made = self._film()
        wider = self._widen(made)
        return (self._scene() if changed or wider else None), made

    def _forward(self, numbers: dict[str, Any]) -> None:
        before = {node.index: node.value for node in self.graph.nodes if node.gate is None}
        try:
            for index, value in placed(self.graph, numbers).items():
                self.graph.nodes[index].value = value
            self.graph.forward()
        except Exception as error:
            for index, value in before.items():
                self.graph.nodes[index].value = value
            words = str(error) if isinstance(error, Refused) else describe_error(error)
            raise Refused(f"{words} The picture shows the last inputs that worked.") from error

    def _shown(self) -> tuple[Graph, list[Node]]:
        first = max(0, len(self.graph.nodes) - TAIL) if len(self.graph.nodes) > MOST else 0
        groups = [group for i, group in enumerate(self.groups) if i in self.folded and group.members[0] >= first]
        return fold(self.graph, groups, first)

    def _film(self) -> Json:
        return film(self._shown()[0], self.upstream)

    def _widen(self, made: Json) -> bool:
        """Whether a label needs more room than it has had."""
        texts = [*made["known"].items()]
        for step in made["steps"]:
            texts += [(str(step["node"]), step.get("value", "")), *step.get("grads", {}).items()]
        wide = {int(i): text for i, text in texts if len(text) > max(8, len(self.rooms.get(int(i), "")))}
        self.rooms |= wide
        return bool(wide)

    def _scene(self) -> Json:
        shown, origins = self._shown()
        at = {node.index: i for i, node in enumerate(origins)}
        self._widen(film(shown, self.upstream))
        scene = geometry(self._shown()[0], self.rooms)
        is_open = [
            (i, group, [at[m] for m in group.members])
            for i, group in enumerate(self.groups)
            if i not in self.folded and all(m in at for m in group.members)
        ]
        of = {m: i for i, _, members in is_open for m in members}
        of |= {at[g.members[-1]]: i for i, g in enumerate(self.groups) if i in self.folded and g.members[-1] in at}
        codes: dict[Any, Any] = {}  # what makes a source its own → a gate that has it
        for box in scene["boxes"]:
            gate = shown.nodes[box["id"]].gate
            box["group"], box["source"] = of.get(box["id"]), self._code(codes, gate)
        kept, words = sliders(self.graph)
        return {
            **scene,
            "frames": frames(scene["boxes"], is_open),
            "sources": [_told(gate) for gate in codes.values()],
            "symbols": [group.symbol for group in self.groups],
            "folded": sorted(self.folded),
            "sliders": kept,
            "notes": [note for note in (self._large(), words) if note],
        }

    @staticmethod
    def _code(codes: dict[Any, Any], gate: Any) -> int | None:
        if gate is None:
            return None
        methods = (getattr(method, "__func__", method) for method in (gate.forward, gate.backward))
        key = (id(gate),) if isinstance(gate, Folded) else tuple(map(id, methods))
        codes.setdefault(key, gate)
        return list(codes).index(key)

    def _large(self) -> str:
        count = len(self.graph.nodes)
        if count <= MOST:
            return ""
        gates = sum(node.gate is not None for node in self.graph.nodes)
        return f"{gates:,} gates are too many to draw. These are the last {TAIL} nodes; sliders move the whole graph."


def _told(gate: Any) -> Json:
    """The source of a kind of gate; a folded group tells the gates that it is made of."""
    if not isinstance(gate, Folded):
        return source(gate)
    lines = [f"{type(inner).__name__}({', '.join(map(_entry, inputs))})" for inner, inputs in gate.parts]
    return {"forward": "\n".join(lines), "backward": "\n".join(f"backward of {line}" for line in reversed(lines))}


def _entry(x: Any) -> str:
    return f"wire {x}" if isinstance(x, int) else format_value(x)
