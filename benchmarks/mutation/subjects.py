"""The backwards that are mutated: every gate's, the helpers that they call, and those of `references.py`."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

import references
from mutation.judge import Draw, Subject
from nnkit import arrays, check, gates

Cases = Callable[[Draw], list[Any]]
Replace = Callable[[Any, Any], Any]


class Swapped:
    """A gate with another backward."""

    def __init__(self, gate: Any, backward: Any):
        self.gate, self.forward = gate, gate.forward
        self.backward = lambda upstream, cache: backward(gate, upstream, cache)


class SwappedCopy(Swapped):
    """`Copy`, whose outputs and upstream are tuples: here they are arrays with the branches along the first axis."""

    def __init__(self, gate: Any, backward: Any):
        super().__init__(gate, backward)
        self.forward = lambda x: (np.stack(gate.forward(x)[0]), gate.forward(x)[1])
        self.backward = lambda upstream, cache: backward(gate, tuple(upstream), cache)


def gate_subject(name: str, target: Any, cases: Cases, replace: Replace = Swapped) -> Subject:
    """A case is (gate, *inputs); `replace(gate, function)` is the gate with the function in the target's place."""

    def run(function: Any, case: Any) -> Any:
        gate, *inputs = case
        whole = replace(gate, function)
        out, cache = whole.forward(*(np.array(x)[()] for x in inputs))
        upstream = np.random.default_rng(5).normal(size=np.shape(out))[()]
        return whole.backward(upstream, cache)

    return Subject(name, target, cases, lambda f, case: check.check_backward(replace(case[0], f), *case[1:]), run)


def with_helper(name: str) -> Replace:
    """`replace` for a helper: the gate's own backward, which finds the function under the helper's name."""

    def replace(gate: Any, function: Any) -> Swapped:
        own = type(gate).backward
        return Swapped(gate, FunctionType(own.__code__, {**own.__globals__, name: function}))

    return replace


def with_split(gate: gates.Maxout, function: Any) -> Swapped:
    class Other(gates.Maxout):
        _split = function

    return Swapped(gate, lambda _, upstream, cache: gates.Maxout.backward(Other(gate.pieces), upstream, cache))


# ---- the gates' inputs ------------------------------------------------------------------------------


def _unary(*made: Any, positive: bool = False) -> Cases:
    def cases(draw: Draw) -> list[Any]:
        a, b, c = draw.sizes(3)
        some = draw.positive if positive else draw.normal
        return [(gate, x) for gate in made for x in (some(), some(c), some(a, b))]

    return cases


def _binary(*made: Any, positive: bool = False) -> Cases:
    def cases(draw: Draw) -> list[Any]:
        a, b, c = draw.sizes(3)
        some = draw.positive if positive else draw.normal
        shapes: list[Any] = [((), (a,)), ((a, b), (b,)), ((a, b), (a, b)), ((a, 1), (1, b)), ((b,), (c, 1, b))]
        return [(gate, draw.normal(*x), some(*y)) for gate in made for x, y in shapes]

    return cases


def _power(draw: Draw) -> list[Any]:
    a, b, c = draw.sizes(3)
    fractions = [(gates.Power(p), draw.positive(a, b)) for p in (0.5, -1.0, -1.7, 3.0)]
    around = np.append(draw.normal(c), 0.0)
    return [*fractions, *((gates.Power(p), around) for p in (2.0, 3.0, 1.0, 0.0))]


def _sum(draw: Draw) -> list[Any]:
    a, b, c = draw.sizes(3)
    shapes = {0: [(c,), (a, b)], None: [(a, b), ()], 1: [(a, b), (a, 2, b)], -1: [(2, a, b)]}
    return [(gates.Sum(axis), draw.normal(*shape)) for axis, some in shapes.items() for shape in some]


def _maxout(draw: Draw) -> list[Any]:
    a, b, c = draw.sizes(3)
    shapes = (3, (3 * c,)), (2, (a, 2 * b)), (2, (2, a, 2 * b)), (3, (b, 3 * a))
    return [(gates.Maxout(pieces), draw.normal(*shape)) for pieces, shape in shapes]


def _matmul(draw: Draw) -> list[Any]:
    n, d, h = draw.sizes(3)
    shapes: list[Any] = [((d,), (d,)), ((d,), (d, h)), ((n, d), (d,)), ((n, d), (d, h)), ((h, d), (d, n))]
    return [(gates.MatMul(), draw.normal(*x), draw.normal(*w)) for x, w in shapes]


