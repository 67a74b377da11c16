"""Figures of lecture 03: Jacobians drawn as tables, the blocks they are made of, and Jacobians of a batch.

Rows of a Jacobian are entries of the output, columns are entries of the input. Orange stands for positive and
blue for negative numbers, but every number is written out. A dot is a structural zero: the output does not depend on
that input, whatever the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnkit.jacobian import readable_bytes
from nnkit.view.figures.picture import BLUE, GREY, ORANGE, Picture
from nnkit.view.figures.tables import (
    create_row,
    draw_bars,
    draw_product,
    draw_table,
    draw_wires,
    format_array,
    frame_blocks,
    measure_table,
    number_names,
)

LAPTOP_BYTES = 16 * 2**30
"""The memory of an ordinary laptop."""


def wiring(jacobians: Mapping[str, Any]) -> Picture:
    """Draw which inputs of a gate affect which outputs: a wire from input j to output i for each nonzero entry [i, j].

    `jacobians` maps a title to a matrix (out, in), which is drawn beside the wires.
    """
    tables = {title: np.asarray(J, dtype=float) for title, J in jacobians.items()}
    widths = [size for J in tables.values() for size in (3.6, measure_table(J.shape[1], 4))]
    figure, panels = create_row(widths, max(J.shape[0] for J in tables.values()) + 1.5)
    texts = []
    for (title, J), wires, table in zip(tables.items(), panels[::2], panels[1::2]):
        draw_wires(wires, J)
        wires.set_title(title, fontsize=10)
        draw_table(
            table, J, rows=number_names("out", J.shape[0]), columns=number_names("x", J.shape[1]), structural=J == 0
        )
        table.set_title("its Jacobian", fontsize=10)
        joined = int(np.count_nonzero(J))
        texts.append(f"{title}: {joined} of {J.size} pairs of an input and an output are connected. {format_array(J)}.")
    return Picture(figure, "Wires from inputs to outputs, and the Jacobian beside them. " + " ".join(texts))


def vjp(J: Any, upstream: Any, structural: Any = None, title: str = "") -> Picture:
    """Draw upstream · J = dx: a row with a number per output, times the Jacobian, is a row with a number per input."""
    J, g = np.asarray(J, dtype=float), np.asarray(upstream, dtype=float)
    dx = g @ J
    m, n = J.shape
    figure, (left, middle, right) = create_row([measure_table(m), measure_table(n, 4), measure_table(n)], m + 1.5)
    draw_table(left, g[None], columns=number_names("g", m))
    draw_table(middle, J, rows=number_names("out", m), columns=number_names("x", n), structural=structural)
    draw_table(right, dx[None], columns=number_names("dx", n))
    for axes, name in ((left, "upstream"), (middle, f"·   {title or 'Jacobian'}"), (right, "=   dx")):
        axes.set_title(name, fontsize=10)
    text = (
        f"The upstream gradient {format_array(g)} times the Jacobian {format_array(J)} is the gradient of the input, "
        f"{format_array(dx)}."
    )
    return Picture(figure, text)


def sizes(weights: Mapping[str, int], memory: int = LAPTOP_BYTES) -> Picture:
    """Draw the memory of arrays in bytes, on a log scale, beside the memory of a laptop."""
    figure, (axes,) = create_row([18.0], 1.5 + 0.9 * len(weights))
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
    text = f"Memory in bytes, on a logarithmic scale. {listed}. More than the {readable_bytes(memory)} of a laptop"
    return Picture(figure, f"{text}: {more}.")


def matvec_blocks(W: Any, x: Any, upstream: Any) -> Picture:
    """Draw the two Jacobians of q = W x: ∂q/∂x is W itself; ∂q/∂W, with W flattened row by row, has blocks xᵀ.

    Below each is its product with the upstream gradient: Wᵀ g, and g xᵀ flattened row by row.
    """
    W, x, g = (np.asarray(a, dtype=float) for a in (W, x, upstream))
    m, n = W.shape
    by_W = np.kron(np.eye(m), x)  # (M, M·D): block i of row i is x
    figure, panels = create_row([measure_table(n, 9), measure_table(m * n, 9)], m + 4.0)
    entries = [f"W{i}{j}" for i in range(m) for j in range(n)]
    absent = np.kron(np.eye(m), np.ones(n)) == 0
    q, dx, dW = number_names("q", m), g @ W, g @ by_W
    draw_product(panels[0], W, dx, g, rows=q, columns=number_names("x", n), names=number_names("dx", n))
    draw_product(
        panels[1], by_W, dW, g, rows=q, columns=entries, names=["d" + entry for entry in entries], absent=absent
    )
    frame_blocks(panels[1], [(i, i * n, 1, n) for i in range(m)])
    panels[0].set_title("∂q/∂x  is  W", fontsize=10)
    panels[1].set_title("∂q/∂W:  a block xᵀ for each row of W", fontsize=10)
    text = (
        f"Two Jacobians of q = W x. With respect to x it is W, {format_array(W)}. With respect to W, flattened, it is "
        f"{format_array(by_W)}. Row i holds x, {format_array(x)}, in block i, and dots elsewhere. "
        f"Multiplied by the upstream gradient {format_array(g)} the first "
        f"gives dx = {format_array(dx)}, the second dW = {format_array(dW.reshape(W.shape))}."
    )
    return Picture(figure, text)


def matmul_blocks(x: Any, w: Any) -> Picture:
    """Draw the two Jacobians of out = x @ w, all arrays flattened row by row.

    With respect to x it has a block wᵀ for each example on the diagonal; with respect to w a row of blocks for each
    example, each an entry of x times the identity.
    """
    x, w = np.asarray(x, dtype=float), np.asarray(w, dtype=float)
    (N, D), M = x.shape, w.shape[1]
    by_x, by_w = np.kron(np.eye(N), w.T), np.kron(x, np.eye(M))
    figure, panels = create_row([measure_table(N * D, 5), measure_table(D * M, 5)], N * M + 1.5)
    out = [f"out{n}{j}" for n in range(N) for j in range(M)]
    of_x = [f"x{n}{d}" for n in range(N) for d in range(D)]
    of_w = [f"w{d}{j}" for d in range(D) for j in range(M)]
    draw_table(panels[0], by_x, rows=out, columns=of_x, structural=np.kron(np.eye(N), np.ones((M, D))) == 0)
    draw_table(panels[1], by_w, rows=out, columns=of_w, structural=np.kron(np.ones((N, D)), np.eye(M)) == 0)
    frame_blocks(panels[0], [(n * M, n * D, M, D) for n in range(N)])
    frame_blocks(panels[1], [(n * M, 0, M, D * M) for n in range(N)])
    panels[0].set_title("∂out/∂x:  wᵀ once for each example", fontsize=10)
    panels[1].set_title("∂out/∂w:  one strip per example, stacked", fontsize=10)
    text = (
        f"Two Jacobians of out = x @ w for {N} examples. With respect to x, {by_x.shape[0]} by {by_x.shape[1]}: "
        f"the block wᵀ = {format_array(w.T)} stands {N} times on the diagonal, and dots elsewhere. "
        f"With respect to w, {by_w.shape[0]} by {by_w.shape[1]}: one strip per example, stacked; "
        f"strip n has x[n, d] on the diagonal of block d. "
        f"x is {format_array(x)}."
    )
    return Picture(figure, text)


def outer_sum(x: Any, upstream: Any) -> Picture:
    """Draw dw = xᵀ @ upstream as a sum over the batch: each example's outer product x[n] upstream[n]ᵀ, and the sum."""
    x, g = np.asarray(x, dtype=float), np.asarray(upstream, dtype=float)
    shares = [np.outer(a, b) for a, b in zip(x, g)]
    dw = x.T @ g
    figure, panels = create_row([measure_table(g.shape[1], 2)] * (len(shares) + 1), x.shape[1] + 1.5)
    for number, (axes, share) in enumerate(zip(panels, shares)):
        draw_table(axes, share, rows=number_names("x", x.shape[1]), columns=number_names("g", g.shape[1]))
        axes.set_title(f"{'+   ' if number else ''}example {number}", fontsize=10)
    draw_table(panels[-1], dw, rows=number_names("x", x.shape[1]), columns=number_names("g", g.shape[1]))
    panels[-1].set_title("=   dw", fontsize=10)
    text = "; ".join(f"example {number} gives {format_array(share)}" for number, share in enumerate(shares))
    return Picture(figure, f"The gradient of w is a sum over the examples: {text}. Their sum is {format_array(dw)}.")


