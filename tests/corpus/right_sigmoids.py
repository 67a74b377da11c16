"""Sigmoid and tanh, in many hands."""

from __future__ import annotations

import math

import numpy as np

from corpus import right_families as f
from corpus.right_base import gate

# ---- sigmoid: all of these stand any input, the mild ones only mild inputs ---------------------------


class SigmoidOutput:
    """dx from the output alone."""

    def backward(self, upstream, out):
        return upstream * out * (1.0 - out)


@gate(f.SIGMOID, "exp(-|x|)")
class SigmoidAbs(SigmoidOutput):
    def forward(self, x):
        z = np.exp(-np.abs(x))
        out = np.where(x >= 0, 1 / (1 + z), z / (1 + z))
        return out, out


@gate(f.SIGMOID, "masked assignment")
class SigmoidMasked(SigmoidOutput):
    def forward(self, x):
        x = np.asarray(x)
        out, above = np.zeros(x.shape), x >= 0
        out[above] = 1 / (1 + np.exp(-x[above]))
        out[~above] = np.exp(x[~above]) / (1 + np.exp(x[~above]))
        return out, out


@gate(f.SIGMOID, "half-angle tanh")
class SigmoidTanh:
    def forward(self, x):
        t = np.tanh(0.5 * x)
        return 0.5 * (1 + t), t

    def backward(self, upstream, t):
        return (0.25 * upstream * (1 - t * t),)


@gate(f.SIGMOID, "logaddexp")
class SigmoidLogAddExp:
    def forward(self, x):
        return np.exp(-np.logaddexp(0.0, -x)), x

    def backward(self, upstream, x):
        return upstream * np.exp(-np.logaddexp(0.0, -x)) * np.exp(-np.logaddexp(0.0, x))


@gate(f.SIGMOID, "both branches, clipped")
class SigmoidClipped:
    def forward(self, x):
        out = 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))
        return out, {"out": out}

    def backward(self, upstream, cache):
        out = cache["out"]
        return upstream * (out - out**2)


@gate(f.SIGMOID, "overflow left to infinity")
class SigmoidPlain(SigmoidOutput):
    def forward(self, x):
        with np.errstate(over="ignore"):
            out = 1 / (1 + np.exp(-x))
        return out, out


def sigmoid_of_a_float(x):
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))


@gate(f.SIGMOID, "math on floats")
class SigmoidMath:
    def forward(self, x):
        return np.vectorize(sigmoid_of_a_float, otypes=[float])(x), x

    def backward(self, upstream, x):
        slope = np.vectorize(lambda v: sigmoid_of_a_float(v) * sigmoid_of_a_float(-v), otypes=[float])
        return upstream * slope(x)


@gate(f.SIGMOID, "forward called again, twice")
class SigmoidForwardAgain(SigmoidAbs):
    def forward(self, x):
        return super().forward(x)[0], x

    def backward(self, upstream, x):
        return upstream * self.forward(x)[0] * (1 - self.forward(x)[0])


@gate(f.SIGMOID_MILD, "e⁻ˣ σ²")
class SigmoidSquared:
    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        return out, (x, out)

    def backward(self, upstream, cache):
        x, out = cache
        return np.exp(-x) * out**2 * upstream


@gate(f.SIGMOID_MILD, "gate by gate")
class SigmoidStages:
    def forward(self, x):
        exponential = np.exp(-x)
        one_more = exponential + 1
        return 1 / one_more, (exponential, one_more)

    def backward(self, upstream, cache):
        exponential, one_more = cache
        done_more = -1 / one_more**2 * upstream
        dexponential = 1 * done_more
        dnegated = exponential * dexponential
        return (-1 * dnegated,)


@gate(f.SIGMOID_MILD, "from the logit of the output")
class SigmoidRatio:
    def forward(self, x):
        return np.exp(x) / (1 + np.exp(x)), x

    def backward(self, upstream, x):
        return upstream * np.exp(x) / (1 + np.exp(x)) ** 2


# ---- tanh -------------------------------------------------------------------------------------------


@gate(f.TANH, "from the output")
class TanhOutput:
    def forward(self, x):
        out = np.tanh(x)
        return out, out

    def backward(self, upstream, out):
        return upstream * (1 - out**2)


@gate(f.TANH, "(1 - a)(1 + a)")
class TanhFactors:
    def forward(self, x):
        return np.tanh(x), (x,)

    def backward(self, upstream, cache):
        a = np.tanh(*cache)
        return [upstream * (1 - a) * (1 + a)][0]


@gate(f.TANH, "a stretched sigmoid")
class TanhSigmoid:
    def forward(self, x):
        z = np.exp(-2 * np.abs(x))
        s = np.where(x >= 0, 1, z) / (1 + z)
        return 2 * s - 1, s

    def backward(self, upstream, s):
        return (4 * upstream * s * (1 - s),)


@gate(f.TANH_MILD, "1 / cosh²")
class TanhCosh:
    def forward(self, x):
        return np.sinh(x) / np.cosh(x), x

    def backward(self, upstream, x):
        return upstream / np.cosh(x) ** 2


@gate(f.TANH_MILD, "exponentials")
class TanhExponentials:
    def forward(self, x):
        up, down = np.exp(x), np.exp(-x)
        return (up - down) / (up + down), (up, down)

    def backward(self, upstream, cache):
        up, down = cache
        return upstream * 4 / (up + down) ** 2
