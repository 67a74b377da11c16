"""Graphs of layers written with loops, and with arrays that are filled: their gradients are the numerical ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnkit import numerical
from nnkit.check.evidence.backward_pass import vjp_with_faults
from nnkit.check.evidence.function_graph import trace_function
from nnkit.check.evidence.traced_columns import compute_columns

MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
ROWS = np.array([2, 0, 2, 1])


def draw(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def fill_rows(x: Any) -> Any:
    out = np.zeros((3, 4))
    for i in range(3):
        out[i] = x[i] ** 2
    return out * out


def fill_columns(x: Any) -> Any:
    out = np.empty_like(x)
    for t in range(x.shape[1]):
        out[:, t] = np.tanh(x[:, t] + (out[:, t - 1] if t else 0))
    return out


def fill_entries(x: Any) -> Any:
    n, d = x.shape
    out = np.zeros([n, d])
    for i in range(n):
        for j in range(d):
            out[i][j] = math.exp(x[i, j]) if x[i, j] < 0 else 1 + x[i, j] * i
    return out


def fill_one_dimension(x: Any) -> Any:
    norms = np.ones(len(x), dtype=float)
    for i, row in enumerate(x):
        norms[i] = math.sqrt(sum(v * v for v in row))
    return x / norms[:, None]


def add_up(x: Any) -> Any:
    total = np.zeros(4)
    for row in x:
        total += row
        total *= 1.5
    return total


def add_into_slices(x: Any) -> Any:
    out = np.full((5, 5), 0.5)
    for k in range(2):
        out[k : k + 3, k : k + 4] += x * (k + 1)
    return out


def overwrite(x: Any) -> Any:
    out = x.copy()
    out[0] = out[1] * out[0]
    out[:, 0] = 0
    out[out < 0] *= 0.1
    return out + x


def mask_in_place(x: Any) -> Any:
    h = 2 * x
    h[MASK] = 0
    h[h < -1] = -1
    return h


def write_into_a_view(x: Any) -> Any:
    out = np.zeros((4, 3))
    view = out.T
    view[...] = x
    first = out[0]
    first += 1
    out.reshape(-1)[-1] = 7.0
    return out**2


def return_a_part(x: Any) -> Any:
    h = np.zeros((4, 4))
    for i in range(3):
        h[i + 1] = np.sin(h[i] + x[i])
    return h[1:]


def list_then_array(x: Any) -> Any:
    return np.array([[v * v, np.exp(v)] for v in x[0]])


def convolve(x: Any, w: Any, b: Any) -> Any:
    out = np.zeros((x.shape[0], w.shape[0], 2, 2))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for n in range(x.shape[0]):
        for f in range(w.shape[0]):
            for i in range(2):
                for j in range(2):
                    out[n, f, i, j] = np.sum(padded[n, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * w[f]) + b[f]
    return out


def pool(x: Any) -> Any:
    N, C, H, W = x.shape
    out = np.zeros((N, C, H // 2, W // 2))
    for i in range(H // 2):
        for j in range(W // 2):
            out[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(2, 3))
    return out


def columns_of_windows(x: Any, w: Any) -> Any:
    cols = np.zeros((4, 9))
    for k in range(4):
        cols[k] = x[k // 2 : k // 2 + 3, k % 2 : k % 2 + 3].ravel()
    return (cols @ w.reshape(-1)).reshape(2, 2)


def recur(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    N, T, _ = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev = h0
    for t in range(T):
        h[:, t, :] = np.tanh(x[:, t, :] @ Wx + prev @ Wh + b)
        prev = h[:, t]
    return h


def recur_with_states(x: Any, W: Any, U: Any) -> Any:
    H = np.zeros((len(x) + 1, U.shape[0]))
    for t in range(len(x)):
        H[t + 1] = np.tanh(x[t].dot(W) + H[t].dot(U))
    return H[1:]


def lstm(x: Any, W: Any, U: Any) -> Any:
    N, T, H = x.shape[0], x.shape[1], U.shape[0]
    h, c, hs = np.zeros((N, H)), np.zeros((N, H)), np.zeros((N, T, H))
    for t in range(T):
        a = x[:, t] @ W + h @ U
        i, f, o = (1 / (1 + np.exp(-a[:, k * H : (k + 1) * H])) for k in range(3))
        g = np.tanh(a[:, 3 * H :])
        c = f * c + i * g
        h = o * np.tanh(c)
        hs[:, t] = h
    return hs


def attend(q: Any, k: Any, v: Any) -> Any:
    out = np.zeros_like(q)
    for n in range(q.shape[0]):
        scores = q[n] @ k[n].T / math.sqrt(q.shape[-1])
        scores[np.triu_indices(len(scores), 1)] = -1e9
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        out[n] = weights @ v[n]
    return out


def embed(W: Any) -> Any:
    out = np.zeros((4, 4))
    for i, row in enumerate(ROWS):
        out[i] = W[row]
    return out**2


def group_norm(x: Any, gamma: Any) -> Any:
    out = np.empty(x.shape)
    for n in range(x.shape[0]):
        group = x[n].reshape(2, -1)
        mean, var = group.mean(axis=1, keepdims=True), group.var(axis=1, keepdims=True)
        out[n] = ((group - mean) / np.sqrt(var + 1e-5)).reshape(x[n].shape)
    return gamma * out


def quadratic(A: Any, x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            total += x[i] * A[i, j] * x[j]
    return total


def products(x: Any, w: Any) -> Any:
    out = np.zeros((x.shape[0], w.shape[1]))
    for i in range(x.shape[0]):
        for j in range(w.shape[1]):
            for k in range(x.shape[1]):
                out[i, j] += x[i, k] * w[k, j]
    return out


def hinge(x: Any) -> Any:
    loss = 0.0
    for i, scores in enumerate(x):
        for j in range(4):
            if j != ROWS[i]:
                margin = scores[j] - scores[ROWS[i]] + 1
                if margin > 0:
                    loss += margin
    return float(loss)


def log_sum_exp(x: Any) -> Any:
    out = np.zeros(len(x))
    for i, row in enumerate(x):
        m = max(row)
        out[i] = m + math.log(sum(math.exp(v - m) for v in row))
    return out


def scatter(x: Any) -> Any:
    out = np.zeros((3, 4))
    np.add.at(out, ROWS[:3], x)
    return out**2


def step(x: Any) -> float:
    return x * x if x > 0 else -x


class Layer:
    """A layer with helpers of its own."""

    def __init__(self) -> None:
        self.scale = 3.0
        self.last = None

    def forward(self, x: Any) -> Any:
        self.last = np.zeros(x.shape)
        self.last[...] = self._scale(x)
        return self.last.copy()

    def _scale(self, x: Any) -> Any:
        return self.scale * x**2


LAYERS = [Layer(), Layer()]


def run_layers(x: Any) -> Any:
    for layer in LAYERS:
        x = layer.forward(x)
    return x


ONE: dict[str, Callable[[Any], Any]] = {
    function.__name__: function
    for function in (
        fill_rows, fill_columns, fill_entries, fill_one_dimension, add_up, add_into_slices, overwrite, mask_in_place,
        write_into_a_view, return_a_part, list_then_array, embed, hinge, log_sum_exp, scatter, run_layers,
    )
} | {
    "np.vectorize": lambda x: np.vectorize(step)(x),
    "arctan2": lambda x: np.arctan2(x, x[0] + 3),
    "logaddexp of two": lambda x: np.logaddexp(x, x[::-1]),
    "copysign": lambda x: np.copysign(x, ROWS - 0.5),
    "mod": lambda x: np.mod(x, 0.7) * x,
    "sinc": lambda x: np.sinc(x),
    "interp": lambda x: np.interp(x, [-3, 0, 3], [1.0, 0.0, 2.0]),
    "median": lambda x: x - np.median(x, axis=1, keepdims=True),
    "median of all": lambda x: np.median(x) * x,
    "percentile": lambda x: x * np.percentile(x, 30),
    "covariance": lambda x: np.cov(x),
    "average with weights": lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0]),
    "select": lambda x: np.select([x < -0.5, x < 0.5], [x**2, x], 3 * x),
    "select without a default": lambda x: np.select([x < -0.5, x < 0.5], [x**2, x]),
    "pad with ones": lambda x: np.pad(x, 1, constant_values=1.0) ** 2,
    "clip by names": lambda x: np.clip(x, a_min=-0.5, a_max=None) + x.clip(max=0.2),
    "array_split": lambda x: sum(part.sum() ** 2 for part in np.array_split(x, 3, axis=1)),
    "unpacked by hsplit": lambda x: np.multiply(*np.hsplit(x, 2)),
    "sum of a list": lambda x: np.sum([row**2 for row in x], axis=0),
    "mean of numbers": lambda x: np.mean([v * v for v in x[0]]),
    "array of rows": lambda x: np.array([x[0], 2 * x[1]]) ** 2,
    "array of an array": lambda x: np.array(x) * np.asarray(x, dtype=float),
    "out=": lambda x: np.add(x, x, out=np.zeros((3, 4))) * x,
    "a number with item": lambda x: x.sum().item() * x,
    "linear algebra": lambda x: np.linalg.det(x[:, :3] @ x[:, 1:] + 3 * np.eye(3)),
    "pinv": lambda x: np.linalg.pinv(x),
    "0-d, in place": lambda x: fill_and_count(x),
}  # fmt: skip


def fill_and_count(x: Any) -> Any:
    total = x[0, 0] * 2
    before = total
    total += x[1, 1]
    return before * total


SEVERAL: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "a convolution": (convolve, (draw(2, 2, 3, 3), draw(2, 2, 3, 3), draw(2))),
    "max pooling": (pool, (draw(1, 2, 4, 4),)),
    "columns of windows": (columns_of_windows, (draw(4, 4), draw(3, 3))),
    "an RNN": (recur, (draw(2, 3, 2), draw(2, 3), draw(2, 3), draw(3, 3), draw(3))),
    "an RNN with all states": (recur_with_states, (draw(4, 3), draw(3, 2), draw(2, 2))),
    "an LSTM": (lstm, (draw(2, 2, 3), draw(3, 8), draw(2, 8))),
    "attention": (attend, (draw(2, 3, 2), draw(2, 3, 2), draw(2, 3, 2))),
    "group norm": (group_norm, (draw(2, 4, 3), draw(4, 1))),
    "a quadratic form": (quadratic, (draw(3, 3), draw(3))),
    "a product in loops": (products, (draw(3, 4), draw(4, 2))),
}
CASES = {**{name: (function, (draw(3, 4),)) for name, function in ONE.items()}, **SEVERAL}


@pytest.mark.parametrize("name", CASES)
def test_a_loop_is_traced_and_its_gradients_are_right(name: str) -> None:
    function, inputs = CASES[name]
    graph = trace_function(function, inputs)
    assert graph is not None, "not traced"
    out = np.asarray(function(*inputs))
    upstream = np.random.default_rng(1).normal(size=out.shape)
    grads = vjp_with_faults(graph, upstream)
    for k, wire in enumerate(graph.wires):
        jacobian = numerical.estimate_jacobian(function, inputs, k).value
        assert np.allclose(grads[wire.index], np.tensordot(upstream, jacobian, out.ndim), rtol=1e-6, atol=1e-8)


def test_a_filled_array_has_the_graph_of_a_list() -> None:
    def collect(x: Any, W: Any, U: Any) -> Any:
        h = [np.zeros(2)]
        for row in x:
            h.append(np.tanh(row @ W + h[-1] @ U))
        return np.stack(h[1:])

    inputs = draw(4, 3), draw(3, 2), draw(2, 2)
    graphs = [trace_function(function, inputs) for function in (recur_with_states, collect)]
    kinds = [[type(node.gate) for node in graph.nodes] for graph in graphs if graph]
    assert kinds[0] == kinds[1]


def test_a_graph_that_would_be_too_large_is_given_up() -> None:
    assert trace_function(products, (draw(20, 20), draw(20, 20))) is None


def test_nothing_of_what_is_traced_is_changed() -> None:
    x = draw(3, 4)
    LAYERS[0].last = None
    assert trace_function(run_layers, (x,)) is not None
    assert np.array_equal(x, draw(3, 4))
    assert isinstance(LAYERS[0].last, np.ndarray)  # from the plain call


def test_many_derivatives_of_a_scalar_come_from_one_backward_pass() -> None:
    calls = []

    def loss(x: Any, w: Any) -> Any:
        calls.append(1)
        return np.mean(np.tanh(x @ w) ** 2)

    inputs = draw(20, 12), draw(12, 4)
    columns = compute_columns(loss, inputs, (0, 1))
    assert len(calls) < 10
    for i, x in enumerate(inputs):
        expected = numerical.estimate_jacobian(loss, inputs, i).value
        assert np.allclose(columns[i].value.reshape(x.shape), expected, rtol=1e-9, atol=1e-15)


def test_a_graph_that_lost_a_path_gives_no_derivatives() -> None:
    def loss(x: Any) -> Any:
        return np.sum(x**2) + 1e-6 * np.sum(getattr(x, "value", x) ** 3)

    assert compute_columns(loss, (draw(300),), (0,)) == {}


def test_a_complex_step_that_is_lost_in_a_real_array_is_not_used() -> None:
    def fill(x: Any, y: Any) -> Any:
        out = np.zeros_like(x)
        out[:] = x * y
        return out

    x, y = draw(3), draw(4)[:3]
    columns = np.concatenate([c.value for c in numerical.estimate_columns(fill, (x, y), 1, exact=True)])
    assert np.allclose(columns, np.diag(x), rtol=1e-6)
