"""The multiply gate, in many hands."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from corpus import right_families as f
from corpus.right_arithmetic import unbroadcast
from corpus.right_base import gate

# ---- multiply ---------------------------------------------------------------------------------------


@gate(f.MULTIPLY, "a tuple as cache")
class MultiplyTuple:
    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        dx = upstream * y
        dy = upstream * x
        return dx, dy


@gate(f.MULTIPLY, "a dict as cache, a list returned")
class MultiplyDict:
    def forward(self, x, y):
        cache = {"x": x, "y": y}
        return np.multiply(x, y), cache

    def backward(self, upstream, cache):
        return [np.multiply(cache["y"], upstream), np.multiply(cache["x"], upstream)]


@gate(f.MULTIPLY, "a list as cache, swapped beforehand")
class MultiplySwapped:
    def forward(self, x, y):
        return x * y, [y, x]

    def backward(self, upstream, cache):
        return tuple(upstream * other for other in cache)


Factors = namedtuple("Factors", "x y")


@gate(f.MULTIPLY, "a namedtuple as cache")
class MultiplyNamed:
    def forward(self, x, y):
        return x * y, Factors(x, y)

    def backward(self, upstream, cache):
        return Factors(x=cache.y * upstream, y=cache.x * upstream)


@gate(f.MULTIPLY, "an object as cache")
class MultiplyNamespace:
    def forward(self, x, y):
        return x * y, SimpleNamespace(left=x, right=y)

    def backward(self, upstream, cache):
        return cache.right * upstream, cache.left * upstream


@gate(f.MULTIPLY, "the pullback as cache")
class MultiplyPullback:
    def forward(self, x, y):
        def pullback(upstream):
            return y * upstream, x * upstream

        return x * y, pullback

    def backward(self, upstream, cache):
        return cache(upstream)


@gate(f.MULTIPLY, "a ticket as cache")
class MultiplyTicket:
    """Keeps the inputs itself, under a number of their own for each forward."""

    def __init__(self):
        self.seen = {}

    def forward(self, x, y):
        ticket = len(self.seen)
        self.seen[ticket] = x, y
        return x * y, ticket

    def backward(self, upstream, cache):
        x, y = self.seen[cache]
        return upstream * y, upstream * x


@gate(f.MULTIPLY, "static methods")
class MultiplyStatic:
    @staticmethod
    def forward(x, y):
        return x * y, (x, y)

    @staticmethod
    def backward(upstream, cache):
        x, y = cache
        return y * upstream, x * upstream


@gate(f.MULTIPLY, "class methods with other argument names")
class MultiplyClass:
    @classmethod
    def forward(cls, a, b):
        return a * b, (a, b)

    @classmethod
    def backward(cls, dout, saved):
        a, b = saved
        da, db = dout * b, dout * a
        return da, db


@gate(f.MULTIPLY, "a dataclass")
@dataclass
class MultiplyDataclass:
    label: str = "times"

    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        return upstream * cache[1], upstream * cache[0]


@gate(f.MULTIPLY, "slots")
class MultiplySlots:
    __slots__ = ("name",)

    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        return upstream * cache[1], upstream * cache[0]


gate(f.MULTIPLY, "functions as attributes")(
    SimpleNamespace(forward=lambda x, y: (x * y, (x, y)), backward=lambda g, cache: (g * cache[1], g * cache[0]))
)


@gate(f.MULTIPLY, "printing")
class MultiplyPrinting:
    def forward(self, x, y):
        print("forward", x, y)
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        print("backward: upstream is", upstream)
        return upstream * y, upstream * x


@gate(f.MULTIPLY, "einsum")
class MultiplyEinsum:
    def forward(self, x, y):
        return np.einsum("...,...->...", x, y), (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return np.einsum("...,...->...", upstream, y), np.einsum("...,...->...", upstream, x)


@gate(f.MULTIPLY, "entry by entry")
class MultiplyLoop:
    def forward(self, x, y):
        out = np.zeros(np.shape(x))
        for i in np.ndindex(out.shape):
            out[i] = np.asarray(x)[i] * np.asarray(y)[i]
        return out, (x, y)

    def backward(self, upstream, cache):
        x, y = map(np.asarray, cache)
        dx, dy = np.zeros(x.shape), np.zeros(y.shape)
        for i in np.ndindex(x.shape):
            dx[i] += np.asarray(upstream)[i] * y[i]
            dy[i] += np.asarray(upstream)[i] * x[i]
        return dx, dy


@gate(f.MULTIPLY, "np.vectorize")
class MultiplyVectorize:
    def forward(self, x, y):
        return np.vectorize(lambda a, b: a * b)(x, y), (x, y)

    def backward(self, upstream, cache):
        times = np.vectorize(lambda a, b: float(a) * float(b), otypes=[float])
        return times(upstream, cache[1]), times(upstream, cache[0])


@gate(f.MULTIPLY, "flat, then reshaped")
class MultiplyFlat:
    def forward(self, x, y):
        return x * y, (np.ravel(x), np.ravel(y), np.shape(x))

    def backward(self, upstream, cache):
        x, y, shape = cache
        g = np.ravel(upstream)
        return (g * y).reshape(shape), (g * x).reshape(shape)


@gate(f.MULTIPLY, "Fortran order")
class MultiplyFortran:
    def forward(self, x, y):
        return np.array(x * y, order="F"), (np.array(x, order="F"), np.array(y, order="F"))

    def backward(self, upstream, cache):
        return np.array(upstream * cache[1], order="F"), np.array(cache[0] * upstream, order="F")


@gate(f.MULTIPLY, "in place on its own copies")
class MultiplyOwnCopies:
    def forward(self, x, y):
        out = np.array(x)
        out *= y
        return out, (x, y)

    def backward(self, upstream, cache):
        dx, dy = np.array(cache[1]), np.array(cache[0])
        dx *= upstream
        dy *= upstream
        return dx, dy


@gate(f.MULTIPLY, "its own forward does the products")
class MultiplyForwardAgain:
    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return self.forward(upstream, y)[0], self.forward(upstream, x)[0]


@gate(f.MULTIPLY_BROADCAST, "axis after axis")
class MultiplyUnbroadcast:
    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return unbroadcast(upstream * y, np.shape(x)), unbroadcast(upstream * x, np.shape(y))


@gate(f.MULTIPLY_BROADCAST, "added up where each entry was used")
class MultiplyPlaces:
    def forward(self, x, y):
        return x * y, (np.asarray(x), np.asarray(y))

    def backward(self, upstream, cache):
        gradients = []
        for own, other in (cache, cache[::-1]):
            places = np.broadcast_to(np.arange(own.size).reshape(own.shape), np.shape(upstream))
            weights = np.broadcast_to(upstream * other, np.shape(upstream))
            gradients.append(np.bincount(places.ravel(), weights.ravel(), own.size).reshape(own.shape))
        return gradients
