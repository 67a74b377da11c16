"""Powers, exponentials and extrema, in many hands."""

from __future__ import annotations

import math

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- exp, log, powers -------------------------------------------------------------------------------


@gate(f.EXP, "the output as cache")
class ExpOutput:
    def forward(self, x):
        out = np.exp(x)
        return out, out

    def backward(self, upstream, out):
        return upstream * out


@gate(f.EXP, "recomputed")
class ExpRecomputed:
    def forward(self, x):
        return np.e**x, x

    def backward(self, upstream, cache):
        return (upstream * np.exp(cache),)


@gate(f.EXP, "forward called again")
class ExpForwardAgain:
    def forward(self, x):
        return np.expm1(x) + 1.0, (x,)

    def backward(self, upstream, cache):
        out, _ = self.forward(*cache)
        again, _ = self.forward(*cache)
        return (out + again) / 2 * upstream


@gate(f.EXP, "math.exp for each entry")
class ExpMath:
    def forward(self, x):
        if np.ndim(x) == 0:
            return math.exp(x), x
        return np.array([math.exp(v) for v in x.flat]).reshape(x.shape), x

    def backward(self, upstream, x):
        if np.ndim(x) == 0:
            return float(upstream) * math.exp(x)
        return np.array([g * math.exp(v) for g, v in zip(upstream.flat, x.flat)]).reshape(x.shape)


@gate(f.LOG, "divided by the input")
class LogInput:
    def forward(self, x):
        return np.log(x), x

    def backward(self, upstream, x):
        return upstream / x


@gate(f.LOG, "through the output")
class LogOutput:
    def forward(self, x):
        out = np.log(x)
        return out, {"out": out}

    def backward(self, upstream, cache):
        return (upstream * np.exp(-cache["out"]),)


@gate(f.LOG, "from log2")
class LogTwo:
    def forward(self, x):
        return np.log2(x) * np.log(2.0), (x,)

    def backward(self, upstream, cache):
        return (np.log(2.0) * (upstream / (cache[0] * np.log(2.0))),)


@gate(f.SQUARE, "2 x")
class SquareTwice:
    def forward(self, x):
        return x**2, x

    def backward(self, upstream, x):
        return 2 * x * upstream


@gate(f.SQUARE, "the product rule")
class SquareProduct:
    def forward(self, x):
        return x * x, [x]

    def backward(self, upstream, cache):
        return (cache[0] * upstream + upstream * cache[0],)


@gate(f.SQUARE, "added up on a buffer of its own")
class SquareBuffer:
    def forward(self, x):
        return np.square(x), (x,)

    def backward(self, upstream, cache):
        dx = np.zeros_like(np.asarray(cache[0], dtype=float))
        for _ in range(2):
            dx += upstream * cache[0]
        return dx


@gate(f.CUBE, "the exponent as a setting")
class CubePower:
    def __init__(self, exponent=3):
        self.exponent = exponent

    def forward(self, x):
        return x**self.exponent, x

    def backward(self, upstream, x):
        return upstream * self.exponent * x ** (self.exponent - 1)


@gate(f.CUBE, "two multiplications")
class CubeStages:
    def forward(self, x):
        square = x * x
        return square * x, (x, square)

    def backward(self, upstream, cache):
        x, square = cache
        dsquare, dx = upstream * x, upstream * square
        return (dx + 2 * x * dsquare,)


@gate(f.SQRT, "from the output")
class SqrtOutput:
    def forward(self, x):
        root = np.sqrt(x)
        return root, root

    def backward(self, upstream, root):
        return upstream / (2 * root)


@gate(f.SQRT, "a power of a half")
class SqrtPower:
    def forward(self, x):
        return x**0.5, x

    def backward(self, upstream, x):
        return 0.5 * x**-0.5 * upstream


