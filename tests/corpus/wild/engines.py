"""Small engines of automatic differentiation: values with `.data`, `.grad` and `.backward()`."""

import math
from functools import partial

import numpy as np

from nnkit.check import check_values


class Value:
    def __init__(self, data, _children=(), _op=""):
        self.data = data
        self.grad = 0.0
        self._backward = lambda: None
        self._prev = set(_children)
        self._op = _op

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")

        def _backward():
            # fault: self.grad += -> self.grad =
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")

        def _backward():
            # fault: other.data * out.grad -> self.data * out.grad
            self.grad += other.data * out.grad
            # fault: self.data * out.grad -> self.data
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, k):
        out = Value(self.data**k, (self,), f"**{k}")

        def _backward():
            # fault: (k - 1) -> k
            self.grad += k * self.data ** (k - 1) * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,), "tanh")

        def _backward():
            # fault: t**2 -> t
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def relu(self):
        out = Value(0 if self.data < 0 else self.data, (self,), "ReLU")

        def _backward():
            # fault: (out.data > 0) * ->
            self.grad += (out.data > 0) * out.grad

        out._backward = _backward
        return out

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        topo, visited = [], set()

        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build(child)
                topo.append(v)

        build(self)
        self.grad = 1.0
        # fault: reversed(topo) -> topo
        for v in reversed(topo):
            v._backward()


def expression(a, b):
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    return e.tanh() * e**2 / 2.0 + a * a * d


def case_micrograd(rng):
    return partial(check_values, expression, Value(-0.4), Value(0.3))


def case_micrograd_numbers(rng):
    return partial(check_values, expression, 0.5, -0.2, make=Value)


class Tensor:
    def __init__(self, data, parents=()):
        self.data, self.parents = np.asarray(data, dtype=float), parents
        self.grad = np.zeros_like(self.data)

    def __matmul__(self, other):
        # fault: self.data.T @ g -> g.T @ self.data
        pull = (lambda g: g @ other.data.T), (lambda g: self.data.T @ g)
        return Tensor(self.data @ other.data, tuple(zip((self, other), pull)))

    def __add__(self, other):
        # fault: unbroadcast(g, other.data.shape) -> g
        pull = (lambda g: g), (lambda g: unbroadcast(g, other.data.shape))
        return Tensor(self.data + other.data, tuple(zip((self, other), pull)))

    def exp(self):
        e = np.exp(self.data)
        # fault: g * e -> g
        return Tensor(e, ((self, lambda g: g * e),))

    def sum(self):
        # fault: g * np.ones_like(self.data) -> g * np.ones_like(self.data) / self.data.size
        return Tensor(self.data.sum(), ((self, lambda g: g * np.ones_like(self.data)),))

    def backward(self, g=1.0):
        # fault: self.grad + g -> g
        self.grad = self.grad + g
        for parent, pull in self.parents:
            parent.backward(pull(g))


def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


def case_tensor(rng):
    n = rng.standard_normal

    def loss(x, W, b):
        h = x @ W + b
        return (h + x).exp().sum()

    return partial(check_values, loss, Tensor(n((4, 3))), Tensor(n((3, 3))), Tensor(n(3)))
