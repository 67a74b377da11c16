"""Layered layout of a graph (Sugiyama): layers from left to right, few crossings, straight wires.

A layer is a column: its boxes at the left, behind each box a straight piece of wire for the labels. A wire
that passes a layer on its way to a later one crosses its column straight too, in a row of its own.
Wires bend only between columns, so no wire can run through a label or a box.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from operator import itemgetter

import networkx as nx

from nnkit.view.drawing.lines import LANE_GAP, Joint, Lane, wrap_layers

COLUMN_GAP = 24.0  # between columns, at least
PORT_SPACING = 16.0  # between the wires into one box
PASSING_HEIGHT = 16.0  # height of the row of a wire that only passes
SWEEP_COUNT = 12


@dataclass(frozen=True)
class Item:
    """A box to place, with the straight wire behind it. `inputs` are the indices of earlier items, in order."""

    inputs: tuple[int, ...]
    box: float
    wire: float
    height: float


@dataclass(frozen=True)
class Position:
    """The position of an item: the left edge of its box, the height of its middle, the right end of its wire."""

    x: float
    y: float
    end: float
    line: int = 0
    """The line of a wrapped layout, from the top."""


@dataclass(frozen=True)
class Bend:
    """A bend of a wire, from the end of a straight piece to a port of a box (`slot`), or to a passing wire (None).

    A bend that leads to the next line of a wrapped layout has a `lane`.
    """

    source: int
    target: int | None
    slot: int | None
    start: tuple[float, float]
    stop: tuple[float, float]
    lane: Lane | None = None


@dataclass(frozen=True)
class Layout:
    """The positions of all items, and the wires between them."""

    positions: list[Position]
    bends: list[Bend]
    passing: list[tuple[int, float, float, float]]
    """Straight pieces of wires that pass a layer: source, left end, right end, height."""
    splits: list[tuple[float, float]]
    """The points where a wire splits."""
    routes: list[list[list[Bend]]]
    """For each item and port the bends of the wire that leads there, from its source on."""
    width: float
    height: float


@dataclass
class _Row:
    """A row of one layer: an item, or a wire that passes."""

    source: int
    layer: int
    height: float
    ports: int = 0
    before: list[tuple[int, int]] = field(default_factory=list)  # (row, the port here)
    after: list[tuple[int, int]] = field(default_factory=list)  # (row, the port there)
    y: float = 0.0

    def get_port_offset(self, slot: int) -> float:
        """Return the distance of a port below the middle of its box."""
        return (slot - (self.ports - 1) / 2) * PORT_SPACING if self.ports else 0.0


def place_items(items: list[Item], width: float = inf) -> Layout:
    """Return the layout of the items, wrapped into lines of at most `width` where its layers allow it.

    The same items always get the same positions.
    """
    rows = _make_rows(items)
    layers = _order_layers(rows)
    _assign_heights(rows, layers)
    return _build_layout(items, rows, layers, width)


def assign_layers(items: list[Item]) -> list[int]:
    """Return the layer of each item: the length of the longest path to it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(items)))
    graph.add_edges_from((source, target) for target, item in enumerate(items) for source in item.inputs)
    layer = {node: depth for depth, nodes in enumerate(nx.topological_generations(graph)) for node in nodes}
    return [layer[node] for node in range(len(items))]


def _make_rows(items: list[Item]) -> list[_Row]:
    """Return a row for each item and, for wires longer than one layer, the rows they pass; branches share them."""
    depths = assign_layers(items)
    rows = [_Row(i, depths[i], item.height, len(item.inputs)) for i, item in enumerate(items)]
    users: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for target, item in enumerate(items):
        for slot, source in enumerate(item.inputs):
            users[source].append((target, slot))
    for source, targets in users.items():
        taps = {depths[source]: source}
        for layer in range(depths[source] + 1, max(depths[target] for target, _ in targets)):
            rows.append(_Row(source, layer, PASSING_HEIGHT))
            taps[layer] = len(rows) - 1
            _join_rows(rows, taps[layer - 1], taps[layer], 0)
        for target, slot in targets:
            _join_rows(rows, taps[depths[target] - 1], target, slot)
    return rows