def _affine(draw: Draw) -> list[Any]:
    n, d, h = draw.sizes(3)
    w, b = draw.normal(d, h), draw.normal(h)
    return [(gates.Affine(), x, w, b) for x in (draw.normal(d), draw.normal(n, d))]


def _cross_entropy(draw: Draw) -> list[Any]:
    n, c, m = draw.sizes(3)
    return [(gates.SoftmaxCrossEntropy(), draw.normal(k, c), draw.labels(k, c)) for k in (n, m)]


def _squared_error(draw: Draw) -> list[Any]:
    a, b, c = draw.sizes(3)
    return [(gates.SquaredError(), draw.normal(*shape), draw.normal(*shape)) for shape in ((), (c,), (a, b))]


def _broadcasts(draw: Draw) -> list[Any]:
    a, b, c = draw.sizes(3)
    shapes: list[Any] = [((a, b), (b,)), ((b, a), (a,)), ((a, b), (1, b)), ((a, b), (a, 1)), ((a, 1, b), (1, b))]
    shapes += [((a, 1), (1, c)), ((2, 1, b), (a, 1)), ((a, 2, 1), (1, b))]
    shapes += [((a, b), (a, b)), ((1, b), (1, 1)), ((1, b, 1), (1, 1, 1)), ((1, a, b), (1, 1))]
    made = gates.Multiply(), gates.Add(), gates.Max()
    return [(made[i % 3], draw.normal(*x), draw.normal(*y)) for i, (x, y) in enumerate(shapes)]


GATES: dict[Any, Cases] = {
    gates.Add: _binary(gates.Add()),
    gates.Subtract: _binary(gates.Subtract()),
    gates.Multiply: _binary(gates.Multiply()),
    gates.Divide: _binary(gates.Divide(), positive=True),
    gates.Negate: _unary(gates.Negate()),
    gates.Reciprocal: _unary(gates.Reciprocal(), positive=True),
    gates.Exp: _unary(gates.Exp()),
    gates.Log: _unary(gates.Log(), positive=True),
    gates.Power: _power,
    gates.Max: _binary(gates.Max()),
    gates.Copy: _unary(gates.Copy(), gates.Copy(3), gates.Copy(1)),
    gates.Sum: _sum,
    gates.SquaredNorm: _unary(gates.SquaredNorm()),
    gates.Sigmoid: _unary(gates.Sigmoid()),
    gates.Tanh: _unary(gates.Tanh()),
    gates.ReLU: _unary(gates.ReLU()),
    gates.LeakyReLU: _unary(gates.LeakyReLU(), gates.LeakyReLU(0.3)),
    gates.ELU: _unary(gates.ELU(), gates.ELU(0.7)),
    gates.Maxout: _maxout,
    gates.MatMul: _matmul,
    gates.Affine: _affine,
    gates.SoftmaxCrossEntropy: _cross_entropy,
    gates.SquaredError: _squared_error,
}

HELPERS = [
    gate_subject("unbroadcast", arrays.unbroadcast, _broadcasts, with_helper("unbroadcast")),
    gate_subject("broadcast_shape", arrays.broadcast_shape, _broadcasts, with_helper("broadcast_shape")),
    gate_subject("check_upstream", arrays.check_upstream, _broadcasts, with_helper("check_upstream")),
    gate_subject("Maxout._split", gates.Maxout._split, _maxout, with_split),
]


# ---- the learners' references -----------------------------------------------------------------------


def _layer(layer: Any, inputs: Callable[[Draw], tuple[Any, ...]], times: int = 2) -> Subject:
    cases = lambda draw: [(layer(), *inputs(draw)) for _ in range(times)]  # noqa: E731
    return gate_subject(layer.__name__, layer.backward, cases)


def _function(target: Any, inputs: Callable[[Draw], tuple[Any, ...]], asked: Replace, times: int = 2) -> Subject:
    """asked(function, case) → the verdict; a case is the function's arguments."""
    cases = lambda draw: [inputs(draw) for _ in range(times)]  # noqa: E731
    return Subject(target.__name__, target, cases, asked, lambda f, case: f(*_fresh(case)))


