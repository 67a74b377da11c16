"""Graphs: the lecture's numbers, branches against jax.grad, the steps, and the error messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jax
from nnkit import gates
from nnkit.arrays import ShapeError
from nnkit.graph import Graph, Node, Step, topological_order
from nnkit.graphtext import format_formula


def lecture_graph() -> tuple[Graph, Node, Node]:
    """Return the graph of f = (x + y) z with its inner wire named q, q and f."""
    graph = Graph()
    x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
    q = (x + y).named("q")
    return graph, q, (q * z).named("f")


# -- the lecture's worked examples ----------------------------------------------------------------


def test_x_plus_y_times_z() -> None:
    graph, q, f = lecture_graph()
    assert (q.value, f.value) == (3.0, -12.0)
    assert graph.backward() == {"x": -4.0, "y": -4.0, "z": 3.0}
    assert (q.grad, f.grad) == (-4.0, 1.0)


def test_circuit() -> None:
    graph = Graph()
    x, y, z, w = graph.inputs(x=3.0, y=-4.0, z=2.0, w=-1.0)
    f = 2 * (x * y + gates.Max()(z, w))
    assert f.value == -20.0
    assert graph.backward() == {"x": -8.0, "y": 6.0, "z": 2.0, "w": 0.0}


NEURON = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
NEURON_GRADIENTS = {"w0": -0.1966, "x0": 0.3932, "w1": -0.3932, "x1": -0.5898, "w2": 0.1966}


def neuron(**values: float) -> tuple[Graph, Node]:
    graph = Graph()
    w0, x0, w1, x1, w2 = graph.inputs(**values)
    return graph, w0 * x0 + w1 * x1 + w2


def test_sigmoid_neuron() -> None:
    graph, dot = neuron(**NEURON)
    f = gates.Sigmoid()(dot)
    assert dot.value == 1.0
    assert f.value == pytest.approx(0.7311, abs=5e-5)
    assert graph.backward() == pytest.approx(NEURON_GRADIENTS, abs=1e-4)
    assert dot.grad == pytest.approx(0.1966, abs=5e-5)


def test_sigmoid_neuron_gate_by_gate() -> None:
    graph, dot = neuron(**NEURON)
    minus = -dot
    exp = gates.Exp()(minus)
    plus = exp + 1
    f = 1 / plus
    assert isinstance(f.gate, gates.Reciprocal)
    wires = (f, plus, exp, minus, dot)
    assert [wire.value for wire in reversed(wires)] == pytest.approx([1, -1, 0.3679, 1.3679, 0.7311], abs=5e-5)
    assert graph.backward() == pytest.approx(NEURON_GRADIENTS, abs=1e-4)
    assert [wire.grad for wire in wires] == pytest.approx([1, -0.534, -0.534, -0.197, 0.197], abs=1e-3)


def test_staged_expression() -> None:
    graph = Graph()
    x, y = graph.inputs(x=3.0, y=-4.0)
    f = (x + gates.Sigmoid()(y)) / (gates.Sigmoid()(x) + (x + y) ** 2)
    assert f.value == pytest.approx(1.5456, abs=5e-5)
    assert graph.backward() == pytest.approx({"x": 2.0596, "y": 1.5922}, abs=5e-5)


@pytest.mark.parametrize(
    ("gate", "x", "y", "upstream", "expected"),
    [(gates.Add(), 3.0, 4.0, 2.0, (2, 2)), (gates.Multiply(), 2.0, 3.0, 5.0, (15, 10)), (gates.Max(), 4, 5, 9, (0, 9))],
    ids=repr,
)
def test_patterns(gate: Any, x: float, y: float, upstream: float, expected: tuple[float, float]) -> None:
    graph = Graph()
    gate(*graph.inputs(x=x, y=y))
    assert tuple(graph.backward(upstream=upstream).values()) == expected


def test_copy_adds() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=7.0)
    4.0 * x + x * 2.0
    assert graph.backward() == {"x": 6.0}


def test_squared_norm_of_a_matrix_product() -> None:
    graph = Graph()
    w, x = graph.inputs(W=[[0.1, 0.5], [-0.3, 0.8]], x=[0.2, 0.4])
    q = w @ x
    f = gates.SquaredNorm()(q)
    gradients = graph.backward()
    np.testing.assert_allclose(q.value, [0.22, 0.26])
    assert f.value == pytest.approx(0.116)
    np.testing.assert_allclose(q.grad, [0.44, 0.52])
    np.testing.assert_allclose(gradients["W"], [[0.088, 0.176], [0.104, 0.208]])
    np.testing.assert_allclose(gradients["x"], [-0.112, 0.636])


# -- branches, against jax.grad -------------------------------------------------------------------


def diamond(x: Any, y: Any) -> Any:
    a = x * y
    b = a + x
    c = a - y
    return b * c / (b * b + 2.0) - a


def used_twice(x: Any, y: Any) -> Any:
    return x * x + y * y * y - (x + x) * y


def powers(x: Any, y: Any) -> Any:
    return (x**3 - 1 / y) / (3.0 - -((x**-1) ** 2)) + 2 / (y - 5)


def ladder(x: Any, y: Any) -> Any:
    for _ in range(6):
        x, y = x * y, 0.5 * x + y
    return x - y


@pytest.mark.parametrize("function", [diamond, used_twice, powers, ladder])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_branches_add_as_in_jax(function: Callable[[Any, Any], Any], seed: int) -> None:
    x, y = np.random.default_rng(seed).uniform(0.5, 1.5, 2)
    graph = Graph()
    f = function(*graph.inputs(x=x, y=y))
    np.testing.assert_allclose(f.value, function(x, y), rtol=1e-12)
    gradients = graph.backward()
    expected = jax.grad(function, argnums=(0, 1))(x, y)
    np.testing.assert_allclose([gradients["x"], gradients["y"]], expected, rtol=1e-11)


def test_a_network_with_shared_weights_as_in_jax() -> None:
    rng = np.random.default_rng(4)
    x, w, b, target = (rng.normal(size=shape) for shape in [(5, 3), (3, 3), (3,), (5, 3)])
    graph = Graph()
    nodes = graph.inputs(x=x, w=w, b=b, target=target)
    hidden = gates.Tanh()(gates.Affine()(*nodes[:3]))
    gates.SquaredError()(gates.Affine()(hidden, *nodes[1:3]) + hidden, nodes[3])

    def loss(x: Any, w: Any, b: Any, target: Any) -> Any:
        h = jnp.tanh(x @ w + b)
        return jnp.sum((h @ w + b + h - target) ** 2)

    expected = jax.grad(loss, argnums=(0, 1, 2, 3))(x, w, b, target)
    for ours, theirs in zip(graph.backward().values(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)


ARRAYS: dict[str, Callable[..., Any]] = {
    "add": lambda sigmoid, x, w: (x + w) + (x + x) * (w + x),
    "broadcast": lambda sigmoid, x, w: (x + w) * x + w * 2.0 - (w + 1.0),
    "product": lambda sigmoid, x, w: (x @ w + x) @ (w + w) - x @ w,
    "sigmoid": lambda sigmoid, x, w: sigmoid(x @ w) * (x @ w) + sigmoid(x) - x,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_branches_of_arrays_add_as_in_jax(name: str) -> None:
    """A share added in place (+=) would change every array that a gate passes on unchanged."""
    rng = np.random.default_rng(6)
    x, w, upstream = rng.normal(size=(5, 3)), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    w = w[:1] if name in ("add", "broadcast") else w
    graph = Graph()
    ARRAYS[name](gates.Sigmoid(), *graph.inputs(x=x, w=w))
    ours = graph.backward(upstream=upstream)
    out, pull = jax.vjp(lambda x, w: ARRAYS[name](jax.nn.sigmoid, x, w), x, w)
    np.testing.assert_allclose(graph.output.value, out, rtol=1e-12)
    for mine, other in zip(ours.values(), pull(jnp.asarray(upstream)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-12)
    again = graph.backward(upstream=upstream)
    assert all(np.array_equal(ours[key], again[key]) for key in ours)


# -- running --------------------------------------------------------------------------------------


def test_backward_is_idempotent() -> None:
    graph = Graph()
    x, w = graph.inputs(x=np.array([1.0, 2.0]), w=np.array([[3.0, 4.0], [5.0, 6.0]]))
    y = x @ w + x + x
    gates.SquaredNorm()(y * y)
    first = {name: gradient.copy() for name, gradient in graph.backward().items()}
    second = graph.backward()
    for name, gradient in first.items():
        np.testing.assert_array_equal(gradient, second[name])


def test_forward_again_with_another_input() -> None:
    graph, q, f = lecture_graph()
    assert graph.forward(x=1.0) == -24.0
    assert (q.value, f.value) == (6.0, -24.0)
    assert graph.backward() == {"x": -4.0, "y": -4.0, "z": 6.0}
    assert graph.forward() == -24.0


def test_forward_and_new_gates_forget_the_old_gradients() -> None:
    graph, q, f = lecture_graph()
    graph.backward()
    graph.forward(x=1.0)
    assert [node.grad for node in graph.nodes] == [None] * 5
    graph.backward()
    _ = q + f
    assert [node.grad for node in graph.nodes] == [None] * 6


def test_a_forward_that_fails_changes_nothing() -> None:
    graph = Graph()
    x, y = graph.inputs(x=np.ones(3), y=np.ones(3))
    f = gates.SquaredNorm()((x * 2.0) + y)
    graph.backward()
    before = [(node.value, node.cache, node.grad) for node in graph.nodes]
    with pytest.raises(ShapeError):
        graph.forward(x=np.ones(4))
    assert all(
        now is then
        for node, old in zip(graph.nodes, before)
        for now, then in zip((node.value, node.cache, node.grad), old)
    )
    assert graph.forward(y=np.zeros(3)) == f.value == 12.0


def test_a_backward_that_fails_leaves_no_half_of_the_gradients() -> None:
    graph = Graph()
    x, y = graph.inputs(x=1.0, y=2.0)
    (graph.add(Tilt((1.0,)), x, y) * 3.0).named("f")
    with pytest.raises(TypeError):
        graph.backward()
    assert [node.grad for node in graph.nodes] == [None] * len(graph.nodes)


def test_arrays_belong_to_one_owner_each() -> None:
    """Inputs and results are copied: writing into them corrupts nothing."""
    graph, given, upstream = Graph(), np.array([1.0, 2.0]), np.array([1.0, 1.0])
    W, b = graph.inputs(W=given, b=np.array([0.5, 0.5]))
    f = W + b
    gradients = graph.backward(upstream=upstream)
    for array in (given, upstream, gradients["W"]):
        array -= 0.5
    assert gradients["b"].tolist() == [1.0, 1.0]
    assert [node.grad.tolist() for node in (W, b, f)] == [[1.0, 1.0]] * 3
    assert graph.forward().tolist() == [1.5, 2.5]
    moved = np.array([3.0, 4.0])
    graph.forward(W=moved)
    moved -= 0.5
    assert W.value.tolist() == [3.0, 4.0]


def test_the_output_is_the_last_gates() -> None:
    graph = Graph()
    x, y = graph.inputs(x=3.0, y=2.0)
    assert graph.output is y
    f = x * y
    graph.inputs(z=1.0)
    assert graph.output is f
    assert graph.backward() == {"x": 2.0, "y": 3.0, "z": 0.0}
    assert graph.forward(z=7.0) == 6.0


def test_the_gradients_have_the_type_of_a_float32_output() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=np.array([1.0, 2.0], np.float32))
    f = gates.Sum()(x)
    graph.backward()
    assert f.grad.dtype == x.grad.dtype == np.float32


def test_a_graph_of_jax_arrays() -> None:
    rng = np.random.default_rng(5)
    values = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2)), "labels": np.array([0, 1, 1, 0])}

    def built(values: dict[str, Any]) -> Graph:
        graph = Graph()
        x, w, labels = graph.inputs(**values)
        gates.SoftmaxCrossEntropy()(x @ w * 2.0 + x @ w, labels)
        return graph

    ours = built({name: jnp.asarray(value) for name, value in values.items()}).backward()
    expected = built(values).backward()
    assert ours["labels"] is None
    for name in ("x", "w"):
        assert isinstance(ours[name], jax.Array)
        np.testing.assert_allclose(ours[name], expected[name], rtol=1e-12)


def test_a_graph_under_jit() -> None:
    texts = []

    @jax.jit
    def gradient(x: Any, scale: Any) -> Any:
        graph = Graph()
        (node,) = graph.inputs(x=x)
        gates.Sum()(node * scale + node * np.ones(3) / 2)  # a traced constant, and one that is not
        gradients = graph.backward()
        texts.append(str(graph))
        return gradients["x"]

    assert gradient(jnp.ones(3), jnp.asarray(2.0)).tolist() == [2.5] * 3
    assert "traced ()" in texts[0]


def test_empty_arrays_and_nan_go_through() -> None:
    """As in `nnkit.gates`: empty in, empty gradients; NaN in, NaN out, and no error."""
    graph = Graph()
    x, w = graph.inputs(x=np.ones((0, 2)), w=np.ones((2, 3)))
    f = gates.SquaredNorm()(gates.ReLU()(x @ w))
    gradients = graph.backward()
    assert (f.value, gradients["x"].shape) == (0.0, (0, 2))
    assert not gradients["w"].any()
    assert np.isnan(graph.forward(x=np.full((1, 2), np.nan)))
    assert "nan" in str(graph)
    assert graph.backward()["w"].shape == (2, 3)


def test_backward_from_an_inner_wire_leaves_the_rest_zero() -> None:
    graph, q, f = lecture_graph()
    assert graph.backward(q) == {"x": 1.0, "y": 1.0, "z": 0.0}
    assert f.grad is None


def test_an_array_output_needs_an_upstream() -> None:
    graph = Graph()
    x, y = graph.inputs(x=np.array([1.0, 2.0, 3.0]), y=2.0)
    (x * y).named("f")
    with pytest.raises(ShapeError, match=r"The output f is \(3,\), not a scalar: .*upstream"):
        graph.backward()
    with pytest.raises(ShapeError, match=r"upstream gradient is \(2,\), but the output f is \(3,\)"):
        graph.backward(upstream=np.ones(2))
    gradients = graph.backward(upstream=np.array([1.0, -1.0, 0.5]))
    assert gradients["x"].tolist() == [2.0, -2.0, 1.0]
    assert gradients["y"] == 0.5


def test_labels_have_no_gradient() -> None:
    graph = Graph()
    logits, right = graph.inputs(logits=np.array([[1.0, 2.0], [0.5, 0.0]]), labels=[1, 0])
    gates.SoftmaxCrossEntropy()(logits, right)
    gradients = graph.backward()
    assert gradients["labels"] is None
    assert gradients["logits"].shape == (2, 2)


def test_float32_stays_float32() -> None:
    graph = Graph()
    x, w = graph.inputs(x=np.ones((2, 3), np.float32), w=np.full((3, 2), 0.5, np.float32))
    gates.SquaredNorm()(1 / (2.0 + gates.Sigmoid()(x @ w) * 3) ** 2 - 1)
    assert {gradient.dtype for gradient in graph.backward().values()} == {np.dtype("float32")}
    assert all(node.value.dtype == np.float32 for node in graph.nodes if not node.constant)


LENGTH = 100_000


def test_a_chain_of_a_hundred_thousand_gates() -> None:
    graph = Graph()
    (node,) = graph.inputs(x=1.5)
    negate, copy = gates.Negate(), gates.Add()
    for _ in range(LENGTH // 2):
        node = negate(node)
        node = copy(node, 0.001)
    assert len([n for n in graph.nodes if n.gate is not None]) == LENGTH
    assert graph.backward() == {"x": 1.0}
    assert graph.forward(x=2.5) == pytest.approx(node.value)
    assert graph.output.value == pytest.approx(2.5)
    assert len(str(graph).splitlines()) < 80


# -- steps ----------------------------------------------------------------------------------------


def test_steps_say_what_happens() -> None:
    graph, _, _ = lecture_graph()
    assert [str(step) for step in graph.steps()] == [
        "q = x + y = 3",
        "f = q × z = −12",
        "upstream × local q × z, to q: 1 × −4 = −4, to z: 1 × 3 = 3",
        "upstream × local x + y, to x: −4 × 1 = −4, to y: −4 × 1 = −4",
    ]


def test_steps_say_that_branches_add() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=3.0)
    a = (x * 2.0).named("a")
    (a + x).named("f")
    assert [str(step) for step in graph.steps()][2:] == [
        "upstream × local a + x, to a: 1 × 1 = 1, to x: 1 × 1 = 1",
        "upstream × local a × 2, to x: 1 × 2 = 2; in total 3".replace("a × 2", "x × 2"),
    ]


def test_steps_with_arrays() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=np.array([1.0, -2.0]))
    gates.SquaredNorm()(gates.ReLU()(x).named("r")).named("f")
    assert [str(step) for step in graph.steps()] == [
        "r = ReLU(x) = [1, 0]",
        "f = ‖·‖²(r) = 1",
        "upstream through ‖·‖²(r), to r: [2, 0]",
        "upstream through ReLU(x), to x: [2, 0]",
    ]


def known(graph: Graph) -> tuple[set[str], set[str]]:
    """Return the names of the wires that have a value, and of those that have a gradient."""
    values = {node.name for node in graph.nodes if node.value is not None}
    return values, {node.name for node in graph.nodes if node.grad is not None}


def test_values_and_gradients_come_with_their_steps() -> None:
    graph, _, _ = lecture_graph()
    graph.backward()
    seen = [(step.phase, step.node.name, *known(graph)) for step in graph.steps()]
    inputs, everything = {"x", "y", "z"}, {"x", "y", "z", "q", "f"}
    assert seen == [
        ("forward", "q", inputs | {"q"}, set()),
        ("forward", "f", everything, set()),
        ("backward", "f", everything, {"f", "q", "z"}),
        ("backward", "q", everything, everything),
    ]


def test_steps_to_an_inner_wire_leave_the_rest_its_values() -> None:
    graph, q, f = lecture_graph()
    assert len(list(graph.steps(q))) == 2
    assert f.value == -12.0
    assert graph.backward() == {"x": -4.0, "y": -4.0, "z": 3.0}
    list(graph.steps(graph.output))
    assert graph.backward(q) == {"x": 1.0, "y": 1.0, "z": 0.0}


@pytest.mark.parametrize("use", [Graph.backward, lambda graph: graph.nodes[-1] * 2.0])
def test_after_abandoned_steps_the_graph_says_what_to_do(use: Callable[[Graph], Any]) -> None:
    graph, _, _ = lecture_graph()
    steps = graph.steps()
    next(steps)
    with pytest.raises(ValueError, match=r"^f has no value, .*: run graph.forward\(\) first\.$"):
        use(graph)
    assert graph.forward() == -12.0
    assert graph.backward() == {"x": -4.0, "y": -4.0, "z": 3.0}


def test_a_step_keeps_its_numbers() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=3.0)
    (x * x).named("f")
    steps = list(graph.steps())
    before = [str(step) for step in steps]
    assert before == ["f = x × x = 9", "upstream × local x × x, to x: 1 × 3 = 3, to x: 1 × 3 = 3; in total 6"]
    graph.forward(x=5.0)
    graph.backward()
    assert [str(step) for step in steps] == before


def test_steps_tell_the_sum_of_arrays_too() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=np.array([1.0, 2.0]))
    gates.Sum()((x + 0.0).named("a") + x)
    assert "to x: [1, 1]; in total [2, 2]" in str(list(graph.steps())[-1])


def test_all_steps_together_are_both_passes() -> None:
    graph, q, f = lecture_graph()
    steps = list(graph.steps(upstream=2.0))
    assert all(isinstance(step, Step) for step in steps)
    assert steps[2].local() == (-4.0, 3.0)
    assert (q.grad, f.grad) == (-8.0, 2.0)


# -- a learner's own gate -------------------------------------------------------------------------


class Cube:
    """A gate that inherits from nothing."""

    def forward(self, x: Any) -> tuple[Any, Any]:
        return x**3, (x,)

    def backward(self, upstream: Any, cache: Any) -> Any:
        return (upstream * 3 * cache[0] ** 2,)


class Tilt(gates.Gate):
    """A gate with two inputs that returns given values."""

    def __init__(self, returned: Any) -> None:
        object.__setattr__(self, "returned", returned)

    def forward(self, x: Any, y: Any) -> tuple[Any, Any]:
        return x + 2.0 * y, ()

    def backward(self, upstream: Any, cache: Any) -> Any:
        return self.returned


class Returns:
    """A gate with one input whose backward returns given values."""

    def __init__(self, returned: Any) -> None:
        self.returned = returned

    def forward(self, x: Any) -> tuple[Any, Any]:
        return x * 1.0, ()

    def backward(self, upstream: Any, cache: Any) -> Any:
        return self.returned


class Answers:
    """A gate whose forward returns given values."""

    def __init__(self, returned: Any) -> None:
        self.returned = returned

    def forward(self, x: Any) -> Any:
        return self.returned

    def backward(self, upstream: Any, cache: Any) -> Any:
        return (upstream,)


def test_a_learners_own_gate() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=2.0)
    f = graph.add(Cube(), x, name="f") + 1.0
    assert f.value == 9.0
    assert graph.backward() == {"x": 12.0}
    assert graph.nodes[1].formula() == "Cube(x)"


def tilted(returned: Any) -> Graph:
    graph = Graph()
    graph.add(Tilt(returned), *graph.inputs(x=1.0, y=np.ones(3)))
    return graph


def test_a_list_of_gradients_will_do() -> None:
    graph = tilted([0.5, np.ones(3)])
    assert graph.backward(upstream=np.ones(3))["x"] == 0.5


@pytest.mark.parametrize("returned", [(0.5, [1.0, 2.0, 3.0]), (1, [1, 2, 3]), [np.array(0.5), np.array([1, 2, 3])]])
def test_a_gradient_that_is_a_list_or_of_integers_becomes_an_array_of_floats(returned: Any) -> None:
    graph = Graph()
    x, y = graph.inputs(x=1.0, y=np.ones(3))
    graph.add(Tilt(returned), x, y) + graph.add(Tilt(returned), x, y)
    gradients = graph.backward(upstream=np.ones(3))
    assert gradients["y"].tolist() == [2.0, 4.0, 6.0]  # added, not joined
    assert gradients["y"].dtype == np.asarray(gradients["x"]).dtype == float


@pytest.mark.parametrize(
    ("x", "returned", "expected"),
    [
        (np.ones((1, 2)), [[2.0, 2.0]], [[2.0, 2.0]]),
        (np.ones((1, 2)), [np.array([[2.0, 2.0]])], [[2.0, 2.0]]),
        (np.ones(2), [2.0, 2.0], [2.0, 2.0]),
        (np.ones(2), [np.array([2.0, 2.0])], [2.0, 2.0]),
        (np.ones(1), [2.0], [2.0]),
        (np.ones(1), ([2.0],), [2.0]),
        (1.0, [2.0], 2.0),
        (np.ones((2, 1)), [[2.0], [2.0]], [[2.0], [2.0]]),
    ],
    ids=repr,
)
def test_a_bare_list_is_the_gradient_if_it_has_the_inputs_shape(x: Any, returned: Any, expected: Any) -> None:
    graph = Graph()
    graph.add(Returns(returned), *graph.inputs(x=x))
    assert np.asarray(graph.backward(upstream=np.ones(np.shape(x)))["x"]).tolist() == expected


@pytest.mark.parametrize(
    ("returned", "error", "sentence"),
    [
        (None, TypeError, r"Tilt.backward must return one gradient for each input \(x, y\); it returned 1"),
        ((1.0,), TypeError, r"one gradient for each input \(x, y\); it returned 1"),
        ((1.0, np.ones(3), 2.0), TypeError, r"one gradient for each input \(x, y\); it returned 3"),
        ((1.0, None), TypeError, r"it returned None for y"),
        ((np.ones(3), np.ones(3)), ShapeError, r"the gradient of x is \(3,\), but x is \(\)"),
        ((1.0, np.ones((3, 1))), ShapeError, r"the gradient of y is \(3, 1\), but y is \(3,\)"),
        ((1.0, [1.0, 2.0]), ShapeError, r"the gradient of y is \(2,\), but y is \(3,\)"),
        (("a", np.ones(3)), TypeError, r"^Tilt.backward: the gradient of x must hold numbers, not text \('a'\)\.$"),
        (
            (1.0, np.ones(3) * 1j),
            TypeError,
            r"^Tilt.backward: the gradient of y must hold numbers, not complex ones .*\.$",
        ),
        (
            (1.0, [[1.0], 2.0, 3.0]),
            TypeError,
            r"^Tilt.backward: the gradient of y must be a rectangular array of numbers\.$",
        ),
        ((1.0, {"y": 1.0}), TypeError, r"^Tilt.backward: the gradient of y must hold numbers, not a dict\.$"),
    ],
    ids=repr,
)
def test_wrong_gradients_are_named(returned: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        tilted(returned).backward(upstream=np.ones(3))


@pytest.mark.parametrize(
    ("returned", "what"), [(1.0, "a float"), (None, "a NoneType"), ((1.0, 2.0, 3.0), "3 things"), ((1.0,), "1 things")]
)
def test_a_forward_must_return_a_pair(returned: Any, what: str) -> None:
    graph = Graph()
    (x,) = graph.inputs(x=1.0)
    with pytest.raises(TypeError, match=rf"Answers\.forward must return the pair \(out, cache\); it returned {what}"):
        graph.add(Answers(returned), x)


@pytest.mark.parametrize("out", [[1.0, 2.0], [1, 2], np.array([1, 2])])
def test_an_output_that_is_a_list_or_of_integers_becomes_an_array_of_floats(out: Any) -> None:
    graph = Graph()
    node = graph.add(Answers((out, ())), *graph.inputs(x=np.ones(2)))
    assert node.value.tolist() == [1.0, 2.0]
    assert node.value.dtype == float


@pytest.mark.parametrize(
    ("out", "end"),
    [
        (None, "must hold numbers, not None."),
        ("text", "must hold numbers, not text ('text')."),
        ([[1.0], [2.0, 3.0]], "must be a rectangular array of numbers."),
        (1j, "must hold numbers, not complex ones (1j)."),
    ],
)
def test_an_output_must_be_numbers(out: Any, end: str) -> None:
    with pytest.raises(TypeError) as raised:
        Graph().add(Answers((out, ())), 1.0)
    assert str(raised.value) == f"Answers.forward: out, the first of the pair (out, cache), {end}"


@pytest.mark.parametrize("upstream", [[1.0, -1.0, 0.5], [2, 0, 1], np.array([2, 0, 1])])
def test_an_upstream_may_be_a_list_or_integers(upstream: Any) -> None:
    graph = Graph()
    x, y = graph.inputs(x=np.ones(3), y=2.0)
    _ = x * y
    assert graph.backward(upstream=upstream)["x"].tolist() == [2.0 * u for u in upstream]


@pytest.mark.parametrize("upstream", ["text", [[1.0], [2.0, 3.0]], 1j, {}])
def test_an_upstream_must_be_numbers(upstream: Any) -> None:
    graph, _, _ = lecture_graph()
    with pytest.raises(TypeError, match=r"^The upstream gradient must .*numbers.*\.$"):
        graph.backward(upstream=upstream)


def test_a_class_is_not_a_gate_yet() -> None:
    graph, _, f = lecture_graph()
    with pytest.raises(TypeError, match=r"^Exp is a class: make a gate of it first, as in graph\.add\(Exp\(\), x\)\.$"):
        graph.add(gates.Exp, f)


def test_what_has_no_backward_is_not_a_gate() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=1.0)
    with pytest.raises(TypeError, match="tanh is not a gate: it has no method 'forward'"):
        graph.add(np.tanh, x)


def test_a_gate_with_several_outputs_is_refused() -> None:
    graph = Graph()
    (x,) = graph.inputs(x=1.0)
    with pytest.raises(TypeError, match=r"Copy has several outputs; .* use its node more than once"):
        gates.Copy()(x)


# -- what does not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize("use", [Graph.forward, Graph.backward, lambda graph: list(graph.steps())])
def test_an_empty_graph_says_so(use: Callable[[Graph], Any]) -> None:
    with pytest.raises(ValueError, match="The graph is empty"):
        use(Graph())


def test_an_unknown_input_is_named_and_nothing_changes() -> None:
    graph, _, _ = lecture_graph()
    with pytest.raises(ValueError, match="no input 'q'; its inputs are x, y, z"):
        graph.forward(x=100.0, q=1.0)
    assert graph.forward() == -12.0


def test_nodes_of_two_graphs_do_not_mix() -> None:
    (x,) = Graph().inputs(x=1.0)
    (y,) = Graph().inputs(y=2.0)
    with pytest.raises(ValueError, match="'y' belongs to another graph"):
        x + y


@pytest.mark.parametrize("use", [Graph.backward, lambda graph, node: list(graph.steps(node))])
def test_another_graphs_output_is_refused(use: Callable[[Graph, Node], Any]) -> None:
    graph, _, _ = lecture_graph()
    _, _, foreign = lecture_graph()
    with pytest.raises(ValueError, match="'f' belongs to another graph"):
        use(graph, foreign)


def test_two_inputs_of_one_name_are_refused() -> None:
    graph = Graph()
    graph.inputs(x=1.0)
    with pytest.raises(ValueError, match="has an input 'x' already"):
        graph.inputs(x=2.0)


def test_an_input_cannot_take_the_name_of_another() -> None:
    graph = Graph()
    x, y = graph.inputs(x=1.0, y=2.0)
    with pytest.raises(ValueError, match="has an input 'x' already"):
        y.named("x")
    assert y.named("z").named("z").name == "z"
    (x + y).named("x")  # a wire inside may: it is neither set nor returned by name
    assert graph.backward() == {"x": 1.0, "z": 1.0}


def test_a_gate_that_fails_leaves_the_graph_as_it_was() -> None:
    graph, _, f = lecture_graph()
    before = list(graph.nodes)
    (x,) = Graph().inputs(x=np.ones(3))
    with pytest.raises(ShapeError):
        x + np.ones(4)
    with pytest.raises(TypeError):
        gates.Add()(f, "text")
    with pytest.raises(TypeError):
        graph.add(Answers(1.0), 5.0)
    assert graph.nodes == before
    assert len(x.graph.nodes) == 1


def test_inputs_that_fail_leave_the_graph_as_it_was() -> None:
    graph = Graph()
    with pytest.raises(TypeError, match="input y"):
        graph.inputs(x=1.0, y="text")
    assert graph.nodes == []


@pytest.mark.parametrize("wrong", ["text", None, [[1.0], [2.0, 3.0]]])
def test_an_input_must_be_numbers(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^input x must .*\.$"):
        Graph().inputs(x=wrong)


def test_a_power_must_be_a_plain_number() -> None:
    x, p = Graph().inputs(x=1.0, p=2.0)
    with pytest.raises(TypeError, match="needs a plain number p"):
        x**p
    for two in (np.int64(2), np.float32(2)):
        assert (x**two).gate == gates.Power(2)
    for base in (2, np.array([2.0])):
        with pytest.raises(TypeError, match=r"write gates\.Exp\(\)\(x \* np\.log\(base\)\)\."):
            base**x


def test_numpys_functions_are_no_gates() -> None:
    (x,) = Graph().inputs(x=1.0)
    for use in (lambda: np.exp(x), lambda: np.maximum(x, 2.0), lambda: np.add.reduce(x)):
        with pytest.raises(TypeError, match=r"^np\.\w+ computes with arrays, and x is a node of a graph: .*\.$"):
            use()
    assert np.multiply(x, 2.0).formula() == "x × 2"
    assert np.subtract(2.0, x).formula() == "2 − x"
    assert np.power(x, 2).gate == gates.Power(2)


# -- operators ------------------------------------------------------------------------------------

ARRAY = np.array([[1.0, -2.0], [0.5, 3.0]])
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "@": lambda a, b: a @ b,
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("array_first", [True, False])
def test_arrays_and_nodes_mix(operator: str, array_first: bool) -> None:
    value = np.array([[2.0, 4.0], [5.0, -1.0]])
    (x,) = Graph().inputs(x=value)
    apply = OPERATORS[operator]
    node = apply(ARRAY, x) if array_first else apply(x, ARRAY)
    assert isinstance(node, Node)
    assert x.graph.nodes == [x, node.inputs[0 if array_first else 1], node]
    np.testing.assert_array_equal(node.value, apply(ARRAY, value) if array_first else apply(value, ARRAY))


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2.0), np.array(2.0), jnp.asarray(2.0)], ids=repr)
def test_numbers_and_nodes_mix(number: Any) -> None:
    (x,) = Graph().inputs(x=3.0)
    node = number * x
    assert isinstance(node, Node)
    assert node.value == 6.0
    assert x.graph.backward() == {"x": 2.0}


def test_the_table_of_a_graph() -> None:
    graph, _, _ = lecture_graph()
    graph.backward()
    lines = [line.split() for line in str(graph).splitlines()]
    assert lines[0] == ["node", "is", "value", "gradient"]
    assert lines[4] == ["q", "x", "+", "y", "3", "−4"]
    assert lines[5] == ["f", "q", "×", "z", "−12", "1"]


def test_formulas_are_one_line_and_infix_for_operators_only() -> None:
    class Own:
        symbol = "two\nlines"

        def forward(self, x: Any, y: Any) -> Any:
            return x, ()

    class Star(Own):
        symbol = "*"

    names = ["x", "y"]
    formulas = {gate: format_formula(gate, names) for gate in (gates.Subtract(), gates.MatMul(), gates.Max())}
    assert list(formulas.values()) == ["x − y", "x @ y", "max(x, y)"]
    assert format_formula(gates.SoftmaxCrossEntropy(), ["x", "labels"]) == "softmax loss(x, labels)"
    assert format_formula(gates.SquaredError(), names) == "‖·−·‖²(x, y)"
    assert format_formula(Own(), names) == "two lines(x, y)"
    assert format_formula(Star(), names) == "x * y"


# -- topological order ----------------------------------------------------------------------------


def test_each_key_comes_after_all_that_it_needs_and_ties_keep_their_order() -> None:
    needs = {"f": ["q", "z"], "z": [], "q": ["x", "y"], "y": [], "x": []}
    assert topological_order(needs) == ["z", "y", "x", "q", "f"]
    assert topological_order({}) == []
    deep = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(300)}
    assert topological_order(dict(reversed(deep.items()))) == list(deep)


@pytest.mark.parametrize("needs", [{"a": ["b"], "b": ["a"], "c": []}, {"a": ["a"]}, {"a": ["elsewhere"]}])
def test_a_cycle_or_a_missing_node_has_no_order(needs: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match=r"no order .*: a.* form a cycle, or need a node that is missing\."):
        topological_order(needs)
