"""Sliders for the inputs of a graph, one per number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnkit.arrays import is_integers
from nnkit.graph import Graph, Node
from nnkit.language import say
from nnkit.view.explorers.graph_steps import label_wire
from nnkit.view.explorers.protocol import InvalidRequest, Json, parse_number

MAX_INPUT_NUMBERS = 6
"""The size of the largest input that has sliders."""

MAX_SLIDERS = 24
"""The largest number of sliders."""

TICK_COUNT = 200


def build_sliders(graph: Graph) -> tuple[list[Json], str]:
    """Return the sliders, and a note on the inputs that have none."""
    inputs = [node for node in graph.nodes if node.gate is None and not node.constant]
    without = [node for node in inputs if is_integers(node.value) or np.size(node.value) > MAX_INPUT_NUMBERS]
    found = [slider for node in inputs if node not in without for slider in _build_entry_sliders(node)]
    notes = []
    if without:
        names = f"{', '.join(map(label_wire, without[:6]))}{', …' if len(without) > 6 else ''}"
        notes.append(
            say("No slider for {names}: they hold whole numbers, or more than {count} numbers.",
                names=names, count=MAX_INPUT_NUMBERS)
        )  # fmt: skip
    if len(found) > MAX_SLIDERS:
        notes.append(say("Sliders for the first {count} of {all} numbers.", count=MAX_SLIDERS, all=len(found)))
    return found[:MAX_SLIDERS], " ".join(notes)


def _build_entry_sliders(node: Node) -> Iterator[Json]:
    value = np.asarray(node.value, dtype=float)
    for entry in np.ndindex(value.shape):
        number = float(value[entry])
        suffix = f"[{', '.join(map(str, entry))}]" if entry else ""
        low, high, step = choose_scale(number)
        key = ":".join(map(str, (node.index, *entry)))
        yield {
            "key": key,
            "label": f"{label_wire(node)}{suffix}",
            "value": f"{number:.10g}",
            "low": low,
            "high": high,
            "step": step,
        }


def choose_scale(value: float) -> tuple[float, float, float]:
    """Return the minimum, maximum and step of a slider on which `value` is a tick."""
    if not math.isfinite(value):
        value = 0.0
    reach = max(5.0, 2.0 * abs(value))
    step = _round_up(2 * reach / TICK_COUNT)
    below = math.ceil((value + reach) / step - 1e-9)
    above = math.ceil((reach - value) / step - 1e-9)
    return float(f"{value - below * step:.10g}"), float(f"{value + above * step:.10g}"), step


def _round_up(step: float) -> float:
    """Round up to the next of 1, 2, 5, 10, ..."""
    power = 10.0 ** math.floor(math.log10(step))
    return float(f"{next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.999):.10g}")


def parse_values(graph: Graph, texts: dict[str, Any]) -> dict[int, Any]:
    """Return the new values of the inputs by node index. Raises InvalidRequest for a text that is not a number."""
    values: dict[int, Any] = {}
    for key, text in texts.items():
        index, *entry = map(int, key.split(":"))
        node = graph.nodes[index]
        number = parse_number(text)
        if number is None:
            raise InvalidRequest(
                say("{name} must be a number; {text!r} is not.", name=label_wire(node), text=str(text)[:20])
            )
        if not entry:
            values[index] = number
        else:
            array = values.setdefault(index, np.array(node.value, dtype=float))
            array[tuple(entry)] = number
    return values
