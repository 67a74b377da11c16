"""Figures for lecture 03: Jacobians drawn as tables, the blocks they are made of, and what a batch does to them.

Rows of a Jacobian are entries of the output, columns are entries of the input. Orange stands for positive and
blue for negative numbers, but every number is written out; a dot stands where the input has no way to the
output, so that the Jacobian is 0 there whatever the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.jacobian import readable_bytes
from nnkit.view.figures.plots import BLUE, GREEN, GREY, ORANGE, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.46
"""Inches that a number of a table takes at the figure's full width."""

LAPTOP = 16 * 2**30
"""The memory of an ordinary laptop, in bytes."""


def wiring(jacobians: Mapping[str, Any]) -> Picture:
    """For each gate who touches whom: a wire from input j to output i, and the same as entry [i, j] of its Jacobian.

    `jacobians` maps a title to a matrix (out, in); an entry that is exactly 0 has no wire.
    """
    tables = {title: np.asarray(J, dtype=float) for title, J in jacobians.items()}
    widths = [size for J in tables.values() for size in (3.6, _width(J.shape[1], 4))]
    figure, panels = _figure(widths, max(J.shape[0] for J in tables.values()) + 1.5)
    words = []
    for (title, J), wires, table in zip(tables.items(), panels[::2], panels[1::2]):
        _wires(wires, J)
        wires.set_title(title, fontsize=10)
        _table(table, J, rows=_named("out", J.shape[0]), columns=_named("x", J.shape[1]), structural=J == 0)
        table.set_title("its Jacobian", fontsize=10)
        joined = int(np.count_nonzero(J))
        words.append(f"{title}: {joined} of {J.size} pairs of an input and an output are joined. {_told(J)}.")
    return Picture(figure, "Wires from inputs to outputs, and the Jacobian beside them. " + " ".join(words))


def vjp(J: Any, upstream: Any, structural: Any = None, title: str = "") -> Picture:
    """upstream · J = dx: a row of numbers, one an output, times the Jacobian is a row of numbers, one an input."""
    J, g = np.asarray(J, dtype=float), np.asarray(upstream, dtype=float)
    dx = g @ J
    m, n = J.shape
    figure, (left, middle, right) = _figure([_width(m), _width(n, 4), _width(n)], m + 1.5)
    _table(left, g[None], columns=_named("g", m))
    _table(middle, J, rows=_named("out", m), columns=_named("x", n), structural=structural)
    _table(right, dx[None], columns=_named("dx", n))
    for axes, name in ((left, "upstream"), (middle, f"·   {title or 'Jacobian'}"), (right, "=   dx")):
        axes.set_title(name, fontsize=10)
    told = f"The upstream gradient {_told(g)} times the Jacobian {_told(J)} is the gradient of the input, {_told(dx)}."
    return Picture(figure, told)


def sizes(weights: Mapping[str, int], memory: int = LAPTOP) -> Picture:
    """What arrays weigh, in bytes, on a logarithmic scale, beside the memory of a laptop."""
    figure, (axes,) = _figure([18.0], 1.5 + 0.9 * len(weights))
    names, counts = list(weights), list(weights.values())
    for row, count in enumerate(counts):
        heavy = count > memory
        hatch = "//" if heavy else ""
        axes.barh(row, count, color="white" if heavy else BLUE, edgecolor=ORANGE if heavy else BLUE, hatch=hatch)
        axes.text(count * 1.3, row, readable_bytes(count), va="center")
    axes.axvline(memory, color=GREY, linestyle="--")
    axes.text(memory, -0.75, f"a laptop, {readable_bytes(memory)}", ha="center", va="bottom", color="#555555")
    axes.set_yticks(range(len(names)), names)
    axes.set(xscale="log", xlim=(1e3, max([memory, *counts]) * 300), ylim=(len(names) - 0.4, -0.8), xlabel="bytes")
    axes.spines[["top", "right"]].set_visible(False)
    listed = ", ".join(f"{name}: {readable_bytes(count)}" for name, count in weights.items())
    more = "; ".join(name for name, count in weights.items() if count > memory) or "nothing"
    told = f"Memory in bytes, on a logarithmic scale. {listed}. More than a laptop of {readable_bytes(memory)} has"
    return Picture(figure, f"{told}: {more}.")