def _fresh(case: Any) -> Any:
    """Copies, so that a mutant that changes its arguments in place changes no other's."""
    if isinstance(case, dict):
        return {key: _fresh(value) for key, value in case.items()}
    if isinstance(case, tuple | list):
        return type(case)(_fresh(value) for value in case)
    return np.array(case)[()] if isinstance(case, np.ndarray) else case


def _gradient(target: Any, inputs: Callable[[Draw], tuple[Any, ...]]) -> Subject:
    asked = lambda f, case: check.check_gradient(f, *case, of=lambda *xs: target(*xs)[0])  # noqa: E731
    return _function(target, inputs, asked, 3)


def _loss(target: Any, inputs: Callable[[Draw], tuple[Any, ...]]) -> Subject:
    asked = lambda f, case: check.check_loss(f, *case, of=lambda *xs: target(*xs)[0])  # noqa: E731
    return _function(target, inputs, asked)


def _network(target: Any, inputs: Callable[[Draw], tuple[Any, ...]]) -> Subject:
    asked = lambda f, case: check.check_parameters(f, *case, of=lambda *xs: target(*xs)[0])  # noqa: E731
    return _function(target, inputs, asked)


def _normalised(draw: Draw) -> tuple[Any, ...]:
    n, d = draw.sizes(2)
    return draw.normal(n, d), draw.positive(d), draw.normal(d)


def _matrix(draw: Draw) -> tuple[Any, ...]:
    return (draw.normal(*draw.sizes(2)),)


def _signal(draw: Draw) -> tuple[Any, ...]:
    k, more = draw.sizes(2)
    return draw.normal(k + more), draw.normal(k)


def _channels(draw: Draw) -> tuple[Any, ...]:
    n, c, f, k = draw.sizes(4)
    return draw.normal(n, c, k + 5), draw.normal(f, c, k)  # so that the output is 6 long


def _pairs(draw: Draw) -> tuple[Any, ...]:
    n, half = draw.sizes(2)
    return (draw.normal(n, 2 * half),)


def _table(draw: Draw) -> tuple[Any, ...]:
    rows, d = draw.sizes(2)
    return draw.normal(rows, d), draw.labels(7, rows)


def _recurrent(draw: Draw) -> tuple[Any, ...]:
    n, d, h = draw.sizes(3)
    return draw.normal(n, d), draw.normal(n, h), draw.normal(d, h), draw.normal(h, h), draw.normal(h)


def _attention(draw: Draw) -> tuple[Any, ...]:
    n, m, d, e = draw.sizes(4)
    return draw.normal(n, d), draw.normal(m, d), draw.normal(m, e)


def _scalars(count: int) -> Callable[[Draw], tuple[Any, ...]]:
    return lambda draw: tuple(draw.normal() for _ in range(count))


def _four(draw: Draw) -> tuple[Any, ...]:
    """Numbers for a maximum of the last two: either may be the larger."""
    x, y, low, more = draw.normal(), draw.normal(), draw.normal(), draw.positive()
    return (x, y, low, low + more) if draw.turn() else (x, y, low + more, low)


def _weights_and_vector(draw: Draw) -> tuple[Any, ...]:
    a, b = draw.sizes(2)
    return draw.normal(a, b), draw.normal(b)


def _scores(draw: Draw) -> tuple[Any, ...]:
    n, c = draw.sizes(2)
    return draw.normal(n, c), draw.labels(n, c)


def _shifted_scores(draw: Draw) -> tuple[Any, ...]:
    """Now and then with rows at which a plain exponential overflows."""
    scores, labels = _scores(draw)
    far = 800.0 * (-1.0) ** np.arange(len(scores))[:, None]
    return (scores + far if draw.turn() else scores), labels


def _probabilities(draw: Draw) -> tuple[Any, ...]:
    (n,) = draw.sizes(1)
    return draw.normal(n), draw.rng.uniform(size=n)


def _same_shape(draw: Draw) -> tuple[Any, ...]:
    shape = draw.sizes(2)
    return draw.normal(*shape), draw.normal(*shape)


def _two_layers(draw: Draw) -> tuple[Any, ...]:
    n, d, h, c = draw.sizes(4)
    shapes = {"w1": (d, h), "b1": (h,), "w2": (h, c), "b2": (c,)}
    parameters = {key: draw.normal(*shape) for key, shape in shapes.items()}
    parameters["b2"] = parameters["b2"] + 800.0 * draw.turn()  # where a plain exponential overflows
    return parameters, draw.normal(n, d), draw.labels(n, c)


