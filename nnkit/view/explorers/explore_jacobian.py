"""The half of the Jacobian explorer that computes: the matrices, what they would weigh, and the puzzle's shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit.graphtext import format_value
from nnkit.jacobian import readable_bytes
from nnkit.view.explorers.explore_activation import numbers
from nnkit.view.explorers.protocol import Json, Refused

ITEM = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Sizes:
    """What the explicit matrix of a real layer would weigh: the sizes' names and values, and who needs how much."""

    names: Mapping[str, int]
    outputs: Callable[..., int]
    inputs: Callable[..., int]
    needed: Callable[..., int]
    what: str
    """What the vector-Jacobian product reads and writes, in words."""

    def words(self, sizes: Mapping[str, int]) -> str:
        """The two weights, side by side."""
        rows, columns, needed = (f(**sizes) for f in (self.outputs, self.inputs, self.needed))
        explicit, times = rows * columns * ITEM, rows * columns / max(needed, 1)
        less = f"{format_value(times)} times less" if times > 1.05 else "no less"
        return (
            f"Written out in float32, the Jacobian has {rows:,} × {columns:,} entries and weighs "
            f"{readable_bytes(explicit)}. The vector-Jacobian product handles {self.what}: "
            f"{readable_bytes(needed * ITEM)}, {less}."
        )


def _grid(title: str, J: np.ndarray, absent: np.ndarray, rows: list[str], columns: list[str], g: np.ndarray) -> Json:
    """One matrix, with the upstream gradient that meets its rows and the product of the two."""
    return {
        "title": title,
        "entries": [[format_value(v) for v in row] for row in J.tolist()],
        "values": [numbers(row) for row in J],
        "absent": absent.tolist(),
        "rows": rows,
        "columns": columns,
        "upstream": [format_value(v) for v in g.tolist()],
        "product": [format_value(v) for v in (g @ J).tolist()],
    }


def _named(name: str, *shape: int) -> list[str]:
    return [f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(shape)]


def elementwise() -> tuple[list[Json], Json, Sizes]:
    """ReLU of four numbers: a diagonal."""
    x, g = np.array([1.0, -2.0, 3.0, -1.0]), np.array([4.0, -1.0, 5.0, 9.0])
    J = np.diag(np.where(x > 0, 1.0, 0.0))
    grid = _grid("∂out/∂x of ReLU", J, np.eye(4) == 0, _named("out", 4), _named("x", 4), g)
    sizes = Sizes(
        {"N": 100, "D": 4096}, lambda N, D: N * D, lambda N, D: N * D, lambda N, D: 3 * N * D, "x, upstream and dx"
    )
    return [grid], {}, sizes


def matvec() -> tuple[list[Json], Json, Sizes]:
    """q = W x: by x it is W, by W a block of xᵀ for each row."""
    W, x, g = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([10.0, 20.0]), np.array([1.0, -1.0, 2.0])
    m, n = W.shape
    by_W = np.kron(np.eye(m), x)
    absent = np.kron(np.eye(m), np.ones(n)) == 0
    grids = [
        _grid("∂q/∂x", W, np.zeros((m, n), dtype=bool), _named("q", m), _named("x", n), g),
        _grid("∂q/∂W", by_W, absent, _named("q", m), _named("W", m, n), g),
    ]
    puzzle = {"targets": {"dW": [m, n], "dx": [n, 1]}, "factors": {"W": [m, n], "x": [n, 1], "dq": [m, 1]}}
    sizes = Sizes(
        {"M": 100, "D": 3072}, lambda M, D: M, lambda M, D: M * D, lambda M, D: 2 * M * D + D + M, "W, x, dq and dW"
    )
    return grids, puzzle, sizes


def matmul() -> tuple[list[Json], Json, Sizes]:
    """out = x @ w, a batch: by x a block of wᵀ for each example, by w the examples below each other."""
    x = np.array([[2.0, 1.0, -3.0], [-3.0, 4.0, 2.0]])
    w = np.array([[3.0, 2.0, 1.0, -1.0], [2.0, 1.0, 3.0, 2.0], [3.0, 2.0, 1.0, -2.0]])
    g = np.array([[2.0, 3.0, -3.0, 9.0], [-8.0, 1.0, 4.0, 6.0]])
    (N, D), M = x.shape, w.shape[1]
    out = _named("out", N, M)
    off_x, off_w = np.kron(np.eye(N), np.ones((M, D))) == 0, np.kron(np.ones((N, D)), np.eye(M)) == 0
    grids = [
        _grid("∂out/∂x", np.kron(np.eye(N), w.T), off_x, out, _named("x", N, D), g.ravel()),
        _grid("∂out/∂w", np.kron(x, np.eye(M)), off_w, out, _named("w", D, M), g.ravel()),
    ]
    puzzle = {"targets": {"dw": [D, M], "dx": [N, D]}, "factors": {"x": [N, D], "w": [D, M], "upstream": [N, M]}}
    sizes = Sizes(
        {"N": 64, "D": 4096, "M": 4096},
        lambda N, D, M: N * M,
        lambda N, D, M: N * D,
        lambda N, D, M: 2 * N * D + D * M + N * M,
        "x, w, upstream and dx",
    )
    return grids, puzzle, sizes


def softmax() -> tuple[list[Json], Json, Sizes]:
    """softmax of three scores: every output depends on every score."""
    p, g = np.array([0.1, 0.2, 0.7]), np.array([1.0, -2.0, 0.5])
    J = np.diag(p) - np.outer(p, p)
    grid = _grid("∂p/∂scores", J, np.zeros((3, 3), dtype=bool), _named("p", 3), _named("scores", 3), g)
    sizes = Sizes(
        {"N": 64, "C": 1000}, lambda N, C: N * C, lambda N, C: N * C, lambda N, C: 3 * N * C, "p, upstream and dscores"
    )
    return [grid], {}, sizes


EXAMPLES: Mapping[str, Callable[[], tuple[list[Json], Json, Sizes]]] = {
    "elementwise": elementwise,
    "matvec": matvec,
    "matmul": matmul,
    "softmax": softmax,
}


class JacobianActor:
    """Answers {"sizes": of a real layer} with what its Jacobian would weigh."""

    def __init__(self, kind: str):
        self.grids, self.puzzle, self.sizes = EXAMPLES[kind]()

    def start(self) -> tuple[Json, Json]:
        scene = {"grids": self.grids, "puzzle": self.puzzle, "sizes": dict(self.sizes.names)}
        return scene, self._film(self.sizes.names)

    def answer(self, ask: Json) -> tuple[Json | None, Json]:
        return None, self._film({name: _size(name, ask["sizes"].get(name, n)) for name, n in self.sizes.names.items()})

    def _film(self, sizes: Mapping[str, int]) -> Json:
        return {"sizes": dict(sizes), "words": self.sizes.words(sizes), "error": ""}


def _size(name: str, text: Any) -> int:
    try:
        size = int(float(str(text)))
    except (ValueError, OverflowError):
        size = 0
    if not 1 <= size <= 10**6:
        raise Refused(f"{name} must be a whole number from 1 to a million; {str(text)[:20]!r} is none.")
    return size