def matvec_blocks(W: Any, x: Any, upstream: Any) -> Picture:
    """The two Jacobians of q = W x: ∂q/∂x is W itself; ∂q/∂W, with W written row by row, has xᵀ in blocks.

    Below each stands the upstream gradient times it: Wᵀ g, and g xᵀ written row by row.
    """
    W, x, g = (np.asarray(a, dtype=float) for a in (W, x, upstream))
    m, n = W.shape
    by_W = np.kron(np.eye(m), x)  # (M, M·D): block i of row i is x
    figure, panels = _figure([_width(n, 9), _width(m * n, 9)], m + 4.0)
    entries = [f"W{i}{j}" for i in range(m) for j in range(n)]
    absent = np.kron(np.eye(m), np.ones(n)) == 0
    q, dx, dW = _named("q", m), g @ W, g @ by_W
    _stacked(panels[0], W, dx, g, rows=q, columns=_named("x", n), names=_named("dx", n))
    _stacked(panels[1], by_W, dW, g, rows=q, columns=entries, names=["d" + entry for entry in entries], absent=absent)
    _frames(panels[1], [(i, i * n, 1, n) for i in range(m)])
    panels[0].set_title("∂q/∂x  is  W", fontsize=10)
    panels[1].set_title("∂q/∂W:  a block xᵀ for each row of W", fontsize=10)
    told = (
        f"Two Jacobians of q = W x. By x it is W, {_told(W)}. By W, its entries in one row, it is {_told(by_W)}. "
        f"Row i holds x, {_told(x)}, in block i, and dots elsewhere. Times the upstream gradient {_told(g)} the one "
        f"gives dx = {_told(dx)}, the other dW = {_told(dW.reshape(W.shape))}."
    )
    return Picture(figure, told)


def matmul_blocks(x: Any, w: Any) -> Picture:
    """The two Jacobians of out = x @ w, all arrays written row by row: by x a block wᵀ for each example on the
    diagonal; by w a row of blocks for each example, each a number of x times the identity."""
    x, w = np.asarray(x, dtype=float), np.asarray(w, dtype=float)
    (N, D), M = x.shape, w.shape[1]
    by_x, by_w = np.kron(np.eye(N), w.T), np.kron(x, np.eye(M))
    figure, panels = _figure([_width(N * D, 5), _width(D * M, 5)], N * M + 1.5)
    out = [f"out{n}{j}" for n in range(N) for j in range(M)]
    of_x = [f"x{n}{d}" for n in range(N) for d in range(D)]
    of_w = [f"w{d}{j}" for d in range(D) for j in range(M)]
    _table(panels[0], by_x, rows=out, columns=of_x, structural=np.kron(np.eye(N), np.ones((M, D))) == 0)
    _table(panels[1], by_w, rows=out, columns=of_w, structural=np.kron(np.ones((N, D)), np.eye(M)) == 0)
    _frames(panels[0], [(n * M, n * D, M, D) for n in range(N)])
    _frames(panels[1], [(n * M, 0, M, D * M) for n in range(N)])
    panels[0].set_title("∂out/∂x:  wᵀ once for each example", fontsize=10)
    panels[1].set_title("∂out/∂w:  the examples one below the other", fontsize=10)
    told = (
        f"Two Jacobians of out = x @ w for {N} examples. By x, {by_x.shape[0]} by {by_x.shape[1]}: the block "
        f"wᵀ = {_told(w.T)} stands {N} times on the diagonal, and dots elsewhere. By w, {by_w.shape[0]} by "
        f"{by_w.shape[1]}: below each other a strip for each example; strip n has x[n, d] on the diagonal of block d. "
        f"x is {_told(x)}."
    )
    return Picture(figure, told)


def outer_sum(x: Any, upstream: Any) -> Picture:
    """dw = xᵀ @ upstream as a sum over the batch: each example's outer product x[n] upstream[n]ᵀ, and their sum."""
    x, g = np.asarray(x, dtype=float), np.asarray(upstream, dtype=float)
    shares = [np.outer(a, b) for a, b in zip(x, g)]
    dw = x.T @ g
    figure, panels = _figure([_width(g.shape[1], 2)] * (len(shares) + 1), x.shape[1] + 1.5)
    for number, (axes, share) in enumerate(zip(panels, shares)):
        _table(axes, share, rows=_named("x", x.shape[1]), columns=_named("g", g.shape[1]))
        axes.set_title(f"{'+   ' if number else ''}example {number}", fontsize=10)
    _table(panels[-1], dw, rows=_named("x", x.shape[1]), columns=_named("g", g.shape[1]))
    panels[-1].set_title("=   dw", fontsize=10)
    told = "; ".join(f"example {number} gives {_told(share)}" for number, share in enumerate(shares))
    return Picture(figure, f"The gradient of w is a sum over the examples: {told}. Their sum is {_told(dw)}.")


