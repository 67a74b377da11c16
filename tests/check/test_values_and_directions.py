"""Engines of values, pairs (f, fprime), Jacobian- and Hessian-vector products: right ones pass, wrong ones fail."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

from nnkit.check import check_gradient, check_hvp, check_jvp, check_values

N = np.random.default_rng(2).normal


class Value:
    """A number that remembers what it was made of."""

    slip = 1.0

    def __init__(self, data: Any, parents: Any = ()) -> None:
        self.data = data
        self.grad = 0.0
        self._backward = lambda: None
        self._parents = set(parents)  # in an order that differs from run to run

    def __add__(self, other: Any) -> Any:
        other = other if isinstance(other, Value) else Value(other)
        out = type(self)(self.data + other.data, (self, other))

        def backward() -> None:
            self.grad += out.grad
            other.grad += out.grad

        out._backward = backward
        return out

    def __mul__(self, other: Any) -> Any:
        other = other if isinstance(other, Value) else Value(other)
        out = type(self)(self.data * other.data, (self, other))

        def backward() -> None:
            self.grad += other.data * out.grad
            other.grad += self.slip * self.data * out.grad

        out._backward = backward
        return out

    def relu(self) -> Any:
        out = type(self)(max(0.0, self.data), (self,))

        def backward() -> None:
            self.grad += (out.data > 0) * out.grad

        out._backward = backward
        return out

    def backward(self) -> None:
        order: list[Any] = []

        def visit(value: Any) -> None:
            if value not in order:
                for parent in value._parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            value._backward()


class Slip(Value):
    slip = -1.0


class Overwrites(Value):
    """Values that forget a second use."""

    def __add__(self, other: Any) -> Any:
        out = type(self)(self.data + other.data, (self, other))

        def backward() -> None:
            self.grad = other.grad = out.grad

        out._backward = backward
        return out


def expression(a: Any, b: Any) -> Any:
    c = a * b + b * 3 + a
    return (c * c + c.relu() + a * 0.1 + b * 0.7) * b


QUADRATIC = N(size=(4, 4))
X, V = N(size=4), N(size=4)


def f(x: Any) -> Any:
    return x @ QUADRATIC @ x + np.sum(x**3)


def gradient(x: Any) -> Any:
    return (QUADRATIC + QUADRATIC.T) @ x + 3 * x**2


def hvp(x: Any, v: Any) -> Any:
    return (QUADRATIC + QUADRATIC.T) @ v + 6 * x * v


def g(x: Any, y: Any) -> Any:
    return np.tanh(x * y)


def jvp(x: Any, y: Any, u: Any, v: Any) -> Any:
    return (1 - np.tanh(x * y) ** 2) * (u * y + x * v)


def ridge(W: Any, X: Any, y: Any, reg: float = 0.0) -> Any:
    error = X @ W - y
    return np.sum(error**2) + reg * np.sum(W**2), 2 * X.T @ error + 2 * reg * W


def ridge_without_penalty(W: Any, X: Any, y: Any, reg: float = 0.0) -> Any:
    return ridge(W, X, y, reg)[0], ridge(W, X, y)[1]


ROWS, TARGETS = N(size=(5, 4)), N(size=5)
CHECKS: dict[str, tuple[Any, bool, str]] = {
    "values": (lambda: check_values(expression, Value(2.0), Value(-3.0)), True, "a.grad and b.grad agree"),
    "values by a class": (lambda: check_values(expression, 2, -3.0, make=Value), True, "a.grad and b.grad"),
    "values and a trusted function": (
        lambda: check_values(lambda a: (a * a).relu(), Value(2.0), of=lambda a: max(0.0, a * a)),
        True,
        "a.grad agrees",
    ),
    "a slip": (lambda: check_values(expression, Slip(2.0), Slip(-3.0)), False, ".grad"),
    "a use that is forgotten": (lambda: check_values(lambda a: (a + a) * a, Overwrites(2.0)), False, "a.grad is wrong"),
    "a number": (lambda: check_values(expression, 2.0, 3.0), False, "without .data and .grad"),
    "an expression without a value": (lambda: check_values(lambda a: 3.0, Value(1.0)), False, "with .backward()"),
    "f and fprime": (lambda: check_gradient((f, gradient), X), True, "dx agrees"),
    "f and a wrong fprime": (
        lambda: check_gradient((f, lambda x: 2 * QUADRATIC @ x + 3 * x**2), X),
        False,
        "dx is wrong",
    ),
    "one input of several": (lambda: check_gradient(ridge, X, ROWS, TARGETS, 0.1, wrt="W"), True, "dW agrees"),
    "an option": (lambda: check_gradient(ridge, X, ROWS, TARGETS, reg=0.1, wrt=0), True, "dW agrees"),
    "one input of several, wrong": (
        lambda: check_gradient(ridge_without_penalty, X, ROWS, TARGETS, reg=0.1, wrt="W"),
        False,
        "dW is wrong",
    ),
    "an unknown input": (lambda: check_gradient(ridge, X, ROWS, TARGETS, wrt="w"), False, "there is no 'w'"),
    "jvp": (lambda: check_jvp(g, jvp, X, N(size=4), V, N(size=4)), True, "J v agrees"),
    "jvp of one input": (lambda: check_jvp(f, lambda x, v: (f(x), gradient(x) @ v), X, V), True, "J v agrees"),
    "jvp in tuples": (lambda: check_jvp(g, lambda xs, vs: jvp(*xs, *vs), X, V, V, X), True, "J v agrees"),
    "jvp without a part": (
        lambda: check_jvp(g, lambda x, y, u, v: jvp(x, y, u, 0 * v), X, V, V, X),
        False,
        "Jv is wrong",
    ),
    "jvp of a number": (lambda: check_jvp(math.sin, lambda x, v: math.cos(x) * v, 0.3, 2.0), True, "J v agrees"),
    "jvp without a vector": (lambda: check_jvp(g, jvp, X, V, V), False, "one vector for each"),
    "hvp of a gradient": (lambda: check_hvp(gradient, hvp, X, V), True, "H v agrees"),
    "hvp of a value and its gradient": (
        lambda: check_hvp(lambda x: (f(x), gradient(x)), hvp, X, V),
        True,
        "H v agrees",
    ),
    "hvp of a value": (lambda: check_hvp(f, hvp, X, V), True, "H v agrees"),
    "hvp of v alone": (lambda: check_hvp(gradient, lambda v: hvp(X, v), X, V), True, "H v agrees"),
    "hvp of v and x": (lambda: check_hvp(gradient, lambda v, x: hvp(x, v), X, V), True, "H v agrees"),
    "hvp of a function": (lambda: check_hvp(gradient, lambda f, x, v: hvp(x, v), X, V), True, "H v agrees"),
    "hvp that is not symmetric": (
        lambda: check_hvp(f, lambda x, v: 2 * QUADRATIC @ v + 6 * x * v, X, V),
        False,
        "Hv is",
    ),
    "hvp of another shape": (lambda: check_hvp(gradient, lambda x, v: hvp(x, v).sum(), X, V), False, "Hv is ()"),
    "hvp that is off by little": (lambda: check_hvp(gradient, lambda x, v: 1.00001 * hvp(x, v), X, V), False, "Hv is"),
}


@pytest.mark.parametrize("case", CHECKS)
def test_checks_of_other_forms(case: str) -> None:
    check, right, said = CHECKS[case]
    verdict = check()
    assert verdict.passed is right, verdict
    assert said in verdict.headline


class Sets(Value):
    """Its sum sets the gradients of its parents, in place of adding to them."""

    def __add__(self, other: Any) -> Any:
        out = type(self)(self.data + other.data, (self, other))

        def backward() -> None:
            self.grad = out.grad
            other.grad = out.grad

        out._backward = backward
        return out


def test_a_share_that_is_overwritten_is_named_whatever_the_order_of_a_set() -> None:
    doubled = check_values(lambda a: a + a, 0.5, make=Sets)
    assert doubled.mistakes == ("overwritten-branch",)
    verdicts = [check_values(lambda a, b: (a * b + a) * (a + b), 0.5, -0.7, make=Sets) for _ in range(3)]
    assert len({(verdict.headline, verdict.mistakes) for verdict in verdicts}) == 1
    assert not verdicts[0].passed
    assert "changes-by-itself" not in verdicts[0].mistakes


def test_a_class_of_values_stays_as_it_is_while_it_is_checked() -> None:
    touched = []

    def expression(a: Any, b: Any) -> Any:
        touched.append("__hash__" in vars(sys.modules[__name__].Sets))
        return (a * b + a) * (a + b)

    assert not check_values(expression, Sets(0.5), Sets(-0.7)).passed
    assert len(touched) > 4
    assert not any(touched)


@pytest.mark.parametrize("returned", [1.0, 3.0, 0.5])
def test_a_right_gradient_that_is_one_number_too_is_not_called_another_one(returned: float) -> None:
    verdict = check_gradient(lambda x: (2 * x, returned), 1.5)
    assert verdict.status == "wrong"
    assert verdict.mistakes != ("not-filled-in",)


def test_a_gradient_that_is_right_at_the_given_sizes_is_not_called_wrong() -> None:
    def run_neuron(w: Any, x: Any) -> Any:
        return 1 / (1 + np.exp(-(w[0] * x[0] + w[1] * x[1] + w[2])))

    def differentiate(w: Any, x: Any) -> Any:
        f = run_neuron(w, x)
        d = f * (1 - f)
        return f, (np.array([d * x[0], d * x[1], d]), d * w)

    verdict = check_gradient(differentiate, np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0]), of=run_neuron)
    assert verdict.headline == "dx is (3,), but x is (2,): axis 0 is 3 instead of 2."


# ---- what is said of a wrong product ------------------------------------------------------------------

A = N(size=(4, 4))


def mix(x: Any) -> Any:
    return np.tanh(A @ x) * x[0]


def find_jacobian(x: Any) -> Any:
    a = np.tanh(A @ x)
    return x[0] * (1 - a**2)[:, None] * A + np.outer(a, [1, 0, 0, 0])


def curve(x: Any) -> Any:
    """The gradient of |tanh(A x) - x|²."""
    return 2 * find_residual_jacobian(x).T @ (np.tanh(A @ x) - x)


def find_residual_jacobian(x: Any) -> Any:
    return (1 - np.tanh(A @ x) ** 2)[:, None] * A - np.eye(4)


def find_hessian(x: Any) -> Any:
    a, jacobian = np.tanh(A @ x), find_residual_jacobian(x)
    return 2 * (jacobian.T @ jacobian + A.T @ np.diag(-2 * a * (1 - a**2) * (a - x)) @ A)


def find_gauss_newton(x: Any) -> Any:
    return 2 * find_residual_jacobian(x).T @ find_residual_jacobian(x)


WRONG_JVPS: list[tuple[Any, str, str]] = [
    (lambda x, v: find_jacobian(x).T @ v, "transposed", "v is multiplied by the transpose of the Jacobian"),
    (lambda x, v: -find_jacobian(x) @ v, "sign", "the sign is wrong"),
    (lambda x, v: 2 * find_jacobian(x) @ v, "factor", "it is twice what it should be"),
    (lambda x, v: find_jacobian(x) @ np.ones(4), "wrong-product", "v is left out"),
    (lambda x, v: find_jacobian(x) @ x, "wrong-product", "v is left out"),
    (lambda x, v: mix(x), "wrong-product", "this is the value itself, whatever v is"),
    (lambda x, v: find_jacobian(x) @ (v / np.linalg.norm(v)), "wrong-product", "the length of v is left out"),
    (lambda x, v: find_jacobian(x) @ np.abs(v), "wrong-product", "the sign of v is left out"),
    (lambda x, v: find_jacobian(x) @ v**2, "wrong-product", "it is not linear in v"),
    (lambda x, v: np.diag(find_jacobian(x)) * v, "jacobian-entries", "only the matrix's diagonal is right"),
    (lambda x, v: x[0] * (1 - np.tanh(A @ x) ** 2) * (A @ v), "jacobian-entries", "all in column 0"),
    (lambda x, v: (mix(x + 1e-4 * v) - mix(x)) / 1e-4, "numerical-derivative", "difference quotient"),
    (lambda x, v: mix(x + 1e-3 * v) - mix(x), "wrong-product", "not divided by the step"),
    (lambda x, v: find_jacobian(x), "wrong-product", "this is J itself, without v"),
    (lambda x, v: find_jacobian(x) * v, "wrong-product", "this is J * v, entry by entry"),
    (lambda x, v: (find_jacobian(x) @ v).sum(), "wrong-product", "this is the sum of J v"),
]
WRONG_HVPS: list[tuple[Any, str, str]] = [
    (lambda x, v: np.diag(find_hessian(x)) * v, "jacobian-entries", "only the matrix's diagonal is right"),
    (lambda x, v: find_gauss_newton(x) @ v, "wrong-product", "another matrix than H"),
    (lambda x, v: find_hessian(x) @ v / 2, "factor", "it is half of what it should be"),
    (lambda x, v: curve(x), "wrong-product", "this is the gradient itself, whatever v is"),
    (lambda x, v: curve(x) * v, "wrong-product", "this is the gradient times v"),
    (lambda x, v: v @ find_hessian(x) @ v, "wrong-product", "this is v · H v, one number"),
    (lambda x, v: (find_hessian(x) - np.diag(np.diag(find_hessian(x)))) @ v, "jacobian-entries", "on the diagonal"),
]
WRONG_IN_TWO: list[tuple[Any, str, str]] = [
    (lambda x, y, u, v: x * u + y * v, "swapped-inputs", "the slopes in x and y changed places"),
    (lambda x, y, u, v: y * u, "wrong-product", "the share of the vector for y is missing"),
    (lambda x, y, u, v: y * u - x * v, "sign", "for y, the sign is wrong"),
]


@pytest.mark.parametrize(("product", "id", "said"), WRONG_JVPS)
def test_a_wrong_jacobian_vector_product_is_explained(product: Any, id: str, said: str) -> None:
    verdict = check_jvp(mix, product, X, V)
    assert (id in {*verdict.mistakes, *verdict.explained_as}, verdict.status) == (True, "wrong"), verdict
    assert said in verdict.headline


@pytest.mark.parametrize(("product", "id", "said"), WRONG_HVPS)
def test_a_wrong_hessian_vector_product_is_explained(product: Any, id: str, said: str) -> None:
    verdict = check_hvp(curve, product, X, V)
    assert (id in {*verdict.mistakes, *verdict.explained_as}, verdict.status) == (True, "wrong"), verdict
    assert said in verdict.headline
    assert "J v" not in str(verdict)


@pytest.mark.parametrize(("product", "id", "said"), WRONG_IN_TWO)
def test_a_wrong_product_of_two_inputs_is_explained(product: Any, id: str, said: str) -> None:
    verdict = check_jvp(lambda x, y: x * y, product, X, V, N(size=4), N(size=4))
    assert {*verdict.mistakes, *verdict.explained_as} == {id}
    assert said in verdict.headline


def test_the_right_products_that_these_are_made_of_pass() -> None:
    assert check_jvp(mix, lambda x, v: find_jacobian(x) @ v, X, V).passed
    assert check_hvp(curve, lambda x, v: find_hessian(x) @ v, X, V).passed
