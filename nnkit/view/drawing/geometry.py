"""The geometry of a drawn graph: the size of each node's box and labels, and the paths of the wires.

The standalone SVG and the graph explorer share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from nnkit.graph import Node
from nnkit.graphtext import format_value
from nnkit.view.drawing import layout
from nnkit.view.drawing.labels import (
    estimate_width,
    format_symbol,
    get_folded_constant,
    get_given_name,
    shorten,
    shorten_value,
)

MAX_DRAWN_NODES = 200
"""The size of the largest graph that is drawn."""

LINE_HEIGHT = 17.0
MARGIN = 10.0
BOX_SIZE = 40.0
CORNER_RADIUS = 6.0

Point = tuple[float, float]


@dataclass(frozen=True)
class NodeBox:
    """A node's box, its labels and their sizes."""

    node: Node
    lines: tuple[str, ...]
    name: str
    value: str
    grad: str
    margin: float
    """The width reserved for the names of inputs, so that the inputs' wires start at the same x."""

    @classmethod
    def from_node(cls, node: Node, margin: float) -> NodeBox:
        """Return the box of a node, with its labels shortened."""
        lines = (get_given_name(node),) if node.gate is None else tuple(format_symbol(node).split("\n"))
        grad = format_value(node.grad)
        return cls(
            node,
            tuple(shorten(line) for line in lines),
            "" if node.gate is None or not get_given_name(node) else f"{shorten(get_given_name(node))} = ",
            shorten_value(format_value(node.value)),
            f"∂ {shorten_value(grad)}" if grad else "",
            margin,
        )

    @property
    def wired_inputs(self) -> tuple[Node, ...]:
        """The inputs that have a wire: all but a constant in the gate's label."""
        return tuple(x for x in self.node.inputs if x is not get_folded_constant(self.node))

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of the box; for an input, of the name drawn in its place."""
        if self.node.gate is None:
            return self.margin, BOX_SIZE
        width = max(estimate_width(line) for line in self.lines)
        ports = len(self.wired_inputs)
        return (
            max(BOX_SIZE, width + 18),
            max(BOX_SIZE, LINE_HEIGHT * len(self.lines) + 14, layout.PORT_SPACING * ports + 8),
        )

    @property
    def corner_radius(self) -> float:
        """The radius of the corners; a box of the smallest size is a circle."""
        return BOX_SIZE / 2 if self.size == (BOX_SIZE, BOX_SIZE) else 12.0

    def to_layout_item(self, number: dict[int, int]) -> layout.Item:
        """Return the sizes for the layout; `number` maps the id of a node to its place in the list of items."""
        width, height = self.size
        inputs = tuple(number[id(x)] for x in self.wired_inputs)
        wire = 14 + max(
            estimate_width(self.name) + estimate_width(self.value, bold=True),
            estimate_width(self.grad),
        )
        return layout.Item(inputs, width, wire, max(height, 2 * LINE_HEIGHT + 10) + 14)


def lay_out(boxes: list[NodeBox], width: float = inf) -> layout.Layout:
    """Return the layout of boxes, whose inputs must be among them, in lines of at most `width` if that can be."""
    number = {id(box.node): i for i, box in enumerate(boxes)}
    return layout.place_items([box.to_layout_item(number) for box in boxes], width)


def draw_wire_paths(boxes: list[NodeBox], plan: layout.Layout) -> list[str]:
    """Return the SVG path of each node's wire, with all its branches."""
    wires = [[_draw_straight(at.x + box.size[0], at.end, at.y)] for box, at in zip(boxes, plan.positions)]
    for source, left, right, y in plan.passing:
        wires[source].append(_draw_straight(left, right, y))
    for bend in plan.bends:
        wires[bend.source].append(f"M{_format_point(bend.start)}{_draw_bend(bend)}")
    return ["".join(wire) for wire in wires]


def draw_route_paths(boxes: list[NodeBox], plan: layout.Layout) -> list[list[str]]:
    """Return for each box the SVG paths of the wires into it, each from the label at its source to the box."""
    middles = [((at.x + box.size[0] + at.end) / 2, at.y) for box, at in zip(boxes, plan.positions)]
    return [
        [
            f"M{_format_point(middles[route[0].source])}"
            + "".join(f"L{_format_point(bend.start)}{_draw_bend(bend)}" for bend in route)
            for route in routes
        ]
        for routes in plan.routes
    ]


def _draw_bend(bend: layout.Bend) -> str:
    """Return the SVG path of a bend from its start on: a curve, or the way back to the start of the next line."""
    (x, y), (to_x, to_y) = bend.start, bend.stop
    if bend.lane is None:
        half = (x + to_x) / 2
        return f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    right, between, left = bend.lane
    corners = [(right, y), (right, between), (left, between), (left, to_y), (to_x, to_y)]
    return "".join(_draw_corner(*three) for three in zip([(x, y), *corners], corners, corners[1:])) + f"H{to_x:.1f}"


def _draw_corner(before: Point, corner: Point, after: Point) -> str:
    """Return a line towards a corner, and a round turn there into the direction of the point after it."""
    start, end = (_approach(corner, other) for other in (before, after))
    return f"L{_format_point(start)}Q{_format_point(corner)} {_format_point(end)}"


def _approach(corner: Point, other: Point) -> Point:
    """Return the point near a corner, in the direction of another on the same horizontal or vertical."""
    return (
        corner[0] + max(-CORNER_RADIUS, min(CORNER_RADIUS, other[0] - corner[0])),
        corner[1] + max(-CORNER_RADIUS, min(CORNER_RADIUS, other[1] - corner[1])),
    )


def _format_point(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _draw_straight(left: float, right: float, y: float) -> str:
    return f"M{left:.1f} {y:.1f}H{right:.1f}"