def bias_copies(b: Any, upstream: Any) -> Picture:
    """Forward copies the bias to every example; backward adds what comes back, column by column."""
    b, g = np.asarray(b, dtype=float), np.asarray(upstream, dtype=float)
    n, h = g.shape
    figure, panels = _figure([_width(h), _width(h, 9), _width(h, 9), _width(h)], n + 1.5)
    examples, columns = [f"example {i}" for i in range(n)], _named("b", h)
    _table(panels[0], b[None], columns=columns)
    _table(panels[1], np.tile(b, (n, 1)), rows=examples, columns=columns)
    _table(panels[2], g, rows=examples, columns=columns)
    _table(panels[3], g.sum(axis=0)[None], columns=_named("db", h))
    titles = ("b", "forward: copied", "backward: upstream", "db: added")
    for axes, title in zip(panels, titles):
        axes.set_title(title, fontsize=10)
    told = (
        f"Forward: the bias {_told(b)} is copied to {n} examples. Backward: their upstream gradients {_told(g)} are "
        f"added over the examples, column by column: db = {_told(g.sum(axis=0))}."
    )
    return Picture(figure, told)


def softmax_loss(scores: Any, label: int) -> Picture:
    """One example: its scores, their softmax p, and the gradient p − onehot, which is negative at the label only."""
    scores = np.asarray(scores, dtype=float)
    p = np.exp(scores - scores.max())
    p = p / p.sum()
    gradient = p - (np.arange(len(p)) == label)
    figure, panels = _figure([6.0] * 3, 5.0)
    for axes, values, title in zip(panels, (scores, p, gradient), ("scores", "p = softmax", "dscores = p − onehot")):
        _bars(axes, values, label)
        axes.set_title(title, fontsize=10)
    told = (
        f"Scores {_told(scores)}. Softmax {_told(p)}. The label is class {label} (hatched), so the gradient of the loss"
    )
    return Picture(figure, f"{told} is p with 1 subtracted there: {_told(gradient)}.")


def _relu_example() -> Picture:
    x, upstream = np.array([1.0, -2.0, 3.0, -1.0]), np.array([4.0, -1.0, 5.0, 9.0])
    return vjp(np.diag(np.where(x > 0, 1.0, 0.0)), upstream, np.eye(4) == 0, "Jacobian of ReLU")


def _matvec_example() -> Picture:
    return matvec_blocks([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [10.0, 20.0], [1.0, -1.0, 2.0])


def _matmul_example() -> Picture:
    return matmul_blocks(
        [[2.0, 1.0, -3.0], [-3.0, 4.0, 2.0]], [[3.0, 2.0, 1.0, -1.0], [2.0, 1.0, 3.0, 2.0], [3.0, 2.0, 1.0, -2.0]]
    )


def _softmax_example() -> Picture:
    p = np.array([0.1, 0.2, 0.7])
    return vjp(np.diag(p) - np.outer(p, p), [1.0, -2.0, 0.5], title="Jacobian of softmax")


EXAMPLES: Mapping[str, Callable[[], Picture]] = {
    "elementwise": _relu_example,
    "matvec": _matvec_example,
    "matmul": _matmul_example,
    "softmax": _softmax_example,
}
"""What `jacobian_explorer` shows."""


# -- parts -----------------------------------------------------------------------------------------


def _figure(widths: Sequence[float], height: float) -> tuple[Figure, list[Axes]]:
    """Panels in a row whose widths, in numbers of a table, are these. Closed for pyplot: a cell shows it once."""
    import matplotlib.pyplot as plt

    inches = min(9.5, max(4.5, CELL * sum(widths)))
    height = max(1.6, height * min(CELL, inches / sum(widths)))
    layout = {"width_ratios": list(widths)}
    figure, axes = plt.subplots(
        1, len(widths), figsize=(inches, height), dpi=100, layout="constrained", gridspec_kw=layout, squeeze=False
    )
    plt.close(figure)
    return figure, list(axes[0])


def _width(columns: int, letters: int = 0) -> float:
    """What a table of so many columns, its rows named with so many letters, is wide, in cells."""
    return columns + 0.2 + 0.2 * letters


def _table(
    axes: Axes,
    values: Any,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    structural: Any = None,
    top: float = 0.0,
) -> None:
    """A matrix as a table of numbers, its first row at height `top`; a dot where `structural` says that nothing can
    be."""
    values = np.asarray(values, dtype=float)
    absent = np.zeros(values.shape, dtype=bool) if structural is None else np.asarray(structural)
    scale = float(np.abs(values).max(initial=0.0)) or 1.0
    for (i, j), value in np.ndenumerate(values):
        _cell(axes, j, top + i, float(value), bool(absent[i, j]), scale)
    for i, row in enumerate(rows):
        axes.text(-0.6, top + i, row, ha="right", va="center", fontsize=8, color="#555555")
    for j, column in enumerate(columns):
        axes.text(j, top - 0.6, column, ha="center", va="bottom", fontsize=8, color="#555555")
    m, n = values.shape
    axes.set(
        xlim=(n - 0.4 - _width(n, max(map(len, rows), default=0)), n - 0.4), ylim=(top + m - 0.4, -1.2), aspect="equal"
    )
    axes.set_anchor("N")
    axes.set_axis_off()


def _cell(axes: Axes, x: float, y: float, value: float, absent: bool, scale: float) -> None:
    from matplotlib.patches import Rectangle

    strength = 0.0 if absent else 0.12 + 0.48 * abs(value) / scale if value else 0.0
    box = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=ORANGE if value > 0 else BLUE, alpha=strength, linewidth=0)
    axes.add_patch(box)
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="#bbbbbb", linewidth=0.6))
    text = "·" if absent else _short(value)
    size = 9 if len(text) <= 4 else 7.5 if len(text) <= 5 else 6.5
    axes.text(x, y, text, ha="center", va="center", fontsize=size, gid="cell", color=GREY if absent else "black")