def _join_rows(rows: list[_Row], a: int, b: int, slot: int) -> None:
    rows[a].after.append((b, slot))
    rows[b].before.append((a, slot))


# -- the order in each layer -----------------------------------------------------------------------


def _order_layers(rows: list[_Row]) -> list[list[int]]:
    """Return the layers, each from top to bottom: the best order of a few barycenter sweeps."""
    layers: list[list[int]] = [[] for _ in range(1 + max((row.layer for row in rows), default=-1))]
    for i, row in enumerate(rows):
        layers[row.layer].append(i)
    best, fewest = [list(layer) for layer in layers], _count_crossings(rows, layers)
    for sweep in range(SWEEP_COUNT):
        forward = sweep % 2 == 1
        for layer in layers if forward else reversed(layers):
            _sort_layer(rows, layers, layer, forward)
        crossings = _count_crossings(rows, layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _rank_rows(layers: list[list[int]]) -> dict[int, int]:
    return {i: rank for layer in layers for rank, i in enumerate(layer)}


def _sort_layer(rows: list[_Row], layers: list[list[int]], layer: list[int], forward: bool) -> None:
    ranks = _rank_rows(layers)

    def key(i: int) -> float:
        row = rows[i]
        near = [ranks[a] for a, _ in row.before] if forward else [_rank_port(rows, ranks, *b) for b in row.after]
        return sum(near) / len(near) if near else ranks[i]

    layer.sort(key=key)


def _rank_port(rows: list[_Row], ranks: dict[int, int], i: int, slot: int) -> float:
    return ranks[i] + slot / (rows[i].ports + 1)


def _count_crossings(rows: list[_Row], layers: list[list[int]]) -> int:
    ranks = _rank_rows(layers)
    count = 0
    for layer in layers:
        ends = [(ranks[i], _rank_port(rows, ranks, *after)) for i in layer for after in rows[i].after]
        count += sum((a < c and b > d) or (a > c and b < d) for n, (a, b) in enumerate(ends) for c, d in ends[:n])
    return count


# -- heights ---------------------------------------------------------------------------------------


def _assign_heights(rows: list[_Row], layers: list[list[int]]) -> None:
    """Move each row towards the rows it is joined to, keeping its layer's order and minimum distances."""
    for layer in layers:
        _separate_rows(rows, layer, [0.0] * len(layer))
    for sweep in range(2 * SWEEP_COUNT + 1):
        forward = sweep % 2 == 0  # true of the last sweep too, which leaves chains straight
        both = SWEEP_COUNT <= sweep < 2 * SWEEP_COUNT
        for layer in layers if forward else reversed(layers):
            _separate_rows(
                rows,
                layer,
                [_compute_preferred_height(rows, rows[i], forward or both, not forward or both) for i in layer],
            )


def _compute_preferred_height(rows: list[_Row], row: _Row, before: bool, after: bool) -> float:
    """Return the height at which the row's wires would be straight."""
    preferences = [rows[a].y - row.get_port_offset(slot) for a, slot in row.before] if before else []
    preferences += [rows[b].y + rows[b].get_port_offset(slot) for b, slot in row.after] if after else []
    return sum(preferences) / len(preferences) if preferences else row.y


def _separate_rows(rows: list[_Row], layer: list[int], preferences: list[float]) -> None:
    """Set the heights that are nearest to the preferred ones (least squares) and keep rows apart.

    Rows that would overlap are pooled around their mean: isotonic regression.
    """
    offsets = [0.0]
    for a, b in pairwise(layer):
        offsets.append(offsets[-1] + (rows[a].height + rows[b].height) / 2)
    pools: list[tuple[float, int]] = []  # (mean, members)
    for preferred, offset in zip(preferences, offsets):
        mean, members = preferred - offset, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, members = (mean * members + other * more) / (members + more), members + more
        pools.append((mean, members))
    means = [mean for mean, members in pools for _ in range(members)]
    for i, mean, offset in zip(layer, means, offsets):
        rows[i].y = mean + offset


# -- coordinates -----------------------------------------------------------------------------------


def _build_layout(items: list[Item], rows: list[_Row], layers: list[list[int]], width: float) -> Layout:
    joints = [(a, b, slot) for a, row in enumerate(rows) for b, slot in row.after]
    top = min((row.y - row.height / 2 for row in rows), default=0.0)
    for row in rows:
        row.y -= top
    columns, lines, lanes = _wrap(_measure_columns(items, rows, layers), rows, layers, joints, width)
    bends = {joint: _make_bend(rows, *joint, columns, len(items), lane) for joint, lane in zip(joints, lanes)}
    return Layout(
        [Position(columns[row.layer][0], row.y, columns[row.layer][1], lines[row.layer]) for row in rows[: len(items)]],
        list(bends.values()),
        [(row.source, *columns[row.layer], row.y) for row in rows[len(items) :]],
        [(columns[row.layer][1], row.y) for row in rows if len(row.after) > 1],
        [
            [_trace_route(rows, bends, i, a, slot, len(items)) for a, slot in sorted(rows[i].before, key=itemgetter(1))]
            for i in range(len(items))
        ],
        max([end for _, end in columns] + [lane[0] + LANE_GAP for lane in lanes if lane], default=0.0),
        max((row.y + row.height / 2 for row in rows), default=0.0),
    )


def _wrap(
    columns: list[tuple[float, float]],
    rows: list[_Row],
    layers: list[list[int]],
    joints: list[tuple[int, int, int]],
    width: float,
) -> tuple[list[tuple[float, float]], list[int], list[Lane | None]]:
    """Move the rows of each line below the line before it; return the new columns, the lines, and the joints' lanes."""
    extents = [
        (min(rows[i].y - rows[i].height / 2 for i in layer), max(rows[i].y + rows[i].height / 2 for i in layer))
        for layer in layers
    ]
    wires = [Joint(rows[a].layer, rows[a].y, rows[b].y + rows[b].get_port_offset(slot)) for a, b, slot in joints]
    wrapping = wrap_layers(columns, extents, wires, width)
    for row in rows:
        row.y += wrapping.downs[row.layer]
    return wrapping.columns, wrapping.lines, wrapping.lanes


def _trace_route(
    rows: list[_Row], bends: dict[tuple[int, int, int], Bend], target: int, a: int, slot: int, item_count: int
) -> list[Bend]:
    """Return the bends of a wire from its source, over the rows that it passes, to a port."""
    route = [bends[a, target, slot]]
    while a >= item_count:
        (before, _), passed = rows[a].before[0], a
        route.insert(0, bends[before, passed, 0])
        a = before
    return route


def _measure_columns(items: list[Item], rows: list[_Row], layers: list[list[int]]) -> list[tuple[float, float]]:
    """Return the left and right ends of every column."""
    columns: list[tuple[float, float]] = []
    x = 0.0
    for layer in layers:
        end = x + max(items[i].box + items[i].wire for i in layer if i < len(items))
        columns.append((x, end))
        rises = [abs(rows[b].y + rows[b].get_port_offset(slot) - rows[i].y) for i in layer for b, slot in rows[i].after]
        x = end + COLUMN_GAP + min(40.0, max(rises, default=0.0) / 4)
    return columns


def _make_bend(
    rows: list[_Row],
    a: int,
    b: int,
    slot: int,
    columns: list[tuple[float, float]],
    item_count: int,
    lane: Lane | None,
) -> Bend:
    row, target = rows[a], rows[b]
    start = (columns[row.layer][1], row.y)
    end = (columns[target.layer][0], target.y + target.get_port_offset(slot))
    return Bend(row.source, b if b < item_count else None, slot if b < item_count else None, start, end, lane)
