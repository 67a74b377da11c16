"""Where the boxes, wires and labels of a live graph stand: the drawing's own geometry, with room for other numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nnkit.graph import Graph, Node
from nnkit.graphtext import get_symbol
from nnkit.view.drawing import layout
from nnkit.view.drawing.folding import Folded, Group
from nnkit.view.drawing.svg import BOX, MARGIN, _drawn, _folded, _name, _Part, _paths, _short, _wide
from nnkit.view.explorers.graph_steps import label
from nnkit.view.explorers.protocol import Json

ROOM = "−0.0000"
"""Each label has room for this, whatever its number is now."""


def geometry(graph: Graph, rooms: Mapping[int, str]) -> Json:
    """Boxes, wires and labels; `rooms` is the widest text that each node's labels have held so far."""
    nodes = _drawn(graph)
    margin = 6 + max((_wide(_short(_name(node) or label(node))) for node in nodes if node.gate is None), default=0.0)
    parts = [_roomy(_Part.of(node, margin), rooms.get(node.index, "")) for node in nodes]
    number = {id(part.node): i for i, part in enumerate(parts)}
    plan = layout.place([part.item(number) for part in parts])
    paths = _paths(parts, plan)
    return {
        "boxes": [_box(part, at) for part, at in zip(parts, plan.places)],
        "wires": [{"id": part.node.index, "d": path} for part, path in zip(parts, paths)],
        "splits": plan.splits,
        "left": -MARGIN,
        "width": plan.width + 2 * MARGIN,
        "height": plan.height + 2 * MARGIN,
    }


def frames(boxes: Sequence[Json], groups: Sequence[tuple[int, Group, Sequence[int]]]) -> list[Json]:
    """A frame around the boxes of each group that is not folded: (its number, the group, its nodes as shown)."""
    found = []
    for number, group, members in groups:
        inner = [box for box in boxes if box["id"] in members]
        left = min(box["x"] for box in inner) - 8
        top = min(box["y"] - box["h"] / 2 for box in inner) - 22
        width = max(box["x"] + box["w"] for box in inner) + 8 - left
        height = max(box["y"] + box["h"] / 2 for box in inner) + 8 - top
        found.append({"group": number, "symbol": group.symbol, "x": left, "y": top, "w": width, "h": height})
    return found


def _roomy(part: _Part, room: str) -> _Part:
    """The part with labels as wide as they may get."""
    widest = max(part.value, ROOM, room, key=_wide)
    return replace(part, value=_short(widest), grad=_short(f"∂ {widest}"))


def _box(part: _Part, at: layout.Place) -> Json:
    node, (width, height) = part.node, part.box
    kind = "group" if isinstance(node.gate, Folded) else "gate" if node.gate is not None else "input"
    name = part.lines[0] if kind == "input" else ""
    return {
        "id": node.index,
        "kind": kind,
        "x": at.x,
        "y": at.y,
        "w": width,
        "h": height,
        "r": BOX / 2 if width == height == BOX else 12.0,
        "lines": [] if kind == "input" else list(part.lines),
        "name": _short(label(node)) if kind == "input" and not name and not node.constant else name,
        "prefix": part.name,
        "middle": (at.x + width + at.end) / 2,
        "end": at.end,
        "label": told(node),
        "inputs": [x.index for x in node.inputs if x is not _folded(node)],
        "output": node is node.graph.output,
    }


def told(node: Node) -> str:
    """What a reader hears of a box."""
    if node.gate is None:
        return f"{'constant' if node.constant else 'input'} {label(node)}"
    return f"gate {get_symbol(node.gate)}, which makes {label(node)}"