def _stacked(
    axes: Axes,
    J: np.ndarray,
    product: np.ndarray,
    g: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    names: Sequence[str],
    absent: Any = None,
) -> None:
    """A Jacobian, the upstream gradient written beside its rows, and below it the product of the two."""
    below = J.shape[0] + 1.6
    _table(axes, product[None], columns=names, top=below)
    labels = [f"{_short(a)} · {row}" for a, row in zip(g.tolist(), rows)]
    axes.text(-0.6, below, "sum", ha="right", va="center", fontsize=8, color="#555555")
    _table(axes, J, rows=labels, columns=columns, structural=absent)
    axes.set_ylim(below + 0.6, -1.2)


def _frames(axes: Axes, blocks: Sequence[tuple[int, int, int, int]]) -> None:
    """Thick frames around blocks (row, column, rows, columns)."""
    from matplotlib.patches import Rectangle

    for row, column, m, n in blocks:
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), n, m, fill=False, edgecolor=GREEN, linewidth=2))


def _wires(axes: Axes, J: np.ndarray) -> None:
    outs, ins = J.shape
    left, right = np.linspace(0, 1, ins + 2)[1:-1], np.linspace(0, 1, outs + 2)[1:-1]
    for i, j in zip(*np.nonzero(J)):
        axes.plot([0, 1], [left[j], right[i]], color=GREY, linewidth=1.2, zorder=1)
    axes.plot(np.zeros(ins), left, "o", color=BLUE, zorder=2)
    axes.plot(np.ones(outs), right, "s", color=ORANGE, zorder=2)
    for j, y in enumerate(left):
        axes.text(-0.12, y, f"x{j}", ha="right", va="center", fontsize=9)
    for i, y in enumerate(right):
        axes.text(1.12, y, f"out{i}", ha="left", va="center", fontsize=9)
    axes.set(xlim=(-0.8, 2.0), ylim=(1, 0))
    axes.set_axis_off()


def _bars(axes: Axes, values: np.ndarray, label: int) -> None:
    span = float(np.ptp([*values, 0.0])) or 1.0
    for k, value in enumerate(values):
        colour = ORANGE if value > 0 else BLUE
        axes.bar(k, value, color=colour, alpha=0.7, edgecolor="black", hatch="//" if k == label else "", linewidth=0.8)
        side = -1 if value < 0 else 1
        edge = "top" if value < 0 else "bottom"
        axes.text(k, value + side * 0.03 * span, _short(value), ha="center", va=edge, fontsize=9, gid="cell")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(values)), [f"{k} (label)" if k == label else f"{k}" for k in range(len(values))])
    axes.set(xlabel="class", ylim=(min(0.0, values.min()) - 0.2 * span, max(0.0, values.max()) + 0.2 * span))
    axes.spines[["top", "right"]].set_visible(False)


def _named(name: str, count: int) -> list[str]:
    return [f"{name}{i}" for i in range(count)]


def _short(value: float) -> str:
    """A number in few characters, with a real minus."""
    value = float(value)
    text = f"{value:.3g}" if abs(value) < 1e4 else f"{value:.0e}"
    return text.replace("-", "−") if value else "0"


def _told(values: np.ndarray) -> str:
    """An array in words: [1, 2] or [1, 2; 3, 4]."""
    rows = values if values.ndim == 2 else values[None]
    return "[" + "; ".join(", ".join(_short(v) for v in row) for row in rows) + "]"