def _twenty_lines(draw: Draw) -> tuple[Any, ...]:
    n, d, h, c = draw.sizes(4)
    return {"w1": draw.normal(d, h), "w2": draw.normal(h, c)}, draw.normal(n, d), draw.normal(n, c)


def _logistic(draw: Draw) -> tuple[Any, ...]:
    n, d = draw.sizes(2)
    return {"w": draw.normal(d), "b": draw.normal()}, draw.normal(n, d), draw.labels(n, 2)


def _through_time(draw: Draw) -> tuple[Any, ...]:
    t, d, h = draw.sizes(3)
    return {"u": draw.normal(h, d), "w": draw.normal(h, h)}, draw.normal(t, d)


def _linear(draw: Draw) -> tuple[Any, ...]:
    n, d = draw.sizes(2)
    return {"w": draw.normal(d), "b": draw.normal()}, draw.normal(n, d), draw.normal(n), 0.1


def _vector(draw: Draw) -> tuple[Any, ...]:
    return (draw.normal(*draw.sizes(1)),)


def _graph(draw: Draw) -> tuple[Any, ...]:
    """A random graph; its nodes are listed in a random order."""
    names = [f"n{i}" for i in range(7)]
    needs = {
        name: [] if i < 2 else [names[j] for j in draw.rng.integers(0, i, draw.rng.integers(1, 4))]
        for i, name in enumerate(names)
    }
    mixed = {names[i]: needs[names[i]] for i in draw.rng.permutation(7)}
    local = {name: [float(draw.normal()) for _ in needs[name]] for name in mixed}
    return mixed, local, names[int(draw.rng.integers(4, 7))]


def _update(draw: Draw) -> tuple[Any, ...]:
    shape = draw.sizes(2)
    return draw.normal(*shape), draw.normal(*shape), 0.1


def _update_all(draw: Draw) -> tuple[Any, ...]:
    a, b = draw.sizes(2)
    weights, gradients = ({"w": draw.normal(a, b), "b": draw.normal(b)} for _ in range(2))
    return weights, gradients, 0.03


def _softmax_of(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum()


def _sigmoid_of(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


r = references
LEARNERS = [
    *(_layer(layer, _normalised) for layer in (r.BatchNorm, r.StagedBatchNorm, r.LayerNorm)),
    *(_layer(layer, _matrix) for layer in (r.Softmax, r.RowNormalise, r.Gelu)),
    _layer(r.Conv1d, _signal), _layer(r.ConvChannels, _channels, 1), _layer(r.MaxPool, _pairs),
    _layer(r.Embedding, _table), _layer(r.Recurrent, _recurrent), _layer(r.Attention, _attention),
    _gradient(r.product_of_sum, _scalars(3)), _gradient(r.staged, _scalars(2)), _gradient(r.circuit, _four),
    _gradient(r.neuron, lambda draw: (draw.normal(3), draw.normal(2))),
    _gradient(r.squared_length, _weights_and_vector),
    _loss(r.softmax_loss, _shifted_scores), _loss(r.hinge_loss, _scores),
    _loss(r.binary_loss, _probabilities), _loss(r.mean_squared_error, _same_shape),
    _network(r.two_layers, _two_layers), _network(r.twenty_lines, _twenty_lines),
    _network(r.logistic, _logistic), _network(r.through_time, _through_time),
    _function(r.softmax_jacobian, _vector, lambda f, case: check.check_jacobian(f, *case, of=_softmax_of)),
    _function(r.sigmoid_jacobian, _vector, lambda f, case: check.check_jacobian(f, *case, of=_sigmoid_of)),
    _function(r.graph_backward, _graph, lambda f, case: check.check_graph(f), 1),
    _function(r.update, _update, lambda f, case: check.check_update(f, *case)),
    _function(r.update_all, _update_all, lambda f, case: check.check_update(f, *case)),
    _function(
        r.linear_step, _linear,
        lambda f, case: check.check_step(f, *case[:-1], of=references.linear_loss, step_size=case[-1]),
    ),
]  # fmt: skip

SUBJECTS = [
    *(
        gate_subject(gate.__name__, gate.backward, cases, SwappedCopy if gate is gates.Copy else Swapped)
        for gate, cases in GATES.items()
    ),
    *HELPERS,
    *LEARNERS,
]
