"""Gates that add, subtract, divide and negate, in many hands."""

from __future__ import annotations

import math

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- add and subtract -------------------------------------------------------------------------------


@gate(f.ADD, "the upstream itself, twice")
class AddTwice:
    def forward(self, x, y):
        return x + y, None

    def backward(self, upstream, cache):
        return upstream, upstream


@gate(f.ADD, "a list, an empty cache")
class AddList:
    def forward(self, x, y):
        return np.add(x, y), ()

    def backward(self, upstream, cache):
        return [1.0 * upstream, 1.0 * upstream]


@gate(f.ADD, "copies")
class AddCopies:
    def forward(self, x, y):
        return np.asarray(x) + np.asarray(y), (x, y)

    def backward(self, upstream, cache):
        return np.array(upstream, copy=True), np.array(upstream, copy=True)


def unbroadcast(g, shape):
    while np.ndim(g) > len(shape):
        g = np.sum(g, axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            g = np.sum(g, axis=axis, keepdims=True)
    return g


@gate(f.ADD_BROADCAST, "axis after axis")
class AddUnbroadcast:
    def forward(self, x, y):
        return x + y, (np.shape(x), np.shape(y))

    def backward(self, upstream, cache):
        return tuple(unbroadcast(upstream, shape) for shape in cache)


@gate(f.ADD_BROADCAST, "all axes at once, then reshaped")
class AddReshape:
    def forward(self, x, y):
        return x + y, {"x": x, "y": y}

    def _fit(self, g, like):
        g, shape = np.asarray(g), np.shape(like)
        padded = (1,) * (g.ndim - len(shape)) + shape
        axes = tuple(i for i, n in enumerate(padded) if n == 1 and g.shape[i] != 1)
        return g.sum(axis=axes, keepdims=True).reshape(shape)

    def backward(self, upstream, cache):
        return self._fit(upstream, cache["x"]), self._fit(upstream, cache["y"])


class BiasGate:
    def forward(self, x, b):
        return x + b, x.shape


@gate(f.ADD_BIAS, "sum over axis 0")
class BiasSum(BiasGate):
    def backward(self, upstream, cache):
        return upstream, upstream.sum(axis=0)


@gate(f.ADD_BIAS, "ones @ g")
class BiasOnes(BiasGate):
    def backward(self, upstream, cache):
        return upstream, np.ones(cache[0]) @ upstream


@gate(f.ADD_BIAS, "einsum")
class BiasEinsum(BiasGate):
    def backward(self, upstream, cache):
        return upstream, np.einsum("nd->d", upstream)


@gate(f.ADD_BIAS, "row by row")
class BiasRows(BiasGate):
    def backward(self, upstream, cache):
        db = np.zeros(cache[1])
        for row in upstream:
            db += row
        return upstream, db


@gate(f.ADD_BIAS, "keepdims, then the one row")
class BiasKept(BiasGate):
    def backward(self, upstream, cache):
        return [upstream.copy(), np.sum(upstream, axis=0, keepdims=True)[0]]


@gate(f.ADD_BIAS, "np.add.at")
class BiasAddAt(BiasGate):
    def backward(self, upstream, cache):
        n, d = cache
        db = np.zeros(d)
        np.add.at(db, np.tile(np.arange(d), n), upstream.ravel())
        return upstream, db


@gate(f.SUBTRACT, "plus the negated")
class SubtractNegated:
    def forward(self, x, y):
        return x + (-y), []

    def backward(self, upstream, cache):
        return upstream * 1.0, upstream * -1.0


@gate(f.SUBTRACT, "np.negative in a list")
class SubtractList:
    def forward(self, x, y):
        return np.subtract(x, y), None

    def backward(self, upstream, cache):
        return [np.positive(upstream), np.negative(upstream)]


@gate(f.SUBTRACT, "zero minus the upstream")
class SubtractFromZero:
    def forward(self, x, y):
        return x - y, (x, y)

    def backward(self, upstream, cache):
        dx, dy = np.zeros_like(cache[0]), np.zeros_like(cache[1])
        dx = dx + upstream
        dy = dy - upstream
        return dx, dy


# ---- divide, negate, reciprocal ---------------------------------------------------------------------


@gate(f.DIVIDE, "from the inputs")
class DivideInputs:
    def forward(self, x, y):
        return x / y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream / y, -upstream * x / y**2


@gate(f.DIVIDE, "through the output")
class DivideOutput:
    def forward(self, x, y):
        return x / y, (x / y, y)

    def backward(self, upstream, cache):
        quotient, y = cache
        dx = upstream / y
        return dx, -quotient * dx


@gate(f.DIVIDE, "as a product with a reciprocal")
class DivideComposed:
    def forward(self, x, y):
        inverse = 1.0 / y
        return x * inverse, {"x": x, "inverse": inverse}

    def backward(self, upstream, cache):
        dx = upstream * cache["inverse"]
        dinverse = upstream * cache["x"]
        dy = -(cache["inverse"] ** 2) * dinverse
        return [dx, dy]


@gate(f.NEGATE, "bare")
class NegateBare:
    def forward(self, x):
        return -x, None

    def backward(self, upstream, cache):
        return -upstream


@gate(f.NEGATE, "times -1, in a tuple")
class NegateTimes:
    def forward(self, x):
        return -1 * x, "nothing to remember"

    def backward(self, upstream, cache):
        return (-1 * upstream,)


@gate(f.RECIPROCAL, "from the output")
class ReciprocalOutput:
    def forward(self, x):
        out = 1 / x
        return out, out

    def backward(self, upstream, out):
        return -upstream * out * out


@gate(f.RECIPROCAL, "from the input")
class ReciprocalInput:
    def forward(self, x):
        return x**-1.0, x

    def backward(self, upstream, x):
        return -upstream / (x * x)


@gate(f.RECIPROCAL, "a negative power")
class ReciprocalPower:
    def forward(self, x):
        return np.power(x, -1.0), (x,)

    def backward(self, upstream, cache):
        return (-1.0 * np.power(cache[0], -2.0) * upstream,)


@gate(f.RECIPROCAL, "math on floats")
class ReciprocalFloats:
    def forward(self, x):
        return np.vectorize(lambda v: 1.0 / float(v), otypes=[float])(x), x

    def backward(self, upstream, x):
        return np.vectorize(lambda g, v: -g / math.pow(v, 2), otypes=[float])(upstream, x)
