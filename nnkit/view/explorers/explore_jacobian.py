"""The half of the Jacobian explorer that computes: the matrices, their memory, and the shapes of the puzzle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.graphtext import format_value
from nnkit.jacobian import readable_bytes
from nnkit.language import say, to_say
from nnkit.view.explorers.jacobian_fold import fold_matmul, fold_matvec
from nnkit.view.explorers.protocol import InvalidRequest, Json, parse_number, to_json_numbers

FLOAT32_BYTES = 4
"""The size of a float32."""


@dataclass(frozen=True)
class LayerSizes:
    """The sizes of a real layer, and from them the number of outputs, inputs, and entries that its backward handles."""

    names: Mapping[str, int]
    outputs: Callable[..., int]
    inputs: Callable[..., int]
    handled: Callable[..., int]
    operands: str
    """The arrays that the vector-Jacobian product reads and writes."""
    jacobian: str
    """The title of the matrix whose memory it is."""

    def describe_memory(self, sizes: Mapping[str, int]) -> str:
        """Return a sentence that compares the memory of the explicit Jacobian and of the vector-Jacobian product."""
        rows, columns, handled = (f(**sizes) for f in (self.outputs, self.inputs, self.handled))
        explicit, times = rows * columns * FLOAT32_BYTES, rows * columns / max(handled, 1)
        written = say(
            "Written out in float32, the Jacobian {jacobian} has {rows:,} × {columns:,} entries and takes {bytes}.",
            jacobian=self.jacobian, rows=rows, columns=columns, bytes=readable_bytes(explicit),
        )  # fmt: skip
        product = say(
            "The vector-Jacobian product handles {operands}: {bytes}, about {times:,.10g} times less."
            if times > 1.05
            else "The vector-Jacobian product handles {operands}: {bytes}, no less.",
            operands=say(self.operands), bytes=readable_bytes(handled * FLOAT32_BYTES), times=float(f"{times:.2g}"),
        )  # fmt: skip
        return f"{written} {product}"


@dataclass(frozen=True)
class JacobianExample:
    """One or two matrices that are shown side by side, what their frames mean, and what can be done with them."""

    grids: list[Json]
    sizes: LayerSizes
    frames: str = ""
    fold: Json | None = None
    puzzle: Json | None = None


Frame = tuple[int, int, int, int]
"""A part of a matrix: its first row and column, and the number of its rows and columns."""


def _make_grid(
    title: str,
    J: np.ndarray,
    absent: np.ndarray,
    rows: list[str],
    columns: list[str],
    g: np.ndarray,
    frames: Sequence[Frame] = (),
) -> Json:
    """Return a matrix, with the upstream gradient beside its rows and the product of the two."""
    return {
        "title": title,
        "entries": [[format_value(v) for v in row] for row in J.tolist()],
        "values": [to_json_numbers(row) for row in J],
        "absent": absent.tolist(),
        "rows": rows,
        "columns": columns,
        "upstream": [format_value(v) for v in g.tolist()],
        "product": [format_value(v) for v in (g @ J).tolist()],
        "frames": [list(frame) for frame in frames],
    }


def _name_entries(name: str, *shape: int) -> list[str]:
    return [f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(shape)]


def make_elementwise() -> JacobianExample:
    """Return the example of ReLU of four numbers: a diagonal matrix."""
    x, g = np.array([1.0, -2.0, 3.0, -1.0]), np.array([4.0, -1.0, 5.0, 9.0])
    J = np.diag(np.where(x > 0, 1.0, 0.0))
    grid = _make_grid(say("∂out/∂x of ReLU"), J, np.eye(4) == 0, _name_entries("out", 4), _name_entries("x", 4), g)
    sizes = LayerSizes(
        {"N": 100, "D": 4096},
        lambda N, D: N * D,
        lambda N, D: N * D,
        lambda N, D: 3 * N * D,
        to_say("x, upstream and dx"),
        "∂out/∂x",
    )
    return JacobianExample([grid], sizes)


def make_matvec() -> JacobianExample:
    """Return the example q = W x: with respect to x it is W, with respect to W a block xᵀ for each row."""
    W, x, g = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([10.0, 20.0]), np.array([1.0, -1.0, 2.0])
    m, n = W.shape
    by_W = np.kron(np.eye(m), x)
    absent = np.kron(np.eye(m), np.ones(n)) == 0
    blocks = [(i, i * n, 1, n) for i in range(m)]
    grids = [
        _make_grid("∂q/∂x", W, np.zeros((m, n), dtype=bool), _name_entries("q", m), _name_entries("x", n), g),
        _make_grid("∂q/∂W", by_W, absent, _name_entries("q", m), _name_entries("W", m, n), g, blocks),
    ]
    puzzle = {"targets": {"dW": [m, n], "dx": [n, 1]}, "factors": {"W": [m, n], "x": [n, 1], "dq": [m, 1]}}
    sizes = LayerSizes(
        {"M": 100, "D": 3072},
        lambda M, D: M,
        lambda M, D: M * D,
        lambda M, D: 2 * M * D + D + M,
        to_say("W, x, dq and dW"),
        "∂q/∂W",
    )
    return JacobianExample(grids, sizes, say("a block xᵀ for each row of W"), fold_matvec(x, W, g), puzzle)


def make_matmul() -> JacobianExample:
    """Return the example out = x @ w: a block wᵀ per example (for x), a strip per example (for w)."""
    x = np.array([[2.0, 1.0, -3.0], [-3.0, 4.0, 2.0]])
    w = np.array([[3.0, 2.0, 1.0, -1.0], [2.0, 1.0, 3.0, 2.0], [3.0, 2.0, 1.0, -2.0]])
    g = np.array([[2.0, 3.0, -3.0, 9.0], [-8.0, 1.0, 4.0, 6.0]])
    (N, D), M = x.shape, w.shape[1]
    out = _name_entries("out", N, M)
    blocks, strips = [(n * M, n * D, M, D) for n in range(N)], [(n * M, 0, M, D * M) for n in range(N)]
    off_x, off_w = np.kron(np.eye(N), np.ones((M, D))) == 0, np.kron(np.ones((N, D)), np.eye(M)) == 0
    grids = [
        _make_grid("∂out/∂x", np.kron(np.eye(N), w.T), off_x, out, _name_entries("x", N, D), g.ravel(), blocks),
        _make_grid("∂out/∂w", np.kron(x, np.eye(M)), off_w, out, _name_entries("w", D, M), g.ravel(), strips),
    ]
    puzzle = {"targets": {"dw": [D, M], "dx": [N, D]}, "factors": {"x": [N, D], "w": [D, M], "upstream": [N, M]}}
    sizes = LayerSizes(
        {"N": 64, "D": 4096, "M": 4096},
        lambda N, D, M: N * M,
        lambda N, D, M: N * D,
        lambda N, D, M: 2 * N * D + D * M + N * M,
        to_say("x, w, upstream and dx"),
        "∂out/∂x",
    )
    return JacobianExample(grids, sizes, say("one for each example"), fold_matmul(x, w, g), puzzle)


def make_softmax() -> JacobianExample:
    """Return the example of softmax of three scores: every output depends on every score."""
    p, g = np.array([0.1, 0.2, 0.7]), np.array([1.0, -2.0, 0.5])
    J = np.diag(p) - np.outer(p, p)
    grid = _make_grid(
        "∂p/∂scores", J, np.zeros((3, 3), dtype=bool), _name_entries("p", 3), _name_entries("scores", 3), g
    )
    sizes = LayerSizes(
        {"N": 64, "C": 1000},
        lambda N, C: N * C,
        lambda N, C: N * C,
        lambda N, C: 3 * N * C,
        to_say("p, upstream and dscores"),
        "∂p/∂scores",
    )
    return JacobianExample([grid], sizes)


EXAMPLES: Mapping[str, Callable[[], JacobianExample]] = {
    "elementwise": make_elementwise,
    "matvec": make_matvec,
    "matmul": make_matmul,
    "softmax": make_softmax,
}


class JacobianActor:
    """An actor that answers {"sizes": of a real layer} with the memory that its Jacobian would take."""

    def __init__(self, kind: str):
        self.example = EXAMPLES[kind]()
        self.sizes = self.example.sizes

    def start(self) -> tuple[Json, Json]:
        example = self.example
        setup = {name: getattr(example, name) for name in ("grids", "frames", "fold", "puzzle")}
        setup["sizes"] = dict(self.sizes.names)
        return setup, self._compute_state(self.sizes.names)

    def answer(self, request: Json) -> tuple[Json | None, Json]:
        return None, self._compute_state(
            {name: _parse_size(name, request["sizes"].get(name, n)) for name, n in self.sizes.names.items()}
        )

    def list_frozen_requests(self) -> list[Json]:
        return [{"sizes": dict(self.sizes.names)}]

    def _compute_state(self, sizes: Mapping[str, int]) -> Json:
        return {"sizes": dict(sizes), "words": self.sizes.describe_memory(sizes), "error": ""}


def _parse_size(name: str, text: Any) -> int:
    number = parse_number(text)
    if number is None or not 1 <= number < 10**6 + 1:
        raise InvalidRequest(
            say("{name} must be a whole number from 1 to a million; {text!r} is not.", name=name, text=str(text)[:20])
        )
    return int(number)
