"""The tester, tested: right answers in many styles pass, planted mistakes fail with their own name."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from nnkit import gates
from nnkit.check import (
    WrongDerivative,
    check_backward,
    check_gradient,
    check_graph,
    check_jacobian,
    check_order,
    check_parameters,
    check_step,
    check_update,
    check_value,
    partial_credit,
)
from nnkit.check.verdict import collecting_verdicts


class Product:
    """x · y with a backward of our choosing."""

    def __init__(self, backward: Any):
        self._backward = backward

    def forward(self, x: Any, y: Any) -> Any:
        return x * y, (x, y)

    def backward(self, upstream: Any, cache: Any) -> Any:
        return self._backward(upstream, *cache)


def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, 3)), rng.normal(size=(2, 3))


RIGHT = {
    "tuple": lambda g, x, y: (g * y, g * x),
    "list": lambda g, x, y: [y * g, x * g],
    "einsum": lambda g, x, y: (np.einsum("ij,ij->ij", g, y), np.einsum("ij,ij->ij", g, x)),
    "loop": lambda g, x, y: tuple(np.array([[g[i, j] * v[i, j] for j in range(3)] for i in range(2)]) for v in (y, x)),
}


@pytest.mark.parametrize("style", RIGHT)
def test_right_answers_pass_in_every_style(style: str) -> None:
    assert check_backward(Product(RIGHT[style]), *pair(), of=lambda x, y: x * y).passed


WRONG = {
    "no-upstream": lambda g, x, y: (y, x),
    "upstream-twice": lambda g, x, y: (g * g * y, g * g * x),
    "own-input": lambda g, x, y: (g * x, g * y),
    "sign": lambda g, x, y: (-g * y, -g * x),
    "factor": lambda g, x, y: (2 * g * y, 2 * g * x),
    "low-precision": lambda g, x, y: (np.float32(g * y).astype(float), g * x),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_planted_mistakes_fail_with_their_own_name(mistake: str) -> None:
    verdict = check_backward(Product(WRONG[mistake]), *pair())
    assert verdict.status == "wrong"
    assert verdict.mistake == mistake
    assert len(verdict.hints) == 2


def test_swapped_inputs_are_named() -> None:
    class Quotient(gates.Divide):
        def backward(self, upstream: Any, cache: Any) -> Any:
            return super().backward(upstream, cache)[::-1]

    assert check_backward(Quotient(), np.array([1.0, 2.0]), np.array([3.0, 4.0])).mistake == "swapped-inputs"


def test_a_transposed_gradient_of_a_square_matrix_is_named() -> None:
    class Product2(gates.MatMul):
        def backward(self, upstream: Any, cache: Any) -> Any:
            dx, dw = super().backward(upstream, cache)
            return dx, dw.T

    rng = np.random.default_rng(0)
    assert check_backward(Product2(), rng.normal(size=(4, 3)), rng.normal(size=(3, 3))).mistake == "transposed"


@pytest.mark.parametrize("factor", [1 + 1e-6, 1 + 1e-8, 1 - 1e-6])
def test_a_small_factor_is_caught_and_not_guessed_at(factor: float) -> None:
    verdict = check_backward(Product(lambda g, x, y: (g * y * factor, g * x)), *pair())
    assert verdict.status == "wrong"
    assert verdict.mistake == ""
    assert verdict.entries[0].where == "dx[0, 0]"


SENTENCES = {
    "it returned 1 gradient for the 2 inputs x and y": lambda g, x, y: (g * y,),
    "dy is None, but each input (x, y) needs its gradient": lambda g, x, y: (g * y, None),
    "it returned a dict; the gradients belong in a tuple, (dx, dy)": lambda g, x, y: {"x": g * y, "y": g * x},
    "it returned a generator; the gradients belong in a tuple": lambda g, x, y: (g * a for a in (y, x)),
    "it returned an array of type float64; the gradients": lambda g, x, y: np.array([g * y, g * x]),
    "it returned 3 gradients for the 2 inputs x and y": lambda g, x, y: (g * y, g * x, None),
    "dy is (), but y is (2, 3): it was summed over every axis": lambda g, x, y: (g * y, np.sum(g * x)),
    "dy is (), but y is (2, 3): it is always 1": lambda g, x, y: (g * y, 1.0),
    "raised ZeroDivisionError": lambda g, x, y: 1 / 0,
    "computed with too few digits": lambda g, x, y: (np.float32(g * y), g * x),
    "changed x in place": lambda g, x, y: (x.__imul__(2), g * x),
    "changed the upstream gradient in place": lambda g, x, y: (g.__imul__(2), g * x),
    "every entry is NaN": lambda g, x, y: (g * y * np.nan, g * x),
    "dx[0, 0] is nan": lambda g, x, y: (np.where(x == x[0, 0], np.nan, g * y), g * x),
    "must hold numbers": lambda g, x, y: (np.full((2, 3), "a"), g * x),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_a_backward_returns_amiss_gets_a_sentence(sentence: str) -> None:
    verdict = check_backward(Product(SENTENCES[sentence]), *pair())
    assert not verdict.passed
    assert sentence in verdict.headline
    assert "\n" not in verdict.headline


INPUTS = {
    "must hold numbers, not the text 'abc'": "abc",
    "is empty (shape (0, 2))": np.ones((0, 2)),
    "holds NaN or infinity": np.array([np.nan, 1.0]),
    "array of integers": np.array([1, 2]),
    "rectangular": [[1.0], [1.0, 2.0]],
    "has 30000000 entries": np.broadcast_to(1.0, 30_000_000),
}


@pytest.mark.parametrize("sentence", INPUTS)
def test_bad_inputs_get_a_sentence(sentence: str) -> None:
    verdict = check_backward(gates.Tanh(), INPUTS[sentence])
    assert verdict.status == "error"
    assert sentence in verdict.headline


def test_a_wrong_shape_names_both_shapes() -> None:
    verdict = check_backward(gates.Affine(), np.ones((2, 3)), np.ones((4, 5)), np.ones(5))
    assert "(2, 3)" in verdict.headline
    assert "(4, 5)" in verdict.headline


@pytest.mark.parametrize("placeholder", [None, NotImplemented, ...])
def test_not_attempted_is_a_status_of_its_own(placeholder: Any) -> None:
    assert check_backward(Product(lambda g, x, y: placeholder), *pair()).status == "not attempted"
    assert check_gradient(lambda x: placeholder, 1.0).status == "not attempted"
    assert check_value(placeholder, 1.0).status == "not attempted"


def test_state_kept_between_calls_is_caught() -> None:
    kept = []

    def backward(g: Any, x: Any, y: Any) -> Any:
        kept.append(1)
        return g * y * len(kept), g * x

    assert "second call" in check_backward(Product(backward), *pair()).headline


NOT_LINEAR = {
    "an offset, which only backward(0) shows": lambda g, x, y: (g * y + 1e-12, g * x),
    "clipped beyond the entries of the random upstream": lambda g, x, y: (np.clip(g, -2, 2) * y, g * x),
}


@pytest.mark.parametrize("hidden", NOT_LINEAR)
def test_an_upstream_that_is_not_used_linearly_is_caught(hidden: str) -> None:
    """Right for the random upstream, and wrong for others."""
    assert not check_backward(Product(NOT_LINEAR[hidden]), *pair()).passed


def test_the_upstream_of_another_entry_is_caught() -> None:
    assert not check_backward(Product(lambda g, x, y: (g[::-1] * y, g * x)), *pair()).passed


def test_a_kink_is_recognised_and_any_slope_between_is_accepted() -> None:
    at_kink = np.array([0.0, 1.0, -1.0])
    verdict = check_backward(gates.ReLU(), at_kink)
    assert verdict.passed
    assert "kink" in verdict.notes[0]


def test_a_kink_does_not_excuse_the_other_entries() -> None:
    class Mask(gates.ReLU):
        def backward(self, upstream: Any, cache: Any) -> Any:
            return (upstream * (cache[0] <= 0),)

    assert not check_backward(Mask(), np.array([0.0, 1.0, -1.0])).passed


@pytest.mark.parametrize("gate", [gates.Sigmoid(), gates.Tanh(), gates.Exp(), gates.ELU(), gates.Power(3)])
def test_the_library_gates_pass_at_random_points(gate: Any) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        assert check_backward(gate, rng.normal(scale=3, size=(2, 3)), rng=1).passed


def test_check_gradient_compares_with_the_trusted_function() -> None:
    assert check_gradient(lambda x, y: (x * y, (y, x)), 2.0, 3.0, of=lambda x, y: x * y).passed
    assert "is half what it should be" in check_gradient(lambda x: (x, 1.0), 2.0, of=lambda x: x**2).headline
    assert not check_gradient(lambda x, y: (x * y, (x, y)), 2.0, 3.0).passed
    assert "pair (value, gradients)" in check_gradient(lambda x: x, 2.0).headline


def test_check_jacobian() -> None:
    x = np.array([1.0, 2.0, 3.0])
    assert check_jacobian(lambda x: np.diag(2 * x), x, of=lambda x: x**2).passed
    verdict = check_jacobian(lambda x: np.diag(x), x, of=lambda x: x**2)
    assert verdict.where == "J[2, 2]"
    assert "(3, 3)" in check_jacobian(np.ones(3), x, of=lambda x: x**2).headline


def test_check_value_of_numbers_arrays_dicts_and_names() -> None:
    assert check_value(0.1 + 0.2, 0.3).passed
    assert not check_value(0.3001, 0.3).passed
    assert check_value(0.7311, 0.731058, rtol=1e-3).passed
    assert check_value([1, 2], np.array([1.0, 2.0])).passed
    assert "the key is missing: b." in check_value({"a": 1.0}, {"a": 1.0, "b": 2.0}).headline
    assert not check_value(["a", "c"], ["a", "b"]).passed
    assert not check_value(np.nan, 1.0).passed


def give_nothing() -> None:
    pass


def test_a_guess_that_is_still_none_is_asked_for() -> None:
    """However it is written; None that a function gave is no guess, in a name of its own or not."""
    my_guess = None  # a number
    verdict = check_value(my_guess, 2.0, name="f(1.01)")
    assert str(verdict) == "○ Your guess goes in place of None."
    assert "None.</div>" in verdict._repr_html_()
    assert ": Your" not in verdict._repr_html_()
    assert verdict.status == "not attempted"
    my_dx, my_dy = None, 3.0
    my_pair = (None, None)
    my_shape: Any = None
    asked = [
        check_value(
            [my_dx, my_dy],
            [2.0, 3.0],
            name="dx and dy",
        ),
        check_value(my_pair, [2.0, 3.0]),
        check_value(my_shape, (2, 3)),
    ]
    assert {str(verdict) for verdict in asked} == {str(verdict)}
    returned: Any = None
    returned = give_nothing()  # type: ignore[func-returns-value]
    for other in (
        check_value(returned, 2.0),
        check_value(give_nothing(), 2.0),  # type: ignore[func-returns-value]
        check_value(give_nothing, 2.0),
        check_value(None, 2.0),
        *(check_value(guess, 2.0) for guess in [None]),
    ):
        assert "the `return` is missing" in other.headline
    my_guess = 2.5
    assert check_value(my_guess, 2.0).status == "wrong"


def test_an_order_known_by_heart_is_none() -> None:
    needs = {"f": ["q"], "q": ["x"], "x": []}
    verdict = check_order(lambda needs: ["x", "q", "f"], needs)
    assert verdict.status == "wrong"
    assert verdict.headline.startswith("the same graph with other names for its nodes")
    assert verdict.headline.endswith("is no node of this graph.")


def test_check_order() -> None:
    needs = {"x": [], "q": ["x"], "f": ["q", "x"]}
    assert check_order(["x", "q", "f"], needs).passed
    for order, sentence in [
        (["q", "x", "f"], "before"),
        (["x", "q"], "missing"),
        (["x", "x", "q", "f"], "twice"),
        (["x", "z"], "no node"),
        ("x q f", "must be a list"),
    ]:
        assert sentence in check_order(order, needs).headline


@pytest.mark.parametrize(
    ("value", "expected", "said"),
    [
        (3.0, 2.5, "it is too high: 3 in place of 2.5."),
        (2.0, 2.00001, "it is too low: 2 in place of 2.00001."),
        (0, 1, "it is 0 where it should be 1."),
        ([-1.0, 2.0], [1.0, -2.0], "it has the wrong sign in each entry."),
        ([2.0, 4.0], [4.0, 8.0], "it is half what it should be in each entry."),
        ([2.0, 4.0], [4.0, 6.0], "it is too low by 2 in each entry."),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 3.0], [2.0, 4.0]], "it is the transpose of what it should be."),
        ([3.0, 2.0, 1.0], [1.0, 2.0, 3.0], "it has the right numbers in reverse order."),
        ([2.0, 3.0, 1.0], [1.0, 2.0, 3.0], "it has the right numbers in another order."),
        ([1.0, 2.0, 5.0], [1.0, 2.0, 3.0], "it is wrong in 1 of 3 entries: value[2] is too high."),
        ([9.0, 4.0, 5.0], [1.0, 2.0, 3.0], "it is too high in all entries, by up to 8 (at value[0])."),
        ([9.0, 2.0, 0.0], [1.0, 2.0, 3.0], "it is wrong in 2 of 3 entries, by up to 8 (at value[0])."),
        ([1.0, np.nan], [1.0, 2.0], "it is wrong: value[1] is nan."),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "it has 2 entries, but there should be 3; the first ones are right."),
        ([[1.0], [2.0]], [1.0, 2.0], "but it should be (2,): the numbers are right, the axes are not."),
        ([[1.0, 2.0], [3.0, 5.0]], [4.0, 7.0], "its shape is (2, 2), but it should be (2,): its sum over axis 0 is"),
        (["b", "a"], ["a", "b"], "it has the right names in another order."),
        (["a", "c"], ["a", "b"], "it is wrong in 1 of 2 names, first at [1]."),
        ("Sigmoid ", "sigmoid", "it is right but for capitals or spaces."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_described(value: Any, expected: Any, said: str) -> None:
    verdict = check_value(value, expected)
    assert said in verdict.headline
    assert bool(verdict.entries) == any("entries above" in words for words in verdict.explanation)


def test_partial_credit_counts_and_tells(capsys: pytest.CaptureFixture[str]) -> None:
    """In a notebook what passed is said too, as under `assert`; the verdicts are heard once each."""
    verdicts = check_value(1.0, 1.0, name="a"), check_value(1.0, 2.0, name="b")
    assert partial_credit(4, *verdicts) == 2.0
    assert capsys.readouterr().out == f"{verdicts[1]}\n"
    InteractiveShell.instance()
    try:
        with collecting_verdicts() as heard:
            partial_credit(4, *verdicts)
    finally:
        InteractiveShell.clear_instance()
    assert capsys.readouterr().out == f"✓ a: right.\n{verdicts[1]}\n"
    assert heard == [*verdicts]


def test_a_verdict_under_assert_raises_with_its_text() -> None:
    verdict = check_value(1.0, 2.0, name="q")
    with pytest.raises(WrongDerivative) as raised:
        assert verdict
    assert str(raised.value) == str(verdict)
    assert raised.value._render_traceback_() == str(verdict).splitlines()


def test_a_verdict_has_html_and_json_forms() -> None:
    verdict = check_value(1.0, 2.0, name="<b>q</b>")
    assert "&lt;b&gt;q" in verdict._repr_html_()
    ElementTree.fromstring(verdict._repr_html_())
    assert json.loads(json.dumps(verdict.to_dict()))["status"] == "wrong"


def test_the_same_rng_gives_the_same_verdict() -> None:
    gate = Product(WRONG["sign"])
    assert str(check_backward(gate, *pair(), rng=7)) == str(check_backward(gate, *pair(), rng=7))


def test_a_mistake_that_the_point_hides_is_named_from_nearby() -> None:
    """At zeros a softmax along the wrong axis of a square matrix is right; only nearby it is not."""

    def softmax(x: Any, axis: int) -> Any:
        e = np.exp(x)
        return e / e.sum(axis=axis, keepdims=True)

    class WrongAxis:
        def forward(self, x: Any) -> Any:
            return softmax(x, 0), softmax(x, 1)

        def backward(self, upstream: Any, p: Any) -> Any:
            return p * (upstream - (upstream * p).sum(axis=1, keepdims=True))

    verdict = check_backward(WrongAxis(), np.zeros((2, 2)), of=lambda x: softmax(x, 1))
    assert verdict.mistakes == ("softmax-wrong-axis",)


def test_a_backward_of_a_graph_that_fails_is_called_once() -> None:
    calls = []

    def backward(needs: Any, local: Any, output: Any) -> Any:
        calls.append(output)
        raise ValueError("no")

    assert check_graph(backward).status == "error"
    assert len(calls) == 1


def _rebinding_step(p: dict[str, np.ndarray], x: np.ndarray, step_size: float) -> dict[str, np.ndarray]:
    p["w"] = p["w"] - step_size * 2 * x.T @ (x @ p["w"])
    return p


def _rebinding_network(p: dict[str, np.ndarray], x: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    gradient = 2 * x.T @ (x @ p["w"])
    loss = float(np.sum((x @ p["w"]) ** 2))
    p["w"] = p["w"] - 0.1 * gradient
    return loss, {"w": gradient}


def _squares(p: dict[str, np.ndarray], x: np.ndarray) -> Any:
    return np.sum((x @ p["w"]) ** 2)


def test_new_arrays_in_the_callers_dict_are_noticed() -> None:
    p, x = {"w": np.array([1.0, -2.0])}, np.array([[0.5, 1.5], [2.0, -1.0]])
    for verdict in (check_step(_rebinding_step, p, x, of=_squares), check_parameters(_rebinding_network, p, x)):
        assert verdict.mistakes == ("mutated-input",)
        assert "new arrays into the old dict" in verdict.headline


@pytest.mark.parametrize("size", [0.1, 0.5])
def test_a_step_of_fixed_size_says_that_step_size_is_ignored(size: float) -> None:
    def step(p: Any, x: Any, step_size: float) -> Any:
        return {"w": p["w"] - 0.1 * 2 * x.T @ (x @ p["w"])}

    p, x = {"w": np.array([1.0, -2.0])}, np.array([[0.5, 1.5], [2.0, -1.0]])
    verdict = check_step(step, p, x, of=_squares, step_size=size)
    assert "step_size is ignored, the step is 0.1 · gradient" in verdict.headline


def test_the_example_of_an_update_names_the_gradients() -> None:
    weights, gradients = {"w": np.array([1.0, -2.0])}, {"w": np.array([0.5, 3.0])}
    verdict = check_update(lambda w, dw, s: {k: w[k] + s * dw[k] for k in w}, weights, gradients)
    assert "dw = " in str(verdict)
    assert "batch[" not in str(verdict)


SWAPPED = {
    "two numbers": lambda: check_gradient(lambda x, y: ((y, x), x * y), 2.0, 3.0),
    "an array": lambda: check_gradient(lambda x: (2 * x, np.sum(x * x)), np.array([1.0, -2.0])),
    "a dict": lambda: check_parameters(lambda p, x: ({"w": 2 * p["w"]}, np.sum(p["w"] ** 2)), {"w": np.ones(2)}, 1.0),
}


@pytest.mark.parametrize("kind", SWAPPED)
def test_gradients_before_the_value_are_said_to_be_swapped(kind: str) -> None:
    verdict = SWAPPED[kind]()
    assert verdict.explained_as == ("wrong-container",)
    assert "(gradients, value): the value comes first" in verdict.headline


def test_a_tuple_in_the_tuple_of_gradients_gets_a_sentence() -> None:
    for x in (2.0, np.array([1.0, -2.0])):
        verdict = check_gradient(lambda x: (np.sum(x * x), ((2 * x,),)), x)
        assert "one pair of ( ) too many" in verdict.headline
    assert check_gradient(lambda x: (np.sum(x * x), (2 * x,)), np.array([1.0])).passed


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.sum(np.exp(x))


JACOBIANS = {
    "identity for a reversal": (lambda x: np.eye(3), lambda x: x[::-1], "reverse order"),
    "identity for a shift of the mean": (lambda x: np.eye(3), lambda x: x - x.mean(), "the identity matrix"),
    "identity less one": (lambda x: np.eye(3) - 1, lambda x: x - x.mean(), "9 of 9 entries are off"),
    "full rows": (lambda x: np.outer(1 - np.tanh(x) ** 2, np.ones(3)), np.tanh, "beside its diagonal should be 0"),
    "the diagonal of softmax": (lambda x: np.diag(_softmax(x)), _softmax, "beside its diagonal are 0"),
    "a transpose": (lambda x: (np.arange(9.0).reshape(3, 3) @ np.diag(2 * x)).T,
                    lambda x: np.arange(9.0).reshape(3, 3) @ x**2, "it is the transpose of the Jacobian"),
}  # fmt: skip


@pytest.mark.parametrize("kind", JACOBIANS)
def test_a_jacobian_is_described_without_an_upstream_gradient(kind: str) -> None:
    jacobian, of, words = JACOBIANS[kind]
    verdict = check_jacobian(jacobian, np.array([0.5, -1.0, 2.0]), of=of)
    assert words in verdict.headline, str(verdict)
    assert not any(word in str(verdict) for word in ("upstream", "gradient", "arrives", "digits"))
