"""The SVG model of a live graph: boxes, wires and labels as in its drawing, with room for other numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

from nnkit.graph import Graph, Node
from nnkit.graphtext import get_symbol
from nnkit.language import say
from nnkit.view.drawing import layout
from nnkit.view.drawing.folding import FoldedGate, Group
from nnkit.view.drawing.geometry import MARGIN, NodeBox, draw_route_paths, draw_wire_paths, lay_out
from nnkit.view.drawing.labels import estimate_width, get_given_name, list_drawn_nodes, shorten, shorten_value
from nnkit.view.explorers.graph_steps import label_wire
from nnkit.view.explorers.protocol import Json

PAGE_WIDTH = 910.0
"""The width of the drawing until the page has said how much room it has."""

WIDEST_NUMBER = "−0.0000"
"""The text for which each label has room, whatever its number is now."""


def build_svg_model(graph: Graph, widest_labels: Mapping[int, str], width: float = inf) -> Json:
    """Return boxes, wires and labels, in lines of at most `width` where that can be.

    `widest_labels` is the widest text that each node's labels have held so far.
    """
    nodes = list_drawn_nodes(graph)
    names = [shorten(get_given_name(node) or label_wire(node)) for node in nodes if node.gate is None]
    margin = 6 + max(map(estimate_width, names), default=0.0)
    boxes = [_widen_labels(NodeBox.from_node(node, margin), widest_labels.get(node.index, "")) for node in nodes]
    plan = lay_out(boxes, width)
    paths, routes = draw_wire_paths(boxes, plan), draw_route_paths(boxes, plan)
    models = [_build_box_model(box, at) for box, at in zip(boxes, plan.positions)]
    return {
        "boxes": [{**model, "routes": route} for model, route in zip(models, routes)],
        "wires": [{"id": box.node.index, "d": path} for box, path in zip(boxes, paths)],
        "splits": plan.splits,
        "left": -MARGIN,
        "width": plan.width + 2 * MARGIN,
        "height": plan.height + 2 * MARGIN,
    }


def frame_groups(boxes: Sequence[Json], groups: Sequence[tuple[int, Group, Sequence[int]]]) -> list[Json]:
    """Return a frame around the boxes of each unfolded group, one for each line: (number, group, nodes as shown)."""
    frames: list[Json] = []
    parts = [
        (number, group, inner)
        for number, group, members in groups
        for line in sorted({box["line"] for box in boxes if box["id"] in members})
        if (inner := [box for box in boxes if box["id"] in members and box["line"] == line])
    ]
    for number, group, inner in parts:
        first = all(frame["group"] != number for frame in frames)
        left = min(box["x"] for box in inner) - 8
        top = min(box["y"] - box["h"] / 2 for box in inner) - 22
        width = max(box["x"] + box["w"] for box in inner) + 8 - left
        height = max(box["y"] + box["h"] / 2 for box in inner) + 8 - top
        place = {"x": left, "y": top, "w": width, "h": height}
        frames.append({"group": number, "symbol": group.symbol, "first": first, **place})
    return frames


def _widen_labels(box: NodeBox, widest: str) -> NodeBox:
    """Return the box with labels as wide as they may become."""
    text = max(box.value, WIDEST_NUMBER, widest, key=estimate_width)
    return replace(box, value=shorten_value(text), grad=shorten_value(f"∂ {text}"))


def _build_box_model(box: NodeBox, at: layout.Position) -> Json:
    node, (width, height) = box.node, box.size
    kind = "group" if isinstance(node.gate, FoldedGate) else "gate" if node.gate is not None else "input"
    name = box.lines[0] if kind == "input" else ""
    return {
        "id": node.index,
        "kind": kind,
        "x": at.x,
        "y": at.y,
        "line": at.line,
        "w": width,
        "h": height,
        "r": box.corner_radius,
        "lines": [] if kind == "input" else list(box.lines),
        "name": shorten(label_wire(node)) if kind == "input" and not name and not node.constant else name,
        "prefix": box.name,
        "middle": (at.x + width + at.end) / 2,
        "end": at.end,
        "label": _describe_box(node, box.lines),
        "inputs": [x.index for x in box.wired_inputs],
        "output": node is node.graph.output,
    }


def _describe_box(node: Node, lines: Sequence[str]) -> str:
    """Return the text of a box for screen readers; it has what can be read in the box, `+ 1` with its constant."""
    if node.gate is None:
        return say("constant {wire}" if node.constant else "input {wire}", wire=label_wire(node))
    symbol = lines[0] if len(lines) == 1 else get_symbol(node.gate)
    return say("gate {symbol}, which computes {wire}", symbol=symbol, wire=label_wire(node))
