"""Drawings of graphs: what they show, that nothing overlaps, and that they can be read without eyes or colour."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import nnkit
from nnkit import gates, view
from nnkit.graph import Graph, format_value
from nnkit.view.drawing import geometry, layout, lines, svg
from nnkit.view.drawing.labels import list_drawn_nodes

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]  # left, top, right, bottom


def lecture(backward: bool = True) -> Graph:
    graph = Graph()
    x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
    q = (x + y).named("q")
    (q * z).named("f")
    if backward:
        graph.backward()
    return graph


def random_graph(seed: int, size: int) -> Graph:
    chance = random.Random(seed)
    graph = Graph()
    nodes = list(graph.inputs(a=1.0, b=-2.5, weight_of_c=3.0))
    kinds = [gates.Add, gates.Multiply, gates.Max, gates.Tanh, gates.SquaredNorm]
    for _ in range(size):
        gate = chance.choice(kinds)()
        recent = nodes[-chance.choice([3, 10, 60]) :]
        arity = 2 if isinstance(gate, gates.Add | gates.Multiply | gates.Max) else 1
        chosen: list = [chance.choice(recent) for _ in range(arity)]
        if arity == 2 and chance.random() < 0.2:
            chosen[1] = 0.5
        nodes.append(
            graph.add(gates.Tanh(), graph.add(gate, *chosen)) if chance.random() < 0.2 else graph.add(gate, *chosen)
        )
        if len(graph.nodes) > 63:
            break
    with np.errstate(all="ignore"):
        graph.backward()
    return graph


def parsed(graph: Graph) -> ElementTree.Element:
    return ElementTree.fromstring(svg.svg(graph))


def words(root: ElementTree.Element, kind: str) -> list[str]:
    return ["".join(e.itertext()) for e in root.iter() if e.get("class") == kind]


def boxes(root: ElementTree.Element) -> list[Box]:
    found = []
    for rect in root.iter(f"{SVG}rect"):
        x, y, width, height = (float(rect.get(key, "nan")) for key in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def labels(root: ElementTree.Element) -> list[Box]:
    """Return the boxes of the wires' labels, by an estimate of the font that is not the drawing's own."""
    found = []
    for text in root.iter(f"{SVG}text"):
        if text.get("class") == "nnk-symbol":
            continue
        x, y, wide = float(text.get("x", "nan")), float(text.get("y", "nan")), 8.4 * len("".join(text.itertext()))
        left = x - wide * {"middle": 0.5, "end": 1.0}[text.get("text-anchor", "")]
        found.append((left, y - 11, left + wide, y + 2))
    return found


def pieces(root: ElementTree.Element) -> list[str]:
    """Return the straight pieces and bends of all wires."""
    paths = [e.get("d", "") for e in root.iter() if e.get("class") == "nnk-wire"]
    return [piece for path in paths for piece in path.split("M")[1:]]


def points(root: ElementTree.Element) -> list[tuple[float, float]]:
    """Return points along every wire."""
    return [point for piece in pieces(root) for point in walk(piece)]


def walk(path: str) -> Iterator[tuple[float, float]]:
    """Return points along a path of lines and curves, all but its ends."""
    at = np.zeros(2)
    for command, text in re.findall(r"([A-Z]?)([^A-Z]+)", path):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", text)]
        to = np.array([numbers[0], at[1]] if command == "H" else numbers[-2:])
        if command not in ("", "M"):
            bends = np.array(numbers[:-2]).reshape(-1, 2) if command in "CQ" else np.zeros((0, 2))
            control = np.array([at, *bends, to])
            for t in np.linspace(0.01, 0.99, 50):
                left = control
                while len(left) > 1:  # de Casteljau
                    left = (1 - t) * left[:-1] + t * left[1:]
                yield (float(left[0][0]), float(left[0][1]))
        at = to


def overlap(a: Box, b: Box) -> bool:
    """Return True if the boxes share more than an edge. (Coordinates are written to a tenth.)"""
    slack = 0.2
    return a[0] + slack < b[2] and b[0] + slack < a[2] and a[1] + slack < b[3] and b[1] + slack < a[3]


def test_is_a_document_with_title_and_description() -> None:
    root = parsed(lecture())
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert not [part for part in root.iter() if part.get("id")]  # a page may show the same graph twice
    assert title.text == "Computational graph of x, y, z"
    assert "q is x + y, value 3, gradient −4." in (desc.text or "")
    assert "f is q × z, value −12, gradient 1." in (desc.text or "")


def test_every_value_and_gradient_is_on_a_wire() -> None:
    graph = lecture()
    root = parsed(graph)
    assert sorted(words(root, "nnk-value")) == sorted(format_value(node.value) for node in graph.nodes)
    assert sorted(words(root, "nnk-grad")) == sorted(f"∂ {format_value(node.grad)}" for node in graph.nodes)
    assert words(root, "nnk-name") == ["q = ", "f = "]
    assert words(root, "nnk-input") == ["x", "y", "z"]


def test_values_are_above_and_gradients_below_their_wire() -> None:
    root = parsed(lecture())
    above = [float(e.get("y", "nan")) for e in root.iter() if e.get("class") == "nnk-above"]
    below = [float(e.get("y", "nan")) for e in root.iter() if e.get("class") == "nnk-grad"]
    assert [round(b - a, 6) for a, b in zip(above, below, strict=True)] == [23] * 5


def test_what_is_not_known_is_not_shown() -> None:
    assert words(parsed(lecture(backward=False)), "nnk-grad") == []
    assert "gradient" not in svg.svg(lecture(backward=False))
    graph = lecture()
    next(graph.steps())
    assert [value for value in words(parsed(graph), "nnk-value") if value] == ["−2", "5", "−4", "3"]


@pytest.mark.parametrize("seed", range(40))
def test_nothing_overlaps(seed: int) -> None:
    width = (math.inf, 800.0, 480.0)[seed % 3]
    root = ElementTree.fromstring(svg.svg(random_graph(seed, 5 + seed * 55 // 39), width))
    drawn, written = boxes(root), labels(root)
    assert not [pair for pair in combinations(drawn, 2) if overlap(*pair)]
    assert not [(a, b) for a in drawn for b in written if overlap(a, b)]
    assert not [pair for pair in combinations(written, 2) if overlap(*pair)]
    crossed = [(p, b) for p in points(root) for b in drawn + written if overlap((*p, *p), b)]
    assert not crossed
    left, top, width, height = (float(n) for n in root.get("viewBox", "").split())
    assert all(left <= a and top <= b and c <= left + width and d <= top + height for a, b, c, d in drawn + written)


def test_layers_are_longest_paths() -> None:
    items = [layout.Item(inputs, 40, 40, 60) for inputs in ((), (0,), (0, 1), (0, 2), ())]
    assert layout.assign_layers(items) == [0, 1, 2, 3, 0]
    positions = layout.place_items(items).positions
    assert all(a.end < b.x for a, b in pairwise(positions[:4]))


def test_a_wide_graph_is_wrapped_into_even_lines() -> None:
    columns = [(100.0 * i, 100.0 * i + 70) for i in range(8)]
    assert lines.assign_lines(columns, 770) == [0] * 8
    assert lines.assign_lines(columns, 769) == [0] * 4 + [1] * 4
    assert lines.assign_lines(columns, 400) == [0, 0, 0, 1, 1, 1, 2, 2]
    assert lines.assign_lines(columns, 10) == list(range(8))  # a layer is never cut
    assert lines.assign_lines([], 10) == []


@pytest.mark.parametrize("width", [480.0, 800.0])
def test_a_wrapped_graph_is_as_wide_as_the_page(width: float) -> None:
    graph = Graph()
    (x,) = graph.inputs(x=0.5)
    for _ in range(12):
        x = gates.Tanh()(x)
    root = ElementTree.fromstring(svg.svg(graph, width))
    left, _, wide, _ = (float(n) for n in root.get("viewBox", "").split())
    assert wide <= width + 2 * geometry.MARGIN
    tops = [box[1] for box in boxes(root)]
    assert sorted(tops) == tops
    assert len({*tops}) == (6 if width < 500 else 3)
    assert all(left <= x <= left + wide for x, _ in points(root))


def test_a_route_leads_from_its_source_to_its_box() -> None:
    graph = random_graph(3, 14)
    made = [geometry.NodeBox.from_node(node, 80) for node in list_drawn_nodes(graph)]
    for width in (math.inf, 480.0):
        plan = geometry.lay_out(made, width)
        number = {id(box.node): i for i, box in enumerate(made)}
        for box, at, routes in zip(made, plan.positions, geometry.draw_route_paths(made, plan)):
            assert len(routes) == len(box.wired_inputs)
            for source, route in zip(box.wired_inputs, routes):
                (first, *_, last), start = list(walk(route)), plan.positions[number[id(source)]]
                assert first == pytest.approx((first[0], start.y), abs=0.2)
                assert start.x < first[0] < start.end
                assert last[0] == pytest.approx(at.x, abs=3)
                assert abs(last[1] - at.y) <= box.size[1] / 2 + 3


def test_two_parallel_chains_do_not_cross() -> None:
    items = [layout.Item(inputs, 40, 40, 60) for inputs in ((), (), (1,), (0,), (3,), (2,))]
    ys = [position.y for position in layout.place_items(items).positions]
    assert ys[0] == ys[3] == ys[4]
    assert ys[1] == ys[2] == ys[5]


def test_constants_are_written_into_the_gate() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=3.0)
    for make in (lambda: x + 1, lambda: 2 * x, lambda: x - 1, lambda: 5 - x, lambda: x / 4):
        make()
    graph.add(gates.Max(), x, 0.0)
    root = parsed(graph)
    assert words(root, "nnk-symbol") == ["+ 1", "× 2", "x − 1", "5 − x", "x ÷ 4", "max(x, 0)"]
    assert words(root, "nnk-input") == ["x"]


def test_a_gate_of_constants_only_keeps_them() -> None:
    graph = Graph()
    graph.add(gates.Add(), 1.0, 2.0)
    assert words(parsed(graph), "nnk-value") == ["1", "2", "3"]


def test_a_branch_has_a_dot_and_a_square_two_wires() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=3.0)
    _ = x * x
    root = parsed(graph)
    bends = [piece for piece in pieces(root) if "C" in piece]
    assert len(set(bends)) == 2
    assert len(list(root.iter(f"{SVG}circle"))) == 1
    assert not list(parsed(lecture()).iter(f"{SVG}circle"))


class Rows(gates.Subtract):
    symbol = "row\nby row²"


KINDS = [gates.Add, gates.Subtract, gates.Divide, gates.Max, gates.SquaredError, gates.MatMul, Rows]


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_is_written_in_its_box_as_in_its_formula(kind: type) -> None:
    graph = Graph()
    (x,) = graph.inputs(x=np.array([3.0]))
    node = graph.add(kind(), x, np.array([2.0]))
    formula = node.formula()
    assert "\n" not in formula
    assert words(parsed(graph), "nnk-symbol") == [formula.removeprefix("x ") if kind is gates.Add else formula]


def test_names_are_escaped_and_shortened() -> None:
    graph = Graph()
    (x,) = graph.inputs(**{"<a&\"b'\x00": 1.0})
    gates_name = "long" * 20
    (x + x).named(gates_name)
    root = parsed(graph)
    assert words(root, "nnk-input") == ["<a&\"b'�"]
    (name,) = words(root, "nnk-name")
    assert len(name) < 40
    assert "…" in name


def test_arrays_and_own_gates() -> None:
    class Twice:
        def forward(self, x):
            return 2 * x, None

        def backward(self, upstream, cache):
            return (2 * upstream,)

    graph = Graph()
    (x,) = graph.inputs(x=np.ones((3, 4)))
    graph.add(gates.SoftmaxCrossEntropy(), graph.add(Twice(), x), np.array([0, 1, 2]))
    graph.backward()
    root = parsed(graph)
    assert "Twice" in words(root, "nnk-symbol")
    assert "softmax loss(x, [0, 1, 2])" in words(root, "nnk-symbol")
    assert "is softmax loss(#1, [0, 1, 2])" in root.findtext(f"{SVG}desc", "")
    assert words(root, "nnk-value")[0] == "array (3, 4)"


def test_the_same_graph_gives_the_same_text_and_its_style_is_its_own() -> None:
    assert svg.svg(lecture()) == svg.svg(lecture())
    first, second = parsed(lecture()).get("class", ""), parsed(lecture(backward=False)).get("class")
    assert first != second
    style = parsed(lecture()).findtext(f"{SVG}style") or ""
    selectors = [s for rule in re.findall(r"([^{}@]+)\{", style) for s in rule.split(",")]
    own = f"svg.{first.split()[-1]}"
    assert all(own in s for s in selectors if "media" not in s and "prefers" not in s)


def test_big_graphs_fall_back_to_their_table() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=1.0)
    for _ in range(geometry.MAX_DRAWN_NODES):
        x = -x
    page = svg.html(graph)
    assert "<svg" not in page
    assert "<pre>node" in page
    assert "201 nodes are too many to draw" in page
    with pytest.raises(ValueError, match="201 nodes; at most 200"):
        svg.svg(graph)


def test_an_empty_graph_says_so() -> None:
    assert "The graph is empty." in svg.svg(Graph())


def test_jupyter_shows_the_drawing() -> None:
    page = lecture()._repr_html_()
    assert page == svg.html(lecture())
    assert view.svg(lecture()) in page
    assert lecture().draw() == page
    assert lecture().draw()._repr_html_() == page
    assert nnkit.view.html is svg.html
    with pytest.raises(AttributeError, match="has no 'nothing'"):
        _ = view.nothing
