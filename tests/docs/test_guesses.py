"""The predictions: each answer of `nnkit.guesses` is computed here, and a wrong guess gets words before the number."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from itertools import permutations
from typing import Any

import nbformat
import numpy as np
import pytest

import jax
from helpers.paths import ROOT
from nnkit import Graph, guesses
from nnkit.check.evidence.array_gates import Softmax
from nnkit.data import moons
from nnkit.gates import ELU, Add, Copy, LeakyReLU, MatMul, Max, Maxout, Multiply, ReLU, Sigmoid, SoftmaxCrossEntropy
from nnkit.guesses import ANSWERS, check_guess
from nnkit.jacobian import jacobian, jacobian_bytes, vjp
from nnkit.mlp import MLP
from nnkit.train import SGD, fit, minibatches
from nnkit.view.figures.activation_curves import GALLERY, saturated

PATHS = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("solutions/*/*.ipynb")]
NEEDS = {"f": ["q", "s"], "s": ["q", "x"], "q": ["x", "y"], "x": [], "y": []}
X = np.array([[2.0, 1.0, -3.0], [-3.0, 4.0, 2.0]])
W = np.array([[3.0, 2.0, 1.0, -1.0], [2.0, 1.0, 3.0, 2.0], [3.0, 2.0, 1.0, -2.0]])
G = np.array([[2.0, 3.0, -3.0, 9.0], [-8.0, 1.0, 4.0, 6.0]])
FIRST_W = np.array([[2.0, 1.0, -3.0], [-3.0, 4.0, 2.0]])


def sent_down(gate: Any, upstream: Any, *inputs: Any) -> list[Any]:
    return [float(share) for share in gate.backward(upstream, gate.forward(*inputs)[1])]


def circuit() -> list[float]:
    graph = Graph()
    x, y, z, w = graph.inputs(x=3.0, y=-4.0, z=2.0, w=-1.0)
    2 * (x * y + Max()(z, w))
    return list(graph.backward().values())


def neuron() -> list[float]:
    graph = Graph()
    w0, x0, w1, x1, w2 = graph.inputs(w0=2.0, x0=-1.0, w1=-3.0, x1=-2.0, w2=-3.0)
    Sigmoid()(w0 * x0 + w1 * x1 + w2)
    slopes = graph.backward()
    return [slopes[name] for name in ("w0", "w1", "w2", "x0", "x1")]


def descent_limit() -> float:
    """Return the smallest step size, in hundredths, at which (W - 3)² no longer falls."""
    return next(step for step in np.arange(1, 200) / 100 if abs(1 - 2 * step) >= 1 - 1e-12)


def nans() -> int:
    far = np.array([-1000.0, 0.0, 1000.0])
    with np.errstate(all="ignore"):
        e, r = np.exp(far), np.exp(-far)
        return int(np.isnan([1 / (1 + r), e / (1 + e), r / (1 + r) ** 2]).sum())


def different_signs() -> int:
    draws = np.random.default_rng(0)
    hidden = Sigmoid()(draws.normal(size=(200, 2)))
    both = draws.normal(size=(200, 1)) * hidden
    return int((both[:, 0] * both[:, 1] < 0).sum())


def dead() -> list[int]:
    (cell,) = [cell for cell in cells("02") if cell.id == "predict-dead"]
    given: dict[str, Any] = {"np": np}
    exec(cell.source.partition("my_dead")[0], given)
    return [int(k) for k in np.flatnonzero((given["scores"] <= 0).all(axis=0))]


def diagonal() -> list[str]:
    candidates = {
        "tanh": np.tanh,
        "reverse": lambda x: x[::-1],
        "double": lambda x: 2 * x,
        "centre": lambda x: x - x.mean(),
    }
    tables = {name: jacobian(function, np.array([1.0, -2.0, 3.0])) for name, function in candidates.items()}
    return [name for name, table in tables.items() if not np.count_nonzero(table - np.diag(np.diag(table)))]


def line_for(shape: tuple[int, ...]) -> str:
    (cell,) = [cell for cell in cells("03") if cell.id == "shape-rule-lines"]
    given: dict[str, Any] = {"np": np}
    exec(cell.source, given)
    fitting = []
    for letter, line in given["lines"].items():
        with contextlib.suppress(ValueError):
            fitting += [letter] * (line(np.ones((3, 5)), np.ones(5), np.ones(3)).shape == shape)
    (letter,) = fitting
    return letter


def topological() -> str:
    sources = {cell.id: cell.source for cell in cells("01")}
    given: dict[str, Any] = {}
    exec(sources["order-graph"].partition("ordered")[0] + sources["predict-order"].partition("my_order")[0], given)
    assert given["needs"] == NEEDS
    possible = {" ".join(order) for order in permutations(NEEDS) if is_in_order(order)}
    (letter,) = [letter for letter, order in given["orders"].items() if order in possible]
    return letter


def is_in_order(order: tuple[str, ...]) -> bool:
    return all(order.index(need) < order.index(node) for node in order for need in NEEDS[node])


def batch_factors() -> list[float]:
    def dw(x: np.ndarray, share: float) -> np.ndarray:
        return x.T @ (2 * share * (x @ W))

    twice = np.concatenate([X, X])
    return [float(np.mean(dw(twice, a) / dw(X, b))) for a, b in ((1, 1), (1 / 4, 1 / 2))]


def momentum() -> float:
    rule, position = SGD(0.1, momentum=0.5), {"W": np.zeros(1)}
    memory = rule.init(position)
    for count in range(2):
        position, memory = rule.update(position, {"W": np.array([4.0])}, memory, count)
    return float(position["W"][0])


def best_of_four() -> int:
    seen, unseen = moons(40, noise=0.35, rng=1), moons(500, noise=0.35, rng=2)
    shares = []
    for size, price in ((1, 0.0), (10, 0.0), (100, 0.0), (100, 0.01)):
        model = MLP((2, size, 2))
        found = fit(model, model.init(0), *seen, epochs=500, optimiser=SGD(0.3, momentum=0.9, weight_decay=price))
        shares.append(model.accuracy(found.parameters, *unseen))
    return int(np.argmax(shares))


def softmax(scores: Any) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum()


def traces() -> int:
    shapes: list[Any] = []
    noted = jax.jit(lambda x: shapes.append(x.shape))
    for size in (30, 30, 7, 30, 7):
        noted(np.zeros(size))
    return len(shapes)


def scanned() -> list[float]:
    _, kept = jax.lax.scan(lambda c, x: (c * x, c * x), 1.0, np.array([2.0, 5.0, -3.0]))
    return [float(number) for number in kept]


def output_slope(gate: Any, x: Any, upstream: Any) -> Any:
    return vjp(gate, x, upstream=upstream)[0]


COMPUTED: dict[str, Callable[[], Any]] = {
    "f(1.01)": lambda: 1.01**2 + 3 * 1.01,
    "f at x = 3": lambda: (3 + 5) * -4,
    "df/dx, df/dy, df/dz": lambda: vjp(lambda x, y, z: (x + y) * z, -2.0, 5.0, -4.0, upstream=1.0),
    "what add sends down": lambda: sent_down(Add(), 2.0, 3.0, 4.0),
    "what multiply sends down": lambda: sent_down(Multiply(), 5.0, 2.0, 3.0),
    "what max sends down": lambda: sent_down(Max(), 9.0, 4.0, 5.0),
    "what copy sends down": lambda: sent_down(Copy(), (4.0, 2.0), 7.0)[0],
    "the topological order": topological,
    "the gradients of the circuit": circuit,
    "df/d(1+exp)": lambda: -1 / (1 + np.exp(-1)) ** 2,
    "paths from x to f": lambda: len(["numerator", "σ(x)", "x + y"]),
    "W after one update": lambda: 5 - 0.1 * 2 * (5 - 3),
    "the limit of step_size": descent_limit,
    "the largest slope of σ": lambda: output_slope(Sigmoid(), np.linspace(-9, 9, 181), np.ones(181)).max(),
    "what the box sends down": lambda: output_slope(Sigmoid(), 1.0, 1.0),
    "what σ sends down": lambda: output_slope(Sigmoid(), np.log(9), 2.0),
    "dw of the neuron": lambda: neuron()[:3],
    "dx of the neuron": lambda: neuron()[3:],
    "how many are nan": nans,
    "what tanh sends down": lambda: 2 / np.cosh(np.arctanh(0.5)) ** 2,
    "examples with different signs": different_signs,
    "dx of the ReLU": lambda: output_slope(ReLU(), np.array([1.0, -2.0, 3.0, -1.0]), np.array([4.0, -1.0, 5.0, 9.0])),
    "what leaky ReLU sends down": lambda: output_slope(LeakyReLU(0.1), -2.0, 3.0),
    "what ELU sends down": lambda: output_slope(ELU(1.0), -1.0, 2.0),
    "what maxout sends down": lambda: output_slope(Maxout(2), np.array([1.0, 4.0, 3.0, 2.0]), np.array([5.0, 7.0])),
    "what gets through five sigmoids": lambda: output_slope(Sigmoid(), 0.0, 1.0) ** 5,
    "the dead ReLUs": dead,
    "never saturated": lambda: [type(gate).__name__ for gate in GALLERY if not saturated(gate)],
    "the shape of the Jacobian": lambda: jacobian(lambda x: x[:3] * x[2:], np.ones(5)).shape,
    "entries that are not 0": lambda: np.count_nonzero(jacobian(ReLU(), np.array([1.0, -2.0, 3.0, -1.0]))),
    "the diagonal ones": diagonal,
    "megabytes": lambda: jacobian_bytes((4096,), (4096,), "float32") / 2**20,
    "dx of W x": lambda: vjp(lambda x: FIRST_W @ x, np.zeros(3), upstream=np.array([10.0, 1.0]))[0],
    "times more work": lambda: (1000**3 + 1000**2) / (2 * 1000**2),
    "dq": lambda: vjp(lambda q: np.sum(q**2), np.array([0.22, 0.26]), upstream=1.0)[0],
    "the line for dW": lambda: line_for((3, 5)),
    "the line for dx": lambda: line_for((5,)),
    "the first row of dx": lambda: MatMul().backward(G, MatMul().forward(X, W)[1])[0][0],
    "the shape of dw": lambda: vjp(MatMul(), np.ones((7, 5)), np.ones((5, 3)), upstream=np.ones((7, 3)))[1].shape,
    "the shape of its Jacobian": lambda: jacobian(MatMul(), np.ones((7, 5)), np.ones((5, 3)), wrt=1).shape,
    "the factors of dw": batch_factors,
    "db": lambda: output_slope(lambda b: np.zeros((3, 2)) + b, np.zeros(2), np.array([[1.0, 2], [3, -4], [5, 6]])),
    "the shape of the difference": lambda: (np.ones((4, 1)) - np.ones(4)).shape,
    "the probabilities": lambda: softmax(np.log([1.0, 2.0, 7.0])),
    "the average": lambda: np.array([1, -2, 0.5]) @ [0.1, 0.2, 0.7],
    "dscores": lambda: vjp(SoftmaxCrossEntropy(), np.log([[1.0, 2, 7]]), np.array([1]), upstream=1.0)[0][0],
    "the shapes of W1 and W2": lambda: [n for W in ("W1", "W2") for n in MLP((3072, 100, 10)).shapes[W][::-1]],
    "how many matrices are needed": lambda: len([np.ones((10, 100)) @ np.ones((100, 3072))]),
    "the parameters of 3 → 4 → 4 → 1": lambda: MLP((3, 4, 4, 1)).count(),
    "the shape of grad_h": lambda: (np.ones((64, 10)) @ np.ones((100, 10)).T).shape,
    "updates in an epoch": lambda: len(list(minibatches(300, 32, np.random.default_rng(0)))),
    "the change of W": momentum,
    "the first loss": lambda: np.log(10),
    "the best of the four": best_of_four,
    "the gradient of the whole loss": lambda: np.array([0.2, 0.5]) + 0.1 * np.array([3, -1]),
    "the parameters of 64 → 50 → 10": lambda: MLP((64, 50, 10)).count(),
    "products of two numbers": lambda: 64 * 1000 * 100,
    "what is left of 0.00000001": lambda: np.float32(1) + np.float32(1e-8) - np.float32(1),
    "how often the Python lines ran": traces,
    "forward passes": lambda: 2 * MLP((2, 16, 3)).count(),
    "the slope at 1000": lambda: str(jax.grad(lambda x: jax.numpy.log(1 + jax.numpy.exp(x)))(1000.0)),
    "the slope of round": lambda: float(jax.grad(jax.numpy.round)(0.3)),
    "what scan keeps": scanned,
    "the shape of the result": lambda: (np.ones((1000, 1, 2)) * np.ones((300, 2))).sum(axis=-1).shape,
    "calls until it pays": lambda: 600 / (8 - 2),
    "times as fast": lambda: (100 + 10) / (100 + 10 / 50),
    "what reaches x": lambda: sent_down(Multiply(), 5.0, 2.0, 3.0)[0],
    "what reaches the first score": lambda: output_slope(Softmax(), np.array([[1.0, 2.0, 7.0]]), np.ones((1, 3)))[0][0],
    "what comes down": lambda: 4 / np.cosh(np.arctanh(0.5)) ** 2,
}


def cells(lecture: str) -> list[Any]:
    (path,) = ROOT.glob(f"notebooks/{lecture}_*.ipynb")
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.fixture(autouse=True)
def nothing_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "_wrong_guesses", {})


def test_each_answer_is_asked_for_once_or_more_and_each_is_computed() -> None:
    asked = set()
    for path in PATHS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                asked |= set(re.findall(r'check_guess\(my_\w+, "([^"]+)"\)', cell.source))
    assert asked == set(ANSWERS) == set(COMPUTED)


@pytest.mark.parametrize("name", COMPUTED)
def test_the_answer_is_computed(name: str) -> None:
    computed = COMPUTED[name]()
    guess = computed if isinstance(computed, str | list | tuple) else np.asarray(computed).tolist()
    assert check_guess(guess, name)


WRONG = (
    ("f at x = 3", 3, "too high"),
    ("f at x = 3", -50, "too low"),
    ("f at x = 3", 32, "right but for the sign"),
    ("f at x = 3", [1, 2], "not this shape: one number is wanted"),
    ("f at x = 3", "eight", "not this kind: one number is wanted"),
    ("f at x = 3", np.nan, "not a finite number"),
    ("df/dx, df/dy, df/dz", [-4, 4, 1], "right, too high, too low"),
    ("df/dx, df/dy, df/dz", (3, -4, -4), "the right numbers, but in another order"),
    ("df/dx, df/dy, df/dz", [4, 4, -3], "right but for the signs"),
    ("df/dx, df/dy, df/dz", -4, "not this shape: a list of 3 numbers is wanted"),
    ("the diagonal ones", ["tanh", "reverse"], "1 missing and 1 too many"),
    ("the diagonal ones", "tanh", "1 missing"),
    ("the line for dW", "a", "not that one"),
    ("the line for dW", "np.outer(dq, x)", "a letter is wanted"),
    ("the topological order", "y x q s f", "a letter is wanted"),
    ("the line for dx", ["e"], "not that one"),
    ("the dead ReLUs", {1, 3}, "1 missing and 1 too many"),
    ("never saturated", "ReLU, Maxout", "1 missing and 1 too many"),
    ("never saturated", {"Maxout"}, "1 missing"),
    ("db", {9, 4}, "not this kind: a list of 2 numbers is wanted"),
    ("db", "9, 5", "right, too high"),
    ("the best of the four", 0, "not that one"),
    ("the largest slope of σ", "1/5", "too low"),
    ("dw of the neuron", [-0.2, -0.4, 0.2], "too low, too low, too high"),
    ("what reaches the first score", "1/0", "not this kind: one number is wanted"),
    ("the slope at 1000", 1.0, "not that one"),
)


@pytest.mark.parametrize(("name", "guess", "words"), WRONG)
def test_a_wrong_guess_gets_words_then_a_second_try_then_the_answer(name: str, guess: Any, words: str) -> None:
    first = check_guess(guess, name)
    assert str(first) == f"✗ {name}: {words}. Try once more."
    assert str(check_guess(guess, name)) == str(first)  # the cell ran again
    shown = guesses.ANSWERS[name].value
    last = str(check_guess(["x"], name))
    assert last.endswith(f"The answer is {str(shown).replace(chr(39), '')}.")
    right = shown if not isinstance(shown, list) else shown[::-1] if isinstance(shown[0], str) else tuple(shown)
    assert check_guess(right, name).passed


RIGHT = (
    ("the dead ReLUs", {1, 4}),
    ("the dead ReLUs", ["4", "1"]),
    ("the dead ReLUs", "1 and 4"),
    ("the dead ReLUs", np.array([4, 1])),
    ("never saturated", {"LeakyReLU", "Maxout"}),
    ("never saturated", ["leakyrelu", "maxout"]),
    ("never saturated", "Leaky ReLU, Maxout"),
    ("the line for dW", ["d"]),
    ("the line for dx", "(b)"),
    ("the topological order", "B."),
    ("the largest slope of σ", "1/4"),
    ("the largest slope of σ", 0.249),
    ("what gets through five sigmoids", "1/1024"),
    ("df/dx, df/dy, df/dz", ["-4", "-4", "3"]),
    ("df/dx, df/dy, df/dz", "-4, -4, 3"),
    ("the best of the four", "3"),
    ("the slope at 1000", float("nan")),
    ("the slope at 1000", "NaN"),
)


@pytest.mark.parametrize(("name", "guess"), RIGHT)
def test_a_right_guess_may_be_written_in_many_ways(name: str, guess: Any) -> None:
    verdict = check_guess(guess, name)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("nothing", [None, [None, None], (3, None)])
def test_nothing_is_held_against_who_has_not_guessed(nothing: Any) -> None:
    assert str(check_guess(nothing, "db")) == "○ Your guess goes in place of None."
    assert check_guess([1, 2], "db").headline.endswith("Try once more.")
