"""A computational graph drawn as in the lecture's slides: values above the wires, gradients below.

`svg` returns a standalone document, `html` the same for a notebook. Both depend only on what the graph shows, ids
included, so that drawing the same graph again does not change a notebook's file.
"""

from __future__ import annotations

from hashlib import sha256
from html import escape
from math import inf

from nnkit.graph import Graph
from nnkit.language import say
from nnkit.text import replace_unprintable
from nnkit.view.drawing import layout
from nnkit.view.drawing.geometry import (
    LINE_HEIGHT,
    MARGIN,
    MAX_DRAWN_NODES,
    NodeBox,
    draw_wire_paths,
    lay_out,
)
from nnkit.view.drawing.labels import (
    describe_graph,
    estimate_width,
    format_title,
    get_given_name,
    list_drawn_nodes,
    shorten,
)

# Okabe-Ito hues; on white the vermillion is darkened until text of this size is read easily (5:1).
_LIGHT = "--nnk-value:#0072b2;--nnk-grad:#b04a00"
_DARK = "--nnk-value:#56b4e9;--nnk-grad:#e69f00"
_STYLE = """
svg.ID{display:block;LIGHT;font:14px/1.2 "DejaVu Sans",Verdana,Arial,sans-serif;color:currentColor}
svg.ID:root{background:#fff;color:#1a1a1a}
@media (prefers-color-scheme: dark){svg.ID{DARK}svg.ID:root{background:#111;color:#eee}}
[data-jp-theme-light="true"] svg.ID{LIGHT}
[data-jp-theme-light="false"] svg.ID{DARK}
svg.ID .nnk-wire{fill:none;stroke:currentColor;stroke-width:1.3;stroke-linecap:round}
svg.ID .nnk-box{fill:none;stroke:currentColor;stroke-width:1.6}
svg.ID .nnk-dot,svg.ID .nnk-arrow{fill:currentColor}
svg.ID text{fill:currentColor}
svg.ID .nnk-name{font-style:normal}
svg.ID .nnk-value{fill:var(--nnk-value);font-weight:bold}
svg.ID .nnk-grad{fill:var(--nnk-grad);font-style:italic}
"""


PAGE_WIDTH = 800.0
"""The width of a drawing in a notebook, beyond which it continues in a line below."""


class HtmlText(str):
    """HTML as a string; a notebook renders it."""

    def _repr_html_(self) -> str:
        return str(self)


def html(graph: Graph) -> HtmlText:
    """Return the drawing for a web page, in a box that scrolls; for a graph that is too large, its table."""
    if len(graph.nodes) > MAX_DRAWN_NODES:
        reason = say(
            "{count} nodes are too many to draw (at most {most}), so here is the table.",
            count=len(graph.nodes), most=MAX_DRAWN_NODES,
        )  # fmt: skip
        return HtmlText(f"<div><p>{reason}</p><pre>{_escape_text(str(graph))}</pre></div>")
    return HtmlText(f'<div style="overflow-x:auto;max-width:100%">{svg(graph, PAGE_WIDTH)}</div>')


def svg(graph: Graph, width: float = inf) -> str:
    """Return the drawing as an SVG document, in lines of at most `width` where that can be.

    Raises ValueError for a graph of more than `MAX_DRAWN_NODES` nodes.
    """
    if len(graph.nodes) > MAX_DRAWN_NODES:
        size = f"The graph has {len(graph.nodes)} nodes; at most {MAX_DRAWN_NODES} can be drawn."
        raise ValueError(f"{size} print(graph) shows it.")
    nodes = list_drawn_nodes(graph)
    names = [shorten(get_given_name(node)) for node in nodes if node.gate is None]
    margin = 6 + max(map(estimate_width, names), default=0.0)
    boxes = [NodeBox.from_node(node, margin) for node in nodes]
    plan = lay_out(boxes, width)
    width, height = plan.width + 2 * MARGIN, plan.height + 2 * MARGIN
    title, desc = _escape_text(format_title(graph)), _escape_text(describe_graph(graph))
    drawn = [line for box, at in zip(boxes, plan.positions) for line in _draw_node(box, at)]
    body = "\n".join([*_draw_wires(boxes, plan), *drawn])
    key = "nnk-" + sha256(f"{title}\0{desc}\0{body}".encode()).hexdigest()[:12]
    style = _STYLE.replace("ID", key).replace("LIGHT", _LIGHT).replace("DARK", _DARK)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nnk-graph {key}" role="img" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="{-MARGIN:g} {-MARGIN:g} {width:.1f} {height:.1f}">\n'
        f"<title>{title}</title>\n<desc>{desc}</desc>\n"
        f"<style>{style}</style>\n{body}\n</svg>"
    )


def _draw_wires(boxes: list[NodeBox], plan: layout.Layout) -> list[str]:
    """Return each node's wire, one path with all its branches, and a dot wherever a wire splits."""
    paths = [f'<path class="nnk-wire" d="{wire}"/>' for wire in draw_wire_paths(boxes, plan)]
    return paths + [f'<circle class="nnk-dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in plan.splits]


def _draw_node(box: NodeBox, at: layout.Position) -> list[str]:
    """Return the box or the input's name, and the labels of the straight wire behind it."""
    width, _ = box.size
    x, middle = at.x + width, (at.x + width + at.end) / 2
    lines: list[str] = []
    if box.node.gate is None:
        lines += [_draw_label("nnk-input", x - 6, at.y + 5, box.lines[0], "end")] if box.lines[0] else []
    else:
        lines += _draw_gate(box, at)
    name = f'<tspan class="nnk-name">{_escape_text(box.name)}</tspan>' if box.name else ""
    if box.name or box.value:
        markup = f'{name}<tspan class="nnk-value">{_escape_text(box.value)}</tspan>'
        lines.append(_draw_markup("nnk-above", middle, at.y - 6, markup, "middle"))
    if box.grad:
        lines.append(_draw_label("nnk-grad", middle, at.y + 17, box.grad, "middle"))
    if box.node is box.node.graph.output:
        tip = f"M{at.end - 7:.1f} {at.y - 4:.1f}L{at.end:.1f} {at.y:.1f}L{at.end - 7:.1f} {at.y + 4:.1f}z"
        lines.append(f'<path class="nnk-arrow" d="{tip}"/>')
    return lines


def _draw_gate(box: NodeBox, at: layout.Position) -> list[str]:
    width, height = box.size
    size = f'width="{width:.1f}" height="{height:.1f}" rx="{box.corner_radius:g}"'
    rect = f'<rect class="nnk-box" x="{at.x:.1f}" y="{at.y - height / 2:.1f}" {size}/>'
    middle = at.x + width / 2
    if len(symbol := "".join(box.lines)) == 1:
        return [rect, _draw_label("nnk-symbol", middle, at.y + 7, symbol, "middle", size=20)]
    top = at.y - LINE_HEIGHT * (len(box.lines) - 1) / 2 + 5
    labels = (
        _draw_label("nnk-symbol", middle, top + LINE_HEIGHT * i, line, "middle") for i, line in enumerate(box.lines)
    )
    return [rect, *labels]


def _draw_label(kind: str, x: float, y: float, text: str, anchor: str, size: int = 0) -> str:
    return _draw_markup(kind, x, y, _escape_text(text), anchor, size)


def _draw_markup(kind: str, x: float, y: float, markup: str, anchor: str, size: int = 0) -> str:
    font = f' font-size="{size}"' if size else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{font}>{markup}</text>'


def _escape_text(text: str) -> str:
    """Escape a text for XML; characters that are not safe to show become �."""
    return escape(replace_unprintable(text))
