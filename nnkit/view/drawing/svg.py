"""A computational graph drawn as in the lecture's slides: values above the wires, gradients below.

`svg` gives a document of its own, `html` the same for a notebook. Both are text made only from what the graph
shows, ids included, so that drawing the same graph again changes nothing in a notebook's file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from unicodedata import combining, east_asian_width

from nnkit.arrays import get_name
from nnkit.graph import Graph, Node
from nnkit.graphtext import format_formula, format_value, get_symbol
from nnkit.view.drawing import layout

MOST = 200
"""Graphs with more nodes are not laid out."""

FONT = 14.0
LINE = 17.0
MARGIN = 10.0
BOX = 40.0
LONGEST = 30  # characters of a label
_COMMUTE = ("+", "×")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0

# Okabe-Ito hues; on white the vermillion is darkened until text of this size is read easily (5:1).
_LIGHT = "--nnk-value:#0072b2;--nnk-grad:#b04a00"
_DARK = "--nnk-value:#56b4e9;--nnk-grad:#e69f00"
_STYLE = """
#ID{display:block;LIGHT;font:14px/1.2 "DejaVu Sans",Verdana,Arial,sans-serif;color:currentColor}
svg#ID:root{background:#fff;color:#1a1a1a}
@media (prefers-color-scheme: dark){#ID{DARK}svg#ID:root{background:#111;color:#eee}}
[data-jp-theme-light="true"] #ID{LIGHT}
[data-jp-theme-light="false"] #ID{DARK}
#ID .nnk-wire{fill:none;stroke:currentColor;stroke-width:1.3;stroke-linecap:round}
#ID .nnk-box{fill:none;stroke:currentColor;stroke-width:1.6}
#ID .nnk-dot,#ID .nnk-arrow{fill:currentColor}
#ID text{fill:currentColor}
#ID .nnk-name{font-style:normal}
#ID .nnk-value{fill:var(--nnk-value);font-weight:bold}
#ID .nnk-grad{fill:var(--nnk-grad);font-style:italic}
"""


class Page(str):
    """A text of HTML, which a notebook shows as such."""

    def _repr_html_(self) -> str:
        return str(self)


def html(graph: Graph) -> Page:
    """The drawing for a web page or a notebook, in a box that scrolls; for a graph too big to draw, its table."""
    if len(graph.nodes) > MOST:
        words = f"{len(graph.nodes)} nodes are too many to draw (at most {MOST}), so here is the table."
        return Page(f"<div><p>{words}</p><pre>{_text(str(graph))}</pre></div>")
    return Page(f'<div style="overflow-x:auto;max-width:100%">{svg(graph)}</div>')


def svg(graph: Graph) -> str:
    """The drawing as an SVG document."""
    if len(graph.nodes) > MOST:
        raise ValueError(f"The graph has {len(graph.nodes)} nodes; at most {MOST} can be drawn. print(graph) shows it.")
    nodes = _drawn(graph)
    margin = 6 + max((_wide(_short(_name(node))) for node in nodes if node.gate is None), default=0.0)
    parts = [_Part.of(node, margin) for node in nodes]
    number = {id(part.node): i for i, part in enumerate(parts)}
    plan = layout.place([part.item(number) for part in parts])
    width, height = plan.width + 2 * MARGIN, plan.height + 2 * MARGIN
    title, desc = _text(_title(graph)), _text(_description(graph))
    body = "\n".join([*_wires(parts, plan), *(line for part, at in zip(parts, plan.places) for line in part.draw(at))])
    key = "nnk-" + sha256(f"{title}\0{desc}\0{body}".encode()).hexdigest()[:12]
    style = _STYLE.replace("ID", key).replace("LIGHT", _LIGHT).replace("DARK", _DARK)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{key}" class="nnk-graph" role="img" '
        f'aria-labelledby="{key}-title {key}-desc" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-MARGIN:g} {-MARGIN:g} {width:.1f} {height:.1f}">\n'
        f'<title id="{key}-title">{title}</title>\n<desc id="{key}-desc">{desc}</desc>\n'
        f"<style>{style}</style>\n{body}\n</svg>"
    )


# -- what is drawn ---------------------------------------------------------------------------------


def _folded(node: Node) -> Node | None:
    """The constant that is written into a gate's label: the only constant of two inputs."""
    constants = [x for x in node.inputs if x.constant]
    return constants[0] if len(node.inputs) == 2 and len(constants) == 1 else None


def _drawn(graph: Graph) -> list[Node]:
    """All nodes but the constants that are in labels."""
    hidden = {id(_folded(node)) for node in graph.nodes}
    needed = {id(x) for node in graph.nodes for x in node.inputs if x is not _folded(node)}
    return [node for node in graph.nodes if id(node) not in hidden or id(node) in needed]


def _symbol(node: Node) -> str:
    """What stands in the gate's box, its constant included: "×", "+ 1", "x − 1", "max(x, 0)"."""
    constant = _folded(node)
    if constant is None:
        return str(getattr(node.gate, "symbol", "") or get_name(node.gate))
    number, symbol = format_value(constant.value), get_symbol(node.gate)
    if symbol in _COMMUTE:
        return f"{symbol} {number}"
    return format_formula(node.gate, [number if x is constant else "x" for x in node.inputs])


def _name(node: Node) -> str:
    """The name to show; a number given by the graph is none, and a constant's name is its value."""
    return "" if node.name == f"#{node.index}" or node.constant else node.name


@dataclass(frozen=True)
class _Part:
    """A node's labels and their sizes."""

    node: Node
    lines: tuple[str, ...]
    name: str
    value: str
    grad: str
    margin: float
    """The room that the inputs' names share, so that their wires begin in one line."""

    @classmethod
    def of(cls, node: Node, margin: float) -> _Part:
        lines = (_name(node),) if node.gate is None else tuple(_symbol(node).split("\n"))
        grad = format_value(node.grad)
        return cls(
            node,
            tuple(_short(line) for line in lines),
            "" if node.gate is None or not _name(node) else f"{_short(_name(node))} = ",
            _short(format_value(node.value)),
            f"∂ {_short(grad)}" if grad else "",
            margin,
        )

    @property
    def box(self) -> tuple[float, float]:
        """Width and height of the box; for an input, of the name that stands in its place."""
        if self.node.gate is None:
            return self.margin, BOX
        wide = max(_wide(line) for line in self.lines)
        ports = len([x for x in self.node.inputs if x is not _folded(self.node)])
        return max(BOX, wide + 18), max(BOX, LINE * len(self.lines) + 14, layout.PORT * ports + 8)

    def item(self, number: dict[int, int]) -> layout.Item:
        """What the layout must know."""
        width, height = self.box
        inputs = tuple(number[id(x)] for x in self.node.inputs if x is not _folded(self.node))
        wire = 14 + max(_wide(self.name) + _wide(self.value, bold=True), _wide(self.grad))
        return layout.Item(inputs, width, wire, max(height, 2 * LINE + 10) + 14)

    def draw(self, at: layout.Place) -> list[str]:
        """The box or the input's name, the straight wire behind it, and the wire's labels."""
        width, height = self.box
        x, middle = at.x + width, (at.x + width + at.end) / 2
        lines: list[str] = []
        if self.node.gate is None:
            lines += [_label("nnk-input", x - 6, at.y + 5, self.lines[0], "end")] if self.lines[0] else []
        else:
            lines += self._gate(at, width, height)
        name = f'<tspan class="nnk-name">{_text(self.name)}</tspan>' if self.name else ""
        if self.name or self.value:
            shown = f'{name}<tspan class="nnk-value">{_text(self.value)}</tspan>'
            lines.append(_marked("nnk-above", middle, at.y - 6, shown, "middle"))
        if self.grad:
            lines.append(_label("nnk-grad", middle, at.y + 17, self.grad, "middle"))
        if self.node is self.node.graph.output:
            tip = f"M{at.end - 7:.1f} {at.y - 4:.1f}L{at.end:.1f} {at.y:.1f}L{at.end - 7:.1f} {at.y + 4:.1f}z"
            lines.append(f'<path class="nnk-arrow" d="{tip}"/>')
        return lines

    def _gate(self, at: layout.Place, width: float, height: float) -> list[str]:
        radius = BOX / 2 if width == height == BOX else 12.0
        size = f'width="{width:.1f}" height="{height:.1f}" rx="{radius:g}"'
        box = f'<rect class="nnk-box" x="{at.x:.1f}" y="{at.y - height / 2:.1f}" {size}/>'
        middle = at.x + width / 2
        if len(symbol := "".join(self.lines)) == 1:
            return [box, _label("nnk-symbol", middle, at.y + 7, symbol, "middle", size=20)]
        top = at.y - LINE * (len(self.lines) - 1) / 2 + 5
        return [
            box,
            *(_label("nnk-symbol", middle, top + LINE * i, line, "middle") for i, line in enumerate(self.lines)),
        ]


# -- shapes ----------------------------------------------------------------------------------------


def _wires(parts: list[_Part], plan: layout.Layout) -> list[str]:
    """Every node's wire, one path with all its branches, and a dot wherever a wire splits."""
    paths = [f'<path class="nnk-wire" d="{wire}"/>' for wire in _paths(parts, plan)]
    return paths + [f'<circle class="nnk-dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in plan.splits]


def _paths(parts: list[_Part], plan: layout.Layout) -> list[str]:
    """The path of every node's wire, with all its branches."""
    wires = [[_straight(at.x + part.box[0], at.end, at.y)] for part, at in zip(parts, plan.places)]
    for source, left, right, y in plan.passing:
        wires[source].append(_straight(left, right, y))
    for bend in plan.bends:
        (x, y), (to_x, to_y) = bend.start, bend.stop
        half = (x + to_x) / 2
        curve = f"M{x:.1f} {y:.1f}C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        wires[bend.source].append(curve)
    return ["".join(wire) for wire in wires]


def _straight(left: float, right: float, y: float) -> str:
    return f"M{left:.1f} {y:.1f}H{right:.1f}"


def _label(kind: str, x: float, y: float, words: str, anchor: str, size: int = 0) -> str:
    return _marked(kind, x, y, _text(words), anchor, size)


def _marked(kind: str, x: float, y: float, markup: str, anchor: str, size: int = 0) -> str:
    font = f' font-size="{size}"' if size else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{font}>{markup}</text>'


# -- words -----------------------------------------------------------------------------------------


def _text(words: str) -> str:
    """Words as XML may hold them."""
    return escape(_FORBIDDEN.sub("�", words))


def _short(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _wide(words: str, bold: bool = False) -> float:
    """About how wide the words are drawn; rather too much than too little."""
    ems = sum(_em(c) for c in words)
    return ems * FONT * (1.1 if bold else 1.0)


def _em(c: str) -> float:
    """How wide a character is in ems, in a wide font (DejaVu Sans, Verdana)."""
    if east_asian_width(c) in "WF" or c in "mwMW@%…":
        return 1.05
    if combining(c):
        return 0.0
    return 0.4 if c in " .,;:'|()[]ijl" else 0.86 if c in "−+×÷=" else 0.68


def _title(graph: Graph) -> str:
    names = [node.name for node in graph.nodes if node.gate is None and not node.constant]
    return f"Computational graph of {', '.join(names) or 'nothing yet'}"


def _description(graph: Graph) -> str:
    """The graph in words: each node with its formula, value and gradient."""
    return " ".join(_sentence(node) for node in _drawn(graph)) or "The graph is empty."


def _sentence(node: Node) -> str:
    facts = [f"{node.name} is {node.formula()}"]
    facts += [f"value {value}"] if (value := format_value(node.value)) else []
    facts += [f"gradient {grad}"] if (grad := format_value(node.grad)) else []
    return ", ".join(facts) + "."
