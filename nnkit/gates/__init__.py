"""The gates: the smallest pieces of a computation, each with its forward and its backward side by side.

    out, cache = gate.forward(x, y)
    dx, dy = gate.backward(upstream, cache)

`out` is the gate's output; `cache` holds the arrays that its backward will need (nothing else, so
that it can cross `jax.jit`). `upstream` is the gradient of the final loss with respect to `out` and has
its shape. `backward` returns a tuple with one gradient for each input, each in its input's shape: the
vector-Jacobian products, not the Jacobians. An input that has no derivative (integer labels) gets None.

Gates keep no state. They compute in the array namespace of their inputs, so the same lines run on NumPy
and, under `jax.jit`, `vmap` and `scan`, on whatever JAX runs on. Elementwise gates broadcast. Integers
count as floats. Wrong shapes raise `ShapeError`, anything but numbers `TypeError`.

NaN and infinity pass through as in NumPy: NaN in, NaN out. Every comparison with NaN is false, so a derivative that
depends on one (ReLU, max) takes the branch of "not greater". A plain Python number is treated like the same
number in an array. Empty arrays give empty gradients; only the mean over a batch (`SoftmaxCrossEntropy`) needs
an example.

Source of the formulas: CS231n, lecture 4 (computational graphs; vector and matrix derivatives).
"""

from nnkit.arrays import ShapeError
from nnkit.gates.activations import ELU, LeakyReLU, Maxout, ReLU, Sigmoid, Tanh
from nnkit.gates.arithmetic import (
    Add,
    Copy,
    Divide,
    Exp,
    Log,
    Max,
    Multiply,
    Negate,
    Power,
    Reciprocal,
    SquaredNorm,
    Subtract,
    Sum,
)
from nnkit.gates.base import Gate
from nnkit.gates.layers import Affine, MatMul, SoftmaxCrossEntropy, SquaredError

ALL: tuple[type[Gate], ...] = (
    Add, Subtract, Multiply, Divide, Negate, Reciprocal, Exp, Log, Power, Max, Copy, Sum, SquaredNorm,
    Sigmoid, Tanh, ReLU, LeakyReLU, ELU, Maxout, MatMul, Affine, SoftmaxCrossEntropy, SquaredError,
)  # fmt: skip
"""All gates, for tests and tables."""

KIT_GATES = frozenset(ALL)
"""The same as a set: what these gates return needs no checks, and what they compute JAX can trace."""

__all__ = [*(gate.__name__ for gate in ALL), "ALL", "Gate", "ShapeError"]
