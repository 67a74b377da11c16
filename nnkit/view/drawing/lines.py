"""Layers of a wide graph, wrapped into lines like the words of a text.

A wire from one line to the next leaves at the right, runs back between the lines, and enters at the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LANE_GAP = 12.0  # between the wires that lead from one line to the next
LANE_ROOM = 30.0  # on either side of a line, for those wires

Column = tuple[float, float]
"""The left and right end of a layer."""

Lane = tuple[float, float, float]
"""The way of a wire to the next line: its x at the right, its y between the lines, its x at the left."""


@dataclass(frozen=True)
class Joint:
    """A wire from a layer, at height `y`, to the next layer, at height `to_y`."""

    layer: int
    y: float
    to_y: float


@dataclass(frozen=True)
class Wrapping:
    """For each layer its line, its column and how far it moves down; for each joint its lane, if it has one."""

    lines: list[int]
    columns: list[Column]
    downs: list[float]
    lanes: list[Lane | None]


def wrap_layers(
    columns: Sequence[Column], extents: Sequence[tuple[float, float]], joints: Sequence[Joint], width: float
) -> Wrapping:
    """Return the layers in lines of at most `width`, where no layer is wider. `extents` are their tops and bottoms."""
    lines, moved = assign_lines(columns, width), list(columns)
    downs = [0.0] * len(columns)
    lanes: list[Lane | None] = [None] * len(joints)
    bottom, entering = 0.0, 0
    for line in range(max(lines, default=-1) + 1):
        members = [layer for layer, place in enumerate(lines) if place == line]
        down = bottom - min(extents[layer][0] for layer in members) if line else 0.0
        shift = (entering + 1) * LANE_GAP - columns[members[0]][0] if line else 0.0
        for layer in members:
            downs[layer] = down
            moved[layer] = (columns[layer][0] + shift, columns[layer][1] + shift)
        right, bottom = moved[members[-1]][1], down + max(extents[layer][1] for layer in members)
        leaving = [i for i, joint in enumerate(joints) if joint.layer == members[-1] and members[-1] + 1 < len(columns)]
        leaving.sort(key=lambda i: (-joints[i].y, -joints[i].to_y))  # the lowest turns first, so that none cross
        for rank, i in enumerate(leaving, start=1):
            lanes[i] = (right + rank * LANE_GAP, bottom + rank * LANE_GAP, rank * LANE_GAP)
        bottom, entering = bottom + (len(leaving) + 1) * LANE_GAP, len(leaving)
    return Wrapping(lines, moved, downs, lanes)


def assign_lines(columns: Sequence[Column], width: float) -> list[int]:
    """Return the line of each layer: as few lines as fit into `width`, and those as even as can be."""
    if not columns or columns[-1][1] <= width:
        return [0] * len(columns)
    fewest = _break_lines(columns, width - 2 * LANE_ROOM)
    spans = sorted(end - x for i, (x, _) in enumerate(columns) for _, end in columns[i:])
    return next(lines for limit in spans if (lines := _break_lines(columns, limit))[-1] == fewest[-1])


def _break_lines(columns: Sequence[Column], limit: float) -> list[int]:
    """Return the line of each layer if a line ends before the first layer that does not fit."""
    lines, start = [0], columns[0][0]
    for x, end in columns[1:]:
        new = end - start > limit
        lines.append(lines[-1] + new)
        start = x if new else start
    return lines
