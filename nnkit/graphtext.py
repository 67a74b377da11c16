"""Text forms of a graph: numbers as the lecture writes them, formulas, the sentence of a step, the table.

Of nodes only the names, values and gradients are used; `nnkit.graph` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nnkit.arrays import Array, get_name
from nnkit.gates.base import run_backward

MAX_TABLE_ROWS = 60
"""Length from which a table is shortened in its middle."""


def format_value(value: Array) -> str:
    """Return a number with four digits, as the lecture writes it; an array by its entries if few, else its shape."""
    if value is None:
        return ""
    shape = np.shape(value)
    try:
        if not shape:
            return f"{float(value) + 0.0:.4g}".replace("-", "−")  # + 0.0: there is one zero, 0
        if np.size(value) > 6:
            return f"array {shape}"
        numbers = {"bool": str, "int_kind": str, "float_kind": lambda number: f"{number + 0.0:.4g}"}
        text = np.array2string(np.asarray(value), separator=", ", formatter=numbers)  # type: ignore[arg-type]
        return " ".join(text.split()).replace("-", "−")
    except TypeError:  # under jax.jit there are no numbers to show yet
        return f"traced {shape}"


def get_symbol(gate: Any) -> str:
    """Return a gate's symbol, or its name if it has none, on one line."""
    return " ".join(str(getattr(gate, "symbol", "") or get_name(gate)).split())


def format_formula(gate: Any, names: Sequence[str]) -> str:
    """Return the formula of a gate applied to inputs of these names: "x + y", "1/(1+exp)", "σ(q)"."""
    symbol = get_symbol(gate)
    if symbol == "1/x" and len(names) == 1:
        return f"1/{names[0]}" if names[0].isalnum() or names[0].startswith("(") else f"1/({names[0]})"
    if len(names) == 2 and len(symbol) == 1 and not symbol.isalnum():
        return f"{names[0]} {symbol} {names[1]}"
    return f"{symbol}({', '.join(names)})"


def format_table(nodes: Sequence[Any]) -> str:
    """Return a table with one row for each node: name, formula, value, gradient."""
    shown = [node for node in nodes if not node.constant]
    ends = shown if len(shown) <= MAX_TABLE_ROWS else shown[: MAX_TABLE_ROWS // 2] + shown[-MAX_TABLE_ROWS // 2 :]
    rows = [("node", "is", "value", "gradient")]
    rows += [(node.name, node.formula(), format_value(node.value), format_value(node.grad)) for node in ends]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows]
    if len(ends) < len(shown):
        lines.insert(1 + len(ends) // 2, f"... {len(shown) - len(ends)} more ...")
    return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Step:
    """One gate of a forward or backward pass; `str(step)` describes it with the numbers at that moment."""

    phase: Literal["forward", "backward"]
    node: Any
    value: Array
    inputs: tuple[Array, ...]
    """Values of the gate's inputs."""
    cache: Any
    upstream: Array = None
    """Gradient that arrives at the gate (backward only, as are the next two fields)."""
    downstream: tuple[Array, ...] = ()
    """Gradients that the gate sends to its inputs."""
    totals: tuple[Array, ...] = ()
    """Gradient of each input so far, or None if this is its first share."""

    def local(self) -> tuple[Array, ...]:
        """Return the local gradients of a scalar gate: its downstream gradients for an upstream of 1."""
        return run_backward(self.node.gate, np.ones(np.shape(self.value))[()], self.cache, self.inputs)

    def __str__(self) -> str:
        formula = self.node.formula()
        if self.phase == "forward":
            return f"{self.node.name} = {formula} = {format_value(self.value)}"
        scalar = not any(np.shape(x) for x in (self.value, *self.inputs))
        locals_ = self.local() if scalar else (None,) * len(self.inputs)
        parts = []
        for x, local, down, total in zip(self.node.inputs, locals_, self.downstream, self.totals):
            if x.constant or down is None:
                continue
            product = (
                f"{format_value(self.upstream)} × {format_value(local)} = {format_value(down)}"
                if scalar
                else format_value(down)
            )
            parts.append(f"to {x.name}: {product}" + ("" if total is None else f"; in total {format_value(total)}"))
        rule = "upstream × local" if scalar else "upstream through"
        return f"{rule} {formula}, " + ", ".join(parts)