def bias_copies(b: Any, upstream: Any) -> Picture:
    """Draw how forward copies the bias to every example, and backward adds the gradients, column by column."""
    b, g = np.asarray(b, dtype=float), np.asarray(upstream, dtype=float)
    n, h = g.shape
    figure, panels = create_row([measure_table(h), measure_table(h, 9), measure_table(h, 9), measure_table(h)], n + 1.5)
    examples, columns = [f"example {i}" for i in range(n)], number_names("b", h)
    draw_table(panels[0], b[None], columns=columns)
    draw_table(panels[1], np.tile(b, (n, 1)), rows=examples, columns=columns)
    draw_table(panels[2], g, rows=examples, columns=columns)
    draw_table(panels[3], g.sum(axis=0)[None], columns=number_names("db", h))
    titles = ("b", "forward: copied", "backward: upstream", "db: added")
    for axes, title in zip(panels, titles):
        axes.set_title(title, fontsize=10)
    text = (
        f"Forward: the bias {format_array(b)} is copied to {n} examples. "
        f"Backward: their upstream gradients {format_array(g)} are "
        f"added over the examples, column by column: db = {format_array(g.sum(axis=0))}."
    )
    return Picture(figure, text)


def softmax_loss(scores: Any, label: int) -> Picture:
    """Draw one example: its scores, their softmax p, and the gradient p − onehot, negative only at the label."""
    scores = np.asarray(scores, dtype=float)
    p = np.exp(scores - scores.max())
    p = p / p.sum()
    gradient = p - (np.arange(len(p)) == label)
    figure, panels = create_row([6.0] * 3, 5.0)
    for axes, values, title in zip(panels, (scores, p, gradient), ("scores", "p = softmax", "dscores = p − onehot")):
        draw_bars(axes, values, label)
        axes.set_title(title, fontsize=10)
    text = (
        f"Scores {format_array(scores)}. Softmax {format_array(p)}. The label is class {label} (hatched), "
        "so the gradient of the loss"
    )
    return Picture(figure, f"{text} is p with 1 subtracted there: {format_array(gradient)}.")


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
"""The still figures of `jacobian_explorer`."""