@gate(f.SQRT, "through logarithms")
class SqrtLog:
    def forward(self, x):
        return np.exp(0.5 * np.log(x)), x

    def backward(self, upstream, x):
        return (upstream * np.exp(0.5 * np.log(x)) * 0.5 / x,)


@gate(f.COS, "minus the sine")
class CosSine:
    def forward(self, x):
        return np.cos(x), x

    def backward(self, upstream, x):
        return -np.sin(x) * upstream


@gate(f.COS, "a quarter turn further")
class CosShifted:
    def forward(self, x):
        return np.sin(x + np.pi / 2), x

    def backward(self, upstream, x):
        return upstream * np.cos(x + np.pi / 2)


# ---- max, min, absolute value -----------------------------------------------------------------------


@gate(f.MAX, "x wins ties")
class MaxFirst:
    def forward(self, x, y):
        return np.maximum(x, y), (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream * (x >= y), upstream * (x < y)


@gate(f.MAX, "y wins ties")
class MaxSecond:
    def forward(self, x, y):
        winner = np.greater(x, y)
        return np.where(winner, x, y), winner

    def backward(self, upstream, winner):
        return np.where(winner, upstream, 0.0), np.where(winner, 0.0, upstream)


@gate(f.MAX, "half to each at ties")
class MaxHalves:
    def forward(self, x, y):
        return np.maximum(x, y), (x, y)

    def backward(self, upstream, cache):
        share = (1 + np.sign(cache[0] - cache[1])) / 2
        return [upstream * share, upstream * (1 - share)]


@gate(f.MAX, "index assignment")
class MaxAssigned:
    def forward(self, x, y):
        return np.maximum(x, y), (np.asarray(x), np.asarray(y))

    def backward(self, upstream, cache):
        x, y = cache
        dx, dy = np.zeros(x.shape), np.zeros(y.shape)
        dx[x >= y] = np.asarray(upstream)[x >= y]
        dy[x < y] = np.asarray(upstream)[x < y]
        return dx, dy


@gate(f.MAX, "a third to y at ties")
class MaxThirds:
    def forward(self, x, y):
        return np.maximum(x, y), np.where(x == y, 2 / 3, np.where(x > y, 1.0, 0.0))

    def backward(self, upstream, share):
        return share * upstream, (1.0 - share) * upstream


@gate(f.MIN, "the mask and its inverse")
class MinMask:
    def forward(self, x, y):
        smaller = np.asarray(x <= y)
        return np.minimum(x, y), smaller

    def backward(self, upstream, smaller):
        return upstream * smaller, upstream * ~smaller


@gate(f.MIN, "minus the max of the negated")
class MinNegated:
    def forward(self, x, y):
        return -np.maximum(-x, -y), (x, y)

    def backward(self, upstream, cache):
        x, y = -cache[0], -cache[1]
        dmax = -upstream
        dnx, dny = np.where(x > y, dmax, 0.0), np.where(x > y, 0.0, dmax)
        return -dnx, -dny


@gate(f.ABS, "the sign")
class AbsSign:
    def forward(self, x):
        return np.abs(x), np.sign(x)

    def backward(self, upstream, sign):
        return upstream * sign


@gate(f.ABS, "np.where")
class AbsWhere:
    def forward(self, x):
        return abs(x), x

    def backward(self, upstream, x):
        return np.where(x < 0, -upstream, upstream)


@gate(f.ABS, "two ReLUs")
class AbsTwoReLUs:
    def forward(self, x):
        return np.maximum(x, 0) + np.maximum(-x, 0), (x > 0, x < 0)

    def backward(self, upstream, cache):
        above, below = cache
        return upstream * above - upstream * below


@gate(f.ABS, "x over its size")
class AbsRatio:
    def forward(self, x):
        size = np.sqrt(np.square(x))
        return np.abs(x), (x, size)

    def backward(self, upstream, cache):
        x, size = cache
        return (upstream * np.divide(x, size, out=np.zeros(np.shape(x)), where=np.asarray(size) > 0),)
