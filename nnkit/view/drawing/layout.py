"""Where the boxes and wires of a drawing go: layers from left to right, few crossings, straight wires.

A layer is a column: its boxes at the left, behind each box a straight piece of wire for the labels. A wire
that passes a layer on its way to a later one crosses its column straight too, in a row of its own.
Wires bend only between columns, so no wire can run through a label or a box.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx

GAP = 24.0  # between columns, at least
PORT = 16.0  # between the wires into one box
PASSING = 16.0  # height of the row of a wire that only passes
SWEEPS = 12


@dataclass(frozen=True)
class Item:
    """A box to place, with the straight wire behind it. `inputs` are indices of earlier items, in order."""

    inputs: tuple[int, ...]
    box: float
    wire: float
    height: float


@dataclass(frozen=True)
class Place:
    """Where an item went: its box's left edge, the height of its middle, and the right end of its wire."""

    x: float
    y: float
    end: float


@dataclass(frozen=True)
class Wire:
    """One bend, from the end of a straight wire to a port of a box (`slot`), or to a passing wire (None)."""

    source: int
    target: int | None
    slot: int | None
    start: tuple[float, float]
    stop: tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """A placed drawing."""

    places: list[Place]
    bends: list[Wire]
    passing: list[tuple[int, float, float, float]]
    """Straight pieces of wires that pass a layer: source, left end, right end, height."""
    splits: list[tuple[float, float]]
    """The points where a wire splits."""
    width: float
    height: float


@dataclass
class _Stop:
    """A row of one layer: an item, or a wire that passes."""

    source: int
    layer: int
    height: float
    ports: int = 0
    before: list[tuple[int, int]] = field(default_factory=list)  # (stop, the port here)
    after: list[tuple[int, int]] = field(default_factory=list)  # (stop, the port there)
    y: float = 0.0

    def port(self, slot: int) -> float:
        """How far below the middle a port is."""
        return (slot - (self.ports - 1) / 2) * PORT if self.ports else 0.0


def place(items: list[Item]) -> Layout:
    """Lay the items out. The same items always get the same places."""
    stops = _stops(items)
    layers = _ordered(stops)
    _settle(stops, layers)
    return _measured(items, stops, layers)


def layer_of(items: list[Item]) -> list[int]:
    """Each item's layer: the length of the longest path to it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(items)))
    graph.add_edges_from((source, target) for target, item in enumerate(items) for source in item.inputs)
    layer = {node: depth for depth, nodes in enumerate(nx.topological_generations(graph)) for node in nodes}
    return [layer[node] for node in range(len(items))]


def _stops(items: list[Item]) -> list[_Stop]:
    """The items' rows and, for wires longer than one layer, the rows they pass; branches share them."""
    depths = layer_of(items)
    stops = [_Stop(i, depths[i], item.height, len(item.inputs)) for i, item in enumerate(items)]
    users: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for target, item in enumerate(items):
        for slot, source in enumerate(item.inputs):
            users[source].append((target, slot))
    for source, targets in users.items():
        taps = {depths[source]: source}
        for layer in range(depths[source] + 1, max(depths[target] for target, _ in targets)):
            stops.append(_Stop(source, layer, PASSING))
            taps[layer] = len(stops) - 1
            _join(stops, taps[layer - 1], taps[layer], 0)
        for target, slot in targets:
            _join(stops, taps[depths[target] - 1], target, slot)
    return stops


def _join(stops: list[_Stop], a: int, b: int, slot: int) -> None:
    stops[a].after.append((b, slot))
    stops[b].before.append((a, slot))


# -- the order in each layer -----------------------------------------------------------------------


