"""Sliders for the inputs of a graph, one a number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnkit.arrays import is_integers
from nnkit.graph import Graph, Node
from nnkit.view.explorers.graph_steps import label
from nnkit.view.explorers.protocol import Json, Refused

ENTRIES = 6
"""An input with more numbers has no sliders."""

MOST = 24
"""No more sliders than this."""

TICKS = 200


def sliders(graph: Graph) -> tuple[list[Json], str]:
    """The sliders, and in words which inputs have none."""
    inputs = [node for node in graph.nodes if node.gate is None and not node.constant]
    without = [node for node in inputs if is_integers(node.value) or np.size(node.value) > ENTRIES]
    found = [slider for node in inputs if node not in without for slider in _of(node)]
    words = f"No slider for {', '.join(map(label, without[:6]))}{', …' if len(without) > 6 else ''}: "
    words += f"they hold whole numbers, or more than {ENTRIES} numbers." if without else ""
    words = words if without else ""
    if len(found) > MOST:
        words += f" Sliders for the first {MOST} of {len(found)} numbers."
    return found[:MOST], words.strip()


def _of(node: Node) -> Iterator[Json]:
    value = np.asarray(node.value, dtype=float)
    for place in np.ndindex(value.shape):
        number = float(value[place])
        entry = f"[{', '.join(map(str, place))}]" if place else ""
        low, high, step = scale(number)
        key = ":".join(map(str, (node.index, *place)))
        yield {
            "key": key,
            "label": f"{label(node)}{entry}",
            "value": f"{number:.10g}",
            "low": low,
            "high": high,
            "step": step,
        }


def scale(value: float) -> tuple[float, float, float]:
    """From, to and step of a slider on which this value is a tick."""
    if not math.isfinite(value):
        value = 0.0
    reach = max(5.0, 2.0 * abs(value))
    step = _round(2 * reach / TICKS)
    below = math.ceil((value + reach) / step - 1e-9)
    above = math.ceil((reach - value) / step - 1e-9)
    return float(f"{value - below * step:.10g}"), float(f"{value + above * step:.10g}"), step


def _round(step: float) -> float:
    """The next of 1, 2, 5, 10, ..."""
    power = 10.0 ** math.floor(math.log10(step))
    return float(f"{next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.999):.10g}")


def placed(graph: Graph, numbers: dict[str, Any]) -> dict[int, Any]:
    """The inputs' new values, by their nodes' indices; raises Refused for what is no number."""
    values: dict[int, Any] = {}
    for key, number in numbers.items():
        index, *place = map(int, key.split(":"))
        node = graph.nodes[index]
        try:
            number = float(str(number).strip().replace("−", "-"))
        except ValueError:
            raise Refused(f"{label(node)} must be a number; {str(number)[:20]!r} is none.") from None
        if not place:
            values[index] = number
        else:
            array = values.setdefault(index, np.array(node.value, dtype=float))
            array[tuple(place)] = number
    return values
