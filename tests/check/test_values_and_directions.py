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