def _ordered(stops: list[_Stop]) -> list[list[int]]:
    """The layers, each from top to bottom: the best of a few barycenter sweeps."""
    layers: list[list[int]] = [[] for _ in range(1 + max((stop.layer for stop in stops), default=-1))]
    for i, stop in enumerate(stops):
        layers[stop.layer].append(i)
    best, fewest = [list(layer) for layer in layers], _crossings(stops, layers)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 1
        for layer in layers if forward else reversed(layers):
            _sort(stops, layers, layer, forward)
        crossings = _crossings(stops, layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _ranks(layers: list[list[int]]) -> dict[int, int]:
    return {i: rank for layer in layers for rank, i in enumerate(layer)}


def _sort(stops: list[_Stop], layers: list[list[int]], layer: list[int], forward: bool) -> None:
    ranks = _ranks(layers)

    def key(i: int) -> float:
        stop = stops[i]
        near = [ranks[a] for a, _ in stop.before] if forward else [_port_rank(stops, ranks, *b) for b in stop.after]
        return sum(near) / len(near) if near else ranks[i]

    layer.sort(key=key)


def _port_rank(stops: list[_Stop], ranks: dict[int, int], i: int, slot: int) -> float:
    return ranks[i] + slot / (stops[i].ports + 1)


def _crossings(stops: list[_Stop], layers: list[list[int]]) -> int:
    ranks = _ranks(layers)
    count = 0
    for layer in layers:
        ends = [(ranks[i], _port_rank(stops, ranks, *after)) for i in layer for after in stops[i].after]
        count += sum((a < c and b > d) or (a > c and b < d) for n, (a, b) in enumerate(ends) for c, d in ends[:n])
    return count


# -- heights ---------------------------------------------------------------------------------------


def _settle(stops: list[_Stop], layers: list[list[int]]) -> None:
    """Move each row towards the rows it is joined to, without changing an order or closing a distance."""
    for layer in layers:
        _spread(stops, layer, [0.0] * len(layer))
    for sweep in range(2 * SWEEPS + 1):
        forward = sweep % 2 == 0  # so the last sweep is, which leaves chains straight
        both = SWEEPS <= sweep < 2 * SWEEPS
        for layer in layers if forward else reversed(layers):
            _spread(stops, layer, [_wish(stops, stops[i], forward or both, not forward or both) for i in layer])


def _wish(stops: list[_Stop], stop: _Stop, before: bool, after: bool) -> float:
    """The height at which the row's wires would be straight."""
    wishes = [stops[a].y - stop.port(slot) for a, slot in stop.before] if before else []
    wishes += [stops[b].y + stops[b].port(slot) for b, slot in stop.after] if after else []
    return sum(wishes) / len(wishes) if wishes else stop.y


def _spread(stops: list[_Stop], layer: list[int], wishes: list[float]) -> None:
    """The heights nearest to the wishes (least squares) that keep rows apart: pooled where they would overlap."""
    offsets = [0.0]
    for a, b in pairwise(layer):
        offsets.append(offsets[-1] + (stops[a].height + stops[b].height) / 2)
    pools: list[tuple[float, int]] = []  # (mean, members)
    for wish, offset in zip(wishes, offsets):
        mean, members = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, members = (mean * members + other * more) / (members + more), members + more
        pools.append((mean, members))
    means = [mean for mean, members in pools for _ in range(members)]
    for i, mean, offset in zip(layer, means, offsets):
        stops[i].y = mean + offset


# -- coordinates -----------------------------------------------------------------------------------


def _measured(items: list[Item], stops: list[_Stop], layers: list[list[int]]) -> Layout:
    top = min((stop.y - stop.height / 2 for stop in stops), default=0.0)
    for stop in stops:
        stop.y -= top
    columns, width = _columns(items, stops, layers)
    bends = [
        _bend(i, stop, b, stops[b], slot, columns, len(items)) for i, stop in enumerate(stops) for b, slot in stop.after
    ]
    return Layout(
        [Place(columns[stop.layer][0], stop.y, columns[stop.layer][1]) for stop in stops[: len(items)]],
        bends,
        [(stop.source, *columns[stop.layer], stop.y) for stop in stops[len(items) :]],
        [(columns[stop.layer][1], stop.y) for stop in stops if len(stop.after) > 1],
        width,
        max((stop.y + stop.height / 2 for stop in stops), default=0.0),
    )


def _columns(items: list[Item], stops: list[_Stop], layers: list[list[int]]) -> tuple[list[tuple[float, float]], float]:
    """The left and right ends of every column, and the whole width."""
    columns: list[tuple[float, float]] = []
    x = 0.0
    for layer in layers:
        end = x + max(items[i].box + items[i].wire for i in layer if i < len(items))
        columns.append((x, end))
        rises = [abs(stops[b].y + stops[b].port(slot) - stops[i].y) for i in layer for b, slot in stops[i].after]
        x = end + GAP + min(40.0, max(rises, default=0.0) / 4)
    return columns, columns[-1][1] if columns else 0.0


def _bend(i: int, stop: _Stop, b: int, target: _Stop, slot: int, columns: list[tuple[float, float]], real: int) -> Wire:
    start = (columns[stop.layer][1], stop.y)
    end = (columns[target.layer][0], target.y + target.port(slot))
    return Wire(stop.source, b if b < real else None, slot if b < real else None, start, end)
